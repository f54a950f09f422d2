// SPDX-License-Identifier: GPL-2.0
/* Flows of frames (dpdk-backend/forward/flow.c) and what frame.h makes of headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dpdk-backend/forward/flow.h"

static u64 seed = 1;

static u32 random_below(u32 n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)((seed >> 33) % n);
}

/* Ends of a flow: addresses and ports, each twice. */
struct flow {
	unsigned int family, tags, protocol;
	bool fragment;
	u8 address[2][16];
	u8 port[2][2];
};

static void flow_random(struct flow *fl)
{
	static const unsigned int families[] = { 4, 4, 6, 6, 0 };
	static const unsigned int protocols[] = { 6, 17, 132, 1 };
	u32 i;

	fl->family = families[random_below(ARRAY_SIZE(families))];
	fl->protocol = protocols[random_below(ARRAY_SIZE(protocols))];
	fl->tags = random_below(3);
	fl->fragment = fl->family == 4 && !random_below(4);
	for (i = 0; i < 32; i++)
		fl->address[i / 16][i % 16] = (u8)random_below(256);
	for (i = 0; i < 4; i++)
		fl->port[i / 2][i % 2] = (u8)random_below(256);
}

/* A frame of @fl from end @from, with other bytes where they do not matter. */
static u32 flow_frame(const struct flow *fl, unsigned int from, u8 *p)
{
	u32 at = 12, len = fl->family == 4 ? 20 + 4 * random_below(11) : 40, i;
	u8 *ip;

	for (i = 0; i < 256; i++)
		p[i] = (u8)random_below(256);
	if (!fl->family) {
		memcpy(p, fl->address[!from], 6);
		memcpy(p + 6, fl->address[from], 6);
	}
	for (i = 0; i < fl->tags; i++, at += 4) {
		p[at] = i || fl->tags == 1 ? 0x81 : 0x88;
		p[at + 1] = i || fl->tags == 1 ? 0x00 : 0xa8;
	}
	p[at] = fl->family == 4 ? 0x08 : fl->family == 6 ? 0x86 : 0x88;
	p[at + 1] = fl->family == 4 ? 0x00 : fl->family == 6 ? 0xdd : 0xb5;
	ip = p + at + 2;
	if (fl->family == 4) {
		ip[0] = (u8)(0x40 | len / 4);
		ip[6] = fl->fragment ? (u8)random_below(0x40) : 0x40;
		ip[7] = fl->fragment ? (u8)(random_below(255) + 1) : 0;
		ip[9] = (u8)fl->protocol;
		memcpy(ip + 12, fl->address[from], 4);
		memcpy(ip + 16, fl->address[!from], 4);
	} else if (fl->family == 6) {
		ip[0] = 0x60;
		ip[6] = (u8)fl->protocol;
		memcpy(ip + 8, fl->address[from], 16);
		memcpy(ip + 24, fl->address[!from], 16);
	}
	if (fl->family && !fl->fragment && fl->protocol != 1) {
		memcpy(ip + len, fl->port[from], 2);
		memcpy(ip + len + 2, fl->port[!from], 2);
	}
	return at + 2 + len + 20;
}

/* The same bytes in pieces of their own, which the sanitizer guards. */
static u32 hash_of(const u8 *p, u32 len)
{
	struct viola_seg seg[8];
	struct frame f = { .seg = seg, .len = len };
	u32 hash, left = len, i;

	while (left) {
		u32 part = f.nseg == 7 ? left : 1 + random_below(left);

		seg[f.nseg].base = malloc(part);
		assert_non_null(seg[f.nseg].base);
		memcpy(seg[f.nseg].base, p + len - left, part);
		seg[f.nseg++].len = part;
		left -= part;
	}
	hash = flow_hash(&f);
	for (i = 0; i < f.nseg; i++)
		free(seg[i].base);
	return hash;
}

static void a_flow_is_one_in_both_directions(void **state)
{
	u32 i, same = 0;

	for (i = 0; i < 20000; i++) {
		struct flow fl, other;
		u8 p[256];
		u32 hash;

		flow_random(&fl);
		hash = hash_of(p, flow_frame(&fl, 0, p));
		assert_int_equal(hash_of(p, flow_frame(&fl, 0, p)), hash);
		assert_int_equal(hash_of(p, flow_frame(&fl, 1, p)), hash);
		/* Another end is another flow, nearly always. */
		other = fl;
		if (fl.family && !fl.fragment && fl.protocol != 1 && i % 2)
			other.port[1][1] ^= (u8)(1 << random_below(8));
		else
			other.address[i & 1][random_below(fl.family == 4 ? 4 : 6)] ^=
				(u8)(1 << random_below(8));
		same += hash_of(p, flow_frame(&other, 0, p)) == hash;
	}
	assert_true(same < 20);
}

