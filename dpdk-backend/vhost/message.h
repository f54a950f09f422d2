/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Messages of front ends, as they are handed to the hook that rte_vhost has for
 * messages of others: what is checked before the library sees them.
 *
 * The library checks some fields and trusts others. A message is admitted if it is
 * one that was offered, has the size and the files that it must have, and what it
 * says of files is true of them now.
 */
#ifndef VIOLA_DPDK_MESSAGE_H
#define VIOLA_DPDK_MESSAGE_H

#include <linux/vhost.h>
#include <viola/env.h>

/* Requests of front ends, by the protocol's numbers. */
enum message_request {
	MESSAGE_GET_FEATURES = 1,
	MESSAGE_SET_FEATURES = 2,
	MESSAGE_SET_OWNER = 3,
	MESSAGE_RESET_OWNER = 4,
	MESSAGE_SET_MEM_TABLE = 5,
	MESSAGE_SET_LOG_BASE = 6,
	MESSAGE_SET_LOG_FD = 7,
	MESSAGE_SET_VRING_NUM = 8,
	MESSAGE_SET_VRING_ADDR = 9,
	MESSAGE_SET_VRING_BASE = 10,
	MESSAGE_GET_VRING_BASE = 11,
	MESSAGE_SET_VRING_KICK = 12,
	MESSAGE_SET_VRING_CALL = 13,
	MESSAGE_SET_VRING_ERR = 14,
	MESSAGE_GET_PROTOCOL_FEATURES = 15,
	MESSAGE_SET_PROTOCOL_FEATURES = 16,
	MESSAGE_GET_QUEUE_NUM = 17,
	MESSAGE_SET_VRING_ENABLE = 18,
	MESSAGE_SEND_RARP = 19,
	MESSAGE_NET_SET_MTU = 20,
	MESSAGE_SET_BACKEND_REQ_FD = 21,
	MESSAGE_GET_INFLIGHT_FD = 31,
	MESSAGE_SET_INFLIGHT_FD = 32,
	MESSAGE_RESET_DEVICE = 34,
	MESSAGE_GET_MAX_MEM_SLOTS = 36,
	MESSAGE_ADD_MEM_REG = 37,
	MESSAGE_REM_MEM_REG = 38,
	MESSAGE_SET_STATUS = 39,
	MESSAGE_GET_STATUS = 40,
};

#define MESSAGE_VERSION 1u /* in the flags, with: */
#define MESSAGE_VERSION_MASK 3u
#define MESSAGE_REPLY 4u
#define MESSAGE_NEED_REPLY 8u

#define MESSAGE_REGIONS 8u /* of a memory table */
#define MESSAGE_QUEUES 256u

/* Protocol features, by the protocol's numbers. */
enum protocol_feature {
	PROTOCOL_MQ = 0,
	PROTOCOL_LOG_SHMFD = 1,
	PROTOCOL_RARP = 2,
	PROTOCOL_REPLY_ACK = 3,
	PROTOCOL_NET_MTU = 4,
	PROTOCOL_BACKEND_REQ = 5,
	PROTOCOL_INFLIGHT_SHMFD = 12,
	PROTOCOL_RESET_DEVICE = 13,
	PROTOCOL_CONFIGURE_MEM_SLOTS = 15,
	PROTOCOL_STATUS = 16,
};

struct message_region {
	u64 gpa, size, user_addr, offset; /* bytes; offset in the file */
};

struct message {
	u32 request;
	u32 flags;
	u32 size; /* bytes of payload */
	union {
		u64 number;
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct {
			u32 count, padding;
			struct message_region region[MESSAGE_REGIONS];
		} memory;
		struct {
			u64 padding;
			struct message_region region;
		} region;
		struct {
			u64 size, offset; /* bytes */
		} log;
		struct {
			u64 size, offset; /* bytes */
			u16 queues, queue_size;
		} inflight;
	};
} __attribute__((packed));

/*
 * Whether the library may have @m, of a port that offers @protocol. If not, its
 * files are closed, and @why says what is wrong with it.
 */
bool message_admit(struct message *m, u64 protocol, bool packed, const char **why);

/* Whether @m, which was admitted, only asks: rings may be used meanwhile. */
bool message_asks(const struct message *m);

/* The queue that @m is about, MESSAGE_QUEUES if it is about none. */
u32 message_queue(const struct message *m);

#endif
