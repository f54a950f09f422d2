// SPDX-License-Identifier: GPL-2.0
#include "tests/bench/dpdk/load.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>

#include <viola/hdr.h>

#define GAP_NS 1000 /* a look at the clock takes some 20 */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void away_run(unsigned int cpu, unsigned int ms)
{
	uint64_t begin = now_ns(), last = begin, now, end = begin + ms * 1000000ull;
	static struct hdr gaps;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		puts("{\"error\":\"that CPU is not allowed\"}");
		return;
	}
	hdr_reset(&gaps);
	for (; last < end; last = now) {
		now = now_ns();
		if (now - last > GAP_NS)
			hdr_record(&gaps, now - last);
	}
	printf("{\"cpu\":%u,\"per_second\":%.0f,\"share\":%.5f,\"p50\":%" PRIu64
	       ",\"p90\":%" PRIu64 ",\"max\":%" PRIu64 "}\n", cpu,
	       (double)gaps.total * 1e9 / (double)(last - begin),
	       (double)gaps.sum / (double)(last - begin), hdr_quantile(&gaps, 0.5),
	       hdr_quantile(&gaps, 0.9), gaps.max);
}
