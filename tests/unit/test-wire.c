// SPDX-License-Identifier: GPL-2.0
/* Frames of <viola/wire.h>, and a receiver's account of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/guest/account.h"
#include "tools/guest/frame.h"

static const uint8_t mac_a[FRAME_ALEN] = "\x02" "aaaaa";
static const uint8_t mac_b[FRAME_ALEN] = "\x02" "bbbbb";

static const struct frame_id sample = {
	.run = 0x12345678, .type = VIOLA_WIRE_RTT, .phase = 3,
	.seq = 0x1122334455, .stamp_ns = 987654321,
};

static struct account account;

static enum frame_verdict parse(const uint8_t *buf, size_t len)
{
	struct viola_wire_ctl ctl;
	struct frame_id id;

	return frame_parse(buf, len, &id, &ctl);
}

/* Byte for byte what wire.h says: the format is shared by other programs. */
static void test_layout(void **state)
{
	static const uint8_t want[] = {
		2, 'b', 'b', 'b', 'b', 'b', 2, 'a', 'a', 'a', 'a', 'a',
		0x88, 0xb5, 'V', 'I', 'O', 'L', VIOLA_WIRE_VERSION, VIOLA_WIRE_RTT, 3, 0,
		0x55, 0x44, 0x33, 0x22, 0x11, 0, 0, 0,
		0xb1, 0x68, 0xde, 0x3a, 0, 0, 0, 0,
		6, 0, 0, 0, 0x78, 0x56, 0x34, 0x12,
	};
	uint8_t buf[FRAME_BUF];

	frame_build(buf, frame_len(64), mac_b, mac_a, &sample);
	assert_memory_equal(buf, want, sizeof(want));
}

static void test_round_trip(void **state)
{
	struct viola_wire_ctl ctl;
	uint8_t buf[FRAME_BUF];
	struct frame_id id;
	unsigned int size;

	for (size = VIOLA_WIRE_SIZE_MIN; size <= VIOLA_WIRE_SIZE_MAX; size++) {
		frame_build(buf, frame_len(size), mac_b, mac_a, &sample);
		assert_int_equal(frame_parse(buf, frame_len(size), &id, &ctl),
				 FRAME_WHOLE);
		assert_int_equal(id.run, sample.run);
		assert_int_equal(id.type, sample.type);
		assert_int_equal(id.phase, sample.phase);
		assert_int_equal(id.seq, sample.seq);
		assert_int_equal(id.stamp_ns, sample.stamp_ns);
	}
}

/* No single flipped bit behind the addresses and EtherType goes unseen. */
static void test_every_bit(void **state)
{
	const size_t len = frame_len(200);
	uint8_t buf[FRAME_BUF];
	size_t bit;

	frame_build(buf, len, mac_b, mac_a, &sample);
	for (bit = VIOLA_WIRE_ETH_LEN * 8; bit < len * 8; bit++) {
		buf[bit / 8] ^= 1 << (bit % 8);
		assert_int_equal(parse(buf, len), FRAME_CORRUPT);
		buf[bit / 8] ^= 1 << (bit % 8);
	}
	assert_int_equal(parse(buf, len), FRAME_WHOLE);
}

static void test_every_length(void **state)
{
	uint8_t buf[FRAME_BUF] = { 0 };
	size_t len;

	frame_build(buf, frame_len(200), mac_b, mac_a, &sample);
	for (len = 0; len <= FRAME_BUF; len++)
		assert_int_equal(parse(buf, len), len == frame_len(200) ?
				 FRAME_WHOLE : FRAME_CORRUPT);
}

static void test_two_words_swapped(void **state)
{
	const size_t len = frame_len(200);
	uint8_t buf[FRAME_BUF], word[8];

	frame_build(buf, len, mac_b, mac_a, &sample);
	memcpy(word, buf + 60, 8);
	memcpy(buf + 60, buf + 68, 8);
	memcpy(buf + 68, word, 8);
	assert_int_equal(parse(buf, len), FRAME_CORRUPT);
}

/* A frame with a right check word around a payload that seq does not give. */
static void test_forged(void **state)
{
	const size_t len = frame_len(300);
	struct frame_id next = sample;
	struct viola_wire_hdr hdr;
	uint8_t buf[FRAME_BUF];

	/* A control frame's body is free, so its seal fits any payload. */
	frame_build_ctl(buf, mac_b, mac_a, &next, &(struct viola_wire_ctl){ 0 });
	memcpy(&hdr, buf + VIOLA_WIRE_ETH_LEN, sizeof(hdr));
	assert_int_equal(parse(buf, VIOLA_WIRE_ETH_LEN + VIOLA_WIRE_HDR_LEN +
			       sizeof(struct viola_wire_ctl)), FRAME_FORGED);
	frame_build(buf, len, mac_b, mac_a, &sample);
	assert_int_equal(parse(buf, len), FRAME_WHOLE);
}

static void test_swap(void **state)
{
	const size_t len = frame_len(64);
	uint8_t buf[FRAME_BUF];

	frame_build(buf, len, mac_b, mac_a, &sample);
	frame_swap(buf);
	assert_memory_equal(buf, mac_a, FRAME_ALEN);
	assert_memory_equal(buf + FRAME_ALEN, mac_b, FRAME_ALEN);
	assert_int_equal(parse(buf, len), FRAME_WHOLE);
}

