// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "dpdk-backend/forward.h"
#include "dpdk-backend/session.h"
#include "dpdk-backend/setting.h"
#include "dpdk-backend/uplink.h"
#include "tools/lib/number.h"

static const char help[] =
	"Usage: viola-dpdk [OPTION...] [-- EAL-OPTION...]\n"
	"Serves vhost-user front ends (virtual machines, DPDK's virtio_user) and forwards\n"
	"their frames between each other and Ethernet devices, polling.\n"
	"\n"
	"  --port PATH[,client][,SETTING...]  a vhost-user port: listens at PATH, or connects there\n"
	"  --socket-path PATH          the same as --port PATH\n"
	"  --uplink DEVICE[,ARG...][,SETTING...]  a port that is an Ethernet device, as EAL\n"
	"                              names it: net_tap0,iface=tap0  net_null0  0000:01:00.0\n"
	"  SETTING is                  isolated  rate=BITS pps=FRAMES (from the port, a second)\n"
	"                              rate-to=BITS pps-to=FRAMES (to it)  storm=FRAMES (flooded)\n"
	"                              burst=MS  mtu=BYTES  addresses=N (learnt); 10G, 5k, 64\n"
	"  --forward MODE              reflect (default), switch, patch[=A:B,...], source, sink\n"
	"  --mtu BYTES                 of ports that have no mtu= of their own\n"
	"  --cores LIST                CPUs that poll: 1 or 1,2 or 2-3 (default 0)\n"
	"  --ageing SECONDS            switch: forget silent addresses (default 300)\n"
	"  --frame-size BYTES          source: with FCS, 64 to 1518 (default 64)\n"
	"  --idle-sleep USEC           sleep that long when there is nothing to do (default 0: never)\n"
	"  --packed                    offer packed rings\n"
	"  --in-order                  offer that buffers come back in order\n"
	"  --no-mergeable --no-indirect --no-event-idx --no-offloads\n"
	"                              do not offer these to front ends\n"
	"  --no-huge                   use no hugepages, for trying out\n"
	"  --memory MIB                memory for own buffers, not for guests\n"
	"  --stats FILE                write all counters as JSON at the end\n"
	"  --quiet                     say nothing when front ends come and go\n"
	"  --print-capabilities        what this is, as JSON, for management programs\n"
	"  --help, --version\n"
	"Ports have numbers from 0 in the order they are given. SIGTERM and SIGINT end it.\n";

enum {
	OPT_PORT = 256,
	OPT_SOCKET,
	OPT_UPLINK,
	OPT_FORWARD,
	OPT_CORES,
	OPT_MTU,
	OPT_AGEING,
	OPT_FRAME,
	OPT_IDLE,
	OPT_IN_ORDER,
	OPT_PACKED,
	OPT_NO_MERGEABLE,
	OPT_NO_INDIRECT,
	OPT_NO_EVENT,
	OPT_NO_OFFLOADS,
	OPT_NO_HUGE,
	OPT_MEMORY,
	OPT_STATS,
	OPT_QUIET,
	OPT_CAPABILITIES,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option options[] = {
	{ "port", required_argument, NULL, OPT_PORT },
	{ "socket-path", required_argument, NULL, OPT_SOCKET },
	{ "uplink", required_argument, NULL, OPT_UPLINK },
	{ "forward", required_argument, NULL, OPT_FORWARD },
	{ "cores", required_argument, NULL, OPT_CORES },
	{ "mtu", required_argument, NULL, OPT_MTU },
	{ "ageing", required_argument, NULL, OPT_AGEING },
	{ "frame-size", required_argument, NULL, OPT_FRAME },
	{ "idle-sleep", required_argument, NULL, OPT_IDLE },
	{ "in-order", no_argument, NULL, OPT_IN_ORDER },
	{ "packed", no_argument, NULL, OPT_PACKED },
	{ "no-mergeable", no_argument, NULL, OPT_NO_MERGEABLE },
	{ "no-indirect", no_argument, NULL, OPT_NO_INDIRECT },
	{ "no-event-idx", no_argument, NULL, OPT_NO_EVENT },
	{ "no-offloads", no_argument, NULL, OPT_NO_OFFLOADS },
	{ "no-huge", no_argument, NULL, OPT_NO_HUGE },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "stats", required_argument, NULL, OPT_STATS },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "print-capabilities", no_argument, NULL, OPT_CAPABILITIES },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{},
};

