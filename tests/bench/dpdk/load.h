/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The load generator of `make bench-dpdk`: one thread on one CPU, the front end
 * of several back ends ("contenders") that are compared. They share the other
 * CPU: all but one are stopped by SIGSTOP, so that samples of A and of B lie
 * milliseconds apart, whatever the machine does meanwhile.
 */
#ifndef VIOLA_TEST_LOAD_H
#define VIOLA_TEST_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#define LOAD_BURST 32
#define LOAD_CONTENDERS 8
#define LOAD_PORTS 2 /* of one contender */
#define LOAD_QUEUES 4 /* of one port */
#define LOAD_PATH 128 /* a line of the driver on the path it took */

/* One queue pair of one port. */
struct load_queue {
	uint16_t port, queue; /* of ethdev */
	/*
	 * Closed loop: who sends what arrives here. With two ports that is the
	 * other one's queue, as a frame has to come in where its source address
	 * was learnt; a guest that swapped addresses sends it back itself.
	 */
	struct load_queue *next;
	/* Frames that the ring had no room for yet, oldest first. */
	struct rte_mbuf *held[2 * LOAD_BURST];
	unsigned int count;
	/* Made once. The driver frees what it sent; contents stay as they are. */
	struct rte_mempool *frames;
};

struct contender {
	char name[32];
	pid_t pid, tid; /* of the back end and the thread that polls; 0: is never stopped */
	const char *socket[LOAD_PORTS];
	unsigned int ports, queues; /* queues: over all ports */
	struct load_queue queue[LOAD_PORTS * LOAD_QUEUES];
	struct rte_mempool *received; /* buffers that frames arrive in */
	struct lean *lean; /* instead of ethdevs; queue[] and pools are not used then */
	unsigned int in_flight; /* closed loop: frames under way, if none was lost */
	char rx_path[LOAD_PATH], tx_path[LOAD_PATH];
};

struct load {
	unsigned int contenders;
	struct contender contender[LOAD_CONTENDERS];
	const char *devargs; /* of all ports: the kind of ring */
	bool lean; /* of lean.h rather than of virtio_user */
	bool server; /* front ends listen, and back ends connect (again) */
	bool huge;
	unsigned int queues; /* of a port */
	unsigned int ring_size;
	unsigned int in_flight; /* closed loop: frames per port */
	uint16_t len; /* bytes of a frame, without FCS */
	bool touch; /* closed loop: swap addresses, as a forwarding guest does */
	uint64_t hz; /* of the TSC */
};

/* What one stretch of time saw. */
struct load_sample {
	uint64_t sent, received;
	uint64_t polls, idle; /* looks at a receiving queue; those that found nothing */
	uint64_t refused; /* bursts of which the ring did not take all */
	uint64_t cycles;
};

/* One way to load a back end for a while. */
typedef void load_fn(struct load *load, struct contender *c, uint64_t cycles,
		     struct load_sample *s);

/* ports.c: EAL and ports. @cpu as for EAL's -l. False with a sentence on stderr. */
bool load_start(struct load *load, const char *cpu);
void load_stop(struct load *load);
/* Lets contender @index alone run; LOAD_CONTENDERS: all of them. */
void load_select(struct load *load, unsigned int index);

/* frames.c */
/* At @p, from port @from of two, or of one that reflects; @queue makes a flow of it. */
void frame_write(uint8_t *p, uint16_t len, unsigned int from, unsigned int queue);
void frames_prepare(struct load_queue *q, uint16_t len, unsigned int from);
unsigned int frames_take(struct load_queue *q, struct rte_mbuf **m, unsigned int n, uint16_t len);
/* Takes what arrives until nothing did for @quiet_us. Returns how many frames. */
uint64_t frames_drain(struct load *load, struct contender *c, unsigned int quiet_us);

/* loop.c: as fast as it goes. */
load_fn loop_run; /* a bounded number of frames goes round; received counts */
/*
 * Sends single frames through each queue until one comes back, for up to @ms: a
 * back end may not poll all queues yet, a switch has to learn, Open vSwitch to set
 * up its fast path, and until then they drop what comes in crowds. Whether it did.
 */
bool loop_prime(struct load *load, struct contender *c, unsigned int ms);
load_fn send_run; /* the back end takes all; sent counts */
load_fn receive_run; /* the back end sends; received counts */

/* pace.c: at a given rate, in frames per second over all ports; prints JSON. */
/* The highest rate of which no more than @loss (0…1) is lost; @least is known to be one. */
void pace_search(struct load *load, struct contender *c, double loss, double least, double most,
		 unsigned int trial_ms);
void pace_latency(struct load *load, struct contender *c, double rate, unsigned int windows,
		  unsigned int window_ms);

/*
 * watch.c: numbered frames that are known byte by byte, at @rate for @ms, while
 * somebody kills and restarts the back end. Prints JSON: gaps, and what was wrong.
 */
void watch_run(struct load *load, struct contender *c, double rate, unsigned int ms);

#endif
