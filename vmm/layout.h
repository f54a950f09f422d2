/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_LAYOUT_H
#define VMM_LAYOUT_H

/*
 * Where things are in the guest's address spaces. Documentation/vmm.md has
 * the picture.
 */

/* Guest-physical memory. */
#define LAYOUT_GDT 0x1000 /* boot structures: RAM the kernel may reuse */
#define LAYOUT_START_INFO 0x6000 /* PVH */
#define LAYOUT_BOOT_PARAMS 0x7000
#define LAYOUT_PAGE_TABLES 0x9000
#define LAYOUT_PAGE_TABLES_SIZE 0x6000
#define LAYOUT_CMDLINE 0x20000
#define LAYOUT_CMDLINE_SIZE 0x10000
#define LAYOUT_LOW_RAM_END 0x9fc00
#define LAYOUT_ACPI 0xe0000 /* tables, up to 1 MiB */
#define LAYOUT_ACPI_SIZE 0x20000
#define LAYOUT_HIGH_RAM 0x100000

#define LAYOUT_HOLE 0xc0000000ull /* no RAM from here to 4 GiB */
#define LAYOUT_MMIO32 0xc0000000ull
#define LAYOUT_MMIO32_END 0xe0000000ull
#define LAYOUT_ECAM 0xe0000000ull
#define LAYOUT_ECAM_SIZE 0x100000ull /* one bus */
#define LAYOUT_IOAPIC 0xfec00000u
#define LAYOUT_LAPIC 0xfee00000u
/* Pages KVM needs on processors without unrestricted guest mode. */
#define LAYOUT_KVM_IDENTITY_MAP 0xfffbc000ull
#define LAYOUT_KVM_TSS 0xfffbd000ull
#define LAYOUT_4G 0x100000000ull
/* BARs above RAM: at least this much, as far as the guest can address. */
#define LAYOUT_MMIO64_SIZE (64ull << 30)

/* Ports. */
#define LAYOUT_COM1 0x3f8
#define LAYOUT_COM2 0x2f8
#define LAYOUT_PM_EVENT 0x600 /* PM1a: status, enable (16 bits each) */
#define LAYOUT_PM_CONTROL 0x604 /* 16 bits */
#define LAYOUT_PCI_CONFIG 0xcf8
#define LAYOUT_RESET 0xcf9
#define LAYOUT_PCI_IO 0xc000
#define LAYOUT_PCI_IO_END 0x10000

/* Global system interrupts: IOAPIC inputs 0 … 23, MSIs from there on. */
#define GSI_COM2 3
#define GSI_COM1 4
#define GSI_SCI 9
#define GSI_PCI 16 /* INTx of slot s, pin p is GSI_PCI + (s + p) % 8 */
#define GSI_PCI_LINES 8
#define GSI_IOAPIC_PINS 24

#define CPUS_MAX 8u

#endif
