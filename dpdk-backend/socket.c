// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int socket_address(struct sockaddr_un *addr, const char *path, char *why, size_t size)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(addr->sun_path)) {
		snprintf(why, size, "%.100s...: a socket's path has at most %zu bytes; use a shorter one",
			 path, sizeof(addr->sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(addr->sun_path, path);
	return 0;
}

int socket_path_clear(const char *path, char *why, size_t size)
{
	struct sockaddr_un addr;
	struct stat st;
	int fd, err;

	err = -socket_address(&addr, path, why, size);
	if (err)
		return -err;
	if (lstat(path, &st)) {
		if (errno == ENOENT)
			return 0;
		err = errno;
		snprintf(why, size, "%s: %s; name a path in a directory you may use", path,
			 strerror(err));
		return -err;
	}
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, size, "%s is there and is no socket; remove it or use another path",
			 path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || !connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		err = EADDRINUSE;
	else if (errno != ECONNREFUSED)
		err = errno == EAGAIN ? EADDRINUSE : errno;
	if (fd >= 0)
		close(fd);
	if (!err && unlink(path))
		err = errno;
	if (err == EADDRINUSE)
		snprintf(why, size, "%s: another program listens there; end it or use another path",
			 path);
	else if (err)
		snprintf(why, size, "%s: cannot replace the socket left there: %s; remove it", path,
			 strerror(err));
	return -err;
}

int socket_listen(const char *path, char *why, size_t size)
{
	struct sockaddr_un addr;
	int fd, err;

	err = socket_path_clear(path, why, size);
	if (err)
		return err;
	err = socket_address(&addr, path, why, size);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Nobody can connect before listen(), so nobody does before it is 0600. */
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&addr, sizeof(addr)) &&
	    !chmod(path, 0600) && !listen(fd, 64))
		return fd;
	err = errno;
	if (fd >= 0)
		close(fd);
	snprintf(why, size, "%s: cannot listen there: %s; name a path in a directory you may "
		 "write to", path, strerror(err));
	return -err;
}

int socket_connect(const char *path, char *why, size_t size)
{
	struct sockaddr_un addr;
	int fd, err;

	err = socket_address(&addr, path, why, size);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = errno;
	close(fd);
	return -err;
}
