// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/module.h>
#include <net/if.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/lab/command.h"
#include "tools/lab/init.h"
#include "tools/lab/lab.h"

#define NEW_ROOT	"/root"
#define PORT_WAIT_MS	20000
#define KILL_WAIT_MS	20000
#define LIST_MAX	4096

#define P9_OPTIONS	"trans=virtio,version=9p2000.L,msize=512000,"

static struct lab_conf conf;
static struct command_ports ports = { -1, -1, -1 };

static void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void __attribute__((noreturn)) power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* The machine is of no use: tell why, on the port if it is there, and in the log. */
static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("viola lab: %s\n", text);
	fflush(stdout);
	if (ports.ctl >= 0) {
		command_tell(ports.ctl, "fail %s", text);
		sleep_ms(1000);	/* the other side kills us when it has read that */
	}
	power_off();
}

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void note(const char *format, ...)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	va_list args;

	if (fd < 0)
		return;
	va_start(args, format);
	vdprintf(fd, format, args);
	va_end(args);
	close(fd);
}

static void make_folders(const char *path)
{
	char copy[PATH_MAX], *p = copy;

	snprintf(copy, sizeof(copy), "%s", path);
	while ((p = strchr(p + 1, '/'))) {
		*p = '\0';
		mkdir(copy, 0755);
		*p = '/';
	}
	mkdir(copy, 0755);
}

static void mount_must(const char *source, const char *target, const char *type,
		       unsigned long flags, const char *data)
{
	make_folders(target);
	if (mount(source, target, type, flags, data))
		fail("cannot mount %s on %s: %s", source, target, strerror(errno));
}

/* What a kernel may lack without harm to most commands. */
static void mount_try(const char *source, const char *target, const char *type)
{
	mkdir(target, 0755);
	if (mount(source, target, type, 0, NULL))
		note("viola lab: no %s: %s", target, strerror(errno));
}

static void *read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0 || fstat(fd, &st))
		fail("cannot read %s: %s", path, strerror(errno));
	data = malloc(st.st_size + 1);
	if (!data || read(fd, data, st.st_size) != st.st_size)
		fail("cannot read %s", path);
	data[st.st_size] = '\0';
	close(fd);
	*size = st.st_size;
	return data;
}

static char **read_list(const char *path)
{
	size_t size, count = 0;
	char *data = read_file(path, &size), *at, **list;

	list = calloc(LIST_MAX + 1, sizeof(*list));
	if (!list)
		fail("no memory");
	for (at = data; at < data + size && count < LIST_MAX; at += strlen(at) + 1)
		list[count++] = at;
	return list;
}

static void read_conf(void)
{
	size_t size;
	void *data = read_file(LAB_FILE_CONF, &size);

	if (size != sizeof(conf))
		fail("%s has %zu bytes, not %zu", LAB_FILE_CONF, size, sizeof(conf));
	memcpy(&conf, data, sizeof(conf));
	free(data);
}

/* 0 or -1 with errno; one that is there already is loaded. */
static int load_module(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	int flags = strcmp(strrchr(file, '.'), ".ko") ? MODULE_INIT_COMPRESSED_FILE : 0;
	int ret = fd < 0 ? -1 : (int)syscall(SYS_finit_module, fd, "", flags), err = errno;

	if (fd >= 0)
		close(fd);
	errno = err;
	return ret && err != EEXIST ? -1 : 0;
}

/* Modules of a group, in order. Returns what could not be loaded, with errno, or NULL. */
static const char *load_group(const char *group)
{
	char path[64], **list, **file;
	const char *failed;

	snprintf(path, sizeof(path), LAB_FILE_MODULES, group);
	list = read_list(path);
	for (file = list; *file && !load_module(*file); file++)
		;
	failed = *file;
	free(list);	/* the strings stay */
	return failed;
}

