// SPDX-License-Identifier: GPL-2.0
/* The address table of viola-dpdk's switch (dpdk-backend/forward/fdb.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <pthread.h>

#include "dpdk-backend/forward/fdb.h"

static u64 seed;

static u32 random_below(u32 n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)((seed >> 33) % n);
}

static void address(u32 number, u8 *mac)
{
	mac[0] = 0x02;
	mac[1] = 0;
	memcpy(mac + 2, &number, 4);
}

static enum fdb_result learn(u32 number, unsigned int port, u32 now)
{
	u8 mac[6];

	address(number, mac);
	return fdb_learn(mac, 0, port, now);
}

static int find(u32 number, u32 now)
{
	u8 mac[6];

	address(number, mac);
	return fdb_find(mac, 0, now);
}

static int setup(void **state)
{
	unsigned int i;

	seed = 1;
	for (i = 0; i < FDB_PORTS; i++)
		fdb_limit(i, 0);
	fdb_init(300);
	return 0;
}

static void an_address_is_where_it_was_seen(void **state)
{
	static const u8 group[6] = { 0x03, 1, 2, 3, 4, 5 }, zero[6];
	u8 mac[6];

	address(1, mac);
	assert_int_equal(fdb_find(mac, 0, 5), FDB_UNKNOWN);
	assert_int_equal(fdb_learn(mac, 0, 7, 5), FDB_NEW);
	assert_int_equal(fdb_learn(mac, 0, 7, 5), FDB_KNOWN);
	assert_int_equal(fdb_find(mac, 0, 5), 7);
	/* The same address in another VLAN is another. */
	assert_int_equal(fdb_find(mac, 4095, 5), FDB_UNKNOWN);
	assert_int_equal(fdb_learn(mac, 4095, 3, 5), FDB_NEW);
	assert_int_equal(fdb_find(mac, 0, 5), 7);
	assert_int_equal(fdb_find(mac, 4095, 5), 3);
	assert_int_equal(fdb_entries(), 2);
	assert_int_equal(fdb_learn(group, 0, 1, 5), FDB_REFUSED);
	assert_int_equal(fdb_learn(zero, 0, 1, 5), FDB_REFUSED);
	assert_int_equal(fdb_find(group, 0, 5), FDB_UNKNOWN);
	fdb_forget(7);
	assert_int_equal(fdb_find(mac, 0, 5), FDB_UNKNOWN);
	assert_int_equal(fdb_find(mac, 4095, 5), 3);
	assert_int_equal(fdb_port_entries(7), 0);
	assert_int_equal(fdb_port_entries(3), 1);
}

static void an_address_that_moves_is_found_at_once(void **state)
{
	assert_int_equal(learn(1, 2, 10), FDB_NEW);
	assert_int_equal(learn(1, 3, 10), FDB_MOVED);
	assert_int_equal(find(1, 10), 3);
	assert_int_equal(fdb_port_entries(2), 0);
	assert_int_equal(fdb_port_entries(3), 1);
}

static void silence_is_forgotten(void **state)
{
	u32 now;

	fdb_init(32);
	assert_int_equal(learn(1, 2, 100), FDB_NEW);
	assert_int_equal(learn(2, 2, 100), FDB_NEW);
	for (now = 100; now < 200; now++) {
		/* One speaks every second, one is silent. */
		assert_int_equal(learn(1, 2, now), FDB_KNOWN);
		assert_int_equal(find(1, now), 2);
		assert_int_equal(find(2, now), now <= 132 ? 2 : FDB_UNKNOWN);
	}
	/* An lcore whose clock is behind finds it as well. */
	assert_int_equal(find(1, 198), 2);
	assert_int_equal(learn(1, 2, 198), FDB_KNOWN);
}

/* What an address that two ports claim may do in a second. */
static void claims_by_turns_are_held(void **state)
{
	unsigned int i, moved = 0;

	learn(1, 0, 50);
	for (i = 0; i < 1000; i++)
		moved += learn(1, i % 2, 50) == FDB_MOVED;
	assert_in_range(moved, 1, 10);
	assert_int_equal(find(1, 50), 0);
	/* The next second is another. */
	assert_int_equal(learn(1, 1, 51), FDB_MOVED);
	assert_int_equal(find(1, 51), 1);
}

