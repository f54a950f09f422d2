// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/vhost/call.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_log.h>

/* Events that a context has room for: they are taken off when it could be full. */
#define EVENTS (8u * CALLS_MAX)

void calls_init(struct calls *c)
{
	unsigned int i;

	c->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (c->null < 0 || syscall(SYS_io_setup, EVENTS, &c->aio)) {
		rte_log(RTE_LOG_WARNING, RTE_LOGTYPE_USER1,
			"viola-dpdk: no asynchronous I/O, so a front end can hold up others by an eventfd that blocks: %s%s\n",
			strerror(errno), errno == EAGAIN ? "; raise fs.aio-max-nr" : "");
		c->aio = 0;
	}
	for (i = 0; i < CALLS_MAX; i++) {
		c->iocb[i] = (struct iocb){
			.aio_lio_opcode = IOCB_CMD_PREAD,
			.aio_fildes = (__u32)c->null,
			.aio_flags = IOCB_FLAG_RESFD,
		};
		c->list[i] = &c->iocb[i];
	}
}

bool calls_add(struct calls *c, int fd)
{
	unsigned int i;

	for (i = 0; i < c->n; i++)
		if (c->iocb[i].aio_resfd == (__u32)fd)
			return false;
	if (c->n == CALLS_MAX)
		calls_submit(c);
	c->iocb[c->n++].aio_resfd = (__u32)fd;
	return true;
}

/* Takes off the events of what is done: nobody asks how reading nothing went. */
static void forget_done(struct calls *c)
{
	struct io_event events[EVENTS];

	syscall(SYS_io_getevents, c->aio, 0l, (long)EVENTS, events, NULL);
	c->done = 0;
}

void calls_submit(struct calls *c)
{
	unsigned int sent = 0;

	if (c->done + c->n > EVENTS)
		forget_done(c);
	while (sent < c->n && c->aio) {
		long n = syscall(SYS_io_submit, c->aio, (long)(c->n - sent), c->list + sent);

		if (n > 0) {
			sent += (unsigned int)n;
			c->done += (unsigned int)n;
		} else if (errno == EAGAIN && c->done) {
			/* The kernel keeps some room per CPU. */
			forget_done(c);
		} else {
			break;
		}
	}
	/* Full means that an interrupt is pending anyway. */
	while (sent < c->n)
		eventfd_write((int)c->iocb[sent++].aio_resfd, 1);
	c->n = 0;
}
