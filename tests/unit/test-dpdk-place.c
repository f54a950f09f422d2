// SPDX-License-Identifier: GPL-2.0
/* Which lcore polls which queue: by node, by wish, and how one is moved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ethdev.h>

#include "dpdk-backend/lcore/place.h"

/* What place.c needs of the program: lcores that are nothing but a node. */
struct lcore *lcores[LCORE_MAX];
unsigned int lcore_count;
static struct port port;
static unsigned int owner_meanwhile, synchronized, woken;

void lcores_synchronize(void)
{
	synchronized++;
	owner_meanwhile = port_owner(&port, 1);
}

void lcores_wake(void)
{
	assert_true(synchronized);
	woken = port_owner(&port, 1);
}

static void make_lcores(const int *node, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < LCORE_MAX; i++) {
		free(lcores[i]);
		lcores[i] = NULL;
	}
	for (i = 0; i < n; i++) {
		lcores[i] = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(struct lcore));
		assert_non_null(lcores[i]);
		lcores[i]->index = i;
		lcores[i]->node = node[i];
	}
	lcore_count = n;
}

static void expect_owners(const unsigned int *owner, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		assert_int_equal(port_owner(&port, i), owner[i]);
}

static void test_spread(void **state)
{
	make_lcores((const int[]){ 0, 1, 0 }, 3);
	port.index = 1;
	place_port(&port);
	expect_owners((const unsigned int[]){ 1, 2, 0, 1, 2 }, 5);
	/* Every queue that may come has somebody. */
	assert_in_range(port_owner(&port, PORT_QUEUES - 1), 0, 2);
}

static void test_node(void **state)
{
	int *here = malloc(sizeof(*here)), node;

	*here = 1;
	node = place_node(here);
	if (node < 0) {
		free(here);
		skip();
	}
	port.index = 0;
	/* Only the second and the fourth are where the ring is. */
	make_lcores((const int[]){ node + 1, node, node + 1, node }, 4);
	place_port(&port);
	place_queue(&port, 0, here);
	place_queue(&port, 1, here);
	place_queue(&port, 2, here);
	expect_owners((const unsigned int[]){ 1, 3, 1 }, 3);
	/* Nobody is: all take turns. */
	make_lcores((const int[]){ node + 1, node + 2 }, 2);
	place_port(&port);
	place_queue(&port, 0, here);
	place_queue(&port, 1, here);
	expect_owners((const unsigned int[]){ 0, 1 }, 2);
	free(here);
}

static void test_nowhere(void **state)
{
	assert_int_equal(place_node((void *)8), -1);
}

static void test_move(void **state)
{
	int here = 0;

	make_lcores((const int[]){ 0, 0, 0 }, 3);
	port.index = 0;
	place_port(&port);
	synchronized = 0;
	place_move(&port, 1, 2);
	/* Between one and the other it had nobody, and all had let go. */
	assert_int_equal(synchronized, 1);
	assert_int_equal(owner_meanwhile, PORT_NOBODY);
	/* The new one is woken when it is the owner, not before. */
	assert_int_equal(woken, 2);
	/* It stays for the next session, and goes with the port. */
	place_queue(&port, 1, &here);
	assert_int_equal(port_owner(&port, 1), 2);
	place_port(&port);
	assert_int_equal(port_owner(&port, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_nowhere),
		cmocka_unit_test(test_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
