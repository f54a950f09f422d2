// SPDX-License-Identifier: GPL-2.0
/*
 * The device side of a split virtqueue (include/viola/ring.h) against the
 * model driver where the driver behaves, and against hand-written shared
 * memory where it does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/model-driver.h"

/* Guest memory: A and B touch, C lies behind a hole, D at another gigabyte. */
#define A_GPA 0x1000ull
#define A_LEN 0x1000ull
#define B_GPA (A_GPA + A_LEN)
#define B_LEN 0x804ull
#define HOLE_GPA 0x3000ull
#define C_GPA 0x4000ull
#define C_LEN 0x10000ull
#define D_GPA 0x100000000ull
#define D_LEN 0x40ull

#define SEG_MAX 64

#define READ 0
#define WRITE VRING_DESC_F_WRITE
#define NEXT VRING_DESC_F_NEXT
#define INDIRECT VRING_DESC_F_INDIRECT

struct rig {
	struct model_guest guest;
	struct model_driver driver;
	struct viola_ring ring;
	bool *in_flight;
	struct viola_chain chain;
	struct viola_seg *seg; /* SEG_MAX, on the heap for ASan's sake */
	u64 *seg_gpa;
};

static struct rig *rig_new(u32 num, bool event_idx, bool indirect)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct viola_ring_config cfg;

	assert_non_null(r);
	model_guest_init(&r->guest);
	model_guest_add(&r->guest, A_GPA, A_LEN);
	model_guest_add(&r->guest, B_GPA, B_LEN);
	model_guest_add(&r->guest, C_GPA, C_LEN);
	model_guest_add(&r->guest, D_GPA, D_LEN);
	model_driver_init(&r->driver, &model_split, &r->guest, num, event_idx);
	r->in_flight = calloc(num, sizeof(bool));
	r->seg = calloc(SEG_MAX, sizeof(*r->seg));
	r->seg_gpa = calloc(SEG_MAX, sizeof(*r->seg_gpa));
	assert_non_null(r->in_flight);
	assert_non_null(r->seg);
	assert_non_null(r->seg_gpa);
	cfg = model_driver_config(&r->driver, indirect, r->in_flight);
	assert_int_equal(viola_ring_init(&r->ring, &cfg), 0);
	r->chain.seg = r->seg;
	r->chain.seg_gpa = r->seg_gpa;
	r->chain.seg_max = SEG_MAX;
	return r;
}

static void rig_free(struct rig *r)
{
	model_driver_free(&r->driver);
	model_guest_free(&r->guest);
	free(r->in_flight);
	free(r->seg);
	free(r->seg_gpa);
	free(r);
}

static void rig_start_at(struct rig *r, u16 at)
{
	model_driver_start_at(&r->driver, at);
	viola_ring_set_base(&r->ring, at);
}

/* One descriptor of the ring, by hand. */
static void put(struct rig *r, u32 i, u64 addr, u32 len, u16 flags, u16 next)
{
	struct vring_desc *d = model_split_desc(&r->driver, i);

	d->addr = cpu_to_le64(addr);
	d->len = cpu_to_le32(len);
	d->flags = cpu_to_le16(flags);
	d->next = cpu_to_le16(next);
}

/* One descriptor of an indirect table in guest memory, by hand. */
static void put_table(struct rig *r, u64 table, u32 i, u64 addr, u32 len, u16 flags, u16 next)
{
	struct vring_desc d = {
		.addr = cpu_to_le64(addr),
		.len = cpu_to_le32(len),
		.flags = cpu_to_le16(flags),
		.next = cpu_to_le16(next),
	};
	u32 hint = 0;

	assert_int_equal(viola_mem_write(&r->guest.mem, &hint, table + 16 * i, &d, sizeof(d)), 0);
}

/* Makes @head available, by hand, after what was made so before. */
static void offer(struct rig *r, u16 head)
{
	__le16 *avail = model_split_avail(&r->driver);
	u16 idx = le16_to_cpu(avail[1]);

	avail[2 + (idx & (r->driver.num - 1))] = cpu_to_le16(head);
	avail[1] = cpu_to_le16((u16)(idx + 1));
}

static void expect_pop(struct rig *r)
{
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 1);
}

/* The next pop breaks the ring for @error, and it stays broken. */
static void expect_broken(struct rig *r, enum viola_ring_error error)
{
	u16 base = viola_ring_base(&r->ring);
	struct vring_desc *desc = model_split_desc(&r->driver, 0);

	assert_false(viola_ring_broken(&r->ring));
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), -EPROTO);
	assert_string_equal(viola_ring_error_name(r->ring.error), viola_ring_error_name(error));
	assert_true(viola_ring_broken(&r->ring));
	assert_int_equal(viola_ring_base(&r->ring), base);

	/* Not even a ring made whole again is served. */
	memset(model_split_avail(&r->driver), 0, viola_ring_driver_size(r->driver.num));
	memset(desc, 0, viola_ring_desc_size(r->driver.num));
	model_split_avail(&r->driver)[1] = cpu_to_le16((u16)(base + 1));
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), -EPROTO);
	assert_int_equal(viola_ring_available(&r->ring), -EPROTO);
	assert_int_equal(viola_ring_enable_kick(&r->ring), -EPROTO);
	assert_int_equal(r->ring.error, error);
	assert_int_equal(viola_ring_base(&r->ring), base);
}

/* The next chain does not fit the caller's array; nothing else is wrong. */
static void expect_no_room(struct rig *r)
{
	u16 base = viola_ring_base(&r->ring);

	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), -ENOBUFS);
	assert_false(viola_ring_broken(&r->ring));
	assert_int_equal(viola_ring_base(&r->ring), base);
	assert_int_equal(viola_ring_available(&r->ring), 1);
}

static void expect_used(struct rig *r, u16 id, u32 written)
{
	u16 got_id;
	u32 got_written;

	assert_int_equal(model_driver_reclaim(&r->driver, &got_id, &got_written), 1);
	assert_int_equal(got_id, id);
	assert_int_equal(got_written, written);
}

static void expect_none_used(struct rig *r)
{
	u16 id;
	u32 written;

	assert_int_equal(model_driver_reclaim(&r->driver, &id, &written), 0);
	assert_null(r->driver.fault);
}

/* --- setting up ----------------------------------------------------------- */

static void init_takes_every_size_and_no_other(void **state)
{
	static u8 area[16] __attribute__((aligned(16)));
	static bool in_flight[VIOLA_RING_MAX_SIZE];
	static const u32 bad[] = { 0, 3, 5, 6, 100, 32767, 32769, 49152, 65535, 65536,
				   0x80000000u, UINT32_MAX };
	struct viola_mem none = { NULL, 0 };
	struct viola_ring_config cfg = {
		.desc = area, .driver = area, .device = area, .mem = &none,
		.in_flight = in_flight,
	};
	struct viola_ring ring;
	u32 i;

	for (i = 1; i <= VIOLA_RING_MAX_SIZE; i *= 2) {
		cfg.num = i;
		in_flight[i - 1] = true;
		assert_int_equal(viola_ring_init(&ring, &cfg), 0);
		assert_false(in_flight[i - 1]);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		cfg.num = bad[i];
		assert_int_equal(viola_ring_init(&ring, &cfg), -EINVAL);
	}
}

