// SPDX-License-Identifier: GPL-2.0
/*
 * Open loop: frame number k is due at k / rate, whatever happened to those
 * before. What could not be sent in time is lost (search) or late (latency).
 */
#include "tests/bench/dpdk/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <viola/hdr.h>

#define STALL_US 100 /* away for so long, the generator itself was held up */
#define LATE_US 20 /* the same where single microseconds are looked at */
#define QUIET_US 2000 /* nothing arrived for so long: the rest is lost */
#define REPEATS 3 /* trials that must show loss before a rate is given up */
#define VOIDS 20 /* trials spoilt by the generator that are repeated */
#define TRIALS 60 /* after so many the search ends where it is */
#define VERIFY 5 /* trials of the rate that was found, of which most must be good */
#define LEAST 1000 /* frames per second: less is none */
#define STAMP 44 /* where in a frame the time is that it was due, 8 bytes */
#define MARK 42 /* where in a frame latency's own are told from others, 2 bytes */

struct trial {
	uint64_t offered; /* frames whose time came */
	uint64_t received;
	uint64_t late; /* of offered: never tried, the generator was too slow */
	uint64_t stalls;
	uint64_t cycles;
	uint64_t polls, idle;
};

/* Sends up to @n of the frames that are due. Returns how many were tried. */
static unsigned int due_send(struct load *load, struct load_queue *q, uint64_t n)
{
	struct rte_mbuf *m[LOAD_BURST];
	unsigned int count = (unsigned int)RTE_MIN(n, (uint64_t)LOAD_BURST), sent;

	if (!frames_take(q, m, count, load->len))
		return count;
	sent = rte_eth_tx_burst(q->port, q->queue, m, (uint16_t)count);
	/* The ring is full: the back end did not keep up, and these are lost. */
	if (sent < count)
		rte_mempool_put_bulk(q->frames, (void **)(m + sent), count - sent);
	return count;
}

static void trial_run(struct load *load, struct contender *c, double rate, unsigned int ms,
		      struct trial *t)
{
	uint64_t stall = load->hz * STALL_US / 1000000, length = load->hz * ms / 1000;
	double per_cycle = rate / (double)load->hz;
	uint64_t begin, now, last, tried = 0, due = 0;
	struct rte_mbuf *m[LOAD_BURST];
	unsigned int i, n, next = 0;

	memset(t, 0, sizeof(*t));
	begin = rte_rdtsc();
	for (last = begin; (now = rte_rdtsc()) - begin < length; last = now) {
		if (unlikely(now - last > stall)) {
			/* It cannot blame the back end: the clock stood still. */
			t->stalls++;
			begin += now - last;
		}
		due = (uint64_t)((double)(now - begin) * per_cycle);
		if (tried < due) {
			tried += due_send(load, &c->queue[next], due - tried);
			next = next + 1 < c->queues ? next + 1 : 0;
		}
		for (i = 0; i < c->queues; i++) {
			n = rte_eth_rx_burst(c->queue[i].port, c->queue[i].queue, m, LOAD_BURST);
			t->polls++;
			t->idle += !n;
			t->received += n;
			rte_pktmbuf_free_bulk(m, n);
		}
	}
	t->cycles = now - begin;
	t->offered = due;
	t->late = due > tried && (due - tried) * 100 > due ? due - tried : 0;
	t->offered -= RTE_MIN(due - tried, t->offered);
	t->received += frames_drain(load, c, QUIET_US);
}

struct search {
	unsigned int trials, voids;
	bool own; /* a rate was not reached by the generator */
};

static bool trial_good(const struct trial *t, double loss)
{
	return (double)t->received >= (double)t->offered * (1 - loss);
}

/*
 * Whether @rate passes: TST009's binary search with loss verification. Loss that
 * does not come again in REPEATS trials was a hiccup of the machine.
 */
static bool rate_passes(struct load *load, struct contender *c, double rate, double loss,
			unsigned int ms, struct search *s)
{
	unsigned int bad = 0;
	struct trial t;

	while (bad < REPEATS) {
		trial_run(load, c, rate, ms, &t);
		s->trials++;
		if (t.late && !t.stalls) {
			s->own = true;
			return false;
		}
		if (trial_good(&t, loss))
			return true;
		if (t.stalls && s->voids < VOIDS)
			s->voids++;
		else
			bad++;
	}
	return false;
}

void pace_search(struct load *load, struct contender *c, double loss, double least, double most,
		 unsigned int trial_ms)
{
	double low = least, high, rate;
	struct search s = {}, verify = {};
	unsigned int good = 0, i;
	struct trial t;

	frames_drain(load, c, QUIET_US);
	/* What comes through at too high a rate says where to look. */
	trial_run(load, c, most, trial_ms, &t);
	rate = (double)t.received * (double)load->hz / (double)t.cycles;
	high = RTE_MIN(most, RTE_MAX(rate, low) * 1.2);
	while (high > LEAST && high - low > high / 100 && s.trials < TRIALS) {
		rate = low > least ? (low + high) / 2 : low + (high - low) * 0.7;
		if (rate_passes(load, c, rate, loss, trial_ms, &s)) {
			low = rate;
		} else {
			high = rate;
			verify.own = s.own;
		}
		s.own = false;
	}
	/* A rate that passed by luck is not the answer. */
	for (rate = low; rate > 0; rate *= 0.98) {
		good = 0;
		for (i = 0; i < VERIFY; i++) {
			trial_run(load, c, rate, trial_ms, &t);
			verify.trials++;
			good += trial_good(&t, loss);
		}
		if (good > VERIFY / 2)
			break;
	}
	printf("{\"rate\":%.0f,\"trials\":%u,\"voids\":%u,\"verified\":%u,\"of\":%d,"
	       "\"generator_bound\":%s,\"idle\":%.4f}\n",
	       rate, s.trials + verify.trials, s.voids, good, VERIFY,
	       verify.own ? "true" : "false", t.polls ? (double)t.idle / (double)t.polls : 0);
}

