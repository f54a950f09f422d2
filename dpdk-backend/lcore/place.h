/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which lcore polls which queue: port->owner[].
 *
 * A queue gets its owner when its session (or uplink) is made, while no lcore
 * looks at it: one on the NUMA node of its ring, or where a user put it. To move
 * a queue that is polled, nobody owns it until each lcore has passed a quiescent
 * point; so no two lcores ever poll one queue, and the next finds the ring as the
 * last left it.
 */
#ifndef VIOLA_DPDK_PLACE_H
#define VIOLA_DPDK_PLACE_H

#include "dpdk-backend/port/port.h"

/* First owners of all queues that @p may get. */
void place_port(struct port *p);

/* The owner of @p's queue @queue, whose ring is at @ring. No lcore may poll it yet. */
void place_queue(struct port *p, unsigned int queue, const void *ring);

/* The same for all queues of an uplink. */
void place_uplink(struct port *p);

/* Moves queue @queue of @p to the lcore @owner, now and for later sessions. */
void place_move(struct port *p, unsigned int queue, unsigned int owner);

/* The NUMA node of the page at @at, which is touched; -1 if that cannot be told. */
int place_node(const void *at);

#endif
