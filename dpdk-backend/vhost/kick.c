// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/vhost/kick.h"

#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "dpdk-backend/lcore/wait.h"
#include "dpdk-backend/vhost/session.h"

int eventfd_or_none(int fd)
{
	char path[64], target[32];
	ssize_t n;

	if (fd < 0)
		return -1;
	/*
	 * A file of another kind may be one whose poll() or read() asks its
	 * owner first and waits for the answer, such as FUSE's.
	 */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target));
	return n == 20 && !memcmp(target, "anon_inode:[eventfd]", 20) ? fd : -1;
}

bool kick_arm(struct lcore *lc, struct port *p)
{
	struct session *s = session_of(p);
	unsigned int i;

	if (!s || !session_whole(s))
		return true;
	for (i = 0; i < s->ntx; i++) {
		struct vqueue *q = s->tx[i];

		if (port_owner(p, q->index / 2) != lc->index)
			continue;
		if (viola_ring_enable_kick(&q->ring) > 0) {
			vqueue_log_kick(s, q);
			return false;
		}
		vqueue_log_kick(s, q);
		/* A driver that is to be polled gives none. */
		if (q->kickfd >= 0)
			wait_for(lc, q->kickfd);
		else
			wait_briefly(lc);
	}
	return true;
}

void kick_disarm(struct lcore *lc, struct port *p)
{
	struct session *s = session_of(p);
	unsigned int i;
	u64 count;

	if (!s || !session_whole(s))
		return;
	for (i = 0; i < s->ntx; i++) {
		struct vqueue *q = s->tx[i];
		struct iovec iov = { &count, sizeof(count) };

		if (port_owner(p, q->index / 2) != lc->index)
			continue;
		viola_ring_disable_kick(&q->ring);
		vqueue_log_kick(s, q);
		/* NOWAIT: the front end may have read it, and may make reads wait. */
		if (q->kickfd >= 0 && wait_ready(lc, q->kickfd) &&
		    preadv2(q->kickfd, &iov, 1, -1, RWF_NOWAIT) < 0)
			continue;
	}
}
