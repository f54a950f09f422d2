// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/error.h"
#include "vmm/memory.h"
#include "vmm/vfio/container.h"
#include "vmm/vfio/device.h"

#define SYSFS "/sys/bus/pci/devices/"
#define INFO_MAX 4096u /* bytes of a region's description that are believed */

/* --- what the host says of it -------------------------------------------------- */

/* The last part of what link @name of the device points to; false if there is none. */
static bool link_read(const char *address, const char *name, char *to, size_t size)
{
	char path[96], target[256];
	const char *last;
	ssize_t n;

	snprintf(path, sizeof(path), SYSFS "%s/%s", address, name);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (strlen(last) >= size)
		return false;
	memcpy(to, last, strlen(last) + 1);
	return true;
}

/* The members of @group that keep it from being used, as "ADDRESS (DRIVER), …". */
static void group_blockers(int group, char *to, size_t size)
{
	char path[64], driver[64];
	struct dirent *e;
	size_t len = 0;
	DIR *d;

	to[0] = '\0';
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices", group);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.' ||
		    !link_read(e->d_name, "driver", driver, sizeof(driver)) ||
		    !strcmp(driver, "vfio-pci") || !strcmp(driver, "pcieport") ||
		    !strcmp(driver, "pci-stub"))
			continue;
		if (len < size)
			len += (size_t)snprintf(to + len, size - len, "%s%.12s (%s)",
						len ? ", " : "", e->d_name, driver);
	}
	if (d)
		closedir(d);
}

static int group_number(const char *address, int *group)
{
	char path[64], text[64];

	snprintf(path, sizeof(path), SYSFS "%s", address);
	if (access(path, F_OK))
		return vmm_fail(ENODEV, "host=%s: there is no such PCI device", address);
	if (!link_read(address, "driver", text, sizeof(text)))
		return vmm_fail(ENODEV, "host=%s: no driver holds it: bind it to vfio-pci",
				address);
	if (strcmp(text, "vfio-pci"))
		return vmm_fail(EBUSY, "host=%s: %s holds it: unbind it there and bind it to vfio-pci",
				address, text);
	if (!link_read(address, "iommu_group", text, sizeof(text)))
		return vmm_fail(ENODEV, "host=%s: it is in no IOMMU group: switch the IOMMU on (intel_iommu=on)",
				address);
	*group = atoi(text);
	return 0;
}

static int group_open(struct vfio_device *dev, int group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[32], blockers[256];

	snprintf(path, sizeof(path), "/dev/vfio/%d", group);
	dev->group_fd = open(path, O_RDWR | O_CLOEXEC);
	if (dev->group_fd < 0 && errno == EBUSY)
		return vmm_fail(EBUSY, "host=%s: another process uses its IOMMU group %d",
				dev->address, group);
	if (dev->group_fd < 0)
		return vmm_fail(errno, "host=%s: cannot open %s: %m", dev->address, path);
	if (ioctl(dev->group_fd, VFIO_GROUP_GET_STATUS, &status))
		return vmm_fail(errno, "host=%s: VFIO_GROUP_GET_STATUS: %m", dev->address);
	if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
		return 0;
	group_blockers(group, blockers, sizeof(blockers));
	return vmm_fail(EPERM, "host=%s: IOMMU group %d is not viable: bind all its devices to vfio-pci, here %s",
			dev->address, group, blockers[0] ? blockers : "one that is not known");
}

/* --- what VFIO says of it ------------------------------------------------------ */

/* What is no run of whole pages in the region is trapped instead. */
static void area_add(struct vfio_region *r, u64 off, u64 size)
{
	if (!size || off % MEMORY_PAGE || size % MEMORY_PAGE || !viola_within(off, size, r->size) ||
	    r->areas == VFIO_AREAS_MAX)
		return;
	r->area[r->areas++] = (struct vfio_area){ .off = off, .size = size };
}

/* @bytes are there from *@sparse on. */
static void sparse_areas(struct vfio_region *r,
			 const struct vfio_region_info_cap_sparse_mmap *sparse, u32 bytes)
{
	u32 i, room;

	if (bytes < sizeof(*sparse))
		return;
	room = (u32)((bytes - sizeof(*sparse)) / sizeof(sparse->areas[0]));
	for (i = 0; i < min(sparse->nr_areas, room); i++)
		area_add(r, sparse->areas[i].offset, sparse->areas[i].size);
}

/*
 * The runs that can be mapped: those that the kernel lists, or all of the region. The
 * chain of capabilities is walked within the buffer, forward only.
 */
static void region_areas(struct vfio_region *r, const struct vfio_region_info *info)
{
	const u8 *base = (const u8 *)info;
	u32 at = info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0;

	while (at >= sizeof(*info) && viola_within(at, sizeof(struct vfio_info_cap_header),
						   info->argsz)) {
		const struct vfio_info_cap_header *cap = (const void *)(base + at);

		if (cap->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
			sparse_areas(r, (const void *)cap, info->argsz - at);
			return;
		}
		if (cap->next <= at)
			break;
		at = cap->next;
	}
	area_add(r, 0, r->size & ~(MEMORY_PAGE - 1));
}

