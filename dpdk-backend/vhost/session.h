/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sessions: what a port's lcores need of the connection to a front end, made
 * anew by the library's threads whenever the front end changes something.
 *
 * A session is published in port->session. Before any message of the front end
 * is handled it is unpublished, and nobody handles the message until every
 * lcore has passed a quiescent point: so no lcore touches memory that the
 * message unmaps, or a file that it closes. Afterwards a new session is made of
 * what the library then knows, ring positions included.
 *
 * Nothing is in flight at a quiescent point: an lcore gives back each buffer it
 * took in the same round, in order. What a back end had in flight when it was
 * killed is known to the next one by the used index of a split ring, and by the
 * in-flight region where the front end keeps one.
 */
#ifndef VIOLA_DPDK_SESSION_H
#define VIOLA_DPDK_SESSION_H

#include <rte_spinlock.h>
#include <viola/ring.h>

#include "dpdk-backend/port/port.h"
#include "dpdk-backend/vhost/dirty.h"
#include "dpdk-backend/vhost/hole.h"

#define SESSION_PAIRS PORT_QUEUES
#define SESSION_EXTENTS 64u

/* One virtqueue. The ring belongs to one lcore at a time, see vring.c. */
struct vqueue {
	struct viola_ring ring;
	rte_spinlock_t lock; /* receive queues written by several lcores */
	int callfd; /* the library's; -1: the driver polls */
	int kickfd; /* the library's, an eventfd; -1: there is none to wait for */
	u16 index; /* vring index: 2 * pair, + 1 for the driver's sending queue */
	bool complained; /* the ring broke, and that was said */
	bool *in_flight;
	struct viola_ring_record *record;
	bool tracked; /* there is an in-flight region, which the ring keeps */
	u16 logged; /* used index up to which the dirty log is marked */
	struct dirty_ring at; /* where its parts are, for that log */
} __rte_cache_aligned;

/* Constant while published, apart from the queues' rings. */
struct session {
	int vid;
	u64 features; /* negotiated */
	u32 hdr_len; /* bytes of the virtio-net header: 10 or 12 */
	bool mergeable;
	bool torn; /* part of its memory is not the front end's any more: hole.h */
	unsigned int holes; /* hole_count up to which that was looked at */
	struct dirty_log log; /* being marked while LOG_ALL is set; else base is NULL */
	u16 ntx, nrx;
	struct vqueue *tx[SESSION_PAIRS]; /* the driver sends: we read */
	struct vqueue *rx[SESSION_PAIRS]; /* the driver receives: we write */
	struct viola_mem mem;
	struct viola_extent ext[SESSION_EXTENTS];
};

/* What is offered to front ends; all ports have the same. */
struct session_config {
	bool packed;
	bool in_order;
	bool mergeable;
	bool indirect;
	bool event_idx;
	bool offloads; /* checksum and TSO, both ways */
};

extern struct session_config session_config;

/*
 * Starts to serve @p's socket. 0, or -errno with a sentence for the user in
 * @why (@size bytes).
 */
int session_listen(struct port *p, char *why, size_t size);

/* Ends that: no session, no socket. */
void session_unlisten(struct port *p);

struct port_info;

/* What status tells of @p. */
void session_info(struct port *p, struct port_info *info);

/* The port's published session or NULL; valid until the next quiescent point. */
static inline struct session *session_of(const struct port *p)
{
	return __atomic_load_n(&p->session, __ATOMIC_ACQUIRE);
}

/* For session_whole(): looks at the mappings replaced since. */
void session_look(struct session *s);

/* Whether @s may be used: asked once per burst. */
static inline bool session_whole(struct session *s)
{
	if (unlikely(s->holes != __atomic_load_n(&hole_count, __ATOMIC_ACQUIRE)))
		session_look(s);
	return likely(!s->torn);
}

/* After viola_ring_publish(): marks what it wrote where a log is kept. */
static inline void vqueue_log_used(const struct session *s, struct vqueue *q)
{
	if (unlikely(s->log.base)) {
		dirty_mark_used(&s->log, &q->at, &q->ring, q->logged);
		q->logged = viola_ring_used_index(&q->ring);
	}
}

/* After viola_ring_enable_kick() and the like. */
static inline void vqueue_log_kick(const struct session *s, const struct vqueue *q)
{
	if (unlikely(s->log.base))
		dirty_mark_kick(&s->log, &q->at, &q->ring);
}

extern const struct port_ops session_port_ops;

#endif
