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
 * first is used, and so are the buffers themselves; what is kept by extent and by
 * word of in-flight bits stays in registers; used entries are written in a row,
 * so that each of their lines changes hands once.
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

/* Fills in where @buf lies. False: nowhere, or not in one piece. */
static __always_inline bool viola_burst_map(struct viola_ring *ring,
					    struct viola_burst_extent *ext, u64 addr, u32 len,
					    struct viola_buf *buf)
{
	if (unlikely(!viola_within(addr - ext->gpa, len, ext->size))) {
		s32 at = viola_mem_find(ring->mem, addr, ring->hint);

		if (at < 0)
			return false;
		ring->hint = (u32)at;
		*ext = viola_burst_extent(ring);
		if (!viola_within(addr - ext->gpa, len, ext->size))
			return false;
	}
	buf->base = ext->base + (addr - ext->gpa);
	buf->len = len;
	return len;
}

/* One word of the in-flight bits, at hand. */
struct viola_burst_word {
	u32 at;
	u64 bits;
};

static __always_inline struct viola_burst_word viola_burst_word(const struct viola_ring *ring,
								u16 id)
{
	return (struct viola_burst_word){ id / 64, ring->in_flight[id / 64] };
}

static __always_inline void viola_burst_word_end(struct viola_ring *ring,
						 const struct viola_burst_word *w)
{
	ring->in_flight[w->at] = w->bits;
}

/* The bit of @id, whose word is then at hand. */
static __always_inline u64 viola_burst_bit(struct viola_ring *ring, struct viola_burst_word *w,
					   u16 id)
{
	if (unlikely(id / 64 != w->at)) {
		viola_burst_word_end(ring, w);
		*w = viola_burst_word(ring, id);
	}
	return 1ull << (id % 64);
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
	struct viola_burst_word word;
	u32 ready = (u16)(ring->avail_seen - ring->next_avail), num = ring->num, i;
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
	word = viola_burst_word(ring, buf[0].id);
	for (i = 0; i < n; i++) {
		struct viola_desc d = viola_desc_load(&desc[buf[i].id]);
		u64 bit = viola_burst_bit(ring, &word, buf[i].id);

		if (unlikely((d.flags & VIOLA_BURST_FLAGS) != kind || word.bits & bit ||
			     !viola_burst_map(ring, &ext, d.addr, d.len, &buf[i])))
			break;
		word.bits |= bit;
		viola_burst_prefetch(&buf[i], kind);
	}
	viola_burst_word_end(ring, &word);
	if (unlikely(!i))
		return -EAGAIN;
	ring->next_avail = (u16)(at + i);
	return (int)i;
}

static __always_inline void viola_split_push_burst(struct viola_ring *ring,
						   const struct viola_buf *buf, u32 n,
						   enum viola_burst kind)
{
	struct viola_burst_word word = viola_burst_word(ring, buf[0].id);
	bool one = ring->in_order && kind == VIOLA_BURST_OUT;
	struct vring_used *used = ring->used;
	u32 mask = ring->mask, i;
	u16 at = ring->next_used;

	for (i = 0; i < n; i++) {
		struct vring_used_elem *elem = &used->ring[(at + i) & mask];
		u64 bit = viola_burst_bit(ring, &word, buf[i].id);

		word.bits &= ~bit;
		if (one)
			continue;
		WRITE_ONCE(elem->id, (__force __virtio32)cpu_to_le32(buf[i].id));
		WRITE_ONCE(elem->len, (__force __virtio32)cpu_to_le32(
			kind == VIOLA_BURST_IN ? buf[i].len : 0));
	}
	viola_burst_word_end(ring, &word);
	/* 2.7.9: one entry, in the place of the first, names the last. */
	if (one)
		viola_split_put_used(ring, buf[n - 1].id, 0);
	/* As viola_split_push() has it: what was signalled is no mark once it is passed. */
	if (unlikely((u16)(ring->signalled - at - 1) < n))
		ring->signalled_valid = false;
	ring->next_used = (u16)(at + n);
}

/* --- packed ------------------------------------------------------------------- */

