// SPDX-License-Identifier: GPL-2.0
/*
 * Offloads of viola-dpdk (dpdk-backend/forward/offload.c): random frames are finished, and
 * what comes out is put together again and compared. Checksums are verified by
 * code of its own, byte by byte as RFC 1071 has it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dpdk-backend/forward/offload.h"
#include "tests/unit/frame-bytes.h"

#define BIT(n) (1ull << (n))
#define ALL_HOST                                                                     \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |                       \
	 BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_HOST_UFO))
#define ALL_GUEST                                                                    \
	(BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) |                \
	 BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) |                 \
	 BIT(VIRTIO_NET_F_GUEST_UFO))

static struct offload_work work;

static u32 be16(const u8 *p)
{
	return (u32)p[0] * 256 + p[1];
}

static u32 be32(const u8 *p)
{
	return be16(p) * 65536u + be16(p + 2);
}

static u32 pseudo_sum(const u8 *ip, unsigned int family, u8 protocol, u32 len)
{
	u8 tail[4] = { (u8)(len >> 8), (u8)len, 0, protocol };
	u32 sum = family == 4 ? ones_sum(0, ip + 12, 8) : ones_sum(0, ip + 8, 32);

	return ones_sum(sum, tail, 4);
}

/* --- frames ------------------------------------------------------------------ */

struct sample {
	unsigned int family, tags;
	u8 protocol; /* 6, 17 */
	u32 ip, l4, payload; /* where they start */
	u32 len;
	u8 data[FRAME_MAX];
};

/* A frame of TCP or UDP with random everything but what makes it that. */
static void sample_make(struct sample *s, unsigned int family, u8 protocol, u32 payload,
			u32 options)
{
	u32 at = 12, i;
	u8 *ip, *l4;

	s->family = family;
	s->protocol = protocol;
	s->tags = random_below(3);
	for (i = 0; i < sizeof(s->data); i++)
		s->data[i] = (u8)random_below(256);
	for (i = 0; i < s->tags; i++, at += 4)
		be16_put(s->data + at, s->tags == 2 && !i ? 0x88a8 : 0x8100);
	be16_put(s->data + at, family == 4 ? 0x0800 : 0x86dd);
	s->ip = at + 2;
	ip = s->data + s->ip;
	s->l4 = s->ip + (family == 4 ? 20 : 40);
	if (family == 4)
		s->l4 += 4 * options;
	l4 = s->data + s->l4;
	s->payload = s->l4 + (protocol == 17 ? 8 : 20 + 4 * random_below(11));
	s->len = s->payload + payload;
	if (family == 4) {
		ip[0] = (u8)(0x45 + options);
		be16_put(ip + 2, s->len - s->ip);
		be16_put(ip + 6, 0x4000);
		ip[9] = protocol;
		be16_put(ip + 10, 0);
		be16_put(ip + 10, ~ones_sum(0, ip, s->l4 - s->ip) & 0xffff);
	} else {
		ip[0] = 0x60;
		be16_put(ip + 4, s->len - s->l4);
		ip[6] = protocol;
	}
	if (protocol == 17) {
		be16_put(l4 + 4, s->len - s->l4);
		be16_put(l4 + 6, pseudo_sum(ip, family, protocol, s->len - s->l4));
	} else {
		l4[12] = (u8)((s->payload - s->l4) / 4 << 4);
		be16_put(l4 + 16, pseudo_sum(ip, family, protocol, s->len - s->l4));
	}
}

/* The sample as a frame in pieces that end where they like. */
static struct frame *sample_frame(struct sample *s, const struct frame_offload *o)
{
	static struct viola_seg seg[10];
	static struct frame f;
	u32 at = 0, i;

	f = (struct frame){ .seg = seg + 2, .len = s->len, .offload = *o };
	for (i = 2; at < s->len; i++) {
		u32 part = i == 9 ? s->len - at : 1 + random_below(s->len - at);

		seg[i] = (struct viola_seg){ s->data + at, part };
		f.nseg++;
		at += part;
	}
	memcpy(f.head, s->data, sizeof(f.head));
	return &f;
}

