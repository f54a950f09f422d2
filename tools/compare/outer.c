// SPDX-License-Identifier: GPL-2.0
/* The half that prepares, starts the other one, and reports. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/compare/kernel.h"
#include "tools/compare/run.h"

#define LAB_BOOT_S	120
#define ICOUNT_TRIES	4
#define LAB_TIMEOUT	124	/* viola-lab's exit status at its time limit */

struct outer {
	const struct compare_options *options;
	struct compare_place place;
	char release[PATH_MAX];		/* of the guest's kernel */
	char base[PATH_MAX];		/* folder of all runs */
	char name[64];			/* of this run in it */
	char run[PATH_MAX], log[PATH_MAX];
	char stage[PATH_MAX];		/* where the inner half writes */
	time_t started;
	double load;			/* of this machine before the run */
	const struct path *todo[COMPARE_PATHS_MAX];	/* not yet measured */
	unsigned int todos;
	unsigned int hangs;		/* of an icount lab machine */
	int inner_status;		/* exit status, 128 + signal */
};

/* Run @argv, wait for it. Exit status, 128 + signal, or -errno. */
static int command_run(const char *const *argv)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		signal(SIGINT, SIG_DFL);
		/* A lab machine must not outlive whoever waits for it. */
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		execvp(argv[0], (char *const *)argv);
		fprintf(stderr, "viola-compare: %s: %s\n", argv[0],
			strerror(errno));
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	       128 + WTERMSIG(status);
}

