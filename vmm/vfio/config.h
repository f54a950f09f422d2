/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_VFIO_CONFIG_H
#define VMM_VFIO_CONFIG_H

#include "vmm/pci/pci.h"
#include "vmm/vfio/device.h"

/*
 * Configuration space of a passed-through function: who answers for which byte. The bus
 * answers for what places the function in this machine (BARs, command, interrupt, the
 * list of capabilities, MSI-X), the device for the rest of what it shows. What is in
 * neither list reads as 0, and writes to it go nowhere: the ROM, extended capabilities,
 * and every capability that config.c does not know.
 */
struct vfio_config {
	struct pci_device *pci;
	struct vfio_device *device;
	u8 owner[PCI_CONFIG_SIZE]; /* enum config_owner of each byte */
	unsigned int msix_cap; /* its offset in the device; 0: none, or none that can be used */
	struct pci_msix_layout msix;
};

/* Who the device says that it is. */
void vfio_config_identity(struct vfio_device *device, struct pci_identity *id);
/*
 * Shows the device's capabilities at its own offsets, the MSI-X one left out, and finds
 * that one. @pci is initialized and has its BARs.
 */
void vfio_config_init(struct vfio_config *config, struct pci_device *pci,
		      struct vfio_device *device);

/* For struct pci_device_ops. */
u32 vfio_config_read(struct vfio_config *config, unsigned int off, unsigned int len);
void vfio_config_write(struct vfio_config *config, unsigned int off, u32 value, unsigned int len);

#endif
