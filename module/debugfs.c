// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/debug/viola/queues: every queue of every open device, one line
 * of name=value pairs each. For people and for `grep`; programs that hold a
 * device use VIOLA_GET_QUEUE_STATS.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "queue.h"
#include "stats.h"

static struct dentry *folder;

static void show_queue(struct seq_file *out, const struct viola_queue *q)
{
	const struct viola_counters *c = &q->count;

	seq_printf(out, "%s pid=%d queue=%u state=%s", q->dev->type->name, q->dev->pid, q->index,
		   q->broken ? "broken" : q->running ? "running" : "stopped");
#define SHOW(what) seq_printf(out, " " #what "=%llu", READ_ONCE(c->what))
	SHOW(packets);
	SHOW(bytes);
	SHOW(kicks);
	SHOW(wakes);
	SHOW(services);
	SHOW(calls);
	SHOW(calls_suppressed);
	SHOW(batches);
	SHOW(batched);
	SHOW(no_buffers);
	SHOW(blocked);
	SHOW(drops_backend);
	SHOW(drops_size);
	SHOW(errors);
	SHOW(gathers);
#undef SHOW
	seq_putc(out, '\n');
}

static int queues_show(struct seq_file *out, void *unused)
{
	struct viola_device *dev;
	u32 i;

	mutex_lock(&viola_devices_lock);
	list_for_each_entry(dev, &viola_devices, all) {
		for (i = 0; i < dev->type->nr_queues; i++)
			show_queue(out, dev->queues[i]);
	}
	mutex_unlock(&viola_devices_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(queues);

void viola_debugfs_init(void)
{
	folder = debugfs_create_dir("viola", NULL);
	debugfs_create_file("queues", 0400, folder, NULL, &queues_fops);
}

void viola_debugfs_exit(void)
{
	debugfs_remove_recursive(folder);
}
