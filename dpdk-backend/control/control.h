/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The control socket: a thread that takes requests, one per line, and answers
 * each with one line. command.h says which.
 *
 * Clients run as the same user, and may still be wrong: what one sends is
 * bounded, what is not finished in time is cut off, and so is the number of
 * connections. Requests of all are handled one after the other.
 */
#ifndef VIOLA_DPDK_CONTROL_H
#define VIOLA_DPDK_CONTROL_H

#include <sched.h>
#include <stddef.h>

#define CONTROL_REQUEST_MAX 65536u /* bytes of a request, with its newline */
#define CONTROL_CLIENTS 16u

/*
 * Serves @path until control_stop(), on @cpus. 0, or -errno with a sentence for
 * the user in @why (@size bytes).
 */
int control_start(const char *path, const cpu_set_t *cpus, char *why, size_t size);

/* Ends that, if it was started, and removes the socket. */
void control_stop(void);

#endif
