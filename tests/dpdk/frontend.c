// SPDX-License-Identifier: GPL-2.0
#include "tests/dpdk/frontend.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>

#include "tools/lib/number.h"

volatile bool frontend_stop;

static void on_signal(int signal)
{
	frontend_stop = true;
}

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void usage(void)
{
	fputs("Usage: viola-test-frontend --cpu N [OPTION...] DEVARGS...\n"
	      "DEVARGS: what follows net_virtio_userN, of each port\n"
	      "  --queues N --frames N --window N --size MIN-MAX --loss --vlan\n"
	      "  --expect reflect|patch|switch --segments --lro\n"
	      "  --scenario NAME --pause SECONDS --one-sender\n", stderr);
	exit(2);
}

static unsigned int number(const char *text)
{
	unsigned int value;

	if (!number_parse(text, 1, 1000000000, &value))
		usage();
	return value;
}

static void eal_start(const char *cpu, char **devargs, unsigned int n)
{
	char vdev[FRONTEND_PORTS][256];
	const char *args[16 + 2 * FRONTEND_PORTS] = {
		"frontend", "-l", cpu, "--no-huge", "-m", "256", "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level=lib.*:error", "--log-level=pmd.*:critical",
		"--file-prefix", "frontend",
	};
	int argc = 13;
	unsigned int i;

	for (i = 0; i < n; i++) {
		snprintf(vdev[i], sizeof(vdev[i]), "net_virtio_user%u,mac=02:00:00:00:00:%02x,%s",
			 i, i + 1, devargs[i]);
		args[argc++] = "--vdev";
		args[argc++] = vdev[i];
	}
	if (rte_eal_init(argc, (char **)args) < 0)
		exit(1);
}

static bool port_start(struct frontend *fe, unsigned int i)
{
	struct rte_eth_conf conf = {};
	uint16_t port = (uint16_t)i, q, rx = 256, tx = 256;
	uint16_t queues = (uint16_t)(fe->one_sender && !i ? 1 : fe->queues);
	struct rte_eth_dev_info info;
	int err = rte_eth_dev_info_get(port, &info);

	fe->port[i] = port;
	conf.rxmode.mtu = RTE_MIN(info.max_mtu, fe->size_max <= 1514 ? 1500 : 9000);
	conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
	conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	/* virtio_user learns from this interrupt alone that a back end went away. */
	conf.intr_conf.lsc = fe->loss;
	if (fe->lro)
		conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
	conf.txmode.offloads |= info.tx_offload_capa &
				(RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO);
	if (!err)
		err = rte_eth_dev_configure(port, queues, queues, &conf);
	if (!err)
		err = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx, &tx);
	for (q = 0; !err && q < queues; q++) {
		err = rte_eth_rx_queue_setup(port, q, rx, 0, NULL, fe->rx_pool);
		if (!err)
			err = rte_eth_tx_queue_setup(port, q, tx, 0, NULL);
	}
	if (!err)
		err = rte_eth_dev_start(port);
	if (!err)
		err = rte_eth_macaddr_get(port, &fe->mac[i]);
	if (err)
		fprintf(stderr, "frontend: port %u cannot be started: %s\n", i, strerror(-err));
	return !err;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cpu", required_argument, NULL, 'c' },
		{ "queues", required_argument, NULL, 'q' },
		{ "frames", required_argument, NULL, 'n' },
		{ "window", required_argument, NULL, 'w' },
		{ "size", required_argument, NULL, 's' },
		{ "loss", no_argument, NULL, 'l' },
		{ "vlan", no_argument, NULL, 'v' },
		{ "expect", required_argument, NULL, 'e' },
		{ "segments", no_argument, NULL, 'g' },
		{ "lro", no_argument, NULL, 'r' },
		{ "scenario", required_argument, NULL, 'S' },
		{ "pause", required_argument, NULL, 'p' },
		{ "one-sender", no_argument, NULL, 'o' },
		{},
	};
	static struct frontend fe = {
		.queues = 1, .frames = 100000, .window = 64, .size_min = 60, .size_max = 1514,
	};
	struct sigaction action = { .sa_handler = on_signal };
	bool segments = false, good;
	const char *cpu = "0", *scenario = NULL;
	unsigned int i;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			cpu = optarg;
			break;
		case 'q':
			fe.queues = number(optarg);
			break;
		case 'n':
			fe.frames = number(optarg);
			break;
		case 'w':
			fe.window = number(optarg);
			break;
		case 's':
			if (sscanf(optarg, "%u-%u", &fe.size_min, &fe.size_max) != 2)
				usage();
			break;
		case 'l':
			fe.loss = true;
			break;
		case 'v':
			fe.vlan = true;
			break;
		case 'e':
			fe.expect = !strcmp(optarg, "patch")  ? EXPECT_PATCH :
				    !strcmp(optarg, "switch") ? EXPECT_SWITCH :
								EXPECT_REFLECT;
			break;
		case 'g':
			segments = true;
			break;
		case 'r':
			fe.lro = true;
			break;
		case 'S':
			scenario = optarg;
			break;
		case 'p':
			fe.pause = number(optarg);
			break;
		case 'o':
			fe.one_sender = true;
			break;
		default:
			usage();
		}
	}
	fe.nports = (unsigned int)(argc - optind);
	if (!fe.nports || fe.nports > FRONTEND_PORTS || fe.queues > FRONTEND_QUEUES ||
	    fe.size_min < 60 || fe.size_max < fe.size_min || fe.size_max > 9000)
		usage();
	eal_start(cpu, argv + optind, fe.nports);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	fe.pool = rte_pktmbuf_pool_create("sent", 8191, 256, 0,
					  fe.size_max > 2000 ? 9000 + 256 : 2048 + 128,
					  SOCKET_ID_ANY);
	/* Small ones: a large frame takes several buffers, if they are mergeable. */
	fe.rx_pool = rte_pktmbuf_pool_create("received", 16383, 256, 0, 2048 + 128, SOCKET_ID_ANY);
	if (!fe.pool || !fe.rx_pool) {
		fputs("frontend: no memory for buffers\n", stderr);
		return 1;
	}
	for (i = 0; i < fe.nports; i++)
		if (!port_start(&fe, i))
			return 1;
	/* Ports in server mode have waited for the back end when this is reached. */
	printf("ready\n");
	fflush(stdout);
	good = scenario ? scenario_run(&fe, scenario) :
	       segments ? segments_run(&fe) : stream_run(&fe);
	fflush(stdout);
	for (i = 0; i < fe.nports; i++) {
		rte_eth_dev_stop(fe.port[i]);
		rte_eth_dev_close(fe.port[i]);
	}
	rte_eal_cleanup();
	return good ? 0 : 1;
}
