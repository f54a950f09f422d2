/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A machine without KVM, for tests of the monitor's own parts: real buses,
 * real guest memory, and a note of what would have gone to KVM.
 */
#ifndef VIOLA_TESTS_VMM_RIG_H
#define VIOLA_TESTS_VMM_RIG_H

#include "vmm/pci/bus.h"
#include "vmm/vm-private.h"

#define RIG_GSIS 128
#define RIG_IRQFDS 64

struct vmm_rig {
	bool line[RIG_GSIS]; /* levels of IOAPIC inputs */
	unsigned int edges[RIG_GSIS]; /* changes to high */
	struct {
		bool used;
		u64 addr;
		u32 data;
	} route[RIG_GSIS]; /* as KVM has them after the next commit */
	bool uncommitted;
	unsigned int commits;
	struct {
		int fd;
		u32 gsi;
	} irqfd[RIG_IRQFDS];
	unsigned int irqfds;
	bool fail_irqfd; /* KVM refuses the next one */
	bool stopped;
	int status;
	char reason[256];
	u8 reset; /* last write to the reset register */
};

extern struct vmm_rig rig;

/* A machine with @mem bytes of RAM (0: none), buses and host bridge. */
struct vm *rig_create(u64 mem, unsigned int cpus);
void rig_destroy(struct vm *vm);
/* The GSI that @fd interrupts, or -1. */
int rig_irqfd(int fd);

#endif
