// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>

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
	for (i = 0; i < num; i++)
		d->next[i] = (u16)(i + 1);
	d->free_count = num;
}

void model_driver_free(struct model_driver *d)
{
	free(d->desc);
	free(d->driver);
	free(d->device);
	free(d->next);
	free(d->record);
	memset(d, 0, sizeof(*d));
}

struct viola_ring_config model_driver_config(const struct model_driver *d, bool indirect,
					     u64 *in_flight)
{
	return (struct viola_ring_config){
		.num = d->num,
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

void model_driver_no_call(struct model_driver *d)
{
	d->layout->no_call(d);
}

void model_driver_start_at(struct model_driver *d, u16 at)
{
	d->layout->start_at(d, at);
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
	d->free_count -= slots;
	d->record[head] = (struct model_record){
		.in_flight = true,
		.table = table_gpa,
		.descs = (u16)slots,
		.cookie = cookie,
	};
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
	struct model_record *record;
	u32 head, i;
	u16 last;

	if (idx == d->used)
		return 0;
	if ((u16)(idx - d->used) > d->num) {
		d->fault = "used index runs ahead";
		return -EPROTO;
	}
	head = le32_to_cpu(READ_ONCE(*(const __le32 *)elem));
	*written = le32_to_cpu(READ_ONCE(*(const __le32 *)(elem + 4)));
	if (head >= d->num || !d->record[head].in_flight) {
		d->fault = "used id is not in flight";
		return -EPROTO;
	}
	record = &d->record[head];
	record->in_flight = false;
	for (i = 1, last = (u16)head; i < record->descs; i++)
		last = d->next[last];
	d->next[last] = d->free_head;
	d->free_head = (u16)head;
	d->free_count += record->descs;
	d->used++;
	*id = (u16)head;
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
	.start_at = split_start_at,
};
