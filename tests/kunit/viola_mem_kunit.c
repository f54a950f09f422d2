// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory tables (include/viola/mem.h): lookup and translation with the
 * addresses and lengths of a guest that wants to get out.
 *
 * Every extent is a kmalloc() object of its own, so that KASAN reports any
 * byte touched outside of the table.
 */
#include <kunit/test.h>
#include <linux/slab.h>

#include <viola/mem.h>

/* Two extents that touch in guest memory, a hole, and one at the very top. */
#define A_GPA 0x1000ULL
#define A_LEN 96
#define B_GPA (A_GPA + A_LEN)
#define B_LEN 40
#define C_GPA 0x9000ULL
#define C_LEN 64
#define TOP_LEN 32
#define TOP_GPA (U64_MAX - TOP_LEN) /* gpa + size == U64_MAX: the last legal end */

struct mem_fixture {
	struct viola_extent ext[4];
	struct viola_mem mem;
};

static void fill(u8 *base, size_t len, u8 first)
{
	size_t i;

	for (i = 0; i < len; i++)
		base[i] = (u8)(first + i);
}

static void add_extent(struct kunit *test, struct mem_fixture *f, u64 gpa, size_t len, u8 first)
{
	struct viola_extent *e = &f->ext[f->mem.nr++];

	e->gpa = gpa;
	e->size = len;
	e->base = kunit_kmalloc(test, len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, e->base);
	fill(e->base, len, first);
}

static int mem_init(struct kunit *test)
{
	struct mem_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	f->mem.ext = f->ext;
	add_extent(test, f, A_GPA, A_LEN, 0);
	add_extent(test, f, B_GPA, B_LEN, A_LEN);
	add_extent(test, f, C_GPA, C_LEN, 0x80);
	add_extent(test, f, TOP_GPA, TOP_LEN, 0xc0);
	test->priv = f;
	return 0;
}

static void valid_accepts_sorted_disjoint(struct kunit *test)
{
	struct mem_fixture *f = test->priv;

	KUNIT_EXPECT_TRUE(test, viola_mem_valid(&f->mem));
	f->mem.nr = 0;
	KUNIT_EXPECT_TRUE(test, viola_mem_valid(&f->mem));
}

static void valid_refuses_broken_tables(struct kunit *test)
{
	struct mem_fixture *f = test->priv;

	f->ext[1].size = 0;
	KUNIT_EXPECT_FALSE(test, viola_mem_valid(&f->mem));
	f->ext[1].size = B_LEN;

	f->ext[1].gpa = B_GPA - 1; /* overlaps A by a byte */
	KUNIT_EXPECT_FALSE(test, viola_mem_valid(&f->mem));
	f->ext[1].gpa = C_GPA + C_LEN; /* not sorted */
	KUNIT_EXPECT_FALSE(test, viola_mem_valid(&f->mem));
	f->ext[1].gpa = B_GPA;

	f->ext[3].size = TOP_LEN + 1; /* ends at 2^64, which no u64 holds */
	KUNIT_EXPECT_FALSE(test, viola_mem_valid(&f->mem));
	f->ext[3].size = U64_MAX;
	KUNIT_EXPECT_FALSE(test, viola_mem_valid(&f->mem));
	f->ext[3].size = TOP_LEN;
	KUNIT_EXPECT_TRUE(test, viola_mem_valid(&f->mem));
}

/* First and last byte of each extent and the bytes next to them, any hint. */
static void find_is_exact_at_every_edge(struct kunit *test)
{
	static const struct {
		u64 gpa;
		s32 index;
	} want[] = {
		{ 0, -1 },
		{ A_GPA - 1, -1 },
		{ A_GPA, 0 },
		{ A_GPA + A_LEN - 1, 0 },
		{ B_GPA, 1 },
		{ B_GPA + B_LEN - 1, 1 },
		{ B_GPA + B_LEN, -1 },
		{ C_GPA - 1, -1 },
		{ C_GPA, 2 },
		{ C_GPA + C_LEN - 1, 2 },
		{ C_GPA + C_LEN, -1 },
		{ TOP_GPA - 1, -1 },
		{ TOP_GPA, 3 },
		{ TOP_GPA + TOP_LEN - 1, 3 },
		{ U64_MAX, -1 },
	};
	static const u32 hint[] = { 0, 1, 2, 3, 4, 5, S32_MAX, U32_MAX };
	struct mem_fixture *f = test->priv;
	size_t i, h;

	for (i = 0; i < ARRAY_SIZE(want); i++)
		for (h = 0; h < ARRAY_SIZE(hint); h++)
			KUNIT_EXPECT_EQ_MSG(test, viola_mem_find(&f->mem, want[i].gpa, hint[h]),
					    want[i].index, "gpa %llx hint %u", want[i].gpa,
					    hint[h]);
}

