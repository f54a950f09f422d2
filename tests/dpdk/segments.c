// SPDX-License-Identifier: GPL-2.0
/*
 * TCP with offloads: port 0 sends frames whose checksum, or segmentation too,
 * is left to the back end; port 1 checks what arrives. A receiver that did not
 * negotiate the offload must see finished segments, one that did the whole.
 */
#include "tests/dpdk/frontend.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#define MSS 1428
#define TAGS 2 /* of tagged frames, 802.1ad and 802.1Q */
#define CHUNK 1900 /* payload bytes in one mbuf */

static const uint8_t tags[4 * TAGS] = { 0x88, 0xa8, 0, 7, 0x81, 0x00, 0, 42 };

static unsigned int l2_len(const struct frontend *fe)
{
	return 14 + (fe->vlan ? (unsigned int)sizeof(tags) : 0);
}

static uint8_t payload_byte(uint32_t seq)
{
	return (uint8_t)(seq * 13 + (seq >> 8));
}

/* A frame of @len bytes of payload from sequence number @seq on, IP of @family. */
static struct rte_mbuf *frame_make(const struct frontend *fe, uint32_t seq, uint32_t len,
				   unsigned int family)
{
	unsigned int l2 = l2_len(fe), l3 = family == 4 ? 20 : 40, i;
	struct rte_mbuf *m = rte_pktmbuf_alloc(fe->pool), *tail = m;
	struct rte_tcp_hdr *tcp;
	uint32_t done = 0;
	uint8_t *p;

	if (!m)
		return NULL;
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(l2 + l3 + 20));
	memset(p, 0, l2 + l3 + 20);
	memcpy(p, &fe->mac[1], 6);
	memcpy(p + 6, &fe->mac[0], 6);
	if (fe->vlan)
		memcpy(p + 12, tags, sizeof(tags));
	m->l2_len = l2;
	m->l3_len = l3;
	m->l4_len = 20;
	m->tso_segsz = MSS;
	m->ol_flags = RTE_MBUF_F_TX_TCP_CKSUM;
	if (len > MSS)
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	if (family == 4) {
		struct rte_ipv4_hdr *ip = (void *)(p + l2);

		p[l2 - 2] = 0x08;
		p[l2 - 1] = 0x00;
		*ip = (struct rte_ipv4_hdr){
			.version_ihl = 0x45,
			.total_length = rte_cpu_to_be_16((uint16_t)(20 + 20 + len)),
			.packet_id = rte_cpu_to_be_16((uint16_t)seq),
			.time_to_live = 64,
			.next_proto_id = IPPROTO_TCP,
			.src_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 1)),
			.dst_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 2)),
		};
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		m->ol_flags |= RTE_MBUF_F_TX_IPV4;
	} else {
		struct rte_ipv6_hdr *ip = (void *)(p + l2);

		p[l2 - 2] = 0x86;
		p[l2 - 1] = 0xdd;
		ip->vtc_flow = RTE_BE32(6u << 28);
		ip->payload_len = rte_cpu_to_be_16((uint16_t)(20 + len));
		ip->proto = IPPROTO_TCP;
		ip->hop_limits = 64;
		/* The type of an address is another one from DPDK 24.11 on. */
		((uint8_t *)&ip->src_addr)[15] = 1;
		((uint8_t *)&ip->dst_addr)[15] = 2;
		m->ol_flags |= RTE_MBUF_F_TX_IPV6;
	}
	tcp = (void *)(p + l2 + l3);
	tcp->src_port = RTE_BE16(5);
	tcp->dst_port = RTE_BE16(6);
	tcp->sent_seq = rte_cpu_to_be_32(seq);
	tcp->data_off = 5 << 4;
	tcp->tcp_flags = RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG;
	/* Checksum of the pseudo header, as the offload wants it. */
	tcp->cksum = family == 4 ? rte_ipv4_phdr_cksum((void *)(p + l2), 0) :
				   rte_ipv6_phdr_cksum((void *)(p + l2), 0);
	while (done < len) {
		uint32_t part = RTE_MIN(len - done, (uint32_t)CHUNK);
		struct rte_mbuf *next = tail;

		if (rte_pktmbuf_tailroom(tail) < part) {
			next = rte_pktmbuf_alloc(fe->pool);
			if (!next) {
				rte_pktmbuf_free(m);
				return NULL;
			}
			tail->next = next;
			tail = next;
			m->nb_segs++;
		}
		p = rte_pktmbuf_mtod_offset(next, uint8_t *, next->data_len);
		for (i = 0; i < part; i++)
			p[i] = payload_byte(seq + done + i);
		next->data_len = (uint16_t)(next->data_len + part);
		m->pkt_len += part;
		done += part;
	}
	return m;
}

