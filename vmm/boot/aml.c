// SPDX-License-Identifier: GPL-2.0
#include "vmm/boot/aml.h"

/* Opcodes (ACPI 6.4, 20.3). */
#define OP_ZERO 0x00
#define OP_ONE 0x01
#define OP_NAME 0x08
#define OP_BYTE 0x0a
#define OP_WORD 0x0b
#define OP_DWORD 0x0c
#define OP_QWORD 0x0e
#define OP_SCOPE 0x10
#define OP_BUFFER 0x11
#define OP_PACKAGE 0x12
#define OP_EXT 0x5b
#define OP_EXT_DEVICE 0x82

/*
 * Lengths are only known at the end. They are always written in three bytes:
 * bits 7 … 6 of the first say that two more follow, its bits 3 … 0 are the
 * lowest (20.2.4).
 */
#define LENGTH_BYTES 3
#define LENGTH_TWO_MORE 0x80

void aml_bytes(struct aml *aml, const void *bytes, size_t len)
{
	if (aml->overflow || len > aml->size - aml->len) {
		aml->overflow = true;
		return;
	}
	memcpy(aml->buf + aml->len, bytes, len);
	aml->len += len;
}

void aml_u8(struct aml *aml, u8 v)
{
	aml_bytes(aml, &v, sizeof(v));
}

void aml_u16(struct aml *aml, u16 v)
{
	__le16 le = cpu_to_le16(v);

	aml_bytes(aml, &le, sizeof(le));
}

void aml_u32(struct aml *aml, u32 v)
{
	__le32 le = cpu_to_le32(v);

	aml_bytes(aml, &le, sizeof(le));
}

void aml_u64(struct aml *aml, u64 v)
{
	__le64 le = cpu_to_le64(v);

	aml_bytes(aml, &le, sizeof(le));
}

void aml_integer(struct aml *aml, u64 v)
{
	if (v <= 1) {
		aml_u8(aml, v ? OP_ONE : OP_ZERO);
	} else if (v <= 0xff) {
		aml_u8(aml, OP_BYTE);
		aml_u8(aml, (u8)v);
	} else if (v <= 0xffff) {
		aml_u8(aml, OP_WORD);
		aml_u16(aml, (u16)v);
	} else if (v <= 0xffffffff) {
		aml_u8(aml, OP_DWORD);
		aml_u32(aml, (u32)v);
	} else {
		aml_u8(aml, OP_QWORD);
		aml_u64(aml, v);
	}
}

/* Room for the length of what starts here. */
static size_t length_begin(struct aml *aml)
{
	const u8 zero[LENGTH_BYTES] = { 0 };
	size_t at = aml->len;

	aml_bytes(aml, zero, sizeof(zero));
	return at;
}

void aml_end(struct aml *aml, size_t at)
{
	const size_t len = aml->len - at;
	u8 *to = aml->buf + at;

	if (aml->overflow)
		return;
	if (len >= 1u << 20) {
		aml->overflow = true;
		return;
	}
	to[0] = (u8)(LENGTH_TWO_MORE | (len & 0xf));
	to[1] = (u8)(len >> 4);
	to[2] = (u8)(len >> 12);
}

size_t aml_scope(struct aml *aml, const char *name)
{
	size_t at;

	aml_u8(aml, OP_SCOPE);
	at = length_begin(aml);
	aml_bytes(aml, name, strlen(name));
	return at;
}

size_t aml_device(struct aml *aml, const char *name)
{
	size_t at;

	aml_u8(aml, OP_EXT);
	aml_u8(aml, OP_EXT_DEVICE);
	at = length_begin(aml);
	aml_bytes(aml, name, strlen(name));
	return at;
}

size_t aml_package(struct aml *aml, u8 elements)
{
	size_t at;

	aml_u8(aml, OP_PACKAGE);
	at = length_begin(aml);
	aml_u8(aml, elements);
	return at;
}

