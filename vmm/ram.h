/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_RAM_H
#define VMM_RAM_H

#include "vmm/layout.h"
#include "vmm/memory.h"

/* The guest's RAM: host memory, and the blocks of guest memory that it makes. */
struct ram {
	void *mapping; /* NULL: none */
	u64 mapping_size; /* bytes */
	struct memory_block block[MEMORY_RAM_BLOCKS];
	unsigned int blocks; /* added */
};

/* Maps @size bytes and adds them to *@mem. 0 or -errno with a recorded sentence. */
int ram_create(struct ram *ram, struct guest_memory *mem, u64 size);
/* Also after a failed ram_create(). */
void ram_destroy(struct ram *ram, struct guest_memory *mem);

#endif
