// SPDX-License-Identifier: GPL-2.0
/*
 * A PCI function of the host in the guest. Its memory is the guest's without an exit,
 * except the pages of its MSI-X table, which is the machine's; its interrupts go by
 * eventfd from vfio-pci to KVM; its DMA goes through the container.
 *
 * Locks: the vectors' state follows the MSI-X table's lock, under which
 * vectors_changed() is called.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <linux/pci_regs.h>

#include "vmm/complain.h"
#include "vmm/error.h"
#include "vmm/pci/bus.h"
#include "vmm/vfio/config.h"
#include "vmm/vfio/vfio_pci.h"

#define MAPPINGS_MAX 32

struct vfio_mapping {
	void *base;
	u64 size;
};

struct vfio_pci {
	struct pci_device pci; /* first */
	struct vfio_device device;
	struct vfio_config config;
	char name[16];
	unsigned int mappings;
	struct vfio_mapping mapping[MAPPINGS_MAX];
	unsigned int vectors_on; /* that vfio-pci has allocated; 0: MSI-X is off there */
	s32 *vector_fd; /* eventfd that vfio-pci signals for each vector, or -1 */
};

static struct vfio_pci *to_vfio(struct pci_device *pci)
{
	return (struct vfio_pci *)pci;
}

/* --- BARs ---------------------------------------------------------------------- */

/* Regions 0 … 5 are the BARs, by VFIO's numbering. */
static u64 vfio_bar_read(struct pci_device *pci, unsigned int bar, u64 off, unsigned int len)
{
	return vfio_region_read(&to_vfio(pci)->device, bar, off, len);
}

static void vfio_bar_write(struct pci_device *pci, unsigned int bar, u64 off, u64 value,
			   unsigned int len)
{
	vfio_region_write(&to_vfio(pci)->device, bar, off, value, len);
}

static void bars_add(struct vfio_pci *v)
{
	unsigned int i;

	for (i = 0; i < PCI_BARS; i++) {
		const u64 size = v->device.region[VFIO_PCI_BAR0_REGION_INDEX + i].size;
		const u32 reg = (u32)vfio_region_read(&v->device, VFIO_PCI_CONFIG_REGION_INDEX,
						      PCI_BASE_ADDRESS_0 + 4 * i, 4);

		if (!size)
			continue;
		if (reg & PCI_BASE_ADDRESS_SPACE_IO) {
			pci_add_bar(&v->pci, i, PCI_BAR_IO, size);
		} else if ((reg & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64 &&
			   i + 1 < PCI_BARS) {
			pci_add_bar(&v->pci, i, PCI_BAR_MEM64, size);
			i++; /* its upper half */
		} else {
			pci_add_bar(&v->pci, i, PCI_BAR_MEM32, size);
		}
	}
}

static int part_map(struct vfio_pci *v, unsigned int bar, u64 off, u64 size)
{
	const struct vfio_region *r = &v->device.region[bar];
	void *base;

	/* What does not fit the table is trapped, which is slow and right. */
	if (v->mappings == MAPPINGS_MAX)
		return 0;
	base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v->device.fd,
		    (off_t)(r->off + off));
	if (base == MAP_FAILED)
		return vmm_fail(errno, "host=%s: cannot map BAR %u: %m", v->device.address, bar);
	v->mapping[v->mappings++] = (struct vfio_mapping){ .base = base, .size = size };
	return pci_bar_map(&v->pci, bar, off, size, base, v->device.fd, r->off + off);
}

/* Maps one area of a BAR without the pages in which MSI-X is. */
static int area_map(struct vfio_pci *v, unsigned int bar, const struct vfio_area *area)
{
	const u64 end = area->off + area->size;
	u64 begin = area->off, at;
	int err = 0;

	for (at = begin; at < end && !err; at += MEMORY_PAGE) {
		if (!pci_msix_covers(&v->pci, bar, at, MEMORY_PAGE))
			continue;
		if (begin < at)
			err = part_map(v, bar, begin, at - begin);
		begin = at + MEMORY_PAGE;
	}
	return err || begin == end ? err : part_map(v, bar, begin, end - begin);
}

static int bars_map(struct vfio_pci *v)
{
	unsigned int bar, i;
	int err = 0;

	for (bar = 0; bar < PCI_BARS; bar++) {
		const struct vfio_region *r = &v->device.region[bar];

		if (v->pci.bar[bar].kind != PCI_BAR_MEM32 && v->pci.bar[bar].kind != PCI_BAR_MEM64)
			continue;
		for (i = 0; i < r->areas && !err; i++)
			err = area_map(v, bar, &r->area[i]);
	}
	return err;
}

/* --- interrupts ---------------------------------------------------------------- */

/*
 * Vectors @first … @first + @nr - 1 may interrupt now, or no longer. One that has been
 * connected stays so: while it is masked its eventfd counts, which is its pending bit.
 */
