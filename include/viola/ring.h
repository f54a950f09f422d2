/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device side of a virtqueue (virtio 1.2, 2.6 to 2.8), once for every
 * placement: kernel module, VMM, vhost-user backend, tests.
 *
 * The life of a buffer
 * --------------------
 *
 *   viola_ring_pop()      take the next available chain, checked and mapped
 *   (use chain->seg[])    device-readable pieces first, then writable ones
 *   viola_ring_push()     say it is used; any order, not yet visible
 *   viola_ring_publish()  make all pushed chains visible to the driver
 *   viola_ring_needs_call()  whether the driver wants an interrupt for them
 *
 * or viola_ring_unpop() instead of push, to give the newest chain back as if
 * never taken. viola_ring_skip() instead of pop takes a chain that has more
 * pieces than the caller will ever have room for.
 *
 * Layout (split or packed), the order in which buffers come back (in_order) and
 * whether a region to recover from is kept (inflight) are the configuration's;
 * the calls are the same.
 *
 * To sleep: viola_ring_enable_kick(), and only if that returns 0 wait for the
 * kick; after waking viola_ring_disable_kick().
 *
 * Memory ordering
 * ---------------
 *
 * Driver and device share the ring with no lock. Each pair below is needed;
 * tests/model/ shows what breaks when one is removed.
 *
 *   driver                                 device (this code)
 *   ------                                 ------------------
 *   write descriptors, avail->ring[i]
 *   (A) wmb / release
 *   write avail->idx                       read avail->idx
 *                                          (A) load_acquire
 *                                          read avail->ring[i], descriptors
 *
 *                                          write used->ring[i], payload
 *                                          (B) store_release
 *   read used->idx                         write used->idx
 *   (B) rmb / acquire
 *   read used->ring[i], payload
 *
 *   write avail->idx                       write avail_event or used->flags
 *   (C) mb                                 (C) mb, in enable_kick
 *   read avail_event or used->flags        read avail->idx again
 *     -> kick unless suppressed              -> serve, do not sleep
 *
 *   write used_event or avail->flags       write used->idx
 *   (D) mb                                 (D) mb, in needs_call
 *   read used->idx again                   read used_event or avail->flags
 *     -> serve, do not sleep                 -> interrupt unless suppressed
 *
 * The packed ring has the same four pairs in other places. The availability of a
 * chain is the flags of its first descriptor (A). Used descriptors are published
 * by the flags of the first that the driver has not seen (B): all others are
 * written before, whatever they say nobody looks at them yet. Requests for
 * notification are 4 bytes for each side, read and written as one (C), (D).
 *
 * (A) and (B) publish data; (C) and (D) are store-buffering: without a full
 * barrier on both sides each may miss the other's write, and both sleep.
 *
 * Ownership
 * ---------
 *
 * A struct viola_ring belongs to one thread of execution at a time: the
 * caller holds the queue's lock or is its only worker. Everything in it is
 * device-private; the driver sees only the shared ring. Every value from
 * shared memory is loaded once into a local, checked, and only the local is
 * used.
 *
 * Errors
 * ------
 *
 * What a driver must not do breaks its ring and nothing else: the call
 * returns -EPROTO, ring->error says why, and every later pop returns -EPROTO
 * until viola_ring_init(). Nothing is half-taken: a chain that fails is not
 * counted as popped.
 *
 * What the caller has no room for is not the driver's fault: how many pieces a
 * buffer has depends on how the host's memory lies. Then pop returns -ENOBUFS,
 * the ring is whole, and the same chain is next.
 */
#ifndef VIOLA_RING_H
#define VIOLA_RING_H

#include <viola/mem.h>

#define VIOLA_RING_MAX_SIZE 32768u /* virtio 1.2, 2.7 and 2.8.10.1: the largest ring */

