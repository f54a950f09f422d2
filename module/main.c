// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "device.h"
#include "message.h"
#include "net.h"
#include "stats.h"

static int net_open(struct inode *inode, struct file *file)
{
	return viola_device_open(&viola_net_type, file);
}

/* .owner: the module stays as long as a file is open. */
static const struct file_operations net_fops = {
	.owner = THIS_MODULE,
	.open = net_open,
	.release = viola_device_release,
	.unlocked_ioctl = viola_device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read_iter = viola_message_read,
	.write_iter = viola_message_write,
	.poll = viola_message_poll,
	.llseek = noop_llseek,
};

static struct miscdevice net_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "viola-net",
	.fops = &net_fops,
	.mode = 0600,
};

static int __init viola_init(void)
{
	int err;

	viola_debugfs_init();
	err = misc_register(&net_misc);
	if (err) {
		pr_err("cannot register /dev/viola-net: error %d\n", -err);
		viola_debugfs_exit();
	}
	return err;
}
module_init(viola_init);

static void __exit viola_exit(void)
{
	misc_deregister(&net_misc);
	viola_debugfs_exit();
}
module_exit(viola_exit);

MODULE_DESCRIPTION("virtio data planes in the kernel");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
