/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How an error travels up: library code returns -errno and leaves one
 * sentence here; only main() prints it.
 */
#ifndef VIOLA_GUEST_FAILURE_H
#define VIOLA_GUEST_FAILURE_H

struct failure {
	char text[320];
};

/*
 * Record a sentence and return -@err. The first sentence stays: it is the one
 * nearest to the cause.
 */
int failure_set(struct failure *f, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
