// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/error.h"
#include "vmm/thread.h"
#include "vmm/vcpu.h"
#include "vmm/vm-private.h"

#define MSR_MISC_ENABLE 0x1a0
#define MSR_MISC_ENABLE_FAST_STRING 0x1
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLE_WRITE_BACK 0x806

/* --- exits ----------------------------------------------------------------- */

static void exit_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	const unsigned int len = run->io.size;
	u8 *data = (u8 *)run + run->io.data_offset;
	u32 i;

	for (i = 0; i < run->io.count; i++, data += len) {
		u64 value = 0;
		bool hit;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, len);
			hit = bus_write(&vcpu->vm->pio, run->io.port, value, len);
		} else {
			hit = bus_read(&vcpu->vm->pio, run->io.port, &value, len);
			memcpy(data, &value, len);
		}
		vcpu->unclaimed += !hit;
	}
}

static void exit_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	const unsigned int len = min(run->mmio.len, (u32)sizeof(run->mmio.data));
	u64 value = 0;
	bool hit;

	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, len);
		hit = bus_write(&vcpu->vm->mmio, run->mmio.phys_addr, value, len);
	} else {
		hit = bus_read(&vcpu->vm->mmio, run->mmio.phys_addr, &value, len);
		memcpy(run->mmio.data, &value, len);
	}
	vcpu->unclaimed += !hit;
}

static void exit_shutdown(struct vcpu *vcpu)
{
	vm_fail(vcpu->vm, "the guest's vCPU %u took a triple fault: its kernel cannot run on this machine, or reset the hard way",
		vcpu->index);
}

static void exit_system_event(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vm_stop(vcpu->vm, VM_POWEROFF);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		vm_stop(vcpu->vm, VM_REBOOT);
		break;
	default:
		vm_fail(vcpu->vm, "the guest's vCPU %u ended with system event %u", vcpu->index,
			vcpu->run->system_event.type);
	}
}

static void exit_internal_error(struct vcpu *vcpu)
{
	struct kvm_regs regs = { 0 };

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	vm_fail(vcpu->vm, "KVM cannot go on with vCPU %u (internal error %u, instruction at %#llx): the host's kernel log may say more",
		vcpu->index, vcpu->run->internal.suberror, (unsigned long long)regs.rip);
}

static void exit_fail_entry(struct vcpu *vcpu)
{
	vm_fail(vcpu->vm, "the processor refuses to run vCPU %u (reason %#llx): this host's KVM cannot run this guest",
		vcpu->index,
		(unsigned long long)vcpu->run->fail_entry.hardware_entry_failure_reason);
}

/* Only seen when the host is asked to leave guest mode: nothing to do. */
static void exit_nothing(struct vcpu *vcpu)
{
}

static const struct {
	const char *name; /* in --stats */
	void (*handle)(struct vcpu *vcpu);
} exit_table[VCPU_EXIT_REASONS] = {
	[KVM_EXIT_IO] = { "io", exit_io },
	[KVM_EXIT_MMIO] = { "mmio", exit_mmio },
	[KVM_EXIT_HLT] = { "hlt", exit_nothing },
	[KVM_EXIT_IRQ_WINDOW_OPEN] = { "irq_window", exit_nothing },
	[KVM_EXIT_INTR] = { "intr", exit_nothing },
	[KVM_EXIT_SHUTDOWN] = { "shutdown", exit_shutdown },
	[KVM_EXIT_FAIL_ENTRY] = { "fail_entry", exit_fail_entry },
	[KVM_EXIT_INTERNAL_ERROR] = { "internal_error", exit_internal_error },
	[KVM_EXIT_SYSTEM_EVENT] = { "system_event", exit_system_event },
};

static void handle_exit(struct vcpu *vcpu)
{
	const u32 reason = vcpu->run->exit_reason;
	const u32 i = min(reason, (u32)VCPU_EXIT_REASONS - 1);

	vcpu->exits[i]++;
	if (exit_table[i].handle)
		exit_table[i].handle(vcpu);
	else
		vm_fail(vcpu->vm, "vCPU %u left guest mode for reason %u, which this program does not know",
			vcpu->index, reason);
}

/* One entry of the guest and what it ends with. False: it was interrupted. */
static bool vcpu_run(struct vcpu *vcpu)
{
	if (!ioctl(vcpu->fd, KVM_RUN, 0)) {
		coalesced_drain(vcpu->vm);
		handle_exit(vcpu);
		return true;
	}
	if (errno != EINTR && errno != EAGAIN)
		vm_fail(vcpu->vm, "KVM cannot run vCPU %u: %s", vcpu->index, strerror(errno));
	vcpu->interrupted++;
	return false;
}

/* Waits for the end of a pause. */
static void vcpu_park(struct vcpu *vcpu)
{
	struct vm_private *priv = vcpu->vm->priv;

	/*
	 * KVM hands a device's answer to the guest when it is entered again. With
	 * immediate_exit it does only that, and may ask for the next part of an access.
	 */
	while (vcpu_run(vcpu))
		;
	pthread_mutex_lock(&priv->run_lock);
	priv->parked++;
	pthread_cond_broadcast(&priv->run_changed);
	while (priv->run_state == RUN_PAUSED)
		pthread_cond_wait(&priv->run_changed, &priv->run_lock);
	priv->parked--;
	if (priv->run_state == RUN_RUNNING)
		__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&priv->run_lock);
	/* So that the guest's watchdog does not take the pause for a hang, if it has one. */
	ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	enum run_state state;

	/*
	 * A pause and a stop set immediate_exit and then send VCPU_SIGNAL: whether it
	 * comes before KVM_RUN, in it or in a handler, the next KVM_RUN or the
	 * one in progress returns.
	 */
	while ((state = vm_run_state(vcpu->vm)) != RUN_STOPPING) {
		if (state == RUN_PAUSED)
			vcpu_park(vcpu);
		else
			vcpu_run(vcpu);
	}
	return NULL;
}