static __always_inline int viola_packed_pop_burst(struct viola_ring *ring, struct viola_buf *buf,
						  u32 n, enum viola_burst kind)
{
	struct viola_burst_extent ext = viola_burst_extent(ring);
	struct viola_burst_word word = { 0, ring->in_flight[0] };
	u32 off = ring->next_avail & VIOLA_PACKED_OFFSET, num = ring->num, i;
	u16 want = ring->next_avail & VIOLA_PACKED_WRAP ? VIOLA_PACKED_AVAIL : VIOLA_PACKED_USED;
	const struct vring_packed_desc *desc = ring->packed_desc;

	if (unlikely(viola_ring_broken(ring)))
		return -EPROTO;
	n = min(n, num - ring->busy);
	if (unlikely(!n)) /* what is available now is an error */
		return viola_packed_available(ring) ? -EAGAIN : 0;
	for (i = 0; i < n; i++) {
		const struct vring_packed_desc *at = &desc[off];
		/* (A), as in viola_packed_flags() */
		u16 flags = le16_to_cpu(viola_load_acquire(&at->flags));
		struct viola_desc d;
		u64 bit;

		if ((flags & (VIOLA_PACKED_AVAIL | VIOLA_PACKED_USED)) != want) {
			if (!i)
				return 0;
			break;
		}
		/* Not before: a line that the driver writes to is better left alone. */
		if (!i)
			viola_packed_prefetch(ring, n);
		d = viola_packed_desc_load(at);
		if (unlikely((flags & VIOLA_BURST_FLAGS) != kind || d.id >= num))
			break;
		bit = viola_burst_bit(ring, &word, d.id);
		if (unlikely(word.bits & bit ||
			     !viola_burst_map(ring, &ext, d.addr, d.len, &buf[i])))
			break;
		word.bits |= bit;
		buf[i].id = d.id;
		viola_burst_prefetch(&buf[i], kind);
		if (unlikely(++off == num)) {
			off = 0;
			want ^= VIOLA_PACKED_AVAIL | VIOLA_PACKED_USED;
		}
	}
	viola_burst_word_end(ring, &word);
	if (unlikely(!i))
		return -EAGAIN;
	ring->busy += i;
	ring->ahead -= min(ring->ahead, i);
	ring->next_avail = viola_packed_advance(ring, ring->next_avail, i);
	return (int)i;
}

/* viola_packed_put_used() for @n buffers of one entry each, with the same result. */
static __always_inline void viola_packed_put_burst(struct viola_ring *ring,
						   const struct viola_buf *buf, u32 n,
						   enum viola_burst kind)
{
	struct vring_packed_desc *desc = ring->packed_desc;
	u32 off = ring->next_used & VIOLA_PACKED_OFFSET, num = ring->num, i = 0;
	u16 used = ring->next_used & VIOLA_PACKED_WRAP ?
			   VIOLA_PACKED_AVAIL | VIOLA_PACKED_USED : 0;

	/* The first of what is to be published, and what the ring remembers of it. */
	if (!ring->unpublished) {
		viola_packed_put_used(ring, buf[0].id, kind == VIOLA_BURST_IN ? buf[0].len : 0, 1);
		off = ring->next_used & VIOLA_PACKED_OFFSET;
		if (unlikely(!off))
			used ^= VIOLA_PACKED_AVAIL | VIOLA_PACKED_USED;
		i = 1;
	}
	ring->next_used = viola_packed_advance(ring, ring->next_used, n - i);
	ring->busy -= n - i;
	if (likely(ring->unsignalled < 2 * num))
		ring->unsignalled += n - i;
	for (; i < n; i++) {
		u32 len = kind == VIOLA_BURST_IN ? buf[i].len : 0;
		u16 flags = (u16)(used | (len ? VRING_DESC_F_WRITE : 0));
		u64 *tail = (u64 *)&desc[off] + 1; /* length, id, flags */

		WRITE_ONCE(*tail, (__force u64)cpu_to_le64(len | (u64)buf[i].id << 32 |
							   (u64)flags << 48));
		if (unlikely(++off == num)) {
			off = 0;
			used ^= VIOLA_PACKED_AVAIL | VIOLA_PACKED_USED;
		}
	}
}

static __always_inline void viola_packed_push_burst(struct viola_ring *ring,
						    const struct viola_buf *buf, u32 n,
						    enum viola_burst kind)
{
	struct viola_burst_word word = viola_burst_word(ring, buf[0].id);
	u32 i;

	for (i = 0; i < n; i++) {
		u64 bit = viola_burst_bit(ring, &word, buf[i].id);

		word.bits &= ~bit;
	}
	viola_burst_word_end(ring, &word);
	/* 2.8.12: one descriptor, in the place of the first, names the last. */
	if (ring->in_order && kind == VIOLA_BURST_OUT)
		viola_packed_put_used(ring, buf[n - 1].id, 0, n);
	else
		viola_packed_put_burst(ring, buf, n, kind);
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
