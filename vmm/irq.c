// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupt controllers and GSI routes. PIC, IOAPIC and local APICs are in
 * KVM. GSIs 0 … 23 are the IOAPIC's inputs (and 0 … 15 the PIC's); the ones
 * above are MSIs, given out one by one.
 */
#include <stdlib.h>
#include <sys/ioctl.h>

#include "vmm/error.h"
#include "vmm/kvm.h"
#include "vmm/vm-private.h"

#define PIC_PINS 16
#define FIXED_ROUTES (PIC_PINS - 1 + GSI_IOAPIC_PINS - 1) /* no input 2 in either */

struct msi_route {
	bool used;
	u32 data;
	u64 addr;
};

struct irq_routes {
	pthread_mutex_t lock; /* guards all of it */
	struct msi_route *msi; /* GSI_IOAPIC_PINS + i */
	unsigned int nr; /* entries allocated */
	unsigned int max; /* how many KVM takes; constant */
	bool changed; /* KVM has an older table */
};

static void route_pin(struct kvm_irq_routing *table, u32 gsi, u32 chip, u32 pin)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/*
 * A PC's wiring: GSI 0 (the PIT, where there is one) reaches the IOAPIC at
 * input 2, as the MADT says too; the PIC's input 2 is its cascade.
 */
static void route_fixed(struct kvm_irq_routing *table)
{
	u32 i;

	for (i = 0; i < PIC_PINS; i++)
		if (i != 2)
			route_pin(table, i, i < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
				  i & 7);
	for (i = 0; i < GSI_IOAPIC_PINS; i++)
		if (i != 2)
			route_pin(table, i, KVM_IRQCHIP_IOAPIC, i ? i : 2);
}

/* With the lock held. */
static int routes_commit(struct vm *vm)
{
	struct irq_routes *routes = vm->priv->routes;
	struct kvm_irq_routing *table;
	unsigned int i;
	int err = 0;

	table = calloc(1, sizeof(*table) +
		       (FIXED_ROUTES + routes->nr) * sizeof(table->entries[0]));
	if (!table)
		return vmm_fail(ENOMEM, "interrupt routes: out of memory");
	route_fixed(table);
	for (i = 0; i < routes->nr; i++) {
		const struct msi_route *msi = &routes->msi[i];

		if (!msi->used)
			continue;
		table->entries[table->nr++] = (struct kvm_irq_routing_entry){
			.gsi = GSI_IOAPIC_PINS + i,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = (u32)msi->addr,
				   .address_hi = (u32)(msi->addr >> 32),
				   .data = msi->data },
		};
	}
	if (ioctl(vm->vm_fd, KVM_SET_GSI_ROUTING, table))
		err = vmm_fail(errno, "KVM refuses %u interrupt routes: %m", table->nr);
	else
		routes->changed = false;
	free(table);
	return err;
}

/* KVM's limit is one of entries, and of GSI numbers. */
static unsigned int msi_routes_max(int kvm_fd)
{
	const int entries = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IRQ_ROUTING);

	return entries > FIXED_ROUTES ? (unsigned int)entries - FIXED_ROUTES : 0;
}

int irq_create(struct vm *vm)
{
	struct irq_routes *routes;
	int err;

	routes = calloc(1, sizeof(*routes));
	if (!routes)
		return vmm_fail(ENOMEM, "interrupt routes: out of memory");
	pthread_mutex_init(&routes->lock, NULL);
	routes->max = msi_routes_max(vm->kvm_fd);
	vm->priv->routes = routes;
	if (ioctl(vm->vm_fd, KVM_CREATE_IRQCHIP, 0))
		return vmm_fail(errno, "KVM cannot create interrupt controllers: %m");
	/*
	 * A guest whose local APIC timer has a TSC deadline mode needs no PIT,
	 * neither as a timer nor to measure others by.
	 */
	if (!kvm_has(vm->kvm_fd, KVM_CAP_TSC_DEADLINE_TIMER)) {
		struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

		if (ioctl(vm->vm_fd, KVM_CREATE_PIT2, &pit))
			return vmm_fail(errno, "KVM has neither a TSC deadline timer nor a PIT: %m");
	}
	pthread_mutex_lock(&routes->lock);
	err = routes_commit(vm);
	pthread_mutex_unlock(&routes->lock);
	return err;
}

