/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include <pthread.h>
#include <viola/mem.h>

/*
 * Guest-physical memory: blocks of it, and those that follow them.
 *
 * A block is a run of guest-physical addresses with host memory behind it. Whoever
 * makes memory reachable for somebody (KVM for the vCPUs, a kernel data plane, an
 * IOMMU) is a listener: it is told of each block, in the order of addition, and of its
 * end. Nobody else keeps a list of the guest's memory.
 *
 * Two kinds of block: RAM, added before the first device and there until the end; and
 * a device's own memory, which comes and goes with the device's BAR. A device of this
 * program reaches RAM only, by the functions below: a BAR is not a target of DMA.
 */

#define MEMORY_PAGE 4096ull /* blocks begin and end at multiples of it */

enum memory_kind { MEMORY_RAM, MEMORY_DEVICE };

struct memory_block {
	/* The owner of the block fills in these; constant while it is added. */
	const char *name; /* for messages */
	enum memory_kind kind;
	u64 gpa, size; /* bytes */
	u8 *base; /* where this process has it mapped */
	int fd; /* that it is a mapping of, or -1: anonymous memory */
	u64 fd_off; /* bytes; where in fd it begins */
	/* memory.c's */
	struct memory_block *next;
	/* kvm-slots.c's */
	u32 slot;
};

struct memory_listener;

/* Called with the memory's lock held: none of them may add, remove or listen. */
struct memory_listener_ops {
	/* -errno with a recorded sentence refuses the block: nobody gets it. */
	int (*added)(struct memory_listener *listener, struct memory_block *block);
	/* The block is about to go: nothing may reach it when this returns. */
	void (*removed)(struct memory_listener *listener, struct memory_block *block);
};

struct memory_listener {
	const struct memory_listener_ops *ops;
	struct memory_listener *next; /* memory.c's */
};

#define MEMORY_RAM_BLOCKS 2 /* below the PCI hole and above 4 GiB */

struct guest_memory {
	/* RAM for the data planes; constant once RAM has been added. */
	struct viola_mem map; /* .ext = ext */
	struct viola_extent ext[MEMORY_RAM_BLOCKS];

	pthread_mutex_t lock; /* guards what follows */
	struct memory_block *blocks; /* in the order of addition */
	struct memory_listener *listeners; /* in the order of registration */
};

void memory_init(struct guest_memory *mem);
/* No listener and no block is left. */
void memory_exit(struct guest_memory *mem);

/*
 * Adds *@block, which the caller keeps until memory_remove(), and tells the listeners,
 * the oldest first. RAM: in ascending order, before any device thread runs. 0; -EINVAL
 * if it is no whole number of pages, wraps or overlaps another block; -ENOSPC if there
 * is too much RAM; or what a listener said. All with a recorded sentence.
 */
int memory_add(struct guest_memory *mem, struct memory_block *block);
/* Tells the listeners, the youngest first, and forgets the block. */
void memory_remove(struct guest_memory *mem, struct memory_block *block);

/*
 * Tells *@listener of all blocks and of what happens from now on. If it refuses one, it
 * is told that those before are gone, and -errno is returned.
 */
int memory_listen(struct guest_memory *mem, struct memory_listener *listener);
/* Tells *@listener that all blocks are gone, the last one first, and forgets it. */
void memory_unlisten(struct guest_memory *mem, struct memory_listener *listener);

/*
 * The host address of @len bytes of RAM at @gpa if one block holds them all, else NULL:
 * for boot code and for what a device keeps mapped.
 */
static inline void *memory_map(const struct guest_memory *mem, u64 gpa, u64 len)
{
	return viola_mem_map(&mem->map, gpa, len);
}

/* Bytes of RAM from address 0 on. */
static inline u64 memory_low_size(const struct guest_memory *mem)
{
	return mem->map.nr ? mem->ext[0].size : 0;
}

/* Guest address behind the last byte of RAM. */
static inline u64 memory_ram_end(const struct guest_memory *mem)
{
	const struct viola_extent *last = mem->map.nr ? &mem->ext[mem->map.nr - 1] : NULL;

	return last ? last->gpa + last->size : 0;
}

/*
 * A device's accesses to guest memory: @len bytes at @gpa, all of them RAM. *@hint is
 * the device's own, see viola_mem_find(). 0, or -EFAULT: what lay before the byte that is
 * no RAM may have been moved.
 */
static inline int memory_dma_read(const struct guest_memory *mem, u32 *hint, u64 gpa, void *to,
				  u32 len)
{
	return viola_mem_read(&mem->map, hint, gpa, to, len);
}

static inline int memory_dma_write(const struct guest_memory *mem, u32 *hint, u64 gpa,
				   const void *from, u32 len)
{
	return viola_mem_write(&mem->map, hint, gpa, from, len);
}

#endif
