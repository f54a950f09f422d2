// SPDX-License-Identifier: GPL-2.0
/*
 * The ring core beside DPDK's vhost library, with nothing around: no lcore, no
 * forwarding, no other CPU. Both serve rings of the same front end in one process
 * (tests/dpdk/peer.c), the library its first pair of queues and the ring core the
 * second one; a round makes ROUND buffers available, the time of the device's part
 * alone counts, and the driver takes them back. Rounds of both alternate.
 *
 *   dequeue   frames of a ring into mbufs, allocated for it
 *   enqueue   frames of mbufs into a ring
 *   forward   from ring to ring: the library by mbufs, the ring core directly
 *
 * Output: a line of JSON per ring, operation and size, times in nanoseconds per
 * descriptor. With --case only one side of one case runs, for callgrind, which counts
 * by --toggle-collect='measured*'; the output is the number of descriptors.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_vhost.h>

#include "dpdk-backend/vhost/burst.h"
#include "tests/dpdk/peer.h"
#include "tools/lib/number.h"

#define BIT(n) (1ull << (n))

#define RING 256u
#define ROUND 128u /* buffers */
#define ROUNDS 2000u
#define WARM 50u /* rounds that do not count */
#define HDR 12u /* bytes before a frame, of VIRTIO_F_VERSION_1 */
#define POOL 4095u
#define CACHE 256u

struct ring_kind {
	const char *name;
	u64 features;
};

static const struct ring_kind kinds[] = {
	{ "split", 0 },
	{ "split-in-order", BIT(VIRTIO_F_IN_ORDER) },
	{ "packed", BIT(VIRTIO_F_RING_PACKED) },
	{ "packed-in-order", BIT(VIRTIO_F_RING_PACKED) | BIT(VIRTIO_F_IN_ORDER) },
};

static const u32 sizes[] = { 60, 1514 }; /* bytes, without FCS */

static struct rte_mempool *pool;
static int vid = -1; /* of the library's connection, once its rings are ready */
static struct peer peer;
static struct rte_mbuf *mbuf[ROUND]; /* what enqueue sends, and dequeue receives */

/* What the ring core needs of a connection, as viola-dpdk's session has it. */
static struct session session;
static struct vqueue receiving, sending;
static struct lcore lcore;

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "bench-dpdk-ring: %s: %s\n", what, errno ? strerror(errno) : "failed");
	exit(1);
}

/* --- the devices -------------------------------------------------------------------- */

/* What one round is for a device. */
typedef void device_fn(void);

static void library_dequeue(void)
{
	unsigned int i;

	for (i = 0; i < ROUND; i += FRAME_BURST)
		must(rte_vhost_dequeue_burst(vid, 1, pool, mbuf + i, FRAME_BURST) ==
		     FRAME_BURST, "the library dequeues");
}

static void library_enqueue(void)
{
	unsigned int i;

	for (i = 0; i < ROUND; i += FRAME_BURST)
		must(rte_vhost_enqueue_burst(vid, 0, mbuf + i, FRAME_BURST) == FRAME_BURST,
		     "the library enqueues");
}

static void library_forward(void)
{
	struct rte_mbuf *m[FRAME_BURST];
	unsigned int i;

	for (i = 0; i < ROUND; i += FRAME_BURST) {
		must(rte_vhost_dequeue_burst(vid, 1, pool, m, FRAME_BURST) == FRAME_BURST &&
		     rte_vhost_enqueue_burst(vid, 0, m, FRAME_BURST) == FRAME_BURST,
		     "the library forwards");
		rte_pktmbuf_free_bulk(m, FRAME_BURST);
	}
}

/* A burst of the driver's frames, as lcore.frame. */
static unsigned int core_take(struct viola_buf *buf)
{
	int n = viola_ring_pop_burst(&sending.ring, buf, FRAME_BURST, VIOLA_BURST_OUT);
	u64 bytes = 0;

	must(n == (int)FRAME_BURST, "the ring core dequeues");
	return burst_frames(&lcore, &session, buf, (unsigned int)n, &bytes);
}

