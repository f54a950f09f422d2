// SPDX-License-Identifier: GPL-2.0
/*
 * The log of dirty pages: each page of this driver's memory that the device
 * has changed must have its bit, and no page of a buffer that it did not use.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/virtio_config.h>

#include "tests/lab/vring-run.h"

#define PAGE 4096u

struct bitmap {
	uint8_t *bits; /* of guest address 0 */
	uint8_t *map;
	size_t size;
};

static void must(int ret, const char *what)
{
	if (ret < 0)
		fail("%s: %s", what, strerror(errno));
}

/* An odd address: the bitmap need not be aligned. */
static struct bitmap bitmap_make(const struct driver *d)
{
	struct bitmap b = { .size = (DRIVER_GPA + d->size) / PAGE / 8 + 2 * PAGE };

	b.map = mmap(NULL, b.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (b.map == MAP_FAILED)
		fail("no memory for the log");
	b.bits = b.map + 13;
	return b;
}

static bool bitmap_test(const struct bitmap *b, uint64_t gpa)
{
	uint64_t page = gpa / PAGE;

	return b->bits[page / 8] >> (page % 8) & 1;
}

static void log_start(struct driver *d, const struct bitmap *b, bool on)
{
	uint64_t features = 1ull << VIRTIO_F_VERSION_1, base = (uintptr_t)b->bits;
	unsigned int i;

	if (d->options.event_idx)
		features |= 1ull << VIRTIO_RING_F_EVENT_IDX;
	if (d->options.mergeable)
		features |= 1ull << VIRTIO_NET_F_MRG_RXBUF;
	if (d->options.indirect)
		features |= 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	if (on)
		features |= 1ull << VHOST_F_LOG_ALL;
	must(ioctl(d->fd, VHOST_SET_LOG_BASE, &base), "log base");
	must(ioctl(d->fd, VHOST_SET_FEATURES, &features), "logging");
	for (i = 0; i < 2; i++) {
		struct driver_queue *q = &d->queue[i];
		struct vhost_vring_addr addr = {
			.index = i, .flags = on ? 1 << VHOST_VRING_F_LOG : 0,
			.desc_user_addr = (uintptr_t)q->desc,
			.avail_user_addr = (uintptr_t)q->avail,
			.used_user_addr = (uintptr_t)q->used,
			.log_guest_addr = driver_gpa(d, q->used),
		};

		must(ioctl(d->fd, VHOST_SET_VRING_ADDR, &addr), "ring addresses");
	}
}

/* Pages of [at, at + len) that changed and are not in the log. */
static unsigned int missed(const struct driver *d, const struct bitmap *b, const uint8_t *before,
			   const void *at, size_t len)
{
	size_t first = (size_t)((const uint8_t *)at - d->memory) / PAGE, i;
	size_t last = ((size_t)((const uint8_t *)at - d->memory) + len - 1) / PAGE;
	unsigned int n = 0;

	for (i = first; i <= last; i++) {
		if (memcmp(before + i * PAGE, d->memory + i * PAGE, PAGE))
			n += !bitmap_test(b, DRIVER_GPA + i * PAGE);
	}
	return n;
}

static unsigned int marked(const struct driver *d, const struct bitmap *b)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < d->size / PAGE; i++)
		n += bitmap_test(b, DRIVER_GPA + i * PAGE);
	return n;
}

static unsigned int changed(const struct driver *d, const uint8_t *before)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < d->size / PAGE; i++)
		n += memcmp(before + i * PAGE, d->memory + i * PAGE, PAGE) != 0;
	return n;
}

static bool say(const char *name, bool ok)
{
	printf("%s - log: %s\n", ok ? "ok" : "not ok", name);
	return ok;
}

int run_log(struct run *r)
{
	struct driver *d = &r->d;
	struct driver_queue *rx = &d->queue[DRIVER_RX], *tx = &d->queue[DRIVER_TX];
	struct bitmap b = bitmap_make(d);
	uint8_t *before = malloc(d->size);
	unsigned int n, round;
	bool ok = true;

	if (!before)
		fail("no memory");
	r->size = 0;
	ok &= say("traffic before", run_exchange(r, 200, true));
	ok &= say("no page before logging", !marked(d, &b));
	log_start(d, &b, true);
	/* Often enough that both rings wrap, a few frames at a time. */
	for (round = 0; round < 40; round++) {
		memset(b.map, 0, b.size);
		memcpy(before, d->memory, d->size);
		if (!run_exchange(r, 30, true))
			break;
		n = missed(d, &b, before, rx->slots, (size_t)rx->num * rx->slot);
		n += missed(d, &b, before, rx->used, 6 + 8 * (size_t)rx->num);
		n += missed(d, &b, before, tx->used, 6 + 8 * (size_t)tx->num);
		if (n) {
			fprintf(stderr, "round %u: %u pages missed\n", round, n);
			break;
		}
		if (marked(d, &b) > changed(d, before)) {
			fprintf(stderr, "round %u: %u pages marked, %u changed\n", round,
				marked(d, &b), changed(d, before));
			break;
		}
	}
	ok &= say("every page that was written, and no other", round == 40);
	log_start(d, &b, false);
	memset(b.map, 0, b.size);
	ok &= say("traffic after", run_exchange(r, 200, true));
	ok &= say("no page after logging", !marked(d, &b));
	free(before);
	munmap(b.map, b.size);
	return ok ? 0 : 1;
}
