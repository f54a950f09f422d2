// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include <viola/wire.h>

#include "tools/compare/result.h"

/* Sums over the phases of one workload. */
struct cost {
	uint64_t packets;
	uint64_t value[COUNTERS];
	bool valid[COUNTERS];
	uint64_t irqs;
	bool irqs_valid;
	unsigned int phases;
};

enum { COST_RTT, COST_TX, COST_RX, COST_KINDS };

static const char *const cost_name[] = { "rtt", "tx", "rx" };

static uint64_t number(const json_t *obj, const char *key)
{
	const json_int_t v = json_integer_value(json_object_get(obj, key));

	return v > 0 ? v : 0;
}

static const char *text(const json_t *obj, const char *key)
{
	return json_string_value(json_object_get(obj, key));
}

static int kind_of(const json_t *phase)
{
	const char *name = text(phase, "workload");
	int i;

	for (i = 0; name && i < COST_KINDS; i++)
		if (!strcmp(name, cost_name[i]))
			return i;
	return -1;
}

/* A packet is one frame that arrived, in either direction. */
static uint64_t packets_of(const json_t *phase, int kind)
{
	const uint64_t guest = number(json_object_get(phase, "guest"), "received");
	const uint64_t far = number(json_object_get(phase, "farend"), "received");

	return kind == COST_RTT ? guest + far : kind == COST_TX ? far : guest;
}

static void cost_add(struct cost *c, const json_t *phase, int kind,
		     const struct result_phase *r)
{
	const json_t *irqs = json_object_get(phase, "interrupts");
	unsigned int i;

	for (i = 0; i < COUNTERS; i++) {
		const bool ok = r->before.valid[i] && r->after.valid[i];

		c->valid[i] = ok && (c->valid[i] || !c->phases);
		c->value[i] += ok ? r->after.value[i] - r->before.value[i] : 0;
	}
	c->irqs_valid = json_is_integer(irqs) && (c->irqs_valid || !c->phases);
	c->irqs += number(phase, "interrupts");
	c->packets += packets_of(phase, kind);
	c->phases++;
}

static json_t *ratio(uint64_t value, uint64_t packets, bool valid)
{
	if (!valid || !packets)
		return json_null();
	return json_real((double)value / (double)packets);
}

static json_t *cost_json(const struct cost *c, bool icount)
{
	const bool cpu = c->valid[COUNTER_CPU_NS];
	const bool host = cpu && c->valid[COUNTER_GUEST_NS];
	uint64_t host_ns = 0;

	/* Guest time is sampled: it can exceed the exact sum by a tick. */
	if (host && c->value[COUNTER_CPU_NS] > c->value[COUNTER_GUEST_NS])
		host_ns = c->value[COUNTER_CPU_NS] - c->value[COUNTER_GUEST_NS];
	return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:I}",
		"exits_per_packet", ratio(c->value[COUNTER_EXITS], c->packets,
					  c->valid[COUNTER_EXITS]),
		"user_exits_per_packet",
		ratio(c->value[COUNTER_USER_EXITS], c->packets,
		      c->valid[COUNTER_USER_EXITS]),
		"interrupts_per_packet", ratio(c->irqs, c->packets, c->irqs_valid),
		"syscalls_per_packet", ratio(c->value[COUNTER_SYSCALLS],
					     c->packets,
					     c->valid[COUNTER_SYSCALLS]),
		"host_cpu_ns_per_packet", ratio(host_ns, c->packets, host),
		"instructions_per_packet",
		ratio(c->value[COUNTER_CPU_NS], c->packets, icount && cpu),
		"packets", (json_int_t)c->packets);
}

static void reason_add(json_t *reasons, const char *key, const char *why)
{
	json_object_set_new(reasons, key, json_string(why));
}

static json_t *reasons_json(const struct cost *c, const struct counters *n,
			    bool icount)
{
	json_t *r = json_object();

	if (!icount)
		reason_add(r, "instructions_per_packet",
			   "only an icount lab counts instructions (--icount)");
	if (!c->phases) {
		reason_add(r, "all", "no phase was completed");
		return r;
	}
	if (!c->valid[COUNTER_EXITS])
		reason_add(r, "exits_per_packet", n->reason[COUNTER_EXITS][0] ?
			   n->reason[COUNTER_EXITS] :
			   "KVM's statistics of this guest cannot be read in debugfs");
	if (!c->valid[COUNTER_USER_EXITS])
		reason_add(r, "user_exits_per_packet",
			   n->reason[COUNTER_USER_EXITS]);
	if (!c->valid[COUNTER_SYSCALLS])
		reason_add(r, "syscalls_per_packet", n->reason[COUNTER_SYSCALLS]);
	if (!c->valid[COUNTER_CPU_NS] || !c->valid[COUNTER_GUEST_NS])
		reason_add(r, "host_cpu_ns_per_packet",
			   "the CPU time of viola-vmm cannot be read in /proc");
	if (!c->irqs_valid)
		reason_add(r, "interrupts_per_packet",
			   "the guest does not know its device's interrupt");
	return r;
}

static void copy_keys(json_t *to, const json_t *from, const char *const *keys)
{
	for (; *keys; keys++)
		json_object_set(to, *keys, json_object_get(from, *keys));
}

