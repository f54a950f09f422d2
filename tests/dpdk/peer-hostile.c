// SPDX-License-Identifier: GPL-2.0
/*
 * Front ends as they should not be. After each case the back end must live, carry
 * verified traffic through the attacked port and through another, and have neither
 * a file nor a mapping more than before.
 */
#include "tests/dpdk/peer-main.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#define BIT(n) (1ull << (n))

struct hostile {
	struct run *run;
	struct peer p; /* of the case, made anew for each */
	struct traffic t;
	struct model_rand rand;
};

/* --- what cases are made of ------------------------------------------------------ */

/* Only a connection. */
static bool meet(struct hostile *h)
{
	u64 number, start = peer_now_ms();

	/* The last one may still count as there. */
	while (peer_now_ms() < start + RUN_MS)
		if (peer_connect(&h->p, RUN_MS) &&
		    peer_ask(&h->p, MESSAGE_GET_FEATURES, &number))
			return true;
	printf("# no connection\n");
	return false;
}

/* A session with traffic, of which the features are those of the case. */
static bool begin(struct hostile *h, u64 protocol)
{
	if (!peer_start(&h->p, h->run->protocol | protocol, RUN_MS)) {
		printf("# no session to begin with\n");
		return false;
	}
	traffic_init(&h->t, &h->p, 0, h->run->seed);
	if (traffic_run(&h->t, 40, RUN_MS) && traffic_clean(&h->t))
		return true;
	printf("# no traffic to begin with\n");
	return false;
}

static void renew(struct hostile *h, u64 features)
{
	peer_free(&h->p);
	peer_init(&h->p, h->run->socket, h->run->features | features, 1, 128);
}

/* Time for the back end to stumble. */
static void let(struct hostile *h)
{
	u64 end = peer_now_ms() + 3;

	while (peer_now_ms() < end)
		usleep(300);
}

/* Sends @m as it is; what comes back, or does not, is no matter. */
static void throw_message(struct hostile *h, u32 request, u32 flags, const void *payload, u32 size,
			  const struct peer_files *files)
{
	u8 drain[256];

	peer_send(&h->p, request, flags, payload, size, files);
	while (recv(h->p.sock, drain, sizeof(drain), MSG_DONTWAIT) > 0)
		;
}

/* Whether @m is refused: by an answer that says so, or by an end of the connection. */
static bool refused(struct hostile *h, u32 request, const void *payload, u32 size,
		    const struct peer_files *files)
{
	u64 answer = 0;
	bool no = !peer_send(&h->p, request, MESSAGE_NEED_REPLY, payload, size, files) ||
		  peer_receive(&h->p, request, &answer, sizeof(answer), NULL) < 0 || answer;

	if (!no)
		printf("# message %u was accepted\n", request);
	/* What is not acknowledged but answered by silence is met by the next case. */
	if (!peer_connected(&h->p))
		return no & meet(h);
	return no;
}

static int file_of(u64 size)
{
	int fd = memfd_create("viola-peer", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size))
		exit(2);
	return fd;
}

/* --- messages ------------------------------------------------------------------------ */

static bool message_sizes(struct hostile *h)
{
	static const u32 sizes[] = { 0, 1, 4, 7, 9, 15, 23, 39, 63, 264, 645, 4096, 0xffffffff };
	u8 payload[64] = { 1 };
	u32 request, i;

	for (request = 0; request < 46; request++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			u32 head[3] = { request, MESSAGE_VERSION, sizes[i] };

			if (!peer_connect(&h->p, RUN_MS))
				return false;
			/* As many bytes as there are, and no more. */
			if (send(h->p.sock, head, sizeof(head), MSG_NOSIGNAL) < 0)
				continue;
			send(h->p.sock, payload, min(sizes[i], (u32)sizeof(payload)), MSG_NOSIGNAL);
		}
	}
	return true;
}

static bool message_versions(struct hostile *h)
{
	u64 number = 0;
	u32 flags;

	for (flags = 0; flags < 16; flags++) {
		u32 head[3] = { MESSAGE_SET_FEATURES, flags, 8 };

		if (!meet(h))
			return false;
		send(h->p.sock, head, sizeof(head), MSG_NOSIGNAL | MSG_MORE);
		send(h->p.sock, &number, sizeof(number), MSG_NOSIGNAL);
	}
	return true;
}

static bool messages_not_offered(struct hostile *h)
{
	static const u32 requests[] = { 0, 19, 22, 23, 24, 25, 26, 27, 28, 29, 30, 33, 35, 41, 42,
					43, 44, 45, 1000, 0x7fffffff, 0xffffffff };
	u8 payload[280] = {};
	struct peer_files files = { .fd = { h->p.memory[0], h->p.memory[1] }, .n = 2 };
	u32 i;

	if (!meet(h))
		return false;
	for (i = 0; i < ARRAY_SIZE(requests); i++)
		if (!refused(h, requests[i], payload, sizeof(payload), i % 2 ? &files : NULL))
			return false;
	return true;
}

static bool files_that_no_message_wants(struct hostile *h)
{
	struct peer_files files = { .n = 8 };
	u8 payload[40] = {};
	u32 request, i;

	for (i = 0; i < 8; i++)
		files.fd[i] = h->p.memory[0];
	for (request = 0; request < 46; request++) {
		u32 size = request == MESSAGE_SET_VRING_ADDR ? 40 :
			   request >= 31 && request <= 32    ? 24 :
							       8;

		/* What the library does before anyone may look: see Documentation/dpdk.md. */
		if (request == MESSAGE_SET_INFLIGHT_FD)
			continue;
		if (!meet(h))
			return false;
		throw_message(h, request, 0, payload, size, &files);
	}
	return true;
}

static bool files_missing(struct hostile *h)
{
	static const u32 requests[] = { MESSAGE_SET_MEM_TABLE, MESSAGE_SET_LOG_BASE,
					MESSAGE_SET_LOG_FD, MESSAGE_SET_VRING_KICK,
					MESSAGE_SET_VRING_CALL, MESSAGE_SET_VRING_ERR,
					MESSAGE_SET_BACKEND_REQ_FD };
	struct message m = { .memory = { .count = 1, .region = { { 0, 4096, 0, 0 } } } };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		u32 size = requests[i] == MESSAGE_SET_MEM_TABLE ? 40 :
			   requests[i] == MESSAGE_SET_LOG_BASE	? 16 :
								  8;

		if (requests[i] != MESSAGE_SET_MEM_TABLE)
			m.number = 0;
		if (!meet(h) || !refused(h, requests[i], &m.number, size, NULL))
			return false;
	}
	return true;
}

static bool files_too_many(struct hostile *h)
{
	struct message m = { .memory = { .count = 16 } };
	struct peer_files files = { .n = 16 };
	u32 i;

	for (i = 0; i < 16; i++)
		files.fd[i] = h->p.memory[0];
	for (i = 1; i <= 16; i++) {
		if (!meet(h))
			return false;
		files.n = i;
		throw_message(h, MESSAGE_SET_MEM_TABLE, 0, &m.memory, 264, &files);
	}
	return true;
}

