// SPDX-License-Identifier: GPL-2.0
/*
 * viola-test-abi NODE: ioctls in odd orders and with hostile arguments. Each
 * case says what must come back; with --vhost only the cases are run in which
 * vhost-net is to answer the same, which keeps the expectations honest.
 *
 * --workers NODE runs the cases of the worker ioctls alone: vhost-net has none
 * of them, vhost-scsi of 6.12 does.
 *
 * Prints "ok - …" and "not ok - …" lines; no summary.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "include/uapi/viola.h"
#include "tests/lab/vring-driver.h"
#include "tests/lab/vring-net.h"

#define SIZE (1u << 20)

static const char *node;
static bool vhost;
static int tap;
static uint8_t *memory;

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	exit(1);
}

static int node_open(void)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("not ok - %s opens - %s", node, strerror(errno));
	return fd;
}

static bool expect_at(const char *name, int got, int want)
{
	int err = got < 0 ? errno : 0;

	if (err == want)
		printf("ok - %s\n", name);
	else
		printf("not ok - %s - %s instead of %s\n", name, strerror(err), strerror(want));
	return err == want;
}

#define expect(name, call, want) expect_at(name, (errno = 0, call), want)
#define expect_viola(name, call, want) ((void)(vhost || expect(name, call, want)))

/* Regions as in struct vhost_memory. */
struct table {
	uint32_t nregions, padding;
	struct vhost_memory_region region[80];
};

static struct table table_of(uint32_t n, ...)
{
	struct table t = { .nregions = n };
	va_list args;
	uint32_t i;

	va_start(args, n);
	for (i = 0; i < n; i++) {
		t.region[i].guest_phys_addr = va_arg(args, uint64_t);
		t.region[i].memory_size = va_arg(args, uint64_t);
		t.region[i].userspace_addr = va_arg(args, uint64_t);
	}
	va_end(args);
	return t;
}

static int set_table(int fd, struct table t)
{
	return ioctl(fd, VHOST_SET_MEM_TABLE, &t);
}

static int set_state(int fd, unsigned long cmd, unsigned int index, unsigned int num)
{
	struct vhost_vring_state s = { .index = index, .num = num };

	return ioctl(fd, cmd, &s);
}

static int set_file(int fd, unsigned long cmd, unsigned int index, int file)
{
	struct vhost_vring_file f = { .index = index, .fd = file };

	return ioctl(fd, cmd, &f);
}

static int set_addr(int fd, unsigned int index, const uint8_t *base, unsigned int flags,
		    unsigned int skew)
{
	struct vhost_vring_addr a = {
		.index = index, .flags = flags,
		.desc_user_addr = (uintptr_t)base,
		.avail_user_addr = (uintptr_t)base + 0x10000 + skew,
		.used_user_addr = (uintptr_t)base + 0x20000 + skew,
	};

	return ioctl(fd, VHOST_SET_VRING_ADDR, &a);
}

static uint64_t features_of(int fd)
{
	uint64_t features = 0;

	ioctl(fd, VHOST_GET_FEATURES, &features);
	return features;
}

static int set_features(int fd, uint64_t features)
{
	return ioctl(fd, VHOST_SET_FEATURES, &features);
}

static uint64_t at(size_t offset)
{
	return (uintptr_t)memory + offset;
}

/* An owned device with memory and a ring ready for its backend. */
static int node_ready(void)
{
	int fd = node_open();

	ioctl(fd, VHOST_SET_OWNER);
	if (set_features(fd, 1ull << VIRTIO_F_VERSION_1) ||
	    set_table(fd, table_of(1, (uint64_t)0, (uint64_t)SIZE, at(0))) ||
	    set_state(fd, VHOST_SET_VRING_NUM, 1, 256) || set_addr(fd, 1, memory, 0, 0))
		fail("not ok - a device is set up - %s", strerror(errno));
	return fd;
}

