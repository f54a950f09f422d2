/* SPDX-License-Identifier: GPL-2.0 */
/* The command line. */
#ifndef VIOLA_DPDK_OPTIONS_H
#define VIOLA_DPDK_OPTIONS_H

#include "dpdk-backend/port.h"

struct options {
	const char *cores; /* EAL's list of CPUs */
	const char *stats; /* file for counters, or NULL */
	bool no_huge;
	unsigned int memory; /* MiB, 0: EAL's choice */
	unsigned int ageing; /* seconds */
	unsigned int idle_us; /* microseconds of sleep when idle; 0: none */
	bool quiet;
	char **eal; /* what follows "--" */
	int neal;
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/*
 * Parses, and fills in ports[] as far as options tell. OPTIONS_DONE: what was
 * asked for is printed; OPTIONS_WRONG: a sentence is on stderr.
 */
enum options_result options_parse(struct options *o, int argc, char **argv);

#endif