static bool notifiers_that_are_none(struct hostile *h)
{
	int pipes[2], sockets[2];
	u32 i, k;
	bool good = true;

	if (pipe(pipes) || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		exit(2);
	for (k = 0; k < 3; k++) {
		static const u32 requests[] = { MESSAGE_SET_VRING_KICK, MESSAGE_SET_VRING_CALL };
		int fd[] = { pipes[1], sockets[0], h->p.memory[0] };

		for (i = 0; good && i < 2; i++) {
			struct peer_files files = { .fd = { fd[k] }, .n = 1 };
			u64 number = 1;

			good = meet(h) && refused(h, requests[i], &number, 8, &files);
		}
	}
	for (i = 0; i < 2; i++) {
		close(pipes[i]);
		close(sockets[i]);
	}
	return good;
}

/* Makes @fd, a call, as full as it can be, and writing to it wait until it is read. */
static void fill_call(int fd)
{
	const eventfd_t most = 0xfffffffffffffffe;
	eventfd_t count;

	do
		eventfd_read(fd, &count);
	while (eventfd_write(fd, most));
	if (fcntl(fd, F_SETFL, O_RDWR))
		exit(2);
}

/* Neither an lcore nor the thread of the messages may wait for anybody to read a call. */
static bool calls_that_block(struct hostile *h)
{
	unsigned int i;

	if (!begin(h, 0))
		return false;
	for (i = 0; i < 2; i++)
		fill_call(h->p.queue[i].call);
	/* Frames, then a session that begins, both of which call. */
	return traffic_run(&h->t, 40, RUN_MS) && run_verify(h->run, h->run->other, 10) &&
	       peer_set_memory(&h->p) && traffic_run(&h->t, 40, RUN_MS) &&
	       traffic_drain(&h->t, RUN_MS) && traffic_clean(&h->t);
}

/* Others must go on while the rest of a message does not come. */
static bool half_a_message(struct hostile *h)
{
	u32 head[3] = { MESSAGE_SET_FEATURES, MESSAGE_VERSION, 8 };
	u64 start;

	if (!meet(h))
		return false;
	send(h->p.sock, head, 7, MSG_NOSIGNAL);
	start = peer_now_ms();
	if (!run_verify(h->run, h->run->other, 10) || !meet(h))
		return false;
	send(h->p.sock, head, sizeof(head), MSG_NOSIGNAL);
	return run_verify(h->run, h->run->other, 10) && peer_now_ms() < start + RUN_MS;
}

/* Answers that nobody reads must not stop the thread that writes them. */
static bool answers_not_read(struct hostile *h)
{
	u32 head[3] = { MESSAGE_GET_FEATURES, MESSAGE_VERSION, 0 };
	u32 i;

	if (!meet(h))
		return false;
	for (i = 0; i < 100000; i++)
		if (send(h->p.sock, head, sizeof(head), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
	return run_verify(h->run, h->run->other, 10);
}

/* The sequence of a proper start, message by message. */
#define STEPS 18u

static void step(struct hostile *h, unsigned int n)
{
	struct peer *p = &h->p;
	unsigned int q = n >= 12;
	u64 number;
	int kick;

	p->need_reply = false;
	switch (n) {
	case 0:
		peer_ask(p, MESSAGE_GET_FEATURES, &number);
		break;
	case 1:
		peer_ask(p, MESSAGE_GET_PROTOCOL_FEATURES, &number);
		break;
	case 2:
		peer_do_number(p, MESSAGE_SET_PROTOCOL_FEATURES, h->run->protocol, -1);
		break;
	case 3:
		peer_do(p, MESSAGE_SET_OWNER, NULL, 0, NULL);
		break;
	case 4:
		peer_set_features(p, p->features);
		break;
	case 5:
		peer_set_memory(p);
		break;
	case 6:
	case 12:
		peer_do_state(p, MESSAGE_SET_VRING_NUM, q, p->num);
		break;
	case 7:
	case 13:
		peer_do_state(p, MESSAGE_SET_VRING_BASE, q, p->packed ? 0x80008000 : 0);
		break;
	case 8:
	case 14:
		peer_set_addr(p, q);
		break;
	case 9:
	case 15:
	case 10:
	case 16:
		kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		peer_do_number(p, n % 6 == 3 ? MESSAGE_SET_VRING_CALL : MESSAGE_SET_VRING_KICK, q,
			       kick);
		close(kick);
		break;
	case 11:
	case 17:
		peer_do_state(p, MESSAGE_SET_VRING_ENABLE, q, 1);
		break;
	}
}

static bool connections_dropped_at_each_message(struct hostile *h)
{
	unsigned int n, i;

	for (n = 0; n <= STEPS; n++) {
		if (!meet(h))
			return false;
		for (i = 0; i < n; i++)
			step(h, i);
		peer_disconnect(&h->p);
	}
	return true;
}

static bool messages_out_of_order(struct hostile *h)
{
	unsigned int round, i;

	for (round = 0; round < 60; round++) {
		if (!meet(h))
			return false;
		for (i = 0; i < 2 * STEPS && peer_connected(&h->p); i++)
			step(h, model_rand_below(&h->rand, STEPS));
	}
	return true;
}

static bool messages_twice(struct hostile *h)
{
	unsigned int i;

	if (!meet(h))
		return false;
	for (i = 0; i < 2 * STEPS; i++)
		step(h, i / 2);
	for (i = 0; i < 2 * STEPS; i++)
		step(h, i / 2);
	return true;
}

static bool second_front_end(struct hostile *h)
{
	struct peer second = { .sock = -1, .path = h->run->socket };
	u64 number;
	bool good;

	if (!begin(h, 0) || !peer_connect(&second, RUN_MS))
		return false;
	good = !peer_ask(&second, MESSAGE_GET_FEATURES, &number);
	peer_disconnect(&second);
	return good && traffic_run(&h->t, 100, RUN_MS) && traffic_drain(&h->t, RUN_MS) &&
	       traffic_clean(&h->t);
}

/* Were it kept, nobody would learn that this end of the connection is closed. */
static bool connection_as_its_own_channel(struct hostile *h)
{
	struct peer_files files = { .n = 1 };

	if (!meet(h) || !peer_negotiate(&h->p, h->run->protocol | BIT(PROTOCOL_BACKEND_REQ)))
		return false;
	files.fd[0] = h->p.sock;
	return peer_do(&h->p, MESSAGE_SET_BACKEND_REQ_FD, NULL, 0, &files);
}

static bool features_not_offered(struct hostile *h)
{
	u64 number = ~0ull;

	if (!meet(h) || !refused(h, MESSAGE_SET_FEATURES, &number, 8, NULL) ||
	    !refused(h, MESSAGE_SET_PROTOCOL_FEATURES, &number, 8, NULL))
		return false;
	/* Changed while rings run: refused, and not the end of them. */
	renew(h, 0);
	if (!begin(h, 0))
		return false;
	number = h->p.features ^ BIT(VIRTIO_F_RING_PACKED);
	return refused(h, MESSAGE_SET_FEATURES, &number, 8, NULL);
}

static bool numbers_out_of_range(struct hostile *h)
{
	u64 mtu = 67, status = 256;

	if (!meet(h) || !refused(h, MESSAGE_NET_SET_MTU, &mtu, 8, NULL) ||
	    !refused(h, MESSAGE_SET_STATUS, &status, 8, NULL))
		return false;
	mtu = 65536;
	return refused(h, MESSAGE_NET_SET_MTU, &mtu, 8, NULL);
}

/* --- memory -------------------------------------------------------------------------- */

static bool table_refused(struct hostile *h, const struct message_region *r, u32 n, const int *fd)
{
	struct message m = { .memory = { .count = n } };
	struct peer_files files = { .n = min(n, MESSAGE_REGIONS) };
	u32 i;

	for (i = 0; i < files.n; i++) {
		m.memory.region[i] = r[i];
		files.fd[i] = fd[i];
	}
	return meet(h) && refused(h, MESSAGE_SET_MEM_TABLE, &m.memory, 8 + files.n * 32, &files);
}

static bool regions_that_overlap(struct hostile *h)
{
	struct message_region gpa[2] = { { 0, 8192, 0x10000, 0 }, { 4096, 8192, 0x20000, 0 } };
	struct message_region user[2] = { { 0, 8192, 0x10000, 0 }, { 0x10000, 8192, 0x11000, 0 } };

	return table_refused(h, gpa, 2, h->p.memory) && table_refused(h, user, 2, h->p.memory);
}

static bool regions_that_wrap(struct hostile *h)
{
	struct message_region r[] = {
		{ ~0ull - 4095, 8192, 0, 0 },
		{ 0, 8192, ~0ull - 4095, 0 },
		{ 0, 8192, 0, ~0ull - 4095 },
		{ 0, ~0ull, 0, 0 },
		{ 0, 4096, 0, 1ull << 52 },
		{ 0, 0, 0, 0 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(r); i++)
		if (!table_refused(h, &r[i], 1, h->p.memory))
			return false;
	return true;
}

static bool regions_too_many(struct hostile *h)
{
	static struct message_region none[MESSAGE_REGIONS];
	int fd[MESSAGE_REGIONS];
	u32 i;

	for (i = 0; i < MESSAGE_REGIONS; i++) {
		fd[i] = h->p.memory[0];
		none[i] = (struct message_region){ i << 20, 4096, i << 20, 0 };
	}
	return table_refused(h, none, 9, fd) && table_refused(h, none, 0xffffffff, fd);
}

static bool regions_longer_than_their_files(struct hostile *h)
{
	struct message_region r[2] = { { 0, PEER_RING_SIZE + 4096, 0, 0 },
				       { 0, PEER_RING_SIZE, 0, 4096 } };

	return table_refused(h, &r[0], 1, h->p.memory) && table_refused(h, &r[1], 1, h->p.memory);
}

static bool regions_of_what_is_no_memory(struct hostile *h)
{
	struct message_region r = { 0, 4096, 0, 0 };
	int pipes[2], sealed = file_of(65536), event = eventfd(0, EFD_CLOEXEC);
	/* A file system may keep whoever touches its pages waiting, as FUSE's can. */
	int disk = open("build", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	bool good;

	if (pipe(pipes) || fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE) || disk < 0 ||
	    ftruncate(disk, 65536))
		exit(2);
	good = table_refused(h, &r, 1, &pipes[0]) && table_refused(h, &r, 1, &event) &&
	       table_refused(h, &r, 1, &sealed) &&
	       (fcntl(disk, F_GET_SEALS) >= 0 || table_refused(h, &r, 1, &disk));
	close(disk);
	close(pipes[0]);
	close(pipes[1]);
	close(sealed);
	close(event);
	return good;
}

/*
 * Regions of which each can be mapped, but not all, with ASan's shadow or without: the
 * library is left without a table, and the rings that ran on the last one seem to be
 * ready still.
 */
static bool regions_larger_than_the_address_space(struct hostile *h)
{
	const u64 size = 45ull << 40;
	struct message m = { .memory = { .count = 3, .region = {
		{ 0, size, 0, 0 }, { size, size, size, 0 }, { 2 * size, size, 2 * size, 0 },
	} } };
	int fd = file_of(size);
	struct peer_files files = { .fd = { fd, fd, fd }, .n = 3 };
	u64 answer = 0;
	bool no;

	if (!begin(h, 0))
		return false;
	no = peer_send(&h->p, MESSAGE_SET_MEM_TABLE, MESSAGE_NEED_REPLY, &m.memory, 104, &files) &&
	     peer_receive(&h->p, MESSAGE_SET_MEM_TABLE, &answer, sizeof(answer), NULL) > 0 &&
	     answer;
	close(fd);
	if (!no)
		printf("# the table was accepted, or not answered\n");
	peer_do_state(&h->p, MESSAGE_SET_VRING_ENABLE, 0, 1);
	let(h);
	return no;
}

/* Under traffic; @which file ends suddenly. */
static bool file_cut(struct hostile *h, int fd)
{
	unsigned int i;

	if (ftruncate(fd, 0))
		exit(2);
	/* Not a byte of this memory may be touched here any more. */
	for (i = 0; i < 20; i++)
		let(h);
	return backend_alive(h->run->pid);
}

static bool memory_file_cut_under_traffic(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < PEER_REGIONS; i++) {
		renew(h, 0);
		if (!begin(h, 0))
			return false;
		/* Frames for it to work on. */
		traffic_turn(&h->t, true);
		if (!file_cut(h, h->p.memory[i]))
			return false;
	}
	return true;
}

static bool memory_file_cut_before_the_rings_start(struct hostile *h)
{
	struct peer *p = &h->p;

	if (!meet(h) || !peer_negotiate(p, h->run->protocol) || !peer_set_memory(p) ||
	    ftruncate(p->memory[0], 0))
		return false;
	p->need_reply = false;
	peer_do_state(p, MESSAGE_SET_VRING_NUM, 0, p->num);
	peer_set_addr(p, 0);
	peer_do_number(p, MESSAGE_SET_VRING_CALL, 0, eventfd(0, EFD_NONBLOCK));
	/* The library reads the used index at this. */
	peer_do_number(p, MESSAGE_SET_VRING_KICK, 0, eventfd(0, EFD_NONBLOCK));
	peer_do_state(p, MESSAGE_SET_VRING_ENABLE, 0, 1);
	let(h);
	return true;
}

/* Not hostile: the same and another table, again and again, and nothing may be lost. */
static bool memory_tables_under_traffic(struct hostile *h)
{
	unsigned int i;

	if (!begin(h, 0))
		return false;
	for (i = 0; i < 60; i++) {
		u64 size = h->p.guest.ext[1].size;

		traffic_turn(&h->t, true);
		/* A region that is a page shorter is another one. */
		h->p.guest.ext[1].size = i % 2 ? PEER_DATA_SIZE : PEER_DATA_SIZE - 4096;
		if (!peer_set_memory(&h->p))
			return false;
		h->p.guest.ext[1].size = size;
	}
	h->p.guest.ext[1].size = PEER_DATA_SIZE;
	return traffic_run(&h->t, 100, RUN_MS) && traffic_settle(&h->t, RUN_MS) &&
	       traffic_clean(&h->t);
}

/* --- rings ----------------------------------------------------------------------------- */

static bool ring_sizes(struct hostile *h)
{
	static const u32 sizes[] = { 0, 3, 127, 32769, 65536, 0x10080, 0x80000000, 0xffffffff };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct vhost_vring_state state = { 0, sizes[i] };

		if (!meet(h) || !refused(h, MESSAGE_SET_VRING_NUM, &state, 8, NULL))
			return false;
	}
	/* Larger than what it was started with, and than there is memory for. */
	renew(h, 0);
	if (!begin(h, 0))
		return false;
	peer_do_state(&h->p, MESSAGE_SET_VRING_NUM, 1, 32768);
	traffic_turn(&h->t, true);
	let(h);
	return true;
}

static bool queues_out_of_range(struct hostile *h)
{
	static const u32 requests[] = { MESSAGE_SET_VRING_NUM, MESSAGE_SET_VRING_BASE,
					MESSAGE_GET_VRING_BASE, MESSAGE_SET_VRING_ENABLE };
	static const u32 queues[] = { 256, 257, 0x10000, 0x10001, 0x7fffffff, 0xffffffff };
	u32 i, k;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		for (k = 0; k < ARRAY_SIZE(queues); k++) {
			struct vhost_vring_state state = { queues[k], 128 };

			if (!meet(h) || !refused(h, requests[i], &state, 8, NULL))
				return false;
		}
	}
	return true;
}

static bool all_queues_there_are(struct hostile *h)
{
	unsigned int i;

	if (!meet(h) || !peer_negotiate(&h->p, h->run->protocol) || !peer_set_memory(&h->p))
		return false;
	h->p.need_reply = false;
	for (i = 0; i < 256; i++) {
		int kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

		/* All of them on the same ring. */
		struct vhost_vring_addr addr = {
			.index = i, .desc_user_addr = PEER_USER + PEER_RING_GPA,
			.avail_user_addr = PEER_USER + PEER_RING_GPA + PEER_DRIVER,
			.used_user_addr = PEER_USER + PEER_RING_GPA + PEER_DEVICE,
		};

		peer_do_state(&h->p, MESSAGE_SET_VRING_NUM, i, 128);
		peer_do(&h->p, MESSAGE_SET_VRING_ADDR, &addr, sizeof(addr), NULL);
		peer_do_number(&h->p, MESSAGE_SET_VRING_CALL, i, kick);
		peer_do_number(&h->p, MESSAGE_SET_VRING_KICK, i, kick);
		peer_do_state(&h->p, MESSAGE_SET_VRING_ENABLE, i, 1);
		close(kick);
	}
	let(h);
	return true;
}

static bool ring_addresses(struct hostile *h)
{
	static const u64 where[] = {
		0, 1, PEER_USER, PEER_USER + PEER_RING_GPA + 1, PEER_USER + PEER_RING_GPA + 2,
		PEER_USER + PEER_RING_GPA + PEER_RING_SIZE - 16,
		PEER_USER + PEER_DATA_GPA - 8, PEER_USER + PEER_DATA_GPA + PEER_DATA_SIZE - 4,
		~0ull, ~0ull - 64, 1ull << 63,
	};
	u32 i, part;

	h->p.need_reply = false;
	for (i = 0; i < ARRAY_SIZE(where); i++) {
		for (part = 0; part < 3; part++) {
			struct vhost_vring_addr addr = {
				.index = 1,
				.desc_user_addr = part == 0 ? where[i] : PEER_USER + PEER_RING_GPA,
				.avail_user_addr = part == 1 ? where[i] :
						   PEER_USER + PEER_RING_GPA + PEER_DRIVER,
				.used_user_addr = part == 2 ? where[i] :
						  PEER_USER + PEER_RING_GPA + PEER_DEVICE,
			};

			if (!begin(h, 0))
				return false;
			peer_do(&h->p, MESSAGE_SET_VRING_ADDR, &addr, sizeof(addr), NULL);
			traffic_turn(&h->t, true);
			peer_disconnect(&h->p);
			renew(h, 0);
		}
	}
	return true;
}

static bool ring_positions(struct hostile *h)
{
	static const u32 base[] = { 1, 127, 128, 0x7fff, 0x8000, 0xffff, 0x80ff00ff, 0xffffffff };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(base); i++) {
		if (!begin(h, 0))
			return false;
		peer_do_state(&h->p, MESSAGE_SET_VRING_BASE, 0, base[i]);
		peer_do_state(&h->p, MESSAGE_SET_VRING_BASE, 1, base[i]);
		traffic_turn(&h->t, true);
		let(h);
		renew(h, 0);
	}
	return true;
}

