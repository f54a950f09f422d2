// SPDX-License-Identifier: GPL-2.0
/*
 * viola CMD ARGS...: run viola-CMD, looked for beside this program and then in
 * PATH. The programs beside it come first so that a build tree always uses its
 * own, whatever is installed.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/viola/commands.h"

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

static void print_help(FILE *out, const char *own)
{
	fprintf(out, "usage: viola COMMAND [ARGUMENTS]\n"
		"       viola --help | --version | --list-commands\n\n"
		"viola COMMAND --help tells about one command. Commands here:\n\n");
	commands_print(out, own, false);
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
	/* For completion. */
	if (!strcmp(argv[1], "--list-commands")) {
		commands_print(stdout, own, true);
		return fflush(stdout) ? 1 : 0;
	}
	if (!name_valid(argv[1]) || strlen(argv[1]) > NAME_MAX - strlen(COMMAND_PREFIX)) {
		fprintf(stderr, "viola: '%s' is not a command; `viola help` lists them\n", argv[1]);
		return 2;
	}

	if (asprintf(&name, COMMAND_PREFIX "%s", argv[1]) < 0)
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
			name + strlen(COMMAND_PREFIX));
	else
		fprintf(stderr, "viola: cannot run %s: %s\n", name, strerror(errno));
	return 2;
}
