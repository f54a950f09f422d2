// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/forward/announce.h"

#include "dpdk-backend/forward/forward.h"

void announce_post(struct port *p, const u8 *mac)
{
	u8 bytes[8] = { [7] = 1 }; /* not 0, whatever the address */
	u64 value;

	if (mac[0] & 1)
		return;
	memcpy(bytes, mac, 6);
	memcpy(&value, bytes, sizeof(value));
	viola_store_release(&p->announce, value);
}

void announce_make(u8 *frame, const u8 *mac)
{
	/* EtherType RARP; Ethernet, IPv4, lengths 6 and 4, request reverse */
	static const u8 head[10] = { 0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3 };

	memset(frame, 0, ANNOUNCE_LEN);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, mac, 6);
	memcpy(frame + 12, head, sizeof(head));
	memcpy(frame + 22, mac, 6);
	memcpy(frame + 32, mac, 6);
}

void announce_send(struct lcore *lc, struct port *p)
{
	u64 value = __atomic_exchange_n(&p->announce, 0, __ATOMIC_ACQUIRE);
	struct frame *f = &lc->frame[0];
	u8 bytes[ANNOUNCE_LEN];

	if (!value || !forward->passive)
		return;
	announce_make(bytes, (const u8 *)&value);
	f->seg = &lc->seg[2];
	f->seg[0] = (struct viola_seg){ bytes, sizeof(bytes) };
	f->nseg = 1;
	f->len = sizeof(bytes);
	f->mbuf = NULL;
	memset(&f->offload, 0, sizeof(f->offload));
	memcpy(f->head, bytes, sizeof(f->head));
	port_counters(lc, p)->announced++;
	port_input(lc, p, f, 1, 0, 1);
}
