/* SPDX-License-Identifier: GPL-2.0 */
/* What can be said about a port in words: "rate=10G", "isolated". */
#ifndef VIOLA_DPDK_SETTING_H
#define VIOLA_DPDK_SETTING_H

#include "dpdk-backend/port/port.h"

/* The names of all settings, for a sentence. */
#define SETTING_NAMES "isolated, rate=, pps=, rate-to=, pps-to=, storm=, burst=, mtu= and addresses="

#define MTU_MIN 68u /* RFC 791 */
#define MTU_MAX 65535u

/* Gives @p what ports have that nothing was said about. */
void setting_defaults(struct port *p);

/* Whether @text is a setting, with whatever value. */
bool setting_known(const char *text);

/*
 * Applies @text to @p. 1 if it was a setting, 0 if it is none, or -EINVAL with
 * a sentence in @why (@size bytes). A port that lcores poll may be changed but
 * for its MTU; filter_update() makes it known.
 */
int setting_apply(struct port *p, const char *text, char *why, size_t size);

#endif
