/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The in-flight region of the vhost-user protocol (INFLIGHT_SHMFD): memory that
 * outlives a back end, in which it notes the buffers it has taken and not given
 * back, so that its successor takes them again. The layouts are the protocol's;
 * whoever attaches one to a ring (viola_ring_config.inflight) has it kept and
 * used by the ring itself.
 *
 * A crash is an end between any two stores. Therefore every store here is a
 * WRITE_ONCE(), in an order in which each state that can be left behind is one
 * that viola_ring_recover() understands. tests/unit/test-ring-crash.c ends a
 * device after each of them.
 *
 * The region is the front end's, who may write anything into it at any moment: links
 * are checked before they are followed, loops have bounds, and what was found good
 * is not what is found the next time.
 */
#ifndef VIOLA_INFLIGHT_H
#define VIOLA_INFLIGHT_H

#define VIOLA_INFLIGHT_VERSION 1 /* 0: not formatted yet */

struct viola_inflight_split_desc {
	u8 inflight;
	u8 padding[5];
	u16 next; /* older head of the last batch */
	u64 counter; /* order of taking */
};

struct viola_inflight_split {
	u64 features; /* none are defined */
	u16 version;
	u16 desc_num;
	u16 last_batch_head; /* newest head of the last batch given back */
	u16 used_idx; /* of the used ring, once that batch is noted as such */
	struct viola_inflight_split_desc desc[]; /* by head */
};

struct viola_inflight_packed_desc {
	u8 inflight;
	u8 padding;
	u16 next; /* of the same chain, or of the free list */
	u16 last; /* first of a chain: its last entry */
	u16 num; /* first of a chain: entries */
	u64 counter; /* first of a chain: order of taking */
	u16 id; /* the descriptor's */
	u16 flags;
	u32 len;
	u64 addr;
};

struct viola_inflight_packed {
	u64 features; /* none are defined */
	u16 version;
	u16 desc_num;
	union {
		struct {
			u16 free_head; /* the old_ fields: as before a batch */
			u16 old_free_head;
		};
		u32 free_heads; /* both, for one store */
	};
	union {
		struct {
			u16 used_idx; /* offset of the next used entry */
			u16 old_used_idx;
			u8 used_wrap_counter;
			u8 old_used_wrap_counter;
			u8 padding[2];
		};
		u64 used; /* all, for one store */
	};
	u8 more_padding[8];
	struct viola_inflight_packed_desc desc[];
};

_Static_assert(sizeof(struct viola_inflight_split_desc) == 16, "vhost-user's layout");
_Static_assert(sizeof(struct viola_inflight_split) == 16, "vhost-user's layout");
_Static_assert(sizeof(struct viola_inflight_packed_desc) == 32, "vhost-user's layout");
_Static_assert(sizeof(struct viola_inflight_packed) == 32, "vhost-user's layout");
_Static_assert(offsetof(struct viola_inflight_packed, free_heads) == 12, "vhost-user's layout");
_Static_assert(offsetof(struct viola_inflight_packed, used) == 16, "vhost-user's layout");

/* Bytes of one queue's region. */
static inline u64 viola_inflight_size(u32 num, bool packed)
{
	return packed ? sizeof(struct viola_inflight_packed) +
			sizeof(struct viola_inflight_packed_desc) * (u64)num :
			sizeof(struct viola_inflight_split) +
			sizeof(struct viola_inflight_split_desc) * (u64)num;
}

/* --- split: taking and giving back ------------------------------------------ */

/* Buffer @head was taken from the available ring. */
static inline void viola_inflight_split_take(struct viola_ring *ring, u16 head)
{
	struct viola_inflight_split_desc *d = &ring->inflight_split->desc[head];

	WRITE_ONCE(d->counter, ring->counter++);
	WRITE_ONCE(d->inflight, 1);
}

/* It went back to the available ring, or the used index tells of it now. */
static inline void viola_inflight_split_drop(struct viola_ring *ring, u16 head)
{
	WRITE_ONCE(ring->inflight_split->desc[head].inflight, 0);
}

