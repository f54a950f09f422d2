/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_OPTIONS_H
#define VMM_OPTIONS_H

#include "vmm/layout.h"
#include "vmm/net/nic.h"
#include "vmm/net/paths.h"
#include "vmm/vfio/address.h"

#define OPTIONS_NICS_MAX 8u
#define OPTIONS_IFNAME_SIZE 16

struct net_option {
	const struct nic_path *path;
	const struct net_backend_kind *backend;
	char ifname[OPTIONS_IFNAME_SIZE];
	char host[VFIO_ADDRESS_SIZE]; /* "" or a PCI address */
	struct nic_config config;
};

struct vmm_options {
	const char *kernel, *initrd, *append; /* initrd and append may be NULL */
	const char *serial1, *stats, *control; /* files, or NULL */
	u64 mem; /* bytes */
	unsigned int cpus;
	unsigned int nr_pin; /* 0, or cpus */
	int pin[CPUS_MAX];
	unsigned int nr_net;
	struct net_option net[OPTIONS_NICS_MAX];
	bool help, version;
};

/*
 * Reads the command line. 0, or -EINVAL with a recorded sentence. Pointers
 * are into @argv. Nothing is opened or looked up.
 */
int options_parse(struct vmm_options *o, int argc, char **argv);
/* The text of --help. */
extern const char options_help[];

/* The parts, for tests. */
int options_size(const char *text, u64 *bytes);
int options_net(const char *text, unsigned int index, struct net_option *net);
int options_cpu_list(const char *text, int *cpu, unsigned int max, unsigned int *nr);

#endif
