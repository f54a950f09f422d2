/* SPDX-License-Identifier: GPL-2.0 */
/* The paths that can be compared, and what each needs of the host. */
#ifndef VIOLA_MEASURE_PATHS_H
#define VIOLA_MEASURE_PATHS_H

#include "tools/measure/measure.h"

struct path {
	const char *name;
	const char *rung;
	const char *driver;	/* that the guest must have bound */
	const char *node;	/* device node of the data plane, or NULL */
	const char *module;	/* that provides it, for modprobe, or NULL */
	bool own_module;	/* the module is ours: insmod from the tree */
	const char *mode;	/* execution mode, or NULL */
	const char *ring;	/* ring layout, or NULL */
};

/* The path of this name, or NULL. */
const struct path *path_find(const char *name);

/* All names, separated by ", ". */
const char *path_names(void);

/* The default selection: all of them. Returns how many. */
unsigned int path_all(const struct path **list);

/*
 * Make the host ready for the path: load modules, check device nodes. Returns
 * 0 or -errno with @f saying why the path cannot run here. *@loaded is set
 * when our module was loaded and is to be unloaded again.
 */
int path_prepare(const struct path *p, const struct measure_place *place,
		 bool *loaded, struct failure *f);

/* Undo path_prepare(). Returns 0 or -errno with @f set. */
int path_release(const struct path *p, bool loaded, struct failure *f);

#endif