static void test_control(void **state)
{
	struct viola_wire_ctl ctl = {
		.op = VIOLA_CTL_PHASE_END, .workload = VIOLA_WIRE_TX,
		.size = 1500, .count = UINT64_MAX - 5,
		.counts = { .received = 77, .stalls = 3 },
	}, got;
	struct frame_id id = sample, got_id;
	uint8_t buf[FRAME_BUF];
	size_t len;

	id.type = VIOLA_WIRE_CTL;
	frame_ctl_order(&ctl);
	len = frame_build_ctl(buf, mac_b, mac_a, &id, &ctl);
	assert_int_equal(frame_parse(buf, len, &got_id, &got), FRAME_WHOLE);
	frame_ctl_order(&got);
	assert_int_equal(got.op, VIOLA_CTL_PHASE_END);
	assert_int_equal(got.size, 1500);
	assert_true(got.count == UINT64_MAX - 5);
	assert_int_equal(got.counts.received, 77);
	assert_int_equal(got.counts.stalls, 3);
}

static bool take(uint64_t seq)
{
	struct frame_id id = {
		.run = 1, .type = VIOLA_WIRE_TX, .phase = 2, .seq = seq,
	};

	return account_take(&account, FRAME_WHOLE, &id, seq);
}

static void test_account_order_and_copies(void **state)
{
	uint64_t seq;

	account_reset(&account, 1, 2, VIOLA_WIRE_TX, UINT64_MAX);
	/* Pairs exchanged: reordering is not a fault. */
	for (seq = 0; seq < 300000; seq++)
		assert_true(take(seq ^ 1));
	assert_int_equal(account.counts.received, 300000);
	assert_false(take(299999));
	assert_false(take(299998 - ACCOUNT_WINDOW / 2));
	/* Older than the window. */
	assert_false(take(0));
	assert_int_equal(account.counts.duplicated, 3);
	assert_int_equal(account.counts.received, 300000);
	assert_int_equal(account.counts.span_ns, 299998 - 1);
}

static void test_account_gap(void **state)
{
	account_reset(&account, 1, 2, VIOLA_WIRE_TX, UINT64_MAX);
	assert_true(take(5));
	assert_true(take(4));
	assert_true(take(5 + 10 * ACCOUNT_WINDOW));
	/* The window moved far: its slots must not remember 4 and 5. */
	assert_true(take(4 + 10 * ACCOUNT_WINDOW));
	assert_true(take(5 + 10 * ACCOUNT_WINDOW - 65000));
	assert_false(take(5 + 10 * ACCOUNT_WINDOW - 65000));
	assert_int_equal(account.counts.received, 5);
	assert_int_equal(account.counts.duplicated, 1);
}

static void test_account_hostile_numbers(void **state)
{
	account_reset(&account, 1, 2, VIOLA_WIRE_TX, UINT64_MAX);
	assert_false(take(UINT64_MAX));
	assert_int_equal(account.counts.invented, 1);
	assert_true(take(UINT64_MAX - 1));
	assert_false(take(UINT64_MAX - 1));
	assert_false(take(0));
	assert_int_equal(account.counts.duplicated, 2);
	account_close(&account, 10);
	assert_int_equal(account.counts.invented, 2);
	assert_int_equal(account.counts.received, 0);
}

static void test_account_strangers(void **state)
{
	struct frame_id id = {
		.run = 1, .type = VIOLA_WIRE_TX, .phase = 2, .seq = 0,
	};

	account_reset(&account, 1, 2, VIOLA_WIRE_TX, 3);
	assert_true(account_take(&account, FRAME_WHOLE, &id, 0));
	id.seq = 3;
	assert_false(account_take(&account, FRAME_WHOLE, &id, 0));
	assert_int_equal(account.counts.invented, 1);
	id.seq = 1;
	id.phase = 3;
	assert_false(account_take(&account, FRAME_WHOLE, &id, 0));
	assert_int_equal(account.counts.invented, 2);
	id.phase = 1;
	assert_false(account_take(&account, FRAME_WHOLE, &id, 0));
	assert_int_equal(account.counts.stale, 1);
	id.phase = 2;
	id.run = 9;
	assert_false(account_take(&account, FRAME_WHOLE, &id, 0));
	assert_int_equal(account.counts.invented, 3);
	id.run = 1;
	id.type = VIOLA_WIRE_RX;
	assert_false(account_take(&account, FRAME_WHOLE, &id, 0));
	assert_int_equal(account.counts.invented, 4);
	assert_false(account_take(&account, FRAME_CORRUPT, &id, 0));
	assert_int_equal(account.counts.corrupted, 1);
	assert_false(account_take(&account, FRAME_FORGED, &id, 0));
	assert_int_equal(account.counts.invented, 5);
	assert_int_equal(account.counts.received, 1);
}

static void test_account_close(void **state)
{
	uint64_t seq;

	account_reset(&account, 1, 2, VIOLA_WIRE_TX, UINT64_MAX);
	for (seq = 0; seq < 100; seq++)
		take(seq);
	account_close(&account, 100);
	assert_int_equal(account.counts.invented, 0);
	take(105);
	take(110);
	account_close(&account, 106);
	assert_int_equal(account.counts.invented, 1);
	assert_int_equal(account.counts.received, 101);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_two_words_swapped),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_swap),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_account_order_and_copies),
		cmocka_unit_test(test_account_gap),
		cmocka_unit_test(test_account_hostile_numbers),
		cmocka_unit_test(test_account_strangers),
		cmocka_unit_test(test_account_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