static void case_owner(void)
{
	int fd = node_open(), pid, status;
	uint64_t zero = 0;

	expect("memory before an owner", set_table(fd, table_of(0)), EPERM);
	expect("ring before an owner", set_state(fd, VHOST_SET_VRING_NUM, 0, 256), EPERM);
	expect("backend before an owner", set_file(fd, VHOST_NET_SET_BACKEND, 0, tap), EPERM);
	expect("log before an owner", ioctl(fd, VHOST_SET_LOG_BASE, &zero), EPERM);
	expect("reset before an owner", ioctl(fd, VHOST_RESET_OWNER), EPERM);
	expect("owner", ioctl(fd, VHOST_SET_OWNER), 0);
	expect("owner twice", ioctl(fd, VHOST_SET_OWNER), EBUSY);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		expect("memory by another process", set_table(fd, table_of(0)), EPERM);
		expect("reset by another process", ioctl(fd, VHOST_RESET_OWNER), EPERM);
		expect("owner by another process", ioctl(fd, VHOST_SET_OWNER), EBUSY);
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	expect("reset", ioctl(fd, VHOST_RESET_OWNER), 0);
	close(fd);
}

static void case_features(void)
{
	int fd = node_open();
	uint64_t features = features_of(fd), want = 1ull << VIRTIO_F_VERSION_1 |
		1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_RING_F_EVENT_IDX |
		1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VHOST_F_LOG_ALL |
		1ull << VHOST_NET_F_VIRTIO_NET_HDR | 1ull << VIRTIO_F_NOTIFY_ON_EMPTY;
	/* Of 6.12 and not of 6.1; and what viola does not offer. */
	uint64_t may = 1ull << VIRTIO_F_RING_RESET | 1ull << VIRTIO_F_ACCESS_PLATFORM;

	printf("%s - offers what vhost-net does (%#llx)\n",
	       (features & ~may) == want ? "ok" : "not ok", (unsigned long long)features);
	expect("all offered features at once", set_features(fd, features & ~(1ull << 33)), 0);
	expect("feature that is not offered", set_features(fd, 1ull << 60), EOPNOTSUPP);
	expect("features from nowhere", ioctl(fd, VHOST_SET_FEATURES, NULL), EFAULT);
	expect_viola("access platform", set_features(fd, 1ull << 33), EOPNOTSUPP);
	features = 1ull << 63;
	expect("backend feature that is not offered",
	       ioctl(fd, VHOST_SET_BACKEND_FEATURES, &features), EOPNOTSUPP);
	features = 0;
	expect("backend features are asked",
	       ioctl(fd, VHOST_GET_BACKEND_FEATURES, &features), 0);
	printf("%s - backend features are those of vhost-net (%#llx)\n",
	       features == 1ull << VHOST_BACKEND_F_IOTLB_MSG_V2 ? "ok" : "not ok",
	       (unsigned long long)features);
	expect("all backend features",
	       ioctl(fd, VHOST_SET_BACKEND_FEATURES, &features), 0);
	expect("backend features to nowhere", ioctl(fd, VHOST_GET_BACKEND_FEATURES, NULL), EFAULT);
	features = 0;
	expect("no backend features", ioctl(fd, VHOST_SET_BACKEND_FEATURES, &features), 0);
	close(fd);
}

