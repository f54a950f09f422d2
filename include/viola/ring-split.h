/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The split virtqueue (virtio 1.2, 2.7), behind the interface and under the
 * memory-ordering contract of ring.h. Include that, not this.
 */
#ifndef VIOLA_RING_SPLIT_H
#define VIOLA_RING_SPLIT_H

/* Breaks the ring; the first cause stays. Always -EPROTO. */
static inline int viola_ring_fail(struct viola_ring *ring, enum viola_ring_error error)
{
	if (ring->error == VIOLA_RING_OK)
		ring->error = error;
	return -EPROTO;
}

static inline bool viola_ring_in_flight(const struct viola_ring *ring, u16 id)
{
	return ring->in_flight[id / 64] >> (id % 64) & 1;
}

static inline void viola_ring_set_in_flight(struct viola_ring *ring, u16 id)
{
	ring->in_flight[id / 64] |= 1ull << (id % 64);
}

static inline void viola_ring_clear_in_flight(struct viola_ring *ring, u16 id)
{
	ring->in_flight[id / 64] &= ~(1ull << (id % 64));
}

/*
 * The event fields lie behind the rings' entries (2.7.6, 2.7.8), past what
 * the uapi structures declare.
 */
static inline __le16 *viola_split_used_event(const struct viola_ring *ring)
{
	return (__le16 *)((u8 *)ring->avail + 4 + 2 * (size_t)ring->num);
}

static inline __le16 *viola_split_avail_event(const struct viola_ring *ring)
{
	return (__le16 *)((u8 *)ring->used + 4 + 8 * (size_t)ring->num);
}

static inline __le16 *viola_split_avail_idx(const struct viola_ring *ring)
{
	return (__le16 *)((u8 *)ring->avail + 2);
}

static inline __le16 *viola_split_used_idx(const struct viola_ring *ring)
{
	return (__le16 *)((u8 *)ring->used + 2);
}

static inline int viola_split_init(struct viola_ring *ring, const struct viola_ring_config *cfg)
{
	if (!viola_ring_num_valid(cfg->num) || (uintptr_t)cfg->desc % 16 ||
	    (uintptr_t)cfg->driver % 2 || (uintptr_t)cfg->device % 4)
		return -EINVAL;
	memset(ring, 0, sizeof(*ring));
	memset(cfg->in_flight, 0, viola_ring_in_flight_words(cfg->num) * sizeof(u64));
	ring->desc = cfg->desc;
	ring->avail = cfg->driver;
	ring->used = cfg->device;
	ring->mem = cfg->mem;
	ring->in_flight = cfg->in_flight;
	ring->num = cfg->num;
	ring->mask = (u16)(cfg->num - 1);
	ring->event_idx = cfg->event_idx;
	ring->indirect = cfg->indirect;
	return 0;
}

static inline void viola_split_set_base(struct viola_ring *ring, u16 next_avail)
{
	ring->next_avail = next_avail;
	ring->avail_seen = next_avail;
	ring->next_used = le16_to_cpu(READ_ONCE(*viola_split_used_idx(ring)));
	ring->signalled_valid = false;
}

/* Refreshes avail_seen. 1: something is available; 0: nothing; -EPROTO. */
static inline int viola_split_look(struct viola_ring *ring)
{
	/* (A) pairs with the driver's barrier before its write of avail->idx. */
	u16 idx = le16_to_cpu(viola_load_acquire(viola_split_avail_idx(ring)));

	if (unlikely((u16)(idx - ring->next_avail) > ring->num))
		return viola_ring_fail(ring, VIOLA_RING_AVAIL_INDEX);
	ring->avail_seen = idx;
	return idx != ring->next_avail;
}

static inline int viola_split_available(struct viola_ring *ring)
{
	if (unlikely(viola_ring_broken(ring)))
		return -EPROTO;
	if (ring->avail_seen != ring->next_avail)
		return 1;
	return viola_split_look(ring);
}

/* One descriptor, loaded once. */
struct viola_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
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

/*
 * A chain while it is walked. The counts live in a local, not in the caller's
 * chain: a store to a piece could change the latter for all the compiler knows,
 * and it would load and store them around each descriptor.
 */
struct viola_walk {
	struct viola_seg *seg; /* room for .room pieces more */
	u64 *seg_gpa;
	u32 room;
	u32 nout, nin;
	u32 out_len, in_len;
};

/* Adds the bytes that @d describes to @walk. */
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

		if (unlikely(ret < 0))
			return viola_ring_fail(ring, ret == -EFAULT ? VIOLA_RING_ADDRESS :
								      VIOLA_RING_TOO_LONG);
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
 * Walks the indirect table that @table describes (2.7.5.3). Bounded by the
 * table's own length; the table is read in place, or piecewise where it
 * crosses extents or is not aligned for the loads.
 */
static __always_inline int viola_walk_indirect(struct viola_ring *ring, struct viola_walk *walk,
					       const struct viola_desc *table)
{
	const u8 *mapped = NULL;
	u32 count = table->len / 16, index = 0, seen;
	s32 at;

	if (unlikely(!ring->indirect))
		return viola_ring_fail(ring, VIOLA_RING_INDIRECT_OFF);
	/* 2.7.5.3.1; the device ignores WRITE on the descriptor itself. */
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
			d = viola_desc_load(mapped + 16 * (size_t)index);
		} else {
			u64 copy[2];

			err = viola_mem_read(ring->mem, &ring->table_hint,
					     table->addr + 16ull * index, copy, sizeof(copy));
			if (unlikely(err))
				return viola_ring_fail(ring, VIOLA_RING_ADDRESS);
			d = viola_desc_load(copy);
		}
		if (unlikely(d.flags & VRING_DESC_F_INDIRECT))
			return viola_ring_fail(ring, VIOLA_RING_INDIRECT_NESTED);
		err = viola_walk_add(ring, walk, d);
		if (unlikely(err))
			return err;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		if (unlikely(d.next >= count))
			return viola_ring_fail(ring, VIOLA_RING_NEXT_RANGE);
		index = d.next;
	}
	return viola_ring_fail(ring, VIOLA_RING_CHAIN_LOOP);
}

