// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "vmm/net/link.h"

/* Longest message that a kernel makes about one interface, with room to spare. */
#define MESSAGE_MAX 16384

static int netlink_open(int flags, u32 groups)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int err, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (!bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static void parse_kind(const struct rtattr *info, struct link_info *link)
{
	const struct rtattr *a = RTA_DATA(info);
	int len = (int)RTA_PAYLOAD(info);

	for (; RTA_OK(a, len); a = RTA_NEXT(a, len))
		if (a->rta_type == IFLA_INFO_KIND)
			snprintf(link->kind, sizeof(link->kind), "%.*s", (int)RTA_PAYLOAD(a),
				 (const char *)RTA_DATA(a));
}

static void parse_link(const struct nlmsghdr *h, struct link_info *link)
{
	const struct ifinfomsg *ifi = NLMSG_DATA(h);
	const struct rtattr *a = IFLA_RTA(ifi);
	int len = (int)IFLA_PAYLOAD(h);

	link->index = (unsigned int)ifi->ifi_index;
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == IFLA_MTU && RTA_PAYLOAD(a) == sizeof(link->mtu))
			memcpy(&link->mtu, RTA_DATA(a), sizeof(link->mtu));
		else if (a->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(a) == sizeof(link->mac))
			memcpy(link->mac, RTA_DATA(a), sizeof(link->mac));
		else if ((a->rta_type & NLA_TYPE_MASK) == IFLA_LINKINFO)
			parse_kind(a, link);
	}
}

/* The answer to a request for one link. */
static int parse_answer(const void *buf, ssize_t n, struct link_info *link)
{
	const struct nlmsghdr *h = buf;
	int error;

	if (!NLMSG_OK(h, (unsigned int)n))
		return -EPROTO;
	if (h->nlmsg_type == NLMSG_ERROR) {
		/* Its first field is a negative errno. */
		memcpy(&error, NLMSG_DATA(h), sizeof(error));
		return error < 0 ? error : -EPROTO;
	}
	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
		return -EPROTO;
	parse_link(h, link);
	return 0;
}

int link_query(const char *name, struct link_info *link)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg ifi;
	} request = {
		.head = { .nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETLINK,
			  .nlmsg_flags = NLM_F_REQUEST },
		.ifi = { .ifi_family = AF_UNSPEC, .ifi_index = (int)if_nametoindex(name) },
	};
	char buf[MESSAGE_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	ssize_t n;
	int fd, err;

	memset(link, 0, sizeof(*link));
	if (!request.ifi.ifi_index)
		return -ENODEV;
	fd = netlink_open(0, 0);
	if (fd < 0)
		return fd;
	n = send(fd, &request, sizeof(request), 0);
	if (n >= 0) /* netlink takes a message whole */
		n = recv(fd, buf, sizeof(buf), 0);
	err = n < 0 ? -errno : parse_answer(buf, n, link);
	close(fd);
	return err;
}

int link_watch(void)
{
	return netlink_open(SOCK_NONBLOCK, RTMGRP_LINK);
}

/* Whether one of the messages in @buf is about the interface @index. */
static bool concerns(const void *buf, ssize_t n, unsigned int index)
{
	const struct nlmsghdr *h = buf;
	unsigned int left = (unsigned int)n;

	for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		const struct ifinfomsg *ifi = NLMSG_DATA(h);

		if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(*ifi)) &&
		    (unsigned int)ifi->ifi_index == index)
			return true;
	}
	return false;
}

bool link_watch_read(int fd, unsigned int index)
{
	char buf[MESSAGE_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
	bool ours = false;
	ssize_t n;

	for (;;) {
		n = recv(fd, buf, sizeof(buf), 0);
		if (n > 0)
			ours |= concerns(buf, n, index);
		else if (n < 0 && errno == ENOBUFS)
			ours = true; /* more came than there was room for */
		else
			return ours;
	}
}
