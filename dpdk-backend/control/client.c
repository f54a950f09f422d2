// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/control/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <jansson.h>

#include "dpdk-backend/control/table.h"
#include "dpdk-backend/port/request.h"
#include "dpdk-backend/socket.h"
#include "tools/lib/number.h"

#define EXIT_USAGE 2
#define ANSWER_MAX (64u << 20) /* bytes */
#define ANSWER_SECONDS 30

struct client_command {
	const char *first, *second; /* words of it; the second may be NULL */
	int nargs;
	const char *usage, *what;
	/* The request, or NULL with what is wrong and the remedy in @why. */
	json_t *(*make)(char **args, char *why, size_t size);
	void (*show)(const json_t *answer);
};

const char *client_default_path(bool make, char *why, size_t size)
{
	static char path[108];
	const char *dir = geteuid() ? getenv("XDG_RUNTIME_DIR") : "/run";
	int n;

	if (!dir || !*dir) {
		snprintf(why, size, "XDG_RUNTIME_DIR is not set; give a path to --control");
		return NULL;
	}
	n = snprintf(path, sizeof(path), "%s/viola", dir);
	if (n < 0 || (size_t)n + sizeof("/dpdk.sock") > sizeof(path)) {
		snprintf(why, size, "XDG_RUNTIME_DIR is too long; give a path to --control");
		return NULL;
	}
	if (make && mkdir(path, geteuid() ? 0700 : 0755) && errno != EEXIST) {
		snprintf(why, size, "cannot make %s: %s; give a path to --control", path,
			 strerror(errno));
		return NULL;
	}
	strcpy(path + n, "/dpdk.sock");
	return path;
}

/* --- requests ------------------------------------------------------------------- */

/* Ports may be named by number or name; the other side tells which. */
static json_t *make_status(char **args, char *why, size_t size)
{
	return json_pack("{s:s}", "command", "status");
}

static json_t *add_request(const struct port_request *r)
{
	json_t *settings = json_array();
	unsigned int i;

	for (i = 0; i < r->nsetting; i++)
		json_array_append_new(settings, json_string(r->setting[i]));
	return json_pack("{s:s, s:{s:s, s:b, s:b, s:o}}", "command", "port-add", "port",
			 r->kind == &port_kind_uplink ? "device" : "path", r->name,
			 "client", r->client, "isolated", r->isolated, "settings", settings);
}

static json_t *make_port_add(char **args, char *why, size_t size)
{
	char path[8192]; /* folder and name, each at most PATH_MAX */
	struct port_request r;

	if (port_request_parse(&r, args[0], why, size))
		return NULL;
	/* The other side may have been started in another folder. */
	if (*r.name && *r.name != '/') {
		char here[4096];

		if (!getcwd(here, sizeof(here)) || strlen(r.name) >= sizeof(here)) {
			snprintf(why, size, "%s: the path is too long; give a shorter one", r.name);
			return NULL;
		}
		snprintf(path, sizeof(path), "%s/%s", here, r.name);
		r.name = path;
	}
	return add_request(&r);
}

static json_t *make_uplink_add(char **args, char *why, size_t size)
{
	struct port_request r;

	return port_request_device(&r, args[0], why, size) ? NULL : add_request(&r);
}

static json_t *make_remove(char **args, char *why, size_t size)
{
	return json_pack("{s:s, s:s}", "command", "port-remove", "port", args[0]);
}

static json_t *make_patch(char **args, char *why, size_t size)
{
	return json_pack("{s:s, s:[s, s]}", "command", "patch", "ports", args[0], args[1]);
}

static json_t *make_unpatch(char **args, char *why, size_t size)
{
	return json_pack("{s:s, s:s}", "command", "unpatch", "port", args[0]);
}

static json_t *make_forward(char **args, char *why, size_t size)
{
	return json_pack("{s:s, s:s}", "command", "forward", "mode", args[0]);
}

static json_t *make_move(char **args, char *why, size_t size)
{
	unsigned int queue, cpu;

	if (!number_parse(args[1], 0, 65535, &queue) || !number_parse(args[2], 0, 65535, &cpu)) {
		snprintf(why, size, "queue and CPU are numbers, as in: lcore move 0 1 3");
		return NULL;
	}
	return json_pack("{s:s, s:s, s:i, s:i}", "command", "queue-move", "port", args[0],
			 "queue", (int)queue, "cpu", (int)cpu);
}

static void show_number(const json_t *answer)
{
	printf("port %lld\n", (long long)json_integer_value(json_object_get(answer, "number")));
}

