/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Building and judging the frames of <viola/wire.h>.
 *
 * A receiver is hostile ground on both sides: what arrives was written by a
 * guest or passed through a device model under test. Nothing in a frame is
 * believed before its length, magic, version and check word agree.
 */
#ifndef VIOLA_GUEST_FRAME_H
#define VIOLA_GUEST_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include <viola/wire.h>

#define FRAME_ALEN	6
#define FRAME_BUF	2048	/* room for any frame and a too long one */

/* Bytes to send for a frame of @size (FCS counted). */
static inline size_t frame_len(unsigned int size)
{
	return size - VIOLA_WIRE_FCS_LEN;
}

/* What a frame says about itself, in host byte order. */
struct frame_id {
	uint32_t run;
	uint8_t type;
	uint16_t phase;
	uint64_t seq;
	uint64_t stamp_ns;
};

enum frame_verdict {
	FRAME_WHOLE,	/* length, check word and payload agree */
	FRAME_CORRUPT,	/* damaged on the way */
	FRAME_FORGED,	/* check word agrees, payload is not what seq gives */
};

/*
 * Write a data frame of @len bytes (frame_len(size)) into @buf, payload
 * generated from @id. @dst and @src are FRAME_ALEN bytes.
 */
void frame_build(uint8_t *buf, size_t len, const uint8_t *dst,
		 const uint8_t *src, const struct frame_id *id);

/*
 * Write a control frame carrying @ctl (already in wire byte order) into @buf
 * (FRAME_BUF bytes). Returns its length in bytes.
 */
size_t frame_build_ctl(uint8_t *buf, const uint8_t *dst, const uint8_t *src,
		       const struct frame_id *id,
		       const struct viola_wire_ctl *ctl);

/*
 * Judge @len received bytes. @id is filled unless the verdict is
 * FRAME_CORRUPT; for a control frame that is whole, @ctl receives the body in
 * wire byte order. A control frame of the wrong length is corrupt.
 */
enum frame_verdict frame_parse(const uint8_t *buf, size_t len,
			       struct frame_id *id,
			       struct viola_wire_ctl *ctl);

/* Exchange the two Ethernet addresses: what a reflector does. */
void frame_swap(uint8_t *buf);

/* Byte order of a whole control body or count block; its own inverse. */
void frame_ctl_order(struct viola_wire_ctl *ctl);

#endif
