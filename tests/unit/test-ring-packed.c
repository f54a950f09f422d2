// SPDX-License-Identifier: GPL-2.0
/*
 * The device side of a packed virtqueue (virtio 1.2, 2.8), and in-order use of
 * both layouts, against hand-written shared memory: each rule by itself, and
 * each thing that a driver must not do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/model-driver.h"

#define A_GPA 0x1000ull
#define A_LEN 0x1000ull
#define HOLE_GPA 0x3000ull
#define C_GPA 0x4000ull
#define C_LEN 0x10000ull

#define SEG_MAX 64

#define READ 0
#define WRITE VRING_DESC_F_WRITE
#define NEXT VRING_DESC_F_NEXT
#define INDIRECT VRING_DESC_F_INDIRECT
#define AVAIL VIOLA_PACKED_AVAIL
#define USED VIOLA_PACKED_USED
#define WRAP VIOLA_PACKED_WRAP

struct rig {
	struct model_guest guest;
	struct model_driver driver;
	struct viola_ring ring;
	bool *in_flight;
	struct viola_ring_record *record;
	struct viola_chain chain;
	struct viola_seg *seg; /* SEG_MAX, on the heap for ASan's sake */
	u64 *seg_gpa;
	u16 at; /* where put() goes on */
};

static struct rig *rig_of(const struct model_layout *layout, u32 num, bool event_idx,
			  bool indirect, bool in_order)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct viola_ring_config cfg;

	assert_non_null(r);
	model_guest_init(&r->guest);
	model_guest_add(&r->guest, A_GPA, A_LEN);
	model_guest_add(&r->guest, C_GPA, C_LEN);
	model_driver_init(&r->driver, layout, &r->guest, num, event_idx);
	r->driver.in_order = in_order;
	r->in_flight = calloc(num, sizeof(bool));
	r->record = calloc(num, sizeof(*r->record));
	r->seg = calloc(SEG_MAX, sizeof(*r->seg));
	r->seg_gpa = calloc(SEG_MAX, sizeof(*r->seg_gpa));
	assert_non_null(r->in_flight);
	assert_non_null(r->record);
	assert_non_null(r->seg);
	assert_non_null(r->seg_gpa);
	cfg = model_driver_config(&r->driver, indirect, r->in_flight);
	cfg.record = r->record;
	assert_int_equal(viola_ring_init(&r->ring, &cfg), 0);
	r->chain.seg = r->seg;
	r->chain.seg_gpa = r->seg_gpa;
	r->chain.seg_max = SEG_MAX;
	r->at = WRAP;
	return r;
}

static struct rig *rig_new(u32 num, bool event_idx, bool indirect)
{
	return rig_of(&model_packed, num, event_idx, indirect, false);
}

static void rig_free(struct rig *r)
{
	model_driver_free(&r->driver);
	model_guest_free(&r->guest);
	free(r->in_flight);
	free(r->record);
	free(r->seg);
	free(r->seg_gpa);
	free(r);
}

/* The next descriptor of the ring, by hand, and available at once. */
static void put(struct rig *r, u64 addr, u32 len, u16 flags, u16 id)
{
	struct vring_packed_desc *d = model_packed_desc(&r->driver, r->at & 0x7fff);

	d->addr = cpu_to_le64(addr);
	d->len = cpu_to_le32(len);
	d->id = cpu_to_le16(id);
	d->flags = cpu_to_le16((u16)(flags | (r->at & WRAP ? AVAIL : USED)));
	r->at = viola_packed_advance(&r->ring, r->at, 1);
}

static void put_table(struct rig *r, u64 table, u32 i, u64 addr, u32 len, u16 flags)
{
	struct vring_packed_desc d = {
		.addr = cpu_to_le64(addr),
		.len = cpu_to_le32(len),
		.id = cpu_to_le16(0xffff),
		.flags = cpu_to_le16(flags),
	};
	u32 hint = 0;

	assert_int_equal(viola_mem_write(&r->guest.mem, &hint, table + 16 * i, &d, sizeof(d)), 0);
}

static void expect_pop(struct rig *r, u16 id, u16 slots)
{
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 1);
	assert_int_equal(r->chain.id, id);
	assert_int_equal(r->chain.slots, slots);
}

/* The next pop breaks the ring for @error, takes nothing, and it stays broken. */
static void expect_broken(struct rig *r, enum viola_ring_error error)
{
	u16 base = viola_ring_base(&r->ring);
	u32 busy = r->ring.busy;

	assert_false(viola_ring_broken(&r->ring));
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), -EPROTO);
	assert_string_equal(viola_ring_error_name(r->ring.error), viola_ring_error_name(error));
	assert_int_equal(viola_ring_base(&r->ring), base);
	assert_int_equal(r->ring.busy, busy);
	memset(r->driver.desc, 0, viola_packed_desc_size(r->driver.num));
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), -EPROTO);
	assert_int_equal(viola_ring_skip(&r->ring, &r->chain), -EPROTO);
	assert_int_equal(viola_ring_available(&r->ring), -EPROTO);
	assert_int_equal(viola_ring_enable_kick(&r->ring), -EPROTO);
	assert_int_equal(viola_ring_enable_kick_more(&r->ring), -EPROTO);
	assert_int_equal(r->ring.error, error);
	rig_free(r);
}

