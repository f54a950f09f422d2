// SPDX-License-Identifier: GPL-2.0
/*
 * Front ends that do anything: sequences of messages made by a seed, of which some
 * are right and some are not, with files of all kinds, and rings, tables and regions
 * that are written to meanwhile. Session N of seed S is always the same on this
 * side; --seed S --only N runs it alone.
 */
#include "tests/dpdk/peer-main.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#define BIT(n) (1ull << (n))
#define VERIFY_EVERY 12u /* sessions */

struct fuzz {
	struct run *run;
	struct peer p;
	struct traffic t;
	struct model_rand rand;
	int file[4]; /* an eventfd, the writing end of a pipe, a short file, a longer one */
	u8 *long_map;
};

#define LONG_FILE 0x100000u

static u32 below(struct fuzz *f, u32 n)
{
	return model_rand_below(&f->rand, n);
}

/* A number that is small, at an edge, or anything. */
static u64 number(struct fuzz *f)
{
	static const u64 edges[] = { 0, 1, 127, 128, 255, 256, 4095, 4096, 32768, 32769, 65535,
				     65536, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32,
				     1ull << 52, 1ull << 63, ~0ull };

	switch (below(f, 4)) {
	case 0:
		return below(f, 8);
	case 1:
		return edges[below(f, ARRAY_SIZE(edges))];
	case 2:
		return edges[below(f, ARRAY_SIZE(edges))] + below(f, 5) - 2;
	default:
		return model_rand_next(&f->rand);
	}
}

static bool rarely(struct fuzz *f, u32 one_in)
{
	return !below(f, one_in);
}

/* --- messages ------------------------------------------------------------------------ */

static const u8 requests[] = {
	MESSAGE_GET_FEATURES, MESSAGE_SET_FEATURES, MESSAGE_SET_OWNER, MESSAGE_RESET_OWNER,
	MESSAGE_SET_MEM_TABLE, MESSAGE_SET_LOG_BASE, MESSAGE_SET_LOG_FD, MESSAGE_SET_VRING_NUM,
	MESSAGE_SET_VRING_ADDR, MESSAGE_SET_VRING_BASE, MESSAGE_GET_VRING_BASE,
	MESSAGE_SET_VRING_KICK, MESSAGE_SET_VRING_CALL, MESSAGE_SET_VRING_ERR,
	MESSAGE_GET_PROTOCOL_FEATURES, MESSAGE_SET_PROTOCOL_FEATURES, MESSAGE_GET_QUEUE_NUM,
	MESSAGE_SET_VRING_ENABLE, MESSAGE_NET_SET_MTU, MESSAGE_SET_BACKEND_REQ_FD,
	MESSAGE_GET_INFLIGHT_FD, MESSAGE_SET_INFLIGHT_FD, MESSAGE_RESET_DEVICE,
	MESSAGE_SET_STATUS, MESSAGE_GET_STATUS,
};

static u64 protocol_any(struct fuzz *f)
{
	static const u8 bits[] = { 0, 1, 3, 4, 5, 12, 13, 16 };
	u64 all = 0;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bits); i++)
		all |= below(f, 4) ? BIT(bits[i]) : 0;
	return all;
}

static u64 features_any(struct fuzz *f)
{
	static const u8 bits[] = { 0, 1, 7, 8, 11, 12, 15, 22, 26, 28, 29, 34, 35 };
	u64 all = BIT(VIRTIO_F_VERSION_1) | BIT(30);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bits); i++)
		all |= below(f, 2) ? BIT(bits[i]) : 0;
	return all;
}

static u64 ring_address(struct fuzz *f, u64 part)
{
	return PEER_USER + PEER_RING_GPA + below(f, 4) * PEER_QUEUE_STRIDE + part;
}

static int any_file(struct fuzz *f)
{
	u32 i = below(f, 7);

	return i < 4 ? f->file[i] : i < 6 ? f->p.memory[i - 4] : f->p.sock;
}

/* As it should be, more or less; @size bytes of payload. */
static void make(struct fuzz *f, u32 request, struct message *m, u32 *size,
		 struct peer_files *files)
{
	u32 i;

