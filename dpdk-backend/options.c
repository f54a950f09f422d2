// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "dpdk-backend/config.h"
#include "dpdk-backend/control/client.h"
#include "dpdk-backend/forward/forward.h"
#include "dpdk-backend/port/request.h"
#include "dpdk-backend/port/setting.h"
#include "tools/lib/number.h"

static const char help[] =
	"Usage: viola-dpdk [OPTION...] [-- EAL-OPTION...]\n"
	"       viola-dpdk COMMAND [ARGUMENT...] [--json] [--control PATH]\n"
	"Serves vhost-user front ends (virtual machines, DPDK's virtio_user) and forwards\n"
	"their frames between each other and Ethernet devices, polling.\n"
	"\n"
	"  --config FILE               options from a file (JSON); those after it add to it\n"
	"  --port PATH[,client][,SETTING...]  a vhost-user port: listens at PATH, or connects there\n"
	"  --socket-path PATH          the same as --port PATH\n"
	"  --fd NUMBER                 the same at a socket that is open already\n"
	"  --uplink DEVICE[,ARG...][,SETTING...]  a port that is an Ethernet device, as EAL\n"
	"                              names it: net_tap0,iface=tap0  net_null0  0000:01:00.0\n"
	"  SETTING is                  isolated  rate=BITS pps=FRAMES (from the port, a second)\n"
	"                              rate-to=BITS pps-to=FRAMES (to it)  storm=FRAMES (flooded)\n"
	"                              burst=MS  mtu=BYTES  addresses=N (learnt); 10G, 5k, 64\n"
	"  --forward MODE              reflect (default), switch, patch[=A:B,...], source, sink\n"
	"  --mtu BYTES                 of ports that have no mtu= of their own\n"
	"  --cores LIST                CPUs that poll: 1 or 1,2 or 2-3 (default 0)\n"
	"  --mode MODE                 poll (default), adaptive: sleep when idle for a while,\n"
	"                              interrupt: sleep whenever idle\n"
	"  --control [PATH]            be told and asked while running, by a socket; see below\n"
	"  --ageing SECONDS            switch: forget silent addresses (default 300)\n"
	"  --frame-size BYTES          source: with FCS, 64 to 1518 (default 64)\n"
	"  --packed                    offer packed rings\n"
	"  --no-mergeable --no-in-order --no-indirect --no-event-idx --no-offloads\n"
	"                              do not offer these to front ends\n"
	"  --no-huge                   use no hugepages, for trying out\n"
	"  --memory MIB                memory for own buffers, not for guests\n"
	"  --stats FILE                write all counters as JSON at the end\n"
	"  --quiet                     say nothing when front ends come and go\n"
	"  --verbose                   show what DPDK's libraries log, too\n"
	"  --print-capabilities        what this is, as JSON, for management programs\n"
	"  --help, --version\n"
	"Ports have numbers from 0 in the order they are given. SIGTERM and SIGINT end it.\n"
	"\n"
	"Commands, to one that runs with --control (without PATH: a place of root's, or of\n"
	"the user's):\n";

/* --- values that take some thought ------------------------------------------- */

static int wrong(char *why, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int wrong(char *why, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, size, format, args);
	va_end(args);
	return -EINVAL;
}

int option_add_port(struct options *o, const struct port_request *r, char *why, size_t size)
{
	unsigned int i;

	if (o->nport == PORT_MAX)
		return wrong(why, size, "%s is one port too many: %d is the most; start another "
			     "viola-dpdk", r->name, PORT_MAX);
	if (!*r->name)
		return wrong(why, size, "a port without a name; give a path or a device");
	for (i = 0; i < o->nport; i++)
		if (!strcmp(o->port[i].name, r->name))
			return wrong(why, size, "%s is given twice; each port needs its own",
				     r->name);
	o->port[o->nport++] = *r;
	return 0;
}

