/* SPDX-License-Identifier: GPL-2.0 */
/* From the agent's document and the host's counters to a path's result. */
#ifndef VIOLA_COMPARE_RESULT_H
#define VIOLA_COMPARE_RESULT_H

#include <jansson.h>

#include "tools/compare/counters.h"
#include "tools/compare/paths.h"
#include "tools/guest/failure.h"

#define RESULT_PHASES	64

/* Host-side snapshots at the borders of phase id i + 1. */
struct result_phase {
	bool begun, ended;
	struct counters_snap before, after;
};

/*
 * Fill path element @out (made by run_no_result()) from the agent's document
 * of @agent_file. @icount: a nanosecond of CPU time is an instruction.
 * Returns 0 when the path is ok, or -errno with @f saying why it failed; what
 * could be read is in @out all the same.
 */
int result_fill(json_t *out, const struct path *p, const char *agent_file,
		const struct result_phase *phase, const struct counters *c,
		bool icount, struct failure *f);

#endif