static bool rings_stopped_that_do_not_run(struct hostile *h)
{
	unsigned int i;
	u32 base;

	if (!meet(h))
		return false;
	for (i = 0; i < 50; i++)
		if (!peer_queue_stop(&h->p, i, &base))
			return false;
	return true;
}

/* Not hostile: switched off and on under traffic. */
static bool rings_switched_under_traffic(struct hostile *h)
{
	unsigned int i;

	if (!begin(h, 0))
		return false;
	for (i = 0; i < 60; i++) {
		traffic_turn(&h->t, true);
		if (!peer_do_state(&h->p, MESSAGE_SET_VRING_ENABLE, i % 2, i / 2 % 2))
			return false;
	}
	if (!peer_do_state(&h->p, MESSAGE_SET_VRING_ENABLE, 0, 1) ||
	    !peer_do_state(&h->p, MESSAGE_SET_VRING_ENABLE, 1, 1))
		return false;
	/* Frames that came while there was nowhere to put them. */
	traffic_forgive(&h->t);
	return traffic_run(&h->t, 100, RUN_MS) && !h->t.corrupt && !h->t.repeated;
}

/* Owners and devices that are reset under traffic, and begin again. */
static bool resets_under_traffic(struct hostile *h)
{
	static const u32 requests[] = { MESSAGE_RESET_OWNER, MESSAGE_RESET_DEVICE };
	unsigned int i;

	for (i = 0; i < 6; i++) {
		if (!begin(h, 0))
			return false;
		traffic_turn(&h->t, true);
		peer_do(&h->p, requests[i % 2], NULL, 0, NULL);
		traffic_turn(&h->t, true);
		let(h);
		renew(h, 0);
	}
	return true;
}

