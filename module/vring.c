// SPDX-License-Identifier: GPL-2.0
/*
 * A queue's configuration: the VHOST_*_VRING_* ioctls, starting and stopping.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/nospec.h>
#include <linux/sched/clock.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "log.h"
#include "mem.h"
#include "pin.h"
#include "queue.h"
#include "trace.h"
#include "worker.h"

struct viola_rings {
	struct viola_area desc, driver, device;
	struct viola_ring_config cfg;
};

int viola_queue_init(struct viola_queue *q, struct viola_device *dev, u32 index,
		     const struct viola_queue_ops *ops)
{
	q->dev = dev;
	q->index = index;
	q->ops = ops;
	mutex_init(&q->lock);
	atomic_set(&q->waiters, 0);
	viola_watch_init(&q->kick, q, &q->count.kicks);
	viola_watch_init(&q->backend_watch, q, &q->count.wakes);
	q->seg = kvmalloc_array(VIOLA_SEGS, sizeof(*q->seg), GFP_KERNEL_ACCOUNT);
	q->seg_gpa = kvmalloc_array(VIOLA_SEGS, sizeof(*q->seg_gpa), GFP_KERNEL_ACCOUNT);
	if (q->seg && q->seg_gpa)
		return 0;
	viola_queue_destroy(q);
	return -ENOMEM;
}

void viola_queue_destroy(struct viola_queue *q)
{
	kvfree(q->seg);
	kvfree(q->seg_gpa);
	q->seg = NULL;
	q->seg_gpa = NULL;
}

void viola_queue_lock(struct viola_queue *q)
{
	atomic_inc(&q->waiters);
	/* Several queues are locked in the order of their index. */
	mutex_lock_nested(&q->lock, q->index);
	atomic_dec(&q->waiters);
}

void viola_queue_unlock(struct viola_queue *q)
{
	mutex_unlock(&q->lock);
}

void viola_rings_destroy(struct viola_device *dev, struct viola_rings *rings)
{
	if (IS_ERR_OR_NULL(rings))
		return;
	viola_area_unmap(dev, &rings->desc);
	viola_area_unmap(dev, &rings->driver);
	viola_area_unmap(dev, &rings->device);
	kfree(rings->cfg.in_flight);
	kfree(rings);
}

struct viola_rings *viola_rings_create(struct viola_queue *q, const struct vhost_vring_addr *addr)
{
	struct viola_device *dev = q->dev;
	bool event_idx = viola_has_feature(dev, VIRTIO_RING_F_EVENT_IDX);
	u32 less = event_idx ? 0 : 2; /* without it, no event field need be there */
	struct viola_rings *rings;
	int err;

	if (!viola_ring_num_valid(q->num))
		return ERR_PTR(-EFAULT); /* as vhost says it: ring not set up */
	if (addr->desc_user_addr % VRING_DESC_ALIGN_SIZE ||
	    addr->avail_user_addr % VRING_AVAIL_ALIGN_SIZE ||
	    addr->used_user_addr % VRING_USED_ALIGN_SIZE)
		return ERR_PTR(-EINVAL);
	rings = kzalloc(sizeof(*rings), GFP_KERNEL_ACCOUNT);
	if (!rings)
		return ERR_PTR(-ENOMEM);
	rings->cfg.in_flight = kcalloc(q->num, sizeof(bool), GFP_KERNEL_ACCOUNT);
	err = -ENOMEM;
	if (!rings->cfg.in_flight)
		goto fail;
	err = viola_area_map(dev, &rings->desc, addr->desc_user_addr,
			     viola_ring_desc_size(q->num));
	if (!err)
		err = viola_area_map(dev, &rings->driver, addr->avail_user_addr,
				     viola_ring_driver_size(q->num) - less);
	if (!err)
		err = viola_area_map(dev, &rings->device, addr->used_user_addr,
				     viola_ring_device_size(q->num) - less);
	if (err)
		goto fail;
	rings->cfg.num = q->num;
	rings->cfg.event_idx = event_idx;
	rings->cfg.indirect = viola_has_feature(dev, VIRTIO_RING_F_INDIRECT_DESC);
	rings->cfg.notify_on_empty = viola_has_feature(dev, VIRTIO_F_NOTIFY_ON_EMPTY);
	rings->cfg.desc = rings->desc.at;
	rings->cfg.driver = rings->driver.at;
	rings->cfg.device = rings->device.at;
	return rings;
fail:
	viola_rings_destroy(dev, rings);
	return ERR_PTR(err);
}

