// SPDX-License-Identifier: GPL-2.0
/*
 * viola-test-vring [OPTIONS] COMMAND: drives one vhost device from userspace.
 * With --workers its rings change from worker to worker all the time.
 *
 *   rtt       round trips of one frame: ring, device, tap, raw socket and back
 *   traffic   frames both ways, each verified
 *   flood     frames both ways, unverified; --count 0: until killed
 *   nonsense  what a driver must not write into its rings, while another one
 *             passes traffic
 *   scatter   buffers of very many pieces, of a driver that means no harm
 *   workers   rings with workers of their own: who serves them
 *   call      the call eventfd taken away and given back: no interrupt is lost
 *   log       traffic with the log of dirty pages on: what was written is in it
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/lab/vring-run.h"

#define STALL_MS 15000
#define MOVES_MIN 100u /* with --workers, a command is repeated until then */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t l = *(const uint64_t *)a, r = *(const uint64_t *)b;

	return l < r ? -1 : l > r;
}

/*
 * One thread does everything, one thing after the other, so that nothing but
 * the device's threads runs meanwhile: with one instruction per nanosecond of
 * the lab's clock and one CPU, the time is the instructions of a round trip.
 */
static int run_rtt(struct run *r)
{
	struct driver_queue *rx = &r->d.queue[DRIVER_RX], *tx = &r->d.queue[DRIVER_TX];
	uint64_t *took = calloc(r->count, sizeof(*took)), sum = 0;
	struct virtio_net_hdr_mrg_rxbuf hdr;
	uint8_t out[FRAME_MAX], in[FRAME_MAX];
	unsigned int i, warm = r->count / 10 + 16;
	struct rusage before, after;
	ssize_t len;
	int got;

	if (!took)
		fail("no memory");
	driver_want_call(&r->d, tx, false);
	for (i = 0; i < r->count + warm; i++) {
		uint64_t start;

		if (i == warm)
			getrusage(RUSAGE_SELF, &before);
		frame_make(out, r->size, i);
		driver_want_call(&r->d, rx, true);
		start = now_ns();
		if (!driver_send(&r->d, NULL, out, r->size))
			fail("the sending ring is full at frame %u", i);
		driver_kick(tx);
		len = recv(r->far, in, sizeof(in), 0);
		if (len < 0 || send(r->far, in, (size_t)len, 0) != len)
			fail("far end, frame %u: %s", i, strerror(errno));
		if (!driver_wait(rx, STALL_MS))
			fail("no interrupt for frame %u", i);
		got = driver_receive(&r->d, &hdr, in, sizeof(in));
		if (i >= warm)
			took[i - warm] = now_ns() - start;
		if (got != (int)r->size || frame_check(in, (size_t)got) != i)
			fail("frame %u came back wrong", i);
		driver_reap(&r->d);
	}
	getrusage(RUSAGE_SELF, &after);
	for (i = 0; i < r->count; i++)
		sum += took[i];
	qsort(took, r->count, sizeof(*took), compare_u64);
	printf("rtt node=%s size=%u count=%u lost=0 mean_ns=%llu min_ns=%llu p50_ns=%llu p99_ns=%llu max_ns=%llu slept=%ld preempted=%ld\n",
	       r->d.options.node, r->size, r->count, (unsigned long long)(sum / r->count),
	       (unsigned long long)took[0], (unsigned long long)took[r->count / 2],
	       (unsigned long long)took[r->count - 1 - r->count / 100],
	       (unsigned long long)took[r->count - 1], after.ru_nvcsw - before.ru_nvcsw,
	       after.ru_nivcsw - before.ru_nivcsw);
	free(took);
	return 0;
}

/*
 * Counts frames of one direction. Through a tap they arrive in order, or do not arrive. A
 * veth has a queue for each CPU that sends: where the sender moves to another CPU, a frame
 * may arrive before an earlier one, but each arrives once.
 */
struct tally {
	const char *way;
	unsigned int next, got, wrong;
	unsigned int count;
	bool *seen; /* of @count frames; NULL if they come in order */
};

static void tally_any_order(struct tally *t, int64_t seq)
{
	if (seq < 0 || seq >= t->count || t->seen[seq]) {
		if (!t->wrong++)
			fprintf(stderr, "%s: frame %lld, which is none or came before\n", t->way,
				(long long)seq);
		return;
	}
	t->seen[seq] = true;
	t->next = ++t->got;
}

