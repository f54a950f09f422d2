// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/compare/counters.h"
#include "tools/compare/result.h"
#include "tools/compare/run.h"
#include "tools/compare/tap.h"
#include "tools/guest/farend.h"

#define TAP_NAME	"vtap0"
#define STEP_MS		50
#define STOP_LIMIT_S	30	/* from the agent's goodbye to the VMM's exit */

struct run {
	const struct run_context *x;
	const struct path *path;
	const char *label;
	pid_t vmm;
	int vmm_status;
	uint64_t started;
	uint64_t bye_ns;		/* 0: the agent has not finished */
	bool hello;
	char console[PATH_MAX], serial[PATH_MAX];
	struct counters counters;
	struct result_phase phase[RESULT_PHASES];
};

static double seconds_since(uint64_t ns)
{
	return (double)(clock_now() - ns) / 1e9;
}

static void progress(const struct run *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void progress(const struct run *r, const char *fmt, ...)
{
	va_list ap;

	printf("%s: ", r->label);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

static int on_hello(void *ctx)
{
	struct run *r = ctx;

	r->hello = true;
	progress(r, "guest answers after %.1f s", seconds_since(r->started));
	return 0;
}

static int on_begin(void *ctx, const struct farend_phase *p)
{
	static const char *const name[] = {
		[VIOLA_WIRE_RTT] = "round trips",
		[VIOLA_WIRE_TX] = "sending",
		[VIOLA_WIRE_RX] = "receiving",
	};
	struct run *r = ctx;

	if (p->id > RESULT_PHASES)
		return -E2BIG;
	if (!p->warmup)
		progress(r, "%s, %u bytes", name[p->workload], p->size);
	r->phase[p->id - 1].begun = true;
	counters_read(&r->counters, &r->phase[p->id - 1].before);
	return 0;
}

static int on_end(void *ctx, const struct farend_phase *p,
		  const struct viola_wire_counts *counts, uint64_t agent_sent,
		  bool aborted)
{
	struct run *r = ctx;

	counters_read(&r->counters, &r->phase[p->id - 1].after);
	r->phase[p->id - 1].ended = !aborted;
	return 0;
}

static void on_bye(void *ctx)
{
	struct run *r = ctx;

	r->bye_ns = clock_now();
}

static const struct farend_ops farend_ops = {
	.hello = on_hello, .phase_begin = on_begin, .phase_end = on_end,
	.bye = on_bye,
};

static void vmm_exec(const struct run *r, int go)
{
	const struct compare_options *o = r->x->options;
	char vmm[PATH_MAX], cmdline[512], net[128], c;
	int null, console;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The parent opens the counters first: see counters_open(). */
	if (read(go, &c, 1) != 1)
		_exit(127);
	path_join(vmm, r->x->place->bin, "viola-vmm");
	snprintf(cmdline, sizeof(cmdline),
		 "console=ttyS0 quiet ipv6.disable=1 panic=-1 "
		 "viola.agent=--rtt-count=%u+--warmup=%u+--rate-ms=%u+--timeout-ms=3000+--wait-ms=60000",
		 o->rtt_count, o->warmup, o->rate_ms);
	snprintf(net, sizeof(net), "path=%s,backend=tap,ifname=" TAP_NAME,
		 r->path->name);
	null = open("/dev/null", O_RDONLY);
	console = open(r->console, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	dup2(null, 0);
	dup2(console, 1);
	dup2(console, 2);
	execl(vmm, "viola-vmm", "--kernel", r->x->kernel, "--initrd",
	      r->x->initrd, "--cmdline", cmdline, "--mem", "256M", "--cpus",
	      "1", "--serial1", r->serial, "--net", net, NULL);
	fprintf(stderr, "%s: %s\n", vmm, strerror(errno));
	_exit(127);
}

static int vmm_start(struct run *r, struct failure *f)
{
	int go[2];

	if (pipe2(go, O_CLOEXEC))
		return failure_set(f, errno, "pipe: %s", strerror(errno));
	fflush(NULL);
	r->vmm = fork();
	if (r->vmm < 0)
		return failure_set(f, errno, "fork: %s", strerror(errno));
	if (!r->vmm) {
		close(go[1]);
		vmm_exec(r, go[0]);
	}
	close(go[0]);
	counters_open(&r->counters, r->vmm);
	r->started = clock_now();
	if (write(go[1], "", 1) != 1)
		failure_set(f, errno, "the VMM could not be started");
	close(go[1]);
	return f->text[0] ? -EPIPE : 0;
}

static bool vmm_ended(struct run *r)
{
	if (r->vmm && waitpid(r->vmm, &r->vmm_status, WNOHANG) == r->vmm)
		r->vmm = 0;
	return !r->vmm;
}

static void vmm_kill(struct run *r)
{
	if (!r->vmm)
		return;
	kill(r->vmm, SIGKILL);
	waitpid(r->vmm, &r->vmm_status, 0);
	r->vmm = 0;
}

/*
 * The last lines of the guest's console, on one line, printable, for a
 * sentence that says what went wrong.
 */
static void console_tail(const struct run *r, char *buf, size_t room)
{
	char text[1024];
	size_t n, i, from = 0, lines = 0;
	FILE *in = fopen(r->console, "re");

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

static int vmm_judge(const struct run *r, struct failure *f)
{
	char tail[200];

	if (WIFEXITED(r->vmm_status) && !WEXITSTATUS(r->vmm_status))
		return 0;
	console_tail(r, tail, sizeof(tail));
	if (WIFSIGNALED(r->vmm_status))
		return failure_set(f, EIO, "viola-vmm was ended by signal %d; it said last: %s",
				   WTERMSIG(r->vmm_status), tail);
	return failure_set(f, EIO, "viola-vmm exited with status %d; it said last: %s",
			   WEXITSTATUS(r->vmm_status), tail);
}

/* Serve the guest until its VMM has ended, one way or the other. */
static int serve(struct run *r, struct farend *fe, struct failure *f)
{
	const unsigned int limit = r->x->options->limit_s;
	char tail[200];
	int err;

	while (!vmm_ended(r)) {
		err = farend_step(fe, STEP_MS, f);
		if (err)
			return err;
		if (r->bye_ns && seconds_since(r->bye_ns) > STOP_LIMIT_S) {
			return failure_set(f, ETIMEDOUT,
				"the guest had finished but did not power off within %d s",
				STOP_LIMIT_S);
		}
		if (seconds_since(r->started) > limit) {
			console_tail(r, tail, sizeof(tail));
			return failure_set(f, ETIMEDOUT,
				"%s within %u s; its console said last: %s",
				r->hello ? "the guest did not finish" :
					   "the guest's agent did not answer",
				limit, tail);
		}
	}
	err = vmm_judge(r, f);
	if (!err && !r->hello) {
		console_tail(r, tail, sizeof(tail));
		err = failure_set(f, EIO,
			"the guest ended without a measurement; its console said last: %s",
			tail);
	}
	return err;
}

static void failed(json_t *out, const struct failure *f)
{
	json_object_set_new(out, "status", json_string("failed"));
	json_object_set_new(out, "reason", json_string(f->text));
}

json_t *run_no_result(const struct path *p, const char *status,
		      const char *reason)
{
	return json_pack("{s:s,s:s,s:s,s:s,s:s?,s:{s:n,s:n},s:s?,s:s?,s:[],s:[],s:{s:n,s:n,s:n,s:n,s:n}}",
			 "path", p->name, "rung", p->rung, "device", "net",
			 "status", status, "reason", reason,
			 "guest", "kernel", "driver",
			 "mode", p->mode, "ring", p->ring, "rtt", "throughput",
			 "cost", "exits_per_packet", "interrupts_per_packet",
			 "syscalls_per_packet", "host_cpu_ns_per_packet",
			 "instructions_per_packet");
}

json_t *run_path(const struct run_context *x, const struct path *p,
		 const char *label)
{
	const bool icount = !strcmp(x->mode, "lab-icount");
	struct failure f = { "" }, why = { "" };
	struct run *r = calloc(1, sizeof(*r));
	json_t *out = run_no_result(p, "ok", NULL);
	struct farend *fe;
	int err;

	if (!r || !out)
		abort();
	r->x = x;
	r->path = p;
	r->label = label;
	path_join(r->console, x->log, "%s.console", p->name);
	path_join(r->serial, x->log, "%s.agent.json", p->name);
	unlink(r->serial);

	err = tap_create(TAP_NAME, &f);
	if (err)
		goto out;
	fe = farend_create(TAP_NAME, &farend_ops, r, &f);
	if (!fe)
		goto out_tap;
	progress(r, "starting the guest");
	err = vmm_start(r, &f);
	if (!err)
		err = serve(r, fe, &f);
	vmm_kill(r);
	farend_destroy(fe);
	/* What was measured is kept, whatever went wrong after it. */
	if (r->hello && result_fill(out, p, r->serial, r->phase, &r->counters,
				    icount, &why) && !err)
		f = why;
	counters_close(&r->counters);
out_tap:
	tap_remove(TAP_NAME);
out:
	if (f.text[0]) {
		failed(out, &f);
		progress(r, "failed: %s", f.text);
	} else {
		progress(r, "ok after %.0f s", seconds_since(r->started));
	}
	free(r);
	return out;
}
