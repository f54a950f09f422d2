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
#include <string.h>
#include <sys/types.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#define LOAD_BURST 32
#define LOAD_CONTENDERS 8
#define LOAD_PORTS 2 /* of one contender */
#define LOAD_QUEUES 4 /* of one port */
#define LOAD_PATH 128 /* a line of the driver on the path it took */

/* One queue pair of one port of virtio_user. */
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
	unsigned int ports, queues; /* queues: pairs, over all ports */
	struct load_queue queue[LOAD_PORTS * LOAD_QUEUES];
	struct rte_mempool *received; /* buffers that frames arrive in */
	struct lean *lean; /* of lean_driver, which uses neither queue[] nor pools */
	unsigned int in_flight; /* closed loop: frames under way, if none was lost */
	char rx_path[LOAD_PATH], tx_path[LOAD_PATH];
};

struct load_driver;

struct load {
	unsigned int contenders;
	struct contender contender[LOAD_CONTENDERS];
	const char *devargs; /* of all ports: the kind of ring */
	const struct load_driver *driver;
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

/* What a frame of an open loop carries, behind a mark: times by the TSC. */
struct load_stamp {
	uint64_t due; /* when it should have been sent; never 0 */
	uint64_t sent;
};

#define LOAD_MARK_AT 42 /* behind the headers of Ethernet, IPv4 and UDP */
#define LOAD_MARK 0x4c56
#define LOAD_STAMP_AT (LOAD_MARK_AT + 2)

static inline void stamp_write(uint8_t *frame, const struct load_stamp *s)
{
	uint16_t mark = LOAD_MARK;

	memcpy(frame + LOAD_MARK_AT, &mark, sizeof(mark));
	memcpy(frame + LOAD_STAMP_AT, s, sizeof(*s));
}

/* A frame that carries none has a stamp of zeros. */
static inline void stamp_read(const uint8_t *frame, struct load_stamp *s)
{
	uint16_t mark;

	memcpy(&mark, frame + LOAD_MARK_AT, sizeof(mark));
	memcpy(s, frame + LOAD_STAMP_AT, sizeof(*s));
	if (mark != LOAD_MARK)
		*s = (struct load_stamp){};
}

/* The guest's side of rings: how frames get to a back end, and back. */
struct load_driver {
	/* Connects contender @index; its ethdevs, if it has some, begin at @first. */
	bool (*start)(struct load *load, unsigned int index, uint16_t first);
	void (*stop)(struct load *load, struct contender *c);
	/* Closed loop: a bounded number of frames goes round; received counts. */
	load_fn *run;
	/* One way; NULL: cannot. The back end takes all, sent counts; or sends, received does. */
	load_fn *send_only, *receive_only;
	/* Gives up frames of the closed loop that were not sent yet. Returns how many. */
	uint64_t (*drop)(struct contender *c);
	/*
	 * Sends up to @n frames, LOAD_BURST at most, through queue pair @queue; with the
	 * n of @stamp, if that is not NULL. Returns how many there was room for.
	 */
	unsigned int (*send)(struct load *load, struct contender *c, unsigned int queue,
			     unsigned int n, const struct load_stamp *stamp);
	/* Takes up to LOAD_BURST frames, and their stamps unless @stamp is NULL. */
	unsigned int (*receive)(struct load *load, struct contender *c, unsigned int queue,
				struct load_stamp *stamp);
};

/* user.c: DPDK's virtio_user. */
extern const struct load_driver user_driver;
/* lean.c: a driver that does as little as one can; see there. */
extern const struct load_driver lean_driver;

/* ports.c: EAL and ports. @cpu as for EAL's -l. False with a sentence on stderr. */
bool load_start(struct load *load, const char *cpu);
void load_stop(struct load *load);
/* Of user_driver: its ethdevs. */
bool user_start(struct load *load, unsigned int index, uint16_t first);
void user_stop(struct load *load, struct contender *c);
/* Lets contender @index alone run; LOAD_CONTENDERS: all of them. */
void load_select(struct load *load, unsigned int index);

/* frames.c */
/* At @p, from port @from of two, or of one that reflects; @queue makes a flow of it. */
void frame_write(uint8_t *p, uint16_t len, unsigned int from, unsigned int queue);
void frames_prepare(struct load_queue *q, uint16_t len, unsigned int from);
unsigned int frames_take(struct load_queue *q, struct rte_mbuf **m, unsigned int n, uint16_t len);

/* Ends the closed loop: takes what arrives until nothing did for @quiet_us. How many frames. */
uint64_t frames_drain(struct load *load, struct contender *c, unsigned int quiet_us);
/*
 * Sends single frames through each queue until one comes back, for up to @ms: a
 * back end may not poll all queues yet, a switch has to learn, Open vSwitch to set
 * up its fast path, and until then they drop what comes in crowds. Whether it did.
 */
bool frames_prime(struct load *load, struct contender *c, unsigned int ms);

/* pace.c: at a given rate, in frames per second over all ports; prints JSON. */
/* The highest rate of which no more than @loss (0…1) is lost; @least is known to be one. */
void pace_search(struct load *load, struct contender *c, double loss, double least, double most,
		 unsigned int trial_ms);
/* @windows of @window_us each. */
void pace_latency(struct load *load, struct contender *c, double rate, unsigned int windows,
		  unsigned int window_us);

/*
 * away.c: how often, and for how long, somebody else has @cpu for @ms: the hypervisor,
 * interrupts. Nothing else may want it. Prints JSON.
 */
void away_run(unsigned int cpu, unsigned int ms);

/*
 * watch.c: numbered frames that are known byte by byte, at @rate for @ms, while
 * somebody kills and restarts the back end. Prints JSON: gaps, and what was wrong.
 */
void watch_run(struct load *load, struct contender *c, double rate, unsigned int ms);

#endif
