// SPDX-License-Identifier: GPL-2.0
/*
 * The state in which a boot protocol starts its first processor, and the
 * tables in guest memory that this state refers to.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "vmm/error.h"
#include "vmm/vcpu.h"
#include "vmm/vm-private.h"

#define CR0_PE (1ull << 0)
#define CR0_ET (1ull << 4)
#define CR0_PG (1ull << 31)
#define CR4_PAE (1ull << 5)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)

#define PAGE_PRESENT_WRITE 0x3ull
#define PAGE_HUGE 0x80ull
#define PAGE_DIRECTORIES 4 /* 1 GiB each */

/* Selectors of the Linux boot protocol. */
#define BOOT_CS 0x10
#define BOOT_DS 0x18
#define BOOT_TR 0x20

static const struct kvm_segment flat = {
	.limit = 0xffffffff, .present = 1, .s = 1, .g = 1,
};

static struct kvm_segment code_segment(bool wide)
{
	struct kvm_segment seg = flat;

	seg.selector = BOOT_CS;
	seg.type = 0xb; /* execute, read, accessed */
	seg.l = wide;
	seg.db = !wide;
	return seg;
}

static struct kvm_segment data_segment(void)
{
	struct kvm_segment seg = flat;

	seg.selector = BOOT_DS;
	seg.type = 0x3; /* read, write, accessed */
	seg.db = 1;
	return seg;
}

/* PVH asks for one of at least 0x67 bytes; processors in long mode as well. */
static struct kvm_segment task_segment(void)
{
	return (struct kvm_segment){
		.limit = 0x67, .selector = BOOT_TR, .type = 0xb /* busy */, .present = 1,
	};
}

/* Descriptors that say the same as the segment registers above (SDM 3A, 3.4.5). */
static void write_gdt(struct vm *vm, bool wide)
{
	const u64 gdt[] = {
		0, 0,
		wide ? 0x00af9b000000ffffull : 0x00cf9b000000ffffull,
		0x00cf93000000ffffull,
		0x00008b0000000067ull, 0, /* twice the size in 64-bit mode */
	};

	memcpy(memory_map(&vm->mem, LAYOUT_GDT, sizeof(gdt)), gdt, sizeof(gdt));
}

/* The first 4 GiB one to one, in pages of 2 MiB, which every processor has. */
static void write_page_tables(struct vm *vm)
{
	u64 *level4 = memory_map(&vm->mem, LAYOUT_PAGE_TABLES, LAYOUT_PAGE_TABLES_SIZE);
	u64 *level3 = level4 + 512, *level2 = level3 + 512;
	u64 i;

	level4[0] = (LAYOUT_PAGE_TABLES + 0x1000) | PAGE_PRESENT_WRITE;
	for (i = 0; i < PAGE_DIRECTORIES; i++)
		level3[i] = (LAYOUT_PAGE_TABLES + 0x2000 + i * 0x1000) | PAGE_PRESENT_WRITE;
	for (i = 0; i < PAGE_DIRECTORIES * 512; i++)
		level2[i] = i << 21 | PAGE_HUGE | PAGE_PRESENT_WRITE;
}

int boot_registers(struct vm *vm, int vcpu_fd, const struct boot_entry *entry)
{
	const bool wide = entry->mode == BOOT_64;
	struct kvm_regs regs = { .rflags = 0x2, .rip = entry->rip };
	struct kvm_sregs sregs;

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs))
		return vmm_fail(errno, "KVM_GET_SREGS: %m");
	write_gdt(vm, wide);
	sregs.gdt.base = LAYOUT_GDT;
	sregs.gdt.limit = 6 * sizeof(u64) - 1;
	sregs.idt.base = 0;
	sregs.idt.limit = 0;
	sregs.cs = code_segment(wide);
	sregs.ds = data_segment();
	sregs.es = sregs.ds;
	sregs.fs = sregs.ds;
	sregs.gs = sregs.ds;
	sregs.ss = sregs.ds;
	sregs.tr = task_segment();
	sregs.cr0 = CR0_PE | CR0_ET;
	sregs.cr4 = 0;
	sregs.efer = 0;
	if (wide) {
		write_page_tables(vm);
		sregs.cr0 |= CR0_PG;
		sregs.cr3 = LAYOUT_PAGE_TABLES;
		sregs.cr4 = CR4_PAE;
		sregs.efer = EFER_LME | EFER_LMA;
		regs.rsi = entry->arg;
	} else {
		regs.rbx = entry->arg;
	}
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs))
		return vmm_fail(errno, "KVM refuses the registers that a kernel starts with: %m");
	if (ioctl(vcpu_fd, KVM_SET_REGS, &regs))
		return vmm_fail(errno, "KVM_SET_REGS: %m");
	return 0;
}
