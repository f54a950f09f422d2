// SPDX-License-Identifier: GPL-2.0
#include "tests/bench/dpdk/load.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>

#define CACHE 256 /* mbufs that a pool keeps for this CPU */

#define SETTLE_US 300000

/* What the driver said; it tells the paths it took in its log alone. */
static FILE *log_file;
static char *log_text;
static size_t log_size;

static bool port_start(const struct load *load, uint16_t port, struct rte_mempool *pool)
{
	/* A driver of virtio_user learns from this interrupt alone that a back end went away. */
	struct rte_eth_conf conf = { .intr_conf.lsc = load->server };
	uint16_t rx = (uint16_t)load->ring_size, tx = rx, q;
	int err = rte_eth_dev_configure(port, (uint16_t)load->queues, (uint16_t)load->queues,
					&conf);

	if (!err)
		err = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx, &tx);
	for (q = 0; !err && q < load->queues; q++) {
		err = rte_eth_rx_queue_setup(port, q, rx, 0, NULL, pool);
		if (!err)
			err = rte_eth_tx_queue_setup(port, q, tx, 0, NULL);
	}
	return !err && !rte_eth_dev_start(port);
}

/* The last thing that the driver said after @what, as in "using standard Rx path on port 0". */
static void path_find(char *path, const char *what, uint16_t port)
{
	char *line, *at, *end, behind[32];

	snprintf(path, LOAD_PATH, "unknown");
	snprintf(behind, sizeof(behind), " on port %u", port);
	fflush(log_file);
	for (line = log_text; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			return;
		*end = 0;
		at = strstr(line, "using ");
		if (at && strstr(at, what) && strstr(at, behind)) {
			at += strlen("using ");
			snprintf(path, LOAD_PATH, "%.*s", (int)(strstr(at, behind) - at), at);
		}
		*end = '\n';
	}
}

static struct rte_mempool *pool_make(const char *kind, unsigned int a, unsigned int b,
				     unsigned int count)
{
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "%s-%u-%u", kind, a, b);
	return rte_pktmbuf_pool_create(name, count, CACHE, 0, 2048 + RTE_PKTMBUF_HEADROOM,
				       SOCKET_ID_ANY);
}

bool user_start(struct load *load, unsigned int index, uint16_t first)
{
	struct contender *c = &load->contender[index];
	unsigned int p, q;

	c->queues = c->ports * load->queues;
	c->received = pool_make("received", index, 0,
				c->queues * (2 * load->ring_size + CACHE * 2));
	if (!c->received)
		return false;
	for (p = 0; p < c->ports; p++) {
		if (!port_start(load, (uint16_t)(first + p), c->received))
			return false;
		for (q = 0; q < load->queues; q++) {
			struct load_queue *lq = &c->queue[p * load->queues + q];

			lq->port = (uint16_t)(first + p);
			lq->queue = (uint16_t)q;
			lq->next = load->touch ? lq :
				   &c->queue[(c->ports - 1 - p) * load->queues + q];
			lq->frames = pool_make("frames", index, p * load->queues + q,
					       2 * load->ring_size + CACHE * 2);
			if (!lq->frames)
				return false;
			frames_prepare(lq, load->len, p);
		}
	}
	path_find(c->rx_path, "Rx", first);
	path_find(c->tx_path, "Tx", first);
	return true;
}

void user_stop(struct load *load, struct contender *c)
{
	unsigned int p;

	for (p = 0; p < c->ports; p++) {
		uint16_t port = c->queue[p * load->queues].port;

		rte_eth_dev_stop(port);
		rte_eth_dev_close(port);
	}
}

bool load_start(struct load *load, const char *cpu)
{
	static char vdev[LOAD_CONTENDERS * LOAD_PORTS][256];
	const char *args[24 + 2 * LOAD_CONTENDERS * LOAD_PORTS] = {
		"load", "-l", cpu, "--no-pci", "--no-telemetry",
		"--log-level=pmd.net.virtio.init:debug",
		/* The driver's vector paths of packed rings want 512. */
		"--force-max-simd-bitwidth=512",
		/* A back end takes 8 regions of memory. */
		"--single-file-segments", "--file-prefix", "viola-load",
	};
	int n = 10;
	unsigned int i, p, ports = 0;

	args[n++] = "-m";
	args[n++] = "384";
	if (load->huge) {
		args[n++] = "--in-memory";
	} else {
		args[n++] = "--no-huge";
		args[n++] = "--no-shconf";
	}
	for (i = 0; i < load->contenders && load->driver == &user_driver; i++) {
		for (p = 0; p < load->contender[i].ports; p++, ports++) {
			snprintf(vdev[ports], sizeof(vdev[ports]),
				 "net_virtio_user%u,mac=02:00:00:00:%02x:%02x,queue_size=%u,"
				 "queues=%u%s%s,%s,path=%s", ports, i, p + 1, load->ring_size,
				 load->queues, load->queues > 1 ? ",cq=1" : "",
				 load->server ? ",server=1" : "", load->devargs,
				 load->contender[i].socket[p]);
			args[n++] = "--vdev";
			args[n++] = vdev[ports];
		}
	}
	log_file = open_memstream(&log_text, &log_size);
	if (!log_file || rte_openlog_stream(log_file) || rte_eal_init(n, (char **)args) < 0 ||
	    rte_eth_dev_count_avail() != ports)
		goto failed;
	load->hz = rte_get_tsc_hz();
	for (i = 0, ports = 0; i < load->contenders; ports += load->contender[i++].ports)
		if (!load->driver->start(load, i, (uint16_t)ports))
			goto failed;
	/* Until back ends have seen that all queues are on: what comes before is dropped. */
	usleep(SETTLE_US);
	return true;
failed:
	if (log_file)
		fflush(log_file);
	fprintf(stderr, "%sload: ports cannot be started; the lines above say why\n",
		log_text ? log_text : "");
	return false;
}

void load_stop(struct load *load)
{
	unsigned int i;

	load_select(load, LOAD_CONTENDERS);
	for (i = 0; i < load->contenders; i++)
		load->driver->stop(load, &load->contender[i]);
	rte_eal_cleanup();
}

void load_select(struct load *load, unsigned int index)
{
	unsigned int i;

	for (i = 0; i < load->contenders; i++)
		if (i != index && index < LOAD_CONTENDERS && load->contender[i].pid)
			/*
			 * To the thread that polls, which takes it at once and stops the
			 * others; any other may have to wait for a CPU first.
			 */
			syscall(SYS_tgkill, load->contender[i].pid, load->contender[i].tid,
				SIGSTOP);
	for (i = 0; i < load->contenders; i++)
		if ((i == index || index >= LOAD_CONTENDERS) && load->contender[i].pid)
			kill(load->contender[i].pid, SIGCONT);
}
