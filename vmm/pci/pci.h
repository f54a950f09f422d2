/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_PCI_PCI_H
#define VMM_PCI_PCI_H

#include <pthread.h>
#include <stdio.h>
#include <linux/pci_regs.h>

#include <viola/env.h>

#include "vmm/memory.h"

/*
 * PCI as devices see it (PCI Local Bus 3.0 and PCIe base, type 0 headers, one
 * bus). A device fills in a struct pci_device, adds BARs and capabilities and
 * attaches it; the bus does configuration space, BAR placement, command
 * register, INTx and MSI-X, and calls the device for what is behind its BARs.
 */

struct pci_device;
struct vm;

struct pci_device_ops {
	/* An access within BAR @bar; rules of struct bus_ops. */
	u64 (*bar_read)(struct pci_device *dev, unsigned int bar, u64 off, unsigned int len);
	void (*bar_write)(struct pci_device *dev, unsigned int bar, u64 off, u64 value,
			  unsigned int len);
	/*
	 * Optional: BAR @bar now answers at guest address @gpa (@mapped), or
	 * no longer does. Where ioeventfds are moved. Called with config_lock.
	 */
	void (*bar_moved)(struct pci_device *dev, unsigned int bar, u64 gpa, bool mapped);
	/*
	 * Optional: the guest's accesses to configuration space, @len 1, 2 or 4, aligned.
	 * No lock is held. A function that has them answers for all of its space, and
	 * passes on to pci_config_get() and pci_config_put() what is the bus's.
	 */
	u32 (*config_read)(struct pci_device *dev, unsigned int off, unsigned int len);
	void (*config_write)(struct pci_device *dev, unsigned int off, u32 value,
			     unsigned int len);
	/*
	 * Optional, as a pair: between the two the device touches neither guest memory nor
	 * its far end and does not interrupt. Called by the main thread while no vCPU runs;
	 * quiesce() returns when what was under way is done. resume() -errno with a
	 * recorded sentence: the device cannot go on.
	 */
	void (*quiesce)(struct pci_device *dev);
	int (*resume)(struct pci_device *dev);
	/*
	 * Optional: prints the device's counters as JSON members, `"name": number`
	 * separated by ", ", no braces. By the main thread, at any time before destroy.
	 */
	void (*stats)(struct pci_device *dev, FILE *out);
	/* Stops all activity and frees the device. */
	void (*destroy)(struct pci_device *dev);
};

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM32, PCI_BAR_MEM64 };

/*
 * A part of a memory BAR that the guest reaches without an exit: host memory, a block of
 * guest memory while the BAR is mapped.
 */
struct pci_bar_part {
	struct pci_bar_part *next;
	u64 off; /* bytes in the BAR */
	struct memory_block block;
	bool added;
};

struct pci_bar {
	enum pci_bar_kind kind;
	u64 size; /* power of two */
	u64 base; /* where it is mapped now, if mapped */
	bool mapped;
	u8 index;
	struct pci_bar_part *parts;
	struct pci_device *dev;
	u64 reads, writes; /* exits that ended here; atomic, relaxed */
};

#define PCI_CONFIG_SIZE 4096
#define PCI_BARS 6

struct pci_msix;

struct pci_device {
	const struct pci_device_ops *ops;
	const char *name; /* for messages */
	struct vm *vm;
	u8 slot; /* device number on bus 0 */
	pthread_mutex_t config_lock; /* guards config, bar, intx */
	u8 config[PCI_CONFIG_SIZE]; /* little-endian, as the guest reads it */
	u8 writable[PCI_CONFIG_SIZE]; /* bits the guest may write */
	struct pci_bar bar[PCI_BARS];
	u16 next_cap; /* where the next capability goes */
	struct pci_msix *msix;
	u32 intx_gsi;
	bool intx_level; /* as the device last set it */
	u64 complained; /* of vmm_complain() */
	u64 config_accesses; /* by the guest; atomic, relaxed */
};

struct pci_identity {
	u16 vendor, device;
	u16 subsystem_vendor, subsystem;
	u32 class_code; /* 24 bits: class, subclass, interface */
	u8 revision;
};

/* Prepares *@dev: no BARs, no capabilities, interrupt pin A if @intx. */
void pci_device_init(struct pci_device *dev, struct vm *vm, const char *name,
		     const struct pci_device_ops *ops, const struct pci_identity *id, bool intx);

/* Before attach. @size is rounded up to a power of two. */
void pci_add_bar(struct pci_device *dev, unsigned int bar, enum pci_bar_kind kind, u64 size);

