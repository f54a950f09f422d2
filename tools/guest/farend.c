// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/guest/account.h"
#include "tools/guest/farend.h"

#define MS		UINT64_C(1000000)
#define RCVBUF		(64 << 20)
#define END_QUIET_NS	(100 * MS)	/* tx: nothing more is under way */
#define END_MAX_NS	(1000 * MS)
#define STALL_NS	(250 * MS)	/* rx: the window's frames are lost */
#define DURATION_MAX	(60000 * MS)
#define COUNT_MAX	UINT64_C(100000000)
#define WINDOW_MAX	4096u

struct farend {
	struct link link;
	const struct farend_ops *ops;
	void *ctx;

	uint32_t run;		/* of the agent that said hello; 0: none yet */
	uint8_t peer[FRAME_ALEN];
	bool active;		/* between the borders of .phase */
	struct farend_phase phase;
	uint16_t last_phase;	/* highest id that has begun in this run */
	struct account account;
	uint64_t strays;

	/* The last question answered, to answer its repetitions. */
	struct frame_id asked;
	struct viola_wire_ctl answer;
	unsigned int slow_ns;	/* spent on each data frame */

	/* An end of phase that waits for frames still under way. */
	bool ending;
	uint64_t ending_since;
	uint64_t agent_sent;

	/* rx workload: what has been sent and what the agent has seen. */
	uint64_t sent, credit, credit_ns, generate_until;
	unsigned int batch;	/* at most so many at once, another number each time */
	uint32_t dice;

	struct link_batch in;
	uint8_t out[LINK_BATCH][FRAME_BUF];
};

struct farend *farend_create_on(const struct link *l,
				const struct farend_ops *ops, void *ctx,
				struct failure *f)
{
	struct farend *fe = calloc(1, sizeof(*fe));

	if (!fe) {
		failure_set(f, ENOMEM, "no memory for the far end");
		return NULL;
	}
	fe->link = *l;
	fe->ops = ops;
	fe->ctx = ctx;
	account_idle(&fe->account, 0, 0);
	return fe;
}

struct farend *farend_create(const char *iface, const struct farend_ops *ops,
			     void *ctx, struct failure *f)
{
	struct farend *fe;
	struct link l;

	if (link_open(&l, iface, RCVBUF, f))
		return NULL;
	fe = farend_create_on(&l, ops, ctx, f);
	if (!fe)
		link_close(&l);
	return fe;
}

void farend_destroy(struct farend *fe)
{
	if (!fe)
		return;
	link_close(&fe->link);
	free(fe);
}

uint64_t farend_strays(const struct farend *fe)
{
	return fe->strays;
}

static void answer_send(struct farend *fe)
{
	const struct frame_id id = fe->asked;
	struct viola_wire_ctl wire = fe->answer;
	struct failure ignored = { "" };
	size_t len;

	frame_ctl_order(&wire);
	len = frame_build_ctl(fe->out[0], fe->peer, fe->link.mac, &id, &wire);
	/* A lost answer is asked for again. */
	link_send(&fe->link, fe->out[0], len, &ignored);
}

/* Between phases nothing is expected; what comes all the same is kept. */
static void account_retire(struct farend *fe)
{
	const struct viola_wire_counts *c = &fe->account.counts;

	if (!fe->active)
		fe->strays += c->corrupted + c->invented;
	account_idle(&fe->account, fe->run, fe->last_phase);
}

static int phase_finish(struct farend *fe, bool aborted)
{
	struct viola_wire_counts *c = &fe->account.counts;
	int err = 0;

	c->sent = fe->sent;
	c->socket_drops = link_drops(&fe->link);
	if (fe->phase.workload == VIOLA_WIRE_TX && !aborted)
		account_close(&fe->account, fe->agent_sent);
	if (fe->ops->phase_end)
		err = fe->ops->phase_end(fe->ctx, &fe->phase, c, fe->agent_sent,
					 aborted);
	fe->answer.counts = *c;
	fe->ending = false;
	account_retire(fe);
	fe->active = false;
	return err;
}

static int ctl_hello(struct farend *fe, const struct frame_id *id,
		     const struct viola_wire_ctl *ctl)
{
	if (fe->active)
		phase_finish(fe, true);
	fe->run = id->run;
	fe->last_phase = 0;
	/* Left over from whoever used the link before: not this run's. */
	account_idle(&fe->account, fe->run, 0);
	link_drops(&fe->link);
	fe->strays = 0;
	return fe->ops->hello ? fe->ops->hello(fe->ctx) : 0;
}

static int ctl_round(struct farend *fe, const struct frame_id *id,
		     const struct viola_wire_ctl *ctl)
{
	const int err = fe->ops->round ? fe->ops->round(fe->ctx, ctl->count) : 0;

	if (err != -EAGAIN)
		return err;
	fe->answer.flags = VIOLA_CTL_HOLD;
	return 0;
}

