/* SPDX-License-Identifier: GPL-2.0 */
/* The threads that work for a guest: those of its VMM, and the kernel's. */
#ifndef VIOLA_MEASURE_THREADS_H
#define VIOLA_MEASURE_THREADS_H

#include <sys/types.h>

#include "tools/guest/failure.h"

/*
 * Call @each for every kernel thread that works for VMM @pid. Such a thread
 * carries the pid in its name: vhost-PID, viola-PID-QUEUE.
 */
void threads_of_kernel(pid_t pid, void (*each)(pid_t tid, void *ctx), void *ctx);

/*
 * Let all threads of VMM @pid, its kernel threads and the calling process run
 * first in, first out: each until it has nothing to do. Returns 0 or -errno with
 * @f set.
 */
int threads_fifo(pid_t pid, struct failure *f);

#endif
