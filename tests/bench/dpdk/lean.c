// SPDX-License-Identifier: GPL-2.0
/*
 * A virtio driver that does as little as one can: each entry of a ring has a buffer
 * of its own, the frames to send are made once, and those that arrive are looked at
 * only for the stamps of an open loop. What it leaves out is what a guest has to do;
 * what it shows is what a back end can, where DPDK's virtio_user is the bound.
 *
 * One queue pair per port; back ends that give buffers back in order. The kind of
 * ring is in @devargs.
 */
#include "tests/bench/dpdk/load.h"

#include <stdio.h>
#include <stdlib.h>

#include <linux/virtio_config.h>
#include <rte_cycles.h>
#include <rte_prefetch.h>
#include <rte_vhost.h>

#include "tests/dpdk/peer.h"

#define BIT(n) (1ull << (n))
#define HDR 12u /* bytes before a frame, of VIRTIO_F_VERSION_1 */
/* Where in a buffer a frame begins, as in mbufs: at a cache line, its header before it. */
#define FRAME_AT 64u
/*
 * Bytes of a buffer: an odd number of cache lines, as in a pool of mbufs. At
 * multiples of 2048 all buffers would compete for a few sets of each cache, and
 * copies from one to another would stall where their last 12 address bits agree.
 */
#define BUFFER 1984u
_Static_assert(BUFFER <= PEER_BUFFER, "they lie where the front end's do");
#define PATIENCE_MS 5000

/* One ring, and what its driver knows. */
struct lean_ring {
	struct model_driver *d; /* for where its parts are */
	u64 buffers; /* guest address of entry 0's header; BUFFER bytes each */
	u8 *frames; /* where its frame is here */
	u16 num; /* entries, a power of two */
	u32 len; /* bytes of each that are the device's */
	u16 write; /* VRING_DESC_F_WRITE: the device writes */
	bool in_order;
	u16 avail, used; /* split: indices; packed: numbers of entries since the start */
};

struct lean_port {
	struct peer peer;
	struct lean_ring rx, tx;
	struct lean_port *next; /* who sends for a frame that arrives here */
	unsigned int owed; /* frames to send */
	void (*post)(struct lean_ring *r, unsigned int n);
	unsigned int (*done)(struct lean_ring *r, unsigned int most);
};

struct lean {
	struct lean_port port[LOAD_PORTS];
};

/* --- split --------------------------------------------------------------------- */

/* Makes the next @n entries available. There is room. */
static void split_post(struct lean_ring *r, unsigned int n)
{
	struct vring_desc *desc = r->d->desc;
	__le16 *avail = r->d->driver;
	unsigned int i;

	for (i = 0; i < n; i++) {
		u16 at = (u16)(r->avail + i) & (r->num - 1);

		desc[at].addr = cpu_to_le64(r->buffers + at * (u64)BUFFER);
		desc[at].len = cpu_to_le32(r->len);
		desc[at].flags = cpu_to_le16(r->write);
		avail[2 + at] = cpu_to_le16(at);
	}
	r->avail = (u16)(r->avail + n);
	viola_store_release(&avail[1], cpu_to_le16(r->avail));
}

/* How many entries, up to @most, came back. In order: which ones is known. */
static unsigned int split_done(struct lean_ring *r, unsigned int most)
{
	const u8 *used = r->d->device;
	u16 idx = le16_to_cpu(viola_load_acquire((const __le16 *)(used + 2)));
	unsigned int n = RTE_MIN((unsigned int)(u16)(idx - r->used), most), i;

	/* What is written is read, as a driver needs the lengths. */
	for (i = 0; r->write && i < n; i++) {
		u16 at = (u16)(r->used + i) & (r->num - 1);
		const __le32 *elem = (const __le32 *)(used + 4 + 8 * at);

		if (unlikely(le32_to_cpu(READ_ONCE(elem[0])) != at))
			return 0;
	}
	r->used = (u16)(r->used + n);
	return n;
}

/* --- packed --------------------------------------------------------------------- */

/* The value of a wrap counter after @entries of them. */
static bool wrap_of(const struct lean_ring *r, u16 entries)
{
	return !(entries & r->num);
}

