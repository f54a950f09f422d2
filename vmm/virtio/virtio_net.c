// SPDX-License-Identifier: GPL-2.0
/*
 * The virtio network device (virtio 1.2, 5.1) without its data path: which
 * features, the configuration space, the control queue.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "vmm/complain.h"
#include "vmm/error.h"
#include "vmm/virtio/net_device.h"
#include "vmm/virtio/virtio_pci.h"
#include "vmm/vm.h"

#define PCI_CLASS_ETHERNET 0x020000

/* Newer than the headers of some hosts (virtio 1.2, 5.1.3). */
#define NET_F_GUEST_USO4 54
#define NET_F_GUEST_USO6 55
#define NET_F_HOST_USO 56

#define BIT(n) (1ull << (n))

#define RING_FEATURES (BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX))

/* What needs no help from the far end. */
#define OWN_FEATURES                                                             \
	(RING_FEATURES | BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) |      \
	 BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_CTRL_VQ) |               \
	 BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) |           \
	 BIT(VIRTIO_NET_F_CTRL_MAC_ADDR))

/* What the far end's offloads allow in each direction. */
static const struct {
	u32 offloads; /* all of these */
	u64 host; /* frames from the guest */
	u64 guest; /* frames to the guest */
} offload_feature[] = {
	{ NET_OFFLOAD_CSUM, BIT(VIRTIO_NET_F_CSUM), BIT(VIRTIO_NET_F_GUEST_CSUM) },
	{ NET_OFFLOAD_TSO4, BIT(VIRTIO_NET_F_HOST_TSO4), BIT(VIRTIO_NET_F_GUEST_TSO4) },
	{ NET_OFFLOAD_TSO6, BIT(VIRTIO_NET_F_HOST_TSO6), BIT(VIRTIO_NET_F_GUEST_TSO6) },
	{ NET_OFFLOAD_TSO_ECN, BIT(VIRTIO_NET_F_HOST_ECN), BIT(VIRTIO_NET_F_GUEST_ECN) },
	{ NET_OFFLOAD_UFO, BIT(VIRTIO_NET_F_HOST_UFO), BIT(VIRTIO_NET_F_GUEST_UFO) },
	{ NET_OFFLOAD_USO4, 0, BIT(NET_F_GUEST_USO4) },
	{ NET_OFFLOAD_USO6, 0, BIT(NET_F_GUEST_USO6) },
	{ NET_OFFLOAD_USO4 | NET_OFFLOAD_USO6, BIT(NET_F_HOST_USO), 0 },
};

/* 5.1.3.1: each of these needs one of those. */
static const struct {
	u64 feature, one_of;
} feature_needs[] = {
	{ BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) |
		  BIT(VIRTIO_NET_F_GUEST_UFO) | BIT(NET_F_GUEST_USO4) | BIT(NET_F_GUEST_USO6),
	  BIT(VIRTIO_NET_F_GUEST_CSUM) },
	{ BIT(VIRTIO_NET_F_GUEST_ECN),
	  BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) },
	{ BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_UFO) |
		  BIT(NET_F_HOST_USO),
	  BIT(VIRTIO_NET_F_CSUM) },
	{ BIT(VIRTIO_NET_F_HOST_ECN), BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) },
	{ BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_RX_EXTRA) | BIT(VIRTIO_NET_F_MQ) |
		  BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS),
	  BIT(VIRTIO_NET_F_CTRL_VQ) },
};

/* struct virtio_net_config as far as our features reach (5.1.4). */
struct net_config {
	u8 mac[ETH_ALEN];
	__le16 status;
	__le16 max_virtqueue_pairs;
	__le16 mtu;
};

static struct virtio_net *from_dev(struct virtio_device *dev)
{
	return (struct virtio_net *)((char *)dev - offsetof(struct virtio_net, dev));
}

static u64 features_possible(const struct virtio_net *net)
{
	u64 features = OWN_FEATURES;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offload_feature); i++)
		if ((net->be->offloads_possible & offload_feature[i].offloads) ==
		    offload_feature[i].offloads)
			features |= offload_feature[i].host | offload_feature[i].guest;
	if (features & BIT(VIRTIO_NET_F_GUEST_CSUM))
		features |= BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	if (net->pairs > 1)
		features |= BIT(VIRTIO_NET_F_MQ);
	if (net->mtu)
		features |= BIT(VIRTIO_NET_F_MTU);
	return features;
}

