/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * viola.ko's own ioctls, beside those of <linux/vhost.h>, which its devices
 * also take. A program asks VIOLA_GET_CAPS first: it fails on /dev/vhost-net.
 */
#ifndef _UAPI_VIOLA_H
#define _UAPI_VIOLA_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <linux/vhost.h>

/* vhost got workers in 6.5; these are numbers, known to every monitor. */
#ifndef VHOST_NEW_WORKER
struct vhost_worker_state {
	unsigned int worker_id;
};

struct vhost_vring_worker {
	unsigned int index;
	unsigned int worker_id;
};

#define VHOST_NEW_WORKER	  _IOR(VHOST_VIRTIO, 0x8, struct vhost_worker_state)
#define VHOST_FREE_WORKER	  _IOW(VHOST_VIRTIO, 0x9, struct vhost_worker_state)
#define VHOST_ATTACH_VRING_WORKER _IOW(VHOST_VIRTIO, 0x15, struct vhost_vring_worker)
#define VHOST_GET_VRING_WORKER	  _IOWR(VHOST_VIRTIO, 0x16, struct vhost_vring_worker)
#endif

#define VIOLA_IOCTL_MAGIC 0xB9 /* numbers 0x40 to 0x5f */

/* Counts up when a meaning changes; additions get a bit in features instead. */
#define VIOLA_ABI_VERSION 1

#define VIOLA_CAP_MODE_WORKER	(1ULL << 0) /* a kernel thread per queue */
#define VIOLA_CAP_MEM_PINNED	(1ULL << 1) /* guest memory pinned */
#define VIOLA_CAP_QUEUE_STATS	(1ULL << 2) /* VIOLA_GET_QUEUE_STATS */

/*
 * Structs with a size: the caller stores sizeof of the struct it knows, the
 * kernel fills in as much as both know and stores the size that it knows. What
 * only the caller knows comes back as 0.
 */
struct viola_caps {
	__u32 size; /* bytes, in and out */
	__u32 version; /* VIOLA_ABI_VERSION */
	__u64 features; /* VIOLA_CAP_* */
	__u32 queues; /* virtqueues per file descriptor */
	__u32 max_mem_regions; /* of VHOST_SET_MEM_TABLE */
};

/* Since the queue's device was opened; they never go back. */
struct viola_queue_stats {
	__u32 size; /* bytes, in and out */
	__u32 index; /* in: which virtqueue */
	__u64 packets; /* moved between ring and backend */
	__u64 bytes; /* of frames, virtio header not included */
	__u64 kicks; /* notifications by the driver */
	__u64 wakes; /* by the backend: frames came, or room to send */
	__u64 services; /* times the queue was served */
	__u64 calls; /* interrupts sent */
	__u64 calls_suppressed; /* not wanted by the driver */
	__u64 batches; /* hand-overs of several frames at once */
	__u64 batched; /* frames in those */
	__u64 no_buffers; /* waits for the driver to offer buffers */
	__u64 blocked; /* waits for the backend to take frames */
	__u64 drops_backend; /* refused by the backend */
	__u64 drops_size; /* larger than the buffers offered */
	__u64 errors; /* what the driver did wrong and stopped the queue */
};

#define VIOLA_GET_CAPS _IOWR(VIOLA_IOCTL_MAGIC, 0x40, struct viola_caps)
#define VIOLA_GET_QUEUE_STATS _IOWR(VIOLA_IOCTL_MAGIC, 0x41, struct viola_queue_stats)

#endif
