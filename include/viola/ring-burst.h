/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bursts: many buffers of the simplest shape at a time, for devices that poll.
 *
 *   viola_ring_pop_burst()     take up to n plain buffers
 *   viola_ring_push_burst()    say that the oldest of them are used, in order
 *   viola_ring_unpop_burst()   give the newest of them back
 *   viola_ring_publish(), viola_ring_needs_call()   as ever
 *
 * A plain buffer is one descriptor, no indirect one, of at least one byte, whose
 * bytes lie in one extent: what network drivers use for nearly every frame. The
 * burst ends before the first that is not, and viola_ring_pop() takes that one,
 * or says what is wrong with it. What a burst takes, and what that leaves of the
 * ring, is what as many calls of viola_ring_pop() would; only the way there is
 * shorter: the shared index is loaded once, descriptors are asked for before the
 * first is used, and so are the buffers themselves; the extent stays in registers;
 * used entries are written in a row, so that each of their lines changes hands once.
 *
 * What a burst took goes back by the two calls above, before any other call for
 * that ring but those that look: a burst is in no queue of in_order.
 */
#ifndef VIOLA_RING_BURST_H
#define VIOLA_RING_BURST_H

#include <viola/ring.h>

struct viola_buf {
	u8 *base; /* all its bytes */
	u32 len; /* bytes; to push_burst of VIOLA_BURST_IN: how many were written */
	u16 id;
};

/* What is in the buffers: for the device to read, or to write. */
enum viola_burst {
	VIOLA_BURST_OUT = 0,
	VIOLA_BURST_IN = VRING_DESC_F_WRITE,
};

#define VIOLA_BURST_FLAGS (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)

/* The extent that the last buffer lay in, at hand. */
struct viola_burst_extent {
	u64 gpa, size;
	u8 *base;
};

static __always_inline struct viola_burst_extent viola_burst_extent(const struct viola_ring *ring)
{
	const struct viola_extent *e;

	if (unlikely(ring->hint >= ring->mem->nr))
		return (struct viola_burst_extent){};
	e = &ring->mem->ext[ring->hint];
	return (struct viola_burst_extent){ e->gpa, e->size, e->base };
}

/* Another extent, that of @addr; one of no bytes where there is none. */
static viola_outline struct viola_burst_extent viola_burst_find(struct viola_ring *ring, u64 addr)
{
	s32 at = viola_mem_find(ring->mem, addr, ring->hint);

	if (at < 0)
		return (struct viola_burst_extent){};
	ring->hint = (u32)at;
	return viola_burst_extent(ring);
}

/* Fills in where @buf lies. False: nowhere, or not in one piece. */
static __always_inline bool viola_burst_map(struct viola_ring *ring,
					    struct viola_burst_extent *ext, u64 addr, u32 len,
					    struct viola_buf *buf)
{
	if (unlikely(!len))
		return false;
	if (unlikely(!viola_within(addr - ext->gpa, len, ext->size))) {
		*ext = viola_burst_find(ring, addr);
		if (!viola_within(addr - ext->gpa, len, ext->size))
			return false;
	}
	buf->base = ext->base + (addr - ext->gpa);
	buf->len = len;
	return true;
}

static __always_inline void viola_burst_prefetch(const struct viola_buf *buf,
						 enum viola_burst kind)
{
	/* The first bytes, wherever a line ends in them. */
	const u8 *last = buf->base + min(buf->len, 64u) - 1;

	if (kind == VIOLA_BURST_IN) {
		viola_prefetchw(buf->base);
		viola_prefetchw(last);
	} else {
		viola_prefetch(buf->base);
		viola_prefetch(last);
	}
}

/* --- split ------------------------------------------------------------------- */

/*
 * As viola_split_look(), for a burst that could take more than the @ready buffers
 * seen so far. An index that makes them fewer, or more than the ring holds, is for
 * a look without them to judge, as it is where they are popped one by one.
 */
