// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>

#include "trace.h"
#include "worker.h"

/*
 * In the waker's context: wait-queue lock held, interrupts off. Not for
 * signalling an eventfd, which eventfd forbids here.
 */
static int watch_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct viola_watch *watch = container_of(wait, struct viola_watch, wait);

	if (!(key_to_poll(key) & watch->mask))
		return 0;
	WRITE_ONCE(*watch->count, *watch->count + 1);
	if (watch == &watch->queue->kick)
		trace_viola_kick(watch->queue);
	else
		trace_viola_wake(watch->queue);
	viola_queue_wake(watch->queue);
	return 0;
}

static void watch_queue(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct viola_watch *watch = container_of(table, struct viola_watch, table);

	if (watch->head) /* a file with several wait queues: the first is it */
		return;
	watch->head = head;
	add_wait_queue(head, &watch->wait);
}

void viola_watch_init(struct viola_watch *watch, struct viola_queue *q, u64 *count)
{
	init_waitqueue_func_entry(&watch->wait, watch_wake);
	watch->head = NULL;
	watch->queue = q;
	watch->count = count;
}

int viola_watch_start(struct viola_watch *watch, struct file *file, __poll_t mask)
{
	__poll_t ready;

	viola_watch_stop(watch);
	watch->mask = mask | EPOLLERR | EPOLLHUP;
	init_poll_funcptr(&watch->table, watch_queue);
	ready = vfs_poll(file, &watch->table);
	if (!watch->head)
		return -EINVAL;
	if (ready & watch->mask)
		viola_queue_wake(watch->queue);
	return 0;
}

void viola_watch_stop(struct viola_watch *watch)
{
	if (!watch->head)
		return;
	remove_wait_queue(watch->head, &watch->wait);
	watch->head = NULL;
}