static void init_refuses_bad_alignment(void **state)
{
	static u8 area[64] __attribute__((aligned(16)));
	static bool in_flight[1];
	struct viola_mem none = { NULL, 0 };
	struct viola_ring ring;
	u32 off;

	for (off = 0; off < 16; off++) {
		struct viola_ring_config cfg = {
			.num = 1, .desc = area + off, .driver = area, .device = area,
			.mem = &none, .in_flight = in_flight,
		};

		assert_int_equal(viola_ring_init(&ring, &cfg), off % 16 ? -EINVAL : 0);
		cfg.desc = area;
		cfg.driver = area + off;
		assert_int_equal(viola_ring_init(&ring, &cfg), off % 2 ? -EINVAL : 0);
		cfg.driver = area;
		cfg.device = area + off;
		assert_int_equal(viola_ring_init(&ring, &cfg), off % 4 ? -EINVAL : 0);
	}
}

/*
 * Parts of a ring of every size are exactly as large as virtio says: a fill
 * of the whole ring, twice, over the wrap, touches no byte outside (ASan).
 */
static void every_size_carries_a_full_ring(void **state)
{
	u32 num, round, i;

	for (num = 1; num <= VIOLA_RING_MAX_SIZE; num *= 2) {
		struct rig *r = rig_new(num, num & 0x5555, false);
		struct model_piece piece = { A_GPA, 8, true };
		u16 *ids = calloc(num, sizeof(*ids));

		assert_non_null(ids);
		rig_start_at(r, (u16)(65536 - num));
		for (round = 0; round < 2; round++) {
			for (i = 0; i < num; i++)
				assert_true(model_driver_add(&r->driver, &piece, 1, 0, 0) >= 0);
			assert_int_equal(model_driver_add(&r->driver, &piece, 1, 0, 0), -ENOSPC);
			model_driver_expose(&r->driver);
			for (i = 0; i < num; i++) {
				expect_pop(r);
				ids[i] = r->chain.id;
			}
			assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 0);
			assert_int_equal(viola_ring_enable_kick(&r->ring), 0);
			for (i = 0; i < num; i++)
				viola_ring_push(&r->ring, ids[i], i);
			viola_ring_publish(&r->ring);
			viola_ring_needs_call(&r->ring);
			for (i = 0; i < num; i++)
				expect_used(r, ids[i], i);
			expect_none_used(r);
		}
		free(ids);
		rig_free(r);
	}
}

static void set_base_resumes(void **state)
{
	struct rig *r = rig_new(4, true, false);
	struct model_piece piece = { A_GPA, 1, false };
	struct viola_ring_config cfg;
	u32 i;
	u16 id, base;
	u32 written;

	rig_start_at(r, 65533);
	for (i = 0; i < 7; i++) {
		assert_true(model_driver_add(&r->driver, &piece, 1, 0, 0) >= 0);
		model_driver_expose(&r->driver);
		expect_pop(r);
		viola_ring_push(&r->ring, r->chain.id, 0);
		viola_ring_publish(&r->ring);
		/* another device takes over where this one stands */
		base = viola_ring_base(&r->ring);
		assert_int_equal(base, (u16)(65533 + i + 1));
		cfg = model_driver_config(&r->driver, false, r->in_flight);
		assert_int_equal(viola_ring_init(&r->ring, &cfg), 0);
		viola_ring_set_base(&r->ring, base);
		assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 0);
		assert_int_equal(model_driver_reclaim(&r->driver, &id, &written), 1);
	}
	/* What it signalled is not known: the first call is not withheld. */
	assert_true(viola_ring_needs_call(&r->ring));
	rig_free(r);
}

/* --- chains --------------------------------------------------------------- */

static void pop_describes_the_chain(void **state)
{
	struct rig *r = rig_new(8, false, false);

	put(r, 3, A_GPA + 4, 10, READ | NEXT, 6);
	put(r, 6, C_GPA, 20, READ | NEXT, 0);
	put(r, 0, D_GPA, 30, WRITE | NEXT, 1);
	put(r, 1, B_GPA + 1, 40, WRITE, 0xffff); /* next means nothing without NEXT */
	offer(r, 3);
	expect_pop(r);
	assert_int_equal(r->chain.id, 3);
	assert_int_equal(r->chain.slots, 1);
	assert_int_equal(r->chain.nout, 2);
	assert_int_equal(r->chain.nin, 2);
	assert_int_equal(r->chain.out_len, 30);
	assert_int_equal(r->chain.in_len, 70);
	assert_ptr_equal(r->seg[0].base, r->guest.ext[0].base + 4);
	assert_int_equal(r->seg[0].len, 10);
	assert_ptr_equal(r->seg[1].base, r->guest.ext[2].base);
	assert_int_equal(r->seg[1].len, 20);
	assert_ptr_equal(r->seg[2].base, r->guest.ext[3].base);
	assert_int_equal(r->seg[2].len, 30);
	assert_ptr_equal(r->seg[3].base, r->guest.ext[1].base + 1);
	assert_int_equal(r->seg[3].len, 40);
	assert_int_equal(r->seg_gpa[0], A_GPA + 4);
	assert_int_equal(r->seg_gpa[3], B_GPA + 1);
	rig_free(r);
}

static void nothing_available(void **state)
{
	struct rig *r = rig_new(8, false, false);

	assert_int_equal(viola_ring_available(&r->ring), 0);
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 0);
	put(r, 0, A_GPA, 1, READ, 0);
	offer(r, 0);
	assert_int_equal(viola_ring_available(&r->ring), 1);
	assert_int_equal(viola_ring_available(&r->ring), 1);
	expect_pop(r);
	assert_int_equal(viola_ring_available(&r->ring), 0);
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 0);
	assert_false(viola_ring_broken(&r->ring));
	rig_free(r);
}

static void chain_crosses_extents(void **state)
{
	struct rig *r = rig_new(8, false, false);

	/* 16 bytes on each side of the seam, then to the last byte of B */
	put(r, 0, B_GPA - 16, 32, READ | NEXT, 1);
	put(r, 1, A_GPA + 8, (u32)(A_LEN - 8 + B_LEN), WRITE, 0);
	offer(r, 0);
	expect_pop(r);
	assert_int_equal(r->chain.nout, 2);
	assert_int_equal(r->chain.nin, 2);
	assert_int_equal(r->chain.out_len, 32);
	assert_int_equal(r->chain.in_len, A_LEN - 8 + B_LEN);
	assert_ptr_equal(r->seg[0].base, r->guest.ext[0].base + A_LEN - 16);
	assert_ptr_equal(r->seg[1].base, r->guest.ext[1].base);
	assert_int_equal(r->seg[3].len, B_LEN);
	assert_int_equal(r->seg_gpa[3], B_GPA);
	rig_free(r);
}

static void zero_length_descriptors_are_no_pieces(void **state)
{
	struct rig *r = rig_new(8, false, false);

	/* their address is never looked at, their order is */
	put(r, 0, HOLE_GPA, 0, READ | NEXT, 1);
	put(r, 1, A_GPA, 4, READ | NEXT, 2);
	put(r, 2, UINT64_MAX, 0, READ | NEXT, 3);
	put(r, 3, 0, 0, WRITE | NEXT, 4);
	put(r, 4, C_GPA, 5, WRITE, 0);
	offer(r, 0);
	put(r, 5, HOLE_GPA, 0, WRITE, 0);
	offer(r, 5);
	expect_pop(r);
	assert_int_equal(r->chain.nout, 1);
	assert_int_equal(r->chain.nin, 1);
	assert_int_equal(r->chain.out_len, 4);
	assert_int_equal(r->chain.in_len, 5);
	expect_pop(r);
	assert_int_equal(r->chain.nout + r->chain.nin, 0);
	assert_int_equal(r->chain.in_len, 0);
	rig_free(r);
}

