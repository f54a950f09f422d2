// SPDX-License-Identifier: GPL-2.0
/*
 * Worker mode: kernel threads that serve queues. They borrow nobody's address
 * space, since guest memory and rings are pinned and mapped; a switch to one
 * keeps the page tables of whatever ran before.
 *
 * A frame out is often followed by one in, an answer or an acknowledgement,
 * and the other way round. To wake a second thread for that costs more than the
 * work. So the threads of worker 0 have one home: the first of them, which a
 * light load never leaves. Another queue's work is lent to it, and done before
 * it sleeps. Only where that thread is busy, on another CPU or with more than a
 * batch, does the queue's own thread run. A queue that its owner attached to a
 * worker of its making is served by that one's thread and no other.
 *
 * Who serves
 * ----------
 *
 * q->pending says that somebody is going to serve; whoever sets it hands the
 * queue to a thread, as a bit in that thread's work. So there is one such bit
 * in all threads together, and none is set while a service that will look at
 * everything is still to begin. The queue's lock keeps services apart when a
 * second one begins in another thread.
 *
 * q->thread is replaced under the queue's lock, which a service holds: that
 * sees one thread all the time. Wakers read it under RCU; once those are
 * through that may have seen the old one, a bit that they left with it is taken
 * over, and no further can appear there.
 *
 * A sender on the same CPU
 * ------------------------
 *
 * A process that sends frame after frame to the guest wakes the thread at each.
 * Where both have one CPU, the scheduler lets the thread in at once, the more so
 * the less it uses of its share; it finds one frame, and two switches are paid
 * for it. So after a few such services in a row, with nothing in between from
 * the guest and little time, the thread sleeps for a moment before it looks: the
 * sender goes on, and several frames have come. That ends with the first look
 * that finds less than two. Whoever asks for an answer and waits for it never
 * gets here, as the other queue is served in between; nor does an idle CPU.
 */
#include <linux/cgroup.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "trace.h"
#include "worker.h"

/* After so many services for one packet each, a sender is let go on. */
#define SINGLES 8

static unsigned int gather_us = 50;
module_param(gather_us, uint, 0644);
MODULE_PARM_DESC(gather_us, "microseconds for which a sender on the same CPU goes on; 0: none");

/*
 * Before the wake-up, which is a full barrier and finds a thread that is going
 * to sleep over it: see thread_run().
 */
static void hand(struct viola_thread *to, const struct viola_queue *q)
{
	set_bit(q->index, &to->work);
	wake_up_process(to->task);
}

void viola_queue_wake(struct viola_queue *q)
{
	struct viola_thread *to, *home;

	/*
	 * Full barrier: what the waker wrote before is seen by the server once
	 * it has exchanged the flag in serve(). A flag that is set already has
	 * a wake-up behind it.
	 */
	if (xchg(&q->pending, 1))
		return;
	rcu_read_lock();
	to = rcu_dereference(q->thread);
	home = to->home;
	if (home != to && !task_is_running(to->task) &&
	    (!task_is_running(home->task) || task_cpu(home->task) == raw_smp_processor_id()))
		to = home;
	q->displaces = !task_is_running(to->task) && !is_idle_task(current) &&
		       task_cpu(to->task) == raw_smp_processor_id();
	hand(to, q);
	rcu_read_unlock();
}

/* To its own thread, wherever it waits. */
static void hand_home(struct viola_queue *q)
{
	rcu_read_lock();
	hand(rcu_dereference(q->thread), q);
	rcu_read_unlock();
}

bool viola_queue_share(struct viola_queue *q)
{
	struct viola_thread *own = rcu_dereference_protected(q->thread,
							     lockdep_is_held(&q->lock));
	unsigned long work;
	u32 i;

	if (current != own->task)
		return true;
	work = READ_ONCE(own->work) & ~BIT(q->index);
	if (likely(!work))
		return false;
	for_each_set_bit(i, &work, BITS_PER_LONG) {
		struct viola_queue *other = q->dev->queues[i];

		/* Lent, not its own. */
		if (rcu_access_pointer(other->thread) != own &&
		    test_and_clear_bit(i, &own->work))
			hand_home(other);
	}
	return false;
}

