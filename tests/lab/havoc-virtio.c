// SPDX-License-Identifier: GPL-2.0
/* Nonsense for a modern virtio PCI device: virtio 1.2, 2.7 and 4.1. */
#include <string.h>
#include <stdio.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "tests/lab/havoc.h"

#define QUEUES		8		/* that are played with */
#define RING		256		/* at most */
#define AREA		0x8000		/* of a queue in the pool */
#define AVAIL_AT	0x2000		/* in the area */
#define USED_AT		0x4000
#define TABLES_AT	0x80000		/* indirect tables, in the pool */
#define TABLE_ENTRIES	32

/* A structure of the device in BAR 0, from its PCI capability. */
struct window {
	uint32_t offset, length;
};

static struct {
	struct window common, notify, isr, device;
	uint32_t notify_step;
	uint32_t msix;			/* capability, 0: none */
	uint32_t table;			/* MSI-X table in BAR 0 */
	unsigned int queues;		/* set up in this round */
} v;

static uint8_t *area(struct havoc *h, unsigned int queue)
{
	return h->pool + (size_t)queue * AREA;
}

static int virtio_open(struct havoc *h)
{
	uint32_t at = h->saved[PCI_CAPABILITY_LIST] & ~3u, limit = 48, type;
	struct window *w;

	for (; at && limit--; at = h->saved[at + 1] & ~3u) {
		if (at > sizeof(h->saved) - 20)
			break;
		if (h->saved[at] == PCI_CAP_ID_MSIX) {
			v.msix = at;
			memcpy(&v.table, h->saved + at + PCI_MSIX_TABLE, 4);
			v.table &= ~7u;
			continue;
		}
		if (h->saved[at] != PCI_CAP_ID_VNDR || h->saved[at + 4])
			continue;
		type = h->saved[at + 3];
		w = type == VIRTIO_PCI_CAP_COMMON_CFG ? &v.common :
		    type == VIRTIO_PCI_CAP_NOTIFY_CFG ? &v.notify :
		    type == VIRTIO_PCI_CAP_ISR_CFG ? &v.isr :
		    type == VIRTIO_PCI_CAP_DEVICE_CFG ? &v.device : NULL;
		if (!w)
			continue;
		memcpy(&w->offset, h->saved + at + 8, 4);
		memcpy(&w->length, h->saved + at + 12, 4);
		if (w == &v.notify)
			memcpy(&v.notify_step, h->saved + at + 16, 4);
	}
	if (v.common.length && v.notify.length)
		return 0;
	printf("havoc: the device has no common or no notification structure\n");
	return -1;
}

static void common_write(struct havoc *h, uint32_t at, unsigned int size, uint64_t value)
{
	bar_write(h, v.common.offset + at, size, value);
}

static uint64_t common_read(struct havoc *h, uint32_t at, unsigned int size)
{
	return bar_read(h, v.common.offset + at, size);
}

static void common_address(struct havoc *h, uint32_t at, uint64_t value)
{
	common_write(h, at, 4, (uint32_t)value);
	common_write(h, at + 4, 4, value >> 32);
}

/* --- rings ---------------------------------------------------------------- */

static void descriptor_stir(struct havoc *h, uint64_t *random, struct vring_desc *d, bool table)
{
	const uint32_t kind = havoc_below(random, 16);
	uint64_t address = havoc_address(h, random);
	uint32_t length = havoc_length(random);
	uint16_t flags = 0, next = (uint16_t)havoc_below(random, table ? TABLE_ENTRIES : RING);

	/* Half of them plausible, so that the device has more to do than refuse. */
	if (kind & 1) {
		address = havoc_own(h, random);
		length = 12 + havoc_below(random, 4096);
	}
	if (kind < 6)
		flags = VRING_DESC_F_WRITE;
	if (!havoc_below(random, 3))
		flags |= VRING_DESC_F_NEXT;
	if (!havoc_below(random, table ? 16 : 4)) {
		flags |= VRING_DESC_F_INDIRECT;
		if (havoc_below(random, 4)) {
			flags = VRING_DESC_F_INDIRECT;
			address = h->pool_pa + TABLES_AT +
				  havoc_below(random, 64) * TABLE_ENTRIES * 16;
			length = 16 * (1 + havoc_below(random, TABLE_ENTRIES));
		}
	}
	if (!havoc_below(random, 32)) {
		flags = (uint16_t)havoc_random(random);
		next = (uint16_t)havoc_random(random);
	}
	if (havoc_below(random, 8))
		__atomic_store_n(&d->addr, address, __ATOMIC_RELAXED);
	if (havoc_below(random, 8))
		__atomic_store_n(&d->len, length, __ATOMIC_RELAXED);
	if (havoc_below(random, 8))
		__atomic_store_n(&d->flags, flags, __ATOMIC_RELAXED);
	__atomic_store_n(&d->next, next, __ATOMIC_RELAXED);
}

