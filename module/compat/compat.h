/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only file that knows that kernels differ; force-included into every
 * file of the module. What differs is found by compiling probe/NAME.c, which
 * defines HAVE_NAME if it builds.
 */
#ifndef VIOLA_COMPAT_H
#define VIOLA_COMPAT_H

/* Before any header that prints. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/eventfd.h>

static inline void viola_eventfd_signal(struct eventfd_ctx *ctx)
{
#ifdef HAVE_EVENTFD_SIGNAL_COUNT
	eventfd_signal(ctx, 1);
#else
	eventfd_signal(ctx);
#endif
}

#ifndef HAVE_TUN_XDP_HDR
#error "this kernel's tun takes batched frames in a form that viola does not know yet"
#endif

#endif
