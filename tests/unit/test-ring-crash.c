// SPDX-License-Identifier: GPL-2.0
/*
 * A device that ends between any two of its stores, and its successor that
 * finds nothing but the shared memory: ring, in-flight region, buffers.
 *
 * Every store of the ring core to shared memory is counted here. A scenario
 * (a seed's sequence of steps of driver and device) is run once for each of
 * them, and the device ends right before it; in the second half of the test its
 * successor ends in turn, some stores later, which may be while it recovers.
 * Whatever happens, each buffer that the driver made available comes back
 * exactly once, answered, and with in_order in its place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void before_store(void);

#include <viola/env.h>

#undef WRITE_ONCE
#undef viola_store_release
#define WRITE_ONCE(x, v)                                  \
	({                                                \
		before_store();                           \
		*(volatile typeof(x) *)&(x) = (v);        \
	})
#define viola_store_release(p, v)                         \
	({                                                \
		before_store();                           \
		__atomic_store_n(p, v, __ATOMIC_RELEASE); \
	})

#include "tests/unit/model-driver.h"

#define OPS 60
#define NUM_MAX 16u
#define SEGS 8
#define GPA 0x10000ull
#define SLOT 128u /* per buffer: an indirect table, a question, an answer */
#define SLOTS 64u

static struct {
	struct model_guest guest;
	struct model_driver driver;
	struct viola_ring ring;
	bool in_flight[NUM_MAX];
	struct viola_ring_record record[NUM_MAX];
	void *inflight;
	u32 num, how;
	u16 start; /* where the ring began */
	bool asked; /* needs_call(), this device */
	u32 slot[NUM_MAX]; /* by id: where its buffer is */
	bool slot_used[SLOTS];
	struct viola_chain taken[NUM_MAX];
	struct viola_seg seg[NUM_MAX][SEGS];
	u32 nr_taken;
	u16 newest; /* of taken: may still go back if nothing later was pushed */
	bool newest_known;
	u64 serial, back;
	u64 next_back; /* with in_order: the serial that must come next */

	u64 stores, crash_at; /* 0: never */
	jmp_buf crash;
	u32 crashes;
	u64 recovered;
} t;

static void before_store(void)
{
	if (++t.stores == t.crash_at)
		longjmp(t.crash, 1);
}

#define PACKED 1u
#define IN_ORDER 2u
#define INDIRECT_DESC 4u
#define EVENT_IDX 8u
#define HOWS 16u

