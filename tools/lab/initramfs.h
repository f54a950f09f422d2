/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_LAB_INITRAMFS_H
#define VIOLA_LAB_INITRAMFS_H

#include "tools/lab/lab.h"
#include "tools/lab/modules.h"

/*
 * Build the lab machine's initramfs in memory: this program as /init, modules, and the
 * run's parameters as files, so that no quoting is needed. @modules_folder holds the
 * modules of @groups, of which the last has no name. @env is a NULL-terminated list of
 * NAME=value.
 * Returns a file descriptor (no name anywhere, so nothing is left behind), or
 * -errno.
 */
int initramfs_make(const struct lab_conf *conf, char *const *argv, char *const *env,
		   const char *modules_folder, const struct module_group *groups);

#endif
