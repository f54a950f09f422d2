/* SPDX-License-Identifier: GPL-2.0 */
/* A device with its driver, its tap and the far end of it. */
#ifndef VIOLA_TESTS_LAB_VRING_RUN_H
#define VIOLA_TESTS_LAB_VRING_RUN_H

#include "tests/lab/vring-driver.h"
#include "tests/lab/vring-net.h"

struct run {
	struct driver d;
	int tap, far;
	enum net_kind kind;
	unsigned int count, size; /* size 0: frames of many sizes */
	bool workers; /* the rings change workers all the time */
};

void run_open(struct run *r, const char *tap, const struct driver_options *options);
void run_close(struct run *r);

/* @count frames both ways at once: whether all came, once, unharmed, and by a tap in order. */
bool run_exchange(struct run *r, unsigned int count, bool quiet);

/* The command "nonsense". Prints a line per case; 0 if all are as they must be. */
int run_nonsense(struct run *r);
/* The command "call", likewise. */
int run_call(struct run *r);
/* The command "log", likewise. */
int run_log(struct run *r);
/* Begins to move the rings between workers, from a thread of its own. */
void workers_move(struct run *r);
/* How often they were moved by now. */
unsigned int workers_moved(void);
/* Ends that. */
void workers_rest(void);
/* The command "workers", likewise. */
int run_workers(struct run *r);
/* The command "scatter", likewise. */
int run_scatter(struct run *r);

#endif