/* The descriptor at @i as the device left it. */
static void expect_desc(struct rig *r, u32 i, u16 id, u32 len, u16 flags)
{
	const struct vring_packed_desc *d = model_packed_desc(&r->driver, i);

	assert_int_equal(le16_to_cpu(d->id), id);
	assert_int_equal(le32_to_cpu(d->len), len);
	assert_int_equal(le16_to_cpu(d->flags), flags);
}

/* --- setting up ---------------------------------------------------------------- */

static void init_takes_every_size_up_to_the_largest(void **state)
{
	static u8 area[32] __attribute__((aligned(16)));
	static bool in_flight[VIOLA_RING_MAX_SIZE];
	static struct viola_ring_record record[1];
	static const u32 good[] = { 1, 2, 3, 100, 32767, 32768 }, bad[] = { 0, 32769, UINT32_MAX };
	struct viola_mem none = { NULL, 0 };
	struct viola_ring_config cfg = {
		.packed = true, .desc = area, .driver = area, .device = area, .mem = &none,
		.in_flight = in_flight, .record = record,
	};
	struct viola_ring ring;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		cfg.num = good[i];
		assert_int_equal(viola_ring_init(&ring, &cfg), 0);
		assert_int_equal(viola_ring_base(&ring), WRAP);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		cfg.num = bad[i];
		assert_int_equal(viola_ring_init(&ring, &cfg), -EINVAL);
	}
	cfg.num = 1;
	for (i = 1; i < 16; i++) {
		cfg.desc = area + i;
		assert_int_equal(viola_ring_init(&ring, &cfg), -EINVAL);
		cfg.desc = area;
		cfg.driver = area + i;
		assert_int_equal(viola_ring_init(&ring, &cfg), i % 4 ? -EINVAL : 0);
		cfg.driver = area;
		cfg.device = area + i;
		assert_int_equal(viola_ring_init(&ring, &cfg), i % 4 ? -EINVAL : 0);
		cfg.device = area;
		cfg.inflight = area + i;
		assert_int_equal(viola_ring_init(&ring, &cfg), i % 8 ? -EINVAL : 0);
		cfg.inflight = NULL;
	}
	/* what needs records does not do without */
	cfg.record = NULL;
	assert_int_equal(viola_ring_init(&ring, &cfg), -EINVAL);
	cfg.packed = false;
	assert_int_equal(viola_ring_init(&ring, &cfg), 0);
	cfg.in_order = true;
	assert_int_equal(viola_ring_init(&ring, &cfg), -EINVAL);
	cfg.in_order = false;
	cfg.inflight = area;
	assert_int_equal(viola_ring_init(&ring, &cfg), -EINVAL);
}

static void base_is_encoded_as_vhost_has_it(void **state)
{
	static const u32 bad[] = { 8, 0x8008, 8u << 16 | 0x8000, 0x7fff, 0xffff0000u,
				   0x80000000u | 7, /* 15 entries between the two */ };
	struct rig *r = rig_new(8, false, false);
	u32 i;

	assert_int_equal(viola_ring_vring_base(&r->ring), 0x80008000u);
	for (i = 0; i < 6; i++)
		put(r, A_GPA, 1, READ, (u16)i);
	for (i = 0; i < 6; i++)
		expect_pop(r, (u16)i, 1);
	viola_ring_push(&r->ring, 0, 0);
	assert_int_equal(viola_ring_vring_base(&r->ring), 0x80018006u);
	for (i = 1; i < 6; i++)
		viola_ring_push(&r->ring, (u16)i, 0);
	put(r, A_GPA, 1, READ, 0);
	put(r, A_GPA, 1, READ | NEXT, 1);
	put(r, A_GPA, 1, READ, 1);
	expect_pop(r, 0, 1);
	expect_pop(r, 1, 2);
	assert_int_equal(viola_ring_vring_base(&r->ring), 0x80060001u);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(viola_ring_set_vring_base(&r->ring, bad[i]), -EINVAL);
	assert_int_equal(viola_ring_vring_base(&r->ring), 0x80060001u);
	assert_int_equal(viola_ring_set_vring_base(&r->ring, 0x00010001u), 0);
	assert_int_equal(viola_ring_base(&r->ring), 1);
	assert_int_equal(viola_ring_used_index(&r->ring), 1);
	viola_ring_set_base(&r->ring, 0x8005);
	assert_int_equal(viola_ring_vring_base(&r->ring), 0x80058005u);
	viola_ring_set_base(&r->ring, 8);
	assert_int_equal(r->ring.error, VIOLA_RING_BASE);
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), -EPROTO);
	rig_free(r);

	r = rig_of(&model_split, 8, false, false, false);
	assert_int_equal(viola_ring_set_vring_base(&r->ring, 0x10000), -EINVAL);
	assert_int_equal(viola_ring_set_vring_base(&r->ring, 0xfffe), 0);
	assert_int_equal(viola_ring_vring_base(&r->ring), 0xfffe);
	rig_free(r);
}

