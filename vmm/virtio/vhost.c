// SPDX-License-Identifier: GPL-2.0
/*
 * The network device's queues run by the kernel: paths `vhost` and `viola`.
 * Both speak the ABI of <linux/vhost.h> on a device node and differ in which
 * one it is. One open node per queue pair; its ring 0 receives, 1 transmits.
 *
 * Kicks go from KVM to the kernel data plane by the transport's eventfd, and
 * interrupts back by MSI-X's eventfd into KVM: this process sees neither.
 * Only where the driver uses no MSI-X does an eventfd of ours stand in, and
 * the device's loop turns it into an interrupt.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "vmm/error.h"
#include "vmm/virtio/net_device.h"

#define BIT(n) (1ull << (n))

/* The device features that a data plane must take part in. */
#define PLANE_FEATURES                                                             \
	(BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) |         \
	 BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_F_VERSION_1))

struct vhost_queue {
	struct net_vhost *vhost;
	unsigned int index;
	struct loop_source relay; /* eventfd: a call to pass on */
	struct loop_source error; /* eventfd: the kernel gave this ring up */
	bool active; /* guarded by vhost->lock */
	u64 relayed; /* calls passed on; atomic */
};

struct net_vhost {
	struct net_plane plane;
	struct virtio_net *net;
	const char *node;
	unsigned int nr; /* pairs opened */
	int fd[NET_PAIRS_MAX];
	u64 possible; /* features of the node */
	unsigned int queues; /* set up in queue[] */
	struct vhost_queue queue[2 * NET_PAIRS_MAX];
	pthread_mutex_t lock;
	/* Guest RAM, and nothing else, is what the kernel may reach. */
	struct memory_listener listener;
	bool listens;
	struct vhost_memory *table; /* has room for MEMORY_RAM_BLOCKS regions */
};

static struct net_vhost *from_plane(struct net_plane *plane)
{
	return (struct net_vhost *)plane;
}

/* An ioctl on the node of pair @pair; @what completes "cannot …". */
static int vhost_ioctl(struct net_vhost *vhost, unsigned int pair, unsigned long request,
		       const void *arg, const char *what)
{
	if (ioctl(vhost->fd[pair], request, arg) >= 0)
		return 0;
	return vmm_fail(errno, "%s: cannot %s: %m%s", vhost->node, what,
			errno == ENOMEM ? " (is the locked-memory limit, `ulimit -l`, too low?)" :
					  "");
}

static int set_backend(struct net_vhost *vhost, unsigned int index, int fd)
{
	struct vhost_vring_file file = { .index = index % 2, .fd = fd };

	return vhost_ioctl(vhost, index / 2, VHOST_NET_SET_BACKEND, &file, "attach the backend");
}

static int set_file(struct net_vhost *vhost, unsigned int index, unsigned long request, int fd)
{
	struct vhost_vring_file file = { .index = index % 2, .fd = fd };

	return vhost_ioctl(vhost, index / 2, request, &file, "set an eventfd");
}

/* Where the ring's interrupts go: straight into KVM if that can be. */
static int set_call(struct net_vhost *vhost, unsigned int index)
{
	int fd = virtio_call_fd(&vhost->net->dev, index);

	return set_file(vhost, index, VHOST_SET_VRING_CALL,
			fd >= 0 ? fd : vhost->queue[index].relay.fd);
}

/*
 * This and the next with the lock, under which a queue stops and takes its
 * reports along: what is read here is of the ring that runs now, not of one that
 * a reset has ended.
 */
static void relay_call(struct loop_source *source, uint32_t events)
{
	struct vhost_queue *q = source->opaque;
	struct net_vhost *vhost = q->vhost;
	eventfd_t count;

	pthread_mutex_lock(&vhost->lock);
	if (!eventfd_read(source->fd, &count) && q->active) {
		__atomic_add_fetch(&q->relayed, 1, __ATOMIC_RELAXED);
		virtio_call(&vhost->net->dev, q->index);
	}
	pthread_mutex_unlock(&vhost->lock);
}

static void ring_failed(struct loop_source *source, uint32_t events)
{
	struct vhost_queue *q = source->opaque;
	struct net_vhost *vhost = q->vhost;
	eventfd_t count;

	pthread_mutex_lock(&vhost->lock);
	if (!eventfd_read(source->fd, &count) && q->active) {
		virtio_complain(&vhost->net->dev, "queue %u: given up by %s", q->index,
				vhost->node);
		virtio_needs_reset(&vhost->net->dev);
	}
	pthread_mutex_unlock(&vhost->lock);
}

