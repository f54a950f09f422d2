// SPDX-License-Identifier: GPL-2.0
/*
 * A command is a JSON object, which may come in pieces, several at once, with or without
 * white space between: the parser decides where it ends. What is no JSON is thrown away
 * up to the end of its line, and answered once.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "vmm/control/qmp.h"

int qmp_fail(struct qmp_error *error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error->desc, sizeof(error->desc), fmt, args);
	va_end(args);
	if (!error->class)
		error->class = QMP_GENERIC;
	return -EINVAL;
}

/* Takes over @message; one that cannot be sent is lost, and the client with it. */
static void say(struct qmp *qmp, json_t *message)
{
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	const size_t len = text ? strlen(text) + strlen("\r\n") : 0;
	char *out = NULL;

	if (text && qmp->out_len + len <= QMP_OUTPUT_MAX)
		out = realloc(qmp->out, qmp->out_len + len + 1);
	if (out) {
		snprintf(out + qmp->out_len, len + 1, "%s\r\n", text);
		qmp->out = out;
		qmp->out_len += len;
	} else {
		qmp->overrun = true;
	}
	free(text);
	json_decref(message);
}

/* The protocol's name for the program is qemu, whoever speaks it; package says who. */
json_t *qmp_version(void)
{
	int major, minor, micro;

	if (sscanf(VIOLA_VERSION, "%d.%d.%d", &major, &minor, &micro) != 3)
		major = minor = micro = 0;
	return json_pack("{s:{s:i,s:i,s:i},s:s}", "qemu", "major", major, "minor", minor,
			 "micro", micro, "package", "viola-vmm " VIOLA_VERSION);
}

void qmp_begin(struct qmp *qmp, struct vm *vm, struct console *console)
{
	memset(qmp, 0, sizeof(*qmp));
	qmp->vm = vm;
	qmp->console = console;
	say(qmp, json_pack("{s:{s:o,s:[]}}", "QMP", "version", qmp_version(), "capabilities"));
}

void qmp_end(struct qmp *qmp)
{
	free(qmp->out);
	qmp->out = NULL;
	qmp->out_len = 0;
}

void qmp_sent(struct qmp *qmp, size_t len)
{
	qmp->out_len -= len;
	memmove(qmp->out, qmp->out + len, qmp->out_len);
}

void qmp_event(struct qmp *qmp, const char *event)
{
	struct timespec now;

	if (!qmp->negotiated)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	say(qmp, json_pack("{s:{s:I,s:I},s:s}", "timestamp", "seconds", (json_int_t)now.tv_sec,
			   "microseconds", (json_int_t)(now.tv_nsec / 1000), "event", event));
}

/* @id is the client's, or NULL; it goes into the answer as it came. */
static void answer_error(struct qmp *qmp, json_t *id, const struct qmp_error *error)
{
	json_t *message = json_pack("{s:{s:s,s:s}}", "error", "class", error->class, "desc",
				    error->desc);

	/* The sentence may hold bytes of the client that are no UTF-8. */
	if (!message)
		message = json_pack("{s:{s:s,s:s}}", "error", "class", error->class, "desc",
				    "invalid text");
	if (id)
		json_object_set(message, "id", id);
	say(qmp, message);
}

/* NULL if there is none. */
static const struct qmp_command *command_find(const char *name)
{
	const struct qmp_command *c;

	for (c = qmp_commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static int arguments_check(const struct qmp_command *command, const json_t *args,
			   struct qmp_error *error)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)args, key, value)
		if (!command->argument || strcmp(key, command->argument))
			return qmp_fail(error, "Parameter '%.64s' is unexpected", key);
	return 0;
}

static int form_check(const json_t *command, struct qmp_error *error)
{
	const json_t *args = json_object_get(command, "arguments");
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)command, key, value)
		if (strcmp(key, "execute") && strcmp(key, "arguments") && strcmp(key, "id"))
			return qmp_fail(error, "QMP input member '%.64s' is unexpected", key);
	if (!json_is_string(json_object_get(command, "execute")))
		return qmp_fail(error, "QMP input lacks member 'execute', a string");
	if (args && !json_is_object(args))
		return qmp_fail(error, "QMP input member 'arguments' must be an object");
	return 0;
}