static int region_read_info(struct vfio_device *dev, unsigned int index)
{
	struct vfio_region_info first = { .argsz = sizeof(first), .index = index }, *info;
	struct vfio_region *r = &dev->region[index];
	u32 size;

	/* A region that a device does not have is an error or empty, by its index. */
	if (ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &first))
		return 0;
	size = min(max(first.argsz, (u32)sizeof(first)), INFO_MAX);
	info = calloc(1, size);
	if (!info)
		return vmm_fail(ENOMEM, "host=%s: out of memory", dev->address);
	info->argsz = size;
	info->index = index;
	if (!ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, info)) {
		info->argsz = min(info->argsz, size);
		r->size = info->size;
		r->off = info->offset;
		r->readable = info->flags & VFIO_REGION_INFO_FLAG_READ;
		r->writable = info->flags & VFIO_REGION_INFO_FLAG_WRITE;
		if (info->flags & VFIO_REGION_INFO_FLAG_MMAP)
			region_areas(r, info);
	}
	free(info);
	return 0;
}

static int device_read_info(struct vfio_device *dev)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = VFIO_PCI_MSIX_IRQ_INDEX };
	unsigned int i;
	int err = 0;

	if (ioctl(dev->fd, VFIO_DEVICE_GET_INFO, &info))
		return vmm_fail(errno, "host=%s: VFIO_DEVICE_GET_INFO: %m", dev->address);
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return vmm_fail(ENODEV, "host=%s: VFIO says that it is no PCI device",
				dev->address);
	dev->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	for (i = 0; i < min(info.num_regions, (u32)VFIO_REGIONS) && !err; i++)
		err = region_read_info(dev, i);
	if (!err && info.num_irqs > VFIO_PCI_MSIX_IRQ_INDEX &&
	    !ioctl(dev->fd, VFIO_DEVICE_GET_IRQ_INFO, &irq))
		dev->msix = irq.count;
	if (!err && !dev->region[VFIO_PCI_CONFIG_REGION_INDEX].size)
		err = vmm_fail(ENODEV, "host=%s: VFIO gives no access to its configuration space",
			       dev->address);
	return err;
}

/* --- life ---------------------------------------------------------------------- */

static void device_reset(struct vfio_device *dev)
{
	if (dev->can_reset)
		ioctl(dev->fd, VFIO_DEVICE_RESET);
}

int vfio_device_open(struct vfio_device *dev, struct vm *vm, const char *address)
{
	char who[32];
	int group = -1, err;

	memset(dev, 0, sizeof(*dev));
	dev->vm = vm;
	dev->fd = -1;
	dev->group_fd = -1;
	snprintf(dev->address, sizeof(dev->address), "%s", address);
	snprintf(who, sizeof(who), "host=%s", dev->address);
	err = group_number(address, &group);
	if (!err)
		err = group_open(dev, group);
	if (!err) {
		err = vfio_container_attach(vm, who, group, dev->group_fd);
		dev->attached = !err;
	}
	if (!err) {
		dev->fd = ioctl(dev->group_fd, VFIO_GROUP_GET_DEVICE_FD, dev->address);
		if (dev->fd < 0)
			err = vmm_fail(errno, "%s: VFIO does not give the device: %m", who);
	}
	if (!err)
		err = device_read_info(dev);
	if (err) {
		vfio_device_close(dev);
		return err;
	}
	device_reset(dev);
	return 0;
}

void vfio_device_close(struct vfio_device *dev)
{
	if (dev->fd >= 0) {
		device_reset(dev);
		close(dev->fd);
	}
	dev->fd = -1;
	if (dev->attached)
		vfio_container_detach(dev->vm, dev->group_fd);
	dev->attached = false;
	if (dev->group_fd >= 0)
		close(dev->group_fd);
	dev->group_fd = -1;
}

/* --- accesses ------------------------------------------------------------------ */

u64 vfio_region_read(struct vfio_device *dev, unsigned int index, u64 off, unsigned int len)
{
	const struct vfio_region *r = &dev->region[index];
	__le64 value = 0;

	if (!r->readable || !viola_within(off, len, r->size) ||
	    pread(dev->fd, &value, len, (off_t)(r->off + off)) != (ssize_t)len)
		return ~0ull;
	return le64_to_cpu(value);
}

void vfio_region_write(struct vfio_device *dev, unsigned int index, u64 off, u64 value,
		       unsigned int len)
{
	const struct vfio_region *r = &dev->region[index];
	const __le64 le = cpu_to_le64(value);

	/* A write that the device does not take is lost, as on a bus. */
	if (r->writable && viola_within(off, len, r->size) &&
	    pwrite(dev->fd, &le, len, (off_t)(r->off + off)) != (ssize_t)len)
		return;
}

/* --- MSI-X --------------------------------------------------------------------- */

int vfio_msix_set(struct vfio_device *dev, unsigned int first, unsigned int nr, const s32 *fd)
{
	struct vfio_irq_set *set;
	int err = 0;

	set = calloc(1, sizeof(*set) + nr * sizeof(*fd));
	if (!set)
		return vmm_fail(ENOMEM, "host=%s: out of memory", dev->address);
	set->argsz = (u32)(sizeof(*set) + nr * sizeof(*fd));
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = VFIO_PCI_MSIX_IRQ_INDEX;
	set->start = first;
	set->count = nr;
	memcpy(set->data, fd, nr * sizeof(*fd));
	if (ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, set))
		err = vmm_fail(errno, "host=%s: VFIO cannot set %u MSI-X vectors from %u on: %m",
			       dev->address, nr, first);
	free(set);
	return err;
}

void vfio_msix_off(struct vfio_device *dev)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
	};

	ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &set);
}
