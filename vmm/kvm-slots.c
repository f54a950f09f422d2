// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>

#include "vmm/error.h"
#include "vmm/kvm-slots.h"

#define SLOTS_MIN 32 /* what every KVM has */

static struct kvm_slots *to_slots(struct memory_listener *listener)
{
	return (struct kvm_slots *)listener; /* its first member */
}

/* @size 0 deletes the slot. */
static int slot_set(const struct kvm_slots *slots, const struct memory_block *block, u64 size)
{
	struct kvm_userspace_memory_region region = {
		.slot = block->slot,
		.guest_phys_addr = block->gpa,
		.memory_size = size,
		.userspace_addr = (u64)(uintptr_t)block->base,
	};

	return ioctl(slots->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static int slots_added(struct memory_listener *listener, struct memory_block *block)
{
	struct kvm_slots *slots = to_slots(listener);
	u32 slot;

	for (slot = 0; slot < slots->max && slots->used[slot]; slot++)
		;
	if (slot == slots->max)
		return vmm_fail(ENOSPC, "%s: KVM has no more than %u memory slots", block->name,
				slots->max);
	block->slot = slot;
	if (slot_set(slots, block, block->size))
		return vmm_fail(errno, "KVM refuses %s, %llu KiB at %#llx: %m", block->name,
				(unsigned long long)(block->size >> 10),
				(unsigned long long)block->gpa);
	slots->used[slot] = true;
	return 0;
}

static void slots_removed(struct memory_listener *listener, struct memory_block *block)
{
	struct kvm_slots *slots = to_slots(listener);

	/* Deleting a slot that exists cannot be refused. */
	slot_set(slots, block, 0);
	slots->used[block->slot] = false;
}

static const struct memory_listener_ops slots_ops = {
	.added = slots_added, .removed = slots_removed,
};

int kvm_slots_init(struct kvm_slots *slots, int kvm_fd, int vm_fd)
{
	const int max = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);

	slots->listener.ops = &slots_ops;
	slots->vm_fd = vm_fd;
	slots->max = max > 0 ? (u32)max : SLOTS_MIN;
	slots->used = calloc(slots->max, 1);
	return slots->used ? 0 : vmm_fail(ENOMEM, "memory slots: out of memory");
}

void kvm_slots_exit(struct kvm_slots *slots)
{
	free(slots->used);
	slots->used = NULL;
}
