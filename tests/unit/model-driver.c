// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/model-driver.h"

static void *must(void *p)
{
	if (!p) {
		fprintf(stderr, "model-driver: out of memory\n");
		abort();
	}
	return p;
}

/* --- guest memory --------------------------------------------------------- */

void model_guest_init(struct model_guest *guest)
{
	memset(guest, 0, sizeof(*guest));
	guest->mem.ext = guest->ext;
}

u8 *model_guest_add(struct model_guest *guest, u64 gpa, u64 size)
{
	struct viola_extent *e = &guest->ext[guest->mem.nr];

	if (guest->mem.nr == MODEL_EXTENTS_MAX)
		abort();
	e->gpa = gpa;
	e->size = size;
	e->base = must(calloc(1, size));
	guest->mem.nr++;
	if (!viola_mem_valid(&guest->mem))
		abort();
	return e->base;
}

void model_guest_free(struct model_guest *guest)
{
	u32 i;

	for (i = 0; i < guest->mem.nr; i++)
		free(guest->ext[i].base);
	guest->mem.nr = 0;
}

/* --- random numbers ------------------------------------------------------- */

/* The finalizer of SplitMix64: state is a counter, output a hash of it. */
u64 model_rand_next(struct model_rand *r)
{
	u64 z = r->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

u32 model_rand_below(struct model_rand *r, u32 n)
{
	return (u32)((model_rand_next(r) >> 32) * n >> 32);
}

u64 model_rand_seed(void)
{
	const char *given = getenv("VIOLA_TEST_SEED");
	struct timespec now;
	u64 seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = given ? strtoull(given, NULL, 0) :
		       ((u64)now.tv_sec << 20 ^ (u64)now.tv_nsec) & UINT32_MAX;
	printf("# VIOLA_TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

void model_fill(void *to, size_t len, u64 key)
{
	struct model_rand r = { key };
	u8 *at = to;

	while (len) {
		u64 word = model_rand_next(&r);
		size_t part = min(len, sizeof(word));

		memcpy(at, &word, part);
		at += part;
		len -= part;
	}
}

/* --- any layout ----------------------------------------------------------- */

void model_driver_init(struct model_driver *d, const struct model_layout *layout,
		       struct model_guest *guest, u32 num, bool event_idx)
{
	u32 i;

	memset(d, 0, sizeof(*d));
	d->layout = layout;
	d->guest = guest;
	d->num = num;
	d->event_idx = event_idx;
	/* glibc's calloc() aligns to 16, as descriptors want. */
	d->desc = must(calloc(1, layout->desc_size(num)));
	d->driver = must(calloc(1, layout->driver_size(num)));
	d->device = must(calloc(1, layout->device_size(num)));
	d->next = must(calloc(num, sizeof(*d->next)));
	d->record = must(calloc(num, sizeof(*d->record)));
	d->fifo = must(calloc(num, sizeof(*d->fifo)));
	for (i = 0; i < num; i++)
		d->next[i] = (u16)(i + 1);
	d->next[num - 1] = 0; /* nobody follows it while the list is full, but in_order */
	d->free_count = num;
	d->layout->start_at(d, 0);
}

void model_driver_free(struct model_driver *d)
{
	free(d->desc);
	free(d->driver);
	free(d->device);
	free(d->next);
	free(d->record);
	free(d->fifo);
	memset(d, 0, sizeof(*d));
}

struct viola_ring_config model_driver_config(const struct model_driver *d, bool indirect,
					     bool *in_flight)
{
	return (struct viola_ring_config){
		.num = d->num,
		.packed = d->layout == &model_packed,
		.in_order = d->in_order,
		.event_idx = d->event_idx,
		.indirect = indirect,
		.desc = d->desc,
		.driver = d->driver,
		.device = d->device,
		.mem = &d->guest->mem,
		.in_flight = in_flight,
	};
}

int model_driver_add(struct model_driver *d, const struct model_piece *piece, u32 n,
		     u64 table_gpa, u64 cookie)
{
	return d->layout->add(d, piece, n, table_gpa, cookie);
}

void model_driver_expose(struct model_driver *d)
{
	d->layout->expose(d);
}

bool model_driver_kick_wanted(struct model_driver *d)
{
	return d->layout->kick_wanted(d);
}

int model_driver_reclaim(struct model_driver *d, u16 *id, u32 *written)
{
	if (d->fault)
		return -EPROTO;
	return d->layout->reclaim(d, id, written);
}

bool model_driver_want_call(struct model_driver *d, u16 after)
{
	return d->layout->want_call(d, after);
}

u32 model_driver_backlog(struct model_driver *d)
{
	return d->layout->backlog(d);
}

void model_driver_no_call(struct model_driver *d)
{
	d->layout->no_call(d);
}

void model_driver_start_at(struct model_driver *d, u16 at)
{
	d->layout->start_at(d, at);
}

/* Buffer @id is available now. */
static void note_available(struct model_driver *d, u16 id, const struct model_piece *piece, u32 n,
			   u32 slots, u64 table_gpa, u64 cookie)
{
	u32 place = (d->fifo_head + d->fifo_count++) % d->num, i;
	bool quiet = true;

	for (i = 0; i < n; i++)
		quiet &= !(piece[i].in && piece[i].len);
	d->fifo[place] = id;
	d->free_count -= slots;
	d->record[id] = (struct model_record){
		.in_flight = true,
		.table = table_gpa,
		.quiet = quiet,
		.descs = (u16)slots,
		.cookie = cookie,
	};
}

/* Buffers from the oldest to @id: as many as one used entry for it speaks for. */
static u32 batch_of(const struct model_driver *d, u16 id)
{
	u32 i;

	if (!d->in_order)
		return 1;
	for (i = 0; i < d->fifo_count; i++)
		if (d->fifo[(d->fifo_head + i) % d->num] == id)
			return i + 1;
	return 0;
}

/*
 * With in_order: the next buffer of a batch, of which the used entry said only
 * that it ends with batch_id. 1, or -EPROTO.
 */
static int take_of_batch(struct model_driver *d, u16 *id, u32 *written)
{
	*id = d->fifo[d->fifo_head];
	*written = 0;
	if (--d->batch_left == 0) {
		*written = d->batch_written;
	} else if (!d->record[*id].quiet) {
		d->fault = "a buffer whose length the driver must know was skipped";
		return -EPROTO;
	}
	return 1;
}

/* The used entry that was read says @id, @written. 1, or -EPROTO. */
static int begin_batch(struct model_driver *d, u32 id, u32 written)
{
	if (id >= d->num || !d->record[id].in_flight) {
		d->fault = "used id is not in flight";
		return -EPROTO;
	}
	d->batch_id = (u16)id;
	d->batch_written = written;
	d->batch_left = batch_of(d, (u16)id);
	d->batches += d->batch_left > 1;
	return 1;
}

/* Buffer @id is the driver's again; its descriptors are free. */
static void note_used(struct model_driver *d, u16 id)
{
	u32 i = 0;

	/* Out of order it may be anywhere; few are. */
	while (d->fifo[(d->fifo_head + i) % d->num] != id)
		i++;
	for (; i; i--)
		d->fifo[(d->fifo_head + i) % d->num] = d->fifo[(d->fifo_head + i - 1) % d->num];
	d->fifo_head = (d->fifo_head + 1) % d->num;
	d->fifo_count--;
	d->record[id].in_flight = false;
	d->free_count += d->record[id].descs;
}

/* --- split ring (virtio 1.2, 2.7) ----------------------------------------- */

static __le16 *split_used_event(const struct model_driver *d)
{
	return model_split_avail(d) + 2 + d->num;
}

static u16 split_load16(const void *at)
{
	return le16_to_cpu(READ_ONCE(*(const __le16 *)at));
}

static void split_put_desc(struct vring_desc *to, const struct model_piece *piece, bool more,
			   u16 next)
{
	u16 flags = (u16)((piece->in ? VRING_DESC_F_WRITE : 0) | (more ? VRING_DESC_F_NEXT : 0));

	to->addr = cpu_to_le64(piece->gpa);
	to->len = cpu_to_le32(piece->len);
	to->flags = cpu_to_le16(flags);
	to->next = cpu_to_le16(next);
}

static int split_add(struct model_driver *d, const struct model_piece *piece, u32 n,
		     u64 table_gpa, u64 cookie)
{
	u32 slots = table_gpa ? 1 : n, i;
	u16 head = d->free_head, at = head;

	if (!n || d->free_count < slots)
		return -ENOSPC;
	if (table_gpa) {
		struct model_piece whole = { table_gpa, 16 * n, false };
		u32 hint = 0;

		for (i = 0; i < n; i++) {
			struct vring_desc one;

			split_put_desc(&one, &piece[i], i + 1 < n, (u16)(i + 1));
			if (viola_mem_write(&d->guest->mem, &hint, table_gpa + 16ull * i, &one,
					    sizeof(one)))
				return -EFAULT;
		}
		split_put_desc(model_split_desc(d, at), &whole, false, 0);
		model_split_desc(d, at)->flags = cpu_to_le16(VRING_DESC_F_INDIRECT);
		at = d->next[at];
	} else {
		for (i = 0; i < n; i++) {
			split_put_desc(model_split_desc(d, at), &piece[i], i + 1 < n, d->next[at]);
			at = d->next[at];
		}
	}
	d->free_head = at;
	note_available(d, head, piece, n, slots, table_gpa, cookie);
	model_split_avail(d)[2 + (d->avail & (d->num - 1))] = cpu_to_le16(head);
	d->avail++;
	return head;
}

static void split_expose(struct model_driver *d)
{
	/* (A) pairs with the device's load_acquire of avail->idx. */
	viola_store_release(model_split_avail(d) + 1, cpu_to_le16(d->avail));
	d->exposed = d->avail;
}

static bool split_kick_wanted(struct model_driver *d)
{
	u16 event, before = d->asked, now = d->exposed;

	viola_mb(); /* (C) */
	d->asked = now;
	if (!d->event_idx)
		return !(split_load16(d->device) & VRING_USED_F_NO_NOTIFY);
	event = split_load16(model_split_used(d) + 4 + 8 * (size_t)d->num);
	return (u16)(now - event - 1) < (u16)(now - before);
}

static int split_reclaim(struct model_driver *d, u16 *id, u32 *written)
{
	u16 idx = le16_to_cpu(viola_load_acquire((__le16 *)(model_split_used(d) + 2))); /* (B) */
	const u8 *elem = model_split_used(d) + 4 + 8 * (size_t)(d->used & (d->num - 1));
	u32 i;
	u16 last;

	if (!d->batch_left) {
		if (idx == d->used)
			return 0;
		if ((u16)(idx - d->used) > d->num) {
			d->fault = "used index runs ahead";
			return -EPROTO;
		}
		if (begin_batch(d, le32_to_cpu(READ_ONCE(*(const __le32 *)elem)),
				le32_to_cpu(READ_ONCE(*(const __le32 *)(elem + 4)))) < 0)
			return -EPROTO;
	}
	if (!d->in_order) {
		*id = d->batch_id;
		*written = d->batch_written;
		d->batch_left = 0;
		for (i = 1, last = *id; i < d->record[*id].descs; i++)
			last = d->next[last];
		d->next[last] = d->free_head;
		d->free_head = *id;
	} else if (take_of_batch(d, id, written) < 0) {
		return -EPROTO;
	}
	note_used(d, *id);
	d->used++;
	return 1;
}

static bool split_want_call(struct model_driver *d, u16 after)
{
	u16 idx;

	if (d->event_idx)
		WRITE_ONCE(*split_used_event(d), cpu_to_le16((u16)(d->used + after)));
	else
		WRITE_ONCE(*model_split_avail(d), 0);
	viola_mb(); /* (D) */
	idx = split_load16(model_split_used(d) + 2);
	return (u16)(idx - d->used) > (d->event_idx ? after : 0);
}

static u32 split_backlog(struct model_driver *d)
{
	return (u16)(split_load16(model_split_used(d) + 2) - d->used);
}

static void split_no_call(struct model_driver *d)
{
	if (d->event_idx)
		WRITE_ONCE(*split_used_event(d), cpu_to_le16((u16)(d->used - 1)));
	else
		WRITE_ONCE(*model_split_avail(d), cpu_to_le16(VRING_AVAIL_F_NO_INTERRUPT));
}

static void split_start_at(struct model_driver *d, u16 at)
{
	d->avail = d->exposed = d->asked = d->used = at;
	model_split_avail(d)[1] = cpu_to_le16(at);
	*(__le16 *)(model_split_used(d) + 2) = cpu_to_le16(at);
	*split_used_event(d) = cpu_to_le16(at);
	*(__le16 *)(model_split_used(d) + 4 + 8 * (size_t)d->num) = cpu_to_le16(at);
}

const struct model_layout model_split = {
	.name = "split",
	.desc_size = viola_ring_desc_size,
	.driver_size = viola_ring_driver_size,
	.device_size = viola_ring_device_size,
	.add = split_add,
	.expose = split_expose,
	.kick_wanted = split_kick_wanted,
	.reclaim = split_reclaim,
	.want_call = split_want_call,
	.no_call = split_no_call,
	.backlog = split_backlog,
	.start_at = split_start_at,
};

/* --- packed ring (virtio 1.2, 2.8) ----------------------------------------- */

#define WRAP 0x8000u
#define OFFSET 0x7fffu
#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED (1u << VRING_PACKED_DESC_F_USED)

static u16 packed_after(const struct model_driver *d, u16 at, u32 slots)
{
	u32 off = (at & OFFSET) + slots;

	/* The wrap counter changes each time round. */
	while (off >= d->num) {
		off -= d->num;
		at ^= WRAP;
	}
	return (u16)(off | (at & WRAP));
}

static u32 packed_between(const struct model_driver *d, u16 from, u16 to)
{
	u32 n = 0;

	while (from != to) {
		if ((from & OFFSET) < (to & OFFSET)) {
			n += (to & OFFSET) - (from & OFFSET);
			from = (u16)((from & WRAP) | (to & OFFSET));
		} else {
			n += d->num - (from & OFFSET);
			from = (u16)((from & WRAP) ^ WRAP);
		}
	}
	return n;
}

static u16 packed_avail_flags(u16 at)
{
	return at & WRAP ? AVAIL : USED;
}

/* Writes the descriptor at @at but for its flags, which it returns. */
static u16 packed_put(struct model_driver *d, u16 at, u64 gpa, u32 len, u16 id, u16 flags)
{
	struct vring_packed_desc *to = model_packed_desc(d, at & OFFSET);

	to->addr = cpu_to_le64(gpa);
	to->len = cpu_to_le32(len);
	to->id = cpu_to_le16(id);
	return (u16)(flags | packed_avail_flags(at));
}

/* The first entry that is not exposed keeps its flags until expose. */
static void packed_flags(struct model_driver *d, u16 at, u16 flags)
{
	if (at == d->exposed)
		d->first_flags = flags;
	else
		WRITE_ONCE(model_packed_desc(d, at & OFFSET)->flags, cpu_to_le16(flags));
}

static int packed_add(struct model_driver *d, const struct model_piece *piece, u32 n,
		      u64 table_gpa, u64 cookie)
{
	u32 slots = table_gpa ? 1 : n, i, hint = 0;
	u16 id = d->free_head;

	if (!n || d->free_count < slots)
		return -ENOSPC;
	for (i = 0; i < n && table_gpa; i++) {
		struct vring_packed_desc one = {
			.addr = cpu_to_le64(piece[i].gpa),
			.len = cpu_to_le32(piece[i].len),
			.id = cpu_to_le16(0xdead), /* 2.8.7: means nothing */
			.flags = cpu_to_le16(piece[i].in ? VRING_DESC_F_WRITE : 0),
		};

		if (viola_mem_write(&d->guest->mem, &hint, table_gpa + 16ull * i, &one,
				    sizeof(one)))
			return -EFAULT;
	}
	if (table_gpa) {
		packed_flags(d, d->avail, packed_put(d, d->avail, table_gpa, 16 * n, id,
						     VRING_DESC_F_INDIRECT));
		d->avail = packed_after(d, d->avail, 1);
	}
	for (i = 0; i < n && !table_gpa; i++) {
		u16 flags = (u16)((piece[i].in ? VRING_DESC_F_WRITE : 0) |
				  (i + 1 < n ? VRING_DESC_F_NEXT : 0));

		/* Only the last one's id counts (2.8.6). */
		packed_flags(d, d->avail, packed_put(d, d->avail, piece[i].gpa, piece[i].len,
						     i + 1 < n ? 0xbeef : id, flags));
		d->avail = packed_after(d, d->avail, 1);
	}
	d->free_head = d->next[id];
	note_available(d, id, piece, n, slots, table_gpa, cookie);
	return id;
}

static void packed_expose(struct model_driver *d)
{
	if (d->avail == d->exposed)
		return;
	/* (A) pairs with the device's load_acquire of the same flags. */
	viola_store_release(&model_packed_desc(d, d->exposed & OFFSET)->flags,
			    cpu_to_le16(d->first_flags));
	d->exposed = d->avail;
}

static bool packed_kick_wanted(struct model_driver *d)
{
	u16 before = d->asked;
	u32 event, past;

	viola_mb(); /* (C) */
	d->asked = d->exposed;
	event = le32_to_cpu(READ_ONCE(*(const __le32 *)d->device));
	if (event >> 16 != VRING_PACKED_EVENT_FLAG_DESC)
		return event >> 16 == VRING_PACKED_EVENT_FLAG_ENABLE;
	past = packed_between(d, (u16)event, d->exposed);
	return past && past <= packed_between(d, before, d->exposed);
}

static bool packed_is_used(u16 flags, u16 at)
{
	bool wrap = at & WRAP;

	return !!(flags & AVAIL) == wrap && !!(flags & USED) == wrap;
}

static int packed_reclaim(struct model_driver *d, u16 *id, u32 *written)
{
	const struct vring_packed_desc *at = model_packed_desc(d, d->used & OFFSET);

	if (!d->batch_left) {
		u16 flags = le16_to_cpu(viola_load_acquire(&at->flags)); /* (B) */
		u32 len = 0;

		if (!packed_is_used(flags, d->used))
			return 0;
		/* 2.8.6: the length counts only with WRITE. */
		if (flags & VRING_DESC_F_WRITE)
			len = le32_to_cpu(READ_ONCE(at->len));
		if (flags & ~(AVAIL | USED | VRING_DESC_F_WRITE)) {
			d->fault = "a used descriptor has flags that it must not have";
			return -EPROTO;
		}
		if (begin_batch(d, le16_to_cpu(READ_ONCE(at->id)), len) < 0)
			return -EPROTO;
	}
	if (!d->in_order) {
		*id = d->batch_id;
		*written = d->batch_written;
		d->batch_left = 0;
	} else if (take_of_batch(d, id, written) < 0) {
		return -EPROTO;
	}
	d->next[*id] = d->free_head;
	d->free_head = *id;
	note_used(d, *id);
	d->used = packed_after(d, d->used, d->record[*id].descs);
	return 1;
}

static u32 packed_backlog(struct model_driver *d)
{
	u32 entries = 0, done = d->batch_left, i;
	u16 at = d->used;

	for (i = 0; i < d->batch_left; i++)
		entries += d->record[d->fifo[(d->fifo_head + i) % d->num]].descs;
	at = packed_after(d, at, entries);
	while (done < d->fifo_count) {
		const struct vring_packed_desc *used = model_packed_desc(d, at & OFFSET);
		u32 slots = 0;
		u16 id;

		if (!packed_is_used(le16_to_cpu(viola_load_acquire(&used->flags)), at))
			break;
		id = le16_to_cpu(READ_ONCE(used->id));
		if (id >= d->num)
			break;
		if (!d->in_order) {
			slots = d->record[id].descs;
			done++;
		} else {
			u32 end = batch_of(d, id);

			for (; done < end; done++)
				slots += d->record[d->fifo[(d->fifo_head + done) % d->num]].descs;
		}
		if (!slots)
			break;
		entries += slots;
		at = packed_after(d, at, slots);
	}
	return entries;
}

static bool packed_want_call(struct model_driver *d, u16 after)
{
	u32 event = VRING_PACKED_EVENT_FLAG_ENABLE;

	if (d->event_idx)
		event = packed_after(d, d->used, after) | (u32)VRING_PACKED_EVENT_FLAG_DESC << 16;
	WRITE_ONCE(*(__le32 *)d->driver, cpu_to_le32(event));
	viola_mb(); /* (D) */
	return packed_backlog(d) > (d->event_idx ? after : 0);
}

static void packed_no_call(struct model_driver *d)
{
	WRITE_ONCE(*(__le32 *)d->driver,
		   cpu_to_le32((u32)VRING_PACKED_EVENT_FLAG_DISABLE << 16));
}

static void packed_start_at(struct model_driver *d, u16 at)
{
	u32 i;

	/* So many entries after the start, where both wrap counters are 1. */
	at = packed_after(d, WRAP, at);
	d->avail = d->exposed = d->asked = d->used = at;
	for (i = 0; i < d->num; i++) {
		/* As the last lap left them. */
		bool wrap = !(at & WRAP) != (i < (at & OFFSET));

		model_packed_desc(d, i)->flags = cpu_to_le16(wrap ? AVAIL | USED : 0);
	}
}

const struct model_layout model_packed = {
	.name = "packed",
	.desc_size = viola_packed_desc_size,
	.driver_size = viola_packed_driver_size,
	.device_size = viola_packed_device_size,
	.add = packed_add,
	.expose = packed_expose,
	.kick_wanted = packed_kick_wanted,
	.reclaim = packed_reclaim,
	.want_call = packed_want_call,
	.no_call = packed_no_call,
	.backlog = packed_backlog,
	.start_at = packed_start_at,
};
