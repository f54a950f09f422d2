/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bytes of frames, for tests that make some: random ones, the same in each run, and
 * checksums, computed word by word as RFC 1071 has it, by none of the code under test.
 */
#ifndef VIOLA_TESTS_FRAME_BYTES_H
#define VIOLA_TESTS_FRAME_BYTES_H

#include <viola/env.h>

static u64 seed = 1;

static u32 random_below(u32 n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)((seed >> 33) % n);
}

static void be16_put(u8 *p, u32 value)
{
	p[0] = (u8)(value / 256);
	p[1] = (u8)value;
}

/* Sum of 16-bit words in ones' complement, one after the other. */
static u32 ones_sum(u32 sum, const u8 *p, u32 len)
{
	u32 i;

	for (i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (u32)p[i] << 8;
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return sum;
}

#endif