static bool phase_valid(const struct viola_wire_ctl *ctl)
{
	if (ctl->size < VIOLA_WIRE_SIZE_MIN || ctl->size > VIOLA_WIRE_SIZE_MAX ||
	    ctl->window > WINDOW_MAX)
		return false;
	if (ctl->workload == VIOLA_WIRE_RTT)
		return ctl->count && ctl->count <= COUNT_MAX;
	return (ctl->workload == VIOLA_WIRE_TX ||
		ctl->workload == VIOLA_WIRE_RX) &&
	       ctl->duration_ns && ctl->duration_ns <= DURATION_MAX;
}

/*
 * Batches of one length, window and progress reports can lock into one of several rhythms
 * that last for a whole phase, and which one it is decides the moment of its start. So
 * that each phase has some of each, batches have random lengths, the same in each run.
 */
static void batch_next(struct farend *fe)
{
	fe->dice = fe->dice * 1664525u + 1013904223u;
	fe->batch = LINK_BATCH / 2 + 1 + (fe->dice >> 16) % (LINK_BATCH / 2);
}

static int ctl_begin(struct farend *fe, const struct frame_id *id,
		     const struct viola_wire_ctl *ctl)
{
	struct farend_phase *p = &fe->phase;
	int err;

	if (id->phase <= fe->last_phase || !phase_valid(ctl))
		return -EINVAL;
	if (fe->active)
		phase_finish(fe, true);
	*p = (struct farend_phase){
		.id = id->phase, .workload = ctl->workload,
		.warmup = ctl->flags & VIOLA_CTL_WARMUP, .size = ctl->size,
		.window = ctl->window, .count = ctl->count,
		.duration_ns = ctl->duration_ns,
	};
	account_retire(fe);
	link_drops(&fe->link);
	account_reset(&fe->account, fe->run, p->id,
		      p->workload == VIOLA_WIRE_RX ? 0 : p->workload,
		      p->workload == VIOLA_WIRE_RTT ? p->count : UINT64_MAX);
	fe->last_phase = p->id;
	fe->sent = fe->credit = 0;
	fe->agent_sent = 0;
	err = fe->ops->phase_begin ? fe->ops->phase_begin(fe->ctx, p) : 0;
	if (err)
		return err;
	fe->active = true;
	fe->credit_ns = clock_now();
	fe->dice = p->id;
	batch_next(fe);
	fe->generate_until = p->workload == VIOLA_WIRE_RX ?
			     fe->credit_ns + p->duration_ns : 0;
	return 0;
}

/* 1: the answer follows when all frames of the phase are in. */
static int ctl_end(struct farend *fe, const struct frame_id *id,
		   const struct viola_wire_ctl *ctl)
{
	if (!fe->active || id->phase != fe->phase.id)
		return -EINVAL;
	fe->agent_sent = ctl->count;
	fe->generate_until = 0;
	if (fe->phase.workload == VIOLA_WIRE_TX &&
	    fe->account.counts.received < ctl->count) {
		fe->ending = true;
		fe->ending_since = clock_now();
		return 1;
	}
	return phase_finish(fe, false);
}

static int ctl_bye(struct farend *fe, const struct frame_id *id,
		   const struct viola_wire_ctl *ctl)
{
	if (fe->active)
		phase_finish(fe, true);
	if (fe->ops->bye)
		fe->ops->bye(fe->ctx);
	return 0;
}

typedef int ctl_handler(struct farend *fe, const struct frame_id *id,
			const struct viola_wire_ctl *ctl);

static ctl_handler *const ctl_handlers[] = {
	[VIOLA_CTL_HELLO] = ctl_hello,
	[VIOLA_CTL_PHASE_BEGIN] = ctl_begin,
	[VIOLA_CTL_PHASE_END] = ctl_end,
	[VIOLA_CTL_BYE] = ctl_bye,
	[VIOLA_CTL_ROUND] = ctl_round,
};

static void ctl_answer(struct farend *fe, int err)
{
	fe->answer.ack = 1;
	fe->answer.error = -err;
	answer_send(fe);
}

void farend_release(struct farend *fe)
{
	if (!(fe->answer.flags & VIOLA_CTL_HOLD))
		return;
	fe->answer.flags = 0;
	ctl_answer(fe, 0);
}

void farend_slow(struct farend *fe, unsigned int ns)
{
	fe->slow_ns = ns;
}

/* Spins: whoever sleeps gives the time to somebody else. */
static void slow_down(const struct farend *fe, unsigned int frames)
{
	const uint64_t until = clock_now() + (uint64_t)fe->slow_ns * frames;

	while (fe->slow_ns && clock_now() < until)
		;
}

static void ctl_take(struct farend *fe, const uint8_t *src,
		     const struct frame_id *id, struct viola_wire_ctl *ctl)
{
	int err;

	frame_ctl_order(ctl);
	if (ctl->ack || !id->run ||
	    ctl->op >= sizeof(ctl_handlers) / sizeof(*ctl_handlers) ||
	    !ctl_handlers[ctl->op])
		return;
	if (id->run == fe->asked.run && id->seq <= fe->asked.seq) {
		/* Repeated: the answer was lost, or is not ready yet. */
		if (id->seq == fe->asked.seq && !fe->ending)
			answer_send(fe);
		return;
	}
	if (ctl->op != VIOLA_CTL_HELLO && id->run != fe->run)
		return;
	fe->asked = *id;
	memcpy(fe->peer, src, FRAME_ALEN);
	memset(&fe->answer, 0, sizeof(fe->answer));
	fe->answer.op = ctl->op;
	fe->answer.workload = ctl->workload;
	err = ctl_handlers[ctl->op](fe, id, ctl);
	if (err <= 0)
		ctl_answer(fe, err);
}

