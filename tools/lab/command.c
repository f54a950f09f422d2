// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tools/lab/command.h"
#include "tools/lab/pump.h"

#define LINE_MAX_BYTES 1024

struct running {
	const struct command_ports *ports;
	pid_t pid;		/* 0 once reaped */
	int pidfd;
	int status;
	int terminal;		/* pty master, or -1 */
	struct pump out, err, in;
	bool told_exit, bye;
	bool eof_wanted;
	uint64_t eof_after;	/* bytes of input before the end of file */
	char line[128];
	size_t line_len;
};

void command_tell(int ctl, const char *format, ...)
{
	struct pollfd fd = { .fd = ctl, .events = POLLOUT };
	char line[LINE_MAX_BYTES];
	size_t len, at = 0;
	va_list args;
	ssize_t n;

	va_start(args, format);
	vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	strcat(line, "\n");
	len = strlen(line);
	while (at < len) {
		n = write(ctl, line + at, len - at);
		if (n > 0)
			at += n;
		else if (errno == EAGAIN)
			poll(&fd, 1, 100);
		else
			return;
	}
}

/* In the child: the same state a login would give. */
static void __attribute__((noreturn)) become_command(const struct lab_conf *conf, char **argv,
						     char **env, int in, int out, int err)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (conf->shell)
		ioctl(in, TIOCSCTTY, 0);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	environ = env;
	if (chdir(conf->cwd)) {
		dprintf(STDERR_FILENO, "viola lab: %s is not visible in the lab: going to %s\n",
			conf->cwd, conf->tree);
		if (chdir(conf->tree))
			_exit(126);
	}
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "viola lab: cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int open_terminal(const struct lab_conf *conf, int *master, int *slave)
{
	struct winsize size = { .ws_row = conf->rows, .ws_col = conf->columns };
	char name[64];

	*master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*master < 0 || grantpt(*master) || unlockpt(*master) ||
	    ptsname_r(*master, name, sizeof(name)))
		return -errno;
	*slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave < 0)
		return -errno;
	ioctl(*slave, TIOCSWINSZ, &size);
	fcntl(*master, F_SETFL, O_NONBLOCK);
	return 0;
}

static int start_on_terminal(struct running *r, const struct lab_conf *conf, char **argv,
			     char **env)
{
	int slave = -1, ret;

	ret = open_terminal(conf, &r->terminal, &slave);
	if (ret)
		return ret;
	r->pid = fork();
	if (r->pid == 0)
		become_command(conf, argv, env, slave, slave, slave);
	ret = r->pid < 0 ? -errno : 0;
	close(slave);
	pump_init(&r->out, r->terminal, r->ports->out);
	pump_init(&r->err, -1, r->ports->err);
	pump_init(&r->in, r->ports->out, r->terminal);
	return ret;
}

/*
 * Pipes, not the ports themselves: a port can be opened only once, and
 * commands do open /dev/stderr.
 */
static int start_on_pipes(struct running *r, const struct lab_conf *conf, char **argv, char **env)
{
	int null, out[2], err[2], ret;

	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		return -errno;
	r->pid = fork();
	if (r->pid == 0)
		become_command(conf, argv, env, null, out[1], conf->one_stream ? out[1] : err[1]);
	ret = r->pid < 0 ? -errno : 0;
	close(null);
	close(out[1]);
	close(err[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	r->terminal = -1;
	pump_init(&r->out, out[0], r->ports->out);
	pump_init(&r->err, err[0], r->ports->err);
	pump_init(&r->in, -1, -1);
	return ret;
}

static void handle_line(struct running *r, const char *line)
{
	struct winsize size = { };

	if (!strcmp(line, "bye"))
		r->bye = true;
	else if (sscanf(line, "size %hu %hu", &size.ws_row, &size.ws_col) == 2)
		ioctl(r->terminal, TIOCSWINSZ, &size);
	else if (sscanf(line, "eof %" SCNu64, &r->eof_after) == 1)
		r->eof_wanted = true;
}

static void handle_ctl(struct running *r)
{
	ssize_t n = read(r->ports->ctl, r->line + r->line_len, sizeof(r->line) - 1 - r->line_len);
	char *newline;

	if (n <= 0)
		return;
	r->line_len += n;
	r->line[r->line_len] = '\0';
	while ((newline = strchr(r->line, '\n'))) {
		*newline = '\0';
		handle_line(r, r->line);
		r->line_len -= newline + 1 - r->line;
		memmove(r->line, newline + 1, r->line_len + 1);
	}
	if (r->line_len == sizeof(r->line) - 1)
		r->line_len = 0;
}

/* As process 1 we inherit every orphan: reap them all, note our own. */
static void reap(struct running *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != r->pid)
			continue;
		r->pid = 0;
		r->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
}

/* Nothing buffered here and nothing left in the pipe, whoever else still holds it. */
static bool stream_dry(const struct pump *pump)
{
	struct pollfd fd = { .fd = pump->in, .events = POLLIN };

	if (!pump_empty(pump))
		return false;
	return pump->in < 0 || poll(&fd, 1, 0) == 0 || !(fd.revents & POLLIN);
}

static void send_eof(struct running *r)
{
	const char eof = 4;	/* VEOF of a fresh terminal: Ctrl-D */

	if (r->eof_wanted && r->in.total >= r->eof_after && write(r->terminal, &eof, 1) == 1)
		r->eof_wanted = false;
}

static void step(struct running *r)
{
	enum { OUT = 0, ERR = 2, IN = 4, CTL = 6, PID, COUNT };
	struct pollfd fds[COUNT];

	pump_prepare(&r->out, &fds[OUT]);
	pump_prepare(&r->err, &fds[ERR]);
	pump_prepare(&r->in, &fds[IN]);
	fds[CTL] = (struct pollfd){ .fd = r->ports->ctl, .events = POLLIN };
	fds[PID] = (struct pollfd){ .fd = r->pid ? r->pidfd : -1, .events = POLLIN };
	/* The limit is for orphans, whose end wakes nobody. */
	poll(fds, COUNT, 1000);

	pump_move(&r->out);
	pump_move(&r->err);
	pump_move(&r->in);
	if (fds[CTL].revents & POLLIN)
		handle_ctl(r);
	send_eof(r);
	reap(r);
	if (!r->pid && !r->told_exit && stream_dry(&r->out) && stream_dry(&r->err)) {
		r->told_exit = true;
		r->out.in = -1;
		r->err.in = -1;
		command_tell(r->ports->ctl, "exit %d %" PRIu64 " %" PRIu64, r->status,
			     r->out.total, r->err.total);
	}
}

void command_run(const struct lab_conf *conf, char **argv, char **env,
		 const struct command_ports *ports)
{
	static struct running r;
	int ret;

	r.ports = ports;
	command_tell(ports->ctl, "ready");
	ret = conf->shell ? start_on_terminal(&r, conf, argv, env) :
			    start_on_pipes(&r, conf, argv, env);
	if (ret) {
		command_tell(ports->ctl, "fail cannot start the command: %s", strerror(-ret));
		return;
	}
	r.pidfd = syscall(SYS_pidfd_open, r.pid, 0);
	while (!r.bye)
		step(&r);
}