/* RESET_DEVICE: rings stand still until they are enabled again, from their beginning. */
static bool device_reset_is_one(struct hostile *h)
{
	struct peer *p = &h->p;
	u64 seen;

	if (!begin(h, BIT(PROTOCOL_RESET_DEVICE)) || !traffic_drain(&h->t, RUN_MS) ||
	    !peer_do(p, MESSAGE_RESET_DEVICE, NULL, 0, NULL))
		return false;
	seen = h->t.received;
	traffic_turn(&h->t, true);
	let(h);
	traffic_turn(&h->t, false);
	if (h->t.received != seen || !h->p.queue[1].d.fifo_count) {
		printf("# frames after a reset\n");
		return false;
	}
	return true;
}

/* --- what is in a split ring -------------------------------------------------------------- */

struct chain {
	u64 addr;
	u32 len;
	u16 flags, next;
};

/* Writes @n descriptors from @first on into the sending ring, and offers @head. */
static void offer(struct hostile *h, u16 first, const struct chain *c, u32 n, u16 head)
{
	struct model_driver *d = &h->p.queue[1].d;
	__le16 *avail = model_split_avail(d);
	u32 i;

	for (i = 0; i < n; i++) {
		struct vring_desc *to = model_split_desc(d, first + i);

		to->addr = cpu_to_le64(c[i].addr);
		to->len = cpu_to_le32(c[i].len);
		to->flags = cpu_to_le16(c[i].flags);
		to->next = cpu_to_le16(c[i].next);
	}
	avail[2 + d->avail % d->num] = cpu_to_le16(head);
	d->avail++;
	viola_store_release(&avail[1], cpu_to_le16(d->avail));
}

