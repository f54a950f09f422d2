// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/measure/tap.h"

static int iface_up(const char *name, struct failure *f)
{
	struct ifreq req = { .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return failure_set(f, errno, "socket: %s", strerror(errno));
	strncpy(req.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCSIFFLAGS, &req))
		err = failure_set(f, errno, "interface %s cannot be brought up: %s",
				  name, strerror(errno));
	close(fd);
	return err;
}

int tap_namespace(struct failure *f)
{
	int fd;

	if (unshare(CLONE_NEWNET))
		return failure_set(f, errno, "a network namespace cannot be made: %s (run as root)",
				   strerror(errno));
	/* Router solicitations would be counted as work of the path. */
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6",
		  O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		if (write(fd, "1", 1) != 1)
			failure_set(f, errno, "IPv6 cannot be switched off: %s",
				    strerror(errno));
		close(fd);
	}
	return f->text[0] ? -EPERM : 0;
}

static int tap_persist(const char *name, int on, struct failure *f)
{
	struct ifreq req = {
		.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR,
	};
	int fd, err = 0;

	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return failure_set(f, errno, "/dev/net/tun: %s", strerror(errno));
	strncpy(req.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &req) || ioctl(fd, TUNSETPERSIST, on))
		err = failure_set(f, errno, "tap interface %s: %s", name,
				  strerror(errno));
	close(fd);
	return err;
}

int tap_create(const char *name, struct failure *f)
{
	int err = tap_persist(name, 1, f);

	return err ? err : iface_up(name, f);
}

void tap_remove(const char *name)
{
	struct failure ignored = { "" };

	tap_persist(name, 0, &ignored);
}