struct viola_rings *viola_rings_swap(struct viola_queue *q, struct viola_rings *rings)
{
	struct viola_rings *old = q->rings;

	lockdep_assert_held(&q->lock);
	if (q->running) {
		q->ops->quiesce(q);
		q->base = viola_ring_base(&q->ring);
	}
	q->rings = rings;
	q->running = rings;
	if (!rings)
		return old;
	rings->cfg.mem = &q->dev->table->mem;
	/* It was all checked before; nothing of it is the guest's to change. */
	if (WARN_ON_ONCE(viola_ring_init(&q->ring, &rings->cfg)))
		q->running = false;
	else
		viola_ring_set_base(&q->ring, q->base);
	return old;
}

void viola_queue_break(struct viola_queue *q, const char *why)
{
	if (q->broken)
		return;
	q->broken = why;
	viola_count(q, errors, 1);
	trace_viola_error(q);
	pr_info_ratelimited("device of process %d: queue %u stopped, its driver is at fault: %s\n",
			    q->dev->pid, q->index, why);
	if (q->error)
		viola_eventfd_signal(q->error);
}

/* The used ring's part that @pushed entries and the index took. */
static void log_used(struct viola_queue *q, u16 pushed)
{
	struct viola_log *log = q->dev->log;
	u64 used = q->addr.log_guest_addr;
	u32 end = viola_ring_used_index(&q->ring) & (q->num - 1);
	u32 start = (end - pushed) & (q->num - 1);

	if (pushed >= q->num) {
		viola_log_mark(log, used + 4, 8ull * q->num);
	} else if (start < end) {
		viola_log_mark(log, used + 4 + 8ull * start, 8ull * (end - start));
	} else {
		viola_log_mark(log, used + 4 + 8ull * start, 8ull * (q->num - start));
		viola_log_mark(log, used + 4, 8ull * end);
	}
	viola_log_mark(log, used, 4);
}

bool viola_queue_enable_kick(struct viola_queue *q, bool more)
{
	int ret = more ? viola_ring_enable_kick_more(&q->ring) : viola_ring_enable_kick(&q->ring);

	if (unlikely(q->dev->log && q->addr.flags & BIT(VHOST_VRING_F_LOG))) {
		viola_log_mark(q->dev->log, q->addr.log_guest_addr, 2);
		if (viola_has_feature(q->dev, VIRTIO_RING_F_EVENT_IDX))
			viola_log_mark(q->dev->log, q->addr.log_guest_addr + 4 + 8ull * q->num, 2);
	}
	if (unlikely(ret < 0))
		viola_queue_break(q, viola_ring_error_name(q->ring.error));
	return ret > 0;
}

/*
 * Interrupts the guest if it waits for what was used since it was last asked. To ask
 * is to remember that: while there is nobody to call, what is used meanwhile stays
 * unanswered for, and set_call() asks.
 */
static bool call_if_wanted(struct viola_queue *q, u16 pushed)
{
	if (!q->call || !viola_ring_needs_call(&q->ring))
		return false;
	viola_count(q, calls, 1);
	trace_viola_call(q, pushed);
	viola_eventfd_signal(q->call);
	return true;
}

void viola_queue_publish(struct viola_queue *q, u16 pushed)
{
	viola_ring_publish(&q->ring);
	if (unlikely(q->dev->log)) {
		if (q->addr.flags & BIT(VHOST_VRING_F_LOG))
			log_used(q, pushed);
		if (q->dev->log_call)
			viola_eventfd_signal(q->dev->log_call);
	}
	if (!call_if_wanted(q, pushed))
		viola_count(q, calls_suppressed, 1);
}