/* Ports have numbers that depend on probing; their names are in sysfs. */
static int find_port(const char *wanted)
{
	DIR *d = opendir("/sys/class/virtio-ports");
	char path[PATH_MAX], name[64];
	struct dirent *e;
	int fd = -1;
	FILE *f;

	if (!d)
		return -1;
	while (fd < 0 && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", e->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%63s", name) == 1 && !strcmp(name, wanted)) {
			snprintf(path, sizeof(path), "/dev/%s", e->d_name);
			fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		}
		fclose(f);
	}
	closedir(d);
	return fd;
}

static int wait_for_port(const char *name)
{
	int fd, waited;

	for (waited = 0; (fd = find_port(name)) < 0; waited += 10) {
		if (waited > PORT_WAIT_MS)
			fail("port %s did not appear", name);
		sleep_ms(10);
	}
	return fd;
}

/*
 * /lib/modules/<release> is the cache's copy, as a layer that can be written,
 * with the link by which module builds find the headers. Before /tmp is
 * covered: the cache may be there.
 */
static void mount_modules(void)
{
	char from[3 * PATH_MAX], to[PATH_MAX], link[PATH_MAX + 16], headers[3 * PATH_MAX];

	snprintf(from, sizeof(from), NEW_ROOT "%s/kernel/%s/lib/modules/%s", conf.cache,
		 conf.release, conf.release);
	snprintf(to, sizeof(to), NEW_ROOT "/lib/modules/%s", conf.release);
	mount_must(from, to, NULL, MS_BIND, NULL);
	snprintf(link, sizeof(link), "%s/build", to);
	snprintf(headers, sizeof(headers), "%s/kernel/%s/build", conf.cache, conf.release);
	unlink(link);
	if (symlink(headers, link))
		note("viola lab: %s: %s", link, strerror(errno));
}

/* A cache below a folder that is covered by a tmpfs is put back on top of it. */
static void mount_cache(void)
{
	char from[PATH_MAX + 16], to[PATH_MAX + 16];

	if (strncmp(conf.cache, "/tmp/", 5) && strncmp(conf.cache, "/run/", 5))
		return;
	snprintf(from, sizeof(from), "/lower%s", conf.cache);
	snprintf(to, sizeof(to), NEW_ROOT "%s", conf.cache);
	mount_must(from, to, NULL, MS_BIND, NULL);
}

