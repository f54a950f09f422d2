/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_VFIO_VFIO_PCI_H
#define VMM_VFIO_VFIO_PCI_H

struct vm;

/*
 * Passes the host's PCI device at @address through to the guest; @index numbers it. The
 * bus owns it from then on. 0 or -errno with a recorded sentence.
 */
int vfio_pci_create(struct vm *vm, const char *address, unsigned int index);

#endif
