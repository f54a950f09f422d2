/* SPDX-License-Identifier: GPL-2.0 */
/* One guest on one path, from its start to its result. */
#ifndef VIOLA_COMPARE_RUN_H
#define VIOLA_COMPARE_RUN_H

#include <jansson.h>

#include "tools/compare/paths.h"

/* What all runs of a comparison share. */
struct run_context {
	const struct compare_options *options;
	const struct compare_place *place;
	const char *log;		/* folder */
	const char *kernel;		/* guest's bzImage */
	const char *initrd;
	const char *mode;		/* of the host: metal, lab-tcg… */
};

/*
 * Boot a guest on path @p and measure it. Prints progress lines that begin
 * with @label. Returns the path's element of "paths" in the result document,
 * status ok or failed, never NULL.
 */
json_t *run_path(const struct run_context *x, const struct path *p,
		 const char *label);

/* An element that says why the path has no result. */
json_t *run_no_result(const struct path *p, const char *status,
		      const char *reason);

#endif
