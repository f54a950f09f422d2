/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A vhost-user front end without DPDK: the protocol over a Unix socket, memory of
 * memfds, and model drivers (tests/unit/model-driver.h) on rings in it. It can be
 * correct, and it can be anything else: a test may send each message as it likes,
 * and write into the rings what it likes.
 *
 * Guest memory is two regions. The first holds the rings, PEER_QUEUE_STRIDE bytes
 * for each queue, each part on pages of its own; the second holds buffers.
 */
#ifndef VIOLA_TESTS_PEER_H
#define VIOLA_TESTS_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "dpdk-backend/vhost/message.h"
#include "tests/unit/model-driver.h"

#define PEER_QUEUES 4u /* two pairs at most */
#define PEER_RING_GPA 0x10000ull
#define PEER_RING_SIZE 0x200000ull
#define PEER_DATA_GPA 0x40000000ull
#define PEER_DATA_SIZE 0x800000ull
#define PEER_USER 0x7f5500000000ull /* user address of guest address 0 */
#define PEER_QUEUE_STRIDE 0x80000ull
#define PEER_DRIVER 0x8000ull /* of a queue: offset of the driver's part */
#define PEER_DEVICE 0x10000ull
#define PEER_TABLES 0x20000ull /* indirect tables, 256 bytes each */
#define PEER_NUM_MAX 1024u
#define PEER_BUFFER 2048u /* bytes of a buffer */
#define PEER_REGIONS 2u

#define PEER_REPLY_MS 20000 /* patience with a back end on a loaded machine */

struct peer_queue {
	struct model_driver d;
	int kick, call; /* eventfds, or -1 */
	u16 index;
	u64 buffers; /* guest address of slot 0 */
	u16 free[PEER_NUM_MAX], nfree; /* slots that no buffer uses */
	bool started;
	u64 log_addr; /* 0: not logged */
};

struct peer {
	const char *path;
	int sock; /* -1: not connected */
	u64 features; /* negotiated, virtio's and vhost's */
	u64 protocol;
	u64 offered, offered_protocol; /* as the back end said at the last connection */
	bool need_reply; /* asked for with every message that has no answer */
	bool failed; /* a message was answered with an error, or not at all */

	int memory[PEER_REGIONS]; /* memfds */
	struct model_guest guest; /* their mappings */

	u32 num; /* entries of each ring */
	bool packed;
	unsigned int nqueues;
	struct peer_queue queue[PEER_QUEUES];

	int log; /* memfd of the dirty log, or -1 */
	u8 *log_map;
	u64 log_size;
	int inflight; /* memfd, or -1 */
	u64 inflight_size, inflight_offset;
};

/* What a message may carry beside its payload. */
struct peer_files {
	int fd[16];
	unsigned int n;
};

/* Memory and drivers of @pairs pairs of rings of @num entries. Aborts without memory. */
void peer_init(struct peer *p, const char *path, u64 features, unsigned int pairs, u32 num);
/* Whether memory is made of 2 MiB pages; set before peer_init(). */
extern bool peer_huge;
void peer_free(struct peer *p);

/* Connects, for @ms milliseconds at most. */
bool peer_connect(struct peer *p, unsigned int ms);
void peer_disconnect(struct peer *p);
/* Whether the back end is still there. */
bool peer_connected(struct peer *p);

/*
 * One message, as it is. Flags get the version; @files may be NULL. False if the
 * connection is gone.
 */
bool peer_send(struct peer *p, u32 request, u32 flags, const void *payload, u32 size,
	       const struct peer_files *files);
/* One answer: its payload of at most @room bytes, and a file. -1, or the size. */
int peer_receive(struct peer *p, u32 request, void *payload, size_t room, int *fd);

/* A message without an answer; the acknowledgement, where that is negotiated. */
bool peer_do(struct peer *p, u32 request, const void *payload, u32 size,
	     const struct peer_files *files);
bool peer_do_number(struct peer *p, u32 request, u64 number, int fd);
bool peer_do_state(struct peer *p, u32 request, u32 index, u32 num);
/* A message whose answer is a number. */
bool peer_ask(struct peer *p, u32 request, u64 *number);

/* Features and protocol features: what is wanted of what is offered. */
bool peer_negotiate(struct peer *p, u64 protocol);
bool peer_set_features(struct peer *p, u64 features);
bool peer_set_memory(struct peer *p);
bool peer_set_log(struct peer *p, u64 size);
/* Asks for an in-flight region if there is none yet, and hands it over. */
bool peer_set_inflight(struct peer *p);
bool peer_set_addr(struct peer *p, unsigned int queue);
/* SET_VRING_NUM to SET_VRING_ENABLE; the ring goes on where its driver stands. */
bool peer_queue_start(struct peer *p, unsigned int queue);
/* GET_VRING_BASE */
bool peer_queue_stop(struct peer *p, unsigned int queue, u32 *base);

/* The driver begins anew with its ring of @queue, which is stopped. */
void peer_queue_reset(struct peer *p, unsigned int queue);

/* All of it: connected, negotiated, memory, in-flight regions if @protocol has them, queues. */
bool peer_start(struct peer *p, u64 protocol, unsigned int ms);

/* Where guest address @gpa is here. */
void *peer_at(const struct peer *p, u64 gpa);

/* Kicks where the device wants that. */
void peer_kick(struct peer_queue *q);

u64 peer_now_ms(void);

/* --- the back end's process -------------------------------------------------- */

/* Starts @argv; what it says goes to this program's stderr. */
pid_t backend_start(char **argv);
/* Whether it runs; if not, why goes to stdout as a comment. */
bool backend_alive(pid_t pid);
/* Files it has open, and mappings of memfds made here. */
unsigned int backend_files(pid_t pid);
unsigned int backend_mappings(pid_t pid);

#endif
