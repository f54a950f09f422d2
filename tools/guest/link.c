// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools/guest/link.h"

uint64_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + ts.tv_nsec;
}

static void sleep_ms(int ms)
{
	const struct timespec ts = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000L,
	};

	nanosleep(&ts, NULL);
}

static void ifreq_name(struct ifreq *req, const char *iface)
{
	memset(req, 0, sizeof(*req));
	snprintf(req->ifr_name, IFNAMSIZ, "%s", iface);
}

/* Administratively up, and the address; @mac may be NULL. */
static int iface_up(const char *iface, uint8_t *mac, struct failure *f)
{
	struct ifreq req;
	int fd, err = 0;

	if (strlen(iface) >= IFNAMSIZ)
		return failure_set(f, EINVAL, "%s: too long for the name of an interface",
				   iface);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return failure_set(f, errno, "socket: %s", strerror(errno));

	ifreq_name(&req, iface);
	if (ioctl(fd, SIOCGIFFLAGS, &req)) {
		err = failure_set(f, errno, "interface %s: %s", iface,
				  strerror(errno));
		goto out;
	}
	if (!(req.ifr_flags & IFF_UP)) {
		req.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &req)) {
			err = failure_set(f, errno, "cannot bring interface %s up: %s",
					  iface, strerror(errno));
			goto out;
		}
	}
	if (mac) {
		ifreq_name(&req, iface);
		if (ioctl(fd, SIOCGIFHWADDR, &req)) {
			err = failure_set(f, errno, "interface %s has no address: %s",
					  iface, strerror(errno));
			goto out;
		}
		memcpy(mac, req.ifr_hwaddr.sa_data, FRAME_ALEN);
	}
out:
	close(fd);
	return err;
}

