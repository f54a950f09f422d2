// SPDX-License-Identifier: GPL-2.0
/*
 * viola-agent: measures the network interface it is given, from inside the
 * guest, against viola's far end or a reflector. See
 * Documentation/measurement.md for the method.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tools/guest/agent.h"
#include "tools/guest/settle.h"
#include "tools/lib/number.h"

#define AGENT_RCVBUF	(8 << 20)
#define SETTLE_WINDOW_MS 200

static const char usage[] =
"usage: viola-agent [OPTION]...\n"
"Measure a network interface: round trips, and frames sent and received per second.\n"
"\n"
"  --iface NAME        interface; \"auto\" is the first one on a device (auto)\n"
"  --rtt-count N       round trips counted per size; 0: none (2000)\n"
"  --rtt-size A,B      frame sizes of round trips, 64 to 1518 (64,1024)\n"
"  --warmup N          round trips before the counted ones (200)\n"
"  --rate-ms MS        length of each packet-rate run; 0: none (2000)\n"
"  --rate-size A,B     frame sizes of packet-rate runs (64,1500)\n"
"  --rate tx,rx        directions of packet-rate runs (tx,rx)\n"
"  --rounds N          run all of it N times, one document each (1)\n"
"  --window N          frames in flight in rx runs; 0: no limit (256)\n"
"  --timeout-ms MS     after which a round trip is lost (1000)\n"
"  --wait-ms MS        to wait for interface, carrier, far end (20000)\n"
"  --settle-ms MS      to wait for an idle machine before measuring (10000)\n"
"  --no-control        no far end: a reflector returns every frame; round trips only\n"
"  --json FILE         where the results go; - is standard output (-)\n"
"  --verbose           say on standard error which phase begins\n"
"  --help, --version\n"
"\n"
"Exit status: 0 all frames as sent; 1 frames lost in round trips, duplicated,\n"
"corrupted or invented; 2 usage; 3 no measurement (device, far end).\n";

static int usage_error(const char *fmt, const char *what)
{
	fputs("viola-agent: ", stderr);
	fprintf(stderr, fmt, what);
	fputs("\nTry viola-agent --help.\n", stderr);
	return AGENT_USAGE;
}

static bool parse_sizes(char *s, unsigned int *list, unsigned int *n)
{
	char *save, *tok;

	*n = 0;
	for (tok = strtok_r(s, ",", &save); tok; tok = strtok_r(NULL, ",", &save))
		if (*n == AGENT_SIZES ||
		    !number_parse(tok, VIOLA_WIRE_SIZE_MIN, VIOLA_WIRE_SIZE_MAX,
				  &list[(*n)++]))
			return false;
	return *n;
}

static bool parse_directions(char *s, struct agent_config *c)
{
	char *save, *tok;

	c->rate_tx = c->rate_rx = false;
	for (tok = strtok_r(s, ",", &save); tok; tok = strtok_r(NULL, ",", &save)) {
		if (!strcmp(tok, "tx"))
			c->rate_tx = true;
		else if (!strcmp(tok, "rx"))
			c->rate_rx = true;
		else
			return false;
	}
	return c->rate_tx || c->rate_rx;
}

enum option_id {
	O_IFACE = 256, O_RTT_COUNT, O_RTT_SIZE, O_WARMUP, O_RATE_MS, O_RATE_SIZE,
	O_RATE, O_ROUNDS, O_WINDOW, O_TIMEOUT, O_WAIT, O_SETTLE, O_NO_CONTROL, O_JSON, O_VERBOSE,
	O_HELP, O_VERSION,
};

static const struct option options[] = {
	{ "iface", required_argument, NULL, O_IFACE },
	{ "rtt-count", required_argument, NULL, O_RTT_COUNT },
	{ "rtt-size", required_argument, NULL, O_RTT_SIZE },
	{ "warmup", required_argument, NULL, O_WARMUP },
	{ "rate-ms", required_argument, NULL, O_RATE_MS },
	{ "rate-size", required_argument, NULL, O_RATE_SIZE },
	{ "rate", required_argument, NULL, O_RATE },
	{ "rounds", required_argument, NULL, O_ROUNDS },
	{ "window", required_argument, NULL, O_WINDOW },
	{ "timeout-ms", required_argument, NULL, O_TIMEOUT },
	{ "wait-ms", required_argument, NULL, O_WAIT },
	{ "settle-ms", required_argument, NULL, O_SETTLE },
	{ "no-control", no_argument, NULL, O_NO_CONTROL },
	{ "json", required_argument, NULL, O_JSON },
	{ "verbose", no_argument, NULL, O_VERBOSE },
	{ "help", no_argument, NULL, O_HELP },
	{ "version", no_argument, NULL, O_VERSION },
	{ NULL },
};

static bool option_value(struct agent_config *c, int opt, char *arg)
{
	switch (opt) {
	case O_IFACE:
		if (!*arg || strlen(arg) >= IFNAMSIZ)
			return false;
		strcpy(c->iface, arg);
		return true;
	case O_RTT_COUNT:
		return number_parse(arg, 0, 100000000, &c->rtt_count);
	case O_RTT_SIZE:
		return parse_sizes(arg, c->rtt_size, &c->rtt_sizes);
	case O_WARMUP:
		return number_parse(arg, 0, 100000000, &c->warmup);
	case O_RATE_MS:
		return number_parse(arg, 0, 60000, &c->rate_ms);
	case O_RATE_SIZE:
		return parse_sizes(arg, c->rate_size, &c->rate_sizes);
	case O_RATE:
		return parse_directions(arg, c);
	case O_ROUNDS:
		return number_parse(arg, 1, AGENT_ROUNDS, &c->rounds);
	case O_WINDOW:
		return number_parse(arg, 0, 4096, &c->window);
	case O_TIMEOUT:
		return number_parse(arg, 1, 60000, &c->timeout_ms);
	case O_WAIT:
		return number_parse(arg, 0, 600000, &c->wait_ms);
	case O_SETTLE:
		return number_parse(arg, 0, 600000, &c->settle_ms);
	case O_NO_CONTROL:
		c->control = false;
		return true;
	case O_VERBOSE:
		c->verbose = true;
		return true;
	case O_JSON:
		c->json = arg;
		return *arg;
	}
	return false;
}

/* 0: go on; otherwise exit with *@status. */
static int parse_options(struct agent_config *c, int argc, char **argv,
			 int *status)
{
	static char none[1];
	char what[160];
	int opt, index = 0;

	while ((opt = getopt_long(argc, argv, "", options, &index)) != -1) {
		if (opt == '?') {
			*status = AGENT_USAGE;
			return 1;
		}
		if (opt == O_HELP || opt == O_VERSION) {
			fputs(opt == O_HELP ? usage :
			      "viola-agent " VIOLA_VERSION "\n", stdout);
			*status = AGENT_OK;
			return 1;
		}
		/* Lists are taken apart in place, so the text is kept first. */
		snprintf(what, sizeof(what), "%s %s", options[index].name,
			 optarg ? optarg : "");
		if (!option_value(c, opt, optarg ? optarg : none)) {
			*status = usage_error("bad value: --%s", what);
			return 1;
		}
	}
	if (optind < argc) {
		*status = usage_error("unexpected argument: %s", argv[optind]);
		return 1;
	}
	return 0;
}

