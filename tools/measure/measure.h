/* SPDX-License-Identifier: GPL-2.0 */
/*
 * viola-measure: the half of `viola compare` that measures. It runs as root
 * where the VMM shall run (in a lab machine, or on the host itself) and leaves,
 * in the folder log/ of its run folder, host.json and one path-NAME.json for
 * each path. A path's document is rewritten after each round, whole or not at
 * all: a lab machine that dies takes with it only what was not yet measured.
 */
#ifndef VIOLA_MEASURE_H
#define VIOLA_MEASURE_H

#include <limits.h>
#include <stdbool.h>

#include <jansson.h>

#include "tools/guest/failure.h"

#define MEASURE_PATHS_MAX	8

enum measure_exit {
	MEASURE_OK = 0,
	MEASURE_FAILED = 1,	/* results could not be written */
	MEASURE_USAGE = 2,	/* wrong options, or nothing can be measured here */
};

/*
 * How the threads of a path share the CPUs. In virtual time there is one CPU, and
 * the fair scheduler's choice when to take it from whom makes a figure differ by
 * 5 to 15 % from round to round. First in, first out, each runs until it has
 * nothing to do, and the same figures differ by some tenths of a per cent.
 */
enum measure_sched {
	SCHED_BY_MODE,		/* fifo in virtual time, else fair */
	SCHED_AS_FIFO,
	SCHED_AS_FAIR,
};

struct guest_time;
struct path;

struct measure_options {
	const struct path *path[MEASURE_PATHS_MAX];
	unsigned int paths;
	const char *out;		/* run folder, which has a folder log/ */
	const char *guest_kernel;	/* short name or release, in the cache */
	unsigned int rounds, rtt_count, warmup, rate_ms;
	unsigned int limit_s;		/* for a guest's start, and for each of its rounds */
	/* Nanoseconds that path[i]'s far end loses on each frame; see farend_slow(). */
	unsigned int slow_ns[MEASURE_PATHS_MAX];
	enum measure_sched sched;
};

/* Folder of this program, and the tree it was built in (or the current one). */
struct measure_place {
	char bin[PATH_MAX];
	char tree[PATH_MAX];
};

/* 0 or -errno with @f set. */
int place_find(struct measure_place *p, struct failure *f);

/*
 * "DIR/FORMAT…" into @buf of PATH_MAX bytes; a name that does not fit is cut,
 * and then not found by whoever opens it.
 */
void path_join(char *buf, const char *dir, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* What all guests of a run share. */
struct measure_context {
	const struct measure_options *options;
	struct measure_place place;
	char log[PATH_MAX];		/* folder */
	char kernel[PATH_MAX];		/* guest's image, ELF or bzImage */
	char initrd[PATH_MAX];
	const char *mode;		/* of the host: metal, lab-tcg… */
	bool fifo;			/* threads run first in, first out */
	struct guest_time *guest_time;
};

/* Measure all paths, round by round. Returns an enum measure_exit. */
int rounds_run(const struct measure_options *o);

#endif
