// SPDX-License-Identifier: GPL-2.0
/*
 * The schedule of a run. The guests of all paths are up side by side, and one at
 * a time is measured. A round is one turn of each, so whatever drifts (another
 * load on the host, its temperature) meets all paths alike, and a ratio within a
 * round does not see it. Guests that wait are idle: their agents sit in a receive
 * call. Even rounds go through the paths backwards, so that none is always the
 * one behind another.
 *
 * Each path has a guest of its own, rather than one guest all devices: memory,
 * interrupts and the VMM's threads are then those of a user's guest on that path,
 * and a path that fails takes no other with it.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tools/measure/guest-time.h"
#include "tools/measure/guest.h"
#include "tools/measure/kernel.h"
#include "tools/measure/result.h"
#include "tools/measure/tap.h"

#define START_STEP_MS	20

/* A path in the schedule. */
struct entry {
	const struct path *path;
	json_t *out;			/* its element in the results */
	struct guest *guest;		/* NULL: it is not, or no longer, measured */
	bool loaded;			/* our module was loaded for it */
};

struct schedule {
	struct measure_context x;
	struct entry entry[MEASURE_PATHS_MAX];
	unsigned int entries;
	struct guest_time guest_time;
};

static const char *host_mode(void)
{
	const char *mode = getenv("VIOLA_LAB_MODE");

	return mode && *mode ? mode : "metal";
}

/* @sampled: why guest time is not exact, "" if it is. */
static int host_write(const struct measure_context *x, const char *sampled)
{
	struct utsname uts;
	char file[PATH_MAX];
	json_t *host;
	int err;

	uname(&uts);
	path_join(file, x->log, "host.json");
	host = json_pack("{s:s,s:s,s:i,s:s,s:s,s:s?}", "kernel", uts.release, "mode", x->mode,
			 "cpus", (int)sysconf(_SC_NPROCESSORS_ONLN),
			 "sched", x->fifo ? "fifo" : "fair",
			 "guest_time", *sampled ? "sampled" : "exact",
			 "guest_time_reason", *sampled ? sampled : NULL);
	err = json_dump_file(host, file, JSON_INDENT(2));
	json_decref(host);
	return err ? -EIO : 0;
}

static void setting_write(const char *file, const char *value)
{
	FILE *out = fopen(file, "we");

	if (!out)
		return;
	fputs(value, out);
	fclose(out);
}

/*
 * Where instructions are counted, a halted vCPU must not poll: KVM would spend
 * up to 200 us of each wait on it, and waiting is not work. Elsewhere the
 * host's own setting is part of what is measured.
 */
static void halt_polling_off(void)
{
	setting_write("/sys/module/kvm/parameters/halt_poll_ns", "0");
}

/*
 * A cache of kernel objects that keeps no empty slabs gives their pages back while
 * frames are under way, about one slab in ten frames. What that costs depends on
 * whether the pages next to them happen to be free, too, so that they are joined to
 * larger ones: 115 instructions a frame, in one start of the lab and not in the next.
 */
