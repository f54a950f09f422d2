/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The log of dirty pages (VHOST_F_LOG_ALL): one bit per 4 KiB of guest memory
 * in a bitmap of the owner's, pinned. The owner clears bits while we set them.
 */
#ifndef VIOLA_LOG_H
#define VIOLA_LOG_H

#include "pin.h"

struct viola_queue;

#define VIOLA_LOG_PAGE_SHIFT 12 /* vhost's, whatever the host's page size */

struct viola_log {
	struct viola_area area;
	unsigned long *word;
	u32 offset; /* of the bitmap's first bit in *word */
	u64 bits;
};

/*
 * Maps the bitmap at user address @base for guest memory up to @top, bytes.
 * ERR_PTR: -EFAULT, -ENOMEM.
 */
struct viola_log *viola_log_create(struct viola_device *dev, u64 base, u64 top);
void viola_log_destroy(struct viola_device *dev, struct viola_log *log);

/*
 * Marks [@gpa, @gpa + @len), which have been written before. What lies beyond
 * the log is beyond guest memory and left out.
 */
void viola_log_mark(struct viola_log *log, u64 gpa, u64 len);

#endif