static void vhost_calls_changed(struct net_plane *plane)
{
	struct net_vhost *vhost = from_plane(plane);
	unsigned int i;

	pthread_mutex_lock(&vhost->lock);
	for (i = 0; i < vhost->queues; i++) {
		if (!vhost->queue[i].active)
			continue;
		if (set_call(vhost, i))
			virtio_needs_reset(&vhost->net->dev);
		virtio_call(&vhost->net->dev, i);
	}
	pthread_mutex_unlock(&vhost->lock);
}

static int vhost_set_features(struct net_plane *plane, u64 features)
{
	struct net_vhost *vhost = from_plane(plane);
	u64 acked = features & PLANE_FEATURES & vhost->possible;
	unsigned int i;
	int err = 0;

	for (i = 0; i < vhost->nr && !err; i++)
		err = vhost_ioctl(vhost, i, VHOST_SET_FEATURES, &acked, "set features");
	return err;
}

static int ring_start(struct net_vhost *vhost, unsigned int index,
		      const struct virtio_vring *vring)
{
	struct virtio_net *net = vhost->net;
	unsigned int pair = index / 2;
	struct viola_ring_config map;
	struct vhost_vring_state state = { .index = index % 2 };
	struct vhost_vring_addr addr = { .index = index % 2 };
	int tap = net->be->ops->kernel_fd(net->be, pair);
	int err = virtio_vring_map(&net->dev.memory->map, vring, &map);

	if (!err) {
		state.num = map.num;
		err = vhost_ioctl(vhost, pair, VHOST_SET_VRING_NUM, &state, "set the ring size");
	}
	if (!err) {
		state.num = 0;
		err = vhost_ioctl(vhost, pair, VHOST_SET_VRING_BASE, &state, "set the ring base");
	}
	if (!err) {
		addr.desc_user_addr = (uintptr_t)map.desc;
		addr.avail_user_addr = (uintptr_t)map.driver;
		addr.used_user_addr = (uintptr_t)map.device;
		addr.log_guest_addr = vring->device;
		err = vhost_ioctl(vhost, pair, VHOST_SET_VRING_ADDR, &addr,
				  "set the ring addresses");
	}
	if (!err)
		err = set_file(vhost, index, VHOST_SET_VRING_ERR, vhost->queue[index].error.fd);
	if (!err)
		err = set_call(vhost, index);
	if (!err)
		err = set_file(vhost, index, VHOST_SET_VRING_KICK,
			       virtio_kick_fd(&net->dev, index));
	if (!err)
		err = set_backend(vhost, index, tap);
	return err;
}

static void ring_stop(struct net_vhost *vhost, unsigned int index)
{
	struct vhost_vring_state state = { .index = index % 2 };

	/*
	 * Without a backend the ring is not touched again; what is asked after
	 * that is only what the ABI wants for a clean end.
	 */
	set_backend(vhost, index, VHOST_FILE_UNBIND);
	vhost_ioctl(vhost, index / 2, VHOST_GET_VRING_BASE, &state, "stop the ring");
	set_file(vhost, index, VHOST_SET_VRING_KICK, VHOST_FILE_UNBIND);
}

static int vhost_activate(struct net_plane *plane, unsigned int index,
			  const struct virtio_vring *vring)
{
	struct net_vhost *vhost = from_plane(plane);
	int err;

	pthread_mutex_lock(&vhost->lock);
	err = ring_start(vhost, index, vring);
	if (err)
		ring_stop(vhost, index);
	vhost->queue[index].active = !err;
	pthread_mutex_unlock(&vhost->lock);
	/* A kick from before it was listened to. */
	if (!err)
		eventfd_write(virtio_kick_fd(&vhost->net->dev, index), 1);
	return err;
}

static void vhost_deactivate(struct net_plane *plane, unsigned int index)
{
	struct net_vhost *vhost = from_plane(plane);
	eventfd_t count;

	pthread_mutex_lock(&vhost->lock);
	vhost->queue[index].active = false;
	ring_stop(vhost, index);
	/* Reports that nobody has read: see relay_call(). */
	eventfd_read(vhost->queue[index].relay.fd, &count);
	eventfd_read(vhost->queue[index].error.fd, &count);
	pthread_mutex_unlock(&vhost->lock);
}

