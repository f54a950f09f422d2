// SPDX-License-Identifier: GPL-2.0
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "tools/guest/settle.h"

/* All CPUs together, in clock ticks, from the first line of /proc/stat. */
static bool cpu_ticks(unsigned long long *idle, unsigned long long *all)
{
	unsigned long long v[8] = { 0 };
	FILE *in = fopen("/proc/stat", "re");
	unsigned int i;
	int n;

	if (!in)
		return false;
	n = fscanf(in, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1],
		   &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);
	fclose(in);
	*idle = v[3] + v[4];
	*all = 0;
	for (i = 0; i < 8; i++)
		*all += v[i];
	return n >= 4;
}

int settle(int window_ms, int limit_ms)
{
	const struct timespec window = {
		.tv_sec = window_ms / 1000, .tv_nsec = window_ms % 1000 * 1000000l,
	};
	unsigned long long idle[2], all[2];
	int waited;

	for (waited = 0; waited < limit_ms; waited += window_ms) {
		if (!cpu_ticks(&idle[0], &all[0]))
			return -1;
		nanosleep(&window, NULL);
		if (!cpu_ticks(&idle[1], &all[1]))
			return -1;
		if ((idle[1] - idle[0]) * 10 >= (all[1] - all[0]) * 9)
			return waited + window_ms;
	}
	return -1;
}
