// SPDX-License-Identifier: GPL-2.0
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/compare/view.h"

const char *const view_workloads[] = { "rtt", "tx", "rx", NULL };

static const struct view_column path_columns[] = {
	{ "path", NULL, 0, true }, { "rung", "rung", 0, true },
	{ "driver", "guest.driver", 0, true }, { "mode", "mode", 0, true },
	{ "ring", "ring", 0, true }, { "status", "status", 0, true },
};

static const struct view_column rtt_columns[] = {
	{ "path", NULL, 0, true }, { "size", "size" }, { "count", "count" },
	{ "lost", "lost" }, { "min", "min_ns", 1e3 }, { "p50", "p50_ns", 1e3 },
	{ "p90", "p90_ns", 1e3 }, { "p99", "p99_ns", 1e3 },
	{ "p99.9", "p999_ns", 1e3 }, { "max", "max_ns", 1e3 },
};

static const struct view_column rate_columns[] = {
	{ "path", NULL, 0, true }, { "workload", "workload", 0, true },
	{ "size", "size" }, { "frames", "received" }, { "packets/s", "pps", 1 },
	{ "Mbit/s", "bps", 1e6 }, { "loss %", "loss_ratio", 0.01 },
};

static const struct view_column cost_columns[] = {
	{ "path", NULL, 0, true }, { "workload", "workload", 0, true },
	{ "packets", "packets" }, { "exits", "exits_per_packet", 1 },
	{ "to user", "user_exits_per_packet", 1 },
	{ "interrupts", "interrupts_per_packet", 1 },
	{ "syscalls", "syscalls_per_packet", 1 },
	{ "host CPU us", "host_cpu_ns_per_packet", 1e3 },
	{ "instructions", "instructions_per_packet", 1 },
};

#define COLUMNS(c) c, sizeof(c) / sizeof(*c)

const struct view_table view_tables[] = {
	{ "Paths", NULL, COLUMNS(path_columns) },
	{ "Round trips, closed loop, microseconds", "rtt", COLUMNS(rtt_columns) },
	{ "Packet rate", "throughput", COLUMNS(rate_columns) },
	{ "Cost per packet (one frame in one direction)", "cost",
	  COLUMNS(cost_columns) },
};

const unsigned int view_tables_count = sizeof(view_tables) / sizeof(*view_tables);

void view_number(char *buf, size_t room, double v)
{
	const double a = fabs(v);

	snprintf(buf, room, "%.*f", a == 0 || a >= 100 ? 0 : a >= 10 ? 1 :
		 a >= 1 ? 2 : a >= 0.001 ? 3 : 6, v);
}

const char *view_text(const json_t *obj, const char *key)
{
	return json_string_value(json_object_get(obj, key)) ?: "";
}

const json_t *view_cost(const json_t *path, const char *workload)
{
	const json_t *cost = json_object_get(path, "cost");

	return json_object_get(json_object_get(cost, "by_workload"), workload);
}

/* "a.b" is b of a. */
static const json_t *lookup(const json_t *obj, const char *key)
{
	const char *dot = strchr(key, '.');
	char first[32];

	if (!dot)
		return json_object_get(obj, key);
	snprintf(first, sizeof(first), "%.*s", (int)(dot - key), key);
	return json_object_get(json_object_get(obj, first), dot + 1);
}

static void cell_fill(char *cell, const struct view_column *c,
		      const json_t *path, const json_t *row)
{
	const json_t *v = c->key ? lookup(row, c->key) :
				   json_object_get(path, "path");

	if (json_is_string(v))
		snprintf(cell, VIEW_CELL, "%s", json_string_value(v));
	else if (json_is_number(v) && c->unit != 0)
		view_number(cell, VIEW_CELL, json_number_value(v) / c->unit);
	else if (json_is_integer(v))
		snprintf(cell, VIEW_CELL, "%lld",
			 (long long)json_integer_value(v));
	else
		strcpy(cell, "-");
}

static void row_make(const struct view_table *t, const json_t *path,
		     const json_t *row,
		     void (*emit)(void *ctx, const struct view_table *t,
				  char (*cell)[VIEW_CELL]), void *ctx)
{
	char cell[16][VIEW_CELL];
	unsigned int i;

	for (i = 0; i < t->columns; i++)
		cell_fill(cell[i], &t->column[i], path, row);
	emit(ctx, t, cell);
}

