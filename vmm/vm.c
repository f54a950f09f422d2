// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/error.h"
#include "vmm/kvm.h"
#include "vmm/loop.h"
#include "vmm/pci/bus.h"
#include "vmm/platform/pm.h"
#include "vmm/vcpu.h"
#include "vmm/vfio/container.h"
#include "vmm/vm-private.h"

/* KVM's own pages, below the first byte that a processor executes at reset. */
static int reserve_pages(struct vm *vm)
{
	u64 identity = LAYOUT_KVM_IDENTITY_MAP;

	if (kvm_has(vm->kvm_fd, KVM_CAP_SET_IDENTITY_MAP_ADDR) &&
	    ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity))
		return vmm_fail(errno, "KVM_SET_IDENTITY_MAP_ADDR: %m");
	if (kvm_has(vm->kvm_fd, KVM_CAP_SET_TSS_ADDR) &&
	    ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, LAYOUT_KVM_TSS))
		return vmm_fail(errno, "KVM_SET_TSS_ADDR: %m");
	return 0;
}

static int slots_create(struct vm *vm)
{
	struct kvm_slots *slots = &vm->priv->slots;
	int err = kvm_slots_init(slots, vm->kvm_fd, vm->vm_fd);

	return err ? err : memory_listen(&vm->mem, &slots->listener);
}

static void slots_destroy(struct vm *vm)
{
	struct kvm_slots *slots = &vm->priv->slots;

	if (slots->used)
		memory_unlisten(&vm->mem, &slots->listener);
	kvm_slots_exit(slots);
}

int vm_create(struct vm **to, struct loop *loop, int kvm_fd, u64 mem, unsigned int cpus)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	struct vm_private *priv = calloc(1, sizeof(*priv));
	int err;

	if (!vm || !priv) {
		free(vm);
		free(priv);
		close(kvm_fd);
		return vmm_fail(ENOMEM, "out of memory");
	}
	vm->loop = loop;
	vm->kvm_fd = kvm_fd;
	vm->vm_fd = -1;
	vm->priv = priv;
	priv->cpus = cpus;
	pthread_mutex_init(&priv->run_lock, NULL);
	pthread_cond_init(&priv->run_changed, NULL);
	pthread_mutex_init(&priv->coalesced.lock, NULL);
	memory_init(&vm->mem);
	bus_init(&vm->pio);
	bus_init(&vm->mmio);
	/* A signal that arrives during creation makes KVM give up; ask again. */
	do
		vm->vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	while (vm->vm_fd < 0 && errno == EINTR);
	if (vm->vm_fd < 0) {
		err = vmm_fail(errno, "KVM cannot create a machine: %m");
		goto fail;
	}
	err = reserve_pages(vm);
	if (!err)
		err = slots_create(vm);
	if (!err)
		err = ram_create(&priv->ram, &vm->mem, mem);
	if (!err)
		err = irq_create(vm);
	if (!err)
		err = pm_create(vm);
	if (!err)
		err = pci_bus_create(vm);
	if (err)
		goto fail;
	*to = vm;
	return 0;

fail:
	vm_destroy(vm);
	return err;
}

void vm_destroy(struct vm *vm)
{
	struct vm_private *priv = vm->priv;

	pci_bus_destroy(vm);
	vfio_container_destroy(vm);
	pm_destroy(vm);
	vcpus_destroy(vm);
	irq_destroy(vm);
	ram_destroy(&priv->ram, &vm->mem);
	slots_destroy(vm);
	if (vm->vm_fd >= 0)
		close(vm->vm_fd);
	memory_exit(&vm->mem);
	close(vm->kvm_fd);
	pthread_mutex_destroy(&priv->coalesced.lock);
	pthread_cond_destroy(&priv->run_changed);
	pthread_mutex_destroy(&priv->run_lock);
	free(priv);
	free(vm);
}

