/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The far end of a measurement: the peer of viola-agent on the host's side of
 * the link. It reflects round trips, counts and verifies what the guest
 * sends, generates what the guest receives, and tells its owner the exact
 * borders of each phase so that host-side counters can be read there.
 *
 * The guest is hostile: memory is fixed, each step does a bounded amount of
 * work, and every number in a frame is checked before use.
 */
#ifndef VIOLA_GUEST_FAREND_H
#define VIOLA_GUEST_FAREND_H

#include <stdbool.h>
#include <stdint.h>

#include <viola/wire.h>

#include "tools/guest/failure.h"
#include "tools/guest/link.h"

struct farend_phase {
	uint16_t id;
	uint8_t workload;	/* VIOLA_WIRE_RTT, _TX, _RX */
	bool warmup;
	unsigned int size;	/* of data frames, FCS included */
	unsigned int window;
	uint64_t count;
	uint64_t duration_ns;
};

/*
 * Called by farend_step(). A phase has begun when phase_begin returns, and
 * no data frame of it has been handled before; phase_end is called after the
 * last one. Each may be NULL, and returns 0 or -errno, which the agent is
 * told. @aborted: the agent vanished or restarted within the phase.
 *
 * round: the agent asks whether its round @number may begin. -EAGAIN lets it
 * wait until farend_release(). NULL: it may.
 */
struct farend_ops {
	int (*hello)(void *ctx);
	int (*round)(void *ctx, uint64_t number);
	int (*phase_begin)(void *ctx, const struct farend_phase *p);
	int (*phase_end)(void *ctx, const struct farend_phase *p,
			 const struct viola_wire_counts *counts,
			 uint64_t agent_sent, bool aborted);
	void (*bye)(void *ctx);
};

struct farend;

/*
 * Open a far end on interface @iface (brought up). Returns NULL with @f set
 * on error. farend_create_on() uses a link that the caller has opened; the
 * far end owns it from then on.
 */
struct farend *farend_create(const char *iface, const struct farend_ops *ops,
			     void *ctx, struct failure *f);
struct farend *farend_create_on(const struct link *l,
				const struct farend_ops *ops, void *ctx,
				struct failure *f);
void farend_destroy(struct farend *fe);

/*
 * Handle what has arrived and send what is due; waits up to @timeout_ms for
 * something to arrive if there is nothing to do. Returns 0, or -errno with
 * @f set when the link is gone. Call it until then.
 */
int farend_step(struct farend *fe, int timeout_ms, struct failure *f);

/* Let the round begin that the agent was told to wait for. */
void farend_release(struct farend *fe);

/*
 * A known slow-down, to test the instrument itself: spend @ns nanoseconds on
 * every data frame that arrives or is sent.
 */
void farend_slow(struct farend *fe, unsigned int ns);

/* Frames seen outside of any phase that were corrupted or nobody sent. */
uint64_t farend_strays(const struct farend *fe);

#endif
