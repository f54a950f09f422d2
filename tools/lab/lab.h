/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_LAB_H
#define VIOLA_LAB_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the program itself answers; every other status is the command's own
 * (128 + N when signal N ended it).
 */
enum lab_exit {
	LAB_EXIT_USAGE = 2,	/* options, or something to be set up first */
	LAB_EXIT_KERNEL = 70,	/* the lab kernel complained, crashed or panicked */
	LAB_EXIT_TIMEOUT = 124,
	LAB_EXIT_MACHINE = 125,	/* the machine could not be started or broke */
};

enum lab_accel { LAB_TCG, LAB_ICOUNT, LAB_KVM };

/* What the user asked for, completed with defaults by options_parse(). */
struct lab_options {
	char kernel[NAME_MAX];		/* short name or release */
	char release[NAME_MAX];
	char cache[PATH_MAX];		/* the folder that holds kernel/<release> */
	char tree[PATH_MAX];		/* visible read-write; real path */
	char cwd[PATH_MAX];
	char log[PATH_MAX];
	char qemu[PATH_MAX];		/* program; a name without a slash is looked up in PATH */
	char qemu_what[NAME_MAX];	/* which one that is, a few words for people */
	bool qemu_mended;		/* without the faults of emulated nested guests */
	enum lab_accel accel;
	const char *accel_why;		/* a few words for people */
	unsigned int smp;
	char mem[16];			/* as QEMU's -m takes it */
	unsigned int timeout;		/* seconds; 0 is no limit */
	bool icount;
	bool quiet;
	bool verbose;
	bool shell;
	char **command;			/* NULL-terminated, may be empty with shell */
};

/*
 * Names of the machine's virtio-serial ports and 9p tags. Both sides are this
 * one program, so they cannot disagree.
 */
#define LAB_PORT_OUT	"viola.out"	/* to us: stdout; to the lab: stdin of --shell */
#define LAB_PORT_ERR	"viola.err"
#define LAB_PORT_CTL	"viola.ctl"	/* lines of text, see session.c */
#define LAB_TAG_ROOT	"viola.root"
#define LAB_TAG_TREE	"viola.tree"

/*
 * For kernels in emulated CPUs, the lab's and guests': a start without the keys that
 * modules are signed with, each of which would cost 65 million instructions to verify,
 * and without the self-test of a source of random numbers, 135 million.
 */
#define LAB_QUICK_BOOT	"initcall_blacklist=load_system_certificate_list,jent_mod_init"

/* Files in the initramfs, written by initramfs.c and read by init.c. */
#define LAB_FILE_CONF		"/viola/conf"		/* struct lab_conf */
#define LAB_FILE_ARGV		"/viola/argv"		/* NUL-terminated strings */
#define LAB_FILE_ENV		"/viola/env"		/* NUL-terminated strings */
#define LAB_FILE_MODULES	"/viola/modules.%s"	/* of a group: module files, in order */
#define LAB_FOLDER_MODULES	"/viola/module"

/* Groups of modules that init.c loads. */
#define LAB_MODULES_BOOT	"boot"		/* what the rest comes by */
#define LAB_MODULES_AMD		"kvm_amd"
#define LAB_MODULES_INTEL	"kvm_intel"
#define LAB_MODULES_CARD	"igb"

/* The run's parameters as the lab machine needs them. */
struct lab_conf {
	char release[NAME_MAX];
	char cache[PATH_MAX];
	char tree[PATH_MAX];
	char cwd[PATH_MAX];
	uint8_t one_stream;	/* stdout and stderr are the same file: keep their order */
	uint8_t shell;
	uint16_t rows, columns;	/* of the terminal, with shell */
};

const char *lab_accel_name(enum lab_accel accel);

static inline bool lab_emulated(enum lab_accel accel)
{
	return accel != LAB_KVM;
}

/* main.c: one sentence on stderr, prefixed by the program's name. */
void lab_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