/* --- latency ---------------------------------------------------------------- */

static void stamped_send(struct load *load, struct load_queue *q, uint64_t first, uint64_t n,
			 uint64_t begin, double cycles_each, uint64_t *sent)
{
	static const uint8_t mark[2] = { 0x56, 0x4c };
	struct rte_mbuf *m[LOAD_BURST];
	unsigned int count = (unsigned int)RTE_MIN(n, (uint64_t)LOAD_BURST), i, done;

	if (!frames_take(q, m, count, load->len))
		return;
	for (i = 0; i < count; i++) {
		/* When it was due, not when it was sent: nothing is omitted. */
		uint64_t due = begin + (uint64_t)((double)(first + i + 1) * cycles_each);

		memcpy(rte_pktmbuf_mtod_offset(m[i], void *, MARK), mark, sizeof(mark));
		memcpy(rte_pktmbuf_mtod_offset(m[i], void *, STAMP), &due, sizeof(due));
	}
	done = rte_eth_tx_burst(q->port, q->queue, m, (uint16_t)count);
	if (done < count)
		rte_mempool_put_bulk(q->frames, (void **)(m + done), count - done);
	*sent += done;
}

static uint64_t stamped_receive(struct load *load, struct load_queue *q, uint64_t begin,
				struct hdr *window, double ns_each, uint64_t *idle)
{
	struct rte_mbuf *m[LOAD_BURST];
	unsigned int n = rte_eth_rx_burst(q->port, q->queue, m, LOAD_BURST), i;
	uint64_t now = rte_rdtsc(), due;

	*idle += !n;
	for (i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod_offset(m[i], void *, MARK));
	for (i = 0; i < n; i++) {
		const uint8_t *p = rte_pktmbuf_mtod_offset(m[i], const uint8_t *, MARK);

		memcpy(&due, p + STAMP - MARK, sizeof(due));
		if (p[0] == 0x56 && p[1] == 0x4c && due >= begin && due <= now)
			hdr_record(window, (uint64_t)((double)(now - due) * ns_each));
	}
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

static void window_print(const struct hdr *h, bool aside)
{
	printf("{\"count\":%" PRIu64 ",\"p50\":%" PRIu64 ",\"p90\":%" PRIu64 ",\"p99\":%" PRIu64
	       ",\"p999\":%" PRIu64 ",\"max\":%" PRIu64 ",\"aside\":%s}", h->total,
	       hdr_quantile(h, 0.5), hdr_quantile(h, 0.9), hdr_quantile(h, 0.99),
	       hdr_quantile(h, 0.999), h->max, aside ? "true" : "false");
}

void pace_latency(struct load *load, struct contender *c, double rate, unsigned int windows,
		  unsigned int window_ms)
{
	static struct hdr window, all, kept;
	uint64_t stall = load->hz * LATE_US / 1000000, length = load->hz * window_ms / 1000;
	double cycles_each = (double)load->hz / rate, ns_each = 1e9 / (double)load->hz;
	uint64_t begin, end, now, last, due, number = 0, sent = 0, received = 0, idle = 0;
	uint64_t polls = 0, calm_from;
	unsigned int next = 0, i, w;
	bool aside;

	hdr_reset(&all);
	hdr_reset(&kept);
	frames_drain(load, c, QUIET_US);
	begin = rte_rdtsc();
	last = begin;
	calm_from = begin;
	printf("{\"rate\":%.0f,\"windows\":[", rate);
	/* The first is for warming up and is not told. */
	for (w = 0, end = begin; w <= windows; w++) {
		end += length;
		hdr_reset(&window);
		aside = false;
		for (; (now = rte_rdtsc()) < end; last = now) {
			/* After a stall of its own the generator catches up: not the back end's. */
			if (unlikely(now - last > stall))
				calm_from = now + 10 * (now - last) + 10 * stall;
			aside |= now < calm_from;
			due = (uint64_t)((double)(now - begin) / cycles_each);
			if (number < due) {
				uint64_t n = RTE_MIN(due - number, (uint64_t)LOAD_BURST);

				stamped_send(load, &c->queue[next], number, n, begin, cycles_each,
					     &sent);
				number += n;
				next = next + 1 < c->queues ? next + 1 : 0;
			}
			for (i = 0; i < c->queues; i++, polls++)
				received += stamped_receive(load, &c->queue[i], begin, &window,
							    ns_each, &idle);
		}
		/* A window that one more hiccup swallowed whole has its end here. */
		aside |= now < calm_from || now - last > stall;
		if (w) {
			printf("%s", w > 1 ? "," : "");
			window_print(&window, aside);
			hdr_merge(&all, &window);
			if (!aside)
				hdr_merge(&kept, &window);
		}
	}
	received += frames_drain(load, c, QUIET_US);
	printf("],\"all\":");
	window_print(&all, false);
	printf(",\"kept\":");
	window_print(&kept, false);
	printf(",\"offered\":%" PRIu64 ",\"sent\":%" PRIu64 ",\"received\":%" PRIu64
	       ",\"idle\":%.4f}\n", number, sent, received, (double)idle / (double)polls);
}
