/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_LAB_INIT_H
#define VIOLA_LAB_INIT_H

/*
 * The lab machine's first process: prepares the machine, runs the command,
 * reports its status, powers off. Never returns to a caller that could go on:
 * the value is for main()'s sake.
 */
int lab_init(void);

#endif
