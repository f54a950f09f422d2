/* SPDX-License-Identifier: GPL-2.0 */
/* From the agent's document and the host's counters to a path's result. */
#ifndef VIOLA_MEASURE_RESULT_H
#define VIOLA_MEASURE_RESULT_H

#include <jansson.h>

#include "tools/measure/counters.h"
#include "tools/measure/paths.h"
#include "tools/guest/failure.h"

#define RESULT_PHASES	64	/* of one round */

/* Host-side snapshots at the borders of a phase. */
struct result_phase {
	bool begun, ended;
	struct counters_snap before, after;
};

/*
 * The element of path @p in the run's documents, with no round in it. @reason
 * may be NULL. Never NULL itself.
 */
json_t *result_none(const struct path *p, const char *status, const char *reason);

void result_status(json_t *out, const char *status, const char *reason);

/*
 * Append a round to @out from the agent's document @doc of it, whose phase i has
 * the borders @phase[i]. @icount: a nanosecond of CPU time is an instruction.
 * Returns 0 when all went well, or -errno with @f saying why the path failed;
 * what could be read is in @out all the same.
 */
int result_round(json_t *out, const struct path *p, const json_t *doc,
		 const struct result_phase *phase, const struct counters *c, bool icount,
		 struct failure *f);

#endif
