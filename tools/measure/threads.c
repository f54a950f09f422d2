// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/measure/threads.h"

void threads_of_kernel(pid_t pid, void (*each)(pid_t tid, void *ctx), void *ctx)
{
	char name[2][32], file[64], comm[32];
	struct dirent *e;
	FILE *in;
	DIR *d;

	snprintf(name[0], sizeof(name[0]), "vhost-%d", pid);
	snprintf(name[1], sizeof(name[1]), "viola-%d-", pid);
	d = opendir("/proc");
	if (!d)
		return;
	while ((e = readdir(d))) {
		if (!isdigit((unsigned char)e->d_name[0]) || atoi(e->d_name) == pid)
			continue;
		snprintf(file, sizeof(file), "/proc/%.20s/comm", e->d_name);
		in = fopen(file, "re");
		if (!in)
			continue;
		if (!fgets(comm, sizeof(comm), in))
			comm[0] = 0;
		fclose(in);
		comm[strcspn(comm, "\n")] = 0;
		if (!strcmp(comm, name[0]) || !strncmp(comm, name[1], strlen(name[1])))
			each(atoi(e->d_name), ctx);
	}
	closedir(d);
}

static void fifo_set(pid_t tid, void *ctx)
{
	const struct sched_param param = { .sched_priority = 1 };
	int *err = ctx;

	/* One that ended meanwhile is none. */
	if (sched_setscheduler(tid, SCHED_FIFO, &param) && errno != ESRCH && !*err)
		*err = -errno;
}

int threads_fifo(pid_t pid, struct failure *f)
{
	char folder[32];
	struct dirent *e;
	int err = 0;
	DIR *d;

	fifo_set(0, &err);
	snprintf(folder, sizeof(folder), "/proc/%d/task", pid);
	d = opendir(folder);
	while (d && (e = readdir(d)))
		if (isdigit((unsigned char)e->d_name[0]))
			fifo_set(atoi(e->d_name), &err);
	if (d)
		closedir(d);
	threads_of_kernel(pid, fifo_set, &err);
	return err ? failure_set(f, -err, "threads cannot be made to run first in, first out: %s",
				 strerror(-err)) : 0;
}
