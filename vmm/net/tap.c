// SPDX-License-Identifier: GPL-2.0
/*
 * The host's network stack as far end, through a tap interface
 * (Documentation/networking/tuntap.rst of the kernel), or the wire of another
 * interface through a macvtap or ipvtap, whose character device takes the same
 * requests. One descriptor per queue. The interface always speaks with a virtio
 * header: a NIC that wants none gets it added and taken off here, so that one
 * tap serves every path.
 *
 * That the interface was deleted is no event of the descriptors: poll() wakes
 * whom it tells about frames, and not at all for a macvtap. So rtnetlink says
 * when to look, and TUNGETIFF what is true.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <net/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "vmm/complain.h"
#include "vmm/error.h"
#include "vmm/net/backend.h"
#include "vmm/net/link.h"

#define TAP_QUEUES_MAX 8

/* What the kernel puts before a frame while the NIC wants no header. */
#define TAP_HDR_HIDDEN ((u32)sizeof(struct virtio_net_hdr))

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#define TUN_F_USO (TUN_F_USO4 | TUN_F_USO6)

_Static_assert(NET_OFFLOAD_CSUM == TUN_F_CSUM && NET_OFFLOAD_TSO4 == TUN_F_TSO4 &&
		       NET_OFFLOAD_TSO6 == TUN_F_TSO6 && NET_OFFLOAD_TSO_ECN == TUN_F_TSO_ECN &&
		       NET_OFFLOAD_UFO == TUN_F_UFO && NET_OFFLOAD_USO4 == TUN_F_USO4 &&
		       NET_OFFLOAD_USO6 == TUN_F_USO6,
	       "offloads are tun's");
_Static_assert(sizeof(struct viola_seg) == sizeof(struct iovec) &&
		       offsetof(struct viola_seg, base) == offsetof(struct iovec, iov_base) &&
		       offsetof(struct viola_seg, len) == offsetof(struct iovec, iov_len),
	       "a segment is an iovec");

struct tap {
	struct net_backend be;
	char name[IFNAMSIZ];
	char node[32]; /* what is opened for each queue */
	bool shared_wire; /* a macvtap or ipvtap */
	int watch_fd;
	unsigned int index;
	bool multi_queue;
	int fd[TAP_QUEUES_MAX];
	bool attached[TAP_QUEUES_MAX];
};

static struct tap *from_be(struct net_backend *be)
{
	return (struct tap *)be;
}

/*
 * One system call that sends or takes a frame, with a header of the tap's own
 * before it if the NIC wants none. Bytes without that header, or -errno.
 */
static ssize_t transfer(struct net_backend *be, unsigned int queue, const struct viola_seg *seg,
			u32 nr, ssize_t (*call)(int fd, const struct iovec *iov, int nr))
{
	struct virtio_net_hdr hdr = { .gso_type = VIRTIO_NET_HDR_GSO_NONE };
	const struct iovec *frame = (const struct iovec *)seg;
	const u32 hidden = be->hdr_len ? 0 : TAP_HDR_HIDDEN;
	struct iovec iov[IOV_MAX];
	ssize_t len;

	if (nr > IOV_MAX - !!hidden)
		return -EINVAL;
	if (hidden) {
		iov[0] = (struct iovec){ &hdr, hidden };
		memcpy(iov + 1, seg, nr * sizeof(*iov));
		frame = iov;
		nr++;
	}
	len = call(from_be(be)->fd[queue], frame, (int)nr);
	return len < 0 ? -errno : max(len - (ssize_t)hidden, (ssize_t)0);
}

static int tap_send(struct net_backend *be, unsigned int queue, const struct viola_seg *seg,
		    u32 nr)
{
	return (int)min(transfer(be, queue, seg, nr, writev), (ssize_t)0);
}

static ssize_t tap_recv(struct net_backend *be, unsigned int queue, const struct viola_seg *seg,
			u32 nr)
{
	return transfer(be, queue, seg, nr, readv);
}

static int tap_fd(struct net_backend *be, unsigned int queue)
{
	return from_be(be)->fd[queue];
}

