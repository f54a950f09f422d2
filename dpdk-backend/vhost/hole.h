/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files of front ends that end before the memory mapped from them does.
 *
 * Guest memory, the dirty log and in-flight regions are files of the front end's,
 * who may truncate them at any time; the next access is a SIGBUS on whichever
 * thread makes it, in the library or here. What is in such memory is hostile
 * anyway, every value in it may change at any time. So the mapping is replaced by
 * zeroes, the access is made again, and whoever used it is told by a count: one that
 * sessions compare once per burst.
 */
#ifndef VIOLA_DPDK_HOLE_H
#define VIOLA_DPDK_HOLE_H

#include <viola/env.h>

/* Takes SIGBUS over, for all threads. 0 or -errno. */
int hole_handle(void);

/* How many mappings were replaced so far: grows, and nothing else. */
extern unsigned int hole_count;

/* The same, of those that the calling thread stumbled over. */
unsigned int hole_count_here(void);

/*
 * Whether one of the mappings replaced since hole_count was @since overlaps the
 * @len bytes at @at, which have been mapped all that time.
 */
bool hole_within(unsigned int since, const void *at, u64 len);

#endif