/* It is part of the batch that the used index will tell of next. */
static inline void viola_inflight_split_batch(struct viola_ring *ring, u16 head)
{
	struct viola_inflight_split *region = ring->inflight_split;

	WRITE_ONCE(region->desc[head].next, READ_ONCE(region->last_batch_head));
	WRITE_ONCE(region->last_batch_head, head);
}

/* --- packed: taking and giving back ------------------------------------------ */

/* Entries of the region filled for one chain, not yet taken. */
struct viola_inflight_cursor {
	u16 first, last, next;
};

static inline void viola_inflight_packed_begin(const struct viola_ring *ring,
					       struct viola_inflight_cursor *c)
{
	c->first = READ_ONCE(ring->inflight_packed->free_head);
	c->last = c->first;
	c->next = c->first;
}

/* Notes descriptor @d in the next free entry; false if there is none. */
static inline bool viola_inflight_packed_note(const struct viola_ring *ring,
					      struct viola_inflight_cursor *c,
					      const struct viola_desc *d)
{
	struct viola_inflight_packed_desc *e;

	if (unlikely(c->next >= ring->num))
		return false;
	c->last = c->next;
	e = &ring->inflight_packed->desc[c->last];
	WRITE_ONCE(e->addr, d->addr);
	WRITE_ONCE(e->len, d->len);
	WRITE_ONCE(e->id, d->id);
	WRITE_ONCE(e->flags, d->flags);
	c->next = READ_ONCE(e->next);
	return true;
}

/* Both free lists begin at @head: nothing that is in them is in flight. */
static inline void viola_inflight_packed_set_free(struct viola_inflight_packed *region, u16 head)
{
	struct viola_inflight_packed both = { .free_head = head, .old_free_head = head };

	WRITE_ONCE(region->free_heads, both.free_heads);
}

/* Where the next used descriptor goes, before a batch and after. */
static inline void viola_inflight_packed_set_used(struct viola_inflight_packed *region,
						  u16 before, u16 after)
{
	struct viola_inflight_packed both = {
		.used_idx = after & 0x7fff,
		.used_wrap_counter = after >> 15,
		.old_used_idx = before & 0x7fff,
		.old_used_wrap_counter = before >> 15,
	};

	WRITE_ONCE(region->used, both.used);
}

/* What was noted is a chain of @slots descriptors, taken as buffer @id. */
static inline void viola_inflight_packed_taken(struct viola_ring *ring,
					       const struct viola_inflight_cursor *c, u16 id,
					       u32 slots)
{
	struct viola_inflight_packed *region = ring->inflight_packed;
	struct viola_inflight_packed_desc *e = &region->desc[c->first];

	ring->record[id].entry = c->first;
	WRITE_ONCE(e->last, c->last);
	WRITE_ONCE(e->num, (u16)slots);
	WRITE_ONCE(e->counter, ring->counter++);
	WRITE_ONCE(e->inflight, 1);
	/* From here on it is taken: what is in the free list is not. */
	viola_inflight_packed_set_free(region, c->next);
}

/* Puts the entries of buffer @id before the free list at @head; returns its new head. */
static inline u16 viola_inflight_packed_link(struct viola_ring *ring, u16 id, u16 head)
{
	struct viola_inflight_packed *region = ring->inflight_packed;
	u16 first = ring->record[id].entry;
	u16 last = READ_ONCE(region->desc[first].last);

	if (likely(last < ring->num))
		WRITE_ONCE(region->desc[last].next, head);
	return first;
}

static inline void viola_inflight_packed_drop(struct viola_ring *ring, u16 id)
{
	WRITE_ONCE(ring->inflight_packed->desc[ring->record[id].entry].inflight, 0);
}

/* It went back to where it was taken from. */
static inline void viola_inflight_packed_untake(struct viola_ring *ring, u16 id)
{
	struct viola_inflight_packed *region = ring->inflight_packed;

	viola_inflight_packed_set_free(region, viola_inflight_packed_link(
		ring, id, READ_ONCE(region->free_head)));
	viola_inflight_packed_drop(ring, id);
}

