// SPDX-License-Identifier: GPL-2.0
/* The marks of the vhost-user back end in a dirty log (dpdk-backend/vhost/dirty.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dpdk-backend/vhost/dirty.h"
#include "tests/unit/model-driver.h"

#define BYTES 4u /* of the log: 32 pages */

/* A log of its own heap object, so that a mark beside it is seen. */
static struct dirty_log log_make(void)
{
	struct dirty_log log = { .base = calloc(1, BYTES), .size = BYTES };

	assert_non_null(log.base);
	return log;
}

static u32 marks(const struct dirty_log *log)
{
	return log->base[0] | (u32)log->base[1] << 8 | (u32)log->base[2] << 16 |
	       (u32)log->base[3] << 24;
}

static void pages_are_marked_and_no_others(void **state)
{
	struct dirty_log log = log_make();

	dirty_mark(&log, 4096, 0);
	assert_int_equal(marks(&log), 0);
	dirty_mark(&log, 4096, 1);
	assert_int_equal(marks(&log), 0x2);
	dirty_mark(&log, 2 * 4096 + 4095, 1);
	assert_int_equal(marks(&log), 0x6);
	dirty_mark(&log, 4 * 4096 - 1, 2);
	assert_int_equal(marks(&log), 0x1e);
	dirty_mark(&log, 7 * 4096, 2 * 4096);
	assert_int_equal(marks(&log), 0x19e);
	free(log.base);
}

static void what_is_beyond_the_log_is_left_out(void **state)
{
	struct dirty_log log = log_make();

	/* Begins in the log: the pages there are marked none the less. */
	dirty_mark(&log, 31 * 4096, 100 * 4096);
	assert_int_equal(marks(&log), 0x80000000);
	dirty_mark(&log, 32 * 4096, 1);
	dirty_mark(&log, 1ull << 63, 4096);
	dirty_mark(&log, ~0ull, 1);
	/* Wraps around. */
	dirty_mark(&log, ~0ull - 10, 4096);
	dirty_mark(&log, 2, ~0ull);
	assert_int_equal(marks(&log), 0x80000000);
	free(log.base);
}

static void pieces_are_marked_as_far_as_written(void **state)
{
	static const struct viola_seg seg[] = { { NULL, 100 }, { NULL, 5000 }, { NULL, 4096 } };
	static const u64 gpa[] = { 0, 0x3000, 0x8000 };
	struct dirty_log log = log_make();

	dirty_mark_segs(&log, seg, gpa, 3, 100);
	assert_int_equal(marks(&log), 0x1);
	dirty_mark_segs(&log, seg, gpa, 3, 101);
	assert_int_equal(marks(&log), 0x9);
	dirty_mark_segs(&log, seg, gpa, 3, 100 + 4097);
	assert_int_equal(marks(&log), 0x19);
	dirty_mark_segs(&log, seg, gpa, 3, 100000);
	assert_int_equal(marks(&log), 0x119);
	free(log.base);
}

/* A ring whose device uses all entries: the used ring's pages, or the descriptors'. */
static void used_entries_are_marked(const struct model_layout *layout, u32 want)
{
	/* 512 entries: 8192 bytes of descriptors, 4102 of a used ring. */
	static const struct dirty_ring at = { .desc = 2 * 4096, .device = 10 * 4096 };
	static struct viola_ring_record record[512];
	bool in_flight[512];
	struct dirty_log log = log_make();
	struct viola_ring_config cfg;
	struct model_guest guest;
	struct model_driver d;
	struct viola_ring ring;
	u32 i;

	model_guest_init(&guest);
	model_guest_add(&guest, 0, 4096);
	model_driver_init(&d, layout, &guest, 512, false);
	cfg = model_driver_config(&d, false, in_flight);
	cfg.record = record;
	assert_int_equal(viola_ring_init(&ring, &cfg), 0);
	for (i = 0; i < 512; i++) {
		struct model_piece piece = { 0, 64, false };

		assert_true(model_driver_add(&d, &piece, 1, 0, 0) >= 0);
	}
	model_driver_expose(&d);
	for (i = 0; i < 512; i++) {
		u16 since = viola_ring_used_index(&ring);
		struct viola_seg seg[4];
		struct viola_chain chain = { .seg = seg, .seg_max = 4 };

		assert_int_equal(viola_ring_pop(&ring, &chain), 1);
		viola_ring_push(&ring, chain.id, 0);
		viola_ring_publish(&ring);
		dirty_mark_used(&log, &at, &ring, since);
		if (!i)
			assert_int_equal(marks(&log), want & (1u << 2 | 1u << 10));
	}
	assert_int_equal(marks(&log), want);
	dirty_mark_kick(&log, &at, &ring);
	assert_int_equal(marks(&log), want | 1u << 10);
	model_driver_free(&d);
	model_guest_free(&guest);
	free(log.base);
}

static void used_entries_of_split_rings(void **state)
{
	used_entries_are_marked(&model_split, 1u << 10 | 1u << 11);
}

static void used_entries_of_packed_rings(void **state)
{
	used_entries_are_marked(&model_packed, 1u << 2 | 1u << 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_marked_and_no_others),
		cmocka_unit_test(what_is_beyond_the_log_is_left_out),
		cmocka_unit_test(pieces_are_marked_as_far_as_written),
		cmocka_unit_test(used_entries_of_split_rings),
		cmocka_unit_test(used_entries_of_packed_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