static void case_memory(void)
{
	struct table t = table_of(0);
	int fd = node_open(), i;
	void *readonly = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t top = UINT64_MAX - 0xfff;

	ioctl(fd, VHOST_SET_OWNER);
	expect("no memory", set_table(fd, table_of(0)), 0);
	expect("memory", set_table(fd, table_of(1, (uint64_t)0, (uint64_t)SIZE, at(0))), 0);
	expect("memory again", set_table(fd, table_of(1, (uint64_t)0, (uint64_t)SIZE, at(0))), 0);
	expect("memory that begins and ends within pages",
	       set_table(fd, table_of(2, (uint64_t)0x123, (uint64_t)0x4567, at(0x89),
				      (uint64_t)0x10000, (uint64_t)1, at(0x89))), 0);
	expect("memory table from nowhere", ioctl(fd, VHOST_SET_MEM_TABLE, NULL), EFAULT);
	t.padding = 1;
	expect("memory table with padding", set_table(fd, t), EOPNOTSUPP);
	t.padding = 0;
	t.nregions = UINT32_MAX;
	expect("memory table without end", set_table(fd, t), E2BIG);
	t.nregions = 65;
	for (i = 0; i < 65; i++)
		t.region[i] = (struct vhost_memory_region){ (uint64_t)i << 20, 4096, at(0), 0 };
	expect("65 regions", set_table(fd, t), E2BIG);
	t.nregions = 64;
	expect("64 regions", set_table(fd, t), 0);
	expect_viola("empty region",
		     set_table(fd, table_of(1, (uint64_t)0, (uint64_t)0, at(0))), EFAULT);
	expect_viola("region in the kernel",
		     set_table(fd, table_of(1, (uint64_t)0, (uint64_t)SIZE,
					    UINT64_C(0xffff888000000000))),
		     EFAULT);
	expect_viola("region that wraps in the owner",
		     set_table(fd, table_of(1, (uint64_t)0, UINT64_MAX, at(0))), EFAULT);
	expect("region that wraps in the guest",
	       set_table(fd, table_of(1, top, (uint64_t)SIZE, at(0))), EFAULT);
	expect_viola("regions that overlap",
		     set_table(fd, table_of(2, (uint64_t)0, (uint64_t)0x2000, at(0),
					    (uint64_t)0x1000, (uint64_t)0x2000, at(0x4000))),
		     EINVAL);
	expect_viola("same region twice",
		     set_table(fd, table_of(2, (uint64_t)0, (uint64_t)0x2000, at(0), (uint64_t)0,
					    (uint64_t)0x2000, at(0x4000))),
		     EINVAL);
	expect_viola("memory that is not there",
		     set_table(fd, table_of(1, (uint64_t)0, (uint64_t)SIZE, UINT64_C(0x10000))),
		     EFAULT);
	expect_viola("memory that is partly there",
		     set_table(fd, table_of(1, (uint64_t)0, (uint64_t)(2 * SIZE), at(0x10000))),
		     EFAULT);
	expect_viola("memory that cannot be written",
		     set_table(fd, table_of(1, (uint64_t)0, (uint64_t)SIZE,
					    (uint64_t)(uintptr_t)readonly)),
		     EFAULT);
	expect_viola("more memory than there is",
		     set_table(fd, table_of(1, (uint64_t)0, UINT64_C(1) << 45,
					    UINT64_C(0x1000))),
		     ENOMEM);
	expect("memory after all that",
	       set_table(fd, table_of(1, (uint64_t)0, (uint64_t)SIZE, at(0))), 0);
	munmap(readonly, SIZE);
	close(fd);
}

