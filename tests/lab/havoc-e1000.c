// SPDX-License-Identifier: GPL-2.0
/* Nonsense for an 82540EM: 8254x SDM, chapters 3 and 13. */
#include <unistd.h>

#include "tests/lab/havoc.h"
#include "vmm/emulated/e1000-hw.h"

#define TX_AT		0		/* rings: offsets into the pool */
#define RX_AT		0x10000
#define RING		256		/* descriptors, where the length is sane */

struct descriptor {
	uint64_t address;
	uint64_t command;
};

/* Legacy, context and data descriptors; mostly plausible in the type. */
static struct descriptor descriptor_make(struct havoc *h, uint64_t *random)
{
	struct descriptor d = { havoc_address(h, random), 0 };
	const uint32_t kind = havoc_below(random, 8);
	/* EOP, IFCS, TSE/IC, RS, RPS, DEXT, VLE, IDE: bits 24 to 31 */
	const uint64_t flags = (havoc_random(random) & 0xdf) << 24;
	const uint64_t dext = UINT64_C(1) << 29;

	if (kind < 2) {
		d.command = flags | (havoc_length(random) & 0xffff) |
			    (havoc_random(random) & UINT64_C(0xffffff00000000));
	} else if (kind < 4) {
		/* Context: offsets, then payload and header length, MSS. */
		d.address = havoc_random(random);
		d.command = flags | dext | (havoc_length(random) & 0xfffff) |
			    (havoc_random(random) & UINT64_C(0xffffff0000000000));
		if (!havoc_below(random, 4))
			d.command &= UINT64_C(0x00ffffffffff); /* MSS and header of 0 */
	} else if (kind < 7) {
		d.command = flags | dext | UINT64_C(1) << 20 |
			    (havoc_length(random) & 0xfffff) |
			    (havoc_random(random) & UINT64_C(0x0fff00000000));
	} else {
		d.command = havoc_random(random);
	}
	return d;
}

static void ring_stir(struct havoc *h, uint64_t *random)
{
	const bool tx = havoc_below(random, 2);
	uint8_t *at = h->pool + (tx ? TX_AT : RX_AT) + havoc_below(random, RING) * 16;
	const struct descriptor d = descriptor_make(h, random);

	/* One field at a time: the device may see any mixture. */
	if (havoc_below(random, 4))
		__atomic_store_n((uint64_t *)at, d.address, __ATOMIC_RELAXED);
	if (havoc_below(random, 4))
		__atomic_store_n((uint64_t *)(at + 8), tx ? d.command : 0, __ATOMIC_RELAXED);
}

/*
 * Where a ring is and how long: sane in most rounds. The longest one, 1 MiB,
 * ends in the pool wherever it begins, because the device writes into it.
 */
static void ring_place(struct havoc *h, uint32_t base, uint32_t at)
{
	static const uint32_t lengths[] = { 0, 16, 128, 120, 0x80000, 0xfff80, 0xffffffff };
	uint64_t address = h->pool_pa + at;
	uint32_t length = RING * 16;

	if (!havoc_below(&h->random, 6))
		length = lengths[havoc_below(&h->random, sizeof(lengths) / sizeof(*lengths))];
	if (!havoc_below(&h->random, 6))
		address = h->ram_end + havoc_below(&h->random, 1 << 20);
	else if (!havoc_below(&h->random, 6))
		address = h->pool_pa + havoc_below(&h->random, 1 << 18);
	bar_write(h, base, 4, (uint32_t)address);
	bar_write(h, base + 4, 4, address >> 32);
	bar_write(h, base + 8, 4, length);
	bar_write(h, base + 16, 4, 0);
	bar_write(h, base + 24, 4, havoc_below(&h->random, 4) ? RING - 1 :
		  (uint32_t)havoc_value(&h->random));
}

static int e1000_open(struct havoc *h)
{
	return h->bar_size >= R_END ? 0 : -1;
}

