/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_ENV_KERNEL_H
#define VIOLA_ENV_KERNEL_H

#include <asm/barrier.h>
#include <asm/byteorder.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/prefetch.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/virtio_ring.h>

/* virt_*: SMP strength even where the host kernel has one CPU. */
#define viola_mb() virt_mb()
#define viola_rmb() virt_rmb()
#define viola_wmb() virt_wmb()
#define viola_load_acquire(p) virt_load_acquire(p)
#define viola_store_release(p, v) virt_store_release(p, v)

#define viola_outline noinline __maybe_unused
#define viola_prefetch(p) prefetch(p)
#define viola_prefetchw(p) prefetchw(p)

#endif
