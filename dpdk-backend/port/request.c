// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/port/request.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "dpdk-backend/port/setting.h"

static const struct {
	const char *name;
	size_t offset; /* of a bool in struct port_request */
} flags[] = {
	{ "client", offsetof(struct port_request, client) },
	{ "isolated", offsetof(struct port_request, isolated) },
};

static bool *flag_find(struct port_request *r, const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (!strcmp(flags[i].name, name))
			return (bool *)((char *)r + flags[i].offset);
	return NULL;
}

static int setting_add(struct port_request *r, const char *word, char *why, size_t size)
{
	if (!setting_known(word)) {
		snprintf(why, size, "unknown \"%s\"; there are client, " SETTING_NAMES, word);
		return -EINVAL;
	}
	if (r->nsetting == PORT_SETTINGS) {
		snprintf(why, size, "%d settings are the most; say each once", PORT_SETTINGS);
		return -EINVAL;
	}
	r->setting[r->nsetting++] = word;
	return 0;
}

int port_request_device(struct port_request *r, char *text, char *why, size_t size)
{
	char *to, *word;
	int err = 0;

	*r = (struct port_request){ .kind = &port_kind_uplink, .name = text, .number = -1 };
	strsep(&text, ",");
	to = (char *)r->name + strlen(r->name);
	while (!err && (word = strsep(&text, ","))) {
		size_t len = strlen(word);

		if (!strcmp(word, "isolated")) {
			r->isolated = true;
		} else if (setting_known(word)) {
			/* What stays moves to the front, and would overwrite it. */
			char *copy = strdup(word);

			err = copy ? setting_add(r, copy, why, size) : -ENOMEM;
			if (err)
				free(copy);
		} else {
			*to++ = ',';
			memmove(to, word, len + 1);
			to += len;
		}
	}
	return err;
}

int port_request_parse(struct port_request *r, char *text, char *why, size_t size)
{
	char *arg;

	*r = (struct port_request){ .kind = &port_kind_session, .number = -1 };
	r->name = strsep(&text, ",");
	while ((arg = strsep(&text, ","))) {
		bool *flag = flag_find(r, arg);

		if (flag)
			*flag = true;
		else if (setting_add(r, arg, why, size))
			return -EINVAL;
	}
	return 0;
}

static int settings_json(struct port_request *r, const json_t *list, char *why, size_t size)
{
	json_t *word;
	size_t i;
	int err;

	json_array_foreach((json_t *)list, i, word) {
		if (!json_is_string(word)) {
			snprintf(why, size, "\"settings\" is a list of strings");
			return -EINVAL;
		}
		err = setting_add(r, json_string_value(word), why, size);
		if (err)
			return err;
	}
	return 0;
}

int port_request_json(struct port_request *r, const json_t *object, char *why, size_t size)
{
	const char *key;
	json_t *value;

	*r = (struct port_request){ .number = -1 };
	if (!json_is_object(object)) {
		snprintf(why, size, "a port is an object with \"path\" or \"device\"");
		return -EINVAL;
	}
	json_object_foreach((json_t *)object, key, value) {
		bool *flag = flag_find(r, key);

		if (!strcmp(key, "settings") && json_is_array(value)) {
			int err = settings_json(r, value, why, size);

			if (err)
				return err;
		} else if (flag && json_is_boolean(value)) {
			*flag = json_is_true(value);
		} else if (!r->kind && !strcmp(key, "path") && json_is_string(value)) {
			r->kind = &port_kind_session;
			r->name = json_string_value(value);
		} else if (!r->kind && !strcmp(key, "device") && json_is_string(value)) {
			r->kind = &port_kind_uplink;
			r->name = json_string_value(value);
		} else if (!strcmp(key, "number") && json_is_integer(value) &&
			   json_integer_value(value) >= 0 && json_integer_value(value) < PORT_MAX) {
			r->number = (int)json_integer_value(value);
		} else {
			snprintf(why, size, "a port's \"%s\" is unknown or not of its type; there are "
				 "\"path\" or \"device\", \"client\", \"isolated\", \"settings\" (a list), "
				 "\"number\" (0 to %d)", key, PORT_MAX - 1);
			return -EINVAL;
		}
	}
	if (!r->kind) {
		snprintf(why, size, "a port needs \"path\" or \"device\"");
		return -EINVAL;
	}
	if (r->client && r->kind != &port_kind_session) {
		snprintf(why, size, "%s: a device is no client; leave \"client\" out", r->name);
		return -EINVAL;
	}
	return 0;
}
