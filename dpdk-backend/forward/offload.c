// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/forward/offload.h"

#include <linux/virtio_net.h>

#define BIT(n) (1ull << (n))

#define IPV4_MIN 20u
#define IPV6_HEADER 40u
#define TCP_MIN 20u
#define IPV6_FRAGMENT 8u /* header of a fragment */
#define UDP_HEADER 8u
#define IP_TCP 6
#define IP_UDP 17
#define IP_FRAGMENT 44
#define IP_MORE 0x2000 /* more fragments follow */
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
	[VIRTIO_NET_HDR_GSO_UDP] = { BIT(VIRTIO_NET_F_HOST_UFO), BIT(VIRTIO_NET_F_GUEST_UFO) },
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
	if (kind == VIRTIO_NET_HDR_GSO_UDP)
		/* So that the header, which ends with it, is there. */
		return o->gso_size && o->csum_offset == 6 && o->gso_type == kind;
	return o->gso_size && o->csum_offset == 16 &&
	       viola_within(o->csum_start, TCP_MIN, f->len);
}

bool offload_accepted(const struct frame *f, u64 features)
{
	if (frame_finished(f))
		return true;
	if (!(features & BIT(VIRTIO_NET_F_GUEST_CSUM)))
		return false;
	if (!f->offload.gso_type)
		return true;
	if (f->offload.gso_type & VIRTIO_NET_HDR_GSO_ECN &&
	    !(features & BIT(VIRTIO_NET_F_GUEST_ECN)))
		return false;
	return features & gso_features[gso_kind(f)].receive;
}

void offload_header(u8 *hdr, const struct frame *f, u64 features)
{
	const struct frame_offload *o = &f->offload;
	const u16 fields[] = { o->hdr_len, o->gso_size, o->csum_start, o->csum_offset };
	unsigned int i;

	/* Without that bit a driver is told nothing about checksums (5.1.6.4.1). */
	hdr[0] = features & BIT(VIRTIO_NET_F_GUEST_CSUM) ? o->flags : 0;
	hdr[1] = o->gso_type;
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		hdr[2 + 2 * i] = (u8)fields[i];
		hdr[3 + 2 * i] = (u8)(fields[i] >> 8);
	}
}

/* --- headers ------------------------------------------------------------------ */

/* Where IP starts in @len bytes, behind at most two tags, and its EtherType; or 0. */
static u32 ip_find(const u8 *data, u32 len, u16 *type)
{
	u32 at = 12;
	unsigned int tags;

	if (len < FRAME_MIN)
		return 0;
	*type = get16(data + at);
	for (tags = 0; tags < 2 && (*type == 0x8100 || *type == 0x88a8); tags++) {
		at += 4;
		if (at + 2 > len)
			return 0;
		*type = get16(data + at);
	}
	return at + 2;
}

bool offload_find_ip(struct offload_layout *l, const u8 *data, u32 len)
{
	u16 type;

	l->l2 = ip_find(data, len, &type);
	if (!l->l2)
		return false;
	if (type == 0x0800 && l->l2 + IPV4_MIN <= len && data[l->l2] >> 4 == 4) {
		l->family = 4;
		l->l3 = 4u * (data[l->l2] & 15);
		l->ip_len = get16(data + l->l2 + 2);
		l->protocol = data[l->l2 + 9];
		return l->l3 >= IPV4_MIN;
	}
	if (type == 0x86dd && l->l2 + IPV6_HEADER <= len && data[l->l2] >> 4 == 6) {
		l->family = 6;
		l->l3 = IPV6_HEADER;
		l->ip_len = IPV6_HEADER + get16(data + l->l2 + 4);
		l->protocol = data[l->l2 + 6];
		return true;
	}
	return false;
}

bool offload_find(struct offload_layout *l, const u8 *data, u32 len)
{
	u32 at;

	if (!offload_find_ip(l, data, len))
		return false;
	/* Neither the first nor a later fragment. */
	if (l->family == 4 && get16(data + l->l2 + 6) & 0x3fff)
		return false;
	at = l->l2 + l->l3;
	if (l->protocol == IP_UDP) {
		l->l4 = UDP_HEADER;
	} else if (l->protocol == IP_TCP && at + TCP_MIN <= len) {
		l->l4 = 4u * (data[at + 12] >> 4);
		if (l->l4 < TCP_MIN)
			return false;
	} else {
		return false;
	}
	return at + l->l4 <= len;
}

bool offload_layout(struct offload_layout *l, const struct frame_offload *o, const u8 *data,
		    u32 len)
{
	u8 kind = o->gso_type & (u8)~VIRTIO_NET_HDR_GSO_ECN;

	if (!offload_find(l, data, len) || l->l2 + l->l3 != o->csum_start ||
	    o->csum_offset != (l->protocol == IP_TCP ? 16 : 6))
		return false;
	if (!kind)
		return true;
	return l->protocol == IP_TCP && o->gso_size >= GSO_SIZE_MIN &&
	       kind == (l->family == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6);
}

/* --- finishing ----------------------------------------------------------------- */

