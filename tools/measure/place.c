// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/measure/measure.h"

int place_find(struct measure_place *p, struct failure *f)
{
	static const char built[] = "/build/bin";
	const ssize_t n = readlink("/proc/self/exe", p->bin, sizeof(p->bin) - 1);
	size_t len;

	if (n < 0)
		return failure_set(f, errno, "/proc/self/exe: %s", strerror(errno));
	p->bin[n] = 0;
	*strrchr(p->bin, '/') = 0;
	len = strlen(p->bin);
	if (len > strlen(built) && !strcmp(p->bin + len - strlen(built), built)) {
		memcpy(p->tree, p->bin, len - strlen(built));
		p->tree[len - strlen(built)] = 0;
		return 0;
	}
	/* Installed: results and modules are those of the current folder. */
	if (!getcwd(p->tree, sizeof(p->tree)))
		return failure_set(f, errno, "current folder: %s", strerror(errno));
	return 0;
}

void path_join(char *buf, const char *dir, const char *fmt, ...)
{
	const int n = snprintf(buf, PATH_MAX, "%s/", dir);
	va_list ap;

	if (n < 0 || n >= PATH_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(buf + n, PATH_MAX - n, fmt, ap);
	va_end(ap);
}
