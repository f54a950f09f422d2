/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_BOOT_AML_H
#define VMM_BOOT_AML_H

#include <viola/env.h>

/*
 * A writer of ACPI Machine Language (ACPI 6.4, chapter 20) and of resource
 * templates (6.4) into a buffer of fixed size. A function that opens
 * something returns where it began, for aml_end(). An overflow is remembered
 * and shows as aml.overflow: check it once, at the end.
 *
 *	at = aml_device(aml, "PCI0");
 *	aml_name_eisaid(aml, "_HID", "PNP0A08");
 *	aml_end(aml, at);
 */
struct aml {
	u8 *buf;
	size_t size; /* bytes there are */
	size_t len; /* bytes written */
	bool overflow;
};

void aml_bytes(struct aml *aml, const void *bytes, size_t len);
void aml_u8(struct aml *aml, u8 v);
void aml_u16(struct aml *aml, u16 v);
void aml_u32(struct aml *aml, u32 v);
void aml_u64(struct aml *aml, u64 v);

/* An integer in its shortest form. */
void aml_integer(struct aml *aml, u64 v);

/* Scopes; @name has four characters, or is a path such as "\\_SB_". */
size_t aml_scope(struct aml *aml, const char *name);
size_t aml_device(struct aml *aml, const char *name);
size_t aml_package(struct aml *aml, u8 elements);
void aml_end(struct aml *aml, size_t at);

/* Name(@name, …): the value follows, by the caller or at once. */
void aml_name(struct aml *aml, const char *name);
void aml_name_integer(struct aml *aml, const char *name, u64 v);
/* @id: three capitals and four hexadecimal digits, such as "PNP0501". */
void aml_name_eisaid(struct aml *aml, const char *name, const char *id);

/* Name(_CRS, ResourceTemplate …): resources, then aml_resources_end(). */
size_t aml_resources(struct aml *aml);
void aml_resources_end(struct aml *aml, size_t at);
void aml_io(struct aml *aml, u16 base, u8 len);
void aml_irq(struct aml *aml, unsigned int irq);
/* [@first, @last] of the bus's address space; 16, 32 or 64 bits as it needs. */
enum aml_space { AML_MEMORY = 0, AML_IO = 1, AML_BUS = 2 };
void aml_window(struct aml *aml, enum aml_space space, u64 first, u64 last);
/* Memory that the device uses itself. */
void aml_memory_fixed(struct aml *aml, u32 base, u32 len);

#endif
