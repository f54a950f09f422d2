// SPDX-License-Identifier: GPL-2.0
/*
 * The control socket, by a client that is sometimes rude. Socket, loop, protocol and
 * PCI are the monitor's own; what pauses a machine is noted here.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/vmm-rig.h"
#include "vmm/control/control.h"
#include "vmm/control/qmp.h"
#include "vmm/error.h"
#include "vmm/loop.h"
#include "vmm/platform/pm.h"
#include "vmm/stats.h"

#define LIMIT_MS 10000

static struct vm *vm;
static struct control *control;
static char path[] = "/tmp/viola-control-XXXXXX/socket";
static pthread_t main_tid;
static unsigned int presses; /* of the power button */

/* --- the machine ----------------------------------------------------------------- */

void vm_pause(struct vm *v)
{
	__atomic_store_n(&v->priv->run_state, RUN_PAUSED, __ATOMIC_SEQ_CST);
}

void vm_resume(struct vm *v)
{
	__atomic_store_n(&v->priv->run_state, RUN_RUNNING, __ATOMIC_SEQ_CST);
}

void pm_power_button(struct vm *v)
{
	__atomic_add_fetch(&presses, 1, __ATOMIC_SEQ_CST);
}

void stats_write(struct vm *v, struct console *console, const int *status, FILE *out)
{
	assert_null(status);
	fputs("{\"schema\": \"viola-vmm-stats/1\", \"vcpus\": []}", out);
}

/* --- the client ------------------------------------------------------------------- */

static int connect_to(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, sizeof(path));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* The next message: a line. NULL if the server has closed. */
static json_t *hear(int fd)
{
	static char line[65536];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	json_error_t error;
	json_t *message;
	size_t n = 0;

	do {
		assert_int_equal(poll(&p, 1, LIMIT_MS), 1);
		if (read(fd, line + n, 1) <= 0)
			return NULL;
	} while (line[n] != '\n' && ++n < sizeof(line) - 1);
	message = json_loadb(line, n, 0, &error);
	if (!message)
		fail_msg("'%.*s': %s", (int)n, line, error.text);
	return message;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The next message is, apart from white space and order, @want. */
static void assert_hear(int fd, const char *want)
{
	json_t *message = hear(fd), *wanted = json_loads(want, 0, NULL);

	assert_non_null(message);
	assert_non_null(wanted);
	if (!json_equal(message, wanted))
		fail_msg("not %s but %s", want, json_dumps(message, 0));
	json_decref(message);
	json_decref(wanted);
}

static void assert_event(int fd, const char *name)
{
	json_t *message = hear(fd);

	assert_string_equal(json_string_value(json_object_get(message, "event")), name);
	assert_true(json_integer_value(json_object_get(json_object_get(message, "timestamp"),
						       "seconds")) > 1600000000);
	json_decref(message);
}

static void assert_error(int fd, const char *class, const char *part)
{
	json_t *message = hear(fd), *error = json_object_get(message, "error");
	const char *desc = json_string_value(json_object_get(error, "desc"));

	assert_string_equal(json_string_value(json_object_get(error, "class")), class);
	if (!strstr(desc, part))
		fail_msg("'%s' is not in '%s'", part, desc);
	json_decref(message);
}

/* A client that has negotiated. */
static int client(void)
{
	int fd = connect_to();

	json_decref(hear(fd));
	say(fd, "{\"execute\": \"qmp_capabilities\"}");
	assert_hear(fd, "{\"return\": {}}");
	return fd;
}

static void *main_thread(void *arg)
{
	loop_run(vm->loop);
	return NULL;
}

static int listens(void)
{
	return control_create(&control, vm, NULL, path);
}

static int setup(void **state)
{
	char *folder = strdup("/tmp/viola-control-XXXXXX");

	presses = 0;
	assert_non_null(mkdtemp(folder));
	memcpy(path, folder, strlen(folder));
	free(folder);
	vm = rig_create(0, 1);
	assert_int_equal(loop_create(&vm->loop, NULL), 0);
	assert_int_equal(listens(), 0);
	return pthread_create(&main_tid, NULL, main_thread, NULL);
}

static int teardown(void **state)
{
	char folder[sizeof(path)];

	loop_quit(vm->loop);
	pthread_join(main_tid, NULL);
	control_destroy(control);
	loop_destroy(vm->loop);
	rig_destroy(vm);
	assert_int_equal(access(path, F_OK), -1);
	memcpy(folder, path, sizeof(path));
	*strrchr(folder, '/') = '\0';
	return rmdir(folder);
}

/* --- cases ------------------------------------------------------------------------ */

static void it_greets_and_negotiates(void **state)
{
	int fd = connect_to();
	json_t *qmp = hear(fd), *version;

	version = json_object_get(json_object_get(qmp, "QMP"), "version");
	assert_true(json_is_array(json_object_get(json_object_get(qmp, "QMP"), "capabilities")));
	assert_true(json_is_integer(json_object_get(json_object_get(version, "qemu"), "major")));
	assert_string_equal(json_string_value(json_object_get(version, "package")),
			    "viola-vmm " VIOLA_VERSION);
	json_decref(qmp);
	say(fd, "{\"execute\": \"stop\"}");
	assert_error(fd, "CommandNotFound", "qmp_capabilities");
	assert_int_equal(vm_run_state(vm), RUN_RUNNING);
	say(fd, "{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": []}}");
	assert_hear(fd, "{\"return\": {}}");
	say(fd, "{\"execute\": \"qmp_capabilities\"}");
	assert_error(fd, "CommandNotFound", "already complete");
	close(fd);
}

