// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/lib/number.h"
#include "vmm/error.h"
#include "vmm/options.h"

#define MEM_DEFAULT (256ull << 20)
#define MEM_MIN (32ull << 20)
#define MEM_MAX (1ull << 40)

const char options_help[] =
	"usage: viola-vmm --kernel FILE [OPTIONS]\n"
	"\n"
	"Boot a Linux guest on KVM, with its first serial port on standard input and\n"
	"output. On a terminal, Ctrl-a x ends it.\n"
	"\n"
	"  --kernel FILE    bzImage (vmlinuz), or ELF kernel (vmlinux) with PVH entry\n"
	"  --initrd FILE    initial RAM file system\n"
	"  --append TEXT    kernel command line (also --cmdline); console=ttyS0 is added\n"
	"                   unless it has a console= of its own\n"
	"  --mem SIZE       RAM, such as 512M or 2G (default 256M)\n"
	"  --cpus N         vCPUs, 1 to 8 (default 1)\n"
	"  --pin LIST       host CPUs for the vCPUs in turn, such as 2,4-6\n"
	"  --net path=PATH,backend=BACKEND[,ifname=NAME][,queues=N][,mac=ADDRESS]\n"
	"                   a network device; may be given up to 8 times\n"
	"                     PATH     e1000, virtio, vhost, viola\n"
	"                     BACKEND  tap (with ifname=), reflect\n"
	"  --net path=vf,host=ADDRESS\n"
	"                   a PCI device of the host that vfio-pci holds, such as a virtual\n"
	"                   function at 0000:01:10.0\n"
	"  --serial1 FILE   second serial port, what the guest writes goes into FILE\n"
	"  --stats FILE     at the end, write counters as JSON\n"
	"  --control PATH   listen on a UNIX socket for commands in QMP: stop, cont,\n"
	"                   system_powerdown, quit, query-status, query-pci, query-stats\n"
	"  --help, --version\n"
	"\n"
	"Exit status: 0 the guest powered off or was stopped, 1 it cannot go on, 2 it\n"
	"could not be started (wrong usage, something missing), 3 it asked for a reboot.\n";

enum {
	OPT_KERNEL = 256, OPT_INITRD, OPT_APPEND, OPT_MEM, OPT_CPUS, OPT_PIN, OPT_NET,
	OPT_SERIAL1, OPT_STATS, OPT_CONTROL, OPT_HELP, OPT_VERSION,
};

static const struct option long_options[] = {
	{ "kernel", required_argument, NULL, OPT_KERNEL },
	{ "initrd", required_argument, NULL, OPT_INITRD },
	{ "append", required_argument, NULL, OPT_APPEND },
	{ "cmdline", required_argument, NULL, OPT_APPEND },
	{ "mem", required_argument, NULL, OPT_MEM },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "pin", required_argument, NULL, OPT_PIN },
	{ "net", required_argument, NULL, OPT_NET },
	{ "serial1", required_argument, NULL, OPT_SERIAL1 },
	{ "stats", required_argument, NULL, OPT_STATS },
	{ "control", required_argument, NULL, OPT_CONTROL },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

int options_size(const char *text, u64 *bytes)
{
	static const struct {
		char suffix;
		unsigned int shift;
	} units[] = { { 'K', 10 }, { 'M', 20 }, { 'G', 30 } };
	const char *p = text;
	unsigned int i;
	u64 v;

	if (!number_take(&p, MEM_MAX, &v))
		return vmm_fail(EINVAL, "'%s' is not a size: write such as 512M or 2G", text);
	for (i = 0; i < ARRAY_SIZE(units); i++)
		if (toupper((unsigned char)*p) == units[i].suffix && !p[1]) {
			if (v > MEM_MAX >> units[i].shift)
				break;
			*bytes = v << units[i].shift;
			return 0;
		}
	return vmm_fail(EINVAL, "'%s' is not a size up to 1024G: write such as 512M or 2G", text);
}

int options_cpu_list(const char *text, int *cpu, unsigned int max, unsigned int *nr)
{
	const char *p = text;
	u64 first, last;

	*nr = 0;
	for (;;) {
		if (!number_take(&p, CPU_SETSIZE - 1, &first))
			break;
		last = first;
		if (*p == '-') {
			p++;
			if (!number_take(&p, CPU_SETSIZE - 1, &last) || last < first)
				break;
		}
		for (; first <= last; first++) {
			if (*nr == max)
				return 0; /* the rest is not needed */
			cpu[(*nr)++] = (int)first;
		}
		if (!*p)
			return 0;
		if (*p++ != ',')
			break;
	}
	return vmm_fail(EINVAL, "'%s' is not a list of CPUs: write such as 2,4-6", text);
}

