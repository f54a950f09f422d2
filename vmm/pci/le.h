/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_PCI_LE_H
#define VMM_PCI_LE_H

#include <viola/env.h>

/* Fields of configuration space: little-endian, at any address. */
static inline void put_le16(u8 *to, u16 v)
{
	__le16 le = cpu_to_le16(v);

	memcpy(to, &le, sizeof(le));
}

static inline u16 get_le16(const u8 *from)
{
	__le16 le;

	memcpy(&le, from, sizeof(le));
	return le16_to_cpu(le);
}

static inline void put_le32(u8 *to, u32 v)
{
	__le32 le = cpu_to_le32(v);

	memcpy(to, &le, sizeof(le));
}

static inline u32 get_le32(const u8 *from)
{
	__le32 le;

	memcpy(&le, from, sizeof(le));
	return le32_to_cpu(le);
}

#endif
