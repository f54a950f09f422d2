// SPDX-License-Identifier: GPL-2.0
#include <linux/file.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>
#include <linux/vhost.h>

#include "log.h"
#include "mem.h"
#include "net.h"

#define NET_FEATURES (BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | \
		      BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) | \
		      BIT_ULL(VHOST_NET_F_VIRTIO_NET_HDR) | BIT_ULL(VHOST_F_LOG_ALL) | \
		      BIT_ULL(VIRTIO_F_RING_RESET) | BIT_ULL(VIRTIO_F_NOTIFY_ON_EMPTY))

/* VIRTIO_F_ANY_LAYOUT and VHOST_NET_F_VIRTIO_NET_HDR are the same bit. */
static_assert(VIRTIO_F_ANY_LAYOUT == VHOST_NET_F_VIRTIO_NET_HDR);

static inline struct viola_net *to_net(struct viola_device *dev)
{
	return container_of(dev, struct viola_net, dev);
}

static void net_features_set(struct viola_device *dev, u64 features)
{
	struct viola_net *net = to_net(dev);
	struct viola_net_queue *nqs[] = { &net->rx.nq, &net->tx.nq };
	bool own = features & BIT_ULL(VHOST_NET_F_VIRTIO_NET_HDR);
	bool counted = features & (BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) | BIT_ULL(VIRTIO_F_VERSION_1));
	u32 len = counted ? sizeof(struct virtio_net_hdr_mrg_rxbuf) :
			    sizeof(struct virtio_net_hdr);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(nqs); i++) {
		nqs[i]->hdr_own = own ? len : 0;
		nqs[i]->hdr_sock = own ? 0 : len;
	}
}

static int net_init(struct viola_device *dev)
{
	struct viola_net *net = to_net(dev);
	int err;

	dev->queues[VIOLA_NET_RX] = &net->rx.nq.q;
	dev->queues[VIOLA_NET_TX] = &net->tx.nq.q;
	net_features_set(dev, 0);
	err = viola_queue_init(&net->rx.nq.q, dev, VIOLA_NET_RX, &viola_net_rx_ops);
	if (err)
		return err;
	err = viola_queue_init(&net->tx.nq.q, dev, VIOLA_NET_TX, &viola_net_tx_ops);
	if (err)
		viola_queue_destroy(&net->rx.nq.q);
	return err;
}

/* All queues are stopped: their backends go. */
static void net_exit(struct viola_device *dev)
{
	struct viola_net *net = to_net(dev);

	viola_backend_put(&net->rx.nq.backend);
	viola_backend_put(&net->tx.nq.backend);
	viola_frag_drain(&net->tx.frag);
}

static int net_set_backend(struct viola_device *dev, void __user *argp)
{
	struct viola_backend backend = {};
	struct viola_rings *rings = NULL;
	struct viola_log *log = NULL;
	struct vhost_vring_file f;
	struct viola_net_queue *nq;
	struct viola_queue *q;
	int err;

	if (copy_from_user(&f, argp, sizeof(f)))
		return -EFAULT;
	if (f.index >= VIOLA_NET_QUEUES)
		return -ENOBUFS;
	q = dev->queues[array_index_nospec(f.index, VIOLA_NET_QUEUES)];
	nq = container_of(q, struct viola_net_queue, q);

	/* Everything that can fail, before anything changes. */
	if (f.fd != VHOST_FILE_UNBIND) {
		rings = viola_rings_create(q, &q->addr);
		if (IS_ERR(rings))
			return PTR_ERR(rings);
		err = viola_backend_get(&backend, f.fd);
		if (err)
			goto fail;
		/* A tap without an interface, not attached or gone. */
		err = -EINVAL;
		if (vfs_poll(backend.file, NULL) & EPOLLERR)
			goto fail;
		if (!dev->log) {
			err = viola_device_make_log(dev, dev->features, dev->log_base,
						    dev->table->top, true, &log);
			if (err)
				goto fail;
		}
	}
	if (log) {
		viola_device_lock_queues(dev);
		dev->log = log;
		viola_device_unlock_queues(dev);
	}
	viola_queue_lock(q);
	viola_watch_stop(&q->backend_watch);
	rings = viola_rings_swap(q, rings);
	swap(nq->backend, backend);
	q->broken = NULL;
	/* A sender watches only while it is blocked. */
	if (q->running && q->index == VIOLA_NET_RX)
		viola_watch_start(&q->backend_watch, nq->backend.file, EPOLLIN);
	viola_queue_unlock(q);

	viola_rings_destroy(dev, rings);
	viola_backend_put(&backend);
	viola_queue_wake(q);
	return 0;
fail:
	viola_rings_destroy(dev, rings);
	viola_backend_put(&backend);
	return err;
}

static int net_ioctl(struct viola_device *dev, unsigned int cmd, void __user *argp)
{
	return cmd == VHOST_NET_SET_BACKEND ? net_set_backend(dev, argp) : -ENOIOCTLCMD;
}

const struct viola_device_type viola_net_type = {
	.name = "net",
	.features = NET_FEATURES,
	.nr_queues = VIOLA_NET_QUEUES,
	.size = sizeof(struct viola_net),
	.init = net_init,
	.exit = net_exit,
	.features_set = net_features_set,
	.ioctl = net_ioctl,
};
