/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A device's owner for suites that need one: a process's address space with
 * real anonymous memory in it, and a locked-memory limit.
 *
 * The limit stands in for viola_device_charge(), which in the module charges
 * the owner's mm: a kernel thread, as which suites run, has no limit.
 */
#ifndef VIOLA_KUNIT_OWNER_H
#define VIOLA_KUNIT_OWNER_H

#include <kunit/test.h>
#include <linux/mm_types.h>

struct owner {
	struct mm_struct *mm;
	s64 charged; /* pages, by all devices */
	s64 limit; /* pages; far away unless a case moves it */
};

/* There is one at a time. */
extern struct owner owner;

/* Becomes the owner, in a suite's init, and nobody again, in its exit. */
int owner_enter(struct kunit *test);
void owner_exit(void);

/* @len bytes of the owner's memory, PROT_* as in mmap(); gone with the owner. */
unsigned long owner_map(struct kunit *test, size_t len, unsigned long prot);

#endif
