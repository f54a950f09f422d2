/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_CONTROL_QMP_H
#define VMM_CONTROL_QMP_H

#include <jansson.h>

#include <viola/env.h>

/*
 * One conversation in QMP, without the socket: bytes of the client go in, bytes for the
 * client come out. The client's bytes are untrusted.
 */
#define QMP_INPUT_MAX 16384u /* bytes of one command */
#define QMP_OUTPUT_MAX (1u << 20) /* bytes that a client may leave unread */

struct console;
struct vm;

struct qmp {
	struct vm *vm;
	struct console *console;
	bool negotiated; /* qmp_capabilities has been said */
	bool skip; /* what comes up to the end of the line is no command */
	bool overrun; /* the client does not read: it is to be given up */
	bool quit; /* the machine is to stop once the answer has been sent */
	char in[QMP_INPUT_MAX];
	size_t in_len;
	char *out; /* @out_len bytes for the client; whoever sent some calls qmp_sent() */
	size_t out_len;
};

void qmp_begin(struct qmp *qmp, struct vm *vm, struct console *console);
void qmp_end(struct qmp *qmp);
/* Takes @len bytes of the client and carries out what is complete. */
void qmp_receive(struct qmp *qmp, const char *bytes, size_t len);
/* The first @len bytes of out have been sent. */
void qmp_sent(struct qmp *qmp, size_t len);
/* Tells a client that has negotiated of @event. */
void qmp_event(struct qmp *qmp, const char *event);

#define QMP_GENERIC "GenericError"
#define QMP_NOT_FOUND "CommandNotFound"

/* Errors of a command: the class that QMP has for it, and the sentence. */
struct qmp_error {
	const char *class;
	char desc[256];
};

int qmp_fail(struct qmp_error *error, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The version as QMP has it: a new reference. */
json_t *qmp_version(void);

/* commands.c */
struct qmp_command {
	const char *name;
	const char *argument; /* the one that it takes, optional; NULL: none */
	/*
	 * Puts what the command returns, a new reference, into *@result; NULL stands for
	 * an empty object. @args is never NULL. 0, or what qmp_fail() returned.
	 */
	int (*run)(struct qmp *qmp, const json_t *args, json_t **result, struct qmp_error *error);
};

extern const struct qmp_command qmp_commands[]; /* the last has no name */

#endif
