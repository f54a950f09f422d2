// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/forward/fdb.h"

#include <pthread.h>
#include <sys/random.h>

/*
 * Buckets of one cache line with four entries. An entry is two words: the key
 * (valid bit, VLAN, address) and the value (tag of the key, port, moves in that
 * second, second last seen). A writer holds the bucket's lock; it clears the key,
 * writes the value, then the key. A reader loads key, value, key: if both keys are
 * the one it looks for, the value is that key's, whichever writes were going on.
 */
#define FDB_WAYS 4u
#define FDB_BUCKETS (FDB_SIZE / FDB_WAYS)
#define FDB_VALID (1ull << 63)
#define FDB_LOCKS 64u /* each for every 64th bucket */
#define FDB_MOVES 4u /* of an address in a second */
#define FDB_SLICES 16u /* of the table: one is swept at a time */
#define LINE __attribute__((aligned(64)))

struct fdb_entry {
	u64 key, value;
};

struct fdb_bucket {
	struct fdb_entry way[FDB_WAYS];
} LINE;

struct fdb_lock {
	pthread_spinlock_t lock;
} LINE;

/* Written when entries come and go, by whoever holds a bucket's lock. */
struct fdb_port {
	u32 entries, limit;
} LINE;

_Static_assert(FDB_PORTS <= 256, "a port has 8 bits of a value");

static struct fdb_bucket table[FDB_BUCKETS];
static struct fdb_lock locks[FDB_LOCKS];
static struct fdb_port per_port[FDB_PORTS];
static u32 max_age, refresh; /* seconds */
static u32 swept; /* second of the last fdb_sweep() */
/* Secret, lest senders choose the bucket that their inventions go to. */
static u64 secret;

static u64 fdb_key(const u8 *mac, u16 vlan)
{
	return FDB_VALID | (u64)vlan << 48 | frame_mac_load(mac);
}

static u32 fdb_bucket(u64 key)
{
	key = (key ^ secret) * 0x9e3779b97f4a7c15ull;
	/* Addresses are often numbers in a row: once more, from the better half. */
	key = (key ^ key >> 32 ^ secret) * 0xd6e8feb86659fd93ull;
	return (u32)(key >> 32) / (u32)((1ull << 32) / FDB_BUCKETS);
}

/* 16 bits of @key: a value that is another's is recognized. */
static u64 key_tag(u64 key)
{
	return key * 0xd6e8feb86659fd93ull >> 48;
}

static u64 fdb_value(u64 key, unsigned int port, u32 moves, u32 now)
{
	return key_tag(key) << 48 | (u64)port << 40 | (u64)moves << 32 | now;
}

static unsigned int value_port(u64 value)
{
	return (unsigned int)(value >> 40) & 0xff;
}

static u32 value_moves(u64 value)
{
	return (u32)(value >> 32) & 0xff;
}

/* Seconds since the value was written; lcores' clocks may differ by one. */
static u32 value_age(u64 value, u32 now)
{
	return now > (u32)value ? now - (u32)value : 0;
}

static bool fdb_aged(u64 value, u32 now)
{
	return value_age(value, now) > max_age;
}

static pthread_spinlock_t *bucket_lock(u32 bucket)
{
	return &locks[bucket % FDB_LOCKS].lock;
}

void fdb_init(u32 ageing)
{
	unsigned int i;

	memset(table, 0, sizeof(table));
	for (i = 0; i < FDB_PORTS; i++)
		per_port[i].entries = 0;
	for (i = 0; i < FDB_LOCKS; i++)
		pthread_spin_init(&locks[i].lock, PTHREAD_PROCESS_PRIVATE);
	max_age = ageing;
	refresh = max(1u, ageing / 16);
	swept = 0;
	if (getrandom(&secret, sizeof(secret), 0) != sizeof(secret))
		secret = (uintptr_t)&ageing;
}

void fdb_limit(unsigned int port, u32 most)
{
	WRITE_ONCE(per_port[port].limit, most);
}

