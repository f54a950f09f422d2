/* SPDX-License-Identifier: GPL-2.0 */
/* Counters for people and programs: DPDK telemetry, and JSON at the end. */
#ifndef VIOLA_DPDK_COUNTERS_H
#define VIOLA_DPDK_COUNTERS_H

#include "dpdk-backend/port.h"

/* Registers the telemetry commands /viola/ports and /viola/port. 0 or -errno. */
int counters_register(void);

/* Writes all counters to @path as JSON. 0 or -errno. */
int counters_write(const char *path);

#endif