/*
 * Finds the headers in the private copy: Ethernet, at most two tags, IPv4 or
 * IPv6 with extension headers up to where the sender says that TCP starts.
 */
static bool gso_parse(struct offload_work *w, u8 kind)
{
	u32 tcp = w->start, ip;
	u16 type;

	ip = ip_find(w->data, w->len, &type);
	if (!ip)
		return false;
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
	return w->header >= tcp + TCP_MIN && w->header <= w->len && w->header <= sizeof(w->head);
}

/*
 * The same for a datagram. Its IP header is as short as can be: options and
 * extensions would have to be looked through for what every fragment has.
 */
static bool ufo_parse(struct offload_work *w)
{
	u16 type;
	u32 ip = ip_find(w->data, w->len, &type);

	if (!ip)
		return false;
	if (type == 0x0800) {
		if (ip + IPV4_MIN != w->start || w->data[ip] != 0x45 ||
		    w->data[ip + 9] != IP_UDP || get16(w->data + ip + 6) & 0x3fff)
			return false;
		w->family = 4;
	} else {
		if (type != 0x86dd || ip + IPV6_HEADER != w->start || w->data[ip] >> 4 != 6 ||
		    w->data[ip + 6] != IP_UDP)
			return false;
		w->family = 6;
	}
	w->ip = ip;
	w->header = w->start;
	return true;
}

/* The checksum of the sender covers the pseudo header; the rest is ours. */
static void csum_finish(struct offload_work *w, u16 offset)
{
	u8 *at = w->data + w->start + offset;

	sum_store(at, sum_add(0, w->data + w->start, w->len - w->start));
	/* In UDP 0 says that there is none, and elsewhere both are the same (RFC 768). */
	if (!at[0] && !at[1])
		put16(at, 0xffff);
}

bool offload_begin(struct offload_work *w, const struct frame *f)
{
	const struct frame_offload *o = &f->offload;
	u8 kind = gso_kind(f);

	w->len = (u32)viola_segs_read(f->seg, f->nseg, 0, w->data, f->len);
	if (w->len != f->len)
		return false;
	w->start = o->csum_start;
	w->done = false;
	w->size = 0;
	w->cut = 0;
	w->datagram = kind == VIRTIO_NET_HDR_GSO_UDP;
	if (!kind) {
		csum_finish(w, o->csum_offset);
		return true;
	}
	/* A hostile size would make a frame of 64 KiB as many frames of a byte. */
	if (o->gso_size < GSO_SIZE_MIN || !(w->datagram ? ufo_parse(w) : gso_parse(w, kind)))
		return false;
	w->size = o->gso_size;
	if (w->datagram) {
		w->size &= ~7u;
		w->datagrams++;
		csum_finish(w, o->csum_offset);
		/* An offset in a fragment has 16 bits. */
		return w->len - w->header <= 65535;
	}
	/* A length in an IP header, too. */
	return w->header - w->ip + min(w->size, w->len - w->header) <= 65535;
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

/* Headers of the segment of @len bytes of payload at @at. Returns their length. */
static u32 gso_header(struct offload_work *w, u32 at, u32 len)
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
	return w->header;
}

/* The same for a fragment of a datagram (RFC 791, 3.2; RFC 8200, 4.5). */
static u32 ufo_header(struct offload_work *w, u32 at, u32 len)
{
	u32 offset = at - w->header;
	bool more = at + len < w->len;
	u8 *ip = w->head + w->ip;

	memcpy(w->head, w->data, w->header);
	if (w->family == 4) {
		put16(ip + 2, IPV4_MIN + len);
		put16(ip + 6, offset / 8 | (more ? IP_MORE : 0));
		put16(ip + 10, 0);
		sum_store(ip + 10, sum_add(0, ip, IPV4_MIN));
		return w->header;
	}
	put16(ip + 4, IPV6_FRAGMENT + len);
	ip[6] = IP_FRAGMENT;
	ip += IPV6_HEADER;
	ip[0] = IP_UDP;
	ip[1] = 0;
	put16(ip + 2, offset | more);
	/* Seldom the same for two of one sender: a count, and the datagram's checksum. */
	put16(ip + 4, get16(w->data + w->start + 6));
	put16(ip + 6, w->datagrams);
	return w->header + IPV6_FRAGMENT;
}

struct frame *offload_next(struct offload_work *w)
{
	u32 at, len, header;

	if (w->done)
		return NULL;
	if (!w->size) {
		w->done = true;
		w->seg[2] = (struct viola_seg){ w->data, w->len };
		return work_frame(w, 1, w->len);
	}
	at = w->header + w->cut;
	len = min(w->size, w->len - at);
	header = w->datagram ? ufo_header(w, at, len) : gso_header(w, at, len);
	w->cut += len;
	w->done = w->header + w->cut >= w->len;
	w->seg[2] = (struct viola_seg){ w->head, header };
	w->seg[3] = (struct viola_seg){ w->data + at, len };
	return work_frame(w, len ? 2 : 1, header + len);
}