static void find_in_empty_table(struct kunit *test)
{
	struct viola_mem none = { .ext = NULL, .nr = 0 };

	KUNIT_EXPECT_EQ(test, viola_mem_find(&none, 0, 0), -1);
	KUNIT_EXPECT_EQ(test, viola_mem_find(&none, U64_MAX, U32_MAX), -1);
	KUNIT_EXPECT_NULL(test, viola_mem_map(&none, 0, 0));
}

static void segs_split_at_extent_border(struct kunit *test)
{
	struct mem_fixture *f = test->priv;
	struct viola_seg seg[4];
	u64 gpa[4];
	u32 hint = 0;

	KUNIT_ASSERT_EQ(test, viola_mem_segs(&f->mem, &hint, B_GPA - 6, 10, seg, gpa, 4), 2);
	KUNIT_EXPECT_PTR_EQ(test, seg[0].base, (void *)(f->ext[0].base + A_LEN - 6));
	KUNIT_EXPECT_EQ(test, seg[0].len, (size_t)6);
	KUNIT_EXPECT_EQ(test, gpa[0], B_GPA - 6);
	KUNIT_EXPECT_PTR_EQ(test, seg[1].base, (void *)f->ext[1].base);
	KUNIT_EXPECT_EQ(test, seg[1].len, (size_t)4);
	KUNIT_EXPECT_EQ(test, gpa[1], B_GPA);
	KUNIT_EXPECT_EQ(test, hint, 1u);
}

static void segs_whole_pair_is_two_pieces(struct kunit *test)
{
	struct mem_fixture *f = test->priv;
	struct viola_seg seg[2];
	u32 hint = U32_MAX;

	KUNIT_EXPECT_EQ(test,
			viola_mem_segs(&f->mem, &hint, A_GPA, A_LEN + B_LEN, seg, NULL, 2), 2);
	KUNIT_EXPECT_EQ(test, viola_segs_len(seg, 2), (size_t)(A_LEN + B_LEN));
}

static void segs_refuse_hole_and_overrun(struct kunit *test)
{
	struct mem_fixture *f = test->priv;
	struct viola_seg seg[8];
	u32 hint = 0;

	KUNIT_EXPECT_EQ(test, viola_mem_segs(&f->mem, &hint, 0, 1, seg, NULL, 8), -EFAULT);
	KUNIT_EXPECT_EQ(test, viola_mem_segs(&f->mem, &hint, B_GPA, B_LEN + 1, seg, NULL, 8),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, viola_mem_segs(&f->mem, &hint, C_GPA, U32_MAX, seg, NULL, 8),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, viola_mem_segs(&f->mem, &hint, C_GPA - 1, 2, seg, NULL, 8), -EFAULT);
}

/* An address plus a length that wraps must not come out at guest address 0. */
static void segs_refuse_wrapping_length(struct kunit *test)
{
	struct mem_fixture *f = test->priv;
	struct viola_seg seg[8];
	u32 hint = 3;

	KUNIT_EXPECT_EQ(test, viola_mem_segs(&f->mem, &hint, TOP_GPA, TOP_LEN, seg, NULL, 8), 1);
	KUNIT_EXPECT_EQ(test, viola_mem_segs(&f->mem, &hint, TOP_GPA, TOP_LEN + 1, seg, NULL, 8),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, viola_mem_segs(&f->mem, &hint, TOP_GPA, U32_MAX, seg, NULL, 8),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, viola_mem_segs(&f->mem, &hint, U64_MAX, 1, seg, NULL, 8), -EFAULT);
}

