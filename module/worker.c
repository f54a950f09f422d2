// SPDX-License-Identifier: GPL-2.0
/*
 * Worker mode: a kernel thread per queue. It borrows nobody's address space,
 * since guest memory and rings are pinned and mapped; a switch to it keeps the
 * page tables of whatever ran before.
 *
 * A frame out is often followed by one in, an answer or an acknowledgement,
 * and the other way round. To wake a second thread for that costs more than the
 * work. So the two queues of a pair have one home: the thread of the first,
 * which a light load never leaves. The second queue's work is lent to it, and
 * done before it sleeps. Only where that thread is busy, on another CPU or with
 * more than a batch, does the second queue's own thread run.
 */
#include <linux/cgroup.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

#include "queue.h"
#include "trace.h"

static bool take_lent(struct viola_queue *home)
{
	return READ_ONCE(home->lent) && xchg(&home->lent, 0);
}

void viola_queue_wake(struct viola_queue *q)
{
	struct viola_queue *home = q->home;

	/*
	 * Full barrier: what the waker wrote before is seen by the server once
	 * it has exchanged the flag in serve(). A flag that is set already has
	 * a wake-up behind it.
	 */
	if (xchg(&q->pending, 1))
		return;
	if (home != q && !task_is_running(q->thread) &&
	    (!task_is_running(home->thread) ||
	     task_cpu(home->thread) == raw_smp_processor_id())) {
		/*
		 * Before the wake-up, which is a full barrier and finds a
		 * thread that is going to sleep over it: see worker().
		 */
		WRITE_ONCE(home->lent, 1);
		wake_up_process(home->thread);
		return;
	}
	wake_up_process(q->thread);
}

bool viola_queue_share(struct viola_queue *q)
{
	if (current != q->thread)
		return true;
	if (take_lent(q))
		wake_up_process(q->second->thread);
	return false;
}

static void serve(struct viola_queue *q)
{
	bool more = false;

	/* Cleared before looking: work that comes later sets it again. */
	xchg(&q->pending, 0);
	mutex_lock(&q->lock);
	if (likely(q->running && !q->broken)) {
		viola_count(q, services, 1);
		trace_viola_service_begin(q);
		more = q->ops->serve(q);
		trace_viola_service_end(q, more);
	}
	mutex_unlock(&q->lock);
	/* Too much to be done by others, if it was. */
	if (more && !xchg(&q->pending, 1))
		wake_up_process(q->thread);
}

static int worker(void *data)
{
	struct viola_queue *q = data;

	for (;;) {
		/* State, full barrier, flags; a waker the other way round. */
		set_current_state(TASK_IDLE);
		if (!READ_ONCE(q->pending) && !READ_ONCE(q->lent)) {
			if (kthread_should_stop())
				break;
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		if (READ_ONCE(q->pending))
			serve(q);
		if (take_lent(q))
			serve(q->second);
		cond_resched();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

int viola_workers_start(struct viola_device *dev)
{
	struct task_struct *task;
	u32 i;
	int err;

	for (i = 0; i < dev->type->nr_queues; i++) {
		struct viola_queue *q = dev->queues[i];

		task = kthread_create(worker, q, "viola-%d-%u", dev->pid, i);
		if (IS_ERR(task)) {
			err = PTR_ERR(task);
			goto fail;
		}
		q->thread = get_task_struct(task);
		err = cgroup_attach_task_all(current, task);
		if (err)
			goto fail;
		set_user_nice(task, task_nice(current));
		wake_up_process(task);
	}
	return 0;
fail:
	viola_workers_stop(dev);
	return err;
}

void viola_workers_stop(struct viola_device *dev)
{
	u32 i;

	/* A thread may still wake its peer: all end before any is forgotten. */
	for (i = 0; i < dev->type->nr_queues; i++) {
		if (dev->queues[i]->thread)
			kthread_stop(dev->queues[i]->thread);
	}
	for (i = 0; i < dev->type->nr_queues; i++) {
		struct viola_queue *q = dev->queues[i];

		if (q->thread)
			put_task_struct(q->thread);
		q->thread = NULL;
		q->pending = 0;
		q->lent = 0;
	}
}
