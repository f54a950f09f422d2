/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The other end of a vhost device, without a virtual machine: this process is
 * the VMM (ioctls, eventfds) and the driver (both rings, in its own memory).
 * Works with /dev/vhost-net and /dev/viola-net alike.
 *
 * Functions end the program with a sentence where the machine fails them; what
 * the device does wrong is the caller's to judge.
 */
#ifndef VIOLA_TESTS_LAB_VRING_DRIVER_H
#define VIOLA_TESTS_LAB_VRING_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vhost.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#define DRIVER_TX_SLOT	2048u /* bytes of each TX buffer */
#define DRIVER_HDR	sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define DRIVER_GPA	UINT64_C(0x100000000) /* of the first byte of memory */

enum { DRIVER_RX, DRIVER_TX };

struct driver_options {
	const char *node;
	unsigned int num; /* ring size */
	unsigned int slot; /* bytes of each RX buffer, header included */
	bool event_idx, mergeable, indirect, version1;
	bool own_header; /* the device's, not the backend's */
	unsigned int busyloop_us;
};

struct driver_queue {
	unsigned int index, num, slot;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint8_t *slots; /* num of them */
	struct vring_desc *tables; /* with indirect: 2 per slot */
	int kick, call, err;
	uint16_t avail_idx, used_seen, kicked;
	uint16_t *free; /* TX: heads not in flight */
	unsigned int nfree;
	bool event_idx;
};

struct driver {
	struct driver_options options;
	int fd;
	uint8_t *memory;
	size_t size;
	struct driver_queue queue[2];
};

void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Opens the node, lays out memory and rings, sets everything but the backend. */
void driver_open(struct driver *d, const struct driver_options *options);
/* The tap's fd, or -1 to stop, for both queues. */
void driver_backend(struct driver *d, int tap);
void driver_close(struct driver *d);

uint64_t driver_gpa(const struct driver *d, const void *at);

/* Offers every RX slot once. */
void driver_fill_rx(struct driver *d);

/*
 * Offers a frame, @len bytes behind the header @hdr (NULL: zeros). False if
 * the ring is full. Not seen by the device without driver_kick(), in general.
 */
bool driver_send(struct driver *d, const struct virtio_net_hdr_mrg_rxbuf *hdr, const void *frame,
		 size_t len);
/* Notifies, if the device wants to know. True if it did. */
bool driver_kick(struct driver_queue *q);

/* Takes back what is sent. How many. */
unsigned int driver_reap(struct driver *d);

/*
 * The next frame received, into @frame; its length, or 0: none, or -1: what is
 * in the ring is none (and why, on stderr). Offers the buffers again.
 */
int driver_receive(struct driver *d, struct virtio_net_hdr_mrg_rxbuf *hdr, void *frame,
		   size_t room);

/* Waits for an interrupt of the queue, at most @ms. True if one came. */
bool driver_wait(struct driver_queue *q, int ms);
/* Asks for an interrupt at the next used buffer, or for none. */
void driver_want_call(struct driver *d, struct driver_queue *q, bool want);

#endif
