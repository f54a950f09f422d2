/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_KVM_SLOTS_H
#define VMM_KVM_SLOTS_H

#include "vmm/memory.h"

struct vm;

/* KVM as a listener to guest memory: each block is a memory slot of its own. */
struct kvm_slots {
	struct memory_listener listener;
	int vm_fd;
	u32 max; /* how many there can be */
	u8 *used; /* by slot */
};

/* The machine @vm_fd of /dev/kvm on @kvm_fd. 0 or -errno with a recorded sentence. */
int kvm_slots_init(struct kvm_slots *slots, int kvm_fd, int vm_fd);
void kvm_slots_exit(struct kvm_slots *slots);

#endif
