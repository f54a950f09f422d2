// SPDX-License-Identifier: GPL-2.0
/*
 * A far end that sends every frame back with its addresses swapped, so that
 * what is measured is the path alone.
 *
 * A frame that is sent waits in a ring of the queue until the NIC takes it:
 * send() never calls into the NIC, which is what makes a looping NIC safe
 * (CVE-2021-3416). A full ring drops, as a wire would.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>

#include "vmm/error.h"
#include "vmm/net/backend.h"

#define REFLECT_QUEUES_MAX 8
#define REFLECT_FRAMES 256u
#define REFLECT_FRAME_MAX 2044u /* without virtio header */

struct reflect_frame {
	u32 len;
	u8 data[REFLECT_FRAME_MAX];
};

struct reflect_queue {
	pthread_mutex_t lock; /* guards what follows, and the eventfd's state */
	struct reflect_frame *frame; /* REFLECT_FRAMES of them */
	u32 first, nr; /* waiting */
	int fd; /* eventfd, readable while nr is not 0 */
};

struct reflect {
	struct net_backend be;
	struct reflect_queue queue[REFLECT_QUEUES_MAX];
};

static struct reflect *from_be(struct net_backend *be)
{
	return (struct reflect *)be;
}

static void swap_addresses(u8 *frame)
{
	u8 to[ETH_ALEN];

	memcpy(to, frame, ETH_ALEN);
	memcpy(frame, frame + ETH_ALEN, ETH_ALEN);
	memcpy(frame + ETH_ALEN, to, ETH_ALEN);
}

static int reflect_send(struct net_backend *be, unsigned int queue, const struct viola_seg *seg,
			u32 nr)
{
	struct reflect_queue *q = &from_be(be)->queue[queue];
	size_t total = viola_segs_len(seg, nr);
	struct virtio_net_hdr hdr = { 0 };
	struct reflect_frame *frame;
	u32 len;

	if (total < be->hdr_len + (size_t)ETH_HLEN ||
	    total > be->hdr_len + (size_t)REFLECT_FRAME_MAX)
		return -EMSGSIZE;
	len = (u32)(total - be->hdr_len);
	/* Nobody negotiated to get unfinished frames back. */
	if (be->hdr_len) {
		viola_segs_read(seg, nr, 0, &hdr, sizeof(hdr));
		if (hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM ||
		    hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE)
			return -EINVAL;
	}
	pthread_mutex_lock(&q->lock);
	if (q->nr == REFLECT_FRAMES) {
		pthread_mutex_unlock(&q->lock);
		return -ENOBUFS;
	}
	frame = &q->frame[(q->first + q->nr) % REFLECT_FRAMES];
	frame->len = (u32)viola_segs_read(seg, nr, be->hdr_len, frame->data, len);
	swap_addresses(frame->data);
	if (!q->nr++)
		eventfd_write(q->fd, 1);
	pthread_mutex_unlock(&q->lock);
	return 0;
}

static ssize_t reflect_recv(struct net_backend *be, unsigned int queue,
			    const struct viola_seg *seg, u32 nr)
{
	static const u8 no_header[sizeof(struct virtio_net_hdr_mrg_rxbuf)];
	struct reflect_queue *q = &from_be(be)->queue[queue];
	const struct reflect_frame *frame;
	eventfd_t count;
	ssize_t len;

	pthread_mutex_lock(&q->lock);
	if (!q->nr) {
		pthread_mutex_unlock(&q->lock);
		return -EAGAIN;
	}
	frame = &q->frame[q->first];
	len = (ssize_t)viola_segs_write(seg, nr, 0, no_header, be->hdr_len);
	len += (ssize_t)viola_segs_write(seg, nr, be->hdr_len, frame->data, frame->len);
	q->first = (q->first + 1) % REFLECT_FRAMES;
	if (!--q->nr)
		eventfd_read(q->fd, &count);
	pthread_mutex_unlock(&q->lock);
	return len;
}

static int reflect_fd(struct net_backend *be, unsigned int queue)
{
	return from_be(be)->queue[queue].fd;
}

static int reflect_kernel_fd(struct net_backend *be, unsigned int queue)
{
	return -EOPNOTSUPP;
}

static int reflect_set_header(struct net_backend *be, u32 hdr_len, u32 offloads)
{
	if (hdr_len > sizeof(struct virtio_net_hdr_mrg_rxbuf))
		return -EINVAL;
	be->hdr_len = hdr_len;
	return 0;
}

static int reflect_set_queues(struct net_backend *be, unsigned int nr)
{
	return nr && nr <= be->queues ? 0 : -EINVAL;
}

static void reflect_destroy(struct net_backend *be)
{
	struct reflect *reflect = from_be(be);
	unsigned int i;

	for (i = 0; i < be->queues; i++) {
		close(reflect->queue[i].fd);
		free(reflect->queue[i].frame);
		pthread_mutex_destroy(&reflect->queue[i].lock);
	}
	free(reflect);
}

static const struct net_backend_ops reflect_ops = {
	.name = "reflect",
	.send = reflect_send,
	.recv = reflect_recv,
	.fd = reflect_fd,
	.kernel_fd = reflect_kernel_fd,
	.set_header = reflect_set_header,
	.set_queues = reflect_set_queues,
	.destroy = reflect_destroy,
};

int reflect_backend_open(struct net_backend **be, unsigned int queues)
{
	struct reflect *reflect;

	if (!queues || queues > REFLECT_QUEUES_MAX)
		return vmm_fail(EINVAL, "reflect: %u queues: 1 to %d are possible", queues,
				REFLECT_QUEUES_MAX);
	reflect = calloc(1, sizeof(*reflect));
	if (!reflect)
		return vmm_fail(ENOMEM, "reflect: out of memory");
	reflect->be.ops = &reflect_ops;
	reflect->be.ifname = "";
	for (; reflect->be.queues < queues; reflect->be.queues++) {
		struct reflect_queue *q = &reflect->queue[reflect->be.queues];

		q->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (q->fd < 0) {
			int err = vmm_fail(errno, "reflect: cannot create an eventfd: %m");

			reflect_destroy(&reflect->be);
			return err;
		}
		/* Pages that no frame was in are not memory yet. */
		q->frame = malloc(REFLECT_FRAMES * sizeof(*q->frame));
		if (!q->frame) {
			close(q->fd);
			reflect_destroy(&reflect->be);
			return vmm_fail(ENOMEM, "reflect: out of memory");
		}
		pthread_mutex_init(&q->lock, NULL);
	}
	*be = &reflect->be;
	return 0;
}
