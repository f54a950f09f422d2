/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which flow a frame is of, for receivers that have more queues than the
 * sender: frames of one flow are to meet in one queue.
 */
#ifndef VIOLA_DPDK_FLOW_H
#define VIOLA_DPDK_FLOW_H

#include "dpdk-backend/forward/frame.h"

/*
 * A number for the flow of @f that is the same in both directions: of IP
 * addresses, protocol and the ports of TCP, UDP and SCTP; without ports for
 * fragments and headers behind which they would have to be looked for; of
 * Ethernet addresses for what is not IP. At most two VLAN tags are skipped.
 */
u32 flow_hash(const struct frame *f);

#endif