void irq_destroy(struct vm *vm)
{
	struct irq_routes *routes = vm->priv->routes;

	if (!routes)
		return;
	pthread_mutex_destroy(&routes->lock);
	free(routes->msi);
	free(routes);
	vm->priv->routes = NULL;
}

/* With the lock held: a free entry, or -ENOSPC or -ENOMEM. */
static int route_alloc(struct irq_routes *routes)
{
	struct msi_route *msi;
	unsigned int i, nr;

	for (i = 0; i < routes->nr; i++)
		if (!routes->msi[i].used)
			return (int)i;
	if (routes->nr == routes->max)
		return vmm_fail(ENOSPC, "no more than %u MSI vectors can be in use", routes->max);
	nr = min(routes->nr ? routes->nr * 2 : 16, routes->max);
	msi = realloc(routes->msi, nr * sizeof(*msi));
	if (!msi)
		return vmm_fail(ENOMEM, "interrupt routes: out of memory");
	memset(msi + routes->nr, 0, (nr - routes->nr) * sizeof(*msi));
	routes->msi = msi;
	routes->nr = nr;
	return (int)i;
}

int vm_msi_route_add(struct vm *vm, u64 addr, u32 data, u32 *gsi)
{
	struct irq_routes *routes = vm->priv->routes;
	int i;

	pthread_mutex_lock(&routes->lock);
	i = route_alloc(routes);
	if (i >= 0) {
		routes->msi[i] = (struct msi_route){ .used = true, .addr = addr, .data = data };
		routes->changed = true;
		*gsi = GSI_IOAPIC_PINS + (u32)i;
	}
	pthread_mutex_unlock(&routes->lock);
	return min(i, 0);
}

/* With the lock held: the entry of @gsi, or NULL if it is not one in use. */
static struct msi_route *route_get(struct irq_routes *routes, u32 gsi)
{
	const u32 i = gsi - GSI_IOAPIC_PINS;

	return i < routes->nr && routes->msi[i].used ? &routes->msi[i] : NULL;
}

int vm_msi_route_update(struct vm *vm, u32 gsi, u64 addr, u32 data)
{
	struct irq_routes *routes = vm->priv->routes;
	struct msi_route *msi;
	int err = 0;

	pthread_mutex_lock(&routes->lock);
	msi = route_get(routes, gsi);
	if (!msi) {
		err = vmm_fail(EINVAL, "GSI %u is not an MSI route", gsi);
	} else if (msi->addr != addr || msi->data != data) {
		msi->addr = addr;
		msi->data = data;
		routes->changed = true;
	}
	pthread_mutex_unlock(&routes->lock);
	return err;
}

int vm_msi_routes_commit(struct vm *vm)
{
	struct irq_routes *routes = vm->priv->routes;
	int err = 0;

	pthread_mutex_lock(&routes->lock);
	if (routes->changed)
		err = routes_commit(vm);
	pthread_mutex_unlock(&routes->lock);
	return err;
}

void vm_msi_route_release(struct vm *vm, u32 gsi)
{
	struct irq_routes *routes = vm->priv->routes;
	struct msi_route *msi;

	pthread_mutex_lock(&routes->lock);
	msi = route_get(routes, gsi);
	/* No change to send: a route without an eventfd is harmless, a later commit drops it. */
	if (msi)
		msi->used = false;
	pthread_mutex_unlock(&routes->lock);
}

static int irqfd(struct vm *vm, int fd, u32 gsi, u32 flags)
{
	struct kvm_irqfd irqfd = { .fd = (u32)fd, .gsi = gsi, .flags = flags };

	if (ioctl(vm->vm_fd, KVM_IRQFD, &irqfd))
		return vmm_fail(errno, "KVM cannot %s an eventfd %s GSI %u: %m",
				flags ? "disconnect" : "connect", flags ? "from" : "to", gsi);
	return 0;
}

int vm_irqfd_add(struct vm *vm, int fd, u32 gsi)
{
	return irqfd(vm, fd, gsi, 0);
}

int vm_irqfd_remove(struct vm *vm, int fd, u32 gsi)
{
	return irqfd(vm, fd, gsi, KVM_IRQFD_FLAG_DEASSIGN);
}

void vm_irq_line(struct vm *vm, u32 gsi, bool level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	/* Fails for a GSI that is not routed, which is a mistake in this program. */
	if (ioctl(vm->vm_fd, KVM_IRQ_LINE, &line))
		vm_fail(vm, "KVM does not take the level of GSI %u: %s", gsi, strerror(errno));
}
