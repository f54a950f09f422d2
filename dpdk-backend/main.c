// SPDX-License-Identifier: GPL-2.0
/*
 * viola-dpdk: vhost-user ports and Ethernet devices, forwarded by polling.
 *
 * DPDK carries sessions (lib/vhost), devices (ethdev) and the environment; the
 * rings and the copies are the ring core's. Documentation/dpdk.md says how.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "dpdk-backend/control/client.h"
#include "dpdk-backend/control/control.h"
#include "dpdk-backend/control/counters.h"
#include "dpdk-backend/control/notify.h"
#include "dpdk-backend/forward/fdb.h"
#include "dpdk-backend/forward/forward.h"
#include "dpdk-backend/log.h"
#include "dpdk-backend/options.h"
#include "dpdk-backend/port/ports.h"
#include "dpdk-backend/vhost/hole.h"
#include "dpdk-backend/vhost/inherit.h"
#include "dpdk-backend/vhost/session.h"

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
static int eal_devices(const struct options *o, const char **args, int n)
{
	unsigned int i;
	int first = n;

	for (i = 0; i < o->nport; i++) {
		const char *name = o->port[i].name;

		if (o->port[i].kind != &port_kind_uplink || !memchr(name, ':', strcspn(name, ",")))
			continue;
		args[n++] = "-a";
		args[n++] = name;
	}
	if (n == first)
		args[n++] = "--no-pci";
	return n;
}

/* Whether any hugepage is free, of any size. */
static bool hugepages_free(void)
{
	unsigned long pages, sum = 0;
	glob_t found = {};
	size_t i;

	glob("/sys/kernel/mm/hugepages/hugepages-*/free_hugepages", 0, NULL, &found);
	for (i = 0; i < found.gl_pathc; i++) {
		FILE *f = fopen(found.gl_pathv[i], "re");
		char text[32];

		if (!f)
			continue;
		pages = fgets(text, sizeof(text), f) ? strtoul(text, NULL, 10) : 0;
		sum += pages;
		fclose(f);
	}
	globfree(&found);
	return sum;
}

/* Sends what is written to @fd nowhere. What it was, for unmute(); -1: it is as before. */
static int mute(int fd)
{
	int was, null;

	fflush(NULL);
	was = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (was >= 0 && null >= 0)
		dup2(null, fd);
	if (null >= 0)
		close(null);
	return was;
}

static void unmute(int fd, int was)
{
	if (was < 0)
		return;
	fflush(NULL);
	dup2(was, fd);
	close(was);
}

/* Starts EAL. 0, or -errno with a sentence on stderr. */
static int eal_start(const struct options *o)
{
	char memory[16];
	const char **args = calloc(o->neal + EAL_OWN + 2 * PORT_MAX,
				   sizeof(*args));
	int n = 0, ret, out, errors;
	unsigned int i;

	if (!args)
		return -ENOMEM;
	if (!o->no_huge && !hugepages_free()) {
		fputs("viola-dpdk: no hugepage is free; reserve some, as in \"echo 512 "
		      ">/proc/sys/vm/nr_hugepages\", or use --no-huge\n", stderr);
		free(args);
		return -ENOMEM;
	}
	args[n++] = "viola-dpdk";
	args[n++] = "-l";
	args[n++] = o->cores;
	args[n++] = "--file-prefix";
	/* One for all: nothing is shared but the folder of telemetry's sockets. */
	args[n++] = "viola";
	/* Nothing stays in hugetlbfs, however this ends. */
	args[n++] = o->no_huge ? "--no-shconf" : "--in-memory";
	args[n++] = o->verbose ? "--log-level=lib.*:info" : "--log-level=lib.*:warning";
	args[n++] = "--log-level=user1:info";
	if (o->quiet)
		args[n++] = "--log-level=user1:warning";
	if (o->no_huge)
		args[n++] = "--no-huge";
	if (o->memory || o->no_huge) {
		snprintf(memory, sizeof(memory), "%u", o->memory ? o->memory : 128);
		args[n++] = "-m";
		args[n++] = memory;
	}
	n = eal_devices(o, args, n);
	for (i = 0; i < o->neal; i++)
		args[n++] = o->eal[i];
	/* EAL answers a wrong option with its whole usage, and past the log with lines. */
	out = mute(STDOUT_FILENO);
	errors = o->verbose ? -1 : mute(STDERR_FILENO);
	log_begin();
	ret = rte_eal_init(n, (char **)args);
	unmute(STDOUT_FILENO, out);
	unmute(STDERR_FILENO, errors);
	free(args);
	if (ret >= 0)
		return 0;
	fprintf(stderr,
		"viola-dpdk: DPDK cannot start: %s: check --cores %s against the CPUs here, %sand %s\n",
		*log_reason() ? log_reason() : rte_strerror(rte_errno), o->cores,
		o->neal ? "the options behind --, " : "",
		o->no_huge ? "--memory" : "reserve hugepages or use --no-huge");
	return -EIO;
}

