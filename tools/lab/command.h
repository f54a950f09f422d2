/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_LAB_COMMAND_H
#define VIOLA_LAB_COMMAND_H

#include "tools/lab/lab.h"

/* The lab's ends of the ports, non-blocking. */
struct command_ports {
	int out, err, ctl;
};

/*
 * Run @argv and carry its streams to the ports until it has ended, then wait
 * until the other side has everything and says "bye". The protocol is told in
 * session.c.
 */
void command_run(const struct lab_conf *conf, char **argv, char **env,
		 const struct command_ports *ports);

/* Send one line to the other side. */
void command_tell(int ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