/* The NET_OFFLOAD_* that frames to a guest with @features may carry. */
static u32 guest_offloads(u64 features)
{
	u32 offloads = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offload_feature); i++)
		if (features & offload_feature[i].guest)
			offloads |= offload_feature[i].offloads;
	return offloads;
}

static u64 guest_offload_features(void)
{
	u64 features = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(offload_feature); i++)
		features |= offload_feature[i].guest;
	return features;
}

/* 5.1.2: the control queue follows the pairs; without MQ there is one pair. */
static unsigned int control_index(const struct virtio_net *net)
{
	return net->features & BIT(VIRTIO_NET_F_MQ) ? 2 * net->pairs : 2;
}

/* With lock held. */
static int pairs_set(struct virtio_net *net, unsigned int nr)
{
	int err;

	/* Nobody may look at a queue that the far end has taken away. */
	if (nr < net->pairs_now)
		net->plane->ops->set_pairs(net->plane, nr);
	err = net->be->ops->set_queues(net->be, nr);
	net->plane->ops->set_pairs(net->plane, err ? min(nr, net->pairs_now) : nr);
	if (!err)
		net->pairs_now = nr;
	return err;
}

/* ------------------------------------------------------------------------
 * Control queue (5.1.6.5)
 *
 * What the far end delivers is what its owner lets in: receive modes and
 * address tables are accepted, and more than they ask for may arrive, as 5.1
 * allows for filters ("best effort").
 */

struct control_command {
	struct virtio_net *net;
	const struct viola_chain *chain;
};

/* The @len bytes after the command's header; false if it is shorter. */
static bool control_data(const struct control_command *cmd, void *to, u32 len)
{
	return viola_segs_read(cmd->chain->seg, cmd->chain->nout,
			       sizeof(struct virtio_net_ctrl_hdr), to, len) == len;
}

static bool control_accept(struct control_command *cmd)
{
	return true;
}

static bool control_rx_mode(struct control_command *cmd)
{
	u8 on;

	return control_data(cmd, &on, sizeof(on));
}

static bool control_mac(struct control_command *cmd)
{
	u8 mac[ETH_ALEN];

	/* All of it or nothing: a short command changes nothing. */
	if (!control_data(cmd, mac, sizeof(mac)))
		return false;
	memcpy(cmd->net->mac_now, mac, sizeof(mac));
	return true;
}

static bool control_pairs(struct control_command *cmd)
{
	__le16 raw;
	u16 pairs;

	if (!control_data(cmd, &raw, sizeof(raw)))
		return false;
	pairs = le16_to_cpu(raw);
	if (!pairs || pairs > cmd->net->pairs)
		return false;
	return !pairs_set(cmd->net, pairs);
}

static bool control_offloads(struct control_command *cmd)
{
	struct virtio_net *net = cmd->net;
	__le64 raw;
	u64 features;

	if (!control_data(cmd, &raw, sizeof(raw)))
		return false;
	features = le64_to_cpu(raw);
	if (features & ~(net->features & guest_offload_features()))
		return false;
	return !net->be->ops->set_header(net->be, NET_HDR_LEN, guest_offloads(features));
}

static const struct {
	u8 class, cmd;
	u8 feature; /* that must have been negotiated */
	bool (*run)(struct control_command *cmd);
} control_command[] = {
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, VIRTIO_NET_F_CTRL_RX, control_rx_mode },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, VIRTIO_NET_F_CTRL_RX, control_rx_mode },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLUNI, VIRTIO_NET_F_CTRL_RX_EXTRA,
	  control_rx_mode },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOMULTI, VIRTIO_NET_F_CTRL_RX_EXTRA,
	  control_rx_mode },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOUNI, VIRTIO_NET_F_CTRL_RX_EXTRA,
	  control_rx_mode },
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, VIRTIO_NET_F_CTRL_RX_EXTRA,
	  control_rx_mode },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, VIRTIO_NET_F_CTRL_RX,
	  control_accept },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_F_CTRL_MAC_ADDR,
	  control_mac },
	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_F_MQ, control_pairs },
	{ VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
	  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, control_offloads },
};

