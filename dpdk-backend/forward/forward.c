// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/forward/forward.h"

#include "dpdk-backend/forward/fdb.h"

const struct forward_mode *forward;
u32 forward_source_len = 60;

_Static_assert(PORT_MAX <= FDB_PORTS, "the table knows all ports");

/* An address for frames made here, as if by @p: locally administered. */
static void port_address(const struct port *p, u8 *mac)
{
	static const u8 prefix[5] = { 0x02, 'v', 'i', 'o', 0 };

	memcpy(mac, prefix, sizeof(prefix));
	mac[5] = (u8)p->index;
}

static void forward_all(struct lcore *lc, struct port *to, struct frame *f, unsigned int n,
			unsigned int queue)
{
	struct frame *list[FRAME_BURST];
	unsigned int i;

	for (i = 0; i < n; i++)
		list[i] = &f[i];
	port_output(lc, to, list, n, queue, true);
}

static void reflect_input(struct lcore *lc, struct port *from, struct frame *f, unsigned int n,
			  unsigned int queue)
{
	unsigned int i;
	u8 own[6];

	port_address(from, own);
	for (i = 0; i < n; i++)
		frame_return(&f[i], own);
	forward_all(lc, from, f, n, queue);
}

static void patch_input(struct lcore *lc, struct port *from, struct frame *f, unsigned int n,
			unsigned int queue)
{
	struct port *peer = READ_ONCE(from->peer);

	if (likely(peer))
		forward_all(lc, peer, f, n, queue);
	else
		port_counters(lc, from)->rx_filtered += n;
}

static void sink_input(struct lcore *lc, struct port *from, struct frame *f, unsigned int n,
		       unsigned int queue)
{
}

/* What an lcore had for a port and could not deliver. */
static u64 source_dropped(const struct counters *c)
{
	return c->tx_no_buffer + c->tx_too_long + c->tx_down + c->tx_offload;
}

/* Frames to the broadcast address that say how many were made for @to before. */
static unsigned int source_generate(struct lcore *lc, struct port *to)
{
	static const u8 blank[2048];
	u32 tail = forward_source_len - FRAME_HEAD;
	struct frame *list[FRAME_BURST];
	struct counters *c = port_counters(lc, to);
	u64 before = source_dropped(c);
	unsigned int i, n = filter_allowance(to, FRAME_BURST, forward_source_len);

	for (i = 0; i < n; i++) {
		struct frame *f = &lc->frame[i];
		__le32 number = cpu_to_le32(lc->source[to->index] + i);

		f->seg = &lc->seg[4 * i + 2];
		f->seg[0] = (struct viola_seg){ f->head, FRAME_HEAD };
		f->seg[1] = (struct viola_seg){ (void *)(uintptr_t)blank, tail };
		f->nseg = tail ? 2 : 1;
		f->len = forward_source_len;
		f->mbuf = NULL;
		memset(&f->offload, 0, sizeof(f->offload));
		memset(f->head, 0xff, 6);
		port_address(to, f->head + 6);
		/* EtherType for local experiments, IEEE 802 */
		f->head[12] = 0x88;
		f->head[13] = 0xb5;
		memcpy(f->head + 14, &number, 4);
		list[i] = f;
	}
	lc->source[to->index] += n;
	/* One flow: in one queue. The rate is paid already. */
	lc->from_queues = 1;
	if (n)
		to->ops->output(lc, to, list, n, 0, true);
	return n - (unsigned int)(source_dropped(c) - before);
}

/* --- switch --------------------------------------------------------------------- */

#define FDB_NOWHERE (-2) /* of a frame that the switch keeps */

static bool switch_allowed(const struct port *from, const struct port *to)
{
	return from != to && !(from->isolated && to->isolated);
}

/* Addresses between neighbours that no bridge passes on (IEEE 802.1Q, 8.6.3). */
static bool switch_reserved(const u8 *mac)
{
	static const u8 prefix[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };

	return !memcmp(mac, prefix, sizeof(prefix)) && mac[5] < 16;
}

