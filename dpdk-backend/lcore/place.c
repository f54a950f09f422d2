// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/lcore/place.h"

#include <numaif.h>
#include <pthread.h>
#include <rte_ethdev.h>

#define NODE_UNKNOWN (-1)

/* A session that begins, and a user who moves its queues, are different threads. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Whoever owns it now sees what its last owner did; pairs with port_owner(). */
static void set_owner(struct port *p, unsigned int queue, unsigned int owner)
{
	__atomic_store_n(&p->owner[queue], (u8)owner, __ATOMIC_RELEASE);
}

int place_node(const void *at)
{
	int node;

	/* The kernel faults the page in, as the first poll would. */
	if (get_mempolicy(&node, NULL, 0, (void *)(uintptr_t)at, MPOL_F_NODE | MPOL_F_ADDR))
		return NODE_UNKNOWN;
	return node;
}

/* Spreads over the lcores of @node, or over all if it has none or is unknown. */
static unsigned int spread(unsigned int number, int node)
{
	unsigned int i, n = 0;

	for (i = 0; i < lcore_count; i++)
		n += lcores[i]->node == node;
	if (!n)
		return lcore_count ? number % lcore_count : 0;
	number %= n;
	for (i = 0; i < lcore_count; i++)
		if (lcores[i]->node == node && !number--)
			break;
	return i;
}

static void place(struct port *p, unsigned int queue, int node)
{
	unsigned int owner;

	pthread_mutex_lock(&lock);
	owner = p->wish[queue];
	set_owner(p, queue, owner == PORT_NOBODY ? spread(p->index + queue, node) : owner);
	pthread_mutex_unlock(&lock);
}

void place_port(struct port *p)
{
	unsigned int i;

	memset(p->wish, PORT_NOBODY, sizeof(p->wish));
	for (i = 0; i < PORT_QUEUES; i++)
		place(p, i, NODE_UNKNOWN);
}

void place_queue(struct port *p, unsigned int queue, const void *ring)
{
	place(p, queue, place_node(ring));
}

void place_uplink(struct port *p)
{
	int node = rte_eth_dev_socket_id(p->ethdev);
	unsigned int i;

	for (i = 0; i < p->rx_queues && i < PORT_QUEUES; i++)
		place(p, i, node);
}

void place_move(struct port *p, unsigned int queue, unsigned int owner)
{
	pthread_mutex_lock(&lock);
	p->wish[queue] = (u8)owner;
	set_owner(p, queue, PORT_NOBODY);
	lcores_synchronize();
	set_owner(p, queue, owner);
	pthread_mutex_unlock(&lock);
	/* It may sleep, and kicks went to the one before. */
	lcores_wake();
}
