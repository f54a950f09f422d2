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
 * never taken. To sleep: viola_ring_enable_kick(), and only if that returns 0
 * wait for the kick; after waking viola_ring_disable_kick().
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
 */
#ifndef VIOLA_RING_H
#define VIOLA_RING_H

#include <viola/mem.h>

#define VIOLA_RING_MAX_SIZE 32768u /* virtio 1.2, 2.7: the largest split ring */

/* Why a ring is broken; viola_ring_error_name() gives the words. */
enum viola_ring_error {
	VIOLA_RING_OK,
	VIOLA_RING_AVAIL_INDEX, /* more available than the ring holds */
	VIOLA_RING_HEAD_RANGE, /* head not below the ring size */
	VIOLA_RING_HEAD_IN_FLIGHT, /* head made available twice */
	VIOLA_RING_NEXT_RANGE, /* next not below the table size */
	VIOLA_RING_CHAIN_LOOP, /* more descriptors than the table holds */
	VIOLA_RING_INDIRECT_OFF, /* indirect without the feature */
	VIOLA_RING_INDIRECT_NESTED, /* indirect table inside one */
	VIOLA_RING_INDIRECT_NEXT, /* indirect descriptor with NEXT or WRITE */
	VIOLA_RING_INDIRECT_SIZE, /* table length 0 or no multiple of 16 */
	VIOLA_RING_ORDER, /* readable descriptor after a writable one */
	VIOLA_RING_ADDRESS, /* not guest memory */
	VIOLA_RING_TOO_LONG, /* more pieces or bytes than the device takes */
	VIOLA_RING_ERRORS
};

