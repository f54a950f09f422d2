// SPDX-License-Identifier: GPL-2.0
#include <malloc.h>
#include <stdio.h>

#include "vmm/error.h"
#include "vmm/machine.h"
#include "vmm/options.h"

#define STATUS_USAGE 2

int main(int argc, char **argv)
{
	struct vmm_options options;
	int status = STATUS_USAGE;

	/* Threads share one heap: a heap per thread would only be more memory. */
	mallopt(M_ARENA_MAX, 1);
	if (!options_parse(&options, argc, argv)) {
		if (options.help) {
			fputs(options_help, stdout);
			return fflush(stdout) ? 1 : 0;
		}
		if (options.version) {
			puts("viola-vmm " VIOLA_VERSION);
			return fflush(stdout) ? 1 : 0;
		}
		status = machine_run(&options);
		if (status != 1 && status != STATUS_USAGE)
			return status;
	}
	fprintf(stderr, "viola-vmm: %s\n", vmm_error());
	return status;
}