static int ioeventfd(struct vm *vm, u64 gpa, int fd, u32 flags)
{
	/*
	 * Length 0 and no datamatch put it on the bus that KVM looks at before
	 * it decodes the instruction.
	 */
	struct kvm_ioeventfd io = { .addr = gpa, .fd = fd, .flags = flags };

	if (ioctl(vm->vm_fd, KVM_IOEVENTFD, &io))
		return vmm_fail(errno, "KVM cannot %s the doorbell at %#llx: %m",
				flags ? "disconnect" : "connect", (unsigned long long)gpa);
	return 0;
}

int vm_ioeventfd_add(struct vm *vm, u64 gpa, int fd)
{
	return ioeventfd(vm, gpa, fd, 0);
}

int vm_ioeventfd_remove(struct vm *vm, u64 gpa, int fd)
{
	return ioeventfd(vm, gpa, fd, KVM_IOEVENTFD_FLAG_DEASSIGN);
}

/* With run_lock held. Parked vCPUs look again; the others leave KVM_RUN. */
static void run_state_set(struct vm *vm, enum run_state state)
{
	__atomic_store_n(&vm->priv->run_state, state, __ATOMIC_RELEASE);
	if (state != RUN_RUNNING)
		vcpus_interrupt(vm);
	pthread_cond_broadcast(&vm->priv->run_changed);
}

/* With run_lock held: the first one decides what the machine ended with. */
static bool stop_locked(struct vm *vm, int status)
{
	struct vm_private *priv = vm->priv;

	if (priv->run_state == RUN_STOPPING)
		return false;
	priv->status = status;
	run_state_set(vm, RUN_STOPPING);
	loop_quit(vm->loop);
	return true;
}

void vm_stop(struct vm *vm, int status)
{
	pthread_mutex_lock(&vm->priv->run_lock);
	stop_locked(vm, status);
	pthread_mutex_unlock(&vm->priv->run_lock);
}

void vm_fail(struct vm *vm, const char *fmt, ...)
{
	struct vm_private *priv = vm->priv;
	va_list args;

	va_start(args, fmt);
	pthread_mutex_lock(&priv->run_lock);
	if (stop_locked(vm, VM_FAILED))
		vsnprintf(priv->reason, sizeof(priv->reason), fmt, args);
	pthread_mutex_unlock(&priv->run_lock);
	va_end(args);
}

void vm_give_up(struct vm *vm, const char *who)
{
	vm_fail(vm, "%s: %s", who, vmm_error());
}

void vm_pause(struct vm *vm)
{
	struct vm_private *priv = vm->priv;
	bool paused;

	pthread_mutex_lock(&priv->run_lock);
	paused = priv->run_state == RUN_RUNNING;
	if (paused)
		run_state_set(vm, RUN_PAUSED);
	while (priv->run_state == RUN_PAUSED && priv->parked < priv->cpus)
		pthread_cond_wait(&priv->run_changed, &priv->run_lock);
	pthread_mutex_unlock(&priv->run_lock);
	if (!paused)
		return;
	/* Only now: a vCPU's last access may have asked a device for something. */
	pci_quiesce(vm);
	/* The guest's clock stands still, too. A KVM that cannot say it lets it go on. */
	priv->clock_known = !ioctl(vm->vm_fd, KVM_GET_CLOCK, &priv->clock);
}

void vm_resume(struct vm *vm)
{
	struct vm_private *priv = vm->priv;

	/* Only this thread pauses and resumes. A stop may come at any time. */
	if (vm_run_state(vm) != RUN_PAUSED)
		return;
	if (pci_resume(vm)) {
		vm_give_up(vm, "resuming");
		return;
	}
	priv->clock.flags = 0; /* not to be moved on by the time that has passed */
	if (priv->clock_known)
		ioctl(vm->vm_fd, KVM_SET_CLOCK, &priv->clock);
	pthread_mutex_lock(&priv->run_lock);
	if (priv->run_state == RUN_PAUSED)
		run_state_set(vm, RUN_RUNNING);
	pthread_mutex_unlock(&priv->run_lock);
}
