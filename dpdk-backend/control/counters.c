// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/control/counters.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_telemetry.h>

#include "dpdk-backend/compat.h"
#include "dpdk-backend/forward/fdb.h"
#include "dpdk-backend/forward/forward.h"
#include "dpdk-backend/port/ports.h"
#include "tools/lib/number.h"

struct field {
	const char *name;
	size_t offset;
};

/* Of a queue, and summed over queues of a port. */
static const struct field queue_fields[] = {
#define FIELD(f) { #f, offsetof(struct queue_counters, f) }
	FIELD(rx_frames), FIELD(rx_bytes), FIELD(tx_frames), FIELD(tx_bytes),
#undef FIELD
};

#define QUEUE_FIELDS ARRAY_SIZE(queue_fields)

/* Of a port as a whole. */
static const struct field port_fields[] = {
#define FIELD(f) { #f, offsetof(struct counters, f) }
	FIELD(rx_invalid), FIELD(rx_mtu), FIELD(rx_limited), FIELD(rx_storm), FIELD(rx_filtered),
	FIELD(addr_moved), FIELD(addr_refused), FIELD(tx_no_buffer), FIELD(tx_too_long),
	FIELD(tx_mtu), FIELD(tx_limited), FIELD(tx_down), FIELD(tx_offload),
	FIELD(csum_finished), FIELD(gso_finished), FIELD(announced), FIELD(calls), FIELD(broken),
#undef FIELD
};

#define PORT_FIELDS ARRAY_SIZE(port_fields)

/* What a slot had counted when its port was made. */
static struct counters base[PORT_MAX];

struct sample {
	u64 value[QUEUE_FIELDS]; /* the last one */
	double rate[QUEUE_FIELDS]; /* per second, before that */
};

static struct sample samples[PORT_MAX][PORT_QUEUES];

struct lcore_sample {
	u64 busy;
	double load; /* share of time in rounds that moved frames */
	u64 slept;
	double asleep; /* share of time */
};

static struct lcore_sample lcore_samples[LCORE_MAX];
static u64 sampled; /* nanoseconds; 0: never */
static u64 started;

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

/* --- values ------------------------------------------------------------------- */

/* Of all lcores; each value is one that was true a moment ago. */
static u64 slot_value(unsigned int slot, size_t offset)
{
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < lcore_count; i++)
		sum += READ_ONCE(*(u64 *)((char *)&lcores[i]->counters[slot] + offset));
	return sum;
}

static size_t queue_offset(unsigned int queue, unsigned int field)
{
	return offsetof(struct counters, queue) + queue * sizeof(struct queue_counters) +
	       queue_fields[field].offset;
}

static u64 value_since(const struct port *p, size_t offset)
{
	return slot_value(p->index, offset) - *(u64 *)((char *)&base[p->index] + offset);
}

static u64 queue_value(const struct port *p, unsigned int queue, unsigned int field)
{
	return value_since(p, queue_offset(queue, field));
}

static u64 port_sum(const struct port *p, unsigned int field)
{
	unsigned int queue;
	u64 sum = 0;

	for (queue = 0; queue < PORT_QUEUES; queue++)
		sum += queue_value(p, queue, field);
	return sum;
}

void counters_begin(struct port *p)
{
	size_t offset;

	for (offset = 0; offset < sizeof(struct counters); offset += sizeof(u64))
		*(u64 *)((char *)&base[p->index] + offset) = slot_value(p->index, offset);
	memset(samples[p->index], 0, sizeof(samples[p->index]));
}

/* --- rates -------------------------------------------------------------------- */

/* Nanoseconds, the present sleep included. */
static u64 lcore_slept(const struct lcore *lc)
{
	u64 since = READ_ONCE(lc->asleep);

	return READ_ONCE(lc->slept) + (since ? now_ns() - since : 0);
}

static void sample_lcore(unsigned int i, u64 ns)
{
	struct lcore_sample *s = &lcore_samples[i];
	u64 busy = READ_ONCE(lcores[i]->busy_cycles), slept = lcore_slept(lcores[i]);
	double cycles = (double)ns * (double)rte_get_tsc_hz() / 1e9;

	s->load = ns ? (double)(busy - s->busy) / cycles : 0;
	/* What is read at one moment is not of one moment. */
	s->load = s->load > 1 ? 1 : s->load;
	/* What ends while it is read may be counted twice, once. */
	s->asleep = ns && slept > s->slept ? (double)(slept - s->slept) / (double)ns : 0;
	s->asleep = s->asleep > 1 ? 1 : s->asleep;
	s->busy = busy;
	s->slept = slept;
}