static void longest_chain_has_num_descriptors(void **state)
{
	struct rig *r = rig_new(8, false, false);
	u32 i;

	for (i = 0; i < 8; i++)
		put(r, i, A_GPA, 1, i < 7 ? NEXT : 0, (u16)(i + 1));
	offer(r, 0);
	expect_pop(r);
	assert_int_equal(r->chain.nout, 8);
	rig_free(r);
}

/* The caller's arrays are the bound, and are neither overrun nor undercut. */
static void pieces_fill_the_caller_s_array_exactly(void **state)
{
	struct rig *r = rig_new(8, false, false);
	struct viola_seg *two = calloc(2, sizeof(*two));
	u64 *gpa = calloc(2, sizeof(*gpa));

	assert_non_null(two);
	assert_non_null(gpa);
	r->chain.seg = two;
	r->chain.seg_gpa = gpa;
	r->chain.seg_max = 2;
	put(r, 0, B_GPA - 1, 2, READ | NEXT, 1);
	put(r, 1, A_GPA, 0, WRITE, 0);
	offer(r, 0);
	expect_pop(r);
	assert_int_equal(r->chain.nout, 2);
	put(r, 2, B_GPA - 1, 2, READ | NEXT, 3);
	put(r, 3, A_GPA, 1, WRITE, 0);
	offer(r, 2);
	expect_no_room(r);
	rig_free(r);
	free(two);
	free(gpa);
}

static void guest_addresses_are_optional(void **state)
{
	struct rig *r = rig_new(8, false, false);

	r->chain.seg_gpa = NULL;
	put(r, 0, B_GPA - 1, 2, READ | NEXT, 1);
	put(r, 1, A_GPA, 1, WRITE, 0);
	offer(r, 0);
	expect_pop(r);
	assert_int_equal(r->chain.nout, 2);
	assert_int_equal(r->chain.nin, 1);
	rig_free(r);
}

static void unpop_gives_back_in_reverse(void **state)
{
	struct rig *r = rig_new(4, true, false);
	struct viola_chain first, second;
	u32 i;

	rig_start_at(r, 65534);
	for (i = 0; i < 3; i++) {
		put(r, i, A_GPA + i, 1 + i, READ, 0);
		offer(r, (u16)i);
	}
	expect_pop(r);
	first = r->chain;
	expect_pop(r);
	second = r->chain;
	expect_pop(r);
	assert_int_equal(r->chain.id, 2);
	viola_ring_unpop(&r->ring, &r->chain);
	assert_int_equal(viola_ring_base(&r->ring), 0);
	viola_ring_unpop(&r->ring, &second);
	viola_ring_unpop(&r->ring, &first);
	assert_int_equal(viola_ring_base(&r->ring), 65534);
	assert_int_equal(viola_ring_available(&r->ring), 1);
	for (i = 0; i < 3; i++) {
		expect_pop(r);
		assert_int_equal(r->chain.id, i);
		assert_int_equal(r->chain.out_len, 1 + i);
	}
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 0);
	rig_free(r);
}

static void used_buffers_appear_at_publish_in_order_of_push(void **state)
{
	struct rig *r = rig_new(4, false, false);
	struct model_piece piece = { A_GPA, 16, true };
	u32 i;

	rig_start_at(r, 65535);
	for (i = 0; i < 3; i++)
		assert_int_equal(model_driver_add(&r->driver, &piece, 1, 0, 0), i);
	model_driver_expose(&r->driver);
	for (i = 0; i < 3; i++)
		expect_pop(r);
	viola_ring_push(&r->ring, 2, 12);
	viola_ring_push(&r->ring, 0, 0);
	expect_none_used(r);
	viola_ring_publish(&r->ring);
	expect_used(r, 2, 12);
	expect_used(r, 0, 0);
	expect_none_used(r);
	viola_ring_push(&r->ring, 1, 16);
	expect_none_used(r);
	viola_ring_publish(&r->ring);
	expect_used(r, 1, 16);
	rig_free(r);
}

/* --- indirect tables ------------------------------------------------------ */

static void offer_table(struct rig *r, u16 slot, u64 table, u32 len)
{
	put(r, slot, table, len, INDIRECT, 0);
	offer(r, slot);
}

static void indirect_table(void **state)
{
	struct rig *r = rig_new(4, false, true);

	/* in another order than it lies in memory */
	put_table(r, C_GPA, 0, A_GPA, 1, READ | NEXT, 2);
	put_table(r, C_GPA, 2, B_GPA, 2, READ | NEXT, 1);
	put_table(r, C_GPA, 1, D_GPA, 3, WRITE, 0);
	offer_table(r, 3, C_GPA, 3 * 16);
	expect_pop(r);
	assert_int_equal(r->chain.id, 3);
	assert_int_equal(r->chain.nout, 2);
	assert_int_equal(r->chain.nin, 1);
	assert_int_equal(r->chain.out_len, 3);
	assert_int_equal(r->chain.in_len, 3);
	assert_ptr_equal(r->seg[1].base, r->guest.ext[1].base);
	rig_free(r);
}

static void indirect_table_anywhere_in_memory(void **state)
{
	static const u64 at[] = {
		C_GPA + 1, C_GPA + 2, C_GPA + 4, C_GPA + 8, /* misaligned */
		B_GPA - 16, B_GPA - 32, /* seam between descriptors */
		B_GPA - 8, B_GPA - 17, B_GPA - 1, /* seam within one */
		C_GPA + C_LEN - 48, D_GPA + D_LEN - 48, /* to the last byte */
		B_GPA + B_LEN - 48,
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		struct rig *r = rig_new(4, false, true);

		put_table(r, at[i], 0, A_GPA, 7, READ | NEXT, 1);
		put_table(r, at[i], 1, A_GPA + 7, 9, READ | NEXT, 2);
		put_table(r, at[i], 2, A_GPA + 16, 5, WRITE, 0);
		offer_table(r, 0, at[i], 48);
		expect_pop(r);
		assert_int_equal(r->chain.nout, 2);
		assert_int_equal(r->chain.nin, 1);
		assert_int_equal(r->chain.out_len, 16);
		assert_int_equal(r->chain.in_len, 5);
		assert_ptr_equal(r->seg[1].base, r->guest.ext[0].base + 7);
		rig_free(r);
	}
}

/*
 * Where the host has an extent need not be aligned as the guest's address is:
 * loads of 64 bits are chosen by the host's (UBSan).
 */
