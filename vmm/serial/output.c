// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/serial/output.h"

void output_init(struct output *out, int fd, int wake_fd, int stop_fd)
{
	out->fd = fd;
	out->wake_fd = wake_fd;
	out->stop_fd = stop_fd;
	out->len = 0;
	pthread_mutex_init(&out->lock, NULL);
}

/*
 * With the lock held: writes until the buffer is empty or fd takes no more.
 * A pipe that is writable takes PIPE_BUF bytes without waiting.
 */
static void drain(struct output *out)
{
	struct pollfd p = { .fd = out->fd, .events = POLLOUT };
	u32 done = 0;

	while (done < out->len && poll(&p, 1, 0) == 1) {
		const size_t len = min(out->len - done, (u32)PIPE_BUF);
		ssize_t n = p.revents & POLLOUT ? write(out->fd, out->buf + done, len) : -1;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && p.revents & POLLOUT)
			break;
		if (n < 0) {
			/* The reader is gone: what it does not see is lost. */
			out->fd = -1;
			out->len = 0;
			return;
		}
		done += (u32)n;
	}
	memmove(out->buf, out->buf + done, out->len - done);
	out->len -= done;
}

static bool wait_for_room(struct output *out)
{
	struct pollfd p[] = {
		{ .fd = out->fd, .events = POLLOUT },
		{ .fd = out->stop_fd, .events = POLLIN },
	};

	poll(p, ARRAY_SIZE(p), -1);
	return !p[1].revents;
}

void output_put(struct output *out, u8 byte)
{
	pthread_mutex_lock(&out->lock);
	while (out->fd >= 0 && out->len == OUTPUT_SIZE) {
		drain(out);
		if (out->len == OUTPUT_SIZE && !wait_for_room(out))
			break;
	}
	if (out->fd >= 0 && out->len < OUTPUT_SIZE) {
		out->buf[out->len++] = byte;
		if (out->len == 1)
			eventfd_write(out->wake_fd, 1);
	}
	pthread_mutex_unlock(&out->lock);
}

bool output_flush(struct output *out)
{
	bool left;

	if (pthread_mutex_trylock(&out->lock))
		return true;
	if (out->fd >= 0)
		drain(out);
	left = out->len;
	pthread_mutex_unlock(&out->lock);
	return left;
}
