// SPDX-License-Identifier: GPL-2.0
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "queue.h"
#include "stats.h"

int viola_copy_sized(void __user *argp, void *from, u32 size)
{
	u32 theirs;

	if (get_user(theirs, (u32 __user *)argp))
		return -EFAULT;
	if (theirs < 2 * sizeof(u32))
		return -EINVAL;
	if (theirs > PAGE_SIZE)
		return -E2BIG;
	*(u32 *)from = size;
	if (copy_to_user(argp, from, min(size, theirs)))
		return -EFAULT;
	if (theirs > size && clear_user(argp + size, theirs - size))
		return -EFAULT;
	return 0;
}

int viola_stats_get(struct viola_device *dev, void __user *argp)
{
	struct viola_queue_stats stats = {};
	const struct viola_counters *c;

	if (get_user(stats.index, (u32 __user *)(argp + offsetof(struct viola_queue_stats, index))))
		return -EFAULT;
	if (stats.index >= dev->type->nr_queues)
		return -ENOBUFS;
	c = &dev->queues[array_index_nospec(stats.index, dev->type->nr_queues)]->count;
	stats.packets = READ_ONCE(c->packets);
	stats.bytes = READ_ONCE(c->bytes);
	stats.kicks = READ_ONCE(c->kicks);
	stats.wakes = READ_ONCE(c->wakes);
	stats.services = READ_ONCE(c->services);
	stats.calls = READ_ONCE(c->calls);
	stats.calls_suppressed = READ_ONCE(c->calls_suppressed);
	stats.batches = READ_ONCE(c->batches);
	stats.batched = READ_ONCE(c->batched);
	stats.no_buffers = READ_ONCE(c->no_buffers);
	stats.blocked = READ_ONCE(c->blocked);
	stats.drops_backend = READ_ONCE(c->drops_backend);
	stats.drops_size = READ_ONCE(c->drops_size);
	stats.errors = READ_ONCE(c->errors);
	return viola_copy_sized(argp, &stats, sizeof(stats));
}
