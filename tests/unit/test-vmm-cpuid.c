// SPDX-License-Identifier: GPL-2.0
/*
 * What CPUs say about themselves, read as guests read it: every way to find the
 * topology must lead to one package with a core for each CPU, whatever KVM on
 * this kernel offers. The KVM is the test's own: this program is built with
 * ioctl() renamed to the function below.
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
#include "vmm/vcpu.h"

#define INDEXED KVM_CPUID_FLAG_SIGNIFCANT_INDEX
#define OFFERED_MAX 300
#define CPUS_MOST 8

static struct {
	struct kvm_cpuid_entry2 offered[OFFERED_MAX];
	u32 nr;
	bool tsc_deadline;
	int refuse; /* errno of KVM_SET_CPUID2 */
	struct kvm_cpuid_entry2 set[OFFERED_MAX + 16];
	u32 nr_set;
} kvm;

bool kvm_has(int kvm_fd, int cap)
{
	return cap == KVM_CAP_TSC_DEADLINE_TIMER && kvm.tsc_deadline;
}

static int refuse(int err)
{
	errno = err;
	return -1;
}

static int get_supported(struct kvm_cpuid2 *to)
{
	if (to->nent < kvm.nr)
		return refuse(E2BIG);
	memcpy(to->entries, kvm.offered, kvm.nr * sizeof(kvm.offered[0]));
	to->nent = kvm.nr;
	return 0;
}

static int set_cpuid(const struct kvm_cpuid2 *from)
{
	if (kvm.refuse)
		return refuse(kvm.refuse);
	assert_true(from->nent <= ARRAY_SIZE(kvm.set));
	memcpy(kvm.set, from->entries, from->nent * sizeof(kvm.set[0]));
	kvm.nr_set = from->nent;
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (request == KVM_GET_SUPPORTED_CPUID)
		return get_supported(arg);
	assert_int_equal(request, KVM_SET_CPUID2);
	return set_cpuid(arg);
}

/* --- the processor, as the guest sees it --------------------------------------------- */

static struct kvm_cpuid_entry2 cpuid(u32 leaf, u32 index)
{
	const struct kvm_cpuid_entry2 none = { 0 };
	unsigned int i, found = 0;

	for (i = 0; i < kvm.nr_set; i++) {
		const struct kvm_cpuid_entry2 *e = &kvm.set[i];

		if (e->function == leaf && (!(e->flags & INDEXED) || e->index == index))
			found++;
	}
	assert_true(found <= 1); /* KVM takes any of them */
	for (i = 0; i < kvm.nr_set; i++) {
		const struct kvm_cpuid_entry2 *e = &kvm.set[i];

		if (e->function == leaf && (!(e->flags & INDEXED) || e->index == index))
			return *e;
	}
	return none;
}

struct place {
	u32 apic, package, core, threads; /* threads: of its core */
};

/* SDM 3A, 10.9.4: shift counts by level, the end is a level of type 0. */
static bool by_topology_leaf(u32 leaf, unsigned int cpus, struct place *p)
{
	u32 core_shift = 0, package_shift = 0, i;

	if (cpuid(0, 0).eax < leaf || !cpuid(leaf, 0).ebx)
		return false;
	p->threads = 0;
	for (i = 0; i < 8; i++) {
		struct kvm_cpuid_entry2 e = cpuid(leaf, i);
		u32 type = e.ecx >> 8 & 0xff;

		if (!type)
			break;
		assert_int_equal(e.ecx & 0xff, i);
		p->apic = e.edx;
		if (type == 1) {
			core_shift = e.eax & 0x1f;
			p->threads = e.ebx;
		}
		if (type == 2)
			assert_int_equal(e.ebx, cpus);
		package_shift = e.eax & 0x1f;
	}
	assert_true(i >= 2 && i < 8);
	p->package = p->apic >> package_shift;
	p->core = (p->apic & ((1u << package_shift) - 1)) >> core_shift;
	return true;
}

static u32 order(u32 n)
{
	u32 bits = 0;

	while (1u << bits < n)
		bits++;
	return bits;
}

/* SDM 3A, example 10-21: before leaf 0xb. */
static bool by_leaf_4(unsigned int cpus, struct place *p)
{
	u32 logical = cpuid(1, 0).ebx >> 16 & 0xff, cores = (cpuid(4, 0).eax >> 26) + 1;
	u32 shift = order(logical), thread_bits;

	if (!(cpuid(4, 0).eax & 0x1f))
		return false;
	assert_int_equal(!!(cpuid(1, 0).edx & 1u << 28), cpus > 1);
	p->apic = cpuid(1, 0).ebx >> 24;
	assert_true(logical >= cores);
	thread_bits = order(logical / cores);
	p->package = p->apic >> shift;
	p->core = (p->apic & ((1u << shift) - 1)) >> thread_bits;
	p->threads = 1u << thread_bits;
	return true;
}