/* Ports of the configuration, in order. */
static int ports_open(const struct options *o, char *why, size_t size)
{
	unsigned int i, slot[PORT_MAX];
	struct port_request r;
	/* Sockets last: whoever connects finds everything ready. */
	const struct port_kind *const order[] = { &port_kind_uplink, &port_kind_session };
	unsigned int k;
	int ret;

	for (k = 0; k < ARRAY_SIZE(order); k++) {
		for (i = 0; i < o->nport; i++) {
			r = o->port[i];
			if (r.kind != order[k])
				continue;
			r.number = (int)i;
			ret = port_add(&r, why, size);
			if (ret < 0)
				return ret;
			slot[i] = (unsigned int)ret;
		}
	}
	for (i = 0; i < o->npatch; i++) {
		ret = port_patch(&ports[slot[o->patch[i][0]]], &ports[slot[o->patch[i][1]]], why,
				 size);
		if (ret)
			return ret;
	}
	return 0;
}

/* The CPUs that this may use and lcores do not; all it may use if none is left. */
static void cpus_left(const cpu_set_t *allowed, cpu_set_t *left)
{
	unsigned int i;

	*left = *allowed;
	for (i = 0; i < lcore_count; i++)
		CPU_CLR(lcores[i]->cpu, left);
	if (!CPU_COUNT(left))
		*left = *allowed;
}

/* Everything between the start of EAL and its end. The exit status. */
static int serve(const struct options *o, const cpu_set_t *allowed)
{
	int status = EXIT_SUCCESS, err;
	char why[512] = "";
	cpu_set_t left;

	fdb_init(o->ageing);
	session_config = o->session;
	forward_source_len = o->frame - 4;
	ports_mtu = o->mtu;
	err = lcores_init(o->mode);
	if (err) {
		fprintf(stderr, "viola-dpdk: %s; give more with --memory, or fewer --cores\n",
			err == -E2BIG ? "too many CPUs" : "no memory for the lcores");
		return EXIT_USAGE;
	}
	ports_init();
	cpus_left(allowed, &left);
	pthread_mutex_lock(&ports_lock);
	err = ports_open(o, why, sizeof(why));
	pthread_mutex_unlock(&ports_lock);
	if (!err)
		err = inherit_start(o->inherit, o->ninherit, &left, why, sizeof(why));
	if (!err && o->control)
		err = control_start(o->control, &left, why, sizeof(why));
	if (err) {
		fprintf(stderr, "viola-dpdk: %s\n", why);
		status = EXIT_USAGE;
	} else {
		err = counters_register();
		if (err)
			fprintf(stderr, "viola-dpdk: no telemetry: %s\n", strerror(-err));
		/* Whoever starts front ends after this finds the sockets. */
		err = notify_send("READY=1");
		if (err)
			fprintf(stderr, "viola-dpdk: NOTIFY_SOCKET cannot be told: %s\n",
				strerror(-err));
		lcores_run();
		if (!err)
			notify_send("STOPPING=1");
	}
	control_stop();
	inherit_stop();
	if (status == EXIT_SUCCESS && o->stats) {
		err = counters_write(o->stats);
		if (err) {
			fprintf(stderr, "viola-dpdk: %s: cannot be written; name a file in a "
				"directory you may write to\n", o->stats);
			status = EXIT_FAILURE;
		}
	}
	pthread_mutex_lock(&ports_lock);
	ports_close();
	pthread_mutex_unlock(&ports_lock);
	return status;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	static struct options o;
	cpu_set_t allowed;
	int status;

	if (argc > 1 && *argv[1] != '-')
		return client_main(argc - 1, argv + 1);
	switch (options_parse(&o, argc, argv)) {
	case OPTIONS_DONE:
		return EXIT_SUCCESS;
	case OPTIONS_WRONG:
		return EXIT_USAGE;
	case OPTIONS_RUN:
		break;
	}
	/* EAL puts this thread onto one CPU. */
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		CPU_ZERO(&allowed);
	if (log_open(o.verbose))
		fputs("viola-dpdk: no memory for a log of its own; DPDK writes its own\n", stderr);
	if (eal_start(&o))
		return EXIT_USAGE;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	/* A front end that is gone while the library answers it. */
	signal(SIGPIPE, SIG_IGN);
	/* One that cuts short the file of its memory. */
	hole_handle();
	status = serve(&o, &allowed);
	rte_eal_cleanup();
	return status;
}
