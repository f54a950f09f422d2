/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

struct vmm_options;

/*
 * Builds the machine that @options describe, runs it and tears it down.
 * Returns the program's exit status: see Documentation/man/viola-vmm.1. A
 * status other than 0 and 3 leaves a sentence in vmm_error().
 */
int machine_run(const struct vmm_options *options);

#endif