static void case_ring(void)
{
	struct vhost_vring_state s = { .index = 1 };
	int fd = node_open(), event = eventfd(0, EFD_CLOEXEC), file = open("/dev/null", O_RDWR);
	static const unsigned int bad[] = { 0, 3, 65536, 0x80000000u, UINT32_MAX };
	size_t i;
	char name[64];

	ioctl(fd, VHOST_SET_OWNER);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(name, sizeof(name), "ring of %u entries", bad[i]);
		expect(name, set_state(fd, VHOST_SET_VRING_NUM, 0, bad[i]), EINVAL);
	}
	expect("ring of 1 entry", set_state(fd, VHOST_SET_VRING_NUM, 0, 1), 0);
	expect("ring of 32768 entries", set_state(fd, VHOST_SET_VRING_NUM, 0, 32768), 0);
	expect("third ring", set_state(fd, VHOST_SET_VRING_NUM, 2, 256), ENOBUFS);
	expect("ring number -1", set_state(fd, VHOST_SET_VRING_NUM, UINT32_MAX, 256), ENOBUFS);
	expect("ring from nowhere", ioctl(fd, VHOST_SET_VRING_NUM, NULL), EFAULT);
	expect("base beyond 16 bits", set_state(fd, VHOST_SET_VRING_BASE, 1, 65536), EINVAL);
	expect("base", set_state(fd, VHOST_SET_VRING_BASE, 1, 65535), 0);
	expect("base is asked", ioctl(fd, VHOST_GET_VRING_BASE, &s), 0);
	printf("%s - base comes back\n", s.num == 65535 ? "ok" : "not ok");
	expect("addresses that are not aligned", set_addr(fd, 1, memory, 0, 1), EINVAL);
	expect("address flags that do not exist", set_addr(fd, 1, memory, 2, 0), EOPNOTSUPP);
	expect("addresses", set_addr(fd, 1, memory, 0, 0), 0);
	expect("kick that is no eventfd", set_file(fd, VHOST_SET_VRING_KICK, 1, file), EINVAL);
	expect("kick that is not open", set_file(fd, VHOST_SET_VRING_KICK, 1, 9999), EBADF);
	expect("call that is no eventfd", set_file(fd, VHOST_SET_VRING_CALL, 1, file), EINVAL);
	expect("error that is not open", set_file(fd, VHOST_SET_VRING_ERR, 1, 9999), EBADF);
	expect("kick", set_file(fd, VHOST_SET_VRING_KICK, 1, event), 0);
	expect("same eventfd for everything", set_file(fd, VHOST_SET_VRING_CALL, 1, event), 0);
	expect("no kick", set_file(fd, VHOST_SET_VRING_KICK, 1, -1), 0);
	expect("no kick, again", set_file(fd, VHOST_SET_VRING_KICK, 1, -1), 0);
	expect("log eventfd that is none", ioctl(fd, VHOST_SET_LOG_FD, &file), EINVAL);
	expect("endianness", set_state(fd, VHOST_SET_VRING_ENDIAN, 1, 0), ENOTTY);
	expect("endianness is asked", ioctl(fd, VHOST_GET_VRING_ENDIAN, &s), ENOTTY);
	expect("endianness of a third ring", set_state(fd, VHOST_SET_VRING_ENDIAN, 2, 0), ENOBUFS);
	expect("endianness from nowhere", ioctl(fd, VHOST_SET_VRING_ENDIAN, NULL), EFAULT);
	expect("unknown ioctl of a third ring",
	       set_state(fd, _IOW(VHOST_VIRTIO, 0x6e, struct vhost_vring_state), 2, 0), ENOBUFS);
	expect("unknown ioctl",
	       set_state(fd, _IOW(VHOST_VIRTIO, 0x6e, struct vhost_vring_state), 1, 0), ENOTTY);
	expect("busy poll time of a third ring",
	       set_state(fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, 2, 50), ENOBUFS);
	expect("longest busy poll time",
	       set_state(fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, 1, UINT32_MAX), 0);
	expect("busy poll time", set_state(fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, 1, 50), 0);
	s.num = 0;
	ioctl(fd, VHOST_GET_VRING_BUSYLOOP_TIMEOUT, &s);
	printf("%s - busy poll time comes back\n", s.num == 50 ? "ok" : "not ok");
	close(file);
	close(event);
	close(fd);
}

