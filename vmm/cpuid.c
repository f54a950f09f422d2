// SPDX-License-Identifier: GPL-2.0
/*
 * What a vCPU answers to CPUID: what KVM says it can offer, with the topology
 * of this machine (one package, one thread per core, local APIC ids 0, 1, …)
 * and without what the machine does not have: nested virtualization and
 * performance counters, whose set-up would only slow the guest's start.
 * Leaves are those of the Intel SDM, volume 2A, and AMD's APM, volume 3, E.3.
 *
 * Processors tell their topology in several ways, and a guest takes the newest
 * that it knows: leaves 0x1f and 0xb, AMD's 0x8000001e and 0x80000008, leaves 4
 * and 1. All must say the same. KVM offers 0xb and 0x1f without content, or on
 * kernels before 6.2 with the host's: their entries are made here.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "vmm/error.h"
#include "vmm/kvm.h"
#include "vmm/vcpu.h"

#define ENTRIES_MAX 512u
/* Entries that may be added: subleaves 0 … 2 of each topology leaf. */
#define TOPOLOGY_LEVELS 3u
#define ENTRIES_ADDED (2 * TOPOLOGY_LEVELS)

#define LEAF_1_ECX_VMX (1u << 5)
#define LEAF_1_ECX_PDCM (1u << 15)
#define LEAF_1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF_1_ECX_HYPERVISOR (1u << 31)
#define LEAF_1_EDX_HTT (1u << 28)
#define LEAF_AMD_1_ECX_CMP_LEGACY (1u << 1)
#define LEAF_AMD_1_ECX_SVM (1u << 2)
#define LEAF_AMD_1_ECX_PERFCTR (1u << 23)

/* Bits of a local APIC id that number the cores of the package. */
static u32 core_bits(u32 cpus)
{
	u32 bits = 0;

	while (1u << bits < cpus)
		bits++;
	return bits;
}

struct fixup {
	u32 index, cpus;
	bool tsc_deadline;
};

static void fix_features(struct kvm_cpuid_entry2 *e, const struct fixup *f)
{
	e->ebx = (e->ebx & 0xffff) | 1u << core_bits(f->cpus) << 16 | f->index << 24;
	e->ecx &= ~(LEAF_1_ECX_VMX | LEAF_1_ECX_PDCM);
	e->ecx |= LEAF_1_ECX_HYPERVISOR;
	if (f->tsc_deadline)
		e->ecx |= LEAF_1_ECX_TSC_DEADLINE;
	e->edx &= ~LEAF_1_EDX_HTT;
	if (f->cpus > 1)
		e->edx |= LEAF_1_EDX_HTT;
}

/*
 * Intel's caches: the first two levels are a core's own. Counts of ids, which are
 * powers of two, as what they count is a bit field of the APIC id.
 */
static void fix_caches(struct kvm_cpuid_entry2 *e, const struct fixup *f)
{
	const u32 type = e->eax & 0x1f, level = e->eax >> 5 & 7;
	const u32 ids = 1u << core_bits(f->cpus);

	if (!type)
		return;
	e->eax &= 0x3fff;
	e->eax |= (ids - 1) << 26;
	if (level > 2)
		e->eax |= (ids - 1) << 14;
}

/* AMD's: as Intel's but for the cores of the package. */
static void fix_caches_amd(struct kvm_cpuid_entry2 *e, const struct fixup *f)
{
	if (!(e->eax & 0x1f))
		return;
	e->eax &= 0x3fff;
	if ((e->eax >> 5 & 7) > 2)
		e->eax |= (f->cpus - 1) << 14;
}

static void fix_none(struct kvm_cpuid_entry2 *e, const struct fixup *f)
{
	e->eax = 0;
	e->ebx = 0;
	e->ecx = 0;
	e->edx = 0;
}

static void fix_features_amd(struct kvm_cpuid_entry2 *e, const struct fixup *f)
{
	e->ecx &= ~(LEAF_AMD_1_ECX_CMP_LEGACY | LEAF_AMD_1_ECX_SVM | LEAF_AMD_1_ECX_PERFCTR);
	if (f->cpus > 1)
		e->ecx |= LEAF_AMD_1_ECX_CMP_LEGACY;
}

static void fix_size_amd(struct kvm_cpuid_entry2 *e, const struct fixup *f)
{
	e->ecx = (f->cpus - 1) | core_bits(f->cpus) << 12;
}

static void fix_topology_amd(struct kvm_cpuid_entry2 *e, const struct fixup *f)
{
	e->eax = f->index;
	e->ebx = f->index;
	e->ecx = 0;
	e->edx = 0;
}

