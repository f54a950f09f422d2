/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_LAB_SESSION_H
#define VIOLA_LAB_SESSION_H

#include "tools/lab/lab.h"

/*
 * Start a lab machine, run the command in it, carry its streams, and end the
 * machine in every case. Returns the exit status (see enum lab_exit).
 */
int session_run(const struct lab_options *options);

#endif