/* Whether @m is a whole segment that continues at *@seq; moves that on. */
static bool frame_good(const struct frontend *fe, struct rte_mbuf *m, uint32_t *seq)
{
	static uint8_t copy[70000], flat[70000];
	const uint8_t *p = rte_pktmbuf_read(m, 0, m->pkt_len, copy);
	unsigned int l2 = l2_len(fe);
	unsigned int l3 = m->pkt_len > l2 + 40 && p && p[l2 - 2] == 0x08 ? 20 : 40;
	uint32_t len = m->pkt_len - (l2 + l3 + 20), i;
	const struct rte_tcp_hdr *tcp;
	bool finished = !fe->lro, good;

	if (!p || m->pkt_len <= l2 + l3 + 20 || (fe->vlan && memcmp(p + 12, tags, sizeof(tags))))
		return false;
	/* The checksum functions want it in one piece and aligned. */
	memcpy(flat, p + l2, m->pkt_len - l2);
	tcp = (void *)(flat + l3);
	if (rte_be_to_cpu_32(tcp->sent_seq) != *seq)
		return false;
	for (i = 0; i < len; i++)
		if (flat[l3 + 20 + i] != payload_byte(*seq + i))
			return false;
	*seq += len;
	if (finished && len > MSS)
		return false;
	if (!finished)
		return m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_NONE || m->ol_flags & RTE_MBUF_F_RX_LRO;
	if (l3 == 20)
		good = !rte_ipv4_udptcp_cksum_verify((void *)flat, tcp) &&
		       rte_raw_cksum(flat, 20) == 0xffff &&
		       rte_be_to_cpu_16(((struct rte_ipv4_hdr *)flat)->total_length) == 40 + len;
	else
		good = !rte_ipv6_udptcp_cksum_verify((void *)flat, tcp) &&
		       rte_be_to_cpu_16(((struct rte_ipv6_hdr *)flat)->payload_len) == 20 + len;
	return good;
}

bool segments_run(struct frontend *fe)
{
	uint32_t sent = 1, expected = 1, frames = 0, arrived = 0, bad = 0, whole = 0;
	uint64_t last;

	fe->expect = EXPECT_PATCH;
	if (!stream_open(fe)) {
		printf("no frame got through\n");
		return false;
	}
	last = now_ms();
	while ((frames < fe->frames || expected != sent) && !frontend_stop && !bad) {
		/* From one byte to 64 KiB, mostly more than a segment. */
		uint32_t len = 1 + frames * 2654435761u % (frames % 3 ? 60000 : MSS);
		struct rte_mbuf *m[32];
		unsigned int n, i;

		if (frames < fe->frames && expected == sent) {
			m[0] = frame_make(fe, sent, len, frames % 2 ? 4 : 6);
			if (m[0] && rte_eth_tx_burst(fe->port[0], 0, m, 1)) {
				sent += len;
				frames++;
			} else {
				rte_pktmbuf_free(m[0]);
			}
		}
		n = rte_eth_rx_burst(fe->port[1], 0, m, 32);
		for (i = 0; i < n; i++) {
			whole += m[i]->pkt_len > 1526;
			bad += !frame_good(fe, m[i], &expected);
			rte_pktmbuf_free(m[i]);
		}
		arrived += n;
		if (n)
			last = now_ms();
		else if (now_ms() > last + 1500)
			break;
	}
	printf("frames %u arrived %u whole %u bad %u bytes %u of %u\n", frames, arrived, whole, bad,
	       expected - 1, sent - 1);
	return frames == fe->frames && !bad && expected == sent && (fe->lro ? whole : !whole);
}