static void header_make(u8 *hdr, u8 flags, u8 type, u16 hdr_len, u16 size, u16 start, u16 offset)
{
	struct frame f = { .offload = { flags, type, hdr_len, size, start, offset } };

	offload_header(hdr, &f, ~0ull);
}

static struct frame_offload gso(const struct sample *s, u8 type, u32 size)
{
	return (struct frame_offload){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = type,
		.hdr_len = (u16)s->payload,
		.gso_size = (u16)size,
		.csum_start = (u16)s->l4,
		.csum_offset = s->protocol == 17 ? 6 : 16,
	};
}

/* Copies the next finished frame to @to; its length, 0 after the last. */
static u32 next_frame(u8 *to)
{
	struct frame *f = offload_next(&work);

	if (!f)
		return 0;
	assert_true(f->len <= FRAME_MAX);
	assert_true(frame_plain(f));
	assert_int_equal(viola_segs_read(f->seg, f->nseg, 0, to, f->len), f->len);
	assert_memory_equal(f->head, to, min(f->len, FRAME_LOOK));
	/* There is room to put a piece in front. */
	assert_true(f->seg - work.seg >= 1);
	return f->len;
}

/* --- tests ------------------------------------------------------------------- */

/* Checks one segment of @s at @done bytes of payload. Returns its payload. */
static u32 check_segment(const struct sample *s, const u8 *p, u32 len, u32 done, u32 number,
			 u32 size)
{
	const u8 *ip = p + s->ip, *tcp = p + s->l4, *old = s->data + s->l4;
	u32 payload = len - s->payload, total = s->len - s->payload;
	u8 flags = tcp[13], was = old[13];
	bool last = done + payload == total;

	assert_memory_equal(p, s->data, s->ip);
	assert_true(payload <= size && (last || payload == size));
	assert_memory_equal(p + s->payload, s->data + s->payload + done, payload);
	if (s->family == 4) {
		assert_int_equal(be16(ip + 2), len - s->ip);
		assert_int_equal(be16(ip + 4), (be16(s->data + s->ip + 4) + number) & 0xffff);
		assert_int_equal(ones_sum(0, ip, s->l4 - s->ip), 0xffff);
		assert_memory_equal(ip + 6, s->data + s->ip + 6, 4);
		assert_memory_equal(ip + 12, s->data + s->ip + 12, s->l4 - s->ip - 12);
	} else {
		assert_int_equal(be16(ip + 4), len - s->l4);
		assert_memory_equal(ip + 6, s->data + s->ip + 6, 34);
	}
	assert_int_equal(be32(tcp + 4), be32(old + 4) + done);
	assert_int_equal(flags & 0x76, was & 0x76);
	assert_int_equal(flags & 0x09, last ? was & 0x09 : 0);
	assert_int_equal(flags & 0x80, number ? 0 : was & 0x80);
	assert_memory_equal(tcp, old, 4);
	assert_memory_equal(tcp + 8, old + 8, 5);
	assert_memory_equal(tcp + 14, old + 14, 2);
	assert_memory_equal(tcp + 18, old + 18, s->payload - s->l4 - 18);
	assert_int_equal(ones_sum(pseudo_sum(ip, s->family, 6, len - s->l4), tcp, len - s->l4),
			 0xffff);
	return payload;
}

static void segments_are_the_stream(void **state)
{
	static struct sample s;
	static u8 p[FRAME_MAX];
	u32 round;

	for (round = 0; round < 1500; round++) {
		unsigned int family = round % 2 ? 4 : 6;
		u32 size = 48 + random_below(round % 3 ? 2000 : 65487), number = 0, done = 0, len;
		u8 type = family == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
		struct frame_offload o;

		sample_make(&s, family, 6, random_below(round % 5 ? 8000 : 65000),
			    random_below(11));
		o = gso(&s, type | (round % 7 ? 0 : VIRTIO_NET_HDR_GSO_ECN), size);
		assert_true(offload_begin(&work, sample_frame(&s, &o)));
		while ((len = next_frame(p)))
			done += check_segment(&s, p, len, done, number++, size);
		assert_int_equal(done, s.len - s.payload);
		assert_int_equal(number, done ? (done + size - 1) / size : 1);
		assert_null(offload_next(&work));
	}
}

