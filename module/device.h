/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device: one open file of /dev/viola-*. It has an owner (a process's mm),
 * negotiated features, the guest's memory and a few virtqueues.
 *
 * Locks, outermost first:
 *
 *   viola_device.lock   configuration: held over every ioctl that changes any
 *   viola_queue.lock    one queue's state; in the order of the queues' index
 *
 * A queue is served under its queue lock alone. What both sides use (memory
 * table, log, ring, backend, eventfds) is therefore replaced under both, and
 * read under either. New things are built and checked before the queue lock is
 * taken, old ones are dropped after it is released.
 */
#ifndef VIOLA_DEVICE_H
#define VIOLA_DEVICE_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/vhost.h>

struct eventfd_ctx;
struct mm_struct;
struct viola_device;
struct viola_log;
struct viola_queue;
struct viola_table;

/* One kind of device: net, later blk. */
struct viola_device_type {
	const char *name;
	u64 features; /* offered, VIRTIO_*_F_ and VHOST_*_F_ bits */
	u32 nr_queues;
	size_t size; /* of the struct that begins with a viola_device */

	int (*init)(struct viola_device *dev); /* all else is set up */
	void (*exit)(struct viola_device *dev); /* after all queues stopped */
	/* @features are about to be dev->features; all queue locks are held. */
	void (*features_set)(struct viola_device *dev, u64 features);
	/* Own ioctls; -ENOIOCTLCMD for others. dev->lock held, owner checked. */
	int (*ioctl)(struct viola_device *dev, unsigned int cmd, void __user *argp);
};

struct viola_device {
	const struct viola_device_type *type;
	struct mutex lock;

	/*
	 * The owner, or NULL. Only its address space is kept, not its pages:
	 * mmgrab(), so that a killed owner's memory goes at once.
	 */
	struct mm_struct *mm;
	pid_t pid; /* of the owner, as its name in threads and debugfs */
	u64 locked; /* pages charged to mm->locked_vm; under lock */

	u64 features; /* acknowledged */
	struct viola_table *table; /* guest memory, never NULL */

	u64 log_base; /* user address of the bitmap of dirty pages */
	struct viola_log *log; /* NULL: no logging */
	struct eventfd_ctx *log_call;

	struct viola_queue **queues; /* type->nr_queues of them */
	struct list_head workers; /* struct viola_worker, by id; under lock */
	u32 nr_workers;
	struct list_head all; /* in viola_devices */
};

/* All open devices, for debugfs. */
extern struct list_head viola_devices;
extern struct mutex viola_devices_lock;

static inline bool viola_has_feature(const struct viola_device *dev, unsigned int bit)
{
	return dev->features & BIT_ULL(bit);
}

int viola_device_open(const struct viola_device_type *type, struct file *file);
int viola_device_release(struct inode *inode, struct file *file);
long viola_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/*
 * Charges @pages to the owner's locked-memory limit, or takes them back where
 * negative. -ENOMEM beyond the limit; giving back never fails. dev->lock held.
 */
int viola_device_charge(struct viola_device *dev, s64 pages);

/* Takes, or releases, the locks of all queues. dev->lock held. */
void viola_device_lock_queues(struct viola_device *dev);
void viola_device_unlock_queues(struct viola_device *dev);

bool viola_device_active(const struct viola_device *dev); /* a queue runs */

/*
 * The log that these settings ask for, at *@log: NULL, or a new one. @active:
 * some queue runs, or is about to. dev->lock held, in the owner's context.
 */
int viola_device_make_log(struct viola_device *dev, u64 features, u64 log_base, u64 top,
			  bool active, struct viola_log **log);

#endif
