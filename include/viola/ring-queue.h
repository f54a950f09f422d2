/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Used buffers in a queue until publish, for both layouts. With in_order it
 * holds what was popped: a buffer waits for those before it, and several may
 * share one used entry. With an in-flight region alone it holds what was pushed:
 * what is given back is noted there as one batch. Include ring.h, not this.
 *
 * The queue is record[].order, num places from order_head round and round. An id
 * is in it once at most, as its in-flight mark stays until it leaves.
 */
#ifndef VIOLA_RING_QUEUE_H
#define VIOLA_RING_QUEUE_H

static inline struct viola_ring_record *viola_queued_at(const struct viola_ring *ring, u32 i)
{
	u32 place = ring->order_head + i;

	return &ring->record[place < ring->num ? place : place - ring->num];
}

static inline void viola_queued_add(struct viola_ring *ring, u16 id)
{
	viola_queued_at(ring, ring->order_count++)->order = id;
}

static inline void viola_queued_took(struct viola_ring *ring, u16 id, bool quiet, bool resubmitted)
{
	struct viola_ring_record *r = &ring->record[id];

	r->done = false;
	r->quiet = quiet;
	r->resubmitted = resubmitted;
	if (ring->in_order)
		viola_queued_add(ring, id);
}

/* The oldest buffer of those that a crash left: as pop and skip. */
static __always_inline int viola_queued_pop_again(struct viola_ring *ring,
						 struct viola_chain *chain, bool look)
{
	struct viola_walk walk = viola_walk_start(ring, chain);
	u16 id = ring->record[ring->again_next].again;
	int ret;

	if (unlikely(viola_ring_broken(ring)))
		return -EPROTO;
	if (viola_ring_is_packed(ring)) {
		ret = viola_packed_walk_again(ring, &walk, id, look);
		if (unlikely(ret < 0))
			return ret;
		id = (u16)ret;
	} else {
		ring->record[id].slots = 1;
		ret = look ? viola_split_walk(ring, &walk, id) : 0;
		if (unlikely(ret))
			return ret;
	}
	viola_walk_take(ring, chain, &walk, id, ring->record[id].slots);
	viola_queued_took(ring, id, look && !walk.in_len, true);
	ring->again_next++;
	ring->again_slots -= ring->record[id].slots;
	return 1;
}

static __always_inline int viola_queued_pop_as(struct viola_ring *ring, struct viola_chain *chain,
					      bool look)
{
	int ret;

	if (unlikely(ring->again_next < ring->again_count))
		return viola_queued_pop_again(ring, chain, look);
	if (!viola_ring_is_packed(ring))
		ret = viola_split_pop_as(ring, chain, look);
	else if (ring->inflight)
		ret = viola_packed_pop_as(ring, chain, look, true);
	else
		ret = viola_packed_pop_as(ring, chain, look, false);
	if (ret != 1)
		return ret;
	if (!viola_ring_is_packed(ring)) {
		ring->record[chain->id].slots = 1;
		if (ring->inflight)
			viola_inflight_split_take(ring, chain->id);
	}
	viola_queued_took(ring, chain->id, look && !chain->in_len, false);
	return 1;
}

static inline int viola_queued_pop(struct viola_ring *ring, struct viola_chain *chain)
{
	return viola_queued_pop_as(ring, chain, true);
}

static inline int viola_queued_skip(struct viola_ring *ring, struct viola_chain *chain)
{
	return viola_queued_pop_as(ring, chain, false);
}

static inline void viola_queued_unpop(struct viola_ring *ring, u16 id, u16 slots)
{
	if (ring->in_order)
		ring->order_count--;
	if (ring->record[id].resubmitted) {
		/* Still in flight as far as the region goes. */
		viola_ring_clear_in_flight(ring, id);
		ring->again_next--;
		ring->again_slots += slots;
		return;
	}
	if (viola_ring_is_packed(ring)) {
		if (ring->inflight)
			viola_inflight_packed_untake(ring, id);
		viola_packed_unpop(ring, id, slots);
	} else {
		if (ring->inflight)
			viola_inflight_split_drop(ring, id);
		viola_split_unpop(ring, id, slots);
	}
}

static inline void viola_queued_push(struct viola_ring *ring, u16 id, u32 written)
{
	ring->record[id].written = written;
	ring->record[id].done = true;
	if (!ring->in_order)
		viola_queued_add(ring, id);
}

/*
 * Writes used entries for the @n oldest of the queue. With in_order a run of
 * buffers, but for the last of them such as have nothing writable, shares the
 * entry of the last, in the place of the first (2.7.9, 2.8.12). The
 * specification would allow it of buffers that were filled to the last byte,
 * too; but there are drivers that look for each buffer's length.
 */
static inline void viola_queued_put_used(struct viola_ring *ring, u32 n)
{
	u32 i = 0;

	while (i < n) {
		const struct viola_ring_record *r;
		u32 slots = 0;
		u16 id;

		do {
			id = viola_queued_at(ring, i++)->order;
			r = &ring->record[id];
			slots += r->slots;
			viola_ring_clear_in_flight(ring, id);
		} while (ring->in_order && r->quiet && i < n);
		if (viola_ring_is_packed(ring)) {
			viola_packed_put_used(ring, id, r->written, slots);
			continue;
		}
		viola_split_put_used(ring, id, r->written);
		if ((u16)(ring->signalled - ring->next_used - 1) < slots)
			ring->signalled_valid = false;
		ring->next_used = (u16)(ring->next_used + slots);
	}
}

static inline void viola_queued_publish(struct viola_ring *ring)
{
	bool packed = viola_ring_is_packed(ring);
	u32 n = 0, slots = 0, i;

	while (n < ring->order_count) {
		u16 id = viola_queued_at(ring, n)->order;

		if (!ring->record[id].done)
			break;
		slots += ring->record[id].slots;
		n++;
	}
	if (!n) {
		/* A burst is in no queue; see ring-burst.h. */
		if (ring->inflight)
			return;
		if (packed)
			viola_packed_publish(ring);
		else
			viola_split_publish(ring);
		return;
	}
	if (ring->inflight) {
		for (i = 0; i < n; i++) {
			if (packed)
				viola_inflight_packed_batch(ring, viola_queued_at(ring, i)->order);
			else
				viola_inflight_split_batch(ring, viola_queued_at(ring, i)->order);
		}
		if (packed)
			viola_inflight_packed_set_used(ring->inflight_packed, ring->next_used,
						       viola_packed_advance(ring, ring->next_used,
									    slots));
	}
	viola_queued_put_used(ring, n);
	if (packed)
		viola_packed_publish(ring);
	else
		viola_split_publish(ring);
	if (ring->inflight) {
		/* The compiler must not bring these before what was published. */
		viola_wmb();
		for (i = 0; i < n; i++) {
			if (packed)
				viola_inflight_packed_drop(ring, viola_queued_at(ring, i)->order);
			else
				viola_inflight_split_drop(ring, viola_queued_at(ring, i)->order);
		}
		if (packed)
			viola_inflight_packed_done(ring, ring->next_used);
		else
			WRITE_ONCE(ring->inflight_split->used_idx, ring->next_used);
	}
	ring->order_head = (ring->order_head + n) % ring->num;
	ring->order_count -= n;
}

#endif