static __always_inline int viola_burst_look(struct viola_ring *ring, u32 ready)
{
	u16 idx;
	u32 more;

	if (!ready)
		return viola_split_look(ring);
	/* (A), as in viola_split_look() */
	idx = le16_to_cpu(viola_load_acquire(viola_split_avail_idx(ring)));
	more = (u16)(idx - ring->next_avail);
	if (likely(more >= ready && more <= ring->num))
		ring->avail_seen = idx;
	return 1;
}

static __always_inline int viola_split_pop_burst(struct viola_ring *ring, struct viola_buf *buf,
						 u32 n, enum viola_burst kind)
{
	struct viola_burst_extent ext = viola_burst_extent(ring);
	const struct vring_desc *desc = ring->desc;
	const struct vring_avail *avail = ring->avail;
	bool *in_flight = ring->in_flight;
	u32 ready = (u16)(ring->avail_seen - ring->next_avail), num = ring->num, i;
	u32 most = n;
	u16 at = ring->next_avail;

	if (unlikely(viola_ring_broken(ring)))
		return -EPROTO;
	if (ready < n) {
		int ret = viola_burst_look(ring, ready);

		if (ret <= 0)
			return ret;
		ready = (u16)(ring->avail_seen - at);
		n = min(n, ready);
	}
	for (i = 0; i < n; i++) {
		u16 head = le16_to_cpu((__force __le16)READ_ONCE(
			avail->ring[(at + i) & (num - 1)]));

		if (unlikely(head >= num))
			break;
		buf[i].id = head;
		viola_prefetch(&desc[head]);
	}
	n = i;
	if (unlikely(!n))
		return -EAGAIN;
	if (kind == VIOLA_BURST_IN || !ring->in_order)
		viola_split_prefetch_used(ring, n);
	for (i = 0; i < n; i++) {
		struct viola_desc d = viola_desc_load(&desc[buf[i].id]);

		if (unlikely((d.flags & VIOLA_BURST_FLAGS) != kind || in_flight[buf[i].id] ||
			     !viola_burst_map(ring, &ext, d.addr, d.len, &buf[i])))
			break;
		in_flight[buf[i].id] = true;
		viola_burst_prefetch(&buf[i], kind);
	}
	if (unlikely(!i))
		return -EAGAIN;
	ring->next_avail = (u16)(at + i);
	/* All that was asked for: there is more. It comes while these are worked on. */
	if (i == most)
		viola_split_prefetch(ring, most);
	return (int)i;
}

static __always_inline void viola_split_push_burst(struct viola_ring *ring,
						   const struct viola_buf *buf, u32 n,
						   enum viola_burst kind)
{
	bool one = ring->in_order && kind == VIOLA_BURST_OUT, *in_flight = ring->in_flight;
	struct vring_used *used = ring->used;
	u32 mask = ring->mask, i;
	u16 at = ring->next_used;

	for (i = 0; i < n; i++) {
		struct vring_used_elem *elem = &used->ring[(at + i) & mask];

		in_flight[buf[i].id] = false;
		if (one)
			continue;
		WRITE_ONCE(elem->id, (__force __virtio32)cpu_to_le32(buf[i].id));
		WRITE_ONCE(elem->len, (__force __virtio32)cpu_to_le32(
			kind == VIOLA_BURST_IN ? buf[i].len : 0));
	}
	/* 2.7.9: one entry, in the place of the first, names the last. */
	if (one)
		viola_split_put_used(ring, buf[n - 1].id, 0);
	/* As viola_split_push() has it: what was signalled is no mark once it is passed. */
	if (unlikely((u16)(ring->signalled - at - 1) < n))
		ring->signalled_valid = false;
	ring->next_used = (u16)(at + n);
}

/* --- packed ------------------------------------------------------------------- */

/*
 * How many of the @n descriptors from @d on have these flags: of one lap, so that
 * all that are available have the same. A line of them costs one branch.
 */
