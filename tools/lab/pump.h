/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_LAB_PUMP_H
#define VIOLA_LAB_PUMP_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Carries bytes from one descriptor to another without ever blocking, so that
 * a reader that stops reading never keeps the loop from its signals and time
 * limit. Used on both ends: in the lab from the command's pipes to the ports,
 * outside from the ports to stdout and stderr.
 */
struct pump {
	int in;			/* -1: closed, or none */
	int out;		/* stays open for its owner */
	size_t start, end;	/* what is in data, not yet written */
	uint64_t total;		/* bytes written since the start */
	bool broken;		/* out takes no more (reader gone): drop what comes */
	struct pollfd *in_poll, *out_poll;
	char data[32768];
};

void pump_init(struct pump *pump, int in, int out);

/* Register what the pump waits for: two entries at @fds. */
void pump_prepare(struct pump *pump, struct pollfd *fds);

/* After poll(): move what can be moved. */
void pump_move(struct pump *pump);

static inline bool pump_empty(const struct pump *pump)
{
	return pump->start == pump->end;
}

#endif
