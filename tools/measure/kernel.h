/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_MEASURE_KERNEL_H
#define VIOLA_MEASURE_KERNEL_H

#include "tools/guest/failure.h"

/*
 * Find kernel @name (short name or release) in the cache: @release and the
 * image @image, both PATH_MAX bytes. 0 or -errno with @f set.
 */
int kernel_find(const char *name, char *release, char *image,
		struct failure *f);

#endif
