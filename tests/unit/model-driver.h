/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The driver's side of a virtqueue, as virtio 1.2 (2.6 to 2.8) wants it to
 * behave, for tests of the device's side (include/viola/ring.h), and the
 * guest memory that both share.
 *
 * Every part of the ring and every extent of guest memory is a heap object of
 * its own and of exactly its size, so that AddressSanitizer sees an access
 * one byte beyond it. A test that plays a hostile driver writes the shared
 * memory itself, through the same structures.
 */
#ifndef VIOLA_TESTS_MODEL_DRIVER_H
#define VIOLA_TESTS_MODEL_DRIVER_H

#include <viola/ring.h>

#define MODEL_EXTENTS_MAX 64

struct model_guest {
	struct viola_extent ext[MODEL_EXTENTS_MAX];
	struct viola_mem mem; /* .ext points to ext */
};

/* An empty guest; each added extent is zeroed memory of @size bytes. */
void model_guest_init(struct model_guest *guest);
/* Extents are added in ascending, disjoint order; anything else aborts. */
u8 *model_guest_add(struct model_guest *guest, u64 gpa, u64 size);
void model_guest_free(struct model_guest *guest);

/* One piece of a buffer as the driver describes it: one descriptor. */
struct model_piece {
	u64 gpa;
	u32 len;
	bool in; /* device-writable */
};

/* What the driver knows about a buffer it made available. */
struct model_record {
	bool in_flight;
	bool table; /* described by an indirect table */
	bool quiet; /* nothing writable */
	u16 descs; /* descriptors it holds in the ring */
	u64 cookie;
};

struct model_driver;

/* What differs between ring layouts. */
struct model_layout {
	const char *name;
	u64 (*desc_size)(u32 num);
	u64 (*driver_size)(u32 num);
	u64 (*device_size)(u32 num);
	int (*add)(struct model_driver *d, const struct model_piece *piece, u32 n, u64 table_gpa,
		   u64 cookie);
	void (*expose)(struct model_driver *d);
	bool (*kick_wanted)(struct model_driver *d);
	int (*reclaim)(struct model_driver *d, u16 *id, u32 *written);
	bool (*want_call)(struct model_driver *d, u16 after);
	void (*no_call)(struct model_driver *d);
	u32 (*backlog)(struct model_driver *d);
	void (*start_at)(struct model_driver *d, u16 at);
};

extern const struct model_layout model_split, model_packed;

struct model_driver {
	const struct model_layout *layout;
	struct model_guest *guest;
	u32 num;
	bool event_idx;
	void *desc, *driver, *device; /* the three parts, exactly sized */

	u16 free_head; /* list of free descriptors, linked by next[] */
	u32 free_count;
	u16 *next;
	struct model_record *record; /* by id */

	/*
	 * VIRTIO_F_IN_ORDER; a test sets it after init. Descriptors are then taken
	 * in the order they lie in, and buffers must come back in the order they
	 * were made available in, several perhaps by one used entry.
	 */
	bool in_order;
	u16 *fifo; /* ids as made available, num places */
	u32 fifo_head, fifo_count;
	u32 batch_left; /* buffers that the last used entry spoke for */
	u16 batch_id; /* the last of them, and its length */
	u32 batch_written;
	u64 batches; /* used entries that spoke for more than one buffer */

	/* Split: indices. Packed: offset, and in bit 15 the wrap counter. */
	u16 avail; /* next available entry to write */
	u16 exposed; /* avail as last made visible */
	u16 asked; /* avail at the last kick_wanted() */
	u16 used; /* next used entry to read */
	u16 first_flags; /* packed: what exposes the entry at exposed */
	const char *fault; /* what the device did wrong, or NULL */
};

/* Allocates the parts of a ring of @num entries, all zero. */
void model_driver_init(struct model_driver *d, const struct model_layout *layout,
		       struct model_guest *guest, u32 num, bool event_idx);
void model_driver_free(struct model_driver *d);

/* The configuration of a device on @d's ring. */
struct viola_ring_config model_driver_config(const struct model_driver *d, bool indirect,
					     bool *in_flight);

/*
 * Starts the driver's side and the shared indices at index @at instead
 * of 0, with nothing in flight: the state a long-running ring reaches, so that
 * tests cross the wrap. The device follows by viola_ring_set_base(d->avail).
 */
void model_driver_start_at(struct model_driver *d, u16 at);

/*
 * Writes @n pieces as one buffer, not yet visible to the device. With
 * @table_gpa they go into an indirect table there (16 * n bytes of guest
 * memory), else one descriptor of the ring each. Returns the buffer's id, or
 * -ENOSPC if the ring has no room.
 */
int model_driver_add(struct model_driver *d, const struct model_piece *piece, u32 n,
		     u64 table_gpa, u64 cookie);

/* Makes all added buffers visible. */
void model_driver_expose(struct model_driver *d);

/* After expose: whether the device wants a kick for what became visible. */
bool model_driver_kick_wanted(struct model_driver *d);

/*
 * Takes back the next used buffer. 1: *id and *written are filled in; 0: none;
 * -EPROTO: the device broke the rules, d->fault says which one.
 */
int model_driver_reclaim(struct model_driver *d, u16 *id, u32 *written);

/*
 * Asks for an interrupt once more than @after further ring entries are used (split:
 * buffers, packed: descriptors).
 * Returns true if that has come about meanwhile, so that none will come.
 */
bool model_driver_want_call(struct model_driver *d, u16 after);

/* Ring entries that are used and not reclaimed, in the same unit. */
u32 model_driver_backlog(struct model_driver *d);

/* Asks for no interrupts; with event indices a stray one may still come. */
void model_driver_no_call(struct model_driver *d);

/* A small generator of its own, so that a seed means the same everywhere. */
struct model_rand {
	u64 state;
};

u64 model_rand_next(struct model_rand *r);
/* Uniform enough in [0, n), n > 0. */
u32 model_rand_below(struct model_rand *r, u32 n);
/* A seed that nobody chose, or that of VIOLA_TEST_SEED; it is printed, to be repeated. */
u64 model_rand_seed(void);
/* Bytes that depend on @key alone. */
void model_fill(void *to, size_t len, u64 key);

/* Shared memory of the split layout, for hostile tests. */
static inline struct vring_desc *model_split_desc(const struct model_driver *d, u32 i)
{
	return (struct vring_desc *)d->desc + i;
}

static inline __le16 *model_split_avail(const struct model_driver *d)
{
	return d->driver; /* [0] flags, [1] idx, [2 + i] ring, [2 + num] used_event */
}

static inline u8 *model_split_used(const struct model_driver *d)
{
	return d->device; /* 0 flags, 2 idx, 4 + 8 i ring, 4 + 8 num avail_event */
}

/* The same of the packed layout. */
static inline struct vring_packed_desc *model_packed_desc(const struct model_driver *d, u32 i)
{
	return (struct vring_packed_desc *)d->desc + i;
}

#endif
