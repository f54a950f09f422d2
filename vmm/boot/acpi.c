// SPDX-License-Identifier: GPL-2.0
/*
 * ACPI tables (ACPI 6.4): what the machine has, where it is, how to switch it
 * off. They lie in [LAYOUT_ACPI, LAYOUT_HIGH_RAM), the RSDP first.
 */
#include <errno.h>
#include <stdlib.h>

#include "vmm/boot/aml.h"
#include "vmm/boot/boot.h"
#include "vmm/error.h"
#include "vmm/platform/pm.h"
#include "vmm/vm-private.h"

struct acpi_address {
	u8 space; /* 0: memory, 1: I/O */
	u8 bits;
	u8 offset;
	u8 access; /* 1: byte, 2: word, 3: double word */
	u64 address;
} __attribute__((packed));

struct acpi_header {
	char signature[4];
	u32 length;
	u8 revision;
	u8 checksum;
	char oem[6];
	char oem_table[8];
	u32 oem_revision;
	char creator[4];
	u32 creator_revision;
} __attribute__((packed));

struct acpi_rsdp {
	char signature[8];
	u8 checksum; /* of the first 20 bytes */
	char oem[6];
	u8 revision;
	u32 rsdt;
	u32 length;
	u64 xsdt;
	u8 extended_checksum;
	u8 reserved[3];
} __attribute__((packed));

/* 5.2.9 */
struct acpi_fadt {
	struct acpi_header header;
	u32 facs, dsdt;
	u8 reserved0, profile;
	u16 sci;
	u32 smi_command;
	u8 acpi_enable, acpi_disable, s4bios, pstate;
	u32 pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer;
	u32 gpe0, gpe1;
	u8 pm1_event_len, pm1_control_len, pm2_control_len, pm_timer_len;
	u8 gpe0_len, gpe1_len, gpe1_base, cst;
	u16 c2_latency, c3_latency, flush_size, flush_stride;
	u8 duty_offset, duty_width, day_alarm, month_alarm, century;
	u16 boot_flags;
	u8 reserved1;
	u32 flags;
	struct acpi_address reset;
	u8 reset_value;
	u16 arm_boot_flags;
	u8 minor_revision;
	u64 x_facs, x_dsdt;
	struct acpi_address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control,
		x_pm2_control, x_pm_timer, x_gpe0, x_gpe1, sleep_control, sleep_status;
	u64 hypervisor;
} __attribute__((packed));

_Static_assert(sizeof(struct acpi_fadt) == 276, "FADT of ACPI 6");

#define FADT_FLAG_WBINVD (1u << 0)
#define FADT_FLAG_PROC_C1 (1u << 2)
#define FADT_FLAG_SLEEP_BUTTON (1u << 5) /* no fixed-feature button for sleep */
#define FADT_FLAG_FIX_RTC (1u << 6) /* no RTC wake-up */
#define FADT_FLAG_RESET_REG (1u << 10)
#define FADT_FLAG_HEADLESS (1u << 12)
/*
 * IA-PC boot flags: "8042" is not set, so that the guest does not look for a
 * keyboard controller, which takes it half a second to give up.
 */
#define FADT_BOOT_NO_VGA (1u << 2)
#define FADT_BOOT_NO_RTC (1u << 5)

struct acpi_facs {
	char signature[4];
	u32 length;
	u32 hardware, waking, lock, flags;
	u64 x_waking;
	u8 version;
	u8 reserved[31];
} __attribute__((packed));

struct madt_cpu {
	u8 type, length; /* 0, 8 */
	u8 uid, apic_id;
	u32 flags; /* 1: enabled */
} __attribute__((packed));

struct madt_ioapic {
	u8 type, length; /* 1, 12 */
	u8 id, reserved;
	u32 address, gsi_base;
} __attribute__((packed));

struct madt_override {
	u8 type, length; /* 2, 10 */
	u8 bus, source;
	u32 gsi;
	u16 flags;
} __attribute__((packed));

