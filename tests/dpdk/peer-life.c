// SPDX-License-Identifier: GPL-2.0
/* Front ends that behave, and what ends under them: rings, logs, back ends, others. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/dpdk/peer-main.h"

#include <linux/virtio_config.h>

#define BIT(n) (1ull << (n))

static bool fault(const char *what, const struct traffic *t)
{
	printf("# %s: sent %" PRIu64 " received %" PRIu64 " lost %" PRIu64 " repeated %" PRIu64
	       " corrupt %" PRIu64 ", in the rings %u and %u%s%s\n", what, t->next, t->received,
	       t->lost, t->repeated, t->corrupt, t->peer->queue[2 * t->pair].d.fifo_count,
	       t->peer->queue[2 * t->pair + 1].d.fifo_count, t->fault ? ", " : "",
	       t->fault ? t->fault : "");
	return false;
}

/* --- rings that are stopped, and go on ------------------------------------------ */

/* Where the device must say it stands, once all it gave back is taken. */
static u32 base_expected(const struct peer *p, const struct peer_queue *q)
{
	return p->packed ? q->d.used : le16_to_cpu(*(__le16 *)(model_split_used(&q->d) + 2));
}

static bool stop_once(struct traffic *t, bool reset)
{
	unsigned int i;
	u32 base;

	for (i = 0; i < 2; i++) {
		if (!peer_queue_stop(t->peer, i, &base)) {
			printf("# queue %u: no answer to GET_VRING_BASE\n", i);
			return false;
		}
		/* What it gave back until then, which is all that it took. */
		traffic_turn(t, false);
		/* DPDK's library leaves the upper half of packed rings empty. */
		if ((u16)base != base_expected(t->peer, &t->peer->queue[i])) {
			printf("# queue %u stopped at %#x, expected %#x\n", i, base,
			       base_expected(t->peer, &t->peer->queue[i]));
			return false;
		}
	}
	/* A guest that boots again: rings from their beginning, with what was in them gone. */
	for (i = 0; reset && i < 2; i++)
		peer_queue_reset(t->peer, i);
	if (reset)
		t->expected = t->next;
	return peer_queue_start(t->peer, 0) && peer_queue_start(t->peer, 1);
}

/* A back end with a session of one queue pair, and traffic to come. */
static bool run_begin(struct run *r, struct peer *p, struct traffic *t)
{
	if (!run_start(r))
		return false;
	peer_init(p, r->socket, r->features, 1, 128);
	if (!peer_start(p, r->protocol, RUN_MS)) {
		printf("# no session\n");
		return false;
	}
	traffic_init(t, p, 0, r->seed);
	return true;
}

bool run_stop(struct run *r)
{
	static struct traffic t;
	struct peer p;
	unsigned int i, k;

	if (!run_begin(r, &p, &t))
		return false;
	for (i = 0; i < r->count; i++) {
		if (!traffic_run(&t, 100, RUN_MS))
			return fault("no traffic", &t);
		/* In the midst of it, and with buffers that nobody has looked at. */
		for (k = model_rand_below(&t.rand, 20); k; k--)
			traffic_turn(&t, true);
		if (!stop_once(&t, i % 8 == 7))
			return false;
	}
	if (!traffic_settle(&t, RUN_MS) || !traffic_clean(&t))
		return fault("after all stops", &t);
	peer_free(&p);
	return run_stop_backend(r);
}

/* --- questions ------------------------------------------------------------------- */

/* Takes the calls of both queues. Whether there were some. */
static bool called(const struct peer *p)
{
	bool any = false;
	eventfd_t count;
	unsigned int i;

	for (i = 0; i < 2; i++)
		any |= !eventfd_read(p->queue[i].call, &count);
	return any;
}

