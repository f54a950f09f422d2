/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The packed virtqueue (virtio 1.2, 2.8), behind the interface and under the
 * memory-ordering contract of ring.h. Include that, not this.
 *
 * Positions in the ring are 16 bits: the offset, and in bit 15 the wrap counter
 * of whoever stands there. That is also how vhost and the event suppression
 * structures write them.
 */
#ifndef VIOLA_RING_PACKED_H
#define VIOLA_RING_PACKED_H

#define VIOLA_PACKED_WRAP 0x8000u
#define VIOLA_PACKED_OFFSET 0x7fffu
#define VIOLA_PACKED_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define VIOLA_PACKED_USED (1u << VRING_PACKED_DESC_F_USED)

/* @at, @slots entries further on or back; @slots is at most num. */
static inline u16 viola_packed_advance(const struct viola_ring *ring, u16 at, u32 slots)
{
	u32 off = (at & VIOLA_PACKED_OFFSET) + slots, wrap = at & VIOLA_PACKED_WRAP;

	if (off >= ring->num) {
		off -= ring->num;
		wrap ^= VIOLA_PACKED_WRAP;
	}
	return (u16)(off | wrap);
}

static inline u16 viola_packed_retreat(const struct viola_ring *ring, u16 at, u32 slots)
{
	u32 off = at & VIOLA_PACKED_OFFSET, wrap = at & VIOLA_PACKED_WRAP;

	if (off < slots) {
		off += ring->num;
		wrap ^= VIOLA_PACKED_WRAP;
	}
	return (u16)((off - slots) | wrap);
}

/* Entries from @from to @to, modulo twice the ring: below 2 * num. */
static inline u32 viola_packed_distance(const struct viola_ring *ring, u16 from, u16 to)
{
	u32 a = from & VIOLA_PACKED_OFFSET, b = to & VIOLA_PACKED_OFFSET;

	if ((from ^ to) & VIOLA_PACKED_WRAP)
		b += ring->num;
	return b >= a ? b - a : b + 2 * ring->num - a;
}

/* 2.8.1: made available in the lap of @at, and not used in it. */
static inline bool viola_packed_is_avail(u16 flags, u16 at)
{
	bool wrap = at & VIOLA_PACKED_WRAP;

	return !!(flags & VIOLA_PACKED_AVAIL) == wrap && !!(flags & VIOLA_PACKED_USED) != wrap;
}

static inline void viola_packed_start(struct viola_ring *ring)
{
	/* 2.8.1: both wrap counters start at 1. */
	ring->next_avail = VIOLA_PACKED_WRAP;
	ring->next_used = VIOLA_PACKED_WRAP;
}

/* Whether a device may stand so: what lies between is in flight, or was lost. */
static inline bool viola_packed_base_valid(const struct viola_ring *ring, u16 next_avail,
					   u16 next_used)
{
	return (next_avail & VIOLA_PACKED_OFFSET) < ring->num &&
	       (next_used & VIOLA_PACKED_OFFSET) < ring->num &&
	       viola_packed_distance(ring, next_used, next_avail) <= ring->num;
}

static inline void viola_packed_set_base(struct viola_ring *ring, u16 next_avail, u16 next_used)
{
	if (!viola_packed_base_valid(ring, next_avail, next_used)) {
		viola_ring_fail(ring, VIOLA_RING_BASE);
		return;
	}
	ring->next_avail = next_avail;
	ring->next_used = next_used;
	ring->busy = viola_packed_distance(ring, next_used, next_avail);
	ring->ahead = 0;
	ring->signalled_valid = false;
}

/* Loads the flags of the descriptor at @at, once. */
static __always_inline u16 viola_packed_flags(const struct viola_ring *ring, u16 at)
{
	/* (A) pairs with the driver's barrier before its write of these flags. */
	return le16_to_cpu(viola_load_acquire(
		&ring->packed_desc[at & VIOLA_PACKED_OFFSET].flags));
}

static inline int viola_packed_available(struct viola_ring *ring)
{
	if (unlikely(viola_ring_broken(ring)))
		return -EPROTO;
	return viola_packed_is_avail(viola_packed_flags(ring, ring->next_avail),
				     ring->next_avail);
}

