// SPDX-License-Identifier: GPL-2.0
#include "vmm/boot/boot.h"
#include "vmm/vm-private.h"

/* Address range types (ACPI 6.4, table 15.4). */
#define E820_RAM 1
#define E820_RESERVED 2

unsigned int e820_build(struct vm *vm, struct boot_e820_entry *entry, unsigned int max)
{
	const u64 low = memory_low_size(&vm->mem), end = memory_ram_end(&vm->mem);
	const struct boot_e820_entry map[E820_ENTRIES] = {
		{ 0, LAYOUT_LOW_RAM_END, E820_RAM },
		{ LAYOUT_LOW_RAM_END, LAYOUT_HIGH_RAM - LAYOUT_LOW_RAM_END, E820_RESERVED },
		{ LAYOUT_HIGH_RAM, low - LAYOUT_HIGH_RAM, E820_RAM },
		/* Linux uses ECAM only where the firmware has reserved it. */
		{ LAYOUT_ECAM, LAYOUT_ECAM_SIZE, E820_RESERVED },
		{ LAYOUT_KVM_IDENTITY_MAP, LAYOUT_4G - LAYOUT_KVM_IDENTITY_MAP, E820_RESERVED },
		{ LAYOUT_4G, end > LAYOUT_4G ? end - LAYOUT_4G : 0, E820_RAM },
	};
	unsigned int i, nr = 0;

	for (i = 0; i < E820_ENTRIES && nr < max; i++)
		if (map[i].size)
			entry[nr++] = map[i];
	return nr;
}