static void tally_frame(struct tally *t, const uint8_t *frame, size_t len)
{
	int64_t seq = frame_check(frame, len);

	if (seq == -2)
		return; /* not of this test */
	if (t->seen) {
		tally_any_order(t, seq);
		return;
	}
	if (seq != t->next) {
		if (!t->wrong++)
			fprintf(stderr, "%s: frame %lld of %zu bytes where %u was due\n", t->way,
				(long long)seq, len, t->next);
		if (seq < t->next)
			return;
	}
	t->next = (unsigned int)seq + 1;
	t->got++;
}

static unsigned int frame_size(const struct run *r, unsigned int i)
{
	return r->size ? r->size : FRAME_MIN + i * 131 % (FRAME_MAX - FRAME_MIN + 1);
}

/* Takes what has arrived at either end. True if something had. */
static bool collect(struct run *r, struct tally *out, struct tally *in)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	uint8_t frame[65536];
	bool some = false;
	ssize_t len;

	while ((len = recv(r->far, frame, sizeof(frame), MSG_DONTWAIT)) > 0) {
		tally_frame(out, frame, (size_t)len);
		some = true;
	}
	while ((len = driver_receive(&r->d, &hdr, frame, sizeof(frame)))) {
		if (len < 0)
			fail("the receiving ring holds no frame");
		tally_frame(in, frame, (size_t)len);
		some = true;
	}
	return driver_reap(&r->d) || some;
}

static void pause_until_work(struct run *r, int ms)
{
	struct pollfd fds[] = {
		{ .fd = r->far, .events = POLLIN },
		{ .fd = r->d.queue[DRIVER_RX].call, .events = POLLIN },
		{ .fd = r->d.queue[DRIVER_TX].call, .events = POLLIN },
	};
	uint64_t count;
	unsigned int i;

	driver_want_call(&r->d, &r->d.queue[DRIVER_RX], true);
	driver_want_call(&r->d, &r->d.queue[DRIVER_TX], true);
	if (r->d.queue[DRIVER_RX].used_seen != r->d.queue[DRIVER_RX].used->idx ||
	    r->d.queue[DRIVER_TX].used_seen != r->d.queue[DRIVER_TX].used->idx)
		return;
	poll(fds, 3, ms);
	for (i = 1; i < 3; i++) {
		if (fds[i].revents && read(fds[i].fd, &count, sizeof(count)) < 0)
			fail("call eventfd: %s", strerror(errno));
	}
}

/* Both ways at once, at most a window of frames under way in each. */
bool run_exchange(struct run *r, unsigned int count, bool quiet)
{
	struct tally out = { .way = "from the guest", .count = count };
	struct tally in = { .way = "to the guest", .count = count };
	unsigned int sent = 0, injected = 0, window = 128;
	uint64_t progress = now_ns();
	uint8_t frame[FRAME_MAX];

	if (r->kind != NET_TAP) {
		out.seen = calloc(2 * count, sizeof(bool));
		if (!out.seen)
			fail("no memory");
		in.seen = out.seen + count;
	}
	while (out.next < count || in.next < count) {
		bool some = false;

		while (sent < count && sent - out.next < window) {
			frame_make(frame, frame_size(r, sent), sent);
			if (!driver_send(&r->d, NULL, frame, frame_size(r, sent)))
				break;
			sent++;
			some = true;
		}
		if (some)
			driver_kick(&r->d.queue[DRIVER_TX]);
		while (injected < count && injected - in.next < window) {
			frame_make(frame, frame_size(r, injected), injected);
			if (send(r->far, frame, frame_size(r, injected), MSG_DONTWAIT) < 0)
				break;
			injected++;
			some = true;
		}
		some |= collect(r, &out, &in);
		if (some) {
			progress = now_ns();
			continue;
		}
		pause_until_work(r, 100);
		/* It may have been this process that stood still. */
		if (collect(r, &out, &in)) {
			progress = now_ns();
		} else if (now_ns() - progress > STALL_MS * 1000000ull) {
			fprintf(stderr, "stalled\n");
			break;
		}
	}
	if (!quiet)
		printf("traffic node=%s out=%u/%u in=%u/%u wrong=%u\n", r->d.options.node, out.got,
		       sent, in.got, injected, out.wrong + in.wrong);
	free(out.seen);
	return out.got == count && in.got == count && !out.wrong && !in.wrong;
}

static int run_traffic(struct run *r)
{
	return run_exchange(r, r->count, false) ? 0 : 1;
}

