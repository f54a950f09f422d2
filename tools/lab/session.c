// SPDX-License-Identifier: GPL-2.0
/*
 * One run, seen from outside. The control port carries lines of text:
 *
 *	from the lab	ready			the command starts
 *			exit STATUS OUT ERR	it ended, having written OUT and ERR bytes
 *			fail TEXT		the machine could not be prepared
 *	to the lab	bye			all bytes arrived: power off
 *			size ROWS COLUMNS	the terminal's size changed
 *			eof BYTES		stdin ended after that many bytes
 *
 * The ports are separate streams, so "exit" may overtake output: the byte
 * counts tell when everything has arrived.
 */
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
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tools/lab/initramfs.h"
#include "tools/lab/klog.h"
#include "tools/lab/machine.h"
#include "tools/lab/modules.h"
#include "tools/lab/pump.h"
#include "tools/lab/session.h"

#define POWEROFF_MS	60000	/* after that a machine that was told to end is killed */
#define VERBOSE_MS	200	/* how often --verbose looks for new log lines */
#define NUDGE_MS	200	/* how often an emulated machine is interrupted */
#define ESCAPE		0x1d	/* Ctrl-] */

#define NAMES(...)	(const char *const []){ __VA_ARGS__, NULL }

static struct module_group module_groups[] = {
	{ LAB_MODULES_BOOT,
	  NAMES("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay") },
	{ LAB_MODULES_AMD, NAMES("kvm-amd") },
	{ LAB_MODULES_INTEL, NAMES("kvm-intel") },
	{ LAB_MODULES_CARD, NAMES("igb") },
	{ }
};

struct session {
	const struct lab_options *options;
	struct machine_fds qemu;	/* QEMU's ends */
	int out, err, ctl;		/* our ends */
	int signals, pidfd;
	pid_t pid;			/* 0 once reaped */
	int pid_status;
	struct pump out_pump, err_pump, in_pump;
	bool stdin_is_tty, raw, eof_sent;
	struct termios saved;
	char line[512];			/* of the control port, incomplete */
	size_t line_len;
	int64_t started_ms, deadline_ms, poweroff_ms, nudged_ms;
	bool ready, exited, said_bye, timed_out, reader_gone, escaped, stuck;
	int status, signal;
	uint64_t out_bytes, err_bytes;
	char failure[512];
	off_t log_shown;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Variables that make sense in another machine with the same files. */
static bool variable_wanted(const char *variable)
{
	static const char *const names[] = { "HOME=", "TERM=", "LANG=", "LANGUAGE=", "TZ=", "USER=",
					     "LOGNAME=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=",
					     "LSAN_OPTIONS=", "TSAN_OPTIONS=", "PYTHONPATH=" };
	static const char *const prefixes[] = { "LC_", "VIOLA_" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strncmp(variable, names[i], strlen(names[i])))
			return true;
	for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (!strncmp(variable, prefixes[i], strlen(prefixes[i])))
			return strncmp(variable, "VIOLA_CACHE=", strlen("VIOLA_CACHE=")) != 0;
	return false;
}

/* Returns a NULL-terminated list; the added strings are never freed. */
static char **make_environment(const struct session *s)
{
	static const char path[] =
		"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	size_t count = 0, n = 0;
	char **env;

	while (environ[count])
		count++;
	env = calloc(count + 9, sizeof(*env));
	if (!env)
		return NULL;
	for (count = 0; environ[count]; count++)
		if (variable_wanted(environ[count]))
			env[n++] = environ[count];
	if (!getenv("HOME"))
		env[n++] = (char *)"HOME=/root";
	if (!getenv("TERM"))
		env[n++] = (char *)"TERM=dumb";
	env[n++] = (char *)"VIOLA_LAB=1";
	if (asprintf(&env[n++], "PATH=%s/build/bin:%s", s->options->tree, path) < 0 ||
	    asprintf(&env[n++], "VIOLA_LAB_KERNEL=%s", s->options->release) < 0 ||
	    asprintf(&env[n++], "VIOLA_LAB_MODE=%s", lab_accel_name(s->options->accel)) < 0 ||
	    asprintf(&env[n++], "VIOLA_LAB_GUEST_APPEND=%s",
		     lab_emulated(s->options->accel) ? LAB_QUICK_BOOT : "") < 0 ||
	    asprintf(&env[n++], "VIOLA_CACHE=%s", s->options->cache) < 0) {
		free(env);
		return NULL;
	}
	return env;
}

/* "2>&1": one pipe in the lab as well, or the order of the lines is lost. */
static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return !fstat(a, &sa) && !fstat(b, &sb) && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino && sa.st_rdev == sb.st_rdev;
}

