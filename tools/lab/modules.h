/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_LAB_MODULES_H
#define VIOLA_LAB_MODULES_H

#include <stddef.h>

#define MODULES_MAX 64

/* Module files relative to lib/modules/<release>, in loading order. */
struct module_list {
	char *file[MODULES_MAX];
	size_t count;
};

/*
 * Collect @names (NULL-terminated, underscores as in the file name) and all
 * they need from @folder/modules.dep; a name that is built into the kernel is
 * left out. Returns 0, -ENOENT with the missing name in *@missing, or -errno.
 */
int modules_resolve(struct module_list *list, const char *folder, const char *const *names,
		    const char **missing);

void modules_free(struct module_list *list);

#endif