/* A ring without a backend is not touched, and keeps its place. */
static void vhost_quiesce(struct net_plane *plane)
{
	struct net_vhost *vhost = from_plane(plane);
	unsigned int i;

	pthread_mutex_lock(&vhost->lock);
	for (i = 0; i < vhost->queues; i++)
		if (vhost->queue[i].active)
			set_backend(vhost, i, VHOST_FILE_UNBIND);
	pthread_mutex_unlock(&vhost->lock);
}

static int vhost_resume(struct net_plane *plane)
{
	struct net_vhost *vhost = from_plane(plane);
	struct virtio_net *net = vhost->net;
	unsigned int i;
	int err = 0;

	pthread_mutex_lock(&vhost->lock);
	for (i = 0; i < vhost->queues && !err; i++) {
		if (!vhost->queue[i].active)
			continue;
		err = set_backend(vhost, i, net->be->ops->kernel_fd(net->be, i / 2));
		/* A kick that found no backend. */
		if (!err)
			eventfd_write(virtio_kick_fd(&net->dev, i), 1);
	}
	pthread_mutex_unlock(&vhost->lock);
	return err;
}

/* The far end detached what the driver does not use: nothing to do here. */
static void vhost_set_pairs(struct net_plane *plane, unsigned int nr)
{
}

/* The rings' counters are the kernel's; calls that it could not send itself. */
static void vhost_stats(struct net_plane *plane, FILE *out)
{
	struct net_vhost *vhost = from_plane(plane);
	unsigned int i;

	fprintf(out, "\"plane\": \"%s\", \"queues\": [", vhost->node);
	for (i = 0; i < vhost->queues; i++)
		fprintf(out, "%s{\"relayed\": %llu}", i ? ", " : "",
			(unsigned long long)__atomic_load_n(&vhost->queue[i].relayed,
							    __ATOMIC_RELAXED));
	fputc(']', out);
}

static void vhost_destroy(struct net_plane *plane)
{
	struct net_vhost *vhost = from_plane(plane);
	struct loop *loop = vhost->net->loop;
	unsigned int i;

	/* Closing the nodes first: they signal the eventfds that go next. */
	while (vhost->nr)
		close(vhost->fd[--vhost->nr]);
	if (vhost->listens)
		memory_unlisten(vhost->net->dev.memory, &vhost->listener);
	for (i = 0; i < vhost->queues; i++) {
		loop_remove(loop, &vhost->queue[i].relay);
		loop_remove(loop, &vhost->queue[i].error);
		close(vhost->queue[i].relay.fd);
		close(vhost->queue[i].error.fd);
	}
	pthread_mutex_destroy(&vhost->lock);
	free(vhost->table);
	free(vhost);
}

static const struct net_plane_ops vhost_ops = {
	.set_features = vhost_set_features,
	.activate = vhost_activate,
	.deactivate = vhost_deactivate,
	.calls_changed = vhost_calls_changed,
	.set_pairs = vhost_set_pairs,
	.quiesce = vhost_quiesce,
	.resume = vhost_resume,
	.stats = vhost_stats,
	.destroy = vhost_destroy,
};

/* ------------------------------------------------------------------------
 * Guest memory
 */

static struct net_vhost *from_listener(struct memory_listener *listener)
{
	return (struct net_vhost *)((u8 *)listener - offsetof(struct net_vhost, listener));
}

static int table_set(struct net_vhost *vhost)
{
	unsigned int pair;
	int err = 0;

	for (pair = 0; pair < vhost->nr && !err; pair++)
		err = vhost_ioctl(vhost, pair, VHOST_SET_MEM_TABLE, vhost->table,
				  "set the memory table");
	return err;
}

static int memory_added(struct memory_listener *listener, struct memory_block *block)
{
	struct net_vhost *vhost = from_listener(listener);
	int err;

	if (block->kind != MEMORY_RAM)
		return 0;
	vhost->table->regions[vhost->table->nregions++] = (struct vhost_memory_region){
		.guest_phys_addr = block->gpa,
		.memory_size = block->size,
		.userspace_addr = (uintptr_t)block->base,
	};
	err = table_set(vhost);
	vhost->table->nregions -= !!err;
	return err;
}

