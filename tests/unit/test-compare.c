// SPDX-License-Identifier: GPL-2.0
/* A path's result from an agent's document and counters, and its table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/compare/result.h"
#include "tools/compare/run.h"
#include "tools/compare/view.h"

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

static char file[64];
static struct result_phase phase[RESULT_PHASES];
static struct counters counters;

static void write_agent(const char *status, const char *reason,
			const char *driver)
{
	FILE *out = fopen(file, "w");

	assert_non_null(out);
	fprintf(out, agent_text, status, reason, driver);
	assert_false(fclose(out));
}

static int setup(void **state)
{
	unsigned int i, k;
	int fd;

	strcpy(file, "/tmp/viola-test-compare-XXXXXX");
	fd = mkstemp(file);
	if (fd < 0)
		return -1;
	close(fd);
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

static int teardown(void **state)
{
	return unlink(file);
}

static double cost_of(const json_t *out, const char *workload, const char *key)
{
	const json_t *v = json_object_get(view_cost(out, workload), key);

	assert_true(json_is_number(v));
	return json_number_value(v);
}

static void test_costs(void **state)
{
	const struct path *p = path_find("virtio");
	json_t *out = run_no_result(p, "ok", NULL), *cost, *rtt;
	struct failure f = { "" };

	write_agent("ok", "null", "virtio_net");
	assert_int_equal(result_fill(out, p, file, phase, &counters, false, &f), 0);

	/* Phase 2: 200 packets; counter k grew by 200 * (k + 1). */
	cost = json_object_get(out, "cost");
	assert_float_equal(json_number_value(json_object_get(cost,
			   "exits_per_packet")), 1, CLOSE);
	assert_float_equal(json_number_value(json_object_get(cost,
			   "user_exits_per_packet")), 2, CLOSE);
	assert_float_equal(json_number_value(json_object_get(cost,
			   "syscalls_per_packet")), 3, CLOSE);
	assert_float_equal(json_number_value(json_object_get(cost,
			   "interrupts_per_packet")), 0.5, CLOSE);
	/* Guest time above the whole is a sampling error: nothing is left. */
	assert_float_equal(json_number_value(json_object_get(cost,
			   "host_cpu_ns_per_packet")), 0, CLOSE);
	assert_true(json_is_null(json_object_get(cost, "instructions_per_packet")));
	assert_non_null(json_object_get(json_object_get(cost, "null_reasons"),
					"instructions_per_packet"));
	assert_float_equal(cost_of(out, "tx", "exits_per_packet"), 300. / 900, CLOSE);
	assert_true(json_is_null(json_object_get(view_cost(out, "tx"),
						 "interrupts_per_packet")));
	assert_float_equal(cost_of(out, "rx", "packets"), 500, 0);

	/* The warm-up is not a result; both sides' findings are added up. */
	assert_int_equal(json_array_size(json_object_get(out, "rtt")), 1);
	rtt = json_array_get(json_object_get(out, "rtt"), 0);
	assert_int_equal(json_integer_value(json_object_get(rtt, "corrupted")), 3);
	assert_int_equal(json_integer_value(json_object_get(rtt, "p50_ns")), 20);
	assert_int_equal(json_array_size(json_object_get(out, "throughput")), 2);
	json_decref(out);
}

static void test_icount(void **state)
{
	const struct path *p = path_find("virtio");
	json_t *out = run_no_result(p, "ok", NULL);
	struct failure f = { "" };

	write_agent("ok", "null", "virtio_net");
	assert_int_equal(result_fill(out, p, file, phase, &counters, true, &f), 0);
	assert_float_equal(cost_of(out, "rtt", "instructions_per_packet"), 4, CLOSE);
	json_decref(out);
}

static void test_failures(void **state)
{
	const struct path *p = path_find("e1000");
	json_t *out = run_no_result(p, "ok", NULL);
	struct failure f = { "" };
	FILE *bad;

	write_agent("failed", "\"3 invented frames\"", "e1000");
	assert_true(result_fill(out, p, file, phase, &counters, false, &f) < 0);
	assert_string_equal(f.text, "3 invented frames");
	/* What was measured before is kept. */
	assert_int_equal(json_array_size(json_object_get(out, "rtt")), 1);

	f.text[0] = 0;
	write_agent("ok", "null", "virtio_net");
	assert_true(result_fill(out, p, file, phase, &counters, false, &f) < 0);
	assert_string_equal(f.text, "the guest drives the device with virtio_net, not e1000");

	f.text[0] = 0;
	bad = fopen(file, "w");
	fputs("{\"schema\":\"viola-agent/1\",\"pha", bad);
	fclose(bad);
	assert_true(result_fill(out, p, file, phase, &counters, false, &f) < 0);
	assert_non_null(strstr(f.text, "not readable"));
	json_decref(out);
}

/* A phase whose end the far end never saw costs nothing, and says so. */
static void test_no_borders(void **state)
{
	static const struct result_phase none[RESULT_PHASES];
	const struct path *p = path_find("virtio");
	json_t *out = run_no_result(p, "ok", NULL);
	struct failure f = { "" };

	write_agent("ok", "null", "virtio_net");
	assert_int_equal(result_fill(out, p, file, none, &counters, false, &f), 0);
	assert_true(json_is_null(json_object_get(json_object_get(out, "cost"),
						 "exits_per_packet")));
	assert_null(view_cost(out, "rtt"));
	json_decref(out);
}

static void test_paths(void **state)
{
	assert_null(path_find("bogus"));
	assert_null(path_find(""));
	assert_string_equal(path_names(), "e1000, virtio, vhost, viola");
}

static void test_numbers(void **state)
{
	static const struct {
		double v;
		const char *text;
	} of[] = {
		{ 0, "0" }, { 1234.5, "1234" }, { 99.94, "99.9" }, { 1, "1.00" },
		{ 0.5, "0.500" }, { 0.00002, "0.000020" },
	};
	char buf[32];
	size_t i;

	for (i = 0; i < sizeof(of) / sizeof(*of); i++) {
		view_number(buf, sizeof(buf), of[i].v);
		assert_string_equal(buf, of[i].text);
	}
}

/* Table and report of a document with nothing but nulls, and with markup. */
static void test_documents(void **state)
{
	const struct path *p = path_find("viola");
	char text[32768];
	json_t *doc;
	size_t n;
	FILE *in;

	doc = json_pack("{s:{s:s},s:{},s:s,s:[o]}", "host", "cpu", "<b>\"&",
			"viola", "started", "now", "paths",
			run_no_result(p, "skipped", "no <module>"));
	assert_non_null(doc);
	assert_int_equal(table_write(doc, file), 0);
	in = fopen(file, "r");
	n = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[n] = 0;
	assert_non_null(strstr(text, "* viola skipped: no <module>"));
	assert_int_equal(report_write(doc, file), 0);
	in = fopen(file, "r");
	n = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[n] = 0;
	assert_non_null(strstr(text, "&lt;b&gt;&quot;&amp;"));
	assert_non_null(strstr(text, "no &lt;module&gt;"));
	assert_null(strstr(text, "http"));
	json_decref(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_costs),
		cmocka_unit_test(test_icount),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_no_borders),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_documents),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
