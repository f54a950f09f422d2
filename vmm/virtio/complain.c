// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "vmm/virtio/virtio.h"

void virtio_complain(struct virtio_device *dev, const char *fmt, ...)
{
	struct timespec now;
	char line[256];
	va_list args;

	clock_gettime(CLOCK_MONOTONIC, &now);
	/* + 1: a device that never complained may do so in the first second. */
	if (__atomic_exchange_n(&dev->complained, (u64)now.tv_sec + 1, __ATOMIC_RELAXED) ==
	    (u64)now.tv_sec + 1)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	fprintf(stderr, "viola-vmm: %s: %s\n", dev->name, line);
}
