// SPDX-License-Identifier: GPL-2.0
/*
 * viola-dpdk: vhost-user ports and Ethernet devices, forwarded by polling.
 *
 * DPDK carries sessions (lib/vhost), devices (ethdev) and the environment; the
 * rings and the copies are the ring core's. Documentation/dpdk.md says how.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "dpdk-backend/counters.h"
#include "dpdk-backend/fdb.h"
#include "dpdk-backend/forward.h"
#include "dpdk-backend/hole.h"
#include "dpdk-backend/options.h"
#include "dpdk-backend/session.h"
#include "dpdk-backend/uplink.h"

struct port ports[PORT_MAX];
unsigned int port_count;

#define EXIT_USAGE 2

static void on_signal(int signal)
{
	lcores_stop();
}

#define EAL_OWN 16

/*
 * The PCI devices that EAL may touch: those named as uplinks. Left to itself it
 * tries every one that it has a driver for, such as the machine's own NIC.
 */
static int eal_devices(const char **args, int n)
{
	unsigned int i;
	int first = n;

	for (i = 0; i < port_count; i++) {
		const char *name = ports[i].name;

		if (ports[i].ops != &uplink_port_ops || !memchr(name, ':', strcspn(name, ",")))
			continue;
		args[n++] = "-a";
		args[n++] = name;
	}
	if (n == first)
		args[n++] = "--no-pci";
	return n;
}

/* Starts EAL. 0, or -errno with a sentence on stderr. */
static int eal_start(const struct options *o)
{
	char memory[16];
	const char **args = calloc((size_t)o->neal + EAL_OWN + 2 * PORT_MAX,
				   sizeof(*args));
	int n = 0, i, ret, out, null;

	if (!args)
		return -ENOMEM;
	args[n++] = "viola-dpdk";
	args[n++] = "-l";
	args[n++] = o->cores;
	args[n++] = "--file-prefix";
	/* One for all: nothing is shared but the folder of telemetry's sockets. */
	args[n++] = "viola";
	/* Nothing stays in hugetlbfs, however this ends. */
	args[n++] = o->no_huge ? "--no-shconf" : "--in-memory";
	args[n++] = "--log-level=lib.*:warning";
	args[n++] = "--log-level=user1:info";
	args[n++] = "--log-level=lib.vhost.*:error";
	if (o->quiet)
		args[n++] = "--log-level=user1:warning";
	if (o->no_huge)
		args[n++] = "--no-huge";
	if (o->memory || o->no_huge) {
		snprintf(memory, sizeof(memory), "%u", o->memory ? o->memory : 128);
		args[n++] = "-m";
		args[n++] = memory;
	}
	n = eal_devices(args, n);
	for (i = 0; i < o->neal; i++)
		args[n++] = o->eal[i];
	/* EAL answers a wrong option with its whole usage, on stdout. */
	fflush(stdout);
	out = dup(STDOUT_FILENO);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (out >= 0 && null >= 0)
		dup2(null, STDOUT_FILENO);
	ret = rte_eal_init(n, (char **)args);
	fflush(stdout);
	if (out >= 0) {
		dup2(out, STDOUT_FILENO);
		close(out);
	}
	if (null >= 0)
		close(null);
	free(args);
	if (ret >= 0)
		return 0;
	fprintf(stderr,
		"viola-dpdk: DPDK cannot start (%s): check --cores %s against the CPUs here, and %s\n",
		rte_strerror(rte_errno), o->cores,
		o->no_huge ? "--memory" : "reserve hugepages or use --no-huge");
	return -EIO;
}

static int ports_open(char *why, size_t size)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < port_count; i++)
		if (ports[i].ops == &uplink_port_ops)
			err = uplink_open(&ports[i], why, size);
	/* Sockets last: whoever connects finds everything ready. */
	for (i = 0; !err && i < port_count; i++)
		if (ports[i].ops == &session_port_ops)
			err = session_listen(&ports[i], why, size);
	return err;
}

static void ports_close(void)
{
	unsigned int i;

	for (i = 0; i < port_count; i++) {
		if (ports[i].ops == &session_port_ops)
			session_unlisten(&ports[i]);
		else if (ports[i].rx_queues)
			uplink_close(&ports[i]);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct options o;
	char why[512];
	int status = EXIT_SUCCESS, err;

	switch (options_parse(&o, argc, argv)) {
	case OPTIONS_DONE:
		return EXIT_SUCCESS;
	case OPTIONS_WRONG:
		return EXIT_USAGE;
	case OPTIONS_RUN:
		break;
	}
	if (eal_start(&o))
		return EXIT_USAGE;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	/* A front end that is gone while the library answers it. */
	signal(SIGPIPE, SIG_IGN);
	/* One that cuts short the file of its memory. */
	hole_handle();

	fdb_init(o.ageing);
	err = lcores_init(o.idle_us);
	if (err) {
		fprintf(stderr, "viola-dpdk: %s; give more with --memory, or fewer --cores\n",
			err == -ENOMEM ? "no memory for the lcores" : "too many CPUs");
		status = EXIT_USAGE;
	} else if (ports_open(why, sizeof(why))) {
		fprintf(stderr, "viola-dpdk: %s\n", why);
		status = EXIT_USAGE;
	} else {
		err = counters_register();
		if (err)
			fprintf(stderr, "viola-dpdk: no telemetry: %s\n", strerror(-err));
		lcores_run();
	}
	ports_close();
	if (status == EXIT_SUCCESS && o.stats) {
		err = counters_write(o.stats);
		if (err) {
			fprintf(stderr, "viola-dpdk: %s: cannot be written; name a file in a "
				"directory you may write to\n", o.stats);
			status = EXIT_FAILURE;
		}
	}
	rte_eal_cleanup();
	return status;
}
