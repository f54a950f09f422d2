/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a port lets through, in and out: its rates and its MTU. Looked at per
 * burst, and frame by frame only for ports that have such limits.
 */
#ifndef VIOLA_DPDK_FILTER_H
#define VIOLA_DPDK_FILTER_H

#include "dpdk-backend/port/port.h"

/*
 * To be called after any of @p's mtu and limits changed. Lcores may run: each
 * sees the change at its next burst.
 */
void filter_update(struct port *p);

/*
 * Counts what @from may not send of f[0 … @n). Returns how many are left, now
 * the first ones; the others are behind them.
 */
unsigned int filter_input(struct lcore *lc, struct port *from, struct frame *f, unsigned int n);

/* Writes to @out what of f[0 … @n) may go to @to, counts the others. Returns how many. */
unsigned int filter_output(struct lcore *lc, struct port *to, struct frame *const *f,
			   unsigned int n, struct frame **out);

/* How many of @n equal frames of @len bytes may be made for @to now. */
unsigned int filter_allowance(struct port *to, unsigned int n, u32 len);

/* The same for flooding what came from @from; f[0 … returned) are left. */
unsigned int filter_flood(struct lcore *lc, struct port *from, struct frame **f, unsigned int n);

/* port_ops.output through the port's filter. */
static inline void port_output(struct lcore *lc, struct port *to, struct frame **f,
			       unsigned int n, unsigned int queue, bool last)
{
	struct frame *left[FRAME_BURST];

	if (unlikely(to->filter_out)) {
		n = filter_output(lc, to, f, n, left);
		if (!n)
			return;
		f = left;
	}
	to->ops->output(lc, to, f, n, queue, last);
}

#endif
