/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest memory: the regions of VHOST_SET_MEM_TABLE, pinned, as extents that
 * are contiguous in the kernel's direct map (include/viola/mem.h).
 */
#ifndef VIOLA_MODULE_MEM_H
#define VIOLA_MODULE_MEM_H

#include <viola/mem.h>

struct viola_device;
struct vhost_memory;

struct viola_table {
	struct viola_mem mem;
	struct viola_extent *extents; /* mem.ext, writable */
	u32 room; /* extents allocated */
	u64 pages; /* pinned, and charged by the device */
	u64 top; /* first guest address beyond all regions */
};

/*
 * Reads the regions at @argp and pins them; the new table is not in use yet.
 * ERR_PTR: -EFAULT (regions not readable, empty, wrapping, or not memory),
 * -E2BIG (more regions than max_mem_regions), -EINVAL (overlapping),
 * -EOPNOTSUPP (padding not zero, or memory that cannot be pinned for good),
 * -ENOMEM (also: locked-memory limit), -EINTR (killed).
 */
struct viola_table *viola_table_create(struct viola_device *dev,
				       const struct vhost_memory __user *argp);
/* One without memory, for a device that has been given none. */
struct viola_table *viola_table_create_empty(void);

/* Unpins everything; the charge is the caller's. */
void viola_table_clear(struct viola_table *table);
void viola_table_destroy(struct viola_table *table);

extern unsigned int viola_max_mem_regions;

#endif