static void slabs_keep_empty(void)
{
	glob_t found;
	size_t i;

	if (glob("/sys/kernel/slab/*/min_partial", 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++)
		setting_write(found.gl_pathv[i], "1000");
	globfree(&found);
}

/* The kernel would take the CPU from such threads for 50 ms in each second. */
static void fifo_unlimited(void)
{
	setting_write("/proc/sys/kernel/sched_rt_runtime_us", "-1");
}

/* Whole or not at all: it is read even after a crash. */
static int entry_write(const struct schedule *s, const struct entry *e)
{
	char file[PATH_MAX], tmp[PATH_MAX];

	path_join(tmp, s->x.log, "path-%s.json.new", e->path->name);
	path_join(file, s->x.log, "path-%s.json", e->path->name);
	if (json_dump_file(e->out, tmp, JSON_INDENT(2)) || rename(tmp, file)) {
		fprintf(stderr, "viola-measure: %s cannot be written: %s\n", file,
			strerror(errno));
		return -EIO;
	}
	return 0;
}

static void say(const char *step, const struct entry *e, const char *what)
{
	printf("%s%s: %s\n", step, e->path->name, what);
	fflush(stdout);
}

static void entry_end(struct entry *e, const char *status, const struct failure *f)
{
	char what[sizeof(f->text) + 16];

	snprintf(what, sizeof(what), "%s: %s", status, f->text);
	say("", e, what);
	result_status(e->out, status, f->text);
	guest_destroy(e->guest);
	e->guest = NULL;
}

static void entry_start(struct schedule *s, unsigned int i)
{
	struct entry *e = &s->entry[i];
	struct failure f = { "" };

	e->path = s->x.options->path[i];
	e->out = result_none(e->path, "ok", NULL);
	if (!e->out)
		abort();
	if (path_prepare(e->path, &s->x.place, &e->loaded, &f)) {
		entry_end(e, "skipped", &f);
		return;
	}
	e->guest = guest_start(&s->x, i, &f);
	if (e->guest)
		say("", e, "the guest starts");
	else
		entry_end(e, "failed", &f);
}

/* Until each guest waits for its first round or is given up. */
static void starts_wait(struct schedule *s)
{
	bool ready[MEASURE_PATHS_MAX] = { false };
	unsigned int i, missing;

	do {
		missing = 0;
		for (i = 0; i < s->entries; i++) {
			struct entry *e = &s->entry[i];
			struct failure f = { "" };

			if (!e->guest || ready[i])
				continue;
			if (guest_step(e->guest, START_STEP_MS, &f)) {
				entry_end(e, "failed", &f);
				continue;
			}
			ready[i] = guest_ready(e->guest);
			if (ready[i])
				say("", e, "the guest is ready");
			missing += !ready[i];
		}
	} while (missing);
}

static int turn(struct schedule *s, struct entry *e, unsigned int round)
{
	struct failure f = { "" };
	char step[64];

	if (!e->guest)
		return 0;
	snprintf(step, sizeof(step), "round %u of %u, ", round, s->x.options->rounds);
	say(step, e, "measuring");
	if (guest_round(e->guest, round, e->out, &f))
		entry_end(e, "failed", &f);
	return entry_write(s, e);
}

static int entries_measure(struct schedule *s)
{
	unsigned int round, i;
	int err = 0;

	for (round = 1; round <= s->x.options->rounds && !err; round++)
		for (i = 0; i < s->entries && !err; i++)
			err = turn(s, &s->entry[round % 2 ? i : s->entries - 1 - i], round);
	return err;
}

static int entry_finish(struct schedule *s, struct entry *e)
{
	struct failure f = { "" };
	int err;

	guest_destroy(e->guest);
	e->guest = NULL;
	/* A module that stays is a fault of the path: it holds something. */
	if (path_release(e->path, e->loaded, &f))
		entry_end(e, "failed", &f);
	err = entry_write(s, e);
	json_decref(e->out);
	return err;
}

static int context_fill(struct measure_context *x, struct failure *f)
{
	const struct measure_options *o = x->options;
	char release[PATH_MAX];

	x->mode = host_mode();
	path_join(x->log, o->out, "log");
	path_join(x->initrd, x->log, "initramfs");
	if (place_find(&x->place, f) || kernel_find(o->guest_kernel, release, x->kernel, f) ||
	    tap_namespace(f))
		return -EINVAL;
	return 0;
}

int rounds_run(const struct measure_options *o)
{
	struct schedule *s = calloc(1, sizeof(*s));
	struct failure f = { "" }, sampled = { "" };
	bool virtual_time;
	unsigned int i;
	int err;

	if (!s)
		abort();
	s->x.options = o;
	s->x.guest_time = &s->guest_time;
	if (context_fill(&s->x, &f)) {
		fprintf(stderr, "viola-measure: %s\n", f.text);
		free(s);
		return MEASURE_USAGE;
	}
	virtual_time = !strcmp(s->x.mode, "lab-icount");
	s->x.fifo = o->sched == SCHED_AS_FIFO || (o->sched == SCHED_BY_MODE && virtual_time);
	if (virtual_time) {
		halt_polling_off();
		slabs_keep_empty();
	}
	if (s->x.fifo)
		fifo_unlimited();
	s->entries = o->paths;
	for (i = 0; i < s->entries; i++)
		entry_start(s, i);
	starts_wait(s);
	/* KVM's module is loaded by now, and nothing has been counted yet. */
	guest_time_open(&s->guest_time, &sampled);
	err = host_write(&s->x, sampled.text);
	if (err)
		fprintf(stderr, "viola-measure: %s/host.json cannot be written\n", s->x.log);
	err = err ?: entries_measure(s);
	for (i = 0; i < s->entries; i++)
		err = entry_finish(s, &s->entry[i]) ?: err;
	guest_time_close(&s->guest_time);
	free(s);
	return err ? MEASURE_FAILED : MEASURE_OK;
}
