/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_COMPLAIN_H
#define VMM_COMPLAIN_H

#include <stdarg.h>

#include <viola/env.h>

/*
 * `viola-vmm: ` and one line on stderr. Any thread, with whatever lock: does not
 * wait. If nobody reads stderr and it is full, the line is lost.
 */
void vmm_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Waits until stderr takes a line, @ms at most. */
void vmm_say_wait(int ms);

/*
 * One line on stderr, `viola-vmm: @who: …`, about what the guest did wrong: at
 * most one per second and @last, which is 0 at first and belongs to who may
 * complain. A guest must not be able to fill the host's log. Any thread.
 */
void vmm_complain(u64 *last, const char *who, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void vmm_complainv(u64 *last, const char *who, const char *fmt, va_list args);

#endif
