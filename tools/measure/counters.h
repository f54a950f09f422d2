/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Host-side counters of one running VMM, read at the borders of a phase.
 *
 * exits       KVM's own count of exits of all its vCPUs (debugfs), which costs
 *             nothing; where that is not mounted, tracepoint kvm:kvm_exit
 * user_exits  tracepoint kvm:kvm_userspace_exit: returns of KVM_RUN
 * syscalls    tracepoint raw_syscalls:sys_enter, all threads of the VMM
 * cpu_ns      CPU time of all threads of the VMM and of the kernel threads
 *             that work for it (vhost-<pid>, viola-<pid>-…), guest included
 * guest_ns    what of it was guest mode: exact where guest-time.h can have it,
 *             else sampled by the kernel's tick
 */
#ifndef VIOLA_MEASURE_COUNTERS_H
#define VIOLA_MEASURE_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/measure/guest-time.h"

enum counter_id {
	COUNTER_EXITS,
	COUNTER_USER_EXITS,
	COUNTER_SYSCALLS,
	COUNTER_CPU_NS,
	COUNTER_GUEST_NS,
	COUNTERS,
};

/* A snapshot; a value that cannot be had is not .valid. */
struct counters_snap {
	uint64_t value[COUNTERS];
	bool valid[COUNTERS];
};

struct counters {
	pid_t pid;			/* 0: not open */
	struct guest_time *guest_time;	/* not owned */
	int event[COUNTERS];		/* perf events, -1: none */
	char reason[COUNTERS][128];	/* why a value cannot be had */
	char exits_file[300];
};

/*
 * Begin counting for process @pid and all threads it will make; call it
 * before that process executes the VMM. What cannot be counted has a reason.
 * @t is shared by all counters, and counts for one of them at a time.
 */
void counters_open(struct counters *c, pid_t pid, struct guest_time *t);

/* From now on exact guest time is counted for this one. */
void counters_target(struct counters *c);

void counters_read(struct counters *c, struct counters_snap *s);
void counters_close(struct counters *c);

#endif
