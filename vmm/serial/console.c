// SPDX-License-Identifier: GPL-2.0
/*
 * Input and signals, on the main thread's loop. It must answer a signal whatever else
 * goes on, so it never waits for a reader: output has threads of its own (output.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/error.h"
#include "vmm/loop.h"
#include "vmm/serial/console.h"
#include "vmm/serial/uart.h"
#include "vmm/vm-private.h"

/*
 * How long KVM may keep a byte. Drivers read a register after what they write,
 * which brings the bytes out; this is for a guest that does not.
 */
#define DRAIN_S 1
/*
 * How long the end of the program waits for a reader that takes nothing, and for
 * one that takes something now and then.
 */
#define FINISH_MS 1000
#define FINISH_MAX_MS 10000

#define ESCAPE 0x01 /* Ctrl-a */

struct console {
	struct vm *vm;
	struct loop *loop; /* the machine's main loop, which outlives it */
	struct uart com1, com2;
	int com2_fd;
	struct loop_source signal; /* a signalfd */
	struct loop_source tick; /* a timerfd: time to look for what KVM keeps */
	struct loop_source wake; /* an eventfd: COM1 has room for input again */
	struct loop_source in; /* standard input */
	bool input; /* standard input is open */
	bool watched; /* by the loop: there is room for input */
	bool raw; /* the terminal has been changed */
	bool escaped; /* Ctrl-a was typed */
	struct termios terminal; /* as it was */
};

/* A signal that is ignored at the start (nohup, a shell's background) stays so. */
static int signals_create(void)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction was;
	unsigned int i;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (i = 0; i < ARRAY_SIZE(ends); i++)
		if (sigaction(ends[i], NULL, &was) || was.sa_handler != SIG_IGN)
			sigaddset(&set, ends[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? vmm_fail(errno, "cannot watch signals: %m") : fd;
}

static int tick_create(void)
{
	const struct itimerspec every = {
		.it_interval.tv_sec = DRAIN_S, .it_value.tv_sec = DRAIN_S,
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0)
		timerfd_settime(fd, 0, &every, NULL);
	return fd < 0 ? vmm_fail(errno, "cannot create a timer: %m") : fd;
}

static int wake_create(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? vmm_fail(errno, "cannot create an eventfd: %m") : fd;
}

/* @fd or, if it is none, an error that creating it has recorded. */
static int source_add(struct console *con, struct loop_source *source, int fd,
		      void (*ready)(struct loop_source *source, uint32_t events))
{
	int err;

	if (fd < 0)
		return fd;
	*source = (struct loop_source){ .fd = fd, .ready = ready, .opaque = con };
	err = loop_add(con->loop, source, EPOLLIN);
	if (err) {
		close(fd);
		source->fd = -1;
	}
	return err;
}

static void source_remove(struct console *con, struct loop_source *source)
{
	if (source->fd < 0)
		return;
	loop_remove(con->loop, source);
	close(source->fd);
	source->fd = -1;
}

static void terminal_raw(struct console *con)
{
	struct termios raw;

	if (!con->input || tcgetattr(STDIN_FILENO, &con->terminal))
		return;
	raw = con->terminal;
	cfmakeraw(&raw);
	/* Not TCSADRAIN, which waits for whoever reads what is before us. */
	con->raw = !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

/* Takes Ctrl-a sequences out of @byte's stream. False: it was the end. */
static bool terminal_byte(struct console *con, u8 byte, u8 *to, u32 *len)
{
	if (con->escaped) {
		con->escaped = false;
		if (byte == 'x')
			return false;
		if (byte == ESCAPE)
			to[(*len)++] = byte;
		return true;
	}
	if (con->raw && byte == ESCAPE)
		con->escaped = true;
	else
		to[(*len)++] = byte;
	return true;
}

/* Reads once, @room bytes at most. */
static void input_read(struct console *con, u32 room)
{
	u8 in[UART_FIFO], out[UART_FIFO];
	u32 len = 0;
	ssize_t n, i;

	n = read(STDIN_FILENO, in, min(room, UART_FIFO));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		con->input = false;
		return;
	}
	for (i = 0; i < n; i++)
		if (!terminal_byte(con, in[i], out, &len))
			vm_stop(con->vm, VM_POWEROFF);
	uart_receive(&con->com1, out, len);
}

/*
 * Watches standard input while there is room for what comes. Without room, the UART
 * signals when there is. A regular file or /dev/null is always ready, so nobody
 * watches it: it is read whenever there is room.
 */
static void input_follow(struct console *con)
{
	u32 room = con->input ? uart_room(&con->com1) : 0;
	int err = 0;

	if (!room && con->watched)
		loop_remove(con->loop, &con->in);
	if (room && !con->watched)
		err = loop_add(con->loop, &con->in, EPOLLIN);
	con->watched = room && !err;
	if (err != -EPERM)
		return;
	while (con->input && (room = uart_room(&con->com1)))
		input_read(con, room);
}

static void input_ready(struct loop_source *source, uint32_t events)
{
	struct console *con = source->opaque;
	const u32 room = uart_room(&con->com1);

	if (room)
		input_read(con, room);
	input_follow(con);
}

static void wake_ready(struct loop_source *source, uint32_t events)
{
	eventfd_t count;

	eventfd_read(source->fd, &count);
	input_follow(source->opaque);
}

static void tick_ready(struct loop_source *source, uint32_t events)
{
	struct console *con = source->opaque;
	u64 times;

	if (read(source->fd, &times, sizeof(times)) == sizeof(times))
		coalesced_drain(con->vm);
}

static void signal_ready(struct loop_source *source, uint32_t events)
{
	struct console *con = source->opaque;
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) == sizeof(info))
		vm_stop(con->vm, VM_POWEROFF);
}

