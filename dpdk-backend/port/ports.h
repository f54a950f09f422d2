/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ports that come and go while lcores run.
 *
 * A slot's number is its port's for as long as that is there. Only the thread
 * that configures (main() before lcores run, then the control socket's) changes
 * slots, under ports_lock, which whoever else reads names and kinds takes, too;
 * lcores need no lock:
 *
 *  - a port is made ready, and only then gets its operations;
 *  - a port that goes gets operations that do nothing, and is taken apart after
 *    each lcore has passed a quiescent point.
 */
#ifndef VIOLA_DPDK_PORTS_H
#define VIOLA_DPDK_PORTS_H

#include <pthread.h>

#include "dpdk-backend/port/port.h"

#define PORT_SETTINGS 12

/* What a user asks for. */
struct port_request {
	const struct port_kind *kind;
	const char *name; /* path or device */
	bool client, isolated;
	unsigned int nsetting;
	const char *setting[PORT_SETTINGS]; /* words, see setting.h */
	int number; /* the slot, or -1 for the first free one */
};

/* What status tells of a port beside counters. */
struct port_info {
	bool connected; /* vhost-user: a front end, ready or not */
	bool packed;
	u64 features;
	unsigned int queues; /* pairs that may carry frames */
};

/* What differs between kinds of ports, for the thread that configures. */
struct port_kind {
	const char *name;
	const struct port_ops *ops;
	/* Makes it ready; 0, or -errno with a sentence in @why. */
	int (*open)(struct port *p, char *why, size_t size);
	/* Takes it apart; no lcore uses it. */
	void (*close)(struct port *p);
	void (*info)(struct port *p, struct port_info *info);
};

extern const struct port_kind port_kind_session, port_kind_uplink;
extern pthread_mutex_t ports_lock;
extern unsigned int ports_mtu; /* of ports of which no setting says it; 0: any */

/* Makes all slots empty ones. Before anything else here. */
void ports_init(void);

/*
 * The functions below want ports_lock held. Those that can fail return 0 (or
 * what they say), or -errno with a sentence for the user in @why (@size bytes).
 */

/* The number of the new port. */
int port_add(const struct port_request *r, char *why, size_t size);

void port_remove(struct port *p);

/* Frames of @a go to @b and the other way round, in mode patch. */
int port_patch(struct port *a, struct port *b, char *why, size_t size);

/* Takes the two ends of @p's patch apart. */
void port_unpatch(struct port *p);

static inline bool port_there(const struct port *p)
{
	return p->name;
}

/* The port of that name, or of that number in decimal; or NULL. */
struct port *port_find(const char *text);

/* Removes all. */
void ports_close(void);

#endif
