// SPDX-License-Identifier: GPL-2.0
/*
 * What a switch does with single frames: each scenario sends some from one port
 * and looks where they come out. Scenarios expect to be alone with the back end.
 */
#include "tests/dpdk/frontend.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>

#define ETHERTYPE 0x88b6
#define BURST 32
#define QUIET_MS 150 /* without a frame: no more will come */
#define WAIT_MS 5000

static const struct rte_ether_addr everybody = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

/* What arrived last at a port. */
struct arrived {
	unsigned int frames;
	struct rte_ether_addr from, to;
};

static struct arrived arrived[FRONTEND_PORTS];
static uint32_t number;

static bool fail(const char *what)
{
	printf("%s\n", what);
	return false;
}

static struct rte_ether_addr invented(uint32_t n)
{
	return (struct rte_ether_addr){
		{ 0x06, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n }
	};
}

/* A frame of 60 bytes with number @number. */
static bool send_one(const struct frontend *fe, unsigned int port,
		     const struct rte_ether_addr *to, const struct rte_ether_addr *from)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(fe->pool);
	uint64_t start = now_ms();
	uint8_t *p;

	if (!m)
		return fail("no buffer to send");
	p = rte_pktmbuf_mtod(m, uint8_t *);
	m->data_len = 60;
	m->pkt_len = 60;
	memset(p, 0, 60);
	memcpy(p, to, 6);
	memcpy(p + 6, from, 6);
	p[12] = ETHERTYPE >> 8;
	p[13] = ETHERTYPE & 0xff;
	memcpy(p + 14, &number, sizeof(number));
	while (!rte_eth_tx_burst(fe->port[port], 0, &m, 1)) {
		if (now_ms() > start + WAIT_MS) {
			rte_pktmbuf_free(m);
			return fail("nobody takes a frame");
		}
	}
	return true;
}

/* Where something arrived: a bit for each port. */
static unsigned int arrived_at(void)
{
	unsigned int ports = 0, i;

	for (i = 0; i < FRONTEND_PORTS; i++)
		ports |= (unsigned int)(arrived[i].frames > 0) << i;
	return ports;
}

/*
 * Takes what comes until nothing does; counts the frames of this number. A back end that
 * is kept from its CPU is silent, too: what is to come out at @expected is waited for.
 */
static void collect(const struct frontend *fe, unsigned int expected)
{
	uint64_t last = now_ms();
	struct rte_mbuf *m[BURST];
	unsigned int port, i, n;

	memset(arrived, 0, sizeof(arrived));
	while (now_ms() < last + ((expected & ~arrived_at()) ? WAIT_MS : QUIET_MS)) {
		for (port = 0; port < fe->nports; port++) {
			n = rte_eth_rx_burst(fe->port[port], 0, m, BURST);
			for (i = 0; i < n; i++) {
				const uint8_t *p = rte_pktmbuf_mtod(m[i], uint8_t *);

				if (m[i]->data_len == 60 && p[12] == ETHERTYPE >> 8 &&
				    p[13] == (ETHERTYPE & 0xff) &&
				    !memcmp(p + 14, &number, sizeof(number))) {
					arrived[port].frames++;
					memcpy(&arrived[port].to, p, 6);
					memcpy(&arrived[port].from, p + 6, 6);
				}
				rte_pktmbuf_free(m[i]);
			}
			if (n)
				last = now_ms();
		}
	}
}

/* Sends one frame and tells at which ports it came out: a bit each; ~0 for a fault. */
static unsigned int probe(const struct frontend *fe, unsigned int port,
			  const struct rte_ether_addr *to, const struct rte_ether_addr *from,
			  unsigned int expected)
{
	unsigned int i;

	number++;
	if (!send_one(fe, port, to, from))
		return ~0u;
	collect(fe, expected);
	for (i = 0; i < fe->nports; i++)
		if (arrived[i].frames > 1)
			return ~0u;
	return arrived_at();
}

/* Says so and is false if a frame came out elsewhere than at @expected. */
static bool arrives(const struct frontend *fe, const char *what, unsigned int port,
		    const struct rte_ether_addr *to, const struct rte_ether_addr *from,
		    unsigned int expected)
{
	unsigned int ports = probe(fe, port, to, from, expected);

	if (ports == expected)
		return true;
	printf("%s: came out at ports 0x%x, not 0x%x\n", what, ports, expected);
	return false;
}

/* All ports are connected, and a switch knows where they are. */
static bool open_ports(const struct frontend *fe)
{
	unsigned int all = (1u << fe->nports) - 1, port = 0;
	uint64_t start = now_ms();

	while (port < fe->nports) {
		if (now_ms() > start + WAIT_MS)
			return fail("the ports were not connected in time");
		for (port = 0; port < fe->nports; port++)
			if (probe(fe, port, &everybody, &fe->mac[port], 0) !=
			    (all & ~(1u << port)))
				break;
	}
	return true;
}

