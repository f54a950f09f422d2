/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_LAB_OPTIONS_H
#define VIOLA_LAB_OPTIONS_H

#include "tools/lab/lab.h"

/*
 * Read the command line and complete @options: kernel release, folders, log
 * file. Returns 0, 1 when help or the mode was printed, or -EINVAL after printing one
 * sentence that names the mistake.
 */
int options_parse(struct lab_options *options, int argc, char **argv);

#endif
