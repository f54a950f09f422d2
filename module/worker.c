// SPDX-License-Identifier: GPL-2.0
/*
 * Worker mode: a kernel thread per queue. It borrows nobody's address space,
 * since guest memory and rings are pinned and mapped; a switch to it keeps the
 * page tables of whatever ran before.
 */
#include <linux/cgroup.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

#include "queue.h"
#include "trace.h"

void viola_queue_wake(struct viola_queue *q)
{
	struct viola_queue *peer = q->peer;

	/*
	 * Full barrier: what the waker wrote before is seen by the server once
	 * it has exchanged the flag in serve(). A flag that is set already has
	 * a wake-up, or a lender, behind it.
	 */
	if (xchg(&q->pending, 1))
		return;
	if (peer && READ_ONCE(peer->lending) && peer->thread == current) {
		WRITE_ONCE(peer->lent, true);
		return;
	}
	wake_up_process(q->thread);
}

void viola_queue_lend_end(struct viola_queue *q, bool busy)
{
	/* An interrupt from here on wakes the peer's own thread. */
	WRITE_ONCE(q->lending, false);
	barrier();
	if (busy && q->lent) {
		q->lent = false;
		wake_up_process(q->peer->thread);
	}
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
	if (more)
		viola_queue_wake(q);
}

static int worker(void *data)
{
	struct viola_queue *q = data;

	for (;;) {
		/* Pairs with the barrier in wake_up_process(): state, then flag. */
		set_current_state(TASK_IDLE);
		if (!READ_ONCE(q->pending)) {
			if (kthread_should_stop())
				break;
			schedule();
			continue;
		}
		__set_current_state(TASK_RUNNING);
		serve(q);
		if (q->lent) {
			q->lent = false;
			serve(q->peer);
		}
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
		q->lent = false;
	}
}
