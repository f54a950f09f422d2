// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/pci_regs.h>

#include "tests/unit/fake-pci.h"

struct fake_pci fake_pci;

void fake_pci_reset(void)
{
	unsigned int i;

	for (i = 0; i < fake_pci.vectors; i++)
		close(fake_pci.msix_fd[i]);
	memset(&fake_pci, 0, sizeof(fake_pci));
}

void fake_pci_destroy(void)
{
	if (fake_pci.dev)
		fake_pci.dev->ops->destroy(fake_pci.dev);
	fake_pci.dev = NULL;
}

void fake_msix_enable(bool on)
{
	fake_pci.msix_on = on;
	if (fake_pci.on_enable)
		fake_pci.on_enable(fake_pci.dev, on);
}

void fake_quiesce(void)
{
	fake_pci.dev->ops->quiesce(fake_pci.dev);
}

void fake_resume(void)
{
	if (fake_pci.dev->ops->resume(fake_pci.dev))
		abort();
}

void fake_bar_move(unsigned int bar, u64 gpa, bool mapped)
{
	fake_pci.dev->bar[bar].base = gpa;
	fake_pci.dev->bar[bar].mapped = mapped;
	if (fake_pci.dev->ops->bar_moved)
		fake_pci.dev->ops->bar_moved(fake_pci.dev, bar, gpa, mapped);
}

u64 fake_read(unsigned int bar, u64 off, unsigned int len)
{
	u64 value = fake_pci.dev->ops->bar_read(fake_pci.dev, bar, off, len);

	return len == 8 ? value : value & ((1ull << 8 * len) - 1);
}

void fake_write(unsigned int bar, u64 off, u64 value, unsigned int len)
{
	fake_pci.dev->ops->bar_write(fake_pci.dev, bar, off, value, len);
}

u32 fake_config_read(unsigned int off, unsigned int len)
{
	return fake_pci.dev->ops->config_read(fake_pci.dev, off, len);
}

void fake_config_write(unsigned int off, u32 value, unsigned int len)
{
	fake_pci.dev->ops->config_write(fake_pci.dev, off, value, len);
}

unsigned int fake_interrupts(unsigned int vector)
{
	eventfd_t count = 0;

	if (!eventfd_read(fake_pci.msix_fd[vector], &count))
		__atomic_add_fetch(&fake_pci.notified[vector], (unsigned int)count,
				   __ATOMIC_SEQ_CST);
	return __atomic_load_n(&fake_pci.notified[vector], __ATOMIC_SEQ_CST);
}

bool fake_intx(void)
{
	return __atomic_load_n(&fake_pci.intx, __ATOMIC_SEQ_CST);
}

/* --- what a device calls --------------------------------------------------- */

void pci_device_init(struct pci_device *dev, struct vm *vm, const char *name,
		     const struct pci_device_ops *ops, const struct pci_identity *id, bool intx)
{
	memset(dev, 0, sizeof(*dev));
	dev->vm = vm;
	dev->name = name;
	dev->ops = ops;
	dev->next_cap = 0x40;
	/* As a driver leaves it. */
	dev->config[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	dev->writable[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	pthread_mutex_init(&dev->config_lock, NULL);
}

void pci_add_bar(struct pci_device *dev, unsigned int bar, enum pci_bar_kind kind, u64 size)
{
	dev->bar[bar].kind = kind;
	dev->bar[bar].size = size;
}

unsigned int pci_add_capability(struct pci_device *dev, u8 id, const void *body, unsigned int len)
{
	unsigned int at = dev->next_cap;

	memcpy(dev->config + at, body, len);
	dev->config[at] = id;
	dev->next_cap = (u16)((at + len + 3) & ~3u);
	return at;
}

u32 pci_config_get(struct pci_device *dev, unsigned int off, unsigned int len)
{
	u32 value = 0;

	memcpy(&value, dev->config + off, len);
	return value;
}

void pci_config_put(struct pci_device *dev, unsigned int off, u32 value, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < len; i++, value >>= 8) {
		u8 mask = dev->writable[off + i];

		dev->config[off + i] &= (u8)~mask;
		dev->config[off + i] |= (u8)value & mask;
	}
}

int pci_attach(struct vm *vm, struct pci_device *dev)
{
	fake_pci.dev = dev;
	return 0;
}

void pci_intx(struct pci_device *dev, bool level)
{
	__atomic_store_n(&fake_pci.intx, level, __ATOMIC_SEQ_CST);
}

bool pci_bus_master(struct pci_device *dev)
{
	return dev->config[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

int pci_msix_init(struct pci_device *dev, const struct pci_msix_layout *layout)
{
	if (layout->vectors > FAKE_VECTORS)
		abort();
	for (; fake_pci.vectors < layout->vectors; fake_pci.vectors++)
		fake_pci.msix_fd[fake_pci.vectors] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return 0;
}

bool pci_msix_enabled(struct pci_device *dev)
{
	return __atomic_load_n(&fake_pci.msix_on, __ATOMIC_SEQ_CST);
}

void pci_msix_notify(struct pci_device *dev, unsigned int vector)
{
	if (vector >= fake_pci.vectors) {
		fprintf(stderr, "fake-pci: vector %u does not exist\n", vector);
		abort();
	}
	__atomic_add_fetch(&fake_pci.notified[vector], 1, __ATOMIC_SEQ_CST);
}

int pci_msix_fd(struct pci_device *dev, unsigned int vector)
{
	return fake_pci.msix_fd[vector];
}

void pci_msix_on_enable(struct pci_device *dev, void (*fn)(struct pci_device *dev, bool on))
{
	fake_pci.on_enable = fn;
}

int vm_ioeventfd_add(struct vm *vm, u64 gpa, int fd)
{
	unsigned int i;

	for (i = 0; i < fake_pci.io_nr; i++)
		if (fake_pci.io[i].gpa == gpa)
			abort(); /* KVM says EEXIST */
	if (fake_pci.io_nr == FAKE_IOEVENTFDS)
		abort();
	fake_pci.io[fake_pci.io_nr].gpa = gpa;
	fake_pci.io[fake_pci.io_nr++].fd = fd;
	return 0;
}

int vm_ioeventfd_remove(struct vm *vm, u64 gpa, int fd)
{
	unsigned int i;

	for (i = 0; i < fake_pci.io_nr; i++)
		if (fake_pci.io[i].gpa == gpa && fake_pci.io[i].fd == fd) {
			fake_pci.io[i] = fake_pci.io[--fake_pci.io_nr];
			return 0;
		}
	abort(); /* KVM says ENOENT */
}