static void fragments_are_the_datagram(void **state)
{
	static struct sample s;
	static u8 p[FRAME_MAX], whole[FRAME_MAX];
	u32 round;

	for (round = 0; round < 1500; round++) {
		unsigned int family = round % 2 ? 4 : 6;
		u32 size = 48 + random_below(2000), done = 0, len, id = 0, part;
		struct frame_offload o;
		u8 *ip = p, *udp;

		sample_make(&s, family, 17, random_below(round % 5 ? 8000 : 65000), 0);
		be16_put(s.data + s.ip + 6, family == 4 ? 0 : be16(s.data + s.ip + 6));
		o = gso(&s, VIRTIO_NET_HDR_GSO_UDP, size);
		assert_true(offload_begin(&work, sample_frame(&s, &o)));
		while ((len = next_frame(p))) {
			bool more;

			ip = p + s.ip;
			assert_memory_equal(p, s.data, s.ip);
			if (family == 4) {
				udp = ip + 20;
				part = len - s.ip - 20;
				assert_int_equal(be16(ip + 2), 20 + part);
				assert_int_equal(be16(ip + 4), be16(s.data + s.ip + 4));
				assert_int_equal(ones_sum(0, ip, 20), 0xffff);
				assert_int_equal((be16(ip + 6) & 0x1fff) * 8, done);
				more = be16(ip + 6) & 0x2000;
			} else {
				udp = ip + 48;
				part = len - s.ip - 48;
				assert_int_equal(be16(ip + 4), 8 + part);
				assert_int_equal(ip[6], 44);
				assert_int_equal(ip[40], 17);
				assert_int_equal(be16(ip + 42) & 0xfff8, done);
				if (done)
					assert_int_equal(be32(ip + 44), id);
				id = be32(ip + 44);
				more = be16(ip + 42) & 1;
			}
			assert_true(part <= size);
			assert_int_equal(more, done + part < s.len - s.l4);
			if (more)
				assert_int_equal(part % 8, 0);
			memcpy(whole + done, udp, part);
			done += part;
		}
		assert_int_equal(done, s.len - s.l4);
		assert_memory_equal(whole + 8, s.data + s.payload, done - 8);
		assert_memory_equal(whole, s.data + s.l4, 6);
		assert_true(be16(whole + 6));
		assert_int_equal(ones_sum(pseudo_sum(s.data + s.ip, family, 17, done), whole, done),
				 0xffff);
		/* The same once more has other fragments. */
		assert_true(offload_begin(&work, sample_frame(&s, &o)));
		next_frame(p);
		if (family == 6 && done > (size & ~7u))
			assert_int_not_equal(be32(p + s.ip + 44), id);
	}
}

static void checksums_are_right(void **state)
{
	static struct sample s;
	static u8 p[FRAME_MAX];
	u32 round, len;

	for (round = 0; round < 3000; round++) {
		u8 protocol = random_below(2) ? 6 : 17;
		unsigned int family = random_below(2) ? 4 : 6;
		struct frame_offload o;

		sample_make(&s, family, protocol, random_below(round % 50 ? 3000 : 65000),
			    random_below(11));
		/* Now and then one whose sum is 0, which UDP may not say. */
		if (round % 5 == 0 && s.len - s.payload >= 2) {
			u32 sum;

			s.len -= (s.len - s.payload) % 2;
			be16_put(s.data + s.payload, 0);
			sum = ones_sum(0, s.data + s.l4, s.len - s.l4);
			be16_put(s.data + s.payload, 0xffff - sum);
		}
		o = gso(&s, 0, 0);
		assert_true(offload_begin(&work, sample_frame(&s, &o)));
		len = next_frame(p);
		assert_int_equal(len, s.len);
		assert_memory_equal(p, s.data, s.l4 + o.csum_offset);
		assert_true(be16(p + s.l4 + o.csum_offset));
		assert_memory_equal(p + s.l4 + o.csum_offset + 2, s.data + s.l4 + o.csum_offset + 2,
				    s.len - s.l4 - o.csum_offset - 2);
		/* The complement of all, with what the sender had put there. */
		be16_put(p + s.l4 + o.csum_offset,
			 ones_sum(be16(p + s.l4 + o.csum_offset),
				  s.data + s.l4 + o.csum_offset, 2));
		assert_int_equal(ones_sum(0, p + s.l4, len - s.l4), 0xffff);
		assert_int_equal(next_frame(p), 0);
	}
}

