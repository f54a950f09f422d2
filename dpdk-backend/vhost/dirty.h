/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The log of dirty pages (VHOST_F_LOG_ALL): one bit per 4 KiB of guest memory in a
 * bitmap that the front end shares, and clears while it is written here.
 *
 * Marked here rather than by rte_vhost_log_write() for each piece: that looks the
 * device up again each time, drops a whole range of which one byte lies beyond the
 * log, and knows nothing of the packed ring's descriptors, for which
 * rte_vhost_log_used_vring() marks pages that were not written.
 */
#ifndef VIOLA_DPDK_DIRTY_H
#define VIOLA_DPDK_DIRTY_H

#include <viola/ring.h>

#define DIRTY_PAGE_SHIFT 12 /* vhost's, whatever the host's page size */

/* base is NULL where nothing is to be marked. */
struct dirty_log {
	u8 *base;
	u64 size; /* bytes */
};

/*
 * Marks the pages of [@gpa, @gpa + @len), which have been written before. Pages
 * beyond the log are left out: they are beyond what the front end copies.
 */
static inline void dirty_mark(const struct dirty_log *log, u64 gpa, u64 len)
{
	u64 page = gpa >> DIRTY_PAGE_SHIFT, last;

	if (!len || gpa + len - 1 < gpa)
		return;
	last = (gpa + len - 1) >> DIRTY_PAGE_SHIFT;
	for (; page <= last && page / 8 < log->size; page++)
		/*
		 * Release: whoever finds the bit and clears it finds what was
		 * written, too. Other lcores and the front end share the byte.
		 */
		__atomic_fetch_or(&log->base[page / 8], (u8)(1u << page % 8), __ATOMIC_RELEASE);
}

/* Marks the first @len bytes of the pieces @seg, which lie at @gpa. */
static inline void dirty_mark_segs(const struct dirty_log *log, const struct viola_seg *seg,
				   const u64 *gpa, u32 n, u64 len)
{
	for (; n && len; n--, seg++, gpa++) {
		u64 part = min((u64)seg->len, len);

		dirty_mark(log, *gpa, part);
		len -= part;
	}
}

/* Where a ring's parts are as far as the log goes. */
struct dirty_ring {
	u64 desc; /* guest address of the descriptors */
	u64 device; /* of the device's part, or where the front end wants it logged */
};

static inline void dirty_mark_span(const struct dirty_log *log, const struct dirty_ring *at,
				   const struct viola_ring_span *span)
{
	dirty_mark(log, (span->desc ? at->desc : at->device) + span->off, span->len);
}

/* After publish: what was written since viola_ring_used_index() was @since. */
static inline void dirty_mark_used(const struct dirty_log *log, const struct dirty_ring *at,
				   const struct viola_ring *ring, u16 since)
{
	struct viola_ring_span span[VIOLA_RING_SPANS];
	u32 i, n = viola_ring_used_spans(ring, since, span);

	for (i = 0; i < n; i++)
		dirty_mark_span(log, at, &span[i]);
}

/* After the ring asked for kicks, or for none. */
static inline void dirty_mark_kick(const struct dirty_log *log, const struct dirty_ring *at,
				   const struct viola_ring *ring)
{
	struct viola_ring_span span = viola_ring_kick_span(ring);

	dirty_mark_span(log, at, &span);
}

#endif
