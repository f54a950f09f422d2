// SPDX-License-Identifier: GPL-2.0
/* PCI 3.0, chapter 6; PCI Express Base, 7.5. */
#include <linux/pci_regs.h>

#include "vmm/complain.h"
#include "vmm/pci/bus.h"
#include "vmm/pci/le.h"
#include "vmm/vfio/config.h"

/* vfio-pci has a table of its own, and passes on to the hardware what is safe. */
enum config_owner { OWNER_NONE, OWNER_BUS, OWNER_DEVICE };

static const struct config_field {
	u16 off, len;
	u8 owner;
} header[] = {
	{ PCI_VENDOR_ID, 4, OWNER_DEVICE },
	{ PCI_COMMAND, 2, OWNER_BUS }, /* and forwarded, see command_write() */
	{ PCI_STATUS, 2, OWNER_DEVICE },
	{ PCI_REVISION_ID, 4, OWNER_DEVICE }, /* and class */
	{ PCI_CACHE_LINE_SIZE, 2, OWNER_DEVICE }, /* and latency timer */
	{ PCI_HEADER_TYPE, 1, OWNER_BUS }, /* one function */
	{ PCI_BASE_ADDRESS_0, 4 * PCI_BARS, OWNER_BUS },
	{ PCI_SUBSYSTEM_VENDOR_ID, 4, OWNER_DEVICE },
	{ PCI_CAPABILITY_LIST, 1, OWNER_BUS },
	{ PCI_INTERRUPT_LINE, 2, OWNER_BUS }, /* and pin */
	{ PCI_MIN_GNT, 2, OWNER_DEVICE }, /* and maximum latency */
};

#define EXPRESS_BYTES_1 0x14 /* of capability version 1, an endpoint's */
#define EXPRESS_BYTES_2 0x3c

/* The capabilities that are shown, with their lengths; 0: it depends. */
static const struct config_capability {
	u8 id, len;
} capabilities[] = {
	{ PCI_CAP_ID_PM, PCI_PM_SIZEOF },
	{ PCI_CAP_ID_VPD, PCI_CAP_VPD_SIZEOF },
	{ PCI_CAP_ID_VNDR, 0 },
	{ PCI_CAP_ID_EXP, 0 },
	{ PCI_CAP_ID_AF, PCI_CAP_AF_SIZEOF },
};

static u32 device_read(struct vfio_device *device, unsigned int off, unsigned int len)
{
	return (u32)vfio_region_read(device, VFIO_PCI_CONFIG_REGION_INDEX, off, len);
}

static void device_write(struct vfio_device *device, unsigned int off, u32 value,
			 unsigned int len)
{
	vfio_region_write(device, VFIO_PCI_CONFIG_REGION_INDEX, off, value, len);
}

static void owner_set(struct vfio_config *config, unsigned int off, unsigned int len, u8 owner)
{
	memset(config->owner + off, owner, len);
}

void vfio_config_identity(struct vfio_device *device, struct pci_identity *id)
{
	*id = (struct pci_identity){
		.vendor = (u16)device_read(device, PCI_VENDOR_ID, 2),
		.device = (u16)device_read(device, PCI_DEVICE_ID, 2),
		.subsystem_vendor = (u16)device_read(device, PCI_SUBSYSTEM_VENDOR_ID, 2),
		.subsystem = (u16)device_read(device, PCI_SUBSYSTEM_ID, 2),
		.class_code = device_read(device, PCI_REVISION_ID, 4) >> 8,
		.revision = (u8)device_read(device, PCI_REVISION_ID, 1),
	};
}

/* --- capabilities -------------------------------------------------------------- */

static unsigned int express_len(u16 flags)
{
	return (flags & PCI_EXP_FLAGS_VERS) > 1 ? EXPRESS_BYTES_2 : EXPRESS_BYTES_1;
}

static unsigned int capability_len(struct vfio_device *device, unsigned int at, u8 id)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(capabilities); i++) {
		if (capabilities[i].id != id)
			continue;
		if (id == PCI_CAP_ID_VNDR)
			return device_read(device, at + 2, 1);
		if (id == PCI_CAP_ID_EXP)
			return express_len((u16)device_read(device, at + PCI_EXP_FLAGS, 2));
		return capabilities[i].len;
	}
	return 0;
}

/*
 * At the root of this machine's bus there is no port above the function, so an endpoint
 * is one that is integrated into the root complex (7.5.3.2).
 */
static void express_fix(struct vfio_config *config, unsigned int at)
{
	u8 *flags = config->pci->config + at + PCI_EXP_FLAGS;
	u16 value = get_le16(flags);

	if ((value & PCI_EXP_FLAGS_TYPE) >> 4 <= PCI_EXP_TYPE_LEG_END)
		value = (u16)((value & ~PCI_EXP_FLAGS_TYPE) | PCI_EXP_TYPE_RC_END << 4);
	put_le16(flags, value);
	owner_set(config, at + PCI_EXP_FLAGS, 2, OWNER_BUS);
}