/* One session that offers what @make writes. */
static bool offered(struct hostile *h, const struct chain *c, u32 n, u16 head)
{
	bool good = begin(h, 0) && traffic_drain(&h->t, RUN_MS);

	if (good) {
		offer(h, 0, c, n, head);
		let(h);
	}
	renew(h, 0);
	return good;
}

#define SENT (PEER_DATA_GPA + PEER_NUM_MAX * (u64)PEER_BUFFER)
#define N VRING_DESC_F_NEXT
#define W VRING_DESC_F_WRITE
#define I VRING_DESC_F_INDIRECT

static bool heads_out_of_range(struct hostile *h)
{
	struct chain c = { SENT, 100, 0, 0 };

	return offered(h, &c, 1, 128) && offered(h, &c, 1, 0xffff);
}

static bool heads_twice(struct hostile *h)
{
	struct chain c = { SENT, 100, 0, 0 };
	unsigned int i;

	if (!begin(h, 0) || !traffic_drain(&h->t, RUN_MS))
		return false;
	for (i = 0; i < 64; i++)
		offer(h, 0, &c, 1, 0);
	let(h);
	return true;
}

static bool chains_that_loop(struct hostile *h)
{
	struct chain self = { SENT, 100, N, 0 };
	struct chain two[] = { { SENT, 100, N, 1 }, { SENT, 100, N, 0 } };

	return offered(h, &self, 1, 0) && offered(h, two, 2, 0);
}

static bool chains_that_leave_the_table(struct hostile *h)
{
	struct chain far = { SENT, 100, N, 128 }, end = { SENT, 100, N, 0xffff };

	return offered(h, &far, 1, 0) && offered(h, &end, 1, 0);
}

static bool addresses_that_are_no_memory(struct hostile *h)
{
	struct chain c[] = {
		{ 0, 100, 0, 0 },
		{ PEER_RING_GPA + PEER_RING_SIZE - 50, 100, 0, 0 }, /* partly */
		{ ~0ull - 50, 100, 0, 0 }, /* wraps */
		{ PEER_DATA_GPA + PEER_DATA_SIZE - 1, 2, 0, 0 },
		{ SENT, 0xffffffff, 0, 0 },
		{ 1ull << 63, 100, 0, 0 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(c); i++)
		if (!offered(h, &c[i], 1, 0))
			return false;
	return true;
}

static bool chains_around_the_header(struct hostile *h)
{
	struct chain c[16];
	u32 len, cut, i;

	if (!begin(h, 0) || !traffic_drain(&h->t, RUN_MS))
		return false;
	/* Shorter than the header, as long, longer; and in pieces of each size. */
	memset(peer_at(&h->p, SENT), 0, PEER_BUFFER);
	for (len = 0; len < 30; len++) {
		for (cut = 1; cut < 16; cut += 3) {
			u32 n = 0, at;

			for (at = 0; at < len || !n; at += cut) {
				if (n == 16)
					break;
				c[n] = (struct chain){ SENT + at, min(cut, len - at), N,
						       (u16)(n + 1) };
				n++;
			}
			c[n - 1].flags = 0;
			offer(h, 0, c, n, 0);
			/* One after the other: head 0 is used again. */
			for (i = 0; i < 20; i++)
				usleep(100);
		}
	}
	return true;
}

static bool nothing_but_writable(struct hostile *h)
{
	struct chain w = { SENT, 100, W, 0 };
	struct chain order[] = { { SENT, 100, N | W, 1 }, { SENT, 100, 0, 0 } };
	struct chain empty[] = { { SENT, 0, N, 1 }, { SENT, 0, 0, 0 } };

	return offered(h, &w, 1, 0) && offered(h, order, 2, 0) && offered(h, empty, 2, 0);
}

static bool tables(struct hostile *h, const struct chain *in, u32 n, u32 len, u16 flags, u64 gpa)
{
	struct chain c = { gpa, len, flags, 0 };
	bool good = begin(h, 0) && traffic_drain(&h->t, RUN_MS);
	u32 i;

	if (good) {
		struct vring_desc *to = peer_at(&h->p, SENT + 4096);

		for (i = 0; i < n; i++) {
			to[i].addr = cpu_to_le64(in[i].addr);
			to[i].len = cpu_to_le32(in[i].len);
			to[i].flags = cpu_to_le16(in[i].flags);
			to[i].next = cpu_to_le16(in[i].next);
		}
		offer(h, 0, &c, 1, 0);
		let(h);
	}
	renew(h, BIT(VIRTIO_RING_F_INDIRECT_DESC));
	return good;
}

static bool tables_that_lie(struct hostile *h)
{
	struct chain plain = { SENT, 100, 0, 0 }, nested = { SENT + 4096, 16, I, 0 };
	struct chain loop = { SENT, 100, N, 0 }, far = { SENT, 100, N, 77 };
	u64 at = SENT + 4096;

	renew(h, BIT(VIRTIO_RING_F_INDIRECT_DESC));
	return tables(h, &plain, 1, 0, I, at) && tables(h, &plain, 1, 15, I, at) &&
	       tables(h, &plain, 1, 17, I, at) && tables(h, &plain, 1, 0xfffffff0, I, at) &&
	       tables(h, &nested, 1, 16, I, at) && tables(h, &loop, 1, 16, I, at) &&
	       tables(h, &far, 1, 16, I, at) && tables(h, &plain, 1, 16, I | N, at) &&
	       tables(h, &plain, 1, 16, I | W, at) && tables(h, &plain, 1, 16, I, 0) &&
	       tables(h, &plain, 1, 32, I, PEER_DATA_GPA + PEER_DATA_SIZE - 16) &&
	       tables(h, &plain, 1, 0x80000, I, PEER_DATA_GPA);
}

static bool tables_not_negotiated(struct hostile *h)
{
	struct chain c = { SENT + 4096, 16, I, 0 };

	if (h->run->features & BIT(VIRTIO_RING_F_INDIRECT_DESC))
		return true;
	return offered(h, &c, 1, 0);
}

static bool indices_that_jump(struct hostile *h)
{
	static const u16 jumps[] = { 129, 0x4000, 0x7fff, 0x8000, 0xffff };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(jumps); i++) {
		if (!begin(h, 0) || !traffic_drain(&h->t, RUN_MS))
			return false;
		viola_store_release(model_split_avail(&h->p.queue[1].d) + 1,
				    cpu_to_le16((u16)(h->p.queue[1].d.avail + jumps[i])));
		viola_store_release(model_split_avail(&h->p.queue[0].d) + 1,
				    cpu_to_le16((u16)(h->p.queue[0].d.avail + jumps[i])));
		let(h);
		renew(h, 0);
	}
	return true;
}