static bool ageing(struct frontend *fe)
{
	if (!open_ports(fe) ||
	    !arrives(fe, "a known address", 0, &fe->mac[1], &fe->mac[0], 2))
		return false;
	sleep(fe->pause);
	/* Forgotten, so everybody gets it; who sent is not, he just did. */
	return arrives(fe, "an address that was silent", 0, &fe->mac[1], &fe->mac[0], 6) &&
	       arrives(fe, "the one that spoke", 2, &fe->mac[0], &fe->mac[2], 1);
}

static bool move(struct frontend *fe)
{
	struct rte_ether_addr guest = invented(1);

	return open_ports(fe) &&
	       arrives(fe, "a new address", 0, &guest, &fe->mac[0], 6) &&
	       arrives(fe, "its own frame", 1, &everybody, &guest, 5) &&
	       arrives(fe, "an address at port 1", 0, &guest, &fe->mac[0], 2) &&
	       arrives(fe, "its frame from port 2", 2, &fe->mac[0], &guest, 1) &&
	       arrives(fe, "an address that moved", 0, &guest, &fe->mac[0], 4);
}

/* Port 2 invents addresses; those of others stay known, and its own first ones. */
static bool invent(struct frontend *fe)
{
	struct rte_ether_addr late = invented(0x1000000), other;
	uint32_t i;

	if (!open_ports(fe))
		return false;
	for (i = 0; i < 20000; i++) {
		other = invented(i);
		if (!send_one(fe, 2, &fe->mac[2], &other))
			return false;
	}
	return arrives(fe, "a known address", 0, &fe->mac[1], &fe->mac[0], 2) &&
	       arrives(fe, "an address that comes later", 1, &fe->mac[0], &late, 1) &&
	       arrives(fe, "what is sent to it", 0, &late, &fe->mac[0], 2) &&
	       arrives(fe, "the inventor", 0, &fe->mac[2], &fe->mac[0], 4);
}

static bool groups(struct frontend *fe)
{
	static const struct rte_ether_addr neighbour = { { 0x01, 0x80, 0xc2, 0, 0, 0x0e } };
	static const struct rte_ether_addr many = { { 0x01, 0x00, 0x5e, 1, 2, 3 } };
	static const struct rte_ether_addr bridge = { { 0x01, 0x80, 0xc2, 0, 0, 0x10 } };

	return open_ports(fe) &&
	       arrives(fe, "what is for neighbours", 0, &neighbour, &fe->mac[0], 0) &&
	       arrives(fe, "a group", 0, &many, &fe->mac[0], 6) &&
	       arrives(fe, "the first that is no neighbour's", 1, &bridge, &fe->mac[1], 5) &&
	       arrives(fe, "what is for one at the same port", 0, &fe->mac[0], &fe->mac[0], 0) &&
	       /* A group sends nothing, and is nowhere. */
	       arrives(fe, "from a group", 1, &fe->mac[0], &many, 1) &&
	       arrives(fe, "to that group", 0, &many, &fe->mac[0], 6);
}

/* Ports 0 and 1 are isolated, 2 is not. */
static bool isolated(struct frontend *fe)
{
	uint64_t start = now_ms();

	while (probe(fe, 2, &everybody, &fe->mac[2], 0) != 3)
		if (now_ms() > start + WAIT_MS)
			return fail("the ports were not connected in time");
	return arrives(fe, "from an isolated port", 0, &everybody, &fe->mac[0], 4) &&
	       arrives(fe, "from the other", 1, &everybody, &fe->mac[1], 4) &&
	       arrives(fe, "between them", 0, &fe->mac[1], &fe->mac[0], 0) &&
	       arrives(fe, "to an isolated port", 2, &fe->mac[1], &fe->mac[2], 2);
}

/* Mode reflect: what was to a group comes back, but not from one. */
static bool returned(struct frontend *fe)
{
	struct rte_ether_addr other = invented(7);
	uint64_t start = now_ms();

	while (probe(fe, 0, &everybody, &fe->mac[0], 0) != 1)
		if (now_ms() > start + WAIT_MS)
			return fail("nothing came back");
	if (!rte_is_same_ether_addr(&arrived[0].to, &fe->mac[0]) ||
	    rte_is_multicast_ether_addr(&arrived[0].from))
		return fail("a broadcast came back with other addresses");
	return arrives(fe, "to one", 0, &other, &fe->mac[0], 1) &&
	       (rte_is_same_ether_addr(&arrived[0].from, &other) ||
		fail("it did not come back from whom it was to"));
}

