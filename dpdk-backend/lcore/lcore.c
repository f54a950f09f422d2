// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/lcore/lcore.h"

#include <errno.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include "dpdk-backend/forward/announce.h"
#include "dpdk-backend/forward/forward.h"
#include "dpdk-backend/lcore/wait.h"
#include "dpdk-backend/vhost/session.h"

struct lcore *lcores[LCORE_MAX];
unsigned int lcore_count;

const char *const lcore_mode_names[] = {
	[LCORE_POLL] = "poll",
	[LCORE_ADAPTIVE] = "adaptive",
	[LCORE_INTERRUPT] = "interrupt",
	NULL,
};

enum lcore_mode lcores_mode;

static struct rte_rcu_qsbr *qsbr;
static unsigned int patience; /* rounds without a frame before sleeping */
static volatile bool stop;

#define CLOCK_ROUNDS 1024u /* rounds between looks at the clock */
#define PATIENCE_ADAPTIVE 2000u

int lcores_init(enum lcore_mode mode)
{
	unsigned int cpu;

	lcores_mode = mode;
	patience = mode == LCORE_ADAPTIVE ? PATIENCE_ADAPTIVE : 1;
	lcore_count = rte_lcore_count();
	if (lcore_count > LCORE_MAX)
		return -E2BIG;
	qsbr = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(lcore_count), RTE_CACHE_LINE_SIZE);
	if (!qsbr || rte_rcu_qsbr_init(qsbr, lcore_count))
		return -ENOMEM;
	RTE_LCORE_FOREACH(cpu) {
		int node = (int)rte_lcore_to_socket_id(cpu), err;
		struct lcore *lc = rte_zmalloc_socket(NULL, sizeof(*lc), RTE_CACHE_LINE_SIZE,
						      node);

		if (!lc)
			return -ENOMEM;
		lc->index = (unsigned int)rte_lcore_index((int)cpu);
		lc->cpu = cpu;
		lc->node = node;
		calls_init(&lc->calls);
		err = mode == LCORE_POLL ? 0 : wait_init(lc);
		if (err)
			return err;
		lcores[lc->index] = lc;
	}
	return 0;
}

unsigned int lcore_round(struct lcore *lc)
{
	unsigned int i, n = 0, count = __atomic_load_n(&port_count, __ATOMIC_ACQUIRE);
	const struct forward_mode *mode = READ_ONCE(forward);

	/* One look for the whole round: a port does not vanish under a burst. */
	for (i = 0; i < count; i++)
		lc->session[i] = session_of(&ports[i]);
	for (i = 0; i < count; i++) {
		struct port *p = &ports[i];
		const struct port_ops *ops = READ_ONCE(p->ops);

		n += ops->poll(lc, p);
		if (mode->generate && port_owner(p, 0) == lc->index && ops->up(p))
			n += mode->generate(lc, p);
		if (unlikely(READ_ONCE(p->announce)) && port_owner(p, 0) == lc->index)
			announce_send(lc, p);
	}
	/* While sessions, and so their descriptors, are still there. */
	calls_send(&lc->calls);
	return n;
}

static int lcore_main(void *arg)
{
	struct lcore *lc = lcores[rte_lcore_index(-1)];
	u64 start = rte_get_tsc_cycles(), hz = rte_get_tsc_hz(), last = start, now;
	unsigned int idle = 0;

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
		if (unlikely(!(++lc->rounds % CLOCK_ROUNDS)))
			lc->now = (u32)((now - start) / hz);
		if (idle >= patience && lc->wait) {
			wait_sleep(lc, qsbr);
			last = rte_get_tsc_cycles();
			lc->now = (u32)((last - start) / hz);
			idle = 0;
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
	lcores_wake();
}

void lcores_synchronize(void)
{
	rte_rcu_qsbr_synchronize(qsbr, RTE_QSBR_THRID_INVALID);
}

void lcores_wake(void)
{
	unsigned int i;

	for (i = 0; i < lcore_count; i++)
		if (lcores[i])
			wait_wake(lcores[i]);
}

struct lcore *lcore_find(unsigned int cpu)
{
	unsigned int i;

	for (i = 0; i < lcore_count; i++)
		if (lcores[i]->cpu == cpu)
			return lcores[i];
	return NULL;
}
