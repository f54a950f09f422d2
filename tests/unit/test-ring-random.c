// SPDX-License-Identifier: GPL-2.0
/*
 * Property test: a driver and a device that each do what they like, as long as
 * virtio allows it, in every interleaving a seed can name.
 *
 * What must hold, whatever happens:
 *   - each chain made available is popped as it was described, byte by byte
 *     and in order, and comes back used exactly once, with its length and what
 *     was written, and nothing written beyond;
 *   - the same of what is taken in bursts, between single pops;
 *   - a chain given back with unpop is popped again, in its place;
 *   - nobody sleeps while there is work for him that no notification is on
 *     its way for.
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

#define SLOT 512u /* payload bytes a chain may use */
#define OUTSTANDING_MAX 256u
#define PIECES_MAX 12u
#define SEG_MAX 64u

/* Payload and tables: extents that touch, of uneven sizes, then far ones. */
#define LOW_GPA 0x10000ull
#define HIGH_GPA 0x700000000ull
#define TABLE_BYTES (16 * PIECES_MAX + 16)

struct sent {
	u64 serial;
	u64 order; /* of becoming available */
	u32 slot; /* of payload memory */
	u32 n;
	struct model_piece piece[PIECES_MAX];
	u32 out_len, in_len;
	bool popped, pushed;
	u32 written;
};

struct taken {
	struct viola_chain chain;
	struct viola_seg seg[SEG_MAX];
	u64 seg_gpa[SEG_MAX];
	u64 order; /* of the pop */
};

struct world {
	struct model_guest guest;
	struct model_driver driver;
	struct viola_ring ring;
	bool *in_flight;
	struct viola_ring_record *record;
	struct model_rand rand;
	u64 seed;
	u32 num;
	bool indirect;

	struct sent *sent; /* by id */
	struct taken *taken[OUTSTANDING_MAX]; /* popped, not yet pushed, oldest first */
	u32 nr_taken;
	u32 free_slot[OUTSTANDING_MAX];
	u32 nr_free_slots;
	u64 serial; /* of the next chain */
	u64 added, pops, reclaimed;

	bool driver_asleep, device_asleep;
	bool timer; /* the device waits for more than it has: not for ever */
	u16 driver_after, device_seen; /* what each slept on */
	bool kick, call; /* raised, not yet served */
	u64 kicks, calls;
	bool plain; /* buffers of one piece, for a while */
	u64 bursts; /* that took anything */
};

static const char *where = "";
static u64 where_seed;

