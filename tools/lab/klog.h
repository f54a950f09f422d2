/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_LAB_KLOG_H
#define VIOLA_LAB_KLOG_H

#include <stdbool.h>
#include <stdio.h>

struct klog_result {
	unsigned int complaints;	/* lines that tell of a kernel fault */
	bool panicked;
};

/*
 * Read the kernel log @path and print its complaints (the first 40) to @out,
 * which may be NULL. Returns 0 or -errno.
 */
int klog_scan(const char *path, FILE *out, struct klog_result *result);

/* Print the last lines of the kernel log. */
void klog_tail(const char *path, FILE *out);

#endif
