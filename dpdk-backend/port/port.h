/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ports: what frames come from and go to, vhost-user sessions or ethdevs.
 *
 * Lcores look at ports[] at any time and own nothing there. A slot without a
 * port has operations that do nothing, so a port that vanished is a place where
 * frames end, whoever still has its number or address. ports.c says how ports
 * come and go.
 */
#ifndef VIOLA_DPDK_PORT_H
#define VIOLA_DPDK_PORT_H

#include <rte_spinlock.h>

#include "dpdk-backend/forward/rate.h"
#include "dpdk-backend/lcore/lcore.h"

struct port;
struct port_kind;
struct session;

#define PORT_NOBODY 0xff /* in place of an lcore's index: none */

/* Rates of a port: of what comes from it, what goes to it, what of it is flooded. */
enum port_limit { LIMIT_FROM, LIMIT_TO, LIMIT_FLOOD, PORT_LIMITS };

/* What differs between kinds of ports, for lcores. */
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
	/*
	 * Before @lc sleeps: asks what @lc polls of @p to notify, and says by
	 * wait_for() or wait_briefly() how. False: something is there already.
	 * NULL: nothing ever comes.
	 */
	bool (*arm)(struct lcore *lc, struct port *p);
	/* Ends that; NULL where nothing is to be done. @p may be armed or not. */
	void (*disarm)(struct lcore *lc, struct port *p);
};

struct port {
	const struct port_ops *ops;
	unsigned int index; /* in ports[] */
	const char *name; /* socket path or device; the slot's, NULL if it is free */
	bool isolated; /* exchanges no frames with other isolated ports */
	bool client; /* vhost-user: connects, and connects again */
	struct port *peer; /* patch: where its frames go, or NULL */
	const struct port_kind *kind; /* see ports.h */

	/* vhost-user. Published by the library's threads; see session.h. */
	struct session *session;
	struct control *control;

	/* ethdev */
	u16 ethdev;
	u16 rx_queues, tx_queues;
	rte_spinlock_t *tx_lock; /* one per queue, where lcores share one; or NULL */

	/*
	 * By queue (pair), the index of the lcore that polls it, or PORT_NOBODY;
	 * where a user put it, or PORT_NOBODY. See place.h for who writes.
	 */
	u8 owner[PORT_QUEUES] __rte_cache_aligned;
	u8 wish[PORT_QUEUES];
	u64 tx_offloads; /* RTE_ETH_TX_OFFLOAD_*: what is left to the device */
	struct rte_mempool *pool; /* of the slot; see uplink.c */
	u32 tx_most; /* bytes of a frame, or a segment, that the device takes */
	bool tx_chains; /* a frame may lie in several mbufs */
	bool link_down; /* written by the device's interrupt */
	bool af_packet; /* what comes is looked at first: see af-packet.h */
	bool cut_told; /* it was said that frames come cut off; any lcore */

	/* What it lets through, see filter.h; read by lcores, changed rarely. */
	bool filter_in, filter_out; /* whether a burst needs a closer look at all */
	u32 mtu; /* bytes behind the Ethernet header and tags; 0: any */
	struct rate limit[PORT_LIMITS];

	u64 announce; /* see announce.h */
} __rte_cache_aligned;

extern struct port ports[PORT_MAX];
/* Slots that were ever used: ports[] beyond has nothing. Never shrinks. */
extern unsigned int port_count;

/* The operations of a slot without a port. */
extern const struct port_ops port_none_ops;

/* Which lcore polls queue @queue, below PORT_QUEUES, of @p. */
static inline unsigned int port_owner(const struct port *p, unsigned int queue)
{
	/* What the owner before did with the queue comes first: place.c stores after that. */
	return __atomic_load_n(&p->owner[queue], __ATOMIC_ACQUIRE);
}

static inline struct counters *port_counters(struct lcore *lc, const struct port *p)
{
	return &lc->counters[p->index];
}

/*
 * Begins to finish @f in software, for @p, and counts that: lc->work, of which
 * offload_next() makes the frames, or NULL if @f cannot be finished.
 */
static inline struct offload_work *port_finish(struct lcore *lc, const struct port *p,
					       const struct frame *f)
{
	struct counters *c = port_counters(lc, p);

	if (!offload_begin(&lc->work, f)) {
		c->tx_offload++;
		return NULL;
	}
	if (f->offload.gso_type)
		c->gso_finished++;
	else
		c->csum_finished++;
	return &lc->work;
}

static inline struct queue_counters *queue_counters(struct lcore *lc, const struct port *p,
						    unsigned int queue)
{
	return &lc->counters[p->index].queue[queue];
}

#endif
