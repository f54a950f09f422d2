// SPDX-License-Identifier: GPL-2.0
/*
 * What a driver must not write into its rings. Each case has a device of its
 * own, which must tell through the error eventfd and stop that queue; the
 * other queue of the device, and another device, must not notice.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lab/vring-run.h"

#define OUTSIDE UINT64_C(0x10) /* below all memory */

struct nonsense {
	const char *name;
	unsigned int queue;
	bool indirect;
	/* Writes it: descriptors 0, 1, 2 and the available ring are free. */
	void (*write)(struct driver *d, struct driver_queue *q);
};

static void make_available(struct driver_queue *q, uint16_t head)
{
	q->avail->ring[q->avail_idx++ & (q->num - 1)] = head;
	__atomic_store_n(&q->avail->idx, q->avail_idx, __ATOMIC_RELEASE);
}

static void frame_desc(struct driver *d, struct driver_queue *q, unsigned int i, uint16_t flags,
		       uint16_t next)
{
	q->desc[i] = (struct vring_desc){
		.addr = driver_gpa(d, q->slots + (size_t)i * q->slot),
		.len = 100, .flags = flags, .next = next,
	};
}

static void index_ahead(struct driver *d, struct driver_queue *q)
{
	q->avail_idx = (uint16_t)(q->avail_idx + q->num + 1);
	__atomic_store_n(&q->avail->idx, q->avail_idx, __ATOMIC_RELEASE);
}

static void head_range(struct driver *d, struct driver_queue *q)
{
	make_available(q, (uint16_t)q->num);
}

static void head_twice(struct driver *d, struct driver_queue *q)
{
	frame_desc(d, q, 0, 0, 0);
	q->avail->ring[q->avail_idx & (q->num - 1)] = 0;
	q->avail_idx++;
	make_available(q, 0);
}

static void next_range(struct driver *d, struct driver_queue *q)
{
	frame_desc(d, q, 0, VRING_DESC_F_NEXT, (uint16_t)q->num);
	make_available(q, 0);
}

static void loop_of_one(struct driver *d, struct driver_queue *q)
{
	frame_desc(d, q, 0, VRING_DESC_F_NEXT, 0);
	make_available(q, 0);
}

static void loop_of_three(struct driver *d, struct driver_queue *q)
{
	frame_desc(d, q, 0, VRING_DESC_F_NEXT, 1);
	frame_desc(d, q, 1, VRING_DESC_F_NEXT, 2);
	frame_desc(d, q, 2, VRING_DESC_F_NEXT, 0);
	make_available(q, 0);
}

static void loop_of_nothing(struct driver *d, struct driver_queue *q)
{
	loop_of_three(d, q);
	q->desc[0].len = 0;
	q->desc[1].len = 0;
	q->desc[2].len = 0;
}

static void address_outside(struct driver *d, struct driver_queue *q)
{
	frame_desc(d, q, 0, 0, 0);
	q->desc[0].addr = OUTSIDE;
	make_available(q, 0);
}

static void address_wraps(struct driver *d, struct driver_queue *q)
{
	frame_desc(d, q, 0, 0, 0);
	q->desc[0].addr = UINT64_MAX - 8;
	make_available(q, 0);
}

static void address_runs_out(struct driver *d, struct driver_queue *q)
{
	frame_desc(d, q, 0, 0, 0);
	q->desc[0].addr = DRIVER_GPA + d->size - 50;
	make_available(q, 0);
}

static void too_long(struct driver *d, struct driver_queue *q)
{
	frame_desc(d, q, 0, 0, 0);
	q->desc[0].len = UINT32_MAX;
	make_available(q, 0);
}

static void writable(struct driver *d, struct driver_queue *q)
{
	frame_desc(d, q, 0, VRING_DESC_F_WRITE, 0);
	make_available(q, 0);
}

