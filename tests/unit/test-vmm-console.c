// SPDX-License-Identifier: GPL-2.0
/*
 * The main thread's part: what is typed, what is printed, signals, and the end.
 * Each case runs the console in a process of its own, with pipes or a terminal
 * for standard input and output; the test is the user, and the guest is a thread
 * at the serial port's registers. Whatever the user does not read, the process
 * ends when it is told to.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/serial_reg.h>

#include "tests/unit/vmm-rig.h"
#include "vmm/kvm.h"
#include "vmm/loop.h"
#include "vmm/serial/console.h"

#define LIMIT_MS 60000
#define TEXT_SIZE 4096

/* What the guest at the registers does. */
struct guest {
	void (*run)(struct vm *vm);
	bool terminal; /* standard input and output are one */
	bool ignore_hup; /* as by nohup */
	int com2; /* of the process, or -1 */
	const char *input; /* a file for standard input instead of a pipe, or NULL */
};

static pid_t child;
static int to_child, from_child;

/* --- in the child: the machine ------------------------------------------------------- */

static struct vm *the_vm;

/* The rig's vm_stop() only notes it; the console's loop has to be ended. */
static void *stop_watch(void *arg)
{
	while (!__atomic_load_n(&rig.stopped, __ATOMIC_ACQUIRE))
		usleep(1000);
	loop_quit(the_vm->loop);
	return NULL;
}

static void *guest_thread(void *arg)
{
	const struct guest *guest = arg;

	guest->run(the_vm);
	return NULL;
}

static u8 in(unsigned int reg)
{
	u64 v;

	bus_read(&the_vm->pio, LAYOUT_COM1 + reg, &v, 1);
	return (u8)v;
}

static void put(unsigned int reg, u8 v)
{
	bus_write(&the_vm->pio, LAYOUT_COM1 + reg, v, 1);
}

static bool stopped(void)
{
	return __atomic_load_n(&rig.stopped, __ATOMIC_ACQUIRE);
}

/* As a driver that polls; ends with the machine, as a vCPU does. */
static void print(const char *text)
{
	for (; *text && !stopped(); text++) {
		while (!(in(UART_LSR) & UART_LSR_THRE) && !stopped())
			;
		put(UART_TX, (u8)*text);
	}
}

static int machine(const struct guest *guest)
{
	pthread_t watch, vcpu;
	struct console *con;

	the_vm = rig_create(0, 1);
	pthread_mutex_init(&the_vm->priv->coalesced.lock, NULL);
	if (loop_create(&the_vm->loop, NULL) || console_create(&con, the_vm, guest->com2))
		return 100;
	pthread_create(&watch, NULL, stop_watch, NULL);
	pthread_create(&vcpu, NULL, guest_thread, (void *)guest);
	console_start(con);
	loop_run(the_vm->loop);
	pthread_join(vcpu, NULL);
	pthread_join(watch, NULL);
	console_finish(con);
	console_destroy(con);
	loop_destroy(the_vm->loop);
	rig_destroy(the_vm);
	return rig.status;
}

bool kvm_has(int kvm_fd, int cap)
{
	return false;
}

/* --- the user ------------------------------------------------------------------------- */

static void start_on_terminal(const struct guest *guest)
{
	child = forkpty(&to_child, NULL, NULL, NULL);
	assert_true(child >= 0);
	if (!child)
		_exit(machine(guest));
	from_child = dup(to_child);
}

static void start_on_pipes(const struct guest *guest)
{
	int input[2], output[2];

	assert_int_equal(pipe2(input, O_CLOEXEC), 0);
	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		if (guest->ignore_hup)
			signal(SIGHUP, SIG_IGN);
		dup2(guest->input ? open(guest->input, O_RDONLY) : input[0], STDIN_FILENO);
		dup2(output[1], STDOUT_FILENO);
		close(input[1]);
		close(output[0]);
		_exit(machine(guest));
	}
	close(input[0]);
	close(output[1]);
	to_child = input[1];
	from_child = output[0];
}

static void start(const struct guest *guest)
{
	if (guest->terminal)
		start_on_terminal(guest);
	else
		start_on_pipes(guest);
}

static int teardown(void **state)
{
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	child = 0;
	close(to_child);
	close(from_child);
	return 0;
}

/* The child's exit status, -1 if it does not end or died. */
static int ends(void)
{
	unsigned int ms;
	int status;

	for (ms = 0; ms < LIMIT_MS; ms++) {
		if (waitpid(child, &status, WNOHANG) == child) {
			child = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		}
		usleep(1000);
	}
	return -1;
}