/* What frames say that are not what they say. */
static void lies_are_refused(void **state)
{
	static struct sample s;
	struct frame_offload o;
	u32 i;

	sample_make(&s, 4, 6, 5000, 0);
	o = gso(&s, VIRTIO_NET_HDR_GSO_TCPV4, 1000);
	assert_true(offload_begin(&work, sample_frame(&s, &o)));
	o.gso_size = 47;
	assert_false(offload_begin(&work, sample_frame(&s, &o)));
	o.gso_size = 1000;
	/* Not this family, not TCP, not there, a header beyond the frame. */
	o.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	assert_false(offload_begin(&work, sample_frame(&s, &o)));
	o.gso_type = VIRTIO_NET_HDR_GSO_UDP;
	assert_false(offload_begin(&work, sample_frame(&s, &o)));
	o.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	o.csum_start += 4;
	assert_false(offload_begin(&work, sample_frame(&s, &o)));
	o.csum_start -= 4;
	s.data[s.ip + 9] = 17;
	assert_false(offload_begin(&work, sample_frame(&s, &o)));
	s.data[s.ip + 9] = 6;
	for (i = 0; i < 5; i++) {
		s.data[s.l4 + 12] = (u8)(i << 4);
		assert_false(offload_begin(&work, sample_frame(&s, &o)));
	}
	s.data[s.l4 + 12] = 0xf0;
	s.len = s.l4 + 59;
	assert_false(offload_begin(&work, sample_frame(&s, &o)));
	s.len = s.l4 + 60;
	assert_true(offload_begin(&work, sample_frame(&s, &o)));
	/* IPv6 may have anything in between, but not for ever. */
	sample_make(&s, 6, 6, 5000, 0);
	o = gso(&s, VIRTIO_NET_HDR_GSO_TCPV6, 1000);
	o.csum_start = 236;
	s.data[o.csum_start + 12] = 0x50;
	assert_true(offload_begin(&work, sample_frame(&s, &o)));
	s.data[o.csum_start + 12] = 0x60;
	assert_false(offload_begin(&work, sample_frame(&s, &o)));
	/* More than an IP header can say. */
	do {
		sample_make(&s, 4, 6, 0, 0);
	} while (s.tags);
	s.len = s.ip + 65536;
	o = gso(&s, VIRTIO_NET_HDR_GSO_TCPV4, 65535);
	assert_false(offload_begin(&work, sample_frame(&s, &o)));
	s.len = s.ip + 65535;
	assert_true(offload_begin(&work, sample_frame(&s, &o)));
	/* Datagrams: a fragment already, options, a tag too many. */
	sample_make(&s, 4, 17, 3000, 0);
	o = gso(&s, VIRTIO_NET_HDR_GSO_UDP, 1000);
	assert_true(offload_begin(&work, sample_frame(&s, &o)));
	be16_put(s.data + s.ip + 6, 1);
	assert_false(offload_begin(&work, sample_frame(&s, &o)));
	sample_make(&s, 4, 17, 3000, 1);
	o = gso(&s, VIRTIO_NET_HDR_GSO_UDP, 1000);
	assert_false(offload_begin(&work, sample_frame(&s, &o)));
}