bool run_ask(struct run *r)
{
	static const u32 questions[] = {
		MESSAGE_GET_FEATURES, MESSAGE_GET_PROTOCOL_FEATURES, MESSAGE_GET_QUEUE_NUM,
		MESSAGE_GET_STATUS,
	};
	static struct traffic t;
	struct peer p;
	unsigned int i;
	u64 answer;

	if (!run_begin(r, &p, &t))
		return false;
	/* Frames are not told of: that might come late, and look like a session's beginning. */
	for (i = 0; i < 2; i++)
		model_driver_no_call(&p.queue[i].d);
	if (!traffic_run(&t, 100, RUN_MS) || !traffic_drain(&t, RUN_MS))
		return fault("no traffic", &t);
	/* Who answers is done with the beginning, too. */
	if (!peer_ask(&p, questions[0], &answer))
		return fault("no answer", &t);
	called(&p);
	for (i = 0; i < ARRAY_SIZE(questions); i++) {
		if (!peer_ask(&p, questions[i], &answer)) {
			printf("# no answer to message %u\n", questions[i]);
			return false;
		}
		/* A session that begins calls its driver, who may have missed something. */
		if (called(&p)) {
			printf("# message %u, which only asks, began the session anew\n",
			       questions[i]);
			return false;
		}
	}
	if (!traffic_run(&t, 100, RUN_MS) || !traffic_settle(&t, RUN_MS) || !traffic_clean(&t))
		return fault("after all questions", &t);
	peer_free(&p);
	return run_stop_backend(r);
}

/* Whether an interrupt of queue @i comes, in the time that a loaded machine may need for it. */
static bool called_soon(const struct peer *p, unsigned int i)
{
	struct pollfd f = { .fd = p->queue[i].call, .events = POLLIN };

	return poll(&f, 1, RUN_MS) > 0;
}

/* The eventfd of queue @i, or none. */
static bool call_set(struct peer *p, unsigned int i, int fd)
{
	return peer_do_number(p, MESSAGE_SET_VRING_CALL, i | (fd < 0 ? 0x100 : 0), fd);
}

/*
 * Drivers wait for the next used buffer of each ring; before that comes their eventfds are
 * taken away, and given back after it. They are called then, or would wait for ever.
 */
bool run_call(struct run *r)
{
	static struct traffic t;
	unsigned int i, k;
	struct peer p;

	if (!run_begin(r, &p, &t))
		return false;
	for (k = 0; k < r->count; k++) {
		if (!traffic_run(&t, 20, RUN_MS) || !traffic_drain(&t, RUN_MS))
			return fault("no traffic", &t);
		for (i = 0; i < 2; i++) {
			model_driver_want_call(&p.queue[i].d, 0);
			if (!call_set(&p, i, -1))
				return fault("the eventfd cannot be taken away", &t);
		}
		called(&p);
		if (!traffic_run(&t, 1 + 200 * (k % 3), RUN_MS) || !traffic_drain(&t, RUN_MS))
			return fault("no traffic without eventfds", &t);
		if (called(&p)) {
			printf("# an eventfd that was taken away is signalled\n");
			return false;
		}
		for (i = 0; i < 2; i++)
			if (!call_set(&p, i, p.queue[i].call))
				return fault("the eventfd cannot be given back", &t);
		for (i = 0; i < 2; i++)
			if (!called_soon(&p, i)) {
				printf("# the interrupt of queue %u is lost\n", i);
				return false;
			}
	}
	if (!traffic_settle(&t, RUN_MS) || !traffic_clean(&t))
		return fault("at the end", &t);
	peer_free(&p);
	return run_stop_backend(r);
}

/* --- the dirty log --------------------------------------------------------------- */

#define LOG_PAGES ((PEER_DATA_GPA + PEER_DATA_SIZE) >> 12)
/* Where the device's parts are logged: not where they are. */
#define LOG_RINGS 0x8000000ull

static bool log_bit(const struct peer *p, u64 page)
{
	return p->log_map[page / 8] >> page % 8 & 1;
}

/* Pages of the data region whose bytes are others than in @before. */
static bool data_changed(const struct peer *p, const u8 *before, u64 page)
{
	u64 off = (page << 12) - PEER_DATA_GPA;

	return memcmp(p->guest.ext[1].base + off, before + off, 4096);
}