/*
 * Lets whoever sends to @q go on for a moment; work for another queue ends it.
 * The flag is still set: wakers of @q leave the thread asleep.
 */
static void gather(struct viola_thread *t, struct viola_queue *q)
{
	ktime_t time = ns_to_ktime(min(READ_ONCE(gather_us), 1000u) * NSEC_PER_USEC);

	/* State, full barrier, work: as in thread_run(). */
	set_current_state(TASK_IDLE);
	if (!READ_ONCE(t->work) && !kthread_should_stop())
		schedule_hrtimeout_range(&time, 0, HRTIMER_MODE_REL);
	__set_current_state(TASK_RUNNING);
	viola_count(q, gathers, 1);
}

/* Services of the device's other queues. */
static u64 others_served(const struct viola_queue *q)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < q->dev->type->nr_queues; i++) {
		if (i != q->index)
			sum += READ_ONCE(q->dev->queues[i]->count.services);
	}
	return sum;
}

/* After a service that moved @packets. Lock held. */
static void count_single(struct viola_queue *q, u64 packets, bool displaces, bool gathered)
{
	u64 others, now;

	if (gathered && packets > 1)
		return;
	if (gathered || packets != 1 || !displaces) {
		q->singles.nr = 0;
		return;
	}
	others = others_served(q);
	if (others != q->singles.others) {
		q->singles.others = others;
		q->singles.nr = 0;
		return;
	}
	now = local_clock();
	if (now - q->singles.at > READ_ONCE(gather_us) * (u64)NSEC_PER_USEC)
		q->singles.nr = 0;
	else
		q->singles.nr++;
	q->singles.at = now;
}

static void serve(struct viola_thread *t, struct viola_queue *q)
{
	bool more = false, gathered = q->singles.nr >= SINGLES, displaces;
	u64 packets;

	if (unlikely(gathered))
		gather(t, q);
	displaces = q->displaces;
	/* Cleared before looking: work that comes later sets it again. */
	xchg(&q->pending, 0);
	mutex_lock(&q->lock);
	if (likely(q->running && !q->broken)) {
		viola_count(q, services, 1);
		packets = q->count.packets;
		trace_viola_service_begin(q);
		more = q->ops->serve(q);
		trace_viola_service_end(q, more);
		count_single(q, q->count.packets - packets, displaces, gathered);
	}
	mutex_unlock(&q->lock);
	/* Too much to be done by others, if it was. */
	if (more && !xchg(&q->pending, 1))
		hand_home(q);
}

