/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_NET_PATHS_H
#define VMM_NET_PATHS_H

#include <viola/env.h>

struct net_backend;
struct nic_config;
struct vm;

/* A way for the guest to reach a network device (DESIGN: the ladder). */
struct nic_path {
	const char *name;
	const char *node; /* the kernel's data plane, or NULL: it is in this process */
	const char *module; /* that provides the node */
	unsigned int queues_max;
	bool host; /* a PCI device of the host is the far end, too */
	/*
	 * Takes over @be (NULL with .host), also on failure. 0 or -errno with a recorded
	 * sentence.
	 */
	int (*create)(const struct nic_path *path, struct vm *vm, struct net_backend *be,
		      const struct nic_config *config);
};

/* A kind of far end. */
struct net_backend_kind {
	const char *name;
	bool kernel; /* a data plane in the kernel can use it */
	bool named; /* needs an interface name */
	int (*open)(struct net_backend **be, const char *ifname, unsigned int queues);
};

const struct nic_path *nic_path_find(const char *name);
const char *nic_path_names(void); /* for messages */
const struct net_backend_kind *net_backend_kind_find(const char *name);
const char *net_backend_kind_names(void);

/* Whether the node of @path can be opened. 0 or -errno with a sentence. */
int nic_path_check(const struct nic_path *path);

#endif
