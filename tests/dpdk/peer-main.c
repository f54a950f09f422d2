// SPDX-License-Identifier: GPL-2.0
#include "tests/dpdk/peer-main.h"

#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "tools/lib/number.h"

#define BIT(n) (1ull << (n))

bool run_start(struct run *r)
{
	struct peer p = { .sock = -1, .path = r->socket };

	r->pid = backend_start(r->backend);
	while (backend_alive(r->pid)) {
		if (peer_connect(&p, 50)) {
			peer_disconnect(&p);
			return true;
		}
	}
	return false;
}

bool run_stop_backend(struct run *r)
{
	int status;

	if (!backend_alive(r->pid))
		return false;
	kill(r->pid, SIGTERM);
	if (waitpid(r->pid, &status, 0) == r->pid && WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	printf("# the back end did not end well: %#x\n", status);
	return false;
}

bool run_verify(const struct run *r, const char *path, u64 frames)
{
	static struct traffic t;
	struct peer p;
	bool good;

	peer_init(&p, path, r->features, 1, 128);
	good = peer_start(&p, r->protocol & ~BIT(PROTOCOL_INFLIGHT_SHMFD), RUN_MS);
	if (!good)
		printf("# %s: no session\n", path);
	traffic_init(&t, &p, 0, r->seed);
	if (good && (!traffic_run(&t, frames, RUN_MS) || !traffic_drain(&t, RUN_MS) ||
		     !traffic_clean(&t))) {
		printf("# %s: received %" PRIu64 " lost %" PRIu64 " repeated %" PRIu64
		       " corrupt %" PRIu64 " %s\n", path, t.received, t.lost, t.repeated,
		       t.corrupt, t.fault ? t.fault : "");
		good = false;
	}
	peer_free(&p);
	return good;
}

static struct run_held held_now(const struct run *r)
{
	return (struct run_held){ backend_files(r->pid), backend_mappings(r->pid) };
}

struct run_held run_holds(const struct run *r)
{
	usleep(100000);
	return held_now(r);
}

bool run_holds_no_more(const struct run *r, struct run_held before)
{
	u64 end = peer_now_ms() + 3000;
	struct run_held now;

	for (;;) {
		now = held_now(r);
		if (now.files <= before.files && now.mappings <= before.mappings)
			return true;
		if (peer_now_ms() > end)
			break;
		usleep(20000);
	}
	printf("# left behind: %u files, before %u; %u mappings, before %u\n", now.files,
	       before.files, now.mappings, before.mappings);
	return false;
}

bool run_carry(struct run *r)
{
	return run_start(r) && run_verify(r, r->socket, r->count) && run_stop_backend(r);
}

struct command {
	const char *name;
	bool (*run)(struct run *r);
};

static const struct command commands[] = {
	{ "carry", run_carry },	    { "stop", run_stop },	{ "dirty", run_dirty },
	{ "recover", run_recover }, { "victims", run_victims }, { "hostile", run_hostile },
	{ "fuzz", run_fuzz },	    { "ask", run_ask },	    { "call", run_call },
};

static void usage(void)
{
	fputs("Usage: viola-test-peer COMMAND --socket PATH [OPTION...] -- BACKEND ARG...\n"
	      "COMMAND: carry, stop, ask, call, dirty, recover, victims, hostile, fuzz\n"
	      "  --other PATH --packed --in-order --event-idx --indirect --mergeable\n"
	      "  --inflight --stop --count N --seconds N --seed N --only CASE --kept FILE\n",
	      stderr);
	exit(2);
}

static unsigned int number(const char *text)
{
	unsigned int value;

	if (!number_parse(text, 0, 1000000000, &value))
		usage();
	return value;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "other", required_argument, NULL, 'o' },
		{ "packed", no_argument, NULL, 'p' },
		{ "in-order", no_argument, NULL, 'i' },
		{ "event-idx", no_argument, NULL, 'e' },
		{ "indirect", no_argument, NULL, 't' },
		{ "mergeable", no_argument, NULL, 'm' },
		{ "inflight", no_argument, NULL, 'f' },
		{ "stop", no_argument, NULL, 'b' },
		{ "count", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 'T' },
		{ "seed", required_argument, NULL, 'S' },
		{ "only", required_argument, NULL, 'k' },
		{ "kept", required_argument, NULL, 'K' },
		{},
	};
	struct run r = {
		.features = BIT(VIRTIO_F_VERSION_1) | BIT(30),
		.protocol = BIT(PROTOCOL_REPLY_ACK) | BIT(PROTOCOL_STATUS) | BIT(PROTOCOL_MQ),
		.seed = 1, .count = 1000, .seconds = 20,
	};
	bool good = false;
	unsigned int i;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			r.socket = optarg;
			break;
		case 'o':
			r.other = optarg;
			break;
		case 'p':
			r.features |= BIT(VIRTIO_F_RING_PACKED);
			break;
		case 'i':
			r.features |= BIT(VIRTIO_F_IN_ORDER);
			break;
		case 'e':
			r.features |= BIT(VIRTIO_RING_F_EVENT_IDX);
			break;
		case 't':
			r.features |= BIT(VIRTIO_RING_F_INDIRECT_DESC);
			break;
		case 'm':
			r.features |= BIT(VIRTIO_NET_F_MRG_RXBUF);
			break;
		case 'f':
			r.protocol |= BIT(PROTOCOL_INFLIGHT_SHMFD);
			break;
		case 'b':
			r.stop = true;
			break;
		case 'n':
			r.count = number(optarg);
			break;
		case 'T':
			r.seconds = number(optarg);
			break;
		case 'S':
			r.seed = number(optarg);
			break;
		case 'K':
			r.kept = optarg;
			break;
		case 'k':
			r.only = optarg;
			break;
		default:
			usage();
		}
	}
	/* getopt_long() has moved the command before what follows "--". */
	if (optind + 1 >= argc || !r.socket)
		usage();
	r.backend = &argv[optind + 1];
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(argv[optind], commands[i].name))
			continue;
		good = commands[i].run(&r);
		if (r.pid > 0 && !good)
			kill(r.pid, SIGKILL);
		return good ? 0 : 1;
	}
	usage();
}