struct madt_nmi {
	u8 type, length; /* 4, 6 */
	u8 uid; /* 0xff: all */
	u16 flags;
	u8 lint;
} __attribute__((packed));

#define MADT_PCAT_COMPAT 1u
#define MADT_HIGH_LEVEL 0x000d /* active high, level-triggered */

struct mcfg_range {
	u64 base;
	u16 segment;
	u8 first_bus, last_bus;
	u32 reserved;
} __attribute__((packed));

static void put_checksum(u8 *at, const void *from, size_t len)
{
	const u8 *p = from;
	u8 sum = 0;

	*at = 0;
	while (len--)
		sum = (u8)(sum + *p++);
	*at = (u8)-sum;
}

/* --- building: tables one after another, each in 64-byte steps -------------- */

struct build {
	struct vm *vm;
	struct aml out; /* from LAYOUT_ACPI on */
	u64 facs, dsdt; /* where they are: the FADT points to them */
};

static u64 table_begin(struct build *b, const char *signature, u8 revision)
{
	struct acpi_header h = {
		.revision = revision, .oem_revision = 1, .creator_revision = 1,
	};

	while (b->out.len & 63 && !b->out.overflow)
		aml_u8(&b->out, 0);
	memcpy(h.signature, signature, 4);
	memcpy(h.oem, "VIOLA ", 6);
	memcpy(h.oem_table, "VIOLAVMM", 8);
	memcpy(h.creator, "VIOL", 4);
	aml_bytes(&b->out, &h, sizeof(h));
	return LAYOUT_ACPI + (b->out.len - sizeof(h));
}

static void table_end(struct build *b, u64 at)
{
	struct acpi_header h;
	u8 *table = b->out.buf + (at - LAYOUT_ACPI);
	u32 len;

	if (b->out.overflow)
		return;
	len = (u32)(b->out.len - (at - LAYOUT_ACPI));
	memcpy(&h, table, sizeof(h));
	h.length = len;
	memcpy(table, &h, sizeof(h));
	put_checksum(table + offsetof(struct acpi_header, checksum), table, len);
}

/* --- DSDT ------------------------------------------------------------------- */

/* INTx of each slot's four pins; GSIs named directly, no link devices. */
static void dsdt_prt(struct aml *aml)
{
	size_t all, one;
	u32 slot, pin;

	aml_name(aml, "_PRT");
	all = aml_package(aml, PCI_SLOTS * 4);
	for (slot = 0; slot < PCI_SLOTS; slot++)
		for (pin = 0; pin < 4; pin++) {
			one = aml_package(aml, 4);
			aml_integer(aml, slot << 16 | 0xffff); /* any function */
			aml_integer(aml, pin);
			aml_integer(aml, 0);
			aml_integer(aml, GSI_PCI + (slot + pin) % GSI_PCI_LINES);
			aml_end(aml, one);
		}
	aml_end(aml, all);
}

static void dsdt_pci(struct vm *vm, struct aml *aml)
{
	const struct pci_bus *pci = &vm->pci;
	size_t dev, res;

	dev = aml_device(aml, "PCI0");
	aml_name_eisaid(aml, "_HID", "PNP0A08");
	aml_name_eisaid(aml, "_CID", "PNP0A03");
	aml_name_integer(aml, "_UID", 0);
	aml_name_integer(aml, "_SEG", 0);
	aml_name_integer(aml, "_BBN", 0);
	aml_name_integer(aml, "_CCA", 1);
	res = aml_resources(aml);
	aml_window(aml, AML_BUS, 0, 0);
	aml_io(aml, LAYOUT_PCI_CONFIG, 8);
	aml_window(aml, AML_IO, pci->io_base, pci->io_end - 1);
	aml_window(aml, AML_MEMORY, pci->mmio32_base, pci->mmio32_end - 1);
	if (pci->mmio64_end > pci->mmio64_base)
		aml_window(aml, AML_MEMORY, pci->mmio64_base, pci->mmio64_end - 1);
	aml_resources_end(aml, res);
	dsdt_prt(aml);
	aml_end(aml, dev);
}