/* APM 3, E.4.7 and E.4.17. */
static bool by_amd(unsigned int cpus, struct place *p)
{
	u32 shift = cpuid(0x80000008, 0).ecx >> 12 & 0xf;
	struct kvm_cpuid_entry2 e = cpuid(0x8000001e, 0);

	if (cpuid(0, 0).ebx != 0x68747541)
		return false;
	assert_int_equal((cpuid(0x80000008, 0).ecx & 0xff) + 1, cpus);
	assert_int_equal(!!(cpuid(0x80000001, 0).ecx & 2), cpus > 1);
	p->apic = e.eax;
	p->threads = (e.ebx >> 8 & 0xff) + 1;
	p->package = p->apic >> shift;
	p->core = e.ebx & 0xff;
	assert_int_equal(e.ecx & 0xff, 0); /* the only node */
	return true;
}

static bool by_leaf_b(unsigned int cpus, struct place *p)
{
	return by_topology_leaf(0xb, cpus, p);
}

static bool by_leaf_1f(unsigned int cpus, struct place *p)
{
	return by_topology_leaf(0x1f, cpus, p);
}

static bool (*const ways[])(unsigned int cpus, struct place *p) = {
	by_leaf_b, by_leaf_1f, by_leaf_4, by_amd,
};

/* --- what KVMs offer ------------------------------------------------------------------ */

static struct kvm_cpuid_entry2 *offer(u32 leaf, u32 flags, u32 index, u32 eax, u32 ebx)
{
	struct kvm_cpuid_entry2 *e = &kvm.offered[kvm.nr++];

	*e = (struct kvm_cpuid_entry2){
		.function = leaf, .index = index, .flags = flags, .eax = eax, .ebx = ebx,
	};
	return e;
}

static void offer_intel(u32 highest)
{
	offer(0, 0, 0, highest, 0x756e6547);
	offer(1, 0, 0, 0x306a9, 7u << 24 | 16u << 16)->ecx = 1u << 5 | 1u << 15;
	offer(4, INDEXED, 0, 7u << 26 | 1u << 14 | 1u << 5 | 1, 0);
	offer(4, INDEXED, 1, 7u << 26 | 15u << 14 | 3u << 5 | 3, 0);
	offer(4, INDEXED, 2, 0, 0);
	offer(0xa, 0, 0, 0x07300404, 0);
	offer(0xd, INDEXED, 0, 7, 0x340);
	offer(0x80000000, 0, 0, 0x80000008, 0);
	offer(0x80000008, 0, 0, 0x3027, 0);
}

/* Linux 6.2 and later: present, and without content. */
static void new_intel(void)
{
	offer_intel(0x1f);
	offer(0xb, INDEXED, 0, 0, 0);
	offer(0x1f, INDEXED, 0, 0, 0);
}

/* Before: the topology of the host, and where KVM itself happened to run. */
static void old_intel(void)
{
	offer_intel(0x1f);
	offer(0xb, INDEXED, 0, 1, 2)->ecx = 0x100;
	offer(0xb, INDEXED, 1, 5, 32)->ecx = 0x201;
	offer(0xb, INDEXED, 2, 0, 0)->ecx = 2;
	offer(0x1f, INDEXED, 0, 1, 2)->ecx = 0x100;
	offer(0x1f, INDEXED, 1, 5, 32)->ecx = 0x201;
	offer(0x1f, INDEXED, 2, 6, 64)->ecx = 0x502;
	offer(0x1f, INDEXED, 3, 0, 0)->ecx = 3;
}

/* A processor that ends before leaf 0xb: none may appear. */
static void small_intel(void)
{
	offer_intel(0xa);
}

static void offer_amd(void)
{
	offer(0, 0, 0, 0xd, 0x68747541);
	offer(1, 0, 0, 0x800f12, 5u << 24 | 8u << 16);
	offer(0x80000000, 0, 0, 0x80000026, 0);
	offer(0x80000001, 0, 0, 0, 0)->ecx = 1u << 2 | 1u << 22 | 1u << 23;
	offer(0x80000008, 0, 0, 0x3030, 0)->ecx = 0x707f;
	offer(0x8000000a, 0, 0, 1, 8);
	offer(0x8000001d, INDEXED, 0, 0x4121, 0);
	offer(0x8000001d, INDEXED, 3, 0x3c163, 0);
	offer(0x8000001e, 0, 0, 21, 0x0105)->ecx = 0x302;
	offer(0x80000026, INDEXED, 0, 1, 2)->ecx = 0x100;
}

static void new_amd(void)
{
	offer_amd();
	offer(0xb, INDEXED, 0, 0, 0);
}

static void amd_without_leaf_b(void)
{
	offer_amd();
}

static const struct {
	const char *name;
	void (*offer)(void);
	unsigned int ways; /* to find the topology */
} hosts[] = {
	{ "new Intel", new_intel, 3 },
	{ "old Intel", old_intel, 3 },
	{ "small Intel", small_intel, 1 },
	{ "new AMD", new_amd, 2 },
	{ "AMD without leaf 0xb", amd_without_leaf_b, 2 },
};

static int setup(void **state)
{
	memset(&kvm, 0, sizeof(kvm));
	return 0;
}

