/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Offloads of virtio-net (virtio 1.2, 5.1.6): the sender leaves the checksum or
 * the cutting into segments to whoever is behind. Where the receiver negotiated
 * the same, fields are handed on; else the work is done here.
 */
#ifndef VIOLA_DPDK_OFFLOAD_H
#define VIOLA_DPDK_OFFLOAD_H

#include "dpdk-backend/forward/frame.h"

/*
 * Loads @hdr (10 bytes: struct virtio_net_hdr, little endian, our copy) into
 * f->offload. False if the sender, that negotiated @features, may not ask for
 * that, or the fields do not fit the frame.
 */
bool offload_check(struct frame *f, const u8 *hdr, u64 features);

/* Whether a driver that negotiated @features can be handed @f as it is. */
bool offload_accepted(const struct frame *f, u64 features);

#define OFFLOAD_HDR 10u /* bytes of struct virtio_net_hdr */

/* Writes to @hdr what a driver that negotiated @features, and accepts @f, is told. */
void offload_header(u8 *hdr, const struct frame *f, u64 features);

/* Where headers are, for a device that does the work. */
struct offload_layout {
	u32 l2, l3, l4; /* bytes of Ethernet with tags, IP, and TCP or UDP */
	u32 ip_len; /* bytes from IP on, as IP says */
	u8 family; /* 4 or 6 */
	u8 protocol; /* 6 (TCP) or 17 (UDP) */
};

/*
 * Finds the IP header of a frame in its first @len bytes at @data, our copy; what it says
 * of itself is not checked further. False if there is none. l->l4 is not set.
 */
bool offload_find_ip(struct offload_layout *l, const u8 *data, u32 len);

/*
 * Finds the headers of a TCP or UDP frame in its first @len bytes at @data, our
 * copy. False if it is something else, a fragment, or headers lie further back.
 */
bool offload_find(struct offload_layout *l, const u8 *data, u32 len);

/* The same, and that they are where @o says. */
bool offload_layout(struct offload_layout *l, const struct frame_offload *o, const u8 *data,
		    u32 len);

/* A frame being finished: a private copy, and how far it was cut. */
struct offload_work {
	u32 len; /* bytes in .data */
	u32 ip, start; /* where the IP and the transport header start */
	u32 header; /* bytes of all headers that each segment has */
	u32 cut; /* bytes of payload in segments that were made */
	u32 size; /* bytes of payload in a segment; 0: one frame */
	u16 ip_id; /* of the first segment, IPv4 */
	u32 seq; /* of the first segment */
	u32 datagrams; /* that were fragmented: tells their fragments apart, IPv6 */
	u8 family; /* 4 or 6 */
	bool datagram; /* UDP, to be cut into fragments */
	bool done;
	struct frame out;
	struct viola_seg seg[4]; /* two free ones before the pieces of .out */
	u8 head[256];
	u8 data[FRAME_MAX + 64];
};

/*
 * Copies @f, which has offload fields, into @w and prepares the finished
 * frames. False if its bytes are not what the fields say.
 */
bool offload_begin(struct offload_work *w, const struct frame *f);

/* The next finished frame, valid until the next call; NULL after the last. */
struct frame *offload_next(struct offload_work *w);

#endif