static void packed_post(struct lean_ring *r, unsigned int n)
{
	struct vring_packed_desc *desc = r->d->desc;
	unsigned int i;

	for (i = 0; i < n; i++, r->avail++) {
		u16 at = r->avail & (r->num - 1);
		u16 flags = wrap_of(r, r->avail) ? VIOLA_PACKED_AVAIL : VIOLA_PACKED_USED;

		desc[at].addr = cpu_to_le64(r->buffers + at * (u64)BUFFER);
		desc[at].len = cpu_to_le32(r->len);
		desc[at].id = cpu_to_le16(at);
		viola_store_release(&desc[at].flags, cpu_to_le16(flags | r->write));
	}
}

static unsigned int packed_done(struct lean_ring *r, unsigned int most)
{
	const struct vring_packed_desc *desc = r->d->desc;
	unsigned int n = 0;

	while (n < most && r->used != r->avail) {
		u16 at = r->used & (r->num - 1), run = 1;
		u16 flags = le16_to_cpu(viola_load_acquire(&desc[at].flags));
		bool wrap = wrap_of(r, r->used);

		if (!!(flags & VIOLA_PACKED_AVAIL) != wrap || !!(flags & VIOLA_PACKED_USED) != wrap)
			break;
		/* 2.8.12: one entry may speak for all up to the one that it names. */
		if (r->in_order && !r->write)
			run = (u16)(le16_to_cpu(READ_ONCE(desc[at].id)) - at) % r->num + 1;
		r->used = (u16)(r->used + run);
		n += run;
	}
	return n;
}

/* --- a port ----------------------------------------------------------------------- */

/* The frame in the buffer of entry number @entry. */
static u8 *ring_frame(const struct lean_ring *r, u16 entry)
{
	return r->frames + (entry & (r->num - 1)) * (size_t)BUFFER;
}

/*
 * Takes what arrived, up to a burst. Buffers go back to the ring by bursts, as from
 * other drivers: one by one they would write to the lines that the device is at.
 */
static unsigned int port_take(struct lean_port *p, struct load_stamp *stamp)
{
	struct lean_ring *r = &p->rx;
	u16 first = r->used;
	unsigned int n = p->done(r, LOAD_BURST), i, free;

	for (i = 0; stamp && i < n; i++)
		rte_prefetch0(ring_frame(r, (u16)(first + i)) + LOAD_MARK_AT);
	for (i = 0; stamp && i < n; i++)
		stamp_read(ring_frame(r, (u16)(first + i)), &stamp[i]);
	free = r->num - (u16)(r->avail - r->used);
	if (n && free >= LOAD_BURST)
		p->post(r, free);
	return n;
}

/*
 * How many of @n frames there is room for, LOAD_BURST at most. It is looked for when it
 * is needed, and no more of it, as drivers do: all that came back of a packed ring is
 * a cache miss for every four entries.
 */
static unsigned int port_room(struct lean_port *p, unsigned int n)
{
	struct lean_ring *r = &p->tx;

	if ((u32)r->num - (u16)(r->avail - r->used) < n)
		p->done(r, LOAD_BURST);
	return RTE_MIN(n, (u32)r->num - (u16)(r->avail - r->used));
}

/* Takes what arrived, and sends as much. */
static unsigned int port_turn(struct lean_port *p)
{
	struct lean_port *to = p->next;
	unsigned int n = port_take(p, NULL), send;

	to->owed += n;
	send = port_room(to, RTE_MIN(to->owed, (unsigned int)LOAD_BURST));
	if (send)
		to->post(&to->tx, send);
	to->owed -= send;
	return n;
}

static void ring_init(struct lean_port *p, struct lean_ring *r, unsigned int queue, u32 len,
		      u16 write)
{
	struct peer_queue *q = &p->peer.queue[queue];

	*r = (struct lean_ring){
		.d = &q->d,
		.buffers = q->buffers + FRAME_AT - HDR,
		.frames = (u8 *)peer_at(&p->peer, q->buffers) + FRAME_AT,
		.num = (u16)p->peer.num,
		.len = len,
		.write = write,
		.in_order = q->d.in_order,
	};
	model_driver_no_call(&q->d);
}

