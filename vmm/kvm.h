/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_KVM_H
#define VMM_KVM_H

#include <viola/env.h>
#include <linux/kvm.h>

/*
 * Opens /dev/kvm and checks that it can run a machine of @cpus vCPUs. The
 * descriptor, or -errno with a recorded sentence that says what is missing
 * and what to do. The processor's own CPUID is never looked at: whatever
 * stands behind /dev/kvm is asked for what it can do.
 */
int kvm_open(unsigned int cpus);

/* Whether /dev/kvm, open on @kvm_fd, has the optional capability @cap. */
bool kvm_has(int kvm_fd, int cap);

#endif
