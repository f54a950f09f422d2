// SPDX-License-Identifier: GPL-2.0
/* A path's rounds from its agent's documents and the host's counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/measure/result.h"

#define CLOSE	0.000000001

/* Phases 1 (warm-up), 2 (rtt), 3 (tx), 4 (rx); %s: status, reason, driver. */
static const char agent_text[] =
"{\"schema\":\"viola-agent/1\",\"status\":\"%s\",\"reason\":%s,\"kernel\":\"6.12\","
"\"driver\":\"%s\",\"clock\":\"C\",\"clocksource\":\"kvm-clock\",\"window\":256,"
"\"irq_shared\":false,\"phases\":["
"{\"id\":1,\"workload\":\"rtt\",\"warmup\":true,\"done\":true,\"size\":64,\"sent\":50,"
"\"interrupts\":99,\"guest\":{\"received\":50},\"farend\":{\"received\":50},"
"\"rtt\":{\"p50_ns\":1}},"
"{\"id\":2,\"workload\":\"rtt\",\"warmup\":false,\"done\":true,\"size\":64,\"sent\":100,"
"\"lost\":0,\"interrupts\":100,\"guest\":{\"received\":100,\"corrupted\":1},"
"\"farend\":{\"received\":100,\"corrupted\":2},"
"\"rtt\":{\"samples\":100,\"min_ns\":10,\"p50_ns\":20,\"curve\":[[0,10],[0.5,20]]}},"
"{\"id\":3,\"workload\":\"tx\",\"warmup\":false,\"done\":true,\"size\":64,\"sent\":1000,"
"\"interrupts\":null,\"guest\":{\"received\":0},\"farend\":{\"received\":900,\"span_ns\":5},"
"\"rate\":{\"pps\":7.5,\"bps\":9,\"loss_ratio\":0.1}},"
"{\"id\":4,\"workload\":\"rx\",\"warmup\":false,\"done\":true,\"size\":64,\"sent\":0,"
"\"interrupts\":3,\"guest\":{\"received\":500},\"farend\":{\"sent\":500},"
"\"rate\":{\"pps\":1,\"bps\":1,\"loss_ratio\":0}}]}";

static struct result_phase phase[RESULT_PHASES];
static struct counters counters;

static json_t *agent_doc(const char *status, const char *reason, const char *driver)
{
	char text[4096];
	json_t *doc;

	snprintf(text, sizeof(text), agent_text, status, reason, driver);
	doc = json_loads(text, 0, NULL);
	assert_non_null(doc);
	return doc;
}

static int setup(void **state)
{
	unsigned int i, k;

	for (i = 0; i < 4; i++) {
		phase[i].begun = phase[i].ended = true;
		for (k = 0; k < COUNTERS; k++) {
			phase[i].before.valid[k] = phase[i].after.valid[k] = true;
			phase[i].before.value[k] = 1000;
			phase[i].after.value[k] = 1000 + 100 * (i + 1) * (k + 1);
		}
	}
	return 0;
}

static json_t *round_of(const json_t *out, size_t i)
{
	json_t *round = json_array_get(json_object_get(out, "rounds"), i);

	assert_non_null(round);
	assert_int_equal(json_integer_value(json_object_get(round, "round")), i + 1);
	return round;
}

static json_t *cost_row(const json_t *out, const char *workload)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(round_of(out, 0), "cost"), i, row)
		if (!strcmp(json_string_value(json_object_get(row, "workload")), workload))
			return row;
	return NULL;
}

static double cost_of(const json_t *out, const char *workload, const char *key)
{
	const json_t *v = json_object_get(cost_row(out, workload), key);

	assert_true(json_is_number(v));
	return json_number_value(v);
}

