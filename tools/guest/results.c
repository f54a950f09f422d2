// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tools/guest/agent.h"

const char *workload_name(uint8_t workload)
{
	static const char *const name[] = {
		[VIOLA_WIRE_RTT] = "rtt",
		[VIOLA_WIRE_TX] = "tx",
		[VIOLA_WIRE_RX] = "rx",
	};

	return workload < sizeof(name) / sizeof(*name) && name[workload] ?
	       name[workload] : "unknown";
}

/* Frames that one side sent and the other should have seen. */
static uint64_t rate_sent(const struct agent_phase *p)
{
	return p->workload == VIOLA_WIRE_TX ? p->sent : p->far.sent;
}

static const struct viola_wire_counts *rate_seen(const struct agent_phase *p)
{
	return p->workload == VIOLA_WIRE_TX ? &p->far : &p->mine;
}

static bool counts_clean(const struct agent_phase *p,
			 const struct viola_wire_counts *c, const char *side,
			 char *why, size_t len)
{
	if (!c->duplicated && !c->corrupted && !c->invented)
		return true;
	snprintf(why, len,
		 "phase %u (%s, size %u): the %s saw %llu duplicated, %llu corrupted and %llu invented frames",
		 p->id, workload_name(p->workload), p->size, side,
		 (unsigned long long)c->duplicated,
		 (unsigned long long)c->corrupted,
		 (unsigned long long)c->invented);
	return false;
}

static bool phase_clean(const struct agent_phase *p, char *why, size_t len)
{
	if (!counts_clean(p, &p->mine, "guest", why, len) ||
	    !counts_clean(p, &p->far, "far end", why, len))
		return false;
	if (p->lost) {
		snprintf(why, len,
			 "phase %u (rtt, size %u): %llu of %llu round trips were lost",
			 p->id, p->size, (unsigned long long)p->lost,
			 (unsigned long long)p->sent);
		return false;
	}
	if (p->workload != VIOLA_WIRE_RTT && !rate_seen(p)->received) {
		snprintf(why, len, "phase %u (%s, size %u): no frame arrived",
			 p->id, workload_name(p->workload), p->size);
		return false;
	}
	return true;
}

bool results_judge(const struct agent *a, char *why, size_t len)
{
	uint64_t stale = 0, missing = 0;
	unsigned int i;

	for (i = 0; i < a->phases; i++) {
		const struct agent_phase *p = &a->phase[i];

		if (!p->done)
			continue;
		if (!phase_clean(p, why, len))
			return false;
		stale += p->mine.stale + p->far.stale;
		if (p->workload != VIOLA_WIRE_RTT)
			missing += rate_sent(p) - rate_seen(p)->received;
	}
	/* A frame may come late once, and only one that was missing. */
	if (stale > missing) {
		snprintf(why, len,
			 "%llu frames came after their phase, but only %llu had been missing: duplicated",
			 (unsigned long long)stale, (unsigned long long)missing);
		return false;
	}
	return true;
}

static void write_string(FILE *out, const char *s)
{
	if (!s) {
		fputs("null", out);
		return;
	}
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if ((unsigned char)*s < 0x20)
			fprintf(out, "\\u%04x", *s);
		else
			fputc(*s, out);
	}
	fputc('"', out);
}

static void write_counts(FILE *out, const char *key,
			 const struct viola_wire_counts *c)
{
	fprintf(out,
		"\"%s\":{\"sent\":%llu,\"received\":%llu,\"duplicated\":%llu,\"corrupted\":%llu,\"invented\":%llu,\"stale\":%llu,\"span_ns\":%llu,\"socket_drops\":%llu,\"stalls\":%llu}",
		key, (unsigned long long)c->sent,
		(unsigned long long)c->received,
		(unsigned long long)c->duplicated,
		(unsigned long long)c->corrupted,
		(unsigned long long)c->invented,
		(unsigned long long)c->stale, (unsigned long long)c->span_ns,
		(unsigned long long)c->socket_drops,
		(unsigned long long)c->stalls);
}