static void terminal_size(uint16_t *rows, uint16_t *columns)
{
	struct winsize w;

	*rows = 24;
	*columns = 80;
	if (!ioctl(STDIN_FILENO, TIOCGWINSZ, &w) && w.ws_row && w.ws_col) {
		*rows = w.ws_row;
		*columns = w.ws_col;
	}
}

/* Of all groups; what is missing is said. */
static int groups_resolve(const struct session *s, const char *folder)
{
	struct module_group *group;
	const char *missing;
	int ret = 0;

	for (group = module_groups; group->name && !ret; group++) {
		ret = modules_resolve(&group->list, folder, group->modules, &missing);
		if (ret)
			lab_say("kernel %s: %s: %s; tools/setup unpacks kernels",
				s->options->release, missing, strerror(-ret));
	}
	return ret;
}

static int make_initramfs(struct session *s)
{
	static struct lab_conf conf;
	static char *const shell[] = { (char *)"/bin/bash", NULL };
	char *const *command = s->options->command;
	char folder[PATH_MAX + 3 * NAME_MAX];
	struct module_group *group;
	char **env;
	int ret;

	conf = (struct lab_conf){
		.shell = s->options->shell,
		.one_stream = !s->options->shell && same_file(STDOUT_FILENO, STDERR_FILENO),
	};
	strcpy(conf.release, s->options->release);
	strcpy(conf.cache, s->options->cache);
	strcpy(conf.tree, s->options->tree);
	strcpy(conf.cwd, s->options->cwd);
	terminal_size(&conf.rows, &conf.columns);

	snprintf(folder, sizeof(folder), "%s/kernel/%s/lib/modules/%s", s->options->cache,
		 s->options->release, s->options->release);
	ret = groups_resolve(s, folder);
	if (ret)
		goto out;
	env = make_environment(s);
	if (!env) {
		ret = -ENOMEM;
		goto out;
	}
	ret = initramfs_make(&conf, *command ? command : shell, env, folder, module_groups);
	free(env);
	if (ret < 0) {
		lab_say("cannot build the initramfs: %s", strerror(-ret));
	} else {
		s->qemu.initramfs = ret;
		ret = 0;
	}
out:
	for (group = module_groups; group->name; group++)
		modules_free(&group->list);
	return ret;
}

static int make_stream(int *ours, int *theirs)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -errno;
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	*ours = fds[0];
	*theirs = fds[1];
	return 0;
}

static int make_descriptors(struct session *s)
{
	sigset_t set;
	int ret;

	s->qemu.log = open(s->options->log, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (s->qemu.log < 0) {
		ret = -errno;
		lab_say("log %s: %s", s->options->log, strerror(-ret));
		return ret;
	}
	ret = make_stream(&s->out, &s->qemu.out);
	if (!ret)
		ret = make_stream(&s->err, &s->qemu.err);
	if (!ret)
		ret = make_stream(&s->ctl, &s->qemu.ctl);
	if (ret)
		goto fail;
	s->qemu.messages = memfd_create("viola-lab-messages", MFD_CLOEXEC);
	if (s->qemu.messages < 0)
		goto fail_errno;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signals < 0)
		goto fail_errno;
	signal(SIGPIPE, SIG_IGN);
	return 0;

fail_errno:
	ret = -errno;
fail:
	lab_say("cannot make the machine's streams: %s", strerror(-ret));
	return ret;
}

static void terminal_raw(struct session *s)
{
	struct termios raw;

	s->stdin_is_tty = isatty(STDIN_FILENO);
	if (!s->stdin_is_tty || tcgetattr(STDIN_FILENO, &s->saved))
		return;
	raw = s->saved;
	cfmakeraw(&raw);
	s->raw = !tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

static void terminal_restore(struct session *s)
{
	if (s->raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &s->saved);
	s->raw = false;
}

/* The lab may be gone already: then nobody needs the line. */
static void tell(struct session *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void tell(struct session *s, const char *format, ...)
{
	char line[64];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (s->ctl >= 0 && send(s->ctl, line, n, MSG_NOSIGNAL) != n)
		s->ctl = -1;
}

static void handle_line(struct session *s, const char *line)
{
	if (!strcmp(line, "ready")) {
		s->ready = true;
		if (s->options->verbose)
			lab_say("command started after %.1f s",
				(now_ms() - s->started_ms) / 1000.0);
	} else if (sscanf(line, "exit %d %" SCNu64 " %" SCNu64, &s->status, &s->out_bytes,
			  &s->err_bytes) == 3) {
		s->exited = true;
	} else if (!strncmp(line, "fail ", 5)) {
		snprintf(s->failure, sizeof(s->failure), "%s", line + 5);
	}
}

static void handle_ctl(struct session *s)
{
	ssize_t n = read(s->ctl, s->line + s->line_len, sizeof(s->line) - 1 - s->line_len);
	char *newline;

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			s->ctl = -1;
		return;
	}
	s->line_len += n;
	s->line[s->line_len] = '\0';
	while ((newline = strchr(s->line, '\n'))) {
		*newline = '\0';
		handle_line(s, s->line);
		s->line_len -= newline + 1 - s->line;
		memmove(s->line, newline + 1, s->line_len + 1);
	}
	if (s->line_len == sizeof(s->line) - 1)
		s->line_len = 0;	/* no line of ours is that long */
}

static void handle_signals(struct session *s)
{
	struct signalfd_siginfo info;
	uint16_t rows, columns;

	while (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGWINCH) {
			s->signal = info.ssi_signo;
		} else if (s->options->shell) {
			terminal_size(&rows, &columns);
			tell(s, "size %u %u\n", rows, columns);
		}
	}
}

