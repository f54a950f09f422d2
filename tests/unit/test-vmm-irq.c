// SPDX-License-Identifier: GPL-2.0
/*
 * Routes from GSIs to interrupts, as KVM is told of them. KVM's side is the test's
 * own: this program is built with ioctl() renamed to the function below.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include "vmm/error.h"
#include "vmm/kvm.h"
#include "vmm/vm-private.h"

#define ENTRIES_MAX 4096
#define FIXED 38 /* of PIC and IOAPIC */
#define ADDR 0xfee00000ull

static struct {
	struct kvm_irq_routing_entry entry[ENTRIES_MAX];
	unsigned int nr;
	unsigned int tables; /* how many were sent */
	int refuse; /* errno of the next one */
	int irqfd; /* flags of the last KVM_IRQFD */
	int max; /* KVM_CAP_IRQ_ROUTING */
} kvm;

static struct vm vm;
static struct vm_private priv;

bool kvm_has(int kvm_fd, int cap)
{
	return cap == KVM_CAP_TSC_DEADLINE_TIMER;
}

void vm_fail(struct vm *v, const char *fmt, ...)
{
	fail_msg("%s", fmt);
}

static int set_routing(const struct kvm_irq_routing *table)
{
	assert_true(table->nr <= ENTRIES_MAX);
	errno = kvm.refuse;
	kvm.refuse = 0;
	if (errno)
		return -1;
	kvm.tables++;
	kvm.nr = table->nr;
	memcpy(kvm.entry, table->entries, table->nr * sizeof(kvm.entry[0]));
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	switch (request) {
	case KVM_CHECK_EXTENSION:
		assert_int_equal((long)arg, KVM_CAP_IRQ_ROUTING);
		return kvm.max;
	case KVM_SET_GSI_ROUTING:
		return set_routing(arg);
	case KVM_CREATE_IRQCHIP:
		return 0;
	default:
		fail_msg("ioctl %#lx", request);
		return -1;
	}
}

static int setup(void **state)
{
	memset(&kvm, 0, sizeof(kvm));
	memset(&priv, 0, sizeof(priv));
	kvm.max = ENTRIES_MAX;
	vm.priv = &priv;
	return irq_create(&vm);
}

static int teardown(void **state)
{
	irq_destroy(&vm);
	return 0;
}

/* The route of @gsi that KVM has, or NULL. */
static const struct kvm_irq_routing_entry *route(u32 gsi)
{
	unsigned int i;

	for (i = 0; i < kvm.nr; i++)
		if (kvm.entry[i].gsi == gsi && kvm.entry[i].type == KVM_IRQ_ROUTING_MSI)
			return &kvm.entry[i];
	return NULL;
}

static void many_changes_are_one_commit(void **state)
{
	u32 gsi[100];
	unsigned int i;

	assert_int_equal(kvm.tables, 1); /* of the controllers' inputs */
	assert_int_equal(kvm.nr, FIXED);
	for (i = 0; i < ARRAY_SIZE(gsi); i++)
		assert_int_equal(vm_msi_route_add(&vm, ADDR + 0x1000 * i, i, &gsi[i]), 0);
	assert_int_equal(vm_msi_route_update(&vm, gsi[7], ADDR, 0x77), 0);
	assert_int_equal(kvm.tables, 1);
	assert_int_equal(vm_msi_routes_commit(&vm), 0);
	assert_int_equal(kvm.tables, 2);
	assert_int_equal(kvm.nr, FIXED + ARRAY_SIZE(gsi));
	for (i = 0; i < ARRAY_SIZE(gsi); i++) {
		const struct kvm_irq_routing_entry *e = route(gsi[i]);

		assert_non_null(e);
		assert_int_equal(e->u.msi.address_lo, i == 7 ? ADDR : ADDR + 0x1000 * i);
		assert_int_equal(e->u.msi.data, i == 7 ? 0x77 : i);
	}
	/* Nothing new: nothing is sent. */
	assert_int_equal(vm_msi_route_update(&vm, gsi[7], ADDR, 0x77), 0);
	assert_int_equal(vm_msi_routes_commit(&vm), 0);
	assert_int_equal(kvm.tables, 2);
}

static void as_many_routes_as_kvm_takes(void **state)
{
	u32 gsi, i;

	for (i = 0; i < ENTRIES_MAX - FIXED; i++)
		assert_int_equal(vm_msi_route_add(&vm, ADDR, i, &gsi), 0);
	assert_true(gsi < ENTRIES_MAX);
	assert_int_equal(vm_msi_route_add(&vm, ADDR, 0, &gsi), -ENOSPC);
	assert_string_equal(vmm_error(), "no more than 4058 MSI vectors can be in use");
	assert_int_equal(vm_msi_routes_commit(&vm), 0);
	assert_int_equal(kvm.nr, ENTRIES_MAX);
	vm_msi_route_release(&vm, 1000);
	assert_int_equal(vm_msi_route_add(&vm, ADDR, 0x99, &gsi), 0);
	assert_int_equal(gsi, 1000);
	assert_int_equal(vm_msi_routes_commit(&vm), 0);
	assert_int_equal(route(1000)->u.msi.data, 0x99);
}

static void a_refused_commit_can_be_repeated(void **state)
{
	u32 gsi;

	assert_int_equal(vm_msi_route_add(&vm, ADDR, 1, &gsi), 0);
	kvm.refuse = ENOMEM;
	assert_int_equal(vm_msi_routes_commit(&vm), -ENOMEM);
	assert_null(route(gsi));
	assert_int_equal(vm_msi_routes_commit(&vm), 0);
	assert_non_null(route(gsi));
}

static void a_released_route_is_dropped(void **state)
{
	u32 gsi, other;

	assert_int_equal(vm_msi_route_add(&vm, ADDR, 1, &gsi), 0);
	assert_int_equal(vm_msi_routes_commit(&vm), 0);
	vm_msi_route_release(&vm, gsi);
	assert_int_equal(vm_msi_route_update(&vm, gsi, ADDR, 2), -EINVAL);
	assert_int_equal(vm_msi_route_add(&vm, ADDR, 3, &other), 0);
	assert_int_equal(other, gsi);
	assert_int_equal(vm_msi_routes_commit(&vm), 0);
	assert_int_equal(route(gsi)->u.msi.data, 3);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(many_changes_are_one_commit),
		T(as_many_routes_as_kvm_takes),
		T(a_refused_commit_can_be_repeated),
		T(a_released_route_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
