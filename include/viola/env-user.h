/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_ENV_USER_H
#define VIOLA_ENV_USER_H

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <linux/types.h>
#include <linux/virtio_ring.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#ifndef __force
#define __force
#endif

#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

#ifndef READ_ONCE
#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))
#endif

#ifndef min
#define min(a, b)                          \
	({                                 \
		typeof(a) _min_a = (a);    \
		typeof(b) _min_b = (b);    \
		_min_a < _min_b ? _min_a : _min_b; \
	})
#define max(a, b)                          \
	({                                 \
		typeof(a) _max_a = (a);    \
		typeof(b) _max_b = (b);    \
		_max_a > _max_b ? _max_a : _max_b; \
	})
#endif

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif

#define cpu_to_le16(x) ((__le16)htole16(x))
#define cpu_to_le32(x) ((__le32)htole32(x))
#define cpu_to_le64(x) ((__le64)htole64(x))
#define le16_to_cpu(x) le16toh((u16)(x))
#define le32_to_cpu(x) le32toh((u32)(x))
#define le64_to_cpu(x) le64toh((u64)(x))

#define viola_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define viola_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define viola_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#define viola_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define viola_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

#define viola_outline __attribute__((noinline, unused))
#define viola_prefetch(p) __builtin_prefetch(p)
#define viola_prefetchw(p) __builtin_prefetch(p, 1)

#endif
