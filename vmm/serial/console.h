/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_SERIAL_CONSOLE_H
#define VMM_SERIAL_CONSOLE_H

#include <stdio.h>
#include <viola/env.h>

struct vm;
struct console;

/*
 * COM1 on standard input and output, COM2 into the open descriptor @com2_fd
 * (-1: there is no COM2; taken over, also on failure). Served by the machine's main
 * loop, where a SIGTERM, SIGINT or SIGHUP stops the machine: blocks these signals, so
 * call it before any thread starts.
 */
int console_create(struct console **con, struct vm *vm, int com2_fd);

/*
 * From now on there is input. A terminal is raw; on it, Ctrl-a x stops the machine
 * (Ctrl-a Ctrl-a sends one Ctrl-a).
 */
void console_start(struct console *con);

/* Writes out what is left and gives the terminal back. No vCPU nor loop runs. */
void console_finish(struct console *con);
void console_stats(struct console *con, FILE *out);
void console_destroy(struct console *con);

#endif
