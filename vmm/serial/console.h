/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_SERIAL_CONSOLE_H
#define VMM_SERIAL_CONSOLE_H

#include <stdio.h>
#include <viola/env.h>

struct vm;
struct console;

/*
 * COM1 on standard input and output, COM2 into the open descriptor @com2_fd
 * (-1: there is no COM2; taken over, also on failure). Blocks the signals
 * that console_run() waits for: call it before any thread starts.
 */
int console_create(struct console **con, struct vm *vm, int com2_fd);

/*
 * Serves the ports until the machine stops. A SIGTERM, SIGINT or SIGHUP stops
 * it, as does Ctrl-a x on a terminal (Ctrl-a Ctrl-a sends one Ctrl-a). The
 * terminal is raw meanwhile.
 */
void console_run(struct console *con);

/* Writes out what is left and gives the terminal back. No vCPU runs. */
void console_finish(struct console *con);
void console_stats(struct console *con, FILE *out);
void console_destroy(struct console *con);

#endif