static bool port_start(struct lean_port *p, const struct load *load, const char *socket,
		       unsigned int index)
{
	bool packed = strstr(load->devargs, "packed_vq=1");
	u64 features = BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES);
	u16 i;

	if (packed)
		features |= BIT(VIRTIO_F_RING_PACKED);
	if (strstr(load->devargs, "in_order=1"))
		features |= BIT(VIRTIO_F_IN_ORDER);
	peer_huge = load->huge;
	peer_init(&p->peer, socket, features, 1, load->ring_size);
	ring_init(p, &p->rx, 0, BUFFER - FRAME_AT + HDR, VRING_DESC_F_WRITE);
	ring_init(p, &p->tx, 1, HDR + load->len, 0);
	p->post = packed ? packed_post : split_post;
	p->done = packed ? packed_done : split_done;
	for (i = 0; i < p->tx.num; i++)
		frame_write(ring_frame(&p->tx, i), load->len, index, 0);
	if (!peer_start(&p->peer, BIT(PROTOCOL_REPLY_ACK), PATIENCE_MS)) {
		fprintf(stderr, "load: %s: no session; see what the back end says\n", socket);
		return false;
	}
	p->post(&p->rx, p->rx.num);
	return true;
}

/* --- a contender -------------------------------------------------------------------- */

static void lean_stop(struct load *load, struct contender *c)
{
	unsigned int i;

	for (i = 0; i < c->queues; i++)
		peer_free(&c->lean->port[i].peer);
	free(c->lean);
	c->lean = NULL;
}

static bool lean_start(struct load *load, unsigned int index, uint16_t first)
{
	struct contender *c = &load->contender[index];
	unsigned int i;

	snprintf(c->rx_path, LOAD_PATH, "lean driver");
	snprintf(c->tx_path, LOAD_PATH, "%s", load->devargs);
	if (load->ring_size > PEER_NUM_MAX || (load->ring_size & (load->ring_size - 1))) {
		fprintf(stderr, "load: the lean driver has rings of a power of two up to %u\n",
			PEER_NUM_MAX);
		return false;
	}
	c->lean = calloc(1, sizeof(*c->lean));
	for (i = 0; c->lean && i < c->ports; i++) {
		c->lean->port[i].next = &c->lean->port[c->ports - 1 - i];
		c->queues++;
		if (!port_start(&c->lean->port[i], load, c->socket[i], i)) {
			lean_stop(load, c);
			return false;
		}
	}
	return c->lean;
}

static void lean_run(struct load *load, struct contender *c, uint64_t cycles,
		     struct load_sample *s)
{
	uint64_t begin, now;
	unsigned int i, n;

	if (!c->in_flight) {
		for (i = 0; i < c->queues; i++)
			c->lean->port[i].owed = load->in_flight;
		c->in_flight = c->queues * load->in_flight;
	}
	begin = rte_rdtsc();
	do {
		for (i = 0; i < c->queues; i++) {
			n = port_turn(&c->lean->port[i]);
			s->polls++;
			s->idle += !n;
			s->received += n;
			s->sent += n;
		}
		now = rte_rdtsc();
	} while (now - begin < cycles);
	s->cycles += now - begin;
}

static unsigned int lean_send(struct load *load, struct contender *c, unsigned int queue,
			      unsigned int n, const struct load_stamp *stamp)
{
	struct lean_port *p = &c->lean->port[queue];
	unsigned int i;

	n = port_room(p, n);
	for (i = 0; stamp && i < n; i++)
		stamp_write(ring_frame(&p->tx, (u16)(p->tx.avail + i)), &stamp[i]);
	if (n)
		p->post(&p->tx, n);
	return n;
}

static unsigned int lean_receive(struct load *load, struct contender *c, unsigned int queue,
				 struct load_stamp *stamp)
{
	return port_take(&c->lean->port[queue], stamp);
}

static uint64_t lean_drop(struct contender *c)
{
	uint64_t count = 0;
	unsigned int i;

	for (i = 0; i < c->queues; i++) {
		count += c->lean->port[i].owed;
		c->lean->port[i].owed = 0;
	}
	return count;
}

const struct load_driver lean_driver = {
	.start = lean_start,
	.stop = lean_stop,
	.run = lean_run,
	.drop = lean_drop,
	.send = lean_send,
	.receive = lean_receive,
};
