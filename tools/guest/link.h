/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One end of the Ethernet link, as a file descriptor that carries one frame
 * per message: an AF_PACKET socket on an interface, or (in tests) one end of
 * a datagram socket pair.
 */
#ifndef VIOLA_GUEST_LINK_H
#define VIOLA_GUEST_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/guest/failure.h"
#include "tools/guest/frame.h"

#define LINK_BATCH	32

struct link {
	int fd;
	bool packet;		/* AF_PACKET: statistics can be read */
	uint8_t mac[FRAME_ALEN];
};

/* Frames of one receive call: @len[i] bytes in @buf[i]. */
struct link_batch {
	uint8_t buf[LINK_BATCH][FRAME_BUF];
	unsigned int len[LINK_BATCH];
};

/*
 * Bring @iface up and open a raw socket on it for VIOLA_ETHERTYPE, with
 * receive room of @rcvbuf bytes (forced above the system's limit where
 * allowed). Returns 0 or -errno with @f set.
 */
int link_open(struct link *l, const char *iface, int rcvbuf, struct failure *f);

/* Use @fd as the link; @mac is what it calls itself. */
void link_adopt(struct link *l, int fd, const uint8_t *mac);

void link_close(struct link *l);

/*
 * Send one frame. Waits for room in the socket's send buffer up to the
 * timeout that link_open() sets (1 s). Returns 0, -ENOBUFS/-EAGAIN when the
 * frame was not taken (it never left), or another -errno with @f set.
 */
int link_send(struct link *l, const uint8_t *buf, size_t len,
	      struct failure *f);

/*
 * Send @n (<= LINK_BATCH) frames of @len bytes each. Returns how many were
 * taken, in order (0: no room), or -errno with @f set.
 */
int link_send_batch(struct link *l, uint8_t buf[][FRAME_BUF], unsigned int n,
		    size_t len, struct failure *f);

/*
 * Wait up to @timeout_ms (0: not at all) and receive what is there, at most
 * LINK_BATCH frames. Returns their number (0: timeout) or -errno with @f set.
 */
int link_recv_batch(struct link *l, struct link_batch *b, int timeout_ms,
		    struct failure *f);

/*
 * Wait until @deadline_ns (clock_now()) for one frame into @buf (FRAME_BUF
 * bytes). Returns its length, 0 at the deadline, or -errno with @f set.
 */
int link_recv(struct link *l, uint8_t *buf, uint64_t deadline_ns,
	      struct failure *f);

/* Frames that the socket has dropped since the last call; 0 if unknown. */
uint64_t link_drops(struct link *l);

/*
 * Name in @name (IFNAMSIZ bytes) the first interface that stands on a device,
 * waiting for it up to @wait_ms. Returns 0 or -ENODEV with @f set.
 */
int link_find(char *name, int wait_ms, struct failure *f);

/*
 * Wait up to @wait_ms for @iface to exist, bring it up, and wait for its
 * carrier. Returns 0 or -errno with @f set.
 */
int link_wait(const char *iface, int wait_ms, struct failure *f);

/* CLOCK_MONOTONIC_RAW in nanoseconds: no NTP slewing within a run. */
uint64_t clock_now(void);

#endif
