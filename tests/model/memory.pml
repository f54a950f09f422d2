/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory shared by two processes, numbered 0 and 1 in their local `me`.
 *
 * Every location has one writer, and its writer never reads it: that is how a
 * virtqueue is made, and what keeps these models exact and small.
 *
 * -DTSO   Stores wait in a first-in first-out buffer before they reach memory,
 *         loads read memory in program order: x86.
 *
 * else    Weaker, as the language and Arm have it: nothing is ordered but by
 *         release, acquire and barriers. A location keeps all its values; a
 *         load may take any that is not older than what its process has
 *         already seen. What a process has seen is a view: for each location
 *         the place in its history. A released value carries its writer's
 *         view, an acquiring load takes it over, and full barriers agree on
 *         one order by way of a common view.
 *
 *         A load that takes effect after a later store of its own process is
 *         outside this model; both release and mb forbid it.
 *
 * LOCS is the number of locations, HISTORY the stores to one that fit.
 */

#ifdef TSO

byte mem[LOCS];
chan buffer0 = [6] of { byte, byte };
chan buffer1 = [6] of { byte, byte };

active proctype memory0()
{
	byte x, v;
end:	do
	:: d_step { buffer0?x,v -> mem[x] = v; x = 0; v = 0 }
	od
}

active proctype memory1()
{
	byte x, v;
end:	do
	:: d_step { buffer1?x,v -> mem[x] = v; x = 0; v = 0 }
	od
}

inline mem_set(loc, value)	{ mem[loc] = value }
inline store(loc, value)
{
	if
	:: me == 0 -> buffer0!loc,value
	:: me == 1 -> buffer1!loc,value
	fi
}
inline store_release(loc, value) { store(loc, value) }
inline load(loc, into)		{ into = mem[loc] }
inline load_acquire(loc, into)	{ into = mem[loc] }
inline wmb()			{ skip }
inline rmb()			{ skip }
inline mb()
{
	if
	:: me == 0 -> empty(buffer0)
	:: me == 1 -> empty(buffer1)
	fi
}

#else

typedef view { byte t[LOCS] }
typedef message { byte v; view w }

message history[LOCS * HISTORY];
byte last[LOCS];		/* place of the newest value */
view seen[2];			/* what later loads may not go behind */
view to_acquire[2];		/* what an acquire barrier would add to it */
view released[2];		/* seen at the last release barrier */
view common;			/* of all full barriers so far */

inline join(to, from)
{
	i = 0;
	do
	:: i < LOCS ->
		if
		:: from.t[i] > to.t[i] -> to.t[i] = from.t[i]
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

inline mem_set(loc, value)	{ history[(loc) * HISTORY].v = value }

inline store_view(loc, value, carried)
{
	last[loc]++;
	assert(last[loc] < HISTORY);
	seen[me].t[loc] = last[loc];
	to_acquire[me].t[loc] = last[loc];
	history[(loc) * HISTORY + last[loc]].v = value;
	join(history[(loc) * HISTORY + last[loc]].w, carried);
	history[(loc) * HISTORY + last[loc]].w.t[loc] = last[loc]
}
inline store(loc, value)		{ d_step { store_view(loc, value, released[me]) } }
inline store_release(loc, value)	{ d_step { store_view(loc, value, seen[me]) } }

/* What nobody can read any more is forgotten, to make states alike. */
inline forget(loc)
{
	do
	:: t > 0 && (history[(loc) * HISTORY + t - 1].v != 0 ||
		     history[(loc) * HISTORY + t - 1].w.t[loc] != 0) ->
		t--;
		history[(loc) * HISTORY + t].v = 0;
		i = 0;
		do
		:: i < LOCS -> history[(loc) * HISTORY + t].w.t[i] = 0; i++
		:: else -> break
		od
	:: else -> break
	od;
	i = 0;
	t = 0
}

inline load_any(loc)
{
	t = seen[me].t[loc];
	do
	:: t < last[loc] -> t++
	:: break
	od;
	seen[me].t[loc] = t
}
inline load(loc, into)
{
	atomic {
		load_any(loc);
		join(to_acquire[me], history[(loc) * HISTORY + t].w);
		into = history[(loc) * HISTORY + t].v;
		forget(loc)
	}
}
inline load_acquire(loc, into)
{
	atomic {
		load_any(loc);
		join(to_acquire[me], history[(loc) * HISTORY + t].w);
		join(seen[me], history[(loc) * HISTORY + t].w);
		into = history[(loc) * HISTORY + t].v;
		forget(loc)
	}
}
inline wmb()			{ d_step { join(released[me], seen[me]) } }
inline rmb()			{ d_step { join(seen[me], to_acquire[me]) } }
inline mb()
{
	d_step {
		join(seen[me], to_acquire[me]);
		join(seen[me], common);
		join(common, seen[me]);
		join(released[me], seen[me]);
		join(to_acquire[me], seen[me])
	}
}

#endif
