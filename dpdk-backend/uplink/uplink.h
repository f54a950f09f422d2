/* SPDX-License-Identifier: GPL-2.0 */
/* Ports that are ethdevs: physical devices, tap, af_packet, pcap, null, virtio_user. */
#ifndef VIOLA_DPDK_UPLINK_H
#define VIOLA_DPDK_UPLINK_H

#include "dpdk-backend/port/port.h"

/*
 * Makes the device that EAL's device string @p->name describes and starts it,
 * with a queue per lcore where it has as many. 0, or -errno with a sentence for
 * the user in @why (@size bytes).
 */
int uplink_open(struct port *p, char *why, size_t size);

/* Stops and removes it. No lcore may use it. */
void uplink_close(struct port *p);

/* Operations of these ports that are about sleeping. */
bool uplink_arm(struct lcore *lc, struct port *p);
void uplink_disarm(struct lcore *lc, struct port *p);

extern const struct port_ops uplink_port_ops;

#endif
