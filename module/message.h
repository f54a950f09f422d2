/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_MESSAGE_H
#define VIOLA_MESSAGE_H

#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/uio.h>

/* The file operations of the same names. */
ssize_t viola_message_read(struct kiocb *iocb, struct iov_iter *to);
ssize_t viola_message_write(struct kiocb *iocb, struct iov_iter *from);
__poll_t viola_message_poll(struct file *file, poll_table *wait);

#endif
