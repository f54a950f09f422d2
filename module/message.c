// SPDX-License-Identifier: GPL-2.0
/*
 * The messages about an IOTLB (struct vhost_msg and vhost_msg_v2), which a VMM
 * reads from and writes to the file. There is no IOTLB, as ACCESS_PLATFORM is
 * not offered: nothing is ever to be read, and what is written is taken apart
 * and refused, with the answers that vhost-net gives while it has none.
 */
#include <linux/vhost.h>

#include "message.h"

ssize_t viola_message_read(struct kiocb *iocb, struct iov_iter *to)
{
	if (iov_iter_count(to) < sizeof(struct vhost_msg))
		return 0;
	/* Nobody waits for what cannot come. */
	return iocb->ki_filp->f_flags & O_NONBLOCK ? -EAGAIN : -EBADFD;
}

ssize_t viola_message_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct vhost_iotlb_msg msg;
	size_t gap;
	int type;

	if (copy_from_iter(&type, sizeof(type), from) != sizeof(type))
		return -EINVAL;
	switch (type) {
	case VHOST_IOTLB_MSG:
		gap = offsetof(struct vhost_msg, iotlb) - sizeof(type);
		break;
	case VHOST_IOTLB_MSG_V2:
		gap = offsetof(struct vhost_msg_v2, iotlb) - sizeof(type);
		break;
	default:
		return -EINVAL;
	}
	iov_iter_advance(from, min(gap, iov_iter_count(from)));
	if (copy_from_iter(&msg, sizeof(msg), from) != sizeof(msg))
		return -EINVAL;
	return msg.type == VHOST_IOTLB_UPDATE && !msg.size ? -EINVAL : -EFAULT;
}

__poll_t viola_message_poll(struct file *file, poll_table *wait)
{
	return 0;
}
