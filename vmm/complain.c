// SPDX-License-Identifier: GPL-2.0
#include <poll.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "vmm/complain.h"

/*
 * A pipe that is writable takes PIPE_BUF bytes without waiting, a terminal more
 * than a line.
 */
static bool takes_a_line(int ms)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, ms) == 1 && p.revents & POLLOUT;
}

void vmm_say_wait(int ms)
{
	takes_a_line(ms);
}

static void say(const char *line, size_t len)
{
	if (!takes_a_line(0))
		return;
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}

void vmm_say(const char *fmt, ...)
{
	static const char who[] = "viola-vmm: ";
	char line[640]; /* more than a recorded sentence (error.c) */
	size_t len = sizeof(who) - 1;
	va_list args;

	memcpy(line, who, len);
	va_start(args, fmt);
	/* One byte is kept for the line's end. */
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, args);
	va_end(args);
	len += strlen(line + len);
	line[len++] = '\n';
	say(line, len);
}

void vmm_complainv(u64 *last, const char *who, const char *fmt, va_list args)
{
	struct timespec now;
	char line[256];
	u64 second;

	clock_gettime(CLOCK_MONOTONIC, &now);
	/* + 1: who never complained may do so in the first second. */
	second = (u64)now.tv_sec + 1;
	if (__atomic_exchange_n(last, second, __ATOMIC_RELAXED) == second)
		return;
	vsnprintf(line, sizeof(line), fmt, args);
	vmm_say("%s: %s", who, line);
}

void vmm_complain(u64 *last, const char *who, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vmm_complainv(last, who, fmt, args);
	va_end(args);
}