static int thread_run(void *data)
{
	struct viola_thread *t = data;
	struct viola_device *dev = t->worker->dev;
	unsigned long work;
	u32 i;

	for (;;) {
		/* State, full barrier, work; a waker the other way round. */
		set_current_state(TASK_IDLE);
		work = READ_ONCE(t->work);
		if (!work) {
			if (kthread_should_stop())
				break;
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		for_each_set_bit(i, &work, BITS_PER_LONG) {
			if (test_and_clear_bit(i, &t->work))
				serve(t, dev->queues[i]);
		}
		cond_resched();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

/* --- making and ending ------------------------------------------------------ */

static int thread_start(struct viola_thread *t, const char *kind, u32 number)
{
	struct task_struct *task;
	int err;

	task = kthread_create(thread_run, t, "viola-%d-%s%u", t->worker->dev->pid, kind, number);
	if (IS_ERR(task))
		return PTR_ERR(task);
	t->task = get_task_struct(task);
	err = cgroup_attach_task_all(current, task);
	if (err)
		return err;
	set_user_nice(task, task_nice(current));
	wake_up_process(task);
	return 0;
}

static void worker_stop(struct viola_worker *worker)
{
	u32 i;

	for (i = 0; i < worker->nr; i++) {
		if (worker->thread[i].task)
			kthread_stop(worker->thread[i].task);
	}
}

static void worker_free(struct viola_worker *worker)
{
	u32 i;

	for (i = 0; i < worker->nr; i++) {
		if (worker->thread[i].task)
			put_task_struct(worker->thread[i].task);
	}
	list_del(&worker->link);
	worker->dev->nr_workers--;
	kfree(worker);
}

/* With @nr threads, in its place in dev->workers. */
static struct viola_worker *worker_create(struct viola_device *dev, u32 nr)
{
	struct viola_worker *worker, *other;
	struct list_head *before = &dev->workers;
	u32 i, id = 0;
	int err = 0;

	if (dev->nr_workers == VIOLA_MAX_WORKERS)
		return ERR_PTR(-EAGAIN);
	worker = kzalloc(struct_size(worker, thread, nr), GFP_KERNEL_ACCOUNT);
	if (!worker)
		return ERR_PTR(-ENOMEM);
	list_for_each_entry(other, &dev->workers, link) {
		if (other->id != id)
			break;
		before = &other->link;
		id++;
	}
	worker->dev = dev;
	worker->id = id;
	worker->nr = nr;
	list_add(&worker->link, before);
	dev->nr_workers++;
	for (i = 0; i < nr; i++) {
		worker->thread[i].home = &worker->thread[0];
		worker->thread[i].worker = worker;
	}
	for (i = 0; i < nr && !err; i++)
		err = nr > 1 ? thread_start(&worker->thread[i], "", i) :
			       thread_start(&worker->thread[i], "w", id);
	if (!err)
		return worker;
	worker_stop(worker);
	worker_free(worker);
	return ERR_PTR(err);
}

struct viola_worker *viola_worker_create(struct viola_device *dev)
{
	return worker_create(dev, 1);
}

void viola_worker_destroy(struct viola_worker *worker)
{
	worker_stop(worker);
	worker_free(worker);
}

struct viola_worker *viola_worker_find(struct viola_device *dev, u32 id)
{
	struct viola_worker *worker;

	list_for_each_entry(worker, &dev->workers, link) {
		if (worker->id == id)
			return worker;
	}
	return NULL;
}

/* --- attaching -------------------------------------------------------------- */

static struct viola_thread *thread_of(struct viola_queue *q)
{
	return rcu_dereference_protected(q->thread, lockdep_is_held(&q->dev->lock));
}

struct viola_worker *viola_worker_of(struct viola_queue *q)
{
	return thread_of(q)->worker;
}

/* What waits for @q at thread @from waits for its own from now on. */
static void take_over(struct viola_thread *from, struct viola_queue *q)
{
	if (test_and_clear_bit(q->index, &from->work))
		hand_home(q);
}

void viola_worker_attach(struct viola_worker *worker, struct viola_queue *q)
{
	struct viola_thread *from = thread_of(q);
	struct viola_thread *to = &worker->thread[worker->nr > 1 ? q->index : 0];

	if (from == to)
		return;
	viola_queue_lock(q);
	rcu_assign_pointer(q->thread, to);
	viola_queue_unlock(q);
	worker->attached++;
	if (!from) /* the first: nobody can have woken it yet */
		return;
	from->worker->attached--;
	synchronize_rcu();
	take_over(from, q);
	take_over(from->home, q);
}

int viola_workers_start(struct viola_device *dev)
{
	struct viola_worker *worker = worker_create(dev, dev->type->nr_queues);
	u32 i;

	if (IS_ERR(worker))
		return PTR_ERR(worker);
	for (i = 0; i < dev->type->nr_queues; i++)
		viola_worker_attach(worker, dev->queues[i]);
	return 0;
}

void viola_workers_stop(struct viola_device *dev)
{
	struct viola_worker *worker, *next;
	u32 i;

	/* A thread may still wake its peer: all end before any is forgotten. */
	list_for_each_entry(worker, &dev->workers, link)
		worker_stop(worker);
	for (i = 0; i < dev->type->nr_queues; i++) {
		RCU_INIT_POINTER(dev->queues[i]->thread, NULL);
		dev->queues[i]->pending = 0;
	}
	list_for_each_entry_safe(worker, next, &dev->workers, link)
		worker_free(worker);
}
