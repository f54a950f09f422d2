/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_NET_ADDRESS_H
#define VMM_NET_ADDRESS_H

#include "vmm/net/backend.h"
#include "vmm/net/nic.h"

/*
 * Gives @config an address if it has none: the only one that the far end delivers
 * frames for, or nic_address()'s.
 */
void nic_address_complete(struct nic_config *config, const struct net_backend *be);

/*
 * The address of a device whose user gave none: always the same one for device
 * @index of a machine on interface @ifname ("": none) of this host, and another
 * one on another host, interface or network namespace. Unicast and locally
 * administered.
 */
void nic_address(u8 mac[6], const char *ifname, unsigned int index);

/* The part without the host: from @seed, of any length. For tests. */
void nic_address_from(u8 mac[6], const char *seed);

#endif
