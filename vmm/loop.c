// SPDX-License-Identifier: GPL-2.0
/*
 * Each round takes a batch of events from epoll and calls their sources one
 * by one, with no lock held. epoll knows a source by slot and generation, not
 * by address: an event that was reported before its source was removed finds
 * another generation and is dropped, even if the memory is a new source by
 * then.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <viola/env.h>
#include "vmm/error.h"
#include "vmm/loop.h"
#include "vmm/thread.h"

#define LOOP_BATCH 16
#define LOOP_SOURCES_MAX 64

struct loop_slot {
	struct loop_source *source; /* NULL: free */
	u32 generation;
};

struct loop {
	int epoll_fd;
	pthread_t own; /* its thread, if it was started */
	bool started;
	struct loop_source stop; /* an eventfd */
	bool stopping; /* loop thread only */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t idle; /* running or paused changed */
	pthread_t thread; /* in loop_run() */
	struct loop_source *running;
	bool paused;
	struct loop_slot slot[LOOP_SOURCES_MAX];
};

static void loop_stop_ready(struct loop_source *source, uint32_t events)
{
	struct loop *loop = source->opaque;

	loop->stopping = true;
}

static u64 slot_id(const struct loop *loop, unsigned int i)
{
	return (u64)loop->slot[i].generation << 32 | i;
}

/* The source of @id, now running, or NULL. */
static struct loop_source *loop_begin(struct loop *loop, u64 id)
{
	struct loop_source *source = NULL;
	unsigned int i = (u32)id;

	pthread_mutex_lock(&loop->lock);
	while (loop->paused)
		pthread_cond_wait(&loop->idle, &loop->lock);
	if (slot_id(loop, i) == id)
		source = loop->slot[i].source;
	loop->running = source;
	pthread_mutex_unlock(&loop->lock);
	return source;
}

static void loop_end(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->running = NULL;
	pthread_cond_broadcast(&loop->idle);
	pthread_mutex_unlock(&loop->lock);
}

void loop_run(struct loop *loop)
{
	struct epoll_event event[LOOP_BATCH];
	int i, nr;

	pthread_mutex_lock(&loop->lock);
	loop->thread = pthread_self();
	pthread_mutex_unlock(&loop->lock);
	while (!loop->stopping) {
		/* EINTR is the only error there can be. */
		nr = epoll_wait(loop->epoll_fd, event, LOOP_BATCH, -1);
		for (i = 0; i < nr && !loop->stopping; i++) {
			struct loop_source *source = loop_begin(loop, event[i].data.u64);

			if (!source)
				continue;
			source->ready(source, event[i].events);
			loop_end(loop);
		}
	}
}

void loop_quit(struct loop *loop)
{
	eventfd_write(loop->stop.fd, 1);
}

void loop_pause(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->paused = true;
	while (loop->running)
		pthread_cond_wait(&loop->idle, &loop->lock);
	pthread_mutex_unlock(&loop->lock);
}

void loop_resume(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->paused = false;
	pthread_cond_broadcast(&loop->idle);
	pthread_mutex_unlock(&loop->lock);
}

static void *loop_thread(void *arg)
{
	loop_run(arg);
	return NULL;
}

int loop_create(struct loop **to, const char *thread_name)
{
	const char *who = thread_name ? thread_name : "main loop";
	struct loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return vmm_fail(ENOMEM, "%s: out of memory", who);
	pthread_mutex_init(&loop->lock, NULL);
	pthread_cond_init(&loop->idle, NULL);
	loop->stop.ready = loop_stop_ready;
	loop->stop.opaque = loop;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->stop.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->epoll_fd < 0 || loop->stop.fd < 0) {
		err = vmm_fail(errno, "%s: cannot create an event loop: %m", who);
		goto fail;
	}
	err = loop_add(loop, &loop->stop, EPOLLIN);
	if (err)
		goto fail;
	if (thread_name)
		err = thread_start(&loop->own, thread_name, loop_thread, loop);
	if (err)
		goto fail;
	loop->started = thread_name;
	*to = loop;
	return 0;

fail:
	loop_destroy(loop);
	return err;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->started) {
		loop_quit(loop);
		loop_resume(loop);
		pthread_join(loop->own, NULL);
	}
	if (loop->stop.fd >= 0)
		close(loop->stop.fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	pthread_cond_destroy(&loop->idle);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

/* With the lock held: the slot of @source (NULL: a free one), or -1. */
static int slot_find(const struct loop *loop, const struct loop_source *source)
{
	int i;

	for (i = 0; i < LOOP_SOURCES_MAX; i++)
		if (loop->slot[i].source == source)
			return i;
	return -1;
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events };
	int i, err = 0;

	pthread_mutex_lock(&loop->lock);
	i = slot_find(loop, NULL);
	if (i < 0) {
		err = vmm_fail(ENOSPC, "an event loop watches at most %d descriptors",
			       LOOP_SOURCES_MAX);
		goto out;
	}
	loop->slot[i].generation++;
	event.data.u64 = slot_id(loop, (unsigned int)i);
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event))
		err = vmm_fail(errno, "cannot watch descriptor %d: %m", source->fd);
	else
		loop->slot[i].source = source;
out:
	pthread_mutex_unlock(&loop->lock);
	return err;
}

int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events };
	int i, err = 0;

	pthread_mutex_lock(&loop->lock);
	i = slot_find(loop, source);
	if (i < 0) {
		err = vmm_fail(ENOENT, "descriptor %d is not watched", source->fd);
		goto out;
	}
	event.data.u64 = slot_id(loop, (unsigned int)i);
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event))
		err = vmm_fail(errno, "cannot watch descriptor %d: %m", source->fd);
out:
	pthread_mutex_unlock(&loop->lock);
	return err;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	int i;

	pthread_mutex_lock(&loop->lock);
	i = slot_find(loop, source);
	if (i >= 0) {
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
		loop->slot[i].source = NULL;
		loop->slot[i].generation++;
	}
	if (!pthread_equal(pthread_self(), loop->thread))
		while (loop->running == source)
			pthread_cond_wait(&loop->idle, &loop->lock);
	pthread_mutex_unlock(&loop->lock);
}