static void mount_root(void)
{
	char tree[PATH_MAX + 16];

	mount_must(LAB_TAG_ROOT, "/lower", "9p", MS_RDONLY, P9_OPTIONS "cache=loose");
	mount_must("scratch", "/scratch", "tmpfs", 0, "mode=755,size=75%");
	make_folders("/scratch/upper");
	make_folders("/scratch/work");
	mount_must("lab", NEW_ROOT, "overlay", 0,
		   "lowerdir=/lower,upperdir=/scratch/upper,workdir=/scratch/work");
	mount_modules();
	mount_must("tmp", NEW_ROOT "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_must("run", NEW_ROOT "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
	mount_cache();
	/* cache=none: what is written on one side is at once there on the other. */
	snprintf(tree, sizeof(tree), NEW_ROOT "%s", conf.tree);
	mount_must(LAB_TAG_TREE, tree, "9p", 0, P9_OPTIONS "cache=none");
}

static void enter_root(void)
{
	static const char *const moved[] = { "/proc", "/sys", "/dev" };
	char to[64];
	size_t i;

	for (i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
		snprintf(to, sizeof(to), NEW_ROOT "%s", moved[i]);
		mount_must(moved[i], to, NULL, MS_MOVE, NULL);
	}
	if (chdir(NEW_ROOT) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		fail("cannot enter the root file system: %s", strerror(errno));
}

static void mount_rest(void)
{
	mkdir("/dev/pts", 0755);
	mkdir("/dev/shm", 01777);
	mount_must("devpts", "/dev/pts", "devpts", 0, "gid=5,mode=620,ptmxmode=666");
	mount_must("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_try("hugetlbfs", "/dev/hugepages", "hugetlbfs");
	mount_try("debugfs", "/sys/kernel/debug", "debugfs");
	mount_try("tracefs", "/sys/kernel/tracing", "tracefs");
	mount_try("cgroup2", "/sys/fs/cgroup", "cgroup2");
	if (symlink("/proc/self/fd", "/dev/fd") || symlink("fd/0", "/dev/stdin") ||
	    symlink("fd/1", "/dev/stdout") || symlink("fd/2", "/dev/stderr"))
		note("viola lab: /dev/fd: %s", strerror(errno));
	make_folders("/run/lock");
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
		note("viola lab: loopback: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* By what the CPU says. */
static const char *kvm_group(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	const char *name = LAB_MODULES_AMD;
	char *line = NULL;
	size_t size = 0;

	while (f && getline(&line, &size, f) > 0)
		if (!strncmp(line, "flags", 5) && strstr(line, " vmx"))
			name = LAB_MODULES_INTEL;
	free(line);
	if (f)
		fclose(f);
	return name;
}

/*
 * There is no udev here: the drivers that every user of the lab wants are loaded by name,
 * side by side with each other and with what follows: a card's start is mostly waiting.
 * The child sees the initramfs whatever is mounted meanwhile: that is its root.
 */
static pid_t load_aside(const char *group)
{
	const char *failed;
	pid_t pid = fork();

	if (pid == 0) {
		failed = load_group(group);
		if (failed)
			note("viola lab: cannot load %s: %s", failed, strerror(errno));
		_exit(!!failed);
	}
	return pid;
}

/* The kernel starts its first process with tiny limits; these are the usual ones. */
static void set_limits(void)
{
	struct rlimit files = { 1024, 524288 };

	setrlimit(RLIMIT_NOFILE, &files);
	umask(022);
}

/*
 * End what the command left behind, so that the kernel's release paths run,
 * and complain in the log if they must, before the power goes.
 */
static void kill_rest(void)
{
	int waited, fd;

	kill(-1, SIGKILL);
	for (waited = 0; waited < KILL_WAIT_MS; waited += 10) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
			return;
		sleep_ms(10);
	}
	/* Stuck in the kernel. The word makes it a fault; sysrq-w adds where. */
	note("viola lab: BUG: processes do not die");
	fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "w", 1) != 1)
		note("viola lab: sysrq: %s", strerror(errno));
}

int lab_init(void)
{
	char **argv, **env;
	const char *failed;
	const char *group[] = { NULL, LAB_MODULES_CARD };
	pid_t aside[sizeof(group) / sizeof(group[0])];
	int status;
	size_t i;

	mount_must("proc", "/proc", "proc", 0, NULL);
	mount_must("sys", "/sys", "sysfs", 0, NULL);
	mount_must("dev", "/dev", "devtmpfs", 0, "mode=755");
	read_conf();
	argv = read_list(LAB_FILE_ARGV);
	env = read_list(LAB_FILE_ENV);
	failed = load_group(LAB_MODULES_BOOT);
	if (failed)
		fail("cannot load %s: %s", failed, strerror(errno));
	group[0] = kvm_group();
	for (i = 0; i < sizeof(aside) / sizeof(aside[0]); i++)
		aside[i] = load_aside(group[i]);
	ports.ctl = wait_for_port(LAB_PORT_CTL);
	ports.out = wait_for_port(LAB_PORT_OUT);
	ports.err = wait_for_port(LAB_PORT_ERR);
	mount_root();
	enter_root();
	mount_rest();
	set_limits();
	loopback_up();
	if (sethostname("lab", 3))
		note("viola lab: host name: %s", strerror(errno));
	for (i = 0; i < sizeof(aside) / sizeof(aside[0]); i++)
		if (aside[i] < 0 || waitpid(aside[i], &status, 0) != aside[i] || status)
			note("viola lab: %s is not loaded", group[i]);
	command_run(&conf, argv, env, &ports);
	kill_rest();
	power_off();
}