	*size = 8;
	files->n = 0;
	m->number = number(f);
	switch (request) {
	case MESSAGE_SET_FEATURES:
		m->number = features_any(f);
		break;
	case MESSAGE_SET_PROTOCOL_FEATURES:
		m->number = protocol_any(f);
		break;
	case MESSAGE_SET_MEM_TABLE:
		m->memory.count = 1 + below(f, 3);
		*size = 8 + 32 * m->memory.count;
		files->n = m->memory.count;
		for (i = 0; i < m->memory.count; i++) {
			const struct viola_extent *e = &f->p.guest.ext[i % PEER_REGIONS];

			m->memory.region[i] = (struct message_region){
				.gpa = i < 2 ? e->gpa : number(f), .size = e->size,
				.user_addr = PEER_USER + (i < 2 ? e->gpa : number(f)),
			};
			files->fd[i] = i < 2 ? f->p.memory[i] : any_file(f);
		}
		break;
	case MESSAGE_SET_LOG_BASE:
		*size = 16;
		m->log.size = below(f, 3) ? LONG_FILE : number(f);
		m->log.offset = below(f, 3) ? 0 : number(f);
		files->fd[files->n++] = f->file[3];
		break;
	case MESSAGE_SET_VRING_NUM:
		m->state.index = below(f, 5);
		m->state.num = below(f, 3) ? 1u << below(f, 9) : (u32)number(f);
		break;
	case MESSAGE_SET_VRING_BASE:
	case MESSAGE_GET_VRING_BASE:
		m->state.index = below(f, 5);
		m->state.num = (u32)number(f);
		break;
	case MESSAGE_SET_VRING_ENABLE:
		m->state.index = below(f, 5);
		m->state.num = below(f, 3);
		break;
	case MESSAGE_SET_VRING_ADDR:
		*size = 40;
		m->addr = (struct vhost_vring_addr){
			.index = below(f, 5), .flags = below(f, 2),
			.desc_user_addr = ring_address(f, 0),
			.avail_user_addr = ring_address(f, PEER_DRIVER),
			.used_user_addr = ring_address(f, PEER_DEVICE),
			.log_guest_addr = number(f),
		};
		break;
	case MESSAGE_SET_VRING_KICK:
	case MESSAGE_SET_VRING_CALL:
	case MESSAGE_SET_VRING_ERR:
		m->number = below(f, 5);
		if (below(f, 5))
			files->fd[files->n++] = f->file[0];
		else
			m->number |= 0x100;
		break;
	case MESSAGE_SET_LOG_FD:
	case MESSAGE_SET_BACKEND_REQ_FD:
		files->fd[files->n++] = any_file(f);
		break;
	case MESSAGE_GET_INFLIGHT_FD:
	case MESSAGE_SET_INFLIGHT_FD:
		*size = 24;
		m->inflight.queues = below(f, 3) ? 1 + below(f, 4) : (u16)number(f);
		m->inflight.queue_size = below(f, 3) ? 1u << below(f, 9) : (u16)number(f);
		m->inflight.size = below(f, 3) ? LONG_FILE : number(f);
		m->inflight.offset = below(f, 4) ? 0 : number(f);
		/* What the library does with 0 or too many: see Documentation/dpdk.md. */
		if (request == MESSAGE_SET_INFLIGHT_FD) {
			m->inflight.queues = (u16)(1 + (u16)(m->inflight.queues - 1) % 256);
			files->fd[files->n++] = f->file[3];
		}
		break;
	case MESSAGE_SET_STATUS:
		m->number = below(f, 3) ? 0x0f : number(f);
		break;
	default:
		break;
	}
}

static void send_any(struct fuzz *f)
{
	u32 request = requests[below(f, sizeof(requests))], size, flags = 0;
	struct message m = {};
	struct peer_files files;
	u8 drain[1024];

	make(f, request, &m, &size, &files);
	if (rarely(f, 6) && request != MESSAGE_SET_INFLIGHT_FD)
		((u8 *)&m.number)[below(f, size)] = (u8)model_rand_next(&f->rand);
	if (rarely(f, 12))
		size = below(f, 3) ? below(f, 280) : 0;
	if (rarely(f, 12) && request != MESSAGE_SET_INFLIGHT_FD)
		request = below(f, 50);
	if (rarely(f, 10) && request != MESSAGE_SET_INFLIGHT_FD) {
		files.n = below(f, 4);
		for (u32 i = 0; i < files.n; i++)
			files.fd[i] = any_file(f);
	}
	if (rarely(f, 3))
		flags |= MESSAGE_NEED_REPLY;
	if (rarely(f, 40))
		flags |= (u32)number(f);
	size = min(size, (u32)(sizeof(m) - offsetof(struct message, number)));
	peer_send(&f->p, request, flags, &m.number, size, &files);
	/* An answer may carry a file: take it, and let it go. */
	for (;;) {
		char control[CMSG_SPACE(8 * sizeof(int))];
		struct iovec iov = { drain, sizeof(drain) };
		struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				    .msg_controllen = sizeof(control) };
		struct cmsghdr *c;

		if (recvmsg(f->p.sock, &h, MSG_DONTWAIT) <= 0)
			break;
		for (c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
			int fd;

			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
			close(fd);
		}
	}
}

/* --- memory ---------------------------------------------------------------------------- */

