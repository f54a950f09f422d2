/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_THREAD_H
#define VMM_THREAD_H

#include <pthread.h>
#include <signal.h>

/*
 * Starts a thread called @name (cut to 15 bytes) with a small stack and all
 * signals blocked but VCPU_SIGNAL. 0 or -errno with a recorded sentence.
 */
int thread_start(pthread_t *thread, const char *name, void *(*fn)(void *), void *arg);

/*
 * Interrupts a system call of a thread, KVM_RUN or a write() that waits; does
 * nothing else.
 */
#define VCPU_SIGNAL SIGUSR1

#endif
