/* SPDX-License-Identifier: GPL-2.0 */
/* Commands to a viola-dpdk that runs: `viola-dpdk status` and the like. */
#ifndef VIOLA_DPDK_CLIENT_H
#define VIOLA_DPDK_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

/* Carries out argv[0]…; the exit status, with a sentence on stderr if it is not 0. */
int client_main(int argc, char **argv);

/* Prints the commands, one per line. */
void client_help(void);

/*
 * Where the control socket is if nobody says: /run/viola/dpdk.sock of root,
 * $XDG_RUNTIME_DIR/viola/dpdk.sock of others, whose folder is made if @make.
 * NULL, with what is wrong and the remedy in @why (@size bytes).
 */
const char *client_default_path(bool make, char *why, size_t size);

#endif
