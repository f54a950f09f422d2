// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/fdb.h"

#include <rte_common.h>
#include <rte_spinlock.h>

/*
 * Buckets of one cache line with four entries. An entry is two words: the key
 * (valid bit, VLAN, address) and the value (port, second last seen). A writer
 * holds the lock; it clears the key, writes the value, then the key. A reader
 * loads key, value, key: if both keys are the one it looks for, the value is
 * that key's, whichever writes were going on.
 */
#define FDB_BUCKETS 4096u
#define FDB_WAYS 4u
#define FDB_VALID (1ull << 63)

struct fdb_entry {
	u64 key, value;
};

struct fdb_bucket {
	struct fdb_entry way[FDB_WAYS];
} __rte_cache_aligned;

static struct fdb_bucket table[FDB_BUCKETS];
static rte_spinlock_t lock = RTE_SPINLOCK_INITIALIZER;
static u32 max_age;

static u64 fdb_key(const u8 *mac, u16 vlan)
{
	u64 key = FDB_VALID | (u64)vlan << 48;
	unsigned int i;

	for (i = 0; i < 6; i++)
		key |= (u64)mac[i] << 8 * i;
	return key;
}

static struct fdb_bucket *fdb_bucket(u64 key)
{
	return &table[key * 0x9e3779b97f4a7c15ull >> 52];
}

static u64 fdb_value(unsigned int port, u32 now)
{
	return (u64)port << 32 | now;
}

static bool fdb_aged(u64 value, u32 now)
{
	return now - (u32)value > max_age && now > (u32)value;
}

void fdb_init(u32 ageing)
{
	memset(table, 0, sizeof(table));
	max_age = ageing;
}

/* The entry of @key with its value in *@value, or NULL. */
static struct fdb_entry *fdb_lookup(u64 key, u64 *value)
{
	struct fdb_bucket *b = fdb_bucket(key);
	unsigned int i;

	for (i = 0; i < FDB_WAYS; i++) {
		struct fdb_entry *e = &b->way[i];

		/* Acquire pairs with the writer's release of the key. */
		if (viola_load_acquire(&e->key) != key)
			continue;
		*value = viola_load_acquire(&e->value);
		if (READ_ONCE(e->key) == key)
			return e;
	}
	return NULL;
}

int fdb_find(const u8 *mac, u16 vlan, u32 now)
{
	u64 value;

	if (!fdb_lookup(fdb_key(mac, vlan), &value) || fdb_aged(value, now))
		return FDB_UNKNOWN;
	return (int)(value >> 32);
}

static void fdb_write(struct fdb_entry *e, u64 key, u64 value)
{
	if (e->key != key) {
		WRITE_ONCE(e->key, 0);
		/* The key is gone before the value is another's. */
		viola_wmb();
	}
	viola_store_release(&e->value, value);
	viola_store_release(&e->key, key);
}

void fdb_learn(const u8 *mac, u16 vlan, unsigned int port, u32 now)
{
	u64 key = fdb_key(mac, vlan), new = fdb_value(port, now), value;
	struct fdb_entry *oldest = NULL;
	struct fdb_bucket *b;
	unsigned int i;

	if (mac[0] & 1)
		return;
	if (fdb_lookup(key, &value) && value == new)
		return;
	b = fdb_bucket(key);
	rte_spinlock_lock(&lock);
	for (i = 0; i < FDB_WAYS; i++) {
		struct fdb_entry *e = &b->way[i];

		if (e->key == key) {
			oldest = e;
			break;
		}
		if (!oldest || (oldest->key && (!e->key || (u32)e->value < (u32)oldest->value)))
			oldest = e;
	}
	fdb_write(oldest, key, new);
	rte_spinlock_unlock(&lock);
}

void fdb_forget(unsigned int port)
{
	unsigned int i, way;

	rte_spinlock_lock(&lock);
	for (i = 0; i < FDB_BUCKETS; i++) {
		for (way = 0; way < FDB_WAYS; way++) {
			struct fdb_entry *e = &table[i].way[way];

			if (e->key && e->value >> 32 == port)
				WRITE_ONCE(e->key, 0);
		}
	}
	rte_spinlock_unlock(&lock);
}

unsigned int fdb_entries(void)
{
	unsigned int i, way, n = 0;

	for (i = 0; i < FDB_BUCKETS; i++)
		for (way = 0; way < FDB_WAYS; way++)
			n += !!READ_ONCE(table[i].way[way].key);
	return n;
}
