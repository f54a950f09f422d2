// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/lcore.h"

#include <errno.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include "dpdk-backend/announce.h"
#include "dpdk-backend/forward.h"
#include "dpdk-backend/session.h"

struct lcore *lcores[LCORE_MAX];
unsigned int lcore_count;

static struct rte_rcu_qsbr *qsbr;
static unsigned int sleep_us;
static volatile bool stop;

#define CLOCK_ROUNDS 1024u /* rounds between looks at the clock */
#define IDLE_ROUNDS 2000u /* rounds without a frame before sleeping, if allowed */

int lcores_init(unsigned int idle_us)
{
	unsigned int i;

	sleep_us = idle_us;
	lcore_count = rte_lcore_count();
	if (lcore_count > LCORE_MAX)
		return -E2BIG;
	qsbr = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(lcore_count), RTE_CACHE_LINE_SIZE);
	if (!qsbr || rte_rcu_qsbr_init(qsbr, lcore_count))
		return -ENOMEM;
	for (i = 0; i < lcore_count; i++) {
		lcores[i] = rte_zmalloc(NULL, sizeof(struct lcore), RTE_CACHE_LINE_SIZE);
		if (!lcores[i])
			return -ENOMEM;
		lcores[i]->index = i;
	}
	return 0;
}

static unsigned int lcore_round(struct lcore *lc)
{
	unsigned int i, n = 0;

	/* One look for the whole round: a port does not vanish under a burst. */
	for (i = 0; i < port_count; i++)
		lc->session[i] = session_of(&ports[i]);
	for (i = 0; i < port_count; i++) {
		struct port *p = &ports[i];

		n += p->ops->poll(lc, p);
		if (forward->generate && port_owner(p, 0) == lc->index && p->ops->up(p))
			n += forward->generate(lc, p);
		if (unlikely(READ_ONCE(p->announce)) && port_owner(p, 0) == lc->index)
			announce_send(lc, p);
	}
	return n;
}

static int lcore_main(void *arg)
{
	struct lcore *lc = lcores[rte_lcore_index(-1)];
	u64 start = rte_get_tsc_cycles(), hz = rte_get_tsc_hz(), last = start, now;
	unsigned int idle = 0, rounds = 0;

	rte_rcu_qsbr_thread_register(qsbr, lc->index);
	rte_rcu_qsbr_thread_online(qsbr, lc->index);
	while (!stop) {
		bool busy = lcore_round(lc);

		/* Nothing of a session is held from here on. */
		rte_rcu_qsbr_quiescent(qsbr, lc->index);
		now = rte_get_tsc_cycles();
		if (busy) {
			idle = 0;
			lc->busy_rounds++;
			lc->busy_cycles += now - last;
		} else {
			idle++;
		}
		last = now;
		if (unlikely(!(++rounds % CLOCK_ROUNDS)))
			lc->now = (u32)((now - start) / hz);
		if (idle >= IDLE_ROUNDS && sleep_us) {
			rte_rcu_qsbr_thread_offline(qsbr, lc->index);
			usleep(sleep_us);
			rte_rcu_qsbr_thread_online(qsbr, lc->index);
			last = rte_get_tsc_cycles();
			lc->now = (u32)((last - start) / hz);
		}
	}
	rte_rcu_qsbr_thread_offline(qsbr, lc->index);
	rte_rcu_qsbr_thread_unregister(qsbr, lc->index);
	return 0;
}

void lcores_run(void)
{
	rte_eal_mp_remote_launch(lcore_main, NULL, CALL_MAIN);
	rte_eal_mp_wait_lcore();
}

void lcores_stop(void)
{
	stop = true;
}

void lcores_synchronize(void)
{
	rte_rcu_qsbr_synchronize(qsbr, RTE_QSBR_THRID_INVALID);
}