static int set_port(struct options *o, const char *text, char *why, size_t size)
{
	struct port_request r;
	char *copy = strdup(text);
	int err;

	if (!copy)
		return wrong(why, size, "no memory");
	/* The copy stays: it is the port's name for as long as options are. */
	err = port_request_parse(&r, copy, why, size);
	return err ? err : option_add_port(o, &r, why, size);
}

static int set_socket_path(struct options *o, const char *text, char *why, size_t size)
{
	struct port_request r = { .kind = &port_kind_session, .name = text, .number = -1 };

	return option_add_port(o, &r, why, size);
}

static int set_uplink(struct options *o, const char *text, char *why, size_t size)
{
	struct port_request r;
	char *copy = strdup(text);
	int err;

	if (!copy)
		return wrong(why, size, "no memory");
	err = port_request_device(&r, copy, why, size);
	return err ? err : option_add_port(o, &r, why, size);
}

static int set_fd(struct options *o, const char *text, char *why, size_t size)
{
	struct port_request r = { .kind = &port_kind_session, .number = -1 };
	int err;

	if (o->ninherit == INHERIT_MAX)
		return wrong(why, size, "%u of these are the most; use --port for others",
			     INHERIT_MAX);
	err = inherit_check(&o->inherit[o->ninherit], text, why, size);
	if (err)
		return err;
	r.name = o->inherit[o->ninherit++].path;
	return option_add_port(o, &r, why, size);
}

static int set_cores(struct options *o, const char *text, char *why, size_t size)
{
	if (!*text || strspn(text, "0123456789,-") != strlen(text))
		return wrong(why, size, "give CPUs as in 1,3-4");
	o->cores = text;
	return 0;
}

static int set_mode(struct options *o, const char *text, char *why, size_t size)
{
	unsigned int i;

	for (i = 0; lcore_mode_names[i]; i++) {
		if (strcmp(lcore_mode_names[i], text))
			continue;
		o->mode = (enum lcore_mode)i;
		return 0;
	}
	return wrong(why, size, "unknown; there are poll, adaptive and interrupt");
}

static int set_control(struct options *o, const char *text, char *why, size_t size)
{
	o->control = text ? text : client_default_path(true, why, size);
	return o->control ? 0 : -EINVAL;
}

static int set_config(struct options *o, const char *text, char *why, size_t size)
{
	return config_load(o, text, why, size);
}

/* --- the options -------------------------------------------------------------- */

struct option_def {
	const char *name;
	enum option_type type;
	bool optional; /* the value may be missing */
	bool command_line; /* means nothing in a file */
	/* Sets what takes some thought; or else */
	int (*set)(struct options *o, const char *text, char *why, size_t size);
	size_t offset; /* the field of struct options, and */
	bool flag; /* what a flag sets it to, or */
	unsigned int min, max; /* what a number may be */
};

#define AT(field) .offset = offsetof(struct options, field)

static const struct option_def defs[] = {
	{ "config", OPTION_TEXT, .set = set_config, .command_line = true },
	{ "port", OPTION_TEXT, .set = set_port, .command_line = true },
	{ "socket-path", OPTION_TEXT, .set = set_socket_path, .command_line = true },
	{ "fd", OPTION_TEXT, .set = set_fd, .command_line = true },
	{ "uplink", OPTION_TEXT, .set = set_uplink, .command_line = true },
	{ "forward", OPTION_TEXT, AT(forward) },
	{ "cores", OPTION_TEXT, .set = set_cores },
	{ "mode", OPTION_TEXT, .set = set_mode },
	{ "control", OPTION_TEXT, .set = set_control, .optional = true },
	{ "ageing", OPTION_NUMBER, AT(ageing), .min = 1, .max = 1000000 },
	{ "frame-size", OPTION_NUMBER, AT(frame), .min = 64, .max = 1518 },
	{ "mtu", OPTION_NUMBER, AT(mtu), .min = MTU_MIN, .max = MTU_MAX },
	{ "memory", OPTION_NUMBER, AT(memory), .min = 16, .max = 1048576 },
	{ "packed", OPTION_FLAG, AT(session.packed), .flag = true },
	{ "no-mergeable", OPTION_FLAG, AT(session.mergeable), .flag = false },
	{ "no-in-order", OPTION_FLAG, AT(session.in_order), .flag = false },
	{ "no-indirect", OPTION_FLAG, AT(session.indirect), .flag = false },
	{ "no-event-idx", OPTION_FLAG, AT(session.event_idx), .flag = false },
	{ "no-offloads", OPTION_FLAG, AT(session.offloads), .flag = false },
	{ "no-huge", OPTION_FLAG, AT(no_huge), .flag = true },
	{ "stats", OPTION_TEXT, AT(stats) },
	{ "quiet", OPTION_FLAG, AT(quiet), .flag = true },
	{ "verbose", OPTION_FLAG, AT(verbose), .flag = true },
};

