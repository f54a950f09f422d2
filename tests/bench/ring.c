// SPDX-License-Identifier: GPL-2.0
/*
 * What the device side of a ring costs: pop, push and publish, and the
 * question needs_call(), on a ring whose driver takes no time; by single calls, and
 * by bursts.
 *
 * The ring is full of the same buffers all the time: every entry names its own
 * head, so one store to the available index makes all of them available anew.
 * The driver of a packed ring has to write each descriptor anew: that is part of
 * what is measured there, some 5 instructions each.
 * Payload is not touched.
 *
 *   bench-ring                     table of nanoseconds, best of REPEATS
 *   bench-ring --list              the cases' names
 *   bench-ring --case NAME ROUNDS  just runs it (for a counter of instructions)
 *                                  and prints the descriptors handled
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <viola/ring-burst.h>

#define NUM 256u
#define REPEATS 40
#define ROUNDS 200u
#define EXTENTS 16u
#define EXTENT_LEN 0x20000ull
#define SEGS 32
#define BURST_MAX 32u

struct shape {
	const char *name;
	u32 descs; /* per chain */
	bool indirect;
	bool scattered; /* each chain's payload in another extent than the last's */
	u32 batch; /* chains per publish; 0: none is popped, the driver writes over its own */
	bool ask; /* needs_call() after each publish */
	bool packed, in_order;
	bool burst; /* of .batch buffers, with all that they bring */
};

static const struct shape shapes[] = {
	{ "direct-1/batch-1", 1, false, false, 1, false },
	{ "direct-1/batch-32", 1, false, false, 32, false },
	{ "direct-2/batch-1", 2, false, false, 1, false },
	{ "direct-2/batch-32", 2, false, false, 32, false },
	{ "indirect-2/batch-1", 2, true, false, 1, false },
	{ "indirect-2/batch-32", 2, true, false, 32, false },
	{ "indirect-17/batch-32", 17, true, false, 32, false },
	{ "direct-1/batch-32/scattered", 1, false, true, 32, false },
	{ "indirect-2/batch-32/scattered", 2, true, true, 32, false },
	{ "direct-1/batch-1/call", 1, false, false, 1, true },
	{ "direct-1/batch-32/call", 1, false, false, 32, true },
	{ "split-in-order-1/batch-32", 1, false, false, 32, false, false, true },
	{ "packed-1/batch-1", 1, false, false, 1, false, true },
	{ "packed-1/batch-32", 1, false, false, 32, false, true },
	{ "packed-2/batch-32", 2, false, false, 32, false, true },
	{ "packed-1/batch-1/call", 1, false, false, 1, true, true },
	{ "packed-in-order-1/batch-32", 1, false, false, 32, false, true, true },
	{ "direct-1/burst-8", 1, false, false, 8, false, false, false, true },
	{ "direct-1/burst-32", 1, false, false, 32, false, false, false, true },
	{ "direct-1/burst-32/scattered", 1, false, true, 32, false, false, false, true },
	{ "direct-1/burst-32/call", 1, false, false, 32, true, false, false, true },
	{ "split-in-order-1/burst-32", 1, false, false, 32, false, false, true, true },
	{ "packed-1/burst-8", 1, false, false, 8, false, true, false, true },
	{ "packed-1/burst-32", 1, false, false, 32, false, true, false, true },
	{ "packed-1/burst-32/call", 1, false, false, 32, true, true, false, true },
	{ "packed-in-order-1/burst-32", 1, false, false, 32, false, true, true, true },
	{ "packed-1/driver-alone", 1, false, false, 0, false, true },
};

struct bench {
	struct viola_extent ext[EXTENTS];
	struct viola_mem mem;
	struct viola_ring ring;
	bool in_flight[NUM];
	struct viola_ring_record record[NUM];
	u16 drive; /* packed: where the driver stands */
	struct vring_desc *desc;
	__le16 *avail;
	u8 *used;
	u32 chains; /* available at a time */
};

static void *must(void *p)
{
	if (!p) {
		fprintf(stderr, "bench-ring: out of memory\n");
		exit(1);
	}
	return p;
}

static void *area(size_t size)
{
	void *p = must(aligned_alloc(4096, (size + 4095) & ~(size_t)4095));

	memset(p, 0, size);
	return p;
}