/*
 * Before attach: the guest reaches bytes [@off, @off + @size) of memory BAR @bar, whole
 * pages, without an exit at @base, which is a mapping of @fd at @fd_off, or of nothing
 * (-1). Parts do not overlap each other nor the pages of MSI-X. The rest of the BAR still
 * ends in bar_read() and bar_write(), and so does this part where KVM or another listener
 * refuses it. Mapping and descriptor are the device's until it has been destroyed.
 * 0 or -ENOMEM with a recorded sentence.
 */
int pci_bar_map(struct pci_device *dev, unsigned int bar, u64 off, u64 size, void *base, int fd,
		u64 fd_off);

/*
 * Appends a capability of @len bytes (header included; the first two bytes of
 * @body are overwritten by id and next). Returns its config-space offset.
 */
unsigned int pci_add_capability(struct pci_device *dev, u8 id, const void *body, unsigned int len);

/* Gives the device the next free slot and makes it visible. */
int pci_attach(struct vm *vm, struct pci_device *dev);

/*
 * The bus's configuration space of @dev: config[] as the guest reads it, with the bits
 * of writable[], the BARs, the command register and MSI-X behind it.
 */
u32 pci_config_get(struct pci_device *dev, unsigned int off, unsigned int len);
void pci_config_put(struct pci_device *dev, unsigned int off, u32 value, unsigned int len);

/* Whether [@off, @off + @len) and the @size bytes at @at have a byte in common. */
static inline bool pci_overlap(u64 off, u64 len, u64 at, u64 size)
{
	return off < at + size && at < off + len;
}

/* Drives the INTx line; from any thread, ignored while INTx is disabled. */
void pci_intx(struct pci_device *dev, bool level);

/* Whether the guest lets the device do DMA (command register, bus master). */
bool pci_bus_master(struct pci_device *dev);

/* Where MSI-X has its table and its pending bits. */
struct pci_msix_layout {
	unsigned int vectors; /* 1 … 2048 */
	unsigned int table_bar, pba_bar;
	u32 table_off, pba_off; /* bytes in the BAR, multiples of 8 */
};

/* Bytes of a table, and of pending bits, which come in words of 64. */
static inline u32 pci_msix_table_bytes(unsigned int vectors)
{
	return vectors * PCI_MSIX_ENTRY_SIZE;
}

static inline u32 pci_msix_pba_bytes(unsigned int vectors)
{
	return (vectors + 63) / 64 * 8;
}

/*
 * MSI-X (PCI 3.0, 6.8.2). Accesses to table and PBA never reach the device's bar_*
 * operations. 0 or -ENOMEM with a recorded sentence.
 */
int pci_msix_init(struct pci_device *dev, const struct pci_msix_layout *layout);
bool pci_msix_enabled(struct pci_device *dev);
/* Interrupts vector @vector from any thread; pends it while masked. */
void pci_msix_notify(struct pci_device *dev, unsigned int vector);
/*
 * The eventfd whose signal is an interrupt on @vector, to be handed to a
 * kernel data plane; -errno if there is none. Owned by the device's MSI-X;
 * stays the same while the device lives, masked or not.
 */
int pci_msix_fd(struct pci_device *dev, unsigned int vector);
/*
 * Optional, for a source of interrupts outside this process: called after vectors @first …
 * @first + @nr - 1 may have begun or ceased to be live, that is to reach the guest. With
 * the lock of MSI-X: of the functions here only pci_msix_live_fd() may be called.
 */
void pci_msix_on_vectors(struct pci_device *dev,
			 void (*fn)(struct pci_device *dev, unsigned int first, unsigned int nr));
/* From there: the eventfd of @vector if it is live, else -1. */
int pci_msix_live_fd(const struct pci_device *dev, unsigned int vector);
/* Optional: called when MSI-X is enabled or disabled as a whole. */
void pci_msix_on_enable(struct pci_device *dev, void (*fn)(struct pci_device *dev, bool on));

#define PCI_SLOTS 32

struct pci_bus {
	struct pci_device *slot[PCI_SLOTS]; /* constant while vCPUs run */
	u64 ecam_base;
	u64 mmio32_base, mmio32_end, mmio64_base, mmio64_end, io_base, io_end;
	u64 mmio64_max; /* mmio64_end grows with what is attached, up to here */
	u64 next_mmio32, next_mmio64, next_io; /* for BARs placed before the guest starts */
	pthread_mutex_t lock; /* guards what follows */
	u32 cf8; /* last configuration address written */
	u32 line[8]; /* by INTx GSI: bit s, slot s pulls it */
};

#endif