int console_create(struct console **to, struct vm *vm, int com2_fd)
{
	struct console *con = calloc(1, sizeof(*con));
	int err;

	if (!con) {
		if (com2_fd >= 0)
			close(com2_fd);
		return vmm_fail(ENOMEM, "console: out of memory");
	}
	con->vm = vm;
	con->loop = vm->loop;
	con->com2_fd = com2_fd;
	con->signal.fd = -1;
	con->tick.fd = -1;
	con->wake.fd = -1;
	con->in = (struct loop_source){
		.fd = STDIN_FILENO, .ready = input_ready, .opaque = con,
	};
	err = source_add(con, &con->signal, signals_create(), signal_ready);
	if (!err)
		err = source_add(con, &con->tick, tick_create(), tick_ready);
	if (!err)
		err = source_add(con, &con->wake, wake_create(), wake_ready);
	if (!err)
		err = uart_create(&con->com1, vm, "com1", LAYOUT_COM1, GSI_COM1, STDOUT_FILENO,
				  con->wake.fd);
	if (!err && com2_fd >= 0)
		err = uart_create(&con->com2, vm, "com2", LAYOUT_COM2, GSI_COM2, com2_fd,
				  con->wake.fd);
	if (err) {
		console_destroy(con);
		return err;
	}
	con->input = fcntl(STDIN_FILENO, F_GETFD) >= 0;
	*to = con;
	return 0;
}

void console_destroy(struct console *con)
{
	if (!con)
		return;
	output_finish(&con->com1.out, 0, 0);
	output_finish(&con->com2.out, 0, 0);
	if (con->watched)
		loop_remove(con->loop, &con->in);
	source_remove(con, &con->wake);
	source_remove(con, &con->tick);
	source_remove(con, &con->signal);
	if (con->com2_fd >= 0)
		close(con->com2_fd);
	free(con);
}

void console_start(struct console *con)
{
	terminal_raw(con);
	input_follow(con);
}

void console_finish(struct console *con)
{
	coalesced_drain(con->vm);
	output_finish(&con->com1.out, FINISH_MS, FINISH_MAX_MS);
	output_finish(&con->com2.out, FINISH_MS, FINISH_MAX_MS);
	if (con->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &con->terminal);
	con->raw = false;
}

void console_stats(struct console *con, FILE *out)
{
	fprintf(out, "{\"com1_accesses\": %llu, \"com1_lost\": %llu, ",
		(unsigned long long)con->com1.accesses, (unsigned long long)con->com1.out.lost);
	fprintf(out, "\"com2_accesses\": %llu, \"com2_lost\": %llu}",
		(unsigned long long)con->com2.accesses, (unsigned long long)con->com2.out.lost);
}
