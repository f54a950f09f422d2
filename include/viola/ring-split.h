/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The split virtqueue (virtio 1.2, 2.7), behind the interface and under the
 * memory-ordering contract of ring.h. Include that, not this.
 */
#ifndef VIOLA_RING_SPLIT_H
#define VIOLA_RING_SPLIT_H

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
			return viola_walk_indirect(ring, walk, &d, false);
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

/* Loads and checks the next available head. 1: *@head is it; 0: none; -EPROTO. */
static __always_inline int viola_split_head(struct viola_ring *ring, u16 *head)
{
	int ret = viola_split_available(ring);

	if (ret <= 0)
		return ret;
	*head = le16_to_cpu((__force __le16)READ_ONCE(
		ring->avail->ring[ring->next_avail & ring->mask]));
	if (unlikely(*head >= ring->num))
		return viola_ring_fail(ring, VIOLA_RING_HEAD_RANGE);
	if (unlikely(viola_ring_in_flight(ring, *head)))
		return viola_ring_fail(ring, VIOLA_RING_HEAD_IN_FLIGHT);
	return 1;
}

/*
 * Takes the next chain, with its pieces or without a look at them. In line, as
 * the calls below are each in one place of a device, and of ring-queue.h: the
 * compiler keeps what they work on in registers there.
 */
static __always_inline int viola_split_pop_as(struct viola_ring *ring, struct viola_chain *chain,
					      bool look)
{
	struct viola_walk walk = viola_walk_start(ring, chain);
	u16 head;
	int ret = viola_split_head(ring, &head);

	if (ret <= 0)
		return ret;
	if (look) {
		ret = viola_split_walk(ring, &walk, head);
		if (unlikely(ret))
			return ret;
	}
	viola_walk_take(ring, chain, &walk, head, 1);
	ring->next_avail++;
	return 1;
}

static inline int viola_split_pop(struct viola_ring *ring, struct viola_chain *chain)
{
	return viola_split_pop_as(ring, chain, true);
}

static inline int viola_split_skip(struct viola_ring *ring, struct viola_chain *chain)
{
	return viola_split_pop_as(ring, chain, false);
}

static inline void viola_split_unpop(struct viola_ring *ring, u16 id, u16 slots)
{
	viola_ring_clear_in_flight(ring, id);
	ring->next_avail -= slots;
}

/* Writes the used entry of @id, not yet visible. */
static __always_inline void viola_split_put_used(struct viola_ring *ring, u16 id, u32 written)
{
	struct vring_used_elem *elem = &ring->used->ring[ring->next_used & ring->mask];

	WRITE_ONCE(elem->id, (__force __virtio32)cpu_to_le32(id));
	WRITE_ONCE(elem->len, (__force __virtio32)cpu_to_le32(written));
}

static inline void viola_split_push(struct viola_ring *ring, u16 id, u32 written)
{
	viola_split_put_used(ring, id, written);
	viola_ring_clear_in_flight(ring, id);
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
	if (unlikely(ring->notify_on_empty) && ring->avail_seen == ring->next_avail)
		return true;
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

static inline void viola_split_prefetch(const struct viola_ring *ring, u32 n)
{
	u16 at = ring->next_avail;

	for (; n && at != ring->avail_seen; n--, at++) {
		u16 head = le16_to_cpu((__force __le16)READ_ONCE(
			ring->avail->ring[at & ring->mask]));

		viola_prefetch(&ring->desc[head & ring->mask]);
	}
}

#define VIOLA_SPLIT_USED_LINE 8u /* used entries in a cache line */

/* Asks for the lines of the next @n used entries, up to the wrap: to write to them. */
static __always_inline void viola_split_prefetch_used(const struct viola_ring *ring, u32 n)
{
	u32 at = ring->next_used & ring->mask, end = min(at + n, ring->num);

	for (; at < end; at += VIOLA_SPLIT_USED_LINE)
		viola_prefetchw(&ring->used->ring[at]);
}

static inline u32 viola_split_used_spans(const struct viola_ring *ring, u16 since,
					 struct viola_ring_span *span)
{
	u32 n = (u16)(ring->next_used - since), start = since & ring->mask, nr = 0, part;

	if (!n)
		return 0;
	n = min(n, ring->num);
	part = min(n, ring->num - start);
	span[nr++] = (struct viola_ring_span){ .off = 4 + 8ull * start, .len = 8ull * part };
	if (part < n)
		span[nr++] = (struct viola_ring_span){ .off = 4, .len = 8ull * (n - part) };
	span[nr++] = (struct viola_ring_span){ .off = 2, .len = 2 };
	return nr;
}

#endif
