// SPDX-License-Identifier: GPL-2.0
/* The limits of viola-dpdk's ports (dpdk-backend/forward/rate.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dpdk-backend/forward/rate.h"

static u64 seed = 1;

static u64 random_below(u64 n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 24) % n;
}

static bool pass(struct rate *r, u64 now, u64 hz, u32 frames, u32 bytes)
{
	bool ok;

	rate_begin(r, now, hz);
	ok = rate_pass(r, frames, bytes);
	rate_end(r);
	return ok;
}

static void numbers_with_units(void **state)
{
	static const char *const wrong[] = {
		"", "0", "k", "1T", "10GG", "10G ", " 1", "-1", "1.5G", "1001G", "1000000000001",
		"99999999999999999999", "0x10", "1Gk",
	};
	u64 value = 42;
	size_t i;

	assert_true(rate_parse("1", &value));
	assert_int_equal(value, 1);
	assert_true(rate_parse("5k", &value));
	assert_int_equal(value, 5000);
	assert_true(rate_parse("7M", &value));
	assert_int_equal(value, 7000000);
	assert_true(rate_parse("1000G", &value));
	assert_int_equal(value, RATE_MAX);
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_false(rate_parse(wrong[i], &value));
	assert_int_equal(value, RATE_MAX);
}

/* More is offered than may pass: what passes is the rate, and a burst. */
static void what_passes_is_the_rate(void **state)
{
	unsigned int round;

	for (round = 0; round < 200; round++) {
		u64 hz = 1000 + random_below(5000000000ull), now = random_below(hz);
		u64 rate = 1 + random_below(round % 2 ? 100000 : RATE_MAX), start = now;
		u32 burst = 1 + (u32)random_below(1000);
		/* So large that there are few. */
		u32 size = 60 + (u32)(random_below(65000) + rate / 100000);
		u64 most = max(rate * burst / 1000, (u64)1), bits = 0, seconds;
		struct rate r;

		rate_init(&r);
		rate_set(&r, 0, rate, burst);
		assert_true(r.on);
		while (now < start + 20 * hz) {
			/* Never so long that the bucket runs over. */
			now += 1 + hz * burst / 5000;
			rate_begin(&r, now, hz);
			while (rate_pass(&r, 1, size))
				bits += 8ull * size;
			rate_end(&r);
		}
		seconds = (now - start) / hz;
		assert_true(bits + 8ull * size >= rate * (seconds - 1));
		assert_true(bits <= most + rate * (seconds + 1) + 8ull * size);
	}
}

/* Step by step against the definition, in fractions of 1/hz. */
static void as_the_definition_says(void **state)
{
	unsigned int round;

	for (round = 0; round < 100; round++) {
		u64 hz = 1 + random_below(4000000000ull), now = random_below(1ull << 40), step;
		u64 rate[2] = { 1 + random_below(50000000), 1 + random_below(RATE_MAX) };
		u32 burst = 1 + (u32)random_below(10000);
		__int128 most[2], tokens[2];
		struct rate r;
		int i;

		rate_init(&r);
		/* One of them alone, or both. */
		if (round % 3)
			rate[round % 3 - 1] = 0;
		rate_set(&r, rate[0], rate[1], burst);
		pass(&r, now, hz, 0, 0);
		for (i = 0; i < 2; i++) {
			most[i] = rate[i] / 1000 * burst + rate[i] % 1000 * burst / 1000;
			most[i] = max(most[i], (__int128)1) * hz;
			tokens[i] = most[i];
		}
		for (step = 0; step < 3000; step++) {
			u64 ticks = random_below(step % 100 ? hz / 1000 + 2 : 3 * hz);
			u32 frames = 1 + (u32)random_below(40), bytes = (u32)random_below(65553);
			bool expected = true;

			now += ticks;
			for (i = 0; i < 2; i++) {
				__int128 sum = tokens[i] + (__int128)ticks * rate[i];

				/* A full bucket keeps no fraction. */
				tokens[i] = sum >= most[i] ? most[i] : sum;
				expected &= !rate[i] || tokens[i] >= hz;
			}
			assert_int_equal(pass(&r, now, hz, frames, bytes), expected);
			if (expected) {
				tokens[0] -= rate[0] ? (__int128)frames * hz : 0;
				tokens[1] -= rate[1] ? (__int128)8 * bytes * hz : 0;
			}
		}
	}
}

static void time_stands_still_and_leaps(void **state)
{
	u64 hz = 1000000000ull, now = 5 * hz;
	unsigned int i, n = 0;
	struct rate r;

	rate_init(&r);
	assert_false(r.on);
	rate_set(&r, 1000, 0, 100);
	/* The burst, and then nothing while the clock stands or goes back. */
	for (i = 0; i < 1000; i++)
		n += pass(&r, now - i, hz, 1, 60);
	assert_int_equal(n, 100);
	/* However long it was idle: no more than the burst. */
	now += 1ull << 62;
	for (i = 0, n = 0; i < 1000; i++)
		n += pass(&r, now, hz, 1, 60);
	assert_int_equal(n, 100);
	rate_set(&r, 0, 0, 100);
	assert_false(r.on);
}

#define THREADS 4u
#define TOKENS 400000u

static struct rate shared_rate;

static void *consume(void *arg)
{
	unsigned long n = 0;

	while (pass(&shared_rate, 1, 1000, 1, 60))
		n++;
	return (void *)n;
}

/* A full bucket and a clock that stands: each token is taken by one. */
static void lcores_share_a_limit(void **state)
{
	pthread_t thread[THREADS];
	unsigned long total = 0;
	unsigned int i;
	void *n;

	rate_init(&shared_rate);
	rate_set(&shared_rate, TOKENS, 0, 1000);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, consume, NULL), 0);
	for (i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &n);
		total += (unsigned long)n;
	}
	assert_int_equal(total, TOKENS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_with_units),
		cmocka_unit_test(what_passes_is_the_rate),
		cmocka_unit_test(as_the_definition_says),
		cmocka_unit_test(time_stands_still_and_leaps),
		cmocka_unit_test(lcores_share_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
