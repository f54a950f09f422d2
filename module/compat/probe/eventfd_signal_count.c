// SPDX-License-Identifier: GPL-2.0
/* Until 6.7 eventfd_signal() takes the count to add; from 6.8 it adds one. */
#include <linux/eventfd.h>

void viola_probe(struct eventfd_ctx *ctx);
void viola_probe(struct eventfd_ctx *ctx)
{
	eventfd_signal(ctx, 1);
}
