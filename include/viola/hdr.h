/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A log-linear histogram of nanoseconds (the HDR layout): values below 2048
 * are exact, above that each power of two is cut into 1024 equal steps, so a
 * recorded value is known to better than 0.1 % (three significant digits) up
 * to HDR_MAX_NS. Memory is fixed; recording is O(1).
 */
#ifndef VIOLA_HDR_H
#define VIOLA_HDR_H

#include <stdint.h>

#define HDR_HALF_BITS	10			/* log2 of steps per octave */
#define HDR_HALF	(1u << HDR_HALF_BITS)
#define HDR_TOP_BIT	39			/* highest bit recorded */
#define HDR_MAX_NS	((UINT64_C(1) << (HDR_TOP_BIT + 1)) - 1)	/* 18 min */
#define HDR_CELLS	((HDR_TOP_BIT - HDR_HALF_BITS + 2) * HDR_HALF)

struct hdr {
	uint64_t total;
	uint64_t min, max;	/* exact, not rounded to a cell */
	uint64_t clipped;	/* values above HDR_MAX_NS, kept as that */
	uint64_t sum;
	uint32_t cell[HDR_CELLS];
};

/* Empty the histogram. */
void hdr_reset(struct hdr *h);

/* Add one value in nanoseconds; above HDR_MAX_NS it is clipped and counted. */
void hdr_record(struct hdr *h, uint64_t ns);

/*
 * Add a value taken by a load that is meant to send every @interval_ns and
 * was held up by the thing it measures: also adds the values that the skipped
 * sends would have seen (coordinated-omission correction). An interval of 0
 * adds the value alone.
 */
void hdr_record_corrected(struct hdr *h, uint64_t ns, uint64_t interval_ns);

/*
 * The smallest recorded value that at least a share @q (0…1) of all values
 * does not exceed, rounded up to its cell's last value and never above the
 * exact maximum. 0 when empty.
 */
uint64_t hdr_quantile(const struct hdr *h, double q);

/* Add @src's contents to @dst. */
void hdr_merge(struct hdr *dst, const struct hdr *src);

#endif
