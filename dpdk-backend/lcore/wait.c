// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/lcore/wait.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "dpdk-backend/forward/forward.h"

#define WAIT_FDS (1u + PORT_MAX * PORT_QUEUES)
#define WAIT_BRIEF 100000 /* nanoseconds: sources that cannot tell */

struct lcore_wait {
	int wake; /* eventfd */
	bool brief;
	unsigned int n; /* of fds */
	unsigned int asked; /* the one that wait_ready() last found, or 0 */
	struct pollfd fd[WAIT_FDS]; /* the first is .wake */
};

int wait_init(struct lcore *lc)
{
	struct lcore_wait *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake < 0) {
		free(w);
		return -errno;
	}
	lc->wait = w;
	return 0;
}

void wait_wake(const struct lcore *lc)
{
	if (lc->wait)
		eventfd_write(lc->wait->wake, 1);
}

void wait_for(struct lcore *lc, int fd)
{
	struct lcore_wait *w = lc->wait;

	w->fd[w->n++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

void wait_briefly(struct lcore *lc)
{
	lc->wait->brief = true;
}

bool wait_ready(const struct lcore *lc, int fd)
{
	struct lcore_wait *w = lc->wait;
	unsigned int i;

	/* disarm() asks in the order of arm(): mostly it is the next one. */
	for (i = 1; i < w->n; i++) {
		if (++w->asked >= w->n)
			w->asked = 1;
		if (w->fd[w->asked].fd == fd)
			return w->fd[w->asked].revents;
	}
	return false;
}

/* Asks all that @lc polls to notify. False: something is there already. */
static bool arm(struct lcore *lc)
{
	unsigned int i, n = __atomic_load_n(&port_count, __ATOMIC_ACQUIRE);
	bool generate = READ_ONCE(forward)->generate;

	wait_for(lc, lc->wait->wake);
	for (i = 0; i < n; i++) {
		const struct port_ops *ops = READ_ONCE(ports[i].ops);

		if (ops->arm && !ops->arm(lc, &ports[i]))
			return false;
		/* No kick tells that the next of these is due, or that there is room for it. */
		if (generate && port_owner(&ports[i], 0) == lc->index && ops->up(&ports[i]))
			wait_briefly(lc);
	}
	return true;
}

static void disarm(struct lcore *lc)
{
	unsigned int i, n = __atomic_load_n(&port_count, __ATOMIC_ACQUIRE);

	for (i = 0; i < n; i++) {
		const struct port_ops *ops = READ_ONCE(ports[i].ops);

		if (ops->disarm)
			ops->disarm(lc, &ports[i]);
	}
	lc->wait->n = 0;
	lc->wait->asked = 0;
	lc->wait->brief = false;
}

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

void wait_sleep(struct lcore *lc, struct rte_rcu_qsbr *qsbr)
{
	struct lcore_wait *w = lc->wait;
	struct timespec brief = { .tv_nsec = WAIT_BRIEF };
	eventfd_t count;
	u64 start;

	/* What came before all were asked notifies nobody: one more look. */
	if (arm(lc) && !lcore_round(lc)) {
		start = now_ns();
		lc->asleep = start;
		rte_rcu_qsbr_thread_offline(qsbr, lc->index);
		ppoll(w->fd, w->n, w->brief ? &brief : NULL, NULL);
		rte_rcu_qsbr_thread_online(qsbr, lc->index);
		lc->sleeps++;
		lc->slept += now_ns() - start;
		lc->asleep = 0;
		/* Emptied before anything is looked at again. */
		eventfd_read(w->wake, &count);
	}
	disarm(lc);
}
