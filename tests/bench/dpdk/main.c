// SPDX-License-Identifier: GPL-2.0
/*
 * viola-test-load: see load.h. Commands come on standard input, one a line; each
 * is answered by one line of JSON. Between commands it sleeps, all contenders as
 * they are.
 */
#include "tests/bench/dpdk/load.h"

#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/number.h"

static const char help[] =
	"Usage: viola-test-load --cpu N --contender NAME,SOCKET[,SOCKET] ... [OPTION...]\n"
	"       viola-test-load --cpu N --away MS\n"
	"  --cpu N          where it runs, and nothing else should\n"
	"  --contender ...  a back end, with a port or two\n"
	"  --devargs ARGS   of virtio_user, for the kind of ring (default mrg_rxbuf=0)\n"
	"  --lean           a driver of our own that does less; one queue pair, loops only\n"
	"  --size BYTES     of a frame, with FCS: 64 (default) to 1518\n"
	"  --queues N       queue pairs of a port (default 1)\n"
	"  --ring-size N    descriptors of a ring (default 1024)\n"
	"  --in-flight N    closed loop: frames per port (default 512)\n"
	"  --touch          closed loop: swap addresses of each frame, and send it back\n"
	"  --server         listen at the sockets; back ends connect\n"
	"  --no-huge        ordinary pages\n"
	"  --away MS        instead of a load: how often somebody else had that CPU\n"
	"Commands; K is a contender's number from 0, MS milliseconds:\n"
	"  pid K PID TID        of the back end and its thread that polls, so that it can be stopped\n"
	"  select K | release   let it alone run | all\n"
	"  series loop|send|receive MS WARM_MS SAMPLES K...   by turns, in random order\n"
	"  search K LOSS_RATIO LEAST MOST MS    highest rate between without more loss\n"
	"  latency K RATE WINDOWS US            open loop\n"
	"  watch K RATE MS                      open loop, contents checked, gaps told\n"
	"  prime K MS           single frames until each queue has got one back\n"
	"  drain K                              how many frames were under way\n"
	"  quit\n";

static bool answer_error(const char *why)
{
	printf("{\"error\":\"%s\"}\n", why);
	return true;
}

static bool next_number(char **line, unsigned int most, unsigned int *value)
{
	char *word = strsep(line, " ");

	return word && number_parse(word, 0, most, value);
}

static bool next_double(char **line, double *value)
{
	char *word = strsep(line, " "), *end;

	if (!word || !*word)
		return false;
	*value = strtod(word, &end);
	return !*end && *value >= 0;
}

static bool next_contender(struct load *load, char **line, struct contender **c)
{
	unsigned int k;

	if (!next_number(line, load->contenders - 1, &k))
		return false;
	*c = &load->contender[k];
	return true;
}

#define MS_MOST 600000

static bool do_pid(struct load *load, char *line)
{
	struct contender *c;
	unsigned int pid, tid;

	if (!next_contender(load, &line, &c) || !next_number(&line, 1u << 30, &pid) ||
	    !next_number(&line, 1u << 30, &tid))
		return false;
	c->pid = (pid_t)pid;
	c->tid = (pid_t)tid;
	puts("{}");
	return true;
}

static bool do_select(struct load *load, char *line)
{
	struct contender *c;

	if (!next_contender(load, &line, &c))
		return false;
	load_select(load, (unsigned int)(c - load->contender));
	puts("{}");
	return true;
}

static bool do_release(struct load *load, char *line)
{
	load_select(load, LOAD_CONTENDERS);
	puts("{}");
	return true;
}

static void sample_print(unsigned int k, const struct load *load, const struct load_sample *s)
{
	printf("{\"k\":%u,\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"seconds\":%.6f,"
	       "\"idle\":%.4f,\"burst\":%.1f,\"refused\":%" PRIu64 "}", k, s->sent, s->received,
	       (double)s->cycles / (double)load->hz,
	       s->polls ? (double)s->idle / (double)s->polls : 0,
	       s->polls > s->idle ? (double)s->received / (double)(s->polls - s->idle) : 0,
	       s->refused);
}