void view_rows(const json_t *doc, const struct view_table *t,
	       void (*row)(void *ctx, const struct view_table *t,
			   char (*cell)[VIEW_CELL]), void *ctx)
{
	const json_t *path, *each;
	const char *const *w;
	size_t i, j;

	json_array_foreach(json_object_get(doc, "paths"), i, path) {
		if (!t->list) {
			row_make(t, path, path, row, ctx);
		} else if (strcmp(t->list, "cost")) {
			json_array_foreach(json_object_get(path, t->list), j, each)
				row_make(t, path, each, row, ctx);
		} else {
			for (w = view_workloads; *w; w++) {
				json_t *copy = json_copy((json_t *)view_cost(path, *w));

				if (!copy)
					continue;
				json_object_set_new(copy, "workload", json_string(*w));
				row_make(t, path, copy, row, ctx);
				json_decref(copy);
			}
		}
	}
}

struct notes {
	char **note;
	unsigned int n;
};

static void note_add(struct notes *x, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A sentence that is there already is not repeated. */
static void note_add(struct notes *x, const char *fmt, ...)
{
	va_list ap;
	char *s;
	unsigned int i;
	int n;

	if (x->n == VIEW_NOTES)
		return;
	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	for (i = 0; i < x->n; i++)
		if (!strcmp(x->note[i], s)) {
			free(s);
			return;
		}
	x->note[x->n++] = s;
}

static const struct {
	const char *mode, *text;
} mode_notes[] = {
	{ "lab-tcg",
	  "Mode lab-tcg emulates every instruction of host and guest: absolute times and "
	  "rates mean nothing for hardware; counts per packet and the order of the paths do. "
	  "Posted interrupts, caches and NUMA cannot be seen." },
	{ "lab-icount",
	  "Mode lab-icount counts one nanosecond per instruction: times are amounts of work, "
	  "not durations; caches, parallelism and posted interrupts cannot be seen." },
	{ "lab-kvm",
	  "Mode lab-kvm nests virtualization: exits cost more than on metal, so paths that "
	  "exit often look worse than they are there." },
	{ "metal",
	  "Frequency scaling, hyperthreads and other load on this host are not controlled by "
	  "this program." },
};

unsigned int view_notes(const json_t *doc, char *note[VIEW_NOTES])
{
	const json_t *host = json_object_get(doc, "host"), *path, *why;
	const char *status, *reason, *key;
	struct notes x = { note, 0 };
	unsigned int m;
	size_t i;

	if (view_text(doc, "fault")[0])
		note_add(&x, "The run as a whole: %s.", view_text(doc, "fault"));
	if (json_integer_value(json_object_get(doc, "lab_hangs")))
		note_add(&x, "The lab machine hung %lld times and was started again for what was missing.",
			 (long long)json_integer_value(json_object_get(doc, "lab_hangs")));
	if (json_is_true(json_object_get(host, "busy")))
		note_add(&x, "This machine was busy when the run began (load average %.1f): times and rates are worse than they need be.",
			 json_number_value(json_object_get(host, "load")));
	json_array_foreach(json_object_get(doc, "paths"), i, path) {
		status = view_text(path, "status");
		reason = view_text(path, "reason");
		if (strcmp(status, "ok"))
			note_add(&x, "%s %s: %s", view_text(path, "path"), status,
				 reason);
		if (json_is_true(json_object_get(json_object_get(path, "guest"),
						 "irq_shared")))
			note_add(&x, "%s: its interrupt line is shared, so other devices' interrupts are counted too",
				 view_text(path, "path"));
	}
	json_array_foreach(json_object_get(doc, "paths"), i, path) {
		const json_t *reasons = json_object_get(
			json_object_get(path, "cost"), "null_reasons");

		json_object_foreach((json_t *)reasons, key, why)
			note_add(&x, "\"-\" under %s: %s", key, json_string_value(why));
		if (json_object_get(path, "clock"))
			note_add(&x, "Clock: the guest's %s, from clocksource %s.",
				 view_text(path, "clock"),
				 view_text(json_object_get(path, "guest"),
					   "clocksource"));
		if (json_object_get(path, "window"))
			note_add(&x, "Rates: tx is open loop (the guest sends as fast as it can), rx keeps at most %lld frames in flight; both count frames that arrived whole.",
				 (long long)json_integer_value(
					json_object_get(path, "window")));
	}
	for (m = 0; m < sizeof(mode_notes) / sizeof(*mode_notes); m++)
		if (!strcmp(mode_notes[m].mode, view_text(host, "mode")))
			note_add(&x, "%s", mode_notes[m].text);
	return x.n;
}