/* Why a ring is broken; viola_ring_error_name() gives the words. */
enum viola_ring_error {
	VIOLA_RING_OK,
	VIOLA_RING_AVAIL_INDEX, /* more available than the ring holds */
	VIOLA_RING_HEAD_RANGE, /* head or buffer id not below the ring size */
	VIOLA_RING_HEAD_IN_FLIGHT, /* head or buffer id made available twice */
	VIOLA_RING_NEXT_RANGE, /* next not below the table size */
	VIOLA_RING_CHAIN_LOOP, /* more descriptors than the table holds */
	VIOLA_RING_INDIRECT_OFF, /* indirect without the feature */
	VIOLA_RING_INDIRECT_NESTED, /* indirect table inside one */
	VIOLA_RING_INDIRECT_NEXT, /* indirect descriptor with NEXT or WRITE */
	VIOLA_RING_INDIRECT_SIZE, /* table length 0 or no multiple of 16 */
	VIOLA_RING_ORDER, /* readable descriptor after a writable one */
	VIOLA_RING_ADDRESS, /* not guest memory */
	VIOLA_RING_TOO_LONG, /* 4 GiB, or more descriptors than are allowed */
	VIOLA_RING_BASE, /* resumed at a position that the ring does not have */
	VIOLA_RING_INFLIGHT, /* the in-flight region contradicts itself */
	VIOLA_RING_ERRORS
};

static inline const char *viola_ring_error_name(enum viola_ring_error error)
{
	static const char *const name[VIOLA_RING_ERRORS] = {
		[VIOLA_RING_OK] = "ok",
		[VIOLA_RING_AVAIL_INDEX] = "available index runs ahead of the ring",
		[VIOLA_RING_HEAD_RANGE] = "head index or buffer id out of range",
		[VIOLA_RING_HEAD_IN_FLIGHT] = "head or buffer id made available while in flight",
		[VIOLA_RING_NEXT_RANGE] = "next index out of range",
		[VIOLA_RING_CHAIN_LOOP] = "descriptor chain loops",
		[VIOLA_RING_INDIRECT_OFF] = "indirect descriptor not negotiated",
		[VIOLA_RING_INDIRECT_NESTED] = "indirect table within an indirect table",
		[VIOLA_RING_INDIRECT_NEXT] = "indirect descriptor with other flags",
		[VIOLA_RING_INDIRECT_SIZE] = "bad indirect table length",
		[VIOLA_RING_ORDER] = "readable descriptor after a writable one",
		[VIOLA_RING_ADDRESS] = "address is not guest memory",
		[VIOLA_RING_TOO_LONG] = "chain longer than virtio allows",
		[VIOLA_RING_BASE] = "saved position is outside of the ring",
		[VIOLA_RING_INFLIGHT] = "in-flight region contradicts itself",
	};

	return (unsigned int)error < VIOLA_RING_ERRORS ? name[error] : "unknown";
}

/*
 * One buffer: what a driver made available under one id. The caller provides
 * the arrays and may keep several chains at once; pop fills in the rest.
 */
struct viola_chain {
	struct viola_seg *seg; /* caller's: room for seg_max pieces */
	u64 *seg_gpa; /* caller's, or NULL: each piece's guest address */
	u32 seg_max;

	u16 id; /* names the buffer to push and unpop */
	u16 slots; /* ring entries it takes (split: 1; packed: its descriptors) */
	u32 nout; /* seg[0 … nout) are device-readable */
	u32 nin; /* seg[nout … nout + nin) are device-writable */
	u32 out_len; /* bytes */
	u32 in_len; /* bytes */
};

/*
 * What a ring remembers of each buffer between pop and publish. The caller
 * provides one per entry of the ring where the configuration says so; what is
 * in them is private.
 */
