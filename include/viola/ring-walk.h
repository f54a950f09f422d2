/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Chains of descriptors, for every layout: what a descriptor says, the pieces
 * of a chain while it is walked, indirect tables, and which buffers are in
 * flight. Include ring.h, not this.
 */
#ifndef VIOLA_RING_WALK_H
#define VIOLA_RING_WALK_H

/* Breaks the ring; the first cause stays. Always -EPROTO. */
static inline int viola_ring_fail(struct viola_ring *ring, enum viola_ring_error error)
{
	if (ring->error == VIOLA_RING_OK)
		ring->error = error;
	return -EPROTO;
}

static inline bool viola_ring_in_flight(const struct viola_ring *ring, u16 id)
{
	return ring->in_flight[id];
}

static inline void viola_ring_set_in_flight(struct viola_ring *ring, u16 id)
{
	ring->in_flight[id] = true;
}

static inline void viola_ring_clear_in_flight(struct viola_ring *ring, u16 id)
{
	ring->in_flight[id] = false;
}

/* One descriptor, loaded once. */
struct viola_desc {
	u64 addr;
	u32 len;
	u16 flags;
	union {
		u16 next; /* split */
		u16 id; /* packed: of the buffer, in its last descriptor */
	};
};

/*
 * Two 64-bit loads instead of four: the fields cannot tear against each
 * other in a way that matters, as each is checked on its own.
 */
static inline struct viola_desc viola_desc_load(const void *at)
{
	const u64 *word = at;
	u64 lo = le64_to_cpu((__force __le64)READ_ONCE(word[0]));
	u64 hi = le64_to_cpu((__force __le64)READ_ONCE(word[1]));

	return (struct viola_desc){
		.addr = lo,
		.len = (u32)hi,
		.flags = (u16)(hi >> 32),
		.next = (u16)(hi >> 48),
	};
}

/* The same of the packed layout (2.8.5), where the two last fields change places. */
static inline struct viola_desc viola_packed_desc_load(const void *at)
{
	struct viola_desc d = viola_desc_load(at);

	return (struct viola_desc){ .addr = d.addr, .len = d.len, .id = d.flags, .flags = d.next };
}

/*
 * A chain while it is walked. The counts live in a local, not in the caller's
 * chain: a store to a piece could change the latter for all the compiler knows,
 * and it would load and store them around each descriptor.
 */
struct viola_walk {
	struct viola_seg *seg; /* room for .room pieces more */
	u64 *seg_gpa;
	u32 room;
	u32 most; /* descriptors in an indirect table */
	u32 nout, nin;
	u32 out_len, in_len;
};

/* Adds the bytes that @d describes to @walk. -EPROTO, or -ENOBUFS for want of room. */
static __always_inline int viola_walk_add(struct viola_ring *ring, struct viola_walk *walk,
					  struct viola_desc d)
{
	bool in = d.flags & VRING_DESC_F_WRITE;
	u32 n;

	if (unlikely(!in && walk->nin))
		return viola_ring_fail(ring, VIOLA_RING_ORDER);
	if (unlikely(d.len > ~(in ? walk->in_len : walk->out_len)))
		return viola_ring_fail(ring, VIOLA_RING_TOO_LONG);
	if (likely(viola_mem_seg(ring->mem, ring->hint, d.addr, d.len, walk->seg, walk->room))) {
		if (walk->seg_gpa)
			*walk->seg_gpa = d.addr;
		n = 1;
	} else {
		int ret = viola_mem_segs(ring->mem, &ring->hint, d.addr, d.len, walk->seg,
					 walk->seg_gpa, walk->room);

		if (unlikely(ret == -EFAULT))
			return viola_ring_fail(ring, VIOLA_RING_ADDRESS);
		if (unlikely(ret < 0))
			return ret;
		n = (u32)ret;
	}
	walk->seg += n;
	if (walk->seg_gpa)
		walk->seg_gpa += n;
	walk->room -= n;
	if (in) {
		walk->nin += n;
		walk->in_len += d.len;
	} else {
		walk->nout += n;
		walk->out_len += d.len;
	}
	return 0;
}

