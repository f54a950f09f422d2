/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_LOOP_H
#define VMM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * An event loop (epoll). Callbacks run on one thread only, the loop's. loop_add()
 * and loop_remove() may be called from any thread; loop_remove() returns when the
 * callback is not running and will not run again (called from the loop's own
 * thread: it will not run again).
 */
struct loop;

struct loop_source {
	int fd;
	void (*ready)(struct loop_source *source, uint32_t events); /* EPOLL* bits */
	void *opaque;
};

/* A loop on a thread of its own; or, without @thread_name, in the caller's loop_run(). */
int loop_create(struct loop **loop, const char *thread_name);
/* Runs callbacks until loop_quit(), which may come from any thread, and before. */
void loop_run(struct loop *loop);
void loop_quit(struct loop *loop);
/*
 * Between these two no callback runs. loop_pause() waits for the one that does; not from
 * the loop's own thread. What becomes ready meanwhile is served afterwards.
 */
void loop_pause(struct loop *loop);
void loop_resume(struct loop *loop);
void loop_destroy(struct loop *loop); /* ends a thread of its own; @loop may be NULL */
/* -EPERM: @source is a file that is always ready, which epoll does not watch. */
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events);
void loop_remove(struct loop *loop, struct loop_source *source);

#endif