struct viola_ring_record {
	u32 written; /* by id: bytes, once done */
	u16 slots; /* by id: ring entries it takes */
	u16 entry; /* by id: its first in the in-flight region, packed */
	u16 order; /* by place in the queue of order_head: an id */
	u16 again; /* by place: entry of the in-flight region to take again */
	bool done; /* by id: pushed */
	bool quiet; /* by id: nothing writable, so the driver asks for no length */
	bool resubmitted; /* by id: taken again after a crash */
};

struct viola_ring_config {
	/*
	 * Entries, up to VIOLA_RING_MAX_SIZE. Split: a power of two; packed: any
	 * number (2.8.10.1).
	 */
	u32 num;
	bool packed; /* VIRTIO_F_RING_PACKED negotiated */
	bool event_idx; /* VIRTIO_RING_F_EVENT_IDX negotiated */
	bool indirect; /* VIRTIO_RING_F_INDIRECT_DESC negotiated */
	bool in_order; /* VIRTIO_F_IN_ORDER negotiated */
	bool notify_on_empty; /* VIRTIO_F_NOTIFY_ON_EMPTY negotiated (6.3), split only */
	/*
	 * The three parts of the ring, mapped for as long as the ring is used:
	 * desc 16-byte, driver 2-byte, device 4-byte aligned (packed: both of
	 * them 4-byte), of at least viola_ring_*_size() or viola_packed_*_size()
	 * bytes.
	 */
	void *desc;
	void *driver; /* split: available ring; packed: driver event suppression */
	void *device; /* split: used ring; packed: device event suppression */
	const struct viola_mem *mem; /* where descriptors may point */
	bool *in_flight; /* num of them, caller's */
	/* num records, caller's; NULL will do for split without what follows. */
	struct viola_ring_record *record;
	/*
	 * The queue's part of a vhost-user in-flight region, or NULL: 8-byte
	 * aligned, of at least viola_inflight_size() bytes. viola_ring_recover()
	 * must be called before the first pop.
	 */
	void *inflight;
};

/* Why a ring does not take the short way; see viola_ring_pop(). */
#define VIOLA_RING_PACKED 1
#define VIOLA_RING_QUEUED 2 /* used entries are written at publish, from a queue */

/* Private to include/viola/; the fields are for debuggers, not for callers. */
struct viola_ring {
	union {
		struct vring_desc *desc;
		struct vring_packed_desc *packed_desc;
	};
	union {
		struct vring_avail *avail;
		const u32 *driver_event; /* packed: offset and flags, as one */
	};
	union {
		struct vring_used *used;
		u32 *device_event;
	};
	const struct viola_mem *mem;
	bool *in_flight; /* by head or id: popped and not yet used */
	u32 num;
	u16 mask; /* split: num - 1 */
	u16 next_avail; /* next available entry to pop */
	u16 avail_seen; /* split: avail->idx as last loaded and checked */
	u16 next_used; /* next used entry to write */
	u16 signalled; /* split: next_used at the last needs_call() */
	bool signalled_valid;
	bool event_idx;
	bool indirect;
	bool notify_on_empty;
	u8 variant; /* VIOLA_RING_*, 0: split and nothing else */
	u32 hint; /* extent of the last payload piece */
	u32 table_hint; /* extent of the last indirect table */
	enum viola_ring_error error;

	/* Packed. Positions are offset and, in bit 15, wrap counter. */
	u32 busy; /* entries popped and not yet used */
	u32 ahead; /* entries seen beyond next_avail: they were given back */
	u32 unsignalled; /* entries used since needs_call(); from 2 num on: all of them */
	u16 first_used; /* offset of the first used descriptor not yet published */
	u16 first_flags; /* what publishes it */
	bool unpublished; /* there is one */

	/* in_order, and in-flight tracking. */
	bool in_order;
	struct viola_ring_record *record;
	u32 order_head; /* place of the oldest in the queue record[].order */
	u32 order_count;
	union {
		void *inflight;
		struct viola_inflight_split *inflight_split;
		struct viola_inflight_packed *inflight_packed;
	};
	u64 counter; /* of buffers taken, for the order after a crash */
	u32 again_next, again_count; /* of record[].again: taken again, of how many */
	u32 again_slots; /* ring entries of those that are left */
};

