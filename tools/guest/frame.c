// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "tools/guest/frame.h"

/*
 * The check word: each 8-byte word is xored in, multiplied by an odd constant
 * and folded. Every step is a bijection of the state for a given word and of
 * the word for a given state, so any change confined to one word is always
 * found, and any other is missed once in 2^64. Four instructions per word,
 * which matters where every instruction is emulated twice.
 */
#define CHECK_SEED	UINT64_C(0x9ae16a3b2f90404f)
#define CHECK_MUL	UINT64_C(0xc949d7c7509e6557)
#define STEP		UINT64_C(0x9e3779b97f4a7c15)

static uint64_t check_word(uint64_t h, uint64_t w)
{
	h = (h ^ w) * CHECK_MUL;
	return h ^ (h >> 32);
}

static uint64_t check_bytes(uint64_t h, const uint8_t *p, size_t len)
{
	uint64_t w;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&w, p, 8);
		h = check_word(h, le64toh(w));
	}
	w = 0;
	memcpy(&w, p, len);
	/* The length goes in too: trailing zeros are not free to add. */
	return check_word(h, le64toh(w) ^ ((uint64_t)(len + 1) << 56));
}

/* First word of the payload; word i is this plus i steps. */
static uint64_t payload_seed(const struct frame_id *id)
{
	uint64_t h;

	h = check_word(CHECK_SEED, ((uint64_t)id->run << 32) |
		       ((uint32_t)id->phase << 8) | id->type);
	return check_word(h, id->seq);
}

static void payload_write(uint8_t *p, size_t len, const struct frame_id *id)
{
	uint64_t w = payload_seed(id), le;

	for (; len >= 8; p += 8, len -= 8, w += STEP) {
		le = htole64(w);
		memcpy(p, &le, 8);
	}
	le = htole64(w);
	memcpy(p, &le, len);
}

static int payload_matches(const uint8_t *p, size_t len,
			   const struct frame_id *id)
{
	uint64_t w = payload_seed(id), le, got, diff = 0;

	for (; len >= 8; p += 8, len -= 8, w += STEP) {
		memcpy(&got, p, 8);
		diff |= got ^ htole64(w);
	}
	le = htole64(w);
	return !diff && !memcmp(p, &le, len);
}

static uint64_t frame_check(const uint8_t *buf, size_t payload_len)
{
	const uint8_t *hdr = buf + VIOLA_WIRE_ETH_LEN;

	return check_bytes(check_bytes(CHECK_SEED, hdr, VIOLA_WIRE_CHECKED_LEN),
			   hdr + VIOLA_WIRE_HDR_LEN, payload_len);
}

/* Header and check word around a payload that is already in place. */
static void frame_seal(uint8_t *buf, size_t len, const uint8_t *dst,
		       const uint8_t *src, const struct frame_id *id)
{
	const size_t payload_len = len - VIOLA_WIRE_ETH_LEN - VIOLA_WIRE_HDR_LEN;
	const uint16_t ethertype = htons(VIOLA_ETHERTYPE);
	struct viola_wire_hdr hdr = {
		.magic = htole32(VIOLA_WIRE_MAGIC),
		.version = VIOLA_WIRE_VERSION,
		.type = id->type,
		.phase = htole16(id->phase),
		.seq = htole64(id->seq),
		.stamp_ns = htole64(id->stamp_ns),
		.payload_len = htole16(payload_len),
		.run = htole32(id->run),
	};

	memcpy(buf, dst, FRAME_ALEN);
	memcpy(buf + FRAME_ALEN, src, FRAME_ALEN);
	memcpy(buf + 2 * FRAME_ALEN, &ethertype, 2);
	memcpy(buf + VIOLA_WIRE_ETH_LEN, &hdr, sizeof(hdr));
	hdr.check = htole64(frame_check(buf, payload_len));
	memcpy(buf + VIOLA_WIRE_ETH_LEN, &hdr, sizeof(hdr));
}

void frame_build(uint8_t *buf, size_t len, const uint8_t *dst,
		 const uint8_t *src, const struct frame_id *id)
{
	const size_t head = VIOLA_WIRE_ETH_LEN + VIOLA_WIRE_HDR_LEN;

	payload_write(buf + head, len - head, id);
	frame_seal(buf, len, dst, src, id);
}

size_t frame_build_ctl(uint8_t *buf, const uint8_t *dst, const uint8_t *src,
		       const struct frame_id *id,
		       const struct viola_wire_ctl *ctl)
{
	const size_t head = VIOLA_WIRE_ETH_LEN + VIOLA_WIRE_HDR_LEN;

	memcpy(buf + head, ctl, sizeof(*ctl));
	frame_seal(buf, head + sizeof(*ctl), dst, src, id);
	return head + sizeof(*ctl);
}

enum frame_verdict frame_parse(const uint8_t *buf, size_t len,
			       struct frame_id *id,
			       struct viola_wire_ctl *ctl)
{
	const size_t head = VIOLA_WIRE_ETH_LEN + VIOLA_WIRE_HDR_LEN;
	struct viola_wire_hdr hdr;
	size_t payload_len;

	if (len < head)
		return FRAME_CORRUPT;
	memcpy(&hdr, buf + VIOLA_WIRE_ETH_LEN, sizeof(hdr));
	payload_len = le16toh(hdr.payload_len);
	if (le32toh(hdr.magic) != VIOLA_WIRE_MAGIC ||
	    hdr.version != VIOLA_WIRE_VERSION || hdr.reserved ||
	    payload_len != len - head ||
	    le64toh(hdr.check) != frame_check(buf, payload_len))
		return FRAME_CORRUPT;

	id->run = le32toh(hdr.run);
	id->type = hdr.type;
	id->phase = le16toh(hdr.phase);
	id->seq = le64toh(hdr.seq);
	id->stamp_ns = le64toh(hdr.stamp_ns);

	if (hdr.type == VIOLA_WIRE_CTL) {
		if (payload_len != sizeof(*ctl))
			return FRAME_CORRUPT;
		memcpy(ctl, buf + head, sizeof(*ctl));
		return FRAME_WHOLE;
	}
	return payload_matches(buf + head, payload_len, id) ?
	       FRAME_WHOLE : FRAME_FORGED;
}

void frame_swap(uint8_t *buf)
{
	uint8_t tmp[FRAME_ALEN];

	memcpy(tmp, buf, FRAME_ALEN);
	memcpy(buf, buf + FRAME_ALEN, FRAME_ALEN);
	memcpy(buf + FRAME_ALEN, tmp, FRAME_ALEN);
}

void frame_ctl_order(struct viola_wire_ctl *ctl)
{
	struct viola_wire_counts *c = &ctl->counts;

	ctl->size = htole16(ctl->size);
	ctl->window = htole16(ctl->window);
	ctl->error = htole32(ctl->error);
	ctl->count = htole64(ctl->count);
	ctl->duration_ns = htole64(ctl->duration_ns);
	c->sent = htole64(c->sent);
	c->received = htole64(c->received);
	c->duplicated = htole64(c->duplicated);
	c->corrupted = htole64(c->corrupted);
	c->invented = htole64(c->invented);
	c->stale = htole64(c->stale);
	c->span_ns = htole64(c->span_ns);
	c->socket_drops = htole64(c->socket_drops);
	c->stalls = htole64(c->stalls);
}