/* A serial port must pass bytes as they are. */
static FILE *open_results(const char *path, struct failure *f)
{
	struct termios tio;
	FILE *out;

	if (!strcmp(path, "-"))
		return stdout;
	out = fopen(path, "we");
	if (!out) {
		failure_set(f, errno, "cannot write results to %s: %s", path,
			    strerror(errno));
		return NULL;
	}
	if (!tcgetattr(fileno(out), &tio)) {
		cfmakeraw(&tio);
		tio.c_cflag |= CLOCAL;
		cfsetspeed(&tio, B115200);
		tcsetattr(fileno(out), TCSANOW, &tio);
	}
	return out;
}

/* Open the link and find the far end. */
static int begin(struct agent *a)
{
	const uint64_t start = clock_now();
	int err, settled;

	if (!strcmp(a->cfg.iface, "auto")) {
		err = link_find(a->cfg.iface, a->cfg.wait_ms, &a->failure);
		if (err)
			return err;
	}
	err = link_wait(a->cfg.iface, a->cfg.wait_ms, &a->failure);
	if (err)
		return err;
	err = link_open(&a->link, a->cfg.iface, AGENT_RCVBUF, &a->failure);
	if (err)
		return err;
	fprintf(stderr, "viola-agent: %s ready after %llu ms\n", a->cfg.iface,
		(unsigned long long)(clock_now() - start) / 1000000);
	settled = settle(SETTLE_WINDOW_MS, (int)a->cfg.settle_ms);
	if (settled < 0 && a->cfg.settle_ms)
		fprintf(stderr, "viola-agent: the guest is still busy after %u ms; measuring all the same\n",
			a->cfg.settle_ms);
	irqs_find(&a->irqs, a->cfg.iface);
	/* The run number only tells runs apart; the clock is good enough. */
	if (getrandom(&a->run, sizeof(a->run), GRND_NONBLOCK) != sizeof(a->run))
		a->run = (uint32_t)clock_now() * 2654435761u;

	if (a->cfg.control)
		return session_hello(a);
	/* A reflector answers whatever address it is called by. */
	memcpy(a->peer, "\x02viola", FRAME_ALEN);
	account_idle(&a->account, a->run, 0);
	return 0;
}