static void segs_bounded_by_max(struct kunit *test)
{
	struct mem_fixture *f = test->priv;
	struct viola_seg *seg = kunit_kmalloc(test, sizeof(*seg), GFP_KERNEL);
	u32 hint = 0;

	KUNIT_ASSERT_NOT_NULL(test, seg);
	/* KASAN watches seg[1]. */
	KUNIT_EXPECT_EQ(test, viola_mem_segs(&f->mem, &hint, B_GPA - 1, 2, seg, NULL, 1),
			-ENOBUFS);
	KUNIT_EXPECT_EQ(test, viola_mem_segs(&f->mem, &hint, A_GPA, 1, seg, NULL, 0), -ENOBUFS);
}

static void segs_of_nothing(struct kunit *test)
{
	struct mem_fixture *f = test->priv;
	u32 hint = 0;

	KUNIT_EXPECT_EQ(test, viola_mem_segs(&f->mem, &hint, A_GPA, 0, NULL, NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, viola_mem_segs(&f->mem, &hint, U64_MAX, 0, NULL, NULL, 0), 0);
}

static void map_within_one_extent_only(struct kunit *test)
{
	struct mem_fixture *f = test->priv;

	KUNIT_EXPECT_PTR_EQ(test, viola_mem_map(&f->mem, A_GPA, A_LEN), (void *)f->ext[0].base);
	KUNIT_EXPECT_PTR_EQ(test, viola_mem_map(&f->mem, C_GPA + C_LEN - 1, 1),
			    (void *)(f->ext[2].base + C_LEN - 1));
	KUNIT_EXPECT_NULL(test, viola_mem_map(&f->mem, A_GPA, A_LEN + 1));
	KUNIT_EXPECT_NULL(test, viola_mem_map(&f->mem, A_GPA + 1, A_LEN));
	KUNIT_EXPECT_NULL(test, viola_mem_map(&f->mem, A_GPA + 1, U64_MAX));
	KUNIT_EXPECT_NULL(test, viola_mem_map(&f->mem, A_GPA - 1, 1));
	KUNIT_EXPECT_NULL(test, viola_mem_map(&f->mem, TOP_GPA, U64_MAX));
}

static void read_crosses_extents(struct kunit *test)
{
	struct mem_fixture *f = test->priv;
	u8 *to = kunit_kzalloc(test, A_LEN + B_LEN, GFP_KERNEL);
	u32 hint = 2, i;

	KUNIT_ASSERT_NOT_NULL(test, to);
	KUNIT_ASSERT_EQ(test, viola_mem_read(&f->mem, &hint, A_GPA, to, A_LEN + B_LEN), 0);
	for (i = 0; i < A_LEN + B_LEN; i++)
		KUNIT_ASSERT_EQ(test, to[i], (u8)i);
	KUNIT_EXPECT_EQ(test, viola_mem_read(&f->mem, &hint, A_GPA + 1, to, A_LEN + B_LEN),
			-EFAULT);
}

static void write_crosses_extents(struct kunit *test)
{
	static const u8 from[] = { 0xa1, 0xa2, 0xb1, 0xb2, 0xb3 };
	struct mem_fixture *f = test->priv;
	u32 hint = 0;

	KUNIT_ASSERT_EQ(test, viola_mem_write(&f->mem, &hint, B_GPA - 2, from, sizeof(from)), 0);
	KUNIT_EXPECT_EQ(test, f->ext[0].base[A_LEN - 3], (u8)(A_LEN - 3));
	KUNIT_EXPECT_EQ(test, f->ext[0].base[A_LEN - 2], (u8)0xa1);
	KUNIT_EXPECT_EQ(test, f->ext[0].base[A_LEN - 1], (u8)0xa2);
	KUNIT_EXPECT_EQ(test, f->ext[1].base[0], (u8)0xb1);
	KUNIT_EXPECT_EQ(test, f->ext[1].base[2], (u8)0xb3);
	KUNIT_EXPECT_EQ(test, f->ext[1].base[3], (u8)(A_LEN + 3));
	KUNIT_EXPECT_EQ(test,
			viola_mem_write(&f->mem, &hint, C_GPA + C_LEN - 1, from, sizeof(from)),
			-EFAULT);
}

static void segs_copy_with_skip(struct kunit *test)
{
	struct mem_fixture *f = test->priv;
	struct viola_seg seg[3];
	u32 hint = 0;
	u8 got[16];
	int n;

	n = viola_mem_segs(&f->mem, &hint, B_GPA - 4, 12, seg, NULL, 3);
	KUNIT_ASSERT_EQ(test, n, 2);

	/* From within the first piece, from its end, and past everything. */
	KUNIT_EXPECT_EQ(test, viola_segs_read(seg, 2, 3, got, 3), (size_t)3);
	KUNIT_EXPECT_EQ(test, got[0], (u8)(A_LEN - 1));
	KUNIT_EXPECT_EQ(test, got[1], (u8)A_LEN);
	KUNIT_EXPECT_EQ(test, viola_segs_read(seg, 2, 4, got, sizeof(got)), (size_t)8);
	KUNIT_EXPECT_EQ(test, got[0], (u8)A_LEN);
	KUNIT_EXPECT_EQ(test, viola_segs_read(seg, 2, 12, got, 1), (size_t)0);
	KUNIT_EXPECT_EQ(test, viola_segs_read(seg, 2, SIZE_MAX, got, 1), (size_t)0);

	fill(got, sizeof(got), 0x40);
	KUNIT_EXPECT_EQ(test, viola_segs_write(seg, 2, 2, got, sizeof(got)), (size_t)10);
	KUNIT_EXPECT_EQ(test, f->ext[0].base[A_LEN - 2], (u8)0x40);
	KUNIT_EXPECT_EQ(test, f->ext[1].base[7], (u8)0x49);
	KUNIT_EXPECT_EQ(test, f->ext[1].base[8], (u8)(A_LEN + 8));
}

static void arithmetic_never_wraps(struct kunit *test)
{
	u64 sum;

	KUNIT_EXPECT_TRUE(test, viola_add_u64(U64_MAX - 1, 1, &sum));
	KUNIT_EXPECT_EQ(test, sum, U64_MAX);
	KUNIT_EXPECT_FALSE(test, viola_add_u64(U64_MAX, 1, &sum));

	KUNIT_EXPECT_TRUE(test, viola_within(0, 0, 0));
	KUNIT_EXPECT_TRUE(test, viola_within(10, 0, 10));
	KUNIT_EXPECT_TRUE(test, viola_within(3, 7, 10));
	KUNIT_EXPECT_FALSE(test, viola_within(3, 8, 10));
	KUNIT_EXPECT_FALSE(test, viola_within(11, 0, 10));
	KUNIT_EXPECT_FALSE(test, viola_within(5, U64_MAX, 10));
	KUNIT_EXPECT_FALSE(test, viola_within(U64_MAX, 1, 10));
	KUNIT_EXPECT_FALSE(test, viola_within(U64_MAX - 1, 4, U64_MAX));
}

static struct kunit_case mem_cases[] = {
	KUNIT_CASE(valid_accepts_sorted_disjoint),
	KUNIT_CASE(valid_refuses_broken_tables),
	KUNIT_CASE(find_is_exact_at_every_edge),
	KUNIT_CASE(find_in_empty_table),
	KUNIT_CASE(segs_split_at_extent_border),
	KUNIT_CASE(segs_whole_pair_is_two_pieces),
	KUNIT_CASE(segs_refuse_hole_and_overrun),
	KUNIT_CASE(segs_refuse_wrapping_length),
	KUNIT_CASE(segs_bounded_by_max),
	KUNIT_CASE(segs_of_nothing),
	KUNIT_CASE(map_within_one_extent_only),
	KUNIT_CASE(read_crosses_extents),
	KUNIT_CASE(write_crosses_extents),
	KUNIT_CASE(segs_copy_with_skip),
	KUNIT_CASE(arithmetic_never_wraps),
	{}
};

static struct kunit_suite mem_suite = {
	.name = "viola_mem",
	.init = mem_init,
	.test_cases = mem_cases,
};

kunit_test_suite(mem_suite);
