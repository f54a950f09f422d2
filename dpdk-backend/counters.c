// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/counters.h"

#include <errno.h>
#include <stddef.h>

#include <jansson.h>
#include <rte_telemetry.h>

#include "dpdk-backend/fdb.h"
#include "dpdk-backend/forward.h"
#include "tools/lib/number.h"

static const struct {
	const char *name;
	size_t offset;
} fields[] = {
#define FIELD(f) { #f, offsetof(struct counters, f) }
	FIELD(rx_frames),  FIELD(rx_bytes),	FIELD(rx_invalid),
	FIELD(rx_mtu), FIELD(rx_limited), FIELD(rx_storm), FIELD(rx_filtered),
	FIELD(addr_moved), FIELD(addr_refused),
	FIELD(tx_frames),  FIELD(tx_bytes),	FIELD(tx_no_buffer),
	FIELD(tx_too_long), FIELD(tx_mtu), FIELD(tx_limited), FIELD(tx_down),
	FIELD(tx_offload), FIELD(csum_finished), FIELD(gso_finished),
	FIELD(announced), FIELD(calls), FIELD(broken),
#undef FIELD
};

/* The sum over all lcores; each value is one that was true a moment ago. */
static u64 counter(const struct port *p, size_t offset)
{
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < lcore_count; i++)
		sum += READ_ONCE(*(u64 *)((char *)&lcores[i]->counters[p->index] + offset));
	return sum;
}

static int telemetry_ports(const char *cmd, const char *params, struct rte_tel_data *d)
{
	unsigned int i;

	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	for (i = 0; i < port_count; i++)
		rte_tel_data_add_array_string(d, ports[i].name);
	return 0;
}

static int telemetry_port(const char *cmd, const char *params, struct rte_tel_data *d)
{
	unsigned int index;
	size_t i;

	if (!params || !number_parse(params, 0, port_count - 1, &index))
		return -EINVAL;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "name", ports[index].name);
	rte_tel_data_add_dict_string(d, "kind", ports[index].ops->kind);
	rte_tel_data_add_dict_int(d, "up", ports[index].ops->up(&ports[index]));
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		rte_tel_data_add_dict_u64(d, fields[i].name,
					  counter(&ports[index], fields[i].offset));
	return 0;
}

static int telemetry_lcore(const char *cmd, const char *params, struct rte_tel_data *d)
{
	unsigned int index;

	if (!params || !number_parse(params, 0, lcore_count - 1, &index))
		return -EINVAL;
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_u64(d, "busy_rounds", READ_ONCE(lcores[index]->busy_rounds));
	rte_tel_data_add_dict_u64(d, "busy_cycles", READ_ONCE(lcores[index]->busy_cycles));
	return 0;
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
	return err;
}

int counters_write(const char *path)
{
	json_t *root = json_object(), *list = json_array();
	u64 rounds = 0, cycles = 0;
	unsigned int i;
	int err = -ENOMEM;
	size_t k;

	for (i = 0; i < port_count; i++) {
		json_t *port = json_object();

		json_object_set_new(port, "name", json_string(ports[i].name));
		json_object_set_new(port, "kind", json_string(ports[i].ops->kind));
		for (k = 0; k < ARRAY_SIZE(fields); k++)
			json_object_set_new(port, fields[k].name,
					    json_integer((json_int_t)counter(&ports[i],
									     fields[k].offset)));
		json_array_append_new(list, port);
	}
	json_object_set_new(root, "schema", json_string("viola-dpdk/1"));
	json_object_set_new(root, "version", json_string(VIOLA_VERSION));
	json_object_set_new(root, "forward", json_string(forward->name));
	json_object_set_new(root, "lcores", json_integer(lcore_count));
	for (i = 0; i < lcore_count; i++) {
		rounds += READ_ONCE(lcores[i]->busy_rounds);
		cycles += READ_ONCE(lcores[i]->busy_cycles);
	}
	json_object_set_new(root, "busy_rounds", json_integer((json_int_t)rounds));
	json_object_set_new(root, "busy_cycles", json_integer((json_int_t)cycles));
	json_object_set_new(root, "addresses", json_integer(fdb_entries()));
	json_object_set_new(root, "ports", list);
	if (root && list)
		err = json_dump_file(root, path, JSON_INDENT(2)) ? -EIO : 0;
	json_decref(root);
	return err;
}