static void cpus_are_cores_of_one_package(void **state)
{
	unsigned int h, w, cpus, i;

	for (h = 0; h < ARRAY_SIZE(hosts); h++)
		for (cpus = 1; cpus <= CPUS_MOST; cpus++)
			for (i = 0; i < cpus; i++) {
				unsigned int found = 0;

				setup(state);
				hosts[h].offer();
				assert_int_equal(cpuid_setup(0, 0, i, cpus), 0);
				for (w = 0; w < ARRAY_SIZE(ways); w++) {
					struct place p;

					if (!ways[w](cpus, &p))
						continue;
					found++;
					if (p.apic != i || p.package || p.core != i ||
					    p.threads != 1)
						fail_msg("%s, CPU %u/%u, way %u: id %u, package %u, core %u, threads %u",
							 hosts[h].name, i, cpus, w, p.apic,
							 p.package, p.core, p.threads);
				}
				assert_int_equal(found, hosts[h].ways);
				/* Nobody finds the host's in a third place. */
				assert_int_equal(cpuid(0x80000026, 0).ebx, 0);
			}
}

static void caches_are_a_cores_or_the_packages(void **state)
{
	unsigned int cpus;

	for (cpus = 1; cpus <= CPUS_MOST; cpus++) {
		const u32 ids = 1u << order(cpus);

		setup(state);
		new_intel();
		assert_int_equal(cpuid_setup(0, 0, 0, cpus), 0);
		assert_int_equal((cpuid(4, 0).eax >> 14 & 0xfff) + 1, 1);
		assert_int_equal((cpuid(4, 1).eax >> 14 & 0xfff) + 1, ids);
		assert_int_equal((cpuid(4, 1).eax >> 26) + 1, ids);
		assert_int_equal(cpuid(4, 0).eax & 0x3fff, 1u << 5 | 1);
		assert_int_equal(cpuid(4, 2).eax, 0);
		setup(state);
		new_amd();
		assert_int_equal(cpuid_setup(0, 0, 0, cpus), 0);
		assert_int_equal((cpuid(0x8000001d, 0).eax >> 14 & 0xfff) + 1, 1);
		assert_int_equal((cpuid(0x8000001d, 3).eax >> 14 & 0xfff) + 1, cpus);
	}
}

static void what_the_machine_lacks_is_not_offered(void **state)
{
	new_intel();
	assert_int_equal(cpuid_setup(0, 0, 0, 2), 0);
	assert_int_equal(cpuid(1, 0).ecx & (1u << 5 | 1u << 15), 0);
	assert_int_equal(cpuid(0xa, 0).eax, 0);
	assert_false(cpuid(1, 0).ecx & 1u << 24);
	assert_true(cpuid(1, 0).ecx & 1u << 31); /* a hypervisor */
	/* And the rest stays as KVM has it. */
	assert_int_equal(cpuid(1, 0).eax, 0x306a9);
	assert_int_equal(cpuid(0xd, 0).ebx, 0x340);
	setup(state);
	kvm.tsc_deadline = true;
	new_amd();
	assert_int_equal(cpuid_setup(0, 0, 0, 2), 0);
	assert_int_equal(cpuid(0x80000001, 0).ecx & (1u << 2 | 1u << 23), 0);
	assert_true(cpuid(0x80000001, 0).ecx & 1u << 22);
	assert_int_equal(cpuid(0x8000000a, 0).ebx, 0);
	assert_true(cpuid(1, 0).ecx & 1u << 24);
}

/* KVM tells with E2BIG that there is more. */
static void any_number_of_entries_is_taken(void **state)
{
	new_intel();
	while (kvm.nr < OFFERED_MAX)
		offer(0xd, INDEXED, kvm.nr, 0, 0);
	assert_int_equal(cpuid_setup(0, 0, 3, 4), 0);
	/* Of 0xb and 0x1f one each was taken away, and three were added. */
	assert_int_equal(kvm.nr_set, OFFERED_MAX - 2 + 6);
	assert_int_equal(cpuid(0xb, 1).ebx, 4);
}

static void refusals_are_named(void **state)
{
	new_intel();
	kvm.refuse = EINVAL;
	assert_int_equal(cpuid_setup(0, 0, 0, 1), -EINVAL);
	assert_non_null(strstr(vmm_error(), "CPUID"));
	kvm.nr = 100000;
	assert_int_equal(cpuid_setup(0, 0, 0, 1), -E2BIG);
	assert_non_null(strstr(vmm_error(), "KVM_GET_SUPPORTED_CPUID"));
}

static void addresses_have_the_bits_that_kvm_says(void **state)
{
	assert_int_equal(cpuid_address_bits(0), 36);
	new_intel();
	assert_int_equal(cpuid_address_bits(0), 0x27);
	setup(state);
	offer(0x80000008, 0, 0, 0x30ff, 0);
	assert_int_equal(cpuid_address_bits(0), 52);
	kvm.nr = 100000;
	assert_int_equal(cpuid_address_bits(0), 36);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
	const struct CMUnitTest tests[] = {
		T(cpus_are_cores_of_one_package),
		T(caches_are_a_cores_or_the_packages),
		T(what_the_machine_lacks_is_not_offered),
		T(any_number_of_entries_is_taken),
		T(refusals_are_named),
		T(addresses_have_the_bits_that_kvm_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
