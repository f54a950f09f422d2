/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_EMULATED_E1000_SUM_H
#define VMM_EMULATED_E1000_SUM_H

#include <viola/env.h>

/*
 * Internet checksum (RFC 1071) in network byte order, as unfolded sums of
 * 16-bit words. A piece that starts at an odd offset of the summed range is
 * the caller's to avoid.
 */
u64 e1000_sum(const u8 *data, size_t len);
/* Folded to 16 bits, not complemented. */
u16 e1000_sum_fold(u64 sum);

/*
 * Puts the checksum of bytes [@start, @last] (@last 0: to the end) of a
 * packet of @len bytes at @at. The bytes at @at are part of the sum if they
 * lie in the range, as in hardware: a driver leaves a seed there. @no_zero
 * writes 0xffff for 0 (UDP). Returns false, and writes nothing, if any
 * offset lies outside the packet.
 */
bool e1000_sum_insert(u8 *packet, u32 len, u32 start, u32 last, u32 at, bool no_zero);

/* Ethernet's frame check sequence over @len bytes (IEEE 802.3, 3.2.9). */
u32 e1000_fcs(const u8 *data, size_t len);

static inline u16 get_be16(const u8 *p)
{
	return (u16)(p[0] << 8 | p[1]);
}

static inline u32 get_be32(const u8 *p)
{
	return (u32)get_be16(p) << 16 | get_be16(p + 2);
}

static inline void put_be16(u8 *p, u16 v)
{
	p[0] = (u8)(v >> 8);
	p[1] = (u8)v;
}

static inline void put_be32(u8 *p, u32 v)
{
	put_be16(p, (u16)(v >> 16));
	put_be16(p + 2, (u16)v);
}

#endif
