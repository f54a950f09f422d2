// SPDX-License-Identifier: GPL-2.0
/*
 * report.html: tables and plots in one file that loads nothing from anywhere.
 * Colours are CSS variables, so the plots follow the reader's light or dark
 * setting; every line and bar also carries its path's name.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/compare/compare.h"
#include "tools/compare/view.h"

#define COLOURS		6

static const char head[] =
"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
"<title>viola compare</title>\n<style>\n"
":root{color-scheme:light dark;--fg:#1c2127;--dim:#5c6773;--bg:#fff;--line:#d5dae0;--panel:#f6f7f9;"
"--c0:#c2410c;--c1:#1d4ed8;--c2:#15803d;--c3:#7e22ce;--c4:#b45309;--c5:#0e7490}\n"
"@media (prefers-color-scheme:dark){:root{--fg:#e3e7ec;--dim:#98a3b0;--bg:#14181d;--line:#39414b;--panel:#1c2229;"
"--c0:#fb923c;--c1:#7aa7ff;--c2:#4ade80;--c3:#c990ff;--c4:#fbbf24;--c5:#22d3ee}}\n"
"body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:62rem;margin:2rem auto;padding:0 1rem}\n"
"h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .6rem}h3{font-size:.95rem;margin:1rem 0 .2rem}\n"
"p.sub{color:var(--dim);margin:.2rem 0}\n"
".scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
"th,td{padding:.2rem .8rem .2rem 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}\n"
"th{color:var(--dim);font-weight:500}th.l,td.l{text-align:left}\n"
"tr.ok td.status{color:var(--c2)}td.failed{color:var(--c0);font-weight:600}\n"
".plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(26rem,1fr));gap:1rem}\n"
"figure{margin:0;background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.6rem}\n"
"figcaption{font-size:.9rem;font-weight:600;margin-bottom:.3rem}\n"
"svg{width:100%;height:auto;display:block}svg text{fill:var(--fg);font:11px system-ui,sans-serif}svg text.d{fill:var(--dim)}\n"
"svg .g{stroke:var(--line);stroke-width:1;fill:none}svg .p{fill:none;stroke-width:2;stroke-linejoin:round}\n"
"ul{padding-left:1.2rem}\n</style>\n</head>\n<body>\n";

static void escape(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '<')
			fputs("&lt;", out);
		else if (*s == '>')
			fputs("&gt;", out);
		else if (*s == '&')
			fputs("&amp;", out);
		else if (*s == '"')
			fputs("&quot;", out);
		else
			fputc(*s, out);
	}
}

static void row_html(void *ctx, const struct view_table *t,
		     char (*cell)[VIEW_CELL])
{
	FILE *out = ctx;
	unsigned int i;

	fputs("<tr>", out);
	for (i = 0; i < t->columns; i++) {
		fprintf(out, "<td class=\"%s%s\">",
			t->column[i].left ? "l" : "",
			strcmp(cell[i], "failed") ? "" : " failed");
		escape(out, cell[i]);
		fputs("</td>", out);
	}
	fputs("</tr>\n", out);
}

static void table_html(FILE *out, const json_t *doc, const struct view_table *t)
{
	unsigned int i;

	fprintf(out, "<h2>%s</h2>\n<div class=\"scroll\"><table>\n<tr>", t->title);
	for (i = 0; i < t->columns; i++)
		fprintf(out, "<th%s>%s</th>", t->column[i].left ?
			" class=\"l\"" : "", t->column[i].title);
	fputs("</tr>\n", out);
	view_rows(doc, t, row_html, out);
	fputs("</table></div>\n", out);
}

/* --- percentile curves --- */

#define PLOT_W	440.0
#define PLOT_H	250.0
#define PLOT_L	52.0
#define PLOT_R	62.0
#define PLOT_T	8.0
#define PLOT_B	34.0

struct scale {
	double y0, y1;		/* log10 of microseconds */
	double x1;		/* nines shown */
};

/* Percentile as "nines": 0.9 is 1, 0.99 is 2… */
static double nines(double q)
{
	return q >= 1 ? 99 : -log10(1 - q);
}