/* Headers whose offload fields lie, behind ones that negotiated them. */
static bool headers_that_lie(struct hostile *h)
{
	static const u8 kinds[] = { 0, 1, 3, 4, 5, 0x81, 0x84, 0x7f, 0xff };
	static const u16 values[] = { 0, 1, 13, 14, 34, 47, 48, 100, 1513, 1514, 0x7fff, 0xffff };
	struct chain c = { SENT, 12 + 400, 0, 0 };
	u8 *at;
	u32 i;

	renew(h, BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |
			 BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN));
	if (!begin(h, 0) || !traffic_drain(&h->t, RUN_MS))
		return false;
	at = peer_at(&h->p, SENT);
	for (i = 0; i < 600; i++) {
		u32 k;

		model_fill(at, 412, i);
		/* IPv4 and TCP where they would be, in half of them. */
		if (i % 2) {
			at[12 + 12] = 0x08;
			at[12 + 13] = 0x00;
			at[12 + 14] = 0x45;
			at[12 + 23] = 6;
		}
		at[0] = (u8)model_rand_below(&h->rand, 4);
		at[1] = kinds[model_rand_below(&h->rand, ARRAY_SIZE(kinds))];
		for (k = 0; k < 4; k++) {
			u16 v = values[model_rand_below(&h->rand, ARRAY_SIZE(values))];

			memcpy(at + 2 + 2 * k, &v, 2);
		}
		offer(h, 0, &c, 1, 0);
		usleep(150);
	}
	return true;
}

/* The receiving side: buffers that hold nothing, or little, or may not be written. */
static bool buffers_to_receive_that_lie(struct hostile *h)
{
	struct model_piece piece[] = {
		{ PEER_DATA_GPA, 0, true },	{ PEER_DATA_GPA, 1, true },
		{ PEER_DATA_GPA, 11, true },	{ PEER_DATA_GPA, 2048, false },
		{ PEER_RING_GPA, 0x10000, true }, /* the rings themselves */
	};
	u32 i, k;

	for (i = 0; i < ARRAY_SIZE(piece); i++) {
		renew(h, BIT(VIRTIO_NET_F_MRG_RXBUF));
		if (!peer_start(&h->p, h->run->protocol, RUN_MS))
			return false;
		traffic_init(&h->t, &h->p, 0, i);
		for (k = 0; k < 100; k++)
			model_driver_add(&h->p.queue[0].d, &piece[i], 1, 0, 0);
		model_driver_expose(&h->p.queue[0].d);
		h->t.refill = false;
		traffic_turn(&h->t, true);
		let(h);
	}
	return true;
}

/* --- rings that change under the hands of the back end --------------------------------------- */

struct scrambler {
	u8 *at;
	size_t len;
	bool stop;
	u64 seed;
};

static void *scramble(void *arg)
{
	struct scrambler *s = arg;
	struct model_rand rand = { s->seed };

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		u32 off = model_rand_below(&rand, (u32)s->len);

		__atomic_store_n(&s->at[off], (u8)model_rand_next(&rand), __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Bytes of @what change all the time, while frames are offered. */
static bool scrambled(struct hostile *h, u8 *at, size_t len)
{
	struct scrambler s = { .at = at, .len = len, .seed = h->run->seed };
	u64 end = peer_now_ms() + 60;
	pthread_t thread;

	if (pthread_create(&thread, NULL, scramble, &s))
		exit(2);
	while (peer_now_ms() < end && !h->t.fault)
		traffic_turn(&h->t, true);
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	return true;
}

static bool rings_scrambled(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < 12; i++) {
		struct model_driver *d = &h->p.queue[i % 2].d;

		renew(h, (i / 6 ? BIT(VIRTIO_F_RING_PACKED) : 0) |
				 (i & 2 ? BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0));
		if (!begin(h, 0))
			return false;
		/* Descriptors; driver's part; tables and buffers. */
		scrambled(h, i % 3 == 0 ? d->desc : i % 3 == 1 ? d->driver :
			  (u8 *)d->desc + PEER_TABLES,
			  i % 3 == 0 ? 2048 : i % 3 == 1 ? 262 : 0x8000);
		renew(h, 0);
	}
	return true;
}

static bool frames_scrambled(struct hostile *h)
{
	renew(h, BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4));
	return begin(h, 0) && scrambled(h, peer_at(&h->p, SENT), 64 * PEER_BUFFER);
}

static bool packed_rings_that_lie(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < 40; i++) {
		struct vring_packed_desc *desc;
		struct model_driver *d;
		u32 k;

		renew(h, BIT(VIRTIO_F_RING_PACKED));
		if (!begin(h, 0) || !traffic_drain(&h->t, RUN_MS))
			return false;
		d = &h->p.queue[1].d;
		desc = d->desc;
		for (k = 0; k < d->num; k++) {
			desc[k].addr = cpu_to_le64(i % 2 ? SENT : model_rand_next(&h->rand));
			desc[k].len = cpu_to_le32(i % 3 ? 100 : (u32)model_rand_next(&h->rand));
			desc[k].id = cpu_to_le16((u16)(i % 5 ? 0 : model_rand_next(&h->rand)));
			/* All available, in whichever lap, as one chain or as many. */
			desc[k].flags = cpu_to_le16((u16)((i % 4 < 2 ? 0x80 : 0x8000) |
							  (i % 8 < 4 ? N : 0) |
							  (u16)(i % 7 ? 0 : I)));
		}
		let(h);
	}
	renew(h, 0);
	return true;
}

