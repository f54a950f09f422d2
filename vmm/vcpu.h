/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <pthread.h>
#include <stdio.h>
#include <viola/env.h>
#include <linux/kvm.h>

struct vm;

#define VCPU_EXIT_REASONS 64

struct vcpu {
	struct vm *vm;
	unsigned int index; /* = local APIC id */
	int fd;
	struct kvm_run *run; /* shared with KVM */
	size_t run_size;
	pthread_t thread;
	bool started;
	int pin; /* host CPU, or -1 */
	/*
	 * By KVM_EXIT_*, the last entry for all others. Written by the thread, as the two
	 * below, and read by others, who may find them a little old.
	 */
	u64 exits[VCPU_EXIT_REASONS];
	u64 interrupted; /* KVM_RUN ended by a signal */
	u64 unclaimed; /* accesses that no device answered */
};

/* How the first vCPU starts: a 64-bit kernel, or a PVH one in 32-bit mode. */
enum boot_mode { BOOT_64, BOOT_PVH };

struct boot_entry {
	enum boot_mode mode;
	u64 rip;
	u64 arg; /* BOOT_64: RSI, boot_params; BOOT_PVH: EBX, start info */
};

/*
 * Creates all vCPUs; @pin is a host CPU for each, or NULL. The first starts
 * at @entry, the others wait for the guest's INIT and SIPI. 0 or -errno with
 * a recorded sentence.
 */
int vcpus_create(struct vm *vm, const struct boot_entry *entry, const int *pin);
/* Starts the threads. */
int vcpus_start(struct vm *vm);
/* With run_lock: takes all vCPUs out of KVM_RUN and keeps them out. */
void vcpus_interrupt(struct vm *vm);
/* Waits for the threads, which end after vm_stop(). */
void vcpus_join(struct vm *vm);
void vcpus_destroy(struct vm *vm);
/* Prints the counters as a JSON array. At any time. */
void vcpus_stats(struct vm *vm, FILE *out);

/* cpuid.c: what the processor @index of @cpus tells the guest about itself. */
int cpuid_setup(int kvm_fd, int vcpu_fd, unsigned int index, unsigned int cpus);
/* Bits of a guest-physical address, by KVM. */
unsigned int cpuid_address_bits(int kvm_fd);

/* boot/state.c: registers of the first vCPU as @entry wants them. */
int boot_registers(struct vm *vm, int vcpu_fd, const struct boot_entry *entry);

#endif
