/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The agent's state and its parts: session.c talks with the far end,
 * workload.c sends and receives, results.c judges and writes JSON, agent.c is
 * the command.
 */
#ifndef VIOLA_GUEST_AGENT_H
#define VIOLA_GUEST_AGENT_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <viola/hdr.h>
#include <viola/wire.h>

#include "tools/guest/account.h"
#include "tools/guest/failure.h"
#include "tools/guest/irqs.h"
#include "tools/guest/link.h"

#define AGENT_SIZES	8	/* in one list of sizes */
#define AGENT_PHASES	64	/* of one round */
#define AGENT_ROUNDS	1000	/* phase ids have 16 bits */
#define AGENT_CURVE	32	/* points of a percentile curve */

struct agent_config {
	char iface[IFNAMSIZ];		/* "auto": the first on a device */
	const char *json;		/* path, "-" is stdout */
	bool control;
	bool verbose;
	unsigned int rounds;		/* how often the list of phases is run */
	unsigned int warmup;		/* round trips before the counted ones */
	unsigned int rtt_count;
	unsigned int rtt_size[AGENT_SIZES], rtt_sizes;
	unsigned int rate_ms;
	unsigned int rate_size[AGENT_SIZES], rate_sizes;
	bool rate_tx, rate_rx;
	unsigned int window;		/* rx frames in flight; 0: no limit */
	unsigned int timeout_ms;	/* of one round trip */
	unsigned int wait_ms;		/* for interface, carrier, far end */
	unsigned int settle_ms;		/* for an idle machine, at most; 0: do not wait */
};

/* Round-trip times of a phase, nanoseconds. */
struct agent_rtt {
	uint64_t samples;
	uint64_t min, p50, p90, p99, p999, max, mean;
	struct {
		double q;
		uint64_t ns;
	} curve[AGENT_CURVE];
	unsigned int points;
};

struct agent_phase {
	uint16_t id;
	uint8_t workload;		/* VIOLA_WIRE_RTT, _TX or _RX */
	bool warmup;
	bool done;			/* ran to its end */
	unsigned int size;
	uint64_t count;			/* rtt: round trips asked for */
	uint64_t duration_ns;		/* tx, rx: asked for; after: taken */
	uint64_t sent;			/* by this side */
	uint64_t lost, late;		/* rtt */
	struct viola_wire_counts mine;
	struct viola_wire_counts far;	/* zero without control */
	bool irqs_known;
	uint64_t irqs;
	struct agent_rtt rtt;
};

struct agent {
	struct agent_config cfg;
	struct link link;
	uint8_t peer[FRAME_ALEN];
	uint32_t run;
	uint64_t question;		/* sequence number of the last question */
	struct irqs irqs;
	struct account account;
	struct hdr hdr;
	struct link_batch batch;
	uint8_t out[LINK_BATCH][FRAME_BUF];
	unsigned int round;		/* from 1; 0: none has begun */
	uint16_t last_phase;		/* highest id used in this run */
	struct agent_phase phase[AGENT_PHASES];	/* of this round */
	unsigned int phases;
	struct failure failure;
};

/* What agent_phase_error() and the exit status mean. */
enum agent_exit {
	AGENT_OK = 0,
	AGENT_FAILED = 1,	/* measured, and frames were not as sent */
	AGENT_USAGE = 2,
	AGENT_NO_RUN = 3,	/* could not measure: no device, no far end… */
};

/* --- session.c --- */

/* Find the far end. Returns 0 or -errno with a->failure set. */
int session_hello(struct agent *a);

/*
 * Ask whether round @number (from 1) may begin, and wait until it may: the far
 * end may have other guests to serve first. Returns 0 or -errno with a->failure
 * set.
 */
int session_round(struct agent *a, unsigned int number);

/*
 * Announce phase @p, and its end with p->sent; the second fills p->far. The
 * far end has taken its counters when these return.
 */
int session_begin(struct agent *a, const struct agent_phase *p);
int session_end(struct agent *a, struct agent_phase *p);

/* Say that the run is over; nobody answering is not an error. */
void session_bye(struct agent *a);

/* --- workload.c --- */

/*
 * Run all phases of one round that a->cfg asks for, into a->phase[], which
 * forgets those of the round before.
 */
int workload_run(struct agent *a);

/* --- results.c --- */

const char *workload_name(uint8_t workload);

/*
 * Judge the phases: true when every frame arrived as sent. Otherwise @why
 * receives the first reason.
 */
bool results_judge(const struct agent *a, char *why, size_t len);

/*
 * Write one JSON document (schema viola-agent/1) of this round on one line.
 * @status is "ok", "failed" (frames not as sent) or "error" (no measurement).
 */
void results_write(const struct agent *a, FILE *out, const char *status,
		   const char *why);

#endif
