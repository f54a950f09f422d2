// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/guest/farend.h"
#include "tools/measure/counters.h"
#include "tools/measure/guest.h"
#include "tools/measure/result.h"
#include "tools/measure/tap.h"
#include "tools/measure/threads.h"

#define STEP_MS		50
#define STOP_LIMIT_S	30	/* from the agent's goodbye to the VMM's exit */
#define RESULT_LIMIT_S	10	/* from the end of a round to its document */

struct guest {
	const struct measure_context *x;
	const struct path *path;
	char tap[16];
	struct farend *fe;
	pid_t vmm;
	int vmm_status;
	uint64_t since;			/* start, or beginning of the round */
	unsigned int asked;		/* the round that the agent asks for */
	uint64_t bye_ns;		/* 0: the agent has not finished */
	char console[PATH_MAX], serial[PATH_MAX];
	struct counters counters;
	/* Of this round; the id of its first phase is first_phase + 1. */
	unsigned int first_phase, last_phase;
	struct result_phase phase[RESULT_PHASES];
};

static double seconds_since(uint64_t ns)
{
	return (double)(clock_now() - ns) / 1e9;
}

/* Never at once: guest_round() lets it go. */
static int on_round(void *ctx, uint64_t number)
{
	struct guest *g = ctx;

	if (number != g->asked + 1 || number > g->x->options->rounds)
		return -EINVAL;
	g->asked = number;
	return -EAGAIN;
}

static struct result_phase *phase_of(struct guest *g, const struct farend_phase *p)
{
	const unsigned int i = p->id - g->first_phase - 1;

	return i < RESULT_PHASES ? &g->phase[i] : NULL;
}

static int on_begin(void *ctx, const struct farend_phase *p)
{
	struct guest *g = ctx;
	struct result_phase *r = phase_of(g, p);

	if (!r)
		return -E2BIG;
	g->last_phase = p->id;
	r->begun = true;
	counters_read(&g->counters, &r->before);
	return 0;
}

static int on_end(void *ctx, const struct farend_phase *p,
		  const struct viola_wire_counts *counts, uint64_t agent_sent,
		  bool aborted)
{
	struct guest *g = ctx;
	struct result_phase *r = phase_of(g, p);

	if (!r)
		return -E2BIG;
	counters_read(&g->counters, &r->after);
	r->ended = !aborted;
	return 0;
}

static void on_bye(void *ctx)
{
	struct guest *g = ctx;

	g->bye_ns = clock_now();
}

static const struct farend_ops farend_ops = {
	.round = on_round, .phase_begin = on_begin, .phase_end = on_end, .bye = on_bye,
};

