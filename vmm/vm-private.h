/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_VM_PRIVATE_H
#define VMM_VM_PRIVATE_H

#include "vmm/coalesced.h"
#include "vmm/kvm-slots.h"
#include "vmm/layout.h"
#include "vmm/ram.h"
#include "vmm/vm.h"

/* What of a machine the monitor's core shares and devices do not see. */

struct vcpu;
struct irq_routes;
struct pm;

/* How a machine ended; the lowest three are the program's exit statuses. */
enum vm_end { VM_POWEROFF = 0, VM_FAILED = 1, VM_REBOOT = 3 };

struct vm_private {
	unsigned int cpus;
	struct vcpu *vcpu[CPUS_MAX]; /* constant once created */
	struct irq_routes *routes;
	struct pm *pm;
	struct coalesced coalesced;
	struct kvm_slots slots;
	struct ram ram;

	pthread_mutex_t stop_lock; /* guards what follows */
	bool stopping; /* also read without the lock, by vCPUs */
	int status; /* the first stop's */
	char reason[256]; /* of a failure, else "" */
};

/* vm.c */

/*
 * A machine on the open /dev/kvm @kvm_fd (which it takes over, also on
 * failure): VM, RAM of @mem bytes, interrupt controllers, empty buses. No
 * vCPUs yet. Its end ends @loop. 0 or -errno with a recorded sentence.
 */
int vm_create(struct vm **vm, struct loop *loop, int kvm_fd, u64 mem, unsigned int cpus);
/* Destroys devices and machine. No vCPU runs. */
void vm_destroy(struct vm *vm);

/* Stops the machine with status VM_FAILED and says why. Any thread. */
void vm_fail(struct vm *vm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Stops the machine for what was recorded last in this thread, about @who. */
void vm_give_up(struct vm *vm, const char *who);

static inline bool vm_stopping(struct vm *vm)
{
	return __atomic_load_n(&vm->priv->stopping, __ATOMIC_ACQUIRE);
}

/* irq.c: interrupt controllers and the routes from GSIs to them. */
int irq_create(struct vm *vm);
void irq_destroy(struct vm *vm);

#endif
