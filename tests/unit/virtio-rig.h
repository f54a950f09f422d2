/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest's driver of a virtio-pci device: the registers by fake-pci, the
 * rings by model-driver, and guest memory that holds them.
 */
#ifndef VIOLA_TESTS_VIRTIO_RIG_H
#define VIOLA_TESTS_VIRTIO_RIG_H

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "tests/unit/fake-pci.h"
#include "tests/unit/model-driver.h"
#include "vmm/virtio/virtio_pci.h"

#define RIG_QUEUES 17
#define RIG_DATA 0x100000ull /* guest address of the buffers */
#define RIG_DATA_SIZE (4ull << 20)

struct rig {
	struct model_guest guest;
	struct vm vm;
	struct memory_block ram; /* the data */
	unsigned int queues; /* set up */
	struct model_driver q[RIG_QUEUES];
	u8 *data; /* at RIG_DATA */
	/*
	 * Rings in the last quarter of data, for a data plane that is told of
	 * guest memory once; else each part is an extent of its exact size.
	 */
	bool rings_in_data;
};

/* Guest memory and VM; the test then makes its device on rig->vm. */
void rig_init(struct rig *rig);
/* The device must be gone. */
void rig_free(struct rig *rig);

u64 rig_get(u64 off, unsigned int len);
void rig_set(u64 off, u64 value, unsigned int len);
u64 rig_device_features(void);
/* Resets the device, chooses @features; whether FEATURES_OK stuck. */
bool rig_negotiate(struct rig *rig, u64 features);
/*
 * Sets up queues 0 … nr - 1 of @size entries with vector i + 1, vector 0 for
 * configuration changes. Before DRIVER_OK.
 */
void rig_queues(struct rig *rig, unsigned int nr, u32 size, u64 features);
void rig_driver_ok(void);
/* negotiate, queues, driver_ok. */
void rig_start(struct rig *rig, u64 features, unsigned int nr, u32 size);
bool rig_broken(void);
/* Makes what was added to queue @index visible, and kicks if asked to. */
void rig_expose(struct rig *rig, unsigned int index);
void rig_kick(unsigned int index);
/*
 * Waits until an interrupt for queue @index has come after @before of them,
 * 10 seconds at most; false if none did.
 */
bool rig_wait(unsigned int index, unsigned int before);
unsigned int rig_calls(unsigned int index);

#endif