/* Registers that belong to no bus. */
static void dsdt_motherboard(struct aml *aml)
{
	size_t dev, res;

	dev = aml_device(aml, "MBRD");
	aml_name_eisaid(aml, "_HID", "PNP0C02");
	aml_name_integer(aml, "_UID", 0);
	res = aml_resources(aml);
	aml_memory_fixed(aml, LAYOUT_ECAM, LAYOUT_ECAM_SIZE);
	aml_io(aml, LAYOUT_PM_EVENT, 8);
	aml_resources_end(aml, res);
	aml_end(aml, dev);
}

static void dsdt_serial(struct aml *aml, const char *name, u32 uid, u16 port, u32 irq)
{
	size_t dev, res;

	dev = aml_device(aml, name);
	aml_name_eisaid(aml, "_HID", "PNP0501");
	aml_name_integer(aml, "_UID", uid);
	res = aml_resources(aml);
	aml_io(aml, port, 8);
	aml_irq(aml, irq);
	aml_resources_end(aml, res);
	aml_end(aml, dev);
}

static u64 build_dsdt(struct vm *vm, struct build *b, bool com2)
{
	struct aml *aml = &b->out;
	u64 table = table_begin(b, "DSDT", 2);
	size_t at;

	/* The state that switches off: SLP_TYP for PM1a and PM1b (7.4.2). */
	aml_name(aml, "_S5_");
	at = aml_package(aml, 4);
	aml_integer(aml, PM_SLEEP_TYPE_OFF);
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_integer(aml, 0);
	aml_end(aml, at);

	at = aml_scope(aml, "\\_SB_");
	dsdt_pci(vm, aml);
	dsdt_motherboard(aml);
	dsdt_serial(aml, "COM1", 1, LAYOUT_COM1, GSI_COM1);
	if (com2)
		dsdt_serial(aml, "COM2", 2, LAYOUT_COM2, GSI_COM2);
	aml_end(aml, at);
	table_end(b, table);
	return table;
}

/* --- the other tables ------------------------------------------------------- */

static u64 build_facs(struct build *b)
{
	struct acpi_facs facs = { .length = sizeof(facs), .version = 2 };

	while (b->out.len & 63 && !b->out.overflow)
		aml_u8(&b->out, 0);
	memcpy(facs.signature, "FACS", 4);
	aml_bytes(&b->out, &facs, sizeof(facs));
	return LAYOUT_ACPI + (b->out.len - sizeof(facs));
}

static struct acpi_address port_address(u16 port, u8 bytes)
{
	return (struct acpi_address){
		.space = 1, .bits = (u8)(bytes * 8), .access = bytes > 2 ? 3 : bytes,
		.address = port,
	};
}

static u64 build_fadt(struct build *b)
{
	struct acpi_fadt fadt = {
		.facs = (u32)b->facs,
		.dsdt = (u32)b->dsdt,
		.sci = GSI_SCI,
		.pm1a_event = LAYOUT_PM_EVENT,
		.pm1a_control = LAYOUT_PM_CONTROL,
		.pm1_event_len = 4,
		.pm1_control_len = 2,
		.c2_latency = 0xffff, /* neither C2 nor C3 */
		.c3_latency = 0xffff,
		.boot_flags = FADT_BOOT_NO_VGA | FADT_BOOT_NO_RTC,
		.flags = FADT_FLAG_WBINVD | FADT_FLAG_PROC_C1 | FADT_FLAG_SLEEP_BUTTON |
			 FADT_FLAG_FIX_RTC | FADT_FLAG_RESET_REG |
			 FADT_FLAG_HEADLESS,
		.reset = port_address(LAYOUT_RESET, 1),
		.reset_value = PM_RESET_VALUE,
		.minor_revision = 4,
		.x_dsdt = b->dsdt,
		.x_pm1a_event = port_address(LAYOUT_PM_EVENT, 4),
		.x_pm1a_control = port_address(LAYOUT_PM_CONTROL, 2),
	};
	u64 table = table_begin(b, "FACP", 6);

	aml_bytes(&b->out, (u8 *)&fadt + sizeof(fadt.header),
		  sizeof(fadt) - sizeof(fadt.header));
	table_end(b, table);
	return table;
}

