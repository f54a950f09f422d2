/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A polling thread: its queues, its counters, its scratch space. Nothing in
 * struct lcore is written by another thread, so that no cache line of the fast
 * path is shared for writing; readers of counters sum over lcores.
 */
#ifndef VIOLA_DPDK_LCORE_H
#define VIOLA_DPDK_LCORE_H

#include <rte_common.h>
#include <rte_mbuf.h>

#include "dpdk-backend/forward/frame.h"
#include "dpdk-backend/forward/offload.h"
#include "dpdk-backend/vhost/call.h"

#define LCORE_MAX 64
#define PORT_MAX 256
#define PORT_QUEUES 128u /* queue pairs of a port: the vhost library's most */

struct port;
struct session;

/* Of one queue pair of a port, as one lcore saw it. rx: from the port; tx: to the port. */
struct queue_counters {
	u64 rx_frames, rx_bytes;
	u64 tx_frames, tx_bytes;
};

/* Of one port, as one lcore saw it. */
struct counters {
	u64 rx_invalid; /* short, long, cut off, or offload fields that lie */
	u64 rx_mtu, rx_limited; /* dropped: longer than the MTU; above the rate */
	u64 rx_storm; /* not flooded: above the rate for that */
	u64 rx_filtered; /* dropped by the mode: nowhere to go */
	u64 addr_moved, addr_refused; /* frames whose sender moved, or was not learnt */
	u64 tx_no_buffer; /* dropped: no room in the ring or the device */
	u64 tx_too_long; /* dropped: no buffer holds it */
	u64 tx_mtu, tx_limited; /* dropped: longer than the MTU; above the rate */
	u64 tx_down; /* dropped: nobody is connected */
	u64 tx_offload; /* dropped: offload that could not be finished */
	u64 csum_finished, gso_finished; /* frames finished in software */
	u64 announced; /* RARP frames made for a front end that moved here */
	u64 calls; /* interrupts sent */
	u64 broken; /* queues that broke */
	struct queue_counters queue[PORT_QUEUES];
} __rte_cache_aligned;

#define LCORE_SEGS 2048

/* When an lcore that finds nothing to do sleeps; see wait.h. */
enum lcore_mode { LCORE_POLL, LCORE_ADAPTIVE, LCORE_INTERRUPT };

struct lcore_wait;

struct lcore {
	unsigned int index; /* 0 … lcores - 1 */
	unsigned int cpu;
	int node; /* NUMA node of the CPU, or -1 */
	struct lcore_wait *wait; /* or NULL in mode poll */
	u64 rounds; /* of polling */
	/* Rounds that moved frames, and how long they took by the TSC. */
	u64 busy_rounds, busy_cycles;
	u64 sleeps, slept; /* how often, and how long in all: nanoseconds */
	u64 asleep; /* since when, of the monotonic clock; 0: it is awake */
	u32 now; /* seconds since the start, coarse */
	struct session *session[PORT_MAX]; /* published ones as of this round */
	struct calls calls; /* interrupts of this round */
	unsigned int from_queues; /* sending queues of the port whose burst this is */
	u32 source[PORT_MAX]; /* mode source: number of the next frame */
	struct counters counters[PORT_MAX];
	struct frame frame[FRAME_BURST];
	u16 id[FRAME_BURST]; /* chains taken off the ring that is polled */
	struct rte_mbuf *mbuf[FRAME_BURST];
	struct viola_seg seg[LCORE_SEGS];
	struct viola_seg rx_seg[LCORE_SEGS];
	u64 rx_gpa[LCORE_SEGS]; /* guest addresses of those, where a dirty log is kept */
	struct offload_work work;
} __rte_cache_aligned;

/* All of them; set up before the first runs. */
extern struct lcore *lcores[LCORE_MAX];
extern unsigned int lcore_count;

/* Prepares an lcore per EAL lcore. 0 or -errno. */
int lcores_init(enum lcore_mode mode);

/* Polls on all EAL lcores, the caller's included, until lcores_stop(). */
void lcores_run(void);

/* One look of @lc, which is the caller, at all that it polls. Returns how many frames. */
unsigned int lcore_round(struct lcore *lc);

/* Ends lcores_run(). Safe in a signal handler. */
void lcores_stop(void);

/*
 * Returns when each lcore has, since the call, been at a point where it uses
 * nothing it was given: whatever was unpublished before is then unused.
 */
void lcores_synchronize(void);

/*
 * Wakes lcores that sleep, for what no kick tells: sessions, ports, owners of
 * queues that changed before the call. Safe in a signal handler.
 */
void lcores_wake(void);

/* The lcore on @cpu, or NULL. */
struct lcore *lcore_find(unsigned int cpu);

/* As users write them; NULL after the last. */
extern const char *const lcore_mode_names[];
extern enum lcore_mode lcores_mode;

#endif