static void flows_spread(void **state)
{
	u32 queues, count[8], i;

	for (queues = 2; queues <= 8; queues++) {
		struct flow fl;
		u8 p[256];

		memset(count, 0, sizeof(count));
		flow_random(&fl);
		fl.family = 4;
		fl.protocol = 6;
		fl.fragment = false;
		/* As a client's ports come: one after the other. */
		for (i = 0; i < 8000; i++) {
			fl.port[0][0] = (u8)(i >> 8);
			fl.port[0][1] = (u8)i;
			count[hash_of(p, flow_frame(&fl, 0, p)) % queues]++;
		}
		for (i = 0; i < queues; i++)
			assert_in_range(count[i], 8000 / queues * 7 / 10, 8000 / queues * 13 / 10);
	}
}

/* Whatever bytes, however few: no byte beyond them. */
static void rubbish_is_a_flow_as_well(void **state)
{
	u32 i, k;

	for (i = 0; i < 50000; i++) {
		static const u8 types[][2] = {
			{ 8, 0 }, { 0x86, 0xdd }, { 0x81, 0 }, { 0x88, 0xa8 },
		};
		u8 p[120], other[120];
		u32 len = 14 + random_below(100), hash;

		for (k = 0; k < sizeof(p); k++) {
			p[k] = (u8)random_below(256);
			other[k] = (u8)random_below(256);
		}
		for (k = 12; k <= 20; k += 4)
			memcpy(p + k, types[random_below(4)], 2);
		/* Often cut off in front of the ports of TCP. */
		if (i % 2) {
			p[12] = 8;
			p[13] = 0;
			p[14] = 0x45;
			p[20] = p[21] = 0;
			p[23] = 6;
			len = 34 + random_below(4);
		}
		hash = hash_of(p, len);
		/* What another frame left behind on the stack is not in it. */
		hash_of(other, sizeof(other));
		assert_int_equal(hash_of(p, len), hash);
	}
}

static struct frame headed(const u8 *bytes, u32 len)
{
	struct frame f = { .len = len };

	memcpy(f.head, bytes, min(len, FRAME_LOOK));
	return f;
}

static void bytes_in_front_of_the_mtu(void **state)
{
	u8 p[FRAME_LOOK] = { 0 };
	struct frame f;

	p[12] = 0x08;
	f = headed(p, 60);
	assert_int_equal(frame_l2_len(&f), 14);
	p[12] = 0x81;
	p[16] = 0x08;
	f = headed(p, 60);
	assert_int_equal(frame_l2_len(&f), 18);
	/* A tag that the frame is too short for is none. */
	f = headed(p, 17);
	assert_int_equal(frame_l2_len(&f), 14);
	p[12] = 0x88;
	p[13] = 0xa8;
	p[16] = 0x81;
	f = headed(p, 60);
	assert_int_equal(frame_l2_len(&f), 22);
}

static void back_to_the_sender(void **state)
{
	static const u8 own[6] = { 2, 9, 9, 9, 9, 9 };
	u8 p[60], back[60];
	struct viola_seg seg[4];
	u32 i, group;

	for (group = 0; group < 2; group++) {
		struct frame f;

		for (i = 0; i < sizeof(p); i++)
			p[i] = (u8)(2 * i);
		p[0] |= (u8)group;
		f = headed(p, sizeof(p));
		/* The first piece ends within an address. */
		f.seg = seg + 2;
		seg[2] = (struct viola_seg){ p, 9 };
		seg[3] = (struct viola_seg){ p + 9, 51 };
		f.nseg = 2;
		frame_return(&f, own);
		assert_int_equal(f.len, 60);
		assert_int_equal(viola_segs_read(f.seg, f.nseg, 0, back, 60), 60);
		assert_memory_equal(back, p + 6, 6);
		/* A group sends nothing. */
		assert_memory_equal(back + 6, group ? own : p, 6);
		assert_memory_equal(back + 12, p + 12, 48);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_is_one_in_both_directions),
		cmocka_unit_test(flows_spread),
		cmocka_unit_test(rubbish_is_a_flow_as_well),
		cmocka_unit_test(bytes_in_front_of_the_mtu),
		cmocka_unit_test(back_to_the_sender),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
