// SPDX-License-Identifier: GPL-2.0
/*
 * vhost-user messages carried between an inherited socket and the library's: whole,
 * in order, each with its own descriptors, whatever pieces they come in; and what a
 * front end may not send.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "dpdk-backend/control/client.h"
#include "dpdk-backend/socket.h"
#include "dpdk-backend/vhost/inherit.h"

#define HEADER 12

static char dir[] = "/tmp/viola-inherit-XXXXXX";
static char front_path[64];
static int library; /* listens where DPDK's library would */
static struct inherited in;

/* --- what the relay asks the system for ---------------------------------------- */

static __thread bool testing; /* this thread is not the relay's */
static atomic_uint polls, accepts; /* the relay's */
static atomic_bool no_files; /* it can open no more */

int poll(struct pollfd *fds, nfds_t n, int ms)
{
	struct timespec limit = { ms / 1000, ms % 1000 * 1000000l };

	if (!testing)
		atomic_fetch_add(&polls, 1);
	return (int)syscall(SYS_ppoll, fds, n, ms < 0 ? NULL : &limit, NULL, 0);
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	atomic_fetch_add(&accepts, 1);
	if (atomic_load(&no_files)) {
		errno = EMFILE;
		return -1;
	}
	return (int)syscall(SYS_accept4, fd, addr, len, flags);
}

#define MANY 200 /* calls in the time of rest() that no relay makes which waits */

/* Time in which a relay that spins makes thousands of calls, on a busy machine many. */
static void rest(void)
{
	usleep(500000);
}

/* Of the program; here there is no folder to be made. */
const char *client_default_path(bool make, char *why, size_t size)
{
	return dir;
}

static int setup(void **state)
{
	char why[256], number[16];
	cpu_set_t cpus;
	int fd;

	testing = true;
	if (!mkdtemp(dir) || sched_getaffinity(0, sizeof(cpus), &cpus))
		return -1;
	snprintf(front_path, sizeof(front_path), "%s/front", dir);
	fd = socket_listen(front_path, why, sizeof(why));
	snprintf(number, sizeof(number), "%d", fd);
	if (inherit_check(&in, number, why, sizeof(why)))
		return -1;
	library = socket_listen(in.path, why, sizeof(why));
	return library < 0 ? -1 : inherit_start(&in, 1, &cpus, why, sizeof(why));
}

static int teardown(void **state)
{
	inherit_stop();
	unlink(in.path);
	free((void *)in.path);
	unlink(front_path);
	return rmdir(dir);
}

/* A front end, and the library's end of its connection. */
static void join(int *front, int *back)
{
	struct pollfd p = { .fd = library, .events = POLLIN };
	char why[128];

	*front = socket_connect(front_path, why, sizeof(why));
	assert_true(*front >= 0);
	assert_int_equal(poll(&p, 1, 5000), 1);
	*back = accept(library, NULL, NULL);
	assert_true(*back >= 0);
}

static void part(int front, int back)
{
	close(front);
	close(back);
}

static void header(uint8_t *at, uint32_t request, uint32_t payload)
{
	uint32_t words[3] = { request, 1, payload };

	memcpy(at, words, sizeof(words));
}