static bool do_series(struct load *load, char *line)
{
	const struct load_driver *driver = load->driver;
	const struct {
		const char *name;
		load_fn *run; /* NULL: the driver cannot */
	} kinds[] = {
		{ "loop", driver->run },
		{ "send", driver->send_only },
		{ "receive", driver->receive_only },
	};
	unsigned int ms, warm_ms, samples, order[LOAD_CONTENDERS], count = 0, i, k, swap;
	char *kind = strsep(&line, " ");
	load_fn *run = NULL;
	const char *comma = "";

	for (i = 0; kind && i < RTE_DIM(kinds); i++)
		if (!strcmp(kind, kinds[i].name))
			run = kinds[i].run;
	if (!run || !next_number(&line, MS_MOST, &ms) ||
	    !next_number(&line, MS_MOST, &warm_ms) || !next_number(&line, 1000000, &samples))
		return false;
	while (line && count < LOAD_CONTENDERS)
		if (!next_number(&line, load->contenders - 1, &order[count++]))
			return false;
	if (!count)
		return false;
	printf("[");
	while (samples--) {
		/* A new order each time: none is always behind the same other. */
		for (i = count - 1; i > 0; i--) {
			k = (unsigned int)rand() % (i + 1);
			swap = order[i];
			order[i] = order[k];
			order[k] = swap;
		}
		for (i = 0; i < count; i++) {
			struct load_sample warm = {}, s = {};

			if (count > 1)
				load_select(load, order[i]);
			run(load, &load->contender[order[i]], load->hz * warm_ms / 1000, &warm);
			run(load, &load->contender[order[i]], load->hz * ms / 1000, &s);
			printf("%s", comma);
			sample_print(order[i], load, &s);
			comma = ",";
		}
	}
	puts("]");
	return true;
}

static bool do_search(struct load *load, char *line)
{
	struct contender *c;
	double loss, least, most;
	unsigned int ms;

	if (!next_contender(load, &line, &c) || !next_double(&line, &loss) ||
	    !next_double(&line, &least) || !next_double(&line, &most) || most <= least ||
	    !next_number(&line, MS_MOST, &ms) || !ms)
		return false;
	pace_search(load, c, loss, least, most, ms);
	return true;
}

static bool do_latency(struct load *load, char *line)
{
	struct contender *c;
	unsigned int windows, us;
	double rate;

	if (!next_contender(load, &line, &c) || !next_double(&line, &rate) || rate <= 0 ||
	    !next_number(&line, 1000000, &windows) || !windows ||
	    !next_number(&line, 1000000, &us) || !us)
		return false;
	pace_latency(load, c, rate, windows, us);
	return true;
}

static bool do_watch(struct load *load, char *line)
{
	struct contender *c;
	unsigned int ms;
	double rate;

	/* Its rings are made for a back end that goes and comes back. */
	if (load->driver != &user_driver || !next_contender(load, &line, &c) ||
	    !next_double(&line, &rate) || !next_number(&line, MS_MOST, &ms))
		return false;
	watch_run(load, c, rate, ms);
	return true;
}

static bool do_prime(struct load *load, char *line)
{
	struct contender *c;
	unsigned int ms;

	if (!next_contender(load, &line, &c) || !next_number(&line, MS_MOST, &ms))
		return false;
	printf("{\"back\":%s}\n", frames_prime(load, c, ms) ? "true" : "false");
	return true;
}

static bool do_drain(struct load *load, char *line)
{
	struct contender *c;
	unsigned int under_way;

	if (!next_contender(load, &line, &c))
		return false;
	under_way = c->in_flight;
	printf("{\"sent\":%u,", under_way);
	printf("\"arrived\":%" PRIu64 "}\n", frames_drain(load, c, 20000));
	return true;
}

