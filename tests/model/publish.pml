/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Publication, (A) and (B) of include/viola/ring.h: what the driver wrote into
 * a buffer is there when the device sees the available index, and what the
 * device answered is there when the driver sees the used index. The one buffer
 * is used again for every chain.
 *
 * -DWITHOUT_A_DRIVER, _A_DEVICE, _B_DEVICE, _B_DRIVER: without that barrier.
 */
#define AVAIL 0
#define USED 1
#define DATA 2
#define ANSWER 3
#define LOCS 4
#define HISTORY 6
#define CHAINS 3

#include "memory.pml"

active proctype driver()
{
	byte me = 0, i, t, k, used, answer;

	do
	:: k == CHAINS -> break
	:: else ->
		k++;
		store(DATA, k);
#ifndef WITHOUT_A_DRIVER
		wmb();
#endif
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
		assert(answer == k)
	od
}

active proctype device()
{
	byte me = 1, i, t, k, avail, data;

	do
	:: k == CHAINS -> break
	:: else ->
		k++;
		do
		::
#ifndef WITHOUT_A_DEVICE
			load_acquire(AVAIL, avail);
#else
			load(AVAIL, avail);
#endif
			if
			:: avail == k -> break
			:: else
			fi
		od;
		load(DATA, data);
		assert(data == k);
		store(ANSWER, k);
#ifndef WITHOUT_B_DEVICE
		store_release(USED, k)
#else
		store(USED, k)
#endif
	od
}
