// SPDX-License-Identifier: GPL-2.0
#include "tools/viola/commands.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMANDS_MAX 256

struct command_list {
	char *name[COMMANDS_MAX];
	size_t count;
};

static bool list_has(const struct command_list *list, const char *name)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (!strcmp(list->name[i], name))
			return true;
	return false;
}

static void list_add(struct command_list *list, const char *name)
{
	if (list->count == COMMANDS_MAX || list_has(list, name))
		return;
	list->name[list->count] = strdup(name);
	if (list->name[list->count])
		list->count++;
}

static void list_folder(struct command_list *list, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d))) {
		if (strncmp(e->d_name, COMMAND_PREFIX, strlen(COMMAND_PREFIX)))
			continue;
		if (faccessat(dirfd(d), e->d_name, X_OK, 0))
			continue;
		list_add(list, e->d_name + strlen(COMMAND_PREFIX));
	}
	closedir(d);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_all(struct command_list *list, const char *own)
{
	const char *path = getenv("PATH");
	char *copy, *dir, *rest;

	if (*own)
		list_folder(list, own);
	copy = strdup(path ? path : "");
	for (dir = strtok_r(copy, ":", &rest); dir; dir = strtok_r(NULL, ":", &rest))
		list_folder(list, dir);
	free(copy);
	qsort(list->name, list->count, sizeof(list->name[0]), compare_names);
}

static const struct known_program *known_find(const char *name)
{
	const struct known_program *k;

	for (k = known_programs; k->name; k++)
		if (!strcmp(k->name, name))
			return k;
	return NULL;
}

/* What @k and those behind it that share its page are, if one of them is there. */
static const struct known_program *print_page(FILE *out, const struct known_program *k,
					      const struct command_list *list)
{
	const char *what = k->what;
	char names[80] = "";
	size_t len = 0;

	for (; k->name && k->what && !strcmp(k->what, what); k++) {
		int n;

		if (!list_has(list, k->name))
			continue;
		n = snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "", k->name);
		if (n > 0 && (size_t)n < sizeof(names) - len)
			len += (size_t)n;
	}
	if (len)
		fprintf(out, "  %-12s %s\n", names, what);
	return k;
}

static void print_lines(FILE *out, const struct command_list *list)
{
	const struct known_program *k = known_programs;
	const char *before = "\nFrom elsewhere: ";
	size_t i;

	while (k->name && k->what)
		k = print_page(out, k, list);
	for (i = 0; i < list->count; i++) {
		if (known_find(list->name[i]))
			continue;
		fprintf(out, "%s%s", before, list->name[i]);
		before = ", ";
	}
	if (*before == ',')
		fputc('\n', out);
	if (!list->count)
		fputs("  none: no program named " COMMAND_PREFIX "COMMAND beside viola or in PATH\n",
		      out);
}

void commands_print(FILE *out, const char *own, bool names_only)
{
	struct command_list list = { .count = 0 };
	size_t i;

	list_all(&list, own);
	if (!names_only)
		print_lines(out, &list);
	for (i = 0; i < list.count; i++) {
		const struct known_program *k = known_find(list.name[i]);

		if (names_only && (!k || k->what))
			fprintf(out, "%s\n", list.name[i]);
		free(list.name[i]);
	}
}