static void it_pauses_and_resumes(void **state)
{
	int fd = client();

	say(fd, "{\"execute\": \"query-status\", \"id\": {\"n\": [1, \"x\"]}}");
	assert_hear(fd, "{\"return\": {\"status\": \"running\", \"running\": true},"
			" \"id\": {\"n\": [1, \"x\"]}}");
	say(fd, "{\"execute\": \"stop\"}");
	assert_event(fd, "STOP");
	assert_hear(fd, "{\"return\": {}}");
	assert_int_equal(vm_run_state(vm), RUN_PAUSED);
	/* A second one changes nothing, so it is no event. */
	say(fd, "{\"execute\": \"stop\"}{\"execute\": \"query-status\"}");
	assert_hear(fd, "{\"return\": {}}");
	assert_hear(fd, "{\"return\": {\"status\": \"paused\", \"running\": false}}");
	say(fd, "{\"execute\": \"cont\"}");
	assert_event(fd, "RESUME");
	assert_hear(fd, "{\"return\": {}}");
	assert_int_equal(vm_run_state(vm), RUN_RUNNING);
	say(fd, "{\"execute\": \"system_powerdown\"}");
	assert_event(fd, "POWERDOWN");
	assert_hear(fd, "{\"return\": {}}");
	assert_int_equal(presses, 1);
	close(fd);
}

static void it_tells_what_there_is(void **state)
{
	int fd = client();
	json_t *message, *dev;

	say(fd, "{\"execute\": \"query-pci\"}");
	message = hear(fd);
	dev = json_array_get(json_object_get(json_array_get(json_object_get(message, "return"), 0),
					     "devices"), 0);
	assert_string_equal(json_string_value(json_object_get(dev, "qdev_id")), "host bridge");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(dev, "id"), "vendor")),
			 0x8086);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(dev, "class_info"),
							    "class")), 0x0600);
	json_decref(message);
	say(fd, "{\"execute\": \"query-stats\"}");
	assert_hear(fd, "{\"return\": {\"schema\": \"viola-vmm-stats/1\", \"vcpus\": []}}");
	say(fd, "{\"execute\": \"query-commands\"}");
	message = hear(fd);
	assert_true(json_array_size(json_object_get(message, "return")) >= 10);
	json_decref(message);
	close(fd);
}

static void commands_may_come_in_pieces(void **state)
{
	static const char text[] = " {\"execute\"\n:\t\"query-status\"}\n\n";
	int fd = client();
	unsigned int i;

	for (i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(send(fd, text + i, 1, MSG_NOSIGNAL), 1);
		usleep(100);
	}
	assert_hear(fd, "{\"return\": {\"status\": \"running\", \"running\": true}}");
	close(fd);
}

/* After each of them the conversation goes on. */
static void bad_input_is_answered(void **state)
{
	static const struct {
		const char *text, *class, *part;
	} bad[] = {
		{ "nonsense\n", "GenericError", "JSON parse error" },
		{ "{\"execute\": }\n", "GenericError", "JSON parse error" },
		{ "[1, 2]\n", "GenericError", "a command is an object" },
		{ "\xff\xfe\n", "GenericError", "JSON parse error" },
		{ "{\"execute\": \"\xff\"}\n", "GenericError", "JSON parse error" },
		{ "{\"execute\": \"stop\", \"execute\": \"stop\"}\n", "GenericError", "duplicate" },
		{ "{}", "GenericError", "lacks member 'execute'" },
		{ "{\"execute\": 7}", "GenericError", "lacks member 'execute'" },
		{ "{\"execute\": \"stop\", \"more\": 1}", "GenericError", "'more' is unexpected" },
		{ "{\"execute\": \"stop\", \"arguments\": 1}", "GenericError",
		  "must be an object" },
		{ "{\"execute\": \"stop\", \"arguments\": {\"now\": 1}}", "GenericError",
		  "'now' is unexpected" },
		{ "{\"execute\": \"migrate\"}", "CommandNotFound", "migrate" },
		{ "{\"execute\": \"\"}", "CommandNotFound", "has not been found" },
		{ "{\"execute\": \"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		  "\xc3\xa4\xc3\xa4\xc3\xa4X\xc3\xa4\xc3\xa4\"}", "CommandNotFound", "" },
	};
	int fd = client();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		say(fd, bad[i].text);
		assert_error(fd, bad[i].class, bad[i].part);
		say(fd, "{\"execute\": \"query-status\"}");
		assert_hear(fd, "{\"return\": {\"status\": \"running\", \"running\": true}}");
	}
	close(fd);
}

