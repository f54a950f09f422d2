/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What DPDK's libraries log. Users asked for no such lines, so they are shown with
 * --verbose alone; but the first error among them is often why something failed, and
 * goes into the sentence that says so.
 */
#ifndef VIOLA_DPDK_LOG_H
#define VIOLA_DPDK_LOG_H

#include <stdbool.h>

/*
 * Takes over the libraries' log, before EAL is started; viola-dpdk's own lines go to
 * stderr as before. 0 or -errno: the libraries log as they like.
 */
int log_open(bool verbose);

/* From here on, for this thread, another error is the first. */
void log_begin(void);

/* The first error that a library logged in this thread since, without newline; or "". */
const char *log_reason(void);

#endif