static void indirect_table_misaligned_on_the_host_only(void **state)
{
	struct rig *r = rig_new(4, false, true);
	u32 off;

	for (off = 0; off < 8; off++) {
		const u64 extent = 0x200000000ull + 0x1000 * off + off;
		u64 table = (extent + 15) & ~15ull;

		model_guest_add(&r->guest, extent, 80);
		put_table(r, table, 0, A_GPA, 7, READ | NEXT, 1);
		put_table(r, table, 1, A_GPA, 9, WRITE, 0);
		offer_table(r, 0, table, 32);
		expect_pop(r);
		assert_int_equal(r->chain.out_len, 7);
		assert_int_equal(r->chain.in_len, 9);
		viola_ring_push(&r->ring, 0, 0);
		table = extent; /* aligned on the host only */
		put_table(r, table, 0, A_GPA, 5, READ | NEXT, 1);
		put_table(r, table, 1, A_GPA, 6, WRITE, 0);
		offer_table(r, 0, table, 32);
		expect_pop(r);
		assert_int_equal(r->chain.out_len, 5);
		assert_int_equal(r->chain.in_len, 6);
		viola_ring_push(&r->ring, 0, 0);
	}
	rig_free(r);
}

static void indirect_descriptor_may_end_a_chain(void **state)
{
	struct rig *r = rig_new(4, false, true);

	put(r, 0, A_GPA, 4, READ | NEXT, 1);
	put(r, 1, C_GPA, 32, INDIRECT, 0);
	put_table(r, C_GPA, 0, B_GPA, 5, READ | NEXT, 1);
	put_table(r, C_GPA, 1, D_GPA, 6, WRITE, 0);
	offer(r, 0);
	expect_pop(r);
	assert_int_equal(r->chain.out_len, 9);
	assert_int_equal(r->chain.in_len, 6);
	rig_free(r);
}

static void write_flag_of_an_indirect_descriptor_is_ignored(void **state)
{
	struct rig *r = rig_new(4, false, true);

	put(r, 0, C_GPA, 16, INDIRECT | WRITE, 0);
	put_table(r, C_GPA, 0, B_GPA, 5, READ, 0);
	offer(r, 0);
	expect_pop(r);
	assert_int_equal(r->chain.out_len, 5);
	rig_free(r);
}

static void indirect_table_may_be_longer_than_the_ring(void **state)
{
	struct rig *r = rig_new(2, false, true);
	u32 i;

	for (i = 0; i < SEG_MAX; i++)
		put_table(r, C_GPA, i, A_GPA, 1, i + 1 < SEG_MAX ? NEXT : 0, (u16)(i + 1));
	offer_table(r, 0, C_GPA, SEG_MAX * 16);
	expect_pop(r);
	assert_int_equal(r->chain.nout, SEG_MAX);
	rig_free(r);
}

/* --- what a driver must not do --------------------------------------------- */

static void available_index_out_of_bounds(void **state)
{
	static const u16 ahead[] = { 9, 10, 0x7fff, 0x8000, 0xffff };
	static const u16 start[] = { 0, 1, 65530, 65535 };
	u32 i, j;

	for (i = 0; i < ARRAY_SIZE(ahead); i++) {
		for (j = 0; j < ARRAY_SIZE(start); j++) {
			struct rig *r = rig_new(8, false, false);

			rig_start_at(r, start[j]);
			model_split_avail(&r->driver)[1] =
				cpu_to_le16((u16)(start[j] + ahead[i]));
			expect_broken(r, VIOLA_RING_AVAIL_INDEX);
			rig_free(r);
		}
	}
}

static void available_index_seen_by_enable_kick(void **state)
{
	struct rig *r = rig_new(8, true, false);

	model_split_avail(&r->driver)[1] = cpu_to_le16(9);
	assert_int_equal(viola_ring_enable_kick(&r->ring), -EPROTO);
	assert_int_equal(r->ring.error, VIOLA_RING_AVAIL_INDEX);
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), -EPROTO);
	rig_free(r);
}

static void head_out_of_range(void **state)
{
	static const u16 head[] = { 8, 9, 0x8000, 0xffff };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(head); i++) {
		struct rig *r = rig_new(8, false, false);

		offer(r, head[i]);
		expect_broken(r, VIOLA_RING_HEAD_RANGE);
		rig_free(r);
	}
}

static void head_in_flight(void **state)
{
	struct rig *r = rig_new(128, false, false);
	u32 i;

	for (i = 0; i < 128; i++)
		put(r, i, A_GPA, 1, READ, 0);
	/* neighbours in the same word and in the next are free */
	offer(r, 63);
	offer(r, 62);
	offer(r, 64);
	offer(r, 127);
	offer(r, 63);
	for (i = 0; i < 4; i++)
		expect_pop(r);
	expect_broken(r, VIOLA_RING_HEAD_IN_FLIGHT);
	rig_free(r);
}

static void head_is_free_again_after_push_and_unpop(void **state)
{
	struct rig *r = rig_new(4, false, false);
	u32 i;

	put(r, 2, A_GPA, 1, READ, 0);
	for (i = 0; i < 3; i++) {
		offer(r, 2);
		expect_pop(r);
		viola_ring_unpop(&r->ring, &r->chain);
		expect_pop(r);
		viola_ring_push(&r->ring, 2, 0);
		viola_ring_publish(&r->ring);
	}
	/* pushed but not published is not in flight either: it is used */
	offer(r, 2);
	expect_pop(r);
	viola_ring_push(&r->ring, 2, 0);
	offer(r, 2);
	expect_pop(r);
	offer(r, 2);
	expect_broken(r, VIOLA_RING_HEAD_IN_FLIGHT);
	rig_free(r);
}

static void next_out_of_range(void **state)
{
	static const u16 next[] = { 8, 9, 0x7fff, 0xffff };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(next); i++) {
		struct rig *r = rig_new(8, false, true);

		put(r, 7, A_GPA, 1, READ | NEXT, next[i]);
		offer(r, 7);
		expect_broken(r, VIOLA_RING_NEXT_RANGE);
		rig_free(r);

		/* an index good in the ring is not one in a table of two */
		r = rig_new(64, false, true);
		put_table(r, C_GPA, 0, A_GPA, 1, READ | NEXT, 1);
		put_table(r, C_GPA, 1, A_GPA, 1, READ | NEXT, i ? next[i] : 2);
		put_table(r, C_GPA, 2, A_GPA, 1, READ, 0);
		offer_table(r, 0, C_GPA, 32);
		expect_broken(r, VIOLA_RING_NEXT_RANGE);
		rig_free(r);
	}
}

static void chain_loops(void **state)
{
	struct rig *r = rig_new(8, false, false);

	put(r, 0, A_GPA, 1, READ | NEXT, 1);
	put(r, 1, A_GPA, 1, READ | NEXT, 0);
	offer(r, 0);
	expect_broken(r, VIOLA_RING_CHAIN_LOOP);
	rig_free(r);

	/* of descriptors that take no room, and one that is its own next */
	r = rig_new(8, false, false);
	put(r, 0, A_GPA, 0, READ | NEXT, 0);
	offer(r, 0);
	expect_broken(r, VIOLA_RING_CHAIN_LOOP);
	rig_free(r);

	r = rig_new(8, false, true);
	put_table(r, C_GPA, 0, A_GPA, 0, READ | NEXT, 1);
	put_table(r, C_GPA, 1, A_GPA, 0, READ | NEXT, 1);
	offer_table(r, 0, C_GPA, 32);
	expect_broken(r, VIOLA_RING_CHAIN_LOOP);
	rig_free(r);

	/* the same in a table that is read piecewise */
	r = rig_new(8, false, true);
	put_table(r, B_GPA - 8, 0, A_GPA, 0, READ | NEXT, 1);
	put_table(r, B_GPA - 8, 1, A_GPA, 0, READ | NEXT, 0);
	offer_table(r, 0, B_GPA - 8, 32);
	expect_broken(r, VIOLA_RING_CHAIN_LOOP);
	rig_free(r);
}

