// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include <viola/wire.h>

#include "tools/measure/result.h"

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

static json_t *ratio(uint64_t value, uint64_t packets, bool valid)
{
	if (!valid || !packets)
		return json_null();
	return json_real((double)value / (double)packets);
}

/* What the host spent on one phase, per packet. */
static json_t *cost_json(const json_t *phase, int kind, const struct result_phase *r,
			 bool icount)
{
	const json_t *irqs = json_object_get(phase, "interrupts");
	const uint64_t packets = packets_of(phase, kind);
	uint64_t value[COUNTERS], host_ns = 0;
	bool valid[COUNTERS], host;
	unsigned int i;

	for (i = 0; i < COUNTERS; i++) {
		valid[i] = r->before.valid[i] && r->after.valid[i];
		value[i] = valid[i] ? r->after.value[i] - r->before.value[i] : 0;
	}
	host = valid[COUNTER_CPU_NS] && valid[COUNTER_GUEST_NS];
	/* Guest time that is sampled can exceed the exact sum by a tick. */
	if (host && value[COUNTER_CPU_NS] > value[COUNTER_GUEST_NS])
		host_ns = value[COUNTER_CPU_NS] - value[COUNTER_GUEST_NS];
	return json_pack("{s:s,s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o}",
		"workload", cost_name[kind],
		"size", (json_int_t)number(phase, "size"),
		"packets", (json_int_t)packets,
		"exits_per_packet", ratio(value[COUNTER_EXITS], packets,
					  valid[COUNTER_EXITS]),
		"user_exits_per_packet", ratio(value[COUNTER_USER_EXITS], packets,
					       valid[COUNTER_USER_EXITS]),
		"interrupts_per_packet", ratio(number(phase, "interrupts"), packets,
					       json_is_integer(irqs)),
		"syscalls_per_packet", ratio(value[COUNTER_SYSCALLS], packets,
					     valid[COUNTER_SYSCALLS]),
		"host_cpu_ns_per_packet", ratio(host_ns, packets, host),
		"instructions_per_packet", ratio(value[COUNTER_CPU_NS], packets,
						 icount && valid[COUNTER_CPU_NS]));
}

static void reason_add(json_t *reasons, const char *key, const char *why)
{
	json_object_set_new(reasons, key, json_string(why));
}

/* Why a figure of this phase is null. */
static void reasons_add(json_t *reasons, const json_t *phase, const struct result_phase *r,
			const struct counters *n, bool icount)
{
	const struct counters_snap *s = &r->before;

	if (!icount)
		reason_add(reasons, "instructions_per_packet",
			   "only a lab in virtual time counts instructions");
	if (!s->valid[COUNTER_EXITS])
		reason_add(reasons, "exits_per_packet", n->reason[COUNTER_EXITS][0] ?
			   n->reason[COUNTER_EXITS] :
			   "KVM's statistics of this guest cannot be read in debugfs");
	if (!s->valid[COUNTER_USER_EXITS])
		reason_add(reasons, "user_exits_per_packet", n->reason[COUNTER_USER_EXITS]);
	if (!s->valid[COUNTER_SYSCALLS])
		reason_add(reasons, "syscalls_per_packet", n->reason[COUNTER_SYSCALLS]);
	if (!s->valid[COUNTER_CPU_NS] || !s->valid[COUNTER_GUEST_NS])
		reason_add(reasons, "host_cpu_ns_per_packet",
			   "the CPU time of viola-vmm cannot be read in /proc");
	if (!json_is_integer(json_object_get(phase, "interrupts")))
		reason_add(reasons, "interrupts_per_packet",
			   "the guest does not know its device's interrupt");
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

static void phase_fill(json_t *out, json_t *round, const json_t *phase, unsigned int index,
		       const struct result_phase *borders, const struct counters *c,
		       bool icount)
{
	const int kind = kind_of(phase);

	if (kind < 0 || json_is_true(json_object_get(phase, "warmup")) ||
	    !json_is_true(json_object_get(phase, "done")))
		return;
	json_array_append_new(json_object_get(round, kind == COST_RTT ? "rtt" : "throughput"),
			      kind == COST_RTT ? rtt_json(phase) : rate_json(phase, kind));
	if (index >= RESULT_PHASES || !borders[index].begun || !borders[index].ended)
		return;
	json_array_append_new(json_object_get(round, "cost"),
			      cost_json(phase, kind, &borders[index], icount));
	reasons_add(json_object_get(out, "null_reasons"), phase, &borders[index], c, icount);
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

static int guest_fill(json_t *out, const json_t *doc, unsigned int nth, struct failure *f)
{
	const char *schema = text(doc, "schema");
	json_t *guest = json_object_get(out, "guest");

	if (!schema || strcmp(schema, "viola-agent/1") ||
	    !json_is_array(json_object_get(doc, "phases")))
		return failure_set(f, EIO, "what came of round %u is no document of viola-agent",
				   nth);
	json_object_set(guest, "kernel", json_object_get(doc, "kernel"));
	json_object_set(guest, "driver", json_object_get(doc, "driver"));
	json_object_set(guest, "clocksource", json_object_get(doc, "clocksource"));
	json_object_set(guest, "irq_shared", json_object_get(doc, "irq_shared"));
	json_object_set(out, "clock", json_object_get(doc, "clock"));
	json_object_set(out, "window", json_object_get(doc, "window"));
	return 0;
}

int result_round(json_t *out, const struct path *p, const json_t *doc,
		 const struct result_phase *phase, const struct counters *c, bool icount,
		 struct failure *f)
{
	json_t *rounds = json_object_get(out, "rounds"), *round, *each;
	const unsigned int nth = json_array_size(rounds) + 1;
	size_t i;

	if (guest_fill(out, doc, nth, f))
		return -EIO;
	round = json_pack("{s:i,s:[],s:[],s:[]}", "round", nth, "rtt", "throughput", "cost");
	json_array_append_new(rounds, round);
	json_array_foreach(json_object_get(doc, "phases"), i, each)
		phase_fill(out, round, each, i, phase, c, icount);
	return agent_judge(p, doc, f);
}

json_t *result_none(const struct path *p, const char *status, const char *reason)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s?,s:{s:n,s:n},s:s?,s:s?,s:{},s:[]}",
			 "path", p->name, "rung", p->rung, "device", "net",
			 "status", status, "reason", reason,
			 "guest", "kernel", "driver",
			 "mode", p->mode, "ring", p->ring, "null_reasons", "rounds");
}

void result_status(json_t *out, const char *status, const char *reason)
{
	json_object_set_new(out, "status", json_string(status));
	json_object_set_new(out, "reason", json_string(reason));
}
