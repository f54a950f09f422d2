// SPDX-License-Identifier: GPL-2.0
#include "tests/dpdk/peer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/memfd.h>
#include <linux/virtio_config.h>

#define BIT(n) (1ull << (n))

u64 peer_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

static void must(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(2);
}

/* --- memory ------------------------------------------------------------------ */

bool peer_huge;

static int memory_make(const char *name, u64 size, u8 **at)
{
	int fd = memfd_create(name, MFD_CLOEXEC | (peer_huge ? MFD_HUGETLB | MFD_HUGE_2MB : 0));

	must(fd >= 0 && !ftruncate(fd, (off_t)size), "memfd");
	*at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(*at != MAP_FAILED, "mmap");
	return fd;
}

void *peer_at(const struct peer *p, u64 gpa)
{
	return viola_mem_map(&p->guest.mem, gpa, 1);
}

static u64 queue_gpa(const struct peer_queue *q)
{
	return PEER_RING_GPA + q->index * PEER_QUEUE_STRIDE;
}

static void queue_init(struct peer *p, struct peer_queue *q, u16 index)
{
	struct model_driver *d = &q->d;
	u32 i;

	model_driver_init(d, p->packed ? &model_packed : &model_split, &p->guest, p->num,
			  p->features & BIT(VIRTIO_RING_F_EVENT_IDX));
	d->in_order = p->features & BIT(VIRTIO_F_IN_ORDER);
	q->index = index;
	q->buffers = PEER_DATA_GPA + index * (u64)PEER_NUM_MAX * PEER_BUFFER;
	q->kick = -1;
	q->call = -1;
	/* The model's own parts are replaced by ones in shared memory. */
	free(d->desc);
	free(d->driver);
	free(d->device);
	d->desc = peer_at(p, queue_gpa(q));
	d->driver = peer_at(p, queue_gpa(q) + PEER_DRIVER);
	d->device = peer_at(p, queue_gpa(q) + PEER_DEVICE);
	model_driver_start_at(d, 0);
	for (i = 0; i < p->num; i++)
		q->free[i] = (u16)i;
	q->nfree = (u16)p->num;
}

void peer_init(struct peer *p, const char *path, u64 features, unsigned int pairs, u32 num)
{
	unsigned int i;
	u8 *at;

	memset(p, 0, sizeof(*p));
	p->path = path;
	p->sock = -1;
	p->log = -1;
	p->inflight = -1;
	p->features = features;
	p->packed = features & BIT(VIRTIO_F_RING_PACKED);
	p->num = num;
	p->nqueues = 2 * pairs;
	p->need_reply = true;
	p->guest.mem.ext = p->guest.ext;
	p->memory[0] = memory_make("viola-peer", PEER_RING_SIZE, &at);
	p->guest.ext[0] = (struct viola_extent){
		.gpa = PEER_RING_GPA, .size = PEER_RING_SIZE, .base = at,
	};
	p->memory[1] = memory_make("viola-peer", PEER_DATA_SIZE, &at);
	p->guest.ext[1] = (struct viola_extent){
		.gpa = PEER_DATA_GPA, .size = PEER_DATA_SIZE, .base = at,
	};
	p->guest.mem.nr = 2;
	for (i = 0; i < p->nqueues; i++)
		queue_init(p, &p->queue[i], (u16)i);
}

