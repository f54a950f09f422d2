/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_NET_BACKEND_H
#define VMM_NET_BACKEND_H

#include <sys/types.h>

#include <viola/mem.h>

/*
 * A far end of a network path: tap, reflect, … A NIC model sends frames to
 * it and takes frames from it, by queue. Each frame is preceded by a
 * struct virtio_net_hdr(_mrg_rxbuf) of hdr_len bytes (0: none), whose meaning
 * is virtio's; a NIC without offloads asks for 0.
 */
struct net_backend;

/* What a frame from or to the backend may leave to the other side. */
#define NET_OFFLOAD_CSUM 0x01 /* = TUN_F_CSUM */
#define NET_OFFLOAD_TSO4 0x02
#define NET_OFFLOAD_TSO6 0x04
#define NET_OFFLOAD_TSO_ECN 0x08
#define NET_OFFLOAD_UFO 0x10
#define NET_OFFLOAD_USO4 0x20
#define NET_OFFLOAD_USO6 0x40

struct net_backend_ops {
	const char *name;
	/*
	 * Sends one frame. 0; -EAGAIN: not now (the frame stays the caller's);
	 * another -errno: the frame is bad or lost.
	 */
	int (*send)(struct net_backend *be, unsigned int queue, const struct viola_seg *seg,
		    u32 nr);
	/*
	 * Takes one frame. Bytes, header included; -EAGAIN: none. A frame
	 * longer than the pieces is cut.
	 */
	ssize_t (*recv)(struct net_backend *be, unsigned int queue, const struct viola_seg *seg,
			u32 nr);
	/* Readable when a frame can be taken; the backend owns it. */
	int (*fd)(struct net_backend *be, unsigned int queue);
	/*
	 * The descriptor a kernel data plane attaches to (VHOST_NET_SET_BACKEND),
	 * or -EOPNOTSUPP.
	 */
	int (*kernel_fd)(struct net_backend *be, unsigned int queue);
	/* Header length and NET_OFFLOAD_* that frames to the guest may carry. */
	int (*set_header)(struct net_backend *be, u32 hdr_len, u32 offloads);
	/* How many queues carry traffic: 1 … queues. */
	int (*set_queues)(struct net_backend *be, unsigned int nr);
	/*
	 * Optional, for a far end that somebody may take away: a descriptor that
	 * is readable when that may have happened, whoever moves the frames.
	 * watched() takes what it reports, and says whether the far end is gone
	 * for good. One thread.
	 */
	int (*watch_fd)(struct net_backend *be);
	bool (*watched)(struct net_backend *be);
	/*
	 * Optional: whether the far end is gone for good. After an error of
	 * recv(), which may also be about one frame. Any thread.
	 */
	bool (*gone)(struct net_backend *be);
	void (*destroy)(struct net_backend *be);
};

struct net_backend {
	const struct net_backend_ops *ops;
	unsigned int queues; /* opened */
	u32 hdr_len; /* in force */
	u32 offloads_possible; /* NET_OFFLOAD_* the backend can take and give */
	const char *ifname; /* of the host's interface, or "" */
	u32 mtu; /* of the far end, bytes without Ethernet header; 0: unknown */
	u8 mac[6]; /* the only address that it delivers frames for, or zeros: any */
};

static inline int net_backend_watch_fd(struct net_backend *be)
{
	return be->ops->watch_fd ? be->ops->watch_fd(be) : -1;
}

static inline bool net_backend_gone(struct net_backend *be)
{
	return be->ops->gone && be->ops->gone(be);
}

/*
 * Attaches to (or creates) the tap interface @ifname with @queues queues, or to
 * the macvtap or ipvtap interface of that name. A "%d" in the name of a new one
 * becomes a number, see be->ifname.
 */
int tap_backend_open(struct net_backend **be, const char *ifname, unsigned int queues);
/* Sends every frame back with source and destination MAC swapped. */
int reflect_backend_open(struct net_backend **be, unsigned int queues);

#endif
