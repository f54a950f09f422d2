// SPDX-License-Identifier: GPL-2.0
#include "tests/bench/dpdk/lean.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <rte_cycles.h>
#include <rte_vhost.h>

#include "tests/dpdk/peer.h"

#define BIT(n) (1ull << (n))
#define RING PEER_NUM_MAX
#define HDR 12u /* bytes before a frame, of VIRTIO_F_VERSION_1 */
#define IN_FLIGHT 192u /* frames per port */
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
	u64 buffers; /* guest address of entry 0's; BUFFER bytes each */
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
	unsigned int ports;
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
		u16 at = (u16)(r->avail + i) % RING;

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
		u16 at = (u16)(r->used + i) % RING;
		const __le32 *elem = (const __le32 *)(used + 4 + 8 * at);

		if (unlikely(le32_to_cpu(READ_ONCE(elem[0])) != at))
			return 0;
	}
	r->used = (u16)(r->used + n);
	return n;
}

/* --- packed --------------------------------------------------------------------- */

/* The value of a wrap counter after @entries of them. */
static bool wrap_of(u16 entries)
{
	return !(entries / RING % 2);
}

static void packed_post(struct lean_ring *r, unsigned int n)
{
	struct vring_packed_desc *desc = r->d->desc;
	unsigned int i;

	for (i = 0; i < n; i++, r->avail++) {
		u16 at = r->avail % RING;
		u16 flags = wrap_of(r->avail) ? VIOLA_PACKED_AVAIL : VIOLA_PACKED_USED;

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
		u16 at = r->used % RING, run = 1;
		u16 flags = le16_to_cpu(viola_load_acquire(&desc[at].flags));
		bool wrap = wrap_of(r->used);

		if (!!(flags & VIOLA_PACKED_AVAIL) != wrap || !!(flags & VIOLA_PACKED_USED) != wrap)
			break;
		/* 2.8.12: one entry may speak for all up to the one that it names. */
		if (r->in_order && !r->write)
			run = (u16)(le16_to_cpu(READ_ONCE(desc[at].id)) - at) % RING + 1;
		r->used = (u16)(r->used + run);
		n += run;
	}
	return n;
}

/* --- a port ----------------------------------------------------------------------- */

/* Takes what arrived, up to a burst, and gives the buffers back to the ring. */
static unsigned int port_take(struct lean_port *p)
{
	unsigned int n = p->done(&p->rx, LOAD_BURST);

	if (n)
		p->post(&p->rx, n);
	return n;
}

/* Takes what arrived, and sends as much. */
static unsigned int port_turn(struct lean_port *p)
{
	struct lean_port *to = p->next;
	unsigned int n = port_take(p), room, send;

	to->owed += n;
	send = RTE_MIN(to->owed, (unsigned int)LOAD_BURST);
	room = RING - (u16)(to->tx.avail - to->tx.used);
	/* Looked for when it is needed, as drivers do. */
	if (room < send) {
		to->done(&to->tx, RING);
		room = RING - (u16)(to->tx.avail - to->tx.used);
		send = RTE_MIN(send, room);
	}
	if (send)
		to->post(&to->tx, send);
	to->owed -= send;
	return n;
}

static bool port_start(struct lean_port *p, const struct load *load, const char *socket,
		       unsigned int index)
{
	bool packed = strstr(load->devargs, "packed_vq=1");
	bool in_order = strstr(load->devargs, "in_order=1");
	u64 features = BIT(VIRTIO_F_VERSION_1) | BIT(VHOST_USER_F_PROTOCOL_FEATURES);
	struct peer_queue *q;
	unsigned int i;

	if (packed)
		features |= BIT(VIRTIO_F_RING_PACKED);
	if (in_order)
		features |= BIT(VIRTIO_F_IN_ORDER);
	peer_huge = load->huge;
	peer_init(&p->peer, socket, features, 1, RING);
	q = p->peer.queue;
	p->rx = (struct lean_ring){ &q[0].d, q[0].buffers, BUFFER, VRING_DESC_F_WRITE,
				    in_order };
	p->tx = (struct lean_ring){ &q[1].d, q[1].buffers, HDR + load->len, 0, in_order };
	p->post = packed ? packed_post : split_post;
	p->done = packed ? packed_done : split_done;
	for (i = 0; i < RING; i++)
		frame_write((uint8_t *)peer_at(&p->peer, p->tx.buffers + i * BUFFER) + HDR,
			    load->len, index, 0);
	model_driver_no_call(&q[0].d);
	model_driver_no_call(&q[1].d);
	if (!peer_start(&p->peer, BIT(PROTOCOL_REPLY_ACK), PATIENCE_MS)) {
		fprintf(stderr, "load: %s: no session; see what the back end says\n", socket);
		return false;
	}
	p->post(&p->rx, RING);
	return true;
}

struct lean *lean_start(const struct load *load, const struct contender *c)
{
	struct lean *lean = calloc(1, sizeof(*lean));
	unsigned int i;

	for (i = 0; lean && i < c->ports; i++) {
		lean->port[i].next = &lean->port[c->ports - 1 - i];
		lean->ports++;
		if (!port_start(&lean->port[i], load, c->socket[i], i)) {
			lean_stop(lean);
			return NULL;
		}
	}
	return lean;
}

void lean_stop(struct lean *lean)
{
	unsigned int i;

	for (i = 0; i < lean->ports; i++)
		peer_free(&lean->port[i].peer);
	free(lean);
}

/* --- a contender -------------------------------------------------------------------- */

void lean_run(struct load *load, struct contender *c, uint64_t cycles, struct load_sample *s)
{
	struct lean *lean = c->lean;
	uint64_t begin, now;
	unsigned int i, n;

	if (!c->in_flight) {
		for (i = 0; i < lean->ports; i++)
			lean->port[i].owed = IN_FLIGHT;
		c->in_flight = lean->ports * IN_FLIGHT;
	}
	begin = rte_rdtsc();
	do {
		for (i = 0; i < lean->ports; i++) {
			n = port_turn(&lean->port[i]);
			s->polls++;
			s->idle += !n;
			s->received += n;
			s->sent += n;
		}
		now = rte_rdtsc();
	} while (now - begin < cycles);
	s->cycles += now - begin;
}

uint64_t lean_drain(struct load *load, struct contender *c, unsigned int quiet_us)
{
	uint64_t quiet = load->hz * quiet_us / 1000000, last = rte_rdtsc(), count = 0;
	struct lean *lean = c->lean;
	unsigned int i, n;

	for (i = 0; i < lean->ports; i++) {
		count += lean->port[i].owed;
		lean->port[i].owed = 0;
	}
	while (rte_rdtsc() - last < quiet) {
		for (i = 0; i < lean->ports; i++) {
			n = port_take(&lean->port[i]);
			if (!n)
				continue;
			count += n;
			last = rte_rdtsc();
		}
	}
	c->in_flight = 0;
	return count;
}

bool lean_prime(struct load *load, struct contender *c, unsigned int ms)
{
	uint64_t end = rte_rdtsc() + load->hz / 1000 * ms;
	struct lean *lean = c->lean;
	unsigned int i = 0;

	while (i < lean->ports && rte_rdtsc() < end) {
		struct lean_port *p = &lean->port[i];

		p->done(&p->tx, RING);
		if ((u16)(p->tx.avail - p->tx.used) < RING)
			p->post(&p->tx, 1);
		/* Others need the CPU, to make ready what is waited for. */
		usleep(5000);
		if (lean_drain(load, c, 100))
			i++;
	}
	lean_drain(load, c, 5000);
	return i == lean->ports;
}