#define DEFS ARRAY_SIZE(defs)

static const struct option_def *option_find(const char *name)
{
	size_t i;

	for (i = 0; i < DEFS; i++)
		if (!strcmp(defs[i].name, name))
			return &defs[i];
	return NULL;
}

int option_type(const char *name)
{
	const struct option_def *d = option_find(name);

	return d && !d->command_line ? (int)d->type : -ENOENT;
}

int option_set(struct options *o, const char *name, const char *text, char *why, size_t size)
{
	const struct option_def *d = option_find(name);
	void *field;

	if (!d)
		return -ENOENT;
	if (d->set)
		return d->set(o, text, why, size);
	field = (char *)o + d->offset;
	switch (d->type) {
	case OPTION_FLAG:
		*(bool *)field = d->flag;
		return 0;
	case OPTION_NUMBER:
		if (number_parse(text, d->min, d->max, field))
			return 0;
		return wrong(why, size, "give a number from %u to %u", d->min, d->max);
	case OPTION_TEXT:
		*(const char **)field = text;
		return 0;
	}
	return -EINVAL;
}

/* --- what is said as a whole --------------------------------------------------- */

/* Takes "A:B,C:D", or pairs ports in order if @pairs is NULL. */
static int set_patch(struct options *o, const char *pairs, char *why, size_t size)
{
	bool taken[PORT_MAX] = {};
	const char *at = pairs;
	unsigned int i;

	if (!pairs) {
		if (o->nport % 2)
			return wrong(why, size, "--forward patch needs an even number of ports; "
				     "give one more, or name pairs with patch=A:B");
		for (i = 0; i < o->nport; i += 2) {
			o->patch[o->npatch][0] = i;
			o->patch[o->npatch++][1] = i + 1;
		}
		return 0;
	}
	if (o->nport < 2)
		return wrong(why, size, "--forward patch=%s: there are not two ports to patch; give "
			     "more, or none here and use \"viola dpdk port patch\"", pairs);
	for (;;) {
		uint64_t a, b;

		if (!number_take(&at, o->nport - 1, &a) || *at++ != ':' ||
		    !number_take(&at, o->nport - 1, &b) || a == b)
			return wrong(why, size, "--forward patch=%s: pairs are A:B,... of port "
				     "numbers from 0 to %u", pairs, o->nport - 1);
		if (taken[a] || taken[b])
			return wrong(why, size, "--forward patch=%s: a port can be patched once; "
				     "name each only once", pairs);
		taken[a] = true;
		taken[b] = true;
		o->patch[o->npatch][0] = (unsigned int)a;
		o->patch[o->npatch++][1] = (unsigned int)b;
		if (!*at)
			return 0;
		if (*at++ != ',')
			return wrong(why, size, "--forward patch=%s: pairs are separated by commas",
				     pairs);
	}
}

