// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/vmalloc.h>

#include <viola/checked.h>

#include "device.h"
#include "pin.h"

/* Pages per call: bounds the time between two looks at a fatal signal. */
#define PIN_BATCH 512
/* 4 GiB of bitmap describe 128 TiB of guest. */
#define AREA_MAX_PAGES (1u << 20)

int viola_pin_pages(u64 addr, u32 nr, struct page **pages)
{
	u32 done = 0;
	int got;

	while (done < nr) {
		if (fatal_signal_pending(current)) {
			got = -EINTR;
			goto fail;
		}
		/* WRITE also breaks copy-on-write, so that the pages stay ours. */
		got = pin_user_pages_fast(addr + (u64)done * PAGE_SIZE,
					  min_t(u32, nr - done, PIN_BATCH),
					  FOLL_WRITE | FOLL_LONGTERM, pages + done);
		if (got <= 0) {
			got = got ?: -EFAULT;
			goto fail;
		}
		done += got;
		cond_resched();
	}
	return 0;
fail:
	unpin_user_pages(pages, done);
	return got;
}

int viola_area_map(struct viola_device *dev, struct viola_area *area, u64 addr, u64 len)
{
	u64 first = addr & PAGE_MASK, end, nr;
	bool in_a_row = true;
	u32 i;
	int err;

	memset(area, 0, sizeof(*area));
	if (!len || !viola_add_u64(addr, len, &end) || end > TASK_SIZE_MAX)
		return -EFAULT;
	nr = (end - first + PAGE_SIZE - 1) / PAGE_SIZE;
	if (nr > AREA_MAX_PAGES)
		return -EFAULT;
	err = viola_device_charge(dev, nr);
	if (err)
		return err;
	area->pages = kvmalloc_array(nr, sizeof(*area->pages), GFP_KERNEL);
	if (!area->pages) {
		err = -ENOMEM;
		goto uncharge;
	}
	err = viola_pin_pages(first, nr, area->pages);
	if (err)
		goto free;
	area->nr = nr;
	for (i = 1; i < nr && in_a_row; i++)
		in_a_row = page_to_pfn(area->pages[i]) == page_to_pfn(area->pages[i - 1]) + 1;
	if (in_a_row) {
		area->at = page_address(area->pages[0]);
	} else {
		area->mapped = vmap(area->pages, nr, VM_MAP, PAGE_KERNEL);
		if (!area->mapped) {
			err = -ENOMEM;
			goto unpin;
		}
		area->at = area->mapped;
	}
	area->at += addr - first;
	return 0;
unpin:
	unpin_user_pages(area->pages, nr);
free:
	kvfree(area->pages);
uncharge:
	viola_device_charge(dev, -(s64)nr);
	memset(area, 0, sizeof(*area));
	return err;
}

void viola_area_unmap(struct viola_device *dev, struct viola_area *area)
{
	if (!area->nr)
		return;
	if (area->mapped)
		vunmap(area->mapped);
	unpin_user_pages_dirty_lock(area->pages, area->nr, true);
	kvfree(area->pages);
	viola_device_charge(dev, -(s64)area->nr);
	memset(area, 0, sizeof(*area));
}
