// SPDX-License-Identifier: GPL-2.0
/* The table of guest memory (include/viola/mem.h) and its arithmetic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/model-driver.h"

/* Two extents that touch, a hole, one more, and the very top of the space. */
#define A_GPA 0x1000ull
#define A_LEN 0x100ull
#define B_GPA (A_GPA + A_LEN)
#define B_LEN 0x33ull
#define C_GPA 0x8000ull
#define C_LEN 0x1000ull
#define TOP_LEN 0x40ull
#define TOP_GPA (UINT64_MAX - TOP_LEN)

static int setup(void **state)
{
	struct model_guest *g = malloc(sizeof(*g));

	assert_non_null(g);
	model_guest_init(g);
	model_guest_add(g, A_GPA, A_LEN);
	model_guest_add(g, B_GPA, B_LEN);
	model_guest_add(g, C_GPA, C_LEN);
	model_guest_add(g, TOP_GPA, TOP_LEN);
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	model_guest_free(*state);
	free(*state);
	return 0;
}

static void checked_arithmetic(void **state)
{
	u64 sum;

	assert_true(viola_add_u64(UINT64_MAX - 1, 1, &sum));
	assert_int_equal(sum, UINT64_MAX);
	assert_false(viola_add_u64(UINT64_MAX, 1, &sum));
	assert_false(viola_add_u64(1ull << 63, 1ull << 63, &sum));

	assert_true(viola_within(0, 0, 0));
	assert_true(viola_within(10, 0, 10));
	assert_true(viola_within(0, 10, 10));
	assert_false(viola_within(0, 11, 10));
	assert_false(viola_within(11, 0, 10));
	assert_false(viola_within(1, UINT64_MAX, 10));
	assert_false(viola_within(UINT64_MAX, 2, 10));
}

/* Which extent holds @gpa, by the definition. */
static s32 find_slowly(const struct viola_mem *mem, u64 gpa)
{
	u32 i;

	for (i = 0; i < mem->nr; i++)
		if (gpa >= mem->ext[i].gpa && gpa - mem->ext[i].gpa < mem->ext[i].size)
			return (s32)i;
	return -1;
}

static void find_agrees_with_definition_for_every_hint(void **state)
{
	const struct model_guest *g = *state;
	static const u32 hints[] = { 0, 1, 2, 3, 4, 5, 1000, UINT32_MAX };
	u32 i, h;
	u64 at;

	for (i = 0; i < g->mem.nr; i++)
		for (at = g->ext[i].gpa - 2; at != g->ext[i].gpa + g->ext[i].size + 2; at++)
			for (h = 0; h < ARRAY_SIZE(hints); h++)
				assert_int_equal(viola_mem_find(&g->mem, at, hints[h]),
						 find_slowly(&g->mem, at));
	assert_int_equal(viola_mem_find(&g->mem, 0, 0), -1);
	assert_int_equal(viola_mem_find(&g->mem, UINT64_MAX, 3), -1);
}

static void find_in_an_empty_table(void **state)
{
	struct viola_mem none = { NULL, 0 };

	assert_int_equal(viola_mem_find(&none, 0, 0), -1);
	assert_int_equal(viola_mem_find(&none, A_GPA, UINT32_MAX), -1);
	assert_null(viola_mem_map(&none, 0, 1));
}

static void segs_split_at_extents(void **state)
{
	const struct model_guest *g = *state;
	struct viola_seg seg[4];
	u64 gpa[4];
	u32 hint = 7;

	assert_int_equal(viola_mem_segs(&g->mem, &hint, A_GPA + 0x10, 0x20, seg, gpa, 4), 1);
	assert_ptr_equal(seg[0].base, g->ext[0].base + 0x10);
	assert_int_equal(seg[0].len, 0x20);
	assert_int_equal(gpa[0], A_GPA + 0x10);
	assert_int_equal(hint, 0);

	assert_int_equal(viola_mem_segs(&g->mem, &hint, A_GPA + A_LEN - 1, 1 + B_LEN, seg, gpa, 4),
			 2);
	assert_ptr_equal(seg[0].base, g->ext[0].base + A_LEN - 1);
	assert_int_equal(seg[0].len, 1);
	assert_ptr_equal(seg[1].base, g->ext[1].base);
	assert_int_equal(seg[1].len, B_LEN);
	assert_int_equal(gpa[1], B_GPA);
	assert_int_equal(hint, 1);
	assert_int_equal(viola_segs_len(seg, 2), 1 + B_LEN);

	/* without a place for guest addresses, and with just enough room */
	assert_int_equal(viola_mem_segs(&g->mem, &hint, A_GPA, A_LEN + 1, seg, NULL, 2), 2);
	assert_int_equal(viola_mem_segs(&g->mem, &hint, TOP_GPA, TOP_LEN, seg, gpa, 4), 1);
	assert_int_equal(seg[0].len, TOP_LEN);
}