static void reap(struct session *s, bool block)
{
	if (s->pid && waitpid(s->pid, &s->pid_status, block ? 0 : WNOHANG) == s->pid)
		s->pid = 0;
}

static void show_log(struct session *s)
{
	char data[4096];
	ssize_t n;

	if (!s->options->verbose)
		return;
	while ((n = pread(s->qemu.log, data, sizeof(data), s->log_shown)) > 0) {
		if (write(STDERR_FILENO, data, n) < 0)
			return;
		s->log_shown += n;
	}
}

static void handle_input(struct session *s)
{
	struct pump *in = &s->in_pump;

	if (s->stdin_is_tty && memchr(in->data + in->start, ESCAPE, in->end - in->start))
		s->escaped = true;
	if (s->options->shell && s->ready && in->in < 0 && pump_empty(in) && !s->eof_sent) {
		s->eof_sent = true;
		tell(s, "eof %" PRIu64 "\n", in->total);
	}
}

/*
 * An emulated CPU now and then misses an interrupt that comes while it enters a
 * nested guest (Documentation/lab.md). If it was the timer's, which is set again
 * only after it came, the CPU stays in that guest for good. The next interrupt
 * brings the missed one with it, so there is always a next one: a line for the
 * lab that says nothing. Not where instructions are counted and QEMU is mended: it is
 * an event of real time, which no run would repeat.
 */
static bool nudges(const struct session *s)
{
	const struct lab_options *o = s->options;

	return (o->accel == LAB_TCG || (o->accel == LAB_ICOUNT && !o->qemu_mended)) &&
	       s->ready && !s->said_bye;
}

static void nudge(struct session *s)
{
	static const char line[] = "nudge\n";
	const int64_t now = now_ms();

	if (!nudges(s) || now - s->nudged_ms < NUDGE_MS)
		return;
	s->nudged_ms = now;
	/* No room: the lab has enough of them waiting. */
	if (s->ctl >= 0)
		send(s->ctl, line, sizeof(line) - 1, MSG_NOSIGNAL);
}

static int poll_timeout(const struct session *s)
{
	int64_t until = s->deadline_ms, left;

	if (s->said_bye && (!until || s->poweroff_ms < until))
		until = s->poweroff_ms;
	left = until ? until - now_ms() : -1;
	if (until && left < 0)
		left = 0;
	if (s->options->verbose && (left < 0 || left > VERBOSE_MS))
		left = VERBOSE_MS;
	if (nudges(s) && (left < 0 || left > NUDGE_MS))
		left = NUDGE_MS;
	return left;
}

/* Machine gone, and every byte it had sent written or dropped. */
static bool finished(const struct session *s)
{
	return !s->pid && s->out_pump.in < 0 && s->err_pump.in < 0 &&
	       pump_empty(&s->out_pump) && pump_empty(&s->err_pump);
}

static bool interrupted(const struct session *s)
{
	return s->signal || s->timed_out || s->reader_gone || s->escaped || *s->failure;
}

static void step(struct session *s)
{
	enum { OUT = 0, ERR = 2, IN = 4, CTL = 6, PID, SIGNALS, COUNT };
	struct pollfd fds[COUNT];

	pump_prepare(&s->out_pump, &fds[OUT]);
	pump_prepare(&s->err_pump, &fds[ERR]);
	pump_prepare(&s->in_pump, &fds[IN]);
	fds[CTL] = (struct pollfd){ .fd = s->ctl, .events = POLLIN };
	fds[PID] = (struct pollfd){ .fd = s->pid ? s->pidfd : -1, .events = POLLIN };
	fds[SIGNALS] = (struct pollfd){ .fd = s->signals, .events = POLLIN };
	if (poll(fds, COUNT, poll_timeout(s)) < 0)
		return;

	pump_move(&s->out_pump);
	pump_move(&s->err_pump);
	pump_move(&s->in_pump);
	handle_input(s);
	if (fds[CTL].revents)
		handle_ctl(s);
	if (fds[SIGNALS].revents)
		handle_signals(s);
	if (fds[PID].revents)
		reap(s, false);
	show_log(s);
	nudge(s);

	if (s->out_pump.broken)
		s->reader_gone = true;
	if (s->exited && !s->said_bye && s->out_pump.total >= s->out_bytes &&
	    s->err_pump.total >= s->err_bytes) {
		s->said_bye = true;
		s->poweroff_ms = now_ms() + POWEROFF_MS;
		terminal_restore(s);
		tell(s, "bye\n");
	}
	if (s->deadline_ms && !s->said_bye && now_ms() >= s->deadline_ms)
		s->timed_out = true;
}

