/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_LOOP_H
#define VMM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * An event loop on a thread of its own (epoll). Callbacks run on that thread
 * only. loop_add() and loop_remove() may be called from any thread;
 * loop_remove() returns when the callback is not running and will not run
 * again (called from the loop's own thread: it will not run again).
 */
struct loop;

struct loop_source {
	int fd;
	void (*ready)(struct loop_source *source, uint32_t events); /* EPOLL* bits */
	void *opaque;
};

int loop_create(struct loop **loop, const char *thread_name);
void loop_destroy(struct loop *loop); /* stops and joins the thread */
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events);
void loop_remove(struct loop *loop, struct loop_source *source);

#endif