static int set_forward(struct options *o, char *why, size_t size)
{
	const char *pairs = strchr(o->forward, '=');
	size_t len = pairs ? (size_t)(pairs - o->forward) : strlen(o->forward);
	char mode[16] = "";

	if (len < sizeof(mode))
		memcpy(mode, o->forward, len);
	forward = forward_find(mode);
	if (!forward || (pairs && strcmp(mode, "patch")))
		return wrong(why, size, "--forward %s: unknown; there are reflect, switch, patch, "
			     "patch=A:B,..., source and sink", o->forward);
	return strcmp(mode, "patch") ? 0 : set_patch(o, pairs ? pairs + 1 : NULL, why, size);
}

static enum options_result fail(const char *why)
{
	fprintf(stderr, "viola-dpdk: %s\n", why);
	return OPTIONS_WRONG;
}

enum { OPT_CAPABILITIES = 1000, OPT_HELP, OPT_VERSION };

/* getopt_long() stopped at @word: at a letter of it, or at all of it. */
static enum options_result fail_option(int opt, const char *word)
{
	char why[512], letter[] = "-?";

	_Static_assert(DEFS < ' ', "an option's number is no letter");
	if (optopt >= ' ' && optopt < OPT_CAPABILITIES) {
		letter[1] = (char)optopt;
		word = letter;
	}
	snprintf(why, sizeof(why), opt == ':' ? "%.200s needs a value; --help lists the options" :
		 "%.200s: there is no such option, or it takes no value; --help lists the options",
		 word);
	return fail(why);
}

static enum options_result answer(int opt)
{
	switch (opt) {
	case OPT_CAPABILITIES:
		puts("{ \"type\": \"net\", \"features\": [] }");
		return OPTIONS_DONE;
	case OPT_HELP:
		fputs(help, stdout);
		client_help();
		return OPTIONS_DONE;
	case OPT_VERSION:
		puts("viola-dpdk " VIOLA_VERSION);
		return OPTIONS_DONE;
	}
	return OPTIONS_WRONG;
}

enum options_result options_parse(struct options *o, int argc, char **argv)
{
	struct option options[DEFS + 4] = {
		[DEFS] = { "print-capabilities", no_argument, NULL, OPT_CAPABILITIES },
		[DEFS + 1] = { "help", no_argument, NULL, OPT_HELP },
		[DEFS + 2] = { "version", no_argument, NULL, OPT_VERSION },
	};
	char why[512], about[768];
	size_t i;
	int opt;

	for (i = 0; i < DEFS; i++)
		options[i] = (struct option){
			.name = defs[i].name,
			.has_arg = defs[i].type == OPTION_FLAG ? no_argument :
				   defs[i].optional ? optional_argument : required_argument,
			.val = (int)i,
		};
	*o = (struct options){
		.cores = "0",
		.ageing = 300,
		.frame = 64,
		.forward = "reflect",
		.session = session_config,
	};
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
		if (opt == '?' || opt == ':')
			return fail_option(opt, argv[optind - 1]);
		if (opt >= (int)DEFS)
			return answer(opt);
		/* There are no other words that could stand alone. */
		if (defs[opt].optional && !optarg && optind < argc && *argv[optind] != '-')
			optarg = argv[optind++];
		if (!option_set(o, defs[opt].name, optarg, why, sizeof(why)))
			continue;
		if (defs[opt].set == set_config)
			return fail(why);
		snprintf(about, sizeof(about), "--%s%s%s: %s", defs[opt].name, optarg ? " " : "",
			 optarg ? optarg : "", why);
		return fail(about);
	}
	if (optind < argc && strcmp(argv[optind - 1], "--")) {
		snprintf(why, sizeof(why), "\"%s\" is no option; EAL's options come after --",
			 argv[optind]);
		return fail(why);
	}
	for (; optind < argc; optind++) {
		if (o->neal == ARRAY_SIZE(o->eal))
			return fail("too many EAL options; give fewer after --");
		o->eal[o->neal++] = argv[optind];
	}
	if (!o->nport && !o->control)
		return fail("there is no port; give --port PATH or --uplink DEVICE, or --control "
			    "to add ports later");
	return set_forward(o, why, sizeof(why)) ? fail(why) : OPTIONS_RUN;
}
