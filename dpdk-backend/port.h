/* SPDX-License-Identifier: GPL-2.0 */
/* Ports: what frames come from and go to, vhost-user sessions or ethdevs. */
#ifndef VIOLA_DPDK_PORT_H
#define VIOLA_DPDK_PORT_H

#include <rte_spinlock.h>

#include "dpdk-backend/lcore.h"
#include "dpdk-backend/rate.h"

struct port;
struct session;

/* Rates of a port: of what comes from it, what goes to it, what of it is flooded. */
enum port_limit { LIMIT_FROM, LIMIT_TO, LIMIT_FLOOD, PORT_LIMITS };

/* What differs between kinds of ports. */
struct port_ops {
	const char *kind;
	/* Polls the queues of @p that are @lc's; frames go to port_input(). */
	unsigned int (*poll)(struct lcore *lc, struct port *p);
	/*
	 * Delivers the frames named by @f, or counts them as dropped. May take
	 * a frame's mbuf over if @last: nobody else is to be given the frame.
	 * @queue spreads: frames of one flow have the same.
	 */
	void (*output)(struct lcore *lc, struct port *p, struct frame **f, unsigned int n,
		       unsigned int queue, bool last);
	bool (*up)(const struct port *p);
};

struct port {
	const struct port_ops *ops;
	unsigned int index; /* in ports[] */
	const char *name; /* socket path or device */
	bool isolated; /* exchanges no frames with other isolated ports */
	bool client; /* vhost-user: connects, and connects again */
	struct port *peer; /* patch: where its frames go, or NULL */

	/* vhost-user. Published by the library's threads; see session.h. */
	struct session *session;
	struct control *control;

	/* ethdev */
	u16 ethdev;
	u16 rx_queues, tx_queues;
	rte_spinlock_t *tx_lock; /* one per queue, where lcores share one; or NULL */
	u64 tx_offloads; /* RTE_ETH_TX_OFFLOAD_*: what is left to the device */
	bool link_down; /* written by the device's interrupt */

	/* What it lets through, see filter.h; read by lcores, changed rarely. */
	bool filter_in, filter_out; /* whether a burst needs a closer look at all */
	u32 mtu; /* bytes behind the Ethernet header and tags; 0: any */
	struct rate limit[PORT_LIMITS];

	u64 announce; /* see announce.h */
} __rte_cache_aligned;

extern struct port ports[PORT_MAX];
extern unsigned int port_count;

/* Which lcore polls queue @queue of @p. */
static inline unsigned int port_owner(const struct port *p, unsigned int queue)
{
	return (p->index + queue) % lcore_count;
}

static inline struct counters *port_counters(struct lcore *lc, const struct port *p)
{
	return &lc->counters[p->index];
}

#endif
