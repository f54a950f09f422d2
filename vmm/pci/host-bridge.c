// SPDX-License-Identifier: GPL-2.0
/*
 * The host bridge's own function in slot 0. It does nothing; guests expect
 * one there, and some take its absence for a machine without PCI.
 */
#include <stdlib.h>

#include "vmm/error.h"
#include "vmm/pci/bus.h"

#define BRIDGE_VENDOR 0x8086
#define BRIDGE_DEVICE 0x0d57 /* of no particular chipset: no quirks apply */
#define CLASS_BRIDGE_HOST 0x060000

static void bridge_destroy(struct pci_device *dev)
{
	pthread_mutex_destroy(&dev->config_lock);
	free(dev);
}

static const struct pci_device_ops bridge_ops = { .destroy = bridge_destroy };

int pci_host_bridge_create(struct vm *vm)
{
	const struct pci_identity id = {
		.vendor = BRIDGE_VENDOR, .device = BRIDGE_DEVICE, .class_code = CLASS_BRIDGE_HOST,
	};
	struct pci_device *dev = malloc(sizeof(*dev));
	int err;

	if (!dev)
		return vmm_fail(ENOMEM, "host bridge: out of memory");
	pci_device_init(dev, vm, "host bridge", &bridge_ops, &id, false);
	err = pci_attach(vm, dev);
	if (err)
		bridge_destroy(dev);
	return err;
}
