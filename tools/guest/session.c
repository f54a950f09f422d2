// SPDX-License-Identifier: GPL-2.0
/*
 * The agent's half of the control protocol of <viola/wire.h>: ask, wait,
 * repeat. A question has a number; an answer to an older question is dropped,
 * so neither loss nor duplication nor reordering can end a phase early.
 */
#include <errno.h>
#include <string.h>

#include "tools/guest/agent.h"

#define ASK_MS		250	/* first wait; doubles up to ASK_MAX_MS */
#define ASK_MAX_MS	1000
#define ASK_TOTAL_MS	15000
/* A held question: its second answer may be lost, so it is asked again. */
#define HELD_MS		10000
#define HELD_TOTAL_MS	(3600 * 1000)

static const uint8_t broadcast[FRAME_ALEN] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff
};

/*
 * Send @ctl as question of @phase until it is answered, at most @total_ms.
 * The answer replaces @ctl, in host order. Data frames that arrive meanwhile
 * go to the phase's account: on some paths they overtake the answer. Once the
 * far end has said that it holds the question, there is an hour for its answer,
 * and hardly a frame is sent: other guests are measured meanwhile.
 */
static int session_ask(struct agent *a, uint16_t phase,
		       struct viola_wire_ctl *ctl, unsigned int total_ms)
{
	struct frame_id id = {
		.run = a->run, .type = VIOLA_WIRE_CTL, .phase = phase,
		.seq = ++a->question,
	};
	uint64_t end = clock_now() + total_ms * UINT64_C(1000000);
	struct viola_wire_ctl wire = *ctl, answer;
	unsigned int wait_ms = ASK_MS;
	enum frame_verdict verdict;
	struct frame_id got;
	bool held = false;
	uint64_t until;
	size_t len;
	int n;

	frame_ctl_order(&wire);
	for (;;) {
		id.stamp_ns = clock_now();
		len = frame_build_ctl(a->out[0], a->peer, a->link.mac, &id, &wire);
		n = link_send(&a->link, a->out[0], len, &a->failure);
		if (n < 0 && n != -EAGAIN)
			return n;
		until = clock_now() + wait_ms * UINT64_C(1000000);
		while ((n = link_recv(&a->link, a->batch.buf[0], until,
				      &a->failure)) > 0) {
			verdict = frame_parse(a->batch.buf[0], n, &got, &answer);
			if (verdict != FRAME_WHOLE || got.type != VIOLA_WIRE_CTL) {
				account_take(&a->account, verdict, &got, clock_now());
				continue;
			}
			if (got.run != a->run || got.seq != id.seq ||
			    got.phase != phase || !answer.ack ||
			    answer.op != ctl->op)
				continue;
			frame_ctl_order(&answer);
			if (answer.flags & VIOLA_CTL_HOLD) {
				if (!held)
					end = clock_now() + HELD_TOTAL_MS * UINT64_C(1000000);
				held = true;
				until = clock_now() + HELD_MS * UINT64_C(1000000);
				continue;
			}
			*ctl = answer;
			/* Who answers the broadcast is the far end. */
			if (ctl->op == VIOLA_CTL_HELLO)
				memcpy(a->peer, a->batch.buf[0] + FRAME_ALEN,
				       FRAME_ALEN);
			return 0;
		}
		if (n < 0)
			return n;
		if (clock_now() >= end)
			return -ETIMEDOUT;
		wait_ms = wait_ms * 2 < ASK_MAX_MS ? wait_ms * 2 : ASK_MAX_MS;
	}
}

int session_hello(struct agent *a)
{
	struct viola_wire_ctl ctl = { .op = VIOLA_CTL_HELLO };
	int err;

	memcpy(a->peer, broadcast, FRAME_ALEN);
	account_idle(&a->account, a->run, 0);
	err = session_ask(a, 0, &ctl, a->cfg.wait_ms);
	if (err == -ETIMEDOUT)
		return failure_set(&a->failure, ETIMEDOUT,
			"no far end answers on %s within %u ms: is viola-farend running on the other side?",
			a->cfg.iface, a->cfg.wait_ms);
	if (!err && ctl.error)
		return failure_set(&a->failure, EPROTO,
				   "the far end refuses this run: %s",
				   strerror(ctl.error));
	return err;
}

int session_round(struct agent *a, unsigned int number)
{
	struct viola_wire_ctl ctl = { .op = VIOLA_CTL_ROUND, .count = number };
	const int err = session_ask(a, 0, &ctl, ASK_TOTAL_MS);

	if (err == -ETIMEDOUT)
		return failure_set(&a->failure, ETIMEDOUT,
			"the far end stopped answering before round %u", number);
	if (!err && ctl.error)
		return failure_set(&a->failure, EPROTO,
			"the far end refuses round %u: %s", number,
			strerror(ctl.error));
	return err;
}

static int phase_failure(struct agent *a, const struct agent_phase *p,
			 const char *border, int err, uint32_t far_error)
{
	if (err == -ETIMEDOUT)
		return failure_set(&a->failure, ETIMEDOUT,
			"the far end stopped answering at the %s of phase %u (%s, size %u)",
			border, p->id, workload_name(p->workload), p->size);
	if (!err && far_error)
		return failure_set(&a->failure, EPROTO,
			"the far end failed at the %s of phase %u (%s, size %u): %s",
			border, p->id, workload_name(p->workload), p->size,
			strerror(far_error));
	return err;
}

int session_begin(struct agent *a, const struct agent_phase *p)
{
	struct viola_wire_ctl ctl = {
		.op = VIOLA_CTL_PHASE_BEGIN,
		.workload = p->workload,
		.flags = p->warmup ? VIOLA_CTL_WARMUP : 0,
		.size = p->size,
		.window = a->cfg.window,
		.count = p->count,
		.duration_ns = p->duration_ns,
	};
	const int err = session_ask(a, p->id, &ctl, ASK_TOTAL_MS);

	return phase_failure(a, p, "beginning", err, ctl.error);
}

int session_end(struct agent *a, struct agent_phase *p)
{
	struct viola_wire_ctl ctl = {
		.op = VIOLA_CTL_PHASE_END,
		.workload = p->workload,
		.count = p->sent,
	};
	const int err = session_ask(a, p->id, &ctl, ASK_TOTAL_MS);

	if (!err)
		p->far = ctl.counts;
	return phase_failure(a, p, "end", err, ctl.error);
}

void session_bye(struct agent *a)
{
	struct viola_wire_ctl ctl = { .op = VIOLA_CTL_BYE };

	session_ask(a, 0, &ctl, 2 * ASK_MS);
}
