/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_VIRTIO_VIRTIO_NET_H
#define VMM_VIRTIO_VIRTIO_NET_H

#include <viola/env.h>

struct vm;
struct net_backend;
struct nic_config;

/*
 * Puts a virtio network device (virtio 1.2, 5.1) on @vm's PCI bus. Its queues
 * are run by threads of this process that talk to @be, or, with
 * @vhost_device (/dev/vhost-net, /dev/viola-net), by the kernel, which then
 * talks to be->ops->kernel_fd().
 *
 * @be belongs to the device from here on, also if this fails. 0 or -errno
 * with a recorded sentence.
 */
int virtio_net_create(struct vm *vm, struct net_backend *be, const struct nic_config *cfg,
		      const char *vhost_device);

#endif
