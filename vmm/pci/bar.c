// SPDX-License-Identifier: GPL-2.0
/*
 * Base address registers (PCI 3.0, 6.2.5). Sizing needs no code: the bits
 * below the size are not writable, so all ones read back as the size.
 *
 * A BAR answers where its register says only while the command register
 * enables its space and all of it lies in the window of its kind: the guest
 * cannot put a BAR over RAM, ECAM or an interrupt controller. A BAR over
 * another one answers nowhere until the other one leaves.
 *
 * All of a mapped BAR is trapped. Parts of it may be host memory on top, which the guest
 * reaches without a trap.
 */
#include <errno.h>
#include <stdlib.h>
#include <linux/pci_regs.h>

#include "vmm/complain.h"
#include "vmm/error.h"
#include "vmm/pci/bus.h"
#include "vmm/pci/le.h"
#include "vmm/vm-private.h"

#define MEM_BAR_MIN 4096u /* so that a page is one device's */
#define IO_BAR_MIN 4u

static unsigned int bar_reg(unsigned int bar)
{
	return PCI_BASE_ADDRESS_0 + 4 * bar;
}

/* The kinds: bits of the register, and where such a BAR may be. */
static const struct bar_kind {
	u32 type; /* fixed bits of the register */
	u32 fixed; /* mask of the bits that are not address */
	u16 enable; /* in the command register */
	size_t base, end, next; /* in struct pci_bus */
	bool io;
} bar_kinds[] = {
	[PCI_BAR_IO] = { PCI_BASE_ADDRESS_SPACE_IO, 0x3, PCI_COMMAND_IO,
			 offsetof(struct pci_bus, io_base), offsetof(struct pci_bus, io_end),
			 offsetof(struct pci_bus, next_io), true },
	[PCI_BAR_MEM32] = { PCI_BASE_ADDRESS_MEM_TYPE_32, 0xf, PCI_COMMAND_MEMORY,
			    offsetof(struct pci_bus, mmio32_base),
			    offsetof(struct pci_bus, mmio32_end),
			    offsetof(struct pci_bus, next_mmio32), false },
	[PCI_BAR_MEM64] = { PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH, 0xf,
			    PCI_COMMAND_MEMORY, offsetof(struct pci_bus, mmio64_base),
			    offsetof(struct pci_bus, mmio64_end),
			    offsetof(struct pci_bus, next_mmio64), false },
};

static u64 *bus_field(struct pci_bus *bus, size_t off)
{
	return (u64 *)((u8 *)bus + off);
}

void pci_add_bar(struct pci_device *dev, unsigned int bar, enum pci_bar_kind kind, u64 size)
{
	u64 rounded = kind == PCI_BAR_IO ? IO_BAR_MIN : MEM_BAR_MIN;
	u64 mask;

	/* Mistakes in this program. */
	assert(kind != PCI_BAR_NONE && bar + (kind == PCI_BAR_MEM64) < PCI_BARS);
	assert(dev->bar[bar].kind == PCI_BAR_NONE && size <= 1ull << 40);
	while (rounded < size)
		rounded *= 2;
	dev->bar[bar].kind = kind;
	dev->bar[bar].size = rounded;
	mask = ~(rounded - 1) & ~(u64)bar_kinds[kind].fixed;
	put_le32(dev->config + bar_reg(bar), bar_kinds[kind].type);
	put_le32(dev->writable + bar_reg(bar), (u32)mask);
	if (kind == PCI_BAR_MEM64)
		put_le32(dev->writable + bar_reg(bar + 1), (u32)(mask >> 32));
}

