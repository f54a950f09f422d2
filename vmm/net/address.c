// SPDX-License-Identifier: GPL-2.0
/*
 * What makes an address differ: machine-id(5), the same in each start of this
 * host and on no other one (the boot's id where a host has none); the network
 * namespace, as each container may have its own tap0; the interface; the number
 * of the device. 46 bits of a hash of it, from which none of these can be told.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <linux/if_ether.h>

#include "vmm/net/address.h"

#define MULTICAST 0x01
#define LOCAL 0x02

/* FNV-1a, and the last steps of MurmurHash3, so that each bit depends on all. */
static u64 hash(const char *text)
{
	u64 h = 0xcbf29ce484222325ull;

	for (; *text; text++)
		h = (h ^ (u8)*text) * 0x100000001b3ull;
	h = (h ^ h >> 33) * 0xff51afd7ed558ccdull;
	h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ull;
	return h ^ h >> 33;
}

void nic_address_from(u8 mac[6], const char *seed)
{
	const u64 h = hash(seed);
	unsigned int i;

	for (i = 0; i < ETH_ALEN; i++)
		mac[i] = (u8)(h >> 8 * i);
	mac[0] = (u8)((mac[0] & ~MULTICAST) | LOCAL);
}

/* The first line of @path, or "". */
static void read_line(const char *path, char *to, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, to, size - 1);

	if (fd >= 0)
		close(fd);
	to[n < 0 ? 0 : n] = '\0';
	to[strcspn(to, "\n")] = '\0';
}

void nic_address(u8 mac[6], const char *ifname, unsigned int index)
{
	char host[64], space[64], seed[256];
	ssize_t n;

	read_line("/etc/machine-id", host, sizeof(host));
	/* Images have an empty one, or this, until their first start. */
	if (!host[0] || !strcmp(host, "uninitialized"))
		read_line("/proc/sys/kernel/random/boot_id", host, sizeof(host));
	n = readlink("/proc/self/ns/net", space, sizeof(space) - 1);
	space[n < 0 ? 0 : n] = '\0';
	snprintf(seed, sizeof(seed), "viola %s %s %s %u", host, space, ifname, index);
	nic_address_from(mac, seed);
}

void nic_address_complete(struct nic_config *config, const struct net_backend *be)
{
	static const u8 none[ETH_ALEN];

	if (memcmp(config->mac, none, sizeof(none)))
		return;
	if (memcmp(be->mac, none, sizeof(none)))
		memcpy(config->mac, be->mac, sizeof(config->mac));
	else
		nic_address(config->mac, be->ifname, config->index);
}
