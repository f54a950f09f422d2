// SPDX-License-Identifier: GPL-2.0
#include "tests/dpdk/peer-traffic.h"

#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#define BIT(n) (1ull << (n))
#define HDR 12u
#define MAGIC 0x56504545u
#define HEAD (14u + sizeof(struct stamp))

struct stamp {
	u32 magic, len;
	u64 seq;
};

static const u8 mac_to[6] = { 2, 0, 0, 0, 0, 1 }, mac_from[6] = { 2, 0, 0, 0, 0, 2 };

void traffic_init(struct traffic *t, struct peer *p, unsigned int pair, u64 seed)
{
	memset(t, 0, sizeof(*t));
	t->peer = p;
	t->pair = pair;
	t->rand.state = seed;
	t->window = 32;
	t->refill = true;
	t->indirect = p->features & BIT(VIRTIO_RING_F_INDIRECT_DESC);
	t->mergeable = p->features & BIT(VIRTIO_NET_F_MRG_RXBUF);
}

static u32 frame_len(u64 seq)
{
	return 60 + (u32)(seq * 2654435761u % 1455);
}

/* The frame as it is sent, or with its addresses exchanged, as it comes back. */
static u32 frame_make(u8 *to, u64 seq, bool back)
{
	struct stamp s = { MAGIC, frame_len(seq), seq };

	memcpy(to, back ? mac_from : mac_to, 6);
	memcpy(to + 6, back ? mac_to : mac_from, 6);
	to[12] = 0x88;
	to[13] = 0xb5;
	memcpy(to + 14, &s, sizeof(s));
	model_fill(to + HEAD, s.len - HEAD, seq);
	return s.len;
}

/* Makes a buffer of @len bytes at slot @slot available, in up to three pieces. */
static bool buffer_add(struct traffic *t, struct peer_queue *q, u16 slot, u32 len, bool in)
{
	u64 gpa = q->buffers + slot * (u64)PEER_BUFFER;
	u64 table = PEER_RING_GPA + q->index * PEER_QUEUE_STRIDE + PEER_TABLES + slot * 256ull;
	struct model_piece piece[3];
	u32 n = 1 + model_rand_below(&t->rand, 3), i, at = 0;

	if (n > 1 && q->d.free_count < n)
		n = 1;
	for (i = 0; i < n; i++) {
		/* The header may be cut, too. */
		u32 part = i + 1 == n ? len - at : 1 + model_rand_below(&t->rand, len / n);

		piece[i] = (struct model_piece){ gpa + at, part, in };
		at += part;
	}
	if (!t->indirect || model_rand_below(&t->rand, 2))
		table = 0;
	return model_driver_add(&q->d, piece, n, table, (u64)slot << 32 | len) >= 0;
}

static void receive_fill(struct traffic *t, struct peer_queue *q)
{
	bool added = false;

	while (q->nfree) {
		u16 slot = q->free[q->nfree - 1];
		u32 len = t->mergeable ? 200 + model_rand_below(&t->rand, PEER_BUFFER - 200) :
					 PEER_BUFFER;

		if (!buffer_add(t, q, slot, len, true))
			break;
		q->nfree--;
		added = true;
	}
	if (added) {
		model_driver_expose(&q->d);
		peer_kick(q);
	}
}

static void send_more(struct traffic *t, struct peer_queue *q)
{
	bool added = false;
	u32 burst = 1 + model_rand_below(&t->rand, 16);

	while (q->nfree && burst-- && t->next - t->expected < t->window) {
		u16 slot = q->free[q->nfree - 1];
		u8 *at = peer_at(t->peer, q->buffers + slot * (u64)PEER_BUFFER);
		u32 len;

		memset(at, 0, HDR);
		len = HDR + frame_make(at + HDR, t->next, false);
		if (!buffer_add(t, q, slot, len, false))
			break;
		q->nfree--;
		t->next++;
		added = true;
	}
	if (added) {
		model_driver_expose(&q->d);
		peer_kick(q);
	}
}

static void frame_take(struct traffic *t)
{
	u8 want[2048];
	struct stamp s;

	if (t->len < HDR + HEAD) {
		t->corrupt++;
		return;
	}
	memcpy(&s, t->frame + HDR + 14, sizeof(s));
	if (s.magic != MAGIC || s.len != frame_len(s.seq) || s.seq >= t->next ||
	    t->len != HDR + s.len || frame_make(want, s.seq, true) != s.len ||
	    memcmp(want, t->frame + HDR, s.len)) {
		t->corrupt++;
		return;
	}
	t->received++;
	if (s.seq < t->expected) {
		t->repeated++;
		return;
	}
	t->lost += s.seq - t->expected;
	t->expected = s.seq + 1;
}