int pci_bar_map(struct pci_device *dev, unsigned int bar, u64 off, u64 size, void *base, int fd,
		u64 fd_off)
{
	struct pci_bar *b = &dev->bar[bar];
	struct pci_bar_part *part;

	/* Mistakes in this program: what may be mapped is known to whoever maps it. */
	assert(b->kind == PCI_BAR_MEM32 || b->kind == PCI_BAR_MEM64);
	assert(size && !(off % MEMORY_PAGE) && !(size % MEMORY_PAGE) &&
	       !((uintptr_t)base % MEMORY_PAGE) && viola_within(off, size, b->size));
	part = calloc(1, sizeof(*part));
	if (!part)
		return vmm_fail(ENOMEM, "%s: out of memory", dev->name);
	part->off = off;
	part->block = (struct memory_block){
		.name = dev->name, .kind = MEMORY_DEVICE, .size = size, .base = base, .fd = fd,
		.fd_off = fd_off,
	};
	part->next = b->parts;
	b->parts = part;
	return 0;
}

static void set_address(struct pci_device *dev, unsigned int bar, u64 address)
{
	const struct bar_kind *kind = &bar_kinds[dev->bar[bar].kind];

	put_le32(dev->config + bar_reg(bar), (u32)address | kind->type);
	if (dev->bar[bar].kind == PCI_BAR_MEM64)
		put_le32(dev->config + bar_reg(bar + 1), (u32)(address >> 32));
}

static u64 get_address(const struct pci_device *dev, unsigned int bar)
{
	u64 address = get_le32(dev->config + bar_reg(bar)) & ~bar_kinds[dev->bar[bar].kind].fixed;

	if (dev->bar[bar].kind == PCI_BAR_MEM64)
		address |= (u64)get_le32(dev->config + bar_reg(bar + 1)) << 32;
	return address;
}

static int bar_place(struct pci_device *dev, unsigned int bar)
{
	const u64 size = dev->bar[bar].size;
	enum pci_bar_kind kind = dev->bar[bar].kind;
	struct pci_bus *bus = &dev->vm->pci;
	const struct bar_kind *k = &bar_kinds[kind];
	u64 *next = bus_field(bus, k->next);
	u64 at = (*next + size - 1) & ~(size - 1);

	if (kind == PCI_BAR_MEM64 && viola_within(at, size, bus->mmio64_max)) {
		/* The window above RAM is as large as what is in it needs. */
		bus->mmio64_end = max(bus->mmio64_end, gib_up(at + size));
	} else if (kind == PCI_BAR_MEM64) {
		/* Below 4 GiB, where the guest reaches nothing above. */
		k = &bar_kinds[PCI_BAR_MEM32];
		next = bus_field(bus, k->next);
		at = (*next + size - 1) & ~(size - 1);
	}
	if (!viola_within(at, size, *bus_field(bus, k->end)))
		return vmm_fail(ENOSPC, "%s: no room for %llu KiB of BAR %u", dev->name,
				(unsigned long long)(size >> 10), bar);
	*next = at + size;
	set_address(dev, bar, at);
	return 0;
}

int pci_bars_place(struct pci_device *dev)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < PCI_BARS && !err; i++)
		if (dev->bar[i].kind != PCI_BAR_NONE)
			err = bar_place(dev, i);
	return err;
}

/* --- accesses ---------------------------------------------------------------- */

static u64 bar_read(void *opaque, u64 off, unsigned int len)
{
	struct pci_bar *bar = opaque;

	__atomic_fetch_add(&bar->reads, 1, __ATOMIC_RELAXED);
	if (pci_msix_covers(bar->dev, bar->index, off, len))
		return pci_msix_read(bar->dev, bar->index, off, len);
	return bar->dev->ops->bar_read(bar->dev, bar->index, off, len);
}

static void bar_write(void *opaque, u64 off, u64 value, unsigned int len)
{
	struct pci_bar *bar = opaque;

	__atomic_fetch_add(&bar->writes, 1, __ATOMIC_RELAXED);
	if (pci_msix_covers(bar->dev, bar->index, off, len))
		pci_msix_write(bar->dev, bar->index, off, value, len);
	else
		bar->dev->ops->bar_write(bar->dev, bar->index, off, value, len);
}

static const struct bus_ops bar_ops = { .read = bar_read, .write = bar_write };

/* --- mapping ----------------------------------------------------------------- */

