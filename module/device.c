// SPDX-License-Identifier: GPL-2.0
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "device.h"
#include "log.h"
#include "mem.h"
#include "queue.h"
#include "stats.h"
#include "worker.h"

LIST_HEAD(viola_devices);
DEFINE_MUTEX(viola_devices_lock);

int viola_device_charge(struct viola_device *dev, s64 pages)
{
	int err;

	if (!pages)
		return 0;
	err = account_locked_vm(dev->mm, pages < 0 ? -pages : pages, pages > 0);
	if (!err)
		dev->locked += pages;
	return err;
}

void viola_device_lock_queues(struct viola_device *dev)
{
	u32 i;

	for (i = 0; i < dev->type->nr_queues; i++)
		viola_queue_lock(dev->queues[i]);
}

void viola_device_unlock_queues(struct viola_device *dev)
{
	u32 i = dev->type->nr_queues;

	while (i--)
		viola_queue_unlock(dev->queues[i]);
}

bool viola_device_active(const struct viola_device *dev)
{
	u32 i;

	for (i = 0; i < dev->type->nr_queues; i++) {
		if (dev->queues[i]->running)
			return true;
	}
	return false;
}

int viola_device_make_log(struct viola_device *dev, u64 features, u64 log_base, u64 top,
			  bool active, struct viola_log **log)
{
	*log = NULL;
	if (!(features & BIT_ULL(VHOST_F_LOG_ALL)) || !active)
		return 0;
	*log = viola_log_create(dev, log_base, top);
	if (IS_ERR(*log))
		return PTR_ERR(*log);
	return 0;
}

/* The format of messages; see message.c. */
#define VIOLA_BACKEND_FEATURES BIT_ULL(VHOST_BACKEND_F_IOTLB_MSG_V2)

static bool is_owner(const struct viola_device *dev)
{
	return dev->mm && dev->mm == current->mm;
}

/* --- ioctls; dev->lock held ------------------------------------------------ */

static int set_owner(struct viola_device *dev, void __user *argp)
{
	int err;

	if (dev->mm)
		return -EBUSY;
	if (!current->mm)
		return -EPERM;
	dev->pid = task_tgid_nr(current);
	dev->mm = current->mm;
	mmgrab(dev->mm);
	err = viola_workers_start(dev);
	if (err) {
		mmdrop(dev->mm);
		dev->mm = NULL;
	}
	return err;
}

/* Gives up everything that refers to the owner, and then the owner. */
static void disown(struct viola_device *dev)
{
	struct viola_table *table = dev->table;
	struct eventfd_ctx *log_call;
	struct viola_log *log;
	u32 i;

	for (i = 0; i < dev->type->nr_queues; i++)
		viola_queue_reset(dev->queues[i]);
	if (dev->type->exit)
		dev->type->exit(dev);
	if (!dev->mm)
		return;
	viola_workers_stop(dev);

	/* Nobody serves any more: no lock is needed for what follows. */
	log = dev->log;
	dev->log = NULL;
	viola_log_destroy(dev, log);
	log_call = dev->log_call;
	dev->log_call = NULL;
	if (log_call)
		eventfd_ctx_put(log_call);
	dev->log_base = 0;
	viola_device_charge(dev, -(s64)table->pages);
	viola_table_clear(table);
	WARN_ON_ONCE(dev->locked);
	mmdrop(dev->mm);
	dev->mm = NULL;
}

static int reset_owner(struct viola_device *dev, void __user *argp)
{
	disown(dev);
	return 0;
}

static int get_features(struct viola_device *dev, void __user *argp)
{
	u64 features = dev->type->features;

	return copy_to_user(argp, &features, sizeof(features)) ? -EFAULT : 0;
}

static int set_features(struct viola_device *dev, void __user *argp)
{
	struct viola_log *log;
	u64 features;
	int err;

	if (copy_from_user(&features, argp, sizeof(features)))
		return -EFAULT;
	if (features & ~dev->type->features)
		return -EOPNOTSUPP;
	/* Rings were set up with the features; logging alone may come and go. */
	if (viola_device_active(dev) && (features ^ dev->features) & ~BIT_ULL(VHOST_F_LOG_ALL))
		return -EBUSY;
	if (dev->mm && !is_owner(dev))
		return -EPERM;
	err = viola_device_make_log(dev, features, dev->log_base, dev->table->top,
				    viola_device_active(dev), &log);
	if (err)
		return -EFAULT;
	viola_device_lock_queues(dev);
	if (dev->type->features_set)
		dev->type->features_set(dev, features);
	dev->features = features;
	swap(dev->log, log);
	viola_device_unlock_queues(dev);
	viola_log_destroy(dev, log);
	return 0;
}

static int get_backend_features(struct viola_device *dev, void __user *argp)
{
	u64 features = VIOLA_BACKEND_FEATURES;

	return copy_to_user(argp, &features, sizeof(features)) ? -EFAULT : 0;
}