static void memory_removed(struct memory_listener *listener, struct memory_block *block)
{
	struct net_vhost *vhost = from_listener(listener);

	/* RAM goes as it came, the last block first. Less memory is not refused. */
	if (block->kind == MEMORY_RAM) {
		vhost->table->nregions--;
		table_set(vhost);
	}
}

static const struct memory_listener_ops memory_ops = {
	.added = memory_added, .removed = memory_removed,
};

/* ------------------------------------------------------------------------
 * Creation
 */

static int node_open(const char *node)
{
	const bool ours = strstr(node, "viola");
	int fd = open(node, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return vmm_fail(errno, "%s does not exist: load its module by %s", node,
				ours ? "`modprobe viola` or `insmod viola.ko`" :
				       "`modprobe vhost_net`");
	case EACCES:
	case EPERM:
		return vmm_fail(errno, "%s: no permission: run as root, or make it yours", node);
	default:
		return vmm_fail(errno, "cannot open %s: %m", node);
	}
}

static int pair_open(struct net_vhost *vhost)
{
	unsigned int pair = vhost->nr;
	u64 features = 0;
	int err, fd = node_open(vhost->node);

	if (fd < 0)
		return fd;
	vhost->fd[pair] = fd;
	vhost->nr++;
	err = vhost_ioctl(vhost, pair, VHOST_SET_OWNER, NULL, "become its owner");
	if (!err)
		err = vhost_ioctl(vhost, pair, VHOST_GET_FEATURES, &features, "get features");
	if (err)
		return err;
	vhost->possible &= features;
	return 0;
}

static int source_add(struct net_vhost *vhost, struct loop_source *source, void *opaque,
		      void (*ready)(struct loop_source *source, uint32_t events))
{
	int err, fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		return vmm_fail(errno, "%s: cannot create an eventfd: %m", vhost->node);
	*source = (struct loop_source){ .fd = fd, .ready = ready, .opaque = opaque };
	err = loop_add(vhost->net->loop, source, EPOLLIN);
	if (err) {
		close(fd);
		source->fd = -1;
	}
	return err;
}

static int queue_open(struct net_vhost *vhost)
{
	struct vhost_queue *q = &vhost->queue[vhost->queues];
	int err;

	q->vhost = vhost;
	q->index = vhost->queues;
	err = source_add(vhost, &q->relay, q, relay_call);
	if (err)
		return err;
	err = source_add(vhost, &q->error, q, ring_failed);
	if (err) {
		loop_remove(vhost->net->loop, &q->relay);
		close(q->relay.fd);
		return err;
	}
	vhost->queues++;
	return 0;
}

int net_vhost_create(struct virtio_net *net, const char *node)
{
	struct net_vhost *vhost;
	int err = 0, fd = net->be->ops->kernel_fd(net->be, 0);

	if (fd < 0)
		return vmm_fail(EOPNOTSUPP, "backend %s is in this process, %s needs one in the "
					    "kernel: use backend=tap", net->be->ops->name, node);
	vhost = calloc(1, sizeof(*vhost));
	if (vhost)
		vhost->table = calloc(1, sizeof(*vhost->table) +
				      MEMORY_RAM_BLOCKS * sizeof(vhost->table->regions[0]));
	if (!vhost || !vhost->table) {
		free(vhost);
		return vmm_fail(ENOMEM, "%s: out of memory", net->name);
	}
	vhost->plane.ops = &vhost_ops;
	vhost->listener.ops = &memory_ops;
	vhost->net = net;
	vhost->node = node;
	vhost->possible = ~0ull;
	pthread_mutex_init(&vhost->lock, NULL);
	net->plane = &vhost->plane; /* destroyed with the device from here on */

	while (!err && vhost->nr < net->pairs)
		err = pair_open(vhost);
	if (!err)
		err = memory_listen(net->dev.memory, &vhost->listener);
	vhost->listens = !err;
	while (!err && vhost->queues < 2 * net->pairs)
		err = queue_open(vhost);
	if (err)
		return err;
	if (!(vhost->possible & BIT(VIRTIO_F_VERSION_1)))
		return vmm_fail(EOPNOTSUPP, "%s does not do virtio 1.x", node);
	vhost->plane.features = vhost->possible | ~PLANE_FEATURES;
	return 0;
}
