// SPDX-License-Identifier: GPL-2.0
/* viola-farend: the far end of viola-agent on an interface, by hand. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tools/guest/farend.h"

static const char usage[] =
"usage: viola-farend --iface NAME [--once]\n"
"Be the far end of viola-agent on interface NAME: reflect its round trips,\n"
"count and verify what it sends, generate what it receives.\n"
"\n"
"  --iface NAME   interface, for instance the guest's tap device\n"
"  --once         end when the first agent has finished\n"
"  --help, --version\n";

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

static const char *workload_text(uint8_t workload)
{
	static const char *const name[] = {
		[VIOLA_WIRE_RTT] = "rtt",
		[VIOLA_WIRE_TX] = "tx",
		[VIOLA_WIRE_RX] = "rx",
	};

	return name[workload];
}

static int on_hello(void *ctx)
{
	puts("an agent says hello");
	fflush(stdout);
	return 0;
}

static int on_end(void *ctx, const struct farend_phase *p,
		  const struct viola_wire_counts *c, uint64_t agent_sent,
		  bool aborted)
{
	printf("phase %u %s size %u%s: agent sent %llu; here received %llu, duplicated %llu, corrupted %llu, invented %llu, stale %llu, dropped by socket %llu, sent %llu%s\n",
	       p->id, workload_text(p->workload), p->size,
	       p->warmup ? " (warm-up)" : "", (unsigned long long)agent_sent,
	       (unsigned long long)c->received,
	       (unsigned long long)c->duplicated,
	       (unsigned long long)c->corrupted,
	       (unsigned long long)c->invented, (unsigned long long)c->stale,
	       (unsigned long long)c->socket_drops,
	       (unsigned long long)c->sent, aborted ? " - aborted" : "");
	fflush(stdout);
	return 0;
}

static void on_bye(void *ctx)
{
	const bool *once = ctx;

	puts("the agent has finished");
	fflush(stdout);
	if (*once)
		stop = 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "iface", required_argument, NULL, 'i' },
		{ "once", no_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL },
	};
	static const struct farend_ops ops = {
		.hello = on_hello, .phase_end = on_end, .bye = on_bye,
	};
	struct sigaction sa = { .sa_handler = on_signal };
	const char *iface = NULL;
	struct failure f = { "" };
	struct farend *fe;
	bool once = false;
	int opt, err = 0;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'i':
			iface = optarg;
			break;
		case 'o':
			once = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'v':
			puts("viola-farend " VIOLA_VERSION);
			return 0;
		default:
			return 2;
		}
	}
	if (!iface || optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	fe = farend_create(iface, &ops, &once, &f);
	if (!fe) {
		fprintf(stderr, "viola-farend: %s\n", f.text);
		return 2;
	}
	while (!stop && !err)
		err = farend_step(fe, 200, &f);
	farend_destroy(fe);
	if (err)
		fprintf(stderr, "viola-farend: %s\n", f.text);
	return err ? 1 : 0;
}