static void vmm_exec(const struct guest *g, int go)
{
	const struct measure_options *o = g->x->options;
	const char *more = getenv("VIOLA_LAB_GUEST_APPEND") ?: "";
	char vmm[PATH_MAX], cmdline[768], net[128], c;
	int null, console;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The parent opens the counters first: see counters_open(). */
	if (read(go, &c, 1) != 1)
		_exit(127);
	path_join(vmm, g->x->place.bin, "viola-vmm");
	snprintf(cmdline, sizeof(cmdline),
		 "console=ttyS0 quiet ipv6.disable=1 panic=-1 %.255s "
		 "viola.agent=--rounds=%u+--rtt-count=%u+--warmup=%u+--rate-ms=%u+--timeout-ms=3000+--wait-ms=60000",
		 more, o->rounds, o->rtt_count, o->warmup, o->rate_ms);
	snprintf(net, sizeof(net), "path=%s,backend=tap,ifname=%s", g->path->name, g->tap);
	null = open("/dev/null", O_RDONLY);
	console = open(g->console, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	dup2(null, 0);
	dup2(console, 1);
	dup2(console, 2);
	execl(vmm, "viola-vmm", "--kernel", g->x->kernel, "--initrd",
	      g->x->initrd, "--cmdline", cmdline, "--mem", "256M", "--cpus",
	      "1", "--serial1", g->serial, "--net", net, NULL);
	fprintf(stderr, "%s: %s\n", vmm, strerror(errno));
	_exit(127);
}

static int vmm_start(struct guest *g, struct failure *f)
{
	int go[2];

	if (pipe2(go, O_CLOEXEC))
		return failure_set(f, errno, "pipe: %s", strerror(errno));
	fflush(NULL);
	g->vmm = fork();
	if (g->vmm < 0)
		return failure_set(f, errno, "fork: %s", strerror(errno));
	if (!g->vmm) {
		close(go[1]);
		vmm_exec(g, go[0]);
	}
	close(go[0]);
	counters_open(&g->counters, g->vmm, g->x->guest_time);
	g->since = clock_now();
	if (write(go[1], "", 1) != 1)
		failure_set(f, errno, "the VMM could not be started");
	close(go[1]);
	return f->text[0] ? -EPIPE : 0;
}

static bool vmm_ended(struct guest *g)
{
	if (g->vmm && waitpid(g->vmm, &g->vmm_status, WNOHANG) == g->vmm)
		g->vmm = 0;
	return !g->vmm;
}

static void vmm_kill(struct guest *g)
{
	if (!g->vmm)
		return;
	kill(g->vmm, SIGKILL);
	waitpid(g->vmm, &g->vmm_status, 0);
	g->vmm = 0;
}

/*
 * The last lines of the guest's console, on one line, printable, for a
 * sentence that says what went wrong.
 */
static void console_tail(const struct guest *g, char *buf, size_t room)
{
	char text[1024];
	size_t n, i, from = 0, lines = 0;
	FILE *in = fopen(g->console, "re");

	buf[0] = 0;
	if (!in)
		return;
	if (fseek(in, -(long)sizeof(text) + 1, SEEK_END))
		rewind(in);
	n = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	while (n && strchr("\r\n ", text[n - 1]))
		n--;
	for (i = n; i-- > 0 && lines < 3; )
		if (text[i] == '\n') {
			lines++;
			from = i + 1;
		}
	if (lines < 3)
		from = 0;
	if (n - from > room - 1)
		from = n - (room - 1);
	for (i = 0; from < n; from++)
		if (text[from] == '\n')
			buf[i++] = '|';
		else if (text[from] >= 0x20 && text[from] < 0x7f)
			buf[i++] = text[from];
	buf[i] = 0;
}

static int vmm_judge(const struct guest *g, struct failure *f)
{
	char tail[200];

	if (WIFEXITED(g->vmm_status) && !WEXITSTATUS(g->vmm_status))
		return 0;
	console_tail(g, tail, sizeof(tail));
	if (WIFSIGNALED(g->vmm_status))
		return failure_set(f, EIO, "viola-vmm was ended by signal %d; it said last: %s",
				   WTERMSIG(g->vmm_status), tail);
	return failure_set(f, EIO, "viola-vmm exited with status %d; it said last: %s",
			   WEXITSTATUS(g->vmm_status), tail);
}

struct guest *guest_start(const struct measure_context *x, unsigned int index,
			  struct failure *f)
{
	struct guest *g = calloc(1, sizeof(*g));

	if (!g)
		abort();
	g->x = x;
	g->path = x->options->path[index];
	snprintf(g->tap, sizeof(g->tap), "vtap%u", index);
	path_join(g->console, x->log, "%s.console", g->path->name);
	path_join(g->serial, x->log, "%s.agent.json", g->path->name);
	unlink(g->serial);
	if (tap_create(g->tap, f)) {
		free(g);
		return NULL;
	}
	g->fe = farend_create(g->tap, &farend_ops, g, f);
	if (g->fe)
		farend_slow(g->fe, x->options->slow_ns[index]);
	if (!g->fe || vmm_start(g, f)) {
		guest_destroy(g);
		return NULL;
	}
	return g;
}

void guest_destroy(struct guest *g)
{
	if (!g)
		return;
	vmm_kill(g);
	farend_destroy(g->fe);
	counters_close(&g->counters);
	tap_remove(g->tap);
	free(g);
}

bool guest_ready(const struct guest *g)
{
	return g->asked == 1;
}

/* Why a guest that ended did so before its time; what it had said, if anything. */
static int guest_ended(const struct guest *g, struct failure *f)
{
	char tail[200];
	int err = vmm_judge(g, f);

	if (err)
		return err;
	console_tail(g, tail, sizeof(tail));
	return failure_set(f, EIO, "the guest ended without a measurement; its console said last: %s",
			   tail);
}

int guest_step(struct guest *g, int ms, struct failure *f)
{
	const unsigned int limit = g->x->options->limit_s;
	char tail[200];
	int err;

	if (vmm_ended(g))
		return guest_ended(g, f);
	err = farend_step(g->fe, ms, f);
	if (err)
		return err;
	if (seconds_since(g->since) <= limit)
		return 0;
	console_tail(g, tail, sizeof(tail));
	return failure_set(f, ETIMEDOUT, "the guest %s within %u s; its console said last: %s",
			   g->asked ? "did not finish a round" : "did not ask for its first round",
			   limit, tail);
}

/*
 * The document of round @number: line @number of what the agent writes. It is
 * there when the agent goes on, but for what the VMM has not passed on yet.
 * NULL when it is not, or not whole.
 */
static json_t *document_read(const struct guest *g, unsigned int number)
{
	FILE *in = fopen(g->serial, "re");
	char *line = NULL;
	json_t *doc = NULL;
	unsigned int i;
	size_t room = 0;
	ssize_t n = 0;

	if (!in)
		return NULL;
	for (i = 0; i < number && n >= 0; i++)
		n = getline(&line, &room, in);
	if (n > 0 && line[n - 1] == '\n')
		doc = json_loads(line, 0, NULL);
	free(line);
	fclose(in);
	return doc;
}

static json_t *document_wait(struct guest *g, unsigned int number, struct failure *f)
{
	const uint64_t start = clock_now();
	json_t *doc;

	while (seconds_since(start) < RESULT_LIMIT_S) {
		const bool last = vmm_ended(g);

		doc = document_read(g, number);
		if (doc)
			return doc;
		if (last)
			break;
		if (farend_step(g->fe, STEP_MS, f))
			return NULL;
	}
	failure_set(f, EIO, "the agent's results of round %u are missing or not readable (%s)",
		    number, g->serial);
	return NULL;
}

/* A round is over when the agent asks for the next one or has said goodbye. */
static int round_serve(struct guest *g, unsigned int number, struct failure *f)
{
	int err = 0;

	while (!err && g->asked == number && !g->bye_ns)
		err = guest_step(g, STEP_MS, f);
	return err;
}

/* The last round: its guest must not be in the way of the next one's. */
static int stop_wait(struct guest *g, struct failure *f)
{
	int err;

	while (!vmm_ended(g)) {
		err = farend_step(g->fe, STEP_MS, f);
		if (err)
			return err;
		if (seconds_since(g->bye_ns) > STOP_LIMIT_S)
			return failure_set(f, ETIMEDOUT,
				"the guest had finished but did not power off within %d s",
				STOP_LIMIT_S);
	}
	return vmm_judge(g, f);
}

int guest_round(struct guest *g, unsigned int number, json_t *out, struct failure *f)
{
	struct failure early = { "" };
	json_t *doc;
	int err;

	g->since = clock_now();
	g->first_phase = g->last_phase;
	memset(g->phase, 0, sizeof(g->phase));
	counters_target(&g->counters);
	if (g->x->fifo && threads_fifo(g->vmm, f))
		return -EPERM;
	farend_release(g->fe);
	err = round_serve(g, number, &early);
	/* What the agent has to say of a round that failed comes first. */
	doc = document_wait(g, number, f);
	if (doc)
		err = result_round(out, g->path, doc, g->phase, &g->counters,
				   !strcmp(g->x->mode, "lab-icount"), f) ?: err;
	else
		err = -EIO;
	json_decref(doc);
	if (early.text[0] && (!doc || !f->text[0]))
		*f = early;
	if (!err && g->bye_ns)
		err = stop_wait(g, f);
	return err;
}
