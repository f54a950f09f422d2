// SPDX-License-Identifier: GPL-2.0
/*
 * The main thread's work while the machine runs: input, delayed output,
 * signals.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "vmm/error.h"
#include "vmm/serial/console.h"
#include "vmm/serial/uart.h"
#include "vmm/vm-private.h"

/* How long output may lie in a buffer that is not full. */
#define FLUSH_MS 5
/*
 * How long KVM may keep a byte. Drivers read a register after what they write,
 * which brings the bytes out; this is for a guest that does not.
 */
#define DRAIN_MS 1000
/* How long a slow reader may hold up the end of the program. */
#define FINISH_MS 1000

#define ESCAPE 0x01 /* Ctrl-a */

struct console {
	struct vm *vm;
	struct uart com1, com2;
	bool has_com2;
	int com2_fd;
	int wake_fd; /* output waits, or COM1 has room for input again */
	int signal_fd;
	bool input; /* standard input is open */
	bool raw; /* the terminal has been changed */
	bool escaped; /* Ctrl-a was typed */
	struct termios terminal; /* as it was */
};

static int signals_create(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? vmm_fail(errno, "cannot watch signals: %m") : fd;
}

int console_create(struct console **to, struct vm *vm, int com2_fd)
{
	struct console *con = calloc(1, sizeof(*con));
	const int stop_fd = vm->priv->stop_fd;
	int err;

	if (!con) {
		if (com2_fd >= 0)
			close(com2_fd);
		return vmm_fail(ENOMEM, "console: out of memory");
	}
	con->vm = vm;
	con->com2_fd = com2_fd;
	con->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	con->signal_fd = signals_create();
	if (con->wake_fd < 0 || con->signal_fd < 0) {
		err = con->wake_fd < 0 ? vmm_fail(errno, "cannot create an eventfd: %m") :
					 con->signal_fd;
		goto fail;
	}
	err = uart_create(&con->com1, vm, "COM1", LAYOUT_COM1, GSI_COM1, STDOUT_FILENO,
			  con->wake_fd, stop_fd);
	if (!err && com2_fd >= 0) {
		con->has_com2 = true;
		err = uart_create(&con->com2, vm, "COM2", LAYOUT_COM2, GSI_COM2, com2_fd,
				  con->wake_fd, stop_fd);
	}
	if (err)
		goto fail;
	con->input = fcntl(STDIN_FILENO, F_GETFD) >= 0;
	*to = con;
	return 0;

fail:
	console_destroy(con);
	return err;
}

void console_destroy(struct console *con)
{
	if (!con)
		return;
	if (con->wake_fd >= 0)
		close(con->wake_fd);
	if (con->signal_fd >= 0)
		close(con->signal_fd);
	if (con->com2_fd >= 0)
		close(con->com2_fd);
	free(con);
}

static void terminal_raw(struct console *con)
{
	struct termios raw;

	if (!con->input || tcgetattr(STDIN_FILENO, &con->terminal))
		return;
	raw = con->terminal;
	cfmakeraw(&raw);
	con->raw = !tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
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

static void input_ready(struct console *con, u32 room)
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

static bool flush(struct console *con)
{
	bool left = output_flush(&con->com1.out);

	return (con->has_com2 && output_flush(&con->com2.out)) || left;
}

void console_run(struct console *con)
{
	enum { STOP, SIGNAL, WAKE, INPUT, NR };
	struct pollfd p[NR] = {
		[STOP] = { .fd = con->vm->priv->stop_fd, .events = POLLIN },
		[SIGNAL] = { .fd = con->signal_fd, .events = POLLIN },
		[WAKE] = { .fd = con->wake_fd, .events = POLLIN },
		[INPUT] = { .events = POLLIN },
	};
	bool output = false; /* there is some, to be written a moment later */
	eventfd_t count;
	u32 room;

	terminal_raw(con);
	for (;;) {
		room = con->input ? uart_room(&con->com1) : 0;
		p[INPUT].fd = room ? STDIN_FILENO : -1;
		/* While output waits, more of it would only wake us for nothing. */
		p[WAKE].fd = output ? -1 : con->wake_fd;
		if (poll(p, NR, output ? FLUSH_MS : DRAIN_MS) < 0)
			continue;
		coalesced_drain(con->vm);
		if (p[STOP].revents)
			return;
		if (p[SIGNAL].revents)
			vm_stop(con->vm, VM_POWEROFF);
		if (p[INPUT].fd >= 0 && p[INPUT].revents)
			input_ready(con, room);
		if (p[WAKE].fd >= 0 && p[WAKE].revents) {
			output = true;
		} else if (output && !p[INPUT].revents) {
			eventfd_read(con->wake_fd, &count);
			output = flush(con);
		}
	}
}

void console_finish(struct console *con)
{
	const struct timespec step = { .tv_nsec = 1000000 };
	int i;

	coalesced_drain(con->vm);
	for (i = 0; flush(con) && i < FINISH_MS; i++)
		nanosleep(&step, NULL);
	if (con->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &con->terminal);
	con->raw = false;
}

void console_stats(struct console *con, FILE *out)
{
	fprintf(out, "{\"com1_accesses\": %llu, \"com2_accesses\": %llu}",
		(unsigned long long)con->com1.accesses, (unsigned long long)con->com2.accesses);
}
