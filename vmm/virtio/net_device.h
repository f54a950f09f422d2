/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_VIRTIO_NET_DEVICE_H
#define VMM_VIRTIO_NET_DEVICE_H

#include <pthread.h>

#include "vmm/loop.h"
#include "vmm/net/backend.h"
#include "vmm/net/nic.h"
#include "vmm/virtio/queue.h"
#include "vmm/virtio/virtio.h"
#include "vmm/virtio/virtio_net.h"

/*
 * The network device's inside: virtio_net.c is features, configuration and
 * control queue; a plane runs the receive and transmit queues: net_rings.c on
 * threads of this process, vhost.c by a kernel data plane.
 */

#define NET_PAIRS_MAX NIC_QUEUES_MAX
#define NET_QUEUE_SIZE 256
/* struct virtio_net_hdr_mrg_rxbuf: always, as VERSION_1 is (5.1.6.1). */
#define NET_HDR_LEN 12

struct virtio_net;
struct net_plane;

struct net_plane_ops {
	/*
	 * Threads: set_pairs() and calls_changed() come from the device's loop, all
	 * others with the transport's lock.
	 */
	/* As struct virtio_device_ops, for queues 0 … 2 * pairs - 1. */
	int (*set_features)(struct net_plane *plane, u64 features);
	int (*activate)(struct net_plane *plane, unsigned int index,
			const struct virtio_vring *vring);
	void (*deactivate)(struct net_plane *plane, unsigned int index);
	/*
	 * Interrupts go another way, or go again, under running queues. Each running
	 * queue must interrupt once: what was sent the old way may be lost, and the ring
	 * takes it for heard. A driver must bear a spurious one (virtio 1.2, 2.7.7).
	 */
	void (*calls_changed)(struct net_plane *plane);
	/* Pairs 0 … nr - 1 carry traffic. */
	void (*set_pairs)(struct net_plane *plane, unsigned int nr);
	/* As struct virtio_device_ops; the device's loop is paused. */
	void (*quiesce)(struct net_plane *plane);
	int (*resume)(struct net_plane *plane);
	/* Optional: the far end is gone for good, nothing more comes or goes. */
	void (*far_lost)(struct net_plane *plane);
	/* Counters as JSON members; any thread. */
	void (*stats)(struct net_plane *plane, FILE *out);
	void (*destroy)(struct net_plane *plane);
};

struct net_plane {
	const struct net_plane_ops *ops;
	u64 features; /* device features that the plane cannot do are missing */
};

struct virtio_net {
	struct virtio_device dev;
	struct net_backend *be;
	struct net_plane *plane;
	unsigned int pairs; /* constant */
	u16 mtu; /* offered; 0: none; constant */
	char name[16];
	u8 mac[6]; /* given at creation */

	struct loop *loop; /* control queue, and what the plane wants watched */
	struct loop_source control_kick;
	struct loop_source far_watch; /* whether the far end is still there */
	struct loop_source calls_changed; /* eventfd: where interrupts go has changed */

	pthread_mutex_t lock; /* guards what follows */
	u64 features; /* negotiated; changes only while no queue is active */
	u8 mac_now[6];
	bool link_up;
	unsigned int pairs_now;
	struct virtio_queue control;
	bool control_active;
};

/* The far end is gone for good: the link goes down. Any thread, no locks. */
void virtio_net_link_lost(struct virtio_net *net);

/* Makes net->plane. 0 or -errno with a recorded sentence. */
int net_rings_create(struct virtio_net *net);
int net_vhost_create(struct virtio_net *net, const char *node);

#endif
