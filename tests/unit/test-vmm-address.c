// SPDX-License-Identifier: GPL-2.0
/* The addresses of devices whose user gave none. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmm/net/address.h"

static void assert_usable(const u8 *mac)
{
	/* One station's, locally administered (IEEE 802, 8.4). */
	assert_int_equal(mac[0] & 3, 2);
}

static void is_the_same_each_time(void **state)
{
	u8 a[6], b[6];

	nic_address(a, "tap0", 0);
	nic_address(b, "tap0", 0);
	assert_usable(a);
	assert_memory_equal(a, b, 6);
	/* What it is made of does not change from one release to the next. */
	nic_address_from(a, "viola 0 net:[1] tap0 0");
	assert_memory_equal(a, "\x26\xb6\x71\x55\x9a\x94", 6);
}

static void differs_by_all_that_tells_machines_apart(void **state)
{
	static const char *const seed[] = {
		"viola 0 net:[1] tap0 0", "viola 1 net:[1] tap0 0", "viola 0 net:[2] tap0 0",
		"viola 0 net:[1] tap1 0", "viola 0 net:[1] tap0 1", "viola 0 net:[1]  0",
	};
	u8 mac[ARRAY_SIZE(seed)][6], other[6];
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(seed); i++) {
		nic_address_from(mac[i], seed[i]);
		assert_usable(mac[i]);
		for (k = 0; k < i; k++)
			assert_memory_not_equal(mac[i], mac[k], 6);
	}
	nic_address(mac[0], "tap0", 0);
	nic_address(other, "tap1", 0);
	assert_memory_not_equal(mac[0], other, 6);
	nic_address(other, "tap0", 1);
	assert_memory_not_equal(mac[0], other, 6);
}

static void differs_between_network_namespaces(void **state)
{
	u8 here[6], there[6];

	nic_address(here, "tap0", 0);
	if (unshare(CLONE_NEWNET))
		skip();
	nic_address(there, "tap0", 0);
	assert_memory_not_equal(here, there, 6);
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 6);
}

/* 46 bits: among 4000 addresses two equal ones have a chance of one in 8 million. */
static void many_do_not_collide(void **state)
{
	static u8 mac[4000][6];
	char seed[64];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mac); i++) {
		snprintf(seed, sizeof(seed), "viola 0 net:[1] tap%u 0", i);
		nic_address_from(mac[i], seed);
		assert_usable(mac[i]);
	}
	qsort(mac, ARRAY_SIZE(mac), 6, by_bytes);
	for (i = 1; i < ARRAY_SIZE(mac); i++)
		assert_memory_not_equal(mac[i - 1], mac[i], 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_the_same_each_time),
		cmocka_unit_test(differs_by_all_that_tells_machines_apart),
		cmocka_unit_test(many_do_not_collide),
		cmocka_unit_test(differs_between_network_namespaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