static void readable_after_writable(struct driver *d, struct driver_queue *q)
{
	frame_desc(d, q, 0, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	frame_desc(d, q, 1, 0, 0);
	make_available(q, 0);
}

static void header_alone(struct driver *d, struct driver_queue *q)
{
	frame_desc(d, q, 0, 0, 0);
	q->desc[0].len = DRIVER_HDR;
	make_available(q, 0);
}

static void header_cut(struct driver *d, struct driver_queue *q)
{
	frame_desc(d, q, 0, 0, 0);
	q->desc[0].len = 1;
	make_available(q, 0);
}

static void table_desc(struct driver *d, struct driver_queue *q, uint32_t len, uint16_t flags)
{
	q->desc[0] = (struct vring_desc){
		.addr = driver_gpa(d, q->tables), .len = len,
		.flags = VRING_DESC_F_INDIRECT | flags, .next = 1,
	};
	q->tables[0] = (struct vring_desc){
		.addr = driver_gpa(d, q->slots), .len = 100, .flags = VRING_DESC_F_NEXT, .next = 1,
	};
	q->tables[1] = (struct vring_desc){ .addr = driver_gpa(d, q->slots), .len = 100 };
	make_available(q, 0);
}

static void table_unasked(struct driver *d, struct driver_queue *q)
{
	table_desc(d, q, 32, 0);
}

static void table_empty(struct driver *d, struct driver_queue *q)
{
	table_desc(d, q, 0, 0);
}

static void table_odd(struct driver *d, struct driver_queue *q)
{
	table_desc(d, q, 33, 0);
}

static void table_huge(struct driver *d, struct driver_queue *q)
{
	table_desc(d, q, UINT32_MAX & ~15u, 0);
}

static void table_with_next(struct driver *d, struct driver_queue *q)
{
	table_desc(d, q, 32, VRING_DESC_F_NEXT);
}

static void table_outside(struct driver *d, struct driver_queue *q)
{
	table_desc(d, q, 32, 0);
	q->desc[0].addr = OUTSIDE;
}

static void table_in_table(struct driver *d, struct driver_queue *q)
{
	table_desc(d, q, 32, 0);
	q->tables[1].flags = VRING_DESC_F_INDIRECT;
	q->tables[1].addr = driver_gpa(d, q->tables);
	q->tables[1].len = 32;
}

static void table_loop(struct driver *d, struct driver_queue *q)
{
	table_desc(d, q, 32, 0);
	q->tables[1].flags = VRING_DESC_F_NEXT;
	q->tables[1].next = 0;
}

static void table_next_range(struct driver *d, struct driver_queue *q)
{
	table_desc(d, q, 32, 0);
	q->tables[0].next = 2;
}

/* RX: every slot is offered already; what is there is overwritten. */
static void rx_all(struct driver *d, struct driver_queue *q, uint64_t addr, uint32_t len,
		   uint16_t flags)
{
	unsigned int i;

	for (i = 0; i < q->num; i++)
		q->desc[i] = (struct vring_desc){ .addr = addr, .len = len, .flags = flags };
}

static void rx_readable(struct driver *d, struct driver_queue *q)
{
	rx_all(d, q, driver_gpa(d, q->slots), 2048, 0);
}

static void rx_empty(struct driver *d, struct driver_queue *q)
{
	rx_all(d, q, driver_gpa(d, q->slots), 0, VRING_DESC_F_WRITE);
}

static void rx_outside(struct driver *d, struct driver_queue *q)
{
	rx_all(d, q, OUTSIDE, 2048, VRING_DESC_F_WRITE);
}

static void rx_index_ahead(struct driver *d, struct driver_queue *q)
{
	__atomic_store_n(&q->avail->idx, (uint16_t)(q->used->idx + 2 * q->num + 1),
			 __ATOMIC_RELEASE);
}

static const struct nonsense nonsense[] = {
	{ "available index runs ahead", DRIVER_TX, false, index_ahead },
	{ "head out of range", DRIVER_TX, false, head_range },
	{ "head available twice", DRIVER_TX, false, head_twice },
	{ "next out of range", DRIVER_TX, false, next_range },
	{ "chain of one that loops", DRIVER_TX, false, loop_of_one },
	{ "chain of three that loops", DRIVER_TX, false, loop_of_three },
	{ "empty chain that loops", DRIVER_TX, false, loop_of_nothing },
	{ "address outside memory", DRIVER_TX, false, address_outside },
	{ "address that wraps", DRIVER_TX, false, address_wraps },
	{ "buffer beyond the end of memory", DRIVER_TX, false, address_runs_out },
	{ "buffer of 4 GiB", DRIVER_TX, false, too_long },
	{ "writable frame", DRIVER_TX, false, writable },
	{ "readable after writable", DRIVER_TX, false, readable_after_writable },
	{ "header without a frame", DRIVER_TX, false, header_alone },
	{ "header of one byte", DRIVER_TX, false, header_cut },
	{ "indirect table without the feature", DRIVER_TX, false, table_unasked },
	{ "indirect table of no bytes", DRIVER_TX, true, table_empty },
	{ "indirect table of 33 bytes", DRIVER_TX, true, table_odd },
	{ "indirect table of 4 GiB", DRIVER_TX, true, table_huge },
	{ "indirect table with a next", DRIVER_TX, true, table_with_next },
	{ "indirect table outside memory", DRIVER_TX, true, table_outside },
	{ "indirect table in a table", DRIVER_TX, true, table_in_table },
	{ "indirect table that loops", DRIVER_TX, true, table_loop },
	{ "next beyond the indirect table", DRIVER_TX, true, table_next_range },
	{ "readable receive buffer", DRIVER_RX, false, rx_readable },
	{ "empty receive buffer", DRIVER_RX, false, rx_empty },
	{ "receive buffer outside memory", DRIVER_RX, false, rx_outside },
	{ "receive index runs ahead", DRIVER_RX, false, rx_index_ahead },
};

static bool error_told(struct driver_queue *q, int ms)
{
	struct pollfd fd = { .fd = q->err, .events = POLLIN };

	return poll(&fd, 1, ms) == 1;
}

static void kick(struct driver_queue *q)
{
	uint64_t one = 1;

	if (write(q->kick, &one, sizeof(one)) != sizeof(one))
		fail("kick");
}

/* The other direction of a device whose @broken queue has stopped. */
static bool other_works(struct run *r, unsigned int broken)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	uint8_t frame[2048];
	int i, len;

	frame_make(frame, 200, 77);
	if (broken == DRIVER_RX) {
		driver_reap(&r->d);
		driver_send(&r->d, NULL, frame, 200);
		kick(&r->d.queue[DRIVER_TX]);
		for (i = 0; i < 300; i++) {
			if (recv(r->far, frame, sizeof(frame), MSG_DONTWAIT) == 200)
				return frame_check(frame, 200) == 77;
			usleep(10000);
		}
		return false;
	}
	if (send(r->far, frame, 200, 0) != 200)
		return false;
	for (i = 0; i < 300; i++) {
		len = driver_receive(&r->d, &hdr, frame, sizeof(frame));
		if (len)
			return len == 200 && frame_check(frame, 200) == 77;
		usleep(10000);
	}
	return false;
}

