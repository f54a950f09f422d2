// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/forward.h"

#include "dpdk-backend/fdb.h"

const struct forward_mode *forward;
u32 forward_source_len = 60;

static void forward_all(struct lcore *lc, struct port *to, struct frame *f, unsigned int n,
			unsigned int queue)
{
	struct frame *list[FRAME_BURST];
	unsigned int i;

	for (i = 0; i < n; i++)
		list[i] = &f[i];
	to->ops->output(lc, to, list, n, queue, true);
}

static void reflect_input(struct lcore *lc, struct port *from, struct frame *f, unsigned int n,
			  unsigned int queue)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		frame_swap(&f[i]);
	forward_all(lc, from, f, n, queue);
}

static void patch_input(struct lcore *lc, struct port *from, struct frame *f, unsigned int n,
			unsigned int queue)
{
	struct port *peer = READ_ONCE(from->peer);

	if (peer)
		forward_all(lc, peer, f, n, queue);
}

static void sink_input(struct lcore *lc, struct port *from, struct frame *f, unsigned int n,
		       unsigned int queue)
{
}

/* Frames to the broadcast address that say, in order, how many were before. */
static void source_generate(struct lcore *lc, struct port *to)
{
	static const u8 blank[2048];
	u32 tail = forward_source_len - FRAME_HEAD;
	struct frame *list[FRAME_BURST];
	unsigned int i;

	for (i = 0; i < FRAME_BURST; i++) {
		struct frame *f = &lc->frame[i];
		__le32 number = cpu_to_le32(lc->flood + i);

		f->seg = &lc->seg[4 * i + 2];
		f->seg[0] = (struct viola_seg){ f->head, FRAME_HEAD };
		f->seg[1] = (struct viola_seg){ (void *)(uintptr_t)blank, tail };
		f->nseg = tail ? 2 : 1;
		f->len = forward_source_len;
		f->mbuf = NULL;
		memset(&f->offload, 0, sizeof(f->offload));
		memset(f->head, 0xff, 6);
		memcpy(f->head + 6, "\x02vio\0", 5);
		f->head[11] = (u8)to->index;
		/* EtherType for local experiments, IEEE 802 */
		f->head[12] = 0x88;
		f->head[13] = 0xb5;
		memcpy(f->head + 14, &number, 4);
		list[i] = f;
	}
	lc->flood += FRAME_BURST;
	to->ops->output(lc, to, list, FRAME_BURST, 0, true);
}

static bool switch_allowed(const struct port *from, const struct port *to)
{
	return from != to && !(from->isolated && to->isolated);
}

static void switch_flood(struct lcore *lc, struct port *from, struct frame **list, unsigned int n,
			 unsigned int queue)
{
	unsigned int i;

	for (i = 0; i < port_count; i++)
		if (switch_allowed(from, &ports[i]) && ports[i].ops->up(&ports[i]))
			ports[i].ops->output(lc, &ports[i], list, n, queue, false);
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
	u64 left = n == 64 ? ~0ull : (1ull << n) - 1;
	unsigned int i;

	for (i = 0; i < n; i++) {
		u16 vlan = frame_vlan(&f[i]);

		/* Most bursts are of one flow: look once. */
		if (i && vlan == frame_vlan(&f[i - 1]) && !memcmp(f[i].head, f[i - 1].head, 12)) {
			to[i] = to[i - 1];
			continue;
		}
		fdb_learn(f[i].head + 6, vlan, from->index, lc->now);
		to[i] = f[i].head[0] & 1 ? FDB_UNKNOWN : fdb_find(f[i].head, vlan, lc->now);
	}
	while (left) {
		unsigned int first = (unsigned int)__builtin_ctzll(left), count = 0;
		int port = to[first];

		for (i = first; i < n; i++) {
			if (left >> i & 1 && to[i] == port) {
				list[count++] = &f[i];
				left &= ~(1ull << i);
			}
		}
		if (port == FDB_UNKNOWN)
			switch_flood(lc, from, list, count, queue);
		else if (switch_allowed(from, &ports[port]))
			ports[port].ops->output(lc, &ports[port], list, count, queue, true);
	}
}

static const struct forward_mode modes[] = {
	{ .name = "reflect", .input = reflect_input },
	{ .name = "patch", .input = patch_input },
	{ .name = "switch", .input = switch_input },
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
