// SPDX-License-Identifier: GPL-2.0
/*
 * viola-havoc: runs in a guest, takes its network device away from the kernel's
 * driver, and for a bounded time does with it what no driver would. A seed
 * repeats the same blows; how they fall in with the device's own threads is not
 * repeatable.
 */
#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <linux/pci_regs.h>

#include "tests/lab/havoc.h"

#define PCI_DEVICES	"/sys/bus/pci/devices"
#define STEPS		150	/* of one round, before the next reset */

static const struct havoc_device *const devices[] = { &havoc_virtio, &havoc_e1000 };

/* --- chance --------------------------------------------------------------- */

uint64_t havoc_random(uint64_t *state)
{
	/* splitmix64: any seed is good, 0 included. */
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint32_t havoc_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(havoc_random(state) % n);
}

uint64_t havoc_own(struct havoc *h, uint64_t *state)
{
	return h->pool_pa + havoc_below(state, HAVOC_POOL - HAVOC_SLACK);
}

uint64_t havoc_address(struct havoc *h, uint64_t *state)
{
	/* Holes of the memory map: BARs, ECAM, IOAPIC, local APICs, KVM's pages. */
	static const uint64_t hole[] = {
		0xc0000000, 0xdffff000, 0xe0000000, 0xe0008000, 0xfec00000, 0xfee00000,
		0xfffbc000, 0xfffffff0, 0x100000000, 0x10000000000, 0x7ffffffffffff000,
		0xffffffff80000000, 0xfffffffffffff000, 0xfffffffffffffff0,
	};
	const uint32_t kind = havoc_below(state, 16);

	if (kind < 9)
		return havoc_own(h, state);
	if (kind < 12)
		return hole[havoc_below(state, sizeof(hole) / sizeof(*hole))] +
		       havoc_below(state, 16);
	if (kind < 13)
		return h->ram_end + havoc_below(state, 1 << 20);
	if (kind < 14)
		return h->ram_end - 1; /* any length goes beyond */
	if (kind < 15)
		return 0;
	return havoc_random(state) | UINT64_C(1) << 63;
}

uint32_t havoc_length(uint64_t *state)
{
	static const uint32_t odd[] = {
		0, 1, 11, 12, 13, 14, 59, 60, 1514, 1526, 4095, 4096, 16384, 65535, 65536,
		65550, 1 << 20, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff,
	};

	if (havoc_below(state, 4))
		return odd[havoc_below(state, sizeof(odd) / sizeof(*odd))];
	return (uint32_t)havoc_random(state);
}

uint64_t havoc_value(uint64_t *state)
{
	static const uint64_t odd[] = {
		0, 1, 2, 0xff, 0xffff, 0xffffffff, 0xffffffffffffffff, 0x8000000080000000,
	};

	if (!havoc_below(state, 3))
		return odd[havoc_below(state, sizeof(odd) / sizeof(*odd))];
	return havoc_random(state) | UINT64_C(0x8000000080000000);
}

/* --- registers ------------------------------------------------------------ */

void bar_write(struct havoc *h, uint32_t offset, unsigned int size, uint64_t value)
{
	volatile uint8_t *p = h->bar + offset;

	if (offset + size > h->bar_size)
		return;
	h->accesses++;
	switch (size) {
	case 1:
		*p = (uint8_t)value;
		break;
	case 2:
		*(volatile uint16_t *)p = (uint16_t)value;
		break;
	case 4:
		*(volatile uint32_t *)p = (uint32_t)value;
		break;
	default:
		*(volatile uint64_t *)p = value;
	}
}

uint64_t bar_read(struct havoc *h, uint32_t offset, unsigned int size)
{
	volatile uint8_t *p = h->bar + offset;

	if (offset + size > h->bar_size)
		return ~UINT64_C(0);
	switch (size) {
	case 1:
		return *p;
	case 2:
		return *(volatile uint16_t *)p;
	case 4:
		return *(volatile uint32_t *)p;
	}
	return *(volatile uint64_t *)p;
}