/* --- chains -------------------------------------------------------------------- */

static void chain_over_the_wrap(void **state)
{
	struct rig *r = rig_new(4, false, false);
	u32 i;

	for (i = 0; i < 3; i++) {
		put(r, A_GPA, 1, READ, (u16)i);
		expect_pop(r, (u16)i, 1);
		viola_ring_push(&r->ring, (u16)i, 0);
	}
	viola_ring_publish(&r->ring);
	put(r, A_GPA + 4, 10, READ | NEXT, 99); /* only the last id counts */
	put(r, C_GPA, 20, WRITE | NEXT, 77);
	put(r, C_GPA + 32, 30, WRITE, 2);
	expect_pop(r, 2, 3);
	assert_int_equal(r->chain.nout, 1);
	assert_int_equal(r->chain.nin, 2);
	assert_int_equal(r->chain.out_len, 10);
	assert_int_equal(r->chain.in_len, 50);
	assert_int_equal(r->seg_gpa[2], C_GPA + 32);
	assert_int_equal(viola_ring_base(&r->ring), 2); /* wrap counter 0 */
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 0);
	viola_ring_push(&r->ring, 2, 50);
	viola_ring_publish(&r->ring);
	expect_desc(r, 3, 2, 50, AVAIL | USED | WRITE);
	assert_int_equal(viola_ring_used_index(&r->ring), 2);
	put(r, A_GPA, 1, READ, 0);
	expect_pop(r, 0, 1);
	viola_ring_push(&r->ring, 0, 0);
	viola_ring_publish(&r->ring);
	expect_desc(r, 2, 0, 0, 0); /* used, in the lap of wrap counter 0 */
	rig_free(r);
}

static void availability_is_the_lap_s(void **state)
{
	static const struct {
		u16 at, flags;
		int avail;
	} cases[] = {
		{ WRAP, 0, 0 }, { WRAP, AVAIL, 1 }, { WRAP, USED, 0 }, { WRAP, AVAIL | USED, 0 },
		{ 0, 0, 0 }, { 0, AVAIL, 0 }, { 0, USED, 1 }, { 0, AVAIL | USED, 0 },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct rig *r = rig_new(4, false, false);

		viola_ring_set_base(&r->ring, cases[i].at);
		r->at = cases[i].at;
		put(r, A_GPA, 1, READ, 0);
		model_packed_desc(&r->driver, 0)->flags = cpu_to_le16(cases[i].flags);
		assert_int_equal(viola_ring_available(&r->ring), cases[i].avail);
		assert_int_equal(viola_ring_enable_kick(&r->ring), cases[i].avail);
		assert_int_equal(viola_ring_pop(&r->ring, &r->chain), cases[i].avail);
		rig_free(r);
	}
}

/* A batch: all is written, and nothing told before publish. */
static void first_flags_are_written_last(void **state)
{
	struct rig *r = rig_new(8, false, false);
	u32 i;

	for (i = 0; i < 4; i++)
		put(r, A_GPA, 16, WRITE, (u16)i);
	for (i = 0; i < 4; i++)
		expect_pop(r, (u16)i, 1);
	viola_ring_push(&r->ring, 2, 7);
	viola_ring_push(&r->ring, 0, 0);
	viola_ring_push(&r->ring, 3, 9);
	expect_desc(r, 0, 2, 7, AVAIL | WRITE);
	expect_desc(r, 1, 0, 0, AVAIL | USED);
	expect_desc(r, 2, 3, 9, AVAIL | USED | WRITE);
	expect_desc(r, 3, 3, 16, AVAIL | WRITE);
	viola_ring_publish(&r->ring);
	expect_desc(r, 0, 2, 7, AVAIL | USED | WRITE);
	viola_ring_publish(&r->ring); /* nothing more to say */
	expect_desc(r, 3, 3, 16, AVAIL | WRITE);
	viola_ring_push(&r->ring, 1, 3);
	expect_desc(r, 3, 1, 3, AVAIL | WRITE);
	viola_ring_publish(&r->ring);
	expect_desc(r, 3, 1, 3, AVAIL | USED | WRITE);
	rig_free(r);
}

