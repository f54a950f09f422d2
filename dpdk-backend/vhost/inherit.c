// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/vhost/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dpdk-backend/control/client.h"
#include "dpdk-backend/lcore/thread.h"
#include "dpdk-backend/listener.h"
#include "dpdk-backend/socket.h"
#include "tools/lib/number.h"

#define HEADER 12u /* bytes: request, flags, size; each 32 bits in host order */
#define PAYLOAD_MAX 8192u /* bytes; what the library takes is less */
#define FDS_MAX 32u
#define PAIRS 32u

/* One direction of a connection: the message under way. */
struct stream {
	int from, to;
	uint32_t have, sent; /* bytes; sending begins when the message is whole */
	unsigned int nfds;
	int fds[FDS_MAX]; /* that came with it, ours until they are sent */
	uint8_t message[HEADER + PAYLOAD_MAX];
};

struct pair {
	bool used;
	struct stream up, down; /* front end to library, and back */
};

static struct {
	pthread_t thread;
	bool running;
	int stop; /* eventfd */
	unsigned int n;
	struct {
		struct listener listener;
		const char *path;
	} in[INHERIT_MAX];
	struct pair pair[PAIRS];
} state = { .stop = -1 };

/* --- messages --------------------------------------------------------------------- */

static uint32_t message_size(const struct stream *s)
{
	uint32_t payload;

	if (s->have < HEADER)
		return HEADER;
	memcpy(&payload, s->message + 8, sizeof(payload));
	/* Too long: the caller compares. */
	return payload > PAYLOAD_MAX ? UINT32_MAX : HEADER + payload;
}

static bool message_whole(const struct stream *s)
{
	return s->have >= HEADER && s->have == message_size(s);
}

static void message_end(struct stream *s)
{
	while (s->nfds)
		close(s->fds[--s->nfds]);
	s->have = 0;
	s->sent = 0;
}

/* Keeps the descriptors that came with @m. False: there were more than may be. */
static bool take_fds(struct stream *s, struct msghdr *m)
{
	bool good = !(m->msg_flags & MSG_CTRUNC);
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t i, n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (s->nfds < FDS_MAX) {
				s->fds[s->nfds++] = fd;
			} else {
				close(fd);
				good = false;
			}
		}
	}
	return good;
}

/* Reads on, never beyond the message's end. False: the connection is over. */
static bool stream_receive(struct stream *s)
{
	char control[CMSG_SPACE(FDS_MAX * sizeof(int))];
	uint32_t size = message_size(s);
	struct iovec iov = { s->message + s->have, size - s->have };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(s->from, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n || !take_fds(s, &m))
		return false;
	s->have += (uint32_t)n;
	return message_size(s) != UINT32_MAX;
}

