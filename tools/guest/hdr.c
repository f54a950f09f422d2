// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include <viola/hdr.h>

/*
 * Cells 0…2047 hold one nanosecond each; every further block of HDR_HALF
 * cells covers one octave with a step twice as wide as the block before.
 */
static uint32_t cell_of(uint64_t ns)
{
	unsigned int shift;

	if (ns < 2 * HDR_HALF)
		return ns;
	shift = 63 - __builtin_clzll(ns) - HDR_HALF_BITS;
	return shift * HDR_HALF + (ns >> shift);
}

static uint64_t cell_last(uint32_t cell)
{
	unsigned int shift;

	if (cell < 2 * HDR_HALF)
		return cell;
	shift = cell / HDR_HALF - 1;
	return (((uint64_t)(cell - shift * HDR_HALF) + 1) << shift) - 1;
}

void hdr_reset(struct hdr *h)
{
	memset(h, 0, sizeof(*h));
	h->min = UINT64_MAX;
}

void hdr_record(struct hdr *h, uint64_t ns)
{
	if (ns > HDR_MAX_NS) {
		ns = HDR_MAX_NS;
		h->clipped++;
	}
	h->cell[cell_of(ns)]++;
	h->total++;
	h->sum += ns;
	if (ns < h->min)
		h->min = ns;
	if (ns > h->max)
		h->max = ns;
}

void hdr_record_corrected(struct hdr *h, uint64_t ns, uint64_t interval_ns)
{
	uint64_t missed;

	hdr_record(h, ns);
	if (!interval_ns)
		return;
	/* Bounded: a clipped value stands for at most HDR_MAX_NS of stall. */
	if (ns > HDR_MAX_NS)
		ns = HDR_MAX_NS;
	for (missed = ns; missed > interval_ns; ) {
		missed -= interval_ns;
		if (missed < interval_ns)
			break;
		hdr_record(h, missed);
	}
}

uint64_t hdr_quantile(const struct hdr *h, double q)
{
	uint64_t want, seen = 0, last;
	uint32_t i;

	if (!h->total)
		return 0;
	if (q <= 0)
		return h->min;
	if (q >= 1)
		return h->max;
	want = (uint64_t)(q * (double)h->total);
	if ((double)want < q * (double)h->total)
		want++;
	for (i = 0; i < HDR_CELLS; i++) {
		seen += h->cell[i];
		if (seen >= want)
			break;
	}
	last = i < HDR_CELLS ? cell_last(i) : h->max;
	return last < h->max ? last : h->max;
}

void hdr_merge(struct hdr *dst, const struct hdr *src)
{
	uint32_t i;

	for (i = 0; i < HDR_CELLS; i++)
		dst->cell[i] += src->cell[i];
	dst->total += src->total;
	dst->sum += src->sum;
	dst->clipped += src->clipped;
	if (src->min < dst->min)
		dst->min = src->min;
	if (src->max > dst->max)
		dst->max = src->max;
}
