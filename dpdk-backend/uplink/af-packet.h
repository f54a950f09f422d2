/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What net_af_packet receives from a Linux stack, as on a veth: frames as that stack
 * would hand them to a device. A TCP or UDP checksum may still be the device's work, and
 * a frame may be a segment longer than the link. The driver says neither (DPDK 22.11
 * ignores TP_STATUS_CSUMNOTREADY), and cuts off what its ring's slots do not hold.
 */
#ifndef VIOLA_DPDK_AF_PACKET_H
#define VIOLA_DPDK_AF_PACKET_H

#include "dpdk-backend/port/port.h"

struct rte_mbuf;

enum af_packet_state {
	AF_PACKET_WHOLE, /* nothing is to be done */
	AF_PACKET_PARTIAL, /* the checksum field holds the pseudo header's sum alone */
	AF_PACKET_CUT, /* the end is missing */
};

/*
 * What the frame of @len bytes is, of which the first @head bytes are at @data, our copy.
 * Of one that is AF_PACKET_PARTIAL @end is where IP ends, in bytes from the frame's start,
 * at most @len: what the checksum covers.
 */
enum af_packet_state af_packet_look(const u8 *data, u32 head, u32 len, u32 *end);

/*
 * Looks at the @n frames m[] that @lc just received from @p. Those whose checksum is
 * unfinished get RTE_MBUF_F_RX_L4_CKSUM_NONE; those that are cut off are freed and counted
 * as rx_invalid. Returns how many are left, the first of m[], in their order.
 */
unsigned int af_packet_receive(struct lcore *lc, struct port *p, struct rte_mbuf **m,
			       unsigned int n);

#endif