/* Bytes of each part of a ring of @num entries, event fields included. */
static inline u64 viola_ring_desc_size(u32 num)
{
	return 16ull * num;
}

static inline u64 viola_ring_driver_size(u32 num)
{
	return 6 + 2ull * num;
}

static inline u64 viola_ring_device_size(u32 num)
{
	return 6 + 8ull * num;
}

/* The same of a packed ring: descriptors, and 4 bytes each of event suppression. */
static inline u64 viola_packed_desc_size(u32 num)
{
	return 16ull * num;
}

static inline u64 viola_packed_driver_size(u32 num)
{
	return 4;
}

static inline u64 viola_packed_device_size(u32 num)
{
	return 4;
}

static inline bool viola_ring_num_valid(u32 num)
{
	return num && num <= VIOLA_RING_MAX_SIZE && !(num & (num - 1));
}

static inline bool viola_packed_num_valid(u32 num)
{
	return num && num <= VIOLA_RING_MAX_SIZE;
}

static inline bool viola_ring_broken(const struct viola_ring *ring)
{
	return ring->error != VIOLA_RING_OK;
}

/*
 * 0 at compile time, and all but the split ring gone, for who defines
 * VIOLA_RING_SPLIT_ONLY since that is all it offers.
 */
static inline u8 viola_ring_variant(const struct viola_ring *ring)
{
#ifdef VIOLA_RING_SPLIT_ONLY
	return 0;
#else
	return ring->variant;
#endif
}

static inline bool viola_ring_is_packed(const struct viola_ring *ring)
{
	return viola_ring_variant(ring) & VIOLA_RING_PACKED;
}

/* Bytes at an offset of the part named by @desc: descriptors, or the device's. */
struct viola_ring_span {
	bool desc; /* of the descriptors (packed), else of the device part */
	u64 off;
	u64 len; /* 0: nothing */
};

#define VIOLA_RING_SPANS 3

#include <viola/ring-walk.h>
#include <viola/ring-split.h>
#include <viola/inflight.h>
#include <viola/ring-packed.h>
#include <viola/ring-queue.h>

/*
 * Each call below asks for the variant once. 0 is the short way: a split ring
 * and nothing else, as most are, in line. All others are behind a call, so that
 * they take neither registers nor cache from it. A device with a loop of its own
 * for packed rings may call viola_packed_*() itself where the variant is
 * VIOLA_RING_PACKED and nothing else.
 */
static viola_outline int viola_other_pop(struct viola_ring *ring, struct viola_chain *chain)
{
	if (likely(ring->variant == VIOLA_RING_PACKED))
		return viola_packed_pop(ring, chain);
	return viola_queued_pop(ring, chain);
}

static viola_outline int viola_other_skip(struct viola_ring *ring, struct viola_chain *chain)
{
	if (likely(ring->variant == VIOLA_RING_PACKED))
		return viola_packed_skip(ring, chain);
	return viola_queued_skip(ring, chain);
}

static viola_outline void viola_other_unpop(struct viola_ring *ring, u16 id, u16 slots)
{
	if (likely(ring->variant == VIOLA_RING_PACKED))
		viola_packed_unpop(ring, id, slots);
	else
		viola_queued_unpop(ring, id, slots);
}

static viola_outline void viola_other_push(struct viola_ring *ring, u16 id, u32 written)
{
	if (likely(ring->variant == VIOLA_RING_PACKED))
		viola_packed_push(ring, id, written);
	else
		viola_queued_push(ring, id, written);
}

static viola_outline void viola_other_publish(struct viola_ring *ring)
{
	if (likely(ring->variant == VIOLA_RING_PACKED))
		viola_packed_publish(ring);
	else
		viola_queued_publish(ring);
}

