// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/vmm-rig.h"
#include "vmm/error.h"
#include "vmm/platform/pm.h"
#include "vmm/vcpu.h"

struct vmm_rig rig;

struct vm *rig_create(u64 mem, unsigned int cpus)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	memset(&rig, 0, sizeof(rig));
	vm->priv = calloc(1, sizeof(*vm->priv));
	vm->priv->cpus = cpus;
	memory_init(&vm->mem);
	bus_init(&vm->pio);
	bus_init(&vm->mmio);
	if ((mem && ram_create(&vm->priv->ram, &vm->mem, mem)) || pci_bus_create(vm))
		abort();
	return vm;
}

void rig_destroy(struct vm *vm)
{
	pci_bus_destroy(vm);
	pthread_mutex_destroy(&vm->pci.lock);
	pthread_rwlock_destroy(&vm->pio.lock);
	pthread_rwlock_destroy(&vm->mmio.lock);
	ram_destroy(&vm->priv->ram, &vm->mem);
	memory_exit(&vm->mem);
	free(vm->priv);
	free(vm);
}

int rig_irqfd(int fd)
{
	unsigned int i;

	for (i = 0; i < rig.irqfds; i++)
		if (rig.irqfd[i].fd == fd)
			return (int)rig.irqfd[i].gsi;
	return -1;
}

/* --- what the parts call ------------------------------------------------------- */

void vm_irq_line(struct vm *vm, u32 gsi, bool level)
{
	if (gsi >= RIG_GSIS)
		abort();
	rig.edges[gsi] += level && !rig.line[gsi];
	rig.line[gsi] = level;
}

int vm_msi_route_add(struct vm *vm, u64 addr, u32 data, u32 *gsi)
{
	u32 i;

	for (i = GSI_IOAPIC_PINS; i < RIG_GSIS && rig.route[i].used; i++)
		;
	if (i == RIG_GSIS)
		return vmm_fail(ENOSPC, "no route left");
	rig.uncommitted = true;
	rig.route[i].used = true;
	rig.route[i].addr = addr;
	rig.route[i].data = data;
	*gsi = i;
	return 0;
}

int vm_msi_route_update(struct vm *vm, u32 gsi, u64 addr, u32 data)
{
	if (gsi >= RIG_GSIS || !rig.route[gsi].used)
		abort();
	rig.uncommitted |= rig.route[gsi].addr != addr || rig.route[gsi].data != data;
	rig.route[gsi].addr = addr;
	rig.route[gsi].data = data;
	return 0;
}

int vm_msi_routes_commit(struct vm *vm)
{
	rig.commits += rig.uncommitted;
	rig.uncommitted = false;
	return 0;
}

void vm_msi_route_release(struct vm *vm, u32 gsi)
{
	if (gsi >= RIG_GSIS || !rig.route[gsi].used)
		abort();
	rig.route[gsi].used = false;
}

int vm_irqfd_add(struct vm *vm, int fd, u32 gsi)
{
	if (rig_irqfd(fd) >= 0 || rig.irqfds == RIG_IRQFDS || !rig.route[gsi].used ||
	    rig.uncommitted)
		abort();
	if (rig.fail_irqfd) {
		rig.fail_irqfd = false;
		return vmm_fail(EBUSY, "refused");
	}
	rig.irqfd[rig.irqfds].fd = fd;
	rig.irqfd[rig.irqfds++].gsi = gsi;
	return 0;
}

int vm_irqfd_remove(struct vm *vm, int fd, u32 gsi)
{
	unsigned int i;

	for (i = 0; i < rig.irqfds; i++)
		if (rig.irqfd[i].fd == fd && rig.irqfd[i].gsi == gsi) {
			rig.irqfd[i] = rig.irqfd[--rig.irqfds];
			return 0;
		}
	abort();
}

void vm_stop(struct vm *vm, int status)
{
	if (!rig.stopped)
		rig.status = status;
	rig.stopped = true;
}

void vm_fail(struct vm *vm, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(rig.reason, sizeof(rig.reason), fmt, args);
	va_end(args);
	vm_stop(vm, VM_FAILED);
}

void vm_give_up(struct vm *vm, const char *who)
{
	vm_fail(vm, "%s: %s", who, vmm_error());
}

unsigned int cpuid_address_bits(int kvm_fd)
{
	return 40;
}

void pm_reset_write(struct vm *vm, u8 value)
{
	rig.reset = value;
}
