// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/forward/rate.h"

#include "tools/lib/number.h"

void rate_init(struct rate *r)
{
	memset(r, 0, sizeof(*r));
	r->burst_ms = RATE_BURST_MS;
	pthread_spin_init(&r->lock, PTHREAD_PROCESS_PRIVATE);
}

static void bucket_set(struct rate_bucket *b, u64 rate, u32 burst_ms)
{
	b->rate = rate;
	/* RATE_MAX for hours would still fit. */
	b->most = (s64)max(rate / 1000 * burst_ms + rate % 1000 * burst_ms / 1000, (u64)1);
	b->tokens = b->most;
	b->rest = 0;
}

void rate_set(struct rate *r, u64 frames, u64 bits, u32 burst_ms)
{
	pthread_spin_lock(&r->lock);
	r->burst_ms = burst_ms;
	bucket_set(&r->frames, frames, burst_ms);
	bucket_set(&r->bits, bits, burst_ms);
	pthread_spin_unlock(&r->lock);
	WRITE_ONCE(r->on, frames || bits);
}

static void bucket_fill(struct rate_bucket *b, u64 ticks, u64 hz)
{
	unsigned __int128 sum = (unsigned __int128)ticks * b->rate + b->rest, new = sum / hz;

	if (new >= (u64)(b->most - b->tokens)) {
		b->tokens = b->most;
		b->rest = 0;
	} else {
		b->tokens += (s64)new;
		b->rest = (u64)(sum % hz);
	}
}

void rate_begin(struct rate *r, u64 now, u64 hz)
{
	pthread_spin_lock(&r->lock);
	/* Clocks of two CPUs may differ by a little: time does not go back. */
	if ((s64)(now - r->last) <= 0)
		return;
	bucket_fill(&r->frames, now - r->last, hz);
	bucket_fill(&r->bits, now - r->last, hz);
	r->last = now;
}

bool rate_pass(struct rate *r, u32 frames, u32 bytes)
{
	if ((r->frames.rate && r->frames.tokens <= 0) || (r->bits.rate && r->bits.tokens <= 0))
		return false;
	if (r->frames.rate)
		r->frames.tokens -= frames;
	if (r->bits.rate)
		r->bits.tokens -= 8ll * bytes;
	return true;
}

void rate_end(struct rate *r)
{
	pthread_spin_unlock(&r->lock);
}

bool rate_parse(const char *text, u64 *value)
{
	static const char units[] = "kMG";
	u64 number, unit = 1;
	const char *at;

	if (!number_take(&text, RATE_MAX, &number))
		return false;
	at = *text ? strchr(units, *text) : NULL;
	if (at) {
		for (text++; at >= units; at--)
			unit *= 1000;
	}
	if (*text || !number || number > RATE_MAX / unit)
		return false;
	*value = number * unit;
	return true;
}