/* What @command, a JSON object, asks for; NULL with *@error filled in if that cannot be. */
static const struct qmp_command *command_check(const struct qmp *qmp, const json_t *command,
					       struct qmp_error *error)
{
	const struct qmp_command *found;
	const char *name;

	if (form_check(command, error))
		return NULL;
	name = json_string_value(json_object_get(command, "execute"));
	found = command_find(name);
	if (!qmp->negotiated && strcmp(name, "qmp_capabilities")) {
		error->class = QMP_NOT_FOUND;
		qmp_fail(error, "Expecting capabilities negotiation with 'qmp_capabilities'");
		return NULL;
	}
	if (!found) {
		error->class = QMP_NOT_FOUND;
		qmp_fail(error, "The command %.64s has not been found", name);
		return NULL;
	}
	return arguments_check(found, json_object_get(command, "arguments"), error) ? NULL : found;
}

static void command_run(struct qmp *qmp, json_t *command)
{
	json_t *args = json_object_get(command, "arguments"), *result = NULL, *none, *message;
	const struct qmp_command *found;
	struct qmp_error error = { 0 };

	none = json_object();
	found = command_check(qmp, command, &error);
	if (!found || found->run(qmp, args ? args : none, &result, &error)) {
		answer_error(qmp, json_object_get(command, "id"), &error);
	} else {
		message = json_pack("{s:o}", "return", result ? result : json_object());
		if (json_object_get(command, "id"))
			json_object_set(message, "id", json_object_get(command, "id"));
		say(qmp, message);
	}
	json_decref(none);
}

static void input_drop(struct qmp *qmp, size_t len)
{
	qmp->in_len -= len;
	memmove(qmp->in, qmp->in + len, qmp->in_len);
}

static void parse_error(struct qmp *qmp, const char *why)
{
	struct qmp_error error = { 0 };

	qmp_fail(&error, "JSON parse error, %s", why);
	answer_error(qmp, NULL, &error);
	qmp->skip = true;
}

static void line_skip(struct qmp *qmp)
{
	const char *end = memchr(qmp->in, '\n', qmp->in_len);

	input_drop(qmp, end ? (size_t)(end - qmp->in) + 1 : qmp->in_len);
	qmp->skip = !end;
}

/* Carries out the first command of the input. False: there is no whole one. */
static bool command_take(struct qmp *qmp)
{
	json_error_t error;
	size_t blank = 0;
	json_t *command;

	if (qmp->skip)
		line_skip(qmp);
	while (blank < qmp->in_len && isspace((unsigned char)qmp->in[blank]))
		blank++;
	input_drop(qmp, blank);
	if (!qmp->in_len)
		return false;
	command = json_loadb(qmp->in, qmp->in_len, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES,
			     &error);
	if (!command && json_error_code(&error) == json_error_premature_end_of_input) {
		if (qmp->in_len < QMP_INPUT_MAX)
			return false;
		parse_error(qmp, "the command is longer than 16 KiB");
		return true;
	}
	if (!command) {
		parse_error(qmp, error.text);
		return true;
	}
	if (json_is_object(command)) {
		input_drop(qmp, (size_t)error.position);
		command_run(qmp, command);
	} else {
		parse_error(qmp, "a command is an object");
	}
	json_decref(command);
	return true;
}

void qmp_receive(struct qmp *qmp, const char *bytes, size_t len)
{
	while (len && !qmp->overrun) {
		const size_t n = min(len, sizeof(qmp->in) - qmp->in_len);

		memcpy(qmp->in + qmp->in_len, bytes, n);
		qmp->in_len += n;
		bytes += n;
		len -= n;
		while (!qmp->overrun && !qmp->quit && command_take(qmp))
			;
		if (qmp->quit)
			return;
	}
}