static void segs_refuse_what_is_not_memory(void **state)
{
	const struct model_guest *g = *state;
	struct viola_seg seg[4];
	u32 hint = 0;

	assert_int_equal(viola_mem_segs(&g->mem, &hint, A_GPA - 1, 2, seg, NULL, 4), -EFAULT);
	assert_int_equal(viola_mem_segs(&g->mem, &hint, B_GPA, B_LEN + 1, seg, NULL, 4), -EFAULT);
	assert_int_equal(viola_mem_segs(&g->mem, &hint, B_GPA + B_LEN, 1, seg, NULL, 4), -EFAULT);
	assert_int_equal(viola_mem_segs(&g->mem, &hint, C_GPA, UINT32_MAX, seg, NULL, 4), -EFAULT);
	assert_int_equal(viola_mem_segs(&g->mem, &hint, TOP_GPA, TOP_LEN + 1, seg, NULL, 4),
			 -EFAULT);
	/* a sum that wraps to the bottom of the space */
	assert_int_equal(viola_mem_segs(&g->mem, &hint, TOP_GPA, 0x2000, seg, NULL, 4), -EFAULT);
	assert_int_equal(viola_mem_segs(&g->mem, &hint, UINT64_MAX, 1, seg, NULL, 4), -EFAULT);
}

static void segs_know_their_room(void **state)
{
	const struct model_guest *g = *state;
	struct viola_seg *one = malloc(sizeof(*one));
	u64 *gpa = malloc(sizeof(*gpa));
	u32 hint = 0;

	assert_non_null(one);
	assert_non_null(gpa);
	assert_int_equal(viola_mem_segs(&g->mem, &hint, A_GPA, A_LEN + 1, one, gpa, 1), -ENOBUFS);
	assert_int_equal(viola_mem_segs(&g->mem, &hint, A_GPA, 1, one, gpa, 0), -ENOBUFS);
	/* nothing needs no room and no memory */
	assert_int_equal(viola_mem_segs(&g->mem, &hint, A_GPA, 0, NULL, NULL, 0), 0);
	assert_int_equal(viola_mem_segs(&g->mem, &hint, UINT64_MAX, 0, NULL, NULL, 0), 0);
	free(gpa);
	free(one);
}

/* The short cut says the same as the long way, or nothing. */
static void seg_agrees_with_segs(void **state)
{
	const struct model_guest *g = *state;
	static const u32 lens[] = { 0, 1, 2, 0x33, 0x34, 0x100, 0x101, UINT32_MAX };
	u32 i, k, h;
	u64 at;

	for (i = 0; i < g->mem.nr; i++) {
		for (at = g->ext[i].gpa - 1; at != g->ext[i].gpa + g->ext[i].size + 1; at++) {
			for (k = 0; k < ARRAY_SIZE(lens); k++) {
				for (h = 0; h <= g->mem.nr; h++) {
					struct viola_seg one = { NULL, 7 }, want[2];
					u32 hint = h;

					assert_false(viola_mem_seg(&g->mem, h, at, lens[k], NULL,
								   0));
					if (!viola_mem_seg(&g->mem, h, at, lens[k], &one, 1)) {
						assert_null(one.base);
						continue;
					}
					assert_int_equal(viola_mem_segs(&g->mem, &hint, at, lens[k],
									want, NULL, 2), 1);
					assert_int_equal(hint, h);
					assert_ptr_equal(one.base, want[0].base);
					assert_int_equal(one.len, want[0].len);
				}
			}
		}
	}
	/* a hint from a larger table looks at nothing beyond this one (ASan) */
	{
		struct viola_extent *ext = malloc(sizeof(*ext));
		struct viola_mem small = { ext, 1 };
		struct viola_seg one;

		assert_non_null(ext);
		*ext = g->ext[0];
		for (h = 1; h < 4; h++) {
			assert_false(viola_mem_seg(&small, h, A_GPA, 1, &one, 1));
			assert_int_equal(viola_mem_find(&small, A_GPA, h), 0);
		}
		free(ext);
	}
	/* and it is not always nothing */
	assert_true(viola_mem_seg(&g->mem, 2, C_GPA, C_LEN, &(struct viola_seg){ 0 }, 1));
}

static void map_within_one_extent_only(void **state)
{
	const struct model_guest *g = *state;

	assert_ptr_equal(viola_mem_map(&g->mem, A_GPA, A_LEN), g->ext[0].base);
	assert_ptr_equal(viola_mem_map(&g->mem, C_GPA + 0x10, C_LEN - 0x10), g->ext[2].base + 0x10);
	assert_null(viola_mem_map(&g->mem, A_GPA, A_LEN + 1));
	assert_null(viola_mem_map(&g->mem, A_GPA + 1, A_LEN));
	assert_null(viola_mem_map(&g->mem, A_GPA + 1, UINT64_MAX));
	assert_null(viola_mem_map(&g->mem, A_GPA - 1, 1));
	assert_null(viola_mem_map(&g->mem, B_GPA + B_LEN, 0));
}

