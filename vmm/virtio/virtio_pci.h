/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_VIRTIO_VIRTIO_PCI_H
#define VMM_VIRTIO_VIRTIO_PCI_H

#include "vmm/virtio/virtio.h"

struct vm;

/*
 * Puts @dev on @vm's PCI bus as a modern virtio device (virtio 1.2, 4.1) of
 * class @class_code. The device belongs to the transport from here on: its
 * destroy() is called when the bus goes, or at once if this fails. 0 or
 * -errno with a recorded sentence.
 */
int virtio_pci_create(struct vm *vm, struct virtio_device *dev, u32 class_code);

/* Layout of BAR 0, for tests. */
#define VIRTIO_PCI_BAR		0
#define VIRTIO_PCI_COMMON_OFF	0x0000
#define VIRTIO_PCI_ISR_OFF	0x1000
#define VIRTIO_PCI_DEVICE_OFF	0x2000
#define VIRTIO_PCI_NOTIFY_OFF	0x3000
#define VIRTIO_PCI_TABLE_OFF	0x4000
#define VIRTIO_PCI_PBA_OFF	0x5000
#define VIRTIO_PCI_BAR_SIZE	0x8000
#define VIRTIO_PCI_NOTIFY_STEP	4

#endif