/* Something in a ring, a table, a buffer's header, or a region. */
static void poke(struct fuzz *f)
{
	static const u32 part[] = { 0, PEER_DRIVER, PEER_DEVICE, PEER_TABLES };
	u32 n = 1 + below(f, 20);

	while (n--) {
		u64 gpa = PEER_RING_GPA + below(f, 4) * PEER_QUEUE_STRIDE + part[below(f, 4)] +
			  below(f, 0x300);
		u8 *at = below(f, 4) ? peer_at(&f->p, gpa) :
				       f->long_map + below(f, below(f, 2) ? 64 : LONG_FILE);

		if (below(f, 2))
			WRITE_ONCE(*at, (u8)model_rand_next(&f->rand));
		else
			WRITE_ONCE(*at, (u8)(*at ^ 1u << below(f, 8)));
	}
}

static void files_open(struct fuzz *f)
{
	int pipes[2];

	if (pipe(pipes))
		exit(2);
	close(pipes[0]);
	f->file[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	f->file[1] = pipes[1];
	f->file[2] = memfd_create("viola-peer", MFD_CLOEXEC);
	f->file[3] = memfd_create("viola-peer", MFD_CLOEXEC);
	if (ftruncate(f->file[2], 100) || ftruncate(f->file[3], LONG_FILE))
		exit(2);
	f->long_map = mmap(NULL, LONG_FILE, PROT_READ | PROT_WRITE, MAP_SHARED, f->file[3], 0);
	if (f->long_map == MAP_FAILED)
		exit(2);
}

static void files_close(struct fuzz *f)
{
	u32 i;

	munmap(f->long_map, LONG_FILE);
	for (i = 0; i < 4; i++)
		close(f->file[i]);
}

/* --- sessions --------------------------------------------------------------------------- */

static void session(struct fuzz *f, u32 n)
{
	u64 protocol;
	bool cut = false;
	u32 steps, i;

	f->rand.state = f->run->seed * 0x9e3779b97f4a7c15ull + n;
	steps = 4 + below(f, 50);
	peer_init(&f->p, f->run->socket, features_any(f) & ~BIT(VIRTIO_NET_F_MQ), 2,
		  1u << below(f, 8));
	files_open(f);
	/* Most begin with what works, or hardly anything would be reached. */
	protocol = protocol_any(f) | BIT(PROTOCOL_REPLY_ACK);
	if (below(f, 4))
		peer_start(&f->p, protocol, RUN_MS);
	else
		peer_connect(&f->p, RUN_MS);
	traffic_init(&f->t, &f->p, 0, n);
	for (i = 0; i < steps && peer_connected(&f->p); i++) {
		switch (below(f, 8)) {
		case 0:
			/* The driver must not trust what is poked into its own ring. */
			if (!cut && !f->t.fault && f->p.num >= 4)
				traffic_turn(&f->t, true);
			break;
		case 1:
			if (!cut)
				poke(f);
			break;
		case 2:
			if (rarely(f, 20)) {
				cut = true;
				if (ftruncate(any_file(f), 0))
					cut = true;
			}
			break;
		default:
			send_any(f);
		}
	}
	usleep(below(f, 300));
	files_close(f);
	peer_free(&f->p);
}

static bool check(struct run *r)
{
	return backend_alive(r->pid) && run_verify(r, r->other, 5) && run_verify(r, r->socket, 5);
}

/* Sessions @first … @last of seed @seed, for as long as there is time. Returns how many. */
static u32 sessions(struct fuzz *f, u64 seed, u32 first, u32 last, u64 end)
{
	struct run *r = f->run;
	u32 n;

	r->seed = seed;
	for (n = first; n <= last && peer_now_ms() < end; n++) {
		session(f, n);
		if (backend_alive(r->pid) && (n % VERIFY_EVERY != VERIFY_EVERY - 1 || check(r)))
			continue;
		printf("# seed %" PRIu64 ", session %u, or one of the %u before\n", seed, n,
		       VERIFY_EVERY - 1);
		return 0;
	}
	return n - first;
}

/* What was found before: lines of a seed and of the first and last session. */
static bool kept(struct fuzz *f, const char *path)
{
	FILE *file = fopen(path, "r");
	char line[256];
	bool good = file;

	while (good && fgets(line, sizeof(line), file)) {
		u32 first, last;
		u64 seed;

		if (sscanf(line, "%" SCNu64 " %u %u", &seed, &first, &last) == 3)
			good = sessions(f, seed, first, last, ~0ull) && check(f->run);
	}
	if (file)
		fclose(file);
	else
		perror(path);
	return good;
}

bool run_fuzz(struct run *r)
{
	static struct fuzz f;
	u64 end, seed = r->seed;
	u32 first = 0, last = ~0u, n;

	f.run = r;
	if (!run_start(r) || (r->kept && !kept(&f, r->kept)))
		return false;
	if (r->only) {
		first = (u32)strtoul(r->only, NULL, 10);
		last = first;
	}
	end = peer_now_ms() + r->seconds * 1000ull;
	n = sessions(&f, seed, first, last, end);
	printf("# %u sessions of seed %" PRIu64 "\n", n, seed);
	return n && check(r) && run_stop_backend(r);
}