static void send_with(int to, const void *data, size_t len, const int *fds, size_t n)
{
	char control[CMSG_SPACE(64 * sizeof(int))] = {};
	struct iovec iov = { (void *)data, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		struct cmsghdr *c;

		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	assert_int_equal(sendmsg(to, &m, MSG_NOSIGNAL), len);
}

/*
 * Receives as the library does: the header with the descriptors, then the rest.
 * The number of descriptors, which go to @fds; -1 at the end of the connection.
 */
static int receive_message(int from, uint32_t *request, uint8_t *payload, uint32_t *len, int *fds)
{
	char control[CMSG_SPACE(64 * sizeof(int))];
	uint32_t words[3];
	struct iovec iov = { words, sizeof(words) };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct pollfd p = { .fd = from, .events = POLLIN };
	struct cmsghdr *c;
	int n = 0;

	assert_int_equal(poll(&p, 1, 5000), 1);
	if (recvmsg(from, &m, MSG_WAITALL) <= 0)
		return -1;
	c = CMSG_FIRSTHDR(&m);
	if (c) {
		n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), (size_t)n * sizeof(int));
	}
	*request = words[0];
	*len = words[2];
	if (*len)
		assert_int_equal(recv(from, payload, *len, MSG_WAITALL), *len);
	return n;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	assert_int_equal(fstat(a, &x), 0);
	assert_int_equal(fstat(b, &y), 0);
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static unsigned int open_files(void)
{
	unsigned int n = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_both_ways(void **state)
{
	uint8_t message[HEADER + 100], payload[200];
	uint32_t request, len;
	int front, back, fds[64];

	join(&front, &back);
	header(message, 5, 100);
	memset(message + HEADER, 0x5a, 100);
	send_with(front, message, sizeof(message), NULL, 0);
	assert_int_equal(receive_message(back, &request, payload, &len, fds), 0);
	assert_int_equal(request, 5);
	assert_int_equal(len, 100);
	assert_memory_equal(payload, message + HEADER, 100);
	header(message, 31, 8);
	send_with(back, message, HEADER + 8, (int[]){ library }, 1);
	assert_int_equal(receive_message(front, &request, payload, &len, fds), 1);
	assert_int_equal(request, 31);
	assert_true(same_file(fds[0], library));
	close(fds[0]);
	part(front, back);
}

/* Two messages at once, of which the second has descriptors: they stay with it. */
static void test_descriptors_stay(void **state)
{
	uint8_t first[HEADER], second[HEADER + 8] = {}, payload[64];
	uint32_t request, len;
	int front, back, fds[64], pipes[2];

	assert_int_equal(pipe(pipes), 0);
	join(&front, &back);
	header(first, 3, 0);
	header(second, 12, 8);
	send_with(front, first, sizeof(first), NULL, 0);
	send_with(front, second, sizeof(second), pipes, 2);
	send_with(front, first, sizeof(first), NULL, 0);
	assert_int_equal(receive_message(back, &request, payload, &len, fds), 0);
	assert_int_equal(request, 3);
	assert_int_equal(receive_message(back, &request, payload, &len, fds), 2);
	assert_int_equal(request, 12);
	assert_true(same_file(fds[0], pipes[0]));
	assert_true(same_file(fds[1], pipes[1]));
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(receive_message(back, &request, payload, &len, fds), 0);
	close(pipes[0]);
	close(pipes[1]);
	part(front, back);
}

/* Byte by byte, with descriptors on a byte in the middle. */
static void test_pieces(void **state)
{
	uint8_t message[HEADER + 8] = {}, payload[64];
	uint32_t request, len, i;
	int front, back, fds[64];

	join(&front, &back);
	header(message, 13, 8);
	message[HEADER] = 7;
	for (i = 0; i < sizeof(message); i++)
		send_with(front, message + i, 1, &library, i == 4);
	assert_int_equal(receive_message(back, &request, payload, &len, fds), 1);
	assert_int_equal(request, 13);
	assert_int_equal(payload[0], 7);
	close(fds[0]);
	part(front, back);
}

/* Whether the other side ended the connection. */
static bool ended(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&p, 1, 5000) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

static void test_too_long(void **state)
{
	static const uint32_t sizes[] = { 8193, 65536, 0x7fffffff, 0xfffffff4, 0xffffffff };
	uint8_t message[HEADER];
	int front, back;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		join(&front, &back);
		header(message, 1, sizes[i]);
		send_with(front, message, sizeof(message), NULL, 0);
		assert_true(ended(front));
		assert_true(ended(back));
		part(front, back);
	}
}

static void test_too_many_descriptors(void **state)
{
	unsigned int before = open_files(), i;
	uint8_t message[HEADER + 8] = {};
	int front, back, fds[64];

	for (i = 0; i < 64; i++)
		fds[i] = library;
	join(&front, &back);
	header(message, 5, 8);
	send_with(front, message, sizeof(message), fds, 64);
	assert_true(ended(front));
	assert_true(ended(back));
	part(front, back);
	/* On several bytes of one message, a few each. */
	join(&front, &back);
	for (i = 0; i < 5; i++)
		send_with(front, message + i, 1, fds, 8);
	assert_true(ended(front));
	assert_true(ended(back));
	part(front, back);
	assert_int_equal(open_files(), before);
}

/* What came with half a message goes with the connection. */
static void test_cut_off(void **state)
{
	unsigned int before = open_files(), i;
	uint8_t message[HEADER + 8] = {};
	int front, back, pipes[2];
	char byte;

	header(message, 5, 8);
	for (i = 1; i < sizeof(message); i++) {
		join(&front, &back);
		assert_int_equal(pipe(pipes), 0);
		send_with(front, message, i, &pipes[1], 1);
		close(pipes[1]);
		close(front);
		assert_true(ended(back));
		close(back);
		/* Nobody holds the other end any more. */
		assert_int_equal(read(pipes[0], &byte, 1), 0);
		close(pipes[0]);
	}
	assert_int_equal(open_files(), before);
}

