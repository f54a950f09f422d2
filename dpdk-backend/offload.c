// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/offload.h"

#include <linux/virtio_net.h>

#define BIT(n) (1ull << (n))

#define IPV4_MIN 20u
#define IPV6_HEADER 40u
#define TCP_MIN 20u
#define IP_TCP 6
#define GSO_SIZE_MIN 48u /* bytes; the least segment that Linux' TCP sends */

/* --- numbers in network order ----------------------------------------------- */

static u16 get16(const u8 *p)
{
	return (u16)(p[0] << 8 | p[1]);
}

static u32 get32(const u8 *p)
{
	return (u32)get16(p) << 16 | get16(p + 2);
}

static void put16(u8 *p, u32 value)
{
	p[0] = (u8)(value >> 8);
	p[1] = (u8)value;
}

static void put32(u8 *p, u32 value)
{
	put16(p, value >> 16);
	put16(p + 2, value);
}

/* Adds @len bytes to the Internet checksum's sum (RFC 1071), in any order of pairs. */
static u64 sum_add(u64 sum, const u8 *p, u32 len)
{
	u32 word;

	/*
	 * In host order: the sum of swapped words is the swapped sum. 32 bits at
	 * a time, since 2^16 is 1 modulo 2^16 - 1; 64 bits hold 2^32 of them.
	 */
	for (; len >= 4; p += 4, len -= 4) {
		memcpy(&word, p, 4);
		sum += word;
	}
	if (len) {
		word = 0;
		memcpy(&word, p, len);
		sum += word;
	}
	return sum;
}

/* The folded complement, to be stored in host order. */
static u16 sum_end(u64 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (u16)~sum;
}

static void sum_store(u8 *at, u64 sum)
{
	u16 value = sum_end(sum);

	memcpy(at, &value, 2);
}

/* --- fields ------------------------------------------------------------------ */

static u8 gso_kind(const struct frame *f)
{
	return f->offload.gso_type & (u8)~VIRTIO_NET_HDR_GSO_ECN;
}

/* The bits a driver needs to send, or to be handed, a segmentation of that kind. */
struct gso_features {
	u64 send, receive;
};

static const struct gso_features gso_features[] = {
	[VIRTIO_NET_HDR_GSO_TCPV4] = { BIT(VIRTIO_NET_F_HOST_TSO4), BIT(VIRTIO_NET_F_GUEST_TSO4) },
	[VIRTIO_NET_HDR_GSO_TCPV6] = { BIT(VIRTIO_NET_F_HOST_TSO6), BIT(VIRTIO_NET_F_GUEST_TSO6) },
};

bool offload_check(struct frame *f, const u8 *hdr, u64 features)
{
	struct frame_offload *o = &f->offload;
	u8 kind;

	memset(o, 0, sizeof(*o));
	/* Other flags speak of receiving and are ignored from a sender (5.1.6.2). */
	o->flags = hdr[0] & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	o->gso_type = hdr[1];
	if (likely(!o->flags && !o->gso_type))
		return true;

	o->hdr_len = (u16)(hdr[2] | hdr[3] << 8);
	o->gso_size = (u16)(hdr[4] | hdr[5] << 8);
	o->csum_start = (u16)(hdr[6] | hdr[7] << 8);
	o->csum_offset = (u16)(hdr[8] | hdr[9] << 8);
	/* A segmentation needs its checksum, and nothing else may come alone. */
	if (!o->flags || !(features & BIT(VIRTIO_NET_F_CSUM)) || o->csum_start < FRAME_MIN ||
	    !viola_within((u64)o->csum_start + o->csum_offset, 2, f->len))
		return false;
	if (o->hdr_len > f->len)
		o->hdr_len = (u16)min(f->len, 65535u);
	if (!o->gso_type) {
		o->gso_size = 0;
		return true;
	}
	kind = gso_kind(f);
	if (kind >= ARRAY_SIZE(gso_features) || !(features & gso_features[kind].send) ||
	    (o->gso_type & VIRTIO_NET_HDR_GSO_ECN && !(features & BIT(VIRTIO_NET_F_HOST_ECN))))
		return false;
	return o->gso_size && o->csum_offset == 16 &&
	       viola_within(o->csum_start, TCP_MIN, f->len);
}

bool offload_accepted(const struct frame *f, u64 features)
{
	if (!(features & BIT(VIRTIO_NET_F_GUEST_CSUM)))
		return false;
	if (!f->offload.gso_type)
		return true;
	if (f->offload.gso_type & VIRTIO_NET_HDR_GSO_ECN &&
	    !(features & BIT(VIRTIO_NET_F_GUEST_ECN)))
		return false;
	return features & gso_features[gso_kind(f)].receive;
}

/* --- finishing ----------------------------------------------------------------- */

/*
 * Finds the headers in the private copy: Ethernet, at most two tags, IPv4 or
 * IPv6 with extension headers up to where the sender says that TCP starts.
 */
