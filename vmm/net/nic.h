/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_NET_NIC_H
#define VMM_NET_NIC_H

#include <viola/env.h>

/*
 * What a user asks of one network device, whatever its path. Checked where
 * the options are read: a device takes it as it is.
 */
#define NIC_QUEUES_MAX 8u

struct nic_config {
	u8 mac[6]; /* unicast; zeros in the options: none was given; never for a device */
	unsigned int queues; /* pairs of receive and transmit queues, 1 … NIC_QUEUES_MAX */
	unsigned int index; /* 0, 1, … in the order of the options */
	const char *host; /* address of a PCI device of the host, or "": there is a far end */
};

#endif
