// SPDX-License-Identifier: GPL-2.0
/*
 * Bus 0 and the two ways to its configuration space: ECAM (PCIe base 7.2.2)
 * and the address and data ports (PCI 3.0, 3.2.2.3.2). Only function 0 of a
 * slot exists.
 */
#include <errno.h>
#include <stdlib.h>
#include <linux/pci_regs.h>

#include "vmm/error.h"
#include "vmm/pci/bus.h"
#include "vmm/platform/pm.h"
#include "vmm/vcpu.h"
#include "vmm/vm-private.h"

#define CF8_ENABLE 0x80000000u

/* The device and register that bits 19 … 0 of an ECAM offset name, or NULL. */
static struct pci_device *config_target(struct pci_bus *bus, u32 address, unsigned int *off)
{
	*off = address & 0xfff;
	if (address >> 12 & 7)
		return NULL;
	return bus->slot[address >> 15 & (PCI_SLOTS - 1)];
}

static u32 all_ones(unsigned int len)
{
	return len == 4 ? ~0u : (1u << len * 8) - 1;
}

static u64 ecam_read(void *opaque, u64 off, unsigned int len)
{
	struct vm *vm = opaque;
	unsigned int reg;
	struct pci_device *dev = config_target(&vm->pci, (u32)off, &reg);

	if (!dev || len > 4 || reg & (len - 1))
		return ~0ull;
	return pci_config_read(dev, reg, len);
}

static void ecam_write(void *opaque, u64 off, u64 value, unsigned int len)
{
	struct vm *vm = opaque;
	unsigned int reg;
	struct pci_device *dev = config_target(&vm->pci, (u32)off, &reg);

	if (dev && len <= 4 && !(reg & (len - 1)))
		pci_config_write(dev, reg, (u32)value, len);
}

/* The device and register that the address port and @off of the data port name. */
static struct pci_device *port_target(struct vm *vm, u64 off, unsigned int *reg)
{
	u32 cf8;

	pthread_mutex_lock(&vm->pci.lock);
	cf8 = vm->pci.cf8;
	pthread_mutex_unlock(&vm->pci.lock);
	if (!(cf8 & CF8_ENABLE) || cf8 >> 16 & 0xff)
		return NULL;
	/* Bits 15 … 8 are device and function, as bits 19 … 12 of ECAM. */
	return config_target(&vm->pci, (cf8 & 0xff00) << 4 | (cf8 & 0xfc) | (u32)off, reg);
}

static u64 ports_read(void *opaque, u64 off, unsigned int len)
{
	struct vm *vm = opaque;
	struct pci_device *dev;
	unsigned int reg;
	u32 value;

	if (off < 4) {
		if (off || len != 4)
			return 0;
		pthread_mutex_lock(&vm->pci.lock);
		value = vm->pci.cf8;
		pthread_mutex_unlock(&vm->pci.lock);
		return value;
	}
	dev = port_target(vm, off - 4, &reg);
	if (!dev || len > 4 || reg & (len - 1))
		return all_ones(min(len, 4u));
	return pci_config_read(dev, reg, len);
}

static void ports_write(void *opaque, u64 off, u64 value, unsigned int len)
{
	struct vm *vm = opaque;
	struct pci_device *dev;
	unsigned int reg;

	if (off == LAYOUT_RESET - LAYOUT_PCI_CONFIG && len == 1) {
		pm_reset_write(vm, (u8)value);
		return;
	}
	if (off < 4) {
		if (off || len != 4)
			return;
		pthread_mutex_lock(&vm->pci.lock);
		vm->pci.cf8 = (u32)value;
		pthread_mutex_unlock(&vm->pci.lock);
		return;
	}
	dev = port_target(vm, off - 4, &reg);
	if (dev && len <= 4 && !(reg & (len - 1)))
		pci_config_write(dev, reg, (u32)value, len);
}

static const struct bus_ops ecam_ops = { .read = ecam_read, .write = ecam_write };
static const struct bus_ops ports_ops = { .read = ports_read, .write = ports_write };