static void driver_free(struct model_driver *d)
{
	/* Its parts are in shared memory. */
	d->desc = NULL;
	d->driver = NULL;
	d->device = NULL;
	model_driver_free(d);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void peer_free(struct peer *p)
{
	unsigned int i;

	peer_disconnect(p);
	for (i = 0; i < p->nqueues; i++) {
		driver_free(&p->queue[i].d);
		close_fd(&p->queue[i].kick);
		close_fd(&p->queue[i].call);
	}
	for (i = 0; i < PEER_REGIONS; i++) {
		munmap(p->guest.ext[i].base, p->guest.ext[i].size);
		close_fd(&p->memory[i]);
	}
	if (p->log_map)
		munmap(p->log_map, p->log_size);
	close_fd(&p->log);
	close_fd(&p->inflight);
}

/* --- the connection ------------------------------------------------------------ */

bool peer_connect(struct peer *p, unsigned int ms)
{
	struct timeval limit = { .tv_sec = PEER_REPLY_MS / 1000 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	u64 start = peer_now_ms();

	peer_disconnect(p);
	p->failed = false;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", p->path);
	do {
		p->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		must(p->sock >= 0, "socket");
		if (!connect(p->sock, (struct sockaddr *)&addr, sizeof(addr))) {
			setsockopt(p->sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
			setsockopt(p->sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
			return true;
		}
		close_fd(&p->sock);
		usleep(1000);
	} while (peer_now_ms() < start + ms);
	return false;
}

void peer_disconnect(struct peer *p)
{
	unsigned int i;

	close_fd(&p->sock);
	p->protocol = 0;
	for (i = 0; i < p->nqueues; i++)
		p->queue[i].started = false;
}

bool peer_connected(struct peer *p)
{
	struct pollfd f = { .fd = p->sock, .events = POLLIN | POLLRDHUP };

	return p->sock >= 0 && (poll(&f, 1, 0) <= 0 || !(f.revents & (POLLRDHUP | POLLHUP)));
}

bool peer_send(struct peer *p, u32 request, u32 flags, const void *payload, u32 size,
	       const struct peer_files *files)
{
	u32 head[3] = { request, flags | MESSAGE_VERSION, size };
	char control[CMSG_SPACE(sizeof(files->fd))] = {};
	struct iovec iov[2] = { { head, sizeof(head) }, { (void *)(uintptr_t)payload, size } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = size ? 2 : 1 };
	ssize_t sent;

	if (files && files->n) {
		struct cmsghdr *c = (struct cmsghdr *)control;

		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(files->n * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(files->n * sizeof(int));
		memcpy(CMSG_DATA(c), files->fd, files->n * sizeof(int));
	}
	sent = sendmsg(p->sock, &m, MSG_NOSIGNAL);
	return sent == (ssize_t)(sizeof(head) + size);
}

static bool read_all(int sock, void *to, size_t len)
{
	while (len) {
		ssize_t got = recv(sock, to, len, 0);

		if (got <= 0)
			return false;
		to = (u8 *)to + got;
		len -= (size_t)got;
	}
	return true;
}

int peer_receive(struct peer *p, u32 request, void *payload, size_t room, int *fd)
{
	u32 head[3];
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { head, sizeof(head) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t got = recvmsg(p->sock, &m, MSG_CMSG_CLOEXEC);

	if (got <= 0 || !read_all(p->sock, (u8 *)head + got, sizeof(head) - (size_t)got))
		return -1;
	for (c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		int one;

		memcpy(&one, CMSG_DATA(c), sizeof(one));
		if (fd)
			*fd = one;
		else
			close(one);
	}
	if (head[0] != request || !(head[1] & MESSAGE_REPLY) || head[2] > room ||
	    !read_all(p->sock, payload, head[2]))
		return -1;
	return (int)head[2];
}

bool peer_do(struct peer *p, u32 request, const void *payload, u32 size,
	     const struct peer_files *files)
{
	bool ack = p->protocol & BIT(PROTOCOL_REPLY_ACK) && p->need_reply;
	u64 answer;

	if (!peer_send(p, request, ack ? MESSAGE_NEED_REPLY : 0, payload, size, files) ||
	    (ack && (peer_receive(p, request, &answer, sizeof(answer), NULL) !=
		     sizeof(answer) || answer))) {
		p->failed = true;
		return false;
	}
	return true;
}

bool peer_do_number(struct peer *p, u32 request, u64 number, int fd)
{
	struct peer_files files = { .fd = { fd }, .n = fd >= 0 };

	return peer_do(p, request, &number, sizeof(number), &files);
}

bool peer_do_state(struct peer *p, u32 request, u32 index, u32 num)
{
	struct vhost_vring_state state = { index, num };

	return peer_do(p, request, &state, sizeof(state), NULL);
}

bool peer_ask(struct peer *p, u32 request, u64 *number)
{
	if (peer_send(p, request, 0, NULL, 0, NULL) &&
	    peer_receive(p, request, number, sizeof(*number), NULL) == sizeof(*number))
		return true;
	p->failed = true;
	return false;
}

/* --- the protocol, as it is meant --------------------------------------------- */

bool peer_negotiate(struct peer *p, u64 protocol)
{
	if (!peer_ask(p, MESSAGE_GET_FEATURES, &p->offered) ||
	    !peer_ask(p, MESSAGE_GET_PROTOCOL_FEATURES, &p->offered_protocol) ||
	    (protocol & ~p->offered_protocol) || (p->features & ~p->offered) ||
	    !peer_do_number(p, MESSAGE_SET_PROTOCOL_FEATURES, protocol, -1))
		return false;
	p->protocol = protocol;
	return peer_do(p, MESSAGE_SET_OWNER, NULL, 0, NULL) &&
	       peer_set_features(p, p->features);
}

bool peer_set_features(struct peer *p, u64 features)
{
	p->features = features;
	return peer_do_number(p, MESSAGE_SET_FEATURES, features, -1);
}

bool peer_set_memory(struct peer *p)
{
	struct message m = { .memory = { .count = PEER_REGIONS } };
	struct peer_files files = { .n = PEER_REGIONS };
	u32 i;

	for (i = 0; i < PEER_REGIONS; i++) {
		m.memory.region[i] = (struct message_region){
			.gpa = p->guest.ext[i].gpa,
			.size = p->guest.ext[i].size,
			.user_addr = PEER_USER + p->guest.ext[i].gpa,
		};
		files.fd[i] = p->memory[i];
	}
	return peer_do(p, MESSAGE_SET_MEM_TABLE, &m.memory,
		       8 + PEER_REGIONS * sizeof(struct message_region), &files);
}

bool peer_set_log(struct peer *p, u64 size)
{
	struct message m = { .log = { .size = size } };
	struct peer_files files = { .n = 1 };
	u8 answer[8];

	if (p->log_map)
		munmap(p->log_map, p->log_size);
	close_fd(&p->log);
	p->log = memory_make("viola-peer", size, &p->log_map);
	p->log_size = size;
	files.fd[0] = p->log;
	/* Answered without being asked; the library's answer is empty. */
	return peer_send(p, MESSAGE_SET_LOG_BASE, 0, &m.log, sizeof(m.log), &files) &&
	       peer_receive(p, MESSAGE_SET_LOG_BASE, answer, sizeof(answer), NULL) >= 0;
}

bool peer_set_inflight(struct peer *p)
{
	struct message m = { .inflight = { .queues = (u16)p->nqueues,
					   .queue_size = (u16)p->num } };
	struct peer_files files = { .n = 1 };

	if (p->inflight < 0) {
		if (!peer_send(p, MESSAGE_GET_INFLIGHT_FD, 0, &m.inflight, 24, NULL) ||
		    peer_receive(p, MESSAGE_GET_INFLIGHT_FD, &m.inflight, 24, &p->inflight) != 24 ||
		    p->inflight < 0)
			return false;
		p->inflight_size = m.inflight.size;
		p->inflight_offset = m.inflight.offset;
	}
	m.inflight.size = p->inflight_size;
	m.inflight.offset = p->inflight_offset;
	files.fd[0] = p->inflight;
	return peer_do(p, MESSAGE_SET_INFLIGHT_FD, &m.inflight, 24, &files);
}

bool peer_set_addr(struct peer *p, unsigned int queue)
{
	struct peer_queue *q = &p->queue[queue];
	u64 at = PEER_USER + queue_gpa(q);
	struct vhost_vring_addr addr = {
		.index = queue,
		.flags = q->log_addr ? 1 << VHOST_VRING_F_LOG : 0,
		.desc_user_addr = at,
		.avail_user_addr = at + PEER_DRIVER,
		.used_user_addr = at + PEER_DEVICE,
		.log_guest_addr = q->log_addr,
	};

	return peer_do(p, MESSAGE_SET_VRING_ADDR, &addr, sizeof(addr), NULL);
}

bool peer_queue_start(struct peer *p, unsigned int queue)
{
	struct peer_queue *q = &p->queue[queue];
	u32 base = q->d.used;

	close_fd(&q->kick);
	close_fd(&q->call);
	q->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	q->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (p->packed)
		base |= base << 16;
	else
		/* As far as the device says it came, whatever was reclaimed. */
		base = le16_to_cpu(READ_ONCE(*(__le16 *)(model_split_used(&q->d) + 2)));
	q->started = peer_do_state(p, MESSAGE_SET_VRING_NUM, queue, p->num) &&
		     peer_do_state(p, MESSAGE_SET_VRING_BASE, queue, base) &&
		     peer_set_addr(p, queue) &&
		     peer_do_number(p, MESSAGE_SET_VRING_CALL, queue, q->call) &&
		     peer_do_number(p, MESSAGE_SET_VRING_KICK, queue, q->kick) &&
		     peer_do_state(p, MESSAGE_SET_VRING_ENABLE, queue, 1);
	return q->started;
}

bool peer_queue_stop(struct peer *p, unsigned int queue, u32 *base)
{
	struct vhost_vring_state state = { .index = queue };

	if (queue < p->nqueues)
		p->queue[queue].started = false;
	if (!peer_send(p, MESSAGE_GET_VRING_BASE, 0, &state, sizeof(state), NULL) ||
	    peer_receive(p, MESSAGE_GET_VRING_BASE, &state, sizeof(state), NULL) !=
		    sizeof(state) || state.index != queue)
		return false;
	*base = state.num;
	return true;
}

void peer_queue_reset(struct peer *p, unsigned int queue)
{
	struct peer_queue *q = &p->queue[queue];

	close_fd(&q->kick);
	close_fd(&q->call);
	driver_free(&q->d);
	memset(peer_at(p, queue_gpa(q)), 0, PEER_TABLES);
	queue_init(p, q, (u16)queue);
}

bool peer_start(struct peer *p, u64 protocol, unsigned int ms)
{
	u64 start = peer_now_ms();
	unsigned int i;

	/* One that has just ended may still count as there: then the port refuses. */
	do {
		if (!peer_connect(p, ms))
			return false;
	} while (!peer_ask(p, MESSAGE_GET_FEATURES, &p->offered) && peer_now_ms() < start + ms);
	p->failed = false;
	if (!peer_negotiate(p, protocol) || !peer_set_memory(p) ||
	    (protocol & BIT(PROTOCOL_INFLIGHT_SHMFD) && !peer_set_inflight(p)))
		return false;
	for (i = 0; i < p->nqueues; i++)
		if (!peer_queue_start(p, i))
			return false;
	return !(protocol & BIT(PROTOCOL_STATUS)) ||
	       peer_do_number(p, MESSAGE_SET_STATUS, 0x0f, -1);
}

void peer_kick(struct peer_queue *q)
{
	if (model_driver_kick_wanted(&q->d) && q->kick >= 0)
		eventfd_write(q->kick, 1);
}

/* --- the back end's process -------------------------------------------------- */

pid_t backend_start(char **argv)
{
	pid_t parent = getpid(), pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		/* Ends with this program, however that ends. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	return pid;
}

bool backend_alive(pid_t pid)
{
	int status;
	pid_t got = pid > 0 ? waitpid(pid, &status, WNOHANG) : -1;

	if (!got)
		return true;
	/* Said before. */
	if (got < 0)
		return false;
	if (WIFSIGNALED(status))
		printf("# the back end died of signal %d\n", WTERMSIG(status));
	else
		printf("# the back end ended with status %d\n", WEXITSTATUS(status));
	return false;
}

unsigned int backend_files(pid_t pid)
{
	unsigned int n = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

unsigned int backend_mappings(pid_t pid)
{
	char line[512];
	unsigned int n = 0;
	FILE *f;

	snprintf(line, sizeof(line), "/proc/%d/maps", pid);
	f = fopen(line, "r");
	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, "viola-peer") || strstr(line, "vhost-inflight");
	if (f)
		fclose(f);
	return n;
}