static __always_inline u32 viola_packed_alike(const struct vring_packed_desc *d, u32 n, u16 flags)
{
	const u32 mask = VIOLA_PACKED_AVAIL | VIOLA_PACKED_USED | VIOLA_BURST_FLAGS;
	u32 i, k;

	for (i = 0; i + VIOLA_PACKED_LINE <= n; i += VIOLA_PACKED_LINE) {
		u32 odd = 0;

		/* (A), as in viola_packed_flags() */
		for (k = 0; k < VIOLA_PACKED_LINE; k++)
			odd |= le16_to_cpu(viola_load_acquire(&d[i + k].flags)) ^ flags;
		if (odd & mask)
			break;
	}
	while (i < n && !((le16_to_cpu(viola_load_acquire(&d[i].flags)) ^ flags) & mask))
		i++;
	return i;
}

/* Takes the @n descriptors from @d on, which are @kind's by their flags. Returns how many. */
static __always_inline u32 viola_packed_take_burst(struct viola_ring *ring,
						   struct viola_burst_extent *ext,
						   const struct vring_packed_desc *desc,
						   struct viola_buf *buf, u32 n,
						   enum viola_burst kind)
{
	bool *in_flight = ring->in_flight;
	u32 num = ring->num, i;

	for (i = 0; i < n; i++) {
		struct viola_desc d = viola_packed_desc_load(&desc[i]);

		if (unlikely(d.id >= num || in_flight[d.id] ||
			     !viola_burst_map(ring, ext, d.addr, d.len, &buf[i])))
			break;
		in_flight[d.id] = true;
		buf[i].id = d.id;
		viola_burst_prefetch(&buf[i], kind);
	}
	return i;
}

static __always_inline int viola_packed_pop_burst(struct viola_ring *ring, struct viola_buf *buf,
						  u32 n, enum viola_burst kind)
{
	struct viola_burst_extent ext = viola_burst_extent(ring);
	u32 off = ring->next_avail & VIOLA_PACKED_OFFSET, num = ring->num, i = 0;
	u16 want = ring->next_avail & VIOLA_PACKED_WRAP ? VIOLA_PACKED_AVAIL : VIOLA_PACKED_USED;
	bool write = kind == VIOLA_BURST_IN || !ring->in_order;
	int ret = viola_packed_available(ring);
	u32 most = n;

	if (ret <= 0)
		return ret;
	/* Not before: a line that the driver writes to is better left alone. */
	viola_packed_prefetch(ring, n, write);
	n = min(n, num - ring->busy); /* what is available beyond is an error */
	while (i < n) {
		const struct vring_packed_desc *desc = &ring->packed_desc[off];
		u32 part = viola_packed_alike(desc, min(n - i, num - off), (u16)(want | kind));

		part = viola_packed_take_burst(ring, &ext, desc, buf + i, part, kind);
		i += part;
		if (off + part != num)
			break;
		off = 0;
		want ^= VIOLA_PACKED_AVAIL | VIOLA_PACKED_USED;
	}
	if (unlikely(!i))
		return -EAGAIN;
	ring->busy += i;
	ring->ahead -= min(ring->ahead, i);
	ring->next_avail = viola_packed_advance(ring, ring->next_avail, i);
	/* All that was asked for: there is more. It comes while these are worked on. */
	if (i == most)
		viola_packed_prefetch(ring, most, write);
	return (int)i;
}

/* viola_packed_push() for @n buffers of one entry each, with the same result. */
static __always_inline void viola_packed_put_burst(struct viola_ring *ring,
						   const struct viola_buf *buf, u32 n,
						   enum viola_burst kind)
{
	const u64 toggle = (u64)(VIOLA_PACKED_AVAIL | VIOLA_PACKED_USED) << 48;
	const u64 wrote = (u64)VRING_DESC_F_WRITE << 48;
	bool *in_flight = ring->in_flight;
	struct vring_packed_desc *d, *end = ring->packed_desc + ring->num;
	u64 flags;
	u32 i = 0;