int pci_bus_create(struct vm *vm)
{
	const struct bus_region ecam = {
		.name = "PCI configuration space", .base = LAYOUT_ECAM,
		.size = LAYOUT_ECAM_SIZE, .ops = &ecam_ops, .opaque = vm,
	};
	const struct bus_region ports = {
		.name = "PCI configuration ports", .base = LAYOUT_PCI_CONFIG, .size = 8,
		.ops = &ports_ops, .opaque = vm,
	};
	struct pci_bus *bus = &vm->pci;
	const u64 top = 1ull << cpuid_address_bits(vm->kvm_fd);
	int err;

	pthread_mutex_init(&bus->lock, NULL);
	bus->ecam_base = LAYOUT_ECAM;
	bus->mmio32_base = LAYOUT_MMIO32;
	bus->mmio32_end = LAYOUT_MMIO32_END;
	bus->io_base = LAYOUT_PCI_IO;
	bus->io_end = LAYOUT_PCI_IO_END;
	/* Above RAM, from the next GiB on; empty if the guest cannot reach it. */
	bus->mmio64_base = gib_up(max(memory_ram_end(&vm->mem), (u64)LAYOUT_4G));
	bus->mmio64_max = max(top, bus->mmio64_base);
	bus->mmio64_end = min(bus->mmio64_base + LAYOUT_MMIO64_SIZE, bus->mmio64_max);
	bus->next_io = bus->io_base;
	bus->next_mmio32 = bus->mmio32_base;
	bus->next_mmio64 = bus->mmio64_base;

	err = bus_add(&vm->mmio, &ecam);
	if (!err)
		err = bus_add(&vm->pio, &ports);
	if (!err)
		err = pci_host_bridge_create(vm);
	return err;
}

void pci_bus_destroy(struct vm *vm)
{
	unsigned int i;

	for (i = PCI_SLOTS; i-- > 0;) {
		struct pci_device *dev = vm->pci.slot[i];
		struct pci_msix *msix;

		if (!dev)
			continue;
		vm->pci.slot[i] = NULL;
		pci_bars_forget(dev);
		/* Until destroy() returns, the device's threads may interrupt. */
		msix = dev->msix;
		dev->ops->destroy(dev);
		pci_msix_free(vm, msix);
	}
}

int pci_attach(struct vm *vm, struct pci_device *dev)
{
	unsigned int i;
	int err;

	for (i = 0; i < PCI_SLOTS && vm->pci.slot[i]; i++)
		;
	if (i == PCI_SLOTS)
		return vmm_fail(ENOSPC, "%s: all %d PCI slots are taken", dev->name, PCI_SLOTS);
	dev->slot = (u8)i;
	/* Pin A; the same formula as the _PRT's. */
	dev->intx_gsi = GSI_PCI + i % GSI_PCI_LINES;
	pthread_mutex_lock(&dev->config_lock);
	err = pci_bars_place(dev);
	if (!err) {
		dev->config[PCI_INTERRUPT_LINE] = (u8)dev->intx_gsi;
		vm->pci.slot[i] = dev;
	}
	pthread_mutex_unlock(&dev->config_lock);
	return err;
}

void pci_quiesce(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < PCI_SLOTS; i++) {
		struct pci_device *dev = vm->pci.slot[i];

		if (dev && dev->ops->quiesce)
			dev->ops->quiesce(dev);
	}
}

int pci_resume(struct vm *vm)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < PCI_SLOTS && !err; i++) {
		struct pci_device *dev = vm->pci.slot[i];

		if (dev && dev->ops->resume)
			err = dev->ops->resume(dev);
	}
	return err;
}

void pci_stats(struct vm *vm, FILE *out)
{
	unsigned int i, k, nr = 0;

	fputc('[', out);
	for (i = 0; i < PCI_SLOTS; i++) {
		struct pci_device *dev = vm->pci.slot[i];

		if (!dev)
			continue;
		fprintf(out, "%s\n    {\"device\": \"%s\", \"slot\": %u, \"config_accesses\": %llu, ",
			nr++ ? "," : "", dev->name, i,
			(unsigned long long)dev->config_accesses);
		fputs("\"bars\": [", out);
		for (k = 0; k < PCI_BARS; k++)
			fprintf(out, "%s{\"reads\": %llu, \"writes\": %llu}", k ? ", " : "",
				(unsigned long long)dev->bar[k].reads,
				(unsigned long long)dev->bar[k].writes);
		fputc(']', out);
		pci_msix_stats(dev, out);
		if (dev->ops->stats) {
			fputs(", ", out);
			dev->ops->stats(dev, out);
		}
		fputc('}', out);
	}
	fputs("\n  ]", out);
}
