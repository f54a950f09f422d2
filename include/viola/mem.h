/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest memory as the data plane sees it: a sorted table of extents, each a
 * run of guest-physical addresses that is contiguous where the host can reach
 * it. The VMM has one extent per block of RAM; the module has one per
 * physically contiguous run of pinned pages in the direct map.
 *
 * A table is immutable once published; a change of guest memory builds a new
 * one and swaps it under the queue locks. No function here allocates, sleeps
 * or takes a lock, and none reads or writes outside the table's extents.
 */
#ifndef VIOLA_MEM_H
#define VIOLA_MEM_H

#include <viola/checked.h>

/*
 * A piece of host-accessible memory. Same layout as struct kvec and struct
 * iovec, so that an array of them is handed to sendmsg() or readv() as it is;
 * each environment asserts this where it makes the cast.
 */
struct viola_seg {
	void *base;
	size_t len; /* bytes */
};

struct viola_extent {
	u64 gpa; /* first guest-physical address */
	u64 size; /* bytes, never 0; gpa + size does not wrap */
	u8 *base; /* where the host reaches gpa */
};

struct viola_mem {
	const struct viola_extent *ext; /* sorted by gpa, disjoint */
	u32 nr;
};

/*
 * Index of the extent that holds @gpa, or -1. @hint is the caller's last
 * answer (any value is safe): guests touch the same buffers again and again.
 */
static inline s32 viola_mem_find(const struct viola_mem *mem, u64 gpa, u32 hint)
{
	u32 lo = 0, hi = mem->nr;

	if (likely(hint < mem->nr) && gpa - mem->ext[hint].gpa < mem->ext[hint].size)
		return (s32)hint;
	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (gpa < mem->ext[mid].gpa)
			hi = mid;
		else if (gpa - mem->ext[mid].gpa >= mem->ext[mid].size)
			lo = mid + 1;
		else
			return (s32)mid;
	}
	return -1;
}

/*
 * Splits the @len bytes at @gpa into at most @max pieces at @seg, and stores
 * each piece's guest address into @seg_gpa where that is not NULL (for dirty
 * logging). Zero bytes are zero pieces, wherever they are.
 *
 * Returns the number of pieces, -EFAULT if any byte is not guest memory, or
 * -ENOBUFS if @max pieces do not suffice. *@hint is updated.
 */
static inline int viola_mem_segs(const struct viola_mem *mem, u32 *hint, u64 gpa, u32 len,
				 struct viola_seg *seg, u64 *seg_gpa, u32 max)
{
	u32 n = 0;

	while (len) {
		const struct viola_extent *e;
		u64 off, room;
		s32 i = viola_mem_find(mem, gpa, *hint);

		if (unlikely(i < 0))
			return -EFAULT;
		if (unlikely(n == max))
			return -ENOBUFS;
		*hint = (u32)i;
		e = &mem->ext[i];
		off = gpa - e->gpa;
		room = min(e->size - off, (u64)len);
		seg[n].base = e->base + off;
		seg[n].len = (size_t)room;
		if (seg_gpa)
			seg_gpa[n] = gpa;
		n++;
		gpa += room;
		len -= (u32)room;
	}
	return (int)n;
}

/*
 * viola_mem_segs() for what is nearly every piece: true and *@seg filled in if
 * extent @hint holds all @len bytes; false says nothing, ask viola_mem_segs().
 */
static inline bool viola_mem_seg(const struct viola_mem *mem, u32 hint, u64 gpa, u32 len,
				 struct viola_seg *seg, u32 max)
{
	const struct viola_extent *e;

	if (unlikely(hint >= mem->nr || !len || !max))
		return false;
	e = &mem->ext[hint];
	if (!viola_within(gpa - e->gpa, len, e->size))
		return false;
	seg->base = e->base + (gpa - e->gpa);
	seg->len = len;
	return true;
}

