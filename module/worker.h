/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Workers: the threads that serve the queues of a device. Worker 0 comes with
 * the owner and has a thread for each queue; the owner may make more, of one
 * thread each, and attach queues to them.
 */
#ifndef VIOLA_WORKER_H
#define VIOLA_WORKER_H

#include "queue.h"

struct task_struct;

/* Threads are not the owner's, so that no limit of its processes holds them. */
#define VIOLA_MAX_WORKERS 16

struct viola_thread {
	unsigned long work; /* queues to be served, by index; set by wakers */
	struct task_struct *task;
	/* See worker.c: where a light load is served; of most, it itself. */
	struct viola_thread *home;
	struct viola_worker *worker;
};

struct viola_worker {
	struct list_head link; /* in dev->workers */
	struct viola_device *dev;
	u32 id;
	u32 attached; /* queues; under dev->lock */
	u32 nr;
	struct viola_thread thread[];
};

/* Says that there is work, from any context. */
void viola_queue_wake(struct viola_queue *q);

/*
 * At the end of a batch, with more to do, by the service with the queue's lock:
 * what waits behind this service gets a thread of its own. True: that is this
 * service itself, which returns.
 */
bool viola_queue_share(struct viola_queue *q);

/* All that follows: dev->lock held. */

/* Worker 0 for all queues, in the caller's cgroups. */
int viola_workers_start(struct viola_device *dev);
/* Ends them all. No watch is active and no queue runs any more. */
void viola_workers_stop(struct viola_device *dev);

/*
 * One more, with the lowest number that is free, in the caller's cgroups.
 * ERR_PTR: -EAGAIN beyond VIOLA_MAX_WORKERS, -ENOMEM.
 */
struct viola_worker *viola_worker_create(struct viola_device *dev);
/* Ends one that has no queues. */
void viola_worker_destroy(struct viola_worker *worker);
struct viola_worker *viola_worker_find(struct viola_device *dev, u32 id); /* or NULL */

/*
 * Makes @worker serve @q, also in the middle of traffic: what waits to be
 * served is served by it, what is being served goes on to its end. May sleep.
 */
void viola_worker_attach(struct viola_worker *worker, struct viola_queue *q);
struct viola_worker *viola_worker_of(struct viola_queue *q);

#endif
