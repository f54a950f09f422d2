// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <unistd.h>

#include "vmm/emulated/e1000.h"
#include "vmm/error.h"
#include "vmm/net/backend.h"
#include "vmm/net/nic.h"
#include "vmm/net/paths.h"
#include "vmm/vfio/vfio_pci.h"
#include "vmm/virtio/virtio_net.h"

static int create_e1000(const struct nic_path *path, struct vm *vm, struct net_backend *be,
			const struct nic_config *config)
{
	return e1000_create(vm, be, config);
}

static int create_virtio(const struct nic_path *path, struct vm *vm, struct net_backend *be,
			 const struct nic_config *config)
{
	return virtio_net_create(vm, be, config, path->node);
}

static int create_vf(const struct nic_path *path, struct vm *vm, struct net_backend *be,
		     const struct nic_config *config)
{
	return vfio_pci_create(vm, config->host, config->index);
}

static const struct nic_path paths[] = {
	{ "e1000", NULL, NULL, 1, false, create_e1000 },
	{ "virtio", NULL, NULL, NIC_QUEUES_MAX, false, create_virtio },
	{ "vhost", "/dev/vhost-net", "vhost_net", NIC_QUEUES_MAX, false, create_virtio },
	{ "viola", "/dev/viola-net", "viola", NIC_QUEUES_MAX, false, create_virtio },
	{ "vf", NULL, NULL, 1, true, create_vf },
};

static int open_tap(struct net_backend **be, const char *ifname, unsigned int queues)
{
	return tap_backend_open(be, ifname, queues);
}

static int open_reflect(struct net_backend **be, const char *ifname, unsigned int queues)
{
	return reflect_backend_open(be, queues);
}

static const struct net_backend_kind backends[] = {
	{ "tap", true, true, open_tap },
	{ "reflect", false, false, open_reflect },
};

const struct nic_path *nic_path_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(paths); i++)
		if (!strcmp(paths[i].name, name))
			return &paths[i];
	return NULL;
}

const char *nic_path_names(void)
{
	return "e1000, virtio, vhost, viola, vf";
}

const struct net_backend_kind *net_backend_kind_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(backends); i++)
		if (!strcmp(backends[i].name, name))
			return &backends[i];
	return NULL;
}

const char *net_backend_kind_names(void)
{
	return "tap, reflect";
}

int nic_path_check(const struct nic_path *path)
{
	if (!path->node || !access(path->node, R_OK | W_OK))
		return 0;
	if (errno == EACCES || errno == EPERM)
		return vmm_fail(errno, "path=%s: no permission to open %s: run as its owner",
				path->name, path->node);
	return vmm_fail(errno, "path=%s: %s is not there: load the module %s", path->name,
			path->node, path->module);
}
