/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtio driver that does as little as one can: each entry of a ring has a buffer
 * of its own, the frames to send are made once, and those that arrive are not looked
 * at. What it leaves out is what a guest has to do; what it shows is what a back end
 * can, where DPDK's virtio_user is the bound.
 *
 * Closed loop, one queue pair per port, back ends that give buffers back in order.
 */
#ifndef VIOLA_TEST_LEAN_H
#define VIOLA_TEST_LEAN_H

#include "tests/bench/dpdk/load.h"

struct lean; /* a contender's ports */

/* Connects to @c's sockets; the kind of ring is in @load->devargs. NULL, with a sentence. */
struct lean *lean_start(const struct load *load, const struct contender *c);
void lean_stop(struct lean *lean);

/* As loop_run(), loop_prime(), frames_drain(). */
load_fn lean_run;
bool lean_prime(struct load *load, struct contender *c, unsigned int ms);
uint64_t lean_drain(struct load *load, struct contender *c, unsigned int quiet_us);

#endif
