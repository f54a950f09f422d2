// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers of very many small pieces, as virtio allows them. The device maps
 * 1024 pieces at a time; what has more may be lost, but not the queue: what
 * comes after it arrives, and no error is told.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lab/vring-run.h"

#define PIECES 1100u /* more than the device maps */
#define PART 13u /* pieces of a receive buffer: 1024 is no multiple of it */

static void make_available(struct driver_queue *q, unsigned int head)
{
	q->avail->ring[q->avail_idx++ & (q->num - 1)] = (uint16_t)head;
	__atomic_store_n(&q->avail->idx, q->avail_idx, __ATOMIC_RELEASE);
}

/* PIECES descriptors from 0 on, of one byte each, in the slots from 0 on. */
static void make_chain(struct driver *d, struct driver_queue *q, uint16_t flags)
{
	unsigned int i;

	for (i = 0; i < PIECES; i++)
		q->desc[i] = (struct vring_desc){
			.addr = driver_gpa(d, q->slots) + i, .len = 1,
			.flags = (uint16_t)(flags | (i < PIECES - 1 ? VRING_DESC_F_NEXT : 0)),
			.next = (uint16_t)(i + 1),
		};
	make_available(q, 0);
}

/* A receive buffer of PART bytes, each a piece, by a table in its own slot. */
static void make_scattered(struct driver *d, struct driver_queue *q, unsigned int slot)
{
	uint8_t *at = q->slots + (size_t)slot * q->slot;
	struct vring_desc *table = (struct vring_desc *)(at + 1024);
	unsigned int i;

	for (i = 0; i < PART; i++)
		table[i] = (struct vring_desc){
			.addr = driver_gpa(d, at + i), .len = 1,
			.flags = VRING_DESC_F_WRITE | (i < PART - 1 ? VRING_DESC_F_NEXT : 0),
			.next = (uint16_t)(i + 1),
		};
	q->desc[slot] = (struct vring_desc){
		.addr = driver_gpa(d, table), .len = PART * 16, .flags = VRING_DESC_F_INDIRECT,
	};
	make_available(q, slot);
}

/* A plain receive buffer in another slot than the chain's pieces. */
static void make_plain(struct driver *d, struct driver_queue *q, unsigned int slot)
{
	q->desc[slot] = (struct vring_desc){
		.addr = driver_gpa(d, q->slots + (size_t)slot * q->slot), .len = q->slot,
		.flags = VRING_DESC_F_WRITE,
	};
	make_available(q, slot);
}

static bool to_guest(struct run *r, unsigned int size, uint32_t seq)
{
	uint8_t frame[FRAME_MAX];

	frame_make(frame, size, seq);
	return send(r->far, frame, size, 0) == (ssize_t)size;
}

/* The next frame that the guest receives is the one of @size bytes. */
static bool received(struct run *r, unsigned int size, uint32_t seq)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	uint8_t frame[65536];
	int i, len;

	for (i = 0; i < 300; i++) {
		len = driver_receive(&r->d, &hdr, frame, sizeof(frame));
		if (len)
			return len == (int)size && frame_check(frame, size) == seq;
		usleep(10000);
	}
	return false;
}

static bool used_is(struct driver_queue *q, unsigned int id, unsigned int len)
{
	int i;

	for (i = 0; i < 300; i++) {
		if (__atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) != q->used_seen) {
			struct vring_used_elem *e = &q->used->ring[q->used_seen & (q->num - 1)];

			q->used_seen++;
			return e->id == id && e->len == len;
		}
		usleep(10000);
	}
	return false;
}

/* A frame that would take more pieces of small buffers than there is room for. */
static const char *case_small_buffers(struct run *r)
{
	struct driver_queue *q = &r->d.queue[DRIVER_RX];
	unsigned int i;

	for (i = 0; i < q->num; i++)
		make_scattered(&r->d, q, i);
	driver_backend(&r->d, r->tap);
	for (i = 0; i < 3; i++) {
		if (!to_guest(r, FRAME_MAX, 1) || !to_guest(r, 100, 2 + i))
			return "far end cannot send";
		if (!received(r, 100, 2 + i))
			return "the frame after it does not arrive";
	}
	return NULL;
}

/* A receive buffer that alone has more pieces than there is room for. */
static const char *case_large_buffer(struct run *r)
{
	struct driver_queue *q = &r->d.queue[DRIVER_RX];
	unsigned int i;

	make_chain(&r->d, q, VRING_DESC_F_WRITE);
	for (i = 0; i < 8; i++)
		make_plain(&r->d, q, PIECES + i);
	driver_backend(&r->d, r->tap);
	if (!to_guest(r, 100, 7))
		return "far end cannot send";
	if (!used_is(q, 0, 0))
		return "the buffer does not come back empty";
	return received(r, 100, 7) ? NULL : "the frame does not arrive in the next buffer";
}

/* A frame to send of more pieces than there is room for. */
static const char *case_sent(struct run *r)
{
	struct driver_queue *q = &r->d.queue[DRIVER_TX];
	uint8_t frame[FRAME_MAX];
	uint64_t one = 1;
	int i;

	driver_backend(&r->d, r->tap);
	/* Slot 0 is the chain's: it is not to be given to a frame. */
	q->free[0] = q->free[--q->nfree];
	make_chain(&r->d, q, 0);
	if (write(q->kick, &one, sizeof(one)) != sizeof(one))
		fail("kick");
	if (!used_is(q, 0, 0))
		return "it does not come back";
	frame_make(frame, 100, 9);
	/* Slots from the end on, beyond the chain's. */
	if (!driver_send(&r->d, NULL, frame, 100))
		return "no room to send";
	driver_kick(q);
	for (i = 0; i < 300; i++) {
		if (recv(r->far, frame, sizeof(frame), MSG_DONTWAIT) == 100)
			return frame_check(frame, 100) == 9 ? NULL : "the next one is damaged";
		usleep(10000);
	}
	return "the frame after it is not sent";
}

static const struct {
	const char *name;
	unsigned int num;
	const char *(*run)(struct run *r);
} cases[] = {
	{ "small buffers of many pieces", 256, case_small_buffers },
	{ "receive buffer of 1100 pieces", 2048, case_large_buffer },
	{ "frame to send of 1100 pieces", 2048, case_sent },
};

static bool error_told(struct driver_queue *q)
{
	struct pollfd fd = { .fd = q->err, .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

int run_scatter(struct run *model)
{
	bool ok = true;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct driver_options options = model->d.options;
		struct run r = { .kind = NET_TAP };
		const char *why;
		char far[16];

		options.indirect = true;
		options.num = cases[i].num;
		r.tap = net_backend(NET_TAP, "vtap1", DRIVER_HDR, far);
		r.far = net_socket(far);
		driver_open(&r.d, &options);
		why = cases[i].run(&r);
		if (error_told(&r.d.queue[DRIVER_RX]) || error_told(&r.d.queue[DRIVER_TX]))
			why = "the device calls it an error";
		run_close(&r);
		if (why)
			printf("not ok - %s - %s\n", cases[i].name, why);
		else
			printf("ok - %s\n", cases[i].name);
		ok &= !why;
	}
	return ok ? 0 : 1;
}
