// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/lcore/thread.h"

#include <signal.h>

int thread_start(pthread_t *thread, void *(*main)(void *arg), const cpu_set_t *cpus)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int err;

	sigfillset(&all);
	/* What a thread itself does wrong is never to be put off. */
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(*cpus), cpus);
	err = pthread_create(thread, &attr, main, NULL);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}