static viola_outline bool viola_other_needs_call(struct viola_ring *ring)
{
	return viola_packed_needs_call(ring);
}

/*
 * Prepares @ring to run from index 0 with nothing in flight. @cfg may be
 * dropped afterwards, what it points to may not. -EINVAL for a size or an
 * alignment that virtio forbids (2.7, 2.8.10), or records that are missing.
 */
static inline int viola_ring_init(struct viola_ring *ring, const struct viola_ring_config *cfg)
{
	u32 align = cfg->packed ? 4 : 2;

	if (!(cfg->packed ? viola_packed_num_valid(cfg->num) : viola_ring_num_valid(cfg->num)) ||
	    (uintptr_t)cfg->desc % 16 || (uintptr_t)cfg->driver % align ||
	    (uintptr_t)cfg->device % 4 || (uintptr_t)cfg->inflight % 8)
		return -EINVAL;
#ifdef VIOLA_RING_SPLIT_ONLY
	if (cfg->packed || cfg->in_order || cfg->inflight)
		return -EINVAL;
#endif
	if (!cfg->record && (cfg->packed || cfg->in_order || cfg->inflight))
		return -EINVAL;
	memset(ring, 0, sizeof(*ring));
	memset(cfg->in_flight, 0, cfg->num * sizeof(*cfg->in_flight));
	ring->desc = cfg->desc;
	ring->avail = cfg->driver;
	ring->used = cfg->device;
	ring->mem = cfg->mem;
	ring->in_flight = cfg->in_flight;
	ring->num = cfg->num;
	ring->mask = (u16)(cfg->num - 1);
	ring->event_idx = cfg->event_idx;
	ring->indirect = cfg->indirect;
	ring->in_order = cfg->in_order;
	ring->record = cfg->record;
	ring->inflight = cfg->inflight;
	if (cfg->in_order || cfg->inflight)
		ring->variant |= VIOLA_RING_QUEUED;
	if (cfg->packed) {
		ring->variant |= VIOLA_RING_PACKED;
		viola_packed_start(ring);
	} else {
		ring->notify_on_empty = cfg->notify_on_empty;
	}
	return 0;
}

/*
 * Resumes at a saved position with nothing in flight. Split: the next available
 * entry to pop; the next used entry is read from the ring, as vhost does.
 * Packed: offset of both, and in bit 15 their wrap counter; an offset beyond the
 * ring breaks it (VIOLA_RING_BASE).
 */
static inline void viola_ring_set_base(struct viola_ring *ring, u16 next_avail)
{
	if (viola_ring_is_packed(ring))
		viola_packed_set_base(ring, next_avail, next_avail);
	else
		viola_split_set_base(ring, next_avail);
}

/* The position to save: the next available entry to pop. */
static inline u16 viola_ring_base(const struct viola_ring *ring)
{
	return ring->next_avail;
}

/*
 * The same two in the encoding of VHOST_SET_VRING_BASE and vhost-user: for the
 * packed ring the next used entry is in the upper 16 bits, in the same form.
 * -EINVAL for a position that the ring does not have; nothing has changed then.
 */
static inline int viola_ring_set_vring_base(struct viola_ring *ring, u32 base)
{
	if (!viola_ring_is_packed(ring)) {
		if (base > 0xffff)
			return -EINVAL;
		viola_split_set_base(ring, (u16)base);
		return 0;
	}
	if (!viola_packed_base_valid(ring, (u16)base, (u16)(base >> 16)))
		return -EINVAL;
	viola_packed_set_base(ring, (u16)base, (u16)(base >> 16));
	return 0;
}

static inline u32 viola_ring_vring_base(const struct viola_ring *ring)
{
	return viola_ring_is_packed(ring) ? ring->next_avail | (u32)ring->next_used << 16 :
					    ring->next_avail;
}