static inline const char *viola_ring_error_name(enum viola_ring_error error)
{
	static const char *const name[VIOLA_RING_ERRORS] = {
		[VIOLA_RING_OK] = "ok",
		[VIOLA_RING_AVAIL_INDEX] = "available index runs ahead of the ring",
		[VIOLA_RING_HEAD_RANGE] = "head index out of range",
		[VIOLA_RING_HEAD_IN_FLIGHT] = "head made available while in flight",
		[VIOLA_RING_NEXT_RANGE] = "next index out of range",
		[VIOLA_RING_CHAIN_LOOP] = "descriptor chain loops",
		[VIOLA_RING_INDIRECT_OFF] = "indirect descriptor not negotiated",
		[VIOLA_RING_INDIRECT_NESTED] = "indirect table within an indirect table",
		[VIOLA_RING_INDIRECT_NEXT] = "indirect descriptor with other flags",
		[VIOLA_RING_INDIRECT_SIZE] = "bad indirect table length",
		[VIOLA_RING_ORDER] = "readable descriptor after a writable one",
		[VIOLA_RING_ADDRESS] = "address is not guest memory",
		[VIOLA_RING_TOO_LONG] = "chain longer than the device takes",
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
	u16 slots; /* ring entries it takes (split: 1 available entry) */
	u32 nout; /* seg[0 … nout) are device-readable */
	u32 nin; /* seg[nout … nout + nin) are device-writable */
	u32 out_len; /* bytes */
	u32 in_len; /* bytes */
};

struct viola_ring_config {
	u32 num; /* entries: a power of two up to VIOLA_RING_MAX_SIZE */
	bool event_idx; /* VIRTIO_RING_F_EVENT_IDX negotiated */
	bool indirect; /* VIRTIO_RING_F_INDIRECT_DESC negotiated */
	/*
	 * The three parts of the ring, mapped for as long as the ring is used:
	 * desc 16-byte, driver 2-byte, device 4-byte aligned, of at least
	 * viola_ring_*_size() bytes.
	 */
	void *desc;
	void *driver; /* split: available ring */
	void *device; /* split: used ring */
	const struct viola_mem *mem; /* where descriptors may point */
	u64 *in_flight; /* viola_ring_in_flight_words(num) words, caller's */
};

/* Private to include/viola/; the fields are for debuggers, not for callers. */
struct viola_ring {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	const struct viola_mem *mem;
	u64 *in_flight; /* bit per head: popped and not yet pushed */
	u32 num;
	u16 mask; /* num - 1 */
	u16 next_avail; /* next available entry to pop */
	u16 avail_seen; /* avail->idx as last loaded and checked */
	u16 next_used; /* next used entry to write */
	u16 signalled; /* next_used at the last needs_call() */
	bool signalled_valid;
	bool event_idx;
	bool indirect;
	u32 hint; /* extent of the last payload piece */
	u32 table_hint; /* extent of the last indirect table */
	enum viola_ring_error error;
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

static inline u32 viola_ring_in_flight_words(u32 num)
{
	return (num + 63) / 64;
}

static inline bool viola_ring_num_valid(u32 num)
{
	return num && num <= VIOLA_RING_MAX_SIZE && !(num & (num - 1));
}

static inline bool viola_ring_broken(const struct viola_ring *ring)
{
	return ring->error != VIOLA_RING_OK;
}

#include <viola/ring-split.h>

/*
 * Prepares @ring to run from index 0 with nothing in flight. @cfg may be
 * dropped afterwards, what it points to may not. -EINVAL for a size or an
 * alignment that virtio forbids (2.7).
 */
static inline int viola_ring_init(struct viola_ring *ring, const struct viola_ring_config *cfg)
{
	return viola_split_init(ring, cfg);
}

/*
 * Resumes at a saved position (VHOST_SET_VRING_BASE): the next available
 * entry to pop; the next used entry is read from the ring, as vhost does.
 */
static inline void viola_ring_set_base(struct viola_ring *ring, u16 next_avail)
{
	viola_split_set_base(ring, next_avail);
}

/* The position to save: index of the next available entry to pop. */
static inline u16 viola_ring_base(const struct viola_ring *ring)
{
	return ring->next_avail;
}

/*
 * Takes the next available chain. 1: @chain is filled in; 0: none is
 * available; -EPROTO: the ring is broken.
 */
static inline int viola_ring_pop(struct viola_ring *ring, struct viola_chain *chain)
{
	return viola_split_pop(ring, chain);
}

/*
 * Gives back @chain, the last one popped. Several are given back newest first.
 * A chain popped before one that was pushed cannot be given back any more: it
 * is the last entry that is taken again, whichever chain is named.
 */
static inline void viola_ring_unpop(struct viola_ring *ring, const struct viola_chain *chain)
{
	viola_split_unpop(ring, chain->id, chain->slots);
}

/*
 * Marks buffer @id used with @written bytes of its writable part filled, not
 * yet visible. Each popped id is pushed or unpopped exactly once.
 */
static inline void viola_ring_push(struct viola_ring *ring, u16 id, u32 written)
{
	viola_split_push(ring, id, written);
}

/* Makes everything pushed so far visible to the driver. */
static inline void viola_ring_publish(struct viola_ring *ring)
{
	viola_split_publish(ring);
}

/*
 * After publish, with nothing pushed since: whether the driver asked to be
 * interrupted for what became visible since the last call. False if nothing
 * did; true if that is not known, as after init and set_base.
 */
static inline bool viola_ring_needs_call(struct viola_ring *ring)
{
	return viola_split_needs_call(ring);
}

/*
 * Asks the driver for a kick at the next available chain. 0: none is
 * available, the caller may sleep; 1: one came meanwhile, no kick will tell;
 * -EPROTO: the ring is broken.
 */
static inline int viola_ring_enable_kick(struct viola_ring *ring)
{
	return viola_split_enable_kick(ring);
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
	return viola_split_enable_kick_more(ring);
}

/* Tells the driver that kicks are not needed; a hint, one may still come. */
static inline void viola_ring_disable_kick(struct viola_ring *ring)
{
	viola_split_disable_kick(ring);
}

/* Whether a chain is available: 1, 0, or -EPROTO. Does not touch its contents. */
static inline int viola_ring_available(struct viola_ring *ring)
{
	return viola_split_available(ring);
}

#endif