static void virtio_stir(struct havoc *h, uint64_t *random)
{
	const unsigned int queue = havoc_below(random, 4);
	const uint32_t kind = havoc_below(random, 8);
	uint16_t *avail = (uint16_t *)(area(h, queue) + AVAIL_AT);
	struct vring_desc *table = (struct vring_desc *)(h->pool + TABLES_AT);

	if (kind < 4)
		descriptor_stir(h, random, (struct vring_desc *)area(h, queue) +
				havoc_below(random, RING), false);
	else if (kind < 6)
		descriptor_stir(h, random, table + havoc_below(random, 64 * TABLE_ENTRIES), true);
	else if (kind < 7)
		/* Flags, heads, and the driver's event index after them. */
		__atomic_store_n(avail + (havoc_below(random, 8) ?
						  2 + havoc_below(random, RING + 1) : 0),
				 (uint16_t)(havoc_below(random, 16) ? havoc_below(random, RING) :
					    havoc_random(random)), __ATOMIC_RELAXED);
	else if (!havoc_below(random, 16))
		/* What belongs to the device. */
		__atomic_store_n((uint16_t *)(area(h, queue) + USED_AT) +
				 havoc_below(random, 4 * RING + 3),
				 (uint16_t)havoc_random(random), __ATOMIC_RELAXED);
}

/* More chains for the device, in most cases as many as there is room for. */
static void make_available(struct havoc *h, unsigned int queue)
{
	uint16_t *idx = (uint16_t *)(area(h, queue) + AVAIL_AT) + 1;
	uint16_t step = (uint16_t)(1 + havoc_below(&h->random, 16));

	if (!havoc_below(&h->random, 24))
		step = (uint16_t)havoc_random(&h->random);
	__atomic_store_n(idx, (uint16_t)(*idx + step), __ATOMIC_RELEASE);
}

static void kick(struct havoc *h, unsigned int queue)
{
	bar_write(h, v.notify.offset + queue * v.notify_step, 2, queue);
}

/* --- setting up ----------------------------------------------------------- */

static void features_take(struct havoc *h)
{
	uint64_t features = 0;
	unsigned int half;

	for (half = 0; half < 2; half++) {
		common_write(h, VIRTIO_PCI_COMMON_DFSELECT, 4, half);
		features |= common_read(h, VIRTIO_PCI_COMMON_DF, 4) << half * 32;
	}
	if (havoc_below(&h->random, 3)) {
		features &= havoc_random(&h->random) | havoc_random(&h->random);
		features |= UINT64_C(1) << VIRTIO_F_VERSION_1;
	}
	if (!havoc_below(&h->random, 16))
		features = havoc_random(&h->random);
	for (half = 0; half < 2; half++) {
		common_write(h, VIRTIO_PCI_COMMON_GFSELECT, 4, half);
		common_write(h, VIRTIO_PCI_COMMON_GF, 4, (uint32_t)(features >> half * 32));
	}
}