/*
 * With an in-flight region, after init (and set_base): formats a region that is
 * all zero, or else takes up what a device that died left in it. The ring then
 * stands where that device stood, and what it had taken and not given back is
 * what pop returns first, in the old order. Returns how many buffers that are;
 * -EINVAL if the region is not one of this ring or contradicts itself. Without
 * a region: 0.
 */
static inline int viola_ring_recover(struct viola_ring *ring)
{
	if (!ring->inflight)
		return 0;
	return viola_ring_is_packed(ring) ? viola_packed_recover(ring) : viola_split_recover(ring);
}

/*
 * How many of the buffers that viola_ring_recover() found pop has not returned yet.
 * They lie before viola_ring_base(): who stops the ring for another device to go on
 * from there takes and pushes them first, or they are lost.
 */
static inline u32 viola_ring_recovered(const struct viola_ring *ring)
{
	return ring->again_count - ring->again_next;
}

/*
 * Where the next used entry goes. Split: entries used so far, modulo 65536;
 * packed: offset and wrap counter. Pushed but unpublished ones are included,
 * save with in_order or an in-flight region (a burst's are even then).
 */
static inline u16 viola_ring_used_index(const struct viola_ring *ring)
{
	return ring->next_used;
}

/*
 * Takes the next available chain. 1: @chain is filled in; 0: none is
 * available; -ENOBUFS: it has more than @chain->seg_max pieces, and was not
 * taken (what @chain and its arrays hold is then undefined); -EPROTO: the ring
 * is broken.
 */
static inline int viola_ring_pop(struct viola_ring *ring, struct viola_chain *chain)
{
	struct viola_chain other; /* so that the caller's need not be in memory */
	int ret;

	if (likely(!viola_ring_variant(ring)))
		return viola_split_pop(ring, chain);
	other = *chain;
	ret = viola_other_pop(ring, &other);
	*chain = other;
	return ret;
}

/*
 * Takes the next available chain without a look at its pieces: @chain is
 * one of no pieces, to be pushed with 0 bytes written, or unpopped. For what
 * viola_ring_pop() answers -ENOBUFS to and more room will not come for. 1, 0 or
 * -EPROTO, as there.
 */
static inline int viola_ring_skip(struct viola_ring *ring, struct viola_chain *chain)
{
	struct viola_chain other; /* so that the caller's need not be in memory */
	int ret;

	if (likely(!viola_ring_variant(ring)))
		return viola_split_skip(ring, chain);
	other = *chain;
	ret = viola_other_skip(ring, &other);
	*chain = other;
	return ret;
}

/*
 * Asks the CPU for the descriptors of the next chains, for a device that is
 * about to pop several: at most @n chains of a split ring, the lines of @n
 * descriptors of a packed one. Reads the available ring, but nothing of what it
 * reads is used for anything else.
 */
static inline void viola_ring_prefetch(const struct viola_ring *ring, u32 n)
{
	if (viola_ring_is_packed(ring))
		viola_packed_prefetch(ring, n, false);
	else
		viola_split_prefetch(ring, n);
}

/*
 * Gives back @chain, the last one popped. Several are given back newest first.
 * A chain popped before one that was pushed cannot be given back any more: it
 * is the last entry that is taken again, whichever chain is named.
 */
static inline void viola_ring_unpop(struct viola_ring *ring, const struct viola_chain *chain)
{
	if (likely(!viola_ring_variant(ring)))
		viola_split_unpop(ring, chain->id, chain->slots);
	else
		viola_other_unpop(ring, chain->id, chain->slots);
}

/*
 * Marks buffer @id used with @written bytes of its writable part filled, not
 * yet visible. Each popped id is pushed or unpopped exactly once. With in_order
 * any order will do here, too: a buffer is held until all before it are pushed.
 */
static inline void viola_ring_push(struct viola_ring *ring, u16 id, u32 written)
{
	if (likely(!viola_ring_variant(ring)))
		viola_split_push(ring, id, written);
	else
		viola_other_push(ring, id, written);
}