/* What a request answers when the interface was deleted: a tap, a macvtap. */
static bool means_gone(int err)
{
	return err == EBADFD || err == ENOLINK;
}

/* Without an interface there is nothing to set: a driver may still be started. */
static bool refused(int fd, unsigned long request, unsigned long arg)
{
	return ioctl(fd, request, arg) && !means_gone(errno);
}

static int tap_set_header(struct net_backend *be, u32 hdr_len, u32 offloads)
{
	struct tap *tap = from_be(be);
	int size = (int)(hdr_len ? hdr_len : TAP_HDR_HIDDEN);
	unsigned int i;

	if (hdr_len && hdr_len != sizeof(struct virtio_net_hdr) &&
	    hdr_len != sizeof(struct virtio_net_hdr_mrg_rxbuf))
		return vmm_fail(EINVAL, "tap %s: no header of %u bytes", tap->name, hdr_len);
	/* tun takes the rest only with CSUM, and the two USO only together. */
	if (!(offloads & NET_OFFLOAD_CSUM) || !hdr_len)
		offloads = 0;
	if ((offloads & TUN_F_USO) != TUN_F_USO)
		offloads &= ~TUN_F_USO;
	/* A tap's queues have this in common, a macvtap's each for itself. */
	for (i = 0; i < be->queues; i++) {
		if (refused(tap->fd[i], TUNSETVNETHDRSZ, (unsigned long)&size))
			return vmm_fail(errno, "tap %s: cannot set a header of %d bytes: %m",
					tap->name, size);
		if (refused(tap->fd[i], TUNSETOFFLOAD, offloads))
			return vmm_fail(errno, "tap %s: cannot set offloads %#x: %m", tap->name,
					offloads);
	}
	be->hdr_len = hdr_len;
	return 0;
}

static int tap_set_queues(struct net_backend *be, unsigned int nr)
{
	struct tap *tap = from_be(be);
	unsigned int i;

	if (!nr || nr > be->queues)
		return -EINVAL;
	if (!tap->multi_queue)
		return 0;
	for (i = 0; i < be->queues; i++) {
		struct ifreq ifr = { 0 };
		bool want = i < nr;

		if (tap->attached[i] == want)
			continue;
		ifr.ifr_flags = want ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
		if (refused(tap->fd[i], TUNSETQUEUE, (unsigned long)&ifr))
			return vmm_fail(errno, "tap %s: cannot %s queue %u: %m", tap->name,
					want ? "attach" : "detach", i);
		tap->attached[i] = want;
	}
	return 0;
}

static int tap_watch_fd(struct net_backend *be)
{
	return from_be(be)->watch_fd;
}

static bool tap_gone(struct net_backend *be)
{
	struct ifreq ifr = { 0 };

	return ioctl(from_be(be)->fd[0], TUNGETIFF, &ifr) && means_gone(errno);
}

static bool tap_watched(struct net_backend *be)
{
	const struct tap *tap = from_be(be);

	return link_watch_read(tap->watch_fd, tap->index) && tap_gone(be);
}

static void tap_destroy(struct net_backend *be)
{
	struct tap *tap = from_be(be);
	unsigned int i;

	if (tap->watch_fd >= 0)
		close(tap->watch_fd);

	for (i = 0; i < be->queues; i++)
		close(tap->fd[i]);
	free(tap);
}

static const struct net_backend_ops tap_ops = {
	.name = "tap",
	.send = tap_send,
	.recv = tap_recv,
	.fd = tap_fd,
	.kernel_fd = tap_fd,
	.set_header = tap_set_header,
	.set_queues = tap_set_queues,
	.watch_fd = tap_watch_fd,
	.watched = tap_watched,
	.gone = tap_gone,
	.destroy = tap_destroy,
};

