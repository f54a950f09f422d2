// SPDX-License-Identifier: GPL-2.0
/* The tables, followed from the RSDP as a guest follows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/vmm-rig.h"
#include "vmm/boot/aml.h"
#include "vmm/boot/boot.h"

#define CPUS 3

static struct vm *vm;

static int setup(void **state)
{
	vm = rig_create(64ull << 20, CPUS);
	return acpi_build(vm, true);
}

static int teardown(void **state)
{
	rig_destroy(vm);
	return 0;
}

static const u8 *guest(u64 gpa, u64 len)
{
	const u8 *p = viola_mem_map(&vm->mem.map, gpa, len);

	assert_non_null(p);
	/* Where the memory map has no RAM for the guest to use. */
	assert_true(gpa >= LAYOUT_ACPI && gpa + len <= LAYOUT_HIGH_RAM);
	return p;
}

static u64 get(const u8 *p, unsigned int bytes)
{
	u64 v = 0;

	memcpy(&v, p, bytes);
	return v;
}

static u8 sum(const u8 *p, size_t len)
{
	u8 v = 0;

	while (len--)
		v = (u8)(v + *p++);
	return v;
}

static const u8 *table(u64 gpa, const char *signature)
{
	const u8 *t = guest(gpa, 36);
	const u64 len = get(t + 4, 4);

	assert_memory_equal(t, signature, 4);
	assert_true(len >= 36);
	assert_int_equal(sum(guest(gpa, len), len), 0);
	return t;
}

/* The table that the XSDT lists under @signature; its address in *@gpa. */
static const u8 *find(const char *signature)
{
	const u8 *rsdp = guest(LAYOUT_ACPI, 36);
	const u8 *xsdt = table(get(rsdp + 24, 8), "XSDT");
	const u64 len = get(xsdt + 4, 4);
	u64 off;

	for (off = 36; off < len; off += 8)
		if (!memcmp(guest(get(xsdt + off, 8), 4), signature, 4))
			return table(get(xsdt + off, 8), signature);
	fail_msg("no %s", signature);
	return NULL;
}

static void rsdp_has_both_checksums(void **state)
{
	const u8 *rsdp = guest(LAYOUT_ACPI, 36);

	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(sum(rsdp, 20), 0);
	assert_int_equal(sum(rsdp, 36), 0);
	assert_int_equal(rsdp[15], 2);
	assert_int_equal(get(rsdp + 20, 4), 36);
}

static void fadt_says_how_to_switch_off(void **state)
{
	const u8 *fadt = find("FACP");

	assert_int_equal(get(fadt + 4, 4), 276);
	assert_int_equal(get(fadt + 56, 4), LAYOUT_PM_EVENT);
	assert_int_equal(get(fadt + 64, 4), LAYOUT_PM_CONTROL);
	assert_int_equal(fadt[88], 4);
	assert_int_equal(fadt[89], 2);
	assert_int_equal(get(fadt + 46, 2), GSI_SCI);
	assert_int_equal(get(fadt + 48, 4), 0); /* no SMI command: always in ACPI mode */
	/* Neither keyboard controller nor RTC nor VGA. */
	assert_int_equal(get(fadt + 109, 2), 1 << 2 | 1 << 5);
	/* The reset register: port 0xcf9, value 6. */
	assert_true(get(fadt + 112, 4) & 1 << 10);
	assert_int_equal(fadt[116], 1);
	assert_int_equal(get(fadt + 120, 8), 0xcf9);
	assert_int_equal(fadt[128], 6);
	table(get(fadt + 40, 4), "DSDT");
	assert_true(get(fadt + 40, 4) == get(fadt + 140, 8));
	assert_memory_equal(guest(get(fadt + 36, 4), 64), "FACS", 4);
	assert_int_equal(get(fadt + 36, 4) % 64, 0);
}

static void madt_lists_every_cpu(void **state)
{
	const u8 *madt = find("APIC");
	const u64 len = get(madt + 4, 4);
	unsigned int cpus = 0, ioapics = 0, sci = 0;
	u64 off;

	assert_int_equal(get(madt + 36, 4), LAYOUT_LAPIC);
	for (off = 44; off < len; off += madt[off + 1]) {
		assert_true(madt[off + 1] >= 6 && off + madt[off + 1] <= len);
		if (madt[off] == 0) {
			assert_int_equal(madt[off + 3], cpus);
			assert_int_equal(get(madt + off + 4, 4), 1);
			cpus++;
		} else if (madt[off] == 1) {
			assert_int_equal(get(madt + off + 4, 4), LAYOUT_IOAPIC);
			ioapics++;
		} else if (madt[off] == 2 && madt[off + 3] == GSI_SCI) {
			assert_int_equal(get(madt + off + 8, 2), 0xd);
			sci++;
		}
	}
	assert_int_equal(off, len);
	assert_int_equal(cpus, CPUS);
	assert_int_equal(ioapics, 1);
	assert_int_equal(sci, 1);
}