/*
 * What must be marked: pages of buffers that changed; of the rings, what the device
 * writes. Nothing else may be.
 */
static bool log_exact(const struct peer *p, const u8 *before)
{
	u64 page, missing = 0, extra = 0, marked = 0;

	for (page = 0; page < LOG_PAGES; page++) {
		bool want = false, bit = log_bit(p, page);
		unsigned int i;

		if (page << 12 >= PEER_DATA_GPA)
			want = data_changed(p, before, page);
		for (i = 0; i < 2; i++) {
			/* Of a packed ring that is polled this is written at the start. */
			want |= !p->packed && page << 12 == LOG_RINGS + i * 4096;
			want |= p->packed &&
				page << 12 == PEER_RING_GPA + i * PEER_QUEUE_STRIDE;
		}
		missing += want && !bit;
		extra += bit && !want;
		marked += bit;
		if (want != bit && missing + extra < 5)
			printf("# page %#" PRIx64 " is %smarked\n", page << 12, bit ? "" : "not ");
	}
	if (!missing && !extra && marked > 4)
		return true;
	printf("# log: %" PRIu64 " marked, %" PRIu64 " missing, %" PRIu64 " too many\n", marked,
	       missing, extra);
	return false;
}

static bool log_empty(const struct peer *p)
{
	u64 i;

	for (i = 0; i < p->log_size; i++)
		if (p->log_map[i])
			return false;
	return true;
}

/* All that was received so far is overwritten, so that each write changes something. */
static void data_snapshot(struct peer *p, u8 *before, u64 key)
{
	/* The sending queue's buffers are the driver's to write: they stay. */
	model_fill(p->guest.ext[1].base, PEER_NUM_MAX * PEER_BUFFER, key);
	memcpy(before, p->guest.ext[1].base, PEER_DATA_SIZE);
}

static bool log_switch(struct traffic *t, bool on)
{
	struct peer *p = t->peer;
	unsigned int i;

	for (i = 0; i < 2; i++)
		p->queue[i].log_addr = on ? LOG_RINGS + i * 4096 : 0;
	return peer_set_features(p, on ? p->features | BIT(VHOST_F_LOG_ALL) :
					 p->features & ~BIT(VHOST_F_LOG_ALL)) &&
	       peer_set_addr(p, 0) && peer_set_addr(p, 1);
}

/* Frames already made, but the device writes to the pages of sent frames never. */
static bool dirty_round(struct traffic *t, u8 *before, u64 key)
{
	struct peer *p = t->peer;
	u64 sending = PEER_DATA_GPA + PEER_NUM_MAX * (u64)PEER_BUFFER;

	if (!traffic_drain(t, RUN_MS))
		return fault("before logging", t);
	memset(p->log_map, 0, p->log_size);
	data_snapshot(p, before, key);
	if (!traffic_run(t, 20, RUN_MS) || !traffic_drain(t, RUN_MS) || !traffic_clean(t))
		return fault("while logging", t);
	/* What the driver wrote itself is not for the device to mark. */
	memcpy(before + (sending - PEER_DATA_GPA), p->guest.ext[1].base + (sending - PEER_DATA_GPA),
	       PEER_DATA_SIZE - (sending - PEER_DATA_GPA));
	return log_exact(p, before);
}

