/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The network device: queue 0 brings frames to the guest, queue 1 takes its
 * frames, as vhost-net numbers them.
 */
#ifndef VIOLA_NET_H
#define VIOLA_NET_H

#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/xdp.h>

#include "backend.h"
#include "frag.h"
#include "worker.h"

/* Frames handed over at once, to and from the backend. */
#define VIOLA_NET_BATCH 64

enum { VIOLA_NET_RX, VIOLA_NET_TX, VIOLA_NET_QUEUES };

struct viola_net_queue {
	struct viola_queue q;
	struct viola_backend backend; /* as long as q runs */
	/*
	 * Bytes of virtio header before each frame in the ring: either the
	 * backend's, and handed over with the frame, or ours to write or skip.
	 */
	u32 hdr_sock, hdr_own;
};

struct viola_net_tx {
	struct viola_net_queue nq;
	struct viola_frag frag;
	u32 nr; /* frames in xdp[] and ids[], between service steps 0 */
	u16 id[VIOLA_NET_BATCH];
	struct xdp_buff xdp[VIOLA_NET_BATCH];
};

struct viola_net_rx {
	struct viola_net_queue nq;
	u32 held_at, held_nr; /* held[held_at … held_nr): taken, not delivered */
	void *held[VIOLA_NET_BATCH];
	struct {
		u16 id;
		u32 len;
	} buffer[VIOLA_SEGS]; /* of the frame at hand */
};

struct viola_net {
	struct viola_device dev;
	struct viola_net_rx rx;
	struct viola_net_tx tx;
};

extern const struct viola_device_type viola_net_type;
extern const struct viola_queue_ops viola_net_rx_ops, viola_net_tx_ops;

#endif
