// SPDX-License-Identifier: GPL-2.0
#include "tests/bench/dpdk/load.h"

#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ether.h>

static void addresses_swap(struct rte_mbuf **m, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (i = 0; i < n; i++) {
		struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m[i], struct rte_ether_hdr *);
		struct rte_ether_addr was = eth->dst_addr;

		eth->dst_addr = eth->src_addr;
		eth->src_addr = was;
	}
}

/* Sends what is held, oldest first. */
static void held_send(struct load_queue *q, struct load_sample *s)
{
	unsigned int n = rte_eth_tx_burst(q->port, q->queue, q->held, (uint16_t)q->count);

	s->sent += n;
	if (likely(n == q->count)) {
		q->count = 0;
		return;
	}
	s->refused++;
	q->count -= n;
	memmove(q->held, q->held + n, q->count * sizeof(q->held[0]));
}

/* What arrived at @q is sent on, if what was held there before has found room. */
static void turn(struct load *load, struct load_queue *q, struct load_sample *s)
{
	struct load_queue *next = q->next;
	struct rte_mbuf **m = next->held + next->count;
	unsigned int n;

	if (likely(next->count <= LOAD_BURST)) {
		n = rte_eth_rx_burst(q->port, q->queue, m, LOAD_BURST);
		s->polls++;
		s->idle += !n;
		s->received += n;
		if (load->touch)
			addresses_swap(m, n);
		next->count += n;
	}
	if (next->count)
		held_send(next, s);
}

static uint64_t user_drop(struct contender *c)
{
	uint64_t count = 0;
	unsigned int i;

	for (i = 0; i < c->queues; i++) {
		rte_pktmbuf_free_bulk(c->queue[i].held, c->queue[i].count);
		count += c->queue[i].count;
		c->queue[i].count = 0;
	}
	return count;
}

static void fill(struct load *load, struct contender *c)
{
	unsigned int per_queue = load->in_flight / load->queues, i, left;
	struct load_sample ignored = {};

	for (left = per_queue; left >= LOAD_BURST; left -= LOAD_BURST) {
		for (i = 0; i < c->queues; i++) {
			struct load_queue *q = &c->queue[i];

			if (q->count <= LOAD_BURST)
				q->count += frames_take(q, q->held + q->count, LOAD_BURST,
							load->len);
			turn(load, q, &ignored);
		}
	}
	c->in_flight = c->queues * (per_queue - left);
}

static void user_run(struct load *load, struct contender *c, uint64_t cycles,
		     struct load_sample *s)
{
	uint64_t begin, now;
	unsigned int i;

	if (!c->in_flight)
		fill(load, c);
	begin = rte_rdtsc();
	do {
		for (i = 0; i < c->queues; i++)
			turn(load, &c->queue[i], s);
		now = rte_rdtsc();
	} while (now - begin < cycles);
	s->cycles += now - begin;
}

static void user_send_only(struct load *load, struct contender *c, uint64_t cycles,
			   struct load_sample *s)
{
	uint64_t begin = rte_rdtsc(), now;
	unsigned int i;

	do {
		for (i = 0; i < c->queues; i++) {
			struct load_queue *q = &c->queue[i];

			if (!q->count)
				q->count = frames_take(q, q->held, LOAD_BURST, load->len);
			s->polls++;
			held_send(q, s);
			/* As a receiving queue that found nothing: the back end is behind. */
			s->idle += q->count == LOAD_BURST;
		}
		now = rte_rdtsc();
	} while (now - begin < cycles);
	s->cycles += now - begin;
}

static void user_receive_only(struct load *load, struct contender *c, uint64_t cycles,
			      struct load_sample *s)
{
	uint64_t begin = rte_rdtsc(), now;
	struct rte_mbuf *m[LOAD_BURST];
	unsigned int i, n;

	do {
		for (i = 0; i < c->queues; i++) {
			n = rte_eth_rx_burst(c->queue[i].port, c->queue[i].queue, m, LOAD_BURST);
			s->polls++;
			s->idle += !n;
			s->received += n;
			rte_pktmbuf_free_bulk(m, n);
		}
		now = rte_rdtsc();
	} while (now - begin < cycles);
	s->cycles += now - begin;
}

static unsigned int user_send(struct load *load, struct contender *c, unsigned int queue,
			      unsigned int n, const struct load_stamp *stamp)
{
	struct load_queue *q = &c->queue[queue];
	struct rte_mbuf *m[LOAD_BURST];
	unsigned int i, sent;

	if (!frames_take(q, m, n, load->len))
		return 0;
	for (i = 0; stamp && i < n; i++)
		stamp_write(rte_pktmbuf_mtod(m[i], uint8_t *), &stamp[i]);
	sent = rte_eth_tx_burst(q->port, q->queue, m, (uint16_t)n);
	if (sent < n)
		rte_mempool_put_bulk(q->frames, (void **)(m + sent), n - sent);
	return sent;
}

static unsigned int user_receive(struct load *load, struct contender *c, unsigned int queue,
				 struct load_stamp *stamp)
{
	const struct load_queue *q = &c->queue[queue];
	struct rte_mbuf *m[LOAD_BURST];
	unsigned int n = rte_eth_rx_burst(q->port, q->queue, m, LOAD_BURST), i;

	for (i = 0; stamp && i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod_offset(m[i], void *, LOAD_MARK_AT));
	for (i = 0; stamp && i < n; i++)
		stamp_read(rte_pktmbuf_mtod(m[i], const uint8_t *), &stamp[i]);
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

const struct load_driver user_driver = {
	.start = user_start,
	.stop = user_stop,
	.run = user_run,
	.send_only = user_send_only,
	.receive_only = user_receive_only,
	.drop = user_drop,
	.send = user_send,
	.receive = user_receive,
};
