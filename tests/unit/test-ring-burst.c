// SPDX-License-Identifier: GPL-2.0
/*
 * Bursts (include/viola/ring-burst.h): each rule by itself, and the property that
 * a burst is as many calls of viola_ring_pop(). For that two rings of the same
 * kind, with drivers that do the same, are served side by side: one by bursts, one
 * by single calls. After each step both rings must be the same, in private state
 * and in shared memory, whatever the drivers do, lawful or not.
 *
 * VIOLA_TEST_SEED replays the seed that a failure printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <viola/ring-burst.h>

#include "tests/unit/model-driver.h"

#define OUT VIOLA_BURST_OUT
#define IN VIOLA_BURST_IN

#define A_GPA 0x1000ull
#define A_LEN 0x1000ull
#define B_GPA 0x2000ull /* touches A */
#define HOLE_GPA 0x4000ull
#define C_GPA 0x8000ull
#define C_LEN 0x4000ull
#define TOP_GPA (UINT64_MAX - 0xfff) /* the last 0xfff bytes but one */

#define SEG_MAX 16u

/* The calls in one place each, with each kind as the constant that it is for a device. */
static viola_outline int pop_burst(struct viola_ring *ring, struct viola_buf *buf, u32 n,
				   enum viola_burst kind)
{
	return kind == IN ? viola_ring_pop_burst(ring, buf, n, IN) :
			    viola_ring_pop_burst(ring, buf, n, OUT);
}

static viola_outline void push_burst(struct viola_ring *ring, const struct viola_buf *buf, u32 n,
				     enum viola_burst kind)
{
	if (kind == IN)
		viola_ring_push_burst(ring, buf, n, IN);
	else
		viola_ring_push_burst(ring, buf, n, OUT);
}

/* One ring, its driver and what it needs. */
struct side {
	struct model_driver driver;
	struct viola_ring ring;
	bool *in_flight;
	struct viola_ring_record *record;
	struct viola_chain chain;
	struct viola_seg *seg; /* SEG_MAX, on the heap for ASan's sake */
};

static void guest_init(struct model_guest *guest)
{
	model_guest_init(guest);
	model_guest_add(guest, A_GPA, A_LEN);
	model_guest_add(guest, B_GPA, 0x800);
	model_guest_add(guest, C_GPA, C_LEN);
	model_guest_add(guest, TOP_GPA, 0xfff);
}

static void *must_have(size_t size)
{
	void *p = calloc(1, size);

	assert_non_null(p);
	return p;
}

/* What a ring may be. */
#define PACKED 1u
#define EVENT_IDX 2u
#define INDIRECT_DESC 4u
#define IN_ORDER 8u
#define HOWS 16u

static void side_init(struct side *s, struct model_guest *guest, u32 num, u32 how, u16 start)
{
	struct viola_ring_config cfg;

	memset(s, 0, sizeof(*s));
	model_driver_init(&s->driver, how & PACKED ? &model_packed : &model_split, guest, num,
			  how & EVENT_IDX);
	s->driver.in_order = how & IN_ORDER;
	s->in_flight = must_have(num * sizeof(bool));
	s->record = must_have(num * sizeof(*s->record));
	s->seg = must_have(SEG_MAX * sizeof(*s->seg));
	cfg = model_driver_config(&s->driver, how & INDIRECT_DESC, s->in_flight);
	cfg.record = s->record;
	assert_int_equal(viola_ring_init(&s->ring, &cfg), 0);
	model_driver_start_at(&s->driver, start);
	viola_ring_set_base(&s->ring, s->driver.avail);
	s->chain = (struct viola_chain){ .seg = s->seg, .seg_max = SEG_MAX };
}

static void side_free(struct side *s)
{
	model_driver_free(&s->driver);
	free(s->in_flight);
	free(s->record);
	free(s->seg);
}

/* --- each rule by itself ------------------------------------------------------ */

struct rig {
	struct model_guest guest;
	struct side s;
	struct viola_ring *ring;
	struct model_driver *driver;
	struct viola_buf *buf; /* room for exactly BUFS */
};

#define BUFS 64u

static struct rig *rig_new(u32 num, u32 how)
{
	struct rig *r = must_have(sizeof(*r));

	guest_init(&r->guest);
	side_init(&r->s, &r->guest, num, how, 0);
	r->ring = &r->s.ring;
	r->driver = &r->s.driver;
	r->buf = must_have(BUFS * sizeof(*r->buf));
	return r;
}

static void rig_free(struct rig *r)
{
	side_free(&r->s);
	model_guest_free(&r->guest);
	free(r->buf);
	free(r);
}

static u16 add(struct rig *r, u64 gpa, u32 len, bool in)
{
	struct model_piece piece = { gpa, len, in };
	int id = model_driver_add(r->driver, &piece, 1, 0, 0);

	assert_true(id >= 0);
	return (u16)id;
}

/* @n buffers of 64 bytes each, visible at once. */
static void add_plain(struct rig *r, u32 n, bool in)
{
	u32 i;

	for (i = 0; i < n; i++)
		add(r, C_GPA + 64 * i, 64, in);
	model_driver_expose(r->driver);
}

static void expect_used(struct rig *r, u16 id, u32 written)
{
	u32 got_written;
	u16 got;

	assert_int_equal(model_driver_reclaim(r->driver, &got, &got_written), 1);
	assert_int_equal(got, id);
	assert_int_equal(got_written, written);
}

static void expect_nothing_used(struct rig *r)
{
	u32 written;
	u16 id;

	assert_int_equal(model_driver_reclaim(r->driver, &id, &written), 0);
}

/* Runs @test on every kind of ring. */
static void each(void (*test)(struct rig *r), u32 num)
{
	u32 how;

	for (how = 0; how < HOWS; how++) {
		struct rig *r = rig_new(num, how);

		test(r);
		rig_free(r);
	}
}

