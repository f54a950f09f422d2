/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Notification, (C) and (D) of include/viola/ring.h, in both directions at
 * once: nobody sleeps for ever on work that is there. A lost notification is a
 * state in which a process waits and nothing can wake it (spin: invalid end
 * state).
 *
 * Each side may take work in batches of any size, and sleep whenever it finds
 * none. Being woken tells it nothing about memory: it looks for itself.
 *
 * -DEVENT_INDEX: by event indices, else by flags. Indices count modulo 8, as
 * the real ones modulo 65536, and start just before the wrap.
 * -DMORE: the device finds one chain too few and waits for a further one
 * (enable_kick_more()), having looked at it and given it back. A driver that
 * has room for more then sends it before it waits for what it sent.
 * -DWITHOUT_C_DRIVER, _C_DEVICE, _D_DEVICE, _D_DRIVER: without that barrier.
 */
#define AVAIL 0
#define KICK 1 /* avail_event, or whether a kick is wanted */
#define USED 2
#define CALL 3 /* used_event, or whether an interrupt is wanted */
#define LOCS 4
#define HISTORY 14
#define CHAINS 2
#define RING 2
#define START 6

#define IDX(x) ((x) & 7)

#include "memory.pml"

bool kick, call; /* eventfds */

#ifdef EVENT_INDEX
#define wanted(request, now, before) (IDX(now - request - 1) < IDX(now - before))
#define ask(where, at) store(where, at)
#else
#define wanted(request, now, before) (request)
#define ask(where, at) store(where, 1)
#endif

/* A side that was woken may say that it is awake now, or not bother. */
inline awake(where)
{
#ifdef EVENT_INDEX
	skip
#else
	if
	:: store(where, 0)
	:: skip
	fi
#endif
}

init {
	atomic {
		mem_set(AVAIL, START);
		mem_set(USED, START);
#ifdef EVENT_INDEX
		mem_set(KICK, START);
		mem_set(CALL, START);
#else
		mem_set(KICK, 1);
		mem_set(CALL, 1);
#endif
		run driver();
		run device()
	}
}

proctype driver()
{
	byte me = 0, i, t, sent = START, back = START, before, request, used;

	do
	:: back == IDX(START + CHAINS) -> break
	:: sent != IDX(START + CHAINS) && IDX(sent - back) < RING ->
		before = sent;
		sent = IDX(sent + 1);
		if
		:: sent != IDX(START + CHAINS) && IDX(sent - back) < RING -> sent = IDX(sent + 1)
		:: skip
		fi;
		store_release(AVAIL, sent);
#ifndef WITHOUT_C_DRIVER
		mb();
#endif
		load(KICK, request);
		if
		:: wanted(request, sent, before) -> kick = true
		:: else
		fi;
		request = 0;
		before = 0
	:: back != sent ->
		load_acquire(USED, used);
		if
		:: used != back -> back = used
#ifdef MORE
		:: used == back && sent != IDX(START + CHAINS) && IDX(sent - back) < RING
		:: used == back && (sent == IDX(START + CHAINS) || IDX(sent - back) == RING) ->
#else
		:: used == back ->
#endif
			ask(CALL, back);
#ifndef WITHOUT_D_DRIVER
			mb();
#endif
			load_acquire(USED, used);
			if
			:: used == back ->
				atomic { call -> call = false };
				awake(CALL)
			:: else
			fi
		fi;
		used = 0
	od
}

proctype device()
{
	byte me = 1, i, t, next = START, before, request, avail;

	do
	:: next == IDX(START + CHAINS) -> break
	:: else ->
		load_acquire(AVAIL, avail);
		if
		:: avail != next ->
#ifdef MORE
			if
			:: avail == IDX(next + 1) && avail != IDX(START + CHAINS) ->
				ask(KICK, avail);
#ifndef WITHOUT_C_DEVICE
				mb();
#endif
				before = avail;
				load_acquire(AVAIL, avail);
				if
				:: avail == before ->
					atomic { kick -> kick = false };
					awake(KICK)
				:: else
				fi;
				load_acquire(AVAIL, avail)
			:: else
			fi;
#endif
			before = next;
			next = avail;
			if
			:: IDX(avail - before) == 2 -> next = IDX(before + 1)
			:: skip
			fi;
			store_release(USED, next);
#ifndef WITHOUT_D_DEVICE
			mb();
#endif
			load(CALL, request);
			if
			:: wanted(request, next, before) -> call = true
			:: else
			fi
		:: else ->
			ask(KICK, next);
#ifndef WITHOUT_C_DEVICE
			mb();
#endif
			load_acquire(AVAIL, avail);
			if
			:: avail == next ->
				atomic { kick -> kick = false };
				awake(KICK)
			:: else
			fi
		fi;
		request = 0;
		before = 0;
		avail = 0
	od
}
