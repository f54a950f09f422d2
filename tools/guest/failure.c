// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>

#include "tools/guest/failure.h"

int failure_set(struct failure *f, int err, const char *fmt, ...)
{
	va_list ap;

	if (f && !f->text[0]) {
		va_start(ap, fmt);
		vsnprintf(f->text, sizeof(f->text), fmt, ap);
		va_end(ap);
	}
	return -err;
}