static bool runs_for(unsigned int ms)
{
	int status;

	usleep(ms * 1000);
	return !waitpid(child, &status, WNOHANG);
}

/* Reads until @text has come. */
static void hear(const char *text)
{
	static char said[1 << 20];
	struct pollfd p = { .fd = from_child, .events = POLLIN };
	size_t n = 0;

	memset(said, 0, sizeof(said));
	while (!strstr(said, text)) {
		ssize_t r;

		assert_int_equal(poll(&p, 1, LIMIT_MS), 1);
		r = read(from_child, said + n, sizeof(said) - 1 - n);
		if (r <= 0)
			fail_msg("'%s' did not come, but '%s'", text, said);
		n += (size_t)r;
	}
}

static void type(const char *text)
{
	assert_int_equal(write(to_child, text, strlen(text)), (ssize_t)strlen(text));
}

/* --- guests --------------------------------------------------------------------------- */

/* Sends back what is typed, in capitals. */
static void echo(struct vm *vm)
{
	put(UART_FCR, UART_FCR_ENABLE_FIFO);
	print("ready\n");
	while (!stopped()) {
		const char byte[2] = { in(UART_LSR) & UART_LSR_DR ? (char)in(UART_RX) : 0 };
		const char upper[2] = { byte[0] >= 'a' && byte[0] <= 'z' ?
					(char)(byte[0] - 32) : byte[0] };

		if (byte[0])
			print(upper);
		else
			usleep(100);
	}
}

/* Prints without end; every byte that the transmitter says it will take. */
static void flood(struct vm *vm)
{
	print("ready\n");
	while (!stopped())
		print("y\n");
}

/* The same, but does not ask. */
static void flood_blindly(struct vm *vm)
{
	print("ready\n");
	while (!stopped())
		put(UART_TX, 'y');
}

/* Prints more than a reader that stopped has room for, and powers off. */
static void flood_and_power_off(struct vm *vm)
{
	unsigned int i;

	print("ready\n");
	for (i = 0; i < 300000; i++)
		put(UART_TX, 'y');
	vm_stop(vm, VM_REBOOT);
}

static void say_goodbye(struct vm *vm)
{
	print("goodbye");
	vm_stop(vm, VM_REBOOT);
}

/* --- cases ---------------------------------------------------------------------------- */

static void what_is_typed_and_printed_gets_through(void **state)
{
	const struct guest guest = { echo, .com2 = -1 };
	char line[101];
	unsigned int i;

	start(&guest);
	hear("ready\n");
	/* More than the receiver's FIFO at once. */
	for (i = 0; i < 50; i++) {
		memset(line, 'a' + (int)(i % 26), sizeof(line) - 1);
		line[100] = '\0';
		type(line);
		memset(line, 'A' + (int)(i % 26), sizeof(line) - 1);
		hear(line);
	}
	kill(child, SIGTERM);
	assert_int_equal(ends(), VM_POWEROFF);
}