static void mcfg_is_ecam(void **state)
{
	const u8 *mcfg = find("MCFG");

	assert_int_equal(get(mcfg + 4, 4), 60);
	assert_int_equal(get(mcfg + 44, 8), LAYOUT_ECAM);
	assert_int_equal(get(mcfg + 52, 4), 0); /* segment 0, buses 0 to 0 */
}

/* --- a reader of just the AML that is written ---------------------------------------- */

static size_t package_length(const u8 *p, size_t *bytes)
{
	unsigned int more = p[0] >> 6, i;
	size_t len = more ? p[0] & 0xf : p[0] & 0x3f;

	for (i = 0; i < more; i++)
		len |= (size_t)p[1 + i] << (4 + 8 * i);
	*bytes = 1 + more;
	return len;
}

static unsigned int devices, scopes, names, depth;

static size_t integer(const u8 *p)
{
	switch (p[0]) {
	case 0x00:
	case 0x01:
		return 1;
	case 0x0a:
		return 2;
	case 0x0b:
		return 3;
	case 0x0c:
		return 5;
	case 0x0e:
		return 9;
	default:
		return 0;
	}
}

/* A data object at @p, within @room bytes; its length. */
static size_t object(const u8 *p, size_t room)
{
	size_t len, head, off, one;
	unsigned int elements;

	if (integer(p))
		return integer(p);
	assert_true(p[0] == 0x11 || p[0] == 0x12);
	len = package_length(p + 1, &head);
	assert_true(len + 1 <= room);
	if (p[0] == 0x11) {
		/* A buffer: its size, and the end tag of a resource template. */
		assert_int_equal(p[1 + head], 0x0b);
		assert_int_equal(get(p + 2 + head, 2), len - head - 3);
		assert_int_equal(p[len - 1], 0x79);
		return len + 1;
	}
	elements = p[1 + head];
	for (off = 2 + head; off < len + 1; off += one, elements--) {
		one = object(p + off, len + 1 - off);
		assert_true(elements);
	}
	assert_int_equal(off, len + 1);
	assert_int_equal(elements, 0);
	return len + 1;
}

static void terms(const u8 *p, size_t len)
{
	size_t off = 0, one, head;

	assert_true(++depth < 8);
	while (off < len) {
		if (p[off] == 0x08) {
			off += 5;
			off += object(p + off, len - off);
			names++;
			continue;
		}
		if (p[off] == 0x5b) {
			assert_int_equal(p[++off], 0x82);
			devices++;
			one = package_length(p + off + 1, &head);
			terms(p + off + 1 + head + 4, one - head - 4);
		} else {
			assert_int_equal(p[off], 0x10);
			scopes++;
			one = package_length(p + off + 1, &head);
			assert_memory_equal(p + off + 1 + head, "\\_SB_", 5);
			terms(p + off + 1 + head + 5, one - head - 5);
		}
		off += 1 + one;
	}
	assert_int_equal(off, len);
	depth--;
}

static void dsdt_hangs_together(void **state)
{
	const u8 *dsdt = table(get(find("FACP") + 40, 4), "DSDT");

	devices = 0;
	scopes = 0;
	names = 0;
	terms(dsdt + 36, get(dsdt + 4, 4) - 36);
	assert_int_equal(scopes, 1);
	assert_int_equal(devices, 4); /* PCI0, MBRD, COM1, COM2 */
	assert_true(names >= 15);
	/* EISA ids are compressed big-endian: PNP0A08 is 0x080ad041. */
	assert_non_null(memmem(dsdt, get(dsdt + 4, 4), "_HID\x0c\x41\xd0\x0a\x08", 9));
	assert_non_null(memmem(dsdt, get(dsdt + 4, 4), "_S5_\x12", 5));
}

static void com2_only_where_it_is(void **state)
{
	const u8 *dsdt;

	rig_destroy(vm);
	vm = rig_create(64ull << 20, CPUS);
	assert_int_equal(acpi_build(vm, false), 0);
	dsdt = table(get(find("FACP") + 40, 4), "DSDT");
	assert_null(memmem(dsdt, get(dsdt + 4, 4), "COM2", 4));
}

static void writer_stops_at_the_end(void **state)
{
	u8 small[20] = { 0 };
	struct aml aml = { .buf = small, .size = 16 };
	size_t at, res;

	at = aml_scope(&aml, "\\_SB_");
	res = aml_resources(&aml);
	aml_io(&aml, 0, 1);
	aml_resources_end(&aml, res);
	aml_end(&aml, at);
	assert_true(aml.overflow);
	assert_true(aml.len <= 16);
	assert_int_equal(get(small + 16, 4), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(rsdp_has_both_checksums),
		T(fadt_says_how_to_switch_off),
		T(madt_lists_every_cpu),
		T(mcfg_is_ecam),
		T(dsdt_hangs_together),
		T(com2_only_where_it_is),
		cmocka_unit_test(writer_stops_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
