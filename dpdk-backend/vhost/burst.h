/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames between lcores and rings in bursts: the way that nearly every frame
 * goes, whose buffers are plain ones (viola/ring-burst.h) and large enough. What
 * is left over goes the general way, in vring.c.
 */
#ifndef VIOLA_DPDK_BURST_H
#define VIOLA_DPDK_BURST_H

#include <viola/ring-burst.h>

#include <linux/virtio_net.h>

#include "dpdk-backend/vhost/session.h"

#define COPY_INLINE 256u /* bytes; beyond that a call is cheap beside them */

/* Copies of constant size, which become one or two moves. */
static __rte_always_inline void copy_4(u8 *to, const u8 *from)
{
	memcpy(to, from, 4);
}

static __rte_always_inline void copy_8(u8 *to, const u8 *from)
{
	memcpy(to, from, 8);
}

static __rte_always_inline void copy_16(u8 *to, const u8 *from)
{
	memcpy(to, from, 16);
}

static __rte_always_inline void copy_32(u8 *to, const u8 *from)
{
	copy_16(to, from);
	copy_16(to + 16, from + 16);
}

/*
 * As memcpy(), in line for the sizes of small frames and headers: moves of one
 * size, the last of which ends where the bytes end.
 */
static __rte_always_inline void copy_bytes(u8 *to, const u8 *from, size_t len)
{
	size_t at;

	if (unlikely(len > COPY_INLINE)) {
		/* A guest may let what it sends and what it receives overlap. */
		memmove(to, from, len);
	} else if (likely(len >= 32)) {
		for (at = 0; at < len - 32; at += 32)
			copy_32(to + at, from + at);
		copy_32(to + len - 32, from + len - 32);
	} else if (len >= 16) {
		copy_16(to, from);
		copy_16(to + len - 16, from + len - 16);
	} else if (len >= 8) {
		copy_8(to, from);
		copy_8(to + len - 8, from + len - 8);
	} else if (len >= 4) {
		copy_4(to, from);
		copy_4(to + len - 4, from + len - 4);
	} else {
		for (at = 0; at < len; at++)
			to[at] = from[at];
	}
}

/* Pieces that a frame of a burst may use: its own, and room before it. */
#define BURST_SEGS 3u

/*
 * Makes lc->frame[] of @n buffers and adds their bytes to *@bytes. Returns how
 * many are frames; the others are none, or their offload fields lie.
 */
static __rte_always_inline unsigned int burst_frames(struct lcore *lc, const struct session *s,
						     const struct viola_buf *buf, unsigned int n,
						     u64 *bytes)
{
	struct viola_seg *seg = &lc->seg[BURST_SEGS - 1];
	struct frame *f = lc->frame;
	u32 hdr_len = s->hdr_len;
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < n; i++) {
		u8 *at = buf[i].base + hdr_len;
		u32 len = buf[i].len - hdr_len;
		u8 hdr[OFFLOAD_HDR];
		__le16 first; /* flags and gso_type */

		/* One comparison: what is too short for a header is very long here. */
		if (unlikely(len - FRAME_MIN > FRAME_MAX - FRAME_MIN))
			continue;
		*seg = (struct viola_seg){ at, len };
		f->seg = seg;
		f->nseg = 1;
		f->len = len;
		f->mbuf = NULL;
		if (likely(len >= sizeof(f->head)))
			memcpy(f->head, at, sizeof(f->head));
		else
			memcpy(f->head, at, len);
		memset(&f->offload, 0, sizeof(f->offload));
		/* Most headers say nothing; of one that does, the copy alone is believed. */
		memcpy(&first, buf[i].base, sizeof(first));
		if (unlikely(first & cpu_to_le16(VIRTIO_NET_HDR_F_NEEDS_CSUM | 0xff00))) {
			memcpy(hdr, buf[i].base, sizeof(hdr));
			if (!offload_check(f, hdr, s->features))
				continue;
		}
		sum += len;
		seg += BURST_SEGS;
		f++;
	}
	*bytes += sum;
	return (unsigned int)(f - lc->frame);
}

/*
 * The header of a frame in one buffer of which nothing is to be done, with what is
 * known of its checksum (virtio 1.2, 5.1.6.4.1).
 */
static __rte_always_inline void burst_header(u8 *to, u32 hdr_len, u8 flags)
{
	static const u8 header[12] = { [10] = 1 };

	if (likely(hdr_len == 12)) {
		copy_8(to, header);
		copy_4(to + 8, header + 8);
	} else {
		memset(to, 0, 10);
	}
	to[0] = flags;
}

/* Asks for all of a frame, and for the room it goes to, while a large one is copied. */
static __rte_always_inline void burst_ahead(const struct frame *f, const struct viola_buf *buf)
{
	const struct viola_seg *seg = &f->seg[f->nseg - 1];
	const u8 *from = seg->base;
	u32 at, len = (u32)min(seg->len, (size_t)buf->len);

	/* The first line is under way since the buffers were taken. */
	for (at = RTE_CACHE_LINE_SIZE; at < len; at += RTE_CACHE_LINE_SIZE) {
		viola_prefetch(from + at);
		viola_prefetchw(buf->base + at);
	}
}

/*
 * Delivers frames from @f on, as far as they are finished and each fits the next
 * buffer, if that is a plain one. Returns how many; not yet visible to the driver.
 */
static __rte_always_inline unsigned int burst_deliver(struct lcore *lc, const struct session *s,
						      struct vqueue *q, struct frame **f,
						      unsigned int n, u64 *bytes)
{
	struct viola_buf buf[FRAME_BURST];
	int got = viola_ring_pop_burst(&q->ring, buf, n, VIOLA_BURST_IN);
	u8 flags = s->features >> VIRTIO_NET_F_GUEST_CSUM & 1 ? 0xff : 0;
	u32 hdr_len = s->hdr_len;
	unsigned int i;
	u64 sum = 0;

	if (unlikely(got <= 0))
		return 0;
	for (i = 0; i < (unsigned int)got; i++) {
		/* NOLINTNEXTLINE(clang-analyzer-core*): no more are got than wanted */
		const struct viola_seg *seg = f[i]->seg, *end = seg + f[i]->nseg;
		u32 len = f[i]->len, total = hdr_len + len;
		u8 *to = buf[i].base;

		if (unlikely(total > buf[i].len || !frame_finished(f[i])))
			break;
		if (unlikely(len > COPY_INLINE) && i + 1 < (unsigned int)got)
			/* NOLINTNEXTLINE(clang-analyzer-core*): the same */
			burst_ahead(f[i + 1], &buf[i + 1]);
		burst_header(to, hdr_len, f[i]->offload.flags & flags);
		to += hdr_len;
		do {
			copy_bytes(to, seg->base, seg->len);
			to += seg->len;
		} while (++seg != end);
		buf[i].len = total;
		sum += len;
	}
	viola_ring_push_burst(&q->ring, buf, i, VIOLA_BURST_IN);
	viola_ring_unpop_burst(&q->ring, buf + i, (unsigned int)got - i);
	*bytes += sum;
	return i;
}

#endif
