/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_COALESCED_H
#define VMM_COALESCED_H

#include <pthread.h>
#include <viola/env.h>
#include <linux/kvm.h>

struct vm;

/*
 * Port writes that KVM keeps in a ring, without an exit, until somebody asks
 * (KVM_CAP_COALESCED_PIO). Made for the serial ports' data registers, where
 * an exit per byte is what output costs.
 *
 * A write that was kept must be seen before whatever the same vCPU does next:
 * each vCPU thread calls coalesced_drain() after every exit, before it handles
 * the exit. What a vCPU writes last before it idles is seen by the console's
 * slow poll.
 */
struct coalesced {
	pthread_mutex_t lock; /* one at a time takes from the ring, in order */
	struct kvm_coalesced_mmio_ring *ring; /* NULL: KVM cannot do it */
};

/*
 * Asks KVM to keep 1-byte writes to @port. Without the capability nothing
 * happens: writes just exit. After the first vCPU exists. 0 or -errno.
 */
int coalesced_port(struct vm *vm, u16 port);

/* Hands on what the ring holds, to @vm's port bus. Any thread. */
void coalesced_drain(struct vm *vm);

#endif
