/* SPDX-License-Identifier: GPL-2.0 */
/* The far end: a tap in a network namespace of its own, and a raw socket on it. */
#ifndef VIOLA_TESTS_LAB_VRING_NET_H
#define VIOLA_TESTS_LAB_VRING_NET_H

#include <stddef.h>
#include <stdint.h>

/* Moves into a new network namespace, with no IPv6 chatter in it. */
void net_isolate(void);
/* A tap with virtio headers of @hdr bytes, up; its file descriptor. */
int net_tap(const char *name, int hdr);

/*
 * A device's backend of one of three kinds, its interface called @name; its
 * file descriptor. *@far is the name of the interface on which its frames
 * arrive: the tap itself, or the other end of a pair of interfaces.
 */
enum net_kind { NET_TAP, NET_MACVTAP, NET_PACKET };
int net_backend(enum net_kind kind, const char *name, int hdr, char far[16]);

/* A packet socket on interface @name that sees all that arrives there. */
int net_socket(const char *name);

#define FRAME_MIN 60u
#define FRAME_MAX 1514u

/* Fills a frame of @len bytes that frame_check() recognises as number @seq. */
void frame_make(uint8_t *frame, size_t len, uint32_t seq);
/* The number, or -1 where a byte is not as it was made; -2: not one of ours. */
int64_t frame_check(const uint8_t *frame, size_t len);

#endif
