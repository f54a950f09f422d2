// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "tools/guest/account.h"

void account_reset(struct account *a, uint32_t run, uint16_t phase,
		   uint8_t type, uint64_t limit)
{
	memset(a, 0, sizeof(*a));
	a->run = run;
	a->phase = phase;
	a->type = type;
	a->limit = limit;
}

void account_idle(struct account *a, uint32_t run, uint16_t phase)
{
	account_reset(a, run, phase, 0, 0);
}

static bool seen_test(const struct account *a, uint64_t seq)
{
	const uint32_t bit = seq % ACCOUNT_WINDOW;

	return a->seen[bit / 64] >> (bit % 64) & 1;
}

static void seen_set(struct account *a, uint64_t seq)
{
	const uint32_t bit = seq % ACCOUNT_WINDOW;

	a->seen[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static void seen_clear(struct account *a, uint64_t seq)
{
	const uint32_t bit = seq % ACCOUNT_WINDOW;

	a->seen[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
}

/* Move the window up so that @seq is its newest member. */
static void window_move(struct account *a, uint64_t seq)
{
	if (seq - a->next >= ACCOUNT_WINDOW) {
		memset(a->seen, 0, sizeof(a->seen));
		a->next = seq;
	}
	for (; a->next <= seq; a->next++)
		seen_clear(a, a->next);
}

bool account_take(struct account *a, enum frame_verdict verdict,
		  const struct frame_id *id, uint64_t now_ns)
{
	struct viola_wire_counts *c = &a->counts;

	if (verdict == FRAME_CORRUPT) {
		c->corrupted++;
		return false;
	}
	/* A frame held back since an earlier phase was sent, only long ago. */
	if (verdict == FRAME_WHOLE && id->run == a->run && id->phase &&
	    (id->phase < a->phase || (id->phase == a->phase && !a->type))) {
		c->stale++;
		return false;
	}
	/* UINT64_MAX could not be followed by a next one. */
	if (verdict == FRAME_FORGED || id->run != a->run ||
	    id->phase != a->phase || id->type != a->type ||
	    id->seq >= a->limit || id->seq == UINT64_MAX) {
		c->invented++;
		return false;
	}
	if (id->seq >= a->next) {
		window_move(a, id->seq);
	} else if (a->next - id->seq > ACCOUNT_WINDOW || seen_test(a, id->seq)) {
		c->duplicated++;
		return false;
	}
	seen_set(a, id->seq);
	if (!c->received++)
		a->first_ns = now_ns;
	a->last_ns = now_ns;
	c->span_ns = a->last_ns - a->first_ns;
	return true;
}

void account_close(struct account *a, uint64_t sent)
{
	uint64_t seq, over = 0;

	seq = a->next > ACCOUNT_WINDOW ? a->next - ACCOUNT_WINDOW : 0;
	if (seq < sent)
		seq = sent;
	for (; seq < a->next; seq++)
		over += seen_test(a, seq);
	a->counts.invented += over;
	a->counts.received -= over;
}
