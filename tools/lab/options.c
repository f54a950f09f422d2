// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tools/lab/machine.h"
#include "tools/lab/options.h"
#include "tools/lib/number.h"

#define SMP_DEFAULT	2
#define SMP_MAX		64
#define MEM_DEFAULT	"4G"	/* holds a nested guest of 1G and the overlay's files */
#define TIMEOUT_DEFAULT	600
#define KERNEL_DEFAULT	"6.12"

static const char help[] =
	"usage: viola lab [OPTIONS] -- COMMAND [ARGUMENTS]\n"
	"       viola lab [OPTIONS] --shell\n"
	"\n"
	"Run COMMAND as root in a lab machine: a virtual machine with a distribution\n"
	"kernel, this machine's files (changes outside this tree are thrown away),\n"
	"KVM, an IOMMU and an SR-IOV network card.\n"
	"\n"
	"  --kernel NAME      6.1 or 6.12 (default " KERNEL_DEFAULT "); tools/kernels lists them\n"
	"  --icount           one CPU, one instruction = one nanosecond: repeatable, slow\n"
	"  --smp N            CPUs (default 2; emulated ones 1, for nested guests)\n"
	"  --mem SIZE         memory, such as 2G or 1536M (default " MEM_DEFAULT ")\n"
	"  --timeout SECONDS  kill the machine after that (default 600; 0: never)\n"
	"  --log FILE         kernel log (default build/lab/...)\n"
	"  --quiet            no line about the machine\n"
	"  --verbose          kernel log on stderr as well\n"
	"  --shell            an interactive shell (or COMMAND) on a terminal of its own;\n"
	"                     Ctrl-] ends it\n"
	"  --mode             say what the machine would be, lab-kvm, lab-tcg or lab-icount,\n"
	"                     and start none\n"
	"\n"
	"Exit status: COMMAND's own, 128+N if signal N ended it; 2 wrong usage, 70 the\n"
	"kernel logged a warning, a bug or a panic, 124 out of time, 125 the machine broke.\n";

static int bad(const char *what, const char *value, const char *expected)
{
	lab_say("%s '%s': %s", what, value, expected);
	return -EINVAL;
}

/* QEMU's own notation, limited to M and G so that `--mem 4` is no 4 MiB. */
static int parse_mem(struct lab_options *options, const char *text)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long n = strtoul(text, NULL, 10);

	if (!digits || digits > 7 || strlen(text) != digits + 1 || !strchr("MG", text[digits]))
		return -EINVAL;
	if (text[digits] == 'M' && n < 256)
		return -EINVAL;
	if (!n)
		return -EINVAL;
	strcpy(options->mem, text);
	return 0;
}

/* Copy, or fail with a sentence when it does not fit. */
static int set_path(char *to, size_t size, const char *format, const char *a, const char *b)
{
	int n = snprintf(to, size, format, a, b);

	if (n < 0 || (size_t)n >= size)
		return bad("path", a, "is too long");
	return 0;
}

static int find_cache(struct lab_options *options)
{
	static const struct {
		const char *variable, *below;
	} places[] = {
		{ "VIOLA_CACHE", "" }, { "XDG_CACHE_HOME", "/viola" }, { "HOME", "/.cache/viola" },
	};
	const char *dir = NULL;
	char path[PATH_MAX];
	size_t i;
	int ret;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		dir = getenv(places[i].variable);
		if (dir && *dir)
			break;
	}
	if (i == sizeof(places) / sizeof(places[0]))
		return bad("HOME", "", "is not set, so there is no cache; set VIOLA_CACHE");
	ret = set_path(path, sizeof(path), "%s%s", dir, places[i].below);
	if (ret)
		return ret;
	if (!realpath(path, options->cache))
		return bad("cache", path, "does not exist; tools/setup fills it");
	return 0;
}

/*
 * kernel/<short name> links to the release; a release names its folder itself.
 * Either way the folder's real name is the release.
 */
