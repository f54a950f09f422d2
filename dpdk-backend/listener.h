/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listening sockets in a loop of poll(). Where there are no descriptors or no memory for
 * a connection, it stays in the queue, and poll() says at once, and for ever, that
 * somebody waits. Such a listener is left alone for a moment.
 */
#ifndef VIOLA_DPDK_LISTENER_H
#define VIOLA_DPDK_LISTENER_H

#include <poll.h>
#include <time.h>

#include <viola/env.h>

struct listener {
	int fd; /* -1: none; non-blocking */
	s64 again; /* clock_ms() before which it is not looked at */
};

static inline s64 clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (s64)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/*
 * Fills in what poll() is told of @l. Returns @wait, or less: milliseconds for which
 * poll() may wait at most, -1 for ever.
 */
int listener_poll(const struct listener *l, struct pollfd *p, int wait);

/*
 * Takes one connection, with @flags as accept4() has them. Its descriptor, or -1: none
 * is there now.
 */
int listener_accept(struct listener *l, int flags);

#endif
