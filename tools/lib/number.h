/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_TOOLS_LIB_NUMBER_H
#define VIOLA_TOOLS_LIB_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Numbers as users write them in options: decimal digits and nothing else, so
 * no sign, no blanks, no 0x; leading zeros are just that. The values are what
 * they were if the answer is false.
 */

/* A number of at most @max at *@text, which moves behind its last digit. */
bool number_take(const char **text, uint64_t max, uint64_t *value);

/* @text as a whole is a number from @min to @max. */
bool number_parse(const char *text, unsigned int min, unsigned int max, unsigned int *value);

#endif