static void indirect_table_is_used_in_its_order(void **state)
{
	struct rig *r = rig_new(4, false, true);

	put_table(r, C_GPA, 0, A_GPA, 3, READ);
	put_table(r, C_GPA, 1, A_GPA + 8, 5, READ | NEXT | AVAIL); /* these mean nothing */
	put_table(r, C_GPA, 2, C_GPA + 64, 7, WRITE);
	put(r, C_GPA, 48, INDIRECT | WRITE, 1);
	expect_pop(r, 1, 1);
	assert_int_equal(r->chain.out_len, 8);
	assert_int_equal(r->chain.in_len, 7);
	assert_int_equal(r->chain.nin, 1);
	/* the same behind a direct descriptor, and where loads must be piecewise */
	put_table(r, C_GPA + 4, 0, A_GPA, 3, READ);
	put_table(r, C_GPA + 4, 1, A_GPA, 4, WRITE);
	put(r, A_GPA, 1, READ | NEXT, 0);
	put(r, C_GPA + 4, 32, INDIRECT, 2);
	expect_pop(r, 2, 2);
	assert_int_equal(r->chain.out_len, 4);
	assert_int_equal(r->chain.in_len, 4);
	rig_free(r);
}

static void unpop_and_skip(void **state)
{
	struct rig *r = rig_new(4, true, false);
	struct viola_chain first;

	put(r, A_GPA, 1, WRITE | NEXT, 0);
	put(r, A_GPA, 1, WRITE, 3);
	put(r, A_GPA, 1, WRITE, 1);
	expect_pop(r, 3, 2);
	first = r->chain;
	expect_pop(r, 1, 1);
	viola_ring_unpop(&r->ring, &r->chain);
	viola_ring_unpop(&r->ring, &first);
	assert_int_equal(viola_ring_base(&r->ring), WRAP);
	assert_int_equal(r->ring.busy, 0);
	r->chain.seg_max = 1;
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), -ENOBUFS);
	assert_false(viola_ring_broken(&r->ring));
	assert_int_equal(viola_ring_base(&r->ring), WRAP);
	assert_int_equal(viola_ring_skip(&r->ring, &r->chain), 1);
	assert_int_equal(r->chain.id, 3);
	assert_int_equal(r->chain.slots, 2);
	assert_int_equal(r->chain.nin + r->chain.nout + r->chain.in_len, 0);
	expect_pop(r, 1, 1);
	viola_ring_push(&r->ring, 1, 1);
	viola_ring_push(&r->ring, 3, 0);
	viola_ring_publish(&r->ring);
	expect_desc(r, 0, 1, 1, AVAIL | USED | WRITE);
	expect_desc(r, 1, 3, 0, AVAIL | USED);
	assert_int_equal(viola_ring_used_index(&r->ring), WRAP | 3);
	rig_free(r);
}

/* --- what a driver must not do -------------------------------------------------- */

static void id_out_of_range(void **state)
{
	static const u16 bad[] = { 8, 9, 0x8000, 0xffff };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct rig *r = rig_new(8, false, false);

		put(r, A_GPA, 1, READ, bad[i]);
		expect_broken(r, VIOLA_RING_HEAD_RANGE);
	}
}

static void id_in_flight(void **state)
{
	struct rig *r = rig_new(8, false, false);

	put(r, A_GPA, 1, READ, 5);
	put(r, A_GPA, 1, READ, 5);
	expect_pop(r, 5, 1);
	expect_broken(r, VIOLA_RING_HEAD_IN_FLIGHT);
}

static void more_than_the_ring_holds(void **state)
{
	struct rig *r = rig_new(4, false, false);
	u32 i;

	/* a whole lap in flight, and the next one made available */
	for (i = 0; i < 4; i++)
		put(r, A_GPA, 1, READ, (u16)i);
	for (i = 0; i < 4; i++)
		expect_pop(r, (u16)i, 1);
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 0);
	put(r, A_GPA, 1, READ, 0);
	expect_broken(r, VIOLA_RING_AVAIL_INDEX);

	/* a chain that runs into what is in flight */
	r = rig_new(4, false, false);
	put(r, A_GPA, 1, READ, 0);
	expect_pop(r, 0, 1);
	for (i = 0; i < 3; i++)
		put(r, A_GPA, 1, READ | NEXT, 1);
	expect_broken(r, VIOLA_RING_AVAIL_INDEX);

	/* what was used makes room, and only that */
	r = rig_new(4, false, false);
	for (i = 0; i < 4; i++)
		put(r, A_GPA, 1, READ, (u16)i);
	for (i = 0; i < 4; i++)
		expect_pop(r, (u16)i, 1);
	viola_ring_push(&r->ring, 2, 0);
	viola_ring_publish(&r->ring);
	put(r, A_GPA, 1, READ, 2);
	expect_pop(r, 2, 1);
	put(r, A_GPA, 1, READ, 1);
	expect_broken(r, VIOLA_RING_AVAIL_INDEX);
}

