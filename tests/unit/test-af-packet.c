// SPDX-License-Identifier: GPL-2.0
/*
 * What viola-dpdk makes of frames that a Linux stack left unfinished
 * (dpdk-backend/uplink/af-packet.c). Frames lie in memory of exactly their size, so that
 * AddressSanitizer sees a byte read beyond.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dpdk-backend/uplink/af-packet.h"
#include "tests/unit/frame-bytes.h"

#define TCP 6
#define UDP 17
#define MOST 2048

struct sample {
	u8 data[MOST];
	u32 len; /* bytes of the frame */
	u32 ip, l4; /* where those headers start */
	u8 family, protocol;
};

static u8 *sample_field(struct sample *s)
{
	return s->data + s->l4 + (s->protocol == TCP ? 16 : 6);
}

/* The pseudo header's, of a frame without anything behind IP. */
static u32 sample_pseudo(const struct sample *s)
{
	u8 tail[4] = { 0, s->protocol };
	u32 sum;

	be16_put(tail + 2, s->len - s->l4);
	sum = s->family == 4 ? ones_sum(0, s->data + s->ip + 12, 8) :
			       ones_sum(0, s->data + s->ip + 8, 32);
	return ones_sum(sum, tail, 4);
}

/* Leaves the checksum to the device. */
static void sample_leave(struct sample *s)
{
	be16_put(sample_field(s), sample_pseudo(s));
}

/* Puts the checksum there. */
static void sample_finish(struct sample *s)
{
	u32 sum;

	be16_put(sample_field(s), 0);
	sum = 0xffff & ~ones_sum(sample_pseudo(s), s->data + s->l4, s->len - s->l4);
	be16_put(sample_field(s), sum ? sum : 0xffff);
}

/* A frame of @payload random bytes behind @tags VLAN tags; its checksum is not there. */
static void sample_make(struct sample *s, u8 family, u8 protocol, u32 payload, u32 tags)
{
	u32 options = family == 4 ? 4 * random_below(3) : 0, i;

	s->family = family;
	s->protocol = protocol;
	s->ip = 14 + 4 * tags;
	s->l4 = s->ip + (family == 4 ? 20 + options : 40);
	s->len = s->l4 + (protocol == TCP ? 20 : 8) + payload;
	for (i = 0; i < s->len; i++)
		s->data[i] = (u8)random_below(256);
	for (i = 0; i < tags; i++)
		be16_put(s->data + 12 + 4 * i, i + 1 < tags ? 0x88a8 : 0x8100);
	be16_put(s->data + s->ip - 2, family == 4 ? 0x0800 : 0x86dd);
	if (family == 4) {
		s->data[s->ip] = (u8)(0x40 | (20 + options) / 4);
		be16_put(s->data + s->ip + 2, s->len - s->ip);
		be16_put(s->data + s->ip + 6, 0x4000);
		s->data[s->ip + 9] = protocol;
	} else {
		s->data[s->ip] = 0x60;
		be16_put(s->data + s->ip + 4, s->len - s->l4);
		s->data[s->ip + 6] = protocol;
	}
	if (protocol == TCP)
		s->data[s->l4 + 12] = 0x50;
	else
		be16_put(s->data + s->l4 + 4, s->len - s->l4);
	sample_leave(s);
}

/* Of the first @head bytes of a frame of @len, and where IP ends. */
static enum af_packet_state look(const u8 *data, u32 head, u32 len, u32 *end)
{
	u8 *copy = malloc(head);
	enum af_packet_state state;

	assert_non_null(copy);
	memcpy(copy, data, head);
	state = af_packet_look(copy, head, len, end);
	free(copy);
	return state;
}

/* The same, of all of @s with @more bytes behind it. */
static enum af_packet_state look_at(const struct sample *s, u32 more)
{
	u32 end = 0, len = s->len + more;
	enum af_packet_state state = look(s->data, len, len, &end);

	if (state == AF_PACKET_PARTIAL)
		assert_int_equal(end, s->len);
	return state;
}

static struct sample s;

#define EACH_KIND(family, protocol, tags)                 \
	for (u8 family = 4; family <= 6; family += 2)     \
		for (u8 protocol = TCP; protocol <= UDP; protocol += UDP - TCP) \
			for (u32 tags = 0; tags <= 2; tags++)

static void unfinished_is_found(void **state)
{
	u32 round;

	EACH_KIND(family, protocol, tags)
		for (round = 0; round < 50; round++) {
			sample_make(&s, family, protocol, random_below(1400), tags);
			assert_int_equal(look_at(&s, 0), AF_PACKET_PARTIAL);
			/* Filled up to the shortest frame: that is not the checksum's. */
			assert_int_equal(look_at(&s, random_below(40)), AF_PACKET_PARTIAL);
			sample_finish(&s);
			assert_int_equal(look_at(&s, 0), AF_PACKET_WHOLE);
			/* A bad one stays for the receiver to see. */
			sample_field(&s)[random_below(2)] ^= (u8)(1u << random_below(8));
			assert_int_equal(look_at(&s, 0), AF_PACKET_WHOLE);
		}
}