static double plot_x(const struct scale *s, double n)
{
	return PLOT_L + n / s->x1 * (PLOT_W - PLOT_L - PLOT_R);
}

static double plot_y(const struct scale *s, double us)
{
	const double v = (log10(us) - s->y0) / (s->y1 - s->y0);

	return PLOT_H - PLOT_B - v * (PLOT_H - PLOT_T - PLOT_B);
}

static const json_t *rtt_of(const json_t *path, json_int_t size)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(path, "rtt"), i, one)
		if (json_integer_value(json_object_get(one, "size")) == size &&
		    json_array_size(json_object_get(one, "curve")))
			return one;
	return NULL;
}

/* Points that have at least one sample beyond them, clipped at the axis. */
static bool point(const json_t *rtt, size_t i, double *n, double *us)
{
	const json_t *p = json_array_get(json_object_get(rtt, "curve"), i);
	const double count = json_number_value(json_object_get(rtt, "samples"));

	*n = nines(json_number_value(json_array_get(p, 0)));
	*us = json_number_value(json_array_get(p, 1)) / 1e3;
	return p && *us > 0 && *n <= log10(count > 1 ? count : 2);
}

static bool scale_find(const json_t *doc, json_int_t size, struct scale *s)
{
	const json_t *path, *rtt;
	double n, us, lo = INFINITY, hi = 0;
	size_t i, j;

	s->x1 = 1;
	json_array_foreach(json_object_get(doc, "paths"), i, path) {
		rtt = rtt_of(path, size);
		for (j = 0; rtt && point(rtt, j, &n, &us); j++) {
			lo = us < lo ? us : lo;
			hi = us > hi ? us : hi;
			s->x1 = n > s->x1 ? n : s->x1;
		}
	}
	if (!hi)
		return false;
	s->y0 = floor(log10(lo) * 4) / 4;
	s->y1 = ceil(log10(hi) * 4) / 4;
	if (s->y1 - s->y0 < 0.5)
		s->y1 = s->y0 + 0.5;
	return true;
}

static void axes(FILE *out, const struct scale *s)
{
	static const struct {
		double q;
		const char *text;
	} xs[] = {
		{ 0, "0" }, { .5, "50" }, { .9, "90" }, { .99, "99" },
		{ .999, "99.9" }, { .9999, "99.99" },
	};
	static const double steps[] = { 1, 2, 5 };
	char text[32];
	unsigned int i;
	int decade;

	for (i = 0; i < sizeof(xs) / sizeof(*xs); i++) {
		const double x = plot_x(s, nines(xs[i].q));

		if (nines(xs[i].q) > s->x1 + .01)
			break;
		fprintf(out, "<path class=\"g\" d=\"M%.1f %.1fV%.1f\"/><text class=\"d\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
			x, PLOT_T, PLOT_H - PLOT_B, x, PLOT_H - PLOT_B + 14,
			xs[i].text);
	}
	for (decade = floor(s->y0); decade <= s->y1; decade++)
		for (i = 0; i < 3; i++) {
			const double us = steps[i] * pow(10, decade);

			if (log10(us) < s->y0 - .001 || log10(us) > s->y1 + .001)
				continue;
			view_number(text, sizeof(text), us);
			fprintf(out, "<path class=\"g\" d=\"M%.1f %.1fH%.1f\"/><text class=\"d\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
				PLOT_L, plot_y(s, us), PLOT_W - PLOT_R,
				PLOT_L - 5, plot_y(s, us) + 4, text);
		}
	fprintf(out, "<text class=\"d\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">percentile</text>\n",
		(PLOT_L + PLOT_W - PLOT_R) / 2, PLOT_H - 4);
}

/* Names stand at the lines' ends, moved apart where the ends are close. */
static double label_place(double *taken, unsigned int n, double y)
{
	unsigned int i, tries;

	for (tries = 0; tries < 20; tries++) {
		for (i = 0; i < n; i++)
			if (fabs(taken[i] - y) < 12)
				break;
		if (i == n)
			break;
		y = taken[i] - 12.5;
	}
	return y;
}