/* Uses up what the device has seen of the receiving ring, and more. */
static bool send_many(struct run *r)
{
	uint8_t frame[FRAME_MAX];
	unsigned int i;

	frame_make(frame, 200, 1);
	for (i = 0; i < 2 * r->d.queue[DRIVER_RX].num; i++) {
		if (send(r->far, frame, 200, 0) != 200)
			return false;
	}
	return true;
}

static bool case_run(const struct nonsense *n, struct run *bystander)
{
	struct driver_options options = bystander->d.options;
	struct run r = { .size = 0 };
	struct driver_queue *q;
	const char *why = NULL;
	bool sent = true;

	options.indirect = n->indirect;
	run_open(&r, "vtap1", &options);
	q = &r.d.queue[n->queue];
	if (!run_exchange(&r, 50, true)) {
		why = "no traffic before";
	} else {
		n->write(&r.d, q);
		kick(q);
		if (n->queue == DRIVER_RX)
			sent = send_many(&r);
		if (!sent)
			why = "far end cannot send";
		else if (!error_told(q, 3000))
			why = "the error eventfd says nothing";
		else if (error_told(&r.d.queue[!n->queue], 0))
			why = "the other queue has an error, too";
		else if (!other_works(&r, n->queue))
			why = "the other queue stopped as well";
		else if (!run_exchange(bystander, 50, true))
			why = "another device is disturbed";
	}
	run_close(&r);
	printf("%s - %s%s%s\n", why ? "not ok" : "ok", n->name, why ? " - " : "", why ? why : "");
	return !why;
}