static u8 control_run(struct virtio_net *net, const struct viola_chain *chain)
{
	struct control_command cmd = { .net = net, .chain = chain };
	struct virtio_net_ctrl_hdr hdr;
	unsigned int i;

	if (viola_segs_read(chain->seg, chain->nout, 0, &hdr, sizeof(hdr)) != sizeof(hdr))
		return VIRTIO_NET_ERR;
	for (i = 0; i < ARRAY_SIZE(control_command); i++)
		if (control_command[i].class == hdr.class && control_command[i].cmd == hdr.cmd &&
		    net->features >> control_command[i].feature & 1)
			return control_command[i].run(&cmd) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
	return VIRTIO_NET_ERR;
}

/* With lock held. Bounded by the ring size, so that no guest keeps it busy. */
static int control_serve(struct virtio_net *net)
{
	struct viola_ring *ring = &net->control.ring;
	struct viola_seg seg[NET_QUEUE_SIZE]; /* as many as a chain can have (2.7.5.3.1) */
	struct viola_chain chain = { .seg = seg, .seg_max = ARRAY_SIZE(seg) };
	u32 budget = ring->num;
	int ret;

	do {
		while ((ret = viola_ring_pop(ring, &chain)) == 1) {
			u8 ack;

			if (!chain.in_len)
				return -EPROTO; /* nowhere to answer */
			ack = control_run(net, &chain);
			viola_segs_write(seg + chain.nout, chain.nin, 0, &ack, sizeof(ack));
			viola_ring_push(ring, chain.id, sizeof(ack));
			viola_ring_publish(ring);
			if (viola_ring_needs_call(ring))
				virtio_call(&net->dev, control_index(net));
			if (!--budget) {
				eventfd_write(net->control_kick.fd, 1);
				return 0;
			}
		}
	} while (ret == 0 && (ret = viola_ring_enable_kick(ring)) == 1);
	return ret;
}

static void control_kicked(struct loop_source *source, uint32_t events)
{
	struct virtio_net *net = source->opaque;
	eventfd_t count;

	eventfd_read(source->fd, &count);
	pthread_mutex_lock(&net->lock);
	if (net->control_active && control_serve(net) < 0) {
		virtio_complain(&net->dev, "control queue: %s",
				viola_ring_broken(&net->control.ring) ?
					viola_ring_error_name(net->control.ring.error) :
					"no room for an answer");
		net->control_active = false;
		virtio_needs_reset(&net->dev);
	}
	pthread_mutex_unlock(&net->lock);
}

static int control_activate(struct virtio_net *net, unsigned int index,
			    const struct virtio_vring *vring)
{
	int err = virtio_queue_init(&net->control, &net->dev.memory->map, vring, net->features);

	if (err)
		return err;
	net->control_kick.fd = virtio_kick_fd(&net->dev, index);
	net->control_kick.ready = control_kicked;
	net->control_kick.opaque = net;
	err = loop_add(net->loop, &net->control_kick, EPOLLIN);
	if (err)
		return err;
	pthread_mutex_lock(&net->lock);
	net->control_active = true;
	pthread_mutex_unlock(&net->lock);
	/* What is there already gets no kick. */
	eventfd_write(net->control_kick.fd, 1);
	return 0;
}

static void control_deactivate(struct virtio_net *net)
{
	pthread_mutex_lock(&net->lock);
	net->control_active = false;
	pthread_mutex_unlock(&net->lock);
	loop_remove(net->loop, &net->control_kick);
}

/* ------------------------------------------------------------------------
 * Device operations
 */

static void net_config_read(struct virtio_device *dev, u32 off, void *to, u32 len)
{
	struct virtio_net *net = from_dev(dev);
	struct net_config config = {
		.max_virtqueue_pairs = cpu_to_le16(net->pairs),
		.mtu = cpu_to_le16(net->mtu),
	};

	pthread_mutex_lock(&net->lock);
	memcpy(config.mac, net->mac_now, ETH_ALEN);
	config.status = cpu_to_le16(net->link_up ? VIRTIO_NET_S_LINK_UP : 0);
	pthread_mutex_unlock(&net->lock);
	memcpy(to, (char *)&config + off, len);
}