static int round_run(struct agent *a)
{
	int err = 0;

	a->round++;
	if (a->cfg.control)
		err = session_round(a, a->round);
	return err ? err : workload_run(a);
}

/*
 * Write the round's document, whole: the far end takes the next question, or
 * the end of the run, as the sign that it is there.
 */
static enum agent_exit round_write(struct agent *a, FILE *out, int err)
{
	enum agent_exit status = AGENT_OK;
	char why[512] = "";

	if (err) {
		status = AGENT_NO_RUN;
		snprintf(why, sizeof(why), "%s", a->failure.text);
	} else if (!results_judge(a, why, sizeof(why))) {
		status = AGENT_FAILED;
	}
	if (status)
		fprintf(stderr, "viola-agent: %s\n", why);
	results_write(a, out, status == AGENT_OK ? "ok" :
		      status == AGENT_FAILED ? "failed" : "error", why);
	if (fflush(out) || ferror(out)) {
		fprintf(stderr, "viola-agent: writing results to %s failed\n",
			a->cfg.json);
		status = AGENT_NO_RUN;
	}
	/* The last bytes may still be in the serial port's buffer. */
	if (isatty(fileno(out)))
		tcdrain(fileno(out));
	return status;
}

int main(int argc, char **argv)
{
	static struct agent agent = {
		.cfg = {
			.iface = "auto", .json = "-", .control = true,
			.rounds = 1, .warmup = 200, .rtt_count = 2000,
			.rtt_size = { 64, 1024 }, .rtt_sizes = 2,
			.rate_ms = 2000,
			.rate_size = { 64, 1500 }, .rate_sizes = 2,
			.rate_tx = true, .rate_rx = true,
			.window = 256, .timeout_ms = 1000, .wait_ms = 20000,
			.settle_ms = 10000,
		},
		.link = { .fd = -1 },
	};
	struct agent *a = &agent;
	int status = AGENT_OK;
	FILE *out;
	int err;

	if (parse_options(&a->cfg, argc, argv, &status))
		return status;
	if (!a->cfg.control)
		a->cfg.rate_ms = 0;
	out = open_results(a->cfg.json, &a->failure);
	if (!out) {
		fprintf(stderr, "viola-agent: %s\n", a->failure.text);
		return AGENT_USAGE;
	}
	err = begin(a);
	if (err)
		status = round_write(a, out, err);
	while (!status && a->round < a->cfg.rounds) {
		err = round_run(a);
		status = round_write(a, out, err);
	}
	if (a->cfg.control && !err)
		session_bye(a);
	link_close(&a->link);
	return status;
}
