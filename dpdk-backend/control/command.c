// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/control/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "dpdk-backend/control/counters.h"
#include "dpdk-backend/forward/forward.h"
#include "dpdk-backend/lcore/place.h"
#include "dpdk-backend/port/ports.h"
#include "dpdk-backend/port/request.h"

#define KEYS_MAX 3

struct command {
	const char *name;
	const char *keys[KEYS_MAX + 1]; /* all of them must be there */
	/* Fills in @answer; 0, or -errno with a sentence. With ports_lock held. */
	int (*run)(json_t *request, json_t *answer, char *why, size_t size);
};

/* --- values --------------------------------------------------------------------- */

/* A port by number or name. */
static struct port *get_port(const json_t *value, char *why, size_t size)
{
	struct port *p = NULL;
	char number[24] = "";

	if (json_is_string(value)) {
		p = port_find(json_string_value(value));
	} else if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
		p = port_find(number);
	}
	if (!p)
		snprintf(why, size, "there is no port %.200s; status lists them",
			 json_is_string(value) ? json_string_value(value) : number);
	return p;
}

static int get_number(const json_t *value, const char *key, unsigned int max, unsigned int *number,
		      char *why, size_t size)
{
	json_int_t n = json_integer_value(value);

	if (json_is_integer(value) && n >= 0 && n <= max) {
		*number = (unsigned int)n;
		return 0;
	}
	snprintf(why, size, "\"%s\" is a number from 0 to %u", key, max);
	return -EINVAL;
}

/* --- commands ------------------------------------------------------------------- */

static int run_status(json_t *request, json_t *answer, char *why, size_t size)
{
	json_t *status = counters_status(true);

	if (!status || json_object_update(answer, status)) {
		snprintf(why, size, "no memory");
		json_decref(status);
		return -ENOMEM;
	}
	json_decref(status);
	return 0;
}

static int run_port_add(json_t *request, json_t *answer, char *why, size_t size)
{
	struct port_request r;
	int ret = port_request_json(&r, json_object_get(request, "port"), why, size);

	if (!ret)
		ret = port_add(&r, why, size);
	if (ret < 0)
		return ret;
	json_object_set_new(answer, "number", json_integer(ret));
	return 0;
}

/* Does @act to the port that @request names. */
static int run_port(const json_t *request, void (*act)(struct port *p), char *why, size_t size)
{
	struct port *p = get_port(json_object_get(request, "port"), why, size);

	if (!p)
		return -ENOENT;
	act(p);
	return 0;
}

static int run_port_remove(json_t *request, json_t *answer, char *why, size_t size)
{
	return run_port(request, port_remove, why, size);
}

static int run_patch(json_t *request, json_t *answer, char *why, size_t size)
{
	const json_t *list = json_object_get(request, "ports");
	struct port *a, *b;

	if (!json_is_array(list) || json_array_size(list) != 2) {
		snprintf(why, size, "\"ports\" is a list of two ports");
		return -EINVAL;
	}
	a = get_port(json_array_get(list, 0), why, size);
	b = a ? get_port(json_array_get(list, 1), why, size) : NULL;
	return b ? port_patch(a, b, why, size) : -ENOENT;
}

static int run_unpatch(json_t *request, json_t *answer, char *why, size_t size)
{
	return run_port(request, port_unpatch, why, size);
}

static int run_forward(json_t *request, json_t *answer, char *why, size_t size)
{
	const json_t *mode = json_object_get(request, "mode");
	const struct forward_mode *found =
		json_is_string(mode) ? forward_find(json_string_value(mode)) : NULL;

	if (!found) {
		snprintf(why, size, "\"mode\" is one of reflect, switch, patch, source and sink");
		return -EINVAL;
	}
	/* A mode is constant, and an lcore may see the change in any round. */
	__atomic_store_n(&forward, found, __ATOMIC_RELEASE);
	lcores_wake();
	return 0;
}