/*
 * The flags of the next chain's first descriptor. 1: it is available; 0: not;
 * -EPROTO. A driver that has no entry left cannot make one available.
 */
static __always_inline int viola_packed_head(struct viola_ring *ring, u16 *flags)
{
	if (unlikely(viola_ring_broken(ring)))
		return -EPROTO;
	*flags = viola_packed_flags(ring, ring->next_avail);
	if (!viola_packed_is_avail(*flags, ring->next_avail))
		return 0;
	if (unlikely(ring->busy >= ring->num))
		return viola_ring_fail(ring, VIOLA_RING_AVAIL_INDEX);
	return 1;
}

/* A chain that does not end before entries that are in flight, or at all. */
static inline int viola_packed_endless(struct viola_ring *ring)
{
	return viola_ring_fail(ring, ring->busy ? VIOLA_RING_AVAIL_INDEX :
						  VIOLA_RING_CHAIN_LOOP);
}

/* Whether buffer @id may be taken. */
static __always_inline int viola_packed_check_id(struct viola_ring *ring, u16 id)
{
	if (unlikely(id >= ring->num))
		return viola_ring_fail(ring, VIOLA_RING_HEAD_RANGE);
	if (unlikely(viola_ring_in_flight(ring, id)))
		return viola_ring_fail(ring, VIOLA_RING_HEAD_IN_FLIGHT);
	return 0;
}

/* Entries @slots at next_avail are taken under @id. */
static __always_inline void viola_packed_take(struct viola_ring *ring, u16 id, u32 slots)
{
	ring->record[id].slots = (u16)slots;
	ring->busy += slots;
	ring->ahead -= min(ring->ahead, slots);
	ring->next_avail = viola_packed_advance(ring, ring->next_avail, slots);
}

/*
 * Takes the next chain, with its pieces or without a look at them. Bounded by
 * the entries that are not in flight. @look and @track are constants where this
 * is called; with @track each descriptor is also noted in the in-flight region.
 *
 * The descriptor's other fields are loaded after its flags, and the flags that
 * come along the second time are not looked at.
 */
static __always_inline int viola_packed_pop_as(struct viola_ring *ring, struct viola_chain *chain,
					       bool look, bool track)
{
	struct viola_walk walk = viola_walk_start(ring, chain);
	struct viola_inflight_cursor note;
	u32 room = ring->num - ring->busy, slots = 0;
	u32 off = ring->next_avail & VIOLA_PACKED_OFFSET;
	struct viola_desc d;
	u16 flags;
	int ret = viola_packed_head(ring, &flags);

	if (ret <= 0)
		return ret;
	if (track)
		viola_inflight_packed_begin(ring, &note);
	for (;;) {
		d = viola_packed_desc_load(&ring->packed_desc[off]);
		if (!slots)
			d.flags = flags;
		slots++;
		if (track && unlikely(!viola_inflight_packed_note(ring, &note, &d)))
			return viola_ring_fail(ring, VIOLA_RING_INFLIGHT);
		if (look && d.flags & VRING_DESC_F_INDIRECT) {
			ret = viola_walk_indirect(ring, &walk, &d, true);
			if (unlikely(ret))
				return ret;
			break;
		}
		if (look) {
			ret = viola_walk_add(ring, &walk, d);
			if (unlikely(ret))
				return ret;
		}
		if (!(d.flags & VRING_DESC_F_NEXT))
			break;
		if (unlikely(slots == room))
			return viola_packed_endless(ring);
		if (++off == ring->num)
			off = 0;
	}
	ret = viola_packed_check_id(ring, d.id);
	if (unlikely(ret))
		return ret;
	viola_walk_take(ring, chain, &walk, d.id, (u16)slots);
	viola_packed_take(ring, d.id, slots);
	if (track)
		viola_inflight_packed_taken(ring, &note, d.id, slots);
	return 1;
}

static inline int viola_packed_pop(struct viola_ring *ring, struct viola_chain *chain)
{
	return viola_packed_pop_as(ring, chain, true, false);
}

static inline int viola_packed_skip(struct viola_ring *ring, struct viola_chain *chain)
{
	return viola_packed_pop_as(ring, chain, false, false);
}

