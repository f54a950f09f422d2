// SPDX-License-Identifier: GPL-2.0
/* Numbers of options: what is one, what is none, and that nothing wraps. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/lib/number.h"

/* number_parse() of the whole range, or -1. */
static int64_t parse(const char *text)
{
	unsigned int v = 12345;

	if (number_parse(text, 0, UINT_MAX, &v))
		return v;
	assert_int_equal(v, 12345); /* left alone */
	return -1;
}

static void digits_are_numbers(void **state)
{
	assert_int_equal(parse("0"), 0);
	assert_int_equal(parse("7"), 7);
	assert_int_equal(parse("1500"), 1500);
	assert_int_equal(parse("007"), 7);
	assert_int_equal(parse("00000000000000000000000000000042"), 42);
	assert_int_equal(parse("4294967295"), UINT_MAX);
}

static void everything_else_is_none(void **state)
{
	static const char *const none[] = {
		"", " ", "-", "+", "-1", "+1", "-0", " 1", "1 ", "1\n", "1k", "1.0", "1e3",
		"0x10", "1,2", "x", "\xb2", "1\xff", "/1", ":1", "1/", "1:",
	};
	size_t i;

	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (parse(none[i]) != -1)
			fail_msg("'%s' was taken for a number", none[i]);
}

static void nothing_wraps(void **state)
{
	/* 2^32 … 2^32 + 9, 2^64 and its like: strtoul() and products wrap there. */
	static const char *const large[] = {
		"4294967296", "4294967305", "42949672950", "18446744073709551615",
		"18446744073709551616", "18446744073709551617", "184467440737095516160",
		"99999999999999999999999999999999999999",
	};
	const char *p;
	uint64_t v = 1;
	size_t i;

	for (i = 0; i < sizeof(large) / sizeof(large[0]); i++)
		if (parse(large[i]) != -1)
			fail_msg("%s became %lld", large[i], (long long)parse(large[i]));
	p = "18446744073709551615";
	assert_true(number_take(&p, UINT64_MAX, &v));
	assert_true(v == UINT64_MAX && !*p);
	for (i = 4; i < sizeof(large) / sizeof(large[0]); i++) {
		p = large[i];
		assert_false(number_take(&p, UINT64_MAX, &v));
		assert_ptr_equal(p, large[i]);
		assert_true(v == UINT64_MAX);
	}
}

static void bounds_are_inclusive(void **state)
{
	unsigned int v = 0;

	assert_true(number_parse("64", 64, 1518, &v));
	assert_int_equal(v, 64);
	assert_true(number_parse("1518", 64, 1518, &v));
	assert_int_equal(v, 1518);
	assert_false(number_parse("63", 64, 1518, &v));
	assert_false(number_parse("1519", 64, 1518, &v));
	assert_int_equal(v, 1518);
	assert_true(number_parse("0", 0, 0, &v));
	assert_false(number_parse("1", 0, 0, &v));
	assert_false(number_parse("10", 0, 9, &v));
	assert_false(number_parse("20", 0, 19, &v));
}

static void a_number_ends_where_its_digits_end(void **state)
{
	const char *text = "12,34-x", *p = text;
	uint64_t v;

	assert_true(number_take(&p, 1000, &v));
	assert_int_equal(v, 12);
	assert_ptr_equal(p, text + 2);
	assert_false(number_take(&p, 1000, &v));
	assert_ptr_equal(p, text + 2);
	p++;
	assert_true(number_take(&p, 34, &v));
	assert_int_equal(v, 34);
	assert_string_equal(p, "-x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digits_are_numbers),
		cmocka_unit_test(everything_else_is_none),
		cmocka_unit_test(nothing_wraps),
		cmocka_unit_test(bounds_are_inclusive),
		cmocka_unit_test(a_number_ends_where_its_digits_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