void aml_name(struct aml *aml, const char *name)
{
	aml_u8(aml, OP_NAME);
	aml_bytes(aml, name, strlen(name));
}

void aml_name_integer(struct aml *aml, const char *name, u64 v)
{
	aml_name(aml, name);
	aml_integer(aml, v);
}

static u32 hex_digit(char c)
{
	return (u32)(c <= '9' ? c - '0' : c - 'A' + 10);
}

void aml_name_eisaid(struct aml *aml, const char *name, const char *id)
{
	/* Letters in 5 bits each, digits in 4, big-endian (19.3.4). */
	u32 v = (u32)(id[0] - '@') << 26 | (u32)(id[1] - '@') << 21 | (u32)(id[2] - '@') << 16 |
		hex_digit(id[3]) << 12 | hex_digit(id[4]) << 8 | hex_digit(id[5]) << 4 |
		hex_digit(id[6]);

	aml_name(aml, name);
	aml_u8(aml, OP_DWORD);
	aml_u32(aml, __builtin_bswap32(v));
}

/* --- resource templates: a buffer whose length is written twice ------------- */

size_t aml_resources(struct aml *aml)
{
	size_t at;

	aml_name(aml, "_CRS");
	aml_u8(aml, OP_BUFFER);
	at = length_begin(aml);
	aml_u8(aml, OP_WORD);
	aml_u16(aml, 0); /* bytes in the buffer */
	return at;
}

void aml_resources_end(struct aml *aml, size_t at)
{
	size_t bytes;
	__le16 le;

	aml_u8(aml, 0x79); /* end tag */
	aml_u8(aml, 0); /* no checksum */
	if (aml->overflow)
		return;
	bytes = aml->len - (at + LENGTH_BYTES + 3);
	le = cpu_to_le16(bytes);
	memcpy(aml->buf + at + LENGTH_BYTES + 1, &le, sizeof(le));
	aml_end(aml, at);
}

void aml_io(struct aml *aml, u16 base, u8 len)
{
	aml_u8(aml, 0x47); /* I/O port descriptor (6.4.2.5) */
	aml_u8(aml, 1); /* decodes 16 bits */
	aml_u16(aml, base);
	aml_u16(aml, base);
	aml_u8(aml, 1);
	aml_u8(aml, len);
}

void aml_irq(struct aml *aml, unsigned int irq)
{
	aml_u8(aml, 0x22); /* IRQ descriptor (6.4.2.1): edge, active high */
	aml_u16(aml, (u16)(1u << irq));
}

void aml_window(struct aml *aml, enum aml_space space, u64 first, u64 last)
{
	/* Address space descriptors (6.4.3.5): minimum and maximum fixed. */
	const u8 general = 0x0c;
	const u8 specific = space == AML_IO ? 3 /* whole range */ :
			    space == AML_MEMORY ? 1 /* writable, not cacheable */ : 0;
	const u8 width = last > 0xffffffff ? 8 : last > 0xffff ? 4 : 2;
	const u64 field[] = { 0, first, last, 0, last - first + 1 };
	unsigned int i;

	aml_u8(aml, width == 8 ? 0x8a : width == 4 ? 0x87 : 0x88);
	aml_u16(aml, (u16)(3 + 5 * width));
	aml_u8(aml, (u8)space);
	aml_u8(aml, general);
	aml_u8(aml, specific);
	for (i = 0; i < ARRAY_SIZE(field); i++) {
		__le64 le = cpu_to_le64(field[i]);

		aml_bytes(aml, &le, width);
	}
}

void aml_memory_fixed(struct aml *aml, u32 base, u32 len)
{
	aml_u8(aml, 0x86); /* 32-bit fixed memory range (6.4.3.4) */
	aml_u16(aml, 9);
	aml_u8(aml, 1); /* writable */
	aml_u32(aml, base);
	aml_u32(aml, len);
}