/* epoll does not watch a regular file, which is always ready. */
static void a_file_is_typed_and_its_end_is_not_the_machines(void **state)
{
	char name[] = "/tmp/viola-console-XXXXXX", text[3001];
	const struct guest guest = { echo, .com2 = -1, .input = name };
	int fd = mkstemp(name);

	memset(text, 'q', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	start(&guest);
	/* Its first bytes may come before the guest has switched the FIFO on, which empties it. */
	memset(text, 'Q', sizeof(text) - 1);
	text[sizeof(text) - 1 - 16] = '\0';
	hear(text);
	unlink(name);
	assert_true(runs_for(100));
	kill(child, SIGTERM);
	assert_int_equal(ends(), VM_POWEROFF);
}

static void no_input_is_no_reason_to_end(void **state)
{
	const struct guest guest = { echo, .com2 = -1, .input = "/dev/null" };

	start(&guest);
	hear("ready\n");
	assert_true(runs_for(100));
	kill(child, SIGTERM);
	assert_int_equal(ends(), VM_POWEROFF);
}

static void the_last_words_get_through(void **state)
{
	const struct guest guest = { say_goodbye, .com2 = -1 };

	start(&guest);
	hear("goodbye");
	assert_int_equal(ends(), VM_REBOOT);
}

static void each_signal_ends_it(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	const struct guest guest = { echo, .com2 = -1 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		start(&guest);
		hear("ready\n");
		kill(child, signals[i]);
		assert_int_equal(ends(), VM_POWEROFF);
		teardown(state);
	}
}

/* nohup(1): what was ignored at the start stays ignored, and nothing else is. */
static void an_ignored_signal_stays_ignored(void **state)
{
	const struct guest guest = { echo, .ignore_hup = true, .com2 = -1 };

	start(&guest);
	hear("ready\n");
	kill(child, SIGHUP);
	assert_true(runs_for(500));
	type("still\n");
	hear("STILL");
	kill(child, SIGTERM);
	assert_int_equal(ends(), VM_POWEROFF);
}

static void ctrl_a_x_ends_it_on_a_terminal(void **state)
{
	const struct guest guest = { echo, .terminal = true, .com2 = -1 };

	start(&guest);
	hear("ready");
	type("a\001\001b\001cd");
	hear("A\001BD"); /* Ctrl-a c means nothing */
	type("\001x");
	assert_int_equal(ends(), VM_POWEROFF);
}

static void ctrl_a_is_a_byte_on_a_pipe(void **state)
{
	const struct guest guest = { echo, .com2 = -1 };

	start(&guest);
	hear("ready\n");
	type("a\001xb");
	hear("A\001XB");
	close(to_child);
	/* No input any more is no reason to end. */
	to_child = -1;
	assert_true(runs_for(200));
	kill(child, SIGTERM);
	assert_int_equal(ends(), VM_POWEROFF);
}

/* Nobody reads what the guest prints without end. */
static void a_reader_that_stopped_holds_no_signal_up(void **state)
{
	static void (*const floods[])(struct vm *vm) = { flood, flood_blindly };
	unsigned int i, terminal;

	for (i = 0; i < ARRAY_SIZE(floods); i++)
		for (terminal = 0; terminal < 2; terminal++) {
			const struct guest guest = { floods[i], .terminal = terminal, .com2 = -1 };

			start(&guest);
			hear("ready");
			assert_true(runs_for(1500)); /* until all that can be full is */
			kill(child, SIGTERM);
			assert_int_equal(ends(), VM_POWEROFF);
			teardown(state);
		}
}

static void a_reader_that_stopped_does_not_stop_ctrl_a_x(void **state)
{
	const struct guest guest = { flood, .terminal = true, .com2 = -1 };

	start(&guest);
	hear("ready");
	assert_true(runs_for(1500));
	type("\001x");
	assert_int_equal(ends(), VM_POWEROFF);
}

static void a_reader_that_stopped_does_not_keep_the_guest_on(void **state)
{
	const struct guest guest = { flood_and_power_off, .com2 = -1 };

	start(&guest);
	hear("ready");
	assert_int_equal(ends(), VM_REBOOT);
}

static void a_second_port_that_nobody_reads_is_no_different(void **state)
{
	struct guest guest = { flood, .com2 = -1 };
	int port[2];

	assert_int_equal(pipe2(port, O_NONBLOCK), 0);
	while (write(port[1], "x", 1) == 1)
		;
	guest.com2 = port[1];
	start(&guest);
	hear("ready\n");
	kill(child, SIGTERM);
	assert_int_equal(ends(), VM_POWEROFF);
	close(port[0]);
	close(port[1]);
}

/* Standard output that is closed, or whose reader is gone, is no reason to end. */
static void a_gone_reader_is_no_reason_to_end(void **state)
{
	const struct guest guest = { flood, .com2 = -1 };

	start(&guest);
	hear("ready\n");
	close(from_child);
	from_child = -1;
	assert_true(runs_for(500));
	kill(child, SIGTERM);
	assert_int_equal(ends(), VM_POWEROFF);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_typed_and_printed_gets_through),
		T(a_file_is_typed_and_its_end_is_not_the_machines),
		T(no_input_is_no_reason_to_end),
		T(the_last_words_get_through),
		T(each_signal_ends_it),
		T(an_ignored_signal_stays_ignored),
		T(ctrl_a_x_ends_it_on_a_terminal),
		T(ctrl_a_is_a_byte_on_a_pipe),
		T(a_reader_that_stopped_holds_no_signal_up),
		T(a_reader_that_stopped_does_not_stop_ctrl_a_x),
		T(a_reader_that_stopped_does_not_keep_the_guest_on),
		T(a_second_port_that_nobody_reads_is_no_different),
		T(a_gone_reader_is_no_reason_to_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
