/* SPDX-License-Identifier: GPL-2.0 */
/* What is done with frames that came in: one mode for all ports. */
#ifndef VIOLA_DPDK_FORWARD_H
#define VIOLA_DPDK_FORWARD_H

#include "dpdk-backend/forward/filter.h"
#include "dpdk-backend/port/port.h"

struct forward_mode {
	const char *name;
	bool passive; /* frames go where they are sent to: those made here, too */
	/* Frames from queue @queue of @from; their order there is kept. */
	void (*input)(struct lcore *lc, struct port *from, struct frame *f, unsigned int n,
		      unsigned int queue);
	/*
	 * Called for each port on each round by the lcore of its queue 0; or NULL.
	 * Returns how many frames were delivered.
	 */
	unsigned int (*generate)(struct lcore *lc, struct port *to);
};

/* The one that is used; constant while lcores run. */
extern const struct forward_mode *forward;
/* Mode source: bytes of a frame, without FCS. */
extern u32 forward_source_len;

/*
 * Frames f[0 … @n) came from queue @queue of @from, which has @queues of them.
 * Whose mbuf is still there afterwards stays the caller's to free.
 */
static inline void port_input(struct lcore *lc, struct port *from, struct frame *f,
			      unsigned int n, unsigned int queue, unsigned int queues)
{
	lc->from_queues = queues;
	if (unlikely(from->filter_in))
		n = filter_input(lc, from, f, n);
	if (likely(n))
		forward->input(lc, from, f, n, queue);
}

/* The mode of that name, or NULL. */
const struct forward_mode *forward_find(const char *name);

#endif
