/* SPDX-License-Identifier: GPL-2.0 */
/*
 * --fd: front ends on a socket that this process was started with, as
 * management programs do it.
 *
 * DPDK's library (22.11) serves sockets at paths only. So it gets one of
 * its own in a folder of ours, and messages are carried between the two, whole
 * and with their descriptors, as they come. Frames do not go this way: memory and
 * eventfds are handed on, and are the front end's own.
 */
#ifndef VIOLA_DPDK_INHERIT_H
#define VIOLA_DPDK_INHERIT_H

#include <sched.h>
#include <stddef.h>

#define INHERIT_MAX 16u

struct inherited {
	int fd; /* a Unix stream socket, listening or connected */
	const char *path; /* where the library listens for it */
};

/*
 * Looks at @fd, a number in decimal, and fills in @in; the path is malloc'd.
 * 0, or -errno with what is wrong and the remedy in @why (@size bytes).
 */
int inherit_check(struct inherited *in, const char *fd, char *why, size_t size);

/*
 * Carries messages of the @n sockets until inherit_stop(), on @cpus; the library
 * listens already. 0, or -errno with a sentence for the user in @why.
 */
int inherit_start(const struct inherited *in, unsigned int n, const cpu_set_t *cpus, char *why,
		  size_t size);

/* Ends that, if it was started, and all its connections. */
void inherit_stop(void);

#endif
