// SPDX-License-Identifier: GPL-2.0
/* The histogram against a sorted array of the same values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <viola/hdr.h>

static struct hdr hdr, other;

static uint64_t random_state;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static int compare_u64(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The value of rank ceil(q * n), as a plain sort gives it. */
static uint64_t exact_quantile(const uint64_t *sorted, size_t n, double q)
{
	size_t rank = (size_t)(q * (double)n);

	if ((double)rank < q * (double)n)
		rank++;
	return sorted[rank ? rank - 1 : 0];
}

static void test_empty(void **state)
{
	hdr_reset(&hdr);
	assert_int_equal(hdr_quantile(&hdr, .5), 0);
	assert_int_equal(hdr.total, 0);
}

static void test_small_values_are_exact(void **state)
{
	uint64_t v;

	hdr_reset(&hdr);
	for (v = 0; v < 2048; v++)
		hdr_record(&hdr, v);
	for (v = 1; v <= 2048; v++)
		assert_int_equal(hdr_quantile(&hdr, (double)v / 2048), v - 1);
}

/* Every power of two and its neighbours falls within 0.1 % of itself. */
static void test_three_digits_everywhere(void **state)
{
	uint64_t v, got;
	int bit, d;

	for (bit = 0; bit <= HDR_TOP_BIT; bit++) {
		for (d = -1; d <= 1; d++) {
			v = (UINT64_C(1) << bit) + d;
			hdr_reset(&hdr);
			hdr_record(&hdr, v);
			hdr_record(&hdr, HDR_MAX_NS);
			got = hdr_quantile(&hdr, .5);
			assert_true(got >= v);
			assert_true(got - v <= v / 1000);
			assert_int_equal(hdr.min, v);
		}
	}
}

static void test_against_sort(void **state)
{
	static const double q[] = {
		.001, .01, .1, .25, .5, .75, .9, .95, .99, .999, .9999, 1
	};
	const size_t n = 20000;
	uint64_t *v = calloc(n, sizeof(*v)), want, got;
	unsigned int round, i;

	assert_non_null(v);
	for (round = 1; round <= 20; round++) {
		random_state = round * UINT64_C(0x9e3779b97f4a7c15);
		hdr_reset(&hdr);
		for (i = 0; i < n; i++) {
			v[i] = random_next() >> (25 + random_next() % 39);
			hdr_record(&hdr, v[i]);
		}
		qsort(v, n, sizeof(*v), compare_u64);
		assert_int_equal(hdr.total, n);
		assert_int_equal(hdr.min, v[0]);
		assert_int_equal(hdr.max, v[n - 1]);
		for (i = 0; i < sizeof(q) / sizeof(*q); i++) {
			want = exact_quantile(v, n, q[i]);
			got = hdr_quantile(&hdr, q[i]);
			assert_true(got >= want);
			assert_true(got - want <= want / 1000);
		}
	}
	free(v);
}

static void test_clipped(void **state)
{
	hdr_reset(&hdr);
	hdr_record(&hdr, UINT64_MAX);
	hdr_record(&hdr, HDR_MAX_NS);
	assert_int_equal(hdr.clipped, 1);
	assert_int_equal(hdr.total, 2);
	assert_int_equal(hdr.max, HDR_MAX_NS);
	assert_int_equal(hdr_quantile(&hdr, 1), HDR_MAX_NS);
}

/* A stall of 100 intervals stands for 100 samples, evenly spread below it. */
static void test_omission_correction(void **state)
{
	hdr_reset(&hdr);
	hdr_record_corrected(&hdr, 100000, 1000);
	assert_int_equal(hdr.total, 100);
	assert_int_equal(hdr.min, 1000);
	assert_int_equal(hdr.max, 100000);
	hdr_reset(&hdr);
	hdr_record_corrected(&hdr, 900, 1000);
	assert_int_equal(hdr.total, 1);
	hdr_record_corrected(&hdr, 5000, 0);
	assert_int_equal(hdr.total, 2);
}

static void test_merge(void **state)
{
	unsigned int i;

	hdr_reset(&hdr);
	hdr_reset(&other);
	for (i = 0; i < 100; i++)
		hdr_record(i % 2 ? &hdr : &other, i);
	hdr_merge(&hdr, &other);
	assert_int_equal(hdr.total, 100);
	assert_int_equal(hdr.min, 0);
	assert_int_equal(hdr.max, 99);
	assert_int_equal(hdr.sum, 4950);
	assert_int_equal(hdr_quantile(&hdr, .5), 49);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_small_values_are_exact),
		cmocka_unit_test(test_three_digits_everywhere),
		cmocka_unit_test(test_against_sort),
		cmocka_unit_test(test_clipped),
		cmocka_unit_test(test_omission_correction),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
