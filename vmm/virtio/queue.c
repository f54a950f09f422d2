// SPDX-License-Identifier: GPL-2.0
/* From queue registers to a ring that can be run. */
#include <stdlib.h>
#include <linux/virtio_ring.h>

#include "vmm/error.h"
#include "vmm/virtio/queue.h"

int virtio_vring_map(const struct viola_mem *mem, const struct virtio_vring *vring,
		     struct viola_ring_config *cfg)
{
	if (!viola_ring_num_valid(vring->num))
		return vmm_fail(EINVAL, "queue of %u entries: not a power of two up to %u",
				vring->num, VIOLA_RING_MAX_SIZE);
	if (vring->desc % 16 || vring->driver % 2 || vring->device % 4)
		return vmm_fail(EINVAL, "queue at %#llx/%#llx/%#llx is not aligned",
				(unsigned long long)vring->desc,
				(unsigned long long)vring->driver,
				(unsigned long long)vring->device);
	cfg->num = vring->num;
	cfg->mem = mem;
	cfg->desc = viola_mem_map(mem, vring->desc, viola_ring_desc_size(vring->num));
	cfg->driver = viola_mem_map(mem, vring->driver, viola_ring_driver_size(vring->num));
	cfg->device = viola_mem_map(mem, vring->device, viola_ring_device_size(vring->num));
	if (!cfg->desc || !cfg->driver || !cfg->device)
		return vmm_fail(EFAULT, "queue at %#llx/%#llx/%#llx is not in guest RAM",
				(unsigned long long)vring->desc,
				(unsigned long long)vring->driver,
				(unsigned long long)vring->device);
	return 0;
}

int virtio_queue_alloc(struct virtio_queue *queue, u32 max)
{
	queue->in_flight = calloc(max, sizeof(bool));
	return queue->in_flight ? 0 : vmm_fail(ENOMEM, "out of memory for a virtqueue");
}

void virtio_queue_free(struct virtio_queue *queue)
{
	free(queue->in_flight);
	queue->in_flight = NULL;
}

int virtio_queue_init(struct virtio_queue *queue, const struct viola_mem *mem,
		      const struct virtio_vring *vring, u64 features)
{
	struct viola_ring_config cfg = {
		.event_idx = features >> VIRTIO_RING_F_EVENT_IDX & 1,
		.indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1,
		.in_flight = queue->in_flight,
	};
	int err = virtio_vring_map(mem, vring, &cfg);

	return err ? err : viola_ring_init(&queue->ring, &cfg);
}
