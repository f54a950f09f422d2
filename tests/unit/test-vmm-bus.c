// SPDX-License-Identifier: GPL-2.0
/* Buses and event loops: what is called when, and never after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/bus.h"
#include "vmm/error.h"
#include "vmm/loop.h"

struct probe {
	u64 off, value;
	unsigned int len, reads, writes;
};

static u64 probe_read(void *opaque, u64 off, unsigned int len)
{
	struct probe *p = opaque;

	p->off = off;
	p->len = len;
	p->reads++;
	return 0x1122334455667788ull;
}

static void probe_write(void *opaque, u64 off, u64 value, unsigned int len)
{
	struct probe *p = opaque;

	p->off = off;
	p->len = len;
	p->value = value;
	p->writes++;
}

static const struct bus_ops probe_ops = { .read = probe_read, .write = probe_write };

static struct bus_region region(const char *name, u64 base, u64 size, struct probe *p)
{
	return (struct bus_region){ .name = name, .base = base, .size = size, .ops = &probe_ops,
				    .opaque = p };
}

static void regions_are_disjoint(void **state)
{
	static struct bus bus;
	struct probe p = { 0 };
	struct bus_region a = region("a", 0x1000, 0x1000, &p);
	struct bus_region bad[] = {
		region("same", 0x1000, 0x1000, &p), region("head", 0xfff, 2, &p),
		region("tail", 0x1fff, 1, &p), region("around", 0, 0x10000, &p),
		region("inside", 0x1800, 8, &p),
	};
	struct bus_region next = region("next", 0x2000, 1, &p);
	struct bus_region before = region("before", 0xfff, 1, &p);
	struct bus_region empty = region("empty", 0x5000, 0, &p);
	struct bus_region wraps = region("wraps", ~0ull - 1, 4, &p);
	struct bus_region top = region("top", ~0ull - 3, 4, &p);
	unsigned int i;

	bus_init(&bus);
	assert_int_equal(bus_add(&bus, &a), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(bus_add(&bus, &bad[i]), -EEXIST);
		assert_non_null(strstr(vmm_error(), bad[i].name));
	}
	assert_int_equal(bus_add(&bus, &next), 0);
	assert_int_equal(bus_add(&bus, &before), 0);
	assert_int_equal(bus_add(&bus, &empty), -EINVAL);
	assert_int_equal(bus_add(&bus, &wraps), -EINVAL);
	assert_int_equal(bus_add(&bus, &top), 0);
	assert_int_equal(bus.nr, 4);
	bus_remove(&bus, 0x1001); /* not a base: nothing */
	assert_int_equal(bus.nr, 4);
	bus_remove(&bus, 0x1000);
	assert_int_equal(bus_add(&bus, &bad[4]), 0);
}

static void the_table_has_an_end(void **state)
{
	static struct bus bus;
	struct probe p = { 0 };
	struct bus_region r;
	unsigned int i;

	bus_init(&bus);
	for (i = 0; i < BUS_REGIONS_MAX; i++) {
		/* From the top down, so that each goes before the others. */
		r = region("r", (u64)(BUS_REGIONS_MAX - i) * 16, 16, &p);
		assert_int_equal(bus_add(&bus, &r), 0);
	}
	r = region("r", 0, 16, &p);
	assert_int_equal(bus_add(&bus, &r), -ENOSPC);
	for (i = 1; i <= BUS_REGIONS_MAX; i++)
		assert_true(bus_write(&bus, i * 16, 0, 1));
}

static void accesses_lie_within_a_region(void **state)
{
	static struct bus bus;
	struct probe p = { 0 };
	struct bus_region r = region("r", 0x1000, 0x10, &p);
	u64 v = 0;

	bus_init(&bus);
	bus_add(&bus, &r);
	assert_true(bus_read(&bus, 0x1008, &v, 8));
	assert_true(v == 0x1122334455667788ull && p.off == 8 && p.len == 8);
	assert_true(bus_write(&bus, 0x100f, 0xab, 1));
	assert_true(p.off == 15 && p.value == 0xab);
	/* Over an edge, outside, of no width. */
	assert_false(bus_read(&bus, 0x100d, &v, 4));
	assert_true(v == ~0ull);
	assert_false(bus_read(&bus, 0xfff, &v, 2));
	assert_false(bus_read(&bus, 0x1010, &v, 1));
	assert_false(bus_write(&bus, 0x1000, 0, 3));
	assert_false(bus_write(&bus, 0x1000, 0, 0));
	assert_false(bus_write(&bus, ~0ull, 0, 8));
	assert_int_equal(p.reads, 1);
	assert_int_equal(p.writes, 1);
}

/* --- loop ---------------------------------------------------------------------- */

struct ticker {
	struct loop_source source;
	struct loop *loop;
	unsigned int calls; /* atomic */
	bool remove_self, slow;
	struct loop *quit; /* ended by the callback, if not NULL */
	bool inside; /* atomic */
};

static void tick(struct loop_source *source, uint32_t events)
{
	struct ticker *t = source->opaque;
	eventfd_t v;

	__atomic_store_n(&t->inside, true, __ATOMIC_SEQ_CST);
	eventfd_read(source->fd, &v);
	if (t->slow)
		usleep(50000);
	__atomic_fetch_add(&t->calls, 1, __ATOMIC_SEQ_CST);
	if (t->remove_self)
		loop_remove(t->loop, source);
	if (t->quit)
		loop_quit(t->quit);
	__atomic_store_n(&t->inside, false, __ATOMIC_SEQ_CST);
}