/* It is part of the batch that will be published next. */
static inline void viola_inflight_packed_batch(struct viola_ring *ring, u16 id)
{
	struct viola_inflight_packed *region = ring->inflight_packed;

	WRITE_ONCE(region->free_head,
		   viola_inflight_packed_link(ring, id, READ_ONCE(region->free_head)));
}

/* That batch, whose descriptors end before @next_used, is published. */
static inline void viola_inflight_packed_done(struct viola_ring *ring, u16 next_used)
{
	struct viola_inflight_packed *region = ring->inflight_packed;

	viola_inflight_packed_set_free(region, READ_ONCE(region->free_head));
	viola_inflight_packed_set_used(region, next_used, next_used);
}

/* --- after a crash ----------------------------------------------------------- */

static inline u64 viola_inflight_counter(const struct viola_ring *ring, u16 entry)
{
	return viola_ring_is_packed(ring) ?
		       READ_ONCE(ring->inflight_packed->desc[entry].counter) :
		       READ_ONCE(ring->inflight_split->desc[entry].counter);
}

/* Lets record[@at].again sink to its place in a heap of @count, newest on top. */
static inline void viola_inflight_sift(struct viola_ring *ring, u32 at, u32 count)
{
	struct viola_ring_record *r = ring->record;
	u16 entry = r[at].again;
	u64 counter = viola_inflight_counter(ring, entry);
	u32 child;

	for (; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && viola_inflight_counter(ring, r[child + 1].again) >
					 viola_inflight_counter(ring, r[child].again))
			child++;
		if (viola_inflight_counter(ring, r[child].again) <= counter)
			break;
		r[at].again = r[child].again;
	}
	r[at].again = entry;
}

/* Sorts the @count entries to take again, oldest first; later ones count on. */
static inline void viola_inflight_sort(struct viola_ring *ring, u32 count)
{
	struct viola_ring_record *r = ring->record;
	u32 i;

	for (i = count / 2; i--;)
		viola_inflight_sift(ring, i, count);
	for (i = count; i-- > 1;) {
		u16 newest = r[0].again;

		r[0].again = r[i].again;
		r[i].again = newest;
		viola_inflight_sift(ring, 0, i);
	}
	ring->counter = count ? viola_inflight_counter(ring, r[count - 1].again) + 1 : 0;
	ring->again_next = 0;
	ring->again_count = count;
}

static inline int viola_split_recover(struct viola_ring *ring)
{
	struct viola_inflight_split *region = ring->inflight_split;
	u16 used = le16_to_cpu(READ_ONCE(*viola_split_used_idx(ring)));
	u16 version = READ_ONCE(region->version), batch, head;
	u32 i, count = 0;

	if (version == 0) {
		for (i = 0; i < ring->num; i++)
			viola_inflight_split_drop(ring, (u16)i);
		WRITE_ONCE(region->desc_num, (u16)ring->num);
		WRITE_ONCE(region->used_idx, used);
		WRITE_ONCE(region->version, VIOLA_INFLIGHT_VERSION);
		return 0;
	}
	if (version != VIOLA_INFLIGHT_VERSION || READ_ONCE(region->desc_num) != (u16)ring->num)
		return -EINVAL;
	/* The batch that the driver knows of and the region does not, or not wholly. */
	batch = (u16)(used - READ_ONCE(region->used_idx));
	if (batch > ring->num)
		return -EINVAL;
	for (head = READ_ONCE(region->last_batch_head); batch; batch--) {
		if (head >= ring->num)
			return -EINVAL;
		viola_inflight_split_drop(ring, head);
		head = READ_ONCE(region->desc[head].next);
	}
	WRITE_ONCE(region->used_idx, used);
	for (i = 0; i < ring->num; i++)
		if (READ_ONCE(region->desc[i].inflight))
			ring->record[count++].again = (u16)i;
	viola_inflight_sort(ring, count);
	ring->again_slots = count;
	viola_split_set_base(ring, (u16)(used + count));
	return (int)count;
}

#endif
