/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_LAB_MACHINE_H
#define VIOLA_LAB_MACHINE_H

#include <sys/types.h>

#include "tools/lab/lab.h"

/* Descriptors that QEMU inherits; all are the caller's to close. */
struct machine_fds {
	int out, err, ctl;	/* stream sockets, QEMU's ends */
	int log;		/* kernel console */
	int initramfs;
	int messages;		/* QEMU's own stdout and stderr */
};

/*
 * How the machine's CPUs will run. Hardware virtualization is used only where
 * its vendor module says that it nests and a VM can be created; *@why says in
 * a few words what was found.
 */
enum lab_accel machine_accel(const struct lab_options *options, const char **why);

/*
 * Start QEMU in a session of its own, killed by the kernel if this process
 * dies. Returns its pid or -errno; a QEMU that cannot be executed exits 127.
 */
pid_t machine_start(const struct lab_options *options, const struct machine_fds *fds);

#endif