bool viola_queue_busy_poll(struct viola_queue *q)
{
	u64 end = local_clock() + q->busyloop_us * (u64)NSEC_PER_USEC;

	if (!q->busyloop_us)
		return false;
	do {
		if (q->ops->ready(q))
			return true;
		cpu_relax();
	} while (!need_resched() && !atomic_read(&q->waiters) && local_clock() < end);
	return false;
}

void viola_queue_reset(struct viola_queue *q)
{
	struct viola_rings *old;
	struct eventfd_ctx *call, *error;

	viola_watch_stop(&q->kick);
	viola_queue_lock(q);
	viola_watch_stop(&q->backend_watch);
	old = viola_rings_swap(q, NULL);
	call = q->call;
	error = q->error;
	q->call = NULL;
	q->error = NULL;
	q->broken = NULL;
	q->num = 1;
	q->base = 0;
	q->busyloop_us = 0;
	memset(&q->addr, 0, sizeof(q->addr));
	viola_queue_unlock(q);

	viola_rings_destroy(q->dev, old);
	if (q->kick_file)
		fput(q->kick_file);
	q->kick_file = NULL;
	if (call)
		eventfd_ctx_put(call);
	if (error)
		eventfd_ctx_put(error);
}

/* --- ioctls: dev->lock held, the caller is the owner ----------------------- */

static int set_num(struct viola_queue *q, void __user *argp)
{
	struct vhost_vring_state s;

	if (q->running)
		return -EBUSY;
	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	if (!viola_ring_num_valid(s.num))
		return -EINVAL;
	q->num = s.num;
	return 0;
}

static int set_base(struct viola_queue *q, void __user *argp)
{
	struct vhost_vring_state s;

	if (q->running)
		return -EBUSY;
	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	if (s.num > U16_MAX)
		return -EINVAL;
	q->base = s.num;
	return 0;
}

static int get_base(struct viola_queue *q, void __user *argp)
{
	struct vhost_vring_state s = { .index = q->index };

	viola_queue_lock(q);
	s.num = q->running ? viola_ring_base(&q->ring) : q->base;
	viola_queue_unlock(q);
	return copy_to_user(argp, &s, sizeof(s)) ? -EFAULT : 0;
}

static int set_addr(struct viola_queue *q, void __user *argp)
{
	struct viola_rings *rings = NULL;
	struct vhost_vring_addr a;

	if (copy_from_user(&a, argp, sizeof(a)))
		return -EFAULT;
	if (a.flags & ~BIT(VHOST_VRING_F_LOG))
		return -EOPNOTSUPP;
	if (a.avail_user_addr % VRING_AVAIL_ALIGN_SIZE ||
	    a.used_user_addr % VRING_USED_ALIGN_SIZE || a.log_guest_addr % VRING_USED_ALIGN_SIZE)
		return -EINVAL;
	/* What it points to is looked at when the backend is set, if not now. */
	if (q->running) {
		rings = viola_rings_create(q, &a);
		if (IS_ERR(rings))
			return PTR_ERR(rings) == -EFAULT ? -EINVAL : PTR_ERR(rings);
	}
	viola_queue_lock(q);
	q->addr = a;
	if (q->running)
		rings = viola_rings_swap(q, rings);
	viola_queue_unlock(q);
	viola_rings_destroy(q->dev, rings);
	viola_queue_wake(q);
	return 0;
}

/* The kick is watched whether or not the queue runs, as vhost does it. */
static int set_kick(struct viola_queue *q, void __user *argp)
{
	struct file *file = NULL, *old = q->kick_file;
	struct vhost_vring_file f;
	int err = 0;

	if (copy_from_user(&f, argp, sizeof(f)))
		return -EFAULT;
	if (f.fd != VHOST_FILE_UNBIND) {
		file = eventfd_fget(f.fd);
		if (IS_ERR(file))
			return PTR_ERR(file);
	}
	viola_watch_stop(&q->kick);
	q->kick_file = file;
	if (file)
		err = viola_watch_start(&q->kick, file, EPOLLIN);
	if (old)
		fput(old);
	return err;
}