static void indirect_not_negotiated(void **state)
{
	struct rig *r = rig_new(8, false, false);

	put_table(r, C_GPA, 0, A_GPA, 1, READ, 0);
	offer_table(r, 0, C_GPA, 16);
	expect_broken(r, VIOLA_RING_INDIRECT_OFF);
	rig_free(r);
}

static void indirect_nested(void **state)
{
	struct rig *r = rig_new(8, false, true);

	put_table(r, C_GPA, 0, A_GPA, 1, READ | NEXT, 1);
	put_table(r, C_GPA, 1, C_GPA, 16, INDIRECT, 0);
	offer_table(r, 0, C_GPA, 32);
	expect_broken(r, VIOLA_RING_INDIRECT_NESTED);
	rig_free(r);
}

static void indirect_with_next(void **state)
{
	struct rig *r = rig_new(8, false, true);

	put_table(r, C_GPA, 0, A_GPA, 1, READ, 0);
	put(r, 0, C_GPA, 16, INDIRECT | NEXT, 1);
	put(r, 1, A_GPA, 1, READ, 0);
	offer(r, 0);
	expect_broken(r, VIOLA_RING_INDIRECT_NEXT);
	rig_free(r);
}

static void indirect_table_length(void **state)
{
	static const u32 len[] = { 0, 1, 8, 15, 17, 24, 16 * 32769, 0xfffffff0u, UINT32_MAX };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(len); i++) {
		struct rig *r = rig_new(8, false, true);

		put_table(r, C_GPA, 0, A_GPA, 1, READ, 0);
		offer_table(r, 0, C_GPA, len[i]);
		expect_broken(r, VIOLA_RING_INDIRECT_SIZE);
		rig_free(r);
	}
}

static void readable_after_writable(void **state)
{
	struct rig *r = rig_new(8, false, true);

	put(r, 0, A_GPA, 1, WRITE | NEXT, 1);
	put(r, 1, A_GPA, 1, READ, 0);
	offer(r, 0);
	expect_broken(r, VIOLA_RING_ORDER);
	rig_free(r);

	r = rig_new(8, false, true);
	put_table(r, C_GPA, 0, A_GPA, 1, WRITE | NEXT, 1);
	put_table(r, C_GPA, 1, A_GPA, 1, READ, 0);
	offer_table(r, 0, C_GPA, 32);
	expect_broken(r, VIOLA_RING_ORDER);
	rig_free(r);

	/* the writable part begins in the ring, the readable follows in the table */
	r = rig_new(8, false, true);
	put(r, 0, A_GPA, 1, WRITE | NEXT, 1);
	put(r, 1, C_GPA, 16, INDIRECT, 0);
	put_table(r, C_GPA, 0, A_GPA, 1, READ, 0);
	offer(r, 0);
	expect_broken(r, VIOLA_RING_ORDER);
	rig_free(r);
}

static void address_is_not_memory(void **state)
{
	static const struct {
		u64 addr;
		u32 len;
	} bad[] = {
		{ HOLE_GPA, 1 }, { 0, 1 }, { A_GPA - 1, 2 }, { B_GPA + B_LEN - 1, 2 },
		{ C_GPA, (u32)C_LEN + 1 }, { C_GPA, UINT32_MAX }, { D_GPA + D_LEN, 1 },
		{ UINT64_MAX, 1 }, { UINT64_MAX - 3, 8 }, { UINT64_MAX, UINT32_MAX },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct rig *r = rig_new(8, false, true);

		put(r, 0, A_GPA, 1, READ | NEXT, 1);
		put(r, 1, bad[i].addr, bad[i].len, i % 2 ? WRITE : READ, 0);
		offer(r, 0);
		expect_broken(r, VIOLA_RING_ADDRESS);
		rig_free(r);

		/* a table there */
		r = rig_new(8, false, true);
		put(r, 0, bad[i].addr, 2 * 16, INDIRECT, 0);
		if (i == 4 || i == 5) /* the table itself would fit */
			put(r, 0, C_GPA + C_LEN - 8, 2 * 16, INDIRECT, 0);
		offer(r, 0);
		expect_broken(r, VIOLA_RING_ADDRESS);
		rig_free(r);
	}
}

/* A table whose second descriptor is not memory, after a first that is. */
static void address_of_part_of_a_table(void **state)
{
	struct rig *r = rig_new(8, false, true);
	u64 table = D_GPA + D_LEN - 24;

	put_table(r, table, 0, A_GPA, 0, READ | NEXT, 1);
	put(r, 0, table, 32, INDIRECT, 0);
	offer(r, 0);
	expect_broken(r, VIOLA_RING_ADDRESS);
	rig_free(r);
}

/* The sum of lengths is kept in 32 bits and must not wrap. */
static void bytes_beyond_32_bits(void **state)
{
	struct rig *r = rig_new(8, false, false);

	put(r, 0, A_GPA, 1, READ | NEXT, 1);
	put(r, 1, A_GPA, UINT32_MAX, READ, 0);
	offer(r, 0);
	expect_broken(r, VIOLA_RING_TOO_LONG);
	rig_free(r);

	r = rig_new(8, false, false);
	put(r, 0, A_GPA, 16, WRITE | NEXT, 1);
	put(r, 1, A_GPA, UINT32_MAX - 15, WRITE, 0);
	offer(r, 0);
	expect_broken(r, VIOLA_RING_TOO_LONG);
	rig_free(r);

	/* at the limit it is the address that is wrong, not the sum */
	r = rig_new(8, false, false);
	put(r, 0, A_GPA, 16, WRITE | NEXT, 1);
	put(r, 1, A_GPA, UINT32_MAX - 16, WRITE, 0);
	offer(r, 0);
	expect_broken(r, VIOLA_RING_ADDRESS);
	rig_free(r);
}

/* How many pieces a buffer has is also the host's doing: the ring lives on. */
static void more_pieces_than_the_caller_has_room_for(void **state)
{
	struct rig *r = rig_new(128, false, true);
	struct viola_seg *more = calloc(SEG_MAX + 1, sizeof(*more));
	u32 i;

	assert_non_null(more);
	for (i = 0; i <= SEG_MAX; i++)
		put(r, i, A_GPA, 1, i < SEG_MAX ? NEXT : 0, (u16)(i + 1));
	offer(r, 0);
	expect_no_room(r);
	expect_no_room(r);
	/* more room, and it is the same chain */
	r->chain.seg = more;
	r->chain.seg_gpa = NULL;
	r->chain.seg_max = SEG_MAX + 1;
	expect_pop(r);
	assert_int_equal(r->chain.id, 0);
	assert_int_equal(r->chain.nout, SEG_MAX + 1);
	rig_free(r);
	free(more);

	/* no room at all, and room for nothing */
	r = rig_new(2, false, true);
	r->chain.seg_max = 0;
	put(r, 0, A_GPA, 1, READ, 0);
	put(r, 1, A_GPA, 0, READ, 0);
	offer(r, 0);
	expect_no_room(r);
	rig_free(r);

	r = rig_new(2, false, true);
	for (i = 0; i <= SEG_MAX; i++)
		put_table(r, C_GPA, i, A_GPA, 1, i < SEG_MAX ? NEXT : 0, (u16)(i + 1));
	offer_table(r, 0, C_GPA, (SEG_MAX + 1) * 16);
	expect_no_room(r);
	rig_free(r);
}