bool run_dirty(struct run *r)
{
	static struct traffic t;
	static u8 before[PEER_DATA_SIZE];
	struct peer p;
	unsigned int i;

	if (!run_start(r))
		return false;
	peer_init(&p, r->socket, r->features, 1, 256);
	if (!peer_start(&p, r->protocol | BIT(PROTOCOL_LOG_SHMFD), RUN_MS) ||
	    !peer_set_log(&p, LOG_PAGES / 8)) {
		printf("# no session with a log\n");
		return false;
	}
	traffic_init(&t, &p, 0, r->seed);
	if (!traffic_run(&t, 200, RUN_MS))
		return fault("no traffic", &t);
	if (!log_empty(&p)) {
		printf("# marked before LOG_ALL\n");
		return false;
	}
	for (i = 0; i < r->count; i++) {
		/* Under traffic, both ways. */
		traffic_turn(&t, true);
		if (!log_switch(&t, true) || !traffic_run(&t, 50, RUN_MS))
			return fault("log switched on", &t);
		if (!log_bit(&p, LOG_RINGS >> 12) || !log_bit(&p, (LOG_RINGS >> 12) + 1))
			return fault("requests for kicks are not marked", &t);
		if (!dirty_round(&t, before, r->seed + i))
			return false;
		traffic_turn(&t, true);
		if (!log_switch(&t, false) || !traffic_drain(&t, RUN_MS))
			return fault("log switched off", &t);
		memset(p.log_map, 0, p.log_size);
		if (!traffic_run(&t, 50, RUN_MS) || !log_empty(&p))
			return fault("marked after LOG_ALL", &t);
	}
	if (!traffic_settle(&t, RUN_MS) || !traffic_clean(&t))
		return fault("at the end", &t);
	peer_free(&p);
	return run_stop_backend(r);
}

/* --- back ends that are killed ----------------------------------------------------- */

/* Buffers that the back end has taken and not given back, as the region tells. */
static u32 in_flight(const struct peer *p, const u8 *region)
{
	u32 head = p->packed ? 32 : 16, step = head, n = 0, i, k;
	u64 each = p->inflight_size / p->nqueues;

	for (k = 0; k < 2; k++)
		for (i = 0; i < p->num; i++)
			n += __atomic_load_n(&region[k * each + head + i * step], __ATOMIC_RELAXED);
	return n;
}

/* Waits until the back end is at work, which may be kept from its CPU for a while. */
static void watch(const struct peer *p, const u8 *region)
{
	u64 end = peer_now_ms() + 100;

	while (!in_flight(p, region) && peer_now_ms() < end)
		;
}

/* The driver stays as it is; a new back end takes up what the last one left. */
static bool again(struct run *r, struct traffic *t, u64 offered, u64 offered_protocol)
{
	struct peer *p = t->peer;

	if (!peer_start(p, r->protocol, RUN_MS)) {
		printf("# no session with the next back end\n");
		return false;
	}
	if (p->offered == offered && p->offered_protocol == offered_protocol)
		return true;
	printf("# the next back end offers others features: %#" PRIx64 "\n", p->offered);
	return false;
}

/*
 * A back end that takes up the last one's buffers and has no frames to receive, so that
 * those to receive into are still with it when its rings are stopped. All of them must be
 * back then. It drops the frames that were being sent.
 */
static bool stopped_between(struct run *r, struct traffic *t, u64 offered, u64 offered_protocol)
{
	static char forward[] = "--forward", sink[] = "sink";
	char *argv[64];
	u64 end;
	u32 n;

	for (n = 0; r->backend[n] && n < ARRAY_SIZE(argv) - 3; n++)
		argv[n] = r->backend[n];
	argv[n++] = forward;
	argv[n++] = sink;
	argv[n] = NULL;
	r->pid = backend_start(argv);
	if (!again(r, t, offered, offered_protocol))
		return false;
	end = peer_now_ms() + 5;
	while (peer_now_ms() < end)
		traffic_turn(t, false);
	if (!stop_once(t, false))
		return false;
	traffic_forgive(t);
	kill(r->pid, SIGKILL);
	waitpid(r->pid, NULL, 0);
	peer_disconnect(t->peer);
	return true;
}

