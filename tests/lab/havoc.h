/* SPDX-License-Identifier: GPL-2.0 */
/* A driver that means harm: what its two device kinds share. */
#ifndef TESTS_LAB_HAVOC_H
#define TESTS_LAB_HAVOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Memory that the device may write: one huge page, so that it is contiguous for
 * the device, too. Nonsense addresses lie in it or outside all RAM, never in
 * memory of somebody else: the guest shall live to write more nonsense. What a
 * device writes by one address stays below HAVOC_SLACK.
 */
#define HAVOC_POOL	(2u << 20)
#define HAVOC_SLACK	(256u << 10)

struct havoc {
	char dir[300];			/* of the device in sysfs */
	int config;			/* its configuration space */
	int ports;			/* its I/O BAR, or -1 */
	volatile uint8_t *bar;		/* BAR 0 */
	size_t bar_size;
	uint8_t *pool;
	uint64_t pool_pa;		/* guest-physical */
	uint64_t ram_end;		/* guest-physical, first byte after all RAM */
	uint64_t random;		/* state of the main thread's generator */
	uint8_t saved[256];		/* configuration space as it was */
	uint64_t accesses;		/* registers written */
};

struct havoc_device {
	const char *name;
	unsigned int vendor, device;	/* device 0: any */
	/* Prepares, 0 or -1 with a line said. */
	int (*open)(struct havoc *h);
	/* Resets the device and sets up rings in the pool. */
	void (*start)(struct havoc *h);
	/* One blow while the device runs. */
	void (*step)(struct havoc *h);
	/* One change in the rings; of a second thread, with its own generator. */
	void (*stir)(struct havoc *h, uint64_t *random);
	/* No DMA from here on. */
	void (*stop)(struct havoc *h);
};

extern const struct havoc_device havoc_virtio, havoc_e1000;

uint64_t havoc_random(uint64_t *state);
/* Less than @n. */
uint32_t havoc_below(uint64_t *state, uint32_t n);
/* An address in the pool with HAVOC_SLACK bytes after it. */
uint64_t havoc_own(struct havoc *h, uint64_t *state);
/* An address in the pool, or one that is wrong. */
uint64_t havoc_address(struct havoc *h, uint64_t *state);
uint32_t havoc_length(uint64_t *state);
/* A register's value that is no address of RAM in any 32-bit half. */
uint64_t havoc_value(uint64_t *state);

void bar_write(struct havoc *h, uint32_t offset, unsigned int size, uint64_t value);
uint64_t bar_read(struct havoc *h, uint32_t offset, unsigned int size);
uint32_t config_read(struct havoc *h, uint32_t offset, unsigned int size);
void config_write(struct havoc *h, uint32_t offset, unsigned int size, uint32_t value);
/* Configuration space as it was, memory and bus mastering on. */
void config_restore(struct havoc *h);
/* One write of nonsense anywhere in configuration space. */
void config_nonsense(struct havoc *h);

#endif
