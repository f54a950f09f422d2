// SPDX-License-Identifier: GPL-2.0
#include "tools/lib/number.h"

bool number_take(const char **text, uint64_t max, uint64_t *value)
{
	const char *p = *text;
	uint64_t v = 0;

	/* Not isdigit(): the locale has no say in this. */
	for (; *p >= '0' && *p <= '9'; p++) {
		const uint64_t digit = (uint64_t)(*p - '0');

		/* v * 10 + digit <= max, without computing what may not fit. */
		if (v > max / 10 || digit > max - v * 10)
			return false;
		v = v * 10 + digit;
	}
	if (p == *text)
		return false;
	*text = p;
	*value = v;
	return true;
}

bool number_parse(const char *text, unsigned int min, unsigned int max, unsigned int *value)
{
	uint64_t v;

	if (!number_take(&text, max, &v) || *text || v < min)
		return false;
	*value = (unsigned int)v;
	return true;
}
