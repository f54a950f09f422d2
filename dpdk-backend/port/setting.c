// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/port/setting.h"

#include <errno.h>
#include <stdio.h>

#include "dpdk-backend/forward/fdb.h"
#include "dpdk-backend/forward/filter.h"
#include "dpdk-backend/port/ports.h"
#include "tools/lib/number.h"

struct setting {
	const char *name;
	bool (*apply)(struct port *p, const struct setting *s, const char *value);
	enum port_limit limit;
	const char *range;
};

#define RATES "1 to 1000G, with k, M or G for thousands"

static bool set_bits(struct port *p, const struct setting *s, const char *value)
{
	struct rate *r = &p->limit[s->limit];
	u64 bits;

	if (!rate_parse(value, &bits))
		return false;
	rate_set(r, r->frames.rate, bits, r->burst_ms);
	return true;
}

static bool set_frames(struct port *p, const struct setting *s, const char *value)
{
	struct rate *r = &p->limit[s->limit];
	u64 frames;

	if (!rate_parse(value, &frames))
		return false;
	rate_set(r, frames, r->bits.rate, r->burst_ms);
	return true;
}

static bool set_burst(struct port *p, const struct setting *s, const char *value)
{
	unsigned int ms, i;

	if (!number_parse(value, 1, 10000, &ms))
		return false;
	for (i = 0; i < PORT_LIMITS; i++)
		rate_set(&p->limit[i], p->limit[i].frames.rate, p->limit[i].bits.rate, ms);
	return true;
}

static bool set_mtu(struct port *p, const struct setting *s, const char *value)
{
	return number_parse(value, MTU_MIN, MTU_MAX, &p->mtu);
}

static bool set_addresses(struct port *p, const struct setting *s, const char *value)
{
	unsigned int most;

	if (!number_parse(value, 1, FDB_SIZE, &most))
		return false;
	fdb_limit(p->index, most);
	return true;
}

static const struct setting settings[] = {
	{ "rate", set_bits, LIMIT_FROM, RATES },
	{ "pps", set_frames, LIMIT_FROM, RATES },
	{ "rate-to", set_bits, LIMIT_TO, RATES },
	{ "pps-to", set_frames, LIMIT_TO, RATES },
	{ "storm", set_frames, LIMIT_FLOOD, RATES },
	{ "burst", set_burst, .range = "1 to 10000, in milliseconds" },
	{ "mtu", set_mtu, .range = "68 to 65535" },
	{ "addresses", set_addresses, .range = "1 to 65536" },
};

_Static_assert(FDB_SIZE == 65536 && MTU_MIN == 68 && MTU_MAX == 65535, "as the ranges say");

void setting_defaults(struct port *p)
{
	unsigned int i;

	for (i = 0; i < PORT_LIMITS; i++)
		rate_init(&p->limit[i]);
	p->mtu = 0;
	filter_update(p);
	/* Behind a device is a network; behind a front end, few. */
	fdb_limit(p->index, p->kind == &port_kind_uplink ? FDB_SIZE / 4 : FDB_LIMIT);
}

bool setting_known(const char *text)
{
	size_t len = strcspn(text, "="), i;

	for (i = 0; text[len] && i < ARRAY_SIZE(settings); i++)
		if (strlen(settings[i].name) == len && !memcmp(settings[i].name, text, len))
			return true;
	return !strcmp(text, "isolated");
}

int setting_apply(struct port *p, const char *text, char *why, size_t size)
{
	size_t len = strcspn(text, "="), i;

	if (!strcmp(text, "isolated")) {
		p->isolated = true;
		return 1;
	}
	for (i = 0; text[len] && i < ARRAY_SIZE(settings); i++) {
		const struct setting *s = &settings[i];

		if (strlen(s->name) != len || memcmp(s->name, text, len))
			continue;
		if (!s->apply(p, s, text + len + 1)) {
			snprintf(why, size, "%s: %s: give %s", p->name, text, s->range);
			return -EINVAL;
		}
		filter_update(p);
		return 1;
	}
	return 0;
}