/* The first line that @argv prints, "" if it prints none. */
static void command_line(const char *const *argv, char *buf, size_t room)
{
	int out[2], null;
	ssize_t n;
	pid_t pid;

	buf[0] = 0;
	if (pipe2(out, O_CLOEXEC))
		return;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		null = open("/dev/null", O_WRONLY);
		dup2(out[1], 1);
		dup2(null, 2);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(out[1]);
	n = read(out[0], buf, room - 1);
	close(out[0]);
	buf[n > 0 ? n : 0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static int folders_make(struct outer *x, struct failure *f)
{
	const char *out = x->options->out;
	struct tm tm;
	char stamp[32];
	unsigned int i;
	int err;

	if (out)
		snprintf(x->base, sizeof(x->base), "%s", out);
	else
		path_join(x->base, x->place.tree, "out/compare");
	err = make_folders(x->base);
	if (err)
		return failure_set(f, -err, "%s: %s", x->base, strerror(-err));
	if (realpath(x->base, x->run))
		strcpy(x->base, x->run);
	x->started = time(NULL);
	gmtime_r(&x->started, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	for (i = 1; i < 100; i++) {
		if (i == 1)
			snprintf(x->name, sizeof(x->name), "%s", stamp);
		else
			snprintf(x->name, sizeof(x->name), "%s-%u", stamp, i);
		path_join(x->run, x->base, "%s", x->name);
		if (!mkdir(x->run, 0777))
			break;
		if (errno != EEXIST)
			return failure_set(f, errno, "%s: %s", x->run,
					   strerror(errno));
	}
	path_join(x->log, x->run, "log");
	err = make_folders(x->log);
	return err ? failure_set(f, -err, "%s: %s", x->log, strerror(-err)) : 0;
}

static bool inside(const char *path, const char *folder)
{
	const size_t n = strlen(folder);

	return !strncmp(path, folder, n) && path[n] == '/';
}

/*
 * A lab machine writes only into the tree: results that go elsewhere are
 * written to the tree's build folder first.
 */
static int stage_make(struct outer *x, struct failure *f)
{
	char log[PATH_MAX];
	int err;

	strcpy(x->stage, x->run);
	if (x->options->host || inside(x->run, x->place.tree))
		return 0;
	path_join(x->stage, x->place.tree, "build/compare/%s-%d", x->name,
		  getpid());
	path_join(log, x->stage, "log");
	err = make_folders(log);
	return err ? failure_set(f, -err, "%s: %s", log, strerror(-err)) : 0;
}

static void stage_collect(struct outer *x)
{
	char from[PATH_MAX], initrd[PATH_MAX];

	path_join(initrd, x->stage, "log/initramfs");
	unlink(initrd);
	if (!strcmp(x->stage, x->run))
		return;
	path_join(from, x->stage, "log/.");
	command_run((const char *[]){ "cp", "-r", from, x->log, NULL });
	command_run((const char *[]){ "rm", "-rf", x->stage, NULL });
}

static int initrd_make(struct outer *x, struct failure *f)
{
	char tool[PATH_MAX], initrd[PATH_MAX];

	path_join(tool, x->place.bin, "viola-mkinitramfs");
	path_join(initrd, x->stage, "log/initramfs");
	if (command_run((const char *[]){ tool, "--kernel", x->release, "--output",
				    initrd, NULL }))
		return failure_set(f, EIO, "the guest's initramfs could not be made");
	return 0;
}

/* The command line of the inner half; @argv has room for 64. */
static unsigned int inner_argv(struct outer *x, const char **argv,
				char (*text)[PATH_MAX])
{
	const struct compare_options *o = x->options;
	unsigned int n = 0, i, t = 0;

	path_join(text[t], x->place.bin, "viola-compare");
	argv[n++] = text[t++];
	argv[n++] = "--inner";
	argv[n++] = x->stage;
	argv[n++] = "--guest-kernel";
	argv[n++] = x->release;
	text[t][0] = 0;
	for (i = 0; i < x->todos; i++) {
		if (i)
			strcat(text[t], ",");
		strcat(text[t], x->todo[i]->name);
	}
	argv[n++] = "--paths";
	argv[n++] = text[t++];
	snprintf(text[t], PATH_MAX, "%u", o->rtt_count);
	argv[n++] = "--rtt-count";
	argv[n++] = text[t++];
	snprintf(text[t], PATH_MAX, "%u", o->warmup);
	argv[n++] = "--warmup";
	argv[n++] = text[t++];
	snprintf(text[t], PATH_MAX, "%u", o->rate_ms);
	argv[n++] = "--rate-ms";
	argv[n++] = text[t++];
	snprintf(text[t], PATH_MAX, "%u", o->limit_s);
	argv[n++] = "--limit";
	argv[n++] = text[t++];
	return n;
}

/*
 * Real seconds until the lab machine is killed. The inner half kills a guest
 * that hangs by its own clock; an icount lab's clock stops when that hangs, so
 * there this limit is what finds it.
 */
static unsigned int lab_limit(const struct outer *x)
{
	const struct compare_options *o = x->options;

	if (o->icount)
		return 60 + x->todos * (45 + o->rtt_count / 25 + o->rate_ms / 20);
	return LAB_BOOT_S + x->todos * (o->limit_s + 60);
}

static void inner_start(struct outer *x)
{
	const struct compare_options *o = x->options;
	const char *argv[64];
	char lab[PATH_MAX], timeout[16], log[PATH_MAX];
	static char text[8][PATH_MAX];
	unsigned int n = 0;

	if (!o->host) {
		path_join(lab, x->place.bin, "viola-lab");
		path_join(log, x->log, "lab-kernel.log");
		snprintf(timeout, sizeof(timeout), "%u", lab_limit(x));
		argv[n++] = lab;
		argv[n++] = "--kernel";
		argv[n++] = o->kernel;
		argv[n++] = "--timeout";
		argv[n++] = timeout;
		argv[n++] = "--log";
		argv[n++] = log;
		if (o->icount)
			argv[n++] = "--icount";
		argv[n++] = "--";
	}
	n += inner_argv(x, argv + n, text);
	argv[n] = NULL;
	/* Ctrl-C ends the inner half; what it has measured is reported. */
	signal(SIGINT, SIG_IGN);
	x->inner_status = command_run(argv);
	signal(SIGINT, SIG_DFL);
}

static void cpu_name(char *buf, size_t room)
{
	FILE *in = fopen("/proc/cpuinfo", "re");
	char line[256], *p;

	snprintf(buf, room, "unknown");
	while (in && fgets(line, sizeof(line), in)) {
		if (strncmp(line, "model name", 10))
			continue;
		p = strchr(line, ':');
		if (!p)
			continue;
		p[strcspn(p, "\n")] = 0;
		snprintf(buf, room, "%s", p + 2);
		break;
	}
	if (in)
		fclose(in);
}

static json_t *host_json(struct outer *x)
{
	char file[PATH_MAX], cpu[256];
	json_t *host;

	path_join(file, x->log, "host.json");
	host = json_load_file(file, 0, NULL);
	if (!json_is_object(host)) {
		json_decref(host);
		host = json_pack("{s:n,s:s}", "kernel", "mode",
				 x->options->host ? "metal" :
				 x->options->icount ? "lab-icount" : "lab-tcg");
	}
	cpu_name(cpu, sizeof(cpu));
	json_object_set_new(host, "cpu", json_string(cpu));
	json_object_set_new(host, "load", json_real(x->load));
	json_object_set_new(host, "busy", json_boolean(
		x->load > 0.5 * (double)sysconf(_SC_NPROCESSORS_ONLN)));
	return host;
}

static json_t *version_json(struct outer *x)
{
	char commit[64];

	command_line((const char *[]){ "git", "-C", x->place.tree, "describe",
				 "--always", "--dirty", "--abbrev=12", NULL },
		     commit, sizeof(commit));
	return json_pack("{s:s,s:s}", "version", VIOLA_VERSION, "commit",
			 commit[0] ? commit : "unknown");
}

/* What became of the inner half as a whole, NULL when nothing. */
static const char *inner_fault(const struct outer *x)
{
	static char text[200];
	static const struct {
		int status;
		const char *text;
	} known[] = {
		{ 70, "the lab kernel logged a warning, a bug or a panic: see log/lab-kernel.log" },
		{ LAB_TIMEOUT, "the lab machine was killed at its time limit" },
		{ 125, "the lab machine could not be started or broke" },
		{ 128 + SIGINT, "it was interrupted" },
	};
	unsigned int i;

	if (!x->inner_status)
		return NULL;
	for (i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].status == x->inner_status)
			return known[i].text;
	snprintf(text, sizeof(text), "the measuring half exited with status %d",
		 x->inner_status);
	return text;
}

static json_t *paths_json(struct outer *x)
{
	const char *fault = inner_fault(x);
	json_t *list = json_array(), *one;
	char file[PATH_MAX];
	unsigned int i;

	for (i = 0; i < x->options->paths; i++) {
		const struct path *p = x->options->path[i];

		path_join(file, x->log, "path-%s.json", p->name);
		one = json_load_file(file, 0, NULL);
		if (!one)
			one = run_no_result(p, "failed", fault ?
					    fault : "it was not measured");
		unlink(file);
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *document(struct outer *x)
{
	const struct compare_options *o = x->options;
	char stamp[40];
	struct tm tm;

	gmtime_r(&x->started, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_pack("{s:s,s:o,s:o,s:s,s:I,s:s?,s:i,s:{s:i,s:i,s:i,s:b},s:o}",
		"schema", "viola-compare/1", "viola", version_json(x),
		"host", host_json(x), "started", stamp,
		"duration_s", (json_int_t)(time(NULL) - x->started),
		"fault", inner_fault(x), "lab_hangs", (int)x->hangs,
		"settings", "rtt_count", o->rtt_count, "warmup", o->warmup,
		"rate_ms", o->rate_ms, "quick", o->quick,
		"paths", paths_json(x));
}

static void latest_link(struct outer *x)
{
	char tmp[PATH_MAX], link[PATH_MAX];

	path_join(tmp, x->base, ".latest.%d", getpid());
	path_join(link, x->base, "latest");
	unlink(tmp);
	if (symlink(x->name, tmp) || rename(tmp, link))
		fprintf(stderr, "viola-compare: %s: %s\n", link, strerror(errno));
}

static void file_print(const char *file)
{
	char buf[4096];
	size_t n;
	FILE *in = fopen(file, "re");

	while (in && (n = fread(buf, 1, sizeof(buf), in)))
		fwrite(buf, 1, n, stdout);
	if (in)
		fclose(in);
}

static int report(struct outer *x)
{
	json_t *doc = document(x), *one;
	unsigned int failed = 0, ok = 0;
	char file[PATH_MAX];
	const char *status;
	size_t i;
	int err;

	if (!doc)
		abort();
	path_join(file, x->run, "result.json");
	err = json_dump_file(doc, file, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	path_join(file, x->run, "report.html");
	err = err ?: report_write(doc, file);
	path_join(file, x->run, "result.txt");
	err = err ?: table_write(doc, file);
	latest_link(x);
	printf("\n");
	file_print(file);
	printf("\nresults: %s\n", x->run);

	json_array_foreach(json_object_get(doc, "paths"), i, one) {
		status = json_string_value(json_object_get(one, "status"));
		failed += status && !strcmp(status, "failed");
		ok += status && !strcmp(status, "ok");
	}
	json_decref(doc);
	if (err) {
		fprintf(stderr, "viola-compare: results cannot be written to %s\n",
			x->run);
		return COMPARE_FAILED;
	}
	if (x->inner_status)
		fprintf(stderr, "viola-compare: %s\n", inner_fault(x));
	else if (!ok && !failed)
		fprintf(stderr, "viola-compare: no path could run here\n");
	return failed || x->inner_status || !ok ? COMPARE_FAILED : COMPARE_OK;
}

/* Keep in the list only what has left no result. */
static void todo_update(struct outer *x)
{
	char file[PATH_MAX];
	unsigned int i, n = 0;

	for (i = 0; i < x->todos; i++) {
		path_join(file, x->stage, "log/path-%s.json", x->todo[i]->name);
		if (access(file, F_OK))
			x->todo[n++] = x->todo[i];
	}
	x->todos = n;
}

/*
 * Run the inner half; under icount again for what is missing when the lab
 * machine hung, which QEMU does at times in that mode.
 */
static void inner_repeat(struct outer *x)
{
	memcpy(x->todo, x->options->path, sizeof(x->todo));
	x->todos = x->options->paths;
	for (;;) {
		inner_start(x);
		todo_update(x);
		if (!x->options->icount || x->inner_status != LAB_TIMEOUT)
			return;
		x->hangs++;
		if (!x->todos) {
			/* It hung after the last path had been measured. */
			x->inner_status = 0;
			return;
		}
		if (x->hangs == ICOUNT_TRIES)
			return;
		printf("the icount lab machine hung; starting another for what is missing (%u of %u)\n",
		       x->hangs + 1, ICOUNT_TRIES);
	}
}

int outer_run(const struct compare_options *o)
{
	struct outer *x = calloc(1, sizeof(*x));
	struct failure f = { "" };
	char image[PATH_MAX];
	int status;

	if (!x)
		abort();
	x->options = o;
	if (getloadavg(&x->load, 1) != 1)
		x->load = 0;
	if (o->host && geteuid()) {
		failure_set(&f, EPERM, "--host needs root: taps and KVM's counters are used directly");
	} else if (!place_find(&x->place, &f) &&
		   !kernel_find(o->guest_kernel ?: o->kernel, x->release, image, &f) &&
		   !folders_make(x, &f) && !stage_make(x, &f)) {
		initrd_make(x, &f);
	}
	if (f.text[0]) {
		fprintf(stderr, "viola-compare: %s\n", f.text);
		free(x);
		return COMPARE_USAGE;
	}
	inner_repeat(x);
	stage_collect(x);
	/* The inner half has said why it cannot run at all. */
	status = x->inner_status == COMPARE_USAGE ? COMPARE_USAGE : report(x);
	free(x);
	return status;
}
