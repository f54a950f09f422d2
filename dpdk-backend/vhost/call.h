/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interrupts to drivers: eventfds of front ends, signalled without ever waiting.
 *
 * An eventfd is the front end's as much as ours. It may make writing block, at any
 * moment, and leave the count at its highest, so write() could hold up the thread
 * until somebody reads. What cannot be held up is the kernel's own way to signal one:
 * a request of asynchronous I/O that names an eventfd (IOCB_FLAG_RESFD, io_submit(2))
 * signals it when it is done. The request here is a read of no bytes from /dev/null,
 * done when io_submit() returns, and one system call makes all of a batch.
 *
 * A batch belongs to one thread. It is to be sent before the thread lets go of what
 * keeps its descriptors open.
 */
#ifndef VIOLA_DPDK_CALL_H
#define VIOLA_DPDK_CALL_H

#include <linux/aio_abi.h>
#include <stdbool.h>

#define CALLS_MAX 32u

struct calls {
	aio_context_t aio; /* 0: there is none, and eventfds are written to */
	unsigned int n; /* to be sent */
	unsigned int done; /* sent, and still in the context's ring of events */
	int null; /* /dev/null */
	struct iocb iocb[CALLS_MAX];
	struct iocb *list[CALLS_MAX]; /* of iocb[], in order */
};

/*
 * Makes @c ready, which is zeroed memory. Where the kernel has no asynchronous I/O, or
 * no more of it to give, that is said in the log, and the batch writes to eventfds.
 */
void calls_init(struct calls *c);

/* Has @fd, an eventfd, signalled with the rest of @c. False: it was in there already. */
bool calls_add(struct calls *c, int fd);

void calls_submit(struct calls *c);

/* Signals all that was added. */
static inline void calls_send(struct calls *c)
{
	if (c->n)
		calls_submit(c);
}

#endif