static void ticker_init(struct ticker *t, struct loop *loop)
{
	memset(t, 0, sizeof(*t));
	t->loop = loop;
	t->source.fd = eventfd(0, EFD_NONBLOCK);
	t->source.ready = tick;
	t->source.opaque = t;
	assert_int_equal(loop_add(loop, &t->source, EPOLLIN), 0);
}

/* Its callback is running, and goes on for a while. */
static void ticker_enter(struct ticker *t, struct loop *loop)
{
	ticker_init(t, loop);
	t->slow = true;
	eventfd_write(t->source.fd, 1);
	while (!__atomic_load_n(&t->inside, __ATOMIC_SEQ_CST))
		usleep(100);
}

static void wait_calls(struct ticker *t, unsigned int calls)
{
	unsigned int i;

	for (i = 0; i < 5000 && __atomic_load_n(&t->calls, __ATOMIC_SEQ_CST) < calls; i++)
		usleep(1000);
	assert_int_equal(t->calls, calls);
}

static void a_source_is_called_until_removed(void **state)
{
	struct loop *loop;
	struct ticker a, b;

	assert_int_equal(loop_create(&loop, "test"), 0);
	ticker_init(&a, loop);
	ticker_init(&b, loop);
	eventfd_write(a.source.fd, 1);
	wait_calls(&a, 1);
	loop_remove(loop, &a.source);
	eventfd_write(a.source.fd, 1);
	eventfd_write(b.source.fd, 1);
	wait_calls(&b, 1);
	usleep(10000);
	assert_int_equal(a.calls, 1);
	/* Its own callback may remove it. */
	b.remove_self = true;
	eventfd_write(b.source.fd, 1);
	wait_calls(&b, 2);
	eventfd_write(b.source.fd, 1);
	usleep(10000);
	assert_int_equal(b.calls, 2);
	assert_int_equal(loop_modify(loop, &b.source, EPOLLIN), -ENOENT);
	loop_destroy(loop);
	close(a.source.fd);
	close(b.source.fd);
}

static void removal_waits_for_the_callback(void **state)
{
	struct loop *loop;
	struct ticker t;

	assert_int_equal(loop_create(&loop, "test"), 0);
	ticker_enter(&t, loop);
	loop_remove(loop, &t.source);
	assert_false(t.inside);
	assert_int_equal(t.calls, 1);
	loop_destroy(loop);
	close(t.source.fd);
}

static void a_paused_loop_calls_nobody(void **state)
{
	struct loop *loop;
	struct ticker t;
	unsigned int round;

	assert_int_equal(loop_create(&loop, "test"), 0);
	ticker_init(&t, loop);
	for (round = 0; round < 100; round++) {
		loop_pause(loop);
		eventfd_write(t.source.fd, 1);
		usleep(200);
		assert_int_equal(__atomic_load_n(&t.calls, __ATOMIC_SEQ_CST), round);
		loop_resume(loop);
		wait_calls(&t, round + 1);
	}
	loop_destroy(loop);
	close(t.source.fd);
}

static void a_pause_waits_for_the_callback(void **state)
{
	struct loop *loop;
	struct ticker t;

	assert_int_equal(loop_create(&loop, "test"), 0);
	ticker_enter(&t, loop);
	loop_pause(loop);
	assert_false(t.inside);
	assert_int_equal(t.calls, 1);
	/* A paused loop can be left by a source, and ended. */
	eventfd_write(t.source.fd, 1);
	usleep(1000);
	loop_remove(loop, &t.source);
	loop_destroy(loop);
	assert_int_equal(t.calls, 1);
	close(t.source.fd);
}

/* In the caller's thread, ended by another or by a callback, also before it has begun. */
static void a_loop_runs_here_until_it_is_ended(void **state)
{
	struct loop *loop;
	struct ticker t;

	assert_int_equal(loop_create(&loop, NULL), 0);
	ticker_init(&t, loop);
	eventfd_write(t.source.fd, 1);
	usleep(10000);
	assert_int_equal(t.calls, 0);
	t.quit = loop;
	loop_run(loop);
	assert_int_equal(t.calls, 1);
	loop_destroy(loop);
	close(t.source.fd);

	assert_int_equal(loop_create(&loop, NULL), 0);
	loop_quit(loop);
	loop_run(loop);
	loop_destroy(loop);
}

static void a_full_loop_says_so(void **state)
{
	struct loop *loop;
	struct ticker t[80];
	unsigned int i, added = 0;
	int err;

	assert_int_equal(loop_create(&loop, "test"), 0);
	memset(t, 0, sizeof(t));
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		t[i].source.fd = eventfd(0, EFD_NONBLOCK);
		t[i].source.ready = tick;
		t[i].source.opaque = &t[i];
		err = loop_add(loop, &t[i].source, EPOLLIN);
		assert_true(!err || err == -ENOSPC);
		added += !err;
	}
	assert_in_range(added, 60, 64);
	loop_destroy(loop);
	for (i = 0; i < ARRAY_SIZE(t); i++)
		close(t[i].source.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regions_are_disjoint),
		cmocka_unit_test(the_table_has_an_end),
		cmocka_unit_test(accesses_lie_within_a_region),
		cmocka_unit_test(a_source_is_called_until_removed),
		cmocka_unit_test(removal_waits_for_the_callback),
		cmocka_unit_test(a_paused_loop_calls_nobody),
		cmocka_unit_test(a_pause_waits_for_the_callback),
		cmocka_unit_test(a_loop_runs_here_until_it_is_ended),
		cmocka_unit_test(a_full_loop_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
