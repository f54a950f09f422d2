// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/boot/boot.h"
#include "vmm/complain.h"
#include "vmm/control/control.h"
#include "vmm/error.h"
#include "vmm/kvm.h"
#include "vmm/loop.h"
#include "vmm/machine.h"
#include "vmm/net/address.h"
#include "vmm/net/backend.h"
#include "vmm/options.h"
#include "vmm/serial/console.h"
#include "vmm/stats.h"
#include "vmm/vcpu.h"
#include "vmm/vm-private.h"

#define STATUS_UNUSABLE 2

/* All that a machine is made of; what is not there yet is NULL, or -1. */
struct machine {
	const struct vmm_options *o;
	struct boot_files files;
	int kvm_fd; /* until the VM has it */
	int serial1_fd; /* until the console has it */
	FILE *stats;
	char *cmdline;
	struct loop *loop; /* this thread's */
	struct vm *vm;
	struct console *console;
	struct control *control;
	struct boot_entry entry;
};

/* --- what can be found out before anything is changed ------------------------- */

static int check_pins(const struct vmm_options *o)
{
	cpu_set_t set;
	unsigned int i;

	if (!o->nr_pin || sched_getaffinity(0, sizeof(set), &set))
		return 0;
	for (i = 0; i < o->nr_pin; i++)
		if (!CPU_ISSET((unsigned int)o->pin[i], &set))
			return vmm_fail(EINVAL, "--pin: this process may not run on host CPU %d",
					o->pin[i]);
	return 0;
}

static int check_paths(const struct vmm_options *o)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < o->nr_net && !err; i++)
		err = nic_path_check(o->net[i].path);
	return err ? vmm_fail(-err, "--net: %s", vmm_error()) : 0;
}

static int make_cmdline(struct machine *m)
{
	const char *append = m->o->append ? m->o->append : "";
	bool console = !strncmp(append, "console=", 8) || strstr(append, " console=");

	if (asprintf(&m->cmdline, "%s%s%s", console ? "" : "console=ttyS0",
		     console || !*append ? "" : " ", append) < 0) {
		m->cmdline = NULL;
		return vmm_fail(ENOMEM, "out of memory");
	}
	return 0;
}

/* Files that are written are opened last: nothing is cut off in vain. */
static int open_outputs(struct machine *m)
{
	if (m->o->serial1) {
		/* A FIFO that nobody reads is an error, not a hang. */
		m->serial1_fd = open(m->o->serial1,
				     O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666);
		if (m->serial1_fd < 0)
			return vmm_fail(errno, "--serial1 %s: %m", m->o->serial1);
	}
	if (m->o->stats) {
		m->stats = fopen(m->o->stats, "we");
		if (!m->stats)
			return vmm_fail(errno, "--stats %s: %m", m->o->stats);
	}
	return 0;
}

static int prepare(struct machine *m)
{
	int err;

	err = boot_files_open(&m->files, m->o->kernel, m->o->initrd);
	if (!err)
		err = check_pins(m->o);
	if (!err)
		err = check_paths(m->o);
	if (!err)
		err = make_cmdline(m);
	if (err)
		return err;
	m->kvm_fd = kvm_open(m->o->cpus);
	return m->kvm_fd < 0 ? m->kvm_fd : open_outputs(m);
}

/* --- building ------------------------------------------------------------------ */

static int create_nics(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < m->o->nr_net; i++) {
		const struct net_option *net = &m->o->net[i];
		struct net_backend *be = NULL;
		struct nic_config config = net->config;
		int err = 0;

		config.host = net->host;
		if (net->backend)
			err = net->backend->open(&be, net->ifname, net->config.queues);
		if (!err) {
			if (be)
				nic_address_complete(&config, be);
			err = net->path->create(net->path, m->vm, be, &config);
		}
		if (err)
			return vmm_fail(-err, "--net path=%s: %s", net->path->name, vmm_error());
	}
	return 0;
}

static int build(struct machine *m)
{
	const struct vmm_options *o = m->o;
	int err, kvm_fd = m->kvm_fd, serial1_fd = m->serial1_fd;

	err = loop_create(&m->loop, NULL);
	if (err)
		return err;
	m->kvm_fd = -1;
	err = vm_create(&m->vm, m->loop, kvm_fd, o->mem, o->cpus);
	if (!err)
		err = boot_load(m->vm, &m->files, m->cmdline, &m->entry);
	boot_files_close(&m->files);
	if (err)
		return err;
	m->serial1_fd = -1;
	err = console_create(&m->console, m->vm, serial1_fd);
	if (!err)
		err = create_nics(m);
	if (!err && o->control)
		err = control_create(&m->control, m->vm, m->console, o->control);
	if (!err)
		err = acpi_build(m->vm, o->serial1);
	if (!err)
		err = vcpus_create(m->vm, &m->entry, o->nr_pin ? o->pin : NULL);
	if (!err)
		err = coalesced_port(m->vm, LAYOUT_COM1);
	if (!err && o->serial1)
		err = coalesced_port(m->vm, LAYOUT_COM2);
	return err;
}

/* --- the end ------------------------------------------------------------------- */

static void write_stats(struct machine *m, int status)
{
	FILE *out = m->stats;

	if (!out || !m->console)
		return;
	stats_write(m->vm, m->console, &status, out);
	if (fflush(out))
		vmm_say("--stats %s: %s", m->o->stats, strerror(errno));
}

static void destroy(struct machine *m)
{
	control_destroy(m->control);
	/* The ports call the console's UARTs, and devices use the machine. */
	if (m->vm)
		vm_destroy(m->vm);
	console_destroy(m->console);
	loop_destroy(m->loop);
	boot_files_close(&m->files);
	if (m->kvm_fd >= 0)
		close(m->kvm_fd);
	if (m->serial1_fd >= 0)
		close(m->serial1_fd);
	if (m->stats)
		fclose(m->stats);
	free(m->cmdline);
}

static int run(struct machine *m)
{
	struct vm_private *priv = m->vm->priv;

	if (vcpus_start(m->vm))
		vm_give_up(m->vm, "starting");
	console_start(m->console);
	loop_run(m->loop);
	vcpus_join(m->vm);
	console_finish(m->console);
	write_stats(m, priv->status);
	if (priv->status == VM_FAILED)
		vmm_fail(EIO, "%s", priv->reason);
	return priv->status;
}

int machine_run(const struct vmm_options *options)
{
	struct machine m = {
		.o = options, .files = { .kernel_fd = -1, .initrd_fd = -1 },
		.kvm_fd = -1, .serial1_fd = -1,
	};
	int status = STATUS_UNUSABLE;
	char why[512];

	if (!prepare(&m) && !build(&m))
		status = run(&m);
	/* What fails below only because of it must not take its place. */
	snprintf(why, sizeof(why), "%s", vmm_error());
	destroy(&m);
	vmm_fail(EIO, "%s", why);
	return status;
}
