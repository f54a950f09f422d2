// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>

#include "tests/lab/vring-driver.h"
#include "tests/lab/vring-net.h"

#define ETHERTYPE 0x88b5 /* IEEE: local experiments */

void net_isolate(void)
{
	static const char *const quiet[] = {
		"/proc/sys/net/ipv6/conf/default/disable_ipv6",
		"/proc/sys/net/ipv6/conf/all/disable_ipv6",
	};
	size_t i;
	int fd;

	if (unshare(CLONE_NEWNET))
		fail("no network namespace: %s", strerror(errno));
	for (i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
		fd = open(quiet[i], O_WRONLY);
		if (fd >= 0 && write(fd, "1", 1) != 1)
			fail("%s: %s", quiet[i], strerror(errno));
		if (fd >= 0)
			close(fd);
	}
}

int net_tap(const char *name, int hdr)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), s;

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) || ioctl(fd, TUNSETVNETHDRSZ, &hdr) ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4))
		fail("tap %s: %s", name, strerror(errno));
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ifr.ifr_flags = IFF_UP;
	if (s < 0 || ioctl(s, SIOCSIFFLAGS, &ifr))
		fail("tap %s does not come up: %s", name, strerror(errno));
	close(s);
	return fd;
}

static void net_ip(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void net_ip(const char *format, ...)
{
	char command[256];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (system(command))
		fail("%s: does not work", command);
}

int net_backend(enum net_kind kind, const char *name, int hdr, char far[16])
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd, size = 8 << 20;
	char path[32];

	snprintf(far, 16, "%s%s", name, kind == NET_TAP ? "" : "f");
	if (kind == NET_TAP)
		return net_tap(name, hdr);
	net_ip("ip link add %s type veth peer name %s", name, far);
	net_ip("ip link set %s up && ip link set %s up", name, far);
	if (kind == NET_PACKET) {
		addr.sll_ifindex = (int)if_nametoindex(name);
		fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
		/* Room for a window of frames: what does not fit is lost. */
		if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
		    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
			fail("packet socket on %s: %s", name, strerror(errno));
		return fd;
	}
	net_ip("ip link add link %s name %sm type macvtap mode bridge && ip link set %sm up", name,
	       name, name);
	snprintf(path, sizeof(path), "%sm", name);
	snprintf(path, sizeof(path), "/dev/tap%u", if_nametoindex(path));
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, TUNSETVNETHDRSZ, &hdr))
		fail("%s: %s", path, strerror(errno));
	return fd;
}

int net_socket(const char *name)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE),
		.sll_ifindex = (int)if_nametoindex(name),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETHERTYPE)), size = 8 << 20;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		fail("packet socket on %s: %s", name, strerror(errno));
	return fd;
}

void frame_make(uint8_t *frame, size_t len, uint32_t seq)
{
	static const uint8_t head[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1,
		ETHERTYPE >> 8, ETHERTYPE & 255,
	};
	uint32_t x = seq * 2654435761u + (uint32_t)len;
	size_t i;

	memcpy(frame, head, sizeof(head));
	memcpy(frame + sizeof(head), &seq, sizeof(seq));
	for (i = sizeof(head) + sizeof(seq); i < len; i++) {
		x = x * 1664525u + 1013904223u;
		frame[i] = (uint8_t)(x >> 24);
	}
}

int64_t frame_check(const uint8_t *frame, size_t len)
{
	uint8_t want[65536];
	uint32_t seq;

	if (len < FRAME_MIN || len > sizeof(want) || frame[12] != ETHERTYPE >> 8 ||
	    frame[13] != (ETHERTYPE & 255))
		return -2;
	memcpy(&seq, frame + 14, sizeof(seq));
	frame_make(want, len, seq);
	return memcmp(frame, want, len) ? -1 : (int64_t)seq;
}
