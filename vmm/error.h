/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_ERROR_H
#define VMM_ERROR_H

/*
 * Errors travel up as -errno; the sentence that explains one to a person is
 * recorded where the cause is known and printed once, at the edge. Per
 * thread; a later record replaces an earlier one.
 *
 *	return vmm_fail(ENOENT, "kernel image %s does not exist", path);
 *
 * vmm_fail() returns -@err. vmm_error() is the recorded sentence, or "".
 */
int vmm_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *vmm_error(void);

#endif
