/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Notification in the packed ring, (C) and (D) of include/viola/ring.h, in both
 * directions at once, as notify.pml has it for the split ring: nobody sleeps for
 * ever on work that is there.
 *
 * There are no indices: each side looks at the flags of the one descriptor where
 * it stands. Each descriptor's flags have two writers in turn; here each side
 * writes a location of its own, with the parity of the lap in it. Positions
 * count modulo twice the ring, as offset and wrap counter do. A batch of two is
 * published by its first descriptor, last.
 *
 * -DEVENT_INDEX: by descriptor events, else by the flags ENABLE and DISABLE.
 * -DMORE: the device may find one chain too few and wait for a further one
 * (enable_kick_more()), as in notify.pml.
 * -DWITHOUT_C_DRIVER, _C_DEVICE, _D_DEVICE, _D_DRIVER: without that barrier.
 */
#define AVAIL 0 /* and 1 */
#define USED 2 /* and 3 */
#define KICK 4 /* the device's event suppression structure */
#define CALL 5 /* the driver's */
#define LOCS 6
#define HISTORY 12
#define START 1 /* the entry before is used; the lap ends within */
#define CHAINS 3
#define RING 2

#define POS(x) ((x) & 3)
#define AT(x) ((x) & 1)
#define LAP(x) ((((x) >> 1) & 1) + 1)

#include "memory.pml"

bool kick, call; /* eventfds */

#ifdef EVENT_INDEX
#define wanted(request, now, before) \
	(POS(now - request) != 0 && POS(now - request) <= POS(now - before))
#define ask(where, at) store(where, POS(at))
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

/* Makes the entries from @before to @now, one or two, the other side's. */
inline publish(part, before, now)
{
	if
	:: now - before == 2 -> store(part + AT(before + 1), LAP(before + 1))
	:: else
	fi;
	store_release(part + AT(before), LAP(before))
}

init {
	atomic {
		mem_set(AVAIL, LAP(0));
		mem_set(USED, LAP(0));
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
	byte me = 0, i, t, sent = START, back = START, before, request, flags;

	do
	:: back == CHAINS -> break
	:: sent != CHAINS && sent - back < RING ->
		before = sent;
		sent++;
		if
		:: sent != CHAINS && sent - back < RING -> sent++
		:: skip
		fi;
		publish(AVAIL, before, sent);
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
		load_acquire(USED + AT(back), flags);
		if
		:: flags == LAP(back) -> back++
#ifdef MORE
		:: flags != LAP(back) && sent != CHAINS && sent - back < RING
		:: flags != LAP(back) && (sent == CHAINS || sent - back == RING) ->
#else
		:: else ->
#endif
			ask(CALL, back);
#ifndef WITHOUT_D_DRIVER
			mb();
#endif
			load_acquire(USED + AT(back), flags);
			if
			:: flags != LAP(back) ->
				atomic { call -> call = false };
				awake(CALL)
			:: else
			fi
		fi;
		flags = 0
	od
}

proctype device()
{
	byte me = 1, i, t, next = START, before, request, flags;

	do
	:: next == CHAINS -> break
	:: else ->
		load_acquire(AVAIL + AT(next), flags);
		if
		:: flags == LAP(next) ->
#ifdef MORE
			if
			:: next + 1 != CHAINS ->
				load_acquire(AVAIL + AT(next + 1), flags);
				if
				:: flags != LAP(next + 1) ->
					ask(KICK, next + 1);
#ifndef WITHOUT_C_DEVICE
					mb();
#endif
					load_acquire(AVAIL + AT(next + 1), flags);
					if
					:: flags != LAP(next + 1) ->
						atomic { kick -> kick = false };
						awake(KICK)
					:: else
					fi
				:: else
				fi
			:: skip
			fi;
#endif
			before = next;
			next++;
			if
			:: next != CHAINS ->
				load_acquire(AVAIL + AT(next), flags);
				if
				:: flags == LAP(next) -> next++
				:: else
				fi
			:: skip
			fi;
			publish(USED, before, next);
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
			load_acquire(AVAIL + AT(next), flags);
			if
			:: flags != LAP(next) ->
				atomic { kick -> kick = false };
				awake(KICK)
			:: else
			fi
		fi;
		request = 0;
		before = 0;
		flags = 0
	od
}
