// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <unistd.h>

#include "tools/lab/pump.h"

/*
 * A pipe that polls writable takes this many bytes without blocking, even when
 * the descriptor itself is in blocking mode (and stdout's mode is shared with
 * other processes, so it must not be changed).
 */
#define WRITE_MAX 4096

void pump_init(struct pump *pump, int in, int out)
{
	pump->in = in;
	pump->out = out;
	pump->start = 0;
	pump->end = 0;
	pump->total = 0;
	pump->broken = false;
	pump->in_poll = NULL;
	pump->out_poll = NULL;
}

void pump_prepare(struct pump *pump, struct pollfd *fds)
{
	pump->in_poll = &fds[0];
	pump->out_poll = &fds[1];
	fds[0] = (struct pollfd){ .fd = pump_empty(pump) ? pump->in : -1, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = pump_empty(pump) ? -1 : pump->out, .events = POLLOUT };
}

static void pump_fill(struct pump *pump)
{
	ssize_t n = read(pump->in, pump->data, sizeof(pump->data));

	if (n > 0) {
		pump->start = 0;
		pump->end = n;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		pump->in = -1;	/* a pty's EIO is its end of file */
	}
}

static void pump_drain(struct pump *pump)
{
	size_t len = pump->end - pump->start;
	ssize_t n;

	if (pump->broken) {
		pump->total += len;
		pump->start = pump->end;
		return;
	}
	n = write(pump->out, pump->data + pump->start, len < WRITE_MAX ? len : WRITE_MAX);
	if (n > 0) {
		pump->start += n;
		pump->total += n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		pump->broken = true;
	}
}

void pump_move(struct pump *pump)
{
	if (pump->in_poll->fd >= 0 && pump->in_poll->revents)
		pump_fill(pump);
	else if (pump->out_poll->fd >= 0 && pump->out_poll->revents)
		pump_drain(pump);
}