static const struct client_command commands[] = {
	{ "status", NULL, 0, "", "ports, queues, CPUs, rates", make_status, table_print },
	{ "port", "add", 1, "PATH[,client][,SETTING...]", "one more vhost-user port",
	  make_port_add, show_number },
	{ "uplink", "add", 1, "DEVICE[,ARG...][,SETTING...]", "one more Ethernet device",
	  make_uplink_add, show_number },
	{ "port", "remove", 1, "PORT", "by number or name", make_remove, NULL },
	{ "port", "patch", 2, "PORT PORT", "mode patch: connect them", make_patch, NULL },
	{ "port", "unpatch", 1, "PORT", "mode patch: disconnect it and its peer", make_unpatch,
	  NULL },
	{ "lcore", "move", 3, "PORT QUEUE CPU", "let CPU poll the queue", make_move, NULL },
	{ "forward", NULL, 1, "MODE", "another mode", make_forward, NULL },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

void client_help(void)
{
	size_t i;

	for (i = 0; i < COMMANDS; i++) {
		const struct client_command *c = &commands[i];
		int n = printf("  %s%s%s %s", c->first, c->second ? " " : "",
			       c->second ? c->second : "", c->usage);

		printf("%*s %s\n", n < 40 ? 40 - n : 0, "", c->what);
	}
}

/* --- the exchange ----------------------------------------------------------------- */

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int fail(const char *format, ...)
{
	va_list args;

	fputs("viola-dpdk: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_USAGE;
}

static int send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The answer's line, malloc'd, or NULL with errno. */
static char *receive_line(int fd)
{
	size_t room = 65536, len = 0;
	char *text = malloc(room);

	while (text) {
		ssize_t n = recv(fd, text + len, room - len - 1, 0);
		char *end;

		if (n <= 0) {
			if (!n)
				errno = ECONNRESET;
			break;
		}
		len += (size_t)n;
		text[len] = 0;
		end = strchr(text, '\n');
		if (end) {
			*end = 0;
			return text;
		}
		if (len + 1 == room) {
			char *more = room < ANSWER_MAX ? realloc(text, 2 * room) : NULL;

			if (!more) {
				errno = ENOMEM;
				break;
			}
			text = more;
			room *= 2;
		}
	}
	free(text);
	return NULL;
}

static const char *connect_remedy(int err)
{
	switch (err) {
	case ENOENT:
	case ECONNREFUSED:
		return "nobody listens there; start viola-dpdk with --control, or name its socket "
		       "with --control";
	case EACCES:
	case EPERM:
		return "permission denied; run this as the user whom viola-dpdk runs as";
	}
	return strerror(err);
}

/* Sends @request and returns the answer, or NULL with a sentence on stderr. */
static json_t *exchange(const char *path, const json_t *request)
{
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	char *text, *line = NULL, why[256] = "";
	json_t *answer = NULL;
	int fd, err;

	fd = socket_connect(path, why, sizeof(why));
	if (fd < 0) {
		if (*why)
			fail("%s", why);
		else
			fail("%s: %s", path, connect_remedy(-fd));
		return NULL;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	text = json_dumps(request, JSON_COMPACT);
	err = text ? send_all(fd, text, strlen(text)) : -ENOMEM;
	if (!err)
		err = send_all(fd, "\n", 1);
	free(text);
	if (!err) {
		line = receive_line(fd);
		err = line ? 0 : -errno;
	}
	close(fd);
	if (line)
		answer = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	free(line);
	if (!answer)
		fail("%s: no answer: %s; see whether viola-dpdk is still there", path,
		     err == -EAGAIN ? "it takes too long" : err ? strerror(-err) : "not JSON");
	return answer;
}

static int run(const struct client_command *c, const char *path, char **args, bool json)
{
	json_t *request, *answer;
	char why[512] = "no memory";
	int status = EXIT_SUCCESS;

	request = c->make(args, why, sizeof(why));
	if (!request)
		return fail("%s", why);
	answer = exchange(path, request);
	json_decref(request);
	if (!answer)
		return EXIT_USAGE;
	if (json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
		if (!json_is_true(json_object_get(answer, "ok")))
			status = EXIT_USAGE;
	} else if (json_is_true(json_object_get(answer, "ok"))) {
		if (c->show)
			c->show(answer);
	} else {
		const char *error = json_string_value(json_object_get(answer, "error"));

		status = fail("%s", error ? error : "the answer is of another version; use the "
			      "viola-dpdk that runs");
	}
	json_decref(answer);
	if (fflush(stdout))
		return fail("standard output: %s; make room, or send it elsewhere",
			    strerror(errno));
	return status;
}

int client_main(int argc, char **argv)
{
	const char *path = NULL;
	bool json = false;
	char why[512];
	int i, n = 0;
	size_t k;

	/* Options may stand anywhere; what is left are words. */
	for (i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			json = true;
		} else if (!strncmp(argv[i], "--control=", 10)) {
			path = argv[i] + 10;
		} else if (!strcmp(argv[i], "--control")) {
			if (++i == argc)
				return fail("--control needs a path");
			path = argv[i];
		} else if (!strncmp(argv[i], "--", 2)) {
			return fail("%s: commands have the options --json and --control PATH",
				    argv[i]);
		} else {
			argv[n++] = argv[i];
		}
	}
	for (k = 0; k < COMMANDS; k++) {
		const struct client_command *c = &commands[k];
		int words = c->second ? 2 : 1;

		if (n < words || strcmp(argv[0], c->first) ||
		    (c->second && strcmp(argv[1], c->second)))
			continue;
		if (n - words != c->nargs)
			return fail("this command is: %s%s%s %s", c->first, c->second ? " " : "",
				    c->second ? c->second : "", c->usage);
		if (!path) {
			path = client_default_path(false, why, sizeof(why));
			if (!path)
				return fail("%s", why);
		}
		return run(c, path, argv + words, json);
	}
	return fail("%s%s%s: no such command; --help lists them", n ? argv[0] : "",
		    n > 1 ? " " : "", n > 1 ? argv[1] : "");
}
