// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/forward/flow.h"

#define FLOW_LOOK 96u /* bytes: two tags, IPv4 with options, ports */
#define IP_TCP 6
#define IP_UDP 17
#define IP_SCTP 132

static u32 load32(const u8 *p)
{
	u32 value;

	memcpy(&value, p, 4);
	return value;
}

static u32 load16(const u8 *p)
{
	return (u32)p[0] << 8 | p[1];
}

/* Both ends, whichever comes first: sum and difference would do, product does not. */
static u64 flow_pair(u64 a, u64 b)
{
	return (a ^ b) * 0x9e3779b97f4a7c15ull + (a + b);
}

static u32 flow_end(u64 sum)
{
	sum ^= sum >> 32;
	sum *= 0xd6e8feb86659fd93ull;
	return (u32)(sum >> 32);
}

static u64 flow_ports(const u8 *p, u32 len, u32 at, u8 protocol)
{
	if (protocol != IP_TCP && protocol != IP_UDP && protocol != IP_SCTP)
		return protocol;
	return at + 4 > len ? protocol : flow_pair(load16(p + at), load16(p + at + 2)) + protocol;
}

static u64 flow_ipv4(const u8 *p, u32 len, u32 ip)
{
	u64 sum = flow_pair(load32(p + ip + 12), load32(p + ip + 16));

	/* Only the first fragment has ports. */
	if (load16(p + ip + 6) & 0x3fff)
		return sum;
	return sum + 31 * flow_ports(p, len, ip + 4u * (p[ip] & 15), p[ip + 9]);
}

static u64 flow_ipv6(const u8 *p, u32 len, u32 ip)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < 16; i += 4)
		sum = sum * 31 + flow_pair(load32(p + ip + 8 + i), load32(p + ip + 24 + i));
	return sum + 31 * flow_ports(p, len, ip + 40, p[ip + 6]);
}

u32 flow_hash(const struct frame *f)
{
	u8 p[FLOW_LOOK];
	/* One look: what the sender makes of its frame meanwhile is not seen. */
	u32 len = (u32)viola_segs_read(f->seg, f->nseg, 0, p, sizeof(p)), at = 12, type, tags;
	u64 a = 0, b = 0;

	if (len < FRAME_MIN)
		return 0;
	type = load16(p + at);
	for (tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8) && at + 6 <= len; tags++) {
		at += 4;
		type = load16(p + at);
	}
	if (type == 0x0800 && at + 2 + 20 <= len)
		return flow_end(flow_ipv4(p, len, at + 2));
	if (type == 0x86dd && at + 2 + 40 <= len)
		return flow_end(flow_ipv6(p, len, at + 2));
	memcpy(&a, p, 6);
	memcpy(&b, p + 6, 6);
	return flow_end(flow_pair(a, b));
}