static void parts_add(struct pci_bar *bar, u64 address)
{
	struct pci_device *dev = bar->dev;
	struct pci_bar_part *part;

	for (part = bar->parts; part; part = part->next) {
		part->block.gpa = address + part->off;
		part->added = !memory_add(&dev->vm->mem, &part->block);
		if (!part->added)
			vmm_complain(&dev->complained, dev->name, "BAR %u is slow: %s",
				     bar->index, vmm_error());
	}
}

static void parts_remove(struct pci_bar *bar)
{
	struct pci_bar_part *part;

	for (part = bar->parts; part; part = part->next) {
		if (part->added)
			memory_remove(&bar->dev->vm->mem, &part->block);
		part->added = false;
	}
}

void pci_bars_forget(struct pci_device *dev)
{
	unsigned int i;

	for (i = 0; i < PCI_BARS; i++) {
		struct pci_bar *bar = &dev->bar[i];

		parts_remove(bar);
		while (bar->parts) {
			struct pci_bar_part *part = bar->parts;

			bar->parts = part->next;
			free(part);
		}
	}
}

static void bar_unmap(struct pci_device *dev, unsigned int i)
{
	struct pci_bar *bar = &dev->bar[i];

	parts_remove(bar);
	bus_remove(bar_kinds[bar->kind].io ? &dev->vm->pio : &dev->vm->mmio, bar->base);
	bar->mapped = false;
	if (dev->ops->bar_moved)
		dev->ops->bar_moved(dev, i, bar->base, false);
}

static void bar_map(struct pci_device *dev, unsigned int i, u64 address)
{
	struct pci_bar *bar = &dev->bar[i];
	const struct bus_region region = {
		.name = dev->name, .base = address, .size = bar->size,
		.ops = &bar_ops, .opaque = bar,
	};

	/* Over another device's: the guest's mistake, and this one loses. */
	if (bus_add(bar_kinds[bar->kind].io ? &dev->vm->pio : &dev->vm->mmio, &region))
		return;
	bar->base = address;
	bar->mapped = true;
	parts_add(bar, address);
	if (dev->ops->bar_moved)
		dev->ops->bar_moved(dev, i, address, true);
}

/* Whether @size bytes at @address lie in a window for BARs of this kind. */
static bool in_window(struct pci_bus *bus, enum pci_bar_kind kind, u64 address, u64 size)
{
	for (; kind != PCI_BAR_NONE; kind = kind == PCI_BAR_MEM64 ? PCI_BAR_MEM32 : PCI_BAR_NONE) {
		const u64 base = *bus_field(bus, bar_kinds[kind].base);
		const u64 end = *bus_field(bus, bar_kinds[kind].end);

		if (address >= base && viola_within(address, size, end))
			return true;
	}
	return false;
}

/* Where BAR @i is to answer now; false if nowhere. */
static bool bar_wanted(struct pci_device *dev, unsigned int i, u64 *address)
{
	const struct pci_bar *bar = &dev->bar[i];

	if (bar->kind == PCI_BAR_NONE || !(pci_command(dev) & bar_kinds[bar->kind].enable))
		return false;
	*address = get_address(dev, i);
	return in_window(&dev->vm->pci, bar->kind, *address, bar->size);
}

bool pci_bars_update(struct pci_device *dev)
{
	bool left = false;
	unsigned int i;
	u64 address;

	/* All that leave first: another BAR may take the place of one of them. */
	for (i = 0; i < PCI_BARS; i++)
		if (dev->bar[i].mapped &&
		    (!bar_wanted(dev, i, &address) || dev->bar[i].base != address)) {
			bar_unmap(dev, i);
			left = true;
		}
	for (i = 0; i < PCI_BARS; i++)
		if (!dev->bar[i].mapped && bar_wanted(dev, i, &address))
			bar_map(dev, i, address);
	return left;
}

void pci_bars_retry(struct vm *vm)
{
	unsigned int slot;

	/* One config_lock at a time: others do the same in any order. */
	for (slot = 0; slot < PCI_SLOTS; slot++) {
		struct pci_device *dev = vm->pci.slot[slot];

		if (!dev)
			continue;
		pthread_mutex_lock(&dev->config_lock);
		pci_bars_update(dev);
		pthread_mutex_unlock(&dev->config_lock);
	}
}
