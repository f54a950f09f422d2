// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <time.h>
#include <linux/virtio_ring.h>

#include "tests/unit/virtio-rig.h"

#define RING_GPA(q, part) (0x10000000ull + 0x100000ull * (q) + 0x40000ull * (part))
#define RING_OFF(q, part) (RIG_DATA_SIZE / 4 * 3 + 0xc000ull * (q) + 0x4000ull * (part))

void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	fake_pci_reset();
	model_guest_init(&rig->guest);
	rig->data = model_guest_add(&rig->guest, RIG_DATA, RIG_DATA_SIZE);
	memory_init(&rig->vm.mem);
	rig->ram = (struct memory_block){
		.name = "data", .gpa = RIG_DATA, .size = RIG_DATA_SIZE, .base = rig->data,
	};
	if (memory_add(&rig->vm.mem, &rig->ram))
		abort();
	/* The rings' extents come and go, which guest RAM does not: listeners do not know. */
	rig->vm.mem.map.ext = rig->guest.ext;
}

static void drop_rings(struct rig *rig)
{
	while (rig->queues) {
		struct model_driver *d = &rig->q[--rig->queues];

		if (rig->rings_in_data)
			d->desc = d->driver = d->device = NULL;
		model_driver_free(d);
	}
	rig->guest.mem.nr = 1; /* the rings' extents were theirs */
	rig->vm.mem.map.nr = 1;
}

void rig_free(struct rig *rig)
{
	drop_rings(rig);
	memory_remove(&rig->vm.mem, &rig->ram);
	memory_exit(&rig->vm.mem);
	model_guest_free(&rig->guest);
	fake_pci_reset();
}

u64 rig_get(u64 off, unsigned int len)
{
	return fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_COMMON_OFF + off, len);
}

void rig_set(u64 off, u64 value, unsigned int len)
{
	fake_write(VIRTIO_PCI_BAR, VIRTIO_PCI_COMMON_OFF + off, value, len);
}

u64 rig_device_features(void)
{
	u64 lo;

	rig_set(VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
	lo = rig_get(VIRTIO_PCI_COMMON_DF, 4);
	rig_set(VIRTIO_PCI_COMMON_DFSELECT, 1, 4);
	return lo | rig_get(VIRTIO_PCI_COMMON_DF, 4) << 32;
}

bool rig_negotiate(struct rig *rig, u64 features)
{
	features |= 1ull << VIRTIO_F_VERSION_1;
	rig_set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	drop_rings(rig);
	rig_set(VIRTIO_PCI_COMMON_STATUS, 1, 1);
	rig_set(VIRTIO_PCI_COMMON_STATUS, 3, 1);
	rig_set(VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	rig_set(VIRTIO_PCI_COMMON_GF, (u32)features, 4);
	rig_set(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	rig_set(VIRTIO_PCI_COMMON_GF, features >> 32, 4);
	rig_set(VIRTIO_PCI_COMMON_STATUS, 11, 1);
	return rig_get(VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_FEATURES_OK;
}

/* The guest address of a ring's part, which may be moved. */
static u64 place_part(struct rig *rig, unsigned int q, unsigned int part, void **base, u64 size)
{
	struct viola_extent *e;

	if (rig->rings_in_data) {
		free(*base);
		*base = rig->data + RING_OFF(q, part);
		memset(*base, 0, size);
		return RIG_DATA + RING_OFF(q, part);
	}
	e = &rig->guest.ext[rig->guest.mem.nr++];
	*e = (struct viola_extent){ RING_GPA(q, part), size, *base };
	if (!viola_mem_valid(&rig->guest.mem))
		abort();
	rig->vm.mem.map.nr = rig->guest.mem.nr;
	return e->gpa;
}

void rig_queues(struct rig *rig, unsigned int nr, u32 size, u64 features)
{
	unsigned int i;

	rig_set(VIRTIO_PCI_COMMON_MSIX, 0, 2);
	for (i = 0; i < nr; i++) {
		struct model_driver *d = &rig->q[i];

		model_driver_init(d, &model_split, &rig->guest, size,
				  features >> VIRTIO_RING_F_EVENT_IDX & 1);
		rig->queues++;
		rig_set(VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
		rig_set(VIRTIO_PCI_COMMON_Q_SIZE, size, 2);
		rig_set(VIRTIO_PCI_COMMON_Q_MSIX, i + 1, 2);
		rig_set(VIRTIO_PCI_COMMON_Q_DESCLO,
			place_part(rig, i, 0, &d->desc, viola_ring_desc_size(size)), 8);
		rig_set(VIRTIO_PCI_COMMON_Q_AVAILLO,
			place_part(rig, i, 1, &d->driver, viola_ring_driver_size(size)), 8);
		rig_set(VIRTIO_PCI_COMMON_Q_USEDLO,
			place_part(rig, i, 2, &d->device, viola_ring_device_size(size)), 8);
		rig_set(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	}
}

void rig_driver_ok(void)
{
	rig_set(VIRTIO_PCI_COMMON_STATUS, 15, 1);
}

void rig_start(struct rig *rig, u64 features, unsigned int nr, u32 size)
{
	if (!rig_negotiate(rig, features))
		abort();
	rig_queues(rig, nr, size, features);
	rig_driver_ok();
}

bool rig_broken(void)
{
	return rig_get(VIRTIO_PCI_COMMON_STATUS, 1) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

void rig_kick(unsigned int index)
{
	fake_write(VIRTIO_PCI_BAR, VIRTIO_PCI_NOTIFY_OFF + VIRTIO_PCI_NOTIFY_STEP * index, index,
		   2);
}

void rig_expose(struct rig *rig, unsigned int index)
{
	model_driver_expose(&rig->q[index]);
	if (model_driver_kick_wanted(&rig->q[index]))
		rig_kick(index);
}

unsigned int rig_calls(unsigned int index)
{
	return fake_interrupts(index + 1);
}

bool rig_wait(unsigned int index, unsigned int before)
{
	const struct timespec pause = { 0, 50000 };
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		if (rig_calls(index) != before)
			return true;
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - start.tv_sec < 10);
	return false;
}
