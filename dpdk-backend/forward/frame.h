/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A frame on its way through an lcore: where its bytes lie, wherever that is.
 * One from a vhost-user port lies in its guest's memory, one from an ethdev in
 * an mbuf; neither is copied before it is delivered.
 *
 * What the forwarding decides upon (addresses, VLAN, offload fields) was loaded
 * once and checked; the rest may still change under the hands of a hostile
 * guest, which then sends other bytes, and nothing worse.
 */
#ifndef VIOLA_DPDK_FRAME_H
#define VIOLA_DPDK_FRAME_H

#include <linux/virtio_net.h>
#include <viola/mem.h>

struct rte_mbuf;

#define FRAME_BURST 32u /* frames handled at a time */
#define FRAME_MIN 14u /* an Ethernet header */
#define FRAME_MAX (65535u + 18u) /* largest IP packet, with a VLAN tag */
#define FRAME_HEAD 18u /* Ethernet header with VLAN tag */
#define FRAME_LOOK 20u /* bytes of a frame that are loaded: as far as a second tag */

/* Offload fields, in host order, checked by offload_check(). */
struct frame_offload {
	/* 0, VIRTIO_NET_HDR_F_NEEDS_CSUM, or _DATA_VALID: a device has checked it */
	u8 flags;
	u8 gso_type; /* VIRTIO_NET_HDR_GSO_*, perhaps with _ECN */
	u16 hdr_len; /* bytes, a hint */
	u16 gso_size; /* bytes of payload in a segment, 0 without gso_type */
	u16 csum_start, csum_offset; /* bytes into the frame */
};

struct frame {
	/*
	 * seg[-1] belongs to the frame, too: room to put a piece in front of
	 * the others.
	 */
	struct viola_seg *seg;
	u32 nseg;
	u32 len; /* bytes in all pieces, FRAME_MIN to FRAME_MAX */
	struct frame_offload offload;
	struct rte_mbuf *mbuf; /* what the pieces lie in, ours to free, or NULL */
	u8 head[FRAME_LOOK]; /* the first min(len, FRAME_LOOK) bytes, loaded once */
};

/* Nothing is to be said about @f: its header is zeros. */
static inline bool frame_plain(const struct frame *f)
{
	return !f->offload.flags && !f->offload.gso_type;
}

/* Nothing is to be done about @f: it may go anywhere as it is. */
static inline bool frame_finished(const struct frame *f)
{
	return !((f->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) | f->offload.gso_type);
}

/* VLAN id of the frame's outermost 802.1Q tag, 0 without one. */
static inline u16 frame_vlan(const struct frame *f)
{
	if (f->len < FRAME_HEAD || f->head[12] != 0x81 || f->head[13] != 0x00)
		return 0;
	return (u16)((f->head[14] & 0x0f) << 8 | f->head[15]);
}

/* Takes @len bytes, at most f->len, off the front. */
static inline void frame_trim(struct frame *f, u32 len)
{
	f->len -= len;
	while (f->nseg && len >= f->seg->len) {
		len -= (u32)f->seg->len;
		f->seg++;
		f->nseg--;
	}
	if (len) {
		f->seg->base = (u8 *)f->seg->base + len;
		f->seg->len -= len;
	}
}

/* Bytes in front of what the MTU counts: Ethernet header and at most two tags. */
static inline u32 frame_l2_len(const struct frame *f)
{
	u32 at = 12;

	while (at < 20 && f->len >= at + 6 &&
	       ((f->head[at] == 0x81 && !f->head[at + 1]) ||
		(f->head[at] == 0x88 && f->head[at + 1] == 0xa8)))
		at += 4;
	return at + 2;
}

/* Frames that @f is once it is cut into segments, at least 1. */
static inline u32 frame_count(const struct frame *f)
{
	u32 size = f->offload.gso_size;

	return size ? (f->len + size - 1) / size : 1;
}

/*
 * Addresses in a register: by memory, of parts written and read in other sizes,
 * each would have to wait for the one before.
 */
static inline u64 frame_mac_load(const u8 *mac)
{
	u32 first;
	u16 last;

	memcpy(&first, mac, 4);
	memcpy(&last, mac + 4, 2);
	return first | (u64)last << 32;
}

static inline void frame_mac_store(u8 *mac, u64 value)
{
	u32 first = (u32)value;
	u16 last = (u16)(value >> 32);

	memcpy(mac, &first, 4);
	memcpy(mac + 4, &last, 2);
}

/*
 * Makes @f a frame back to its sender: from whom it was to, or from @own where
 * that is a group, which sends nothing.
 */
static inline void frame_return(struct frame *f, const u8 *own)
{
	u64 to = frame_mac_load(unlikely(f->head[0] & 1) ? own : f->head);

	frame_mac_store(f->head, frame_mac_load(f->head + 6));
	frame_mac_store(f->head + 6, to);
	if (likely(f->seg->len > 12)) {
		f->seg->base = (u8 *)f->seg->base + 12;
		f->seg->len -= 12;
	} else {
		frame_trim(f, 12);
		f->len += 12;
	}
	*--f->seg = (struct viola_seg){ f->head, 12 };
	f->nseg++;
}

#endif
