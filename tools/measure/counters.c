// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tools/measure/counters.h"
#include "tools/measure/threads.h"

static const char *const tracepoint[COUNTERS] = {
	[COUNTER_EXITS] = "kvm/kvm_exit",
	[COUNTER_USER_EXITS] = "kvm/kvm_userspace_exit",
	[COUNTER_SYSCALLS] = "raw_syscalls/sys_enter",
};

static bool read_number(const char *file, uint64_t *v)
{
	FILE *in = fopen(file, "re");
	unsigned long long n;
	bool ok;

	if (!in)
		return false;
	ok = fscanf(in, "%llu", &n) == 1;
	fclose(in);
	if (ok)
		*v = n;
	return ok;
}

static int tracepoint_open(struct counters *c, enum counter_id id)
{
	static const char *const root[] = {
		"/sys/kernel/tracing", "/sys/kernel/debug/tracing",
	};
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .inherit = 1,
	};
	char file[160];
	uint64_t number = 0;
	unsigned int i;
	int fd;

	for (i = 0; i < 2 && !number; i++) {
		snprintf(file, sizeof(file), "%s/events/%s/id", root[i],
			 tracepoint[id]);
		read_number(file, &number);
	}
	if (!number) {
		snprintf(c->reason[id], sizeof(c->reason[id]),
			 "no tracepoint %s (is tracefs mounted?)", tracepoint[id]);
		return -1;
	}
	attr.config = number;
	fd = syscall(SYS_perf_event_open, &attr, c->pid, -1, -1,
		     PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		snprintf(c->reason[id], sizeof(c->reason[id]),
			 "tracepoint %s cannot be counted: %s", tracepoint[id],
			 strerror(errno));
	return fd;
}

void counters_open(struct counters *c, pid_t pid, struct guest_time *t)
{
	unsigned int i;

	memset(c, 0, sizeof(*c));
	c->pid = pid;
	c->guest_time = t;
	for (i = 0; i < COUNTERS; i++) {
		c->event[i] = -1;
		/* Exits only without KVM's own count: see counters.h. */
		if (tracepoint[i] && (i != COUNTER_EXITS ||
				      access("/sys/kernel/debug/kvm", X_OK)))
			c->event[i] = tracepoint_open(c, i);
	}
}

void counters_close(struct counters *c)
{
	unsigned int i;

	for (i = 0; c->pid && i < COUNTERS; i++)
		if (c->event[i] >= 0)
			close(c->event[i]);
	c->pid = 0;
}

void counters_target(struct counters *c)
{
	guest_time_target(c->guest_time, c->pid);
}

/* debugfs has a folder "<pid>-<fd>" per virtual machine. */
static bool exits_find(struct counters *c)
{
	const size_t room = sizeof(c->exits_file);
	char prefix[32];
	struct dirent *e;
	DIR *d;

	if (c->exits_file[0])
		return true;
	d = opendir("/sys/kernel/debug/kvm");
	if (!d)
		return false;
	snprintf(prefix, sizeof(prefix), "%d-", c->pid);
	while ((e = readdir(d)))
		if (!strncmp(e->d_name, prefix, strlen(prefix)))
			snprintf(c->exits_file, room,
				 "/sys/kernel/debug/kvm/%s/exits", e->d_name);
	closedir(d);
	return c->exits_file[0];
}

static void event_read(struct counters *c, enum counter_id id,
		       struct counters_snap *s)
{
	uint64_t v;

	s->valid[id] = c->event[id] >= 0 &&
		       read(c->event[id], &v, sizeof(v)) == sizeof(v);
	if (s->valid[id])
		s->value[id] = v;
}

static void worker_add(pid_t tid, void *ctx)
{
	uint64_t *sum = ctx, ns;
	char file[64];

	snprintf(file, sizeof(file), "/proc/%d/schedstat", tid);
	if (read_number(file, &ns))
		*sum += ns;
}

static bool process_ns(pid_t pid, uint64_t *ns)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		return false;
	*ns = (uint64_t)ts.tv_sec * 1000000000u + ts.tv_nsec;
	return true;
}

/* Field 43 of /proc/PID/stat, in clock ticks, for all threads: sampled. */
static bool sampled_guest_ns(pid_t pid, uint64_t *ns)
{
	char file[64], line[1024], *p;
	unsigned int field;
	FILE *in;

	snprintf(file, sizeof(file), "/proc/%d/stat", pid);
	in = fopen(file, "re");
	if (!in)
		return false;
	p = fgets(line, sizeof(line), in);
	fclose(in);
	/* The name in field 2 may hold anything; it ends at the last ')'. */
	p = p ? strrchr(line, ')') : NULL;
	for (field = 2; p && field < 43; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return false;
	*ns = strtoull(p + 1, NULL, 10) * (1000000000u / sysconf(_SC_CLK_TCK));
	return true;
}

void counters_read(struct counters *c, struct counters_snap *s)
{
	memset(s, 0, sizeof(*s));
	if (c->event[COUNTER_EXITS] >= 0)
		event_read(c, COUNTER_EXITS, s);
	else if (exits_find(c))
		s->valid[COUNTER_EXITS] = read_number(c->exits_file,
						      &s->value[COUNTER_EXITS]);
	event_read(c, COUNTER_USER_EXITS, s);
	event_read(c, COUNTER_SYSCALLS, s);
	s->valid[COUNTER_CPU_NS] = process_ns(c->pid, &s->value[COUNTER_CPU_NS]);
	threads_of_kernel(c->pid, worker_add, &s->value[COUNTER_CPU_NS]);
	s->valid[COUNTER_GUEST_NS] =
		guest_time_read(c->guest_time, &s->value[COUNTER_GUEST_NS]) ||
		sampled_guest_ns(c->pid, &s->value[COUNTER_GUEST_NS]);
}