static inline void viola_packed_unpop(struct viola_ring *ring, u16 id, u16 slots)
{
	viola_ring_clear_in_flight(ring, id);
	ring->busy -= slots;
	ring->ahead += slots;
	ring->next_avail = viola_packed_retreat(ring, ring->next_avail, slots);
}

/*
 * Writes the used descriptor of @id over the next used entry, and goes on by
 * @slots (2.8.6). What is written for one batch is read by the driver from its
 * first descriptor on, so only that one's flags must wait for publish; the lines
 * of the others change hands once.
 */
static __always_inline void viola_packed_put_used(struct viola_ring *ring, u16 id, u32 written,
						  u32 slots)
{
	u16 off = ring->next_used & VIOLA_PACKED_OFFSET;
	struct vring_packed_desc *d = &ring->packed_desc[off];
	u16 flags = (u16)((ring->next_used & VIOLA_PACKED_WRAP ?
			   VIOLA_PACKED_AVAIL | VIOLA_PACKED_USED : 0) |
			  (written ? VRING_DESC_F_WRITE : 0));

	if (ring->unpublished) {
		u64 *tail = (u64 *)d + 1; /* length, id, flags */

		WRITE_ONCE(*tail, (__force u64)cpu_to_le64(written | (u64)id << 32 |
							   (u64)flags << 48));
	} else {
		WRITE_ONCE(d->len, cpu_to_le32(written));
		WRITE_ONCE(d->id, cpu_to_le16(id));
		ring->first_used = off;
		ring->first_flags = flags;
		ring->unpublished = true;
	}
	ring->next_used = viola_packed_advance(ring, ring->next_used, slots);
	ring->busy -= slots;
	/* No more than once round the ring and its wrap counter is ever asked for. */
	if (likely(ring->unsignalled < 2 * ring->num))
		ring->unsignalled += slots;
}

static inline void viola_packed_push(struct viola_ring *ring, u16 id, u32 written)
{
	viola_ring_clear_in_flight(ring, id);
	viola_packed_put_used(ring, id, written, ring->record[id].slots);
}

static inline void viola_packed_publish(struct viola_ring *ring)
{
	if (!ring->unpublished)
		return;
	/* (B) pairs with the driver's barrier after its read of these flags. */
	viola_store_release(&ring->packed_desc[ring->first_used].flags,
			    cpu_to_le16(ring->first_flags));
	ring->unpublished = false;
}

static inline bool viola_packed_needs_call(struct viola_ring *ring)
{
	bool known = ring->signalled_valid;
	u32 fresh = ring->unsignalled, event, past;
	u16 at, flags;

	/* What was asked for before and found unwanted stays so: no barrier. */
	if (known && !fresh)
		return false;
	ring->unsignalled = 0;
	ring->signalled_valid = true;
	/* (D) the publish before, the driver's event structure after. */
	viola_mb();
	event = le32_to_cpu((__force __le32)READ_ONCE(*ring->driver_event));
	at = (u16)event;
	flags = (u16)(event >> 16);
	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;
	/* 2.8.10: anything but "at this descriptor" is a wish for all of them. */
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !ring->event_idx || unlikely(!known) ||
	    unlikely((at & VIOLA_PACKED_OFFSET) >= ring->num) || fresh >= 2 * ring->num)
		return true;
	/* Was the entry that it names among those just used? */
	past = viola_packed_distance(ring, at, ring->next_used);
	return past && past <= fresh;
}

/* Asks for a kick at entry @at. */
static inline void viola_packed_ask_kick(struct viola_ring *ring, u16 at)
{
	u32 event = ring->event_idx ? at | (u32)VRING_PACKED_EVENT_FLAG_DESC << 16 :
				      (u32)VRING_PACKED_EVENT_FLAG_ENABLE << 16;

	WRITE_ONCE(*ring->device_event, (__force u32)cpu_to_le32(event));
	/* (C) the request for a kick before, the driver's descriptor after. */
	viola_mb();
}

static inline int viola_packed_enable_kick(struct viola_ring *ring)
{
	if (unlikely(viola_ring_broken(ring)))
		return -EPROTO;
	viola_packed_ask_kick(ring, ring->next_avail);
	return viola_packed_available(ring);
}

