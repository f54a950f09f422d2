// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "vmm/error.h"

static __thread char sentence[512];

int vmm_fail(int err, const char *fmt, ...)
{
	/* A sentence may quote the one recorded before it. */
	char text[sizeof(sentence)];
	va_list args;

	va_start(args, fmt);
	errno = err; /* for %m */
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	__builtin_memcpy(sentence, text, sizeof(sentence));
	return -err;
}

const char *vmm_error(void)
{
	return sentence;
}