static u32 port_limit(unsigned int port)
{
	u32 limit = READ_ONCE(per_port[port].limit);

	return limit ? limit : FDB_LIMIT;
}

/* Whether @key has an entry; its value goes to *@value. */
static bool fdb_lookup(u64 key, u64 *value)
{
	struct fdb_bucket *b = &table[fdb_bucket(key)];
	unsigned int i;

	for (i = 0; i < FDB_WAYS; i++) {
		struct fdb_entry *e = &b->way[i];

		/* Acquire pairs with the writer's release of the key. */
		if (viola_load_acquire(&e->key) != key)
			continue;
		*value = viola_load_acquire(&e->value);
		/*
		 * The tag, too: while a reader was off its CPU the key may have gone,
		 * another's value been there, and the key have come back.
		 */
		if (READ_ONCE(e->key) == key && *value >> 48 == key_tag(key))
			return true;
	}
	return false;
}

int fdb_find(const u8 *mac, u16 vlan, u32 now)
{
	u64 value;

	if (!fdb_lookup(fdb_key(mac, vlan), &value) || fdb_aged(value, now))
		return FDB_UNKNOWN;
	return (int)value_port(value);
}

/* --- under a bucket's lock ------------------------------------------------------ */

static void entry_write(struct fdb_entry *e, u64 key, u64 value)
{
	if (e->key != key) {
		WRITE_ONCE(e->key, 0);
		/* The key is gone before the value is another's. */
		viola_wmb();
	}
	viola_store_release(&e->value, value);
	viola_store_release(&e->key, key);
}

static void entry_clear(struct fdb_entry *e)
{
	__atomic_fetch_sub(&per_port[value_port(e->value)].entries, 1, __ATOMIC_RELAXED);
	WRITE_ONCE(e->key, 0);
}

/* Counts one more entry of @port, if its limit allows that. */
static bool port_take(unsigned int port)
{
	struct fdb_port *p = &per_port[port];

	if (__atomic_fetch_add(&p->entries, 1, __ATOMIC_RELAXED) < port_limit(port))
		return true;
	__atomic_fetch_sub(&p->entries, 1, __ATOMIC_RELAXED);
	return false;
}

/* How many entries of @b are live ones of @port. */
static unsigned int bucket_share(const struct fdb_bucket *b, unsigned int port, u32 now)
{
	unsigned int i, n = 0;

	for (i = 0; i < FDB_WAYS; i++)
		n += b->way[i].key && value_port(b->way[i].value) == port &&
		     !fdb_aged(b->way[i].value, now);
	return n;
}

/*
 * The entry of @b that a new address of @port may have: a free or aged one, or
 * the oldest of those who have more of the bucket than @port will have then.
 * NULL where each has its fair share: what is live does not go by turns.
 */
static struct fdb_entry *bucket_victim(struct fdb_bucket *b, unsigned int port, u32 now)
{
	unsigned int own = bucket_share(b, port, now), i;
	struct fdb_entry *oldest = NULL;

	for (i = 0; i < FDB_WAYS; i++) {
		struct fdb_entry *e = &b->way[i];

		if (!e->key || fdb_aged(e->value, now))
			return e;
		if (bucket_share(b, value_port(e->value), now) < own + 2)
			continue;
		if (!oldest || (u32)e->value < (u32)oldest->value)
			oldest = e;
	}
	return oldest;
}

static enum fdb_result entry_insert(struct fdb_bucket *b, u64 key, unsigned int port, u32 now)
{
	struct fdb_entry *e = bucket_victim(b, port, now);

	if (!e || !port_take(port))
		return FDB_REFUSED;
	if (e->key)
		entry_clear(e);
	entry_write(e, key, fdb_value(key, port, 0, now));
	return FDB_NEW;
}

static enum fdb_result entry_confirm(struct fdb_entry *e, unsigned int port, u32 now)
{
	unsigned int from = value_port(e->value);
	u32 moves = value_age(e->value, now) ? 0 : value_moves(e->value);

