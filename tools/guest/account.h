/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One receiver's account of one phase: which frames came, whole, once, and as
 * sent. Memory is fixed whatever the peer does: sequence numbers are tracked
 * in a sliding window of ACCOUNT_WINDOW, and a frame older than the window
 * counts as duplicated (no path here keeps frames back that long).
 */
#ifndef VIOLA_GUEST_ACCOUNT_H
#define VIOLA_GUEST_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/guest/frame.h"

#define ACCOUNT_WINDOW	65536u

struct account {
	uint32_t run;
	uint16_t phase;
	uint8_t type;		/* the data frames of this phase */
	uint64_t limit;		/* frames the peer has sent so far, if known */
	uint64_t next;		/* one past the highest sequence number seen */
	uint64_t first_ns, last_ns;
	struct viola_wire_counts counts;
	uint64_t seen[ACCOUNT_WINDOW / 64];
};

/* Start the account of a phase; @limit is UINT64_MAX when unknown. */
void account_reset(struct account *a, uint32_t run, uint16_t phase,
		   uint8_t type, uint64_t limit);

/* Only the phase and run, for frames between phases: nothing is expected. */
void account_idle(struct account *a, uint32_t run, uint16_t phase);

/*
 * Take one received data frame (anything but a control or credit frame) with
 * the verdict of frame_parse(), at time @now_ns. True when it is a whole,
 * expected first copy.
 */
bool account_take(struct account *a, enum frame_verdict verdict,
		  const struct frame_id *id, uint64_t now_ns);

/*
 * The peer has said how many frames it sent: what was seen beyond that number
 * becomes invented.
 */
void account_close(struct account *a, uint64_t sent);

#endif