static int find_kernel(struct lab_options *options)
{
	char path[PATH_MAX], real[PATH_MAX], *name;
	int ret;

	if (strchr(options->kernel, '/'))
		return bad("kernel", options->kernel, "is no name or release; tools/kernels lists them");
	ret = set_path(path, sizeof(path), "%s/kernel/%s", options->cache, options->kernel);
	if (ret)
		return ret;
	if (!realpath(path, real))
		return bad("kernel", options->kernel,
			   "is not in the cache; tools/kernels lists what is, tools/setup installs 6.1 and 6.12");
	name = strrchr(real, '/') + 1;
	strcpy(options->release, name);
	return 0;
}

/*
 * The QEMU that tools/setup built without the faults of emulated nested guests, if
 * it is there and the machine is emulated; else the packaged one. VIOLA_QEMU names
 * another. qemu/lab in the cache links to the build's folder, named by its version.
 */
static int find_qemu(struct lab_options *options)
{
	static const char packaged[] = "qemu-system-x86_64";
	const char *wanted = getenv("VIOLA_QEMU");
	char path[PATH_MAX], real[PATH_MAX];
	int ret;

	if (wanted && *wanted) {
		snprintf(options->qemu_what, sizeof(options->qemu_what), "VIOLA_QEMU");
		return set_path(options->qemu, sizeof(options->qemu), "%s%s", wanted, "");
	}
	if (options->accel == LAB_KVM) {
		snprintf(options->qemu_what, sizeof(options->qemu_what), "packaged QEMU");
		return set_path(options->qemu, sizeof(options->qemu), "%s%s", packaged, "");
	}
	ret = set_path(path, sizeof(path), "%s/qemu/lab%s", options->cache, "");
	if (ret)
		return ret;
	if (realpath(path, real) &&
	    !set_path(options->qemu, sizeof(options->qemu), "%s/%s", real, packaged) &&
	    !access(options->qemu, X_OK)) {
		snprintf(options->qemu_what, sizeof(options->qemu_what), "mended QEMU %s",
			 strrchr(real, '/') + 1);
		options->qemu_mended = true;
		return 0;
	}
	snprintf(options->qemu_what, sizeof(options->qemu_what),
		 "packaged QEMU, where nested guests may hang: see tools/setup");
	return set_path(options->qemu, sizeof(options->qemu), "%s%s", packaged, "");
}

/*
 * The tree is the one this program was built in (build/bin/viola-lab), or else,
 * for an installed program, the git work tree around the current folder, or
 * that folder alone.
 */
static int find_tree(struct lab_options *options)
{
	static const char built[] = "/build/bin";
	char path[PATH_MAX], *slash;
	struct stat st;
	ssize_t n;
	size_t len;

	if (!getcwd(options->cwd, sizeof(options->cwd)))
		return bad("current folder", ".", strerror(errno));
	n = readlink("/proc/self/exe", options->tree, sizeof(options->tree) - 1);
	if (n > 0) {
		options->tree[n] = '\0';
		*strrchr(options->tree, '/') = '\0';
		len = strlen(options->tree);
		if (len > strlen(built) && !strcmp(options->tree + len - strlen(built), built)) {
			options->tree[len - strlen(built)] = '\0';
			return 0;
		}
	}
	strcpy(options->tree, options->cwd);
	while (*options->tree) {
		if (!set_path(path, sizeof(path), "%s%s", options->tree, "/.git") &&
		    !stat(path, &st))
			return 0;
		slash = strrchr(options->tree, '/');
		*slash = '\0';
	}
	strcpy(options->tree, options->cwd);
	if (!strcmp(options->tree, "/"))
		return bad("current folder", "/", "cannot be the tree; go to a project folder");
	return 0;
}