/* Where @f goes: a port, FDB_UNKNOWN for all, or FDB_NOWHERE. */
static int switch_port(struct lcore *lc, const struct port *from, const struct frame *f, u16 vlan)
{
	struct counters *c = port_counters(lc, from);

	switch (fdb_learn(f->head + 6, vlan, from->index, lc->now)) {
	case FDB_KNOWN:
	case FDB_NEW:
		break;
	case FDB_MOVED:
		c->addr_moved++;
		break;
	case FDB_REFUSED:
	case FDB_HELD:
		c->addr_refused++;
		break;
	}
	if (likely(!(f->head[0] & 1)))
		return fdb_find(f->head, vlan, lc->now);
	return switch_reserved(f->head) ? FDB_NOWHERE : FDB_UNKNOWN;
}

static void switch_flood(struct lcore *lc, struct port *from, struct frame **list, unsigned int n,
			 unsigned int queue)
{
	unsigned int i;

	n = filter_flood(lc, from, list, n);
	if (!n)
		return;
	for (i = 0; i < port_count; i++)
		if (switch_allowed(from, &ports[i]) && ports[i].ops->up(&ports[i]))
			port_output(lc, &ports[i], list, n, queue, false);
}

static void switch_output(struct lcore *lc, struct port *from, struct frame **list,
			  unsigned int n, unsigned int queue, int to)
{
	if (unlikely(to == FDB_UNKNOWN))
		switch_flood(lc, from, list, n, queue);
	else if (likely(to != FDB_NOWHERE && switch_allowed(from, &ports[to])))
		port_output(lc, &ports[to], list, n, queue, true);
	else
		port_counters(lc, from)->rx_filtered += n;
}

/*
 * How many of the @n frames at @f are alike in addresses, and in VLAN, by the
 * bytes up to the tag: at least 1. Most bursts are of one flow.
 */
static unsigned int switch_run(const struct frame *f, unsigned int n)
{
	unsigned int i = 1;

	if (likely(f->len >= FRAME_HEAD))
		while (i < n && f[i].len >= FRAME_HEAD && !memcmp(f[i].head, f->head, 16))
			i++;
	return i;
}

/*
 * Frames are gathered by where they go. Between two addresses all frames have
 * the same destination and keep their order, except that the first ones, sent
 * before the address was known, are flooded.
 */
static void switch_input(struct lcore *lc, struct port *from, struct frame *f, unsigned int n,
			 unsigned int queue)
{
	struct frame *list[FRAME_BURST];
	int to[FRAME_BURST];
	u64 left = (1ull << n) - 1;
	unsigned int i, j, k = 0;
	int port = FDB_NOWHERE;

	for (i = 0; i < n; i += k) {
		port = switch_port(lc, from, &f[i], frame_vlan(&f[i]));
		k = switch_run(&f[i], n - i);
		for (j = i; j < i + k; j++) {
			list[j] = &f[j];
			to[j] = port;
		}
	}
	if (likely(k == n)) {
		switch_output(lc, from, list, n, queue, port);
		return;
	}
	while (left) {
		unsigned int first = (unsigned int)__builtin_ctzll(left), count = 0;

		for (i = first; i < n; i++) {
			if (to[i] == to[first]) {
				list[count++] = &f[i];
				left &= ~(1ull << i);
			}
		}
		/* NOLINTNEXTLINE(clang-analyzer-core*): each frame was of a run */
		switch_output(lc, from, list, count, queue, to[first]);
	}
}

_Static_assert(FRAME_BURST < 64, "a burst is a mask");

static const struct forward_mode modes[] = {
	{ .name = "reflect", .input = reflect_input },
	{ .name = "patch", .input = patch_input, .passive = true },
	{ .name = "switch", .input = switch_input, .passive = true },
	{ .name = "source", .input = sink_input, .generate = source_generate },
	{ .name = "sink", .input = sink_input },
};

const struct forward_mode *forward_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	return NULL;
}
