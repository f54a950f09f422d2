// SPDX-License-Identifier: GPL-2.0
/*
 * The measured phases. Nothing but the workload runs between the two borders
 * of a phase: results are computed after its end.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tools/guest/agent.h"

#define MS		UINT64_C(1000000)
#define RATE_WARMUP_MS	100	/* at most; a quarter of a short run */
#define RX_QUIET_MS	50	/* the end of an rx phase */
#define RX_OVERTIME_MS	2000
#define LOST_MAX	10	/* of a phase: enough to know, each costs a timeout */

static const double curve_points[] = {
	0, .05, .1, .2, .3, .4, .5, .6, .7, .75, .8, .85, .9, .925, .95, .96,
	.97, .98, .985, .99, .9925, .995, .9975, .999, .9995, .9999, 1
};

static void rtt_summary(struct agent_rtt *r, const struct hdr *h)
{
	unsigned int i;

	r->samples = h->total;
	if (!h->total)
		return;
	r->min = h->min;
	r->p50 = hdr_quantile(h, .5);
	r->p90 = hdr_quantile(h, .9);
	r->p99 = hdr_quantile(h, .99);
	r->p999 = hdr_quantile(h, .999);
	r->max = h->max;
	r->mean = h->sum / h->total;
	for (i = 0; i < sizeof(curve_points) / sizeof(*curve_points); i++) {
		r->curve[i].q = curve_points[i];
		r->curve[i].ns = hdr_quantile(h, curve_points[i]);
	}
	r->points = i;
}

/* Wait for the reply to @id; true when it came in time. */
static int rtt_wait(struct agent *a, struct agent_phase *p,
		    const struct frame_id *id, uint64_t sent_ns)
{
	const uint64_t deadline = sent_ns + a->cfg.timeout_ms * MS;
	uint8_t *buf = a->batch.buf[0];
	struct viola_wire_ctl ctl;
	enum frame_verdict verdict;
	struct frame_id got;
	uint64_t now;
	int len;

	while ((len = link_recv(&a->link, buf, deadline, &a->failure)) > 0) {
		now = clock_now();
		verdict = frame_parse(buf, len, &got, &ctl);
		if (verdict == FRAME_WHOLE && got.type == VIOLA_WIRE_CTL)
			continue;
		/* The addresses are outside the check word: see wire.h. */
		if (memcmp(buf, a->link.mac, FRAME_ALEN) ||
		    memcmp(buf + FRAME_ALEN, a->peer, FRAME_ALEN))
			verdict = FRAME_CORRUPT;
		if (!account_take(&a->account, verdict, &got, now))
			continue;
		if (got.seq != id->seq) {
			p->late++;
			continue;
		}
		if (got.stamp_ns != id->stamp_ns) {
			a->account.counts.invented++;
			continue;
		}
		hdr_record(&a->hdr, now - sent_ns);
		return 1;
	}
	return len;
}

static int rtt_phase(struct agent *a, struct agent_phase *p)
{
	const size_t len = frame_len(p->size);
	struct frame_id id = {
		.run = a->run, .type = VIOLA_WIRE_RTT, .phase = p->id,
	};
	uint64_t sent_ns;
	int n;

	for (id.seq = 0; id.seq < p->count && p->lost < LOST_MAX; id.seq++) {
		a->account.limit = id.seq + 1;
		id.stamp_ns = clock_now();
		frame_build(a->out[0], len, a->peer, a->link.mac, &id);
		sent_ns = clock_now();
		n = link_send(&a->link, a->out[0], len, &a->failure);
		if (n < 0 && n != -EAGAIN)
			return n;
		p->sent++;
		n = rtt_wait(a, p, &id, sent_ns);
		if (n < 0)
			return n;
		p->lost += !n;
	}
	return 0;
}

static int tx_phase(struct agent *a, struct agent_phase *p)
{
	const uint64_t end = clock_now() + p->duration_ns;
	const size_t len = frame_len(p->size);
	struct frame_id id = {
		.run = a->run, .type = VIOLA_WIRE_TX, .phase = p->id,
	};
	struct pollfd pfd = { .fd = a->link.fd, .events = POLLOUT };
	unsigned int i;
	int n;

	while ((id.stamp_ns = clock_now()) < end) {
		for (i = 0; i < LINK_BATCH; i++) {
			id.seq = p->sent + i;
			frame_build(a->out[i], len, a->peer, a->link.mac, &id);
		}
		n = link_send_batch(&a->link, a->out, LINK_BATCH, len,
				    &a->failure);
		if (n < 0)
			return n;
		p->sent += n;
		if (!n)
			poll(&pfd, 1, 1);
	}
	return 0;
}

static int credit_send(struct agent *a, struct agent_phase *p, uint64_t *told)
{
	const struct frame_id id = {
		.run = a->run, .type = VIOLA_WIRE_CREDIT, .phase = p->id,
		.seq = a->account.next, .stamp_ns = clock_now(),
	};
	const size_t len = frame_len(VIOLA_WIRE_SIZE_MIN);
	int err;

	frame_build(a->out[0], len, a->peer, a->link.mac, &id);
	err = link_send(&a->link, a->out[0], len, &a->failure);
	if (!err)
		*told = id.seq;
	return err == -EAGAIN ? 0 : err;
}

static void rx_take(struct agent *a, int n)
{
	const uint64_t now = clock_now();
	struct viola_wire_ctl ctl;
	enum frame_verdict verdict;
	struct frame_id got;
	int i;

	for (i = 0; i < n; i++) {
		verdict = frame_parse(a->batch.buf[i], a->batch.len[i], &got, &ctl);
		if (verdict == FRAME_WHOLE && got.type == VIOLA_WIRE_CTL)
			continue;
		account_take(&a->account, verdict, &got, now);
	}
}

