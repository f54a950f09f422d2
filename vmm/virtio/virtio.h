/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_VIRTIO_VIRTIO_H
#define VMM_VIRTIO_VIRTIO_H

#include <stdio.h>

#include "vmm/memory.h"

/*
 * A virtio device (virtio 1.2) as two halves that know nothing of each other:
 * the device (net, …) behind struct virtio_device_ops, and the transport
 * (PCI) behind struct virtio_transport_ops.
 *
 * Who calls what, and under which lock
 * ------------------------------------
 *
 * The transport calls every device operation with its register lock held, so
 * they never run at the same time, except calls_changed(), which may come
 * from anywhere and must only take note. A device's threads call the
 * transport without any lock of the device that an operation takes: then
 * deactivate() can wait for those threads.
 *
 * The life of a queue: activate() … deactivate(), any number of times. After
 * deactivate() returned nothing of the device touches the queue's memory.
 */

#define VIRTIO_QUEUES_MAX 32u

/*
 * A queue as the driver configured it: a copy taken when it was enabled, so
 * that no later register write can change what was checked.
 */
struct virtio_vring {
	u32 num; /* entries, a power of two */
	u64 desc, driver, device; /* guest addresses of the three parts */
};

struct virtio_device;

struct virtio_device_ops {
	/* Bytes of device configuration space, constant. */
	u32 config_size;
	/* [off, off + len) lies within config_size. */
	void (*config_read)(struct virtio_device *dev, u32 off, void *to, u32 len);
	/* Optional. */
	void (*config_write)(struct virtio_device *dev, u32 off, const void *from, u32 len);
	/*
	 * The driver has chosen @features, a subset of what is offered (by the
	 * transport too) that has VIRTIO_F_VERSION_1. -errno refuses:
	 * FEATURES_OK stays clear.
	 */
	int (*set_features)(struct virtio_device *dev, u64 features);
	/*
	 * Starts queue @index. What is available already must be found without
	 * a kick. -errno breaks the device (DEVICE_NEEDS_RESET).
	 */
	int (*activate)(struct virtio_device *dev, unsigned int index,
			const struct virtio_vring *vring);
	/* Stops queue @index, started before; returns when it has stopped. */
	void (*deactivate)(struct virtio_device *dev, unsigned int index);
	/* Back to the state after creation; no queue is active. */
	void (*reset)(struct virtio_device *dev);
	/*
	 * Optional: call_fd() of some queue may answer differently now. Any
	 * thread, unknown locks held: must not call back nor wait.
	 */
	void (*calls_changed)(struct virtio_device *dev);
	/*
	 * Between these two nothing of the device touches guest memory or its far end, nor
	 * calls; no other operation comes. Queues stay active. -errno with a recorded
	 * sentence: the device cannot go on.
	 */
	void (*quiesce)(struct virtio_device *dev);
	int (*resume)(struct virtio_device *dev);
	/* Optional: counters as JSON members, no braces; any time, any thread. */
	void (*stats)(struct virtio_device *dev, FILE *out);
	/* Frees the device; no queue is active. */
	void (*destroy)(struct virtio_device *dev);
};

/* What a device may ask of its transport, from any thread. */
struct virtio_transport_ops {
	/* Interrupts the driver for used buffers in queue @index. */
	void (*call)(struct virtio_device *dev, unsigned int index);
	/* The configuration space has changed: new generation, interrupt. */
	void (*config_changed)(struct virtio_device *dev);
	/* The device cannot go on: DEVICE_NEEDS_RESET, once, with interrupt. */
	void (*needs_reset)(struct virtio_device *dev);
	/* The eventfd that a kick of queue @index signals; the transport's. */
	int (*kick_fd)(struct virtio_device *dev, unsigned int index);
	/*
	 * An eventfd whose signal is call() of queue @index, for a kernel data
	 * plane, the transport's; -EAGAIN if there is none at present.
	 */
	int (*call_fd)(struct virtio_device *dev, unsigned int index);
};

struct virtio_device {
	/* The device fills in these before it is given to a transport. */
	const struct virtio_device_ops *ops;
	const char *name; /* for messages, threads */
	u16 type; /* virtio device type (virtio 1.2, 5) */
	u64 features; /* offered; the transport adds its own */
	unsigned int queues; /* 1 … VIRTIO_QUEUES_MAX */
	u32 queue_size; /* largest, a power of two */
	struct guest_memory *memory; /* where rings and buffers may lie */
	/* The transport fills in these. */
	const struct virtio_transport_ops *transport;
	void *transport_data;
	u64 complained; /* seconds; when virtio_complain() last printed */
};

/*
 * One line on stderr about what the guest did wrong, at most one per second
 * and device: a guest must not be able to fill the host's log. Any thread.
 */
void virtio_complain(struct virtio_device *dev, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static inline void virtio_call(struct virtio_device *dev, unsigned int index)
{
	dev->transport->call(dev, index);
}

static inline void virtio_config_changed(struct virtio_device *dev)
{
	dev->transport->config_changed(dev);
}

static inline void virtio_needs_reset(struct virtio_device *dev)
{
	dev->transport->needs_reset(dev);
}

static inline int virtio_kick_fd(struct virtio_device *dev, unsigned int index)
{
	return dev->transport->kick_fd(dev, index);
}

static inline int virtio_call_fd(struct virtio_device *dev, unsigned int index)
{
	return dev->transport->call_fd(dev, index);
}

#endif