static void read_and_write_cross_extents(void **state)
{
	const struct model_guest *g = *state;
	u8 in[0x80], out[0x80];
	u32 hint = 3;

	model_fill(in, sizeof(in), 1);
	/* 0x50 bytes at the end of A, 0x30 in B */
	assert_int_equal(viola_mem_write(&g->mem, &hint, A_GPA + A_LEN - 0x50, in, 0x80), 0);
	assert_memory_equal(g->ext[0].base + A_LEN - 0x50, in, 0x50);
	assert_memory_equal(g->ext[1].base, in + 0x50, 0x30);
	assert_int_equal(hint, 1);
	assert_int_equal(viola_mem_read(&g->mem, &hint, A_GPA + A_LEN - 0x50, out, 0x80), 0);
	assert_memory_equal(out, in, 0x80);

	assert_int_equal(viola_mem_read(&g->mem, &hint, B_GPA, out, B_LEN + 1), -EFAULT);
	assert_int_equal(viola_mem_write(&g->mem, &hint, B_GPA, in, B_LEN + 1), -EFAULT);
	assert_int_equal(viola_mem_read(&g->mem, &hint, TOP_GPA + TOP_LEN - 1, out, 2), -EFAULT);
	assert_int_equal(viola_mem_write(&g->mem, &hint, UINT64_MAX, in, 1), -EFAULT);
	assert_int_equal(viola_mem_read(&g->mem, &hint, UINT64_MAX, NULL, 0), 0);
}

static void tables_are_validated(void **state)
{
	struct viola_extent ok[] = { { 0, 1, NULL }, { 1, 1, NULL }, { 5, 7, NULL } };
	struct viola_extent empty[] = { { 0, 1, NULL }, { 1, 0, NULL } };
	struct viola_extent overlap[] = { { 0, 10, NULL }, { 9, 1, NULL } };
	struct viola_extent unsorted[] = { { 10, 1, NULL }, { 0, 1, NULL } };
	struct viola_extent wraps[] = { { UINT64_MAX, 1, NULL } };
	struct viola_extent wraps_far[] = { { 10, UINT64_MAX, NULL }, { 11, 1, NULL } };

#define VALID(t) viola_mem_valid(&(struct viola_mem){ t, ARRAY_SIZE(t) })
	assert_true(VALID(ok));
	assert_false(VALID(empty));
	assert_false(VALID(overlap));
	assert_false(VALID(unsorted));
	assert_false(VALID(wraps));
	assert_false(VALID(wraps_far));
#undef VALID
	assert_true(viola_mem_valid(&(struct viola_mem){ NULL, 0 }));
}

/* Every skip and length over pieces of uneven sizes, against a flat copy. */
static void pieces_read_and_write(void **state)
{
	static const size_t size[] = { 3, 1, 7, 2 };
	struct viola_seg seg[ARRAY_SIZE(size)];
	u8 flat[13], want[16], got[16];
	size_t i, at = 0, skip, len;

	model_fill(flat, sizeof(flat), 2);
	for (i = 0; i < ARRAY_SIZE(size); i++) {
		seg[i].base = malloc(size[i]);
		seg[i].len = size[i];
		assert_non_null(seg[i].base);
		memcpy(seg[i].base, flat + at, size[i]);
		at += size[i];
	}
	assert_int_equal(viola_segs_len(seg, 4), 13);
	assert_int_equal(viola_segs_len(seg, 0), 0);
	for (skip = 0; skip <= 15; skip++) {
		for (len = 0; len <= 16; len++) {
			size_t room = skip < 13 ? min((size_t)13 - skip, len) : 0;

			memset(want, 0xee, sizeof(want));
			memset(got, 0xee, sizeof(got));
			if (room)
				memcpy(want, flat + skip, room);
			assert_int_equal(viola_segs_read(seg, 4, skip, got, len), room);
			assert_memory_equal(got, want, sizeof(got));

			model_fill(want, room, skip * 100 + len);
			if (room)
				memcpy(flat + skip, want, room);
			assert_int_equal(viola_segs_write(seg, 4, skip, want, len), room);
			assert_int_equal(viola_segs_read(seg, 4, 0, got, 13), 13);
			assert_memory_equal(got, flat, 13);
		}
	}
	for (i = 0; i < ARRAY_SIZE(size); i++)
		free(seg[i].base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checked_arithmetic),
		cmocka_unit_test(find_agrees_with_definition_for_every_hint),
		cmocka_unit_test(find_in_an_empty_table),
		cmocka_unit_test(segs_split_at_extents),
		cmocka_unit_test(segs_refuse_what_is_not_memory),
		cmocka_unit_test(segs_know_their_room),
		cmocka_unit_test(seg_agrees_with_segs),
		cmocka_unit_test(map_within_one_extent_only),
		cmocka_unit_test(read_and_write_cross_extents),
		cmocka_unit_test(tables_are_validated),
		cmocka_unit_test(pieces_read_and_write),
	};

	return cmocka_run_group_tests_name("mem", tests, setup, teardown);
}
