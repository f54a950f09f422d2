/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_STATS_H
#define VMM_STATS_H

#include <stdio.h>

struct console;
struct vm;

/*
 * The counters of a machine as a JSON document, "viola-vmm-stats/1", with *@status if
 * it has ended. By the main thread.
 */
void stats_write(struct vm *vm, struct console *console, const int *status, FILE *out);

#endif