static const struct {
	u32 leaf;
	void (*fix)(struct kvm_cpuid_entry2 *e, const struct fixup *f);
} fixes[] = {
	{ 0x1, fix_features },
	{ 0x4, fix_caches },
	{ 0xa, fix_none }, /* performance counters */
	{ 0x80000001, fix_features_amd },
	{ 0x80000008, fix_size_amd },
	{ 0x8000000a, fix_none }, /* SVM */
	{ 0x8000001d, fix_caches_amd },
	{ 0x8000001e, fix_topology_amd },
	{ 0x80000022, fix_none }, /* performance counters */
	{ 0x80000026, fix_none }, /* topology once more, for more levels than there are */
};

static void cpuid_fix(struct kvm_cpuid2 *cpuid, const struct fixup *f)
{
	unsigned int i, k;

	for (i = 0; i < cpuid->nent; i++)
		for (k = 0; k < ARRAY_SIZE(fixes); k++)
			if (cpuid->entries[i].function == fixes[k].leaf)
				fixes[k].fix(&cpuid->entries[i], f);
}

static void cpuid_drop(struct kvm_cpuid2 *cpuid, u32 leaf)
{
	u32 i, nr = 0;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function != leaf)
			cpuid->entries[nr++] = cpuid->entries[i];
	cpuid->nent = nr;
}

/* Highest basic leaf, 0 if there is none. */
static u32 cpuid_highest(const struct kvm_cpuid2 *cpuid)
{
	u32 i;

	for (i = 0; i < cpuid->nent; i++)
		if (!cpuid->entries[i].function)
			return cpuid->entries[i].eax;
	return 0;
}

/*
 * The levels of a topology leaf: a core has one thread, the package as many cores
 * as there are CPUs, and there is no level above it. There is room for them.
 */
static void cpuid_add_topology(struct kvm_cpuid2 *cpuid, u32 leaf, const struct fixup *f)
{
	const struct {
		u32 type, bits, cpus;
	} level[TOPOLOGY_LEVELS] = {
		{ 1, 0, 1 }, /* thread */
		{ 2, core_bits(f->cpus), f->cpus }, /* core */
		{ 0, 0, 0 }, /* the end */
	};
	u32 i;

	for (i = 0; i < TOPOLOGY_LEVELS; i++)
		cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2){
			.function = leaf,
			.index = i,
			.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			.eax = level[i].bits,
			.ebx = level[i].cpus,
			.ecx = i | level[i].type << 8,
			.edx = f->index,
		};
}

static void cpuid_set_topology(struct kvm_cpuid2 *cpuid, const struct fixup *f)
{
	static const u32 leaf[] = { 0xb, 0x1f };
	const u32 highest = cpuid_highest(cpuid);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(leaf); i++) {
		cpuid_drop(cpuid, leaf[i]);
		if (highest >= leaf[i])
			cpuid_add_topology(cpuid, leaf[i], f);
	}
}

/*
 * What KVM supports, with room for ENTRIES_ADDED more, to be freed, or NULL with
 * a recorded sentence.
 */
static struct kvm_cpuid2 *cpuid_supported(int kvm_fd)
{
	u32 nr;

	for (nr = 128; nr <= ENTRIES_MAX; nr *= 2) {
		struct kvm_cpuid2 *cpuid;

		cpuid = calloc(1, sizeof(*cpuid) +
				  (nr + ENTRIES_ADDED) * sizeof(cpuid->entries[0]));
		if (!cpuid) {
			vmm_fail(ENOMEM, "CPUID: out of memory");
			return NULL;
		}
		cpuid->nent = nr;
		if (!ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid))
			return cpuid;
		free(cpuid);
		if (errno != E2BIG)
			break;
	}
	vmm_fail(errno, "KVM_GET_SUPPORTED_CPUID: %m");
	return NULL;
}

int cpuid_setup(int kvm_fd, int vcpu_fd, unsigned int index, unsigned int cpus)
{
	const struct fixup fixup = {
		.index = index,
		.cpus = cpus,
		.tsc_deadline = kvm_has(kvm_fd, KVM_CAP_TSC_DEADLINE_TIMER),
	};
	struct kvm_cpuid2 *cpuid = cpuid_supported(kvm_fd);
	int err = 0;

	if (!cpuid)
		return -errno;
	cpuid_fix(cpuid, &fixup);
	cpuid_set_topology(cpuid, &fixup);
	if (ioctl(vcpu_fd, KVM_SET_CPUID2, cpuid))
		err = vmm_fail(errno, "KVM refuses the CPUID that it offered: %m");
	free(cpuid);
	return err;
}

unsigned int cpuid_address_bits(int kvm_fd)
{
	struct kvm_cpuid2 *cpuid = cpuid_supported(kvm_fd);
	unsigned int i, bits = 36; /* what every 64-bit processor has */

	if (!cpuid)
		return bits;
	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 0x80000008 && cpuid->entries[i].eax & 0xff)
			bits = cpuid->entries[i].eax & 0xff;
	free(cpuid);
	return min(bits, 52u);
}