static void rule_nothing(struct rig *r)
{
	u16 base = viola_ring_base(r->ring);

	assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), 0);
	assert_int_equal(pop_burst(r->ring, r->buf, 1, IN), 0);
	assert_int_equal(viola_ring_base(r->ring), base);
	push_burst(r->ring, r->buf, 0, OUT);
	viola_ring_unpop_burst(r->ring, r->buf, 0);
	assert_int_equal(viola_ring_base(r->ring), base);
}

static void nothing_available(void **state)
{
	each(rule_nothing, 8);
}

static void rule_where(struct rig *r)
{
	u16 id[4];
	u32 i;

	id[0] = add(r, A_GPA, 1, false);
	id[1] = add(r, B_GPA - 8, 8, false); /* to the last byte of A */
	id[2] = add(r, C_GPA, C_LEN, false); /* all of an extent */
	id[3] = add(r, TOP_GPA + 1, 0xffe, false);
	model_driver_expose(r->driver);
	assert_int_equal(pop_burst(r->ring, r->buf, 3, OUT), 3);
	assert_int_equal(pop_burst(r->ring, r->buf + 3, 3, OUT), 1);
	for (i = 0; i < 4; i++)
		assert_int_equal(r->buf[i].id, id[i]);
	assert_ptr_equal(r->buf[0].base, r->guest.ext[0].base);
	assert_int_equal(r->buf[0].len, 1);
	assert_ptr_equal(r->buf[1].base, r->guest.ext[0].base + A_LEN - 8);
	assert_int_equal(r->buf[1].len, 8);
	assert_ptr_equal(r->buf[2].base, r->guest.ext[2].base);
	assert_int_equal(r->buf[2].len, C_LEN);
	assert_ptr_equal(r->buf[3].base, r->guest.ext[3].base + 1);
	assert_int_equal(r->buf[3].len, 0xffe);
}

static void buffers_are_where_the_driver_has_them(void **state)
{
	each(rule_where, 8);
}

static void rule_used(struct rig *r)
{
	u32 i, round;

	/* Several laps, of either kind by turns. */
	for (round = 0; round < 20; round++) {
		enum viola_burst kind = round & 1 ? IN : OUT;

		add_plain(r, 5, round & 1);
		assert_int_equal(pop_burst(r->ring, r->buf, BUFS, kind), 5);
		for (i = 0; i < 5; i++)
			r->buf[i].len = kind == IN ? 10 * i : 64; /* OUT: nothing is written */
		push_burst(r->ring, r->buf, 5, kind);
		expect_nothing_used(r);
		viola_ring_publish(r->ring);
		for (i = 0; i < 5; i++)
			expect_used(r, r->buf[i].id, kind == IN ? 10 * i : 0);
		expect_nothing_used(r);
		/* Nothing is in flight: the same can be taken again. */
		for (i = 0; i < 5; i++)
			assert_false(viola_ring_in_flight(r->ring, r->buf[i].id));
	}
}

static void used_once_published(void **state)
{
	each(rule_used, 8);
}

/* The oldest back in two parts, the newest to the ring, all in one publish. */
static void rule_parts(struct rig *r)
{
	u16 id[6];
	u32 i;

	add_plain(r, 6, false);
	assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), 6);
	for (i = 0; i < 6; i++)
		id[i] = r->buf[i].id;
	push_burst(r->ring, r->buf, 1, OUT);
	push_burst(r->ring, r->buf + 1, 2, OUT);
	viola_ring_unpop_burst(r->ring, r->buf + 3, 3);
	viola_ring_publish(r->ring);
	for (i = 0; i < 3; i++)
		expect_used(r, id[i], 0);
	expect_nothing_used(r);
	/* Those given back come again, to either call. */
	assert_int_equal(viola_ring_pop(r->ring, &r->s.chain), 1);
	assert_int_equal(r->s.chain.id, id[3]);
	viola_ring_push(r->ring, id[3], 0);
	viola_ring_publish(r->ring);
	assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), 2);
	assert_int_equal(r->buf[0].id, id[4]);
	assert_int_equal(r->buf[1].id, id[5]);
	push_burst(r->ring, r->buf, 2, OUT);
	viola_ring_publish(r->ring);
	for (i = 3; i < 6; i++)
		expect_used(r, id[i], 0);
	expect_nothing_used(r);
}

static void in_parts(void **state)
{
	each(rule_parts, 8);
}

/* Whatever ends a burst is left to pop(), which takes it or says what is wrong. */
static void rule_ends(struct rig *r)
{
	struct model_piece two[2] = { { C_GPA, 8, false }, { C_GPA, 8, false } };
	const struct model_piece odd[] = {
		{ C_GPA, 64, true }, /* the other kind */
		{ C_GPA, 0, false }, /* of no bytes */
		{ B_GPA - 8, 16, false }, /* in two extents */
	};
	u32 i, written;
	u16 id;

	for (i = 0; i < ARRAY_SIZE(odd) + 2; i++) {
		add(r, A_GPA, 32, false);
		if (i < ARRAY_SIZE(odd))
			add(r, odd[i].gpa, odd[i].len, odd[i].in);
		else if (i == ARRAY_SIZE(odd))
			assert_true(model_driver_add(r->driver, two, 2, 0, 0) >= 0);
		else if (r->ring->indirect)
			assert_true(model_driver_add(r->driver, two, 1, B_GPA + 0x100, 0) >= 0);
		else
			add(r, odd[0].gpa, odd[0].len, odd[0].in);
		add(r, A_GPA, 32, false);
		model_driver_expose(r->driver);
		assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), 1);
		push_burst(r->ring, r->buf, 1, OUT);
		assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), -EAGAIN);
		assert_false(viola_ring_broken(r->ring));
		assert_int_equal(viola_ring_pop(r->ring, &r->s.chain), 1);
		viola_ring_push(r->ring, r->s.chain.id, 0);
		viola_ring_publish(r->ring);
		assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), 1);
		push_burst(r->ring, r->buf, 1, OUT);
		viola_ring_publish(r->ring);
		while (model_driver_reclaim(r->driver, &id, &written) == 1)
			;
		assert_null(r->driver->fault);
		assert_int_equal(r->driver->free_count, r->driver->num);
	}
}

