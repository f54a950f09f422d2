// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/compare/compare.h"
#include "tools/compare/view.h"

struct layout {
	FILE *out;
	unsigned int width[16];
	unsigned int rows;
};

static void measure(void *ctx, const struct view_table *t,
		    char (*cell)[VIEW_CELL])
{
	struct layout *l = ctx;
	unsigned int i;

	for (i = 0; i < t->columns; i++)
		if (strlen(cell[i]) > l->width[i])
			l->width[i] = strlen(cell[i]);
	l->rows++;
}

static void print_cell(struct layout *l, const struct view_table *t,
		       unsigned int i, const char *text)
{
	const bool last = i + 1 == t->columns;

	if (t->column[i].left)
		fprintf(l->out, "  %-*s", last ? 0 : (int)l->width[i], text);
	else
		fprintf(l->out, "  %*s", (int)l->width[i], text);
	if (last)
		fputc('\n', l->out);
}

static void print_row(void *ctx, const struct view_table *t,
		      char (*cell)[VIEW_CELL])
{
	unsigned int i;

	for (i = 0; i < t->columns; i++)
		print_cell(ctx, t, i, cell[i]);
}

static void table_print(FILE *out, const json_t *doc, const struct view_table *t)
{
	struct layout l = { .out = out };
	unsigned int i;

	for (i = 0; i < t->columns; i++)
		l.width[i] = strlen(t->column[i].title);
	view_rows(doc, t, measure, &l);
	if (!l.rows)
		return;
	fprintf(out, "\n%s\n", t->title);
	for (i = 0; i < t->columns; i++)
		print_cell(&l, t, i, t->column[i].title);
	view_rows(doc, t, print_row, &l);
}

static void wrap(FILE *out, const char *text)
{
	unsigned int column = 1;
	size_t n;

	fputs("\n*", out);
	for (; *text; text += n + (text[n] == ' ')) {
		n = strcspn(text, " ");
		if (column > 1 && column + 1 + n > 79) {
			fputs("\n ", out);
			column = 1;
		}
		fprintf(out, " %.*s", (int)n, text);
		column += n + 1;
	}
}

int table_write(const json_t *doc, const char *file)
{
	const json_t *host = json_object_get(doc, "host");
	const json_t *viola = json_object_get(doc, "viola");
	char *note[VIEW_NOTES];
	unsigned int i, n;
	FILE *out = fopen(file, "we");

	if (!out)
		return -errno;
	fprintf(out, "viola compare %s (%s), %s\n", view_text(viola, "version"),
		view_text(viola, "commit"), view_text(doc, "started"));
	fprintf(out, "host: %s, kernel %s, mode %s\n", view_text(host, "cpu"),
		view_text(host, "kernel"), view_text(host, "mode"));
	for (i = 0; i < view_tables_count; i++)
		table_print(out, doc, &view_tables[i]);
	n = view_notes(doc, note);
	for (i = 0; i < n; i++) {
		wrap(out, note[i]);
		free(note[i]);
	}
	fputc('\n', out);
	if (ferror(out)) {
		fclose(out);
		return -EIO;
	}
	return fclose(out) ? -errno : 0;
}
