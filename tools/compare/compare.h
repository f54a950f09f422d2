/* SPDX-License-Identifier: GPL-2.0 */
/*
 * viola-compare: every path to a device side by side, with the same guest,
 * the same workload and the same far end.
 *
 * It runs in two halves. The outer half makes the folder of results, starts
 * the inner half (in a lab machine, or here with --host), and writes the
 * report from what the inner half left: one JSON file per path. So a lab
 * machine that dies takes with it only the paths that were not yet measured.
 */
#ifndef VIOLA_COMPARE_H
#define VIOLA_COMPARE_H

#include <limits.h>
#include <stdbool.h>

#include <jansson.h>

#include "tools/guest/failure.h"

#define COMPARE_PATHS_MAX	8

enum compare_exit {
	COMPARE_OK = 0,
	COMPARE_FAILED = 1,	/* a requested path failed */
	COMPARE_USAGE = 2,
};

struct path;

struct compare_options {
	const struct path *path[COMPARE_PATHS_MAX];
	unsigned int paths;
	bool quick, host, icount;
	const char *kernel;		/* of the lab machine */
	const char *guest_kernel;	/* NULL: the same */
	const char *out;		/* NULL: out/compare in the tree */
	const char *inner;		/* run folder; set: this is the inner half */
	unsigned int rtt_count, warmup, rate_ms;
	unsigned int limit_s;		/* for one path */
};

/* Folder of this program, and the tree it was built in (or the current one). */
struct compare_place {
	char bin[PATH_MAX];
	char tree[PATH_MAX];
};

/* 0 or -errno with @f set. */
int place_find(struct compare_place *p, struct failure *f);

/*
 * "DIR/FORMAT…" into @buf of PATH_MAX bytes; a name that does not fit is cut,
 * and then not found by whoever opens it.
 */
void path_join(char *buf, const char *dir, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* mkdir -p. Returns 0 or -errno. */
int make_folders(const char *path);

/* Both return an enum compare_exit. */
int outer_run(const struct compare_options *o);
int inner_run(const struct compare_options *o);

/* result.txt: the aligned table of @doc (viola-compare/1). 0 or -errno. */
int table_write(const json_t *doc, const char *file);

/* report.html of @doc, self-contained. 0 or -errno. */
int report_write(const json_t *doc, const char *file);

#endif