static void core_return(struct viola_buf *buf)
{
	viola_ring_push_burst(&sending.ring, buf, FRAME_BURST, VIOLA_BURST_OUT);
	viola_ring_publish(&sending.ring);
	must(!viola_ring_needs_call(&sending.ring), "no interrupt was asked for");
}

static void core_deliver(struct frame **f)
{
	u64 bytes = 0;

	must(burst_deliver(&lcore, &session, &receiving, f, FRAME_BURST, &bytes) == FRAME_BURST,
	     "the ring core enqueues");
	viola_ring_publish(&receiving.ring);
	must(!viola_ring_needs_call(&receiving.ring), "no interrupt was asked for");
}

static void core_dequeue(void)
{
	struct viola_buf buf[FRAME_BURST];
	unsigned int i, k, n;

	for (i = 0; i < ROUND; i += FRAME_BURST) {
		n = core_take(buf);
		must(n == FRAME_BURST && !rte_pktmbuf_alloc_bulk(pool, mbuf + i, n), "mbufs");
		for (k = 0; k < n; k++) {
			const struct viola_seg *seg = lcore.frame[k].seg;
			struct rte_mbuf *m = mbuf[i + k];

			copy_bytes(rte_pktmbuf_mtod(m, u8 *), seg->base, seg->len);
			m->data_len = (u16)seg->len;
			m->pkt_len = (u32)seg->len;
		}
		core_return(buf);
	}
}

static void core_enqueue(void)
{
	struct frame *f[FRAME_BURST];
	unsigned int i, k;

	for (i = 0; i < ROUND; i += FRAME_BURST) {
		for (k = 0; k < FRAME_BURST; k++) {
			const struct rte_mbuf *m = mbuf[i + k];
			struct viola_seg *seg = &lcore.seg[k];

			*seg = (struct viola_seg){ rte_pktmbuf_mtod(m, void *), m->data_len };
			f[k] = &lcore.frame[k];
			f[k]->seg = seg;
			f[k]->nseg = 1;
			f[k]->len = m->pkt_len;
			memset(&f[k]->offload, 0, sizeof(f[k]->offload));
		}
		core_deliver(f);
	}
}

static void core_forward(void)
{
	struct viola_buf buf[FRAME_BURST];
	struct frame *f[FRAME_BURST];
	unsigned int i, k, n;

	for (i = 0; i < ROUND; i += FRAME_BURST) {
		n = core_take(buf);
		for (k = 0; k < n; k++)
			f[k] = &lcore.frame[k];
		core_deliver(f);
		core_return(buf);
	}
}

static const struct operation {
	const char *name;
	bool out, in; /* which of the driver's queues it works on */
	device_fn *library, *core;
} operations[] = {
	{ "dequeue", true, false, library_dequeue, core_dequeue },
	{ "enqueue", false, true, library_enqueue, core_enqueue },
	{ "forward", true, true, library_forward, core_forward },
};

/* --- the driver ----------------------------------------------------------------------- */

static void queue_fill(struct peer_queue *q, bool in, u32 len)
{
	u32 i;

	for (i = 0; i < ROUND; i++) {
		/* Buffers come back in order: the two halves of the ring by turns. */
		u32 slot = (q->d.exposed & ROUND) + i;
		struct model_piece piece = { q->buffers + slot * PEER_BUFFER,
					     in ? PEER_BUFFER : HDR + len, in };

		must(model_driver_add(&q->d, &piece, 1, 0, 0) >= 0, "room in the ring");
	}
	model_driver_expose(&q->d);
}

static void queue_empty(struct peer_queue *q, u32 written)
{
	u32 got, i;
	u16 id;

	for (i = 0; i < ROUND; i++)
		must(model_driver_reclaim(&q->d, &id, &got) == 1 && got == written,
		     q->d.fault ? q->d.fault : "a buffer comes back as it should");
}

