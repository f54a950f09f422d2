/* SPDX-License-Identifier: GPL-2.0 */
/* Kicks: what wakes an lcore for the queues of a session. See wait.h. */
#ifndef VIOLA_DPDK_KICK_H
#define VIOLA_DPDK_KICK_H

#include "dpdk-backend/port/port.h"

/*
 * @fd, of a front end, if it is an eventfd: what an lcore can wait for, empty and
 * signal (call.h) without ever being held up. Else -1.
 */
int eventfd_or_none(int fd);

/* Operations of vhost-user ports. */
bool kick_arm(struct lcore *lc, struct port *p);
void kick_disarm(struct lcore *lc, struct port *p);

#endif