static void put(struct vring_desc *d, u64 addr, u32 len, u16 flags, u16 next)
{
	d->addr = cpu_to_le64(addr);
	d->len = cpu_to_le32(len);
	d->flags = cpu_to_le16(flags);
	d->next = cpu_to_le16(next);
}

/* Chain @c's descriptors at @d; the first readable, the others writable. */
static void put_chain(const struct shape *s, struct vring_desc *d, u32 c, u16 first)
{
	u64 gpa = (s->scattered ? c * 7 % (EXTENTS - 1) * EXTENT_LEN : 0) + c * 128;
	u32 i;

	for (i = 0; i < s->descs; i++)
		put(&d[i], gpa + 64 * (i % 2), 64,
		    (u16)((i ? VRING_DESC_F_WRITE : 0) |
			  (i + 1 < s->descs ? VRING_DESC_F_NEXT : 0)),
		    (u16)(first + i + 1));
}

static void setup(struct bench *b, const struct shape *s)
{
	struct viola_ring_config cfg;
	u32 i, slots = s->indirect ? 1 : s->descs;

	memset(b, 0, sizeof(*b));
	/* Extents do not touch on the host: a piece is found by search or hint. */
	for (i = 0; i < EXTENTS; i++)
		b->ext[i] = (struct viola_extent){ i * EXTENT_LEN, EXTENT_LEN, area(EXTENT_LEN) };
	b->mem = (struct viola_mem){ b->ext, EXTENTS };
	b->desc = area(viola_ring_desc_size(NUM));
	b->avail = area(viola_ring_driver_size(NUM));
	b->used = area(viola_ring_device_size(NUM));
	b->chains = NUM / slots;
	for (i = 0; i < NUM; i++) {
		u32 c = i % b->chains;

		b->avail[2 + i] = cpu_to_le16((u16)(c * slots));
		if (!s->indirect) {
			put_chain(s, &b->desc[c * slots], c, (u16)(c * slots));
		} else {
			/* tables in the last extent, one beside the other */
			u64 off = (u64)c * 16 * s->descs;

			put(&b->desc[c], (EXTENTS - 1) * EXTENT_LEN + off, 16 * s->descs,
			    VRING_DESC_F_INDIRECT, 0);
		}
	}
	for (i = 0; s->indirect && i < b->chains; i++)
		put_chain(s, (struct vring_desc *)(b->ext[EXTENTS - 1].base +
			     (le64_to_cpu(b->desc[i].addr) - (EXTENTS - 1) * EXTENT_LEN)), i, 0);
	cfg = (struct viola_ring_config){
		.num = NUM,
		.event_idx = true,
		.indirect = true,
		.desc = b->desc,
		.driver = b->avail,
		.device = b->used,
		.mem = &b->mem,
		.in_flight = b->in_flight,
		.packed = s->packed,
		.in_order = s->in_order,
		.record = b->record,
	};
	if (viola_ring_init(&b->ring, &cfg))
		abort();
	/* An event far behind: the question is asked, the answer is no. */
	b->avail[2 + NUM] = cpu_to_le16(0x8000);
	if (s->packed)
		b->avail[1] = cpu_to_le16(VRING_PACKED_EVENT_FLAG_DISABLE);
	b->drive = b->ring.next_avail;
}

static void teardown(struct bench *b)
{
	u32 i;

	for (i = 0; i < EXTENTS; i++)
		free(b->ext[i].base);
	free(b->desc);
	free(b->avail);
	free(b->used);
}

/* Makes a packed ring's buffers available anew, in the order they came back. */
static void __attribute__((noinline)) offer_packed(struct bench *b, const struct shape *s)
{
	u32 i, k;

	for (i = 0; i < b->chains; i++) {
		for (k = 0; k < s->descs; k++) {
			struct vring_packed_desc *d =
				&b->ring.packed_desc[b->drive & VIOLA_PACKED_OFFSET];
			u16 flags = b->drive & VIOLA_PACKED_WRAP ? VIOLA_PACKED_AVAIL :
								   VIOLA_PACKED_USED;

			d->addr = cpu_to_le64(i * 128 + 64 * k);
			d->len = cpu_to_le32(64);
			d->id = cpu_to_le16((u16)i);
			d->flags = cpu_to_le16((u16)(flags | (k ? VRING_DESC_F_WRITE : 0) |
						(k + 1 < s->descs ? VRING_DESC_F_NEXT : 0)));
			b->drive = viola_packed_advance(&b->ring, b->drive, 1);
		}
	}
}

