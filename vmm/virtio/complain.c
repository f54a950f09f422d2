// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>

#include "vmm/complain.h"
#include "vmm/virtio/virtio.h"

void virtio_complain(struct virtio_device *dev, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vmm_complainv(&dev->complained, dev->name, fmt, args);
	va_end(args);
}
