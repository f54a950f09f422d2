// SPDX-License-Identifier: GPL-2.0
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/compare/paths.h"
#include "tools/lib/number.h"

static const char usage[] =
"usage: viola compare [OPTION]...\n"
"Compare paths from a guest to a network device: the same guest, the same\n"
"workload, the same far end. One table, one HTML report, one JSON document.\n"
"\n"
"  --paths A,B        only these paths, in this order (default: all)\n"
"  --quick            few samples, to see that it works\n"
"  --kernel NAME      kernel of the lab machine: 6.1 or 6.12 (6.12)\n"
"  --guest-kernel N   kernel of the guests (the lab machine's)\n"
"  --host             measure on this machine itself, in no lab (needs root)\n"
"  --icount           in a lab that counts instructions: slow, repeatable\n"
"  --out DIR          folder of all runs (out/compare)\n"
"  --rtt-count N      round trips per size (1500; quick, icount 200)\n"
"  --rate-ms MS       length of each packet-rate run (2000; quick 300;\n"
"                     icount 0: none)\n"
"  --warmup N         round trips before the counted ones (200; quick, icount 50)\n"
"  --limit SECONDS    after which a guest is killed (240; quick 120, icount 480)\n"
"  --help, --version\n"
"\n"
"Exit status: 0 all paths ok or skipped; 1 a path failed; 2 usage or set-up.\n";

static bool parse_paths(struct compare_options *o, const char *arg)
{
	char *copy = strdup(arg), *save, *name;
	unsigned int i;
	bool ok = copy;

	o->paths = 0;
	for (name = ok ? strtok_r(copy, ",", &save) : NULL; name && ok;
	     name = strtok_r(NULL, ",", &save)) {
		const struct path *p = path_find(name);

		if (!p) {
			fprintf(stderr, "viola-compare: no path is called '%s'; known are: %s\n",
				name, path_names());
			ok = false;
			break;
		}
		for (i = 0; i < o->paths; i++)
			if (o->path[i] == p)
				break;
		if (i == o->paths)
			o->path[o->paths++] = p;
	}
	if (ok && !o->paths) {
		fprintf(stderr, "viola-compare: --paths names no path; known are: %s\n",
			path_names());
		ok = false;
	}
	free(copy);
	return ok;
}

enum option_id {
	O_PATHS = 256, O_QUICK, O_KERNEL, O_GUEST_KERNEL, O_HOST, O_ICOUNT, O_OUT,
	O_RTT_COUNT, O_RATE_MS, O_WARMUP, O_LIMIT, O_INNER, O_HELP, O_VERSION,
};

static const struct option options[] = {
	{ "paths", required_argument, NULL, O_PATHS },
	{ "quick", no_argument, NULL, O_QUICK },
	{ "kernel", required_argument, NULL, O_KERNEL },
	{ "guest-kernel", required_argument, NULL, O_GUEST_KERNEL },
	{ "host", no_argument, NULL, O_HOST },
	{ "icount", no_argument, NULL, O_ICOUNT },
	{ "out", required_argument, NULL, O_OUT },
	{ "rtt-count", required_argument, NULL, O_RTT_COUNT },
	{ "rate-ms", required_argument, NULL, O_RATE_MS },
	{ "warmup", required_argument, NULL, O_WARMUP },
	{ "limit", required_argument, NULL, O_LIMIT },
	{ "inner", required_argument, NULL, O_INNER },
	{ "help", no_argument, NULL, O_HELP },
	{ "version", no_argument, NULL, O_VERSION },
	{ NULL },
};

static bool number_option(struct compare_options *o, int opt, const char *arg)
{
	switch (opt) {
	case O_RTT_COUNT:
		return number_parse(arg, 1, 10000000, &o->rtt_count);
	case O_RATE_MS:
		return number_parse(arg, 0, 60000, &o->rate_ms);
	case O_WARMUP:
		return number_parse(arg, 0, 1000000, &o->warmup);
	case O_LIMIT:
		return number_parse(arg, 1, 86400, &o->limit_s);
	}
	return false;
}

static bool option_take(struct compare_options *o, int opt, const char *arg)
{
	switch (opt) {
	case O_PATHS:
		return parse_paths(o, arg);
	case O_QUICK:
		o->quick = true;
		return true;
	case O_KERNEL:
		o->kernel = arg;
		return true;
	case O_GUEST_KERNEL:
		o->guest_kernel = arg;
		return true;
	case O_HOST:
		o->host = true;
		return true;
	case O_ICOUNT:
		o->icount = true;
		return true;
	case O_OUT:
		o->out = arg;
		return true;
	case O_INNER:
		o->inner = arg;
		return true;
	}
	if (number_option(o, opt, arg))
		return true;
	fprintf(stderr, "viola-compare: '%s' is not a number in the allowed range\n",
		arg);
	return false;
}

/*
 * Under icount a round trip repeats to within a few per cent, so few are
 * enough, and QEMU's hangs in that mode grow with their number; and a rate is
 * a duration's, which icount has not.
 */
static void defaults(struct compare_options *o)
{
	static const struct {
		unsigned int rtt_count, warmup, rate_ms, limit_s;
	} normal = { 1500, 200, 2000, 240 }, quick = { 200, 50, 300, 120 },
	  icount = { 200, 50, 0, 480 }, *d;

	d = o->icount ? &icount : o->quick ? &quick : &normal;
	o->rtt_count = o->rtt_count ?: d->rtt_count;
	o->warmup = o->warmup == -1u ? d->warmup : o->warmup;
	o->rate_ms = o->rate_ms == -1u ? d->rate_ms : o->rate_ms;
	o->limit_s = o->limit_s ?: d->limit_s;
}

int main(int argc, char **argv)
{
	struct compare_options o = {
		.kernel = "6.12", .warmup = -1u, .rate_ms = -1u,
	};
	int opt;

	o.paths = path_all(o.path);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == '?')
			return COMPARE_USAGE;
		if (opt == O_HELP || opt == O_VERSION) {
			fputs(opt == O_HELP ? usage :
			      "viola-compare " VIOLA_VERSION "\n", stdout);
			return COMPARE_OK;
		}
		if (!option_take(&o, opt, optarg))
			return COMPARE_USAGE;
	}
	if (optind < argc) {
		fprintf(stderr, "viola-compare: unexpected argument '%s'\n",
			argv[optind]);
		return COMPARE_USAGE;
	}
	if (o.host && o.icount) {
		fputs("viola-compare: --icount is a kind of lab; --host uses none\n",
		      stderr);
		return COMPARE_USAGE;
	}
	defaults(&o);
	return o.inner ? inner_run(&o) : outer_run(&o);
}