/* The fields as they come, for every set of features. */
static void fields_are_checked(void **state)
{
	static const u8 types[] = { 0, 1, 2, 3, 4, 5, 0x80, 0x81, 0x83, 0x84, 0x40, 0xff };
	u8 hdr[OFFLOAD_HDR], back[OFFLOAD_HDR];
	u32 round, accepted = 0;

	for (round = 0; round < 200000; round++) {
		struct frame f = { .len = 14 + random_below(random_below(2) ? 100 : 65000) };
		u64 features = (u64)random_below(1 << 16) | (u64)random_below(2) << 32;
		u8 type = types[random_below(sizeof(types))], flags = (u8)random_below(8);
		u16 size = (u16)(random_below(8) ? random_below(2000) : 0);
		u16 start = (u16)random_below(random_below(2) ? 70 : 65536);
		u16 offset = random_below(3) ? 16 : random_below(2) ? 6 : (u16)random_below(65536);
		u16 hdr_len = (u16)random_below(65536);
		u8 kind = type & 0x7f;
		bool needs = flags & 1, good;

		header_make(hdr, flags, type, hdr_len, size, start, offset);
		/* The rules, one by one. */
		good = !needs || features & BIT(VIRTIO_NET_F_CSUM);
		good &= needs || !type;
		if (needs)
			good &= start >= 14 && (u32)start + offset + 2 <= f.len;
		if (type) {
			good &= kind == 1 || kind == 3 || kind == 4;
			good &= kind != 1 || features & BIT(VIRTIO_NET_F_HOST_TSO4);
			good &= kind != 4 || features & BIT(VIRTIO_NET_F_HOST_TSO6);
			good &= kind != 3 || (features & BIT(VIRTIO_NET_F_HOST_UFO) && type == 3);
			good &= !(type & 0x80) || features & BIT(VIRTIO_NET_F_HOST_ECN);
			good &= size && offset == (kind == 3 ? 6 : 16);
			good &= (u32)start + (kind == 3 ? 8 : 20) <= f.len;
		}
		assert_int_equal(offload_check(&f, hdr, features), good);
		if (!good)
			continue;
		accepted++;
		assert_int_equal(f.offload.flags, needs);
		if (!needs) {
			assert_true(frame_plain(&f));
			continue;
		}
		/* A receiver that takes it is told the same, but for what is a hint. */
		good = features & BIT(VIRTIO_NET_F_GUEST_CSUM);
		if (type) {
			good &= kind != 1 || features & BIT(VIRTIO_NET_F_GUEST_TSO4);
			good &= kind != 4 || features & BIT(VIRTIO_NET_F_GUEST_TSO6);
			good &= kind != 3 || features & BIT(VIRTIO_NET_F_GUEST_UFO);
			good &= !(type & 0x80) || features & BIT(VIRTIO_NET_F_GUEST_ECN);
		}
		assert_int_equal(offload_accepted(&f, features), good);
		header_make(hdr, 1, type, (u16)min((u32)hdr_len, f.len), type ? size : 0, start,
			    offset);
		offload_header(back, &f, ALL_GUEST);
		assert_memory_equal(back, hdr, OFFLOAD_HDR);
	}
	assert_true(accepted > 10000);
}

/* "Checked by a device": a hint for who negotiated it, nothing for others. */
static void what_a_device_has_checked(void **state)
{
	struct frame f = { .len = 60, .offload.flags = VIRTIO_NET_HDR_F_DATA_VALID };
	static const u8 zero[OFFLOAD_HDR];
	u8 hdr[OFFLOAD_HDR];

	assert_true(frame_finished(&f));
	assert_false(frame_plain(&f));
	assert_true(offload_accepted(&f, 0));
	offload_header(hdr, &f, 0);
	assert_memory_equal(hdr, zero, OFFLOAD_HDR);
	offload_header(hdr, &f, BIT(VIRTIO_NET_F_GUEST_CSUM));
	assert_int_equal(hdr[0], VIRTIO_NET_HDR_F_DATA_VALID);
	assert_memory_equal(hdr + 1, zero, OFFLOAD_HDR - 1);
	/* A sender's word for it is not taken. */
	assert_true(offload_check(&f, hdr, ~0ull));
	assert_true(frame_plain(&f));
}