#define must(cond)                                                            \
	do {                                                                  \
		if (!(cond))                                                  \
			wrong(#cond, __LINE__);                               \
	} while (0)

static u64 crash_first, crash_seed;

static void wrong(const char *what, int line)
{
	fail_msg("ring of %u, how %u, crash at store %llu, seed %llu: not so: %s (line %d)", t.num,
		 t.how, (unsigned long long)crash_first, (unsigned long long)crash_seed, what,
		 line);
}

static u8 *slot_at(u32 slot)
{
	return t.guest.ext[0].base + slot * SLOT;
}

/* --- the driver: it lives on ------------------------------------------------- */

static void driver_add(struct model_rand *r)
{
	u32 slot, n = 1 + model_rand_below(r, 3), i;
	bool quiet = !model_rand_below(r, 2);
	struct model_piece piece[3];
	u64 gpa, table = 0;
	int id;

	for (slot = 0; t.slot_used[slot]; slot++)
		;
	gpa = GPA + slot * SLOT;
	if (!quiet && n == 1)
		n = 2;
	for (i = 0; i < n; i++)
		piece[i] = (struct model_piece){ gpa + 64 + 8 * i, 8, false };
	if (!quiet)
		piece[n - 1] = (struct model_piece){ gpa + 96, 8, true };
	if (t.how & INDIRECT_DESC && model_rand_below(r, 2))
		table = gpa;
	id = model_driver_add(&t.driver, piece, n, table, t.serial);
	if (id < 0)
		return;
	t.slot[id] = slot;
	t.slot_used[slot] = true;
	memcpy(slot_at(slot) + 64, &t.serial, 8);
	memset(slot_at(slot) + 96, 0, 16); /* the answer, and the device's own mark */
	t.serial++;
}

static void driver_reclaim(void)
{
	u32 written;
	u16 id;
	int ret;

	while ((ret = model_driver_reclaim(&t.driver, &id, &written)) == 1) {
		u64 serial = t.driver.record[id].cookie, mark;

		/* A buffer comes back only when somebody has dealt with it. */
		memcpy(&mark, slot_at(t.slot[id]) + 104, 8);
		must(mark == serial + 1);
		if (!t.driver.record[id].quiet) {
			must(written == 8);
			memcpy(&mark, slot_at(t.slot[id]) + 96, 8);
			must(mark == ~serial);
		}
		if (t.how & IN_ORDER)
			must(serial == t.next_back++);
		t.slot_used[t.slot[id]] = false;
		t.back++;
	}
	must(ret == 0);
}

static void driver_op(struct model_rand *r)
{
	u32 n;

	if (model_rand_below(r, 2)) {
		for (n = model_rand_below(r, 4); n; n--)
			driver_add(r);
		model_driver_expose(&t.driver);
	} else {
		driver_reclaim();
	}
}

/* --- the device: it does not ------------------------------------------------- */

static void device_start(void)
{
	struct viola_ring_config cfg;
	int ret;

	/* Nothing that was its predecessor's own is left. */
	memset(t.record, 0xa5, sizeof(t.record));
	memset(t.in_flight, 0xa5, sizeof(t.in_flight));
	t.nr_taken = 0;
	t.newest_known = false;
	t.asked = false;
	cfg = model_driver_config(&t.driver, t.how & INDIRECT_DESC, t.in_flight);
	cfg.record = t.record;
	cfg.inflight = t.inflight;
	must(!viola_ring_init(&t.ring, &cfg));
	/* What a front end says of the ring as long as the region says nothing. */
	viola_ring_set_base(&t.ring, t.start);
	ret = viola_ring_recover(&t.ring);
	must(ret >= 0);
	t.recovered += (u64)ret;
	if (ret) {
		must(viola_ring_available(&t.ring) == 1);
		must(viola_ring_enable_kick(&t.ring) == 1);
	}
}

static bool device_pop(bool skip)
{
	struct viola_chain *c = &t.taken[t.nr_taken];
	u64 serial;
	int ret;

	if (t.nr_taken == t.num)
		return false;
	*c = (struct viola_chain){ .seg = t.seg[t.nr_taken], .seg_max = SEGS };
	if (skip) {
		/* Too many pieces for no room: the same chain is taken next. */
		c->seg_max = 0;
		ret = viola_ring_pop(&t.ring, c);
		must(ret == 0 || ret == -ENOBUFS);
		c->seg_max = SEGS;
	}
	ret = viola_ring_pop(&t.ring, c);
	must(ret >= 0);
	if (!ret)
		return false;
	memcpy(&serial, c->seg[0].base, 8);
	must(serial == t.driver.record[c->id].cookie);
	must(t.driver.record[c->id].in_flight);
	t.newest = c->id;
	t.newest_known = true;
	t.nr_taken++;
	return true;
}

static void device_push(u32 i)
{
	struct viola_chain c = t.taken[i];
	u8 *slot = slot_at(t.slot[c.id]);
	u64 serial;

	memcpy(&serial, c.seg[0].base, 8);
	if (c.nin) {
		u64 answer = ~serial;

		memcpy(c.seg[c.nout].base, &answer, 8);
	}
	serial++;
	memcpy(slot + 104, &serial, 8);
	viola_ring_push(&t.ring, c.id, c.in_len);
	t.nr_taken--;
	for (; i < t.nr_taken; i++) {
		struct viola_seg *seg = t.taken[i].seg;

		t.taken[i] = t.taken[i + 1];
		memcpy(seg, t.taken[i + 1].seg, SEGS * sizeof(*seg));
		t.taken[i].seg = seg;
	}
	if (c.id == t.newest)
		t.newest_known = false;
}

static void device_op(struct model_rand *r)
{
	u32 n;

	switch (model_rand_below(r, 5)) {
	case 0:
		for (n = model_rand_below(r, 5); n && device_pop(!model_rand_below(r, 4)); n--)
			;
		break;
	case 1:
		for (n = model_rand_below(r, 4); n && t.nr_taken; n--)
			device_push(model_rand_below(r, t.nr_taken));
		break;
	case 2:
		viola_ring_publish(&t.ring);
		/* What its predecessor said it cannot know: it interrupts once. */
		must(viola_ring_needs_call(&t.ring) || t.asked);
		t.asked = true;
		break;
	case 3:
		if (t.nr_taken && t.newest_known && t.taken[t.nr_taken - 1].id == t.newest) {
			viola_ring_unpop(&t.ring, &t.taken[--t.nr_taken]);
			t.newest_known = false;
		}
		break;
	case 4:
		if (model_rand_below(r, 2))
			viola_ring_disable_kick(&t.ring);
		else
			must(viola_ring_enable_kick(&t.ring) >= 0);
		break;
	}
}

/* --- both ---------------------------------------------------------------------- */

static void setup(u32 num, u32 how)
{
	memset(&t, 0, sizeof(t));
	t.num = num;
	t.how = how;
	model_guest_init(&t.guest);
	model_guest_add(&t.guest, GPA, SLOTS * SLOT);
	model_driver_init(&t.driver, how & PACKED ? &model_packed : &model_split, &t.guest, num,
			  how & EVENT_IDX);
	/* The split ring's indices wrap soon, and so does the packed ring. */
	model_driver_start_at(&t.driver, (u16)(how & PACKED ? 2 * num - 5 : 65536 - 5));
	t.start = t.driver.avail;
	t.driver.in_order = how & IN_ORDER;
	t.inflight = calloc(1, viola_inflight_size(num, how & PACKED));
	assert_non_null(t.inflight);
}

static void teardown(void)
{
	free(t.inflight);
	model_driver_free(&t.driver);
	model_guest_free(&t.guest);
}

/*
 * Runs the scenario of @seed. The device ends before store @at, its successor
 * @again stores later (0: not). Returns whether it came to that.
 */
static bool run(u32 num, u32 how, u64 seed, u64 at, u64 again)
{
	static struct model_rand r;
	static u32 op, rounds;
	static bool started;

	setup(num, how);
	crash_first = at;
	crash_seed = seed;
	r.state = seed;
	op = 0;
	rounds = 0;
	started = false;
	t.crash_at = at;
	if (setjmp(t.crash)) {
		t.crashes++;
		started = false;
		t.crash_at = t.crashes == 1 && again ? t.stores + again : 0;
		/* The driver does not know yet. */
		for (u32 n = model_rand_below(&r, 4); n; n--)
			driver_op(&r);
	}
	for (; op < OPS; op++) {
		driver_op(&r);
		if (!started)
			device_start();
		started = true;
		device_op(&r);
	}
	/* All that is out comes back. */
	for (; t.back != t.serial; rounds++) {
		must(rounds < 100);
		if (!started)
			device_start();
		started = true;
		model_driver_expose(&t.driver);
		while (device_pop(false))
			;
		while (t.nr_taken)
			device_push(0);
		viola_ring_publish(&t.ring);
		driver_reclaim();
	}
	must(t.driver.free_count == num);
	must(!viola_ring_broken(&t.ring));
	teardown();
	return t.crashes;
}

static void crash_everywhere(u32 num, u32 how, u64 seeds, bool twice)
{
	u64 seed, at, crashes = 0, recovered = 0;

	for (seed = 1; seed <= seeds; seed++) {
		for (at = 1; run(num, how, seed, at, twice ? 1 + (at * 7 + seed) % 41 : 0); at++) {
			crashes += t.crashes;
			recovered += t.recovered;
		}
	}
	print_message("# %s ring of %u%s%s%s: %llu crashes, %llu buffers taken again\n",
		      how & PACKED ? "packed" : "split", num, how & IN_ORDER ? ", in_order" : "",
		      how & INDIRECT_DESC ? ", indirect" : "",
		      how & EVENT_IDX ? ", event_idx" : "", (unsigned long long)crashes,
		      (unsigned long long)recovered);
	assert_true(crashes > 100 && recovered > 100);
}

static void a_crash_at_every_store(void **state)
{
	u32 how;

	for (how = 0; how < HOWS; how++) {
		crash_everywhere(8, how, 12, false);
		if (how & PACKED)
			crash_everywhere(7, how, 6, false);
	}
}

static void two_crashes_in_a_row(void **state)
{
	u32 how;

	for (how = 0; how < HOWS; how++) {
		crash_everywhere(8, how, 12, true);
		crash_everywhere(16, how, 6, true);
	}
}

/* --- regions that are not what they should be --------------------------------- */

static int recover_with(u32 how, void (*spoil)(void))
{
	struct viola_ring_config cfg;
	struct model_rand r = { 3 };
	int ret;
	u32 i;

	setup(8, how);
	device_start();
	for (i = 0; i < 4; i++)
		driver_add(&r);
	model_driver_expose(&t.driver);
	while (device_pop(false))
		;
	device_push(0);
	viola_ring_publish(&t.ring);
	spoil();
	cfg = model_driver_config(&t.driver, how & INDIRECT_DESC, t.in_flight);
	cfg.record = t.record;
	cfg.inflight = t.inflight;
	must(!viola_ring_init(&t.ring, &cfg));
	ret = viola_ring_recover(&t.ring);
	/* Whatever it is, popping it ends and touches nothing else (ASan). */
	for (i = 0; ret > 0 && i < 2 * t.num; i++) {
		struct viola_chain c = { .seg = t.seg[0], .seg_max = SEGS };

		if (viola_ring_pop(&t.ring, &c) != 1)
			break;
	}
	must(i <= t.num);
	if (ret >= 0 && viola_ring_broken(&t.ring))
		ret = -EPROTO;
	teardown();
	return ret;
}

static struct viola_inflight_split *split(void)
{
	return t.inflight;
}

static struct viola_inflight_packed *packed(void)
{
	return t.inflight;
}

static void nothing(void)
{
}

static void other_version(void)
{
	split()->version = 2; /* in the same place in both layouts */
}

static void other_size(void)
{
	split()->desc_num = 16;
}

static void split_used_far_off(void)
{
	split()->used_idx -= 9;
}

static void split_batch_head(void)
{
	split()->used_idx -= 2;
	split()->last_batch_head = 8;
}

static void packed_used_idx(void)
{
	packed()->used_idx = 8;
}

static void packed_old_used_idx(void)
{
	packed()->old_used_idx = 0xffff;
}

static u32 packed_first(void)
{
	u32 i;

	for (i = 0; !packed()->desc[i].inflight; i++)
		;
	return i;
}

static void packed_num_zero(void)
{
	packed()->desc[packed_first()].num = 0;
}

static void packed_num_huge(void)
{
	packed()->desc[packed_first()].num = 0xffff;
}

static void packed_next(void)
{
	u32 i = packed_first();

	packed()->desc[i].num = 2;
	packed()->desc[i].next = 8;
}

static void packed_id(void)
{
	u32 i = packed_first();

	packed()->desc[i].num = 1;
	packed()->desc[i].id = 8;
}

/* A chain of two tables: the ring itself knows none of more than one. */
static void packed_tables(void)
{
	u32 i = packed_first(), other = (i + 1) % 8;

	packed()->desc[i].num = 2;
	packed()->desc[i].next = (u16)other;
	packed()->desc[other] = packed()->desc[i];
	packed()->desc[other].inflight = 0;
	for (u32 k = 0; k < 2; k++) {
		struct viola_inflight_packed_desc *e = &packed()->desc[k ? other : i];

		e->flags = VRING_DESC_F_INDIRECT;
		e->addr = GPA;
		e->len = 16;
	}
	/* The table: a piece of no bytes. */
	memset(t.guest.ext[0].base, 0, 16);
	for (u32 k = 0; k < 8; k++)
		if (k != i)
			packed()->desc[k].inflight = 0;
}

static void packed_cycle(void)
{
	u32 i;

	for (i = 0; i < 8; i++)
		packed()->desc[i].next = packed()->free_head;
}

static void regions_that_contradict_themselves(void **state)
{
	assert_int_equal(recover_with(0, nothing), 3);
	assert_int_equal(recover_with(PACKED, nothing), 3);
	assert_int_equal(recover_with(0, other_version), -EINVAL);
	assert_int_equal(recover_with(PACKED, other_version), -EINVAL);
	assert_int_equal(recover_with(0, other_size), -EINVAL);
	assert_int_equal(recover_with(PACKED, other_size), -EINVAL);
	assert_int_equal(recover_with(0, split_used_far_off), -EINVAL);
	assert_int_equal(recover_with(0, split_batch_head), -EINVAL);
	assert_int_equal(recover_with(PACKED, packed_used_idx), -EINVAL);
	assert_int_equal(recover_with(PACKED, packed_old_used_idx), -EINVAL);
	assert_int_equal(recover_with(PACKED, packed_num_zero), -EINVAL);
	assert_int_equal(recover_with(PACKED, packed_num_huge), -EINVAL);
	assert_int_equal(recover_with(PACKED, packed_next), -EPROTO);
	assert_int_equal(recover_with(PACKED, packed_id), -EPROTO);
	assert_int_equal(recover_with(PACKED | INDIRECT_DESC, packed_tables), -EPROTO);
	recover_with(PACKED, packed_cycle);
}

/*
 * The front end changes how many entries each chain has, after their sum was found
 * good. Whatever is popped, the places of used entries stay within the ring.
 */
static void regions_that_change_once_they_were_read(void **state)
{
	u32 how, what, num, i;

	for (how = PACKED; how < HOWS; how = (how + 1) | PACKED) {
		for (what = 0; what < 20; what++) {
			/* With the last chain of two entries no such number is right. */
			bool right = what == 1;
			struct viola_chain c[4];

			num = what % 10;
			setup(8, how);
			device_start();
			for (i = 0; i < 4; i++) {
				struct model_piece piece[2] = { { GPA + 64 * i, 8, i == 3 },
								{ GPA + 64 * i, 8, true } };

				model_driver_add(&t.driver, piece, i == 3 && what >= 10 ? 2 : 1, 0,
						 i);
				c[i] = (struct viola_chain){ .seg = t.seg[i], .seg_max = SEGS };
			}
			model_driver_expose(&t.driver);
			for (i = 0; i < 4; i++)
				must(viola_ring_pop(&t.ring, &c[i]) == 1);
			device_start();
			must(viola_ring_recovered(&t.ring) == 4);
			for (i = 0; i < 8; i++) {
				packed()->desc[i].num = (u16)num;
				packed()->desc[i].next = (u16)i;
				packed()->desc[i].id = (u16)i;
			}
			for (i = 0; i < 4 && viola_ring_pop(&t.ring, &c[i]) == 1; i++) {
				/* Given back, it is there with as many entries again. */
				viola_ring_unpop(&t.ring, &c[i]);
				must(viola_ring_pop(&t.ring, &c[i]) == 1);
				viola_ring_push(&t.ring, c[i].id, 0);
			}
			viola_ring_publish(&t.ring);
			must((viola_ring_used_index(&t.ring) & 0x7fff) < 8);
			must(right == (i == 4));
			must(right || viola_ring_broken(&t.ring));
			teardown();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crash_at_every_store),
		cmocka_unit_test(two_crashes_in_a_row),
		cmocka_unit_test(regions_that_contradict_themselves),
		cmocka_unit_test(regions_that_change_once_they_were_read),
	};

	return cmocka_run_group_tests_name("ring-crash", tests, NULL, NULL);
}
