// SPDX-License-Identifier: GPL-2.0
/*
 * What wakes an lcore for the queues of an uplink: the device's interrupt, where
 * it has one for receiving, or a look now and then.
 */
#include <errno.h>
#include <sys/uio.h>

#include <rte_ethdev.h>

#include "dpdk-backend/lcore/wait.h"
#include "dpdk-backend/uplink/uplink.h"
#include "dpdk-backend/vhost/kick.h"

static void queue_arm(struct lcore *lc, const struct port *p, u16 queue)
{
	int fd = rte_eth_dev_rx_intr_ctl_q_get_fd(p->ethdev, queue);

	if (fd < 0) {
		wait_briefly(lc);
		return;
	}
	wait_for(lc, fd);
	/*
	 * Not an eventfd: what frames come from, such as a tap. It cannot miss one. A
	 * device does not interrupt for frames that came before it knew; how many those
	 * are, not all can tell, and from DPDK 25.11 on those say 0: see wait_sleep().
	 */
	if (eventfd_or_none(fd) >= 0 && rte_eth_dev_rx_intr_enable(p->ethdev, queue))
		wait_briefly(lc);
}

bool uplink_arm(struct lcore *lc, struct port *p)
{
	u16 queue;

	for (queue = 0; queue < p->rx_queues; queue++)
		if (port_owner(p, queue) == lc->index)
			queue_arm(lc, p, queue);
	return true;
}

void uplink_disarm(struct lcore *lc, struct port *p)
{
	u64 count;
	u16 queue;

	for (queue = 0; queue < p->rx_queues; queue++) {
		struct iovec iov = { &count, sizeof(count) };
		int fd;

		if (port_owner(p, queue) != lc->index)
			continue;
		fd = rte_eth_dev_rx_intr_ctl_q_get_fd(p->ethdev, queue);
		if (fd < 0 || eventfd_or_none(fd) < 0)
			continue;
		rte_eth_dev_rx_intr_disable(p->ethdev, queue);
		if (wait_ready(lc, fd) && preadv2(fd, &iov, 1, -1, RWF_NOWAIT) < 0)
			continue;
	}
}