static void set_timeouts(int fd)
{
	const struct timeval tv = { .tv_sec = 1 };

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

int link_open(struct link *l, const char *iface, int rcvbuf, struct failure *f)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(VIOLA_ETHERTYPE),
	};
	const int one = 1;
	int err;

	memset(l, 0, sizeof(*l));
	l->fd = -1;
	err = iface_up(iface, l->mac, f);
	if (err)
		return err;
	addr.sll_ifindex = if_nametoindex(iface);

	/* Protocol 0: nothing is queued before the socket is bound. */
	l->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return failure_set(f, errno,
				   "raw socket on %s: %s (it needs CAP_NET_RAW)",
				   iface, strerror(errno));
	setsockopt(l->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	if (setsockopt(l->fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf, sizeof(rcvbuf)))
		setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	if (bind(l->fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = failure_set(f, errno, "raw socket on %s: bind: %s", iface,
				  strerror(errno));
		link_close(l);
		return err;
	}
	set_timeouts(l->fd);
	l->packet = true;
	return 0;
}

void link_adopt(struct link *l, int fd, const uint8_t *mac)
{
	memset(l, 0, sizeof(*l));
	l->fd = fd;
	memcpy(l->mac, mac, FRAME_ALEN);
	set_timeouts(fd);
}

void link_close(struct link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static int send_error(int err, struct failure *f)
{
	/* Full queues are part of the measurement, not an error. */
	if (err == ENOBUFS || err == EAGAIN || err == EINTR)
		return 0;
	return failure_set(f, err, "sending a frame: %s%s", strerror(err),
			   err == ENETDOWN ? " (the interface went down)" : "");
}

int link_send(struct link *l, const uint8_t *buf, size_t len,
	      struct failure *f)
{
	int err;

	if (send(l->fd, buf, len, 0) >= 0)
		return 0;
	err = errno;
	return send_error(err, f) ?: -EAGAIN;
}

int link_send_batch(struct link *l, uint8_t buf[][FRAME_BUF], unsigned int n,
		    size_t len, struct failure *f)
{
	struct mmsghdr msg[LINK_BATCH];
	struct iovec iov[LINK_BATCH];
	unsigned int i;
	int sent;

	for (i = 0; i < n; i++) {
		iov[i].iov_base = buf[i];
		iov[i].iov_len = len;
		memset(&msg[i], 0, sizeof(msg[i]));
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(l->fd, msg, n, 0);
	return sent >= 0 ? sent : send_error(errno, f);
}

static int wait_readable(struct link *l, int64_t timeout_ns)
{
	const struct timespec ts = {
		.tv_sec = timeout_ns / 1000000000,
		.tv_nsec = timeout_ns % 1000000000,
	};
	struct pollfd pfd = { .fd = l->fd, .events = POLLIN };

	return ppoll(&pfd, 1, &ts, NULL);
}

static int recv_error(int err, struct failure *f)
{
	if (err == EAGAIN || err == EINTR)
		return 0;
	return failure_set(f, err, "receiving a frame: %s%s", strerror(err),
			   err == ENETDOWN ? " (the interface went down)" : "");
}

int link_recv_batch(struct link *l, struct link_batch *b, int timeout_ms,
		    struct failure *f)
{
	struct mmsghdr msg[LINK_BATCH];
	struct iovec iov[LINK_BATCH];
	int i, n;

	for (i = 0; i < LINK_BATCH; i++) {
		iov[i].iov_base = b->buf[i];
		iov[i].iov_len = FRAME_BUF;
		memset(&msg[i], 0, sizeof(msg[i]));
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(l->fd, msg, LINK_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0 && errno == EAGAIN && timeout_ms) {
		n = wait_readable(l, timeout_ms * 1000000LL);
		if (n > 0)
			n = recvmmsg(l->fd, msg, LINK_BATCH, MSG_DONTWAIT, NULL);
	}
	if (n < 0)
		return recv_error(errno, f);
	for (i = 0; i < n; i++)
		b->len[i] = msg[i].msg_len;
	return n;
}

int link_recv(struct link *l, uint8_t *buf, uint64_t deadline_ns,
	      struct failure *f)
{
	uint64_t now;
	ssize_t len;
	int err;

	for (;;) {
		now = clock_now();
		if (now < deadline_ns && wait_readable(l, deadline_ns - now) < 0 &&
		    errno != EINTR)
			return failure_set(f, errno, "waiting for a frame: %s",
					   strerror(errno));
		len = recv(l->fd, buf, FRAME_BUF, MSG_DONTWAIT);
		if (len > 0)
			return len;
		err = len < 0 ? recv_error(errno, f) : 0;
		if (err)
			return err;
		if (now >= deadline_ns)
			return 0;
	}
}

uint64_t link_drops(struct link *l)
{
	struct tpacket_stats st;
	socklen_t len = sizeof(st);

	if (!l->packet ||
	    getsockopt(l->fd, SOL_PACKET, PACKET_STATISTICS, &st, &len))
		return 0;
	return st.tp_drops;
}

/* An interface on a device has a "device" link; lo, bridges and so on do not. */
static bool find_once(char *name)
{
	char path[512];
	struct dirent *e;
	DIR *d = opendir("/sys/class/net");
	bool found = false;

	if (!d)
		return false;
	while (!found && (e = readdir(d))) {
		if (e->d_name[0] == '.' || strlen(e->d_name) >= IFNAMSIZ)
			continue;
		snprintf(path, sizeof(path), "/sys/class/net/%s/device", e->d_name);
		if (access(path, F_OK))
			continue;
		snprintf(name, IFNAMSIZ, "%.*s", IFNAMSIZ - 1, e->d_name);
		found = true;
	}
	closedir(d);
	return found;
}

int link_find(char *name, int wait_ms, struct failure *f)
{
	const uint64_t end = clock_now() + wait_ms * UINT64_C(1000000);

	while (!find_once(name)) {
		if (clock_now() >= end)
			return failure_set(f, ENODEV,
				"no network device within %d ms: is its driver loaded?",
				wait_ms);
		sleep_ms(10);
	}
	return 0;
}

static bool has_carrier(const char *iface)
{
	char path[128], c = '0';
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", iface);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, &c, 1) != 1)
		c = '0';
	close(fd);
	return c == '1';
}

int link_wait(const char *iface, int wait_ms, struct failure *f)
{
	const uint64_t end = clock_now() + wait_ms * UINT64_C(1000000);
	struct failure once;
	int err;

	for (;;) {
		once.text[0] = 0;
		err = iface_up(iface, NULL, &once);
		if (!err)
			break;
		if (err != -ENODEV || clock_now() >= end)
			return failure_set(f, -err, "%s", once.text);
		sleep_ms(10);
	}
	while (!has_carrier(iface)) {
		if (clock_now() >= end)
			return failure_set(f, ENOLINK,
				"interface %s has no carrier after %d ms",
				iface, wait_ms);
		sleep_ms(10);
	}
	return 0;
}
