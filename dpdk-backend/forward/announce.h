/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest that moved here is behind this port from now on, and the network is to
 * know before the guest says anything. A front end whose guest cannot announce
 * itself asks for that (VHOST_USER_SEND_RARP); DPDK's library only leaves a mark
 * for its own receive path, which is not used here. So the frame is made here:
 * a RARP request (RFC 903) from the guest's address to all, as if the guest had
 * sent it, which a switch learns from and passes on.
 */
#ifndef VIOLA_DPDK_ANNOUNCE_H
#define VIOLA_DPDK_ANNOUNCE_H

#include "dpdk-backend/port/port.h"

#define ANNOUNCE_LEN 60u /* bytes of the frame, without FCS */

/*
 * Has @mac, six bytes, announced behind @p by the lcore of its first queue. For
 * the threads that handle messages; a second address replaces one that was not
 * sent yet. A group address is ignored.
 */
void announce_post(struct port *p, const u8 *mac);

/* Sends what was posted for @p. Called in a round where p->announce is not 0. */
void announce_send(struct lcore *lc, struct port *p);

/* Writes the ANNOUNCE_LEN bytes of the frame for @mac to @frame. */
void announce_make(u8 *frame, const u8 *mac);

#endif
