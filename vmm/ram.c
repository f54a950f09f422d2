// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "vmm/error.h"
#include "vmm/ram.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#define HUGE_PAGE (2ull << 20)

/*
 * Not reserved: what the guest never touches costs nothing. The alignment lets
 * host and guest huge pages coincide; the part of the mapping before it is
 * never touched. Where the RAM begins, or NULL.
 */
static u8 *ram_map(struct ram *ram, u64 size)
{
	u8 *base;

	size += HUGE_PAGE;
	base = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return NULL;
	/* Advice and the name in /proc/PID/smaps: nothing depends on them. */
	madvise(base, size, MADV_HUGEPAGE);
	madvise(base, size, MADV_DONTDUMP);
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, base, size, "guest-ram");
	ram->mapping = base;
	ram->mapping_size = size;
	return base + (-(uintptr_t)base & (HUGE_PAGE - 1));
}

static int block_add(struct ram *ram, struct guest_memory *mem, u64 gpa, u64 size, u8 *base)
{
	struct memory_block *block = &ram->block[ram->blocks];
	int err;

	*block = (struct memory_block){
		.name = "guest memory", .kind = MEMORY_RAM, .gpa = gpa, .size = size,
		.base = base, .fd = -1,
	};
	err = memory_add(mem, block);
	ram->blocks += !err;
	return err;
}

int ram_create(struct ram *ram, struct guest_memory *mem, u64 size)
{
	const u64 low = min(size, (u64)LAYOUT_HOLE);
	u8 *base = ram_map(ram, size);
	int err;

	if (!base)
		return vmm_fail(errno, "cannot map %llu MiB of guest memory: %m: give a smaller --mem",
				(unsigned long long)(size >> 20));
	err = block_add(ram, mem, 0, low, base);
	if (!err && size > low)
		err = block_add(ram, mem, LAYOUT_4G, size - low, base + low);
	return err;
}

void ram_destroy(struct ram *ram, struct guest_memory *mem)
{
	while (ram->blocks)
		memory_remove(mem, &ram->block[--ram->blocks]);
	if (ram->mapping)
		munmap(ram->mapping, ram->mapping_size);
	ram->mapping = NULL;
}
