/* SPDX-License-Identifier: GPL-2.0 */
/* What a device tells about itself: by ioctl, and in debugfs. */
#ifndef VIOLA_STATS_H
#define VIOLA_STATS_H

#include <linux/types.h>

struct viola_device;

/*
 * Answers a struct that begins with its size (uapi/viola.h): as much of @from,
 * @size bytes, as the caller knows, zeros for what only the caller knows, and
 * @size as the size. -EINVAL if the caller does not even know a size,
 * -E2BIG beyond a page, -EFAULT.
 */
int viola_copy_sized(void __user *argp, void *from, u32 size);

/* VIOLA_GET_QUEUE_STATS. dev->lock held. */
int viola_stats_get(struct viola_device *dev, void __user *argp);

void viola_debugfs_init(void);
void viola_debugfs_exit(void);

#endif
