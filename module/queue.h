/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtqueue: the ring, its eventfds, its backend, its thread, its counters.
 */
#ifndef VIOLA_QUEUE_H
#define VIOLA_QUEUE_H

#include <linux/mutex.h>
#include <linux/vhost.h>

#include <uapi/viola.h>
#include <viola/ring.h>

#include "device.h"
#include "watch.h"

struct file;
struct viola_rings;
struct viola_thread;

/* What one service may move before others get the CPU. */
#define VIOLA_WEIGHT_BYTES	0x80000
#define VIOLA_WEIGHT_PACKETS	256

/* Pieces of memory that one service step maps, as vhost's UIO_MAXIOV. */
#define VIOLA_SEGS	1024

struct viola_queue_ops {
	/*
	 * Moves what there is to move, up to the weights. True: there is more.
	 * Called with the queue lock held and a ring that is not broken.
	 */
	bool (*serve)(struct viola_queue *q);
	/* The ring is about to go, or to be replaced: give back what is held. */
	void (*quiesce)(struct viola_queue *q);
	/* In a busy poll: whether there is work. Looks at a word or two. */
	bool (*ready)(struct viola_queue *q);
};

/*
 * Written by whoever serves the queue, under its lock, except where said.
 * Readers take no lock: each is one aligned word.
 */
struct viola_counters {
	u64 packets, bytes;
	u64 kicks; /* by the eventfd's waker, under its lock */
	u64 wakes; /* by the socket's waker, under its lock */
	u64 services;
	u64 calls, calls_suppressed;
	u64 batches, batched;
	u64 no_buffers, blocked;
	u64 drops_backend, drops_size;
	u64 errors;
	u64 gathers; /* by its thread, see worker.c */
};

/* One writer at a time; no tearing for readers on 64-bit machines. */
#define viola_count(q, what, n) \
	WRITE_ONCE((q)->count.what, (q)->count.what + (n))

struct viola_queue {
	/* What a waker touches. */
	int pending; /* work has come: xchg by wakers and the server */
	bool displaces; /* whoever set that was running where the server will */
	/* Its own, from SET_OWNER on; changed under dev->lock and lock. */
	struct viola_thread __rcu *thread;
	struct viola_watch kick;
	struct file *kick_file;

	/* What a service touches, under lock. */
	struct mutex lock ____cacheline_aligned_in_smp;
	atomic_t waiters; /* others want the lock: a busy poll ends */
	const struct viola_queue_ops *ops;
	struct viola_device *dev;
	u32 index;
	bool running; /* has rings and a backend */
	struct viola_watch backend_watch; /* on the backend's file */
	const char *broken; /* why, or NULL; until the backend is set again */
	struct viola_ring ring; /* valid if running */
	struct eventfd_ctx *call;
	u32 busyloop_us; /* 0: no busy poll */
	struct viola_counters count;
	/* Of services that moved one packet, in a row; see worker.c. */
	struct {
		u32 nr;
		u64 others; /* services of the device's other queues, until then */
		u64 at; /* local_clock() */
	} singles;
	struct viola_seg *seg; /* VIOLA_SEGS of them */
	u64 *seg_gpa; /* as many */

	/* Configuration, under dev->lock and lock. */
	struct viola_rings *rings; /* NULL if not running */
	struct eventfd_ctx *error;
	u32 num;
	u16 base; /* next available entry, while not running */
	struct vhost_vring_addr addr;
};

/* vring.c */

int viola_queue_init(struct viola_queue *q, struct viola_device *dev, u32 index,
		     const struct viola_queue_ops *ops);
void viola_queue_destroy(struct viola_queue *q);

/* The lock, taken by anyone but the server: ends a busy poll. */
void viola_queue_lock(struct viola_queue *q);
void viola_queue_unlock(struct viola_queue *q);

/*
 * Builds what runs the queue's ring at @addr: pinned, mapped, checked, for the
 * features that are set. ERR_PTR: -EFAULT for what is not memory, -EINVAL for
 * a wrong alignment or size, -ENOMEM. dev->lock held, in the owner's context.
 */
struct viola_rings *viola_rings_create(struct viola_queue *q, const struct vhost_vring_addr *addr);
void viola_rings_destroy(struct viola_device *dev, struct viola_rings *rings);
/*
 * Makes @rings, or NULL to stop, the queue's; returns the old ones, to be
 * destroyed after the queue lock, which is held, is released.
 */
struct viola_rings *viola_rings_swap(struct viola_queue *q, struct viola_rings *rings);

/*
 * The queue whose index an ioctl's argument begins with: -EFAULT, or -ENOBUFS
 * for one that there is not. The index is read again with the rest, but only
 * what this read is used.
 */
struct viola_queue *viola_queue_get(struct viola_device *dev, void __user *argp);

int viola_vring_ioctl(struct viola_device *dev, unsigned int cmd, void __user *argp);
/* Stops and forgets everything about the queue but its thread. dev->lock held. */
void viola_queue_reset(struct viola_queue *q);

/* Helpers of a service; queue lock held. */

/*
 * The guest did something that it must not: the queue stops until its backend
 * is set again. @why is a constant string.
 */
void viola_queue_break(struct viola_queue *q, const char *why);

/* Publishes what was pushed and interrupts the guest if it wants to know. */
void viola_queue_publish(struct viola_queue *q, u16 pushed);

/*
 * viola_ring_enable_kick(); @more: viola_ring_enable_kick_more(). True: serve
 * on; false: wait for a kick, or the queue broke.
 */
bool viola_queue_enable_kick(struct viola_queue *q, bool more);

/* Until work comes or the time for it is over: whether work came. */
bool viola_queue_busy_poll(struct viola_queue *q);

#endif