static void a_port_has_its_limit(void **state)
{
	u32 i, new = 0, now;

	fdb_init(10);
	fdb_limit(1, 100);
	for (i = 0; i < 1000; i++)
		new += learn(i, 1, 1) == FDB_NEW;
	assert_int_equal(new, 100);
	assert_int_equal(fdb_port_entries(1), 100);
	/* What it had stays, and another port is not concerned. */
	assert_int_equal(learn(0, 1, 2), FDB_KNOWN);
	assert_int_equal(learn(5000, 2, 2), FDB_NEW);
	/* It cannot take that address over, either. */
	assert_int_equal(learn(5000, 1, 2), FDB_REFUSED);
	assert_int_equal(find(5000, 2), 2);
	/* Those which aged make room, some in each second. */
	new = 0;
	for (now = 20; now < 36; now++) {
		for (i = 2000; i < 2100; i++)
			new += learn(i, 1, now) == FDB_NEW;
		assert_true(now > 20 || new < 100);
	}
	assert_in_range(new, 100, 150);
	assert_int_equal(fdb_port_entries(1), 100);
}

/* 63 ports with 8 addresses each, and one that invents eight hundred thousand. */
static void a_flood_of_inventions_evicts_nobody(void **state)
{
	bool learnt[63][8] = {};
	u32 port, i, refused = 0, gone = 0;

	fdb_limit(63, FDB_SIZE);
	for (port = 0; port < 63; port++)
		for (i = 0; i < 4; i++)
			refused += !(learnt[port][i] = learn(port << 8 | i, port, 1) == FDB_NEW);
	for (i = 0; i < 400000; i++)
		learn(0x1000000 + i, 63, 1);
	assert_true(fdb_port_entries(63) > FDB_SIZE / 2);
	/* Who comes later is learnt as well. */
	for (port = 0; port < 63; port++)
		for (i = 4; i < 8; i++)
			refused += !(learnt[port][i] = learn(port << 8 | i, port, 1) == FDB_NEW);
	/* By chance some meet in a bucket that fair players have filled. */
	assert_true(refused < 12);
	for (i = 0; i < 400000; i++)
		learn(0x2000000 + i, 63, 1);
	for (port = 0; port < 63; port++) {
		for (i = 0; i < 8; i++) {
			int at = find(port << 8 | i, 1);

			if (learnt[port][i] && at == (int)port)
				continue;
			assert_int_equal(at, FDB_UNKNOWN);
			gone += learnt[port][i];
		}
	}
	/* Nor does the inventor: of a port with two in a bucket a fair one may take one. */
	assert_true(gone < 3);
	fdb_forget(63);
	assert_int_equal(fdb_entries(), 63 * 8 - refused - gone);
}

#define CROWD 16u
#define CROWD_EACH 8000u

/* More than there is room for, by many: what is there stays, and it is quiet. */
static void a_full_table_settles(void **state)
{
	u32 port, i, new = 1, pass;

	for (port = 0; port < CROWD; port++)
		fdb_limit(port, FDB_SIZE);
	for (pass = 0; new && pass < 20; pass++) {
		new = 0;
		for (port = 0; port < CROWD; port++)
			for (i = 0; i < CROWD_EACH; i++)
				new += learn(port << 16 | i, port, 1) == FDB_NEW;
		assert_true(pass || new > FDB_SIZE / 2);
	}
	assert_int_equal(new, 0);
	/* No port alone holds what others want. */
	for (port = 0; port < CROWD; port++)
		assert_true(fdb_port_entries(port) < FDB_SIZE / 3);
	assert_in_range(fdb_entries(), FDB_SIZE * 9 / 10, FDB_SIZE);
}

#define MODEL_ADDRESSES 48u

