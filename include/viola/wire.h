/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Frames on the wire between the guest's agent and the far end.
 *
 * Every frame is an Ethernet II frame of EtherType VIOLA_ETHERTYPE (the IEEE
 * 802 number for local experiments), then struct viola_wire_hdr, then a
 * payload. All numbers are little endian and nothing is aligned: the header
 * starts at byte 14 of the frame.
 *
 * The payload of a data frame is computed from (run, type, phase, seq), so a
 * receiver knows every byte it must see. The check word covers header and
 * payload, but not the Ethernet addresses: a reflector that swaps these two
 * returns a frame that is still whole, which is what lets a path be measured
 * against a VMM that reflects by itself, with no far end at all.
 *
 * A frame "size" is counted as RFC 2544 counts it, with the 4 bytes of FCS
 * that no socket shows: a frame of size 64 is 60 bytes to send().
 */
#ifndef VIOLA_WIRE_H
#define VIOLA_WIRE_H

#include <stdint.h>

#define VIOLA_ETHERTYPE		0x88B5
#define VIOLA_WIRE_MAGIC	0x4c4f4956u	/* "VIOL" */
#define VIOLA_WIRE_VERSION	2

#define VIOLA_WIRE_ETH_LEN	14
#define VIOLA_WIRE_FCS_LEN	4
#define VIOLA_WIRE_SIZE_MIN	64
#define VIOLA_WIRE_SIZE_MAX	1518

enum viola_wire_type {
	VIOLA_WIRE_RTT = 1,	/* sent by the agent, comes back unchanged */
	VIOLA_WIRE_TX = 2,	/* agent to far end */
	VIOLA_WIRE_RX = 3,	/* far end to agent */
	VIOLA_WIRE_CREDIT = 4,	/* agent: seq = RX frames seen so far */
	VIOLA_WIRE_CTL = 5,	/* struct viola_wire_ctl follows */
};

struct viola_wire_hdr {
	uint32_t magic;
	uint8_t version;
	uint8_t type;
	uint16_t phase;		/* counts up from 1 within a run; 0: no phase */
	uint64_t seq;		/* from 0 within a phase */
	uint64_t stamp_ns;	/* sender's clock, means nothing to others */
	uint16_t payload_len;	/* exact: longer or shorter is corrupt */
	uint16_t reserved;	/* zero */
	uint32_t run;		/* random per agent start */
	uint64_t check;		/* over the bytes above and the payload */
} __attribute__((packed));

#define VIOLA_WIRE_HDR_LEN	40
#define VIOLA_WIRE_CHECKED_LEN	32	/* of the header, before .check */

/*
 * Control: the agent asks, the far end answers with the same hdr.seq, .op and
 * hdr.phase and .ack = 1. The agent repeats a question until it is answered,
 * so the far end answers a repeated question again without acting twice.
 */
enum viola_wire_op {
	VIOLA_CTL_HELLO = 1,
	VIOLA_CTL_PHASE_BEGIN = 2,
	VIOLA_CTL_PHASE_END = 3,
	VIOLA_CTL_BYE = 4,	/* the agent has finished its run */
	VIOLA_CTL_ROUND = 5,	/* may round .count (from 1) begin? */
};

#define VIOLA_CTL_WARMUP	0x01	/* .flags: not to be reported */
/*
 * .flags of an answer to ROUND: not yet. The same question is answered again,
 * without this flag, when the round may begin.
 */
#define VIOLA_CTL_HOLD		0x02

/* What one side saw of a phase. */
struct viola_wire_counts {
	uint64_t sent;
	uint64_t received;	/* whole, expected, first copy */
	uint64_t duplicated;
	uint64_t corrupted;
	uint64_t invented;	/* whole, but nobody sent it */
	uint64_t stale;		/* of an earlier phase of the same run */
	uint64_t span_ns;	/* first to last frame received */
	uint64_t socket_drops;	/* lost by the receiver's own socket */
	uint64_t stalls;	/* window of the rx workload given up on */
} __attribute__((packed));

struct viola_wire_ctl {
	uint8_t op;
	uint8_t ack;
	uint8_t workload;	/* enum viola_wire_type: RTT, TX or RX */
	uint8_t flags;
	uint16_t size;		/* of the data frames, FCS included */
	uint16_t window;	/* rx: frames in flight; 0: as fast as it goes */
	uint32_t error;		/* in an answer: 0 or an errno value */
	uint64_t count;		/* BEGIN: rtt frames; END: sent; ROUND: number */
	uint64_t duration_ns;	/* BEGIN of tx and rx */
	struct viola_wire_counts counts;	/* answer to END: far end's */
} __attribute__((packed));

_Static_assert(sizeof(struct viola_wire_hdr) == VIOLA_WIRE_HDR_LEN,
	       "wire header is fixed");
_Static_assert(sizeof(struct viola_wire_counts) == 72, "wire counts are fixed");
_Static_assert(sizeof(struct viola_wire_ctl) == 100, "wire control is fixed");

#endif
