/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters and rates for people and programs: DPDK telemetry, the control
 * socket's status, and JSON at the end.
 *
 * An lcore's counters only ever grow, whoever uses the slot. A port's are what
 * was added since it is there. All functions but counters_register() and
 * counters_write() want ports_lock held.
 */
#ifndef VIOLA_DPDK_COUNTERS_H
#define VIOLA_DPDK_COUNTERS_H

#include <jansson.h>

#include "dpdk-backend/port/port.h"

/* Registers the telemetry commands /viola/ports, port, queue and lcore. 0 or -errno. */
int counters_register(void);

/* @p's counters begin at 0. No lcore counts for it yet. */
void counters_begin(struct port *p);

/* Takes what rates are computed from; to be called about once per second. */
void counters_sample(void);

/*
 * All there is to tell, as a new JSON object; NULL without memory. Rates are
 * those between the last two samples; without them if not @rates.
 */
json_t *counters_status(bool rates);

/* Writes all counters to @path as JSON. 0 or -errno. */
int counters_write(const char *path);

#endif
