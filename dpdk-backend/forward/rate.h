/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Limits in frames and bits per second: token buckets, shared by the lcores that
 * have frames for it. A port without a limit has nothing written here; one with
 * takes a lock and looks at the clock once per burst, not per frame.
 *
 * A frame passes while there is a token left, and may leave the bucket in debt:
 * so none is too long for any bucket, and the rate holds in the long run.
 */
#ifndef VIOLA_DPDK_RATE_H
#define VIOLA_DPDK_RATE_H

#include <pthread.h>
#include <viola/env.h>

#define RATE_BURST_MS 20u /* unless said otherwise */
#define RATE_MAX 1000000000000ull /* bits or frames per second */

/* Tokens of one kind, and how they come. */
struct rate_bucket {
	u64 rate; /* tokens per second; 0: no limit */
	s64 most, tokens;
	u64 rest; /* of the division by the clock's frequency */
};

struct rate {
	bool on; /* constant while lcores run, or changed by rate_set() */
	u32 burst_ms;
	pthread_spinlock_t lock; /* protects what follows */
	u64 last; /* ticks of the clock */
	struct rate_bucket frames, bits;
} __attribute__((aligned(64)));

/* No limit. Before anything else. */
void rate_init(struct rate *r);

/*
 * Limits to @frames and @bits per second, each up to RATE_MAX, 0 for no limit,
 * with bursts of what comes in @burst_ms. May be called while others use it.
 */
void rate_set(struct rate *r, u64 frames, u64 bits, u32 burst_ms);

/*
 * A burst begins at @now, in ticks of a clock of @hz that never goes back by
 * much: holds the lock until rate_end().
 */
void rate_begin(struct rate *r, u64 now, u64 hz);

/* Whether @frames frames of @bytes bytes in all may pass; takes their tokens. */
bool rate_pass(struct rate *r, u32 frames, u32 bytes);

void rate_end(struct rate *r);

/*
 * A number with k, M or G for thousands, of 1 to RATE_MAX: "10G". False if
 * @text is none.
 */
bool rate_parse(const char *text, u64 *value);

#endif