/* Makes everything pushed so far (and not held) visible to the driver. */
static inline void viola_ring_publish(struct viola_ring *ring)
{
	if (likely(!viola_ring_variant(ring)))
		viola_split_publish(ring);
	else
		viola_other_publish(ring);
}

/*
 * After publish, with nothing pushed since: whether the driver asked to be
 * interrupted for what became visible since the last call. False if nothing
 * did; true if that is not known, as after init and set_base, and with
 * notify_on_empty whenever the last chain that was seen is taken.
 *
 * The driver counts as answered from then on. Where nobody can be interrupted, do
 * not ask; ask once when somebody can, though nothing was published since.
 */
static inline bool viola_ring_needs_call(struct viola_ring *ring)
{
	return unlikely(viola_ring_is_packed(ring)) ? viola_other_needs_call(ring) :
						      viola_split_needs_call(ring);
}

/*
 * Asks the driver for a kick at the next available chain. 0: none is
 * available, the caller may sleep; 1: one came meanwhile, no kick will tell;
 * -EPROTO: the ring is broken.
 */
static inline int viola_ring_enable_kick(struct viola_ring *ring)
{
	int ret = unlikely(viola_ring_is_packed(ring)) ? viola_packed_enable_kick(ring) :
							 viola_split_enable_kick(ring);

	/* What a crash left is there without a kick. */
	if (unlikely(ring->again_next < ring->again_count) && !ret)
		return 1;
	return ret;
}

/*
 * The same for a device that popped until nothing was left, found that all of
 * it does not suffice (a frame larger than the buffers there are) and gave it
 * back: asks for a kick at the next chain beyond those. 0: no more came, the
 * caller may sleep; 1: more came meanwhile; -EPROTO. enable_kick() would
 * return 1 for what was given back, for ever.
 */
static inline int viola_ring_enable_kick_more(struct viola_ring *ring)
{
	return unlikely(viola_ring_is_packed(ring)) ? viola_packed_enable_kick_more(ring) :
						      viola_split_enable_kick_more(ring);
}

/* Tells the driver that kicks are not needed; a hint, one may still come. */
static inline void viola_ring_disable_kick(struct viola_ring *ring)
{
	if (unlikely(viola_ring_is_packed(ring)))
		viola_packed_disable_kick(ring);
	else
		viola_split_disable_kick(ring);
}

/* Whether a chain is available: 1, 0, or -EPROTO. Does not touch its contents. */
static inline int viola_ring_available(struct viola_ring *ring)
{
	if (unlikely(ring->again_next < ring->again_count) && likely(!viola_ring_broken(ring)))
		return 1;
	return unlikely(viola_ring_is_packed(ring)) ? viola_packed_available(ring) :
						      viola_split_available(ring);
}

/* --- for a log of dirty pages ------------------------------------------------ */

/*
 * After publish: what was written since viola_ring_used_index() was @since, at
 * most num entries ago. Fills in @span and returns how many there are.
 */
static inline u32 viola_ring_used_spans(const struct viola_ring *ring, u16 since,
					struct viola_ring_span span[VIOLA_RING_SPANS])
{
	return viola_ring_is_packed(ring) ? viola_packed_used_spans(ring, since, span) :
					    viola_split_used_spans(ring, since, span);
}

/* After enable_kick, enable_kick_more and disable_kick: what these wrote. */
static inline struct viola_ring_span viola_ring_kick_span(const struct viola_ring *ring)
{
	if (viola_ring_is_packed(ring))
		return (struct viola_ring_span){ .off = 0, .len = 4 };
	if (ring->event_idx)
		return (struct viola_ring_span){ .off = 4 + 8ull * ring->num, .len = 2 };
	return (struct viola_ring_span){ .off = 0, .len = 2 };
}

#endif