/*
 * Counts the chains that came after those given back as seen, and returns
 * whether there are any. They are told apart by NEXT alone, as they may change
 * until they are popped. Bounded by the entries that are not in flight.
 */
static inline bool viola_packed_look_ahead(struct viola_ring *ring)
{
	u32 room = ring->num - min(ring->num, ring->busy + ring->ahead), seen = 0;
	u16 at = viola_packed_advance(ring, ring->next_avail, ring->ahead);
	bool within = false;

	while (seen < room) {
		u16 flags = viola_packed_flags(ring, at);

		if (!within && !viola_packed_is_avail(flags, at))
			break;
		within = flags & VRING_DESC_F_NEXT;
		at = viola_packed_advance(ring, at, 1);
		seen++;
	}
	ring->ahead += seen;
	return seen;
}

static inline int viola_packed_enable_kick_more(struct viola_ring *ring)
{
	if (unlikely(viola_ring_broken(ring)))
		return -EPROTO;
	viola_packed_ask_kick(ring, viola_packed_advance(ring, ring->next_avail, ring->ahead));
	return viola_packed_look_ahead(ring);
}

static inline void viola_packed_disable_kick(struct viola_ring *ring)
{
	/*
	 * Other than in the split ring an event left behind would not do: the
	 * ring comes round to it every 2 * num entries.
	 */
	WRITE_ONCE(*ring->device_event,
		   (__force u32)cpu_to_le32((u32)VRING_PACKED_EVENT_FLAG_DISABLE << 16));
}

#define VIOLA_PACKED_LINE 4u /* descriptors in a cache line */

/* Asks for the lines of the next @n descriptors, up to the wrap: to @write to them, too. */
static __always_inline void viola_packed_prefetch(const struct viola_ring *ring, u32 n, bool write)
{
	u32 off = ring->next_avail & VIOLA_PACKED_OFFSET, end = min(off + n, ring->num);

	for (; off < end; off += VIOLA_PACKED_LINE) {
		if (write)
			viola_prefetchw(&ring->packed_desc[off]);
		else
			viola_prefetch(&ring->packed_desc[off]);
	}
}

static inline u32 viola_packed_used_spans(const struct viola_ring *ring, u16 since,
					  struct viola_ring_span *span)
{
	u32 n = min(viola_packed_distance(ring, since, ring->next_used), ring->num);
	u32 start = since & VIOLA_PACKED_OFFSET, part = min(n, ring->num - start), nr = 0;

	if (!n)
		return 0;
	span[nr++] = (struct viola_ring_span){ true, 16ull * start, 16ull * part };
	if (part < n)
		span[nr++] = (struct viola_ring_span){ true, 0, 16ull * (n - part) };
	return nr;
}

/* --- after a crash ----------------------------------------------------------- */

static inline u16 viola_packed_place(u16 idx, u8 wrap)
{
	return (u16)(idx | (wrap ? VIOLA_PACKED_WRAP : 0));
}

/*
 * Takes back a batch that was begun at @before, up to @after, and not published:
 * what it may have written already must not be taken for used once the place
 * before it is. The entries are the device's, so their flags are its to write.
 */
static inline void viola_packed_roll_back(struct viola_ring *ring, u16 before, u16 after)
{
	while (before != after) {
		struct vring_packed_desc *d = &ring->packed_desc[before & VIOLA_PACKED_OFFSET];
		u16 avail = before & VIOLA_PACKED_WRAP ? VIOLA_PACKED_AVAIL : VIOLA_PACKED_USED;

		WRITE_ONCE(d->flags, cpu_to_le16(avail));
		before = viola_packed_advance(ring, before, 1);
	}
}

static inline void viola_packed_format(struct viola_ring *ring)
{
	struct viola_inflight_packed *region = ring->inflight_packed;
	u32 i;

	for (i = 0; i < ring->num; i++) {
		WRITE_ONCE(region->desc[i].inflight, 0);
		WRITE_ONCE(region->desc[i].next, (u16)(i + 1));
	}
	viola_inflight_packed_set_free(region, 0);
	viola_inflight_packed_set_used(region, ring->next_used, ring->next_used);
	WRITE_ONCE(region->desc_num, (u16)ring->num);
	WRITE_ONCE(region->version, VIOLA_INFLIGHT_VERSION);
}

