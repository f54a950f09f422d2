/* SPDX-License-Identifier: GPL-2.0 */
/* Numbered frames, known byte by byte, through a pair of rings and a back end that reflects. */
#ifndef VIOLA_TESTS_PEER_TRAFFIC_H
#define VIOLA_TESTS_PEER_TRAFFIC_H

#include "tests/dpdk/peer.h"

struct traffic {
	struct peer *peer;
	unsigned int pair;
	struct model_rand rand;
	u32 window; /* frames under way at most */
	bool refill; /* receive buffers go back into the ring */
	bool indirect, mergeable;

	u64 next; /* frame to send */
	u64 expected; /* frame to receive */
	u64 received, lost, repeated, corrupt;
	const char *fault; /* a driver's, or NULL */

	/* A frame of several buffers, as far as it is here. */
	u8 frame[16384];
	u32 len;
	u32 missing; /* buffers */
};

void traffic_init(struct traffic *t, struct peer *p, unsigned int pair, u64 seed);

/* Fills the receiving ring, sends what the window allows, takes what has come. */
void traffic_turn(struct traffic *t, bool send);

/* Until @frames more have come, or nothing does for @ms milliseconds. */
bool traffic_run(struct traffic *t, u64 frames, unsigned int ms);

/* Sends nothing more, and waits for what is under way. */
bool traffic_drain(struct traffic *t, unsigned int ms);

/* What is under way is given up: it was sent while nobody could receive. */
void traffic_forgive(struct traffic *t);

/*
 * After a drain: whether every buffer that was ever made available is accounted
 * for. Each sent one is back; and each receiving one that is in the ring still
 * takes a frame.
 */
bool traffic_settle(struct traffic *t, unsigned int ms);

/* Nothing lost, repeated or altered so far, and no driver saw a fault. */
bool traffic_clean(const struct traffic *t);

#endif
