/* SPDX-License-Identifier: GPL-2.0 */
/* Names that newer versions of DPDK have: 22.11 is the oldest that is supported. */
#ifndef VIOLA_DPDK_COMPAT_H
#define VIOLA_DPDK_COMPAT_H

#include <rte_version.h>

/* The old name is deprecated since 23.03. */
#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0)
#define rte_tel_data_add_dict_uint rte_tel_data_add_dict_u64
#endif

#endif