/* By this name callgrind knows what to count. */
static viola_outline void measured(device_fn *device)
{
	device();
}

/* One round; cycles. @pair is the device's. */
static u64 round_run(const struct operation *op, bool core, u32 len)
{
	struct peer_queue *rx = &peer.queue[core ? 2 : 0], *tx = rx + 1;
	u64 begin, end;
	u32 i;

	if (op->out)
		queue_fill(tx, false, len);
	if (op->in)
		queue_fill(rx, true, len);
	if (op->in && !op->out) {
		must(!rte_pktmbuf_alloc_bulk(pool, mbuf, ROUND), "mbufs");
		for (i = 0; i < ROUND; i++) {
			mbuf[i]->data_len = (u16)len;
			mbuf[i]->pkt_len = len;
		}
	}
	begin = rte_rdtsc_precise();
	measured(core ? op->core : op->library);
	end = rte_rdtsc_precise();
	if (op->out)
		queue_empty(tx, 0);
	if (op->in)
		queue_empty(rx, HDR + len);
	if (op->in != op->out)
		rte_pktmbuf_free_bulk(mbuf, ROUND);
	return end - begin;
}

/* --- set-up ----------------------------------------------------------------------------- */

static int device_ready(int id)
{
	__atomic_store_n(&vid, id, __ATOMIC_RELEASE);
	return 0;
}

static void device_gone(int id)
{
	__atomic_store_n(&vid, -1, __ATOMIC_RELEASE);
}

static void core_queue(struct vqueue *q, struct peer_queue *front)
{
	struct viola_ring_config cfg;

	memset(q, 0, sizeof(*q));
	q->in_flight = calloc(RING, sizeof(bool));
	q->record = calloc(RING, sizeof(*q->record));
	must(q->in_flight && q->record, "memory");
	cfg = model_driver_config(&front->d, false, q->in_flight);
	cfg.record = q->record;
	must(!viola_ring_init(&q->ring, &cfg), "the ring");
	viola_ring_disable_kick(&q->ring);
	rte_spinlock_init(&q->lock);
}

static const struct rte_vhost_device_ops device_ops = {
	.new_device = device_ready,
	.destroy_device = device_gone,
};

static void rings_start(const struct ring_kind *kind)
{
	u64 features = BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES) |
		       kind->features;
	static char path[64];
	unsigned int i;

	snprintf(path, sizeof(path), "/tmp/bench-dpdk-ring.%d", (int)getpid());
	unlink(path);
	must(!rte_vhost_driver_register(path, 0) &&
	     !rte_vhost_driver_callback_register(path, &device_ops) &&
	     !rte_vhost_driver_start(path), "the library's socket");
	peer_init(&peer, path, features, 2, RING);
	/* The second pair is not the library's. */
	peer.nqueues = 2;
	must(peer_start(&peer, BIT(PROTOCOL_REPLY_ACK), 5000), "the library's session");
	peer.nqueues = 4;
	while (__atomic_load_n(&vid, __ATOMIC_ACQUIRE) < 0)
		usleep(1000);
	session.features = features;
	session.hdr_len = HDR;
	session.mem = peer.guest.mem;
	core_queue(&receiving, &peer.queue[2]);
	core_queue(&sending, &peer.queue[3]);
	for (i = 0; i < 4; i++)
		model_driver_no_call(&peer.queue[i].d);
	rte_vhost_enable_guest_notification(vid, 0, 0);
	rte_vhost_enable_guest_notification(vid, 1, 0);
}

static void rings_stop(void)
{
	free(receiving.in_flight);
	free(receiving.record);
	free(sending.in_flight);
	free(sending.record);
	peer_disconnect(&peer);
	while (__atomic_load_n(&vid, __ATOMIC_ACQUIRE) >= 0)
		usleep(1000);
	rte_vhost_driver_unregister(peer.path);
	unlink(peer.path);
	peer_free(&peer);
}

