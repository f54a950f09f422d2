/* SPDX-License-Identifier: GPL-2.0 */
/* Unix sockets at paths. */
#ifndef VIOLA_DPDK_SOCKET_H
#define VIOLA_DPDK_SOCKET_H

#include <stddef.h>
#include <sys/un.h>

/*
 * Makes way for a socket at @path: removes one that nobody listens on, such as
 * a back end that was killed leaves behind. 0, or -errno with a sentence for the
 * user in @why (@size bytes).
 */
int socket_path_clear(const char *path, char *why, size_t size);

/* Fills in @addr. 0, or -ENAMETOOLONG with a sentence. */
int socket_address(struct sockaddr_un *addr, const char *path, char *why, size_t size);

/*
 * Listens at @path, for the owner of this process alone (mode 0600). The
 * descriptor (non-blocking), or -errno with a sentence.
 */
int socket_listen(const char *path, char *why, size_t size);

/* Connects to @path. The descriptor (blocking), or -errno; no sentence but for a long path. */
int socket_connect(const char *path, char *why, size_t size);

#endif
