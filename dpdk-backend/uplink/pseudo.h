/* SPDX-License-Identifier: GPL-2.0 */
/* The pseudo header's sum, which stands in a checksum field until somebody finishes it. */
#ifndef VIOLA_DPDK_PSEUDO_H
#define VIOLA_DPDK_PSEUDO_H

#include <rte_ip.h>

#include "dpdk-backend/forward/offload.h"

/*
 * Of the TCP or UDP frame at @data with headers at @l, as the field holds it: folded, not
 * complemented, never 0. With RTE_MBUF_F_TX_TCP_SEG in @flags without the length.
 */
static inline u16 pseudo_sum(const struct offload_layout *l, const u8 *data, u64 flags)
{
	return l->family == 4 ? rte_ipv4_phdr_cksum((const void *)(data + l->l2), flags) :
				rte_ipv6_phdr_cksum((const void *)(data + l->l2), flags);
}

#endif