static int run_flood(struct run *r)
{
	struct tally out = { .way = "from the guest" }, in = { .way = "to the guest" };
	uint8_t frame[FRAME_MAX];
	bool told = false;
	unsigned int i;

	for (i = 0; i < r->count || !r->count; i++) {
		frame_make(frame, frame_size(r, i), i);
		driver_send(&r->d, NULL, frame, frame_size(r, i));
		driver_kick(&r->d.queue[DRIVER_TX]);
		send(r->far, frame, frame_size(r, i), MSG_DONTWAIT);
		collect(r, &out, &in);
		if (!told && out.got > 1000 && in.got > 1000) {
			puts("flowing");
			fflush(stdout);
			told = true;
		}
	}
	return 0;
}

void run_open(struct run *r, const char *tap, const struct driver_options *options)
{
	char far[16];

	r->tap = net_backend(r->kind, tap, DRIVER_HDR, far);
	r->far = net_socket(far);
	driver_open(&r->d, options);
	driver_fill_rx(&r->d);
	driver_backend(&r->d, r->tap);
}

void run_close(struct run *r)
{
	driver_close(&r->d);
	close(r->far);
	close(r->tap);
}

static const struct {
	const char *name;
	int (*run)(struct run *r);
} commands[] = {
	{ "rtt", run_rtt },
	{ "traffic", run_traffic },
	{ "flood", run_flood },
	{ "nonsense", run_nonsense },
	{ "call", run_call },
	{ "log", run_log },
	{ "scatter", run_scatter },
	{ "workers", run_workers },
};

static void usage(void)
{
	fputs("usage: viola-test-vring [--node PATH] [--count N] [--size BYTES] [--ring N]\n"
	      "       [--slot BYTES] [--backend tap|macvtap|packet] [--no-event-idx] [--no-mergeable] [--indirect]\n"
	      "       [--busyloop MICROSECONDS] [--workers] rtt|traffic|flood|...\n",
	      stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "node", required_argument, NULL, 'n' },
		{ "count", required_argument, NULL, 'c' },
		{ "size", required_argument, NULL, 's' },
		{ "ring", required_argument, NULL, 'r' },
		{ "slot", required_argument, NULL, 'b' },
		{ "busyloop", required_argument, NULL, 'p' },
		{ "backend", required_argument, NULL, 'k' },
		{ "no-event-idx", no_argument, NULL, 'e' },
		{ "no-mergeable", no_argument, NULL, 'm' },
		{ "indirect", no_argument, NULL, 'i' },
		{ "workers", no_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	static const char *const kinds[] = { "tap", "macvtap", "packet" };
	struct driver_options options = {
		.node = "/dev/viola-net", .num = 256, .slot = 2048,
		.event_idx = true, .mergeable = true, .version1 = true,
	};
	struct run r = { .count = 1000, .size = 64 };
	size_t i;
	int c, ret;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			options.node = optarg;
			break;
		case 'c':
			r.count = (unsigned int)strtoul(optarg, NULL, 0);
			break;
		case 's':
			r.size = (unsigned int)strtoul(optarg, NULL, 0);
			break;
		case 'r':
			options.num = (unsigned int)strtoul(optarg, NULL, 0);
			break;
		case 'b':
			options.slot = (unsigned int)strtoul(optarg, NULL, 0);
			break;
		case 'p':
			options.busyloop_us = (unsigned int)strtoul(optarg, NULL, 0);
			break;
		case 'k':
			for (i = 0; i < 3 && strcmp(kinds[i], optarg); i++)
				;
			if (i == 3)
				usage();
			r.kind = (enum net_kind)i;
			options.own_header = r.kind == NET_PACKET;
			break;
		case 'e':
			options.event_idx = false;
			break;
		case 'm':
			options.mergeable = false;
			break;
		case 'i':
			options.indirect = true;
			break;
		case 'w':
			r.workers = true;
			break;
		default:
			usage();
		}
	}
	if (optind != argc - 1 || (r.size && (r.size < FRAME_MIN || r.size > FRAME_MAX)))
		usage();
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, argv[optind]))
			continue;
		net_isolate();
		run_open(&r, "vtap0", &options);
		if (r.workers)
			workers_move(&r);
		do {
			ret = commands[i].run(&r);
		} while (!ret && r.workers && workers_moved() < MOVES_MIN);
		if (r.workers)
			workers_rest();
		run_close(&r);
		return ret;
	}
	usage();
}
