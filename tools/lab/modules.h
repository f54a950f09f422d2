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

/* Modules that are loaded together, and what they need. */
struct module_group {
	const char *name;
	const char *const *modules;	/* NULL-terminated */
	struct module_list list;	/* by modules_resolve() */
};

/*
 * Collect @names (NULL-terminated, underscores as in the file name) and all
 * they need from @folder/modules.dep; a name that is built into the kernel is
 * left out. Returns 0, -ENOENT with the missing name in *@missing, or -errno.
 */
int modules_resolve(struct module_list *list, const char *folder, const char *const *names,
		    const char **missing);

void modules_free(struct module_list *list);

/*
 * The contents of module file @path, of @size bytes, unpacked if that is xz: an emulated
 * kernel takes a second to unpack what a start needs. The caller frees *@data.
 * Returns 0 or -errno, -EBADMSG for a file that is damaged.
 */
int module_read(const char *path, void **data, size_t *size);

/* Without the ".xz" of what module_read() unpacks. @name ends in it, or does not. */
size_t module_name_len(const char *name);

#endif