/* Somebody else's front end has an address announced, which comes out at port 0. */
static bool announced(struct frontend *fe)
{
	static const uint8_t expected[42] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0xab, 0xcd, 0xef, 0x01, 0x23,
		0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3,
		0x02, 0xab, 0xcd, 0xef, 0x01, 0x23, 0, 0, 0, 0,
		0x02, 0xab, 0xcd, 0xef, 0x01, 0x23, 0, 0, 0, 0,
	};
	uint64_t start = now_ms();
	struct rte_mbuf *m;

	while (now_ms() < start + 4 * WAIT_MS && !frontend_stop) {
		bool good;

		if (!rte_eth_rx_burst(fe->port[0], 0, &m, 1))
			continue;
		good = m->pkt_len == 60 &&
		       !memcmp(rte_pktmbuf_mtod(m, void *), expected, sizeof(expected));
		rte_pktmbuf_free(m);
		return good || fail("something else than the announcement came");
	}
	return fail("no announcement came");
}

/* --- flows ---------------------------------------------------------------------- */

#define FLOWS 64u
#define FLOW_FRAMES 200u

static struct rte_mbuf *flow_frame(const struct frontend *fe, unsigned int flow, uint32_t seq)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(fe->pool);
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;
	uint8_t *p;

	if (!m)
		return NULL;
	p = rte_pktmbuf_mtod(m, uint8_t *);
	m->data_len = 60;
	m->pkt_len = 60;
	memset(p, 0, 60);
	memcpy(p, &fe->mac[1], 6);
	memcpy(p + 6, &fe->mac[0], 6);
	p[12] = 0x08;
	ip = (void *)(p + 14);
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16(46);
	ip->next_proto_id = IPPROTO_UDP;
	ip->src_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 1));
	ip->dst_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 2));
	udp = (void *)(ip + 1);
	udp->src_port = rte_cpu_to_be_16((uint16_t)(1024 + flow));
	udp->dst_port = RTE_BE16(9);
	udp->dgram_len = RTE_BE16(26);
	memcpy(p + 42, &flow, 4);
	memcpy(p + 46, &seq, 4);
	return m;
}

/* Port 0 sends by one queue, port 1 has several: a flow stays in one, and in order. */
static bool flows(struct frontend *fe)
{
	unsigned int where[FLOWS], used[FRONTEND_QUEUES] = {}, queue, i, n, busy = 0;
	uint32_t seen[FLOWS] = {}, sent = 0, total = 0;
	struct rte_mbuf *m[BURST];
	uint64_t last;

	fe->expect = EXPECT_PATCH;
	if (!stream_open(fe))
		return fail("no frame got through");
	for (last = now_ms(); total < FLOWS * FLOW_FRAMES && now_ms() < last + WAIT_MS;) {
		while (sent < FLOWS * FLOW_FRAMES && sent < total + 64) {
			m[0] = flow_frame(fe, sent % FLOWS, sent / FLOWS);
			if (!m[0])
				break;
			if (!rte_eth_tx_burst(fe->port[0], 0, m, 1)) {
				rte_pktmbuf_free(m[0]);
				break;
			}
			sent++;
		}
		for (queue = 0; queue < fe->queues; queue++) {
			n = rte_eth_rx_burst(fe->port[1], (uint16_t)queue, m, BURST);
			for (i = 0; i < n; i++) {
				const uint8_t *p = rte_pktmbuf_mtod(m[i], uint8_t *);
				uint32_t flow, seq;

				memcpy(&flow, p + 42, 4);
				memcpy(&seq, p + 46, 4);
				if (p[12] == 0x08 && (flow >= FLOWS || seq != seen[flow] ||
						      (seq && where[flow] != queue))) {
					printf("flow %u: frame %u at queue %u, expected %u at %u\n",
					       flow, seq, queue, flow < FLOWS ? seen[flow] : 0,
					       flow < FLOWS ? where[flow] : 0);
					return false;
				}
				if (p[12] == 0x08) {
					where[flow] = queue;
					used[queue] += !seen[flow]++;
					total++;
					last = now_ms();
				}
				rte_pktmbuf_free(m[i]);
			}
		}
	}
	for (queue = 0; queue < fe->queues; queue++)
		busy += used[queue] > 0;
	printf("frames %u of %u, queues %u of %u\n", total, FLOWS * FLOW_FRAMES, busy, fe->queues);
	return total == FLOWS * FLOW_FRAMES && busy == fe->queues;
}

static const struct {
	const char *name;
	bool (*run)(struct frontend *fe);
} scenarios[] = {
	{ "ageing", ageing },	  { "move", move },	    { "invent", invent },
	{ "groups", groups },	  { "isolated", isolated }, { "returned", returned },
	{ "announced", announced }, { "flows", flows },
};

bool scenario_run(struct frontend *fe, const char *name)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(scenarios); i++)
		if (!strcmp(scenarios[i].name, name))
			return scenarios[i].run(fe);
	return fail("there is no such scenario");
}