/* --- --net ------------------------------------------------------------------- */

static int net_path(struct net_option *net, const char *value)
{
	net->path = nic_path_find(value);
	return net->path ? 0 : vmm_fail(EINVAL, "path=%s is unknown: there are %s", value,
					nic_path_names());
}

static int net_backend(struct net_option *net, const char *value)
{
	net->backend = net_backend_kind_find(value);
	return net->backend ? 0 : vmm_fail(EINVAL, "backend=%s is unknown: there are %s", value,
					   net_backend_kind_names());
}

static int net_ifname(struct net_option *net, const char *value)
{
	if (!*value || strlen(value) >= sizeof(net->ifname) || strchr(value, '/'))
		return vmm_fail(EINVAL, "ifname=%s is no interface name: 1 to %zu characters",
				value, sizeof(net->ifname) - 1);
	snprintf(net->ifname, sizeof(net->ifname), "%s", value);
	return 0;
}

static int net_host(struct net_option *net, const char *value)
{
	if (!vfio_address_valid(value))
		return vmm_fail(EINVAL, "host=%s is no PCI address: write such as 0000:01:10.0",
				value);
	snprintf(net->host, sizeof(net->host), "%s", value);
	return 0;
}

static int net_queues(struct net_option *net, const char *value)
{
	if (!number_parse(value, 1, NIC_QUEUES_MAX, &net->config.queues))
		return vmm_fail(EINVAL, "queues=%s: 1 to %u are possible", value, NIC_QUEUES_MAX);
	return 0;
}

static int net_mac(struct net_option *net, const char *value)
{
	u8 *mac = net->config.mac;
	unsigned int i;
	const char *p = value;

	for (i = 0; i < 6; i++) {
		unsigned int byte;
		int used = 0;

		if (!isxdigit((unsigned char)p[0]) || !isxdigit((unsigned char)p[1]) ||
		    sscanf(p, "%2x%n", &byte, &used) != 1 || p[used] != (i < 5 ? ':' : '\0'))
			return vmm_fail(EINVAL, "mac=%s is no address: write such as 02:00:00:00:00:01",
					value);
		mac[i] = (u8)byte;
		p += used + 1;
	}
	if (mac[0] & 1 || !memcmp(mac, "\0\0\0\0\0\0", 6))
		return vmm_fail(EINVAL, "mac=%s is not the address of one station: clear the lowest bit of the first byte",
				value);
	return 0;
}

static const struct {
	const char *key;
	int (*set)(struct net_option *net, const char *value);
} net_keys[] = {
	{ "path", net_path },
	{ "backend", net_backend },
	{ "ifname", net_ifname },
	{ "host", net_host },
	{ "queues", net_queues },
	{ "mac", net_mac },
};

static int net_key(struct net_option *net, unsigned int *seen, const char *key)
{
	const char *value = strchr(key, '=');
	unsigned int i;

	if (!value)
		return vmm_fail(EINVAL, "'%s' has no value: write KEY=VALUE", key);
	for (i = 0; i < ARRAY_SIZE(net_keys); i++) {
		if (strlen(net_keys[i].key) != (size_t)(value - key) ||
		    strncmp(net_keys[i].key, key, (size_t)(value - key)))
			continue;
		if (*seen & 1u << i)
			return vmm_fail(EINVAL, "%s= is given twice", net_keys[i].key);
		*seen |= 1u << i;
		return net_keys[i].set(net, value + 1);
	}
	return vmm_fail(EINVAL, "'%s' is unknown: the keys are path, backend, ifname, host, queues, mac",
			key);
}

/* A device of the host brings its far end, its address and its queues. */
static int net_complete_host(const struct net_option *net)
{
	static const u8 none[6];

	if (!net->host[0])
		return vmm_fail(EINVAL, "host= is missing: path=%s needs the address of a PCI device",
				net->path->name);
	if (net->backend || net->ifname[0] || net->config.queues != 1 ||
	    memcmp(net->config.mac, none, sizeof(none)))
		return vmm_fail(EINVAL, "path=%s takes host= and nothing else", net->path->name);
	return 0;
}