static void chain_without_an_end(void **state)
{
	u32 num, i;

	for (num = 1; num <= 9; num += 4) {
		struct rig *r = rig_new(num, false, false);

		for (i = 0; i < num; i++)
			put(r, A_GPA, 0, READ | NEXT, 0);
		expect_broken(r, VIOLA_RING_CHAIN_LOOP);

		r = rig_new(num, false, false);
		for (i = 0; i < num; i++)
			put(r, A_GPA, 0, READ | NEXT, 0);
		assert_int_equal(viola_ring_skip(&r->ring, &r->chain), -EPROTO);
		assert_int_equal(r->ring.error, VIOLA_RING_CHAIN_LOOP);
		rig_free(r);

		/* the longest there may be */
		r = rig_new(num, false, false);
		for (i = 0; i < num; i++)
			put(r, A_GPA, 1, i + 1 < num ? NEXT : 0, 0);
		expect_pop(r, 0, (u16)num);
		assert_int_equal(r->chain.nout, num);
		rig_free(r);
	}
}

static void wrong_tables(void **state)
{
	static const u32 len[] = { 0, 1, 15, 17, 16 * 32769, 0xfffffff0u };
	struct rig *r;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(len); i++) {
		r = rig_new(8, false, true);
		put(r, C_GPA, len[i], INDIRECT, 0);
		expect_broken(r, VIOLA_RING_INDIRECT_SIZE);
	}
	r = rig_new(8, false, false);
	put(r, C_GPA, 16, INDIRECT, 0);
	expect_broken(r, VIOLA_RING_INDIRECT_OFF);
	r = rig_new(8, false, true);
	put(r, C_GPA, 16, INDIRECT | NEXT, 0);
	put(r, A_GPA, 1, READ, 0);
	expect_broken(r, VIOLA_RING_INDIRECT_NEXT);
	r = rig_new(8, false, true);
	put_table(r, C_GPA, 0, A_GPA, 1, READ);
	put_table(r, C_GPA, 1, C_GPA, 16, INDIRECT);
	put(r, C_GPA, 32, INDIRECT, 0);
	expect_broken(r, VIOLA_RING_INDIRECT_NESTED);
	r = rig_new(8, false, true);
	put(r, HOLE_GPA, 16, INDIRECT, 0);
	expect_broken(r, VIOLA_RING_ADDRESS);
	r = rig_new(8, false, true);
	put(r, C_GPA + C_LEN - 24, 32, INDIRECT, 0);
	expect_broken(r, VIOLA_RING_ADDRESS);
	r = rig_new(8, false, true);
	put_table(r, C_GPA, 0, A_GPA, 1, WRITE);
	put_table(r, C_GPA, 1, A_GPA, 1, READ);
	put(r, C_GPA, 32, INDIRECT, 0);
	expect_broken(r, VIOLA_RING_ORDER);
	/* empty descriptors take no room, but time */
	r = rig_new(8, false, true);
	put(r, C_GPA, 16 * (SEG_MAX + 1), INDIRECT, 0);
	expect_broken(r, VIOLA_RING_TOO_LONG);
	r = rig_new(8, false, true);
	put(r, C_GPA, 16 * SEG_MAX, INDIRECT, 0);
	expect_pop(r, 0, 1);
	rig_free(r);
}

static void wrong_pieces(void **state)
{
	struct rig *r = rig_new(8, false, false);

	put(r, A_GPA, 1, WRITE | NEXT, 0);
	put(r, A_GPA, 1, READ, 0);
	expect_broken(r, VIOLA_RING_ORDER);
	r = rig_new(8, false, false);
	put(r, HOLE_GPA, 1, READ, 0);
	expect_broken(r, VIOLA_RING_ADDRESS);
	r = rig_new(8, false, false);
	put(r, A_GPA, 1, READ | NEXT, 0);
	put(r, A_GPA, UINT32_MAX, READ, 0);
	expect_broken(r, VIOLA_RING_TOO_LONG);
}

static void a_broken_ring_still_completes(void **state)
{
	struct rig *r = rig_new(8, false, false);

	put(r, A_GPA, 8, WRITE, 4);
	put(r, A_GPA, 8, WRITE, 99);
	expect_pop(r, 4, 1);
	assert_int_equal(viola_ring_pop(&r->ring, &r->chain), -EPROTO);
	viola_ring_push(&r->ring, 4, 3);
	viola_ring_publish(&r->ring);
	expect_desc(r, 0, 4, 3, AVAIL | USED | WRITE);
	rig_free(r);
}

/* --- notifications -------------------------------------------------------------- */

static u32 device_event(const struct rig *r)
{
	return le32_to_cpu(*(const __le32 *)r->driver.device);
}

static void set_driver_event(struct rig *r, u16 at, u16 flags)
{
	*(__le32 *)r->driver.driver = cpu_to_le32(at | (u32)flags << 16);
}

