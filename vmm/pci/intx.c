// SPDX-License-Identifier: GPL-2.0
/*
 * INTx (PCI 3.0, 2.2.6): level-triggered and shared. Slots whose GSI is the
 * same are wired together, so the line is high while one of them pulls it.
 */
#include <linux/pci_regs.h>

#include "vmm/pci/bus.h"
#include "vmm/vm-private.h"

static void line_set(struct pci_device *dev, bool level)
{
	struct pci_bus *bus = &dev->vm->pci;
	const u32 line = dev->intx_gsi - GSI_PCI, bit = 1u << dev->slot;
	u32 was;

	if (line >= GSI_PCI_LINES)
		return; /* not attached yet */
	pthread_mutex_lock(&bus->lock);
	was = bus->line[line];
	bus->line[line] = level ? was | bit : was & ~bit;
	/* Under the lock, so that two changes reach KVM in their order. */
	if (!was != !bus->line[line])
		vm_irq_line(dev->vm, dev->intx_gsi, level);
	pthread_mutex_unlock(&bus->lock);
}

void pci_intx_update(struct pci_device *dev)
{
	line_set(dev, dev->intx_level && !(pci_command(dev) & PCI_COMMAND_INTX_DISABLE) &&
			      !pci_msix_enabled(dev));
}

void pci_intx(struct pci_device *dev, bool level)
{
	pthread_mutex_lock(&dev->config_lock);
	if (dev->intx_level != level) {
		dev->intx_level = level;
		if (level)
			dev->config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
		else
			dev->config[PCI_STATUS] &= (u8)~PCI_STATUS_INTERRUPT;
		pci_intx_update(dev);
	}
	pthread_mutex_unlock(&dev->config_lock);
}