/* --- the log and the in-flight region --------------------------------------------------------- */

static bool logs_that_lie(struct hostile *h)
{
	static const u64 lie[][2] = { { 0, 0 }, { ~0ull, 0 }, { 4096, ~0ull }, { 8192, 0 },
				      { 4096, 4096 }, { 1ull << 63, 1ull << 63 } };
	int fd = file_of(4096);
	bool good = true;
	u32 i;

	for (i = 0; good && i < ARRAY_SIZE(lie); i++) {
		struct message m = { .log = { .size = lie[i][0], .offset = lie[i][1] } };
		struct peer_files files = { .fd = { fd }, .n = 1 };

		good = meet(h) && refused(h, MESSAGE_SET_LOG_BASE, &m.log, 16, &files);
	}
	close(fd);
	return good;
}

static bool log_too_small(struct hostile *h)
{
	if (!begin(h, BIT(PROTOCOL_LOG_SHMFD)) || !peer_set_log(&h->p, 64) ||
	    !peer_set_features(&h->p, h->p.features | BIT(VHOST_F_LOG_ALL)))
		return false;
	/* Ring parts beyond any log, too. */
	h->p.queue[0].log_addr = ~0ull - 100;
	h->p.queue[1].log_addr = 1ull << 62;
	return peer_set_addr(&h->p, 0) && peer_set_addr(&h->p, 1) &&
	       traffic_run(&h->t, 100, RUN_MS) && traffic_drain(&h->t, RUN_MS) &&
	       traffic_clean(&h->t);
}

static bool log_of_nothing(struct hostile *h)
{
	/* Logging is switched on, and there is no log. */
	return begin(h, 0) && peer_set_features(&h->p, h->p.features | BIT(VHOST_F_LOG_ALL)) &&
	       traffic_run(&h->t, 100, RUN_MS) && traffic_clean(&h->t);
}

static bool log_file_cut_under_traffic(struct hostile *h)
{
	if (!begin(h, BIT(PROTOCOL_LOG_SHMFD)) || !peer_set_log(&h->p, 0x8000 * 5) ||
	    !peer_set_features(&h->p, h->p.features | BIT(VHOST_F_LOG_ALL)) ||
	    !traffic_run(&h->t, 20, RUN_MS) || ftruncate(h->p.log, 0))
		return false;
	traffic_turn(&h->t, true);
	let(h);
	return true;
}

static bool logs_again_and_again(struct hostile *h)
{
	unsigned int i;

	if (!begin(h, BIT(PROTOCOL_LOG_SHMFD)))
		return false;
	for (i = 0; i < 50; i++) {
		traffic_turn(&h->t, true);
		if (!peer_set_log(&h->p, 0x8000 * (1 + i % 5)))
			return false;
	}
	return traffic_run(&h->t, 20, RUN_MS) && traffic_clean(&h->t);
}

static bool inflight_refused(struct hostile *h, u64 size, u64 offset, u16 queues, u16 num, int fd)
{
	struct message m = { .inflight = { size, offset, queues, num } };
	struct peer_files files = { .fd = { fd }, .n = 1 };

	if (!meet(h) || !peer_negotiate(&h->p, h->run->protocol | BIT(PROTOCOL_INFLIGHT_SHMFD)))
		return false;
	return refused(h, MESSAGE_SET_INFLIGHT_FD, &m.inflight, 24, &files);
}

static bool inflight_regions_that_lie(struct hostile *h)
{
	int fd = file_of(65536);
	struct message get = { .inflight = { .queues = 257, .queue_size = 1 } };
	/* Which the back end would make, and the front end keep. */
	struct message huge = { .inflight = { .queues = 256, .queue_size = 32768 } };
	bool good = inflight_refused(h, 4096, 0, 2, 128, fd) && /* too small */
		    inflight_refused(h, 65536, 4096, 2, 128, fd) && /* beyond its file */
		    inflight_refused(h, 65536, 16, 2, 128, fd) &&
		    inflight_refused(h, 65536, 0, 2, 0, fd) &&
		    inflight_refused(h, 65536, 0, 2, 32769, fd) &&
		    inflight_refused(h, 65536, 0, 256, 128, fd) &&
		    inflight_refused(h, ~0ull, 0, 2, 128, fd) &&
		    refused(h, MESSAGE_GET_INFLIGHT_FD, &get.inflight, 24, NULL) &&
		    refused(h, MESSAGE_GET_INFLIGHT_FD, &huge.inflight, 24, NULL);

	close(fd);
	return good;
}

static bool inflight_not_negotiated(struct hostile *h)
{
	int fd = file_of(65536);
	struct message m = { .inflight = { 65536, 0, 2, 128 } };
	struct peer_files files = { .fd = { fd }, .n = 1 };
	bool good = meet(h) && peer_negotiate(&h->p, h->run->protocol) &&
		    refused(h, MESSAGE_SET_INFLIGHT_FD, &m.inflight, 24, &files);

	close(fd);
	return good;
}

/* Regions full of whatever, before the rings start and while they run. */
static bool inflight_regions_scrambled(struct hostile *h)
{
	u64 wanted = h->run->protocol | BIT(PROTOCOL_INFLIGHT_SHMFD);
	unsigned int i;

	for (i = 0; i < 16; i++) {
		struct peer *p = &h->p;
		u8 *region;

		renew(h, i % 2 ? BIT(VIRTIO_F_RING_PACKED) : 0);
		if (!meet(h) || !peer_negotiate(p, wanted) || !peer_set_memory(p) ||
		    !peer_set_inflight(p))
			return false;
		region = mmap(NULL, p->inflight_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			      p->inflight, 0);
		if (region == MAP_FAILED)
			return false;
		p->need_reply = false;
		if (i < 8) {
			model_fill(region, p->inflight_size, i);
			/* The version is right, so that the rest is looked at. */
			region[8] = region[p->inflight_size / 2 + 8] = 1;
			region[9] = region[p->inflight_size / 2 + 9] = 0;
			if (i & 2)
				memset(region + 16, i & 4 ? 0xff : 1, p->inflight_size / 2 - 16);
		}
		peer_queue_start(p, 0);
		peer_queue_start(p, 1);
		peer_do_number(p, MESSAGE_SET_STATUS, 0x0f, -1);
		traffic_init(&h->t, p, 0, i);
		if (i < 8) {
			traffic_turn(&h->t, true);
			let(h);
		} else {
			scrambled(h, region, p->inflight_size);
		}
		munmap(region, p->inflight_size);
	}
	renew(h, 0);
	return true;
}

