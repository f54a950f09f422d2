/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The forwarding database of mode switch: which port an address was last seen
 * behind, per VLAN. Shared by all lcores and read without a lock. An entry is
 * written when the address is new, moves, or was last confirmed a sixteenth of
 * the ageing time ago: traffic in full flow writes nothing here.
 *
 * Senders are hostile. A port has at most as many entries as its limit, takes
 * live entries only of ports that have more of a bucket than itself, and an
 * address moves only some times a second: who floods the table with invented
 * addresses is left without, and nobody else is.
 */
#ifndef VIOLA_DPDK_FDB_H
#define VIOLA_DPDK_FDB_H

#include "dpdk-backend/forward/frame.h"

#define FDB_UNKNOWN (-1)
#define FDB_PORTS 256u
#define FDB_SIZE 65536u /* entries */
/* Entries of a port, unless fdb_limit() says otherwise: 64 such ports fill the table. */
#define FDB_LIMIT 1024u

/* What came of fdb_learn(). */
enum fdb_result {
	FDB_KNOWN, /* the address is where it was */
	FDB_NEW,
	FDB_MOVED, /* from another port */
	FDB_REFUSED, /* the port's limit, or no room that is the port's to take */
	FDB_HELD, /* moved too often in this second: it stays where it is */
};

/*
 * Empties the table; limits stay. An entry that was not confirmed for @ageing
 * seconds is forgotten; confirming may lag behind by a sixteenth of that. No other
 * function may be running.
 */
void fdb_init(u32 ageing);

/* The most entries that @port may have, 0: FDB_LIMIT. What is more ages out. */
void fdb_limit(unsigned int port, u32 most);

/* Port of @mac in @vlan at second @now, or FDB_UNKNOWN. */
int fdb_find(const u8 *mac, u16 vlan, u32 now);

/*
 * @mac in @vlan was seen at second @now as a sender behind @port, below
 * FDB_PORTS. Group addresses and the address of zeros are refused.
 */
enum fdb_result fdb_learn(const u8 *mac, u16 vlan, unsigned int port, u32 now);

/* Forgets all addresses behind @port. */
void fdb_forget(unsigned int port);

/* Entries in use, aged ones included: all, and those of @port. */
unsigned int fdb_entries(void);
unsigned int fdb_port_entries(unsigned int port);

#endif
