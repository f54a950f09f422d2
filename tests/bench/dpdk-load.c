// SPDX-License-Identifier: GPL-2.0
/*
 * Load on a vhost-user back end that reflects, or connects two ports: frames go
 * round and round between it and virtio_user ports here, as many as fit without
 * loss, and are counted each time they arrive.
 *
 *   viola-test-load CPU SIZE MILLISECONDS SAMPLES HUGE PATH [PATH]
 *
 * SIZE counts the FCS, as RFC 2544 does. HUGE is 0 or 1. Prints the frames per
 * second of each sample, all ports together. Fails if nothing arrives.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>

#define PORTS 2
#define BURST 32
#define IN_FLIGHT 512 /* per port */
#define RING 1024
#define WARM_UP_MS 500

static struct rte_mempool *pool;

static int port_start(uint16_t port)
{
	struct rte_eth_conf conf = {};
	uint16_t rx = RING, tx = RING;
	int err = rte_eth_dev_configure(port, 1, 1, &conf);

	if (!err)
		err = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx, &tx);
	if (!err)
		err = rte_eth_rx_queue_setup(port, 0, rx, 0, NULL, pool);
	if (!err)
		err = rte_eth_tx_queue_setup(port, 0, tx, 0, NULL);
	return err ? err : rte_eth_dev_start(port);
}

static void addresses_swap(struct rte_mbuf *m)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ether_addr was = eth->dst_addr;

	eth->dst_addr = eth->src_addr;
	eth->src_addr = was;
}

/* Sends what arrived back to where it came from. Returns how many. */
static unsigned int turn(uint16_t port)
{
	struct rte_mbuf *m[BURST];
	unsigned int n = rte_eth_rx_burst(port, 0, m, BURST), sent = 0, tries;

	for (tries = 0; tries < n; tries++)
		addresses_swap(m[tries]);
	/* The back end may need a moment to take what is before these. */
	for (tries = 0; sent < n && tries < 1000; tries++)
		sent += rte_eth_tx_burst(port, 0, m + sent, (uint16_t)(n - sent));
	rte_pktmbuf_free_bulk(m + sent, n - sent);
	return n;
}

/* Takes what arrived, and keeps it. Returns how many. */
static unsigned int drain(uint16_t port)
{
	struct rte_mbuf *m[BURST];
	unsigned int n = rte_eth_rx_burst(port, 0, m, BURST);

	rte_pktmbuf_free_bulk(m, n);
	return n;
}

static void inject(uint16_t port, uint16_t len)
{
	unsigned int i;

	for (i = 0; i < IN_FLIGHT; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
		uint8_t *p = m ? (uint8_t *)rte_pktmbuf_append(m, len) : NULL;

		if (!p)
			return;
		memset(p, 0, len);
		/* From this port's address to the other's. */
		p[0] = 0x02;
		p[5] = (uint8_t)(2 - port);
		p[6] = 0x02;
		p[11] = (uint8_t)(port + 1);
		p[12] = 0x88;
		p[13] = 0xb5;
		if (!rte_eth_tx_burst(port, 0, &m, 1))
			rte_pktmbuf_free(m);
		if (i % BURST == BURST - 1)
			turn(port);
	}
}

int main(int argc, char **argv)
{
	char vdev[PORTS][256];
	const char *args[32] = { "load", "-l", argv[1], "--no-pci", "--no-telemetry",
				 "--log-level=lib.*:error", "--log-level=pmd.*:critical",
				 "--file-prefix", "viola-load", "-m", "512",
				 "--single-file-segments" };
	int n = 12;
	uint64_t hz, end, count, begin, total = 0;
	unsigned int samples, i;
	uint16_t port, ports = 0;

	if (argc > 6 && argc - 6 <= PORTS)
		ports = (uint16_t)(argc - 6);
	if (!ports) {
		fputs("Usage: viola-test-load CPU SIZE MILLISECONDS SAMPLES HUGE PATH [PATH]\n",
		      stderr);
		return 2;
	}
	if (!atoi(argv[5])) {
		args[n++] = "--no-huge";
		args[n++] = "--no-shconf";
	}
	for (port = 0; port < ports; port++) {
		snprintf(vdev[port], sizeof(vdev[port]),
			 "net_virtio_user%u,mac=02:00:00:00:00:%02x,queue_size=%d,path=%s", port,
			 port + 1, RING, argv[6 + port]);
		args[n++] = "--vdev";
		args[n++] = vdev[port];
	}
	if (rte_eal_init(n, (char **)args) < 0)
		return 1;
	pool = rte_pktmbuf_pool_create("frames", 16383, 256, 0, 2048 + 128, SOCKET_ID_ANY);
	for (port = 0; pool && port < ports; port++)
		if (port_start(port))
			return 1;
	if (!pool)
		return 1;
	hz = rte_get_tsc_hz();
	/* Until the back end has all ports. */
	usleep(300000);
	for (port = 0; port < ports; port++)
		inject(port, (uint16_t)(atoi(argv[2]) - 4));
	for (end = rte_rdtsc() + hz * WARM_UP_MS / 1000; rte_rdtsc() < end;)
		for (port = 0; port < ports; port++)
			turn(port);
	samples = (unsigned int)atoi(argv[4]);
	for (i = 0; i < samples; i++) {
		count = 0;
		begin = rte_rdtsc();
		end = begin + hz * (uint64_t)atoi(argv[3]) / 1000;
		while (rte_rdtsc() < end)
			for (port = 0; port < ports; port++)
				count += turn(port);
		total += count;
		printf("%.0f\n", (double)count * (double)hz / (double)(rte_rdtsc() - begin));
	}
	if (!total) {
		fputs("load: nothing arrives\n", stderr);
		return 1;
	}
	/* How many are still there: a back end that lost many works on fewer lines. */
	for (end = rte_rdtsc() + hz / 20, count = 0; rte_rdtsc() < end;)
		for (port = 0; port < ports; port++)
			count += drain(port);
	fprintf(stderr, "load: %" PRIu64 " of %d frames were still under way\n", count,
		IN_FLIGHT * ports);
	fflush(stdout);
	for (port = 0; port < ports; port++) {
		rte_eth_dev_stop(port);
		rte_eth_dev_close(port);
	}
	rte_eal_cleanup();
	return 0;
}
