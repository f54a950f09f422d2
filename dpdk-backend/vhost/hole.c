// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/vhost/hole.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_memory.h>

#define HOLES 64u

/*
 * The last mappings replaced, by count. Addresses are used again by later mappings.
 *
 * Several threads may be in the handler at a time. Each writes a record of its own,
 * and says with .whole that it is there; hole_count passes those that are, in order, so
 * that whoever has looked as far as that has seen them all.
 */
static struct {
	uintptr_t start, end;
	unsigned int whole; /* its number, from 1, once the rest is written */
} holes[HOLES];

unsigned int hole_count;
static unsigned int claimed; /* records */
static __thread unsigned int here;

/* One line of /proc/self/maps: "start-end perms offset dev inode path". */
struct mapping {
	uintptr_t start, end;
	bool shared; /* writable, and shared with others */
	bool file; /* has a path, and that is none of a device */
};

/* Hexadecimal digits at *@at. No library function here: this runs in a handler. */
static uintptr_t take_hex(const char **at)
{
	uintptr_t value = 0;

	for (;; (*at)++) {
		char c = **at;

		if (c >= '0' && c <= '9')
			value = value << 4 | (uintptr_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uintptr_t)(c - 'a' + 10);
		else
			return value;
	}
}

static bool begins(const char *text, const char *with)
{
	while (*with)
		if (*text++ != *with++)
			return false;
	return true;
}

static void take_line(const char *line, struct mapping *m)
{
	unsigned int field;

	m->start = take_hex(&line);
	line++;
	m->end = take_hex(&line);
	m->shared = begins(line, " rw-s");
	for (field = 0; field < 4; field++) {
		while (*line == ' ')
			line++;
		while (*line && *line != ' ')
			line++;
	}
	while (*line == ' ')
		line++;
	m->file = *line == '/' && !begins(line, "/dev/vfio/") && !begins(line, "/dev/uio") &&
		  !begins(line, "/sys/");
}

/* The mapping that @addr lies in, by the kernel's own list. */
static bool find_mapping(uintptr_t addr, struct mapping *m)
{
	char text[4096] = {}, line[256] = {};
	size_t n = 0;
	ssize_t got, i;
	bool found = false;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while (!found && (got = read(fd, text, sizeof(text))) > 0) {
		for (i = 0; !found && i < got; i++) {
			if (text[i] != '\n') {
				/* What does not fit is the end of a path. */
				if (n < sizeof(line) - 1)
					line[n++] = text[i];
				continue;
			}
			line[n] = 0;
			n = 0;
			take_line(line, m);
			found = addr >= m->start && addr < m->end;
		}
	}
	close(fd);
	return found;
}

static void say(const char *text)
{
	/* Nobody is there to hear of a failure. */
	ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

	(void)ignored;
}

static bool hole_known(uintptr_t addr)
{
	unsigned int i;

	for (i = 0; i < HOLES; i++)
		if (addr >= __atomic_load_n(&holes[i].start, __ATOMIC_RELAXED) &&
		    addr < __atomic_load_n(&holes[i].end, __ATOMIC_RELAXED))
			return true;
	return false;
}

/* Whether record @n is written; one that another has replaced since was written, too. */
static bool hole_written(unsigned int n)
{
	return (int)(__atomic_load_n(&holes[n % HOLES].whole, __ATOMIC_SEQ_CST) - (n + 1)) >= 0;
}

/*
 * Record @n is written. Of two threads that come here at once, the one whose record is
 * the earlier counts the other's, too, or finds that counted: each writes its own mark
 * before it looks at the other's.
 */
static void hole_publish(unsigned int n)
{
	unsigned int next;

	__atomic_store_n(&holes[n % HOLES].whole, n + 1, __ATOMIC_SEQ_CST);
	next = __atomic_load_n(&hole_count, __ATOMIC_SEQ_CST);
	while (hole_written(next)) {
		/* Where another thread was faster, @next becomes that one's count. */
		if (__atomic_compare_exchange_n(&hole_count, &next, next + 1, false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			next++;
	}
}

static void on_bus(int signal_number, siginfo_t *info, void *context)
{
	uintptr_t addr = (uintptr_t)info->si_addr;
	int saved = errno;
	struct mapping m;
	unsigned int n;

	/*
	 * Not ours: our own memory (no hugepages left), a device that was taken
	 * out. Then this is what it was without us.
	 */
	if (info->si_code != BUS_ADRERR || !find_mapping(addr, &m) ||
	    rte_mem_virt2memseg_list(info->si_addr)) {
		signal(SIGBUS, SIG_DFL);
		return;
	}
	if (!m.shared || !m.file) {
		/* Another thread stumbled over the same, and was faster. */
		if (!hole_known(addr))
			signal(SIGBUS, SIG_DFL);
		return;
	}
	n = __atomic_fetch_add(&claimed, 1, __ATOMIC_RELAXED);
	/* Before the mapping is another: see hole_known(). */
	__atomic_store_n(&holes[n % HOLES].start, m.start, __ATOMIC_RELAXED);
	__atomic_store_n(&holes[n % HOLES].end, m.end, __ATOMIC_SEQ_CST);
	/* All of the mapping: neither its page size matters then nor where the file ends. */
	if (mmap((void *)m.start, m.end - m.start, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED) {
		signal(SIGBUS, SIG_DFL);
		return;
	}
	hole_publish(n);
	here++;
	say("viola-dpdk: a front end cut short the file of its memory; its port stands still until it connects again\n");
	errno = saved;
}

int hole_handle(void)
{
	struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };

	return sigaction(SIGBUS, &action, NULL) ? -errno : 0;
}

unsigned int hole_count_here(void)
{
	return here;
}

bool hole_within(unsigned int since, const void *at, u64 len)
{
	uintptr_t start = (uintptr_t)at, end = start + len;
	unsigned int n = __atomic_load_n(&hole_count, __ATOMIC_ACQUIRE);

	/* There are no records of those before. */
	if (n - since > HOLES)
		since = n - HOLES;
	for (; since != n; since++)
		if (__atomic_load_n(&holes[since % HOLES].start, __ATOMIC_RELAXED) < end &&
		    __atomic_load_n(&holes[since % HOLES].end, __ATOMIC_RELAXED) > start)
			return true;
	return false;
}