static void vectors_changed(struct pci_device *pci, unsigned int first, unsigned int nr)
{
	struct vfio_pci *v = to_vfio(pci);
	unsigned int i, low = ~0u, high = 0;

	for (i = first; i < first + nr; i++) {
		const int fd = pci_msix_live_fd(pci, i);

		if (fd < 0 || v->vector_fd[i] == fd)
			continue;
		v->vector_fd[i] = fd;
		low = min(low, i);
		high = i;
	}
	if (low > high)
		return;
	/* More vectors than there are: vfio-pci allocates them anew. */
	if (high >= v->vectors_on) {
		if (v->vectors_on)
			vfio_msix_off(&v->device);
		low = 0;
		v->vectors_on = high + 1;
	}
	if (vfio_msix_set(&v->device, low, high - low + 1, v->vector_fd + low))
		vmm_complain(&pci->complained, v->name, "it does not interrupt: %s", vmm_error());
}

static void msix_switched(struct pci_device *pci, bool on)
{
	struct vfio_pci *v = to_vfio(pci);

	if (on)
		return;
	if (v->vectors_on)
		vfio_msix_off(&v->device);
	v->vectors_on = 0;
	memset(v->vector_fd, 0xff, v->config.msix.vectors * sizeof(*v->vector_fd));
}

static int msix_create(struct vfio_pci *v)
{
	const unsigned int vectors = v->config.msix.vectors;
	unsigned int i;
	int err, fd;

	if (!v->config.msix_cap)
		return 0;
	v->vector_fd = malloc(vectors * sizeof(*v->vector_fd));
	if (!v->vector_fd)
		return vmm_fail(ENOMEM, "host=%s: out of memory", v->device.address);
	memset(v->vector_fd, 0xff, vectors * sizeof(*v->vector_fd));
	err = pci_msix_init(&v->pci, &v->config.msix);
	if (err)
		return err;
	pci_msix_on_enable(&v->pci, msix_switched);
	pci_msix_on_vectors(&v->pci, vectors_changed);
	for (i = 0; i < vectors; i++) {
		fd = pci_msix_fd(&v->pci, i);
		if (fd < 0)
			return fd;
	}
	return 0;
}

/* --- the function -------------------------------------------------------------- */

static u32 config_read(struct pci_device *pci, unsigned int off, unsigned int len)
{
	return vfio_config_read(&to_vfio(pci)->config, off, len);
}

static void config_write(struct pci_device *pci, unsigned int off, u32 value, unsigned int len)
{
	vfio_config_write(&to_vfio(pci)->config, off, value, len);
}

static void command_set(struct vfio_pci *v, u16 command)
{
	vfio_region_write(&v->device, VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command, 2);
}

/* A device that may not be bus master neither reads memory nor sends messages. */
static void vfio_quiesce(struct pci_device *pci)
{
	command_set(to_vfio(pci), pci_command(pci) & (u16)~PCI_COMMAND_MASTER);
}

static int vfio_resume(struct pci_device *pci)
{
	command_set(to_vfio(pci), pci_command(pci));
	return 0;
}

static void vfio_stats(struct pci_device *pci, FILE *out)
{
	const struct vfio_pci *v = to_vfio(pci);

	fprintf(out, "\"host\": \"%s\", \"vectors_on\": %u", v->device.address,
		READ_ONCE(v->vectors_on));
}

static void vfio_destroy(struct pci_device *pci)
{
	struct vfio_pci *v = to_vfio(pci);

	if (v->vectors_on)
		vfio_msix_off(&v->device);
	while (v->mappings) {
		const struct vfio_mapping *m = &v->mapping[--v->mappings];

		munmap(m->base, m->size);
	}
	vfio_device_close(&v->device);
	pthread_mutex_destroy(&pci->config_lock);
	free(v->vector_fd);
	free(v);
}

static const struct pci_device_ops vfio_ops = {
	.bar_read = vfio_bar_read,
	.bar_write = vfio_bar_write,
	.config_read = config_read,
	.config_write = config_write,
	.quiesce = vfio_quiesce,
	.resume = vfio_resume,
	.stats = vfio_stats,
	.destroy = vfio_destroy,
};

int vfio_pci_create(struct vm *vm, const char *address, unsigned int index)
{
	struct vfio_pci *v = calloc(1, sizeof(*v));
	struct pci_identity id;
	int err;

	if (!v)
		return vmm_fail(ENOMEM, "host=%s: out of memory", address);
	snprintf(v->name, sizeof(v->name), "net%u", index);
	err = vfio_device_open(&v->device, vm, address);
	if (err) {
		free(v);
		return err;
	}
	vfio_config_identity(&v->device, &id);
	pci_device_init(&v->pci, vm, v->name, &vfio_ops, &id, false);
	bars_add(v);
	vfio_config_init(&v->config, &v->pci, &v->device);
	err = msix_create(v);
	if (!err)
		err = bars_map(v);
	if (!err)
		err = pci_attach(vm, &v->pci);
	if (err) {
		struct pci_msix *msix = v->pci.msix;

		pci_bars_forget(&v->pci);
		vfio_destroy(&v->pci);
		pci_msix_free(vm, msix);
	}
	return err;
}