static void case_backend(void)
{
	int fd = node_open(), udp = socket(AF_INET, SOCK_DGRAM, 0), event = eventfd(0, 0);
	int dgram = socket(AF_PACKET, SOCK_DGRAM, 0), raw = socket(AF_PACKET, SOCK_RAW, 0);
	int bare = open("/dev/net/tun", O_RDWR);

	ioctl(fd, VHOST_SET_OWNER);
	expect_viola("backend of a ring without size",
		     set_file(fd, VHOST_NET_SET_BACKEND, 1, tap), EFAULT);
	close(fd);
	fd = node_ready();
	expect("backend of a third ring", set_file(fd, VHOST_NET_SET_BACKEND, 2, tap), ENOBUFS);
	expect("backend that is not open", set_file(fd, VHOST_NET_SET_BACKEND, 1, 9999), ENOTSOCK);
	expect("backend that is an eventfd",
	       set_file(fd, VHOST_NET_SET_BACKEND, 1, event), ENOTSOCK);
	expect("backend that is the device", set_file(fd, VHOST_NET_SET_BACKEND, 1, fd), ENOTSOCK);
	expect("backend that is a UDP socket",
	       set_file(fd, VHOST_NET_SET_BACKEND, 1, udp), ENOTSOCK);
	expect("backend that is a cooked packet socket",
	       set_file(fd, VHOST_NET_SET_BACKEND, 1, dgram), ENOTSOCK);
	expect("backend that is a tap without interface",
	       set_file(fd, VHOST_NET_SET_BACKEND, 1, bare), EINVAL);
	expect("backend", set_file(fd, VHOST_NET_SET_BACKEND, 1, tap), 0);
	expect("same backend again", set_file(fd, VHOST_NET_SET_BACKEND, 1, tap), 0);
	expect("other backend", set_file(fd, VHOST_NET_SET_BACKEND, 1, raw), 0);
	expect("size of a running ring", set_state(fd, VHOST_SET_VRING_NUM, 1, 128), EBUSY);
	expect("base of a running ring", set_state(fd, VHOST_SET_VRING_BASE, 1, 0), EBUSY);
	expect("new addresses of a running ring", set_addr(fd, 1, memory + 0x40000, 0, 0), 0);
	expect_viola("addresses of a running ring that are nowhere",
		     set_addr(fd, 1, (uint8_t *)0x10000, 0, 0), EINVAL);
	expect("new memory of a running ring",
	       set_table(fd, table_of(1, (uint64_t)0x1000, (uint64_t)0x80000, at(0))), 0);
	expect_viola("new features of a running ring", set_features(fd, 0), EBUSY);
	expect("no backend", set_file(fd, VHOST_NET_SET_BACKEND, 1, -1), 0);
	expect("no backend, again", set_file(fd, VHOST_NET_SET_BACKEND, 1, -1), 0);
	expect("size of a stopped ring", set_state(fd, VHOST_SET_VRING_NUM, 1, 128), 0);
	set_addr(fd, 1, (uint8_t *)0x10000, 0, 0);
	expect_viola("backend of a ring that is nowhere",
		     set_file(fd, VHOST_NET_SET_BACKEND, 1, tap), EFAULT);
	close(fd);

	fd = node_ready();
	set_file(fd, VHOST_NET_SET_BACKEND, 1, tap);
	expect("owner reset while running", ioctl(fd, VHOST_RESET_OWNER), 0);
	expect("owner after that", ioctl(fd, VHOST_SET_OWNER), 0);
	close(fd);
	close(bare);
	close(udp);
	close(event);
	close(dgram);
	close(raw);
}

static void case_log(void)
{
	uint64_t base = at(0x80000), nowhere = 0x10000, log = 1ull << VHOST_F_LOG_ALL;
	int fd = node_ready();

	expect("log", ioctl(fd, VHOST_SET_LOG_BASE, &base), 0);
	set_file(fd, VHOST_NET_SET_BACKEND, 1, tap);
	expect("logging begins while running",
	       set_features(fd, log | 1ull << VIRTIO_F_VERSION_1), 0);
	expect_viola("log that is nowhere", ioctl(fd, VHOST_SET_LOG_BASE, &nowhere), EFAULT);
	expect("addresses with logging", set_addr(fd, 1, memory, 1 << VHOST_VRING_F_LOG, 0), 0);
	expect_viola("memory beyond the log",
		     set_table(fd, table_of(1, UINT64_C(1) << 60, (uint64_t)SIZE, at(0))), EFAULT);
	expect("logging ends while running", set_features(fd, 1ull << VIRTIO_F_VERSION_1), 0);
	close(fd);
}

