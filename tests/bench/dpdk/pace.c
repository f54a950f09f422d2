// SPDX-License-Identifier: GPL-2.0
/*
 * Open loop: frame number k is due at k / rate, whatever happened to those
 * before. What could not be sent in time is lost (search) or late (latency).
 */
#include "tests/bench/dpdk/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <viola/hdr.h>

#define STALL_US 100 /* away for so long, the generator itself was held up */
#define LATE_US 5 /* the same where single microseconds are looked at */
#define LEAD_US 100 /* before a window: until load and caches are as they will be */
#define TAIL_US 2000 /* behind a window: what has not come back then is lost */
#define QUIET_US 2000 /* nothing arrived for so long: the rest is lost */
#define REPEATS 3 /* trials that must show loss before a rate is given up */
#define VOIDS 20 /* trials spoilt by the generator that are repeated */
#define TRIALS 60 /* after so many the search ends where it is */
#define VERIFY 5 /* trials of the rate that was found, of which most must be good */
#define LEAST 1000 /* frames per second: less is none */

struct trial {
	uint64_t offered; /* frames whose time came */
	uint64_t received;
	uint64_t late; /* of offered: never tried, the generator was too slow */
	uint64_t stalls;
	uint64_t cycles;
	uint64_t polls, idle;
};

