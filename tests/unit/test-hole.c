// SPDX-License-Identifier: GPL-2.0
/*
 * Memory whose file its owner cuts short (dpdk-backend/vhost/hole.c): the access is
 * made all the same, and whoever uses that memory learns of it, however many threads
 * stumble over how much of it at once.
 */
#include <stdbool.h>
#include <unistd.h>

/* Between the claim of a record and what is written to it a thread can lose its CPU. */
static unsigned int claim(unsigned int *claimed, unsigned int n);
#define __atomic_fetch_add(at, n, order) claim(at, n)
/* What is said of each would hide all else. */
#define write(fd, text, len) ((ssize_t)(len))
#include "dpdk-backend/vhost/hole.c"
#undef __atomic_fetch_add
#undef write

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PAGE 4096u
#define LEN (4 * PAGE)

/* None of this is DPDK's memory. */
struct rte_memseg_list *rte_mem_virt2memseg_list(const void *addr)
{
	return NULL;
}

static __thread bool slow; /* this thread loses its CPU at its next claim */
static bool claimed_slowly, go_on;

static unsigned int claim(unsigned int *claims, unsigned int n)
{
	unsigned int got = __sync_fetch_and_add(claims, n);

	if (slow) {
		slow = false;
		__atomic_store_n(&claimed_slowly, true, __ATOMIC_SEQ_CST);
		while (!__atomic_load_n(&go_on, __ATOMIC_SEQ_CST))
			sched_yield();
	}
	return got;
}

/* Memory of a file that ends before it. cmocka has taken SIGBUS before each test. */
static u8 *make_hole(void)
{
	int fd = memfd_create("viola-hole", MFD_CLOEXEC);
	u8 *at;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, LEN), 0);
	at = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(at != MAP_FAILED);
	assert_int_equal(ftruncate(fd, 0), 0);
	close(fd);
	assert_int_equal(hole_handle(), 0);
	return at;
}

/* A session that looks as far as the count tells it, as session_look() does. */
struct looker {
	unsigned int since;
	u8 *at;
	bool torn;
};

static void look(struct looker *l)
{
	unsigned int count = __atomic_load_n(&hole_count, __ATOMIC_ACQUIRE);

	if (count == l->since)
		return;
	l->torn |= hole_within(l->since, l->at, LEN);
	l->since = count;
}

static void test_one(void **state)
{
	struct looker l = { hole_count, make_hole(), false };
	struct looker other = { hole_count, make_hole(), false };
	unsigned int before = hole_count_here();

	look(&l);
	assert_false(l.torn);
	WRITE_ONCE(l.at[PAGE], 7);
	assert_int_equal(READ_ONCE(l.at[PAGE]), 7);
	look(&l);
	look(&other);
	assert_true(l.torn);
	assert_false(other.torn);
	assert_int_equal(hole_count_here(), before + 1);
	munmap(l.at, LEN);
	munmap(other.at, LEN);
}

static void *stumble_slowly(void *at)
{
	slow = true;
	READ_ONCE(*(u8 *)at);
	return NULL;
}

/* A record is claimed, another is claimed and written, and then the first is written. */
static void test_two_threads(void **state)
{
	struct looker first = { hole_count, make_hole(), false };
	struct looker second = { hole_count, make_hole(), false };
	pthread_t thread;

	claimed_slowly = false;
	go_on = false;
	assert_int_equal(pthread_create(&thread, NULL, stumble_slowly, first.at), 0);
	while (!__atomic_load_n(&claimed_slowly, __ATOMIC_SEQ_CST))
		sched_yield();
	READ_ONCE(*second.at);
	/* Sessions look meanwhile, and what they have seen they do not look at again. */
	look(&first);
	look(&second);
	__atomic_store_n(&go_on, true, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	look(&first);
	look(&second);
	assert_true(first.torn);
	assert_true(second.torn);
	munmap(first.at, LEN);
	munmap(second.at, LEN);
}

#define THREADS 4
#define EACH 200

static void *stumble_often(void *unused)
{
	unsigned int i;

	for (i = 0; i < EACH; i++) {
		u8 *at = make_hole();

		READ_ONCE(*at);
		munmap(at, LEN);
	}
	return NULL;
}

/* All at once: each is counted once, and nobody waits for ever. */
static void test_many_threads(void **state)
{
	unsigned int before = hole_count, i;
	pthread_t thread[THREADS];

	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, stumble_often, NULL), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(hole_count - before, THREADS * EACH);
	assert_int_equal(hole_count, claimed);
}

/* More than there are records for: those that there are still tell. */
static void test_more_than_are_kept(void **state)
{
	struct looker l = { hole_count, make_hole(), false };
	unsigned int i;

	for (i = 0; i < 3 * HOLES; i++) {
		u8 *at = make_hole();

		READ_ONCE(*at);
		munmap(at, LEN);
	}
	READ_ONCE(*l.at);
	look(&l);
	assert_true(l.torn);
	munmap(l.at, LEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_two_threads),
		cmocka_unit_test(test_many_threads),
		cmocka_unit_test(test_more_than_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
