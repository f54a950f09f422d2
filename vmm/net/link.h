/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_NET_LINK_H
#define VMM_NET_LINK_H

#include <net/if.h>

#include <viola/env.h>

/* What the host's kernel says about its network interfaces (rtnetlink(7)). */
struct link_info {
	unsigned int index;
	u32 mtu; /* bytes */
	u8 mac[6]; /* zeros if it has none of that length */
	char kind[IFNAMSIZ]; /* "tun", "macvtap", …; "" for hardware */
};

/* What is known about @name, in this thread's namespace. 0 or -errno (-ENODEV: none). */
int link_query(const char *name, struct link_info *info);

/*
 * A descriptor that is readable when an interface of this thread's namespace
 * has changed or is gone, and does not wait; -errno.
 */
int link_watch(void);
/*
 * Takes what @fd has to report. True if something happened to the interface
 * @index, or reports were lost, so that it may have.
 */
bool link_watch_read(int fd, unsigned int index);

#endif