static int rx_phase(struct agent *a, struct agent_phase *p)
{
	const uint64_t end = clock_now() + p->duration_ns;
	const unsigned int step = (a->cfg.window + 3) / 4;
	uint64_t told = 0, now;
	int n, err;

	do {
		n = link_recv_batch(&a->link, &a->batch, RX_QUIET_MS, &a->failure);
		if (n < 0)
			return n;
		rx_take(a, n);
		if (a->cfg.window && a->account.next - told >= (n ? step : 1)) {
			err = credit_send(a, p, &told);
			if (err)
				return err;
		}
		now = clock_now();
	} while (now < end || (n && now < end + RX_OVERTIME_MS * MS));
	return 0;
}

/* What was still under way when the far end said how much it had sent. */
static int rx_drain(struct agent *a, uint64_t sent)
{
	const uint64_t end = clock_now() + RX_OVERTIME_MS * MS;
	int n;

	while (a->account.counts.received < sent && clock_now() < end) {
		n = link_recv_batch(&a->link, &a->batch, RX_QUIET_MS, &a->failure);
		if (n <= 0)
			return n;
		rx_take(a, n);
	}
	return 0;
}

struct workload {
	int (*run)(struct agent *a, struct agent_phase *p);
	uint8_t expect;		/* type of the data frames that arrive; 0: none */
	uint64_t limit;		/* how many the peer can have sent at the start */
};

static const struct workload workloads[] = {
	[VIOLA_WIRE_RTT] = { rtt_phase, VIOLA_WIRE_RTT, 0 },
	[VIOLA_WIRE_TX] = { tx_phase, 0, 0 },
	[VIOLA_WIRE_RX] = { rx_phase, VIOLA_WIRE_RX, UINT64_MAX },
};

static int phase_run(struct agent *a, struct agent_phase spec)
{
	const struct workload *w = &workloads[spec.workload];
	uint64_t began, irqs_before = 0, irqs_after = 0;
	struct agent_phase *p;
	int err;

	if (a->phases == AGENT_PHASES)
		return failure_set(&a->failure, EINVAL,
				   "more than %u phases asked for", AGENT_PHASES);
	p = &a->phase[a->phases++];
	*p = spec;
	p->id = ++a->last_phase;
	account_reset(&a->account, a->run, p->id, w->expect, w->limit);
	/* On a serial console this costs exits while the phase runs. */
	if (a->cfg.verbose)
		fprintf(stderr, "viola-agent: phase %u %s size %u%s\n", p->id,
			workload_name(p->workload), p->size, p->warmup ? " (warm-up)" : "");
	/*
	 * What costs something and is not the workload stays outside the
	 * borders. The few interrupts of the control frames are counted for it.
	 */
	hdr_reset(&a->hdr);
	p->irqs_known = irqs_read(&a->irqs, &irqs_before);
	if (a->cfg.control) {
		err = session_begin(a, p);
		if (err)
			return err;
	}
	began = clock_now();
	err = w->run(a, p);
	if (err)
		return err;
	p->duration_ns = clock_now() - began;
	if (a->cfg.control) {
		err = session_end(a, p);
		if (err)
			return err;
	}
	p->irqs_known = irqs_read(&a->irqs, &irqs_after) && p->irqs_known;
	p->irqs = irqs_after - irqs_before;
	if (p->workload == VIOLA_WIRE_RX) {
		err = rx_drain(a, p->far.sent);
		if (err)
			return err;
		account_close(&a->account, p->far.sent);
	}
	a->account.counts.socket_drops = link_drops(&a->link);
	p->mine = a->account.counts;
	if (p->workload == VIOLA_WIRE_RTT)
		rtt_summary(&p->rtt, &a->hdr);
	p->done = true;
	return 0;
}

static int rate_pair(struct agent *a, uint8_t workload, unsigned int size)
{
	const struct agent_phase spec = {
		.workload = workload, .size = size,
		.duration_ns = a->cfg.rate_ms * MS,
	};
	struct agent_phase warm = spec;
	int err;

	warm.warmup = true;
	warm.duration_ns /= 4;
	if (warm.duration_ns > RATE_WARMUP_MS * MS)
		warm.duration_ns = RATE_WARMUP_MS * MS;
	err = phase_run(a, warm);
	return err ? err : phase_run(a, spec);
}

int workload_run(struct agent *a)
{
	const struct agent_config *c = &a->cfg;
	unsigned int i;
	int err;

	a->phases = 0;
	for (i = 0; i < c->rtt_sizes && c->rtt_count; i++) {
		if (c->warmup) {
			err = phase_run(a, (struct agent_phase){
				.workload = VIOLA_WIRE_RTT, .warmup = true,
				.size = c->rtt_size[i], .count = c->warmup });
			if (err)
				return err;
		}
		err = phase_run(a, (struct agent_phase){
			.workload = VIOLA_WIRE_RTT, .size = c->rtt_size[i],
			.count = c->rtt_count });
		if (err)
			return err;
	}
	if (!c->rate_ms)
		return 0;
	for (i = 0; i < c->rate_sizes && c->rate_tx; i++) {
		err = rate_pair(a, VIOLA_WIRE_TX, c->rate_size[i]);
		if (err)
			return err;
	}
	for (i = 0; i < c->rate_sizes && c->rate_rx; i++) {
		err = rate_pair(a, VIOLA_WIRE_RX, c->rate_size[i]);
		if (err)
			return err;
	}
	return 0;
}
