// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/vhost/fdset.h"

#include <stdio.h>
#include <unistd.h>

#include <rte_version.h>
#include <rte_vhost.h>

#include "dpdk-backend/socket.h"

static const struct rte_vhost_device_ops nothing;

/*
 * Up to 24.03 the thread polls the files that were there when it began to, for a
 * second at most, and only a new connection interrupts that. So it gets one: as a
 * client, to a socket that exists for this moment.
 */
void fdset_wake(const char *path)
{
	char own[128], why[256];
	int fd;

	if (RTE_VERSION >= RTE_VERSION_NUM(24, 7, 0, 0) ||
	    snprintf(own, sizeof(own), "%s.wake", path) >= (int)sizeof(own))
		return;
	fd = socket_listen(own, why, sizeof(why));
	if (fd < 0)
		return;
	if (!rte_vhost_driver_register(own, RTE_VHOST_USER_CLIENT | RTE_VHOST_USER_NO_RECONNECT)) {
		if (!rte_vhost_driver_callback_register(own, &nothing))
			rte_vhost_driver_start(own);
		rte_vhost_driver_unregister(own);
	}
	close(fd);
	unlink(own);
}