static void curve_plot(FILE *out, const json_t *doc, json_int_t size)
{
	double n, us, x = 0, y = 0, taken[COMPARE_PATHS_MAX];
	unsigned int labels = 0;
	const json_t *path, *rtt;
	struct scale s;
	size_t i, j;

	if (!scale_find(doc, size, &s))
		return;
	fprintf(out, "<figure><figcaption>Round trip, %lld bytes (microseconds, log scale)</figcaption>\n<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\">\n",
		(long long)size, PLOT_W, PLOT_H);
	axes(out, &s);
	json_array_foreach(json_object_get(doc, "paths"), i, path) {
		rtt = rtt_of(path, size);
		if (!rtt || labels == COMPARE_PATHS_MAX)
			continue;
		fprintf(out, "<path class=\"p\" style=\"stroke:var(--c%zu)\" d=\"",
			i % COLOURS);
		for (j = 0; point(rtt, j, &n, &us); j++) {
			x = plot_x(&s, n);
			y = plot_y(&s, us);
			fprintf(out, "%c%.1f %.1f", j ? 'L' : 'M', x, y);
		}
		taken[labels] = label_place(taken, labels, y);
		fprintf(out, "\"/><text x=\"%.1f\" y=\"%.1f\" style=\"fill:var(--c%zu)\">%s</text>\n",
			x + 5, taken[labels] + 4, i % COLOURS,
			view_text(path, "path"));
		labels++;
	}
	fputs("</svg></figure>\n", out);
}

/* --- bars --- */

struct bar {
	const char *name;
	unsigned int colour;
	double value;
	bool null;
};

static void bar_plot(FILE *out, const char *title, const struct bar *bar,
		     unsigned int n, bool better_low)
{
	double max = 0;
	unsigned int i, shown = 0;
	char text[32];

	for (i = 0; i < n; i++) {
		if (!bar[i].null)
			shown++;
		if (!bar[i].null && bar[i].value > max)
			max = bar[i].value;
	}
	if (!shown)
		return;
	fprintf(out, "<figure><figcaption>%s <span style=\"font-weight:400;color:var(--dim)\">%s is better</span></figcaption>\n<svg viewBox=\"0 0 440 %u\" role=\"img\">\n",
		title, better_low ? "less" : "more", 22 * n + 4);
	for (i = 0; i < n; i++) {
		const double w = max > 0 && !bar[i].null ?
				 bar[i].value / max * 280 : 0;

		if (bar[i].null)
			strcpy(text, "-");
		else
			view_number(text, sizeof(text), bar[i].value);
		fprintf(out, "<text x=\"64\" y=\"%u\" text-anchor=\"end\">%s</text><rect x=\"70\" y=\"%u\" width=\"%.1f\" height=\"14\" rx=\"2\" style=\"fill:var(--c%u)\"/><text x=\"%.1f\" y=\"%u\">%s</text>\n",
			22 * i + 15, bar[i].name, 22 * i + 4, w,
			bar[i].colour % COLOURS, 76 + w, 22 * i + 15, text);
	}
	fputs("</svg></figure>\n", out);
}

static void bar_value(struct bar *b, const json_t *path, size_t index,
		      const json_t *v, double unit)
{
	b->name = view_text(path, "path");
	b->colour = index;
	b->null = !json_is_number(v);
	b->value = b->null ? 0 : json_number_value(v) / unit;
}

static const json_t *rate_of(const json_t *path, const char *workload,
			     json_int_t size)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(path, "throughput"), i, one)
		if (!strcmp(view_text(one, "workload"), workload) &&
		    json_integer_value(json_object_get(one, "size")) == size)
			return one;
	return NULL;
}

static void rate_plot(FILE *out, const json_t *doc, const char *workload,
		      json_int_t size)
{
	struct bar bar[COMPARE_PATHS_MAX];
	const json_t *path;
	char title[96];
	unsigned int n = 0;
	size_t i;

	json_array_foreach(json_object_get(doc, "paths"), i, path) {
		if (n == COMPARE_PATHS_MAX)
			break;
		bar_value(&bar[n++], path, i,
			  json_object_get(rate_of(path, workload, size), "pps"), 1);
	}
	snprintf(title, sizeof(title), "%s, %lld bytes, packets/s",
		 strcmp(workload, "tx") ? "Guest receives" : "Guest sends",
		 (long long)size);
	bar_plot(out, title, bar, n, false);
}