static void a_command_without_end_is_refused(void **state)
{
	char text[QMP_INPUT_MAX + 1];
	int fd = client();

	/* A string without end, and an array that is only opened. */
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "{\"execute\": \"", 13);
	text[sizeof(text) - 1] = '\0';
	say(fd, text);
	assert_error(fd, "GenericError", "longer than 16 KiB");
	say(fd, "{\"execute\": \"stop\"}\n"); /* of the same line */
	memset(text, '[', sizeof(text) - 1);
	memcpy(text, "{\"arguments\":", 13);
	text[sizeof(text) - 2] = '\n';
	say(fd, text);
	assert_error(fd, "GenericError", "JSON parse error");
	say(fd, "{\"execute\": \"query-status\"}");
	assert_hear(fd, "{\"return\": {\"status\": \"running\", \"running\": true}}");
	assert_int_equal(vm_run_state(vm), RUN_RUNNING);
	close(fd);
}

/* It is given no more memory than QMP_OUTPUT_MAX, and the next client is served. */
static void a_client_that_does_not_read_holds_nobody_up(void **state)
{
	static const char ask[] = "{\"execute\": \"query-commands\"}";
	int fd = client(), next;
	unsigned int i;

	for (i = 0; i < 100000; i++)
		if (send(fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
	assert_true(i < 100000);
	/* Its questions wait as its answers do; nothing is lost when it reads after all. */
	assert_int_equal(errno, EAGAIN);
	json_decref(hear(fd));
	close(fd);
	next = client();
	close(next);
}

static void one_client_at_a_time(void **state)
{
	int first = client(), second = connect_to();
	struct pollfd p = { .fd = second, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 50), 0);
	say(first, "{\"execute\": \"query-status\"}");
	assert_hear(first, "{\"return\": {\"status\": \"running\", \"running\": true}}");
	close(first);
	json_decref(hear(second));
	close(second);
	/* One that leaves within a word, and one that says nothing. */
	first = client();
	say(first, "{\"execute\": \"st");
	close(first);
	close(connect_to());
	close(client());
	assert_int_equal(vm_run_state(vm), RUN_RUNNING);
}

static void quit_is_answered_and_stops_the_machine(void **state)
{
	int fd = client();
	unsigned int i;

	say(fd, "{\"execute\": \"quit\"}{\"execute\": \"stop\"}");
	assert_hear(fd, "{\"return\": {}}");
	for (i = 0; i < LIMIT_MS && !__atomic_load_n(&rig.stopped, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
	assert_true(rig.stopped);
	assert_int_equal(rig.status, VM_POWEROFF);
	close(fd);
}

/* --- the socket's file -------------------------------------------------------------- */

static void the_socket_is_its_owners(void **state)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_live_socket_is_not_taken_over(void **state)
{
	struct control *other;
	int fd;

	assert_int_equal(control_create(&other, vm, NULL, path), -EADDRINUSE);
	assert_non_null(strstr(vmm_error(), path));
	/* And it is still there. */
	fd = client();
	close(fd);
}

/* As a machine leaves it that was killed. */
static void a_stale_socket_is_replaced(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	control_destroy(control);
	memcpy(address.sun_path, path, sizeof(path));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(listens(), 0);
	close(client());
}

static void a_file_is_not_replaced(void **state)
{
	struct control *other;
	char text[8] = "";
	FILE *f;

	control_destroy(control);
	f = fopen(path, "w");
	fputs("mine", f);
	fclose(f);
	assert_int_equal(control_create(&other, vm, NULL, path), -EADDRINUSE);
	f = fopen(path, "r");
	assert_int_equal(fread(text, 1, sizeof(text) - 1, f), 4);
	fclose(f);
	assert_string_equal(text, "mine");
	unlink(path);
	assert_int_equal(listens(), 0);
}

static void bad_places_are_refused(void **state)
{
	char longer[200];
	struct control *other;

	assert_int_equal(control_create(&other, vm, NULL, "/tmp/no-such-folder/socket"), -ENOENT);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(control_create(&other, vm, NULL, longer), -ENAMETOOLONG);
	assert_string_equal(vmm_error(), "--control: a socket's path has at most 107 bytes");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_greets_and_negotiates),
		T(it_pauses_and_resumes),
		T(it_tells_what_there_is),
		T(commands_may_come_in_pieces),
		T(bad_input_is_answered),
		T(a_command_without_end_is_refused),
		T(a_client_that_does_not_read_holds_nobody_up),
		T(one_client_at_a_time),
		T(quit_is_answered_and_stops_the_machine),
		T(the_socket_is_its_owners),
		T(a_live_socket_is_not_taken_over),
		T(a_stale_socket_is_replaced),
		T(a_file_is_not_replaced),
		T(bad_places_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
