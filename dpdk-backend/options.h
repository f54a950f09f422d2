/* SPDX-License-Identifier: GPL-2.0 */
/* What a user configures, by command line and by file. */
#ifndef VIOLA_DPDK_OPTIONS_H
#define VIOLA_DPDK_OPTIONS_H

#include "dpdk-backend/port/ports.h"
#include "dpdk-backend/vhost/inherit.h"
#include "dpdk-backend/vhost/session.h"

struct json_t;

struct options {
	const char *cores; /* EAL's list of CPUs */
	const char *stats; /* file for counters, or NULL */
	const char *control; /* path of the control socket, or NULL */
	bool no_huge;
	unsigned int memory; /* MiB, 0: EAL's choice */
	unsigned int ageing; /* seconds */
	unsigned int mtu; /* bytes, of ports that have none of their own; 0: any */
	unsigned int frame; /* bytes with FCS, mode source */
	enum lcore_mode mode;
	bool quiet;
	bool verbose; /* DPDK's own log lines, too */
	struct session_config session;
	const char *forward; /* as given */
	unsigned int npatch;
	unsigned int patch[PORT_MAX / 2][2]; /* pairs of ports */
	unsigned int nport;
	struct port_request port[PORT_MAX];
	unsigned int ninherit;
	struct inherited inherit[INHERIT_MAX]; /* their ports are among those above */
	unsigned int neal;
	const char *eal[64]; /* what follows "--" */
	struct json_t *file; /* what strings above may be parts of, or NULL */
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE, OPTIONS_WRONG };

/*
 * Parses. OPTIONS_DONE: what was asked for is printed; OPTIONS_WRONG: a sentence
 * is on stderr. Strings are those of @argv, or live as long as the process.
 */
enum options_result options_parse(struct options *o, int argc, char **argv);

/* How an option is written: what value it takes. */
enum option_type { OPTION_FLAG, OPTION_NUMBER, OPTION_TEXT };

/*
 * For configuration files: the type of the option @name, without dashes, or
 * -ENOENT if there is none that may stand in a file.
 */
int option_type(const char *name);

/*
 * Sets the option @name; @text is NULL for flags. 0, or -errno with what is
 * wrong and the remedy in @why (@size bytes), to be put after what it is about.
 */
int option_set(struct options *o, const char *name, const char *text, char *why, size_t size);

/* Adds a port. The same errors. */
int option_add_port(struct options *o, const struct port_request *r, char *why, size_t size);

#endif
