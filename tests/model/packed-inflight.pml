/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The in-flight region of a packed ring (include/viola/inflight.h), as
 * inflight.pml has it for the split ring: a device that ends between any two of its
 * stores, and a successor that may end as well.
 *
 * Two entries, buffers of one descriptor. Positions count modulo twice the ring, as
 * offset and wrap counter do.
 *
 * -DNOTED_LATE: where the batch ends is noted after it is published, as if that were
 *  no release; -DLINKED_LATE: its entries are.
 * -DDROPPED_EARLY: what was given back is dropped before it is published, as if
 *  viola_wmb() were not there; -DDONE_EARLY: the batch is closed before.
 * -DINDEX_FIRST: the batch is closed before its entries are free.
 * -DTWO_STORES: offset and wrap counter of a position are stored one after the other.
 * -DFREED_FIRST: entries leave the free list before they are in flight.
 * -DNO_ROLLBACK: what was written of an unpublished batch stays.
 * -DRECOVERED_EARLY: recovery closes the batch before it has freed its entries.
 */
#define NUM 2
#define CHAINS 5 /* of the driver's, in all */
#ifndef CRASHES
#define CRASHES 2
#endif

#define POS(x) ((x) & 3)
#define AT(x) ((x) & 1)
#define MADE_AVAIL(x) ((x) & 2) /* the flags of a descriptor at @x, of that lap */
#define MADE_USED(x) (((x) & 2) + 1)

byte desc_flags[NUM] = 3; /* used, in the lap before the first */
byte desc_id[NUM];

/* the region */
bool inflight[NUM];
byte counter[NUM], id[NUM], next[NUM];
byte free_head, old_free_head, used, old_used;

byte serial[NUM]; /* by id: of the chain that it was last made available for */
byte crashes;
bool over;

/* Here a device may end; what it knew is gone. */
#define die if :: crashes < CRASHES -> crashes++; goto recover :: true fi

inline make_available(buffer)
{
	d_step {
		out[buffer] = true;
		serial[buffer] = sent;
		desc_id[AT(sent)] = buffer
	};
	d_step {
		desc_flags[AT(sent)] = MADE_AVAIL(sent);
		sent++
	}
}

active proctype driver()
{
	byte sent, back, h;
	bool out[NUM];

	do
	:: back == CHAINS -> break
	:: sent < CHAINS && !out[0] -> make_available(0)
	:: sent < CHAINS && !out[1] -> make_available(1)
	:: back < sent && desc_flags[AT(back)] == MADE_USED(back) ->
		h = desc_id[AT(back)];
		assert(out[h]); /* once only */
		out[h] = false;
		back++
	od;
	over = true
}

inline set_free(head)	{ atomic { free_head = head; old_free_head = free_head } }
inline set_used(from, to)	{ atomic { used = to; old_used = from } }

inline take(buffer)
{
	e = free_head;
	assert(e < NUM); /* no entry is lost */
	die; id[e] = buffer;
#ifdef FREED_FIRST
	die; set_free(next[e]);
#endif
	die; counter[e] = count;
	die; inflight[e] = true;
#ifndef FREED_FIRST
	die; set_free(next[e]);
#endif
	count++
}

#define each i = 0; do :: i < m ->
#define done i++ :: else -> break od; i = 0

inline note_batch()
{
#ifdef TWO_STORES
	die; used = (used & 2) | AT(next_used + m);
#endif
	die; set_used(next_used, POS(next_used + m))
}

inline link_batch()
{
	each die; next[entry[held[i]]] = free_head; die; free_head = entry[held[i]]; done
}

inline drop_batch()
{
	each die; inflight[entry[held[i]]] = false; done
}

inline close_batch()
{
#ifdef INDEX_FIRST
	die; set_used(POS(next_used + m), POS(next_used + m));
	die; set_free(free_head)
#else
	die; set_free(free_head);
	die; set_used(POS(next_used + m), POS(next_used + m))
#endif
}