	if (from == port) {
		entry_write(e, e->key, fdb_value(e->key, port, moves, max(now, (u32)e->value)));
		return FDB_KNOWN;
	}
	/* Two who claim one address must not keep everybody busy. */
	if (moves >= FDB_MOVES)
		return FDB_HELD;
	if (!port_take(port))
		return FDB_REFUSED;
	__atomic_fetch_sub(&per_port[from].entries, 1, __ATOMIC_RELAXED);
	entry_write(e, e->key, fdb_value(e->key, port, moves + 1, now));
	return FDB_MOVED;
}

/* --- learning ------------------------------------------------------------------ */

/*
 * Room for ports at their limit: clears what has aged in the next slice of the
 * table, at most once a second. False if this second had its turn. The clocks of
 * lcores may be a second apart; the one behind must not take its turn again.
 */
static bool fdb_sweep(u32 now)
{
	u32 last = READ_ONCE(swept), i = now % FDB_SLICES * (FDB_BUCKETS / FDB_SLICES);
	u32 end = i + FDB_BUCKETS / FDB_SLICES;
	unsigned int way;

	if ((s32)(now - last) <= 0 ||
	    !__atomic_compare_exchange_n(&swept, &last, now, false, __ATOMIC_RELAXED,
					 __ATOMIC_RELAXED))
		return false;
	for (; i < end; i++) {
		for (way = 0; way < FDB_WAYS; way++) {
			struct fdb_entry *e = &table[i].way[way];

			if (!READ_ONCE(e->key) || !fdb_aged(READ_ONCE(e->value), now))
				continue;
			pthread_spin_lock(bucket_lock(i));
			if (e->key && fdb_aged(e->value, now))
				entry_clear(e);
			pthread_spin_unlock(bucket_lock(i));
		}
	}
	return true;
}

static bool port_full(unsigned int port)
{
	return READ_ONCE(per_port[port].entries) >= port_limit(port);
}

enum fdb_result fdb_learn(const u8 *mac, u16 vlan, unsigned int port, u32 now)
{
	u64 key = fdb_key(mac, vlan), value;
	struct fdb_entry *e = NULL;
	bool known = fdb_lookup(key, &value);
	enum fdb_result ret;
	u32 bucket;
	unsigned int i;

	if (known && value_port(value) == port) {
		if (likely(value_age(value, now) < refresh))
			return FDB_KNOWN;
	} else {
		/* Here a flood of inventions or stolen addresses ends, without a write. */
		if (mac[0] & 1 || !(key << 16))
			return FDB_REFUSED;
		if (known && !value_age(value, now) && value_moves(value) >= FDB_MOVES)
			return FDB_HELD;
		if (port_full(port) && !fdb_sweep(now))
			return FDB_REFUSED;
	}
	bucket = fdb_bucket(key);
	pthread_spin_lock(bucket_lock(bucket));
	for (i = 0; i < FDB_WAYS; i++)
		if (table[bucket].way[i].key == key)
			e = &table[bucket].way[i];
	ret = e ? entry_confirm(e, port, now) : entry_insert(&table[bucket], key, port, now);
	pthread_spin_unlock(bucket_lock(bucket));
	return ret;
}

void fdb_forget(unsigned int port)
{
	unsigned int way;
	u32 i;

	for (i = 0; i < FDB_BUCKETS; i++) {
		for (way = 0; way < FDB_WAYS; way++) {
			struct fdb_entry *e = &table[i].way[way];

			/* Most are not, and lcores wait where this holds a lock. */
			if (!READ_ONCE(e->key) || value_port(READ_ONCE(e->value)) != port)
				continue;
			pthread_spin_lock(bucket_lock(i));
			if (e->key && value_port(e->value) == port)
				entry_clear(e);
			pthread_spin_unlock(bucket_lock(i));
		}
	}
}

unsigned int fdb_entries(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < FDB_PORTS; i++)
		n += READ_ONCE(per_port[i].entries);
	return n;
}

unsigned int fdb_port_entries(unsigned int port)
{
	return READ_ONCE(per_port[port].entries);
}