static int net_set_features(struct virtio_device *dev, u64 features)
{
	struct virtio_net *net = from_dev(dev);
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(feature_needs); i++)
		if (features & feature_needs[i].feature && !(features & feature_needs[i].one_of))
			return -EINVAL;
	err = net->plane->ops->set_features(net->plane, features);
	if (!err)
		err = net->be->ops->set_header(net->be, NET_HDR_LEN, guest_offloads(features));
	if (err)
		return err;
	pthread_mutex_lock(&net->lock);
	net->features = features;
	pthread_mutex_unlock(&net->lock);
	return 0;
}

static bool is_control(const struct virtio_net *net, unsigned int index)
{
	return net->features & BIT(VIRTIO_NET_F_CTRL_VQ) && index == control_index(net);
}

static bool is_data(const struct virtio_net *net, unsigned int index)
{
	return index < 2 * (net->features & BIT(VIRTIO_NET_F_MQ) ? net->pairs : 1);
}

static int net_activate(struct virtio_device *dev, unsigned int index,
			const struct virtio_vring *vring)
{
	struct virtio_net *net = from_dev(dev);

	if (is_control(net, index))
		return control_activate(net, index, vring);
	if (!is_data(net, index))
		return vmm_fail(EINVAL, "no such queue with the features negotiated");
	return net->plane->ops->activate(net->plane, index, vring);
}

static void net_deactivate(struct virtio_device *dev, unsigned int index)
{
	struct virtio_net *net = from_dev(dev);

	if (is_control(net, index))
		control_deactivate(net);
	else
		net->plane->ops->deactivate(net->plane, index);
}

static void net_reset(struct virtio_device *dev)
{
	struct virtio_net *net = from_dev(dev);

	pthread_mutex_lock(&net->lock);
	net->features = 0;
	memcpy(net->mac_now, net->mac, ETH_ALEN);
	pairs_set(net, 1);
	pthread_mutex_unlock(&net->lock);
	net->be->ops->set_header(net->be, NET_HDR_LEN, 0);
}

/* With whatever locks of the transport: the loop does it, see calls_changed(). */
static void net_calls_changed(struct virtio_device *dev)
{
	eventfd_write(from_dev(dev)->calls_changed.fd, 1);
}

static void calls_changed(struct loop_source *source, uint32_t events)
{
	struct virtio_net *net = source->opaque;
	eventfd_t count;

	eventfd_read(source->fd, &count);
	net->plane->ops->calls_changed(net->plane);
	pthread_mutex_lock(&net->lock);
	if (net->control_active)
		virtio_call(&net->dev, control_index(net));
	pthread_mutex_unlock(&net->lock);
}

static int calls_watch_start(struct virtio_net *net)
{
	net->calls_changed.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (net->calls_changed.fd < 0)
		return vmm_fail(errno, "%s: cannot create an eventfd: %m", net->name);
	net->calls_changed.ready = calls_changed;
	net->calls_changed.opaque = net;
	return loop_add(net->loop, &net->calls_changed, EPOLLIN);
}

static void net_quiesce(struct virtio_device *dev)
{
	struct virtio_net *net = from_dev(dev);

	loop_pause(net->loop);
	net->plane->ops->quiesce(net->plane);
}

static int net_resume(struct virtio_device *dev)
{
	struct virtio_net *net = from_dev(dev);
	int err = net->plane->ops->resume(net->plane);

	loop_resume(net->loop);
	return err;
}

static void net_stats(struct virtio_device *dev, FILE *out)
{
	struct virtio_net *net = from_dev(dev);
	u64 features;
	unsigned int pairs;

	pthread_mutex_lock(&net->lock);
	features = net->features;
	pairs = net->pairs_now;
	pthread_mutex_unlock(&net->lock);
	fprintf(out, "\"backend\": \"%s\", \"features\": \"%#llx\", \"pairs\": %u, ",
		net->be->ops->name, (unsigned long long)features, pairs);
	net->plane->ops->stats(net->plane, out);
}