static void ends_before_what_is_not_plain(void **state)
{
	each(rule_ends, 8);
}

/* Makes descriptor @i of @r's ring say something else. */
static void spoil(struct rig *r, u32 i, u64 gpa, u32 len, u16 id)
{
	if (viola_ring_is_packed(r->ring)) {
		struct vring_packed_desc *d = model_packed_desc(r->driver, i);

		d->addr = cpu_to_le64(gpa);
		d->len = cpu_to_le32(len);
		d->id = cpu_to_le16(id);
	} else {
		struct vring_desc *d = model_split_desc(r->driver, i);

		d->addr = cpu_to_le64(gpa);
		d->len = cpu_to_le32(len);
		model_split_avail(r->driver)[2 + i] = cpu_to_le16(id);
	}
}

/* Of three buffers the last is spoilt: two are taken, then pop breaks the ring. */
static void expect_third_breaks(u32 how, u64 gpa, u32 len, u16 id, enum viola_ring_error error)
{
	struct rig *r = rig_new(8, how);

	add_plain(r, 3, false);
	spoil(r, 2, gpa, len, id);
	assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), 2);
	if (!(how & IN_ORDER)) /* there, pop comes after push */
		assert_int_equal(pop_burst(r->ring, r->buf + 2, 1, OUT), -EAGAIN);
	assert_false(viola_ring_broken(r->ring));
	assert_int_equal(viola_ring_pop(r->ring, &r->s.chain), -EPROTO);
	assert_string_equal(viola_ring_error_name(r->ring->error), viola_ring_error_name(error));
	assert_int_equal(pop_burst(r->ring, r->buf, 1, OUT), -EPROTO);
	assert_int_equal(pop_burst(r->ring, r->buf, 1, IN), -EPROTO);
	/* What was taken can go back. */
	push_burst(r->ring, r->buf, 1, OUT);
	viola_ring_unpop_burst(r->ring, r->buf + 1, 1);
	viola_ring_publish(r->ring);
	expect_used(r, r->buf[0].id, 0);
	rig_free(r);
}

static void hostile_buffers(void **state)
{
	u32 how;

	for (how = 0; how < HOWS; how++) {
		expect_third_breaks(how, HOLE_GPA, 64, 2, VIOLA_RING_ADDRESS);
		expect_third_breaks(how, TOP_GPA, 0x2000, 2, VIOLA_RING_ADDRESS);
		expect_third_breaks(how, C_GPA, 0xffffffff, 2, VIOLA_RING_ADDRESS);
		expect_third_breaks(how, C_GPA, 64, 8, VIOLA_RING_HEAD_RANGE);
		expect_third_breaks(how, C_GPA, 64, 0xffff, VIOLA_RING_HEAD_RANGE);
		expect_third_breaks(how, C_GPA, 64, 1, VIOLA_RING_HEAD_IN_FLIGHT);
	}
}

/* In flight since an earlier burst. */
static void rule_twice(struct rig *r)
{
	u32 i;

	add_plain(r, 128, false);
	spoil(r, 127, C_GPA, 64, 3);
	for (i = 0; i < 2; i++)
		assert_int_equal(pop_burst(r->ring, r->buf, 62, OUT), 62);
	assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), 3);
	assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), -EAGAIN);
	assert_int_equal(viola_ring_pop(r->ring, &r->s.chain), -EPROTO);
	assert_int_equal(r->ring->error, VIOLA_RING_HEAD_IN_FLIGHT);
	for (i = 0; i < 128; i++)
		assert_int_equal(viola_ring_in_flight(r->ring, (u16)i), i < 127);
}

static void in_flight_since_another_burst(void **state)
{
	each(rule_twice, 128);
}

/* All entries in flight: nothing is available, and it is no error to look. */
static void rule_full(struct rig *r)
{
	add_plain(r, 8, false);
	assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), 8);
	assert_int_equal(pop_burst(r->ring, r->buf + 8, BUFS - 8, OUT), 0);
	assert_int_equal(viola_ring_available(r->ring), 0);
	viola_ring_unpop_burst(r->ring, r->buf, 8);
	assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), 8);
}

static void all_in_flight(void **state)
{
	each(rule_full, 8);
}

static void packed_more_than_the_ring_holds(void **state)
{
	struct rig *r = rig_new(4, PACKED);
	u32 i;

	add_plain(r, 4, false);
	assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), 4);
	/* The next lap, though nothing was given back. */
	for (i = 0; i < 4; i++)
		model_packed_desc(r->driver, i)->flags = cpu_to_le16(VIOLA_PACKED_USED);
	assert_int_equal(pop_burst(r->ring, r->buf + 4, 4, OUT), -EAGAIN);
	assert_int_equal(viola_ring_pop(r->ring, &r->s.chain), -EPROTO);
	assert_int_equal(r->ring->error, VIOLA_RING_AVAIL_INDEX);
	rig_free(r);
}

/* Entries in flight are more than ids where chains are: it is entries that bound. */
static void packed_chains_bound_a_burst(void **state)
{
	struct model_piece three[3] = { { C_GPA, 8, false }, { C_GPA, 8, false },
					{ C_GPA, 8, false } };
	struct rig *r = rig_new(4, PACKED);
	u32 i;

	assert_true(model_driver_add(r->driver, three, 3, 0, 0) >= 0);
	add(r, C_GPA, 64, false);
	model_driver_expose(r->driver);
	assert_int_equal(viola_ring_pop(r->ring, &r->s.chain), 1);
	for (i = 0; i < 2; i++) { /* two more in the next lap, over the chain in flight */
		model_packed_desc(r->driver, i)->id = cpu_to_le16((u16)(2 + i));
		model_packed_desc(r->driver, i)->flags = cpu_to_le16(VIOLA_PACKED_USED);
	}
	assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), 1);
	assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), -EAGAIN);
	assert_int_equal(viola_ring_pop(r->ring, &r->s.chain), -EPROTO);
	assert_int_equal(r->ring->error, VIOLA_RING_AVAIL_INDEX);
	rig_free(r);
}

