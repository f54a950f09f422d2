/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Publication in the packed ring, (A) and (B) of include/viola/ring.h: a device
 * that sees a descriptor available sees what the driver wrote into the buffer,
 * and a driver that sees the first descriptor of a batch used sees all of the
 * batch, with its answers. Two buffers, again and again.
 *
 * Each descriptor's flags have two writers in turn; here each side writes a
 * location of its own with the number of the lap in it.
 *
 * -DWITHOUT_A_DRIVER, _A_DEVICE, _B_DEVICE, _B_DRIVER: without that barrier.
 * -DFIRST_FIRST: the device writes the flags of a batch in the ring's order.
 */
#define AVAIL 0 /* and 1 */
#define USED 2 /* and 3 */
#define DATA 4 /* and 5 */
#define ANSWER 6 /* and 7 */
#define LOCS 8
#define HISTORY 4
#define LAPS 2

#include "memory.pml"

active proctype driver()
{
	byte me = 0, i, t, k, used, answer;

	do
	:: k == LAPS -> break
	:: else ->
		k++;
		store(DATA, k);
		store(DATA + 1, k);
#ifndef WITHOUT_A_DRIVER
		wmb();
#endif
		store(AVAIL + 1, k);
		store(AVAIL, k);
		do
		:: load(USED, used);
			if
			:: used == k -> break
			:: else
			fi
		od;
#ifndef WITHOUT_B_DRIVER
		rmb();
#endif
		load(ANSWER, answer);
		assert(answer == k);
		load(USED + 1, used);
		assert(used == k);
		load(ANSWER + 1, answer);
		assert(answer == k)
	od
}

inline take(n)
{
	do
	::
#ifndef WITHOUT_A_DEVICE
		load_acquire(AVAIL + n, avail);
#else
		load(AVAIL + n, avail);
#endif
		if
		:: avail == k -> break
		:: else
		fi
	od;
	load(DATA + n, data);
	assert(data == k);
	store(ANSWER + n, k)
}

active proctype device()
{
	byte me = 1, i, t, k, avail, data;

	do
	:: k == LAPS -> break
	:: else ->
		k++;
		take(0);
		take(1);
#ifdef FIRST_FIRST
		store_release(USED, k);
		store(USED + 1, k)
#else
		store(USED + 1, k);
#ifndef WITHOUT_B_DEVICE
		store_release(USED, k)
#else
		store(USED, k)
#endif
#endif
	od
}