static void buffer_take(struct traffic *t, struct peer_queue *q, u64 cookie, u32 written)
{
	u32 len = (u32)cookie;
	const u8 *at = peer_at(t->peer, q->buffers + (cookie >> 32) * PEER_BUFFER);

	if (written > len || t->len + written > sizeof(t->frame)) {
		t->fault = "more was written than there is room for";
		return;
	}
	/* A skipped one: given back empty. */
	if (!written)
		return;
	if (!t->missing) {
		u16 n = 1;

		t->len = 0;
		if (t->mergeable && written >= HDR)
			memcpy(&n, at + 10, 2);
		t->missing = n ? n : 1;
	}
	memcpy(t->frame + t->len, at, written);
	t->len += written;
	if (!--t->missing)
		frame_take(t);
}

static u32 reclaim(struct traffic *t, struct peer_queue *q, bool in)
{
	u32 n = 0, written;
	u16 id;
	int ret;

	while ((ret = model_driver_reclaim(&q->d, &id, &written)) == 1) {
		u64 cookie = q->d.record[id].cookie;

		if (in)
			buffer_take(t, q, cookie, written);
		q->free[q->nfree++] = (u16)(cookie >> 32);
		n++;
	}
	if (ret < 0)
		t->fault = q->d.fault;
	return n;
}

void traffic_turn(struct traffic *t, bool send)
{
	struct peer_queue *rx = &t->peer->queue[2 * t->pair], *tx = rx + 1;

	if (t->fault)
		return;
	reclaim(t, tx, false);
	reclaim(t, rx, true);
	if (t->refill)
		receive_fill(t, rx);
	if (send)
		send_more(t, tx);
}

/* Lets the other side have the CPU: there may be one only. */
static void rest(unsigned int *idle, bool moved)
{
	*idle = moved ? 0 : *idle + 1;
	if (*idle > 20)
		usleep(50);
}

bool traffic_run(struct traffic *t, u64 frames, unsigned int ms)
{
	u64 last = peer_now_ms(), goal = t->received + frames, seen = t->received;
	unsigned int idle = 0;

	while (t->received < goal && !t->fault) {
		traffic_turn(t, true);
		rest(&idle, seen != t->received);
		if (seen != t->received)
			last = peer_now_ms();
		else if (peer_now_ms() > last + ms)
			return false;
		seen = t->received;
	}
	return !t->fault;
}

bool traffic_drain(struct traffic *t, unsigned int ms)
{
	struct peer_queue *rx = &t->peer->queue[2 * t->pair], *tx = rx + 1;
	u64 start = peer_now_ms();
	unsigned int idle = 0;

	while ((t->expected < t->next || tx->d.fifo_count) && !t->fault) {
		u64 seen = t->received;

		traffic_turn(t, false);
		rest(&idle, seen != t->received);
		if (peer_now_ms() > start + ms)
			return false;
	}
	return !t->fault;
}

void traffic_forgive(struct traffic *t)
{
	traffic_drain(t, 100);
	t->lost += t->next - t->expected;
	t->expected = t->next;
}

bool traffic_settle(struct traffic *t, unsigned int ms)
{
	struct peer_queue *rx = &t->peer->queue[2 * t->pair], *tx = rx + 1;
	u64 start = peer_now_ms();
	u32 window = t->window;
	bool good;

	if (!traffic_drain(t, ms) || tx->d.fifo_count)
		return false;
	t->refill = false;
	t->window = 1;
	/* Frames of a size that fits any buffer, one for each. */
	while (rx->d.fifo_count && !t->fault && peer_now_ms() < start + ms) {
		while (frame_len(t->next) > 180)
			/* Not sent, and not missed. */
			t->next = ++t->expected;
		traffic_turn(t, true);
		traffic_drain(t, ms);
	}
	good = !rx->d.fifo_count && !t->fault;
	t->refill = true;
	t->window = window;
	return good;
}

bool traffic_clean(const struct traffic *t)
{
	return !t->lost && !t->repeated && !t->corrupt && !t->fault;
}
