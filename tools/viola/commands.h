/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The commands there are: programs named viola-COMMAND, in this program's folder and
 * in PATH.
 *
 * Of the programs of this tree those are shown that have a manual page, and each
 * with the line that its page begins with. The others, such as tests, are run when
 * they are named, and not shown. Of programs from elsewhere nothing is known; they
 * are shown by name.
 */
#ifndef VIOLA_TOOLS_COMMANDS_H
#define VIOLA_TOOLS_COMMANDS_H

#include <stdbool.h>
#include <stdio.h>

#define COMMAND_PREFIX "viola-"

/* A program of this tree; names without the prefix. */
struct known_program {
	const char *name;
	const char *what; /* from its manual page, or NULL: there is none */
};

/* Made by tools/viola/known-programs, pages in order; the last name is NULL. */
extern const struct known_program known_programs[];

/*
 * Prints the commands: with a line each for users, or their names alone, one a line.
 * @own: the folder that is looked in first, empty for none.
 */
void commands_print(FILE *out, const char *own, bool names_only);

#endif
