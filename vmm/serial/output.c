// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "vmm/serial/output.h"
#include "vmm/thread.h"

/* How long a byte may lie in a buffer that is not half full. */
#define GATHER_MS 5
/* How often the thread is told to end while it waits for its reader. */
#define END_MS 1
/* What one write may keep waiting: progress shows in such steps. */
#define WRITE_MAX 1024u

static struct timespec time_in(unsigned int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/*
 * One write, which may wait and may be interrupted. Bytes written, also 0, or
 * -errno: the reader is gone.
 */
static ssize_t write_some(int fd, const u8 *from, size_t len)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	ssize_t n = write(fd, from, len);

	if (n > 0)
		return n;
	if (!n)
		return -EIO; /* would be so for ever */
	if (errno == EAGAIN) {
		/* Another program made the descriptor so; errors show at the next write. */
		poll(&p, 1, -1);
		return 0;
	}
	return errno == EINTR ? 0 : -errno;
}

/* With the lock held: what is in the buffer goes to the reader, until quit. */
static void drain(struct output *out)
{
	while (out->len && !out->quit) {
		/* Who puts only appends: these bytes stay where they are. */
		const u8 *from = out->buf + out->first;
		const u32 run = min(out->len, OUTPUT_SIZE - out->first);
		bool room = false;
		ssize_t n;

		pthread_mutex_unlock(&out->lock);
		n = write_some(out->fd, from, min(run, WRITE_MAX));
		pthread_mutex_lock(&out->lock);
		if (n < 0) {
			out->gone = true;
			n = out->len;
		}
		out->first = (out->first + (u32)n) % OUTPUT_SIZE;
		out->len -= (u32)n;
		out->taken += (u64)n;
		if (out->wanted && OUTPUT_SIZE - out->len >= out->wanted) {
			out->wanted = 0;
			room = true;
		}
		pthread_cond_broadcast(&out->drained);
		if (room && out->on_room) {
			pthread_mutex_unlock(&out->lock);
			out->on_room(out->opaque);
			pthread_mutex_lock(&out->lock);
		}
	}
}

static void *output_thread(void *arg)
{
	struct output *out = arg;

	pthread_mutex_lock(&out->lock);
	while (!out->quit) {
		struct timespec until;

		if (!out->len) {
			pthread_cond_wait(&out->filled, &out->lock);
			continue;
		}
		until = time_in(GATHER_MS);
		while (out->len < OUTPUT_SIZE / 2 && !out->hurry && !out->quit)
			if (pthread_cond_timedwait(&out->filled, &out->lock, &until))
				break;
		drain(out);
	}
	out->ended = true;
	pthread_cond_broadcast(&out->drained);
	pthread_mutex_unlock(&out->lock);
	return NULL;
}

int output_start(struct output *out, const char *name, int fd, void (*on_room)(void *opaque),
		 void *opaque)
{
	pthread_condattr_t attr;
	int err;

	out->fd = fd;
	out->on_room = on_room;
	out->opaque = opaque;
	out->hurry = out->quit = out->ended = out->gone = false;
	out->wanted = out->first = out->len = 0;
	out->taken = out->lost = 0;
	pthread_mutex_init(&out->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&out->filled, &attr);
	pthread_cond_init(&out->drained, &attr);
	pthread_condattr_destroy(&attr);
	err = thread_start(&out->thread, name, output_thread, out);
	out->started = !err;
	return err;
}

void output_put(struct output *out, u8 byte)
{
	pthread_mutex_lock(&out->lock);
	if (out->len == OUTPUT_SIZE) {
		out->lost++;
	} else if (!out->gone) {
		out->buf[(out->first + out->len++) % OUTPUT_SIZE] = byte;
		if (out->len == 1 || out->len == OUTPUT_SIZE / 2)
			pthread_cond_signal(&out->filled);
	}
	pthread_mutex_unlock(&out->lock);
}

bool output_room(struct output *out, u32 bytes)
{
	bool room;

	pthread_mutex_lock(&out->lock);
	room = OUTPUT_SIZE - out->len >= bytes;
	if (!room)
		out->wanted = bytes;
	pthread_mutex_unlock(&out->lock);
	return room;
}

void output_wait(struct output *out, unsigned int ms)
{
	const struct timespec until = time_in(ms);
	u64 taken;

	pthread_mutex_lock(&out->lock);
	taken = out->taken;
	while (out->len && taken == out->taken && !out->ended)
		if (pthread_cond_timedwait(&out->drained, &out->lock, &until))
			break;
	pthread_mutex_unlock(&out->lock);
}

static bool earlier(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

void output_finish(struct output *out, unsigned int patience_ms, unsigned int limit_ms)
{
	const struct timespec limit = time_in(limit_ms);
	struct timespec until = time_in(patience_ms);
	u64 taken;

	if (!out->started)
		return;
	out->started = false;
	pthread_mutex_lock(&out->lock);
	out->hurry = true;
	pthread_cond_signal(&out->filled);
	taken = out->taken;
	while (out->len) {
		if (pthread_cond_timedwait(&out->drained, &out->lock,
					   earlier(&until, &limit) ? &until : &limit))
			break;
		if (taken != out->taken) {
			taken = out->taken;
			until = time_in(patience_ms);
		}
	}
	out->quit = true;
	pthread_cond_signal(&out->filled);
	/* A signal that comes just before its write() has no effect: send it again. */
	while (!out->ended) {
		pthread_kill(out->thread, VCPU_SIGNAL);
		until = time_in(END_MS);
		pthread_cond_timedwait(&out->drained, &out->lock, &until);
	}
	pthread_mutex_unlock(&out->lock);
	pthread_join(out->thread, NULL);
	pthread_cond_destroy(&out->filled);
	pthread_cond_destroy(&out->drained);
	pthread_mutex_destroy(&out->lock);
}