static int set_backend_features(struct viola_device *dev, void __user *argp)
{
	u64 features;

	if (copy_from_user(&features, argp, sizeof(features)))
		return -EFAULT;
	return features & ~VIOLA_BACKEND_FEATURES ? -EOPNOTSUPP : 0;
}

static int set_mem_table(struct viola_device *dev, void __user *argp)
{
	u32 i, nr = dev->type->nr_queues;
	struct viola_rings **rings;
	struct viola_table *table;
	struct viola_log *log = NULL;
	int err = 0;

	rings = kcalloc(nr, sizeof(*rings), GFP_KERNEL);
	if (!rings)
		return -ENOMEM;
	table = viola_table_create(dev, argp);
	if (IS_ERR(table)) {
		err = PTR_ERR(table);
		table = NULL;
		goto out;
	}
	err = viola_device_make_log(dev, dev->features, dev->log_base, table->top,
				    viola_device_active(dev), &log);
	if (err)
		goto uncharge;
	/* Where the owner mapped something else at a ring's address, follow. */
	for (i = 0; i < nr && !err; i++) {
		if (dev->queues[i]->running) {
			rings[i] = viola_rings_create(dev->queues[i], &dev->queues[i]->addr);
			err = PTR_ERR_OR_ZERO(rings[i]);
		}
	}
	if (err)
		goto uncharge;

	viola_device_lock_queues(dev);
	swap(dev->table, table);
	swap(dev->log, log);
	for (i = 0; i < nr; i++) {
		if (dev->queues[i]->running)
			rings[i] = viola_rings_swap(dev->queues[i], rings[i]);
	}
	viola_device_unlock_queues(dev);
	/* table is the old one now; what it had more is not needed any more. */
	if (table->pages > dev->table->pages)
		viola_device_charge(dev, -(s64)(table->pages - dev->table->pages));
	for (i = 0; i < nr; i++)
		viola_queue_wake(dev->queues[i]);
	goto out;
uncharge:
	if (table->pages > dev->table->pages)
		viola_device_charge(dev, -(s64)(table->pages - dev->table->pages));
out:
	for (i = 0; i < nr; i++)
		viola_rings_destroy(dev, rings[i]);
	kfree(rings);
	if (!IS_ERR_OR_NULL(log))
		viola_log_destroy(dev, log);
	viola_table_destroy(table);
	return err;
}

static int set_log_base(struct viola_device *dev, void __user *argp)
{
	struct viola_log *log;
	u64 base;

	if (copy_from_user(&base, argp, sizeof(base)))
		return -EFAULT;
	if (viola_device_make_log(dev, dev->features, base, dev->table->top,
				  viola_device_active(dev), &log))
		return -EFAULT;
	viola_device_lock_queues(dev);
	dev->log_base = base;
	swap(dev->log, log);
	viola_device_unlock_queues(dev);
	viola_log_destroy(dev, log);
	return 0;
}

static int set_log_fd(struct viola_device *dev, void __user *argp)
{
	struct eventfd_ctx *ctx = NULL;
	int fd;

	if (get_user(fd, (int __user *)argp))
		return -EFAULT;
	if (fd != VHOST_FILE_UNBIND) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	viola_device_lock_queues(dev);
	swap(dev->log_call, ctx);
	viola_device_unlock_queues(dev);
	if (ctx)
		eventfd_ctx_put(ctx);
	return 0;
}

/*
 * The worker ioctls, as vhost-scsi answers them; vhost-net has none. A missing
 * owner is -EINVAL here, where it is -EPERM elsewhere.
 */
static int worker_allowed(const struct viola_device *dev)
{
	if (!dev->mm)
		return -EINVAL;
	return is_owner(dev) ? 0 : -EPERM;
}

static int new_worker(struct viola_device *dev, void __user *argp)
{
	struct vhost_worker_state state;
	struct viola_worker *worker;
	int err = worker_allowed(dev);

	if (err)
		return err;
	worker = viola_worker_create(dev);
	if (IS_ERR(worker))
		return PTR_ERR(worker);
	state.worker_id = worker->id;
	if (copy_to_user(argp, &state, sizeof(state))) {
		viola_worker_destroy(worker);
		return -EFAULT;
	}
	return 0;
}

static int free_worker(struct viola_device *dev, void __user *argp)
{
	struct vhost_worker_state state;
	struct viola_worker *worker;
	int err = worker_allowed(dev);

	if (err)
		return err;
	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;
	worker = viola_worker_find(dev, state.worker_id);
	if (!worker)
		return -ENODEV;
	if (worker->attached)
		return -EBUSY;
	viola_worker_destroy(worker);
	return 0;
}

static int attach_vring_worker(struct viola_device *dev, void __user *argp)
{
	struct vhost_vring_worker state;
	struct viola_worker *worker;
	struct viola_queue *q;
	int err = worker_allowed(dev);

	if (err)
		return err;
	q = viola_queue_get(dev, argp);
	if (IS_ERR(q))
		return PTR_ERR(q);
	if (copy_from_user(&state, argp, sizeof(state)))
		return -EFAULT;
	worker = viola_worker_find(dev, state.worker_id);
	if (!worker)
		return -ENODEV;
	viola_worker_attach(worker, q);
	return 0;
}