/* Random events, against an account of who was last seen where and when. */
static void as_the_account_says(void **state)
{
	struct {
		int port;
		u32 seen, moved_at, moves;
	} model[MODEL_ADDRESSES], *m;
	u32 now = 1, step, ageing = 40, i;

	fdb_init(ageing);
	for (i = 0; i < MODEL_ADDRESSES; i++)
		model[i].port = -1;
	for (step = 0; step < 300000; step++) {
		unsigned int port = random_below(6);
		u32 number = random_below(MODEL_ADDRESSES), silent;
		int found;

		m = &model[number];
		switch (random_below(100)) {
		case 0:
			now += random_below(4);
			break;
		case 1:
			if (random_below(20))
				break;
			fdb_forget(port);
			for (i = 0; i < MODEL_ADDRESSES; i++)
				if (model[i].port == (int)port)
					model[i].port = -1;
			break;
		case 2 ... 30:
			/* Mostly where it is. */
			if (m->port >= 0 && random_below(8))
				port = (unsigned int)m->port;
			switch (learn(number, port, now)) {
			case FDB_MOVED:
				assert_int_not_equal(m->port, -1);
				assert_int_not_equal(m->port, port);
				if (m->moved_at != now)
					m->moves = 0;
				m->moved_at = now;
				assert_true(++m->moves <= 4);
				break;
			case FDB_HELD:
				assert_true(m->moved_at == now && m->moves == 4);
				continue;
			case FDB_REFUSED:
				fail();
				break;
			case FDB_NEW:
				assert_true(m->port == -1 || now - m->seen > ageing);
				m->moves = 0;
				break;
			case FDB_KNOWN:
				assert_int_equal(m->port, port);
				break;
			}
			m->port = (int)port;
			m->seen = now;
			break;
		default:
			found = find(number, now);
			silent = now - m->seen;
			if (m->port == -1 || silent > ageing)
				assert_int_equal(found, FDB_UNKNOWN);
			else if (found != FDB_UNKNOWN || silent < ageing - ageing / 16)
				assert_int_equal(found, m->port);
		}
	}
	for (i = 0; i < 6; i++)
		fdb_forget(i);
	assert_int_equal(fdb_entries(), 0);
}

#define THREADS 4u

/* Address n is only ever behind the ports n % 4 and n % 4 + 4. */
static void *shared(void *arg)
{
	u64 state = (uintptr_t)arg;
	unsigned long bad = 0;
	u32 i;

	for (i = 0; i < 300000; i++) {
		u32 number = (u32)((state = state * 6364136223846793005ull + 1) >> 40) % 40000;
		int port = find(number, i >> 12);

		bad += port != FDB_UNKNOWN && (u32)port % 4 != number % 4;
		learn(number, number % 4 + (i % 3 ? 0 : 4), i >> 12);
		if (!(state >> 33 & 0xfff))
			fdb_forget(number % 8);
	}
	return (void *)bad;
}

static void lcores_share_it(void **state)
{
	pthread_t thread[THREADS];
	unsigned int i;
	void *bad;

	/* So many that they push each other out. */
	for (i = 0; i < 8; i++)
		fdb_limit(i, FDB_SIZE);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, shared, (void *)(i + 1ul)), 0);
	for (i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &bad);
		assert_null(bad);
	}
	for (i = 0; i < 8; i++)
		fdb_forget(i);
	/* Nothing was counted twice, or lost. */
	assert_int_equal(fdb_entries(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_address_is_where_it_was_seen, setup),
		cmocka_unit_test_setup(an_address_that_moves_is_found_at_once, setup),
		cmocka_unit_test_setup(silence_is_forgotten, setup),
		cmocka_unit_test_setup(claims_by_turns_are_held, setup),
		cmocka_unit_test_setup(a_port_has_its_limit, setup),
		cmocka_unit_test_setup(a_flood_of_inventions_evicts_nobody, setup),
		cmocka_unit_test_setup(a_full_table_settles, setup),
		cmocka_unit_test_setup(as_the_account_says, setup),
		cmocka_unit_test_setup(lcores_share_it, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
