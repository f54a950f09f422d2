// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupt controllers and GSI routes. PIC, IOAPIC and local APICs are in
 * KVM. GSIs 0 … 23 are the IOAPIC's inputs (and 0 … 15 the PIC's); the ones
 * above are MSIs, given out one by one. KVM takes the table as a whole, so
 * every change sends it again.
 */
#include <stdlib.h>
#include <sys/ioctl.h>

#include "vmm/error.h"
#include "vmm/kvm.h"
#include "vmm/vm-private.h"

#define PIC_PINS 16
#define FIXED_ROUTES (PIC_PINS - 1 + GSI_IOAPIC_PINS)
#define MSI_ROUTES_MAX 1024u

struct msi_route {
	bool used;
	u32 data;
	u64 addr;
};

struct irq_routes {
	pthread_mutex_t lock; /* guards all of it */
	struct msi_route *msi; /* GSI_IOAPIC_PINS + i */
	unsigned int nr; /* entries allocated */
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
		       (FIXED_ROUTES + 1 + routes->nr) * sizeof(table->entries[0]));
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
	free(table);
	return err;
}

int irq_create(struct vm *vm)
{
	struct irq_routes *routes;
	int err;

	routes = calloc(1, sizeof(*routes));
	if (!routes)
		return vmm_fail(ENOMEM, "interrupt routes: out of memory");
	pthread_mutex_init(&routes->lock, NULL);
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
	if (routes->nr == MSI_ROUTES_MAX)
		return vmm_fail(ENOSPC, "no more than %u MSI vectors can be in use",
				MSI_ROUTES_MAX);
	nr = routes->nr ? routes->nr * 2 : 16;
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
	int i, err;

	pthread_mutex_lock(&routes->lock);
	i = route_alloc(routes);
	err = i;
	if (i >= 0) {
		routes->msi[i] = (struct msi_route){ .used = true, .addr = addr, .data = data };
		err = routes_commit(vm);
		if (err)
			routes->msi[i].used = false;
		else
			*gsi = GSI_IOAPIC_PINS + (u32)i;
	}
	pthread_mutex_unlock(&routes->lock);
	return err < 0 ? err : 0;
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
	struct msi_route *msi, old;
	int err = 0;

	pthread_mutex_lock(&routes->lock);
	msi = route_get(routes, gsi);
	if (!msi) {
		err = vmm_fail(EINVAL, "GSI %u is not an MSI route", gsi);
	} else if (msi->addr != addr || msi->data != data) {
		old = *msi;
		msi->addr = addr;
		msi->data = data;
		err = routes_commit(vm);
		if (err)
			*msi = old;
	}
	pthread_mutex_unlock(&routes->lock);
	return err;
}

void vm_msi_route_release(struct vm *vm, u32 gsi)
{
	struct irq_routes *routes = vm->priv->routes;
	struct msi_route *msi;

	pthread_mutex_lock(&routes->lock);
	msi = route_get(routes, gsi);
	/* The stale route in KVM is harmless: the next commit drops it. */
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