/* A nonsense index is an error only once all that was seen before is taken. */
static void split_index_is_judged_in_its_turn(void **state)
{
	static const u16 nonsense[] = { 2, 1000, 65535 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(nonsense); i++) {
		struct rig *r = rig_new(8, 0);

		add_plain(r, 5, false);
		assert_int_equal(pop_burst(r->ring, r->buf, 1, OUT), 1);
		model_split_avail(r->driver)[1] = cpu_to_le16(nonsense[i]);
		assert_int_equal(pop_burst(r->ring, r->buf + 1, 8, OUT), 4);
		assert_int_equal(pop_burst(r->ring, r->buf + 5, 8, OUT), -EPROTO);
		assert_int_equal(r->ring->error, VIOLA_RING_AVAIL_INDEX);
		rig_free(r);
	}
}

static void split_more_came_meanwhile(void **state)
{
	struct rig *r = rig_new(8, 0);

	add_plain(r, 3, false);
	assert_int_equal(pop_burst(r->ring, r->buf, 1, OUT), 1);
	add_plain(r, 3, false);
	assert_int_equal(pop_burst(r->ring, r->buf + 1, 2, OUT), 2); /* no look */
	assert_int_equal(pop_burst(r->ring, r->buf + 3, 8, OUT), 3);
	viola_ring_unpop_burst(r->ring, r->buf + 3, 3);
	add_plain(r, 2, false);
	assert_int_equal(pop_burst(r->ring, r->buf + 3, 8, OUT), 5);
	rig_free(r);
}

/* One used entry for a run of buffers to read; one each where lengths matter. */
static void in_order_by_one_entry(void **state)
{
	u32 how, i;

	for (how = IN_ORDER; how <= (IN_ORDER | PACKED); how += PACKED) {
		struct rig *r = rig_new(8, how);

		add_plain(r, 6, false);
		assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), 6);
		push_burst(r->ring, r->buf, 6, OUT);
		viola_ring_publish(r->ring);
		for (i = 0; i < 6; i++)
			expect_used(r, r->buf[i].id, 0);
		assert_int_equal(r->driver->batches, 1);
		add_plain(r, 6, true);
		assert_int_equal(pop_burst(r->ring, r->buf, BUFS, IN), 6);
		push_burst(r->ring, r->buf, 6, IN);
		viola_ring_publish(r->ring);
		for (i = 0; i < 6; i++)
			expect_used(r, r->buf[i].id, 64);
		assert_int_equal(r->driver->batches, 1);
		rig_free(r);
	}
}

/* A chain in the queue of in_order, or a region to recover from: no bursts. */
static void where_bursts_are_not_allowed(void **state)
{
	u32 how;

	for (how = 0; how <= PACKED; how++) {
		struct rig *r = rig_new(8, how | IN_ORDER);
		struct viola_ring_config cfg;
		void *region = must_have(viola_inflight_size(8, how));

		add_plain(r, 3, false);
		assert_int_equal(viola_ring_pop(r->ring, &r->s.chain), 1);
		assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), -EAGAIN);
		viola_ring_push(r->ring, r->s.chain.id, 0);
		assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), -EAGAIN);
		viola_ring_publish(r->ring);
		assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), 2);
		rig_free(r);

		r = rig_new(8, how);
		cfg = model_driver_config(r->driver, false, r->s.in_flight);
		cfg.record = r->s.record;
		cfg.inflight = region;
		assert_int_equal(viola_ring_init(r->ring, &cfg), 0);
		assert_int_equal(viola_ring_recover(r->ring), 0);
		add_plain(r, 3, false);
		assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), -EAGAIN);
		assert_int_equal(viola_ring_pop(r->ring, &r->s.chain), 1);
		rig_free(r);
		free(region);
	}
}

/* Guest memory that was swapped for less leaves a hint that is beyond it. */
static void rule_hint(struct rig *r)
{
	struct viola_mem less = { r->guest.ext + 2, 1 };

	add(r, TOP_GPA, 64, false);
	add(r, C_GPA, 64, false);
	model_driver_expose(r->driver);
	assert_int_equal(pop_burst(r->ring, r->buf, 1, OUT), 1);
	assert_int_equal(r->ring->hint, 3);
	r->ring->mem = &less;
	assert_int_equal(pop_burst(r->ring, r->buf + 1, 1, OUT), 1);
	assert_ptr_equal(r->buf[1].base, r->guest.ext[2].base);
	less.nr = 0;
	viola_ring_unpop_burst(r->ring, r->buf + 1, 1);
	assert_int_equal(pop_burst(r->ring, r->buf + 1, 1, OUT), -EAGAIN);
}

static void memory_swapped(void **state)
{
	each(rule_hint, 8);
}

/* 65536 buffers with no question asked, which is once round: yes, then. */
static void a_round_unasked(u32 size)
{
	u32 how;

	for (how = 0; how < HOWS; how++) {
		struct rig *r = rig_new(64, how | EVENT_IDX);
		u32 round, i;

		viola_ring_needs_call(r->ring);
		model_driver_no_call(r->driver);
		if (!(how & PACKED))
			model_driver_want_call(r->driver, 0x7000);
		for (round = 0; round < (65536 + size - 1) / size; round++) {
			add_plain(r, size, false);
			assert_int_equal(pop_burst(r->ring, r->buf, BUFS, OUT), size);
			push_burst(r->ring, r->buf, size, OUT);
			viola_ring_publish(r->ring);
			for (i = 0; i < size; i++)
				expect_used(r, r->buf[i].id, 0);
		}
		if (how & PACKED)
			model_driver_want_call(r->driver, 20); /* an event, not yet there */
		assert_true(viola_ring_needs_call(r->ring));
		assert_false(viola_ring_needs_call(r->ring));
		rig_free(r);
	}
}

