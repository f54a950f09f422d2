/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_COMPLAIN_H
#define VMM_COMPLAIN_H

#include <stdarg.h>

#include <viola/env.h>

/*
 * One line on stderr, `viola-vmm: @who: …`, about what the guest did wrong: at
 * most one per second and @last, which is 0 at first and belongs to who may
 * complain. A guest must not be able to fill the host's log. Any thread.
 */
void vmm_complain(u64 *last, const char *who, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void vmm_complainv(u64 *last, const char *who, const char *fmt, va_list args);

#endif