static void credit_take(struct farend *fe, const struct frame_id *id,
			uint64_t now)
{
	if (!fe->active || fe->phase.workload != VIOLA_WIRE_RX ||
	    id->run != fe->run || id->phase != fe->phase.id) {
		/* One that was under way when its phase ended. */
		if (id->run != fe->run || id->phase > fe->last_phase || !id->phase)
			fe->account.counts.invented++;
		return;
	}
	if (id->seq > fe->sent) {
		fe->account.counts.invented++;
		return;
	}
	if (id->seq > fe->credit) {
		fe->credit = id->seq;
		fe->credit_ns = now;
	}
}

static void frame_take(struct farend *fe, uint8_t *buf, unsigned int len)
{
	const uint64_t now = clock_now();
	struct viola_wire_ctl ctl;
	struct failure ignored = { "" };
	enum frame_verdict verdict;
	struct frame_id id;

	verdict = frame_parse(buf, len, &id, &ctl);
	if (verdict == FRAME_WHOLE && id.type == VIOLA_WIRE_CTL) {
		ctl_take(fe, buf + FRAME_ALEN, &id, &ctl);
		return;
	}
	if (verdict == FRAME_WHOLE && id.type == VIOLA_WIRE_CREDIT) {
		credit_take(fe, &id, now);
		return;
	}
	if (!account_take(&fe->account, verdict, &id, now))
		return;
	slow_down(fe, 1);
	if (id.type == VIOLA_WIRE_RTT) {
		/* Not sent: the agent counts it as lost, which it is. */
		frame_swap(buf);
		link_send(&fe->link, buf, len, &ignored);
	}
}

/* How many frames the window lets out now. */
static unsigned int generate_room(struct farend *fe, uint64_t now)
{
	uint64_t flying;

	if (!fe->active || !fe->generate_until)
		return 0;
	/* Once late rather than never, if it was kept from its CPU all the time. */
	if (now >= fe->generate_until && fe->sent)
		return 0;
	if (!fe->phase.window)
		return LINK_BATCH;
	flying = fe->sent - fe->credit;
	if (flying >= fe->phase.window && now - fe->credit_ns > STALL_NS) {
		fe->account.counts.stalls++;
		fe->credit = fe->sent;
		fe->credit_ns = now;
		flying = 0;
	}
	if (flying >= fe->phase.window)
		return 0;
	flying = fe->phase.window - flying;
	return flying < fe->batch ? flying : fe->batch;
}

static int generate(struct farend *fe, unsigned int n, uint64_t now,
		    struct failure *f)
{
	const size_t len = frame_len(fe->phase.size);
	struct frame_id id = {
		.run = fe->run, .type = VIOLA_WIRE_RX, .phase = fe->phase.id,
		.stamp_ns = now,
	};
	unsigned int i;
	int sent;

	for (i = 0; i < n; i++) {
		id.seq = fe->sent + i;
		frame_build(fe->out[i], len, fe->peer, fe->link.mac, &id);
	}
	slow_down(fe, n);
	sent = link_send_batch(&fe->link, fe->out, n, len, f);
	if (sent < 0)
		return sent;
	fe->sent += sent;
	batch_next(fe);
	return 0;
}

static void ending_check(struct farend *fe)
{
	const uint64_t now = clock_now();
	const uint64_t last = fe->account.last_ns > fe->ending_since ?
			      fe->account.last_ns : fe->ending_since;

	if (fe->account.counts.received >= fe->agent_sent ||
	    now - last > END_QUIET_NS || now - fe->ending_since > END_MAX_NS)
		ctl_answer(fe, phase_finish(fe, false));
}

int farend_step(struct farend *fe, int timeout_ms, struct failure *f)
{
	uint64_t now = clock_now();
	unsigned int room = generate_room(fe, now);
	int i, n, err;

	/* While generating or ending, time passes even if nothing arrives. */
	if (room)
		timeout_ms = 0;
	else if ((fe->ending || now < fe->generate_until) && timeout_ms > 10)
		timeout_ms = 10;
	n = link_recv_batch(&fe->link, &fe->in, timeout_ms, f);
	if (n < 0)
		return n;
	for (i = 0; i < n; i++)
		frame_take(fe, fe->in.buf[i], fe->in.len[i]);
	if (fe->ending)
		ending_check(fe);
	now = clock_now();
	room = generate_room(fe, now);
	if (room) {
		err = generate(fe, room, now, f);
		if (err)
			return err;
		if (now >= fe->generate_until)
			fe->generate_until = 0;
	}
	return 0;
}