static inline int viola_packed_recover(struct viola_ring *ring)
{
	struct viola_inflight_packed *region = ring->inflight_packed;
	u16 version = READ_ONCE(region->version), before, after, entry;
	struct viola_inflight_packed now;
	u32 i, k, count = 0, slots = 0;

	if (version == 0) {
		viola_packed_format(ring);
		return 0;
	}
	if (version != VIOLA_INFLIGHT_VERSION || READ_ONCE(region->desc_num) != (u16)ring->num)
		return -EINVAL;
	now.used = READ_ONCE(region->used);
	now.free_heads = READ_ONCE(region->free_heads);
	before = viola_packed_place(now.old_used_idx, now.old_used_wrap_counter);
	after = viola_packed_place(now.used_idx, now.used_wrap_counter);
	if (!viola_packed_base_valid(ring, after, before))
		return -EINVAL;
	/* The batch that was being given back: whole if its first flags are out. */
	if (before == after ||
	    viola_packed_is_avail(viola_packed_flags(ring, before), before)) {
		viola_packed_roll_back(ring, before, after);
		now.free_head = now.old_free_head;
		after = before;
	}
	viola_inflight_packed_set_free(region, now.free_head);
	for (i = 0, entry = now.free_head; i < ring->num && entry < ring->num; i++) {
		WRITE_ONCE(region->desc[entry].inflight, 0);
		entry = READ_ONCE(region->desc[entry].next);
	}
	viola_inflight_packed_set_used(region, after, after);
	for (i = 0; i < ring->num; i++) {
		if (!READ_ONCE(region->desc[i].inflight))
			continue;
		ring->record[count++].again = (u16)i;
		k = READ_ONCE(region->desc[i].num);
		slots += k;
		if (!k || slots > ring->num)
			return -EINVAL;
	}
	viola_inflight_sort(ring, count);
	ring->again_slots = slots;
	viola_packed_set_base(ring, viola_packed_advance(ring, after, slots), after);
	return (int)count;
}

/*
 * Walks the chain that the region holds from @entry on. Its id, or -EPROTO or
 * -ENOBUFS. The ring's own descriptors may be overwritten by now.
 */
static inline int viola_packed_walk_again(struct viola_ring *ring, struct viola_walk *walk,
					  u16 entry, bool look)
{
	u32 slots = READ_ONCE(ring->inflight_packed->desc[entry].num), seen;
	u32 others = ring->again_count - ring->again_next - 1;
	struct viola_desc d = {};
	u16 at = entry;
	int ret;

	/* The positions rest on the sum that was found at first: it has to stay so. */
	if (unlikely(!slots || slots + others > ring->again_slots ||
		     (!others && slots != ring->again_slots)))
		return viola_ring_fail(ring, VIOLA_RING_INFLIGHT);
	for (seen = 1;; seen++) {
		const struct viola_inflight_packed_desc *e = &ring->inflight_packed->desc[at];

		d.addr = READ_ONCE(e->addr);
		d.len = READ_ONCE(e->len);
		d.flags = READ_ONCE(e->flags);
		d.id = READ_ONCE(e->id);
		if (look && d.flags & VRING_DESC_F_INDIRECT) {
			ret = viola_walk_indirect(ring, walk, &d, true);
			if (unlikely(ret))
				return ret;
			/* A table ends its chain; a chain of tables could be endless work. */
			if (unlikely(seen != slots))
				return viola_ring_fail(ring, VIOLA_RING_INFLIGHT);
		} else if (look) {
			ret = viola_walk_add(ring, walk, d);
			if (unlikely(ret))
				return ret;
		}
		if (seen == slots)
			break;
		at = READ_ONCE(e->next);
		if (unlikely(at >= ring->num))
			return viola_ring_fail(ring, VIOLA_RING_INFLIGHT);
	}
	ret = viola_packed_check_id(ring, d.id);
	if (unlikely(ret))
		return ret;
	ring->record[d.id].slots = (u16)slots;
	ring->record[d.id].entry = entry;
	return d.id;
}

#endif
