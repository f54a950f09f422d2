/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Size arithmetic on values that came from a guest. Three of the four root
 * causes of this field's CVEs start with a sum that wrapped; use these and
 * the sum cannot.
 */
#ifndef VIOLA_CHECKED_H
#define VIOLA_CHECKED_H

#include <viola/env.h>

/* *sum = a + b; false (and *sum undefined) if it does not fit in 64 bits. */
static inline bool viola_add_u64(u64 a, u64 b, u64 *sum)
{
	return !__builtin_add_overflow(a, b, sum);
}

/* True if [off, off + len) lies within [0, size). */
static inline bool viola_within(u64 off, u64 len, u64 size)
{
	return off <= size && len <= size - off;
}

#endif
