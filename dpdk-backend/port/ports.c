// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/port/ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dpdk-backend/control/counters.h"
#include "dpdk-backend/forward/fdb.h"
#include "dpdk-backend/forward/filter.h"
#include "dpdk-backend/lcore/place.h"
#include "dpdk-backend/port/setting.h"
#include "dpdk-backend/uplink/uplink.h"
#include "dpdk-backend/vhost/session.h"
#include "tools/lib/number.h"

struct port ports[PORT_MAX];
unsigned int port_count;
pthread_mutex_t ports_lock = PTHREAD_MUTEX_INITIALIZER;
unsigned int ports_mtu;

/* --- no port ----------------------------------------------------------------- */

static unsigned int none_poll(struct lcore *lc, struct port *p)
{
	return 0;
}

static void none_output(struct lcore *lc, struct port *p, struct frame **f, unsigned int n,
			unsigned int queue, bool last)
{
	port_counters(lc, p)->tx_down += n;
}

static bool none_up(const struct port *p)
{
	return false;
}

const struct port_ops port_none_ops = {
	.kind = "none",
	.poll = none_poll,
	.output = none_output,
	.up = none_up,
};

/* --- kinds -------------------------------------------------------------------- */

static void uplink_info(struct port *p, struct port_info *info)
{
	*info = (struct port_info){ .connected = true, .queues = p->rx_queues };
	if (p->tx_queues > p->rx_queues)
		info->queues = p->tx_queues;
}

static int uplink_make(struct port *p, char *why, size_t size)
{
	int err = uplink_open(p, why, size);

	if (!err)
		place_uplink(p);
	return err;
}

const struct port_kind port_kind_session = {
	.name = "vhost-user",
	.ops = &session_port_ops,
	.open = session_listen,
	.close = session_unlisten,
	.info = session_info,
};

const struct port_kind port_kind_uplink = {
	.name = "ethdev",
	.ops = &uplink_port_ops,
	.open = uplink_make,
	.close = uplink_close,
	.info = uplink_info,
};

/* --- slots -------------------------------------------------------------------- */

void ports_init(void)
{
	unsigned int i;

	for (i = 0; i < PORT_MAX; i++) {
		ports[i].ops = &port_none_ops;
		ports[i].index = i;
	}
}

struct port *port_find(const char *text)
{
	unsigned int i, number;

	for (i = 0; i < port_count; i++)
		if (port_there(&ports[i]) && !strcmp(ports[i].name, text))
			return &ports[i];
	if (number_parse(text, 0, PORT_MAX - 1, &number) && port_there(&ports[number]))
		return &ports[number];
	return NULL;
}

/* The slot for @r, or NULL with the reason in @why. */
static struct port *slot_for(const struct port_request *r, char *why, size_t size)
{
	struct port *slot = NULL;
	unsigned int i;

	for (i = 0; i < PORT_MAX; i++) {
		if (port_there(&ports[i])) {
			if (!strcmp(ports[i].name, r->name)) {
				snprintf(why, size, "%s is port %u already; each port needs its own",
					 r->name, i);
				return NULL;
			}
		} else if (!slot && (r->number < 0 || (unsigned int)r->number == i)) {
			slot = &ports[i];
		}
	}
	if (slot)
		return slot;
	if (r->number >= 0)
		snprintf(why, size, "port %d is %s; remove it first, or name another number",
			 r->number, r->number < PORT_MAX ? ports[r->number].name : "too high");
	else
		snprintf(why, size, "%s is one port too many: %d is the most; remove one, or start "
			 "another viola-dpdk", r->name, PORT_MAX);
	return NULL;
}

/* What may be said of a port before lcores know it. */
static int port_set(struct port *p, const struct port_request *r, char *why, size_t size)
{
	unsigned int i;

	setting_defaults(p);
	p->mtu = ports_mtu;
	filter_update(p);
	for (i = 0; i < r->nsetting; i++)
		if (setting_apply(p, r->setting[i], why, size) < 0)
			return -EINVAL;
	return 0;
}

int port_add(const struct port_request *r, char *why, size_t size)
{
	struct port *p;
	char *name;
	int err;

	if (!*r->name) {
		snprintf(why, size, "a port without a name; give a path or a device");
		return -EINVAL;
	}
	p = slot_for(r, why, size);
	if (!p)
		return -EEXIST;
	name = strdup(r->name);
	if (!name) {
		snprintf(why, size, "%s: no memory", r->name);
		return -ENOMEM;
	}
	p->name = name;
	p->kind = r->kind;
	p->client = r->client;
	p->isolated = r->isolated;
	p->peer = NULL;
	place_port(p);
	counters_begin(p);
	err = port_set(p, r, why, size);
	if (!err)
		err = r->kind->open(p, why, size);
	if (err) {
		p->kind = NULL;
		p->name = NULL;
		free(name);
		return err;
	}
	/* Each lcore sees all of the above before it sees the operations. */
	lcores_synchronize();
	__atomic_store_n(&p->ops, r->kind->ops, __ATOMIC_RELEASE);
	if (p->index >= port_count)
		__atomic_store_n(&port_count, p->index + 1, __ATOMIC_RELEASE);
	lcores_wake();
	return (int)p->index;
}

void port_remove(struct port *p)
{
	const char *name = p->name;

	__atomic_store_n(&p->ops, &port_none_ops, __ATOMIC_RELEASE);
	port_unpatch(p);
	/* Afterwards no lcore is in one of its operations, or will be. */
	lcores_synchronize();
	p->kind->close(p);
	/* Who sleeps has the port's files open. */
	lcores_wake();
	fdb_forget(p->index);
	p->kind = NULL;
	p->name = NULL;
	free((void *)name);
}

void port_unpatch(struct port *p)
{
	struct port *peer = p->peer;

	if (!peer)
		return;
	WRITE_ONCE(peer->peer, NULL);
	WRITE_ONCE(p->peer, NULL);
}

int port_patch(struct port *a, struct port *b, char *why, size_t size)
{
	if (a == b) {
		snprintf(why, size, "port %u cannot be patched to itself; name two ports",
			 a->index);
		return -EINVAL;
	}
	if (a->peer || b->peer) {
		struct port *taken = a->peer ? a : b;

		snprintf(why, size, "port %u is patched to port %u; take that apart first",
			 taken->index, taken->peer->index);
		return -EBUSY;
	}
	WRITE_ONCE(a->peer, b);
	WRITE_ONCE(b->peer, a);
	return 0;
}

void ports_close(void)
{
	unsigned int i;

	for (i = 0; i < port_count; i++)
		if (port_there(&ports[i]))
			port_remove(&ports[i]);
}