static int by_value(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void times_print(const char *name, u64 *cycles)
{
	double unit = 1e9 / (double)rte_get_tsc_hz() / ROUND;

	qsort(cycles, ROUNDS, sizeof(*cycles), by_value);
	printf(",\"%s\":{\"p25\":%.3f,\"median\":%.3f,\"p75\":%.3f}", name,
	       (double)cycles[ROUNDS / 4] * unit, (double)cycles[ROUNDS / 2] * unit,
	       (double)cycles[ROUNDS - ROUNDS / 4] * unit);
}

static void case_run(const struct ring_kind *kind, const struct operation *op, u32 len)
{
	static u64 library[ROUNDS], core[ROUNDS];
	unsigned int i;

	for (i = 0; i < WARM; i++) {
		round_run(op, false, len);
		round_run(op, true, len);
	}
	for (i = 0; i < ROUNDS; i++) {
		library[i] = round_run(op, false, len);
		core[i] = round_run(op, true, len);
	}
	printf("{\"ring\":\"%s\",\"operation\":\"%s\",\"size\":%u", kind->name, op->name, len + 4);
	times_print("library", library);
	times_print("core", core);
	puts("}");
	fflush(stdout);
}

static void usage(void)
{
	fputs("Usage: bench-dpdk-ring CPU [--no-huge] [--case RING OPERATION SIZE library|core ROUNDS]\n"
	      "  CPU       where it measures; the library's thread runs on others\n"
	      "  --case    that alone, and how many descriptors it was; SIZE with FCS\n",
	      stderr);
	exit(2);
}

/* One side of one case, and how many descriptors that was. */
static void case_alone(char **word)
{
	const struct ring_kind *kind = NULL;
	const struct operation *op = NULL;
	unsigned int i, size, rounds;
	bool core = !strcmp(word[3], "core");

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, word[0]))
			kind = &kinds[i];
	for (i = 0; i < ARRAY_SIZE(operations); i++)
		if (!strcmp(operations[i].name, word[1]))
			op = &operations[i];
	if (!kind || !op || !number_parse(word[2], 64, 1518, &size) ||
	    (!core && strcmp(word[3], "library")) || !number_parse(word[4], 1, 1000000, &rounds))
		usage();
	rings_start(kind);
	for (i = 0; i < rounds; i++)
		round_run(op, core, size - 4);
	rings_stop();
	printf("%u\n", rounds * ROUND);
}

int main(int argc, char **argv)
{
	char *args[] = { argv[0], (char *)"-l", argv[1], (char *)"--no-pci",
			 (char *)"--no-telemetry", (char *)"--log-level=error",
			 (char *)"--in-memory", (char *)"-m", (char *)"64" };
	unsigned int k, o, s;
	int at = 2;

	if (argc < 2 || argv[1][0] == '-')
		usage();
	if (argc > at && !strcmp(argv[at], "--no-huge")) {
		args[6] = argv[at];
		at++;
	}
	if (argc != at && (argc != at + 6 || strcmp(argv[at], "--case")))
		usage();
	must(rte_eal_init(ARRAY_SIZE(args), args) >= 0, "EAL");
	pool = rte_pktmbuf_pool_create("frames", POOL, CACHE, 0, 2048 + RTE_PKTMBUF_HEADROOM,
				       SOCKET_ID_ANY);
	must(pool, "mbufs");
	if (argc > at) {
		case_alone(argv + at + 1);
	} else {
		for (k = 0; k < ARRAY_SIZE(kinds); k++) {
			rings_start(&kinds[k]);
			for (o = 0; o < ARRAY_SIZE(operations); o++)
				for (s = 0; s < ARRAY_SIZE(sizes); s++)
					case_run(&kinds[k], &operations[o], sizes[s]);
			rings_stop();
		}
	}
	rte_eal_cleanup();
	return 0;
}