/* What does not fit is taken as it is, and comes back like any other. */
static void a_chain_is_skipped(void **state)
{
	struct rig *r = rig_new(4, false, false);

	r->chain.seg_max = 1;
	put(r, 0, A_GPA, 1, WRITE | NEXT, 1);
	put(r, 1, A_GPA, 1, WRITE, 0);
	put(r, 2, A_GPA, 7, WRITE, 0);
	offer(r, 0);
	offer(r, 2);
	expect_no_room(r);
	r->chain.nin = r->chain.nout = r->chain.in_len = r->chain.out_len = 77;
	assert_int_equal(viola_ring_skip(&r->ring, &r->chain), 1);
	assert_int_equal(r->chain.id, 0);
	assert_int_equal(r->chain.nout + r->chain.nin, 0);
	assert_int_equal(r->chain.out_len + r->chain.in_len, 0);
	/* given back, it is next again, and still does not fit */
	viola_ring_unpop(&r->ring, &r->chain);
	expect_no_room(r);
	assert_int_equal(viola_ring_skip(&r->ring, &r->chain), 1);
	viola_ring_push(&r->ring, r->chain.id, 0);
	viola_ring_publish(&r->ring);
	assert_int_equal(viola_ring_used_index(&r->ring), 1);
	expect_pop(r);
	assert_int_equal(r->chain.id, 2);
	assert_int_equal(r->chain.in_len, 7);
	assert_int_equal(viola_ring_skip(&r->ring, &r->chain), 0);
	rig_free(r);

	/* a head is checked as pop checks it */
	r = rig_new(4, false, false);
	offer(r, 4);
	assert_int_equal(viola_ring_skip(&r->ring, &r->chain), -EPROTO);
	assert_int_equal(r->ring.error, VIOLA_RING_HEAD_RANGE);
	rig_free(r);
	r = rig_new(4, false, false);
	offer(r, 1);
	offer(r, 1);
	assert_int_equal(viola_ring_skip(&r->ring, &r->chain), 1);
	assert_int_equal(viola_ring_skip(&r->ring, &r->chain), -EPROTO);
	assert_int_equal(r->ring.error, VIOLA_RING_HEAD_IN_FLIGHT);
	rig_free(r);
}

/* Empty descriptors take no room, but are counted: time is bounded, too. */
static void empty_descriptors_in_a_table_are_bounded(void **state)
{
	static const struct {
		u32 num, seg_max, most;
	} bound[] = { { 128, SEG_MAX, 128 }, { 4, SEG_MAX, SEG_MAX }, { 8, 1, 8 }, { 4, 0, 4 } };
	u32 k, i, n;

	for (k = 0; k < ARRAY_SIZE(bound); k++) {
		for (n = bound[k].most; n <= bound[k].most + 1; n++) {
			struct rig *r = rig_new(bound[k].num, false, true);

			r->chain.seg_max = bound[k].seg_max;
			for (i = 0; i < n; i++)
				put_table(r, C_GPA, i, A_GPA, 0, i < n - 1 ? NEXT : 0,
					  (u16)(i + 1));
			/* the table itself may be longer than what is used of it */
			offer_table(r, 0, C_GPA, (u32)C_LEN);
			if (n == bound[k].most) {
				expect_pop(r);
				assert_int_equal(r->chain.nout + r->chain.nin, 0);
			} else {
				expect_broken(r, VIOLA_RING_TOO_LONG);
			}
			rig_free(r);
		}
	}
}

/* The first cause stays, and completions of earlier chains still get out. */
static void a_broken_ring_still_completes(void **state)
{
	struct rig *r = rig_new(8, false, false);
	struct model_piece piece = { A_GPA, 16, true };
	int id = model_driver_add(&r->driver, &piece, 1, 0, 0);

	model_driver_expose(&r->driver);
	expect_pop(r);
	offer(r, 99);
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), -EPROTO);
	model_split_avail(&r->driver)[1] = cpu_to_le16(1000);
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), -EPROTO);
	assert_int_equal(r->ring.error, VIOLA_RING_HEAD_RANGE);
	viola_ring_push(&r->ring, (u16)id, 3);
	viola_ring_publish(&r->ring);
	expect_used(r, (u16)id, 3);
	/* and initialising mends it */
	{
		struct viola_ring_config cfg = model_driver_config(&r->driver, false, r->in_flight);

		assert_int_equal(viola_ring_init(&r->ring, &cfg), 0);
		assert_false(viola_ring_broken(&r->ring));
	}
	rig_free(r);
}

static void every_error_has_words(void **state)
{
	u32 i, j;

	for (i = 0; i < VIOLA_RING_ERRORS; i++) {
		assert_non_null(viola_ring_error_name(i));
		for (j = 0; j < i; j++)
			assert_string_not_equal(viola_ring_error_name(i),
						viola_ring_error_name(j));
	}
	assert_string_equal(viola_ring_error_name(VIOLA_RING_ERRORS), "unknown");
	assert_string_equal(viola_ring_error_name((enum viola_ring_error)-1), "unknown");
}

/* --- notifications -------------------------------------------------------- */

static void kick_by_flags(void **state)
{
	struct rig *r = rig_new(8, false, false);
	struct model_piece piece = { A_GPA, 1, false };

	model_driver_add(&r->driver, &piece, 1, 0, 0);
	model_driver_expose(&r->driver);
	assert_true(model_driver_kick_wanted(&r->driver)); /* as a ring starts */
	viola_ring_disable_kick(&r->ring);
	model_driver_add(&r->driver, &piece, 1, 0, 0);
	model_driver_expose(&r->driver);
	assert_false(model_driver_kick_wanted(&r->driver));
	assert_int_equal(viola_ring_enable_kick(&r->ring), 1); /* two are there */
	expect_pop(r);
	expect_pop(r);
	assert_int_equal(viola_ring_enable_kick(&r->ring), 0);
	model_driver_add(&r->driver, &piece, 1, 0, 0);
	model_driver_expose(&r->driver);
	assert_true(model_driver_kick_wanted(&r->driver));
	assert_int_equal(viola_ring_enable_kick(&r->ring), 1);
	rig_free(r);
}

/*
 * A frame that needs more buffers than there are: the device gives all of them
 * back and waits for more, not for those it has seen. It must neither be told
 * for ever that there is something, nor miss the kick for what comes.
 */