/*
 * Walks the indirect table that @table describes: one whose descriptors name
 * their successors (2.7.5.3), or with @packed one whose descriptors are used
 * all, in the order they lie in (2.8.7). It is read in place, or piecewise where
 * it crosses extents or is not aligned for the loads. @packed is a constant
 * wherever this is called, so that each layout has a loop of its own.
 *
 * Bounded by the table's own length, and by walk->most: empty descriptors take
 * no room for pieces, but time.
 */
static __always_inline int viola_walk_indirect(struct viola_ring *ring, struct viola_walk *walk,
					       const struct viola_desc *table, bool packed)
{
	const u8 *mapped = NULL;
	u32 count = table->len / 16, index = 0, seen;
	s32 at;

	if (unlikely(!ring->indirect))
		return viola_ring_fail(ring, VIOLA_RING_INDIRECT_OFF);
	/* 2.7.5.3.1, 2.8.19; the device ignores WRITE on the descriptor itself. */
	if (unlikely(table->flags & VRING_DESC_F_NEXT))
		return viola_ring_fail(ring, VIOLA_RING_INDIRECT_NEXT);
	if (unlikely(!count || table->len % 16 || count > VIOLA_RING_MAX_SIZE))
		return viola_ring_fail(ring, VIOLA_RING_INDIRECT_SIZE);

	at = viola_mem_find(ring->mem, table->addr, ring->table_hint);
	if (unlikely(at < 0))
		return viola_ring_fail(ring, VIOLA_RING_ADDRESS);
	ring->table_hint = (u32)at;
	if (likely(viola_within(table->addr - ring->mem->ext[at].gpa, table->len,
				ring->mem->ext[at].size))) {
		mapped = ring->mem->ext[at].base + (table->addr - ring->mem->ext[at].gpa);
		/* For the loads' sake: an extent need not be aligned as its gpa. */
		if (unlikely((uintptr_t)mapped % 8))
			mapped = NULL;
	}

	for (seen = 0; seen < count; seen++) {
		struct viola_desc d;
		int err;

		if (likely(mapped)) {
			const u8 *entry = mapped + 16 * (size_t)index;

			d = packed ? viola_packed_desc_load(entry) : viola_desc_load(entry);
		} else {
			u64 copy[2];

			err = viola_mem_read(ring->mem, &ring->table_hint,
					     table->addr + 16ull * index, copy, sizeof(copy));
			if (unlikely(err))
				return viola_ring_fail(ring, VIOLA_RING_ADDRESS);
			d = packed ? viola_packed_desc_load(copy) : viola_desc_load(copy);
		}
		if (unlikely(d.flags & VRING_DESC_F_INDIRECT))
			return viola_ring_fail(ring, VIOLA_RING_INDIRECT_NESTED);
		err = viola_walk_add(ring, walk, d);
		if (unlikely(err))
			return err;
		/* Behind the room: what fills it is not too long, but too much. */
		if (unlikely(seen == walk->most))
			return viola_ring_fail(ring, VIOLA_RING_TOO_LONG);
		if (packed) {
			index++; /* NEXT means nothing here */
			continue;
		}
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		if (unlikely(d.next >= count))
			return viola_ring_fail(ring, VIOLA_RING_NEXT_RANGE);
		index = d.next;
	}
	if (packed)
		return 0;
	return viola_ring_fail(ring, VIOLA_RING_CHAIN_LOOP);
}

/* A chain's end: @chain is what @walk found, under @id, and now in flight. */
static __always_inline void viola_walk_take(struct viola_ring *ring, struct viola_chain *chain,
					    const struct viola_walk *walk, u16 id, u16 slots)
{
	chain->id = id;
	chain->slots = slots;
	chain->nout = walk->nout;
	chain->nin = walk->nin;
	chain->out_len = walk->out_len;
	chain->in_len = walk->in_len;
	viola_ring_set_in_flight(ring, id);
}

/* What to walk @chain with: all of its room. */
static __always_inline struct viola_walk viola_walk_start(const struct viola_ring *ring,
							  const struct viola_chain *chain)
{
	return (struct viola_walk){
		.seg = chain->seg,
		.seg_gpa = chain->seg_gpa,
		.room = chain->seg_max,
		/* What virtio allows, or what the device takes: the larger. */
		.most = max(ring->num, chain->seg_max),
	};
}

#endif