static json_t *rtt_json(const json_t *phase)
{
	static const char *const keys[] = {
		"min_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns",
		"mean_ns", "samples", "curve", NULL
	};
	const json_t *guest = json_object_get(phase, "guest");
	const json_t *far = json_object_get(phase, "farend");
	json_t *out;

	out = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}",
		"size", (json_int_t)number(phase, "size"),
		"count", (json_int_t)number(phase, "sent"),
		"lost", (json_int_t)number(phase, "lost"),
		"duplicated", (json_int_t)(number(guest, "duplicated") +
					   number(far, "duplicated")),
		"corrupted", (json_int_t)(number(guest, "corrupted") +
					  number(far, "corrupted")),
		"invented", (json_int_t)(number(guest, "invented") +
					 number(far, "invented")));
	copy_keys(out, json_object_get(phase, "rtt"), keys);
	return out;
}

static json_t *rate_json(const json_t *phase, int kind)
{
	static const char *const keys[] = { "pps", "bps", "loss_ratio", NULL };
	const json_t *guest = json_object_get(phase, "guest");
	const json_t *far = json_object_get(phase, "farend");
	const json_t *seen = kind == COST_TX ? far : guest;
	json_t *out;

	out = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
		"workload", cost_name[kind],
		"size", (json_int_t)number(phase, "size"),
		"sent", (json_int_t)(kind == COST_TX ? number(phase, "sent") :
				     number(far, "sent")),
		"received", (json_int_t)number(seen, "received"),
		"duplicated", (json_int_t)(number(guest, "duplicated") +
					   number(far, "duplicated")),
		"corrupted", (json_int_t)(number(guest, "corrupted") +
					  number(far, "corrupted")),
		"invented", (json_int_t)(number(guest, "invented") +
					 number(far, "invented")),
		"span_ns", (json_int_t)number(seen, "span_ns"),
		"socket_drops", (json_int_t)number(seen, "socket_drops"),
		"stalls", (json_int_t)number(far, "stalls"));
	copy_keys(out, json_object_get(phase, "rate"), keys);
	return out;
}

static void phase_fill(json_t *out, const json_t *phase, struct cost *cost,
		       const struct result_phase *borders)
{
	const uint64_t id = number(phase, "id");
	const int kind = kind_of(phase);

	if (kind < 0 || json_is_true(json_object_get(phase, "warmup")) ||
	    !json_is_true(json_object_get(phase, "done")))
		return;
	json_array_append_new(json_object_get(out, kind == COST_RTT ? "rtt" :
					      "throughput"),
			      kind == COST_RTT ? rtt_json(phase) :
			      rate_json(phase, kind));
	if (id && id <= RESULT_PHASES && borders[id - 1].begun &&
	    borders[id - 1].ended)
		cost_add(&cost[kind], phase, kind, &borders[id - 1]);
}

static json_t *agent_load(const char *file, struct failure *f)
{
	json_error_t e;
	json_t *doc = json_load_file(file, 0, &e);
	const char *schema = text(doc, "schema");

	if (!doc) {
		failure_set(f, EIO, "the guest's results are not readable (%s): %s",
			    file, e.text);
		return NULL;
	}
	if (!schema || strcmp(schema, "viola-agent/1") ||
	    !json_is_array(json_object_get(doc, "phases"))) {
		failure_set(f, EIO, "%s is not a document of viola-agent", file);
		json_decref(doc);
		return NULL;
	}
	return doc;
}

static int agent_judge(const struct path *p, const json_t *doc,
		       struct failure *f)
{
	const char *status = text(doc, "status"), *driver = text(doc, "driver");

	if (!status || strcmp(status, "ok"))
		return failure_set(f, EIO, "%s", text(doc, "reason") ?:
				   "the guest's agent failed");
	if (!driver || strcmp(driver, p->driver))
		return failure_set(f, EIO, "the guest drives the device with %s, not %s",
				   driver ?: "no driver", p->driver);
	return 0;
}

int result_fill(json_t *out, const struct path *p, const char *agent_file,
		const struct result_phase *phase, const struct counters *c,
		bool icount, struct failure *f)
{
	struct cost cost[COST_KINDS] = { 0 };
	json_t *doc = agent_load(agent_file, f);
	json_t *each, *guest, *costs, *by;
	size_t i;
	int err;

	if (!doc)
		return -EIO;
	guest = json_object_get(out, "guest");
	json_object_set(guest, "kernel", json_object_get(doc, "kernel"));
	json_object_set(guest, "driver", json_object_get(doc, "driver"));
	json_object_set(guest, "clocksource", json_object_get(doc, "clocksource"));
	json_object_set(guest, "irq_shared", json_object_get(doc, "irq_shared"));
	json_object_set(out, "clock", json_object_get(doc, "clock"));
	json_object_set(out, "window", json_object_get(doc, "window"));
	json_array_foreach(json_object_get(doc, "phases"), i, each)
		phase_fill(out, each, cost, phase);

	/*
	 * The headline is of the round trips: the same number of packets, one
	 * at a time, on every path. Rates batch differently on each.
	 */
	costs = cost_json(&cost[COST_RTT], icount);
	by = json_object();
	for (i = 0; i < COST_KINDS; i++)
		if (cost[i].phases)
			json_object_set_new(by, cost_name[i],
					    cost_json(&cost[i], icount));
	json_object_set_new(costs, "workload", json_string("rtt"));
	json_object_set_new(costs, "by_workload", by);
	json_object_set_new(costs, "null_reasons",
			    reasons_json(&cost[COST_RTT], c, icount));
	json_object_set_new(out, "cost", costs);
	err = agent_judge(p, doc, f);
	json_decref(doc);
	return err;
}