__attribute__((format(printf, 1, 2))) static enum options_result wrong(const char *format, ...)
{
	va_list args;

	fputs("viola-dpdk: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return OPTIONS_WRONG;
}

static enum options_result add_port(const struct port_ops *ops, char *name, char *args)
{
	struct port *p = &ports[port_count];
	char *arg, why[256];
	unsigned int i;

	if (port_count == PORT_MAX)
		return wrong("%s is one port too many: %d is the most; start another viola-dpdk",
			     name, PORT_MAX);
	if (!*name)
		return wrong("a port without a name; give a path or a device");
	for (i = 0; i < port_count; i++)
		if (!strcmp(ports[i].name, name))
			return wrong("%s is given twice; each port needs its own", name);
	*p = (struct port){ .ops = ops, .index = port_count, .name = name };
	setting_defaults(p);
	while ((arg = strsep(&args, ","))) {
		int ret = setting_apply(p, arg, why, sizeof(why));

		if (ret < 0)
			return wrong("%s", why);
		if (!ret && !strcmp(arg, "client"))
			p->client = true;
		else if (!ret)
			return wrong("--port %s: unknown \"%s\"; there are client, " SETTING_NAMES,
				     name, arg);
	}
	port_count++;
	return OPTIONS_RUN;
}

/* A device: what of its arguments are settings of the port, EAL does not see. */
static enum options_result add_uplink(char *device)
{
	enum options_result ret = add_port(&uplink_port_ops, device, NULL);
	struct port *p = &ports[port_count - 1];
	char *at = strchr(device, ','), why[256];

	while (ret == OPTIONS_RUN && at) {
		char *arg = at + 1, *next = strchr(arg, ',');
		int taken;

		if (next)
			*next = 0;
		taken = setting_apply(p, arg, why, sizeof(why));
		if (taken < 0)
			return wrong("%s", why);
		if (next)
			*next = ',';
		if (!taken)
			at = next;
		else if (next)
			memmove(at, next, strlen(next) + 1);
		else
			*at = 0;
		if (taken && !next)
			break;
	}
	return ret;
}

/* Fills in the peers of "A:B,C:D", or pairs ports in order if @pairs is NULL. */
static enum options_result patch_ports(const char *pairs)
{
	const char *at = pairs;
	unsigned int i;

	if (!pairs) {
		if (port_count % 2)
			return wrong("--forward patch needs an even number of ports; give one more, "
				     "or name pairs with patch=A:B");
		for (i = 0; i < port_count; i++)
			ports[i].peer = &ports[i ^ 1];
		return OPTIONS_RUN;
	}
	for (;;) {
		uint64_t a, b;

		if (!number_take(&at, port_count - 1, &a) || *at++ != ':' ||
		    !number_take(&at, port_count - 1, &b) || a == b)
			return wrong("--forward patch=%s: pairs are A:B,... of port numbers from 0 "
				     "to %u", pairs, port_count - 1);
		if (ports[a].peer || ports[b].peer)
			return wrong("--forward patch=%s: a port can be patched once", pairs);
		ports[a].peer = &ports[b];
		ports[b].peer = &ports[a];
		if (!*at)
			return OPTIONS_RUN;
		if (*at++ != ',')
			return wrong("--forward patch=%s: pairs are separated by commas", pairs);
	}
}

static enum options_result set_forward(const char *text)
{
	char mode[16];
	const char *pairs = strchr(text, '=');
	size_t len = pairs ? (size_t)(pairs - text) : strlen(text);

	if (len < sizeof(mode)) {
		memcpy(mode, text, len);
		mode[len] = 0;
		forward = forward_find(mode);
	} else {
		forward = NULL;
	}
	if (!forward || (pairs && strcmp(mode, "patch")))
		return wrong("--forward %s: unknown; there are reflect, switch, patch, patch=A:B,..., "
			     "source and sink", text);
	return strcmp(mode, "patch") ? OPTIONS_RUN : patch_ports(pairs ? pairs + 1 : NULL);
}

static enum options_result set_number(const char *name, unsigned int least, unsigned int most,
				      unsigned int *value)
{
	if (number_parse(optarg, least, most, value))
		return OPTIONS_RUN;
	return wrong("--%s %s: give a number from %u to %u", name, optarg, least, most);
}

enum options_result options_parse(struct options *o, int argc, char **argv)
{
	enum options_result ret = OPTIONS_RUN;
	const char *mode = "reflect";
	unsigned int frame = 64, mtu = 0, i;
	char *rest;
	int opt;

	*o = (struct options){ .cores = "0", .ageing = 300 };
	while (ret == OPTIONS_RUN &&
	       (opt = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (opt) {
		case OPT_PORT:
			rest = optarg;
			strsep(&rest, ",");
			ret = add_port(&session_port_ops, optarg, rest);
			break;
		case OPT_SOCKET:
			ret = add_port(&session_port_ops, optarg, NULL);
			break;
		case OPT_UPLINK:
			ret = add_uplink(optarg);
			break;
		case OPT_FORWARD:
			mode = optarg;
			break;
		case OPT_CORES:
			o->cores = optarg;
			if (!*optarg || strspn(optarg, "0123456789,-") != strlen(optarg))
				ret = wrong("--cores %s: give CPUs as in 1,3-4", optarg);
			break;
		case OPT_MTU:
			ret = set_number("mtu", MTU_MIN, MTU_MAX, &mtu);
			break;
		case OPT_AGEING:
			ret = set_number("ageing", 1, 1000000, &o->ageing);
			break;
		case OPT_FRAME:
			ret = set_number("frame-size", 64, 1518, &frame);
			break;
		case OPT_IDLE:
			ret = set_number("idle-sleep", 0, 1000000, &o->idle_us);
			break;
		case OPT_MEMORY:
			ret = set_number("memory", 16, 1048576, &o->memory);
			break;
		case OPT_IN_ORDER:
			session_config.in_order = true;
			break;
		case OPT_PACKED:
			session_config.packed = true;
			break;
		case OPT_NO_MERGEABLE:
			session_config.mergeable = false;
			break;
		case OPT_NO_INDIRECT:
			session_config.indirect = false;
			break;
		case OPT_NO_EVENT:
			session_config.event_idx = false;
			break;
		case OPT_NO_OFFLOADS:
			session_config.offloads = false;
			break;
		case OPT_NO_HUGE:
			o->no_huge = true;
			break;
		case OPT_STATS:
			o->stats = optarg;
			break;
		case OPT_QUIET:
			o->quiet = true;
			break;
		case OPT_CAPABILITIES:
			puts("{ \"type\": \"net\", \"features\": [] }");
			return OPTIONS_DONE;
		case OPT_HELP:
			fputs(help, stdout);
			return OPTIONS_DONE;
		case OPT_VERSION:
			puts("viola-dpdk " VIOLA_VERSION);
			return OPTIONS_DONE;
		default:
			/* getopt_long() has named the option. */
			fputs("viola-dpdk: --help lists the options\n", stderr);
			return OPTIONS_WRONG;
		}
	}
	if (ret != OPTIONS_RUN)
		return ret;
	if (optind < argc && strcmp(argv[optind - 1], "--"))
		return wrong("\"%s\" is no option; EAL's options come after --", argv[optind]);
	if (!port_count)
		return wrong("there is no port; give --port PATH or --uplink DEVICE");
	for (i = 0; i < port_count; i++) {
		if (!ports[i].mtu)
			ports[i].mtu = mtu;
		filter_update(&ports[i]);
	}
	o->eal = argv + optind;
	o->neal = argc - optind;
	forward_source_len = frame - 4;
	return set_forward(mode);
}