uint32_t config_read(struct havoc *h, uint32_t offset, unsigned int size)
{
	uint32_t value = 0;

	if (pread(h->config, &value, size, offset) != (ssize_t)size)
		return 0xffffffff;
	return value;
}

/* What cannot be written is not there: as good an answer as any. */
void config_write(struct havoc *h, uint32_t offset, unsigned int size, uint32_t value)
{
	if (pwrite(h->config, &value, size, offset) == (ssize_t)size)
		h->accesses++;
}

void config_restore(struct havoc *h)
{
	uint32_t at, value;

	config_write(h, PCI_COMMAND, 2, 0);
	for (at = PCI_CACHE_LINE_SIZE; at < sizeof(h->saved); at += 4) {
		memcpy(&value, h->saved + at, 4);
		if (config_read(h, at, 4) != value)
			config_write(h, at, 4, value);
	}
	config_write(h, PCI_COMMAND, 2,
		     PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

void config_nonsense(struct havoc *h)
{
	const unsigned int size = 1u << havoc_below(&h->random, 3);

	config_write(h, havoc_below(&h->random, 4096 - 4), size,
		     (uint32_t)havoc_value(&h->random));
	/* Most of what counts is in the header and in the first capabilities. */
	config_write(h, havoc_below(&h->random, 192), size,
		     (uint32_t)havoc_value(&h->random));
	config_read(h, havoc_below(&h->random, 256), size);
}

/* --- the device ----------------------------------------------------------- */

static int fail(const char *what)
{
	printf("havoc: ");
	fflush(stdout);
	perror(what);
	return -1;
}

/* Number in @file of @dir, ~0 if it cannot be read. */
static unsigned int attribute(const char *dir, const char *file)
{
	unsigned int value = ~0u;
	char path[400];
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	in = fopen(path, "re");
	if (in) {
		if (fscanf(in, "%x", &value) != 1)
			value = ~0u;
		fclose(in);
	}
	return value;
}

static void attribute_write(const char *path, const char *text)
{
	FILE *out = fopen(path, "we");

	if (!out)
		return;
	fputs(text, out);
	fclose(out);
}

static const struct havoc_device *device_find(struct havoc *h)
{
	const struct havoc_device *found = NULL;
	DIR *dir = opendir(PCI_DEVICES);
	struct dirent *entry;
	unsigned int i;

	while (dir && !found && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(h->dir, sizeof(h->dir), PCI_DEVICES "/%s", entry->d_name);
		for (i = 0; i < sizeof(devices) / sizeof(*devices); i++)
			if (devices[i]->vendor == attribute(h->dir, "vendor") &&
			    (!devices[i]->device ||
			     devices[i]->device == attribute(h->dir, "device")))
				found = devices[i];
	}
	if (dir)
		closedir(dir);
	return found;
}

static int file_open(struct havoc *h, const char *name)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", h->dir, name);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int device_take(struct havoc *h)
{
	char path[400];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/driver/unbind", h->dir);
	attribute_write(path, strrchr(h->dir, '/') + 1);
	if (!access(path, F_OK))
		return fail("the driver does not let go of the device");
	snprintf(path, sizeof(path), "%s/enable", h->dir);
	attribute_write(path, "1");

	h->config = file_open(h, "config");
	if (h->config < 0 || pread(h->config, h->saved, sizeof(h->saved), 0) !=
			     sizeof(h->saved))
		return fail("config");
	h->ports = file_open(h, "resource1");
	fd = file_open(h, "resource0");
	if (fd < 0 || fstat(fd, &st))
		return fail("resource0");
	h->bar_size = (size_t)st.st_size;
	h->bar = mmap(NULL, h->bar_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return h->bar == MAP_FAILED ? fail("resource0") : 0;
}

/* --- memory --------------------------------------------------------------- */

static int ram_find(struct havoc *h)
{
	unsigned long long first, last;
	FILE *in = fopen("/proc/iomem", "re");
	char line[200];

	while (in && fgets(line, sizeof(line), in))
		if (strstr(line, "System RAM") &&
		    sscanf(line, "%llx-%llx", &first, &last) == 2)
			h->ram_end = last + 1;
	if (in)
		fclose(in);
	return h->ram_end > 1 ? 0 : fail("/proc/iomem tells no RAM");
}

static int pool_make(struct havoc *h)
{
	uint64_t entry = 0;
	int fd;

	attribute_write("/proc/sys/vm/nr_hugepages", "1");
	h->pool = mmap(NULL, HAVOC_POOL, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	if (h->pool == MAP_FAILED)
		return fail("a huge page");
	memset(h->pool, 0xa5, HAVOC_POOL);
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, &entry, 8, (off_t)((uintptr_t)h->pool / 4096 * 8)) != 8)
		return fail("pagemap");
	close(fd);
	/* Bit 63: present; bits 0 to 54: the frame. */
	if (!(entry >> 63) || !(entry & ((UINT64_C(1) << 55) - 1)))
		return fail("pagemap tells no address");
	h->pool_pa = (entry & ((UINT64_C(1) << 55) - 1)) * 4096;
	return 0;
}

/* --- the blows ------------------------------------------------------------ */

struct stirrer {
	struct havoc *h;
	const struct havoc_device *device;
	uint64_t random;
	int stop;
};

/* Changes the rings under the device's hands. */
static void *stirrer_run(void *ctx)
{
	struct stirrer *s = ctx;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		s->device->stir(s->h, &s->random);
		/* One CPU: the other thread shall have some of it. */
		if (!havoc_below(&s->random, 64))
			sched_yield();
	}
	return NULL;
}

static void round_run(struct havoc *h, const struct havoc_device *device)
{
	struct stirrer s = {
		.h = h, .device = device, .random = havoc_random(&h->random),
	};
	pthread_t thread;
	unsigned int i;
	bool stirred;

	config_restore(h);
	device->start(h);
	stirred = havoc_below(&h->random, 2) &&
		  !pthread_create(&thread, NULL, stirrer_run, &s);
	for (i = 0; i < STEPS; i++)
		device->step(h);
	if (stirred) {
		__atomic_store_n(&s.stop, 1, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
	}
	/* The device must hear the reset, whatever became of its BAR. */
	config_restore(h);
	device->stop(h);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int number(const char *text, unsigned long long *value)
{
	char *end;

	*value = strtoull(text, &end, 0);
	return *text && !*end ? 0 : -1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	static struct havoc h;
	const struct havoc_device *device;
	unsigned long long seconds = 10, seed = 1;
	unsigned long rounds = 0;
	double begin;
	int opt, bad = 0;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		bad |= opt == 't' ? number(optarg, &seconds) :
		       opt == 's' ? number(optarg, &seed) : -1;
	if (bad || optind != argc) {
		fprintf(stderr, "usage: viola-havoc [--seconds N] [--seed N]\n");
		return 2;
	}
	h.random = seed;
	device = device_find(&h);
	if (!device) {
		printf("havoc: there is no device to play with\n");
		return 1;
	}
	if (device_take(&h) || ram_find(&h) || pool_make(&h))
		return 1;
	config_restore(&h);
	if (device->open(&h))
		return 1;
	printf("havoc: begins, seed %llu, %s\n", seed, device->name);
	fflush(stdout);
	begin = now();
	/* What a round takes is the machine's and the seed's matter: three are always played. */
	while (now() - begin < (double)seconds || rounds < 3) {
		round_run(&h, device);
		rounds++;
	}
	printf("havoc: done, seed %llu, rounds %lu, registers written %llu\n", seed, rounds,
	       (unsigned long long)h.accesses);
	return 0;
}
