/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The owner's memory, pinned and mapped: for structures that the host keeps
 * mapped, rings and the log of dirty pages.
 */
#ifndef VIOLA_PIN_H
#define VIOLA_PIN_H

#include <linux/types.h>

struct page;
struct viola_device;

struct viola_area {
	void *at; /* where the first byte is */
	void *mapped; /* vmap()ed, or NULL where the pages are in a row */
	struct page **pages;
	u32 nr;
};

/*
 * Pins @nr pages from the page-aligned user address @addr of the current
 * process for good, writable. 0, or -errno with none pinned: -EFAULT where
 * there is no such memory, -EINTR when killed.
 */
int viola_pin_pages(u64 addr, u32 nr, struct page **pages);

/*
 * Maps @len bytes, not 0, at user address @addr of the device's owner, which
 * is the current process. Charged to its locked-memory limit.
 */
int viola_area_map(struct viola_device *dev, struct viola_area *area, u64 addr, u64 len);
void viola_area_unmap(struct viola_device *dev, struct viola_area *area);

#endif