static void e1000_start(struct havoc *h)
{
	uint64_t *random = &h->random;
	unsigned int i;

	bar_write(h, R_CTRL, 4, CTRL_RST);
	bar_write(h, R_IMC, 4, 0xffffffff);
	for (i = 0; i < RING * 8; i++)
		ring_stir(h, random);
	bar_write(h, R_CTRL, 4, CTRL_SLU | CTRL_FD | (havoc_random(random) & CTRL_VME));
	ring_place(h, R_TDBAL, TX_AT);
	ring_place(h, R_RDBAL, RX_AT);
	/* Promiscuous, with each of the buffer sizes, long frames, stripped CRC. */
	bar_write(h, R_RCTL, 4, 0x1a | (havoc_random(random) & 0x06038020) | 0x8000);
	bar_write(h, R_RXCSUM, 4, havoc_random(random) & 0xffff);
	bar_write(h, R_TCTL, 4, 0xa);
	bar_write(h, R_IMS, 4, havoc_random(random) & 0xffff);
}

/* Registers that are addresses of rings keep to the pool or leave RAM. */
static uint64_t register_value(struct havoc *h, uint32_t at)
{
	if ((at & ~3u) == R_RDBAL || (at & ~3u) == R_TDBAL)
		return (uint32_t)havoc_random(&h->random) | 0x80000000;
	return havoc_value(&h->random);
}

static void registers_nonsense(struct havoc *h)
{
	static const uint32_t named[] = {
		R_CTRL, R_EECD, R_EERD, R_CTRL_EXT, R_MDIC, R_ICR, R_ITR, R_ICS, R_IMS, R_IMC,
		R_RCTL, R_TCTL, R_RDLEN, R_RDH, R_RDT, R_RDTR, R_RADV, R_RXDCTL, R_RSRPD,
		R_TDLEN, R_TDH, R_TDT, R_TIDV, R_TADV, R_TXDCTL, R_TSPMT, R_RXCSUM, R_TDBAH,
		R_RDBAH, R_VET, R_PBA,
	};
	const uint32_t at = havoc_below(&h->random, 2) ?
			    named[havoc_below(&h->random, sizeof(named) / sizeof(*named))] :
			    havoc_below(&h->random, E1000_MMIO_SIZE);
	uint32_t size = 4;

	if (!havoc_below(&h->random, 8) && at != R_RDBAL && at != R_TDBAL)
		size = 1u << havoc_below(&h->random, 4);
	/* A wider write must not put half of it into a ring's address. */
	if (size != 4 && ((at + size > R_RDBAL && at < R_RDBAL + 8) ||
			  (at + size > R_TDBAL && at < R_TDBAL + 8)))
		return;
	bar_write(h, at, size, register_value(h, at));
	bar_read(h, at, size);
}

static void ports_nonsense(struct havoc *h)
{
	uint32_t at = havoc_below(&h->random, E1000_MMIO_SIZE), value;

	if (pwrite(h->ports, &at, 4, E1000_IOADDR) != 4)
		return;
	value = (uint32_t)register_value(h, at);
	if (pwrite(h->ports, &value, 4, E1000_IODATA) == 4)
		h->accesses++;
	at = havoc_below(&h->random, E1000_IO_SIZE);
	if (pread(h->ports, &value, 1, at) == 1)
		h->accesses++;
}

static void e1000_step(struct havoc *h)
{
	const uint32_t kind = havoc_below(&h->random, 16);
	unsigned int i;

	if (kind < 8) {
		for (i = 0; i < 16; i++)
			ring_stir(h, &h->random);
		bar_write(h, R_TDT, 4, havoc_below(&h->random, RING));
		bar_write(h, R_RDT, 4, havoc_below(&h->random, RING));
	} else if (kind < 9) {
		bar_write(h, R_TDT, 4, havoc_value(&h->random));
		bar_write(h, R_RDT, 4, havoc_value(&h->random));
	} else if (kind < 14) {
		registers_nonsense(h);
	} else if (kind < 15) {
		ports_nonsense(h);
	} else if (!havoc_below(&h->random, 8)) {
		config_nonsense(h);
	}
}

static void e1000_stop(struct havoc *h)
{
	bar_write(h, R_RCTL, 4, 0);
	bar_write(h, R_TCTL, 4, 0);
	bar_write(h, R_CTRL, 4, CTRL_RST);
}

const struct havoc_device havoc_e1000 = {
	.name = "e1000", .vendor = E1000_VENDOR, .device = E1000_DEVICE,
	.open = e1000_open, .start = e1000_start, .step = e1000_step,
	.stir = ring_stir, .stop = e1000_stop,
};