static void kick_for_more_than_was_seen(void **state)
{
	struct model_piece piece = { A_GPA, 1, true };
	struct viola_chain first;
	u32 event_idx, i;

	for (event_idx = 0; event_idx < 2; event_idx++) {
		struct rig *r = rig_new(8, event_idx, false);

		rig_start_at(r, 65534);
		viola_ring_disable_kick(&r->ring);
		for (i = 0; i < 2; i++)
			model_driver_add(&r->driver, &piece, 1, 0, 0);
		model_driver_expose(&r->driver);
		model_driver_kick_wanted(&r->driver);
		expect_pop(r);
		first = r->chain;
		expect_pop(r);
		assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 0);
		viola_ring_unpop(&r->ring, &r->chain);
		viola_ring_unpop(&r->ring, &first);
		assert_int_equal(viola_ring_enable_kick_more(&r->ring), 0);
		model_driver_add(&r->driver, &piece, 1, 0, 0);
		model_driver_expose(&r->driver);
		assert_true(model_driver_kick_wanted(&r->driver));
		/* that one counts as new, once */
		assert_int_equal(viola_ring_enable_kick_more(&r->ring), 1);
		assert_int_equal(viola_ring_enable_kick_more(&r->ring), 0);
		for (i = 0; i < 3; i++)
			expect_pop(r);
		assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 0);
		/* nothing given back: the same as enable_kick */
		assert_int_equal(viola_ring_enable_kick_more(&r->ring), 0);
		model_driver_add(&r->driver, &piece, 1, 0, 0);
		model_driver_expose(&r->driver);
		assert_true(model_driver_kick_wanted(&r->driver));
		assert_int_equal(viola_ring_enable_kick(&r->ring), 1);
		offer(r, 99);
		model_split_avail(&r->driver)[1] = cpu_to_le16(1000);
		assert_int_equal(viola_ring_enable_kick_more(&r->ring), -EPROTO);
		assert_int_equal(viola_ring_enable_kick_more(&r->ring), -EPROTO);
		rig_free(r);
	}
}

static void call_by_flags(void **state)
{
	struct rig *r = rig_new(8, false, false);
	struct model_piece piece = { A_GPA, 1, false };
	u32 i;

	for (i = 0; i < 3; i++)
		model_driver_add(&r->driver, &piece, 1, 0, 0);
	model_driver_expose(&r->driver);
	for (i = 0; i < 3; i++)
		expect_pop(r);
	assert_false(model_driver_want_call(&r->driver, 0));
	viola_ring_push(&r->ring, 0, 0);
	viola_ring_publish(&r->ring);
	assert_true(viola_ring_needs_call(&r->ring));
	assert_true(model_driver_want_call(&r->driver, 0));
	model_driver_no_call(&r->driver);
	viola_ring_push(&r->ring, 1, 0);
	viola_ring_publish(&r->ring);
	assert_false(viola_ring_needs_call(&r->ring));
	expect_used(r, 0, 0);
	expect_used(r, 1, 0);
	assert_false(model_driver_want_call(&r->driver, 0));
	viola_ring_push(&r->ring, 2, 0);
	viola_ring_publish(&r->ring);
	assert_true(viola_ring_needs_call(&r->ring));
	rig_free(r);
}

/* With nothing new there is nothing to interrupt for, whatever the flags say. */
/* The driver's wish does not count once it has nothing left on offer. */
static void call_on_empty(void **state)
{
	bool event_idx = false;
	u32 i;

	do {
		struct rig *r = rig_new(8, event_idx, false);
		struct viola_ring_config cfg =
			model_driver_config(&r->driver, false, r->in_flight);

		cfg.notify_on_empty = true;
		assert_int_equal(viola_ring_init(&r->ring, &cfg), 0);
		for (i = 0; i < 4; i++) {
			put(r, i, A_GPA, 1, WRITE, 0);
			offer(r, (u16)i);
		}
		model_driver_no_call(&r->driver);
		for (i = 0; i < 4; i++) {
			expect_pop(r);
			viola_ring_push(&r->ring, r->chain.id, 1);
			viola_ring_publish(&r->ring);
			/* the very first is never withheld by event index */
			assert_int_equal(viola_ring_needs_call(&r->ring),
					 i == 3 || (event_idx && !i));
		}
		assert_false(viola_ring_needs_call(&r->ring));
		rig_free(r);
		event_idx = !event_idx;
	} while (event_idx);
}

static void no_call_without_a_used_buffer(void **state)
{
	u32 event_idx, i;

	for (event_idx = 0; event_idx < 2; event_idx++) {
		struct rig *r = rig_new(8, event_idx, false);

		viola_ring_needs_call(&r->ring); /* the first may say anything */
		for (i = 0; i < 3; i++) {
			put(r, i, A_GPA, 1, READ, 0);
			offer(r, (u16)i);
			expect_pop(r);
			assert_false(viola_ring_needs_call(&r->ring));
			model_driver_want_call(&r->driver, 0);
			viola_ring_push(&r->ring, (u16)i, 0);
			viola_ring_publish(&r->ring);
			assert_true(viola_ring_needs_call(&r->ring));
			assert_false(viola_ring_needs_call(&r->ring));
			r->driver.used++;
		}
		rig_free(r);
	}
}

/*
 * With event indices a kick comes for the buffer that was asked for and no
 * other, at every index modulo 65536.
 */
static void kick_by_event_index_over_the_wrap(void **state)
{
	struct rig *r = rig_new(4, true, false);
	struct model_piece piece = { A_GPA, 1, false };
	u32 i, k, n;
	u16 id;
	u32 written;

	for (i = 0; i < 70000; i++) {
		n = 1 + i % 4;
		assert_int_equal(viola_ring_enable_kick(&r->ring), 0);
		for (k = 0; k < n; k++) {
			assert_true(model_driver_add(&r->driver, &piece, 1, 0, 0) >= 0);
			model_driver_expose(&r->driver);
			/* only the first after enable_kick, asked one by one */
			assert_int_equal(model_driver_kick_wanted(&r->driver), k == 0);
		}
		assert_int_equal(viola_ring_enable_kick(&r->ring), 1);
		viola_ring_disable_kick(&r->ring);
		while (viola_ring_pop(&r->ring, &r->chain) == 1)
			viola_ring_push(&r->ring, r->chain.id, 0);
		viola_ring_publish(&r->ring);
		for (k = 0; k < n; k++)
			assert_int_equal(model_driver_reclaim(&r->driver, &id, &written), 1);
	}
	rig_free(r);
}

static void kick_by_event_index_covers_a_batch(void **state)
{
	struct rig *r = rig_new(8, true, false);
	struct model_piece piece = { A_GPA, 1, false };
	u32 i;

	rig_start_at(r, 65534);
	assert_int_equal(viola_ring_enable_kick(&r->ring), 0);
	for (i = 0; i < 5; i++)
		model_driver_add(&r->driver, &piece, 1, 0, 0);
	model_driver_expose(&r->driver);
	assert_true(model_driver_kick_wanted(&r->driver));
	model_driver_add(&r->driver, &piece, 1, 0, 0);
	model_driver_expose(&r->driver);
	assert_false(model_driver_kick_wanted(&r->driver));
	rig_free(r);
}

/*
 * needs_call() against its definition (2.7.7.2), for every distance of the
 * event from the published range, over the wrap, in batches of every size.
 */
