/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one place where the shared code learns where it runs. Everything else
 * in include/viola/ is freestanding C on top of the names defined here:
 *
 *   u8 … u64, __le16 … __le64, le16_to_cpu() …, bool, size_t, memcpy()
 *   READ_ONCE(), WRITE_ONCE(), likely(), unlikely()
 *   viola_mb(), viola_rmb(), viola_wmb()    full, load, store barrier
 *   viola_load_acquire(), viola_store_release()
 *   viola_outline                           a function never to be inlined
 *   viola_prefetch(), viola_prefetchw()     of any address: a hint, to read or to write
 *
 * The viola_* barriers order accesses to memory shared with a driver in
 * another virtual machine, so they stay barriers on a uniprocessor host.
 */
#ifndef VIOLA_ENV_H
#define VIOLA_ENV_H

#ifdef __KERNEL__
#include <viola/env-kernel.h>
#else
#include <viola/env-user.h>
#endif

#endif
