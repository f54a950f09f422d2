/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_VFIO_DEVICE_H
#define VMM_VFIO_DEVICE_H

#include <linux/vfio.h>

#include "vmm/vfio/address.h"

struct vm;

#define VFIO_REGIONS VFIO_PCI_NUM_REGIONS
#define VFIO_AREAS_MAX 8

/* A run of a region's bytes that can be mapped: whole pages. */
struct vfio_area {
	u64 off, size;
};

struct vfio_region {
	u64 size; /* bytes; 0: there is none */
	u64 off; /* of its first byte in the device's descriptor */
	bool readable, writable;
	unsigned int areas;
	struct vfio_area area[VFIO_AREAS_MAX];
};

/* A device of the host that vfio-pci holds, open in a machine's container. */
struct vfio_device {
	struct vm *vm;
	char address[VFIO_ADDRESS_SIZE];
	int fd, group_fd; /* -1: not open */
	bool attached; /* the group is in the container */
	bool can_reset;
	struct vfio_region region[VFIO_REGIONS];
	unsigned int msix; /* vectors of MSI-X */
};

/*
 * Opens the device at @address and resets it if it can be reset. 0 or -errno with a
 * recorded sentence that says what is in the way; then nothing is left to close.
 */
int vfio_device_open(struct vfio_device *dev, struct vm *vm, const char *address);
/* Resets the device and closes it. Its mappings are gone. */
void vfio_device_close(struct vfio_device *dev);

/*
 * @len bytes (1, 2, 4 or 8) at @off of region @index, as a little-endian number. What
 * cannot be read is all ones; what cannot be written is not.
 */
u64 vfio_region_read(struct vfio_device *dev, unsigned int index, u64 off, unsigned int len);
void vfio_region_write(struct vfio_device *dev, unsigned int index, u64 off, u64 value,
		       unsigned int len);

/*
 * Connects vectors @first … @first + @nr - 1 of MSI-X with the eventfds @fd (-1: none),
 * and switches MSI-X on with so many vectors if it is off. 0 or -errno with a sentence.
 */
int vfio_msix_set(struct vfio_device *dev, unsigned int first, unsigned int nr, const s32 *fd);
void vfio_msix_off(struct vfio_device *dev);

#endif
