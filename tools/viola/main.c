// SPDX-License-Identifier: GPL-2.0
/*
 * viola CMD ARGS...: run viola-CMD, looked for beside this program and then in
 * PATH. The programs beside it come first so that a build tree always uses its
 * own, whatever is installed.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "viola-"
#define COMMANDS_MAX 256

struct command_list {
	char *name[COMMANDS_MAX];
	size_t count;
};

/* The folder this program is in, without a trailing slash; empty if unknown. */
static void own_folder(char *dir, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", dir, size - 1);
	char *slash;

	dir[n > 0 ? n : 0] = '\0';
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	else
		dir[0] = '\0';
}

static void list_add(struct command_list *list, const char *name)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (!strcmp(list->name[i], name))
			return;
	if (list->count == COMMANDS_MAX)
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
		if (strncmp(e->d_name, PREFIX, strlen(PREFIX)))
			continue;
		if (faccessat(dirfd(d), e->d_name, X_OK, 0))
			continue;
		list_add(list, e->d_name + strlen(PREFIX));
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

static void print_help(FILE *out, const char *own)
{
	struct command_list list = { .count = 0 };
	size_t i;

	fprintf(out, "usage: viola COMMAND [ARGUMENTS]\n"
		"       viola --help | --version\n\n"
		"viola COMMAND --help tells about one command. Commands here:\n\n");
	list_all(&list, own);
	for (i = 0; i < list.count; i++) {
		fprintf(out, "  %s\n", list.name[i]);
		free(list.name[i]);
	}
	if (!list.count)
		fprintf(out, "  none: no program named " PREFIX "COMMAND beside viola or in PATH\n");
}

/* A command is a plain word: never a path, so that `viola ../x` runs nothing. */
static bool name_valid(const char *name)
{
	return *name && *name != '-' && !strchr(name, '/');
}

int main(int argc, char **argv)
{
	char own[PATH_MAX], file[PATH_MAX + NAME_MAX], *name;

	own_folder(own, sizeof(own));
	if (argc < 2) {
		print_help(stderr, own);
		return 2;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		if (argc > 2) {
			argv[1] = argv[2];
			argv[2] = (char *)"--help";
		} else {
			print_help(stdout, own);
			return fflush(stdout) ? 1 : 0;
		}
	}
	if (!strcmp(argv[1], "version") || !strcmp(argv[1], "--version")) {
		printf("viola %s\n", VIOLA_VERSION);
		return fflush(stdout) ? 1 : 0;
	}
	if (!name_valid(argv[1]) || strlen(argv[1]) > NAME_MAX - strlen(PREFIX)) {
		fprintf(stderr, "viola: '%s' is not a command; `viola help` lists them\n", argv[1]);
		return 2;
	}

	if (asprintf(&name, PREFIX "%s", argv[1]) < 0)
		return 1;
	argv[1] = name;
	if (*own) {
		snprintf(file, sizeof(file), "%s/%s", own, name);
		execv(file, argv + 1);
	}
	if (!*own || errno == ENOENT)
		execvp(name, argv + 1);
	if (errno == ENOENT)
		fprintf(stderr, "viola: there is no command '%s'; `viola help` lists them\n",
			name + strlen(PREFIX));
	else
		fprintf(stderr, "viola: cannot run %s: %s\n", name, strerror(errno));
	return 2;
}
