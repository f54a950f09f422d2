// SPDX-License-Identifier: GPL-2.0
/*
 * The main thread's work while the machine runs: input and signals. It must
 * answer a signal whatever else goes on, so it never waits for a reader: output
 * has threads of its own (output.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/error.h"
#include "vmm/serial/console.h"
#include "vmm/serial/uart.h"
#include "vmm/vm-private.h"

/*
 * How long KVM may keep a byte. Drivers read a register after what they write,
 * which brings the bytes out; this is for a guest that does not.
 */
#define DRAIN_MS 1000
/*
 * How long the end of the program waits for a reader that takes nothing, and for
 * one that takes something now and then.
 */
#define FINISH_MS 1000
#define FINISH_MAX_MS 10000

#define ESCAPE 0x01 /* Ctrl-a */

struct console {
	struct vm *vm;
	struct uart com1, com2;
	bool has_com2;
	int com2_fd;
	int wake_fd; /* COM1 has room for input again */
	int signal_fd;
	bool input; /* standard input is open */
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
	con->com2_fd = com2_fd;
	con->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	con->signal_fd = signals_create();
	if (con->wake_fd < 0 || con->signal_fd < 0) {
		err = con->wake_fd < 0 ? vmm_fail(errno, "cannot create an eventfd: %m") :
					 con->signal_fd;
		goto fail;
	}
	err = uart_create(&con->com1, vm, "com1", LAYOUT_COM1, GSI_COM1, STDOUT_FILENO,
			  con->wake_fd);
	if (!err && com2_fd >= 0) {
		con->has_com2 = true;
		err = uart_create(&con->com2, vm, "com2", LAYOUT_COM2, GSI_COM2, com2_fd,
				  con->wake_fd);
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
	output_finish(&con->com1.out, 0, 0);
	output_finish(&con->com2.out, 0, 0);
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

void console_run(struct console *con)
{
	enum { STOP, SIGNAL, WAKE, INPUT, NR };
	struct pollfd p[NR] = {
		[STOP] = { .fd = con->vm->priv->stop_fd, .events = POLLIN },
		[SIGNAL] = { .fd = con->signal_fd, .events = POLLIN },
		[WAKE] = { .fd = con->wake_fd, .events = POLLIN },
		[INPUT] = { .events = POLLIN },
	};
	eventfd_t count;
	u32 room;

	terminal_raw(con);
	for (;;) {
		room = con->input ? uart_room(&con->com1) : 0;
		p[INPUT].fd = room ? STDIN_FILENO : -1;
		if (poll(p, NR, DRAIN_MS) < 0)
			continue;
		coalesced_drain(con->vm);
		if (p[STOP].revents)
			return;
		if (p[SIGNAL].revents)
			vm_stop(con->vm, VM_POWEROFF);
		if (p[INPUT].fd >= 0 && p[INPUT].revents)
			input_ready(con, room);
		if (p[WAKE].revents)
			eventfd_read(con->wake_fd, &count);
	}
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