void counters_sample(void)
{
	u64 now = now_ns(), ns = sampled ? now - sampled : 0;
	unsigned int slot, queue, field;

	if (!started)
		started = now;
	for (slot = 0; slot < port_count; slot++) {
		if (!port_there(&ports[slot]))
			continue;
		for (queue = 0; queue < PORT_QUEUES; queue++) {
			struct sample *s = &samples[slot][queue];

			for (field = 0; field < QUEUE_FIELDS; field++) {
				u64 value = queue_value(&ports[slot], queue, field);

				s->rate[field] = ns ? (double)(value - s->value[field]) * 1e9 /
						      (double)ns : 0;
				s->value[field] = value;
			}
		}
	}
	for (slot = 0; slot < lcore_count; slot++)
		sample_lcore(slot, ns);
	sampled = now;
}

/* --- JSON --------------------------------------------------------------------- */

/* Rounded: fractions of a frame mean nothing. */
static void set_integer(json_t *object, const char *name, double value)
{
	json_object_set_new(object, name, json_integer((json_int_t)(value + 0.5)));
}

static void set_count(json_t *object, const char *name, u64 value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *queue_status(const struct port *p, unsigned int queue, bool rates)
{
	const struct sample *s = &samples[p->index][queue];
	unsigned int owner = port_owner(p, queue), field;
	json_t *object = json_object(), *rate;

	set_count(object, "queue", queue);
	json_object_set_new(object, "cpu", owner == PORT_NOBODY ?
			    json_null() : json_integer(lcores[owner]->cpu));
	for (field = 0; field < QUEUE_FIELDS; field++)
		set_count(object, queue_fields[field].name, queue_value(p, queue, field));
	if (!rates)
		return object;
	rate = json_object();
	for (field = 0; field < QUEUE_FIELDS; field++)
		set_integer(rate, queue_fields[field].name, s->rate[field]);
	json_object_set_new(object, "rates", rate);
	return object;
}

static json_t *port_status(struct port *p, bool rates)
{
	json_t *object = json_object(), *queues = json_array(), *rate;
	struct port_info info;
	unsigned int queue, field;
	size_t k;

	p->kind->info(p, &info);
	set_count(object, "number", p->index);
	json_object_set_new(object, "name", json_string(p->name));
	json_object_set_new(object, "kind", json_string(p->kind->name));
	json_object_set_new(object, "client", json_boolean(p->client));
	json_object_set_new(object, "isolated", json_boolean(p->isolated));
	json_object_set_new(object, "peer", p->peer ? json_integer(p->peer->index) : json_null());
	json_object_set_new(object, "connected", json_boolean(info.connected));
	json_object_set_new(object, "up", json_boolean(p->ops->up(p)));
	json_object_set_new(object, "packed", json_boolean(info.packed));
	/* As text: a JSON reader need not know integers of 64 bits. */
	json_object_set_new(object, "features", json_sprintf("0x%llx",
							     (unsigned long long)info.features));
	for (field = 0; field < QUEUE_FIELDS; field++)
		set_count(object, queue_fields[field].name, port_sum(p, field));
	for (k = 0; k < PORT_FIELDS; k++)
		set_count(object, port_fields[k].name, value_since(p, port_fields[k].offset));
	for (queue = 0; queue < PORT_QUEUES; queue++)
		if (queue < info.queues || queue_value(p, queue, 0) || queue_value(p, queue, 2))
			json_array_append_new(queues, queue_status(p, queue, rates));
	json_object_set_new(object, "queues", queues);
	if (!rates)
		return object;
	rate = json_object();
	for (field = 0; field < QUEUE_FIELDS; field++) {
		double sum = 0;

		for (queue = 0; queue < PORT_QUEUES; queue++)
			sum += samples[p->index][queue].rate[field];
		set_integer(rate, queue_fields[field].name, sum);
	}
	json_object_set_new(object, "rates", rate);
	return object;
}

static json_t *lcore_status(const struct lcore *lc, bool rates)
{
	const struct lcore_sample *s = &lcore_samples[lc->index];
	json_t *object = json_object();

	set_count(object, "cpu", lc->cpu);
	json_object_set_new(object, "node", json_integer(lc->node));
	set_count(object, "rounds", READ_ONCE(lc->rounds));
	set_count(object, "busy_rounds", READ_ONCE(lc->busy_rounds));
	set_count(object, "busy_cycles", READ_ONCE(lc->busy_cycles));
	set_count(object, "sleeps", READ_ONCE(lc->sleeps));
	set_count(object, "slept_ns", lcore_slept(lc));
	if (rates) {
		json_object_set_new(object, "load", json_real(s->load));
		json_object_set_new(object, "asleep", json_real(s->asleep));
	}
	return object;
}

json_t *counters_status(bool rates)
{
	json_t *root = json_object(), *list = json_array(), *threads = json_array();
	unsigned int i;

	for (i = 0; i < port_count; i++)
		if (port_there(&ports[i]))
			json_array_append_new(list, port_status(&ports[i], rates));
	for (i = 0; i < lcore_count; i++)
		json_array_append_new(threads, lcore_status(lcores[i], rates));
	json_object_set_new(root, "schema", json_string("viola-dpdk/1"));
	json_object_set_new(root, "version", json_string(VIOLA_VERSION));
	json_object_set_new(root, "pid", json_integer(getpid()));
	if (started)
		set_integer(root, "uptime", (double)(now_ns() - started) / 1e9);
	json_object_set_new(root, "forward", json_string(READ_ONCE(forward)->name));
	json_object_set_new(root, "mode", json_string(lcore_mode_names[lcores_mode]));
	json_object_set_new(root, "addresses", json_integer(fdb_entries()));
	json_object_set_new(root, "lcores", threads);
	json_object_set_new(root, "ports", list);
	return root;
}

int counters_write(const char *path)
{
	json_t *root;
	int err;

	pthread_mutex_lock(&ports_lock);
	root = counters_status(false);
	pthread_mutex_unlock(&ports_lock);
	if (!root)
		return -ENOMEM;
	err = json_dump_file(root, path, JSON_INDENT(2)) ? -EIO : 0;
	json_decref(root);
	return err;
}

/* --- telemetry ---------------------------------------------------------------- */

static int telemetry_ports(const char *cmd, const char *params, struct rte_tel_data *d)
{
	unsigned int i;

	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	pthread_mutex_lock(&ports_lock);
	for (i = 0; i < port_count; i++)
		if (port_there(&ports[i]))
			rte_tel_data_add_array_string(d, ports[i].name);
	pthread_mutex_unlock(&ports_lock);
	return 0;
}

static int telemetry_port(const char *cmd, const char *params, struct rte_tel_data *d)
{
	struct port *p = NULL;
	unsigned int index;
	size_t i;

	pthread_mutex_lock(&ports_lock);
	if (params && number_parse(params, 0, PORT_MAX - 1, &index) && port_there(&ports[index])) {
		p = &ports[index];
		rte_tel_data_start_dict(d);
		rte_tel_data_add_dict_string(d, "name", p->name);
		rte_tel_data_add_dict_string(d, "kind", p->kind->name);
		rte_tel_data_add_dict_int(d, "up", p->ops->up(p));
		for (i = 0; i < QUEUE_FIELDS; i++)
			rte_tel_data_add_dict_uint(d, queue_fields[i].name,
						  port_sum(p, (unsigned int)i));
		for (i = 0; i < PORT_FIELDS; i++)
			rte_tel_data_add_dict_uint(d, port_fields[i].name,
						  value_since(p, port_fields[i].offset));
	}
	pthread_mutex_unlock(&ports_lock);
	return p ? 0 : -EINVAL;
}

static int telemetry_lcore(const char *cmd, const char *params, struct rte_tel_data *d)
{
	unsigned int index;

	if (!params || !number_parse(params, 0, lcore_count - 1, &index))
		return -EINVAL;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_uint(d, "busy_rounds", READ_ONCE(lcores[index]->busy_rounds));
	rte_tel_data_add_dict_uint(d, "busy_cycles", READ_ONCE(lcores[index]->busy_cycles));
	return 0;
}

static int telemetry_queue(const char *cmd, const char *params, struct rte_tel_data *d)
{
	unsigned int owner, field;
	const struct port *p;
	u64 index, queue;
	char rate[32];
	int err = -EINVAL;

	if (!params || !number_take(&params, PORT_MAX - 1, &index) || *params++ != ',' ||
	    !number_take(&params, PORT_QUEUES - 1, &queue) || *params)
		return -EINVAL;
	pthread_mutex_lock(&ports_lock);
	p = &ports[index];
	if (port_there(p)) {
		owner = port_owner(p, (unsigned int)queue);
		rte_tel_data_start_dict(d);
		if (owner != PORT_NOBODY)
			rte_tel_data_add_dict_int(d, "cpu", (int)lcores[owner]->cpu);
		for (field = 0; field < QUEUE_FIELDS; field++) {
			const struct sample *s = &samples[index][queue];

			rte_tel_data_add_dict_uint(d, queue_fields[field].name,
						  queue_value(p, (unsigned int)queue, field));
			snprintf(rate, sizeof(rate), "%s_per_second", queue_fields[field].name);
			rte_tel_data_add_dict_uint(d, rate, (u64)(s->rate[field] + 0.5));
		}
		err = 0;
	}
	pthread_mutex_unlock(&ports_lock);
	return err;
}

int counters_register(void)
{
	int err = rte_telemetry_register_cmd("/viola/ports", telemetry_ports,
					     "The names of all ports. No parameters");

	if (!err)
		err = rte_telemetry_register_cmd("/viola/port", telemetry_port,
						 "A port's counters. Parameters: its number");
	if (!err)
		err = rte_telemetry_register_cmd("/viola/lcore", telemetry_lcore,
						 "An lcore's busy rounds and their TSC cycles. "
						 "Parameters: its number");
	if (!err)
		err = rte_telemetry_register_cmd("/viola/queue", telemetry_queue,
						 "A queue pair's counters, and rates if there is a "
						 "control socket. Parameters: port,queue");
	return err;
}
