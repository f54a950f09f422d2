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
struct vfio_container;

enum run_state { RUN_RUNNING, RUN_PAUSED, RUN_STOPPING };

/* How a machine ended; the lowest three are the program's exit statuses. */
enum vm_end { VM_POWEROFF = 0, VM_FAILED = 1, VM_REBOOT = 3 };

struct vm_private {
	unsigned int cpus;
	struct vcpu *vcpu[CPUS_MAX]; /* constant once created */
	struct irq_routes *routes;
	struct pm *pm;
	struct vfio_container *vfio; /* NULL: no device is passed through */
	struct coalesced coalesced;
	struct kvm_slots slots;
	struct ram ram;
	bool clock_known; /* clock is the guest's at the last pause; main thread */
	struct kvm_clock_data clock;

	pthread_mutex_t run_lock; /* guards what follows */
	pthread_cond_t run_changed; /* run_state or parked */
	enum run_state run_state; /* also read without the lock, by vCPUs */
	unsigned int parked; /* vCPUs that wait for the end of a pause */
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

static inline enum run_state vm_run_state(struct vm *vm)
{
	return __atomic_load_n(&vm->priv->run_state, __ATOMIC_ACQUIRE);
}

/*
 * Pauses a running machine: when this returns, no vCPU runs, what they had asked of
 * devices is done, and the devices are quiesced. No effect in another state. After
 * vcpus_start(); this and the next by the main thread alone.
 */
void vm_pause(struct vm *vm);
/* Ends a pause. A device that cannot go on stops the machine. */
void vm_resume(struct vm *vm);

/* irq.c: interrupt controllers and the routes from GSIs to them. */
int irq_create(struct vm *vm);
void irq_destroy(struct vm *vm);

#endif
