// SPDX-License-Identifier: GPL-2.0
#include "tests/bench/dpdk/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#define MAGIC 0x566c5770u
#define HEAD 42 /* Ethernet, IPv4, UDP: left as they are */
#define GAPS 64
#define GAP_MS 20

/* Bytes behind the headers: the number of the frame, a check of it, and what follows of both. */
struct stamp {
	uint32_t magic;
	uint32_t number;
	uint32_t check;
} __attribute__((packed));

static uint32_t scramble(uint32_t x)
{
	x = (x ^ x >> 16) * 0x45d9f3bu;
	return (x ^ x >> 16) * 0x45d9f3bu;
}

static void frame_stamp(uint8_t *p, uint16_t len, uint32_t number)
{
	struct stamp s = { MAGIC, number, scramble(number) };
	uint16_t i;

	memcpy(p + HEAD, &s, sizeof(s));
	for (i = HEAD + sizeof(s); i < len; i++)
		p[i] = (uint8_t)(s.check >> (i % 4 * 8));
}

static bool frame_right(const struct rte_mbuf *m, uint16_t len)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	struct stamp s;
	uint16_t i;

	if (m->pkt_len != len || m->data_len != len)
		return false;
	memcpy(&s, p + HEAD, sizeof(s));
	if (s.magic != MAGIC || s.check != scramble(s.number))
		return false;
	for (i = HEAD + sizeof(s); i < len; i++)
		if (p[i] != (uint8_t)(s.check >> (i % 4 * 8)))
			return false;
	return true;
}

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void watch_run(struct load *load, struct contender *c, double rate, unsigned int ms)
{
	uint64_t begin = rte_rdtsc(), length = load->hz * ms / 1000, now, due, last = begin;
	double per_cycle = rate / (double)load->hz;
	uint64_t tried = 0, sent = 0, received = 0, wrong = 0, gap_from[GAPS], gap_to[GAPS];
	uint64_t last_wall = wall_ns(), gap = load->hz * GAP_MS / 1000;
	struct rte_mbuf *m[LOAD_BURST];
	unsigned int i, k, n, gaps = 0;
	uint32_t number = 0;

	frames_drain(load, c, 1000);
	while ((now = rte_rdtsc()) - begin < length) {
		due = (uint64_t)((double)(now - begin) * per_cycle);
		for (i = 0; i < c->queues; i++) {
			struct load_queue *q = &c->queue[i];

			n = (unsigned int)RTE_MIN(due - tried, (uint64_t)LOAD_BURST);
			tried += n;
			if (n && frames_take(q, m, n, load->len)) {
				for (k = 0; k < n; k++)
					frame_stamp(rte_pktmbuf_mtod(m[k], uint8_t *), load->len,
						    number++);
				k = rte_eth_tx_burst(q->port, q->queue, m, (uint16_t)n);
				sent += k;
				rte_mempool_put_bulk(q->frames, (void **)(m + k), n - k);
			}
			n = rte_eth_rx_burst(q->port, q->queue, m, LOAD_BURST);
			if (!n)
				continue;
			if (now - last > gap && gaps < GAPS) {
				gap_from[gaps] = last_wall;
				gap_to[gaps++] = wall_ns();
			}
			last = now;
			last_wall = wall_ns();
			for (k = 0; k < n; k++)
				wrong += !frame_right(m[k], load->len);
			received += n;
			rte_pktmbuf_free_bulk(m, n);
		}
	}
	printf("{\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"wrong\":%" PRIu64 ",\"gaps\":[",
	       sent, received, wrong);
	for (i = 0; i < gaps; i++)
		printf("%s[%" PRIu64 ",%" PRIu64 "]", i ? "," : "", gap_from[i], gap_to[i]);
	puts("]}");
}