/*
 * The host address of @len bytes at @gpa if one extent holds them all, else
 * NULL. For structures the host keeps mapped: rings, descriptor tables.
 */
static inline void *viola_mem_map(const struct viola_mem *mem, u64 gpa, u64 len)
{
	s32 i = viola_mem_find(mem, gpa, 0);
	u64 off;

	if (i < 0)
		return NULL;
	off = gpa - mem->ext[i].gpa;
	if (!viola_within(off, len, mem->ext[i].size))
		return NULL;
	return mem->ext[i].base + off;
}

/*
 * Copies @len bytes from @gpa to @to, across extents. 0, or -EFAULT if any of
 * them is not guest memory (then @to is partly written).
 */
static inline int viola_mem_read(const struct viola_mem *mem, u32 *hint, u64 gpa, void *to,
				 u32 len)
{
	while (len) {
		u64 left;
		s32 i = viola_mem_find(mem, gpa, *hint);

		if (i < 0)
			return -EFAULT;
		*hint = (u32)i;
		left = min(mem->ext[i].size - (gpa - mem->ext[i].gpa), (u64)len);
		memcpy(to, mem->ext[i].base + (gpa - mem->ext[i].gpa), (size_t)left);
		to = (u8 *)to + left;
		gpa += left;
		len -= (u32)left;
	}
	return 0;
}

/* As viola_mem_read(), the other way: 0, or -EFAULT with part written. */
static inline int viola_mem_write(const struct viola_mem *mem, u32 *hint, u64 gpa,
				  const void *from, u32 len)
{
	while (len) {
		u64 left;
		s32 i = viola_mem_find(mem, gpa, *hint);

		if (i < 0)
			return -EFAULT;
		*hint = (u32)i;
		left = min(mem->ext[i].size - (gpa - mem->ext[i].gpa), (u64)len);
		memcpy(mem->ext[i].base + (gpa - mem->ext[i].gpa), from, (size_t)left);
		from = (const u8 *)from + left;
		gpa += left;
		len -= (u32)left;
	}
	return 0;
}

/*
 * Whether a table is one: extents non-empty, sorted, disjoint, none wrapping.
 * Builders call it once; lookups rely on it.
 */
static inline bool viola_mem_valid(const struct viola_mem *mem)
{
	u64 next = 0, end;
	u32 i;

	for (i = 0; i < mem->nr; i++) {
		const struct viola_extent *e = &mem->ext[i];

		if (!e->size || e->gpa < next || !viola_add_u64(e->gpa, e->size, &end))
			return false;
		next = end;
	}
	return true;
}

/* Total bytes of @n pieces. */
static inline size_t viola_segs_len(const struct viola_seg *seg, u32 n)
{
	size_t len = 0;

	while (n--)
		len += (seg++)->len;
	return len;
}

/*
 * Copies up to @len bytes from @n pieces, starting @skip bytes in. Returns
 * the bytes copied, fewer than @len only where the pieces end.
 */
static inline size_t viola_segs_read(const struct viola_seg *seg, u32 n, size_t skip, void *to,
				     size_t len)
{
	size_t done = 0;

	for (; n && done < len; seg++, n--) {
		size_t part;

		if (skip >= seg->len) {
			skip -= seg->len;
			continue;
		}
		part = min(seg->len - skip, len - done);
		memcpy((u8 *)to + done, (const u8 *)seg->base + skip, part);
		done += part;
		skip = 0;
	}
	return done;
}

/* As viola_segs_read(), the other way. */
static inline size_t viola_segs_write(const struct viola_seg *seg, u32 n, size_t skip,
				      const void *from, size_t len)
{
	size_t done = 0;

	for (; n && done < len; seg++, n--) {
		size_t part;

		if (skip >= seg->len) {
			skip -= seg->len;
			continue;
		}
		part = min(seg->len - skip, len - done);
		memcpy((u8 *)seg->base + skip, (const u8 *)from + done, part);
		done += part;
		skip = 0;
	}
	return done;
}

#endif