/*
 * Replaces the eventfd in @slot. @after, with the queue locked, tells a new one what
 * happened while there was none.
 */
static int set_eventfd(struct viola_queue *q, struct eventfd_ctx **slot, void __user *argp,
		       void (*after)(struct viola_queue *q))
{
	struct eventfd_ctx *ctx = NULL;
	struct vhost_vring_file f;

	if (copy_from_user(&f, argp, sizeof(f)))
		return -EFAULT;
	if (f.fd != VHOST_FILE_UNBIND) {
		ctx = eventfd_ctx_fdget(f.fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	viola_queue_lock(q);
	swap(*slot, ctx);
	after(q);
	viola_queue_unlock(q);
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

/* Buffers were used: the guest may wait for the interrupt of one of them. */
static void after_call(struct viola_queue *q)
{
	if (q->running)
		call_if_wanted(q, 0);
}

static int set_call(struct viola_queue *q, void __user *argp)
{
	return set_eventfd(q, &q->call, argp, after_call);
}

/* The queue broke, which is told once. */
static void after_error(struct viola_queue *q)
{
	if (q->broken && q->error)
		viola_eventfd_signal(q->error);
}

static int set_error(struct viola_queue *q, void __user *argp)
{
	return set_eventfd(q, &q->error, argp, after_error);
}

static int set_busyloop(struct viola_queue *q, void __user *argp)
{
	struct vhost_vring_state s;

	if (copy_from_user(&s, argp, sizeof(s)))
		return -EFAULT;
	viola_queue_lock(q);
	q->busyloop_us = s.num;
	viola_queue_unlock(q);
	return 0;
}

static int get_busyloop(struct viola_queue *q, void __user *argp)
{
	struct vhost_vring_state s = { .index = q->index, .num = q->busyloop_us };

	return copy_to_user(argp, &s, sizeof(s)) ? -EFAULT : 0;
}

static const struct {
	unsigned int cmd;
	int (*run)(struct viola_queue *q, void __user *argp);
} vring_ioctls[] = {
	{ VHOST_SET_VRING_NUM, set_num },
	{ VHOST_SET_VRING_ADDR, set_addr },
	{ VHOST_SET_VRING_BASE, set_base },
	{ VHOST_GET_VRING_BASE, get_base },
	{ VHOST_SET_VRING_KICK, set_kick },
	{ VHOST_SET_VRING_CALL, set_call },
	{ VHOST_SET_VRING_ERR, set_error },
	{ VHOST_SET_VRING_BUSYLOOP_TIMEOUT, set_busyloop },
	{ VHOST_GET_VRING_BUSYLOOP_TIMEOUT, get_busyloop },
};

struct viola_queue *viola_queue_get(struct viola_device *dev, void __user *argp)
{
	u32 index;

	if (get_user(index, (u32 __user *)argp))
		return ERR_PTR(-EFAULT);
	if (index >= dev->type->nr_queues)
		return ERR_PTR(-ENOBUFS);
	return dev->queues[array_index_nospec(index, dev->type->nr_queues)];
}

int viola_vring_ioctl(struct viola_device *dev, unsigned int cmd, void __user *argp)
{
	struct viola_queue *q = viola_queue_get(dev, argp);
	u32 i;

	/* Even for what does not exist: vhost looks at the index first. */
	if (IS_ERR(q))
		return PTR_ERR(q);
	for (i = 0; i < ARRAY_SIZE(vring_ioctls); i++) {
		if (vring_ioctls[i].cmd == cmd)
			return vring_ioctls[i].run(q, argp);
	}
	return -ENOIOCTLCMD;
}