static bool inflight_regions_again_and_again(struct hostile *h)
{
	struct message get = { .inflight = { .queues = 2, .queue_size = 128 } };
	unsigned int i;
	int fd;

	if (!begin(h, BIT(PROTOCOL_INFLIGHT_SHMFD)))
		return false;
	for (i = 0; i < 50; i++) {
		traffic_turn(&h->t, true);
		/* Of fewer queues than before, or more; and asked for, without being set. */
		get.inflight.queues = (u16)(1 + i % 3);
		if (!peer_send(&h->p, MESSAGE_GET_INFLIGHT_FD, 0, &get.inflight, 24, NULL) ||
		    peer_receive(&h->p, MESSAGE_GET_INFLIGHT_FD, &get.inflight, 24, &fd) != 24)
			return false;
		if (i % 2) {
			struct peer_files files = { .fd = { fd }, .n = 1 };

			peer_do(&h->p, MESSAGE_SET_INFLIGHT_FD, &get.inflight, 24, &files);
		}
		close(fd);
		traffic_turn(&h->t, true);
		/* The library reads regions at this, if it knows of one. */
		if (!peer_do_number(&h->p, MESSAGE_SET_VRING_KICK, i % 2, h->p.queue[i % 2].kick))
			return false;
	}
	return true;
}

static bool inflight_file_cut_under_traffic(struct hostile *h)
{
	if (!begin(h, BIT(PROTOCOL_INFLIGHT_SHMFD)) || ftruncate(h->p.inflight, 0))
		return false;
	traffic_turn(&h->t, true);
	let(h);
	return true;
}

/* A region for split rings, and then the rings are packed. */
static bool inflight_region_of_another_layout(struct hostile *h)
{
	u64 wanted = h->run->protocol | BIT(PROTOCOL_INFLIGHT_SHMFD);
	struct peer *p = &h->p;

	renew(h, BIT(VIRTIO_F_RING_PACKED));
	p->features &= ~BIT(VIRTIO_F_RING_PACKED);
	if (!meet(h) || !peer_negotiate(p, wanted) || !peer_set_memory(p) ||
	    !peer_set_inflight(p) ||
	    !peer_set_features(p, p->features | BIT(VIRTIO_F_RING_PACKED)))
		return false;
	p->need_reply = false;
	peer_queue_start(p, 0);
	peer_queue_start(p, 1);
	peer_do_number(p, MESSAGE_SET_STATUS, 0x0f, -1);
	traffic_init(&h->t, p, 0, 1);
	return traffic_run(&h->t, 50, RUN_MS) && traffic_clean(&h->t);
}

/* --- all of them --------------------------------------------------------------- */

struct hostile_case {
	const char *name;
	bool (*run)(struct hostile *h);
};

static const struct hostile_case cases[] = {
	{ "messages of each kind and size", message_sizes },
	{ "messages of other versions", message_versions },
	{ "messages that were not offered", messages_not_offered },
	{ "files that no message wants", files_that_no_message_wants },
	{ "files missing", files_missing },
	{ "files too many", files_too_many },
	{ "notifiers that are none", notifiers_that_are_none },
	{ "calls that block", calls_that_block },
	{ "half a message", half_a_message },
	{ "answers not read", answers_not_read },
	{ "connections dropped at each message", connections_dropped_at_each_message },
	{ "messages out of order", messages_out_of_order },
	{ "messages twice", messages_twice },
	{ "a second front end", second_front_end },
	{ "the connection as its own channel", connection_as_its_own_channel },
	{ "features not offered", features_not_offered },
	{ "numbers out of range", numbers_out_of_range },
	{ "regions that overlap", regions_that_overlap },
	{ "regions that wrap", regions_that_wrap },
	{ "regions too many", regions_too_many },
	{ "regions longer than their files", regions_longer_than_their_files },
	{ "regions of what is no memory", regions_of_what_is_no_memory },
	{ "regions larger than the address space", regions_larger_than_the_address_space },
	{ "memory file cut under traffic", memory_file_cut_under_traffic },
	{ "memory file cut before the rings start", memory_file_cut_before_the_rings_start },
	{ "memory tables under traffic", memory_tables_under_traffic },
	{ "ring sizes", ring_sizes },
	{ "queues out of range", queues_out_of_range },
	{ "all queues there are", all_queues_there_are },
	{ "ring addresses", ring_addresses },
	{ "ring positions", ring_positions },
	{ "rings stopped that do not run", rings_stopped_that_do_not_run },
	{ "rings switched under traffic", rings_switched_under_traffic },
	{ "resets under traffic", resets_under_traffic },
	{ "a device reset is one", device_reset_is_one },
	{ "heads out of range", heads_out_of_range },
	{ "heads twice", heads_twice },
	{ "chains that loop", chains_that_loop },
	{ "chains that leave the table", chains_that_leave_the_table },
	{ "addresses that are no memory", addresses_that_are_no_memory },
	{ "chains around the header", chains_around_the_header },
	{ "nothing but writable", nothing_but_writable },
	{ "tables that lie", tables_that_lie },
	{ "tables not negotiated", tables_not_negotiated },
	{ "indices that jump", indices_that_jump },
	{ "headers that lie", headers_that_lie },
	{ "buffers to receive that lie", buffers_to_receive_that_lie },
	{ "rings scrambled", rings_scrambled },
	{ "frames scrambled", frames_scrambled },
	{ "packed rings that lie", packed_rings_that_lie },
	{ "logs that lie", logs_that_lie },
	{ "log too small", log_too_small },
	{ "log of nothing", log_of_nothing },
	{ "log file cut under traffic", log_file_cut_under_traffic },
	{ "logs again and again", logs_again_and_again },
	{ "inflight regions that lie", inflight_regions_that_lie },
	{ "inflight not negotiated", inflight_not_negotiated },
	{ "inflight regions scrambled", inflight_regions_scrambled },
	{ "inflight regions again and again", inflight_regions_again_and_again },
	{ "inflight file cut under traffic", inflight_file_cut_under_traffic },
	{ "inflight region of another layout", inflight_region_of_another_layout },
};

bool run_hostile(struct run *r)
{
	static struct hostile h;
	unsigned int i, done = 0;
	struct run_held held;
	bool all = true;

	if (!run_start(r) || !run_verify(r, r->socket, 10) || !run_verify(r, r->other, 10))
		return false;
	held = run_holds(r);
	h.run = r;
	h.rand.state = r->seed;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 start = peer_now_ms();
		bool good;

		if (r->only && !strstr(cases[i].name, r->only))
			continue;
		done++;
		peer_init(&h.p, r->socket, r->features, 1, 128);
		good = cases[i].run(&h);
		peer_free(&h.p);
		good = backend_alive(r->pid) && good && run_verify(r, r->other, 10) &&
		       run_verify(r, r->socket, 10) && run_holds_no_more(r, held);
		printf("%s - %s (%u ms)\n", good ? "ok" : "not ok", cases[i].name,
		       (unsigned int)(peer_now_ms() - start));
		all &= good;
		if (!backend_alive(r->pid)) {
			r->pid = 0;
			return false;
		}
		/* One case's leak is not the next one's. */
		if (!good)
			held = run_holds(r);
	}
	return run_stop_backend(r) && all && done;
}