static int attach_error(const struct tap *tap, int err)
{
	switch (err) {
	case EPERM:
	case EACCES:
		return vmm_fail(err, "tap %s: no permission: run as root, or create it with "
				     "`ip tuntap add %s mode tap user $USER`",
				tap->name, tap->name);
	case EBUSY:
		return vmm_fail(err, "tap %s is in use by another program", tap->name);
	case EINVAL:
		return vmm_fail(err, "tap %s: not a tap interface of that many queues: delete it, "
				     "and create it with `ip tuntap add %s mode tap%s`",
				tap->name, tap->name, tap->multi_queue ? " multi_queue" : "");
	default:
		errno = err;
		return vmm_fail(err, "tap %s: cannot attach: %m", tap->name);
	}
}

static int node_error(const struct tap *tap, int err)
{
	errno = err;
	if (!tap->shared_wire)
		return vmm_fail(err, "cannot open %s: %m (load it by `modprobe tun`)", tap->node);
	if (err == EACCES || err == EPERM)
		return vmm_fail(err, "%s: no permission to open its device %s: run as root, or make it yours by `chown $USER %s`",
				tap->name, tap->node, tap->node);
	return vmm_fail(err, "%s: cannot open its device %s: %m (it is on the host's /dev: without udev, make it by mknod with the numbers in /sys/class/net/%s/*/tap%u/dev)",
			tap->name, tap->node, tap->name, tap->index);
}

/*
 * Whether @fd is of this interface: a node in /dev goes by a number that each
 * network namespace counts for itself.
 */
static int check_owner(const struct tap *tap, int fd)
{
	struct ifreq ifr = { 0 };

	if (!ioctl(fd, TUNGETIFF, &ifr) && !strncmp(ifr.ifr_name, tap->name, IFNAMSIZ))
		return 0;
	return vmm_fail(ENODEV, "%s: %s is the device of another interface (of another network namespace?): make the right one by mknod with the numbers in /sys/class/net/%s/*/tap%u/dev",
			tap->name, tap->node, tap->name, tap->index);
}

/* Opens one more queue. 0 or -errno, with no sentence for TUNSETIFF's. */
static int queue_open(struct tap *tap, int *ioctl_errno)
{
	struct ifreq ifr = { 0 };
	int fd, value, err;

	fd = open(tap->node, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return node_error(tap, errno);
	ifr.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
				(tap->multi_queue ? IFF_MULTI_QUEUE : 0));
	memcpy(ifr.ifr_name, tap->name, IFNAMSIZ);
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		*ioctl_errno = errno;
		close(fd);
		return -*ioctl_errno;
	}
	if (tap->shared_wire) {
		err = check_owner(tap, fd);
		if (err) {
			close(fd);
			return err;
		}
	} else {
		/* The kernel has put a number where a new name had "%d". */
		memcpy(tap->name, ifr.ifr_name, IFNAMSIZ);
		tap->name[IFNAMSIZ - 1] = '\0';
	}
	/* A limit would make the tap wait for its reader's acknowledgement. */
	value = INT_MAX;
	err = ioctl(fd, TUNSETSNDBUF, &value);
	value = 1;
	if (!err)
		err = ioctl(fd, TUNSETVNETLE, &value);
	if (err) {
		err = vmm_fail(errno, "tap %s: cannot set it up: %m", tap->name);
		close(fd);
		return err;
	}
	tap->attached[tap->be.queues] = true;
	tap->fd[tap->be.queues++] = fd;
	return 0;
}

/* Which offloads this kernel's tun takes; each set is tried. */
static u32 probe_offloads(const struct tap *tap)
{
	static const u32 set[] = {
		TUN_F_TSO4, TUN_F_TSO6, TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN, TUN_F_UFO,
		TUN_F_USO,
	};
	u32 possible = 0;
	unsigned int i;

	if (ioctl(tap->fd[0], TUNSETOFFLOAD, (unsigned long)TUN_F_CSUM))
		return 0;
	possible = TUN_F_CSUM;
	for (i = 0; i < ARRAY_SIZE(set); i++)
		if (!ioctl(tap->fd[0], TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | set[i])))
			possible |= set[i];
	return possible;
}

