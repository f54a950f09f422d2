/* SPDX-License-Identifier: GPL-2.0 */
/* What status tells, for people. */
#ifndef VIOLA_DPDK_TABLE_H
#define VIOLA_DPDK_TABLE_H

#include <jansson.h>

/* Prints the answer to the command status. */
void table_print(const json_t *status);

#endif