static void kick_requests(void **state)
{
	struct rig *r = rig_new(3, true, false);

	assert_int_equal(viola_ring_enable_kick(&r->ring), 0);
	assert_int_equal(device_event(r), 0x28000u);
	put(r, A_GPA, 1, READ, 0);
	assert_int_equal(viola_ring_enable_kick(&r->ring), 1);
	viola_ring_disable_kick(&r->ring);
	assert_int_equal(device_event(r) >> 16, 1);
	expect_pop(r, 0, 1);
	put(r, A_GPA, 1, READ, 1);
	expect_pop(r, 1, 1);
	viola_ring_push(&r->ring, 0, 0);
	put(r, A_GPA, 1, READ, 2);
	expect_pop(r, 2, 1);
	assert_int_equal(viola_ring_enable_kick(&r->ring), 0);
	assert_int_equal(device_event(r), 0x20000u); /* offset 0, the other lap */
	rig_free(r);

	r = rig_new(3, false, false);
	viola_ring_disable_kick(&r->ring);
	assert_int_equal(device_event(r) >> 16, 1);
	assert_int_equal(viola_ring_enable_kick(&r->ring), 0);
	assert_int_equal(device_event(r) >> 16, 0);
	rig_free(r);
}

static void kick_for_more_than_was_seen(void **state)
{
	u32 event_idx, i;

	for (event_idx = 0; event_idx < 2; event_idx++) {
		struct rig *r = rig_new(6, event_idx, false);
		struct viola_chain first;

		put(r, A_GPA, 1, WRITE | NEXT, 0);
		put(r, A_GPA, 1, WRITE, 0);
		put(r, A_GPA, 1, WRITE, 1);
		expect_pop(r, 0, 2);
		first = r->chain;
		expect_pop(r, 1, 1);
		assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 0);
		viola_ring_unpop(&r->ring, &r->chain);
		viola_ring_unpop(&r->ring, &first);
		assert_int_equal(viola_ring_enable_kick_more(&r->ring), 0);
		if (event_idx)
			assert_int_equal(device_event(r), 0x28003u);
		/* two more chains count as new, once */
		put(r, A_GPA, 1, WRITE, 2);
		put(r, A_GPA, 1, WRITE | NEXT, 3);
		put(r, A_GPA, 1, WRITE, 3);
		assert_int_equal(viola_ring_enable_kick_more(&r->ring), 1);
		assert_int_equal(viola_ring_enable_kick_more(&r->ring), 0);
		if (event_idx)
			assert_int_equal(device_event(r), 0x20000u);
		for (i = 0; i < 4; i++)
			assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 1);
		assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 0);
		assert_int_equal(viola_ring_enable_kick_more(&r->ring), 0);
		rig_free(r);
	}
}

/* needs_call() against its definition, for every event and batch. */
static void call_agrees_with_definition(void **state)
{
	static const u32 nums[] = { 1, 2, 5, 8 };
	u32 k, round, i;

	for (k = 0; k < ARRAY_SIZE(nums); k++) {
		u32 num = nums[k];
		struct rig *r = rig_new(num, true, false);
		struct model_rand rand = { k };

		viola_ring_needs_call(&r->ring);
		for (round = 0; round < 20000; round++) {
			u16 event = (u16)(model_rand_below(&rand, num) |
					  (model_rand_below(&rand, 2) ? WRAP : 0));
			u32 flags = model_rand_below(&rand, 4);
			u32 n = model_rand_below(&rand, 3 * num);
			bool hit = n >= 2 * num;

			for (i = 0; i < n; i++) {
				hit |= viola_ring_used_index(&r->ring) == event;
				put(r, A_GPA, 1, READ, 0);
				expect_pop(r, 0, 1);
				viola_ring_push(&r->ring, 0, 0);
				viola_ring_publish(&r->ring);
			}
			set_driver_event(r, event, (u16)flags);
			assert_int_equal(viola_ring_needs_call(&r->ring),
					 n && flags != 1 && (flags != 2 || hit));
			assert_false(viola_ring_needs_call(&r->ring));
		}
		/* no such entry: better one interrupt too many */
		set_driver_event(r, (u16)num, 2);
		put(r, A_GPA, 1, READ, 0);
		expect_pop(r, 0, 1);
		viola_ring_push(&r->ring, 0, 0);
		viola_ring_publish(&r->ring);
		assert_true(viola_ring_needs_call(&r->ring));
		rig_free(r);
	}
}

static void first_call_is_not_withheld(void **state)
{
	struct rig *r = rig_new(8, true, false);

	put(r, A_GPA, 1, READ, 0);
	expect_pop(r, 0, 1);
	viola_ring_push(&r->ring, 0, 0);
	viola_ring_publish(&r->ring);
	set_driver_event(r, 5, 2);
	assert_true(viola_ring_needs_call(&r->ring));
	rig_free(r);
}

/* A driver that names a descriptor all the same is told of every one. */
static void events_that_were_not_negotiated(void **state)
{
	struct rig *r = rig_new(8, false, false);
	u16 i;

	viola_ring_needs_call(&r->ring);
	set_driver_event(r, 5, 2);
	for (i = 0; i < 3; i++) {
		put(r, A_GPA, 1, READ, i);
		expect_pop(r, i, 1);
		viola_ring_push(&r->ring, i, 0);
		viola_ring_publish(&r->ring);
		assert_true(viola_ring_needs_call(&r->ring));
	}
	rig_free(r);
}

/* --- in order ------------------------------------------------------------------- */