static void net_destroy(struct virtio_device *dev)
{
	struct virtio_net *net = from_dev(dev);

	/* What is watched tells the plane, and the plane is on the loop. */
	if (net->loop) {
		loop_remove(net->loop, &net->far_watch);
		loop_remove(net->loop, &net->calls_changed);
	}
	if (net->plane)
		net->plane->ops->destroy(net->plane);
	if (net->loop)
		loop_destroy(net->loop);
	if (net->calls_changed.fd >= 0)
		close(net->calls_changed.fd);
	net->be->ops->destroy(net->be);
	virtio_queue_free(&net->control);
	pthread_mutex_destroy(&net->lock);
	free(net);
}

static const struct virtio_device_ops net_ops = {
	.config_size = sizeof(struct net_config),
	.config_read = net_config_read,
	.set_features = net_set_features,
	.activate = net_activate,
	.deactivate = net_deactivate,
	.reset = net_reset,
	.calls_changed = net_calls_changed,
	.quiesce = net_quiesce,
	.resume = net_resume,
	.stats = net_stats,
	.destroy = net_destroy,
};

void virtio_net_link_lost(struct virtio_net *net)
{
	bool was;

	pthread_mutex_lock(&net->lock);
	was = net->link_up;
	net->link_up = false;
	pthread_mutex_unlock(&net->lock);
	if (!was)
		return;
	vmm_say("%s: the %s backend is gone, link down", net->name, net->be->ops->name);
	if (net->plane->ops->far_lost)
		net->plane->ops->far_lost(net->plane);
	virtio_config_changed(&net->dev);
}

static void far_changed(struct loop_source *source, uint32_t events)
{
	struct virtio_net *net = source->opaque;

	if (!net->be->ops->watched(net->be))
		return;
	loop_remove(net->loop, source);
	virtio_net_link_lost(net);
}

static int far_watch_start(struct virtio_net *net)
{
	net->far_watch.fd = net_backend_watch_fd(net->be);
	net->far_watch.ready = far_changed;
	net->far_watch.opaque = net;
	return net->far_watch.fd < 0 ? 0 : loop_add(net->loop, &net->far_watch, EPOLLIN);
}

/*
 * What is offered as the MTU, or 0. The device must not offer less than 68 bytes
 * nor change its mind (5.1.4.1), so it is the far end's of now.
 */
static u16 mtu_of(const struct net_backend *be)
{
	return be->mtu >= 68 && be->mtu <= 65535 ? (u16)be->mtu : 0;
}

int virtio_net_create(struct vm *vm, struct net_backend *be, const struct nic_config *cfg,
		      const char *vhost_device)
{
	struct virtio_net *net = calloc(1, sizeof(*net));
	int err;

	if (!net) {
		be->ops->destroy(be);
		return vmm_fail(ENOMEM, "out of memory for a network device");
	}
	snprintf(net->name, sizeof(net->name), "net%u", cfg->index);
	pthread_mutex_init(&net->lock, NULL);
	net->be = be;
	net->calls_changed.fd = -1;
	net->pairs = min(cfg->queues, be->queues);
	net->pairs_now = net->pairs; /* as the far end was opened */
	net->link_up = true;
	net->mtu = mtu_of(be);
	memcpy(net->mac, cfg->mac, ETH_ALEN);
	memcpy(net->mac_now, cfg->mac, ETH_ALEN);
	net->dev.ops = &net_ops;
	net->dev.name = net->name;
	net->dev.type = VIRTIO_ID_NET;
	net->dev.queues = 2 * net->pairs + 1;
	net->dev.queue_size = NET_QUEUE_SIZE;
	net->dev.memory = &vm->mem;

	err = virtio_queue_alloc(&net->control, NET_QUEUE_SIZE);
	if (!err)
		err = loop_create(&net->loop, net->name);
	if (!err)
		err = calls_watch_start(net);
	if (!err)
		err = vhost_device ? net_vhost_create(net, vhost_device) : net_rings_create(net);
	if (!err)
		err = be->ops->set_header(be, NET_HDR_LEN, 0);
	if (!err)
		err = pairs_set(net, 1);
	if (err) {
		net_destroy(&net->dev);
		return err;
	}
	net->dev.features = features_possible(net) & net->plane->features;
	err = virtio_pci_create(vm, &net->dev, PCI_CLASS_ETHERNET);
	/* From here on the device is the bus's, and telling the driver works. */
	return err ? err : far_watch_start(net);
}
