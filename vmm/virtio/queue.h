/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_VIRTIO_QUEUE_H
#define VMM_VIRTIO_QUEUE_H

#include <viola/ring.h>
#include "vmm/virtio/virtio.h"

/*
 * Maps the three parts of @vring: fills in cfg->num, desc, driver, device and
 * mem. -EINVAL if the size or an alignment is not what virtio 1.2 (2.7) asks
 * for, -EFAULT if a part does not lie in one block of RAM of @mem; both with
 * a recorded sentence.
 */
int virtio_vring_map(const struct viola_mem *mem, const struct virtio_vring *vring,
		     struct viola_ring_config *cfg);

/* A ring that a thread of this process runs. */
struct virtio_queue {
	struct viola_ring ring;
	bool *in_flight; /* for the largest size, allocated once */
};

/* Room for rings of up to @max entries. 0 or -ENOMEM. */
int virtio_queue_alloc(struct virtio_queue *queue, u32 max);
void virtio_queue_free(struct virtio_queue *queue);

/* Prepares the ring of @vring with the ring features in @features. */
int virtio_queue_init(struct virtio_queue *queue, const struct viola_mem *mem,
		      const struct virtio_vring *vring, u64 features);

#endif