static void in_order_holds_and_batches(void **state)
{
	struct model_piece out = { A_GPA, 8, false }, in = { A_GPA + 64, 8, true };
	u32 layout, written;
	u16 id;

	for (layout = 0; layout < 2; layout++) {
		struct rig *r = rig_of(layout ? &model_packed : &model_split, 8, false, false,
				       true);
		int ids[6], i;

		for (i = 0; i < 6; i++)
			ids[i] = model_driver_add(&r->driver, i == 4 ? &in : &out, 1, 0, 0);
		model_driver_expose(&r->driver);
		for (i = 0; i < 6; i++)
			assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 1);
		/* held until the first is done */
		viola_ring_push(&r->ring, (u16)ids[2], 0);
		viola_ring_push(&r->ring, (u16)ids[1], 0);
		viola_ring_publish(&r->ring);
		assert_int_equal(model_driver_reclaim(&r->driver, &id, &written), 0);
		viola_ring_push(&r->ring, (u16)ids[0], 0);
		assert_int_equal(model_driver_reclaim(&r->driver, &id, &written), 0);
		viola_ring_publish(&r->ring);
		/* three that nobody asks the length of: one entry, of the last */
		if (layout)
			expect_desc(r, 0, (u16)ids[2], 0, AVAIL | USED);
		for (i = 0; i < 3; i++) {
			assert_int_equal(model_driver_reclaim(&r->driver, &id, &written), 1);
			assert_int_equal(id, ids[i]);
		}
		assert_int_equal(r->driver.batches, 1);
		/* a batch may end with one that has a length, and goes no further */
		viola_ring_push(&r->ring, (u16)ids[5], 0);
		viola_ring_push(&r->ring, (u16)ids[4], 5);
		viola_ring_push(&r->ring, (u16)ids[3], 0);
		viola_ring_publish(&r->ring);
		for (i = 3; i < 6; i++) {
			assert_int_equal(model_driver_reclaim(&r->driver, &id, &written), 1);
			assert_int_equal(id, ids[i]);
			assert_int_equal(written, i == 4 ? 5 : 0);
		}
		assert_int_equal(r->driver.batches, 2);
		assert_int_equal(model_driver_reclaim(&r->driver, &id, &written), 0);
		rig_free(r);
	}
}

/* A held buffer is not free: the driver may not offer it again. */
static void in_order_held_is_in_flight(void **state)
{
	struct rig *r = rig_of(&model_packed, 4, false, false, true);

	put(r, A_GPA, 1, READ, 0);
	put(r, A_GPA, 1, READ, 1);
	expect_pop(r, 0, 1);
	expect_pop(r, 1, 1);
	viola_ring_push(&r->ring, 1, 0);
	viola_ring_publish(&r->ring);
	put(r, A_GPA, 1, READ, 1);
	expect_broken(r, VIOLA_RING_HEAD_IN_FLIGHT);
}

/* A skipped chain's length is 0 and said so, though nothing was seen of it. */
static void in_order_skipped_has_its_own_entry(void **state)
{
	struct rig *r = rig_of(&model_packed, 4, false, false, true);

	put(r, A_GPA, 8, WRITE, 0);
	put(r, A_GPA, 8, READ, 1);
	assert_int_equal(viola_ring_skip(&r->ring, &r->chain), 1);
	expect_pop(r, 1, 1);
	viola_ring_push(&r->ring, 0, 0);
	viola_ring_push(&r->ring, 1, 0);
	viola_ring_publish(&r->ring);
	expect_desc(r, 0, 0, 0, AVAIL | USED);
	expect_desc(r, 1, 1, 0, AVAIL | USED);
	rig_free(r);
}

static void in_order_unpop(void **state)
{
	u32 layout, i;

	for (layout = 0; layout < 2; layout++) {
		struct model_piece out = { A_GPA, 8, false };
		struct rig *r = rig_of(layout ? &model_packed : &model_split, 2, false, false,
				       true);
		u32 written;
		u16 id;

		for (i = 0; i < 20; i++) {
			int want = model_driver_add(&r->driver, &out, 1, 0, 0);

			model_driver_expose(&r->driver);
			assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 1);
			viola_ring_unpop(&r->ring, &r->chain);
			assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 1);
			viola_ring_push(&r->ring, r->chain.id, 0);
			viola_ring_publish(&r->ring);
			assert_int_equal(model_driver_reclaim(&r->driver, &id, &written), 1);
			assert_int_equal(id, want);
		}
		rig_free(r);
	}
}

/* --- the dirty log ---------------------------------------------------------------- */

