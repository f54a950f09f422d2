/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_MEASURE_TAP_H
#define VIOLA_MEASURE_TAP_H

#include "tools/guest/failure.h"

/*
 * Enter a network namespace of this process's own, without IPv6, so that
 * nothing but the measurement uses the taps. 0 or -errno with @f set.
 */
int tap_namespace(struct failure *f);

/*
 * Create the persistent single-queue tap interface @name, up. It lives as
 * long as the namespace. 0 or -errno with @f set.
 */
int tap_create(const char *name, struct failure *f);

/* Remove it again. */
void tap_remove(const char *name);

#endif