static bool gso_parse(struct offload_work *w, u8 kind)
{
	u32 at = 12, ip, tcp = w->start;
	u16 type = get16(w->data + at);
	unsigned int tags;

	for (tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8); tags++) {
		at += 4;
		if (at + 2 > w->len)
			return false;
		type = get16(w->data + at);
	}
	ip = at + 2;
	if (kind == VIRTIO_NET_HDR_GSO_TCPV4) {
		if (type != 0x0800 || ip + IPV4_MIN > tcp || w->data[ip] >> 4 != 4 ||
		    ip + 4u * (w->data[ip] & 15) != tcp || w->data[ip + 9] != IP_TCP)
			return false;
		w->family = 4;
		w->ip_id = get16(w->data + ip + 4);
	} else {
		if (type != 0x86dd || ip + IPV6_HEADER > tcp || w->data[ip] >> 4 != 6)
			return false;
		w->family = 6;
	}
	w->header = tcp + 4u * (w->data[tcp + 12] >> 4);
	w->seq = get32(w->data + tcp + 4);
	w->ip = ip;
	w->cut = 0;
	return w->header >= tcp + TCP_MIN && w->header <= w->len && w->header <= sizeof(w->head);
}

/* The checksum of the sender covers the pseudo header; the rest is ours. */
static void csum_finish(struct offload_work *w, u16 offset)
{
	sum_store(w->data + w->start + offset,
		  sum_add(0, w->data + w->start, w->len - w->start));
}

bool offload_begin(struct offload_work *w, const struct frame *f)
{
	u8 kind = gso_kind(f);

	w->len = (u32)viola_segs_read(f->seg, f->nseg, 0, w->data, f->len);
	if (w->len != f->len)
		return false;
	w->start = f->offload.csum_start;
	w->done = false;
	w->size = 0;
	if (!kind) {
		csum_finish(w, f->offload.csum_offset);
		return true;
	}
	/* A hostile size would make a frame of 64 KiB as many frames of a byte. */
	if (f->offload.gso_size < GSO_SIZE_MIN || !gso_parse(w, kind))
		return false;
	w->size = f->offload.gso_size;
	return true;
}

static struct frame *work_frame(struct offload_work *w, u32 nseg, u32 len)
{
	struct frame *f = &w->out;

	f->seg = &w->seg[2];
	f->nseg = nseg;
	f->len = len;
	f->mbuf = NULL;
	memset(&f->offload, 0, sizeof(f->offload));
	viola_segs_read(f->seg, nseg, 0, f->head, sizeof(f->head));
	return f;
}

#define TCP_FIN_PSH 0x09
#define TCP_CWR 0x80

/* Headers of the segment of @len bytes of payload at @at. */
static void gso_header(struct offload_work *w, u32 at, u32 len)
{
	u32 ip = w->ip;
	u8 *head = w->head, *tcp = head + w->start;
	u32 tcp_len = w->header - w->start + len, number = (at - w->header) / w->size;
	u8 pseudo[4] = { 0, IP_TCP, (u8)(tcp_len >> 8), (u8)tcp_len };
	u64 sum;

	memcpy(head, w->data, w->header);
	if (w->family == 4) {
		u32 ip_header = w->start - ip;

		put16(head + ip + 2, ip_header + tcp_len);
		put16(head + ip + 4, w->ip_id + number);
		put16(head + ip + 10, 0);
		sum_store(head + ip + 10, sum_add(0, head + ip, ip_header));
		sum = sum_add(0, head + ip + 12, 8);
	} else {
		put16(head + ip + 4, w->start - ip - IPV6_HEADER + tcp_len);
		sum = sum_add(0, head + ip + 8, 32);
	}
	put32(tcp + 4, w->seq + (at - w->header));
	/* FIN and PSH belong to the last one, CWR to the first (RFC 3168, 6.1.2). */
	if (at + len < w->len)
		tcp[13] &= (u8)~TCP_FIN_PSH;
	if (number)
		tcp[13] &= (u8)~TCP_CWR;
	put16(tcp + 16, 0);
	sum = sum_add(sum, pseudo, 4);
	/* TCP's header is a multiple of 4 bytes, so the payload's pairs align. */
	sum = sum_add(sum, tcp, w->header - w->start);
	sum_store(tcp + 16, sum_add(sum, w->data + at, len));
}

struct frame *offload_next(struct offload_work *w)
{
	u32 at, len;

	if (w->done)
		return NULL;
	if (!w->size) {
		w->done = true;
		w->seg[2] = (struct viola_seg){ w->data, w->len };
		return work_frame(w, 1, w->len);
	}
	at = w->header + w->cut;
	len = min(w->size, w->len - at);
	gso_header(w, at, len);
	w->cut += len;
	w->done = w->header + w->cut >= w->len;
	w->seg[2] = (struct viola_seg){ w->head, w->header };
	w->seg[3] = (struct viola_seg){ w->data + at, len };
	return work_frame(w, len ? 2 : 1, w->header + len);
}
