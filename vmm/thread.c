// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "vmm/error.h"
#include "vmm/thread.h"

/*
 * Handlers keep their locals small, but a backend may put an iovec of IOV_MAX
 * entries (16 KiB) there. Only pages that are touched are memory.
 */
#define STACK_SIZE (128 * 1024)

/* Only interrupts: without SA_RESTART, a call that waits returns EINTR. */
static void do_nothing(int signal)
{
}

static void signal_init(void)
{
	const struct sigaction action = { .sa_handler = do_nothing };

	sigaction(VCPU_SIGNAL, &action, NULL);
}

int thread_start(pthread_t *thread, const char *name, void *(*fn)(void *), void *arg)
{
	char comm[16];
	pthread_attr_t attr;
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	sigset_t block, old;
	int err;

	pthread_once(&once, signal_init);
	sigfillset(&block);
	sigdelset(&block, VCPU_SIGNAL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	/* The new thread inherits the mask: no signal can come in between. */
	pthread_sigmask(SIG_SETMASK, &block, &old);
	err = pthread_create(thread, &attr, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err)
		return vmm_fail(err, "cannot start thread %s: %m", name);
	snprintf(comm, sizeof(comm), "%s", name);
	pthread_setname_np(*thread, comm);
	return 0;
}
