// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/control/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dpdk-backend/control/command.h"
#include "dpdk-backend/control/counters.h"
#include "dpdk-backend/lcore/thread.h"
#include "dpdk-backend/listener.h"
#include "dpdk-backend/port/ports.h"
#include "dpdk-backend/socket.h"

#define TIME_REQUEST 10000 /* milliseconds: to send a request and take the answer */
#define TIME_IDLE 300000 /* milliseconds between requests */
#define TIME_SAMPLE 1000

struct client {
	int fd; /* -1: none */
	bool last; /* close when the answer is out */
	s64 deadline; /* milliseconds, monotonic; -1: not begun */
	size_t in_len;
	char *out; /* what is being sent, or NULL */
	size_t out_len, out_sent;
	char in[CONTROL_REQUEST_MAX];
};

static struct {
	pthread_t thread;
	struct listener listener;
	int stop; /* eventfd */
	char *path;
	struct client client[CONTROL_CLIENTS];
} control = { .listener.fd = -1, .stop = -1 };

/* --- one client ---------------------------------------------------------------- */

static void client_close(struct client *c)
{
	close(c->fd);
	free(c->out);
	c->out = NULL;
	c->fd = -1;
}

static void client_open(struct client *c, int fd)
{
	c->fd = fd;
	c->last = false;
	c->in_len = 0;
	c->deadline = clock_ms() + TIME_IDLE;
}

/* Sends what there is to send, as far as that goes. */
static void client_send(struct client *c)
{
	ssize_t n;

	while (c->out_sent < c->out_len) {
		n = send(c->fd, c->out + c->out_sent, c->out_len - c->out_sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				client_close(c);
			return;
		}
		c->out_sent += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	if (c->last) {
		client_close(c);
		return;
	}
	/* Part of the next request may be here already. */
	c->deadline = clock_ms() + (c->in_len ? TIME_REQUEST : TIME_IDLE);
}

/* Begins to send @text, which is malloc'd and becomes the client's; NULL: no memory. */
static void client_answer(struct client *c, char *text)
{
	if (!text) {
		client_close(c);
		return;
	}
	c->out = text;
	c->out_len = strlen(text);
	c->out[c->out_len++] = '\n';
	c->out_sent = 0;
	client_send(c);
}

/* Handles one request, if a whole one is here. False if not. */
static bool client_handle(struct client *c)
{
	char *end = memchr(c->in, '\n', c->in_len), *answer;
	size_t len;

	if (!end) {
		if (c->in_len < sizeof(c->in))
			return false;
		c->last = true;
		client_answer(c, command_refuse("a request has at most 65536 bytes; send less"));
		return true;
	}
	len = (size_t)(end - c->in);
	answer = command_run(c->in, len);
	c->in_len -= len + 1;
	memmove(c->in, end + 1, c->in_len);
	client_answer(c, answer);
	return true;
}

static void client_receive(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		client_close(c);
		return;
	}
	if (n < 0)
		return;
	/* The time for a request runs from its first byte, not from its last. */
	if (!c->in_len)
		c->deadline = clock_ms() + TIME_REQUEST;
	c->in_len += (size_t)n;
}

static void client_serve(struct client *c, short events)
{
	if (c->out)
		client_send(c);
	else if (events)
		client_receive(c);
	/* One request at a time: the others have their turn, too. */
	if (c->fd >= 0 && !c->out)
		client_handle(c);
}

/* --- the thread ----------------------------------------------------------------- */

static void control_accept(void)
{
	int fd = listener_accept(&control.listener, SOCK_CLOEXEC | SOCK_NONBLOCK);
	unsigned int i;
	char *text;

	if (fd < 0)
		return;
	for (i = 0; i < CONTROL_CLIENTS; i++) {
		if (control.client[i].fd < 0) {
			client_open(&control.client[i], fd);
			return;
		}
	}
	text = command_refuse("too many connections; close some, or wait");
	if (text) {
		strcat(text, "\n");
		/* Fresh and empty: it takes a line or is not worth waiting for. */
		if (send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			errno = 0;
	}
	free(text);
	close(fd);
}

/* Whether a client has a whole request waiting that no more bytes will announce. */
static bool client_ready(const struct client *c)
{
	return c->fd >= 0 && !c->out && memchr(c->in, '\n', c->in_len);
}

static int control_poll(struct pollfd *fds, s64 sample)
{
	s64 now = clock_ms(), wait = sample - now;
	unsigned int i;

	fds[0] = (struct pollfd){ .fd = control.stop, .events = POLLIN };
	wait = listener_poll(&control.listener, &fds[1], wait < 0 ? 0 : (int)wait);
	for (i = 0; i < CONTROL_CLIENTS; i++) {
		const struct client *c = &control.client[i];

		fds[2 + i] = (struct pollfd){ .fd = c->fd, .events = c->out ? POLLOUT : POLLIN };
		if (client_ready(c))
			wait = 0;
	}
	return poll(fds, 2 + CONTROL_CLIENTS, (int)wait);
}

static void *control_main(void *arg)
{
	struct pollfd fds[2 + CONTROL_CLIENTS];
	s64 sample = clock_ms();
	unsigned int i;

	for (;;) {
		if (clock_ms() >= sample) {
			pthread_mutex_lock(&ports_lock);
			counters_sample();
			pthread_mutex_unlock(&ports_lock);
			sample = clock_ms() + TIME_SAMPLE;
		}
		if (control_poll(fds, sample) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			break;
		for (i = 0; i < CONTROL_CLIENTS; i++) {
			struct client *c = &control.client[i];

			if (c->fd < 0)
				continue;
			if (fds[2 + i].revents || client_ready(c))
				client_serve(c, fds[2 + i].revents);
			if (c->fd >= 0 && clock_ms() > c->deadline)
				client_close(c);
		}
		/* Last, so that what is accepted is not taken for what was polled. */
		if (fds[1].revents)
			control_accept();
	}
	return NULL;
}

int control_start(const char *path, const cpu_set_t *cpus, char *why, size_t size)
{
	unsigned int i;
	int err;

	for (i = 0; i < CONTROL_CLIENTS; i++)
		control.client[i].fd = -1;
	control.path = strdup(path);
	control.stop = eventfd(0, EFD_CLOEXEC);
	if (!control.path || control.stop < 0) {
		snprintf(why, size, "%s: no memory, or too many open files", path);
		return -ENOMEM;
	}
	control.listener.fd = socket_listen(path, why, size);
	if (control.listener.fd < 0)
		return control.listener.fd;
	err = thread_start(&control.thread, control_main, cpus);
	if (err) {
		snprintf(why, size, "%s: no thread for it: %s; lower the load", path,
			 strerror(-err));
		close(control.listener.fd);
		control.listener.fd = -1;
		unlink(path);
	}
	return err;
}

void control_stop(void)
{
	unsigned int i;

	if (control.listener.fd < 0)
		return;
	eventfd_write(control.stop, 1);
	pthread_join(control.thread, NULL);
	for (i = 0; i < CONTROL_CLIENTS; i++)
		if (control.client[i].fd >= 0)
			client_close(&control.client[i]);
	close(control.listener.fd);
	unlink(control.path);
	control.listener.fd = -1;
}