static void run(struct session *s)
{
	while (!finished(s) && !interrupted(s)) {
		step(s);
		if (s->said_bye && now_ms() >= s->poweroff_ms) {
			s->stuck = true;
			break;
		}
	}
	if (s->pid) {
		kill(s->pid, SIGKILL);
		reap(s, true);
	}
	show_log(s);
	terminal_restore(s);
}

static void print_messages(const struct session *s)
{
	char data[4096];
	ssize_t n = pread(s->qemu.messages, data, sizeof(data), 0);

	if (n > 0)
		fprintf(stderr, "%.*s", (int)n, data);
}

/* End as the signal would have ended us, so that a shell's loop stops as well. */
static int die_by(int number)
{
	sigset_t set;

	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + number;
}

/* Why there is no status of the command. */
static int explain_end(const struct session *s)
{
	const char *log = s->options->log;

	if (s->timed_out) {
		lab_say("time limit of %u s reached, machine killed%s; the kernel log %s ends:",
			s->options->timeout, s->ready ? "" : " before the command started", log);
		klog_tail(log, stderr);
		return LAB_EXIT_TIMEOUT;
	}
	if (s->escaped)
		return 128 + SIGKILL;
	if (s->reader_gone)
		return 128 + SIGPIPE;
	if (*s->failure) {
		lab_say("%s", s->failure);
		return LAB_EXIT_MACHINE;
	}
	lab_say("the machine ended %s; the kernel log %s ends:",
		s->ready ? "before the command did" : "before the command started", log);
	klog_tail(log, stderr);
	print_messages(s);
	return LAB_EXIT_MACHINE;
}

static int conclude(const struct session *s)
{
	const char *log = s->options->log;
	struct klog_result result;
	int status;

	if (s->signal)
		return die_by(s->signal);
	klog_scan(log, NULL, &result);
	if (result.panicked) {
		lab_say("the lab machine panicked; the kernel log %s ends:", log);
		klog_tail(log, stderr);
		return LAB_EXIT_KERNEL;
	}
	if (s->stuck) {
		lab_say("the lab machine did not power off in %u s; the kernel log %s ends:",
			POWEROFF_MS / 1000, log);
		klog_tail(log, stderr);
		return LAB_EXIT_KERNEL;
	}
	status = s->exited && !s->timed_out ? s->status : explain_end(s);
	if (!result.complaints)
		return status;
	lab_say("the lab kernel complained (the command's status was %d); from %s:", status, log);
	klog_scan(log, stderr, &result);
	return s->timed_out ? status : LAB_EXIT_KERNEL;
}

static void close_qemu_ends(struct session *s)
{
	close(s->qemu.out);
	close(s->qemu.err);
	close(s->qemu.ctl);
	close(s->qemu.initramfs);
}

int session_run(const struct lab_options *options)
{
	static struct session s;

	s.options = options;
	s.started_ms = now_ms();
	if (options->timeout)
		s.deadline_ms = s.started_ms + options->timeout * 1000LL;
	if (make_descriptors(&s) || make_initramfs(&s))
		return LAB_EXIT_MACHINE;
	if (!options->quiet)
		lab_say("%s, %s (%s), %s, %u CPU%s, %s, kernel log %s", options->release,
			lab_accel_name(options->accel), options->accel_why, options->qemu_what,
			options->smp, options->smp > 1 ? "s" : "", options->mem, options->log);
	pump_init(&s.out_pump, s.out, STDOUT_FILENO);
	pump_init(&s.err_pump, s.err, STDERR_FILENO);
	pump_init(&s.in_pump, options->shell ? STDIN_FILENO : -1, s.out);

	s.pid = machine_start(options, &s.qemu);
	if (s.pid < 0) {
		lab_say("cannot start QEMU: %s", strerror(-s.pid));
		return LAB_EXIT_MACHINE;
	}
	close_qemu_ends(&s);
	s.pidfd = syscall(SYS_pidfd_open, s.pid, 0);
	if (options->shell)
		terminal_raw(&s);
	run(&s);
	return conclude(&s);
}
