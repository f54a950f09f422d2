/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A front end made of DPDK's virtio_user ports, driving a vhost-user back end
 * with frames of which every byte is known to the receiver.
 */
#ifndef VIOLA_TESTS_FRONTEND_H
#define VIOLA_TESTS_FRONTEND_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#define FRONTEND_PORTS 8
#define FRONTEND_QUEUES 8

struct frontend {
	unsigned int nports, queues;
	uint16_t port[FRONTEND_PORTS]; /* ethdev numbers */
	struct rte_ether_addr mac[FRONTEND_PORTS];
	struct rte_mempool *pool, *rx_pool; /* of what is sent, of what is received */
	unsigned int frames; /* to receive in each stream */
	unsigned int window; /* in flight in each stream */
	unsigned int size_min, size_max; /* bytes without FCS */
	bool loss; /* back ends come and go: loss and repetition are no fault */
	enum { EXPECT_REFLECT, EXPECT_PATCH, EXPECT_SWITCH } expect;
	bool lro; /* the receiver takes segmentation offloads */
	bool vlan;
	unsigned int pause; /* seconds of silence in a scenario */
	bool one_sender; /* port 0 has one queue, whatever .queues says */
};

/* Set by SIGTERM. */
extern volatile bool frontend_stop;

/*
 * Sends frames that are not counted until one of each port has arrived where it
 * is to: what the back end connects is not all connected at once. False if it
 * takes too long.
 */
bool stream_open(struct frontend *fe);

/* Numbered frames through all ports and queues. Whether all was as it must be. */
bool stream_run(struct frontend *fe);

/* TCP segments with offloads from port 0 to port 1. The same. */
bool segments_run(struct frontend *fe);

/* The scenario of that name, see scenario.c. The same. */
bool scenario_run(struct frontend *fe, const char *name);

uint64_t now_ms(void);

#endif