static void write_rtt(FILE *out, const struct agent_rtt *r)
{
	unsigned int i;

	fprintf(out,
		",\"rtt\":{\"samples\":%llu,\"min_ns\":%llu,\"p50_ns\":%llu,\"p90_ns\":%llu,\"p99_ns\":%llu,\"p999_ns\":%llu,\"max_ns\":%llu,\"mean_ns\":%llu,\"curve\":[",
		(unsigned long long)r->samples, (unsigned long long)r->min,
		(unsigned long long)r->p50, (unsigned long long)r->p90,
		(unsigned long long)r->p99, (unsigned long long)r->p999,
		(unsigned long long)r->max, (unsigned long long)r->mean);
	for (i = 0; i < r->points; i++)
		fprintf(out, "%s[%g,%llu]", i ? "," : "", r->curve[i].q,
			(unsigned long long)r->curve[i].ns);
	fputs("]}", out);
}

/* Frames per second over the receiver's first-to-last interval. */
static void write_rate(FILE *out, const struct agent_phase *p)
{
	const struct viola_wire_counts *c = rate_seen(p);
	const uint64_t sent = rate_sent(p);
	double pps = 0, loss = 0;

	if (c->received > 1 && c->span_ns)
		pps = (double)(c->received - 1) * 1e9 / (double)c->span_ns;
	if (sent > c->received)
		loss = (double)(sent - c->received) / (double)sent;
	fprintf(out, ",\"rate\":{\"pps\":%.1f,\"bps\":%.0f,\"loss_ratio\":%.9f}",
		pps, pps * p->size * 8, loss);
}

static void write_phase(FILE *out, const struct agent_phase *p)
{
	fprintf(out,
		"{\"id\":%u,\"workload\":\"%s\",\"warmup\":%s,\"done\":%s,\"size\":%u,\"sent\":%llu,\"lost\":%llu,\"late\":%llu,\"duration_ns\":%llu,\"interrupts\":",
		p->id, workload_name(p->workload), p->warmup ? "true" : "false",
		p->done ? "true" : "false", p->size,
		(unsigned long long)p->sent, (unsigned long long)p->lost,
		(unsigned long long)p->late,
		(unsigned long long)p->duration_ns);
	if (p->irqs_known)
		fprintf(out, "%llu,", (unsigned long long)p->irqs);
	else
		fputs("null,", out);
	write_counts(out, "guest", &p->mine);
	fputc(',', out);
	write_counts(out, "farend", &p->far);
	if (p->workload == VIOLA_WIRE_RTT)
		write_rtt(out, &p->rtt);
	else
		write_rate(out, p);
	fputc('}', out);
}

static const char *driver_name(const char *iface, char *buf, size_t len)
{
	char link[128];
	ssize_t n;
	char *base;

	snprintf(link, sizeof(link), "/sys/class/net/%s/device/driver", iface);
	n = readlink(link, buf, len - 1);
	if (n <= 0)
		return NULL;
	buf[n] = 0;
	base = strrchr(buf, '/');
	return base ? base + 1 : buf;
}

static const char *clocksource(char *buf, size_t len)
{
	FILE *in = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource",
			 "re");
	char *ok;

	if (!in)
		return NULL;
	ok = fgets(buf, len, in);
	fclose(in);
	if (ok)
		buf[strcspn(buf, "\n")] = 0;
	return ok;
}

void results_write(const struct agent *a, FILE *out, const char *status,
		   const char *why)
{
	char driver[256], source[64];
	struct utsname uts;
	unsigned int i;

	uname(&uts);
	fprintf(out, "{\"schema\":\"viola-agent/1\",\"round\":%u,\"agent\":", a->round);
	write_string(out, VIOLA_VERSION);
	fputs(",\"status\":", out);
	write_string(out, status);
	fputs(",\"reason\":", out);
	write_string(out, why && why[0] ? why : NULL);
	fputs(",\"kernel\":", out);
	write_string(out, uts.release);
	fputs(",\"iface\":", out);
	write_string(out, a->cfg.iface);
	fputs(",\"driver\":", out);
	write_string(out, driver_name(a->cfg.iface, driver, sizeof(driver)));
	fputs(",\"clock\":\"CLOCK_MONOTONIC_RAW\",\"clocksource\":", out);
	write_string(out, clocksource(source, sizeof(source)));
	fprintf(out, ",\"control\":%s,\"window\":%u,\"timeout_ms\":%u,\"irq_shared\":%s,\"phases\":[",
		a->cfg.control ? "true" : "false", a->cfg.window,
		a->cfg.timeout_ms, a->irqs.shared ? "true" : "false");
	for (i = 0; i < a->phases; i++) {
		if (i)
			fputc(',', out);
		write_phase(out, &a->phase[i]);
	}
	fputs("]}\n", out);
}
