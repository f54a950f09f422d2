/* SPDX-License-Identifier: GPL-2.0 */
/* The set of files that the vhost library's event thread waits for. */
#ifndef VIOLA_DPDK_FDSET_H
#define VIOLA_DPDK_FDSET_H

/*
 * Makes the thread look at the server's socket at @path, which the library was just
 * told to serve. Without it a front end may wait for a second; nothing else depends
 * on it, so it does not fail.
 */
void fdset_wake(const char *path);

#endif
