// SPDX-License-Identifier: GPL-2.0
/* The socket and its client; what they say to each other is qmp.c's. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/control/control.h"
#include "vmm/control/qmp.h"
#include "vmm/error.h"
#include "vmm/loop.h"
#include "vmm/vm-private.h"

#define READ_SIZE 4096

struct control {
	struct vm *vm;
	struct loop *loop; /* the main one */
	struct console *console;
	struct sockaddr_un address;
	bool bound; /* the socket file is ours */
	struct loop_source listener; /* watched while there is no client */
	struct loop_source client; /* .fd -1: none */
	uint32_t events; /* that the client is watched for */
	struct qmp qmp;
};

/* The next one may come. */
static void client_leave(struct control *c)
{
	loop_remove(c->loop, &c->client);
	close(c->client.fd);
	c->client.fd = -1;
	qmp_end(&c->qmp);
	loop_add(c->loop, &c->listener, EPOLLIN);
}

/* Sends what the client takes. False: it is gone. */
static bool client_send(struct control *c)
{
	ssize_t n;

	while (c->qmp.out_len) {
		n = send(c->client.fd, c->qmp.out, c->qmp.out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		qmp_sent(&c->qmp, (size_t)n);
	}
	return true;
}

/* Reads once. False: it is gone, or sends no more. */
static bool client_receive(struct control *c)
{
	char bytes[READ_SIZE];
	ssize_t n = recv(c->client.fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	qmp_receive(&c->qmp, bytes, (size_t)n);
	return n > 0;
}

static void client_ready(struct loop_source *source, uint32_t events)
{
	struct control *c = source->opaque;
	bool here = true;
	uint32_t want;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		here = client_receive(c);
	here = client_send(c) && here && !c->qmp.overrun;
	if (c->qmp.quit)
		vm_stop(c->vm, VM_POWEROFF);
	if (!here) {
		client_leave(c);
		return;
	}
	/* What it does not read is waited for, and nothing more is taken meanwhile. */
	want = c->qmp.out_len ? EPOLLOUT : EPOLLIN;
	if (want != c->events)
		loop_modify(c->loop, &c->client, want);
	c->events = want;
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
	struct control *c = source->opaque;
	int fd = accept4(c->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	c->client = (struct loop_source){ .fd = fd, .ready = client_ready, .opaque = c };
	c->events = EPOLLIN;
	qmp_begin(&c->qmp, c->vm, c->console);
	loop_remove(c->loop, &c->listener);
	if (loop_add(c->loop, &c->client, c->events) || !client_send(c))
		client_leave(c);
}

/* Whether @address is a socket that nobody listens on. */
static bool socket_is_stale(const struct sockaddr_un *address)
{
	struct stat st;
	bool stale;
	int fd;

	if (lstat(address->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *)address, sizeof(*address)) &&
		errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int socket_bind(struct control *c)
{
	const struct sockaddr *address = (const struct sockaddr *)&c->address;
	const char *path = c->address.sun_path;
	mode_t mask;
	int err;

	if (socket_is_stale(&c->address))
		unlink(path);
	/* Of this thread alone: no other has started that makes files. */
	mask = umask(0177);
	err = bind(c->listener.fd, address, sizeof(c->address)) ? errno : 0;
	umask(mask);
	if (err == EADDRINUSE)
		return vmm_fail(err, "--control %s is there already: another machine's, or no socket",
				path);
	if (err)
		return vmm_fail(err, "--control %s: %s", path, strerror(err));
	c->bound = true;
	return 0;
}

int control_create(struct control **to, struct vm *vm, struct console *console, const char *path)
{
	struct control *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return vmm_fail(ENOMEM, "control socket: out of memory");
	c->vm = vm;
	c->loop = vm->loop;
	c->console = console;
	c->client.fd = -1;
	c->address.sun_family = AF_UNIX;
	c->listener.ready = listener_ready;
	c->listener.opaque = c;
	c->listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->listener.fd < 0) {
		err = vmm_fail(errno, "control socket: %m");
	} else if (strlen(path) >= sizeof(c->address.sun_path)) {
		err = vmm_fail(ENAMETOOLONG, "--control: a socket's path has at most %zu bytes",
			       sizeof(c->address.sun_path) - 1);
	} else {
		memcpy(c->address.sun_path, path, strlen(path));
		err = socket_bind(c);
	}
	if (!err && listen(c->listener.fd, 4))
		err = vmm_fail(errno, "--control %s: %m", path);
	if (!err)
		err = loop_add(c->loop, &c->listener, EPOLLIN);
	if (err) {
		control_destroy(c);
		return err;
	}
	*to = c;
	return 0;
}

void control_destroy(struct control *c)
{
	if (!c)
		return;
	if (c->client.fd >= 0)
		client_leave(c);
	if (c->listener.fd >= 0) {
		loop_remove(c->loop, &c->listener);
		close(c->listener.fd);
	}
	if (c->bound)
		unlink(c->address.sun_path);
	free(c);
}
