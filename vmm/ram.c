// SPDX-License-Identifier: GPL-2.0
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "vmm/error.h"
#include "vmm/kvm.h"
#include "vmm/vm-private.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

#define HUGE_PAGE (2ull << 20)

u64 memory_low_size(u64 size)
{
	return min(size, (u64)LAYOUT_HOLE);
}

static int memory_slot(struct vm *vm, u32 slot, const struct viola_extent *e)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = e->gpa,
		.memory_size = e->size,
		.userspace_addr = (u64)(uintptr_t)e->base,
	};

	if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		return vmm_fail(errno, "KVM refuses %llu MiB of guest memory: %m",
				(unsigned long long)(e->size >> 20));
	return 0;
}

int memory_create(struct vm *vm, u64 size)
{
	struct guest_memory *mem = &vm->mem;
	const u64 low = memory_low_size(size);
	u32 i;
	u8 *base;
	int err;

	/*
	 * Not reserved: what the guest never touches costs nothing. The
	 * alignment lets host and guest huge pages coincide; the part of the
	 * mapping before it is never touched.
	 */
	base = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return vmm_fail(errno, "cannot map %llu MiB of guest memory: %m: give a smaller --mem",
				(unsigned long long)(size >> 20));
	/* Advice and the name in /proc/PID/smaps: nothing depends on them. */
	madvise(base, size + HUGE_PAGE, MADV_HUGEPAGE);
	madvise(base, size + HUGE_PAGE, MADV_DONTDUMP);
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, base, size + HUGE_PAGE, "guest-ram");

	mem->size = size;
	mem->mapping = base;
	base += -(uintptr_t)base & (HUGE_PAGE - 1);
	mem->ext[0] = (struct viola_extent){ .gpa = 0, .size = low, .base = base };
	mem->map.nr = 1;
	vm->priv->ram_end = low;
	if (size > low) {
		mem->ext[1] = (struct viola_extent){ .gpa = LAYOUT_4G, .size = size - low,
						     .base = base + low };
		mem->map.nr = 2;
		vm->priv->ram_end = LAYOUT_4G + (size - low);
	}
	mem->map.ext = mem->ext;

	for (i = 0; i < mem->map.nr; i++) {
		err = memory_slot(vm, i, &mem->ext[i]);
		if (err)
			return err;
	}
	return 0;
}

void memory_destroy(struct vm *vm)
{
	if (vm->mem.mapping)
		munmap(vm->mem.mapping, vm->mem.size + HUGE_PAGE);
	vm->mem.mapping = NULL;
}
