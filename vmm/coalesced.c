// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/coalesced.h"
#include "vmm/error.h"
#include "vmm/kvm.h"
#include "vmm/vcpu.h"
#include "vmm/vm-private.h"

/* Entries of the ring: what fits its page. */
static u32 ring_size(void)
{
	return (u32)(((size_t)sysconf(_SC_PAGESIZE) - sizeof(struct kvm_coalesced_mmio_ring)) /
		     sizeof(struct kvm_coalesced_mmio));
}

int coalesced_port(struct vm *vm, u16 port)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = port, .size = 1, .pio = 1 };
	struct coalesced *c = &vm->priv->coalesced;
	const struct vcpu *vcpu = vm->priv->vcpu[0];
	const long page = sysconf(_SC_PAGESIZE);
	long off;

	if (!kvm_has(vm->kvm_fd, KVM_CAP_COALESCED_PIO))
		return 0;
	/* The answer is where the ring is in a vCPU's mapping, in pages. */
	off = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);
	if (off <= 0 || (size_t)(off + 1) * (size_t)page > vcpu->run_size)
		return 0;
	if (ioctl(vm->vm_fd, KVM_REGISTER_COALESCED_MMIO, &zone))
		return vmm_fail(errno, "KVM cannot keep writes to port %#x: %m", port);
	c->ring = (void *)((u8 *)vcpu->run + off * page);
	return 0;
}

void coalesced_drain(struct vm *vm)
{
	struct coalesced *c = &vm->priv->coalesced;
	struct kvm_coalesced_mmio_ring *ring = c->ring;
	u32 first, size;

	/* KVM moves last, we move first: equal is empty. */
	if (!ring || READ_ONCE(ring->first) == READ_ONCE(ring->last))
		return;
	size = ring_size();
	pthread_mutex_lock(&c->lock);
	first = ring->first;
	/* Pairs with KVM's barrier between an entry and last. */
	while (first != viola_load_acquire(&ring->last)) {
		const struct kvm_coalesced_mmio *e = &ring->coalesced_mmio[first];
		u64 value = 0;

		memcpy(&value, e->data, min(e->len, (u32)sizeof(e->data)));
		bus_write(&vm->pio, e->phys_addr, value, e->len);
		first = (first + 1) % size;
		viola_store_release(&ring->first, first);
	}
	pthread_mutex_unlock(&c->lock);
}