active proctype device()
{
	byte held[NUM], entry[NUM], n, m, again[NUM], todo, next_avail, next_used, count, i, e;
	byte before, after;

	d_step { next[0] = 1; next[1] = NUM };
recover:
	skip;
	d_step {
		n = 0; m = 0; i = 0; e = 0; count = 0; todo = 0;
		again[0] = 0; again[1] = 0; held[0] = 0; held[1] = 0; entry[0] = 0; entry[1] = 0;
		next_avail = 0; next_used = 0;
		before = old_used;
		after = used;
		e = free_head
	};
	assert(POS(after - before) <= NUM); /* or it is no position */
	if
	:: before == after || desc_flags[AT(before)] == MADE_AVAIL(before) ->
#ifndef NO_ROLLBACK
		do
		:: before != after ->
			die; desc_flags[AT(before)] = MADE_AVAIL(before);
			before = POS(before + 1)
		:: else -> break
		od;
#endif
		skip;
		d_step {
			after = old_used;
			e = old_free_head
		}
	:: else
	fi;
#ifdef RECOVERED_EARLY
	die; set_used(after, after);
#endif
	die; set_free(e);
	do
	:: e < NUM ->
		die; inflight[e] = false;
		e = next[e]
	:: else -> break
	od;
#ifndef RECOVERED_EARLY
	die; set_used(after, after);
#endif
	skip;
	d_step {
		e = 0;
		before = 0;
		if
		:: inflight[0] && inflight[1] ->
			todo = 2;
			again[0] = (counter[1] < counter[0] -> 1 : 0);
			again[1] = 1 - again[0];
			assert(serial[id[again[0]]] < serial[id[again[1]]]);
			count = counter[again[1]] + 1
		:: inflight[0] && !inflight[1] -> todo = 1; again[0] = 0; count = counter[0] + 1
		:: !inflight[0] && inflight[1] -> todo = 1; again[0] = 1; count = counter[1] + 1
		:: else
		fi;
		next_used = after;
		next_avail = POS(after + todo);
		after = 0
	};
	do
	:: over && !n -> break
	:: todo -> /* what the last one left, oldest first */
		d_step {
			held[n] = id[again[0]];
			entry[held[n]] = again[0];
			n++;
			again[0] = again[1];
			again[1] = 0;
			todo--
		}
	:: !todo && n < NUM && desc_flags[AT(next_avail)] == MADE_AVAIL(next_avail) ->
		take(desc_id[AT(next_avail)]);
		d_step {
			held[n] = id[e];
			entry[held[n]] = e;
			assert(n == 0 || held[0] != held[1]);
			n++;
			next_avail = POS(next_avail + 1);
			e = 0
		}
	:: n && !todo -> /* what is given back in one batch: one or both, in either order */
		if
		:: n == 2 -> d_step { e = held[0]; held[0] = held[1]; held[1] = e; e = 0 }
		:: true
		fi;
		m = n;
		if
		:: n == 2 -> m = 1
		:: true
		fi;
#ifndef LINKED_LATE
		link_batch();
#endif
#ifndef NOTED_LATE
		note_batch();
#endif
#ifdef DROPPED_EARLY
		drop_batch();
#endif
#ifdef DONE_EARLY
		close_batch();
#endif
		die; desc_id[AT(next_used)] = held[0];
		if
		:: m == 2 ->
			die;
			atomic {
				desc_id[AT(next_used + 1)] = held[1];
				desc_flags[AT(next_used + 1)] = MADE_USED(next_used + 1)
			}
		:: else
		fi;
		die; desc_flags[AT(next_used)] = MADE_USED(next_used);
#ifdef LINKED_LATE
		link_batch();
#endif
#ifdef NOTED_LATE
		note_batch();
#endif
#ifndef DROPPED_EARLY
		drop_batch();
#endif
#ifndef DONE_EARLY
		close_batch();
#endif
		skip;
		d_step {
			next_used = POS(next_used + m);
			n = n - m;
			held[0] = (n -> held[1] : 0);
			held[1] = 0;
			m = 0
		}
	od
}
