// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/request.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

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

int port_request_parse(struct port_request *r, char *text, char *why, size_t size)
{
	char *arg;

	*r = (struct port_request){ .kind = &port_kind_session, .number = -1 };
	r->name = strsep(&text, ",");
	while ((arg = strsep(&text, ","))) {
		bool *flag = flag_find(r, arg);

		if (!flag) {
			snprintf(why, size, "unknown \"%s\"; there are client and isolated", arg);
			return -EINVAL;
		}
		*flag = true;
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

		if (flag && json_is_boolean(value)) {
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
				 "\"path\" or \"device\", \"client\", \"isolated\", \"number\" (0 to %d)",
				 key, PORT_MAX - 1);
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