static int get_vring_worker(struct viola_device *dev, void __user *argp)
{
	struct vhost_vring_worker state;
	struct viola_queue *q;
	int err = worker_allowed(dev);

	if (err)
		return err;
	q = viola_queue_get(dev, argp);
	if (IS_ERR(q))
		return PTR_ERR(q);
	state.index = q->index;
	state.worker_id = viola_worker_of(q)->id;
	return copy_to_user(argp, &state, sizeof(state)) ? -EFAULT : 0;
}

static int get_caps(struct viola_device *dev, void __user *argp)
{
	struct viola_caps caps = {
		.version = VIOLA_ABI_VERSION,
		.features = VIOLA_CAP_MODE_WORKER | VIOLA_CAP_MEM_PINNED | VIOLA_CAP_QUEUE_STATS,
		.queues = dev->type->nr_queues,
		.max_mem_regions = viola_max_mem_regions,
	};

	return viola_copy_sized(argp, &caps, sizeof(caps));
}

static const struct {
	unsigned int cmd;
	bool anyone; /* not only the owner */
	int (*run)(struct viola_device *dev, void __user *argp);
} device_ioctls[] = {
	{ VHOST_GET_FEATURES, true, get_features },
	{ VHOST_SET_FEATURES, true, set_features },
	{ VHOST_GET_BACKEND_FEATURES, true, get_backend_features },
	{ VHOST_SET_BACKEND_FEATURES, true, set_backend_features },
	{ VHOST_SET_OWNER, true, set_owner },
	{ VHOST_RESET_OWNER, false, reset_owner },
	{ VHOST_SET_MEM_TABLE, false, set_mem_table },
	{ VHOST_SET_LOG_BASE, false, set_log_base },
	{ VHOST_SET_LOG_FD, false, set_log_fd },
	{ VHOST_NEW_WORKER, true, new_worker },
	{ VHOST_FREE_WORKER, true, free_worker },
	{ VHOST_ATTACH_VRING_WORKER, true, attach_vring_worker },
	{ VHOST_GET_VRING_WORKER, true, get_vring_worker },
	{ VIOLA_GET_CAPS, true, get_caps },
	{ VIOLA_GET_QUEUE_STATS, true, viola_stats_get },
};

long viola_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct viola_device *dev = file->private_data;
	void __user *argp = (void __user *)arg;
	int ret = -ENOIOCTLCMD;
	u32 i;

	mutex_lock(&dev->lock);
	for (i = 0; i < ARRAY_SIZE(device_ioctls); i++) {
		if (device_ioctls[i].cmd != cmd)
			continue;
		ret = device_ioctls[i].anyone || is_owner(dev) ?
			      device_ioctls[i].run(dev, argp) : -EPERM;
		goto out;
	}
	if (!is_owner(dev)) {
		ret = -EPERM;
		goto out;
	}
	ret = dev->type->ioctl(dev, cmd, argp);
	if (ret == -ENOIOCTLCMD)
		ret = viola_vring_ioctl(dev, cmd, argp);
out:
	mutex_unlock(&dev->lock);
	return ret;
}

/* --- open, release ---------------------------------------------------------- */

int viola_device_open(const struct viola_device_type *type, struct file *file)
{
	struct viola_device *dev = kvzalloc(type->size, GFP_KERNEL_ACCOUNT);
	int err = -ENOMEM;

	if (!dev)
		return -ENOMEM;
	dev->type = type;
	mutex_init(&dev->lock);
	INIT_LIST_HEAD(&dev->workers);
	dev->queues = kcalloc(type->nr_queues, sizeof(*dev->queues), GFP_KERNEL_ACCOUNT);
	dev->table = viola_table_create_empty();
	if (!dev->queues || !dev->table)
		goto fail;
	err = type->init(dev);
	if (err)
		goto fail;
	file->private_data = dev;
	mutex_lock(&viola_devices_lock);
	list_add_tail(&dev->all, &viola_devices);
	mutex_unlock(&viola_devices_lock);
	return 0;
fail:
	viola_table_destroy(dev->table);
	kfree(dev->queues);
	kvfree(dev);
	return err;
}

int viola_device_release(struct inode *inode, struct file *file)
{
	struct viola_device *dev = file->private_data;
	u32 i;

	mutex_lock(&viola_devices_lock);
	list_del(&dev->all);
	mutex_unlock(&viola_devices_lock);
	mutex_lock(&dev->lock);
	disown(dev);
	mutex_unlock(&dev->lock);
	for (i = 0; i < dev->type->nr_queues; i++)
		viola_queue_destroy(dev->queues[i]);
	viola_table_destroy(dev->table);
	kfree(dev->queues);
	kvfree(dev);
	return 0;
}
