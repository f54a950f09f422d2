// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/measure/measure.h"
#include "tools/measure/kernel.h"

static void cache_dir(char *buf)
{
	const char *dir = getenv("VIOLA_CACHE");

	if (dir && *dir) {
		snprintf(buf, PATH_MAX, "%s", dir);
		return;
	}
	dir = getenv("XDG_CACHE_HOME");
	if (dir && *dir)
		path_join(buf, dir, "viola");
	else
		path_join(buf, getenv("HOME") ?: "", ".cache/viola");
}

int kernel_find(const char *name, char *release, char *image,
		struct failure *f)
{
	char cache[PATH_MAX], folder[PATH_MAX], real[PATH_MAX];

	cache_dir(cache);
	path_join(folder, cache, "kernel/%s", name);
	if (!*name || strchr(name, '/') || !realpath(folder, real))
		return failure_set(f, ENOENT,
			"kernel %s is not in the cache (%s/kernel); tools/kernels lists what is, tools/setup installs 6.1 and 6.12",
			name, cache);
	snprintf(release, PATH_MAX, "%s", strrchr(real, '/') + 1);
	/* Unpacked by tools/setup: an emulated CPU takes seconds to unpack it. */
	path_join(image, real, "boot/vmlinux-%s", release);
	if (access(image, R_OK))
		path_join(image, real, "boot/vmlinuz-%s", release);
	if (access(image, R_OK))
		return failure_set(f, errno, "%s: %s", image, strerror(errno));
	return 0;
}