static void headers_for_a_device(void **state)
{
	static struct sample s;
	u32 round;

	for (round = 0; round < 5000; round++) {
		u8 protocol = random_below(2) ? 6 : 17;
		unsigned int family = random_below(2) ? 4 : 6;
		struct offload_layout l = {};
		struct frame_offload o;
		u8 *exact;
		u32 cut;

		sample_make(&s, family, protocol, 100, random_below(11));
		o = gso(&s, 0, 0);
		cut = random_below(s.payload + 20);
		/* The sanitizer guards what is behind. */
		exact = malloc(cut + 1);
		assert_non_null(exact);
		memcpy(exact, s.data, cut);
		assert_int_equal(offload_layout(&l, &o, exact, cut), cut >= s.payload);
		free(exact);
		if (cut < s.payload)
			continue;
		assert_int_equal(l.l2, s.ip);
		assert_int_equal(l.l3, s.l4 - s.ip);
		assert_int_equal(l.l4, s.payload - s.l4);
		assert_int_equal(l.ip_len, s.len - s.ip);
		assert_int_equal(l.family, family);
		assert_int_equal(l.protocol, protocol);
		o.csum_start++;
		assert_false(offload_layout(&l, &o, s.data, s.len));
		o.csum_start--;
		o.csum_offset++;
		assert_false(offload_layout(&l, &o, s.data, s.len));
		o = gso(&s, family == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6, 48);
		assert_int_equal(offload_layout(&l, &o, s.data, s.len), protocol == 6);
		o.gso_size--;
		assert_false(offload_layout(&l, &o, s.data, s.len));
		o = gso(&s, family == 6 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6, 48);
		assert_false(offload_layout(&l, &o, s.data, s.len));
		/* IPv4 has at least its own header. */
		o = gso(&s, 0, 0);
		if (family == 4) {
			s.data[s.ip] = (u8)(0x40 | random_below(5));
			o.csum_start = (u16)(s.ip + 4 * (s.data[s.ip] & 15));
			assert_false(offload_layout(&l, &o, s.data, s.len));
			s.data[s.ip] = (u8)(0x40 | (s.l4 - s.ip) / 4);
		}
		/* Fragments have no whole header, or none. */
		be16_put(s.data + s.ip + 6, random_below(2) ? 0x2000 : 7);
		o = gso(&s, 0, 0);
		if (family == 4)
			assert_false(offload_layout(&l, &o, s.data, s.len));
	}
}

/* Whatever bytes and fields pass the check: it ends, and within its bounds. */
static void rubbish_comes_to_an_end(void **state)
{
	static struct sample s;
	static u8 p[FRAME_MAX];
	u32 round, finished = 0;

	for (round = 0; round < 20000; round++) {
		static const u8 types[] = { 0, 1, 3, 4, 0x81 };
		u8 hdr[OFFLOAD_HDR];
		struct frame *f;
		u32 frames = 0, i;

		sample_make(&s, random_below(2) ? 4 : 6, random_below(2) ? 6 : 17,
			    random_below(3000), random_below(11));
		for (i = random_below(6); i; i--)
			s.data[12 + random_below(70)] = (u8)random_below(256);
		f = sample_frame(&s, &(struct frame_offload){});
		header_make(hdr, 1, types[random_below(sizeof(types))], 0,
			    (u16)random_below(random_below(2) ? 100 : 65536),
			    (u16)(random_below(4) ? s.l4 : random_below(200)),
			    random_below(2) ? 16 : 6);
		if (!offload_check(f, hdr, ALL_HOST) || !offload_begin(&work, f))
			continue;
		finished++;
		while (next_frame(p))
			assert_true(++frames <= FRAME_MAX / 48 + 1);
		assert_true(frames);
	}
	assert_true(finished > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_are_the_stream),
		cmocka_unit_test(fragments_are_the_datagram),
		cmocka_unit_test(checksums_are_right),
		cmocka_unit_test(lies_are_refused),
		cmocka_unit_test(fields_are_checked),
		cmocka_unit_test(what_a_device_has_checked),
		cmocka_unit_test(headers_for_a_device),
		cmocka_unit_test(rubbish_comes_to_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