/* A checksum that happens to be the sum is the same when it is finished once more. */
static void chance_does_no_harm(void **state)
{
	u32 round, again;

	EACH_KIND(family, protocol, tags)
		for (round = 0; round < 20; round++) {
			u8 *last;

			sample_make(&s, family, protocol, 2 + 2 * random_below(500), tags);
			/* The last two bytes make it so. */
			last = s.data + s.len - 2;
			be16_put(last, 0);
			again = ones_sum(sample_pseudo(&s), s.data + s.l4, s.len - s.l4);
			be16_put(last, 0xffff - again);
			assert_int_equal(ones_sum(sample_pseudo(&s), s.data + s.l4, s.len - s.l4),
					 0xffff);
			assert_int_equal(look_at(&s, 0), AF_PACKET_PARTIAL);
			again = sample_pseudo(&s);
			sample_finish(&s);
			assert_int_equal(sample_field(&s)[0] * 256 + sample_field(&s)[1], again);
		}
}

static void cut_off_is_found(void **state)
{
	u32 end, head, round;

	EACH_KIND(family, protocol, tags)
		for (round = 0; round < 50; round++) {
			sample_make(&s, family, protocol, 200 + random_below(1000), tags);
			head = s.l4 + 20 + random_below(s.len - s.l4 - 20);
			assert_int_equal(look(s.data, head, head, &end), AF_PACKET_CUT);
			/* The rest lies in further mbufs. */
			assert_int_equal(look(s.data, head, s.len, &end), AF_PACKET_PARTIAL);
			/* Of a fragment, and of what is neither TCP nor UDP, too. */
			if (family == 4)
				be16_put(s.data + s.ip + 6, 0x2000);
			s.data[s.ip + (family == 4 ? 9 : 6)] = 50;
			assert_int_equal(look(s.data, head, head, &end), AF_PACKET_CUT);
			assert_int_equal(look_at(&s, 0), AF_PACKET_WHOLE);
			/* Longer than IP has a field for. */
			be16_put(s.data + s.ip + (family == 4 ? 2 : 4), 0);
			s.data[s.ip + 6] = 0;
			assert_int_equal(look_at(&s, 0), AF_PACKET_CUT);
		}
}

static void others_are_left_alone(void **state)
{
	u32 round;

	for (round = 0; round < 50; round++) {
		/* UDP without a checksum. */
		sample_make(&s, round % 2 ? 4 : 6, UDP, random_below(1000), 0);
		be16_put(sample_field(&s), 0);
		assert_int_equal(look_at(&s, 0), AF_PACKET_WHOLE);
		/* UDP that ends before IP does. */
		sample_leave(&s);
		be16_put(s.data + s.l4 + 4, s.len - s.l4 - 1);
		assert_int_equal(look_at(&s, 0), AF_PACKET_WHOLE);
		/* Fragments, the first and another. */
		sample_make(&s, 4, round % 2 ? TCP : UDP, random_below(1000), 0);
		be16_put(s.data + s.ip + 6, round % 3 ? 0x2000 : 7);
		assert_int_equal(look_at(&s, 0), AF_PACKET_WHOLE);
		/* A header that is longer than IP. */
		sample_make(&s, 4, round % 2 ? TCP : UDP, 0, 0);
		be16_put(s.data + s.ip + 2, s.l4 - s.ip + random_below(8));
		assert_int_equal(look_at(&s, 0), AF_PACKET_WHOLE);
		/* Not IP. */
		sample_make(&s, 4, TCP, 100, 0);
		be16_put(s.data + 12, 0x88cc);
		assert_int_equal(look_at(&s, 0), AF_PACKET_WHOLE);
	}
}

/* Whatever there is, nothing is read beyond it, and what is found lies in it. */
static void rubbish_is_survived(void **state)
{
	u32 round, i, head, len, end;

	for (round = 0; round < 50000; round++) {
		sample_make(&s, round % 2 ? 4 : 6, round % 3 ? TCP : UDP, random_below(60),
			    random_below(3));
		for (i = random_below(4); i; i--)
			s.data[12 + random_below(60)] = (u8)random_below(256);
		head = 14 + random_below(s.len - 13);
		len = random_below(2) ? head : s.len;
		if (look(s.data, head, len, &end) == AF_PACKET_PARTIAL)
			assert_true(end > s.ip && end <= len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unfinished_is_found),
		cmocka_unit_test(chance_does_no_harm),
		cmocka_unit_test(cut_off_is_found),
		cmocka_unit_test(others_are_left_alone),
		cmocka_unit_test(rubbish_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