/* A broken queue works again once it is set up anew. */
static bool case_recovery(struct run *bystander)
{
	struct run r = { .size = 0 };
	struct vhost_vring_state state = { .index = DRIVER_TX };
	struct vhost_vring_file file = { .index = DRIVER_TX, .fd = -1 };
	struct driver_queue *q;
	bool ok;

	run_open(&r, "vtap1", &bystander->d.options);
	q = &r.d.queue[DRIVER_TX];
	head_range(&r.d, q);
	kick(q);
	ok = error_told(q, 3000);
	ok &= !ioctl(r.d.fd, VHOST_NET_SET_BACKEND, &file);
	ok &= !ioctl(r.d.fd, VHOST_GET_VRING_BASE, &state);
	q->avail_idx = (uint16_t)state.num;
	q->avail->idx = q->avail_idx;
	ok &= !ioctl(r.d.fd, VHOST_SET_VRING_BASE, &state);
	file.fd = r.tap;
	ok &= !ioctl(r.d.fd, VHOST_NET_SET_BACKEND, &file);
	ok &= run_exchange(&r, 200, true);
	run_close(&r);
	printf("%s - queue works again after its backend is set again\n", ok ? "ok" : "not ok");
	return ok;
}

/* Garbage in all the shared memory, many times; the host must live. */
static bool case_garbage(struct run *bystander)
{
	struct driver_options options = bystander->d.options;
	unsigned int round, i, told = 0;
	bool ok = true;

	srand(20260801);
	for (round = 0; round < 60 && ok; round++) {
		struct run r = { .size = 0 };
		struct driver_queue *q;

		options.indirect = round & 1;
		options.event_idx = round & 2;
		options.mergeable = round & 4;
		run_open(&r, "vtap1", &options);
		q = &r.d.queue[round % 2 ? DRIVER_TX : DRIVER_RX];
		for (i = 0; i < 4000; i++) {
			uint8_t frame[FRAME_MAX];
			unsigned int at = (unsigned int)rand(), what = at >> 16 & 3;

			if (what == 0)
				((uint8_t *)q->desc)[at % (16 * q->num)] = (uint8_t)(at >> 8);
			else if (what == 1)
				q->avail->ring[at % q->num] =
					(uint16_t)(rand() % (int)(q->num + 2));
			else if (what == 2)
				((uint8_t *)q->tables)[at % (32 * q->num)] = (uint8_t)(at >> 8);
			else
				__atomic_store_n(&q->avail->idx, (uint16_t)(q->avail->idx + at % 5),
						 __ATOMIC_RELEASE);
			if (at % 16)
				continue;
			kick(q);
			frame_make(frame, 100, i);
			(void)!send(r.far, frame, 100, MSG_DONTWAIT);
		}
		told += error_told(q, 100);
		run_close(&r);
		if (round % 10 == 9)
			ok = run_exchange(bystander, 50, true);
	}
	printf("%s - garbage in the rings, 60 devices, %u of them stopped\n",
	       ok ? "ok" : "not ok", told);
	return ok;
}

int run_nonsense(struct run *bystander)
{
	bool ok = true;
	size_t i;

	bystander->size = 0;
	for (i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++)
		ok &= case_run(&nonsense[i], bystander);
	ok &= case_recovery(bystander);
	ok &= case_garbage(bystander);
	return ok ? 0 : 1;
}
