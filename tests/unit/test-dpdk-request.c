// SPDX-License-Identifier: GPL-2.0
/* Ports as users ask for them: what is understood, and that the rest is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dpdk-backend/port/request.h"
#include "dpdk-backend/port/setting.h"

const struct port_kind port_kind_session = { .name = "vhost-user" };
const struct port_kind port_kind_uplink = { .name = "ethdev" };

/* Of the program; here there is one. */
bool setting_known(const char *text)
{
	return !strncmp(text, "rate=", 5);
}

static void test_settings(void **state)
{
	char device[] = "net_tap0,rate=1G,iface=t,isolated", path[] = "/a,client,rate=5k", why[256];
	struct port_request r;

	assert_int_equal(port_request_device(&r, device, why, sizeof(why)), 0);
	assert_string_equal(r.name, "net_tap0,iface=t");
	assert_true(r.isolated);
	assert_int_equal(r.nsetting, 1);
	assert_string_equal(r.setting[0], "rate=1G");
	free((void *)r.setting[0]);
	assert_int_equal(port_request_parse(&r, path, why, sizeof(why)), 0);
	assert_true(r.client);
	assert_string_equal(r.setting[0], "rate=5k");
}

static void test_text(void **state)
{
	char plain[] = "/run/a", both[] = "/run/a,isolated,client", none[] = "", why[256];
	struct port_request r;

	assert_int_equal(port_request_parse(&r, plain, why, sizeof(why)), 0);
	assert_ptr_equal(r.kind, &port_kind_session);
	assert_string_equal(r.name, "/run/a");
	assert_false(r.client || r.isolated);
	assert_int_equal(r.number, -1);
	assert_int_equal(port_request_parse(&r, both, why, sizeof(why)), 0);
	assert_string_equal(r.name, "/run/a");
	assert_true(r.client && r.isolated);
	/* No name is the caller's to refuse. */
	assert_int_equal(port_request_parse(&r, none, why, sizeof(why)), 0);
	assert_string_equal(r.name, "");
}

static void test_text_wrong(void **state)
{
	static const char *const wrong[] = {
		"a,", "a,,client", "a,Client", "a,client=1", "a, client",
	};
	struct port_request r;
	char text[64], why[256];
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		strcpy(text, wrong[i]);
		assert_true(port_request_parse(&r, text, why, sizeof(why)) < 0);
		assert_non_null(strstr(why, "there are client, "));
	}
}

static int from_json(struct port_request *r, const char *text, char *why, size_t size)
{
	json_t *object = json_loads(text, 0, NULL);
	int err;

	assert_non_null(object);
	err = port_request_json(r, object, why, size);
	/* Strings are the object's. */
	json_decref(object);
	return err;
}

static void test_json(void **state)
{
	struct port_request r;
	char why[256];

	assert_int_equal(from_json(&r, "{\"path\":\"/a\"}", why, sizeof(why)), 0);
	assert_ptr_equal(r.kind, &port_kind_session);
	assert_int_equal(r.number, -1);
	assert_int_equal(from_json(&r, "{\"number\":255,\"isolated\":true,\"device\":\"net_null0\"}",
				   why, sizeof(why)), 0);
	assert_ptr_equal(r.kind, &port_kind_uplink);
	assert_int_equal(r.number, 255);
	assert_true(r.isolated);
	assert_int_equal(from_json(&r, "{\"path\":\"/a\",\"client\":false}", why, sizeof(why)), 0);
	assert_false(r.client);
}

static void test_json_wrong(void **state)
{
	static const char *const wrong[] = {
		"[]", "{}", "{\"client\":true}", "{\"path\":1}", "{\"path\":null}",
		"{\"path\":\"/a\",\"device\":\"b\"}", "{\"path\":\"/a\",\"speed\":1}",
		"{\"path\":\"/a\",\"client\":1}", "{\"path\":\"/a\",\"number\":256}",
		"{\"path\":\"/a\",\"number\":-1}", "{\"path\":\"/a\",\"number\":\"1\"}",
		"{\"path\":\"/a\",\"number\":1.0}", "{\"device\":\"b\",\"client\":true}",
		"{\"path\":\"/a\",\"number\":4294967296}",
	};
	struct port_request r;
	char why[256];
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		why[0] = 0;
		assert_true(from_json(&r, wrong[i], why, sizeof(why)) < 0);
		assert_true(*why);
	}
}

/* A sentence is cut where there is no room for it, not what is behind that. */
static void test_short_sentence(void **state)
{
	char name[4096], text[4200], *why = malloc(16);
	struct port_request r;

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	snprintf(text, sizeof(text), "{\"path\":\"/a\",\"%s\":1}", name);
	assert_true(from_json(&r, text, why, 16) < 0);
	assert_true(strlen(why) < 16);
	free(why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_wrong),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_wrong),
		cmocka_unit_test(test_short_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
