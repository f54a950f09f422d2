/* SPDX-License-Identifier: GPL-2.0 */
/* Kicks: what wakes an lcore for the queues of a session. See wait.h. */
#ifndef VIOLA_DPDK_KICK_H
#define VIOLA_DPDK_KICK_H

#include "dpdk-backend/port/port.h"

/*
 * @fd, of a front end, if an lcore can wait for it and empty it without ever
 * being held up, which is true of an eventfd; else -1.
 */
int kick_usable(int fd);

/* Operations of vhost-user ports. */
bool kick_arm(struct lcore *lc, struct port *p);
void kick_disarm(struct lcore *lc, struct port *p);

#endif
