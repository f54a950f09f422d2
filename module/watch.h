/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A watch runs a queue when a file becomes ready: the guest's kick (an
 * eventfd), or the backend's socket. It is one entry in the file's wait queue,
 * and stays there: the waker costs a call and one exchange when the queue is
 * awake already.
 */
#ifndef VIOLA_WATCH_H
#define VIOLA_WATCH_H

#include <linux/poll.h>
#include <linux/wait.h>

struct file;
struct viola_queue;

struct viola_watch {
	wait_queue_entry_t wait;
	wait_queue_head_t *head; /* NULL: not watching */
	poll_table table;
	__poll_t mask;
	struct viola_queue *queue;
	u64 *count; /* of wakes, owned by the holder of head->lock */
};

void viola_watch_init(struct viola_watch *watch, struct viola_queue *q, u64 *count);

/*
 * Begins to watch @file, to which the caller holds a reference until the watch
 * is stopped, for @mask; runs the queue at once if it is ready. Stops an
 * earlier one. -EINVAL for a file that cannot be waited for. May sleep; the
 * caller serialises start and stop.
 */
int viola_watch_start(struct viola_watch *watch, struct file *file, __poll_t mask);

/* After this no wake is under way. */
void viola_watch_stop(struct viola_watch *watch);

static inline bool viola_watch_active(const struct viola_watch *watch)
{
	return watch->head;
}

#endif