	/* The first of what is to be published, and what the ring remembers of it. */
	if (!ring->unpublished) {
		in_flight[buf[0].id] = false;
		viola_packed_put_used(ring, buf[0].id, kind == VIOLA_BURST_IN ? buf[0].len : 0, 1);
		i = 1;
	}
	d = ring->packed_desc + (ring->next_used & VIOLA_PACKED_OFFSET);
	flags = ring->next_used & VIOLA_PACKED_WRAP ? toggle : 0;
	ring->next_used = viola_packed_advance(ring, ring->next_used, n - i);
	ring->busy -= n - i;
	if (likely(ring->unsignalled < 2 * ring->num))
		ring->unsignalled += n - i;
	for (; i < n; i++) {
		u32 len = kind == VIOLA_BURST_IN ? buf[i].len : 0;
		u64 *tail = (u64 *)d + 1; /* length, id, flags */

		in_flight[buf[i].id] = false;
		WRITE_ONCE(*tail, (__force u64)cpu_to_le64(len | (u64)buf[i].id << 32 | flags |
							   (len ? wrote : 0)));
		if (unlikely(++d == end)) {
			d = ring->packed_desc;
			flags ^= toggle;
		}
	}
}

static __always_inline void viola_packed_push_burst(struct viola_ring *ring,
						    const struct viola_buf *buf, u32 n,
						    enum viola_burst kind)
{
	bool *in_flight = ring->in_flight;
	u32 i;

	if (!ring->in_order || kind == VIOLA_BURST_IN) {
		viola_packed_put_burst(ring, buf, n, kind);
		return;
	}
	for (i = 0; i < n; i++)
		in_flight[buf[i].id] = false;
	/* 2.8.12: one descriptor, in the place of the first, names the last. */
	viola_packed_put_used(ring, buf[n - 1].id, 0, n);
}

/* --- either -------------------------------------------------------------------- */

/* Whether bursts may be taken now: nothing is queued, or to be taken again. */
static __always_inline bool viola_burst_allowed(const struct viola_ring *ring)
{
	return likely(!(viola_ring_variant(ring) & VIOLA_RING_QUEUED)) ||
	       (!ring->inflight && !ring->order_count);
}

/*
 * Takes up to @n, at least 1, of the next available buffers, all plain ones of
 * @kind, into @buf. Returns how many; 0 if none is available; -EAGAIN if the
 * next one is for viola_ring_pop(); -EPROTO if the ring is broken.
 */
static __always_inline int viola_ring_pop_burst(struct viola_ring *ring, struct viola_buf *buf,
						u32 n, enum viola_burst kind)
{
	if (unlikely(!viola_burst_allowed(ring)))
		return -EAGAIN;
	return viola_ring_is_packed(ring) ? viola_packed_pop_burst(ring, buf, n, kind) :
					    viola_split_pop_burst(ring, buf, n, kind);
}

/*
 * Marks the @n oldest buffers of a burst of @kind used, @buf[0] the oldest; those
 * of VIOLA_BURST_IN with buf[].len bytes written. Not yet visible.
 */
static __always_inline void viola_ring_push_burst(struct viola_ring *ring,
						  const struct viola_buf *buf, u32 n,
						  enum viola_burst kind)
{
	if (unlikely(!n))
		return;
	if (viola_ring_is_packed(ring))
		viola_packed_push_burst(ring, buf, n, kind);
	else
		viola_split_push_burst(ring, buf, n, kind);
}

/* Gives the @n newest buffers of a burst back, @buf[n - 1] the newest of all. */
static inline void viola_ring_unpop_burst(struct viola_ring *ring, const struct viola_buf *buf,
					  u32 n)
{
	while (n--) {
		if (viola_ring_is_packed(ring))
			viola_packed_unpop(ring, buf[n].id, 1);
		else
			viola_split_unpop(ring, buf[n].id, 1);
	}
}

#endif