static int run_queue_move(json_t *request, json_t *answer, char *why, size_t size)
{
	struct port *p = get_port(json_object_get(request, "port"), why, size);
	struct lcore *to;
	unsigned int queue, cpu;
	int err;

	if (!p)
		return -ENOENT;
	err = get_number(json_object_get(request, "queue"), "queue", PORT_QUEUES - 1, &queue, why,
			 size);
	if (!err)
		err = get_number(json_object_get(request, "cpu"), "cpu", 65535, &cpu, why, size);
	if (err)
		return err;
	to = lcore_find(cpu);
	if (!to) {
		snprintf(why, size, "no thread polls on CPU %u; take one of --cores, which status "
			 "lists", cpu);
		return -ENOENT;
	}
	place_move(p, queue, to->index);
	return 0;
}

static const struct command commands[] = {
	{ "status", {}, run_status },
	{ "port-add", { "port" }, run_port_add },
	{ "port-remove", { "port" }, run_port_remove },
	{ "patch", { "ports" }, run_patch },
	{ "unpatch", { "port" }, run_unpatch },
	{ "forward", { "mode" }, run_forward },
	{ "queue-move", { "port", "queue", "cpu" }, run_queue_move },
};

/* --- requests --------------------------------------------------------------------- */

static char *answer_text(json_t *answer)
{
	size_t len = answer ? json_dumpb(answer, NULL, 0, JSON_COMPACT) : 0;
	char *text = len ? malloc(len + 2) : NULL;

	if (text) {
		/* The object is ours alone: it has the size that was asked for. */
		json_dumpb(answer, text, len, JSON_COMPACT);
		text[len] = 0;
	}
	json_decref(answer);
	return text;
}

char *command_refuse(const char *why)
{
	json_t *answer = json_pack("{s:b}", "ok", 0), *error = json_string(why);
	char plain[512];
	size_t i;

	/* A name was cut, or is no UTF-8. */
	if (!error) {
		for (i = 0; why[i] && i < sizeof(plain) - 1; i++)
			plain[i] = (char)(why[i] & 0x80 ? '?' : why[i]);
		plain[i] = 0;
		error = json_string(plain);
	}
	json_object_set_new(answer, "error", error);
	return answer_text(answer);
}

static bool key_known(const struct command *c, const char *key)
{
	const char *const *known;

	for (known = c->keys; *known; known++)
		if (!strcmp(*known, key))
			return true;
	return !strcmp(key, "command");
}

static const struct command *command_find(const json_t *request, char *why, size_t size)
{
	const char *name = json_string_value(json_object_get(request, "command")), *key;
	const char *const *needed;
	json_t *value;
	size_t i;

	for (i = 0; name && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			break;
	if (!name || i == ARRAY_SIZE(commands)) {
		snprintf(why, size, "\"command\" is one of status, port-add, port-remove, patch, "
			 "unpatch, forward and queue-move");
		return NULL;
	}
	json_object_foreach((json_t *)request, key, value) {
		if (!key_known(&commands[i], key)) {
			snprintf(why, size, "%s: unknown \"%.100s\"; leave it out", name, key);
			return NULL;
		}
	}
	for (needed = commands[i].keys; *needed; needed++) {
		if (!json_object_get(request, *needed)) {
			snprintf(why, size, "%s: \"%s\" is missing; add it", name, *needed);
			return NULL;
		}
	}
	return &commands[i];
}

char *command_run(const char *text, size_t len)
{
	const struct command *c;
	json_error_t error;
	json_t *request, *answer;
	char why[512];
	int err;

	request = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!request) {
		snprintf(why, sizeof(why), "not JSON: %s; send one object per line", error.text);
		return command_refuse(why);
	}
	c = command_find(request, why, sizeof(why));
	answer = c ? json_pack("{s:b}", "ok", 1) : NULL;
	if (!answer) {
		json_decref(request);
		return command_refuse(c ? "no memory" : why);
	}
	pthread_mutex_lock(&ports_lock);
	err = c->run(request, answer, why, sizeof(why));
	pthread_mutex_unlock(&ports_lock);
	json_decref(request);
	if (!err)
		return answer_text(answer);
	json_decref(answer);
	return command_refuse(why);
}
