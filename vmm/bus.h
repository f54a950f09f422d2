/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include <pthread.h>
#include <viola/env.h>

/*
 * An address space that exits are dispatched on: one for port I/O, one for
 * MMIO. A handler is called from any vCPU thread with no bus lock held; a
 * region may be moved meanwhile, so a handler can still run just after
 * bus_remove(): what it points to lives as long as the VM.
 *
 * @off is relative to the region; @len is 1, 2, 4 or 8 and off + len lies
 * within the region. Values are little-endian numbers of @len bytes.
 */
struct bus_ops {
	u64 (*read)(void *opaque, u64 off, unsigned int len);
	void (*write)(void *opaque, u64 off, u64 value, unsigned int len);
};

struct bus_region {
	const char *name;
	u64 base;
	u64 size;
	const struct bus_ops *ops;
	void *opaque;
};

#define BUS_REGIONS_MAX 256

struct bus {
	pthread_rwlock_t lock; /* guards region[] and nr */
	struct bus_region region[BUS_REGIONS_MAX]; /* sorted by base, disjoint */
	unsigned int nr;
};

void bus_init(struct bus *bus);
/* -EEXIST if it overlaps another region, -ENOSPC if the table is full. */
int bus_add(struct bus *bus, const struct bus_region *region);
void bus_remove(struct bus *bus, u64 base);
/* An access outside every region reads all ones and writes nothing: false. */
bool bus_read(struct bus *bus, u64 addr, u64 *value, unsigned int len);
bool bus_write(struct bus *bus, u64 addr, u64 value, unsigned int len);

#endif
