// SPDX-License-Identifier: GPL-2.0
/* Checksums the adapter computes: the Internet's and Ethernet's. */
#include <pthread.h>

#include "vmm/emulated/e1000-sum.h"

u64 e1000_sum(const u8 *data, size_t len)
{
	u64 sum = 0;

	/*
	 * Native 32-bit words: the sum of swapped words is the swapped sum
	 * (RFC 1071, 2.B), so one swap at the end does for all. 64 bits hold
	 * 2^32 words without a carry being lost.
	 */
	while (len >= 16) {
		u32 w[4];

		memcpy(w, data, 16);
		sum += (u64)w[0] + w[1] + w[2] + w[3];
		data += 16;
		len -= 16;
	}
	while (len >= 2) {
		u16 w;

		memcpy(&w, data, 2);
		sum += w;
		data += 2;
		len -= 2;
	}
	if (len) {
		u8 last[2] = { *data, 0 };
		u16 w;

		memcpy(&w, last, 2);
		sum += w;
	}
	return be16toh(e1000_sum_fold(sum));
}

u16 e1000_sum_fold(u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (u16)sum;
}

bool e1000_sum_insert(u8 *packet, u32 len, u32 start, u32 last, u32 at, bool no_zero)
{
	u32 end = last ? last + 1 : len;
	u16 sum;

	if (end > len || start >= end || at >= len || len - at < 2)
		return false;
	sum = (u16)~e1000_sum_fold(e1000_sum(packet + start, end - start));
	if (!sum && no_zero)
		sum = 0xffff;
	put_be16(packet + at, sum);
	return true;
}

/* Eight bytes a step: table k is the effect of a byte k places further on. */
static u32 fcs_table[8][256];
static pthread_once_t fcs_once = PTHREAD_ONCE_INIT;

static void fcs_init(void)
{
	for (u32 i = 0; i < 256; i++) {
		u32 crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
		fcs_table[0][i] = crc;
	}
	for (u32 i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			fcs_table[k][i] = fcs_table[k - 1][i] >> 8 ^
					  fcs_table[0][fcs_table[k - 1][i] & 0xff];
}

u32 e1000_fcs(const u8 *data, size_t len)
{
	u32 crc = ~0u;

	pthread_once(&fcs_once, fcs_init);
	for (; len >= 8; data += 8, len -= 8) {
		u32 lo, hi;

		memcpy(&lo, data, 4);
		memcpy(&hi, data + 4, 4);
		lo = le32toh(lo) ^ crc;
		hi = le32toh(hi);
		crc = fcs_table[7][lo & 0xff] ^ fcs_table[6][lo >> 8 & 0xff] ^
		      fcs_table[5][lo >> 16 & 0xff] ^ fcs_table[4][lo >> 24] ^
		      fcs_table[3][hi & 0xff] ^ fcs_table[2][hi >> 8 & 0xff] ^
		      fcs_table[1][hi >> 16 & 0xff] ^ fcs_table[0][hi >> 24];
	}
	while (len--)
		crc = crc >> 8 ^ fcs_table[0][(crc ^ *data++) & 0xff];
	return ~crc;
}
