// SPDX-License-Identifier: GPL-2.0
/* Configuration space of one function (PCI 3.0, chapter 6). */
#include <stdlib.h>
#include <linux/pci_regs.h>

#include "vmm/pci/bus.h"
#include "vmm/pci/le.h"

u16 pci_command(const struct pci_device *dev)
{
	return get_le16(dev->config + PCI_COMMAND);
}

void pci_device_init(struct pci_device *dev, struct vm *vm, const char *name,
		     const struct pci_device_ops *ops, const struct pci_identity *id, bool intx)
{
	unsigned int i;

	memset(dev, 0, sizeof(*dev));
	dev->ops = ops;
	dev->name = name;
	dev->vm = vm;
	dev->next_cap = PCI_STD_HEADER_SIZEOF;
	for (i = 0; i < PCI_BARS; i++) {
		dev->bar[i].index = (u8)i;
		dev->bar[i].dev = dev;
	}
	pthread_mutex_init(&dev->config_lock, NULL);

	put_le16(dev->config + PCI_VENDOR_ID, id->vendor);
	put_le16(dev->config + PCI_DEVICE_ID, id->device);
	dev->config[PCI_REVISION_ID] = id->revision;
	dev->config[PCI_CLASS_PROG] = (u8)id->class_code;
	put_le16(dev->config + PCI_CLASS_DEVICE, (u16)(id->class_code >> 8));
	put_le16(dev->config + PCI_SUBSYSTEM_VENDOR_ID, id->subsystem_vendor);
	put_le16(dev->config + PCI_SUBSYSTEM_ID, id->subsystem);
	dev->config[PCI_INTERRUPT_PIN] = intx;

	put_le16(dev->writable + PCI_COMMAND,
		 PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
			 PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE);
	dev->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	dev->writable[PCI_LATENCY_TIMER] = 0xff;
	dev->writable[PCI_INTERRUPT_LINE] = 0xff;
}

unsigned int pci_add_capability(struct pci_device *dev, u8 id, const void *body, unsigned int len)
{
	const unsigned int at = dev->next_cap;
	u8 *link = &dev->config[PCI_CAPABILITY_LIST];

	/* A mistake in this program: all capabilities are known when it is built. */
	assert(len >= 2 && at + len <= PCI_CFG_SPACE_SIZE);
	while (*link)
		link = &dev->config[*link + PCI_CAP_LIST_NEXT];
	*link = (u8)at;
	memcpy(dev->config + at, body, len);
	dev->config[at + PCI_CAP_LIST_ID] = id;
	dev->config[at + PCI_CAP_LIST_NEXT] = 0;
	dev->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	dev->next_cap = (u16)((at + len + 3) & ~3u);
	return at;
}

u32 pci_config_get(struct pci_device *dev, unsigned int off, unsigned int len)
{
	__le32 le = 0;

	pthread_mutex_lock(&dev->config_lock);
	memcpy(&le, dev->config + off, len);
	pthread_mutex_unlock(&dev->config_lock);
	return le32_to_cpu(le);
}

void pci_config_put(struct pci_device *dev, unsigned int off, u32 value, unsigned int len)
{
	bool left = false;
	unsigned int i;

	pthread_mutex_lock(&dev->config_lock);
	for (i = 0; i < len; i++) {
		const u8 mask = dev->writable[off + i], byte = (u8)(value >> i * 8);

		/* One store: pci_bus_master() reads without the lock. */
		WRITE_ONCE(dev->config[off + i],
			   (u8)((dev->config[off + i] & ~mask) | (byte & mask)));
	}
	if (pci_overlap(off, len, PCI_COMMAND, 2)) {
		left = pci_bars_update(dev);
		pci_intx_update(dev);
	} else if (pci_overlap(off, len, PCI_BASE_ADDRESS_0, 4 * PCI_BARS)) {
		left = pci_bars_update(dev);
	}
	pci_msix_config_written(dev, off, len);
	pthread_mutex_unlock(&dev->config_lock);
	if (left)
		pci_bars_retry(dev->vm);
}

u32 pci_config_read(struct pci_device *dev, unsigned int off, unsigned int len)
{
	__atomic_fetch_add(&dev->config_accesses, 1, __ATOMIC_RELAXED);
	return dev->ops->config_read ? dev->ops->config_read(dev, off, len) :
				       pci_config_get(dev, off, len);
}

void pci_config_write(struct pci_device *dev, unsigned int off, u32 value, unsigned int len)
{
	__atomic_fetch_add(&dev->config_accesses, 1, __ATOMIC_RELAXED);
	if (dev->ops->config_write)
		dev->ops->config_write(dev, off, value, len);
	else
		pci_config_put(dev, off, value, len);
}

bool pci_bus_master(struct pci_device *dev)
{
	return READ_ONCE(dev->config[PCI_COMMAND]) & PCI_COMMAND_MASTER;
}