static void trial_run(struct load *load, struct contender *c, double rate, unsigned int ms,
		      struct trial *t)
{
	uint64_t stall = load->hz * STALL_US / 1000000, length = load->hz * ms / 1000;
	double per_cycle = rate / (double)load->hz;
	uint64_t begin, now, last, tried = 0, due = 0;
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
			/* The ring is full: the back end did not keep up, and some are lost. */
			n = (unsigned int)RTE_MIN(due - tried, (uint64_t)LOAD_BURST);
			load->driver->send(load, c, next, n, NULL);
			tried += n;
			next = next + 1 < c->queues ? next + 1 : 0;
		}
		for (i = 0; i < c->queues; i++) {
			n = load->driver->receive(load, c, i, NULL);
			t->polls++;
			t->idle += !n;
			t->received += n;
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

/* Frames of a window are those that are due in it, whenever they come back. */
struct window {
	uint64_t from, to;
	uint64_t offered, received;
	bool aside; /* the generator itself was away */
	struct hdr total; /* since they were due */
	struct hdr net; /* since they were sent: without the wait for the generator's turn */
};

/* What is kept of a window, in nanoseconds. */
struct window_record {
	uint64_t count, p50, p90, p99, p999, max, net_p50, net_p99;
	bool aside;
};

/* Frames that are sent when they are due, and taken when they arrive. */
struct flow {
	struct load *load;
	struct contender *c;
	double cycles_each, ns_each; /* cycles of a frame, nanoseconds of a cycle */
	uint64_t begin, number; /* frame number n is due n + 1 times cycles_each after begin */
	unsigned int next; /* queue to send through */
	uint64_t polls, idle;
};

static uint64_t flow_due(const struct flow *f, uint64_t number)
{
	return f->begin + (uint64_t)((double)(number + 1) * f->cycles_each);
}

static bool window_has(const struct window *w, uint64_t due)
{
	return due >= w->from && due < w->to;
}

static void flow_send(struct flow *f, struct window *w, uint64_t now)
{
	uint64_t due = (uint64_t)((double)(now - f->begin) / f->cycles_each);
	struct load_stamp stamp[LOAD_BURST];
	unsigned int n, i;

	if (f->number >= due)
		return;
	n = (unsigned int)RTE_MIN(due - f->number, (uint64_t)LOAD_BURST);
	for (i = 0; i < n; i++) {
		/* Both, so that a wait for the generator's turn is not omitted, but told. */
		stamp[i].due = flow_due(f, f->number + i);
		stamp[i].sent = now;
		w->offered += window_has(w, stamp[i].due);
	}
	f->load->driver->send(f->load, f->c, f->next, n, stamp);
	f->number += n;
	f->next = f->next + 1 < f->c->queues ? f->next + 1 : 0;
}

static void flow_receive(struct flow *f, struct window *w, unsigned int queue)
{
	struct load_stamp stamp[LOAD_BURST];
	unsigned int n = f->load->driver->receive(f->load, f->c, queue, stamp), i;
	uint64_t now = rte_rdtsc();

	f->polls++;
	f->idle += !n;
	for (i = 0; i < n; i++) {
		if (!window_has(w, stamp[i].due) || stamp[i].sent > now)
			continue;
		hdr_record(&w->total, (uint64_t)((double)(now - stamp[i].due) * f->ns_each));
		hdr_record(&w->net, (uint64_t)((double)(now - stamp[i].sent) * f->ns_each));
		w->received++;
	}
}

/* One window, with a lead before it and a tail behind it in which the flow goes on. */
static void window_run(struct flow *f, struct window *w, unsigned int window_us)
{
	uint64_t us = f->load->hz / 1000000, lead = us * LEAD_US, now, last;
	unsigned int i;

	hdr_reset(&w->total);
	hdr_reset(&w->net);
	w->offered = 0;
	w->received = 0;
	w->aside = false;
	/* The last window's accounts are made: the time they took is no frame's delay. */
	f->begin = rte_rdtsc();
	f->number = 0;
	w->from = f->begin + lead;
	w->to = w->from + us * window_us;
	for (last = f->begin; (now = rte_rdtsc()) < w->to + us * TAIL_US; last = now) {
		/* What it catches up with after having been away is not the back end's. */
		w->aside |= now > w->from - lead / 2 && now - last > us * LATE_US;
		flow_send(f, w, now);
		for (i = 0; i < f->c->queues; i++)
			flow_receive(f, w, i);
		if (flow_due(f, f->number) >= w->to && w->received >= w->offered)
			break;
	}
}

static struct window_record window_sum(const struct window *w)
{
	return (struct window_record){
		.count = w->total.total,
		.p50 = hdr_quantile(&w->total, 0.5),
		.p90 = hdr_quantile(&w->total, 0.9),
		.p99 = hdr_quantile(&w->total, 0.99),
		.p999 = hdr_quantile(&w->total, 0.999),
		.max = w->total.max,
		.net_p50 = hdr_quantile(&w->net, 0.5),
		.net_p99 = hdr_quantile(&w->net, 0.99),
		.aside = w->aside,
	};
}

static void record_print(const struct window_record *r)
{
	printf("{\"count\":%" PRIu64 ",\"p50\":%" PRIu64 ",\"p90\":%" PRIu64 ",\"p99\":%" PRIu64
	       ",\"p999\":%" PRIu64 ",\"max\":%" PRIu64 ",\"net_p50\":%" PRIu64
	       ",\"net_p99\":%" PRIu64 ",\"aside\":%s}", r->count, r->p50, r->p90, r->p99, r->p999,
	       r->max, r->net_p50, r->net_p99, r->aside ? "true" : "false");
}

void pace_latency(struct load *load, struct contender *c, double rate, unsigned int windows,
		  unsigned int window_us)
{
	struct flow f = {
		.load = load,
		.c = c,
		.cycles_each = (double)load->hz / rate,
		.ns_each = 1e9 / (double)load->hz,
	};
	struct window_record *records = calloc(windows, sizeof(*records)), sum;
	static struct window w, all;
	unsigned int i;

	if (!records) {
		puts("{\"error\":\"no memory for so many windows\"}");
		return;
	}
	hdr_reset(&all.total);
	hdr_reset(&all.net);
	all.offered = 0;
	frames_drain(load, c, QUIET_US);
	/* The first is for warming up and is not told. */
	window_run(&f, &w, window_us);
	for (i = 0; i < windows; i++) {
		window_run(&f, &w, window_us);
		records[i] = window_sum(&w);
		hdr_merge(&all.total, &w.total);
		hdr_merge(&all.net, &w.net);
		all.offered += w.offered;
	}
	frames_drain(load, c, QUIET_US);
	printf("{\"rate\":%.0f,\"windows\":[", rate);
	for (i = 0; i < windows; i++) {
		printf("%s", i ? "," : "");
		record_print(&records[i]);
	}
	printf("],\"all\":");
	sum = window_sum(&all);
	record_print(&sum);
	printf(",\"offered\":%" PRIu64 ",\"received\":%" PRIu64 ",\"idle\":%.4f}\n", all.offered,
	       all.total.total, (double)f.idle / (double)f.polls);
	free(records);
}
