// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "tools/lab/klog.h"

#define COMPLAINTS_PRINTED 40
#define TAIL_BYTES 3000
#define PANIC "Kernel panic - not syncing"

/* How the kernel's own checks begin their reports. */
static const char *const complaints[] = {
	PANIC,
	"WARNING:",			/* WARN(), lockdep, RCU */
	"BUG:",				/* oops, KASAN, KCSAN, soft lockup */
	"kernel BUG at",
	"Oops:",
	"general protection fault",
	"Call Trace:",
	"KASAN:",
	"KFENCE:",
	"UBSAN:",
	"lockdep",
	"possible circular locking",
	"possible recursive locking",
	"inconsistent lock state",
	"suspicious RCU usage",
	"held lock freed",
	"self-detected stall",
	"detected stalls",
	"blocked for more than",	/* hung task */
	"unreferenced object",		/* kmemleak */
	"suspected memory leaks",
	"refcount_t:",
	"list_add corruption",
	"list_del corruption",
	"DMA-API:",
	"nobody cared",
	"Bad page",
	"bad: scheduling from the idle thread",
	"unregister_netdevice: waiting for",
};

/* What a sound kernel says in this machine although it holds one of those words. */
static const char *const harmless[] = {
	"/hw-vuln/",			/* advice about the CPU model's known weaknesses */
};

static bool line_complains(const char *line)
{
	size_t i;

	for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (strstr(line, harmless[i]))
			return false;
	for (i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++)
		if (strstr(line, complaints[i]))
			return true;
	return false;
}

int klog_scan(const char *path, FILE *out, struct klog_result *result)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	*result = (struct klog_result){ };
	if (!f)
		return -errno;
	while (getline(&line, &size, f) > 0) {
		line[strcspn(line, "\r\n")] = '\0';
		if (strstr(line, PANIC))
			result->panicked = true;
		if (!line_complains(line))
			continue;
		if (out && result->complaints < COMPLAINTS_PRINTED)
			fprintf(out, "  %s\n", line);
		result->complaints++;
	}
	free(line);
	fclose(f);
	return 0;
}

void klog_tail(const char *path, FILE *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char data[TAIL_BYTES + 1], *line, *next, *newline;
	off_t size;
	ssize_t n;

	if (fd < 0)
		return;
	size = lseek(fd, 0, SEEK_END);
	n = pread(fd, data, TAIL_BYTES, size > TAIL_BYTES ? size - TAIL_BYTES : 0);
	close(fd);
	if (n <= 0)
		return;
	data[n] = '\0';
	line = data;
	newline = strchr(data, '\n');
	if (size > TAIL_BYTES && newline)
		line = newline + 1;	/* the first line is cut */
	for (; *line; line = next) {
		n = strcspn(line, "\n");
		next = line + n + (line[n] == '\n');
		fprintf(out, "  %.*s\n", (int)strcspn(line, "\r\n"), line);
	}
}
