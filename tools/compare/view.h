/* SPDX-License-Identifier: GPL-2.0 */
/* Reading a viola-compare/1 document for people: shared by table and report. */
#ifndef VIOLA_COMPARE_VIEW_H
#define VIOLA_COMPARE_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#define VIEW_CELL	96
#define VIEW_NOTES	24

/* One column of a table: where its value is and how it is shown. */
struct view_column {
	const char *title;
	const char *key;	/* in the row's object; NULL: the path's name */
	double unit;		/* divide by this; 0: text or whole number */
	bool left;		/* text, aligned left */
};

/* A table: one row per element of the path's list, or per path. */
struct view_table {
	const char *title;
	const char *list;	/* "rtt", "throughput", "cost", NULL: the path */
	const struct view_column *column;
	unsigned int columns;
};

extern const struct view_table view_tables[];
extern const unsigned int view_tables_count;

/*
 * Call @row for each row of @t with its cells as text ("-" for null).
 */
void view_rows(const json_t *doc, const struct view_table *t,
	       void (*row)(void *ctx, const struct view_table *t,
			   char (*cell)[VIEW_CELL]), void *ctx);

/*
 * The sentences that belong under the tables: what failed, why a value is
 * null, what the numbers rest on, what this mode cannot show. Returns how
 * many; each is malloc()ed.
 */
unsigned int view_notes(const json_t *doc, char *note[VIEW_NOTES]);

/* Three significant digits, without exponent. */
void view_number(char *buf, size_t room, double v);

/* A string of an object, or "" when it has none. */
const char *view_text(const json_t *obj, const char *key);

/* The rows of the cost table of a path: workload name and object. */
extern const char *const view_workloads[];	/* NULL at the end */
const json_t *view_cost(const json_t *path, const char *workload);

#endif
