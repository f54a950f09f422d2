// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/listener.h"

#include <errno.h>
#include <sys/socket.h>

#define PAUSE_MS 100

int listener_poll(const struct listener *l, struct pollfd *p, int wait)
{
	s64 left = l->again - clock_ms();

	*p = (struct pollfd){ .fd = l->fd, .events = POLLIN };
	if (l->fd < 0 || left <= 0)
		return wait;
	p->fd = -1;
	if (left > PAUSE_MS)
		left = PAUSE_MS;
	return wait < 0 || wait > left ? (int)left : wait;
}

int listener_accept(struct listener *l, int flags)
{
	int fd = accept4(l->fd, NULL, NULL, flags);

	/* Whoever waited is gone, or somebody else who holds the socket was faster. */
	if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		l->again = clock_ms() + PAUSE_MS;
	return fd;
}
