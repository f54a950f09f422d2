/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How an lcore sleeps until there is something to do.
 *
 * It asks for kicks on all queues it owns, looks at each once more after that
 * (the ring core's enable_kick), and only then waits: for the kicks, and for its
 * own eventfd, which lcores_wake() writes for whatever no kick announces. Who
 * changes something that an lcore looks at changes it first and then wakes; the
 * lcore empties its eventfd first and then looks. So nothing is missed.
 *
 * While it waits it is offline to lcores_synchronize(), and holds nothing: the
 * descriptors it waits for may be closed under it, which a wake follows.
 */
#ifndef VIOLA_DPDK_WAIT_H
#define VIOLA_DPDK_WAIT_H

#include <rte_rcu_qsbr.h>

#include "dpdk-backend/port/port.h"

/* Makes what @lc needs to wait. 0 or -errno. */
int wait_init(struct lcore *lc);

/* Makes the next or present wait_sleep() of @lc return. Safe in a signal handler. */
void wait_wake(const struct lcore *lc);

/*
 * Sleeps, unless there is something to do. @lc is online to @qsbr before and
 * after, and holds nothing.
 */
void wait_sleep(struct lcore *lc, struct rte_rcu_qsbr *qsbr);

/*
 * What a port's arm() operation says before @lc sleeps: wait for @fd to be
 * readable, too, or look again after a short time.
 */
void wait_for(struct lcore *lc, int fd);
void wait_briefly(struct lcore *lc);

/* Whether @fd was readable when @lc stopped to wait. */
bool wait_ready(const struct lcore *lc, int fd);

#endif
