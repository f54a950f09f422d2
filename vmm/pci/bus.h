/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_PCI_BUS_H
#define VMM_PCI_BUS_H

#include <stdio.h>
#include "vmm/pci/pci.h"

/*
 * The PCI side of creating and destroying a machine, and what the parts of
 * the bus (bus.c, config.c, bar.c, msix.c) need of each other.
 *
 * Locks, in this order: a device's config_lock; then msix lock or the bus's
 * lock; then those of vmm/bus.c, vmm/memory.c and vmm/irq.c. None is held while a device's
 * bar_read(), bar_write(), config_read() or config_write() runs. config_lock is held
 * over bar_moved() and the MSI-X callback.
 */

/* Sets the windows by where RAM ends, and adds ECAM, ports and host bridge. */
int pci_bus_create(struct vm *vm);
/* Destroys all devices. No vCPU runs. */
void pci_bus_destroy(struct vm *vm);
/* Quiesces all devices, and lets them go on. 0 or -errno with a recorded sentence. */
void pci_quiesce(struct vm *vm);
int pci_resume(struct vm *vm);
/* Prints each device's counters as a JSON array. */
void pci_stats(struct vm *vm, FILE *out);

int pci_host_bridge_create(struct vm *vm);

/* config.c: the guest's accesses to configuration space; @len 1, 2 or 4, aligned. */
u32 pci_config_read(struct pci_device *dev, unsigned int off, unsigned int len);
void pci_config_write(struct pci_device *dev, unsigned int off, u32 value, unsigned int len);
u16 pci_command(const struct pci_device *dev);

/* bar.c, all with config_lock. */

/* Addresses and windows are laid out in these steps. */
static inline u64 gib_up(u64 address)
{
	return (address + (1ull << 30) - 1) & ~((1ull << 30) - 1);
}

/* Gives every BAR an address in its window, as firmware would; not mapped. */
int pci_bars_place(struct pci_device *dev);
/* Maps and unmaps what the registers say now. True if one was unmapped. */
bool pci_bars_update(struct pci_device *dev);
/* Takes the parts of all BARs out of guest memory and forgets them. No vCPU runs. */
void pci_bars_forget(struct pci_device *dev);
/*
 * Without a lock: maps what another BAR was in the way of. To be called once
 * pci_bars_update() returned true.
 */
void pci_bars_retry(struct vm *vm);

/* intx.c, with config_lock: the line follows level, command and MSI-X. */
void pci_intx_update(struct pci_device *dev);

/* msix.c */

/* Whether [off, off + len) of BAR @bar touches the table or the PBA. */
bool pci_msix_covers(const struct pci_device *dev, unsigned int bar, u64 off, unsigned int len);
u64 pci_msix_read(struct pci_device *dev, unsigned int bar, u64 off, unsigned int len);
void pci_msix_write(struct pci_device *dev, unsigned int bar, u64 off, u64 value,
		    unsigned int len);
/* With config_lock: bytes [off, off + len) of configuration space changed. */
void pci_msix_config_written(struct pci_device *dev, unsigned int off, unsigned int len);
/* The device is gone. @msix may be NULL. */
void pci_msix_free(struct vm *vm, struct pci_msix *msix);
void pci_msix_stats(struct pci_device *dev, FILE *out);

#endif
