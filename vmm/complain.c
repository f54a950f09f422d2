// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <time.h>

#include "vmm/complain.h"

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
	fprintf(stderr, "viola-vmm: %s: %s\n", who, line);
}

void vmm_complain(u64 *last, const char *who, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vmm_complainv(last, who, fmt, args);
	va_end(args);
}
