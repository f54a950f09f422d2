// SPDX-License-Identifier: GPL-2.0
/* Checksums the adapter computes: the Internet's and Ethernet's. */
#include <pthread.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

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

/* @crc goes on over @len bytes; neither inverted. */
static u32 fcs_by_table(u32 crc, const u8 *data, size_t len)
{
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
	return crc;
}

#ifdef __x86_64__
/*
 * By carry-less multiplication, where the table would be most of what a
 * received frame costs: 64 bytes are kept as four remainders, each moved 512
 * bits on by two multiplications with x^n mod P. What is left, 16 bytes with
 * the message's remainder, goes through the table.
 */
__attribute__((target("pclmul,sse4.1")))
static inline __m128i fcs_fold(__m128i x, __m128i k, __m128i next)
{
	return _mm_xor_si128(_mm_xor_si128(_mm_clmulepi64_si128(x, k, 0x00),
					   _mm_clmulepi64_si128(x, k, 0x11)), next);
}

__attribute__((target("pclmul,sse4.1")))
static u32 fcs_by_multiplication(u32 crc, const u8 *data, size_t len)
{
	/* x^(512+32), x^(512-32) and x^(128+32), x^(128-32) mod P, bits reversed */
	const __m128i k512 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
	const __m128i k128 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
	const __m128i *p = (const __m128i *)data;
	__m128i x[4];
	u8 rest[16];

	for (int i = 0; i < 4; i++)
		x[i] = _mm_loadu_si128(p++);
	x[0] = _mm_xor_si128(x[0], _mm_cvtsi32_si128((int)crc));
	for (len -= 64; len >= 64; len -= 64)
		for (int i = 0; i < 4; i++)
			x[i] = fcs_fold(x[i], k512, _mm_loadu_si128(p++));
	for (int i = 1; i < 4; i++)
		x[i] = fcs_fold(x[i - 1], k128, x[i]);
	for (; len >= 16; len -= 16)
		x[3] = fcs_fold(x[3], k128, _mm_loadu_si128(p++));
	_mm_storeu_si128((__m128i *)rest, x[3]);
	return fcs_by_table(fcs_by_table(0, rest, sizeof(rest)), (const u8 *)p, len);
}

static u32 fcs_update(u32 crc, const u8 *data, size_t len)
{
	if (len >= 64 && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"))
		return fcs_by_multiplication(crc, data, len);
	return fcs_by_table(crc, data, len);
}
#else
static u32 fcs_update(u32 crc, const u8 *data, size_t len)
{
	return fcs_by_table(crc, data, len);
}
#endif

u32 e1000_fcs(const u8 *data, size_t len)
{
	pthread_once(&fcs_once, fcs_init);
	return ~fcs_update(~0u, data, len);
}
