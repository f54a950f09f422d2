// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts and their moderation (8254x SDM 3.2.7, 3.4, 13.4.17 ff.). Causes
 * gather in ICR; INTx is asserted while an unmasked one is set, but not
 * sooner than ITR after it was last asserted. Causes by themselves may be
 * delayed: receive by RDTR (since the last frame) and RADV (since the first),
 * transmit by TIDV and TADV likewise. An interrupt for another cause ends the
 * delays.
 *
 * All timers share one timerfd. A deadline that is put off does not set it
 * again: the descriptor fires at the old time, and then is set to what is due
 * next. A timer that every packet restarts so costs no system call a packet.
 */
#include <sys/timerfd.h>
#include <time.h>

#include "vmm/emulated/e1000-dev.h"

#define NS_PER_SEC 1000000000ull
#define ITR_UNIT_NS 256
#define DELAY_UNIT_NS 1024
/* Shorter waits than this are not worth a timer, whose own error is larger. */
#define TIMER_MIN_NS 2000

u64 e1000_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * NS_PER_SEC + (u64)ts.tv_nsec;
}

static void timer_arm(struct e1000 *e)
{
	struct e1000_irq *irq = &e->irq;
	struct itimerspec its = { 0 };
	u64 first = 0;

	for (int i = 0; i < TIMERS; i++)
		if (irq->deadline[i] && (!first || irq->deadline[i] < first))
			first = irq->deadline[i];
	if (!first || (irq->armed && irq->armed <= first))
		return;
	its.it_value.tv_sec = (time_t)(first / NS_PER_SEC);
	its.it_value.tv_nsec = (long)(first % NS_PER_SEC);
	timerfd_settime(e->timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
	irq->armed = first;
}

void e1000_timer_start(struct e1000 *e, enum e1000_timer timer, u64 delay_ns, bool keep)
{
	if (keep && e->irq.deadline[timer])
		return;
	e->irq.deadline[timer] = e1000_now() + max(delay_ns, (u64)TIMER_MIN_NS);
	timer_arm(e);
}

void e1000_timer_stop(struct e1000 *e, enum e1000_timer timer)
{
	e->irq.deadline[timer] = 0;
}

void e1000_irq_update(struct e1000 *e)
{
	struct e1000_irq *irq = &e->irq;
	u32 itr = e1000_get(e, R_ITR) & 0xffff;
	u64 now;

	if (!(irq->cause & irq->mask)) {
		e1000_timer_stop(e, TIMER_ITR);
		if (irq->asserted) {
			irq->asserted = false;
			pci_intx(&e->pci, false);
		}
		return;
	}
	if (irq->asserted)
		return;
	if (itr) {
		now = e1000_now();
		if (irq->next > now + TIMER_MIN_NS) {
			e1000_timer_start(e, TIMER_ITR, irq->next - now, true);
			return;
		}
		irq->next = now + (u64)itr * ITR_UNIT_NS;
	}
	e1000_timer_stop(e, TIMER_ITR);
	/*
	 * What waits to be reported goes along: the driver looks at all of it
	 * now, and would only be interrupted once more for nothing.
	 */
	if (irq->deadline[TIMER_TIDV])
		irq->cause |= INT_TXDW;
	if (irq->deadline[TIMER_RDTR])
		irq->cause |= INT_RXT0;
	for (int i = TIMER_RDTR; i <= TIMER_TADV; i++)
		e1000_timer_stop(e, (enum e1000_timer)i);
	irq->asserted = true;
	e->count.interrupts++;
	e1000_stat_add(e, R_IAC, 1);
	pci_intx(&e->pci, true);
}

void e1000_irq_raise(struct e1000 *e, u32 causes)
{
	e->irq.cause |= causes & INT_ALL;
	e1000_irq_update(e);
}

static void received_now(struct e1000 *e)
{
	e1000_timer_stop(e, TIMER_RDTR);
	e1000_timer_stop(e, TIMER_RADV);
	e1000_irq_raise(e, INT_RXT0);
}

static void written_back_now(struct e1000 *e)
{
	e1000_timer_stop(e, TIMER_TIDV);
	e1000_timer_stop(e, TIMER_TADV);
	e1000_irq_raise(e, INT_TXDW);
}

void e1000_irq_received(struct e1000 *e)
{
	u32 rdtr = e1000_get(e, R_RDTR) & 0xffff, radv = e1000_get(e, R_RADV) & 0xffff;

	if (!rdtr) {
		received_now(e);
		return;
	}
	e1000_timer_start(e, TIMER_RDTR, (u64)rdtr * DELAY_UNIT_NS, false);
	if (radv)
		e1000_timer_start(e, TIMER_RADV, (u64)radv * DELAY_UNIT_NS, true);
}

void e1000_irq_written_back(struct e1000 *e, bool delayed)
{
	u32 tidv = e1000_get(e, R_TIDV) & 0xffff, tadv = e1000_get(e, R_TADV) & 0xffff;

	if (!delayed || !tidv) {
		written_back_now(e);
		return;
	}
	e1000_timer_start(e, TIMER_TIDV, (u64)tidv * DELAY_UNIT_NS, false);
	if (tadv)
		e1000_timer_start(e, TIMER_TADV, (u64)tadv * DELAY_UNIT_NS, true);
}

static void tx_retry(struct e1000 *e)
{
	e->tx.more = true; /* the loop thread, which runs this, looks next */
}

/* What a timer does when it is due, and the statistic that counts it. */
static const struct {
	void (*expired)(struct e1000 *e);
	u32 stat;
} timer_action[TIMERS] = {
	[TIMER_ITR] = { e1000_irq_update, 0 },
	[TIMER_RDTR] = { received_now, R_ICRXPTC },
	[TIMER_RADV] = { received_now, R_ICRXATC },
	[TIMER_TIDV] = { written_back_now, R_ICTXPTC },
	[TIMER_TADV] = { written_back_now, R_ICTXATC },
	[TIMER_TX_RETRY] = { tx_retry, 0 },
};

void e1000_timers_run(struct e1000 *e)
{
	u64 now = e1000_now() + TIMER_MIN_NS;

	e->irq.armed = 0;
	for (int i = 0; i < TIMERS; i++) {
		if (!e->irq.deadline[i] || e->irq.deadline[i] > now)
			continue;
		e->irq.deadline[i] = 0;
		if (timer_action[i].stat)
			e1000_stat_add(e, timer_action[i].stat, 1);
		timer_action[i].expired(e);
	}
	timer_arm(e);
}

void e1000_irq_reset(struct e1000 *e)
{
	for (int i = 0; i < TIMERS; i++)
		e->irq.deadline[i] = 0;
	e->irq.cause = 0;
	e->irq.mask = 0;
	e->irq.next = 0;
	e1000_irq_update(e);
}