static u64 build_madt(struct build *b)
{
	const u32 cpus = b->vm->priv->cpus;
	const struct madt_ioapic ioapic = {
		.type = 1, .length = sizeof(ioapic), .id = (u8)cpus,
		.address = LAYOUT_IOAPIC,
	};
	/* The timer's wire as on a PC; the SCI's default would be active low. */
	const struct madt_override override[] = {
		{ .type = 2, .length = sizeof(override[0]), .source = 0, .gsi = 2 },
		{ .type = 2, .length = sizeof(override[0]), .source = GSI_SCI, .gsi = GSI_SCI,
		  .flags = MADT_HIGH_LEVEL },
	};
	const struct madt_nmi nmi = { .type = 4, .length = sizeof(nmi), .uid = 0xff, .lint = 1 };
	u64 table = table_begin(b, "APIC", 5);
	u32 i;

	aml_u32(&b->out, LAYOUT_LAPIC);
	aml_u32(&b->out, MADT_PCAT_COMPAT);
	for (i = 0; i < cpus; i++) {
		const struct madt_cpu cpu = {
			.length = sizeof(cpu), .uid = (u8)i, .apic_id = (u8)i, .flags = 1,
		};

		aml_bytes(&b->out, &cpu, sizeof(cpu));
	}
	aml_bytes(&b->out, &ioapic, sizeof(ioapic));
	aml_bytes(&b->out, override, sizeof(override));
	aml_bytes(&b->out, &nmi, sizeof(nmi));
	table_end(b, table);
	return table;
}

static u64 build_mcfg(struct build *b)
{
	const struct mcfg_range range = { .base = LAYOUT_ECAM };
	u64 table = table_begin(b, "MCFG", 1);

	aml_u64(&b->out, 0);
	aml_bytes(&b->out, &range, sizeof(range));
	table_end(b, table);
	return table;
}

/* What the XSDT lists. */
static u64 (*const listed[])(struct build *b) = { build_fadt, build_madt, build_mcfg };

static u64 build_xsdt(struct build *b)
{
	u64 at[ARRAY_SIZE(listed)], table;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(listed); i++)
		at[i] = listed[i](b);
	table = table_begin(b, "XSDT", 1);
	for (i = 0; i < ARRAY_SIZE(listed); i++)
		aml_u64(&b->out, at[i]);
	table_end(b, table);
	return table;
}

static void put_rsdp(u8 *to, u64 xsdt)
{
	struct acpi_rsdp rsdp = { .revision = 2, .length = sizeof(rsdp), .xsdt = xsdt };

	memcpy(rsdp.signature, "RSD PTR ", 8);
	memcpy(rsdp.oem, "VIOLA ", 6);
	put_checksum(&rsdp.checksum, &rsdp, 20);
	put_checksum(&rsdp.extended_checksum, &rsdp, sizeof(rsdp));
	memcpy(to, &rsdp, sizeof(rsdp));
}

int acpi_build(struct vm *vm, bool com2)
{
	struct build b = {
		.vm = vm,
		.out = { .buf = memory_map(&vm->mem, LAYOUT_ACPI, LAYOUT_ACPI_SIZE),
			 .size = LAYOUT_ACPI_SIZE },
	};
	static const u8 zero[64]; /* the RSDP's place */

	aml_bytes(&b.out, zero, sizeof(zero));
	b.facs = build_facs(&b);
	b.dsdt = build_dsdt(vm, &b, com2);
	put_rsdp(b.out.buf, build_xsdt(&b));
	if (b.out.overflow)
		return vmm_fail(ENOSPC, "the ACPI tables do not fit %u bytes", LAYOUT_ACPI_SIZE);
	return 0;
}