static void interrupts_after_a_round_unasked(void **state)
{
	a_round_unasked(48); /* the last burst goes beyond the mark */
	a_round_unasked(64); /* and here up to it */
}

static void dirty_spans(void **state)
{
	struct viola_ring_span span[VIOLA_RING_SPANS];
	u32 how;

	for (how = 0; how < HOWS; how++) {
		struct rig *r = rig_new(8, how);
		u16 since = viola_ring_used_index(r->ring);
		u32 n, entry = how & PACKED ? 16 : 8, head = how & PACKED ? 0 : 4;

		add_plain(r, 3, true);
		assert_int_equal(pop_burst(r->ring, r->buf, BUFS, IN), 3);
		push_burst(r->ring, r->buf, 3, IN);
		viola_ring_publish(r->ring);
		n = viola_ring_used_spans(r->ring, since, span);
		assert_int_equal(n, how & PACKED ? 1 : 2);
		assert_int_equal(span[0].desc, !!(how & PACKED));
		assert_int_equal(span[0].off, head);
		assert_int_equal(span[0].len, 3 * entry);
		rig_free(r);
	}
}

/* --- as many single calls ------------------------------------------------------- */

#define BURST_MAX 80u
#define HELD_MAX 8u

struct twins {
	struct model_guest guest;
	struct side a, b; /* by bursts, by single calls */
	struct model_rand rand;
	u32 num, how;
	bool hostile; /* the drivers have lied: what they think of the ring is void */
	u64 cookie;
	struct viola_buf buf[BURST_MAX]; /* of a */
	u16 held[HELD_MAX]; /* ids popped by single calls in both, in any order */
	u32 nr_held;
	u32 in_burst; /* taken by the present burst, and neither pushed nor given back */
	u32 tables; /* a bit per indirect table in use */
	u8 table[1024]; /* by id: its bit's number and one, or 0 */
	u64 bursts, taken, refused, errors; /* what happened, so that nothing passes for all */
};

static const char *where = "";
static u64 where_seed;

