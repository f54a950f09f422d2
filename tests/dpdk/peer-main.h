/* SPDX-License-Identifier: GPL-2.0 */
/* What viola-test-peer can be asked for; each in a file of its own. */
#ifndef VIOLA_TESTS_PEER_MAIN_H
#define VIOLA_TESTS_PEER_MAIN_H

#include "tests/dpdk/peer-traffic.h"

#define RUN_MS 30000 /* patience with traffic on a loaded machine */

struct run {
	const char *socket, *other; /* of two ports of the back end */
	char **backend; /* its command line */
	pid_t pid;
	u64 features, protocol; /* wanted of the back end */
	u64 seed;
	unsigned int count; /* frames, kills, sessions */
	unsigned int seconds;
	bool stop; /* whoever takes up another's buffers, its rings are stopped first */
	const char *only; /* a case's name or part of it, or NULL */
	const char *kept; /* a list of sessions to begin with, or NULL */
};

/* Each: whether all was as it must be; why not is said on stdout. */
bool run_carry(struct run *r);
bool run_stop(struct run *r);
bool run_ask(struct run *r);
bool run_call(struct run *r);
bool run_dirty(struct run *r);
bool run_recover(struct run *r);
bool run_victims(struct run *r);
bool run_hostile(struct run *r);
bool run_fuzz(struct run *r);

/*
 * Verified traffic through the port at @path, by a proper front end that connects
 * for it. Says on stdout why not.
 */
bool run_verify(const struct run *r, const char *path, u64 frames);

/* Files and mappings of the back end. */
struct run_held {
	unsigned int files, mappings;
};

/* What it holds, once what connections have left has had time to go. */
struct run_held run_holds(const struct run *r);

/* Whether it soon holds no more than @before; says on stdout what there is. */
bool run_holds_no_more(const struct run *r, struct run_held before);

/* Starts the back end and waits for its sockets. */
bool run_start(struct run *r);
/* Ends it: whether it ended well. */
bool run_stop_backend(struct run *r);

#endif
