// SPDX-License-Identifier: GPL-2.0
#include "tests/dpdk/frontend.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>

#define ETHERTYPE 0x88b5
#define MAGIC 0x56494f4c41445044ull
#define STALL_MS 1500
#define GAP_MS UINT64_C(10) /* a turn of the loop takes microseconds */
#define OPEN_MS 5000
#define BURST 32

/* Behind the Ethernet header, which may have a tag. */
struct stamp {
	uint64_t magic;
	uint64_t seq; /* ~0: says where an address is, and is not counted */
	uint32_t stream; /* port * FRONTEND_QUEUES + queue */
	uint32_t len; /* of the whole frame */
};

#define HELLO UINT64_MAX

static const uint8_t vlan_tag[4] = { 0x81, 0x00, 0x00, 42 };

struct stream {
	uint64_t next; /* to send */
	uint64_t expected; /* to receive */
	uint64_t received, lost, repeated;
	unsigned int in_flight;
};

static struct stream streams[FRONTEND_PORTS * FRONTEND_QUEUES];
static uint64_t corrupt, stray;
static bool port_open[FRONTEND_PORTS];

static uint8_t pattern(uint64_t seq, uint32_t stream, uint32_t i)
{
	return (uint8_t)((seq * 0x9e3779b97f4a7c15ull >> 32) + stream * 31 + i * 7);
}

static uint32_t frame_size(const struct frontend *fe, uint64_t seq)
{
	return fe->size_min + (uint32_t)(seq * 2654435761u % (fe->size_max - fe->size_min + 1));
}

static uint32_t header_len(const struct frontend *fe)
{
	return 14 + (fe->vlan ? 4 : 0);
}

static unsigned int partner(const struct frontend *fe, unsigned int port)
{
	switch (fe->expect) {
	case EXPECT_REFLECT:
		return port;
	case EXPECT_PATCH:
		return port ^ 1;
	default:
		return (port + 1) % fe->nports;
	}
}

static struct rte_mbuf *frame_make(const struct frontend *fe, uint32_t id, uint64_t seq)
{
	unsigned int port = id / FRONTEND_QUEUES;
	uint32_t len = seq == HELLO ? 60 : frame_size(fe, seq), at = header_len(fe), i;
	struct stamp stamp = { MAGIC, seq, id, len };
	struct rte_mbuf *m = rte_pktmbuf_alloc(fe->pool);
	uint8_t *p;

	if (!m)
		return NULL;
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len);
	if (seq == HELLO)
		memset(p, 0xff, 6);
	else
		memcpy(p, &fe->mac[partner(fe, port)], 6);
	memcpy(p + 6, &fe->mac[port], 6);
	if (fe->vlan)
		memcpy(p + 12, vlan_tag, sizeof(vlan_tag));
	p[at - 2] = ETHERTYPE >> 8;
	p[at - 1] = ETHERTYPE & 0xff;
	memcpy(p + at, &stamp, sizeof(stamp));
	for (i = at + sizeof(stamp); i < len; i++)
		p[i] = pattern(seq, id, i);
	return m;
}

static void frame_take(const struct frontend *fe, unsigned int port, struct rte_mbuf *m)
{
	static uint8_t copy[16384];
	uint32_t at = header_len(fe), len = m->pkt_len, i;
	unsigned int from;
	struct stamp stamp;
	struct stream *s;
	const uint8_t *p;

	p = len <= sizeof(copy) ? rte_pktmbuf_read(m, 0, len, copy) : NULL;
	if (!p || len < at + sizeof(stamp)) {
		corrupt++;
		return;
	}
	memcpy(&stamp, p + at, sizeof(stamp));
	if (stamp.magic != MAGIC || stamp.len != len ||
	    stamp.stream >= fe->nports * FRONTEND_QUEUES ||
	    stamp.stream % FRONTEND_QUEUES >= fe->queues) {
		corrupt++;
		return;
	}
	from = stamp.stream / FRONTEND_QUEUES;
	if (stamp.seq == HELLO) {
		if (partner(fe, from) == port)
			port_open[from] = true;
		return;
	}
	if (partner(fe, from) != port) {
		stray++;
		return;
	}
	for (i = at + sizeof(stamp); i < len; i++) {
		if (p[i] != pattern(stamp.seq, stamp.stream, i)) {
			corrupt++;
			return;
		}
	}
	if (len != frame_size(fe, stamp.seq) ||
	    /* Addresses: exchanged by reflect, else as they were. */
	    memcmp(p, fe->expect == EXPECT_REFLECT ? &fe->mac[from] : &fe->mac[port], 6) ||
	    memcmp(p + 6, fe->expect == EXPECT_REFLECT ? &fe->mac[port] : &fe->mac[from], 6)) {
		corrupt++;
		return;
	}
	s = &streams[stamp.stream];
	if (stamp.seq < s->expected) {
		s->repeated++;
		return;
	}
	s->lost += stamp.seq - s->expected;
	s->in_flight -= (unsigned int)RTE_MIN(stamp.seq - s->expected + 1, s->in_flight);
	s->expected = stamp.seq + 1;
	s->received++;
}

