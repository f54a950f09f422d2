// SPDX-License-Identifier: GPL-2.0
#include "vmm/bus.h"
#include "vmm/error.h"

void bus_init(struct bus *bus)
{
	pthread_rwlock_init(&bus->lock, NULL);
	bus->nr = 0;
}

/* Index of the first region that ends after @addr; bus->nr if there is none. */
static unsigned int bus_search(const struct bus *bus, u64 addr)
{
	unsigned int lo = 0, hi = bus->nr;

	while (lo < hi) {
		unsigned int mid = lo + (hi - lo) / 2;
		const struct bus_region *r = &bus->region[mid];

		/* The last byte, as a region may end at the end of the space. */
		if (r->base + (r->size - 1) < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int bus_add(struct bus *bus, const struct bus_region *region)
{
	const u64 last = region->base + (region->size - 1);
	unsigned int i, at;
	int err = 0;

	if (!region->size || last < region->base)
		return vmm_fail(EINVAL, "%s: region %#llx + %#llx is not one", region->name,
				(unsigned long long)region->base,
				(unsigned long long)region->size);
	pthread_rwlock_wrlock(&bus->lock);
	at = bus_search(bus, region->base);
	if (at < bus->nr && bus->region[at].base <= last) {
		err = vmm_fail(EEXIST, "%s at %#llx overlaps %s", region->name,
			       (unsigned long long)region->base, bus->region[at].name);
	} else if (bus->nr == BUS_REGIONS_MAX) {
		err = vmm_fail(ENOSPC, "%s: no room for more than %d regions", region->name,
			       BUS_REGIONS_MAX);
	} else {
		for (i = bus->nr++; i > at; i--)
			bus->region[i] = bus->region[i - 1];
		bus->region[at] = *region;
	}
	pthread_rwlock_unlock(&bus->lock);
	return err;
}

void bus_remove(struct bus *bus, u64 base)
{
	unsigned int at;

	pthread_rwlock_wrlock(&bus->lock);
	at = bus_search(bus, base);
	if (at < bus->nr && bus->region[at].base == base) {
		bus->nr--;
		for (; at < bus->nr; at++)
			bus->region[at] = bus->region[at + 1];
	}
	pthread_rwlock_unlock(&bus->lock);
}

/* A copy of the region that holds all @len bytes at @addr. */
static bool bus_find(struct bus *bus, u64 addr, unsigned int len, struct bus_region *found)
{
	bool hit = false;
	unsigned int at;

	if (len != 1 && len != 2 && len != 4 && len != 8)
		return false;
	pthread_rwlock_rdlock(&bus->lock);
	at = bus_search(bus, addr);
	if (at < bus->nr) {
		const struct bus_region *r = &bus->region[at];

		hit = addr >= r->base && len <= r->size - (addr - r->base);
		if (hit)
			*found = *r;
	}
	pthread_rwlock_unlock(&bus->lock);
	return hit;
}

bool bus_read(struct bus *bus, u64 addr, u64 *value, unsigned int len)
{
	struct bus_region r;

	if (!bus_find(bus, addr, len, &r)) {
		*value = ~0ull;
		return false;
	}
	*value = r.ops->read(r.opaque, addr - r.base, len);
	return true;
}

bool bus_write(struct bus *bus, u64 addr, u64 value, unsigned int len)
{
	struct bus_region r;

	if (!bus_find(bus, addr, len, &r))
		return false;
	r.ops->write(r.opaque, addr - r.base, value, len);
	return true;
}
