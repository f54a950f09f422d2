/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The forwarding database of mode switch: which port an address was last seen
 * behind, per VLAN. Shared by all lcores and read without a lock. It is written
 * when an address is new, moves, or was last confirmed in an earlier second, so
 * traffic in full flow writes one entry per address and second.
 */
#ifndef VIOLA_DPDK_FDB_H
#define VIOLA_DPDK_FDB_H

#include "dpdk-backend/frame.h"

#define FDB_UNKNOWN (-1)

/* Empties the table; entries not confirmed for @ageing seconds are forgotten. */
void fdb_init(u32 ageing);

/* Port of @mac in @vlan at second @now, or FDB_UNKNOWN. */
int fdb_find(const u8 *mac, u16 vlan, u32 now);

/* @mac in @vlan was seen as a sender behind @port. Group addresses are not learnt. */
void fdb_learn(const u8 *mac, u16 vlan, unsigned int port, u32 now);

/* Forgets all addresses behind @port. */
void fdb_forget(unsigned int port);

/* Entries that are in use, aged ones included. */
unsigned int fdb_entries(void);

#endif
