// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/forward/filter.h"

#include <linux/virtio_net.h>
#include <rte_cycles.h>

#define TCP_MIN 20u

void filter_update(struct port *p)
{
	WRITE_ONCE(p->filter_in, p->mtu || READ_ONCE(p->limit[LIMIT_FROM].on));
	WRITE_ONCE(p->filter_out, p->mtu || READ_ONCE(p->limit[LIMIT_TO].on));
}

/* Whether @f, or a segment of it, is longer than @mtu allows; no MTU is 0. */
static bool frame_exceeds(const struct frame *f, u32 mtu)
{
	const struct frame_offload *o = &f->offload;
	u32 most = frame_l2_len(f) + mtu;
	u32 header = o->csum_start;

	if (!mtu || f->len <= most)
		return false;
	if (!o->gso_type)
		return true;
	/* A datagram is cut by IP, in front of the UDP header. */
	if ((o->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) != VIRTIO_NET_HDR_GSO_UDP)
		header += TCP_MIN;
	return header + o->gso_size > most;
}

/* The limit @which of @p for the length of a burst, or NULL if there is none. */
static struct rate *limit_begin(struct port *p, enum port_limit which)
{
	struct rate *r = &p->limit[which];

	if (!READ_ONCE(r->on))
		return NULL;
	rate_begin(r, rte_get_tsc_cycles(), rte_get_tsc_hz());
	return r;
}

static bool limit_pass(struct rate *r, const struct frame *f)
{
	return !r || rate_pass(r, frame_count(f), f->len);
}

static void limit_end(struct rate *r)
{
	if (r)
		rate_end(r);
}

unsigned int filter_input(struct lcore *lc, struct port *from, struct frame *f, unsigned int n)
{
	struct counters *c = port_counters(lc, from);
	struct rate *r = limit_begin(from, LIMIT_FROM);
	unsigned int i, left = 0;

	for (i = 0; i < n; i++) {
		if (frame_exceeds(&f[i], from->mtu)) {
			c->rx_mtu++;
		} else if (!limit_pass(r, &f[i])) {
			c->rx_limited++;
		} else {
			if (left != i) {
				/* Trade places: each mbuf stays with its frame. */
				struct frame dropped = f[left];

				f[left] = f[i];
				f[i] = dropped;
			}
			left++;
		}
	}
	limit_end(r);
	return left;
}

unsigned int filter_output(struct lcore *lc, struct port *to, struct frame *const *f,
			   unsigned int n, struct frame **out)
{
	struct counters *c = port_counters(lc, to);
	struct rate *r = limit_begin(to, LIMIT_TO);
	unsigned int i, left = 0;

	for (i = 0; i < n; i++) {
		if (frame_exceeds(f[i], to->mtu))
			c->tx_mtu++;
		else if (!limit_pass(r, f[i]))
			c->tx_limited++;
		else
			out[left++] = f[i];
	}
	limit_end(r);
	return left;
}

unsigned int filter_allowance(struct port *to, unsigned int n, u32 len)
{
	struct rate *r = limit_begin(to, LIMIT_TO);
	unsigned int i;

	if (!r)
		return n;
	for (i = 0; i < n && rate_pass(r, 1, len); i++)
		;
	rate_end(r);
	return i;
}

unsigned int filter_flood(struct lcore *lc, struct port *from, struct frame **f, unsigned int n)
{
	struct rate *r = limit_begin(from, LIMIT_FLOOD);
	unsigned int i, left = 0;

	if (!r)
		return n;
	for (i = 0; i < n; i++)
		if (limit_pass(r, f[i]))
			f[left++] = f[i];
	rate_end(r);
	port_counters(lc, from)->rx_storm += n - left;
	return left;
}
