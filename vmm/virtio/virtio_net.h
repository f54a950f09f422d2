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

/* One queue's counters; those of a queue that the kernel runs stay 0. */
struct virtio_net_stats {
	u64 frames, bytes; /* passed, without virtio header */
	u64 kicks; /* wake-ups by the driver */
	u64 calls; /* interrupts asked of the transport */
	u64 suppressed; /* batches for which the driver wanted none */
	u64 batches; /* publications of used buffers */
	u64 drops; /* frames that did not fit, or that the far end refused */
	u64 waits; /* times the far end could take no more, or the guest had no buffer */
	u64 errors; /* queue broken by what the driver did */
};

#endif
