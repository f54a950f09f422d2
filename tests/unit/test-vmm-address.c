// SPDX-License-Identifier: GPL-2.0
/* The addresses of devices whose user gave none. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* In a process of its own, as the mount over /etc/machine-id is to be seen nowhere else. */
static int address_on_host(const char *id, u8 mac[6])
{
	char name[] = "/tmp/viola-machine-id-XXXXXX";
	int fd, status, to[2];
	pid_t child;
	bool bound;

	assert_int_equal(pipe(to), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(1);
		fd = mkstemp(name);
		bound = fd >= 0 && write(fd, id, strlen(id)) == (ssize_t)strlen(id) &&
			!mount(name, "/etc/machine-id", NULL, MS_BIND, NULL);
		unlink(name);
		if (!bound)
			_exit(1);
		nic_address(mac, "tap0", 0);
		_exit(write(to[1], mac, 6) != 6);
	}
	close(to[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!status)
		assert_int_equal(read(to[0], mac, 6), 6);
	close(to[0]);
	return status;
}

static void differs_between_hosts(void **state)
{
	u8 one[6], again[6], other[6], unset[6], here[6];

	if (geteuid() || access("/etc/machine-id", F_OK) ||
	    address_on_host("5e2a31ad6f4b4c1d8f1fd3c4ab0d7e11\n", one))
		skip();
	assert_int_equal(address_on_host("5e2a31ad6f4b4c1d8f1fd3c4ab0d7e11\n", again), 0);
	assert_memory_equal(one, again, 6);
	assert_int_equal(address_on_host("5e2a31ad6f4b4c1d8f1fd3c4ab0d7e12\n", other), 0);
	assert_memory_not_equal(one, other, 6);
	nic_address(here, "tap0", 0);
	assert_memory_not_equal(one, here, 6);
	/* Two images before their first start are not one host. */
	assert_int_equal(address_on_host("uninitialized\n", other), 0);
	assert_int_equal(address_on_host("", unset), 0);
	assert_memory_equal(unset, other, 6); /* this boot's id in both cases */
	assert_memory_not_equal(unset, one, 6);
}

/* What a device gets: the user's, the far end's, or that of this machine. */
static void the_given_address_comes_first(void **state)
{
	struct net_backend far = { .ifname = "tap0" };
	struct nic_config config = { .mac = { 2, 1, 2, 3, 4, 5 }, .index = 1 };
	u8 want[6];

	nic_address_complete(&config, &far);
	assert_memory_equal(config.mac, "\2\1\2\3\4\5", 6);
	memcpy(far.mac, "\2\5\4\3\2\1", 6);
	nic_address_complete(&config, &far);
	assert_memory_equal(config.mac, "\2\1\2\3\4\5", 6);
	memset(config.mac, 0, 6);
	nic_address_complete(&config, &far);
	assert_memory_equal(config.mac, "\2\5\4\3\2\1", 6);
	memset(config.mac, 0, 6);
	memset(far.mac, 0, 6);
	nic_address_complete(&config, &far);
	nic_address(want, "tap0", 1);
	assert_memory_equal(config.mac, want, 6);
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
		cmocka_unit_test(differs_between_hosts),
		cmocka_unit_test(the_given_address_comes_first),
		cmocka_unit_test(differs_between_network_namespaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