static void cost_plot(FILE *out, const json_t *doc, const char *key,
		      const char *what, double unit)
{
	struct bar bar[COMPARE_PATHS_MAX];
	const json_t *path;
	char title[96];
	unsigned int n = 0;
	size_t i;

	json_array_foreach(json_object_get(doc, "paths"), i, path) {
		if (n == COMPARE_PATHS_MAX)
			break;
		bar_value(&bar[n++], path, i,
			  json_object_get(view_cost(path, "rtt"), key), unit);
	}
	snprintf(title, sizeof(title), "%s per packet, round trips", what);
	bar_plot(out, title, bar, n, true);
}

/* The sizes that any path has, each once. */
static unsigned int sizes_find(const json_t *doc, const char *list,
			       json_int_t size[16])
{
	const json_t *path, *one;
	unsigned int n = 0, k;
	size_t i, j;

	json_array_foreach(json_object_get(doc, "paths"), i, path)
		json_array_foreach(json_object_get(path, list), j, one) {
			const json_int_t v = json_integer_value(
				json_object_get(one, "size"));

			for (k = 0; k < n; k++)
				if (size[k] == v)
					break;
			if (k == n && n < 16)
				size[n++] = v;
		}
	return n;
}

static void plots(FILE *out, const json_t *doc)
{
	json_int_t size[16];
	unsigned int i, n;

	fputs("<h2>Plots</h2>\n<div class=\"plots\">\n", out);
	n = sizes_find(doc, "rtt", size);
	for (i = 0; i < n; i++)
		curve_plot(out, doc, size[i]);
	n = sizes_find(doc, "throughput", size);
	for (i = 0; i < n; i++)
		rate_plot(out, doc, "tx", size[i]);
	for (i = 0; i < n; i++)
		rate_plot(out, doc, "rx", size[i]);
	cost_plot(out, doc, "exits_per_packet", "Exits", 1);
	cost_plot(out, doc, "user_exits_per_packet", "Exits to userspace", 1);
	cost_plot(out, doc, "interrupts_per_packet", "Guest interrupts", 1);
	cost_plot(out, doc, "syscalls_per_packet", "VMM system calls", 1);
	cost_plot(out, doc, "host_cpu_ns_per_packet", "Host CPU microseconds", 1e3);
	fputs("</div>\n", out);
}

static void intro(FILE *out, const json_t *doc)
{
	const json_t *host = json_object_get(doc, "host");
	const json_t *viola = json_object_get(doc, "viola");

	fputs("<h1>Paths to a guest's network device</h1>\n<p class=\"sub\">", out);
	escape(out, view_text(host, "cpu"));
	fputs(" · kernel ", out);
	escape(out, view_text(host, "kernel"));
	fputs(" · mode ", out);
	escape(out, view_text(host, "mode"));
	fputs("</p>\n<p class=\"sub\">", out);
	escape(out, view_text(doc, "started"));
	fputs(" · viola ", out);
	escape(out, view_text(viola, "version"));
	fputs(" (", out);
	escape(out, view_text(viola, "commit"));
	fputs(")</p>\n", out);
}

int report_write(const json_t *doc, const char *file)
{
	char *note[VIEW_NOTES];
	FILE *out = fopen(file, "we");
	unsigned int i, n;

	if (!out)
		return -errno;
	fputs(head, out);
	intro(out, doc);
	table_html(out, doc, &view_tables[0]);
	plots(out, doc);
	for (i = 1; i < view_tables_count; i++)
		table_html(out, doc, &view_tables[i]);
	fputs("<h2>What the numbers rest on</h2>\n<ul>\n", out);
	n = view_notes(doc, note);
	for (i = 0; i < n; i++) {
		fputs("<li>", out);
		escape(out, note[i]);
		fputs("</li>\n", out);
		free(note[i]);
	}
	fputs("</ul>\n</body>\n</html>\n", out);
	if (ferror(out)) {
		fclose(out);
		return -EIO;
	}
	return fclose(out) ? -errno : 0;
}