/* --- life ------------------------------------------------------------------ */

/*
 * Firmware's part: memory is write-back unless PAT says otherwise. A KVM that
 * lacks one of these registers does without.
 */
static void set_msrs(int fd)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[1];
	} msrs[] = {
		{ { .nmsrs = 1 }, { { .index = MSR_MTRR_DEF_TYPE,
				      .data = MTRR_ENABLE_WRITE_BACK } } },
		{ { .nmsrs = 1 }, { { .index = MSR_MISC_ENABLE,
				      .data = MSR_MISC_ENABLE_FAST_STRING } } },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		ioctl(fd, KVM_SET_MSRS, &msrs[i]);
}

static int vcpu_create(struct vm *vm, unsigned int index, const struct boot_entry *entry,
		       int pin)
{
	struct vcpu *vcpu = calloc(1, sizeof(*vcpu));
	int err, size;

	if (!vcpu)
		return vmm_fail(ENOMEM, "vCPU %u: out of memory", index);
	vm->priv->vcpu[index] = vcpu;
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->pin = pin;
	vcpu->fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0)
		return vmm_fail(errno, "KVM cannot create vCPU %u: %m", index);
	size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(*vcpu->run))
		return vmm_fail(ENOTSUP, "KVM_GET_VCPU_MMAP_SIZE says %d bytes", size);
	vcpu->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return vmm_fail(errno, "cannot map vCPU %u: %m", index);
	}
	vcpu->run_size = (size_t)size;
	err = cpuid_setup(vm->kvm_fd, vcpu->fd, index, vm->priv->cpus);
	if (err)
		return err;
	set_msrs(vcpu->fd);
	return index ? 0 : boot_registers(vm, vcpu->fd, entry);
}

int vcpus_create(struct vm *vm, const struct boot_entry *entry, const int *pin)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < vm->priv->cpus && !err; i++)
		err = vcpu_create(vm, i, entry, pin ? pin[i] : -1);
	return err;
}

int vcpus_start(struct vm *vm)
{
	struct vm_private *priv = vm->priv;
	char name[16];
	unsigned int i;
	int err;

	for (i = 0; i < priv->cpus; i++) {
		struct vcpu *vcpu = priv->vcpu[i];
		cpu_set_t set;

		snprintf(name, sizeof(name), "vcpu-%u", i);
		/* A guest may end at once: `started` is for vcpus_interrupt(). */
		pthread_mutex_lock(&priv->run_lock);
		err = thread_start(&vcpu->thread, name, vcpu_thread, vcpu);
		vcpu->started = !err;
		pthread_mutex_unlock(&priv->run_lock);
		if (err)
			return err;
		if (vcpu->pin < 0)
			continue;
		CPU_ZERO(&set);
		CPU_SET((unsigned int)vcpu->pin, &set);
		err = pthread_setaffinity_np(vcpu->thread, sizeof(set), &set);
		if (err)
			return vmm_fail(err, "--pin: vCPU %u cannot run on host CPU %d: %m", i,
					vcpu->pin);
	}
	return 0;
}

void vcpus_interrupt(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->priv->cpus; i++) {
		struct vcpu *vcpu = vm->priv->vcpu[i];

		if (!vcpu || !vcpu->run)
			continue;
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		if (vcpu->started)
			pthread_kill(vcpu->thread, VCPU_SIGNAL);
	}
}

void vcpus_join(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->priv->cpus; i++) {
		struct vcpu *vcpu = vm->priv->vcpu[i];

		if (!vcpu || !vcpu->started)
			continue;
		pthread_join(vcpu->thread, NULL);
		pthread_mutex_lock(&vm->priv->run_lock);
		vcpu->started = false;
		pthread_mutex_unlock(&vm->priv->run_lock);
	}
}

void vcpus_destroy(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->priv->cpus; i++) {
		struct vcpu *vcpu = vm->priv->vcpu[i];

		if (!vcpu)
			continue;
		if (vcpu->run)
			munmap(vcpu->run, vcpu->run_size);
		if (vcpu->fd >= 0)
			close(vcpu->fd);
		free(vcpu);
		vm->priv->vcpu[i] = NULL;
	}
}

void vcpus_stats(struct vm *vm, FILE *out)
{
	unsigned int i, reason;

	fputc('[', out);
	for (i = 0; i < vm->priv->cpus; i++) {
		const struct vcpu *vcpu = vm->priv->vcpu[i];
		u64 total = 0;

		fprintf(out, "%s\n    {\"vcpu\": %u, \"exits\": {", i ? "," : "", i);
		for (reason = 0; reason < VCPU_EXIT_REASONS; reason++) {
			total += READ_ONCE(vcpu->exits[reason]);
			if (exit_table[reason].name)
				fprintf(out, "\"%s\": %llu, ", exit_table[reason].name,
					(unsigned long long)READ_ONCE(vcpu->exits[reason]));
		}
		fprintf(out, "\"total\": %llu}, \"interrupted\": %llu, \"unclaimed\": %llu}",
			(unsigned long long)total,
			(unsigned long long)READ_ONCE(vcpu->interrupted),
			(unsigned long long)READ_ONCE(vcpu->unclaimed));
	}
	fputs("\n  ]", out);
}
