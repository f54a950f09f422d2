// SPDX-License-Identifier: GPL-2.0
/*
 * viola lab: run a command in a virtual machine that has this machine's own
 * root file system, this tree, a distribution kernel, KVM, an IOMMU and an
 * SR-IOV NIC. The same program, as /init, is the machine's first process.
 */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/lab/init.h"
#include "tools/lab/lab.h"
#include "tools/lab/options.h"
#include "tools/lab/session.h"

void lab_say(const char *format, ...)
{
	va_list args;

	fputs("viola lab: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int main(int argc, char **argv)
{
	static struct lab_options options;
	int ret;

	/* In a container this program may be process 1 as well: ask for our file. */
	if (getpid() == 1 && access(LAB_FILE_CONF, R_OK) == 0)
		return lab_init();

	ret = options_parse(&options, argc, argv);
	if (ret)
		return ret < 0 ? LAB_EXIT_USAGE : 0;
	return session_run(&options);
}