/* An interface that was made just now is of no use while it is down. */
static int bring_up(const struct tap *tap)
{
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return vmm_fail(errno, "cannot open a socket: %m");
	memcpy(ifr.ifr_name, tap->name, IFNAMSIZ);
	err = ioctl(fd, SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP;
	if (!err)
		err = ioctl(fd, SIOCSIFFLAGS, &ifr);
	if (err)
		err = vmm_fail(errno, "tap %s: cannot bring it up: %m", tap->name);
	close(fd);
	return err;
}

/* What the interface is, if there is one, and so what is to be opened. */
static int identify(struct tap *tap, const struct link_info *link)
{
	snprintf(tap->node, sizeof(tap->node), "/dev/net/tun");
	if (!link->index || !strcmp(link->kind, "tun"))
		return 0;
	if (strcmp(link->kind, "macvtap") && strcmp(link->kind, "ipvtap"))
		return vmm_fail(EINVAL, "%s is not a tap interface but %s%s: choose another name, or put a macvtap on it by `ip link add link %s name NAME type macvtap`",
				tap->name, link->kind[0] ? "of kind " : "a network card",
				link->kind, tap->name);
	tap->shared_wire = true;
	tap->index = link->index;
	snprintf(tap->node, sizeof(tap->node), "/dev/tap%u", link->index);
	memcpy(tap->be.mac, link->mac, sizeof(tap->be.mac));
	return 0;
}

/* What is known of the interface now that it is attached. */
static int describe(struct tap *tap)
{
	struct link_info link;
	int err = link_query(tap->name, &link);

	if (err) {
		errno = -err;
		return vmm_fail(-err, "tap %s: cannot be asked about: %m", tap->name);
	}
	tap->index = link.index;
	tap->be.mtu = link.mtu;
	return 0;
}

int tap_backend_open(struct net_backend **be, const char *ifname, unsigned int queues)
{
	struct link_info link;
	struct tap *tap;
	int err, attach_errno = 0;

	if (!*ifname || strlen(ifname) >= IFNAMSIZ)
		return vmm_fail(EINVAL, "'%s' is no interface name: 1 to %d characters", ifname,
				IFNAMSIZ - 1);
	if (!queues || queues > TAP_QUEUES_MAX)
		return vmm_fail(EINVAL, "tap %s: %u queues: 1 to %d are possible", ifname, queues,
				TAP_QUEUES_MAX);
	tap = calloc(1, sizeof(*tap));
	if (!tap)
		return vmm_fail(ENOMEM, "tap %s: out of memory", ifname);
	tap->be.ops = &tap_ops;
	snprintf(tap->name, sizeof(tap->name), "%s", ifname);
	tap->be.ifname = tap->name;
	tap->multi_queue = queues > 1;
	/* Before it is attached, so that nothing is missed. */
	tap->watch_fd = link_watch();
	if (tap->watch_fd < 0) {
		errno = -tap->watch_fd;
		err = vmm_fail(errno, "tap %s: cannot be watched: %m", ifname);
		goto fail;
	}
	/* One that cannot be asked about is taken for a new one: attaching tells. */
	if (link_query(ifname, &link))
		link.index = 0;
	err = identify(tap, &link);
	while (!err && tap->be.queues < queues)
		err = queue_open(tap, &attach_errno);
	if (attach_errno == EINVAL && queues == 1) {
		/* It may have been created for several queues; one is enough. */
		attach_errno = 0;
		tap->multi_queue = true;
		err = queue_open(tap, &attach_errno);
		if (err)
			tap->multi_queue = false;
	}
	if (attach_errno)
		err = attach_error(tap, attach_errno);
	if (err)
		goto fail;
	tap->be.offloads_possible = probe_offloads(tap);
	err = tap_set_header(&tap->be, 0, 0);
	if (!err && !link.index)
		err = bring_up(tap);
	if (!err)
		err = describe(tap);
	if (err)
		goto fail;
	if (strcmp(tap->name, ifname))
		vmm_say("%s is the tap interface %s", ifname, tap->name);
	*be = &tap->be;
	return 0;

fail:
	tap_destroy(&tap->be);
	return err;
}