static void test_costs(void **state)
{
	const struct path *p = path_find("virtio");
	json_t *out = result_none(p, "ok", NULL), *rtt;
	json_t *doc = agent_doc("ok", "null", "virtio_net");
	struct failure f = { "" };

	assert_int_equal(result_round(out, p, doc, phase, &counters, false, &f), 0);

	/* Phase 2: 200 packets; counter k grew by 200 * (k + 1). */
	assert_float_equal(cost_of(out, "rtt", "exits_per_packet"), 1, CLOSE);
	assert_float_equal(cost_of(out, "rtt", "user_exits_per_packet"), 2, CLOSE);
	assert_float_equal(cost_of(out, "rtt", "syscalls_per_packet"), 3, CLOSE);
	assert_float_equal(cost_of(out, "rtt", "interrupts_per_packet"), 0.5, CLOSE);
	assert_float_equal(cost_of(out, "rtt", "size"), 64, 0);
	/* Guest time above the whole is a sampling error: nothing is left. */
	assert_float_equal(cost_of(out, "rtt", "host_cpu_ns_per_packet"), 0, CLOSE);
	assert_true(json_is_null(json_object_get(cost_row(out, "rtt"),
						 "instructions_per_packet")));
	assert_non_null(json_object_get(json_object_get(out, "null_reasons"),
					"instructions_per_packet"));
	assert_float_equal(cost_of(out, "tx", "exits_per_packet"), 300. / 900, CLOSE);
	assert_true(json_is_null(json_object_get(cost_row(out, "tx"),
						 "interrupts_per_packet")));
	assert_float_equal(cost_of(out, "rx", "packets"), 500, 0);

	/* The warm-up is not a result; both sides' findings are added up. */
	assert_int_equal(json_array_size(json_object_get(round_of(out, 0), "rtt")), 1);
	rtt = json_array_get(json_object_get(round_of(out, 0), "rtt"), 0);
	assert_int_equal(json_integer_value(json_object_get(rtt, "corrupted")), 3);
	assert_int_equal(json_integer_value(json_object_get(rtt, "p50_ns")), 20);
	assert_int_equal(json_array_size(json_object_get(round_of(out, 0), "throughput")), 2);
	json_decref(doc);
	json_decref(out);
}

static void test_icount(void **state)
{
	const struct path *p = path_find("virtio");
	json_t *out = result_none(p, "ok", NULL);
	json_t *doc = agent_doc("ok", "null", "virtio_net");
	struct failure f = { "" };

	assert_int_equal(result_round(out, p, doc, phase, &counters, true, &f), 0);
	assert_float_equal(cost_of(out, "rtt", "instructions_per_packet"), 4, CLOSE);
	json_decref(doc);
	json_decref(out);
}

/* Guest time that is known exactly leaves the host's share. */
static void test_host_time(void **state)
{
	const struct path *p = path_find("virtio");
	struct result_phase own[RESULT_PHASES];
	json_t *out = result_none(p, "ok", NULL);
	json_t *doc = agent_doc("ok", "null", "virtio_net");
	struct failure f = { "" };

	memcpy(own, phase, sizeof(own));
	own[1].after.value[COUNTER_CPU_NS] = 1000 + 50000;
	own[1].after.value[COUNTER_GUEST_NS] = 1000 + 20000;
	assert_int_equal(result_round(out, p, doc, own, &counters, true, &f), 0);
	assert_float_equal(cost_of(out, "rtt", "host_cpu_ns_per_packet"), 150, CLOSE);
	json_decref(doc);
	json_decref(out);
}

static void test_failures(void **state)
{
	const struct path *p = path_find("e1000");
	json_t *out = result_none(p, "ok", NULL), *doc;
	struct failure f = { "" };

	doc = agent_doc("failed", "\"3 invented frames\"", "e1000");
	assert_true(result_round(out, p, doc, phase, &counters, false, &f) < 0);
	assert_string_equal(f.text, "3 invented frames");
	/* What was measured is kept. */
	assert_int_equal(json_array_size(json_object_get(round_of(out, 0), "rtt")), 1);
	json_decref(doc);

	f.text[0] = 0;
	doc = agent_doc("ok", "null", "virtio_net");
	assert_true(result_round(out, p, doc, phase, &counters, false, &f) < 0);
	assert_string_equal(f.text, "the guest drives the device with virtio_net, not e1000");
	/* One round follows the other. */
	assert_int_equal(json_array_size(json_object_get(round_of(out, 1), "rtt")), 1);
	json_decref(doc);

	f.text[0] = 0;
	doc = json_pack("{s:s}", "schema", "else");
	assert_true(result_round(out, p, doc, phase, &counters, false, &f) < 0);
	assert_string_equal(f.text, "what came of round 3 is no document of viola-agent");
	assert_int_equal(json_array_size(json_object_get(out, "rounds")), 2);
	json_decref(doc);
	json_decref(out);
}

/* A phase whose end the far end never saw has no cost. */
static void test_no_borders(void **state)
{
	static const struct result_phase none[RESULT_PHASES];
	const struct path *p = path_find("virtio");
	json_t *out = result_none(p, "ok", NULL);
	json_t *doc = agent_doc("ok", "null", "virtio_net");
	struct failure f = { "" };

	assert_int_equal(result_round(out, p, doc, none, &counters, false, &f), 0);
	assert_int_equal(json_array_size(json_object_get(round_of(out, 0), "rtt")), 1);
	assert_null(cost_row(out, "rtt"));
	json_decref(doc);
	json_decref(out);
}

static void test_paths(void **state)
{
	assert_null(path_find("bogus"));
	assert_null(path_find(""));
	assert_string_equal(path_names(), "e1000, virtio, vhost, viola");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_costs),
		cmocka_unit_test(test_icount),
		cmocka_unit_test(test_host_time),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_no_borders),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
