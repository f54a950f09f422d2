// SPDX-License-Identifier: GPL-2.0
#include <malloc.h>
#include <stdio.h>

#include "vmm/complain.h"
#include "vmm/error.h"
#include "vmm/machine.h"
#include "vmm/options.h"

#define STATUS_USAGE 2
#define LAST_WORDS_MS 1000

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
	/* Who reads stderr may be slow; who does not read it does not keep us. */
	vmm_say_wait(LAST_WORDS_MS);
	vmm_say("%s", vmm_error());
	return status;
}