static int net_complete(const struct net_option *net)
{
	if (!net->path)
		return vmm_fail(EINVAL, "path= is missing: there are %s", nic_path_names());
	if (net->path->host)
		return net_complete_host(net);
	if (net->host[0])
		return vmm_fail(EINVAL, "host=%s means nothing to path=%s", net->host,
				net->path->name);
	if (!net->backend)
		return vmm_fail(EINVAL, "backend= is missing: there are %s",
				net_backend_kind_names());
	if (net->path->node && !net->backend->kernel)
		return vmm_fail(EINVAL, "path=%s needs a far end in the kernel: use backend=tap",
				net->path->name);
	if (net->config.queues > net->path->queues_max)
		return vmm_fail(EINVAL, "queues=%u: path=%s has at most %u", net->config.queues,
				net->path->name, net->path->queues_max);
	if (net->backend->named && !net->ifname[0])
		return vmm_fail(EINVAL, "ifname= is missing: backend=%s needs the interface's name",
				net->backend->name);
	if (!net->backend->named && net->ifname[0])
		return vmm_fail(EINVAL, "ifname=%s means nothing to backend=%s", net->ifname,
				net->backend->name);
	return 0;
}

int options_net(const char *text, unsigned int index, struct net_option *net)
{
	char *copy = strdup(text), *key, *rest;
	unsigned int seen = 0;
	int err = 0;

	if (!copy)
		return vmm_fail(ENOMEM, "out of memory");
	memset(net, 0, sizeof(*net));
	net->config.queues = 1;
	net->config.index = index;
	for (key = strtok_r(copy, ",", &rest); key && !err; key = strtok_r(NULL, ",", &rest))
		err = net_key(net, &seen, key);
	if (!err)
		err = net_complete(net);
	free(copy);
	return err ? vmm_fail(-err, "--net %s: %s", text, vmm_error()) : 0;
}

/* --- the whole command line ---------------------------------------------------- */

static int set_mem(struct vmm_options *o, const char *text)
{
	if (options_size(text, &o->mem))
		return vmm_fail(EINVAL, "--mem: %s", vmm_error());
	if (o->mem < MEM_MIN || o->mem > MEM_MAX || o->mem & 0xfff)
		return vmm_fail(EINVAL, "--mem %s: 32M to 1024G are possible, in steps of 4K",
				text);
	return 0;
}

static int set_cpus(struct vmm_options *o, const char *text)
{
	if (!number_parse(text, 1, CPUS_MAX, &o->cpus))
		return vmm_fail(EINVAL, "--cpus %s: 1 to %u are possible", text, CPUS_MAX);
	return 0;
}

static int add_net(struct vmm_options *o, const char *text)
{
	int err;

	if (o->nr_net == OPTIONS_NICS_MAX)
		return vmm_fail(EINVAL, "--net may be given %u times at most", OPTIONS_NICS_MAX);
	err = options_net(text, o->nr_net, &o->net[o->nr_net]);
	o->nr_net += !err;
	return err;
}

static int set_option(struct vmm_options *o, int option, const char *value, const char **pin)
{
	switch (option) {
	case OPT_KERNEL:
		o->kernel = value;
		return 0;
	case OPT_INITRD:
		o->initrd = value;
		return 0;
	case OPT_APPEND:
		o->append = value;
		return 0;
	case OPT_MEM:
		return set_mem(o, value);
	case OPT_CPUS:
		return set_cpus(o, value);
	case OPT_PIN:
		*pin = value;
		return 0;
	case OPT_NET:
		return add_net(o, value);
	case OPT_SERIAL1:
		o->serial1 = value;
		return 0;
	case OPT_STATS:
		o->stats = value;
		return 0;
	case OPT_CONTROL:
		o->control = value;
		return 0;
	case OPT_HELP:
		o->help = true;
		return 0;
	case OPT_VERSION:
		o->version = true;
		return 0;
	default:
		return -EINVAL;
	}
}

int options_parse(struct vmm_options *o, int argc, char **argv)
{
	const char *pin = NULL;
	int option, err;

	memset(o, 0, sizeof(*o));
	o->mem = MEM_DEFAULT;
	o->cpus = 1;
	opterr = 0;
	optind = 0; /* also resets what an earlier call left */
	while ((option = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (option == ':')
			return vmm_fail(EINVAL, "%s needs a value", argv[optind - 1]);
		if (option == '?')
			return vmm_fail(EINVAL, "%s is unknown: see --help", argv[optind - 1]);
		err = set_option(o, option, optarg, &pin);
		if (err)
			return err;
	}
	if (o->help || o->version)
		return 0;
	if (optind < argc)
		return vmm_fail(EINVAL, "'%s' is not an option: see --help", argv[optind]);
	if (!o->kernel)
		return vmm_fail(EINVAL, "--kernel is missing: see --help");
	if (!pin)
		return 0;
	err = options_cpu_list(pin, o->pin, o->cpus, &o->nr_pin);
	if (err)
		return vmm_fail(-err, "--pin: %s", vmm_error());
	if (o->nr_pin < o->cpus)
		return vmm_fail(EINVAL, "--pin %s names %u CPUs for %u vCPUs", pin, o->nr_pin,
				o->cpus);
	return 0;
}