#define must(cond)                                                                \
	do {                                                                      \
		if (!(cond))                                                      \
			fail_msg("%s, seed %llu: not so: %s (line %d)", where,    \
				 (unsigned long long)where_seed, #cond, __LINE__); \
	} while (0)

static u32 below(struct twins *t, u32 n)
{
	return model_rand_below(&t->rand, n);
}

static bool one_in(struct twins *t, u32 n)
{
	return !below(t, n);
}

static bool packed(const struct twins *t)
{
	return t->how & PACKED;
}

/* A ring's private state, but for where it lies and what is only a hint. */
static void image_of(struct viola_ring *image, const struct viola_ring *ring)
{
	memcpy(image, ring, sizeof(*image));
	image->desc = NULL;
	image->avail = NULL;
	image->used = NULL;
	image->in_flight = NULL;
	image->record = NULL;
	image->hint = 0;
	/* From there on it only says "all of them", and by how much is nobody's concern. */
	image->unsignalled = min(ring->unsignalled, 2 * ring->num);
	image->order_head = 0; /* the queue's, which bursts do not enter */
}

static void check_same(struct twins *t)
{
	const struct model_layout *l = t->a.driver.layout;
	struct viola_ring a, b;

	image_of(&a, &t->a.ring);
	image_of(&b, &t->b.ring);
	/* A burst is in no queue. */
	if (t->how & IN_ORDER)
		a.order_count += t->in_burst;
	must(!memcmp(&a, &b, sizeof(a)));
	must(!memcmp(t->a.in_flight, t->b.in_flight, t->num * sizeof(bool)));
	must(!memcmp(t->a.driver.desc, t->b.driver.desc, l->desc_size(t->num)));
	must(!memcmp(t->a.driver.driver, t->b.driver.driver, l->driver_size(t->num)));
	must(!memcmp(t->a.driver.device, t->b.driver.device, l->device_size(t->num)));
}

/* --- the drivers ---------------------------------------------------------------- */

static u64 some_gpa(struct twins *t, u32 len)
{
	static const struct {
		u64 gpa;
		u32 size;
	} part[] = { { A_GPA, A_LEN }, { C_GPA, C_LEN }, { TOP_GPA, 0xfff } };
	u32 i = below(t, ARRAY_SIZE(part));

	return part[i].gpa + below(t, part[i].size - min(len, part[i].size) + 1);
}

static void twins_add(struct twins *t)
{
	struct model_piece piece[4];
	u32 n = 1, i, outs, bit = below(t, 8);
	u64 table = 0;
	int a, b;

	if (one_in(t, 12)) { /* a chain */
		n = 1 + below(t, ARRAY_SIZE(piece));
		outs = below(t, n + 1);
		for (i = 0; i < n; i++)
			piece[i] = (struct model_piece){ some_gpa(t, 64), below(t, 64), i >= outs };
	} else {
		u32 len = one_in(t, 30) ? 0 : 1 + below(t, one_in(t, 4) ? 0xfff : 128);

		piece[0] = (struct model_piece){ some_gpa(t, len), len, one_in(t, 2) };
		if (one_in(t, 30)) /* across A and B */
			piece[0] = (struct model_piece){ B_GPA - 1 - below(t, 64), 66,
							 one_in(t, 2) };
	}
	if (t->how & INDIRECT_DESC && one_in(t, 10) && !(t->tables & 1u << bit))
		table = B_GPA + 0x100 + 64 * bit;
	a = model_driver_add(&t->a.driver, piece, n, table, t->cookie);
	b = model_driver_add(&t->b.driver, piece, n, table, t->cookie++);
	must(a == b);
	if (a >= 0 && table) {
		t->tables |= 1u << bit;
		t->table[a] = (u8)(bit + 1);
	}
}

/* Buffers of one kind, as many as a burst may take. */
static void twins_add_run(struct twins *t)
{
	u32 n = 1 + below(t, 64);
	bool in = one_in(t, 2);

	while (n--) {
		u32 len = 1 + below(t, 256);
		struct model_piece piece = { some_gpa(t, len), len, in };
		int a = model_driver_add(&t->a.driver, &piece, 1, 0, t->cookie);

		must(a == model_driver_add(&t->b.driver, &piece, 1, 0, t->cookie++));
	}
}

static void twins_expose(struct twins *t)
{
	model_driver_expose(&t->a.driver);
	model_driver_expose(&t->b.driver);
	must(model_driver_kick_wanted(&t->a.driver) == model_driver_kick_wanted(&t->b.driver));
}

static void twins_reclaim(struct twins *t)
{
	u32 n = 1 + below(t, 80), wa = 0, wb = 0;
	u16 ia = 0, ib = 0;
	int a;

	while (n--) {
		a = model_driver_reclaim(&t->a.driver, &ia, &wa);
		must(a == model_driver_reclaim(&t->b.driver, &ib, &wb));
		must(ia == ib && wa == wb);
		must(a >= 0 || t->hostile);
		if (a <= 0)
			break;
		if (t->table[ia])
			t->tables &= ~(1u << (t->table[ia] - 1));
		t->table[ia] = 0;
	}
}

static void twins_requests(struct twins *t)
{
	u16 after = (u16)below(t, min(t->num, 8u));

	if (one_in(t, 3)) {
		model_driver_no_call(&t->a.driver);
		model_driver_no_call(&t->b.driver);
		return;
	}
	must(model_driver_want_call(&t->a.driver, after) ==
	     model_driver_want_call(&t->b.driver, after));
}

/* Writes the same nonsense into both rings, where the device will come to it. */
static void twins_lie(struct twins *t)
{
	struct side *side[2] = { &t->a, &t->b };
	u32 ahead = below(t, min(t->num, 40u)), what = below(t, 9), number, i;
	u64 word = model_rand_next(&t->rand), far = one_in(t, 2) ? HOLE_GPA : word;

	number = one_in(t, 2) ? below(t, t->num) : (u32)(word >> 40);
	t->hostile = true;
	for (i = 0; i < 2; i++) {
		struct model_driver *d = &side[i]->driver;
		u16 at = viola_ring_base(&side[i]->ring);
		__le16 *avail = model_split_avail(d);
		struct vring_packed_desc *pd;
		struct vring_desc *sd;
		u16 flags;

		if (packed(t)) {
			pd = model_packed_desc(d, ((at & 0x7fffu) + ahead) % t->num);
			flags = le16_to_cpu(pd->flags);
			switch (what) {
			case 0:
				pd->addr = cpu_to_le64(far);
				break;
			case 1:
				pd->len = cpu_to_le32((u32)word);
				break;
			case 2:
				pd->len = 0;
				break;
			case 3:
				pd->flags = cpu_to_le16((u16)word);
				break;
			case 4: /* all but AVAIL and USED */
				pd->flags = cpu_to_le16((u16)(flags ^ (word & 0x7f7f)));
				break;
			case 5:
				pd->flags = cpu_to_le16(flags ^ VIOLA_PACKED_AVAIL);
				break;
			default:
				pd->id = cpu_to_le16((u16)number);
				break;
			}
			continue;
		}
		at = (u16)((at + ahead) & (t->num - 1));
		sd = model_split_desc(d, le16_to_cpu(avail[2 + at]) & (t->num - 1));
		switch (what) {
		case 0:
			sd->addr = cpu_to_le64(far);
			break;
		case 1:
			sd->len = cpu_to_le32((u32)word);
			break;
		case 2:
			sd->len = 0;
			break;
		case 3:
			sd->flags = cpu_to_le16((u16)word);
			break;
		case 4:
			avail[1] = cpu_to_le16((u16)word);
			break;
		case 5:
			avail[1] = cpu_to_le16((u16)(le16_to_cpu(avail[1]) + ahead));
			break;
		case 6:
			sd->next = cpu_to_le16((u16)number);
			break;
		default:
			avail[2 + at] = cpu_to_le16((u16)number);
			break;
		}
	}
}

/* --- the devices ---------------------------------------------------------------- */

/* The flags of the descriptor that b's ring stands at. */
static u16 next_flags(const struct twins *t)
{
	const struct viola_ring *ring = &t->b.ring;
	u16 at = ring->next_avail;

	if (packed(t))
		return le16_to_cpu(ring->packed_desc[at & 0x7fff].flags);
	at = le16_to_cpu(ring->avail->ring[at & ring->mask]);
	return at < t->num ? le16_to_cpu(ring->desc[at].flags) : 0;
}

/*
 * What a burst must do: pops by single calls as long as what comes is plain.
 * Whatever ends it leaves no trace. The result of viola_ring_pop_burst().
 */
static int pop_singly(struct twins *t, struct viola_buf *buf, u32 n, enum viola_burst kind)
{
	struct side *s = &t->b;
	size_t size = t->num * sizeof(bool);
	u16 first = s->ring.next_avail;
	bool *in_flight = must_have(size);
	int ret = 0;
	u32 i;

	if (t->how & IN_ORDER && s->ring.order_count) {
		free(in_flight);
		return -EAGAIN;
	}
	for (i = 0; i < n; i++) {
		struct viola_chain *c = &s->chain;
		struct viola_ring before = s->ring;
		bool was_broken = viola_ring_broken(&s->ring);
		u16 flags = next_flags(t);

		/* An index too far ahead of the whole burst ends it. */
		if (!packed(t) && i && s->ring.next_avail == s->ring.avail_seen &&
		    (u16)(le16_to_cpu(model_split_avail(&s->driver)[1]) - first) > t->num)
			break;
		memcpy(in_flight, s->in_flight, size);
		c->seg_max = 1;
		ret = viola_ring_pop(&s->ring, c);
		c->seg_max = SEG_MAX;
		if (ret == 0 || was_broken)
			break;
		flags &= VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT;
		if (ret == 1 && flags == (kind == IN ? VRING_DESC_F_WRITE : 0) &&
		    c->nin + c->nout == 1) {
			buf[i] = (struct viola_buf){ s->seg[0].base, (u32)s->seg[0].len, c->id };
			continue;
		}
		/* A split ring's index breaks it at once, where nothing was seen before. */
		if (!i && !packed(t) && s->ring.error == VIOLA_RING_AVAIL_INDEX)
			break;
		s->ring = before;
		memcpy(s->in_flight, in_flight, size);
		ret = -EAGAIN;
		break;
	}
	if (i && viola_ring_broken(&s->ring)) /* cannot be: it is undone above */
		must(0);
	free(in_flight);
	return i ? (int)i : ret;
}

static void check_needs_call(struct twins *t)
{
	must(viola_ring_needs_call(&t->a.ring) == viola_ring_needs_call(&t->b.ring));
}

static void twins_publish(struct twins *t, u16 since)
{
	struct viola_ring_span a[VIOLA_RING_SPANS], b[VIOLA_RING_SPANS];
	u32 n;

	viola_ring_publish(&t->a.ring);
	viola_ring_publish(&t->b.ring);
	n = viola_ring_used_spans(&t->a.ring, since, a);
	must(n == viola_ring_used_spans(&t->b.ring, since, b));
	while (n--)
		must(a[n].desc == b[n].desc && a[n].off == b[n].off && a[n].len == b[n].len);
}

/* The @n newest of a burst, from @from on, go back to where they came from. */
static void twins_unpop(struct twins *t, u32 from, u32 n)
{
	u32 i;

	viola_ring_unpop_burst(&t->a.ring, t->buf + from, n);
	for (i = n; i--;) {
		t->b.chain.id = t->buf[from + i].id;
		t->b.chain.slots = 1;
		viola_ring_unpop(&t->b.ring, &t->b.chain);
	}
	t->in_burst -= n;
	check_same(t);
}

static void twins_burst(struct twins *t)
{
	u32 n = 1 + below(t, one_in(t, 2) ? 4 : BURST_MAX), done = 0, i;
	enum viola_burst kind = one_in(t, 2) ? IN : OUT;
	struct viola_buf want[BURST_MAX];
	u16 since = viola_ring_used_index(&t->a.ring);
	u32 more;
	int ret, expect;

	ret = pop_burst(&t->a.ring, t->buf, n, kind);
	expect = pop_singly(t, want, n, kind);
	must(ret == expect);
	t->bursts++;
	/* A burst may know of more that is available, but not of less. */
	more = (u16)(t->a.ring.avail_seen - t->b.ring.avail_seen);
	if (more) {
		must(!packed(t) && ret && more <= t->num);
		t->b.ring.avail_seen = t->a.ring.avail_seen;
	}
	t->in_burst = ret > 0 ? (u32)ret : 0;
	check_same(t);
	if (ret <= 0) {
		t->refused++;
		return;
	}
	t->taken += (u32)ret;
	n = (u32)ret;
	for (i = 0; i < n; i++)
		must(t->buf[i].base == want[i].base && t->buf[i].len == want[i].len &&
		     t->buf[i].id == want[i].id);

	/* The newest may go back to where they came from, before the others or after. */
	more = one_in(t, 3) ? below(t, n + 1) : 0;
	n -= more;
	if (t->how & IN_ORDER || one_in(t, 2)) {
		twins_unpop(t, n, more);
		more = 0;
	}
	/* Used, by parts; in order all at once, as parts have entries of their own. */
	while (done < n) {
		u32 part = t->how & IN_ORDER ? n : 1 + below(t, n - done);

		for (i = done; i < done + part; i++) {
			if (kind == IN)
				t->buf[i].len = one_in(t, 4) ? 0 : below(t, t->buf[i].len + 1);
			viola_ring_push(&t->b.ring, t->buf[i].id, kind == IN ? t->buf[i].len : 0);
		}
		push_burst(&t->a.ring, t->buf + done, part, kind);
		t->in_burst -= part;
		done += part;
		if (t->how & IN_ORDER || one_in(t, 3)) {
			twins_publish(t, since);
			since = viola_ring_used_index(&t->a.ring);
		}
		check_same(t);
	}
	twins_unpop(t, n, more);
}

/* The same single call in both. */
static void twins_single(struct twins *t, bool skip)
{
	struct viola_chain *a = &t->a.chain, *b = &t->b.chain;
	int ret;

	if (t->nr_held == HELD_MAX)
		return;
	ret = skip ? viola_ring_skip(&t->a.ring, a) : viola_ring_pop(&t->a.ring, a);
	must(ret == (skip ? viola_ring_skip(&t->b.ring, b) : viola_ring_pop(&t->b.ring, b)));
	must(t->a.ring.error == t->b.ring.error);
	if (ret != 1)
		return;
	must(a->id == b->id && a->slots == b->slots && a->nin == b->nin && a->nout == b->nout);
	must(a->in_len == b->in_len && a->out_len == b->out_len);
	if (one_in(t, 4)) {
		viola_ring_unpop(&t->a.ring, a);
		viola_ring_unpop(&t->b.ring, b);
		return;
	}
	t->held[t->nr_held++] = a->id;
}

static void twins_push(struct twins *t)
{
	u32 i, written = below(t, 3) * 100;

	if (!t->nr_held)
		return;
	i = below(t, t->nr_held);
	viola_ring_push(&t->a.ring, t->held[i], written);
	viola_ring_push(&t->b.ring, t->held[i], written);
	t->held[i] = t->held[--t->nr_held];
}

static void twins_kick(struct twins *t)
{
	switch (below(t, 4)) {
	case 0:
		must(viola_ring_enable_kick(&t->a.ring) == viola_ring_enable_kick(&t->b.ring));
		break;
	case 1:
		must(viola_ring_enable_kick_more(&t->a.ring) ==
		     viola_ring_enable_kick_more(&t->b.ring));
		break;
	case 2:
		viola_ring_disable_kick(&t->a.ring);
		viola_ring_disable_kick(&t->b.ring);
		break;
	case 3:
		must(viola_ring_available(&t->a.ring) == viola_ring_available(&t->b.ring));
		break;
	}
}

static void twins_step(struct twins *t)
{
	switch (below(t, 12)) {
	case 0:
		twins_add(t);
		break;
	case 1:
		twins_add_run(t);
		break;
	case 2:
		twins_expose(t);
		break;
	case 3:
	case 4:
		twins_reclaim(t);
		break;
	case 5:
		twins_requests(t);
		break;
	case 6:
	case 7:
	case 8:
		twins_burst(t);
		break;
	case 9:
		twins_single(t, one_in(t, 8));
		break;
	case 10:
		while (t->nr_held && !one_in(t, 4))
			twins_push(t);
		twins_publish(t, viola_ring_used_index(&t->a.ring));
		check_needs_call(t);
		break;
	case 11:
		twins_kick(t);
		break;
	}
	check_same(t);
}

static void twins_init(struct twins *t)
{
	u16 start = (u16)(65536 - below(t, 2000));

	guest_init(&t->guest);
	side_init(&t->a, &t->guest, t->num, t->how, start);
	side_init(&t->b, &t->guest, t->num, t->how, start);
	t->hostile = false;
	t->nr_held = 0;
	t->in_burst = 0;
	t->tables = 0;
	memset(t->table, 0, sizeof(t->table));
}

static void twins_free(struct twins *t)
{
	side_free(&t->a);
	side_free(&t->b);
	model_guest_free(&t->guest);
}

/* @lives rings one after the other, of @steps each; from @lies on, hostile drivers. */
static void run(u32 num, u32 how, u64 seed, u32 lives, u32 steps, bool lies)
{
	struct twins *t = must_have(sizeof(*t));
	char name[96];
	u32 life, i;

	snprintf(name, sizeof(name), "%s ring of %u%s%s%s%s", how & PACKED ? "packed" : "split",
		 num, how & EVENT_IDX ? ", event_idx" : "",
		 how & INDIRECT_DESC ? ", indirect" : "", how & IN_ORDER ? ", in_order" : "",
		 lies ? ", hostile" : "");
	where = name;
	where_seed = seed;
	t->num = num;
	t->how = how;
	t->rand.state = seed * HOWS * 2 + how * 2 + lies + ((u64)num << 48);
	for (life = 0; life < lives; life++) {
		twins_init(t);
		for (i = 0; i < steps; i++) {
			if (lies && one_in(t, 25))
				twins_lie(t);
			twins_step(t);
			must(!viola_ring_broken(&t->a.ring) || t->hostile);
			/* Broken it stays so; a few steps more, and the next one. */
			if (viola_ring_broken(&t->a.ring) && one_in(t, 8))
				break;
		}
		t->errors += viola_ring_broken(&t->a.ring);
		twins_free(t);
	}
	must(t->bursts && t->taken && t->refused);
	must(!lies || t->errors);
	free(t);
}

static void run_all(u64 seed, u32 steps)
{
	static const u32 num[] = { 1, 2, 8, 64, 256, 1024 };
	static const u32 odd[] = { 3, 7, 100, 1000 }; /* only packed rings may be */
	u32 i, how;

	for (how = 0; how < HOWS; how++) {
		for (i = 0; i < ARRAY_SIZE(num); i++) {
			run(num[i], how, seed, 2, steps, false);
			run(num[i], how, seed, 10, steps / 2, true);
		}
		for (i = 0; i < ARRAY_SIZE(odd) && how & PACKED; i++) {
			run(odd[i], how, seed, 2, steps, false);
			run(odd[i], how, seed, 10, steps / 2, true);
		}
	}
}

static void as_single_calls(void **state)
{
	u64 seed;

	for (seed = 1; seed <= 2; seed++)
		run_all(seed, 600);
}

static void as_single_calls_fresh_seed(void **state)
{
	run_all(model_rand_seed(), 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_available),
		cmocka_unit_test(buffers_are_where_the_driver_has_them),
		cmocka_unit_test(used_once_published),
		cmocka_unit_test(in_parts),
		cmocka_unit_test(ends_before_what_is_not_plain),
		cmocka_unit_test(hostile_buffers),
		cmocka_unit_test(in_flight_since_another_burst),
		cmocka_unit_test(all_in_flight),
		cmocka_unit_test(packed_more_than_the_ring_holds),
		cmocka_unit_test(packed_chains_bound_a_burst),
		cmocka_unit_test(split_index_is_judged_in_its_turn),
		cmocka_unit_test(split_more_came_meanwhile),
		cmocka_unit_test(in_order_by_one_entry),
		cmocka_unit_test(where_bursts_are_not_allowed),
		cmocka_unit_test(memory_swapped),
		cmocka_unit_test(interrupts_after_a_round_unasked),
		cmocka_unit_test(dirty_spans),
		cmocka_unit_test(as_single_calls),
		cmocka_unit_test(as_single_calls_fresh_seed),
	};

	return cmocka_run_group_tests_name("ring-burst", tests, NULL, NULL);
}
