/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long the vCPUs of one process were in guest mode, exactly. The kernel's own
 * guest time (/proc/PID/stat) is sampled by its tick. Here two BPF programs at
 * entry and exit of KVM's function that runs a vCPU (svm_vcpu_run, vmx_vcpu_run)
 * take the clock; interrupts are off in between, so nothing else is in the sum.
 * The switch of worlds itself counts as guest time.
 */
#ifndef VIOLA_MEASURE_GUEST_TIME_H
#define VIOLA_MEASURE_GUEST_TIME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/guest/failure.h"

struct guest_time {
	bool open;
	int target;		/* map of one value: process id whose vCPUs count */
	int spent;		/* map: struct guest_time_cpu per CPU */
	int program[2];
	int link[2];
};

/*
 * Attach the programs; KVM's vendor module is loaded. Returns 0, or -errno with
 * @f saying why guest time is not to be had so.
 */
int guest_time_open(struct guest_time *t, struct failure *f);
void guest_time_close(struct guest_time *t);

/* Count process @pid from now on. Nothing happens if @t is not open. */
void guest_time_target(struct guest_time *t, pid_t pid);

/* Nanoseconds counted since guest_time_open(). False if @t is not open. */
bool guest_time_read(const struct guest_time *t, uint64_t *ns);

#endif