/* Without privilege, locked memory has a limit, and everything comes back. */
static void case_limit(void)
{
	struct rlimit limit = { 256 << 10, 256 << 10 };
	int fd, pid, status;
	uint8_t *own;

	if (vhost)
		return;
	fflush(stdout);
	pid = fork();
	if (!pid) {
		fd = node_open();
		if (setrlimit(RLIMIT_MEMLOCK, &limit) || setuid(65534))
			fail("not ok - locked-memory limit - %s", strerror(errno));
		own = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ioctl(fd, VHOST_SET_OWNER);
		expect("more memory than may be locked",
		       set_table(fd, table_of(1, (uint64_t)0, (uint64_t)SIZE,
					      (uint64_t)(uintptr_t)own)), ENOMEM);
		expect("as much memory as may be locked",
		       set_table(fd, table_of(1, (uint64_t)0, UINT64_C(256) << 10,
					      (uint64_t)(uintptr_t)own)), 0);
		expect("the same again, at the limit",
		       set_table(fd, table_of(1, (uint64_t)0, UINT64_C(256) << 10,
					      (uint64_t)(uintptr_t)own)), 0);
		expect("reset", ioctl(fd, VHOST_RESET_OWNER), 0);
		ioctl(fd, VHOST_SET_OWNER);
		expect("what was locked was given back",
		       set_table(fd, table_of(1, (uint64_t)0, UINT64_C(256) << 10,
					      (uint64_t)(uintptr_t)own)), 0);
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
}

/* Messages about an IOTLB, while there is none. */
static void case_messages(void)
{
	struct vhost_msg one = { .type = VHOST_IOTLB_MSG, .iotlb.type = VHOST_IOTLB_UPDATE };
	struct vhost_msg_v2 two = { .type = VHOST_IOTLB_MSG_V2 };
	int fd = node_open();
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	ioctl(fd, VHOST_SET_OWNER);
	expect("message without a type", (int)write(fd, &one, 3), EINVAL);
	expect("message that is cut", (int)write(fd, &one, 20), EINVAL);
	expect("mapping of nothing", (int)write(fd, &one, sizeof(one)), EINVAL);
	one.iotlb.size = 4096;
	expect("mapping, old form", (int)write(fd, &one, sizeof(one)), EFAULT);
	one.type = 77;
	expect("message of another form", (int)write(fd, &one, sizeof(one)), EINVAL);
	two.iotlb.type = VHOST_IOTLB_INVALIDATE;
	two.iotlb.size = 4096;
	expect("end of a mapping, new form", (int)write(fd, &two, sizeof(two)), EFAULT);
	expect("message of another kind", (two.iotlb.type = 99, (int)write(fd, &two, sizeof(two))),
	       EFAULT);
	expect("wait for a message", (int)read(fd, &one, sizeof(one)), EBADFD);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	expect("look for a message", (int)read(fd, &one, sizeof(one)), EAGAIN);
	printf("%s - no room for a message, none read\n",
	       read(fd, &one, sizeof(one) - 1) ? "not ok" : "ok");
	printf("%s - nothing to read or to write\n", poll(&p, 1, 0) ? "not ok" : "ok");
	close(fd);
}

static int worker(int fd, unsigned long cmd, unsigned int id)
{
	struct vhost_worker_state w = { .worker_id = id };
	int ret = ioctl(fd, cmd, &w);

	return ret ? ret : (int)w.worker_id;
}

static int ring_worker(int fd, unsigned long cmd, unsigned int index, unsigned int id)
{
	struct vhost_vring_worker w = { .index = index, .worker_id = id };
	int ret = ioctl(fd, cmd, &w);

	return ret ? ret : (int)w.worker_id;
}

static void answer_is(const char *name, int got, int want)
{
	if (got == want)
		printf("ok - %s\n", name);
	else
		printf("not ok - %s - %d instead of %d%s%s\n", name, got, want,
		       got < 0 ? ": " : "", got < 0 ? strerror(errno) : "");
}

#define NOWHERE 100000u /* a ring that no device has */

static void case_workers(void)
{
	int fd = node_open(), pid, status;
	unsigned int i;

	expect("worker before an owner", worker(fd, VHOST_NEW_WORKER, 0), EINVAL);
	expect("end of a worker before an owner", worker(fd, VHOST_FREE_WORKER, 0), EINVAL);
	expect("ring to a worker before an owner",
	       ring_worker(fd, VHOST_ATTACH_VRING_WORKER, 0, 0), EINVAL);
	expect("a ring's worker before an owner",
	       ring_worker(fd, VHOST_GET_VRING_WORKER, 0, 9), EINVAL);
	ioctl(fd, VHOST_SET_OWNER);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		expect("worker by another process", worker(fd, VHOST_NEW_WORKER, 0), EPERM);
		expect("a ring's worker by another process",
		       ring_worker(fd, VHOST_GET_VRING_WORKER, 0, 9), EPERM);
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	answer_is("first ring's worker", ring_worker(fd, VHOST_GET_VRING_WORKER, 0, 9), 0);
	answer_is("second ring's worker", ring_worker(fd, VHOST_GET_VRING_WORKER, 1, 9), 0);
	answer_is("new worker", worker(fd, VHOST_NEW_WORKER, 7), 1);
	answer_is("another new worker", worker(fd, VHOST_NEW_WORKER, 7), 2);
	expect("end of a worker with rings", worker(fd, VHOST_FREE_WORKER, 0), EBUSY);
	expect("end of a worker that is none", worker(fd, VHOST_FREE_WORKER, 3), ENODEV);
	expect("ring to a worker that is none",
	       ring_worker(fd, VHOST_ATTACH_VRING_WORKER, 0, 3), ENODEV);
	expect("worker to a ring that is none",
	       ring_worker(fd, VHOST_ATTACH_VRING_WORKER, NOWHERE, 1), ENOBUFS);
	expect("worker of a ring that is none",
	       ring_worker(fd, VHOST_GET_VRING_WORKER, NOWHERE, 1), ENOBUFS);
	answer_is("ring to a worker", ring_worker(fd, VHOST_ATTACH_VRING_WORKER, 1, 2), 2);
	answer_is("the same again", ring_worker(fd, VHOST_ATTACH_VRING_WORKER, 1, 2), 2);
	answer_is("it is there", ring_worker(fd, VHOST_GET_VRING_WORKER, 1, 9), 2);
	answer_is("the other is where it was", ring_worker(fd, VHOST_GET_VRING_WORKER, 0, 9), 0);
	expect("end of a worker with a ring", worker(fd, VHOST_FREE_WORKER, 2), EBUSY);
	answer_is("end of a worker without", worker(fd, VHOST_FREE_WORKER, 1), 1);
	expect("its end again", worker(fd, VHOST_FREE_WORKER, 1), ENODEV);
	answer_is("its number is free", worker(fd, VHOST_NEW_WORKER, 7), 1);
	for (i = 0; !ring_worker(fd, VHOST_ATTACH_VRING_WORKER, i, 1) || errno != ENOBUFS; i++)
		errno = 0;
	answer_is("end of the first worker", worker(fd, VHOST_FREE_WORKER, 0), 0);
	expect("ring to the first worker",
	       ring_worker(fd, VHOST_ATTACH_VRING_WORKER, 0, 0), ENODEV);
	answer_is("rings stay with the last one", ring_worker(fd, VHOST_GET_VRING_WORKER, 1, 9), 1);
	expect("worker to nowhere", ioctl(fd, VHOST_NEW_WORKER, NULL), EFAULT);
	expect("end of a worker from nowhere", ioctl(fd, VHOST_FREE_WORKER, NULL), EFAULT);
	expect("ring to a worker from nowhere",
	       ioctl(fd, VHOST_ATTACH_VRING_WORKER, NULL), EFAULT);
	expect("a ring's worker to nowhere", ioctl(fd, VHOST_GET_VRING_WORKER, NULL), EFAULT);
	close(fd);
}

/* vhost-net knows no workers: what comes back is that of any unknown ioctl. */
static void case_no_workers(void)
{
	int fd = node_open();

	expect("no workers before an owner", worker(fd, VHOST_NEW_WORKER, 0), EPERM);
	ioctl(fd, VHOST_SET_OWNER);
	expect("no worker", worker(fd, VHOST_NEW_WORKER, 0), ENOTTY);
	expect("no end of a worker", worker(fd, VHOST_FREE_WORKER, 0), ENOTTY);
	expect("no ring to a worker", ring_worker(fd, VHOST_ATTACH_VRING_WORKER, 0, 0), ENOTTY);
	expect("no ring's worker", ring_worker(fd, VHOST_GET_VRING_WORKER, 0, 0), ENOTTY);
	close(fd);
}

/* Of viola alone: threads are counted per device, as they are not the owner's. */
static void case_many_workers(void)
{
	int fd = node_open(), n = 1;

	ioctl(fd, VHOST_SET_OWNER);
	while (n < 1000 && worker(fd, VHOST_NEW_WORKER, 0) == n)
		n++;
	expect("workers without end", worker(fd, VHOST_NEW_WORKER, 0), EAGAIN);
	printf("%s - %d workers\n", n == 16 ? "ok" : "not ok", n);
	expect("reset with many workers", ioctl(fd, VHOST_RESET_OWNER), 0);
	expect("owner with workers anew", ioctl(fd, VHOST_SET_OWNER), 0);
	answer_is("workers are counted anew", worker(fd, VHOST_NEW_WORKER, 0), 1);
	close(fd);
}

static void case_own(void)
{
	struct {
		struct viola_caps caps;
		uint64_t beyond;
	} c = { .caps.size = sizeof(c), .beyond = 1 };
	struct viola_queue_stats stats = { .size = sizeof(stats), .index = 1 };
	uint32_t one = 1;
	int fd = node_open();

	if (vhost)
		goto out;
	expect("capabilities", ioctl(fd, VIOLA_GET_CAPS, &c), 0);
	printf("%s - capabilities are plausible\n",
	       c.caps.size == sizeof(c.caps) && c.caps.version == VIOLA_ABI_VERSION &&
			       c.caps.queues == 2 && !c.beyond ? "ok" : "not ok");
	expect("capabilities without a size", ioctl(fd, VIOLA_GET_CAPS, &one), EINVAL);
	expect("capabilities to nowhere", ioctl(fd, VIOLA_GET_CAPS, NULL), EFAULT);
	expect("statistics", ioctl(fd, VIOLA_GET_QUEUE_STATS, &stats), 0);
	stats.index = 2;
	stats.size = sizeof(stats);
	expect("statistics of a third ring", ioctl(fd, VIOLA_GET_QUEUE_STATS, &stats), ENOBUFS);
	ioctl(fd, VHOST_SET_OWNER);
	expect("ioctl that does not exist",
	       ioctl(fd, _IOW(VIOLA_IOCTL_MAGIC, 0x5f, int), &one), ENOTTY);
out:
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--workers")) {
		node = argv[2];
		case_workers();
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "--vhost")) {
		vhost = true;
		argv++;
		argc--;
	}
	if (argc != 2) {
		fputs("usage: viola-test-abi [--vhost | --workers] NODE\n", stderr);
		return 2;
	}
	node = argv[1];
	net_isolate();
	tap = net_tap("vtap0", sizeof(struct virtio_net_hdr_mrg_rxbuf));
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		fail("not ok - memory - %s", strerror(errno));
	/* What follows it is not there: a hole for whoever reads on. */
	case_owner();
	case_features();
	case_memory();
	case_ring();
	case_backend();
	case_log();
	case_limit();
	case_messages();
	if (vhost) {
		case_no_workers();
	} else {
		case_workers();
		case_many_workers();
	}
	case_own();
	return 0;
}