/* Every byte that changed in the ring is in a span. */
static void spans_cover_what_was_written(void **state)
{
	u32 how, round, k, n;

	for (how = 0; how < 4; how++) {
		bool packed = how & 1, in_order = how & 2;
		const u32 num = packed ? 11 : 8;
		struct rig *r = rig_of(packed ? &model_packed : &model_split, num, false, false,
				       in_order);
		struct model_piece piece = { A_GPA, 8, true };
		struct model_rand rand = { how };
		u64 size = packed ? viola_packed_desc_size(num) : viola_ring_device_size(num);
		u8 *part = packed ? r->driver.desc : r->driver.device;
		u8 *before = malloc(size);
		u16 ids[11];

		assert_non_null(before);
		for (round = 0; round < 500; round++) {
			struct viola_ring_span span[VIOLA_RING_SPANS];
			u16 since = viola_ring_used_index(&r->ring), id;
			u64 covered = 0;
			u32 written;

			n = model_rand_below(&rand, num + 1);
			for (k = 0; k < n; k++)
				ids[k] = (u16)model_driver_add(&r->driver, &piece, 1, 0, 0);
			model_driver_expose(&r->driver);
			for (k = 0; k < n; k++)
				assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 1);
			memcpy(before, part, size);
			for (k = 0; k < n; k++)
				viola_ring_push(&r->ring, ids[k], 1 + round % 8);
			viola_ring_publish(&r->ring);
			k = viola_ring_used_spans(&r->ring, since, span);
			assert_int_equal(!k, !n);
			for (; k; k--) {
				assert_int_equal(span[k - 1].desc, packed);
				assert_true(viola_within(span[k - 1].off, span[k - 1].len, size));
				memcpy(before + span[k - 1].off, part + span[k - 1].off,
				       span[k - 1].len);
				covered += span[k - 1].len;
			}
			assert_memory_equal(before, part, size);
			assert_int_equal(covered, n ? (packed ? 16 * n : 8 * n + 2) : 0);
			for (; n; n--)
				assert_int_equal(model_driver_reclaim(&r->driver, &id, &written),
						 1);
		}
		free(before);
		rig_free(r);
	}
}

static void kick_spans(void **state)
{
	struct rig *r = rig_new(8, true, false);
	struct viola_ring_span s = viola_ring_kick_span(&r->ring);

	assert_true(!s.desc && s.off == 0 && s.len == 4);
	rig_free(r);
	r = rig_of(&model_split, 8, true, false, false);
	s = viola_ring_kick_span(&r->ring);
	assert_true(!s.desc && s.off == 4 + 64 && s.len == 2);
	rig_free(r);
	r = rig_of(&model_split, 8, false, false, false);
	s = viola_ring_kick_span(&r->ring);
	assert_true(!s.desc && s.off == 0 && s.len == 2);
	rig_free(r);
}

/* A hint: any ring, any count, no effect, no byte outside (ASan). */
static void prefetch_is_harmless(void **state)
{
	u32 layout, num, n;

	for (layout = 0; layout < 2; layout++) {
		for (num = 1; num <= 16; num *= 2) {
			struct rig *r = rig_of(layout ? &model_packed : &model_split, num, false,
					       false, false);
			struct model_piece piece = { A_GPA, 8, true };

			for (n = 0; n < num; n++)
				model_driver_add(&r->driver, &piece, 1, 0, 0);
			model_driver_expose(&r->driver);
			viola_ring_available(&r->ring);
			for (n = 0; n < 40; n++)
				viola_ring_prefetch(&r->ring, n);
			viola_ring_prefetch(&r->ring, UINT32_MAX);
			for (n = 0; n < num; n++)
				assert_int_equal(viola_ring_pop(&r->ring, &r->chain), 1);
			rig_free(r);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_takes_every_size_up_to_the_largest),
		cmocka_unit_test(base_is_encoded_as_vhost_has_it),
		cmocka_unit_test(chain_over_the_wrap),
		cmocka_unit_test(availability_is_the_lap_s),
		cmocka_unit_test(first_flags_are_written_last),
		cmocka_unit_test(indirect_table_is_used_in_its_order),
		cmocka_unit_test(unpop_and_skip),
		cmocka_unit_test(id_out_of_range),
		cmocka_unit_test(id_in_flight),
		cmocka_unit_test(more_than_the_ring_holds),
		cmocka_unit_test(chain_without_an_end),
		cmocka_unit_test(wrong_tables),
		cmocka_unit_test(wrong_pieces),
		cmocka_unit_test(a_broken_ring_still_completes),
		cmocka_unit_test(kick_requests),
		cmocka_unit_test(kick_for_more_than_was_seen),
		cmocka_unit_test(call_agrees_with_definition),
		cmocka_unit_test(first_call_is_not_withheld),
		cmocka_unit_test(events_that_were_not_negotiated),
		cmocka_unit_test(in_order_holds_and_batches),
		cmocka_unit_test(in_order_held_is_in_flight),
		cmocka_unit_test(in_order_skipped_has_its_own_entry),
		cmocka_unit_test(in_order_unpop),
		cmocka_unit_test(spans_cover_what_was_written),
		cmocka_unit_test(kick_spans),
		cmocka_unit_test(prefetch_is_harmless),
	};

	return cmocka_run_group_tests_name("ring-packed", tests, NULL, NULL);
}