static void queue_set(struct havoc *h, unsigned int queue)
{
	static const uint32_t odd[] = { 0, 1, 3, 255, 257, 0x4000, 0x8000, 0xffff };
	const uint64_t at = h->pool_pa + (uint64_t)queue * AREA;
	uint32_t num = 1u << (2 + havoc_below(&h->random, 7));

	if (!havoc_below(&h->random, 12))
		num = odd[havoc_below(&h->random, sizeof(odd) / sizeof(*odd))];
	common_write(h, VIRTIO_PCI_COMMON_Q_SELECT, 2, queue);
	common_write(h, VIRTIO_PCI_COMMON_Q_SIZE, 2, num);
	if (v.msix)
		common_write(h, VIRTIO_PCI_COMMON_Q_MSIX, 2, havoc_below(&h->random, 4));
	common_address(h, VIRTIO_PCI_COMMON_Q_DESCLO, havoc_below(&h->random, 16) ? at :
		       havoc_address(h, &h->random));
	common_address(h, VIRTIO_PCI_COMMON_Q_AVAILLO, havoc_below(&h->random, 16) ?
		       at + AVAIL_AT : havoc_address(h, &h->random));
	common_address(h, VIRTIO_PCI_COMMON_Q_USEDLO, havoc_below(&h->random, 16) ?
		       at + USED_AT : havoc_address(h, &h->random));
	common_write(h, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

static void virtio_start(struct havoc *h)
{
	const unsigned int status[] = {
		VIRTIO_CONFIG_S_ACKNOWLEDGE,
		VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER,
	};
	unsigned int i, queue;

	common_write(h, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	common_read(h, VIRTIO_PCI_COMMON_STATUS, 1);
	memset(h->pool, 0, 4 * AREA);
	for (i = 0; i < 4000; i++)
		virtio_stir(h, &h->random);
	/* The index of no ring has gone on yet, whatever was stirred. */
	for (queue = 0; queue < 4; queue++)
		memset(area(h, queue) + USED_AT, 0, 4);
	for (i = 0; i < 2; i++)
		common_write(h, VIRTIO_PCI_COMMON_STATUS, 1, status[i]);
	features_take(h);
	common_write(h, VIRTIO_PCI_COMMON_STATUS, 1, status[1] | VIRTIO_CONFIG_S_FEATURES_OK);
	v.queues = (unsigned int)common_read(h, VIRTIO_PCI_COMMON_NUMQ, 2);
	if (v.queues > QUEUES)
		v.queues = QUEUES;
	for (queue = 0; queue < v.queues; queue++)
		queue_set(h, queue);
	common_write(h, VIRTIO_PCI_COMMON_STATUS, 1,
		     status[1] | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* --- blows ---------------------------------------------------------------- */

/*
 * A table entry that interrupts: not as INIT or SMI, which end this guest, and
 * with no vector of an exception.
 */
static void msix_nonsense(struct havoc *h)
{
	const uint32_t at = v.table + havoc_below(&h->random, 4) * 16;
	uint32_t address = (uint32_t)havoc_value(&h->random);
	uint32_t data = (uint32_t)havoc_value(&h->random);

	if (!havoc_below(&h->random, 2))
		address = 0xfee00000 | (address & 0xff00c);
	/* KVM looks at no bits of the address but those of the destination. */
	data = (data & 0xffffc100) | (0x90 + havoc_below(&h->random, 0x40));
	/* No mixture of the old entry and the new one may interrupt. */
	bar_write(h, at, 4, 0);
	bar_write(h, at + 8, 4, data);
	bar_write(h, at, 4, address);
	bar_write(h, at + 4, 4, havoc_below(&h->random, 8) ? 0 : havoc_value(&h->random));
	bar_write(h, at + 12, 4, havoc_value(&h->random));
	/*
	 * Enabled, but the function stays masked: a guest that floods itself with
	 * vectors it has no handler for is its own affair, and in a machine whose
	 * SVM is emulated (QEMU 10.0, TCG) it takes that machine down, whatever
	 * the path: the guest shuts down, the stack of its vCPU's thread is
	 * overwritten.
	 */
	config_write(h, v.msix + PCI_MSIX_FLAGS, 2, 0xc000);
}

static void registers_nonsense(struct havoc *h)
{
	const struct window *const w[] = { &v.common, &v.common, &v.common, &v.notify, &v.isr,
					   &v.device };
	const struct window *one = w[havoc_below(&h->random, 6)];
	const uint32_t length = one->length < 0x100 ? one->length : 0x100;
	unsigned int size = 1u << havoc_below(&h->random, 4);
	uint32_t at;

	if (!length)
		return;
	at = havoc_below(&h->random, length);
	if (havoc_below(&h->random, 4))
		at &= ~(size - 1);
	/* A part of an address in a register of the rings might be RAM. */
	if (one == &v.common && at + size > VIRTIO_PCI_COMMON_Q_DESCLO &&
	    at < VIRTIO_PCI_COMMON_Q_USEDHI + 4) {
		size = 4;
		at &= ~3u;
	}
	bar_read(h, one->offset + at, size);
	bar_write(h, one->offset + at, size, havoc_value(&h->random));
	/* Anywhere else; the MSI-X table has its own kind of nonsense. */
	at = havoc_below(&h->random, (uint32_t)h->bar_size) & ~7u;
	if (!havoc_below(&h->random, 4) && (at < v.table || at >= v.table + 64))
		bar_write(h, at, 4, havoc_value(&h->random));
}

static void virtio_step(struct havoc *h)
{
	const uint32_t kind = havoc_below(&h->random, 32);
	const unsigned int queue = v.queues ? havoc_below(&h->random, v.queues) : 0;
	unsigned int i;

	if (kind < 18) {
		for (i = 0; i < 8; i++)
			virtio_stir(h, &h->random);
		if (queue < 4)
			make_available(h, queue);
		kick(h, queue);
	} else if (kind < 20) {
		/* A queue that is being served gets other registers. */
		queue_set(h, queue);
	} else if (kind < 22) {
		common_write(h, VIRTIO_PCI_COMMON_Q_SELECT, 2, queue);
		common_write(h, 58, 2, 1); /* queue_reset */
		common_read(h, 58, 2);
		if (havoc_below(&h->random, 2))
			queue_set(h, queue);
	} else if (kind < 25) {
		if (v.msix)
			msix_nonsense(h);
	} else if (kind < 27) {
		config_write(h, PCI_COMMAND, 2, havoc_below(&h->random, 2) ?
			     PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER : PCI_COMMAND_MEMORY);
	} else if (kind < 31) {
		registers_nonsense(h);
	} else if (!havoc_below(&h->random, 4)) {
		config_nonsense(h);
	}
}

static void virtio_stop(struct havoc *h)
{
	common_write(h, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	common_read(h, VIRTIO_PCI_COMMON_STATUS, 1);
}

const struct havoc_device havoc_virtio = {
	.name = "virtio", .vendor = 0x1af4,
	.open = virtio_open, .start = virtio_start, .step = virtio_step,
	.stir = virtio_stir, .stop = virtio_stop,
};
