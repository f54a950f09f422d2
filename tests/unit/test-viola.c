// SPDX-License-Identifier: GPL-2.0
/*
 * What `viola` says that it can do, in a folder of programs: the program as it was
 * built, and others of which only names count.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT_MAX 16384

static char dir[] = "/tmp/viola-commands-XXXXXX";

static void run(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a command says on both outputs; it must succeed. */
static void run(char *text, const char *format, ...)
{
	char command[1024];
	va_list args;
	size_t len;
	FILE *p;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	p = popen(command, "r");
	assert_non_null(p);
	len = fread(text, 1, TEXT_MAX - 1, p);
	text[len] = 0;
	if (pclose(p))
		fail_msg("%s: %s", command, text);
}

/* Programs for users, programs that are not, and one that nobody here knows. */
static const char *const users[] = { "compare", "dpdk", "lab", "run", "vmm" };
static const char *const inner[] = { "guest-init", "havoc", "test-abi", "test-vring" };
static const char *const elsewhere[] = { "of-somebody" };

static void make(const char *folder, const char *name)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/viola-%s", dir, folder, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs("#!/bin/sh\nexit 3\n", f);
	fclose(f);
	assert_int_equal(chmod(path, 0755), 0);
}

static int setup(void **state)
{
	char text[TEXT_MAX];
	size_t i;

	if (!mkdtemp(dir))
		return -1;
	run(text, "mkdir %s/own %s/path && cp build/bin/viola %s/own/", dir, dir, dir);
	for (i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		make("own", users[i]);
	for (i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
		make("own", inner[i]);
		/* Of a tree that is in PATH, too. */
		make("path", inner[i]);
	}
	make("path", elsewhere[0]);
	/* A program that is there and cannot be run is none. */
	run(text, "touch %s/own/viola-farend", dir);
	return 0;
}

static int teardown(void **state)
{
	char text[TEXT_MAX];

	run(text, "rm -r %s", dir);
	return 0;
}

/* Whether @word stands alone in @text. */
static bool says(const char *text, const char *word)
{
	const char *at = text;
	size_t len = strlen(word);

	while ((at = strstr(at, word))) {
		if ((at == text || strchr(",\n ", at[-1])) && strchr(",\n ", at[len]))
			return true;
		at += len;
	}
	return false;
}

static void test_help(void **state)
{
	char text[TEXT_MAX];
	size_t i;

	run(text, "PATH=%s/path %s/own/viola help 2>&1", dir, dir);
	/* As their manual pages begin. */
	assert_non_null(strstr(text, "\n  compare      compare the paths from a guest to a "));
	assert_non_null(strstr(text, "\n  lab          run a command in a lab machine\n"));
	assert_non_null(strstr(text, "\n  dpdk         "));
	/* One program by two names. */
	assert_non_null(strstr(text, "\n  vmm, run     boot a Linux guest "));
	for (i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
		assert_false(says(text, inner[i]));
	assert_false(says(text, "farend"));
	assert_non_null(strstr(text, "\nFrom elsewhere: of-somebody\n"));
}

/* Nobody has said what these are. */
static void test_every_command_has_a_line(void **state)
{
	char text[TEXT_MAX], *line, *rest;
	unsigned int commands = 0;

	run(text, "PATH= build/bin/viola help 2>&1");
	line = strstr(text, "Commands here:\n\n");
	assert_non_null(line);
	for (line = strtok_r(strchr(line, '\n'), "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		assert_memory_equal(line, "  ", 2);
		if (strlen(line) < 20 || line[14] != ' ' || line[15] == ' ')
			fail_msg("no line on what it does: %s", line);
		commands++;
	}
	/* Where only tests were built there is none to look at. */
	if (access("build/bin/viola-lab", X_OK))
		skip();
	assert_true(commands);
	assert_null(strstr(text, "From elsewhere"));
}

static void test_completion(void **state)
{
	char text[TEXT_MAX];
	size_t i;

	run(text, "PATH=%s/path:$PATH bash -c '. tools/viola/completion.bash; "
	    "COMP_WORDS=(%s/own/viola \"\"); COMP_CWORD=1; _viola; echo \"${COMPREPLY[*]}\"' 2>&1",
	    dir, dir);
	for (i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		assert_true(says(text, users[i]));
	for (i = 0; i < sizeof(inner) / sizeof(inner[0]); i++)
		assert_false(says(text, inner[i]));
	assert_true(says(text, "help"));
	assert_true(says(text, elsewhere[0]));
}

/* Not shown, and run all the same. */
static void test_inner_programs_run(void **state)
{
	char text[TEXT_MAX];

	run(text, "%s/own/viola havoc; [ $? -eq 3 ]", dir);
	run(text, "%s/own/viola farend 2>/dev/null; [ $? -eq 2 ]", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_every_command_has_a_line),
		cmocka_unit_test(test_completion),
		cmocka_unit_test(test_inner_programs_run),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
