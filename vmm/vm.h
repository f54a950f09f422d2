/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_VM_H
#define VMM_VM_H

#include "vmm/bus.h"
#include "vmm/memory.h"
#include "vmm/pci/pci.h"

struct loop;

struct vm {
	struct loop *loop; /* the main thread's: signals, console, control */
	int kvm_fd; /* /dev/kvm */
	int vm_fd;
	struct guest_memory mem;
	struct bus pio;
	struct bus mmio;
	struct pci_bus pci;
	/* the rest (vCPUs, GSI routes, console) is in the .c files' structs */
	struct vm_private *priv;
};

/*
 * KVM plumbing for devices; all may be called from any thread, and return 0
 * or -errno with a recorded sentence.
 */

/* A write of any length at @gpa signals @fd in the kernel (no datamatch). */
int vm_ioeventfd_add(struct vm *vm, u64 gpa, int fd);
int vm_ioeventfd_remove(struct vm *vm, u64 gpa, int fd);

/*
 * A GSI that delivers the MSI @addr/@data; update and release it later. KVM knows of it
 * after vm_msi_routes_commit(), which sends all changes at once: KVM takes the table as
 * a whole, and waits for all its readers each time.
 */
int vm_msi_route_add(struct vm *vm, u64 addr, u32 data, u32 *gsi);
int vm_msi_route_update(struct vm *vm, u32 gsi, u64 addr, u32 data);
void vm_msi_route_release(struct vm *vm, u32 gsi);
/* After a failure the changes are still there, for the next commit. */
int vm_msi_routes_commit(struct vm *vm);

/* Connects the eventfd @fd to @gsi, and disconnects it. */
int vm_irqfd_add(struct vm *vm, int fd, u32 gsi);
int vm_irqfd_remove(struct vm *vm, int fd, u32 gsi);

/* Sets the level of an IOAPIC input. */
void vm_irq_line(struct vm *vm, u32 gsi, bool level);

/* Asks all vCPUs to stop; the process ends with @status. Any thread. */
void vm_stop(struct vm *vm, int status);

#endif