static void hello(const struct frontend *fe)
{
	unsigned int port;

	for (port = 0; port < fe->nports; port++) {
		struct rte_mbuf *m = frame_make(fe, port * FRONTEND_QUEUES, HELLO);

		if (m && !rte_eth_tx_burst(fe->port[port], 0, &m, 1))
			rte_pktmbuf_free(m);
	}
}

static unsigned int receive(const struct frontend *fe)
{
	struct rte_mbuf *m[BURST];
	unsigned int port, queue, n, i, total = 0;

	for (port = 0; port < fe->nports; port++) {
		for (queue = 0; queue < (fe->one_sender && !port ? 1 : fe->queues); queue++) {
			n = rte_eth_rx_burst(fe->port[port], (uint16_t)queue, m, BURST);
			for (i = 0; i < n; i++) {
				frame_take(fe, port, m[i]);
				rte_pktmbuf_free(m[i]);
			}
			total += n;
		}
	}
	return total;
}

static void transmit(const struct frontend *fe, uint32_t id)
{
	struct stream *s = &streams[id];
	struct rte_mbuf *m[BURST];
	unsigned int n = 0, sent, i;

	while (n < BURST && s->in_flight + n < fe->window) {
		m[n] = frame_make(fe, id, s->next + n);
		if (!m[n])
			break;
		n++;
	}
	if (!n)
		return;
	sent = rte_eth_tx_burst(fe->port[id / FRONTEND_QUEUES], (uint16_t)(id % FRONTEND_QUEUES), m,
				(uint16_t)n);
	for (i = sent; i < n; i++)
		rte_pktmbuf_free(m[i]);
	s->next += sent;
	s->in_flight += sent;
}

/* Everything outstanding is gone: begin anew behind it. */
static void give_up(const struct frontend *fe)
{
	unsigned int port, queue;

	for (port = 0; port < fe->nports; port++) {
		for (queue = 0; queue < fe->queues; queue++) {
			struct stream *s = &streams[port * FRONTEND_QUEUES + queue];

			s->lost += s->next - s->expected;
			s->expected = s->next;
			s->in_flight = 0;
		}
	}
	if (fe->expect == EXPECT_SWITCH)
		hello(fe);
}

bool stream_open(struct frontend *fe)
{
	uint64_t start = now_ms();
	unsigned int port = 0;

	while (port < fe->nports) {
		if (frontend_stop || now_ms() > start + OPEN_MS)
			return false;
		hello(fe);
		usleep(20000);
		receive(fe);
		for (port = 0; port < fe->nports && port_open[port]; port++)
			;
	}
	/* A switch has seen all addresses now: no stream is flooded. */
	usleep(20000);
	receive(fe);
	return true;
}

bool stream_run(struct frontend *fe)
{
	uint64_t last, start, idle = 0, stalls = 0, received = 0, lost = 0, repeated = 0;
	bool done = false;

	if (!stream_open(fe)) {
		printf("no frame got through\n");
		return false;
	}
	last = start = now_ms();
	while (!done && !frontend_stop) {
		unsigned int port, queue;
		uint64_t now;

		done = true;
		for (port = 0; port < fe->nports; port++) {
			for (queue = 0; queue < fe->queues; queue++) {
				uint32_t id = port * FRONTEND_QUEUES + queue;

				if (streams[id].received >= fe->frames)
					continue;
				done = false;
				transmit(fe, id);
			}
		}
		if (receive(fe)) {
			last = now_ms();
			idle = 0;
			continue;
		}
		/* Not the time in which this process, or the whole machine, did not run. */
		now = now_ms();
		idle += RTE_MIN(now - last, GAP_MS);
		last = now;
		if (idle <= (fe->loss ? 200 : STALL_MS))
			continue;
		stalls++;
		give_up(fe);
		idle = 0;
		if (!fe->loss)
			break;
	}
	for (unsigned int i = 0; i < RTE_DIM(streams); i++) {
		received += streams[i].received;
		lost += streams[i].lost;
		repeated += streams[i].repeated;
	}
	printf("received %" PRIu64 " lost %" PRIu64 " repeated %" PRIu64 " corrupt %" PRIu64
	       " stray %" PRIu64 " stalls %" PRIu64 " ms %" PRIu64 "\n",
	       received, lost, repeated, corrupt, stray, stalls, now_ms() - start);
	if (corrupt || (stray && !fe->loss))
		return false;
	return fe->loss ? done : done && !lost && !repeated;
}
