// SPDX-License-Identifier: GPL-2.0
/* What a client of the control socket can ask for. */
#include <stdio.h>
#include <stdlib.h>
#include <linux/pci_regs.h>

#include "vmm/control/qmp.h"
#include "vmm/pci/le.h"
#include "vmm/platform/pm.h"
#include "vmm/stats.h"
#include "vmm/vm-private.h"

static int run_capabilities(struct qmp *qmp, const json_t *args, json_t **result,
			    struct qmp_error *error)
{
	const json_t *enable = json_object_get(args, "enable");

	if (qmp->negotiated) {
		error->class = QMP_NOT_FOUND;
		return qmp_fail(error, "Capabilities negotiation is already complete, command ignored");
	}
	/* None is offered. */
	if (enable && (!json_is_array(enable) || json_array_size(enable)))
		return qmp_fail(error, "Parameter 'enable' must be an empty list");
	qmp->negotiated = true;
	return 0;
}

static int run_query_version(struct qmp *qmp, const json_t *args, json_t **result,
			     struct qmp_error *error)
{
	*result = qmp_version();
	return 0;
}

static const char *run_state_name(enum run_state state)
{
	static const char *const names[] = {
		[RUN_RUNNING] = "running", [RUN_PAUSED] = "paused", [RUN_STOPPING] = "shutdown",
	};

	return names[state];
}

static int run_query_status(struct qmp *qmp, const json_t *args, json_t **result,
			    struct qmp_error *error)
{
	const enum run_state state = vm_run_state(qmp->vm);

	*result = json_pack("{s:s,s:b}", "status", run_state_name(state), "running",
			    state == RUN_RUNNING);
	return 0;
}

static int run_stop(struct qmp *qmp, const json_t *args, json_t **result,
		    struct qmp_error *error)
{
	if (vm_run_state(qmp->vm) != RUN_RUNNING)
		return 0;
	vm_pause(qmp->vm);
	qmp_event(qmp, "STOP");
	return 0;
}

static int run_cont(struct qmp *qmp, const json_t *args, json_t **result,
		    struct qmp_error *error)
{
	if (vm_run_state(qmp->vm) != RUN_PAUSED)
		return 0;
	vm_resume(qmp->vm);
	qmp_event(qmp, "RESUME");
	return 0;
}

static int run_system_powerdown(struct qmp *qmp, const json_t *args, json_t **result,
				struct qmp_error *error)
{
	pm_power_button(qmp->vm);
	qmp_event(qmp, "POWERDOWN");
	return 0;
}

static int run_quit(struct qmp *qmp, const json_t *args, json_t **result,
		    struct qmp_error *error)
{
	qmp->quit = true;
	return 0;
}

/* --- query-pci ------------------------------------------------------------------ */

static json_t *describe_bar(const struct pci_bar *bar)
{
	json_t *region = json_pack("{s:i,s:s,s:I,s:I}", "bar", bar->index, "type",
				   bar->kind == PCI_BAR_IO ? "io" : "memory", "address",
				   bar->mapped ? (json_int_t)bar->base : (json_int_t)-1, "size",
				   (json_int_t)bar->size);

	if (bar->kind != PCI_BAR_IO) {
		json_object_set_new(region, "prefetch", json_boolean(bar->kind == PCI_BAR_MEM64));
		json_object_set_new(region, "mem_type_64",
				    json_boolean(bar->kind == PCI_BAR_MEM64));
	}
	return region;
}

static json_t *describe_device(struct pci_device *dev)
{
	json_t *regions = json_array(), *device;
	unsigned int i;

	pthread_mutex_lock(&dev->config_lock);
	for (i = 0; i < PCI_BARS; i++)
		if (dev->bar[i].kind != PCI_BAR_NONE)
			json_array_append_new(regions, describe_bar(&dev->bar[i]));
	device = json_pack("{s:i,s:i,s:i,s:s,s:{s:i},s:{s:i,s:i,s:i,s:i},s:i,s:o}",
			   "bus", 0, "slot", dev->slot, "function", 0, "qdev_id", dev->name,
			   "class_info", "class", get_le16(dev->config + PCI_CLASS_DEVICE),
			   "id", "vendor", get_le16(dev->config + PCI_VENDOR_ID),
			   "device", get_le16(dev->config + PCI_DEVICE_ID),
			   "subsystem-vendor", get_le16(dev->config + PCI_SUBSYSTEM_VENDOR_ID),
			   "subsystem", get_le16(dev->config + PCI_SUBSYSTEM_ID),
			   "irq_pin", dev->config[PCI_INTERRUPT_PIN], "regions", regions);
	if (dev->config[PCI_INTERRUPT_PIN])
		json_object_set_new(device, "irq", json_integer(dev->intx_gsi));
	pthread_mutex_unlock(&dev->config_lock);
	return device;
}

static int run_query_pci(struct qmp *qmp, const json_t *args, json_t **result,
			 struct qmp_error *error)
{
	json_t *devices = json_array();
	unsigned int i;

	for (i = 0; i < PCI_SLOTS; i++)
		if (qmp->vm->pci.slot[i])
			json_array_append_new(devices, describe_device(qmp->vm->pci.slot[i]));
	*result = json_pack("[{s:i,s:o}]", "bus", 0, "devices", devices);
	return 0;
}

/* --- */

/* The document of --stats, without a status: the machine has not ended. */
static int run_query_stats(struct qmp *qmp, const json_t *args, json_t **result,
			   struct qmp_error *error)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return qmp_fail(error, "out of memory");
	stats_write(qmp->vm, qmp->console, NULL, out);
	fclose(out);
	*result = json_loadb(text, len, 0, NULL);
	free(text);
	return *result ? 0 : qmp_fail(error, "out of memory");
}

static int run_query_commands(struct qmp *qmp, const json_t *args, json_t **result,
			      struct qmp_error *error)
{
	const struct qmp_command *c;

	*result = json_array();
	for (c = qmp_commands; c->name; c++)
		json_array_append_new(*result, json_pack("{s:s}", "name", c->name));
	return 0;
}

const struct qmp_command qmp_commands[] = {
	{ "qmp_capabilities", "enable", run_capabilities },
	{ "query-commands", NULL, run_query_commands },
	{ "query-version", NULL, run_query_version },
	{ "query-status", NULL, run_query_status },
	{ "query-pci", NULL, run_query_pci },
	{ "query-stats", NULL, run_query_stats },
	{ "stop", NULL, run_stop },
	{ "cont", NULL, run_cont },
	{ "system_powerdown", NULL, run_system_powerdown },
	{ "quit", NULL, run_quit },
	{ NULL, NULL, NULL },
};
