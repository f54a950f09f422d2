/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The in-flight region of a split ring (include/viola/inflight.h) and
 * ring-queue.h's order of stores: a device that ends between any two of them, and
 * a successor that may end as well. No buffer is lost (spin: invalid end state) and
 * none comes back twice, whatever the driver, who knows nothing of all that, does
 * meanwhile.
 *
 * A process that ends has done all stores before that place and none after it, on
 * any CPU: what its stores must be ordered against is the compiler alone. So memory
 * is plain here, and each barrier that is left out is the order that the compiler
 * could make of it then.
 *
 * -DNOTED_LATE: the batch is noted after the used index tells of it, as if that were
 *  no release.
 * -DDROPPED_EARLY: what was given back is dropped before the used index tells of it,
 *  as if viola_wmb() were not there.
 * -DINDEX_FIRST: the region's copy of the used index is written before the drops.
 * -DHALF_TAKEN: the mark of a buffer taken is set before its place in the order.
 * -DRECOVERED_EARLY: recovery writes the region's copy of the used index first.
 */
#define HEADS 2
#define CHAINS 4 /* of the driver's, in all */
#define CRASHES 2

byte avail[HEADS], avail_idx;
byte used[HEADS], used_idx;

/* the region */
bool inflight[HEADS];
byte counter[HEADS], next[HEADS], last_batch, region_used;

byte serial[HEADS]; /* of the chain that each head was last made available for */
byte crashes;
bool over;

/* Here a device may end; what it knew is gone. */
#define die if :: crashes < CRASHES -> crashes++; goto recover :: true fi

inline make_available(head)
{
	d_step {
		out[head] = true;
		serial[head] = sent;
		avail[sent % HEADS] = head
	};
	sent++;
	avail_idx = sent
}

active proctype driver()
{
	byte sent, back, h;
	bool out[HEADS];

	do
	:: back == CHAINS -> break
	:: sent < CHAINS && !out[0] -> make_available(0)
	:: sent < CHAINS && !out[1] -> make_available(1)
	:: back != used_idx ->
		h = used[back % HEADS];
		assert(out[h]); /* once only */
		out[h] = false;
		back++
	od;
	over = true
}

inline take(head)
{
#ifdef HALF_TAKEN
	die; inflight[head] = true;
	die; counter[head] = count
#else
	die; counter[head] = count;
	die; inflight[head] = true
#endif
	;
	count++
}

#define each i = 0; do :: i < m ->
#define done i++ :: else -> break od; i = 0

inline note_batch()
{
	each die; next[held[i]] = last_batch; die; last_batch = held[i]; done
}

inline drop_batch()
{
	each die; inflight[held[i]] = false; done
}

active proctype device()
{
	byte held[HEADS], n, m, again[HEADS], todo, next_avail, count, i, h;

recover:
	n = 0; m = 0; i = 0; h = 0; count = 0; todo = 0;
	again[0] = 0; again[1] = 0; held[0] = 0; held[1] = 0; next_avail = 0;
	n = used_idx - region_used;
#ifdef RECOVERED_EARLY
	h = last_batch;
	die; region_used = used_idx;
#else
	h = last_batch;
#endif
	do
	:: n > 0 ->
		die; inflight[h] = false;
		h = next[h];
		n--
	:: else -> break
	od;
#ifndef RECOVERED_EARLY
	die; region_used = used_idx;
#endif
	skip;
	d_step {
		h = 0;
		if
		:: inflight[0] && inflight[1] ->
			todo = 2;
			again[0] = (counter[1] < counter[0] -> 1 : 0);
			again[1] = 1 - again[0];
			assert(serial[again[0]] < serial[again[1]]);
			count = counter[again[1]] + 1
		:: inflight[0] && !inflight[1] -> todo = 1; again[0] = 0; count = counter[0] + 1
		:: !inflight[0] && inflight[1] -> todo = 1; again[0] = 1; count = counter[1] + 1
		:: else
		fi;
		next_avail = used_idx + todo
	};
	do
	:: over && !n -> break
	:: todo -> /* what the last one left, oldest first */
		d_step {
			held[n] = again[0];
			n++;
			again[0] = again[1];
			again[1] = 0;
			todo--
		}
	:: !todo && n < HEADS && next_avail != avail_idx ->
		h = avail[next_avail % HEADS];
		assert(!inflight[h]);
		take(h);
		d_step {
			held[n] = h;
			n++;
			next_avail++;
			h = 0
		}
	:: n && !todo -> /* what is given back in one batch: one or both, in either order */
		if
		:: n == 2 -> d_step { h = held[0]; held[0] = held[1]; held[1] = h; h = 0 }
		:: true
		fi;
		m = n;
		if
		:: n == 2 -> m = 1
		:: true
		fi;
#ifndef NOTED_LATE
		note_batch();
#endif
#ifdef DROPPED_EARLY
		drop_batch();
#endif
		each die; used[(used_idx + i) % HEADS] = held[i]; done;
		die; used_idx = used_idx + m;
#ifdef NOTED_LATE
		note_batch();
#endif
#ifdef INDEX_FIRST
		die; region_used = used_idx;
#endif
#ifndef DROPPED_EARLY
		drop_batch();
#endif
#ifndef INDEX_FIRST
		die; region_used = used_idx;
#endif
		d_step {
			n = n - m;
			held[0] = (n -> held[1] : 0);
			held[1] = 0;
			m = 0
		}
	od
}