bool run_recover(struct run *r)
{
	static struct traffic t;
	struct peer p;
	unsigned int i;
	u64 offered, offered_protocol, first = 0, buffers = 0;
	u32 left, at_work = 0;
	const u8 *region;

	r->pid = backend_start(r->backend);
	/* Room for what comes twice, too, before anybody takes it. */
	peer_init(&p, r->socket, r->features, 1, 256);
	if (!peer_start(&p, r->protocol, RUN_MS)) {
		printf("# no session\n");
		return false;
	}
	region = mmap(NULL, p.inflight_size, PROT_READ, MAP_SHARED, p.inflight, 0);
	if (region == MAP_FAILED) {
		printf("# no in-flight region\n");
		return false;
	}
	offered = p.offered;
	offered_protocol = p.offered_protocol;
	traffic_init(&t, &p, 0, r->seed);
	/* Where others take the CPU, all may come at rest; those prove nothing: some more. */
	for (i = 0; i < r->count || (!at_work && i < 8 * r->count); i++) {
		u64 end;

		if (!traffic_run(&t, 50, RUN_MS))
			return fault("no traffic", &t);
		/* It dies at any point of a round of its: that begins when it looks. */
		end = peer_now_ms() + model_rand_below(&t.rand, 5);
		do
			traffic_turn(&t, true);
		while (peer_now_ms() < end);
		/* A ring full of work, so that there is time to die in it. */
		kill(r->pid, SIGSTOP);
		waitpid(r->pid, NULL, WUNTRACED);
		traffic_turn(&t, true);
		kill(r->pid, SIGCONT);
		watch(&p, region);
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
		left = in_flight(&p, region);
		at_work += left > 0;
		buffers += left;
		peer_disconnect(&p);
		/* A frame of which a part is here comes again as a whole. */
		traffic_turn(&t, false);
		if (r->stop && !stopped_between(r, &t, offered, offered_protocol))
			return false;
		r->pid = backend_start(r->backend);
		if (!again(r, &t, offered, offered_protocol))
			return false;
		first = t.received;
		if (!traffic_run(&t, 1, RUN_MS))
			return fault("no traffic from the next back end", &t);
	}
	if (!traffic_settle(&t, RUN_MS) || (t.lost && !r->stop) || t.corrupt || t.fault ||
	    first == t.received)
		return fault("after all kills", &t);
	printf("# %u kills, %u of them at work with %" PRIu64 " buffers in flight; %" PRIu64
	       " frames, %" PRIu64 " of them came twice\n", i, at_work, buffers, t.received,
	       t.repeated);
	munmap((void *)(uintptr_t)region, p.inflight_size);
	if (!at_work)
		return false;
	peer_free(&p);
	return run_stop_backend(r);
}

/* --- front ends that are killed ------------------------------------------------------ */

static void victim(struct run *r, u64 seed)
{
	static struct traffic t;
	static struct peer p;

	peer_init(&p, r->other, r->features, 1, 128);
	if (!peer_start(&p, r->protocol, RUN_MS))
		_exit(1);
	traffic_init(&t, &p, 0, seed);
	for (;;)
		traffic_turn(&t, true);
}

bool run_victims(struct run *r)
{
	static struct traffic t;
	struct run_held held;
	struct peer p;
	unsigned int i;
	bool good = true;

	if (!run_begin(r, &p, &t))
		return false;
	if (!traffic_run(&t, 100, RUN_MS) || !run_verify(r, r->other, 10))
		return fault("no traffic", &t);
	held = run_holds(r);
	for (i = 0; good && i < r->count; i++) {
		u64 end = peer_now_ms() + 10 + model_rand_below(&t.rand, 20);
		pid_t pid = fork();

		if (!pid)
			victim(r, r->seed + i);
		/* At any point of its life, while this one's traffic goes on. */
		while (good && peer_now_ms() < end)
			good = traffic_run(&t, 1, RUN_MS);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	if (!good || !traffic_settle(&t, RUN_MS) || !traffic_clean(&t))
		return fault("beside front ends that are killed", &t);
	if (!run_verify(r, r->other, 100) || !run_holds_no_more(r, held))
		return false;
	printf("# %u killed beside %" PRIu64 " frames, none lost\n", r->count, t.received);
	peer_free(&p);
	return run_stop_backend(r);
}
