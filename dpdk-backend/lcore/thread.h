/* SPDX-License-Identifier: GPL-2.0 */
/* Threads that configure and carry messages: beside lcores, never on their CPUs if others are. */
#ifndef VIOLA_DPDK_THREAD_H
#define VIOLA_DPDK_THREAD_H

#include <pthread.h>
#include <sched.h>

/* Runs @main on @cpus, with signals from outside left to the main thread. 0 or -errno. */
int thread_start(pthread_t *thread, void *(*main)(void *arg), const cpu_set_t *cpus);

#endif
