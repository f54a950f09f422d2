// SPDX-License-Identifier: GPL-2.0
#include <linux/bitops.h>
#include <linux/slab.h>

#include <viola/checked.h>

#include "device.h"
#include "log.h"

struct viola_log *viola_log_create(struct viola_device *dev, u64 base, u64 top)
{
	struct viola_log *log = kzalloc(sizeof(*log), GFP_KERNEL_ACCOUNT);
	int err;

	if (!log)
		return ERR_PTR(-ENOMEM);
	/* Rounded up without a sum that wraps where memory ends near 2^64. */
	log->bits = (top >> VIOLA_LOG_PAGE_SHIFT) +
		    !!(top & ((1ull << VIOLA_LOG_PAGE_SHIFT) - 1));
	err = viola_area_map(dev, &log->area, base, log->bits / 8 + 1);
	if (err) {
		kfree(log);
		return ERR_PTR(err);
	}
	/*
	 * Bits are set in whole words. A word never leaves the page that holds
	 * one of its bytes, so it is pinned even where the bitmap is not
	 * aligned.
	 */
	log->word = PTR_ALIGN_DOWN((unsigned long *)log->area.at, sizeof(unsigned long));
	log->offset = 8 * ((unsigned long)log->area.at % sizeof(unsigned long));
	return log;
}

void viola_log_destroy(struct viola_device *dev, struct viola_log *log)
{
	if (!log)
		return;
	viola_area_unmap(dev, &log->area);
	kfree(log);
}

void viola_log_mark(struct viola_log *log, u64 gpa, u64 len)
{
	u64 page, last, end;

	if (!len || !viola_add_u64(gpa, len - 1, &end))
		return;
	last = end >> VIOLA_LOG_PAGE_SHIFT;
	/*
	 * The data before, the bit after: whoever finds the bit clear here may
	 * have copied the page before the data was there. Pairs with the
	 * owner's atomic clear, after which it copies the page.
	 */
	smp_mb();
	for (page = gpa >> VIOLA_LOG_PAGE_SHIFT; page <= last && page < log->bits; page++) {
		if (!test_bit(page + log->offset, log->word))
			set_bit(page + log->offset, log->word);
	}
}