static const struct {
	const char *name;
	bool (*run)(struct load *load, char *line);
} commands[] = {
	{ "pid", do_pid }, { "select", do_select }, { "release", do_release },
	{ "series", do_series }, { "search", do_search }, { "latency", do_latency },
	{ "watch", do_watch }, { "prime", do_prime }, { "drain", do_drain },
};

/* False: it is to end. */
static bool command_run(struct load *load, char *line)
{
	char *name = strsep(&line, " ");
	size_t i;

	if (!strcmp(name, "quit"))
		return false;
	for (i = 0; i < RTE_DIM(commands); i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].run(load, line) || answer_error("wrong arguments");
	return answer_error("unknown command");
}

static void usage(void)
{
	fputs(help, stderr);
	exit(2);
}

static void number_option(unsigned int least, unsigned int most, unsigned int *value)
{
	if (!number_parse(optarg, least, most, value))
		usage();
}

static void add_contender(struct load *load, char *text)
{
	struct contender *c = &load->contender[load->contenders];
	char *word = strsep(&text, ",");

	if (load->contenders++ == LOAD_CONTENDERS)
		usage();
	snprintf(c->name, sizeof(c->name), "%s", word);
	while ((word = strsep(&text, ","))) {
		if (c->ports < LOAD_PORTS)
			c->socket[c->ports++] = word;
		else
			usage();
	}
	if (!c->ports)
		usage();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cpu", required_argument, NULL, 'c' },
		{ "contender", required_argument, NULL, 'C' },
		{ "devargs", required_argument, NULL, 'd' },
		{ "size", required_argument, NULL, 's' },
		{ "queues", required_argument, NULL, 'q' },
		{ "ring-size", required_argument, NULL, 'r' },
		{ "in-flight", required_argument, NULL, 'f' },
		{ "touch", no_argument, NULL, 't' },
		{ "server", no_argument, NULL, 'S' },
		{ "lean", no_argument, NULL, 'l' },
		{ "no-huge", no_argument, NULL, 'n' },
		{ "away", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	static struct load load = {
		.devargs = "mrg_rxbuf=0", .huge = true, .queues = 1, .ring_size = 1024,
		.in_flight = 512, .driver = &user_driver,
	};
	unsigned int size = 64, away_ms = 0, cpu_number, i;
	const char *cpu = NULL;
	static char line[512];
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			cpu = optarg;
			break;
		case 'C':
			add_contender(&load, optarg);
			break;
		case 'd':
			load.devargs = optarg;
			break;
		case 's':
			number_option(64, 1518, &size);
			break;
		case 'q':
			number_option(1, LOAD_QUEUES, &load.queues);
			break;
		case 'r':
			number_option(64, 32768, &load.ring_size);
			break;
		case 'f':
			number_option(LOAD_BURST * LOAD_QUEUES, 32768, &load.in_flight);
			break;
		case 't':
			load.touch = true;
			break;
		case 'S':
			load.server = true;
			break;
		case 'l':
			load.driver = &lean_driver;
			break;
		case 'n':
			load.huge = false;
			break;
		case 'a':
			number_option(1, MS_MOST, &away_ms);
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		default:
			usage();
		}
	}
	if (!cpu || optind < argc || !load.contenders != !!away_ms ||
	    (load.driver == &lean_driver && (load.queues > 1 || load.server || load.touch)))
		usage();
	if (away_ms) {
		if (!number_parse(cpu, 0, CPU_SETSIZE - 1, &cpu_number))
			usage();
		away_run(cpu_number, away_ms);
		return 0;
	}
	load.len = (uint16_t)(size - 4);
	if (!load_start(&load, cpu))
		return 1;
	printf("{\"hz\":%" PRIu64 ",\"paths\":[", load.hz);
	for (i = 0; i < load.contenders; i++)
		printf("%s[\"%s\",\"%s\"]", i ? "," : "", load.contender[i].rx_path,
		       load.contender[i].tx_path);
	puts("]}");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (!command_run(&load, line))
			break;
		fflush(stdout);
	}
	load_stop(&load);
	return 0;
}