static void call_by_event_index_agrees_with_definition(void **state)
{
	struct rig *r = rig_new(8, true, false);
	struct model_piece piece = { A_GPA, 1, false };
	struct model_rand rand = { 1 };
	u16 at = 65000, id;
	u32 round, k, n, written;
	__le16 *used_event = model_split_avail(&r->driver) + 2 + 8;

	rig_start_at(r, at);
	viola_ring_needs_call(&r->ring); /* from here on it knows what it said */
	for (round = 0; round < 100000; round++) {
		u16 event = (u16)(at - 12 + model_rand_below(&rand, 24));
		bool want = false;

		if (round % 16 == 0)
			event = (u16)model_rand_next(&rand);
		n = model_rand_below(&rand, 9);
		for (k = 0; k < n; k++)
			model_driver_add(&r->driver, &piece, 1, 0, 0);
		model_driver_expose(&r->driver);
		for (k = 0; k < n; k++) {
			expect_pop(r);
			viola_ring_push(&r->ring, r->chain.id, 0);
			want |= (u16)(at + k) == event;
		}
		*used_event = cpu_to_le16(event);
		viola_ring_publish(&r->ring);
		assert_int_equal(viola_ring_needs_call(&r->ring), want);
		assert_false(viola_ring_needs_call(&r->ring)); /* said once */
		at = (u16)(at + n);
		for (k = 0; k < n; k++)
			assert_int_equal(model_driver_reclaim(&r->driver, &id, &written), 1);
	}
	rig_free(r);
}

static void first_call_is_not_withheld(void **state)
{
	struct rig *r = rig_new(8, true, false);

	put(r, 0, A_GPA, 1, READ, 0);
	offer(r, 0);
	expect_pop(r);
	viola_ring_push(&r->ring, 0, 0);
	viola_ring_publish(&r->ring);
	model_split_avail(&r->driver)[2 + 8] = cpu_to_le16(1000);
	assert_true(viola_ring_needs_call(&r->ring));
	rig_free(r);
}

/*
 * A device that publishes for long without asking needs_call(), as one that
 * polls may, gets round to the index it last signalled at. What it published
 * is then everything, not nothing.
 */
static void call_after_65536_buffers_unasked(void **state)
{
	static const u32 extra[] = { 0, 1, 2, 4 };
	struct model_piece piece = { A_GPA, 1, false };
	u32 i, k, written;
	u16 id;

	for (i = 0; i < ARRAY_SIZE(extra); i++) {
		struct rig *r = rig_new(4, true, false);

		viola_ring_needs_call(&r->ring);
		assert_false(viola_ring_needs_call(&r->ring));
		assert_false(model_driver_want_call(&r->driver, 100));
		for (k = 0; k < 65536 + extra[i]; k++) {
			model_driver_add(&r->driver, &piece, 1, 0, 0);
			model_driver_expose(&r->driver);
			expect_pop(r);
			viola_ring_push(&r->ring, r->chain.id, 0);
			viola_ring_publish(&r->ring);
			assert_int_equal(model_driver_reclaim(&r->driver, &id, &written), 1);
		}
		assert_true(viola_ring_needs_call(&r->ring));
		assert_false(viola_ring_needs_call(&r->ring));
		rig_free(r);
	}
}

/* Reads of what the device writes, and writes of what it reads: none. */
static void device_leaves_the_driver_s_parts_alone(void **state)
{
	struct rig *r = rig_new(8, true, true);
	u8 *desc, *avail;
	u32 i;

	for (i = 0; i < 8; i++) {
		put(r, i, C_GPA, 16, INDIRECT, 0);
		offer(r, (u16)i);
	}
	put_table(r, C_GPA, 0, A_GPA, 100, WRITE, 0);
	desc = malloc(viola_ring_desc_size(8));
	avail = malloc(viola_ring_driver_size(8));
	assert_non_null(desc);
	assert_non_null(avail);
	memcpy(desc, r->driver.desc, viola_ring_desc_size(8));
	memcpy(avail, r->driver.driver, viola_ring_driver_size(8));
	/* garbage in the device's part must not matter to it */
	memset(r->driver.device, 0xa5, viola_ring_device_size(8));
	for (i = 0; i < 8; i++) {
		expect_pop(r);
		viola_ring_push(&r->ring, r->chain.id, 1);
	}
	viola_ring_publish(&r->ring);
	viola_ring_needs_call(&r->ring);
	viola_ring_enable_kick(&r->ring);
	viola_ring_disable_kick(&r->ring);
	assert_memory_equal(desc, r->driver.desc, viola_ring_desc_size(8));
	assert_memory_equal(avail, r->driver.driver, viola_ring_driver_size(8));
	assert_int_equal(le16_to_cpu(*(__le16 *)(model_split_used(&r->driver) + 2)), 8);
	assert_false(viola_ring_broken(&r->ring));
	free(desc);
	free(avail);
	rig_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_takes_every_size_and_no_other),
		cmocka_unit_test(init_refuses_bad_alignment),
		cmocka_unit_test(every_size_carries_a_full_ring),
		cmocka_unit_test(set_base_resumes),
		cmocka_unit_test(pop_describes_the_chain),
		cmocka_unit_test(nothing_available),
		cmocka_unit_test(chain_crosses_extents),
		cmocka_unit_test(zero_length_descriptors_are_no_pieces),
		cmocka_unit_test(longest_chain_has_num_descriptors),
		cmocka_unit_test(pieces_fill_the_caller_s_array_exactly),
		cmocka_unit_test(guest_addresses_are_optional),
		cmocka_unit_test(unpop_gives_back_in_reverse),
		cmocka_unit_test(used_buffers_appear_at_publish_in_order_of_push),
		cmocka_unit_test(indirect_table),
		cmocka_unit_test(indirect_table_anywhere_in_memory),
		cmocka_unit_test(indirect_table_misaligned_on_the_host_only),
		cmocka_unit_test(indirect_descriptor_may_end_a_chain),
		cmocka_unit_test(write_flag_of_an_indirect_descriptor_is_ignored),
		cmocka_unit_test(indirect_table_may_be_longer_than_the_ring),
		cmocka_unit_test(available_index_out_of_bounds),
		cmocka_unit_test(available_index_seen_by_enable_kick),
		cmocka_unit_test(head_out_of_range),
		cmocka_unit_test(head_in_flight),
		cmocka_unit_test(head_is_free_again_after_push_and_unpop),
		cmocka_unit_test(next_out_of_range),
		cmocka_unit_test(chain_loops),
		cmocka_unit_test(indirect_not_negotiated),
		cmocka_unit_test(indirect_nested),
		cmocka_unit_test(indirect_with_next),
		cmocka_unit_test(indirect_table_length),
		cmocka_unit_test(readable_after_writable),
		cmocka_unit_test(address_is_not_memory),
		cmocka_unit_test(address_of_part_of_a_table),
		cmocka_unit_test(bytes_beyond_32_bits),
		cmocka_unit_test(more_pieces_than_the_caller_has_room_for),
		cmocka_unit_test(a_chain_is_skipped),
		cmocka_unit_test(empty_descriptors_in_a_table_are_bounded),
		cmocka_unit_test(a_broken_ring_still_completes),
		cmocka_unit_test(every_error_has_words),
		cmocka_unit_test(kick_by_flags),
		cmocka_unit_test(kick_for_more_than_was_seen),
		cmocka_unit_test(call_by_flags),
		cmocka_unit_test(call_on_empty),
		cmocka_unit_test(no_call_without_a_used_buffer),
		cmocka_unit_test(kick_by_event_index_over_the_wrap),
		cmocka_unit_test(kick_by_event_index_covers_a_batch),
		cmocka_unit_test(call_by_event_index_agrees_with_definition),
		cmocka_unit_test(first_call_is_not_withheld),
		cmocka_unit_test(call_after_65536_buffers_unasked),
		cmocka_unit_test(device_leaves_the_driver_s_parts_alone),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
