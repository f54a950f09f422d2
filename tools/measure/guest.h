/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One guest on one path: its tap, its far end, its VMM and what its agent has
 * measured. The guests of all paths are up side by side; each waits until a
 * round of its own is let go.
 */
#ifndef VIOLA_MEASURE_GUEST_H
#define VIOLA_MEASURE_GUEST_H

#include <jansson.h>

#include "tools/measure/measure.h"
#include "tools/measure/paths.h"

struct guest;

/*
 * Start a guest on path number @index of the options. NULL with @f set if it
 * cannot be started.
 */
struct guest *guest_start(const struct measure_context *x, unsigned int index,
			  struct failure *f);

/*
 * Serve its far end for up to @ms milliseconds, and see whether its VMM is still
 * there. Returns 0, or -errno with @f set when the guest is of no more use.
 */
int guest_step(struct guest *g, int ms, struct failure *f);

/* It has asked for its first round. */
bool guest_ready(const struct guest *g);

/*
 * Measure round @number (from 1), whose results are appended to "rounds" of the
 * path's element @out. After the last round the guest powers off, which this
 * waits for. Returns 0 or -errno with @f set.
 */
int guest_round(struct guest *g, unsigned int number, json_t *out, struct failure *f);

/* Kill what still runs, remove the tap. */
void guest_destroy(struct guest *g);

#endif
