// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/vfio/vfio, and KVM's own VFIO device, which is told of each group: KVM then knows
 * whether a device's DMA may be incoherent, and keeps a reference.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <linux/kvm.h>
#include <linux/vfio.h>

#include "vmm/complain.h"
#include "vmm/error.h"
#include "vmm/vfio/container.h"
#include "vmm/vm-private.h"

#define NODE "/dev/vfio/vfio"
#define LOAD "load the module vfio_iommu_type1"

struct vfio_container {
	struct memory_listener listener; /* first */
	int fd;
	int kvm_fd; /* KVM's VFIO device, or -1 */
	unsigned int groups; /* while there are any, it listens */
};

/* --- guest memory -------------------------------------------------------------- */

static int map_fail(const struct memory_block *block)
{
	struct rlimit limit;

	if (errno != ENOMEM || getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return vmm_fail(errno, "VFIO cannot map %s, %llu MiB at %#llx: %m", block->name,
				(unsigned long long)(block->size >> 20),
				(unsigned long long)block->gpa);
	return vmm_fail(ENOMEM, "VFIO locks all guest memory, and %llu MiB of it are beyond the limit of %llu MiB: raise it by `ulimit -l`, or run as root",
			(unsigned long long)(block->size >> 20),
			(unsigned long long)(limit.rlim_cur >> 20));
}

static int container_added(struct memory_listener *listener, struct memory_block *block)
{
	struct vfio_container *c = (struct vfio_container *)listener;
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)block->base,
		.iova = block->gpa,
		.size = block->size,
	};

	if (!ioctl(c->fd, VFIO_IOMMU_MAP_DMA, &map))
		return 0;
	/* One device that cannot reach another's BAR is how most machines are. */
	return block->kind == MEMORY_DEVICE ? 0 : map_fail(block);
}

static void container_removed(struct memory_listener *listener, struct memory_block *block)
{
	struct vfio_container *c = (struct vfio_container *)listener;
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap), .iova = block->gpa, .size = block->size,
	};

	/* What was not mapped is zero bytes, and no error. */
	ioctl(c->fd, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

static const struct memory_listener_ops container_ops = {
	.added = container_added, .removed = container_removed,
};

/* --- groups -------------------------------------------------------------------- */

/* NULL with *@err set and a sentence recorded if there is none. */
static struct vfio_container *container_open(struct vm *vm, const char *who, int *err)
{
	struct kvm_create_device kvm = { .type = KVM_DEV_TYPE_VFIO };
	struct vfio_container *c = calloc(1, sizeof(*c));

	if (!c) {
		*err = vmm_fail(ENOMEM, "%s: out of memory", who);
		return NULL;
	}
	c->listener.ops = &container_ops;
	c->fd = open(NODE, O_RDWR | O_CLOEXEC);
	if (c->fd < 0) {
		*err = vmm_fail(errno, "%s: cannot open " NODE ": %m%s", who,
				errno == ENOENT ? ": " LOAD : "");
		free(c);
		return NULL;
	}
	/* A KVM without it can run the machine all the same. */
	c->kvm_fd = ioctl(vm->vm_fd, KVM_CREATE_DEVICE, &kvm) ? -1 : (int)kvm.fd;
	vm->priv->vfio = c;
	return c;
}

static void kvm_group(const struct vfio_container *c, int group_fd, u64 what)
{
	const s32 fd = group_fd;
	const struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_GROUP, .attr = what, .addr = (uintptr_t)&fd,
	};

	if (c->kvm_fd >= 0)
		ioctl(c->kvm_fd, KVM_SET_DEVICE_ATTR, &attr);
}

/* The IOMMU's mode can be set once a group is there, and memory mapped after that. */
static int container_start(struct vm *vm, const char *who)
{
	struct vfio_container *c = vm->priv->vfio;
	int err;

	if (ioctl(c->fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1)
		return vmm_fail(ENOTSUP, "%s: VFIO has no type1v2 IOMMU: %s", who, LOAD);
	if (ioctl(c->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return vmm_fail(errno, "%s: VFIO cannot use this IOMMU: %m", who);
	err = memory_listen(&vm->mem, &c->listener);
	return err ? vmm_fail(-err, "%s: %s", who, vmm_error()) : 0;
}

int vfio_container_attach(struct vm *vm, const char *who, int number, int group_fd)
{
	struct vfio_container *c = vm->priv->vfio;
	int err = 0;

	if (!c)
		c = container_open(vm, who, &err);
	if (!c)
		return err;
	if (ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &c->fd))
		return vmm_fail(errno, "%s: IOMMU group %d cannot join the container: %m", who,
				number);
	if (!c->groups)
		err = container_start(vm, who);
	if (err) {
		ioctl(group_fd, VFIO_GROUP_UNSET_CONTAINER);
		return err;
	}
	kvm_group(c, group_fd, KVM_DEV_VFIO_GROUP_ADD);
	c->groups++;
	return 0;
}

void vfio_container_detach(struct vm *vm, int group_fd)
{
	struct vfio_container *c = vm->priv->vfio;

	kvm_group(c, group_fd, KVM_DEV_VFIO_GROUP_DEL);
	c->groups--;
	/* Without a group the container has no IOMMU, and no mapping. */
	if (!c->groups)
		memory_unlisten(&vm->mem, &c->listener);
	ioctl(group_fd, VFIO_GROUP_UNSET_CONTAINER);
}

void vfio_container_destroy(struct vm *vm)
{
	struct vfio_container *c = vm->priv->vfio;

	if (!c)
		return;
	assert(!c->groups);
	if (c->kvm_fd >= 0)
		close(c->kvm_fd);
	close(c->fd);
	free(c);
	vm->priv->vfio = NULL;
}