/* Serves all that is available by bursts; returns how many, and adds to @calls. */
static u64 __attribute__((noinline)) work_bursts(struct bench *b, const struct shape *s, u32 *calls)
{
	struct viola_buf buf[BURST_MAX];
	u64 descs = 0;
	int n;

	while ((n = viola_ring_pop_burst(&b->ring, buf, s->batch, VIOLA_BURST_OUT)) > 0) {
		descs += (u32)n;
		viola_ring_push_burst(&b->ring, buf, (u32)n, VIOLA_BURST_OUT);
		viola_ring_publish(&b->ring);
		if (s->ask)
			*calls += viola_ring_needs_call(&b->ring);
	}
	if (n < 0) {
		fprintf(stderr, "bench-ring: %s: a burst refuses a plain buffer\n", s->name);
		exit(1);
	}
	return descs;
}

/* Handles the whole ring @rounds times; returns the descriptors handled. */
static u64 __attribute__((noinline)) work(struct bench *b, const struct shape *s, u32 rounds)
{
	struct viola_seg seg[SEGS];
	struct viola_chain chain = { .seg = seg, .seg_max = SEGS };
	u16 idx = b->ring.next_avail;
	u64 descs = 0;
	u32 done = 0, calls = 0;

	while (rounds--) {
		idx = (u16)(idx + b->chains);
		if (s->packed)
			offer_packed(b, s);
		else
			viola_store_release(b->avail + 1, cpu_to_le16(idx));
		if (!s->batch)
			descs += b->chains;
		else if (s->burst)
			descs += work_bursts(b, s, &calls);
		while (s->batch && viola_ring_pop(&b->ring, &chain) == 1) {
			descs += s->descs;
			viola_ring_push(&b->ring, chain.id, chain.in_len);
			if (++done < s->batch)
				continue;
			done = 0;
			viola_ring_publish(&b->ring);
			if (s->ask)
				calls += viola_ring_needs_call(&b->ring);
		}
	}
	viola_ring_publish(&b->ring);
	asm volatile("" : : "r"(calls)); /* the answers are wanted */
	if (viola_ring_broken(&b->ring)) {
		fprintf(stderr, "bench-ring: %s: %s\n", s->name,
			viola_ring_error_name(b->ring.error));
		exit(1);
	}
	return descs;
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void measure(const struct shape *s)
{
	double best = 0, worst = 0;
	struct bench b;
	u32 i;

	for (i = 0; i < REPEATS; i++) {
		double start, ns;
		u64 descs;

		setup(&b, s);
		work(&b, s, ROUNDS / 10);
		start = now_ns();
		descs = work(&b, s, ROUNDS);
		ns = (now_ns() - start) / (double)descs;
		if (!i || ns < best)
			best = ns;
		if (ns > worst)
			worst = ns;
		teardown(&b);
	}
	printf("%-32s %8.2f %8.2f %8.2f\n", s->name, best, best * s->descs, worst);
}

int main(int argc, char **argv)
{
	u32 i;

	if (argc == 1) {
		printf("%-32s %8s %8s %8s\n", "ns, best of 40", "/desc", "/chain", "worst/d");
		for (i = 0; i < ARRAY_SIZE(shapes); i++)
			measure(&shapes[i]);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (i = 0; i < ARRAY_SIZE(shapes); i++)
			printf("%s %u\n", shapes[i].name, shapes[i].descs);
		return 0;
	}
	for (i = 0; argc == 4 && !strcmp(argv[1], "--case") && i < ARRAY_SIZE(shapes); i++) {
		struct bench b;

		if (strcmp(argv[2], shapes[i].name))
			continue;
		setup(&b, &shapes[i]);
		printf("%llu\n", (unsigned long long)work(&b, &shapes[i],
							  (u32)strtoul(argv[3], NULL, 10)));
		teardown(&b);
		return 0;
	}
	fprintf(stderr, "usage: bench-ring [--list | --case NAME ROUNDS]\n");
	return 2;
}
