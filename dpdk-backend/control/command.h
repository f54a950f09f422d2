/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests of the control socket: JSON objects { "command": NAME, ... }, and
 * answers: { "ok": true, ... } or { "ok": false, "error": SENTENCE }.
 * viola-dpdk(1), CONTROL SOCKET, lists them.
 */
#ifndef VIOLA_DPDK_COMMAND_H
#define VIOLA_DPDK_COMMAND_H

#include <stddef.h>

/*
 * Carries out the request of @len bytes at @text. The answer: malloc'd text
 * without a newline, but with room for one; NULL without memory.
 */
char *command_run(const char *text, size_t len);

/* The answer, of the same kind, that says what is wrong. */
char *command_refuse(const char *why);

#endif
