// SPDX-License-Identifier: GPL-2.0
/*
 * Statistics registers (8254x SDM 13.7). They are cleared by reading and
 * stick at their largest value; octet counts are pairs of registers that are
 * cleared by reading the high one. Lengths count the FCS.
 */
#include "vmm/emulated/e1000-dev.h"

/* The 64-bit ones; their place in stat64[]. */
static const u32 octets[] = { R_GORCL, R_GOTCL, R_TORL, R_TOTL };

void e1000_stat_add(struct e1000 *e, u32 off, u32 n)
{
	u32 *reg = &e->reg[off / 4];

	if (__builtin_add_overflow(*reg, n, reg))
		*reg = ~0u;
}

static void octets_add(struct e1000 *e, u32 off, u32 n)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(octets); i++)
		if (octets[i] == off && __builtin_add_overflow(e->stat64[i], n, &e->stat64[i]))
			e->stat64[i] = ~0ull;
}

u32 e1000_stat_read(struct e1000 *e, u32 off)
{
	u32 value;

	for (unsigned int i = 0; i < ARRAY_SIZE(octets); i++) {
		if (off == octets[i])
			return (u32)e->stat64[i];
		if (off == octets[i] + 4) {
			value = (u32)(e->stat64[i] >> 32);
			e->stat64[i] = 0;
			return value;
		}
	}
	value = e1000_get(e, off);
	e1000_set(e, off, 0);
	return value;
}

/* Which of the six size counters (PRC64 …, PTC64 …) a frame falls into. */
static u32 size_class(u32 wire_len)
{
	static const u16 last[] = { 64, 127, 255, 511, 1023 };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(last) && wire_len > last[i]; i++)
		;
	return i * 4;
}

static bool is_broadcast(const u8 *mac)
{
	return (mac[0] & mac[1] & mac[2] & mac[3] & mac[4] & mac[5]) == 0xff;
}

void e1000_stat_tx(struct e1000 *e, const u8 *frame, u32 wire_len)
{
	e1000_stat_add(e, R_PTC64 + size_class(wire_len), 1);
	e1000_stat_add(e, R_TPT, 1);
	e1000_stat_add(e, R_GPTC, 1);
	octets_add(e, R_TOTL, wire_len);
	octets_add(e, R_GOTCL, wire_len);
	if (is_broadcast(frame))
		e1000_stat_add(e, R_BPTC, 1);
	else if (frame[0] & 1)
		e1000_stat_add(e, R_MPTC, 1);
}

void e1000_stat_rx(struct e1000 *e, const u8 *frame, u32 wire_len)
{
	e1000_stat_add(e, R_PRC64 + size_class(wire_len), 1);
	e1000_stat_add(e, R_GPRC, 1);
	octets_add(e, R_GORCL, wire_len);
	if (is_broadcast(frame))
		e1000_stat_add(e, R_BPRC, 1);
	else if (frame[0] & 1)
		e1000_stat_add(e, R_MPRC, 1);
}
