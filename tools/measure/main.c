// SPDX-License-Identifier: GPL-2.0
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/number.h"
#include "tools/measure/paths.h"

static const char usage[] =
"usage: viola-measure --out DIR --guest-kernel NAME [OPTION]...\n"
"The half of `viola compare` that measures; that command starts it.\n"
"\n"
"  --out DIR          run folder; results go to DIR/log, where the guests'\n"
"                     initramfs is expected as well\n"
"  --guest-kernel N   kernel of the guests, from the cache\n"
"  --paths A,B        only these paths, in this order (default: all)\n"
"  --rounds N         rounds (6)\n"
"  --rtt-count N      round trips per size and round (150)\n"
"  --warmup N         round trips before the counted ones (50)\n"
"  --rate-ms MS       length of each packet-rate run; 0: none (50)\n"
"  --limit SECONDS    for a guest's start, and for each of its rounds (240)\n"
"  --slow PATH=NS     lose NS nanoseconds on each frame of that path: a known\n"
"                     slow-down, to test the instrument\n"
"  --sched HOW        of the paths' threads: fifo (each runs until it has nothing\n"
"                     to do) or fair (fifo in virtual time, else fair)\n"
"  --list             the paths: name and rung, one a line\n"
"  --help, --version\n"
"\n"
"Exit status: 0 measured, whatever became of each path; 1 results cannot be\n"
"written; 2 usage, or no measurement is possible here.\n";

static int path_index(const struct measure_options *o, const struct path *p)
{
	unsigned int i;

	for (i = 0; i < o->paths; i++)
		if (o->path[i] == p)
			return i;
	return -1;
}

static bool unknown(const char *name)
{
	fprintf(stderr, "viola-measure: no path is called '%s'; known are: %s\n",
		name, path_names());
	return false;
}

static bool parse_paths(struct measure_options *o, char *arg)
{
	char *save, *name;

	o->paths = 0;
	for (name = strtok_r(arg, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		const struct path *p = path_find(name);

		if (!p)
			return unknown(name);
		if (path_index(o, p) < 0)
			o->path[o->paths++] = p;
	}
	if (!o->paths)
		fprintf(stderr, "viola-measure: --paths names no path; known are: %s\n",
			path_names());
	return o->paths;
}

/* After --paths, whatever the order on the command line. */
static bool parse_slow(struct measure_options *o, const char *arg)
{
	const char *value = strchr(arg, '=');
	char name[32];
	const struct path *p;
	int i;

	snprintf(name, sizeof(name), "%.*s", value ? (int)(value - arg) : 31, arg);
	p = path_find(name);
	if (!p)
		return unknown(name);
	i = path_index(o, p);
	if (value && i >= 0 && number_parse(value + 1, 0, 100000000, &o->slow_ns[i]))
		return true;
	fprintf(stderr, "viola-measure: --slow %s: it takes a path that is measured, =, and nanoseconds\n",
		arg);
	return false;
}

enum option_id {
	O_OUT = 256, O_GUEST_KERNEL, O_PATHS, O_ROUNDS, O_RTT_COUNT, O_WARMUP,
	O_RATE_MS, O_LIMIT, O_SLOW, O_SCHED, O_LIST, O_HELP, O_VERSION,
};

static const struct option options[] = {
	{ "out", required_argument, NULL, O_OUT },
	{ "guest-kernel", required_argument, NULL, O_GUEST_KERNEL },
	{ "paths", required_argument, NULL, O_PATHS },
	{ "rounds", required_argument, NULL, O_ROUNDS },
	{ "rtt-count", required_argument, NULL, O_RTT_COUNT },
	{ "warmup", required_argument, NULL, O_WARMUP },
	{ "rate-ms", required_argument, NULL, O_RATE_MS },
	{ "limit", required_argument, NULL, O_LIMIT },
	{ "slow", required_argument, NULL, O_SLOW },
	{ "sched", required_argument, NULL, O_SCHED },
	{ "list", no_argument, NULL, O_LIST },
	{ "help", no_argument, NULL, O_HELP },
	{ "version", no_argument, NULL, O_VERSION },
	{ NULL },
};

static bool parse_sched(struct measure_options *o, const char *arg)
{
	if (!strcmp(arg, "fifo"))
		o->sched = SCHED_AS_FIFO;
	else if (!strcmp(arg, "fair"))
		o->sched = SCHED_AS_FAIR;
	else
		fprintf(stderr, "viola-measure: --sched %s: fifo and fair are known\n", arg);
	return o->sched != SCHED_BY_MODE;
}

static bool number_option(struct measure_options *o, int opt, const char *arg)
{
	switch (opt) {
	case O_ROUNDS:
		return number_parse(arg, 1, 1000, &o->rounds);
	case O_RTT_COUNT:
		return number_parse(arg, 1, 10000000, &o->rtt_count);
	case O_WARMUP:
		return number_parse(arg, 0, 1000000, &o->warmup);
	case O_RATE_MS:
		return number_parse(arg, 0, 60000, &o->rate_ms);
	case O_LIMIT:
		return number_parse(arg, 1, 86400, &o->limit_s);
	}
	return false;
}

static bool option_take(struct measure_options *o, int opt, char *arg, const char **slow,
			unsigned int *slows)
{
	switch (opt) {
	case O_OUT:
		o->out = arg;
		return true;
	case O_GUEST_KERNEL:
		o->guest_kernel = arg;
		return true;
	case O_PATHS:
		return parse_paths(o, arg);
	case O_SCHED:
		return parse_sched(o, arg);
	case O_SLOW:
		if (*slows == MEASURE_PATHS_MAX)
			return false;
		slow[(*slows)++] = arg;
		return true;
	}
	if (number_option(o, opt, arg))
		return true;
	fprintf(stderr, "viola-measure: '%s' is not a number in the allowed range\n", arg);
	return false;
}

static void list_paths(void)
{
	const struct path *path[MEASURE_PATHS_MAX];
	const unsigned int n = path_all(path);
	unsigned int i;

	for (i = 0; i < n; i++)
		printf("%s %s\n", path[i]->name, path[i]->rung);
}

int main(int argc, char **argv)
{
	struct measure_options o = {
		.rounds = 6, .rtt_count = 150, .warmup = 50, .rate_ms = 50, .limit_s = 240,
	};
	const char *slow[MEASURE_PATHS_MAX];
	unsigned int i, slows = 0;
	int opt;

	o.paths = path_all(o.path);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case '?':
			return MEASURE_USAGE;
		case O_LIST:
			list_paths();
			return MEASURE_OK;
		case O_HELP:
			fputs(usage, stdout);
			return MEASURE_OK;
		case O_VERSION:
			puts("viola-measure " VIOLA_VERSION);
			return MEASURE_OK;
		}
		if (!option_take(&o, opt, optarg, slow, &slows))
			return MEASURE_USAGE;
	}
	for (i = 0; i < slows; i++)
		if (!parse_slow(&o, slow[i]))
			return MEASURE_USAGE;
	if (optind < argc || !o.out || !o.guest_kernel) {
		fputs(usage, stderr);
		return MEASURE_USAGE;
	}
	return rounds_run(&o);
}
