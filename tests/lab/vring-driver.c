// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#include "tests/lab/vring-driver.h"

/* The driver's side of (C) and (D) in include/viola/ring.h. */
#define mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define load(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("viola-test-vring: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static void control(struct driver *d, unsigned long cmd, void *arg, const char *name)
{
	if (ioctl(d->fd, cmd, arg) < 0)
		fail("%s on %s: %s", name, d->options.node, strerror(errno));
}

#define CONTROL(d, cmd, arg) control(d, cmd, arg, #cmd)

uint64_t driver_gpa(const struct driver *d, const void *at)
{
	return DRIVER_GPA + (uint64_t)((const uint8_t *)at - d->memory);
}

/* Event fields lie behind the rings' entries. */
static uint16_t *used_event(struct driver_queue *q)
{
	return (uint16_t *)&q->avail->ring[q->num];
}

static uint16_t *avail_event(struct driver_queue *q)
{
	return (uint16_t *)&q->used->ring[q->num];
}

static uint8_t *take(struct driver *d, size_t *at, size_t len)
{
	uint8_t *part = d->memory + *at;

	*at += (len + 4095) & ~(size_t)4095;
	if (*at > d->size)
		fail("memory laid out wrongly");
	return part;
}

static void queue_open(struct driver *d, struct driver_queue *q, unsigned int index, size_t *at)
{
	struct vhost_vring_state state = { .index = index };
	struct vhost_vring_addr addr = { .index = index };
	struct vhost_vring_file file = { .index = index };
	unsigned int i;

	q->index = index;
	q->num = d->options.num;
	q->event_idx = d->options.event_idx;
	q->slot = index == DRIVER_RX ? d->options.slot : DRIVER_TX_SLOT;
	q->desc = (void *)take(d, at, 16 * (size_t)q->num);
	q->avail = (void *)take(d, at, 6 + 2 * (size_t)q->num);
	q->used = (void *)take(d, at, 6 + 8 * (size_t)q->num);
	q->slots = take(d, at, (size_t)q->num * q->slot);
	q->tables = (void *)take(d, at, (size_t)q->num * 32);
	q->free = calloc(q->num, sizeof(*q->free));
	q->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!q->free || q->kick < 0 || q->call < 0 || q->err < 0)
		fail("no memory or eventfds");
	for (i = 0; i < q->num; i++)
		q->free[q->nfree++] = (uint16_t)i;

	state.num = q->num;
	CONTROL(d, VHOST_SET_VRING_NUM, &state);
	state.num = 0;
	CONTROL(d, VHOST_SET_VRING_BASE, &state);
	addr.desc_user_addr = (uintptr_t)q->desc;
	addr.avail_user_addr = (uintptr_t)q->avail;
	addr.used_user_addr = (uintptr_t)q->used;
	addr.log_guest_addr = driver_gpa(d, q->used);
	CONTROL(d, VHOST_SET_VRING_ADDR, &addr);
	file.fd = q->kick;
	CONTROL(d, VHOST_SET_VRING_KICK, &file);
	file.fd = q->call;
	CONTROL(d, VHOST_SET_VRING_CALL, &file);
	file.fd = q->err;
	CONTROL(d, VHOST_SET_VRING_ERR, &file);
	if (d->options.busyloop_us) {
		state.num = d->options.busyloop_us;
		CONTROL(d, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &state);
	}
}

