// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/uplink/af-packet.h"

#include <rte_byteorder.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include "dpdk-backend/uplink/pseudo.h"

#define NEXT_HOP_BY_HOP 0 /* IPv6: where a jumbogram says its length */
#define CHECKSUM_UDP 6u /* bytes into the header */
#define CHECKSUM_TCP 16u

static u16 load16(const u8 *at)
{
	u16 value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* Whether IP says no length because its field is too small for it (RFC 2675; BIG TCP). */
static bool longer_than_ip(const struct offload_layout *l)
{
	return l->family == 4 ? !l->ip_len :
				l->ip_len == l->l3 && l->protocol == NEXT_HOP_BY_HOP;
}

/*
 * The driver tells how much of a frame is there, not how long it was, so IP's length
 * alone shows that something is missing. What is longer than the link is always IP:
 * segments of a stack, frames that GRO joined, and IPv4 datagrams, which the driver has
 * the kernel put together from fragments (PACKET_FANOUT_FLAG_DEFRAG).
 *
 * A field that holds the pseudo header's sum may also be a checksum, which is there
 * already, by chance. To finish it does no harm. Of a good frame it gives the same value
 * again: the field counts as zero in what the checksum covers, and as the pseudo header in
 * what is finished. A bad one is made to look good with a probability of 2^-16, as the
 * checksum itself misses what is bad. That sum is never 0, which says of UDP that there
 * is no checksum.
 */
enum af_packet_state af_packet_look(const u8 *data, u32 head, u32 len, u32 *end)
{
	struct offload_layout l;
	const u8 *l4;

	if (!offload_find_ip(&l, data, head))
		return AF_PACKET_WHOLE;
	*end = l.l2 + l.ip_len;
	if (*end > len || longer_than_ip(&l))
		return AF_PACKET_CUT;
	/* A fragment's checksum is that of the whole datagram: it is there. */
	if (!offload_find(&l, data, head) || l.ip_len < l.l3 + l.l4)
		return AF_PACKET_WHOLE;
	l4 = data + l.l2 + l.l3;
	if (l.protocol == IPPROTO_TCP)
		return load16(l4 + CHECKSUM_TCP) == pseudo_sum(&l, data, 0) ?
		       AF_PACKET_PARTIAL : AF_PACKET_WHOLE;
	/* UDP may end before IP does; a stack that leaves its checksum to others has none such. */
	return rte_be_to_cpu_16(load16(l4 + 4)) == l.ip_len - l.l3 &&
	       load16(l4 + CHECKSUM_UDP) == pseudo_sum(&l, data, 0) ?
	       AF_PACKET_PARTIAL : AF_PACKET_WHOLE;
}

/* Once for each port, whichever lcore sees it first. */
static void tell_cut(struct port *p)
{
	if (__atomic_exchange_n(&p->cut_told, true, __ATOMIC_RELAXED))
		return;
	rte_log(RTE_LOG_WARNING, RTE_LOGTYPE_USER1,
		"viola-dpdk: %s: dropped a frame that came cut off, as others will be: Linux "
		"hands over segments that are longer than the link and than DPDK's driver takes; "
		"switch that off by \"ethtool -K PEER tx off\" for the interface's peer and "
		"\"ethtool -K INTERFACE gro off\" for the interface\n", p->name);
}

unsigned int af_packet_receive(struct lcore *lc, struct port *p, struct rte_mbuf **m,
			       unsigned int n)
{
	unsigned int i, kept = 0;
	u32 end;

	for (i = 0; i < n; i++) {
		switch (af_packet_look(rte_pktmbuf_mtod(m[i], u8 *), m[i]->data_len,
				       m[i]->pkt_len, &end)) {
		case AF_PACKET_CUT:
			tell_cut(p);
			port_counters(lc, p)->rx_invalid++;
			rte_pktmbuf_free(m[i]);
			continue;
		case AF_PACKET_PARTIAL:
			/*
			 * A driver that does say something knows better. What fills a short
			 * frame up is not covered by the checksum, and who finishes it takes
			 * all up to the end.
			 */
			if (!(m[i]->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) &&
			    !rte_pktmbuf_trim(m[i], (u16)(m[i]->pkt_len - end)))
				m[i]->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
			break;
		case AF_PACKET_WHOLE:
			break;
		}
		m[kept++] = m[i];
	}
	return kept;
}