static int make_folder(const char *path)
{
	char copy[PATH_MAX], *p;

	strcpy(copy, path);
	for (p = copy + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		if (mkdir(copy, 0777) && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return 0;
}

static int default_log(struct lab_options *options)
{
	time_t now = time(NULL);
	struct tm tm;
	char name[128 + NAME_MAX], stamp[32];
	int ret;

	localtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	snprintf(name, sizeof(name), "build/lab/%s-%s-%d.log", stamp, options->release, getpid());
	ret = set_path(options->log, sizeof(options->log), "%s/%s", options->tree, name);
	if (ret)
		return ret;
	ret = make_folder(options->log);
	if (ret)
		return bad("log", options->log, strerror(-ret));
	return 0;
}

int options_parse(struct lab_options *options, int argc, char **argv)
{
	enum { KERNEL = 256, ICOUNT, SMP, MEM, TIMEOUT, LOG, QUIET, VERBOSE, SHELL, MODE, HELP };
	static const struct option table[] = {
		{ "kernel", required_argument, NULL, KERNEL },
		{ "icount", no_argument, NULL, ICOUNT },
		{ "smp", required_argument, NULL, SMP },
		{ "mem", required_argument, NULL, MEM },
		{ "timeout", required_argument, NULL, TIMEOUT },
		{ "log", required_argument, NULL, LOG },
		{ "quiet", no_argument, NULL, QUIET },
		{ "verbose", no_argument, NULL, VERBOSE },
		{ "shell", no_argument, NULL, SHELL },
		{ "mode", no_argument, NULL, MODE },
		{ "help", no_argument, NULL, HELP },
		{ }
	};
	bool mode = false;
	int c, ret = 0;

	*options = (struct lab_options){
		.kernel = KERNEL_DEFAULT, .mem = MEM_DEFAULT, .timeout = TIMEOUT_DEFAULT,
	};
	/* "+": stop at the command, whose options are its own. */
	while (!ret && (c = getopt_long(argc, argv, "+h", table, NULL)) != -1) {
		switch (c) {
		case KERNEL:
			ret = set_path(options->kernel, sizeof(options->kernel), "%s%s", optarg, "");
			break;
		case ICOUNT:
			options->icount = true;
			break;
		case SMP:
			if (!number_parse(optarg, 1, SMP_MAX, &options->smp))
				ret = bad("--smp", optarg, "must be a number from 1 to 64");
			break;
		case MEM:
			if (parse_mem(options, optarg))
				ret = bad("--mem", optarg, "must be like 2G or 1536M, 256M at least");
			break;
		case TIMEOUT:
			if (!number_parse(optarg, 0, 7 * 24 * 3600, &options->timeout))
				ret = bad("--timeout", optarg, "must be seconds, a week at most");
			break;
		case LOG:
			ret = set_path(options->log, sizeof(options->log), "%s%s", optarg, "");
			break;
		case QUIET:
			options->quiet = true;
			break;
		case VERBOSE:
			options->verbose = true;
			break;
		case SHELL:
			options->shell = true;
			break;
		case MODE:
			mode = true;
			break;
		case HELP:
		case 'h':
			fputs(help, stdout);
			return 1;
		default:	/* getopt has said what is wrong */
			return -EINVAL;
		}
	}
	if (ret)
		return ret;
	options->command = argv + optind;
	if (mode) {
		puts(lab_accel_name(machine_accel(options, &options->accel_why)));
		return 1;
	}
	if (!*options->command && !options->shell)
		return bad("command", "", "is missing; see viola lab --help");
	if (getenv("VIOLA_LAB"))
		return bad("VIOLA_LAB", getenv("VIOLA_LAB"), "is set: this is the lab already");
	if (options->icount && options->smp > 1) {
		lab_say("--icount counts instructions of one CPU: leave out --smp or say --smp 1");
		return -EINVAL;
	}
	options->accel = machine_accel(options, &options->accel_why);
	/* Nested guests may die on several emulated CPUs (Documentation/lab.md). */
	if (!options->smp)
		options->smp = options->accel == LAB_KVM ? SMP_DEFAULT : 1;

	ret = find_cache(options);
	if (!ret)
		ret = find_kernel(options);
	if (!ret)
		ret = find_qemu(options);
	if (!ret)
		ret = find_tree(options);
	if (!ret && !*options->log)
		ret = default_log(options);
	return ret;
}