void driver_open(struct driver *d, const struct driver_options *options)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[2];
	} table = { .head = { .nregions = 2 } };
	uint64_t features = 0;
	size_t at = 0;

	memset(d, 0, sizeof(*d));
	d->options = *options;
	d->fd = open(options->node, O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		fail("%s: %s", options->node, strerror(errno));
	d->size = 2 * ((size_t)options->num *
			       (options->slot + DRIVER_TX_SLOT + 16 + 2 + 8 + 32) +
		       5 * 8192);
	d->size = (d->size + 8191) & ~(size_t)8191;
	d->memory = mmap(NULL, d->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (d->memory == MAP_FAILED)
		fail("no memory");

	if (options->version1)
		features |= 1ull << VIRTIO_F_VERSION_1;
	if (options->event_idx)
		features |= 1ull << VIRTIO_RING_F_EVENT_IDX;
	if (options->mergeable)
		features |= 1ull << VIRTIO_NET_F_MRG_RXBUF;
	if (options->indirect)
		features |= 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	if (options->own_header)
		features |= 1ull << VHOST_NET_F_VIRTIO_NET_HDR;
	CONTROL(d, VHOST_SET_OWNER, NULL);
	CONTROL(d, VHOST_SET_FEATURES, &features);
	/* Two regions that meet, so that buffers cross their border. */
	table.region[0] = (struct vhost_memory_region){
		.guest_phys_addr = DRIVER_GPA,
		.memory_size = d->size / 2,
		.userspace_addr = (uintptr_t)d->memory,
	};
	table.region[1] = (struct vhost_memory_region){
		.guest_phys_addr = DRIVER_GPA + d->size / 2,
		.memory_size = d->size / 2,
		.userspace_addr = (uintptr_t)d->memory + d->size / 2,
	};
	CONTROL(d, VHOST_SET_MEM_TABLE, &table);
	queue_open(d, &d->queue[DRIVER_RX], DRIVER_RX, &at);
	queue_open(d, &d->queue[DRIVER_TX], DRIVER_TX, &at);
}

void driver_backend(struct driver *d, int tap)
{
	struct vhost_vring_file file = { .fd = tap };

	for (file.index = 0; file.index < 2; file.index++)
		CONTROL(d, VHOST_NET_SET_BACKEND, &file);
}

void driver_close(struct driver *d)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		close(d->queue[i].kick);
		close(d->queue[i].call);
		close(d->queue[i].err);
		free(d->queue[i].free);
	}
	close(d->fd);
	munmap(d->memory, d->size);
}

/* Makes descriptor @head available. */
static void offer(struct driver_queue *q, uint16_t head)
{
	q->avail->ring[q->avail_idx & (q->num - 1)] = head;
	q->avail_idx++;
	store(&q->avail->idx, q->avail_idx);
}

bool driver_kick(struct driver_queue *q)
{
	uint16_t before = q->kicked, event;
	uint64_t one = 1;

	/* The index before, the device's wish after. */
	mb();
	q->kicked = q->avail_idx;
	if (!q->event_idx && load(&q->used->flags) & VRING_USED_F_NO_NOTIFY)
		return false;
	event = load(avail_event(q));
	if (q->event_idx &&
	    (uint16_t)(q->avail_idx - event - 1) >= (uint16_t)(q->avail_idx - before))
		return false;
	return write(q->kick, &one, sizeof(one)) == sizeof(one);
}

/* Descriptor of slot @i: one piece, or through a table of two. */
static void describe(struct driver *d, struct driver_queue *q, unsigned int i, size_t len,
		     uint16_t flags)
{
	uint64_t gpa = driver_gpa(d, q->slots + (size_t)i * q->slot);
	struct vring_desc *table = &q->tables[2 * i];

	if (!d->options.indirect) {
		q->desc[i] = (struct vring_desc){
			.addr = gpa, .len = (uint32_t)len, .flags = flags,
		};
		return;
	}
	table[0] = (struct vring_desc){
		.addr = gpa, .len = DRIVER_HDR, .flags = flags | VRING_DESC_F_NEXT, .next = 1,
	};
	table[1] = (struct vring_desc){
		.addr = gpa + DRIVER_HDR, .len = (uint32_t)(len - DRIVER_HDR), .flags = flags,
	};
	q->desc[i] = (struct vring_desc){
		.addr = driver_gpa(d, table), .len = 32, .flags = VRING_DESC_F_INDIRECT,
	};
}

void driver_fill_rx(struct driver *d)
{
	struct driver_queue *q = &d->queue[DRIVER_RX];
	unsigned int i;

	for (i = 0; i < q->num; i++) {
		describe(d, q, i, q->slot, VRING_DESC_F_WRITE);
		offer(q, (uint16_t)i);
	}
	driver_kick(q);
}