/* Walks the chain that starts at descriptor @index, below num. */
static __always_inline int viola_split_walk(struct viola_ring *ring, struct viola_walk *walk,
					    u16 index)
{
	u32 seen;

	for (seen = 0; seen < ring->num; seen++) {
		struct viola_desc d = viola_desc_load(&ring->desc[index]);
		int err;

		/* An indirect descriptor may end a direct chain (2.7.5.3.2). */
		if (d.flags & VRING_DESC_F_INDIRECT)
			return viola_walk_indirect(ring, walk, &d);
		err = viola_walk_add(ring, walk, d);
		if (unlikely(err))
			return err;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		if (unlikely(d.next >= ring->num))
			return viola_ring_fail(ring, VIOLA_RING_NEXT_RANGE);
		index = d.next;
	}
	return viola_ring_fail(ring, VIOLA_RING_CHAIN_LOOP);
}

static inline int viola_split_pop(struct viola_ring *ring, struct viola_chain *chain)
{
	struct viola_walk walk = {
		.seg = chain->seg,
		.seg_gpa = chain->seg_gpa,
		.room = chain->seg_max,
	};
	int ret = viola_split_available(ring);
	u16 head;

	if (ret <= 0)
		return ret;
	head = le16_to_cpu((__force __le16)READ_ONCE(
		ring->avail->ring[ring->next_avail & ring->mask]));
	if (unlikely(head >= ring->num))
		return viola_ring_fail(ring, VIOLA_RING_HEAD_RANGE);
	if (unlikely(viola_ring_in_flight(ring, head)))
		return viola_ring_fail(ring, VIOLA_RING_HEAD_IN_FLIGHT);

	ret = viola_split_walk(ring, &walk, head);
	if (unlikely(ret))
		return ret;
	chain->id = head;
	chain->slots = 1;
	chain->nout = walk.nout;
	chain->nin = walk.nin;
	chain->out_len = walk.out_len;
	chain->in_len = walk.in_len;
	viola_ring_set_in_flight(ring, head);
	ring->next_avail++;
	return 1;
}

static inline void viola_split_unpop(struct viola_ring *ring, u16 id, u16 slots)
{
	viola_ring_clear_in_flight(ring, id);
	ring->next_avail -= slots;
}

static inline void viola_split_push(struct viola_ring *ring, u16 id, u32 written)
{
	struct vring_used_elem *elem = &ring->used->ring[ring->next_used & ring->mask];

	viola_ring_clear_in_flight(ring, id);
	WRITE_ONCE(elem->id, (__force __virtio32)cpu_to_le32(id));
	WRITE_ONCE(elem->len, (__force __virtio32)cpu_to_le32(written));
	ring->next_used++;
	/* Once round without a needs_call(): what was signalled is no mark now. */
	if (unlikely(ring->next_used == ring->signalled))
		ring->signalled_valid = false;
}

static inline void viola_split_publish(struct viola_ring *ring)
{
	/* (B) pairs with the driver's barrier after its read of used->idx. */
	viola_store_release(viola_split_used_idx(ring), cpu_to_le16(ring->next_used));
}

static inline bool viola_split_needs_call(struct viola_ring *ring)
{
	u16 event, before = ring->signalled;
	bool known = ring->signalled_valid;

	/* What was asked for before and found unwanted stays so: no barrier. */
	if (known && ring->next_used == before)
		return false;
	ring->signalled = ring->next_used;
	ring->signalled_valid = true;
	/* (D) the publish before, the driver's event field after. */
	viola_mb();
	if (!ring->event_idx)
		return !(le16_to_cpu((__force __le16)READ_ONCE(ring->avail->flags)) &
			 VRING_AVAIL_F_NO_INTERRUPT);
	if (unlikely(!known))
		return true;
	event = le16_to_cpu(READ_ONCE(*viola_split_used_event(ring)));
	/* 2.7.7.2: was the entry that event names among those just published? */
	return (u16)(ring->next_used - event - 1) < (u16)(ring->next_used - before);
}

/* Asks for a kick at entry @at, then looks again: as viola_split_look(). */
static inline int viola_split_ask_kick(struct viola_ring *ring, u16 at)
{
	if (unlikely(viola_ring_broken(ring)))
		return -EPROTO;
	if (ring->event_idx)
		WRITE_ONCE(*viola_split_avail_event(ring), cpu_to_le16(at));
	else
		WRITE_ONCE(ring->used->flags, 0);
	/* (C) the request for a kick before, the driver's index after. */
	viola_mb();
	return viola_split_look(ring);
}

static inline int viola_split_enable_kick(struct viola_ring *ring)
{
	return viola_split_ask_kick(ring, ring->next_avail);
}

static inline int viola_split_enable_kick_more(struct viola_ring *ring)
{
	u16 seen = ring->avail_seen;
	int ret = viola_split_ask_kick(ring, seen);

	return ret < 0 ? ret : ring->avail_seen != seen;
}

static inline void viola_split_disable_kick(struct viola_ring *ring)
{
	/*
	 * With event indices the last avail_event is already behind: it asks
	 * for one kick per 65536 buffers, which is cheaper than a write here.
	 */
	if (!ring->event_idx)
		WRITE_ONCE(ring->used->flags,
			   (__force __virtio16)cpu_to_le16(VRING_USED_F_NO_NOTIFY));
}

#endif
