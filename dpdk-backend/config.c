// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "dpdk-backend/port/request.h"

static int set_ports(struct options *o, json_t *list, char *why, size_t size)
{
	struct port_request r;
	json_t *item;
	size_t i;
	int err;

	if (!json_is_array(list)) {
		snprintf(why, size, "make it a list of objects with \"path\" or \"device\"");
		return -EINVAL;
	}
	json_array_foreach(list, i, item) {
		err = port_request_json(&r, item, why, size);
		if (!err && r.number >= 0) {
			snprintf(why, size, "ports here have numbers by their order; leave "
				 "\"number\" out");
			err = -EINVAL;
		}
		if (!err)
			err = option_add_port(o, &r, why, size);
		if (err)
			return err;
	}
	return 0;
}

static int set_eal(struct options *o, json_t *list, char *why, size_t size)
{
	json_t *item;
	size_t i;

	if (!json_is_array(list))
		goto wrong;
	json_array_foreach(list, i, item) {
		if (!json_is_string(item) || o->neal == ARRAY_SIZE(o->eal))
			goto wrong;
		o->eal[o->neal++] = json_string_value(item);
	}
	return 0;
wrong:
	snprintf(why, size, "make it a list of at most %zu strings", ARRAY_SIZE(o->eal));
	return -EINVAL;
}

/* An option as the command line has it, too. */
static int set_option(struct options *o, const char *key, json_t *value, char *why, size_t size)
{
	int type = option_type(key);
	char number[24];

	if (type < 0) {
		snprintf(why, size, "there is no such key; take one of viola-dpdk(1), CONFIGURATION "
			 "FILE");
		return type;
	}
	switch ((enum option_type)type) {
	case OPTION_FLAG:
		if (json_is_boolean(value))
			return json_is_true(value) ? option_set(o, key, NULL, why, size) : 0;
		snprintf(why, size, "make it true or false");
		return -EINVAL;
	case OPTION_NUMBER:
		if (json_is_integer(value) && json_integer_value(value) >= 0) {
			snprintf(number, sizeof(number), "%lld",
				 (long long)json_integer_value(value));
			return option_set(o, key, number, why, size);
		}
		snprintf(why, size, "make it a number");
		return -EINVAL;
	case OPTION_TEXT:
		if (json_is_string(value))
			return option_set(o, key, json_string_value(value), why, size);
		/* The default place, as without a path on the command line. */
		if (json_is_true(value) && !strcmp(key, "control"))
			return option_set(o, key, NULL, why, size);
		snprintf(why, size, "make it a string");
		return -EINVAL;
	}
	return -EINVAL;
}

int config_load(struct options *o, const char *path, char *why, size_t size)
{
	char what[384];
	json_error_t error;
	json_t *root, *value;
	const char *key;
	int err = 0;

	if (o->file) {
		snprintf(why, size, "%s: only one --config can be given", path);
		return -EINVAL;
	}
	root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!root) {
		if (error.line > 0)
			snprintf(why, size, "%s: line %d: %s; correct the JSON there", path,
				 error.line, error.text);
		else
			snprintf(why, size, "%s: cannot be read: %s; name a file you may read",
				 path, strerror(errno));
		return -EINVAL;
	}
	o->file = root;
	if (!json_is_object(root)) {
		snprintf(why, size, "%s: put everything into one object { ... }", path);
		return -EINVAL;
	}
	json_object_foreach(root, key, value) {
		if (!strcmp(key, "ports"))
			err = set_ports(o, value, what, sizeof(what));
		else if (!strcmp(key, "eal"))
			err = set_eal(o, value, what, sizeof(what));
		else
			err = set_option(o, key, value, what, sizeof(what));
		if (err) {
			snprintf(why, size, "%s: \"%s\": %s", path, key, what);
			return err;
		}
	}
	return 0;
}