static void capability_show(struct vfio_config *config, unsigned int at, u8 id, unsigned int len)
{
	u8 body[PCI_CFG_SPACE_SIZE];
	unsigned int i;

	for (i = 0; i < len; i++)
		body[i] = (u8)device_read(config->device, at + i, 1);
	config->pci->next_cap = (u16)at;
	pci_add_capability(config->pci, id, body, len);
	owner_set(config, at, 2, OWNER_BUS); /* identity and link */
	owner_set(config, at + 2, len - 2, OWNER_DEVICE);
	if (id == PCI_CAP_ID_EXP)
		express_fix(config, at);
}

/* Whether table and pending bits lie where the device has BARs. */
static bool msix_usable(struct vfio_config *config, unsigned int at)
{
	struct vfio_device *device = config->device;
	const u32 table = device_read(device, at + PCI_MSIX_TABLE, 4);
	const u32 pba = device_read(device, at + PCI_MSIX_PBA, 4);
	struct pci_msix_layout *l = &config->msix;
	const struct pci_bar *bar = config->pci->bar;

	l->vectors = (device_read(device, at + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;
	l->vectors = min(l->vectors, device->msix);
	l->table_bar = table & PCI_MSIX_TABLE_BIR;
	l->table_off = table & PCI_MSIX_TABLE_OFFSET;
	l->pba_bar = pba & PCI_MSIX_PBA_BIR;
	l->pba_off = pba & PCI_MSIX_PBA_OFFSET;
	return l->vectors && l->table_bar < PCI_BARS && l->pba_bar < PCI_BARS &&
	       viola_within(l->table_off, pci_msix_table_bytes(l->vectors),
			    bar[l->table_bar].size) &&
	       viola_within(l->pba_off, pci_msix_pba_bytes(l->vectors), bar[l->pba_bar].size);
}

static void capability_found(struct vfio_config *config, unsigned int at)
{
	const u8 id = (u8)device_read(config->device, at, 1);
	const unsigned int len = capability_len(config->device, at, id);

	if (id == PCI_CAP_ID_MSIX && !config->msix_cap &&
	    at + PCI_CAP_MSIX_SIZEOF <= PCI_CFG_SPACE_SIZE) {
		if (msix_usable(config, at))
			config->msix_cap = at;
		else
			vmm_say("host=%s: its MSI-X table lies outside its BARs: it has no interrupts",
				config->device->address);
	} else if (len > 2 && at + len <= PCI_CFG_SPACE_SIZE) {
		capability_show(config, at, id, len);
	}
}

void vfio_config_init(struct vfio_config *config, struct pci_device *pci,
		      struct vfio_device *device)
{
	bool seen[PCI_CFG_SPACE_SIZE] = { false };
	unsigned int i, at;

	memset(config, 0, sizeof(*config));
	config->pci = pci;
	config->device = device;
	for (i = 0; i < ARRAY_SIZE(header); i++)
		owner_set(config, header[i].off, header[i].len, header[i].owner);
	/* A list may be longer than it should, or a ring. */
	at = device_read(device, PCI_CAPABILITY_LIST, 1) & ~3u;
	while (at >= PCI_STD_HEADER_SIZEOF && !seen[at]) {
		seen[at] = true;
		capability_found(config, at);
		at = device_read(device, at + PCI_CAP_LIST_NEXT, 1) & ~3u;
	}
	/* Where pci_msix_init() puts it next. */
	if (config->msix_cap) {
		pci->next_cap = (u16)config->msix_cap;
		owner_set(config, config->msix_cap, PCI_CAP_MSIX_SIZEOF, OWNER_BUS);
	}
}

/* --- accesses ------------------------------------------------------------------ */

u32 vfio_config_read(struct vfio_config *config, unsigned int off, unsigned int len)
{
	const u32 bus = pci_config_get(config->pci, off, len);
	const u32 device = device_read(config->device, off, len);
	u32 value = 0;
	unsigned int i;

	for (i = 0; i < len; i++) {
		const u32 mask = 0xffu << 8 * i;

		if (config->owner[off + i] == OWNER_BUS)
			value |= bus & mask;
		else if (config->owner[off + i] == OWNER_DEVICE)
			value |= device & mask;
	}
	return value;
}

/*
 * The device must answer before its BARs are mapped, and until they no longer are: its
 * memory bit is the first to be set and the last to go.
 */
static void command_write(struct vfio_config *config, unsigned int off, u32 value,
			  unsigned int len)
{
	struct pci_device *pci = config->pci;
	const u16 before = pci_command(pci);

	device_write(config->device, PCI_COMMAND, before | PCI_COMMAND_MEMORY, 2);
	pci_config_put(pci, off, value, len);
	device_write(config->device, PCI_COMMAND, pci_command(pci), 2);
}

void vfio_config_write(struct vfio_config *config, unsigned int off, u32 value, unsigned int len)
{
	bool whole = true;
	unsigned int i;

	if (pci_overlap(off, len, PCI_COMMAND, 2))
		command_write(config, off, value, len);
	else
		pci_config_put(config->pci, off, value, len);
	for (i = 0; i < len; i++)
		whole &= config->owner[off + i] == OWNER_DEVICE;
	if (whole) {
		device_write(config->device, off, value, len);
		return;
	}
	for (i = 0; i < len; i++)
		if (config->owner[off + i] == OWNER_DEVICE)
			device_write(config->device, off + i, value >> 8 * i & 0xff, 1);
}