/* The library refuses a second front end: both ends go, the first stays. */
static void test_library_closes(void **state)
{
	uint8_t message[HEADER], payload[64];
	int front, back, other, other_back, fds[64];
	uint32_t request, len;

	join(&front, &back);
	join(&other, &other_back);
	close(other_back);
	assert_true(ended(other));
	close(other);
	header(message, 1, 0);
	send_with(front, message, sizeof(message), NULL, 0);
	assert_int_equal(receive_message(back, &request, payload, &len, fds), 0);
	part(front, back);
}

/* More connections than are carried: the surplus is closed, later ones are not. */
static void test_crowd(void **state)
{
	int front[64], back[64], i, n = 0;
	struct pollfd p = { .fd = library, .events = POLLIN };
	char why[128];

	for (i = 0; i < 64; i++) {
		front[i] = socket_connect(front_path, why, sizeof(why));
		assert_true(front[i] >= 0);
		while (n < 64 && poll(&p, 1, 20) == 1)
			back[n++] = accept(library, NULL, NULL);
	}
	assert_int_equal(n, 32);
	for (i = 0; i < 64; i++)
		close(front[i]);
	for (i = 0; i < n; i++) {
		assert_true(ended(back[i]));
		close(back[i]);
	}
	join(&front[0], &back[0]);
	part(front[0], back[0]);
}

/* Sends messages on @fd until nobody takes any more. How many. */
static unsigned int fill(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	uint8_t message[HEADER + 4096] = {};
	unsigned int n = 0;

	header(message, 5, 4096);
	/* The relay takes what it can; then there is room no more. */
	while (poll(&p, 1, 300) == 1) {
		if (send(fd, message, sizeof(message), MSG_DONTWAIT) == sizeof(message))
			n++;
		else
			break;
	}
	return n;
}

/* Reads on until the end of the connection. How many whole messages came. */
static unsigned int empty(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	static uint8_t bytes[65536];
	size_t sum = 0;
	ssize_t n;

	for (;;) {
		assert_int_equal(poll(&p, 1, 5000), 1);
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n <= 0)
			break;
		sum += (size_t)n;
	}
	return (unsigned int)(sum / (HEADER + 4096));
}

/* A front end that reads nothing, and the library gives up. */
static void test_front_end_does_not_read(void **state)
{
	unsigned int before;
	int front, back;

	join(&front, &back);
	assert_true(fill(back) > 1);
	before = atomic_load(&polls);
	rest();
	assert_in_range(atomic_load(&polls) - before, 0, MANY);
	close(back);
	before = atomic_load(&polls);
	rest();
	assert_in_range(atomic_load(&polls) - before, 0, MANY);
	/* Nor is it kept for what it does not read: its place is free. */
	assert_true(empty(front) > 0);
	close(front);
}

/* A front end that is gone, while the library is busy: it gets all the same what was sent. */
static void test_library_reads_late(void **state)
{
	unsigned int before, sent;
	int front, back;

	join(&front, &back);
	sent = fill(front);
	assert_true(sent > 1);
	close(front);
	before = atomic_load(&polls);
	rest();
	assert_in_range(atomic_load(&polls) - before, 0, MANY);
	assert_int_equal(empty(back), sent);
	close(back);
}

/* A connection for which there is no descriptor waits until there is. */
static void test_no_files(void **state)
{
	struct pollfd p = { .fd = library, .events = POLLIN };
	unsigned int before;
	char why[128];
	int front, back;

	atomic_store(&no_files, true);
	before = atomic_load(&accepts);
	front = socket_connect(front_path, why, sizeof(why));
	assert_true(front >= 0);
	while (atomic_load(&accepts) < before + 2)
		usleep(1000);
	rest();
	assert_in_range(atomic_load(&accepts) - before, 2, MANY);
	atomic_store(&no_files, false);
	assert_int_equal(poll(&p, 1, 5000), 1);
	back = accept(library, NULL, NULL);
	assert_true(back >= 0);
	part(front, back);
}

static void test_check(void **state)
{
	static const char *const wrong[] = { "", "x", "-1", "0", "2", "3x", "999", "99999999999" };
	struct inherited one;
	char why[256];
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		why[0] = 0;
		assert_true(inherit_check(&one, wrong[i], why, sizeof(why)) < 0);
		assert_true(*why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_descriptors_stay),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_too_many_descriptors),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_library_closes),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_front_end_does_not_read),
		cmocka_unit_test(test_library_reads_late),
		cmocka_unit_test(test_no_files),
		cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
