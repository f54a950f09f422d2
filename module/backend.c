// SPDX-License-Identifier: GPL-2.0
#include <linux/bpf.h>
#include <linux/file.h>
#include <linux/if_packet.h>
#include <linux/if_tap.h>
#include <linux/if_tun.h>
#include <linux/net.h>
#include <net/sock.h>

#include "backend.h"

/* Each looks at @file and fills in @b, or says that it is none of its. */
static bool is_packet(struct viola_backend *b)
{
	struct socket *sock = sock_from_file(b->file);

	/* Type and family first: other sockets may not be called as we do. */
	if (!sock || sock->type != SOCK_RAW || sock->sk->sk_family != AF_PACKET)
		return false;
	b->sock = sock;
	return true;
}

/* What tun and tap answer for a file of theirs; either may be an error. */
static bool is_ringed(struct viola_backend *b, struct socket *sock, struct ptr_ring *ring)
{
	if (IS_ERR(sock) || IS_ERR(ring))
		return false;
	b->sock = sock;
	b->ring = ring;
	b->batches = true;
	b->headroom = sock_flag(sock->sk, SOCK_XDP) ? XDP_PACKET_HEADROOM : 0;
	return true;
}

static bool is_tun(struct viola_backend *b)
{
	return is_ringed(b, tun_get_socket(b->file), tun_get_tx_ring(b->file));
}

static bool is_tap(struct viola_backend *b)
{
	return is_ringed(b, tap_get_socket(b->file), tap_get_ptr_ring(b->file));
}

static bool (*const kinds[])(struct viola_backend *b) = { is_packet, is_tun, is_tap };

int viola_backend_get(struct viola_backend *b, int fd)
{
	u32 i;

	memset(b, 0, sizeof(*b));
	b->file = fget(fd);
	if (!b->file)
		return -ENOTSOCK; /* vhost-net's answer, too */
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i](b))
			return 0;
	}
	viola_backend_put(b);
	return -ENOTSOCK;
}

void viola_backend_put(struct viola_backend *b)
{
	if (b->file)
		fput(b->file);
	memset(b, 0, sizeof(*b));
}