#define must(cond)                                                                \
	do {                                                                      \
		if (!(cond))                                                      \
			fail_msg("%s, seed %llu: not so: %s (line %d)", where,    \
				 (unsigned long long)where_seed, #cond, __LINE__); \
	} while (0)

static u32 below(struct world *w, u32 n)
{
	return model_rand_below(&w->rand, n);
}

static bool one_in(struct world *w, u32 n)
{
	return !below(w, n);
}

/* --- guest memory ------------------------------------------------------------ */

static u64 slot_gpa(u32 slot)
{
	/* Half in the low, cut-up memory, half in the high extent. */
	u64 base = slot % 2 ? HIGH_GPA : LOW_GPA;

	return base + (slot / 2) * (u64)(SLOT + TABLE_BYTES);
}

static void world_memory(struct world *w)
{
	u64 total = (OUTSTANDING_MAX / 2) * (u64)(SLOT + TABLE_BYTES), at = 0;

	model_guest_init(&w->guest);
	while (at < total && w->guest.mem.nr < MODEL_EXTENTS_MAX - 2) {
		u64 len = 1 + below(w, one_in(w, 4) ? 64 : 4096);

		len = min(len, total - at);
		model_guest_add(&w->guest, LOW_GPA + at, len);
		at += len;
	}
	if (at < total)
		model_guest_add(&w->guest, LOW_GPA + at, total - at);
	model_guest_add(&w->guest, HIGH_GPA, total);
}

/* What byte content a piece of chain @serial carries; @in: device's answer. */
static u64 content_key(u64 serial, u32 piece, bool in)
{
	return serial * 64 + piece * 2 + in;
}

static void guest_fill(struct world *w, u64 gpa, u32 len, u64 key)
{
	u8 bytes[SLOT];
	u32 hint = 0;

	model_fill(bytes, len, key);
	must(!viola_mem_write(&w->guest.mem, &hint, gpa, bytes, len));
}

static void guest_expect(struct world *w, u64 gpa, u32 len, u64 key)
{
	u8 want[SLOT], got[SLOT];
	u32 hint = 0;

	model_fill(want, len, key);
	must(!viola_mem_read(&w->guest.mem, &hint, gpa, got, len));
	must(!memcmp(want, got, len));
}

/* --- the driver -------------------------------------------------------------- */

static void driver_add(struct world *w)
{
	struct sent s = { .serial = w->serial };
	u32 room = SLOT, i, outs;
	u64 at, table = 0;
	int id;

	if (!w->nr_free_slots)
		return;
	s.slot = w->free_slot[w->nr_free_slots - 1];
	s.n = 1 + below(w, PIECES_MAX);
	if (one_in(w, 3))
		s.n = 1 + below(w, 2);
	if (w->plain)
		s.n = 1;
	if (!w->indirect)
		s.n = min(s.n, w->num);
	outs = below(w, s.n + 1);
	at = slot_gpa(s.slot) + TABLE_BYTES;
	for (i = 0; i < s.n; i++) {
		u32 len = one_in(w, 8) ? 0 : below(w, room / (s.n - i) + 1);

		s.piece[i] = (struct model_piece){ at, len, i >= outs };
		at += len;
		room -= len;
		if (i >= outs)
			s.in_len += len;
		else
			s.out_len += len;
	}
	if (w->indirect && (one_in(w, w->plain ? 16 : 2) || s.n > w->num))
		table = slot_gpa(s.slot) + below(w, 16);
	id = model_driver_add(&w->driver, s.piece, s.n, table, s.serial);
	if (id == -ENOSPC)
		return;
	must(id >= 0);
	w->nr_free_slots--;
	w->serial++;
	s.order = w->added++;
	for (i = 0; i < s.n; i++)
		guest_fill(w, s.piece[i].gpa, s.piece[i].len,
			   content_key(s.serial, i, s.piece[i].in));
	w->sent[id] = s;
}

static void driver_expose(struct world *w)
{
	if (w->driver.avail == w->driver.exposed && w->driver.asked == w->driver.exposed)
		return;
	model_driver_expose(&w->driver);
	if (model_driver_kick_wanted(&w->driver)) {
		w->kick = true;
		w->kicks++;
	}
}

/*
 * The device writes its answer over the first .written bytes of the writable
 * pieces; what lies behind must be as the driver left it.
 */
static void driver_check_answer(struct world *w, const struct sent *s)
{
	u32 left = s->written, i;

	for (i = 0; i < s->n; i++) {
		const struct model_piece *p = &s->piece[i];
		u64 was = content_key(s->serial, i, p->in);
		u8 want[SLOT], got[SLOT];
		u32 part, hint = 0;

		if (!p->in) {
			guest_expect(w, p->gpa, p->len, was);
			continue;
		}
		part = min(left, p->len);
		model_fill(want, p->len, was);
		for (u32 k = 0; k < part; k++)
			want[k] = (u8)~want[k];
		must(!viola_mem_read(&w->guest.mem, &hint, p->gpa, got, p->len));
		must(!memcmp(want, got, p->len));
		left -= part;
	}
	must(!left);
}

static bool driver_reclaim(struct world *w)
{
	u32 written;
	u16 id;
	int ret = model_driver_reclaim(&w->driver, &id, &written);

	must(ret >= 0);
	if (!ret)
		return false;
	must(w->sent[id].pushed && w->sent[id].popped);
	must(w->sent[id].written == written);
	driver_check_answer(w, &w->sent[id]);
	w->free_slot[w->nr_free_slots++] = w->sent[id].slot;
	w->sent[id] = (struct sent){ 0 };
	w->reclaimed++;
	return true;
}

/* Asks for an interrupt after some more buffers, and sleeps if that is to come. */
static void driver_sleep(struct world *w, bool at_once)
{
	u64 outstanding = w->added - w->reclaimed;

	/* Asking for more than can come is the driver's own mistake. */
	w->driver_after = 0;
	if (!at_once && w->driver.event_idx && outstanding && one_in(w, 2))
		w->driver_after = (u16)below(w, (u32)outstanding);
	w->driver_asleep = !model_driver_want_call(&w->driver, w->driver_after);
}

static void driver_step(struct world *w)
{
	u32 n;

	if (w->driver_asleep) {
		/* Now and then it wakes of itself, to send more. */
		if (!w->call && !one_in(w, 8))
			return;
		w->driver_asleep = false;
		if (one_in(w, 2))
			model_driver_no_call(&w->driver);
	}
	w->call = false;
	switch (below(w, 8)) {
	case 0:
	case 1:
	case 2:
		for (n = 1 + below(w, 8); n; n--)
			driver_add(w);
		if (!one_in(w, 4))
			driver_expose(w);
		break;
	case 3:
		driver_expose(w);
		break;
	case 4:
	case 5:
		for (n = 1 + below(w, 16); n && driver_reclaim(w); n--)
			;
		break;
	case 6:
		model_driver_no_call(&w->driver);
		break;
	case 7:
		driver_expose(w); /* as a driver does before it waits */
		driver_sleep(w, false);
		w->plain = one_in(w, 2);
		break;
	}
}

/* --- the device -------------------------------------------------------------- */

static void device_check(struct world *w, const struct taken *t, const struct sent *s)
{
	const struct viola_chain *c = &t->chain;
	u32 i, at = 0;
	u8 want[SLOT], got[SLOT];

	must(c->out_len == s->out_len);
	must(c->in_len == s->in_len);
	must(viola_segs_len(c->seg, c->nout) == s->out_len);
	must(viola_segs_len(c->seg + c->nout, c->nin) == s->in_len);
	for (i = 0; i < c->nout + c->nin; i++)
		must(viola_mem_map(&w->guest.mem, c->seg_gpa[i], c->seg[i].len) == c->seg[i].base);
	for (i = 0; i < s->n && !s->piece[i].in; i++) {
		model_fill(want + at, s->piece[i].len, content_key(s->serial, i, false));
		at += s->piece[i].len;
	}
	must(viola_segs_read(c->seg, c->nout, 0, got, SLOT) == at);
	must(!memcmp(want, got, at));
	/* the writable part is where the driver has it */
	at = 0;
	for (; i < s->n; i++) {
		model_fill(want + at, s->piece[i].len, content_key(s->serial, i, true));
		at += s->piece[i].len;
	}
	must(viola_segs_read(c->seg + c->nout, c->nin, 0, got, SLOT) == at);
	must(!memcmp(want, got, at));
}

static bool device_pop(struct world *w)
{
	struct taken *t = w->taken[w->nr_taken];
	struct sent *s;
	int ret;

	must(w->nr_taken < OUTSTANDING_MAX);
	t->chain = (struct viola_chain){
		.seg = t->seg,
		.seg_gpa = t->seg_gpa,
		.seg_max = SEG_MAX,
	};
	ret = viola_ring_pop(&w->ring, &t->chain);
	must(ret >= 0);
	if (!ret)
		return false;
	s = &w->sent[t->chain.id];
	must(!s->popped);
	must(s->order == w->pops); /* in the order made available */
	s->popped = true;
	t->order = w->pops++;
	device_check(w, t, s);
	w->nr_taken++;
	return true;
}

static void device_push(struct world *w)
{
	u32 i, k, written;
	struct taken *t;
	struct sent *s;

	if (!w->nr_taken)
		return;
	i = one_in(w, 2) ? 0 : below(w, w->nr_taken);
	t = w->taken[i];
	s = &w->sent[t->chain.id];
	must(!s->pushed);
	written = one_in(w, 3) ? s->in_len : below(w, s->in_len + 1);
	if (written) {
		u8 bytes[SLOT];

		viola_segs_read(t->chain.seg + t->chain.nout, t->chain.nin, 0, bytes, written);
		for (k = 0; k < written; k++)
			bytes[k] = (u8)~bytes[k];
		must(viola_segs_write(t->chain.seg + t->chain.nout, t->chain.nin, 0, bytes,
				      written) == written);
	}
	s->pushed = true;
	s->written = written;
	viola_ring_push(&w->ring, t->chain.id, written);
	w->nr_taken--;
	for (k = i; k < w->nr_taken; k++)
		w->taken[k] = w->taken[k + 1];
	w->taken[k] = t;
}

/* The last one popped, if it is still in hand. */
static void device_unpop(struct world *w)
{
	struct taken *t;

	if (!w->nr_taken)
		return;
	t = w->taken[w->nr_taken - 1];
	if (t->order + 1 != w->pops)
		return;
	viola_ring_unpop(&w->ring, &t->chain);
	w->sent[t->chain.id].popped = false;
	w->nr_taken--;
	w->pops--;
}

/* Checks one buffer of a burst, and writes the answer to it. */
static void device_answer(struct world *w, struct viola_buf *b, struct sent *s,
			  enum viola_burst kind)
{
	u8 want[SLOT];
	u32 i = 0, k;

	while (!s->piece[i].len) /* the one that has any bytes */
		i++;
	must(b->len == s->piece[i].len && b->len == s->in_len + s->out_len);
	must(viola_mem_map(&w->guest.mem, s->piece[i].gpa, b->len) == b->base);
	model_fill(want, b->len, content_key(s->serial, i, s->piece[i].in));
	must(!memcmp(want, b->base, b->len));
	s->pushed = true;
	s->written = 0;
	if (kind != VIOLA_BURST_IN)
		return;
	b->len = one_in(w, 3) ? b->len : below(w, b->len + 1);
	s->written = b->len;
	for (k = 0; k < b->len; k++)
		b->base[k] = (u8)~b->base[k];
}

/* A burst: the oldest of it used, in two parts, the others given back. */
static void device_burst(struct world *w)
{
	enum viola_burst kind = one_in(w, 2) ? VIOLA_BURST_IN : VIOLA_BURST_OUT;
	struct viola_buf buf[32];
	int ret = viola_ring_pop_burst(&w->ring, buf, 1 + below(w, ARRAY_SIZE(buf)), kind);
	u32 n, part, i;

	must(ret >= 0 || ret == -EAGAIN);
	if (ret <= 0)
		return;
	w->bursts++;
	n = one_in(w, 2) ? (u32)ret : below(w, (u32)ret + 1);
	for (i = 0; i < (u32)ret; i++)
		must(!w->sent[buf[i].id].popped && w->sent[buf[i].id].order == w->pops + i);
	viola_ring_unpop_burst(&w->ring, buf + n, (u32)ret - n);
	for (i = 0; i < n; i++) {
		w->sent[buf[i].id].popped = true;
		device_answer(w, &buf[i], &w->sent[buf[i].id], kind);
	}
	w->pops += n;
	part = one_in(w, 2) ? n : below(w, n + 1);
	viola_ring_push_burst(&w->ring, buf, part, kind);
	viola_ring_push_burst(&w->ring, buf + part, n - part, kind);
}

static void device_publish(struct world *w)
{
	viola_ring_publish(&w->ring);
	if (viola_ring_needs_call(&w->ring)) {
		w->call = true;
		w->calls++;
	}
}

/* Needs more than there is: takes all, gives all back, waits for more. */
static void device_want_more(struct world *w)
{
	u32 before = w->nr_taken;
	int ret;

	while (device_pop(w))
		;
	w->device_seen = viola_ring_base(&w->ring);
	while (w->nr_taken > before)
		device_unpop(w);
	device_publish(w);
	ret = viola_ring_enable_kick_more(&w->ring);
	must(ret == 0); /* the driver did nothing in between */
	w->device_asleep = true;
	w->timer = true;
}

static void device_sleep(struct world *w)
{
	int ret;

	/* A device sleeps with nothing in hand and nothing unpublished. */
	while (w->nr_taken)
		device_push(w);
	device_publish(w);
	ret = viola_ring_enable_kick(&w->ring);
	must(ret >= 0);
	w->device_asleep = ret == 0;
	w->device_seen = w->ring.next_avail;
}

static void device_step(struct world *w)
{
	u32 n;

	if (w->device_asleep) {
		if (!w->kick && !(w->timer && one_in(w, 8)))
			return;
		w->device_asleep = false;
		w->timer = false;
		if (!one_in(w, 4))
			viola_ring_disable_kick(&w->ring);
	}
	w->kick = false;
	switch (below(w, 10)) {
	case 0:
	case 1:
	case 2:
		for (n = 1 + below(w, 32); n && device_pop(w); n--)
			;
		break;
	case 3:
	case 4:
		for (n = 1 + below(w, 32); n; n--)
			device_push(w);
		if (!one_in(w, 4))
			device_publish(w);
		break;
	case 5:
		for (n = 1 + below(w, 8); n; n--)
			device_unpop(w);
		break;
	case 6:
		device_publish(w);
		if (one_in(w, 4))
			viola_ring_disable_kick(&w->ring);
		break;
	case 7:
		device_sleep(w);
		break;
	case 8:
		device_want_more(w);
		break;
	case 9:
		device_burst(w);
		break;
	}
}

/* --- both ---------------------------------------------------------------------- */

/* Nobody sleeps on work that no notification is on its way for. */
static void check_awake(struct world *w)
{
	if (w->device_asleep && !w->kick)
		must(w->driver.exposed == w->device_seen);
	if (w->driver_asleep && !w->call)
		must(model_driver_backlog(&w->driver) <= w->driver_after);
}

/* Runs until all that was sent is back, on notifications alone. */
static void drain(struct world *w)
{
	u32 rounds;

	w->device_asleep &= !w->timer;
	for (rounds = 0; w->reclaimed != w->added; rounds++) {
		must(rounds < 4 * OUTSTANDING_MAX);
		must(!w->driver_asleep || !w->device_asleep || w->kick || w->call);
		if (!w->driver_asleep || w->call) {
			w->call = w->driver_asleep = false;
			driver_expose(w);
			while (driver_reclaim(w))
				;
			driver_sleep(w, true);
		}
		if (!w->device_asleep || w->kick) {
			w->kick = w->device_asleep = false;
			while (device_pop(w))
				;
			device_sleep(w);
		}
		check_awake(w);
	}
	must(!w->nr_taken && w->pops == w->added);
	must(w->driver.free_count == w->num);
}

/* What a ring may be; each combination is run. */
#define PACKED 1u
#define EVENT_IDX 2u
#define INDIRECT_DESC 4u
#define IN_ORDER 8u
#define TRACKED 16u /* with an in-flight region */
#define HOWS 32u

static void run(u32 num, u32 how, u64 seed, u32 steps)
{
	struct world *w = calloc(1, sizeof(*w));
	bool event_idx = how & EVENT_IDX, indirect = how & INDIRECT_DESC;
	struct viola_ring_config cfg;
	void *inflight = NULL;
	char name[96];
	u32 i;

	assert_non_null(w);
	snprintf(name, sizeof(name), "%s ring of %u%s%s%s%s",
		 how & PACKED ? "packed" : "split", num,
		 event_idx ? ", event_idx" : "", indirect ? ", indirect" : "",
		 how & IN_ORDER ? ", in_order" : "", how & TRACKED ? ", tracked" : "");
	where = name;
	where_seed = seed;
	w->seed = seed;
	w->rand.state = seed * HOWS + how + ((u64)num << 48);
	w->num = num;
	w->indirect = indirect;
	world_memory(w);
	model_driver_init(&w->driver, how & PACKED ? &model_packed : &model_split, &w->guest, num,
			  event_idx);
	w->driver.in_order = how & IN_ORDER;
	w->in_flight = calloc(num, sizeof(bool));
	w->record = calloc(num, sizeof(*w->record));
	w->sent = calloc(num, sizeof(*w->sent));
	assert_non_null(w->in_flight);
	assert_non_null(w->record);
	assert_non_null(w->sent);
	for (i = 0; i < OUTSTANDING_MAX; i++) {
		w->free_slot[i] = i;
		w->taken[i] = calloc(1, sizeof(*w->taken[i]));
		assert_non_null(w->taken[i]);
	}
	w->nr_free_slots = OUTSTANDING_MAX;
	cfg = model_driver_config(&w->driver, indirect, w->in_flight);
	if (how & (PACKED | IN_ORDER | TRACKED))
		cfg.record = w->record;
	if (how & TRACKED) {
		inflight = calloc(1, viola_inflight_size(num, how & PACKED));
		assert_non_null(inflight);
		cfg.inflight = inflight;
	}
	must(!viola_ring_init(&w->ring, &cfg));
	model_driver_start_at(&w->driver, (u16)(65536 - below(w, 2000)));
	viola_ring_set_base(&w->ring, w->driver.avail);
	must(viola_ring_recover(&w->ring) == 0);

	for (i = 0; i < steps; i++) {
		if (one_in(w, 2))
			driver_step(w);
		else
			device_step(w);
		check_awake(w);
		must(!viola_ring_broken(&w->ring));
	}
	drain(w);
	must(w->added > steps / 64); /* it did something */
	must(how & TRACKED ? !w->bursts : w->bursts);

	model_driver_free(&w->driver);
	model_guest_free(&w->guest);
	for (i = 0; i < OUTSTANDING_MAX; i++)
		free(w->taken[i]);
	free(inflight);
	free(w->record);
	free(w->in_flight);
	free(w->sent);
	free(w);
}

static void run_all(u64 seed, u32 steps)
{
	static const u32 num[] = { 1, 2, 8, 16, 64, 256, 1024, VIOLA_RING_MAX_SIZE };
	static const u32 odd[] = { 3, 7, 100, 32767 }; /* only packed rings may be */
	u32 i, how;

	for (how = 0; how < HOWS; how++) {
		for (i = 0; i < ARRAY_SIZE(num); i++)
			run(num[i], how, seed, steps);
		for (i = 0; i < ARRAY_SIZE(odd) && how & PACKED; i++)
			run(odd[i], how, seed, steps);
	}
}

static void kept_seeds(void **state)
{
	u64 seed;

	for (seed = 1; seed <= 2; seed++)
		run_all(seed, 3000);
}

static void a_fresh_seed(void **state)
{
	run_all(model_rand_seed(), 8000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_seeds),
		cmocka_unit_test(a_fresh_seed),
	};

	return cmocka_run_group_tests_name("ring-random", tests, NULL, NULL);
}