/* Sends on what is whole. False: the connection is over. */
static bool stream_send(struct stream *s)
{
	char control[CMSG_SPACE(FDS_MAX * sizeof(int))] = {};
	struct iovec iov = { s->message + s->sent, s->have - s->sent };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (s->nfds && !s->sent) {
		struct cmsghdr *c;

		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(s->nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(s->nfds * sizeof(int));
		memcpy(CMSG_DATA(c), s->fds, s->nfds * sizeof(int));
	}
	n = sendmsg(s->to, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	s->sent += (uint32_t)n;
	if (s->sent == s->have)
		message_end(s);
	return true;
}

static short stream_events(const struct stream *s, int fd)
{
	if (message_whole(s))
		return fd == s->to ? POLLOUT : 0;
	return fd == s->from ? POLLIN : 0;
}

static bool stream_serve(struct stream *s)
{
	if (!message_whole(s) && !stream_receive(s))
		return false;
	return !message_whole(s) || stream_send(s);
}

/* --- connections ------------------------------------------------------------------- */

static void pair_close(struct pair *p)
{
	message_end(&p->up);
	message_end(&p->down);
	close(p->up.from);
	close(p->up.to);
	p->used = false;
}

/* Connects @fd, a front end's, to the library. It is closed if that fails. */
static void pair_open(int fd, const char *path)
{
	char why[128];
	struct pair *p = NULL;
	unsigned int i;
	int to;

	for (i = 0; i < PAIRS; i++)
		if (!state.pair[i].used)
			p = &state.pair[i];
	to = p ? socket_connect(path, why, sizeof(why)) : -1;
	if (to < 0) {
		close(fd);
		return;
	}
	p->used = true;
	p->up.from = fd;
	p->up.to = to;
	p->down.from = to;
	p->down.to = fd;
}

/* What to wait for, at the front end's end and at the library's. */
static void pair_poll(const struct pair *p, struct pollfd at[2])
{
	unsigned int i;

	at[0] = (struct pollfd){ .fd = p->used ? p->up.from : -1 };
	at[1] = (struct pollfd){ .fd = p->used ? p->up.to : -1 };
	for (i = 0; p->used && i < 2; i++)
		at[i].events = stream_events(&p->up, at[i].fd) | stream_events(&p->down, at[i].fd);
	/*
	 * A front end that is gone while the library has yet to take its last message:
	 * poll() would say so again and again. The library will take it.
	 */
	if (!at[0].events)
		at[0].fd = -1;
}

/* Carries what can be carried. False: the connection is over. */
static bool pair_serve(struct pair *p, const struct pollfd at[2])
{
	if (!stream_serve(&p->up) || !stream_serve(&p->down))
		return false;
	/*
	 * The library is gone, and the front end does not read what it said last. It
	 * may never do so: nobody waits for it.
	 */
	return !(at[1].revents & (POLLHUP | POLLERR)) || !message_whole(&p->down);
}

static void *inherit_main(void *arg)
{
	struct pollfd fds[1 + INHERIT_MAX + 2 * PAIRS];
	unsigned int i;
	int wait;

	for (;;) {
		wait = -1;
		fds[0] = (struct pollfd){ .fd = state.stop, .events = POLLIN };
		for (i = 0; i < INHERIT_MAX; i++)
			wait = listener_poll(&state.in[i].listener, &fds[1 + i], wait);
		for (i = 0; i < PAIRS; i++)
			pair_poll(&state.pair[i], &fds[1 + INHERIT_MAX + 2 * i]);
		if (poll(fds, 1 + INHERIT_MAX + 2 * PAIRS, wait) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			break;
		for (i = 0; i < PAIRS; i++) {
			const struct pollfd *at = &fds[1 + INHERIT_MAX + 2 * i];
			struct pair *p = &state.pair[i];

			if (p->used && (at[0].revents || at[1].revents) && !pair_serve(p, at))
				pair_close(p);
		}
		for (i = 0; i < state.n; i++) {
			int fd;

			if (!fds[1 + i].revents)
				continue;
			fd = listener_accept(&state.in[i].listener, SOCK_CLOEXEC);
			if (fd >= 0)
				pair_open(fd, state.in[i].path);
		}
	}
	return NULL;
}

/* --- from outside ------------------------------------------------------------------- */

static int socket_option(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) ? -1 : value;
}

int inherit_check(struct inherited *in, const char *text, char *why, size_t size)
{
	const char *folder;
	unsigned int fd;
	char *path;

	if (!number_parse(text, 3, 1048575, &fd)) {
		snprintf(why, size, "give the number of an open socket, 3 or more");
		return -EINVAL;
	}
	if (socket_option((int)fd, SO_DOMAIN) != AF_UNIX ||
	    socket_option((int)fd, SO_TYPE) != SOCK_STREAM) {
		snprintf(why, size, "no Unix stream socket is open there; let whoever starts "
			 "viola-dpdk pass one on");
		return -EBADF;
	}
	folder = client_default_path(true, why, size);
	if (!folder)
		return -ENOENT;
	/* Beside the control socket's default place, by a name that nobody else makes. */
	if (asprintf(&path, "%.*s%d-fd%u.sock", (int)(strrchr(folder, '/') + 1 - folder), folder,
		     (int)getpid(), fd) < 0) {
		snprintf(why, size, "no memory");
		return -ENOMEM;
	}
	fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	*in = (struct inherited){ .fd = (int)fd, .path = path };
	return 0;
}

int inherit_start(const struct inherited *in, unsigned int n, const cpu_set_t *cpus, char *why,
		  size_t size)
{
	unsigned int i;
	int err;

	if (!n)
		return 0;
	state.stop = eventfd(0, EFD_CLOEXEC);
	if (state.stop < 0) {
		err = errno;
		snprintf(why, size, "--fd: %s", strerror(err));
		return -err;
	}
	for (i = 0; i < INHERIT_MAX; i++)
		state.in[i].listener = (struct listener){ .fd = -1 };
	for (i = 0; i < n; i++) {
		if (socket_option(in[i].fd, SO_ACCEPTCONN) > 0) {
			/* Whoever else holds it may take what poll() saw. */
			fcntl(in[i].fd, F_SETFL, O_NONBLOCK);
			state.in[state.n].listener.fd = in[i].fd;
			state.in[state.n++].path = in[i].path;
			continue;
		}
		pair_open(in[i].fd, in[i].path);
		/* There will be no other: nobody needs the path. */
		unlink(in[i].path);
	}
	err = thread_start(&state.thread, inherit_main, cpus);
	if (err)
		snprintf(why, size, "--fd: no thread for it: %s; lower the load", strerror(-err));
	else
		state.running = true;
	return err;
}

void inherit_stop(void)
{
	unsigned int i;

	if (!state.running)
		return;
	eventfd_write(state.stop, 1);
	pthread_join(state.thread, NULL);
	for (i = 0; i < PAIRS; i++)
		if (state.pair[i].used)
			pair_close(&state.pair[i]);
	state.running = false;
}