bool driver_send(struct driver *d, const struct virtio_net_hdr_mrg_rxbuf *hdr, const void *frame,
		 size_t len)
{
	struct driver_queue *q = &d->queue[DRIVER_TX];
	uint16_t head;
	uint8_t *slot;

	if (!q->nfree && !driver_reap(d))
		return false;
	if (len > q->slot - DRIVER_HDR)
		fail("frame of %zu bytes does not fit a slot", len);
	head = q->free[--q->nfree];
	slot = q->slots + (size_t)head * q->slot;
	if (hdr)
		memcpy(slot, hdr, DRIVER_HDR);
	else
		memset(slot, 0, DRIVER_HDR);
	memcpy(slot + DRIVER_HDR, frame, len);
	describe(d, q, head, DRIVER_HDR + len, 0);
	offer(q, head);
	return true;
}

unsigned int driver_reap(struct driver *d)
{
	struct driver_queue *q = &d->queue[DRIVER_TX];
	uint16_t idx = load(&q->used->idx);
	unsigned int n = 0;

	while (q->used_seen != idx) {
		uint32_t id = q->used->ring[q->used_seen++ & (q->num - 1)].id;

		if (id >= q->num || q->nfree == q->num)
			fail("device used a buffer that it was not given: %u", id);
		q->free[q->nfree++] = (uint16_t)id;
		n++;
	}
	return n;
}

int driver_receive(struct driver *d, struct virtio_net_hdr_mrg_rxbuf *hdr, void *frame,
		   size_t room)
{
	struct driver_queue *q = &d->queue[DRIVER_RX];
	unsigned int buffers = 1, i;
	size_t len = 0;

	if (load(&q->used->idx) == q->used_seen)
		return 0;
	for (i = 0; i < buffers; i++) {
		struct vring_used_elem *e = &q->used->ring[q->used_seen & (q->num - 1)];
		uint32_t id = e->id, part = e->len;
		uint8_t *slot;

		if (load(&q->used->idx) == q->used_seen) {
			fprintf(stderr, "frame of %u buffers, but only %u came\n", buffers, i);
			return -1;
		}
		q->used_seen++;
		if (id >= q->num || part > q->slot || (!i && part < DRIVER_HDR)) {
			fprintf(stderr, "used buffer %u of %u bytes is none\n", id, part);
			return -1;
		}
		slot = q->slots + (size_t)id * q->slot;
		if (!i) {
			memcpy(hdr, slot, DRIVER_HDR);
			slot += DRIVER_HDR;
			part -= DRIVER_HDR;
			if (d->options.mergeable)
				buffers = hdr->num_buffers;
			if (!buffers || buffers > q->num) {
				fprintf(stderr, "frame of %u buffers\n", buffers);
				return -1;
			}
		}
		if (len + part > room) {
			fprintf(stderr, "frame longer than %zu bytes\n", room);
			return -1;
		}
		memcpy((uint8_t *)frame + len, slot, part);
		len += part;
		describe(d, q, id, q->slot, VRING_DESC_F_WRITE);
		offer(q, (uint16_t)id);
	}
	driver_kick(q);
	return (int)len;
}

bool driver_wait(struct driver_queue *q, int ms)
{
	struct pollfd fd = { .fd = q->call, .events = POLLIN };
	uint64_t count;

	return poll(&fd, 1, ms) == 1 && read(q->call, &count, sizeof(count)) == sizeof(count);
}

void driver_want_call(struct driver *d, struct driver_queue *q, bool want)
{
	if (d->options.event_idx)
		store(used_event(q), (uint16_t)(want ? q->used_seen : q->used_seen - 1));
	else
		store(&q->avail->flags, (uint16_t)(want ? 0 : VRING_AVAIL_F_NO_INTERRUPT));
	/* The wish before, the next look at the used index after. */
	mb();
}
