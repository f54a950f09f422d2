/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The far side of a network queue: a socket in the kernel. tun/tap and
 * macvtap, which also take frames in batches and offer theirs in a ring, or a
 * raw packet socket.
 */
#ifndef VIOLA_BACKEND_H
#define VIOLA_BACKEND_H

#include <linux/types.h>

struct file;
struct ptr_ring;
struct socket;

struct viola_backend {
	struct file *file; /* holds everything else; NULL: no backend */
	struct socket *sock;
	struct ptr_ring *ring; /* frames for the guest, or NULL */
	u16 headroom; /* bytes before a batched frame's pad */
	bool batches; /* takes TUN_MSG_PTR */
};

/*
 * Resolves @fd once. -EBADF, -ENOTSOCK for what is none of the above,
 * -EPFNOSUPPORT for a packet socket that is not raw. To be put by viola_backend_put().
 */
int viola_backend_get(struct viola_backend *backend, int fd);
void viola_backend_put(struct viola_backend *backend);

#endif
