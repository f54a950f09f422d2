// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/vhost/session.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <rte_log.h>
#include <rte_vhost.h>

#include "dpdk-backend/forward/announce.h"
#include "dpdk-backend/forward/fdb.h"
#include "dpdk-backend/lcore/place.h"
#include "dpdk-backend/port/ports.h"
#include "dpdk-backend/socket.h"
#include "dpdk-backend/vhost/call.h"
#include "dpdk-backend/vhost/fdset.h"
#include "dpdk-backend/vhost/kick.h"
#include "dpdk-backend/vhost/message.h"

#define BIT(n) (1ull << (n))
#define say(level, ...) rte_log(RTE_LOG_##level, RTE_LOGTYPE_USER1, "viola-dpdk: " __VA_ARGS__)

struct session_config session_config = {
	.in_order = true,
	.mergeable = true,
	.indirect = true,
	.event_idx = true,
	.offloads = true,
};

/* A port's side of the library; under the lock below. */
struct control {
	int vid; /* the connection's, or -1 */
	bool running; /* between new_device and destroy_device */
	bool torn; /* its memory has holes: nothing more of this connection is used */
	unsigned int refused; /* messages */
	bool short_log; /* that was said */
	bool blank; /* that its memory is was said */
	bool stands[2 * SESSION_PAIRS]; /* that was said, too */
	bool ready[2 * SESSION_PAIRS];
	bool reset[2 * SESSION_PAIRS]; /* by RESET_DEVICE, until enabled again */

	/*
	 * The in-flight region as SET_INFLIGHT_FD told it, queues 0 without one.
	 * The library keeps the mapping and gives the queues' addresses, which
	 * are good for the queues named here and no others.
	 */
	bool tracked; /* INFLIGHT_SHMFD is negotiated */
	bool inflight_packed;
	u16 inflight_queues, inflight_size;

	/* There is a log. The library gives its address even after RESET_OWNER unmapped it. */
	bool log;

	/*
	 * There is a memory table. A table that cannot be mapped leaves the library
	 * without one, which it does not check for when it is asked, nor tell.
	 */
	bool memory;

	/* SET_VRING_ADDR: whether and where the device's part of a ring is logged */
	struct {
		bool given;
		u64 addr;
	} log_at[2 * SESSION_PAIRS];
};

_Static_assert(2 * SESSION_PAIRS == MESSAGE_QUEUES, "queues of a port");

/* The library calls from its event thread and, for clients, from another. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Of whoever has the lock. */
static struct calls calls;

/* The port of a connection; with the lock held, since ports come and go. */
static struct port *port_of(int vid)
{
	char path[PATH_MAX];
	unsigned int i;

	if (rte_vhost_get_ifname(vid, path, sizeof(path)))
		return NULL;
	/* All slots: a front end may be faster than the port that it belongs to. */
	for (i = 0; i < PORT_MAX; i++)
		if (ports[i].control && !strcmp(ports[i].name, path))
			return &ports[i];
	return NULL;
}

/* Takes the lock. The port whose front end has connection @vid, or NULL. */
static struct port *port_enter(int vid)
{
	struct port *p;

	pthread_mutex_lock(&lock);
	p = port_of(vid);
	return p && p->control->vid == vid ? p : NULL;
}

static void port_leave(void)
{
	pthread_mutex_unlock(&lock);
}

/* --- guest memory -------------------------------------------------------- */

static int extent_order(const void *a, const void *b)
{
	const struct viola_extent *x = a, *y = b;

	return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

/* Fills in s->mem from the library's table. 0 or -errno. */
static int session_map(struct session *s)
{
	struct rte_vhost_memory *mem = NULL;
	u32 i, n = 0;

	if (rte_vhost_get_mem_table(s->vid, &mem) || !mem)
		return -ENOENT;
	if (mem->nregions > SESSION_EXTENTS) {
		free(mem);
		return -E2BIG;
	}
	for (i = 0; i < mem->nregions; i++) {
		const struct rte_vhost_mem_region *r = &mem->regions[i];

		if (!r->size || !r->host_user_addr)
			continue;
		s->ext[n++] = (struct viola_extent){
			.gpa = r->guest_phys_addr,
			.size = r->size,
			.base = (u8 *)(uintptr_t)r->host_user_addr,
		};
	}
	free(mem);
	qsort(s->ext, n, sizeof(s->ext[0]), extent_order);
	/* What is contiguous in both worlds is one extent: fewer lookups. */
	s->mem = (struct viola_mem){ .ext = s->ext };
	for (i = 0; i < n; i++) {
		struct viola_extent *last = s->mem.nr ? &s->ext[s->mem.nr - 1] : NULL;

		if (last && last->gpa + last->size == s->ext[i].gpa &&
		    last->base + last->size == s->ext[i].base)
			last->size += s->ext[i].size;
		else
			s->ext[s->mem.nr++] = s->ext[i];
	}
	return n && viola_mem_valid(&s->mem) ? 0 : -EINVAL;
}

/*
 * Whether the @len bytes at @at, where the library says that a part of a ring is,
 * lie in one extent; at which guest address is written to @gpa.
 */
static bool session_holds(const struct session *s, const void *at, u64 len, u64 *gpa)
{
	u32 i;

	for (i = 0; i < s->mem.nr; i++) {
		u64 off = (uintptr_t)at - (uintptr_t)s->ext[i].base;

		if (viola_within(off, len, s->ext[i].size)) {
			*gpa = s->ext[i].gpa + off;
			return true;
		}
	}
	return false;
}

void session_look(struct session *s)
{
	unsigned int count = __atomic_load_n(&hole_count, __ATOMIC_ACQUIRE);
	bool torn = s->log.base && hole_within(s->holes, s->log.base, s->log.size);
	u32 i;

	for (i = 0; i < s->mem.nr; i++)
		torn |= hole_within(s->holes, s->ext[i].base, s->ext[i].size);
	for (i = 0; i < s->ntx; i++)
		torn |= s->tx[i]->tracked && hole_within(s->holes, s->tx[i]->ring.inflight, 1);
	for (i = 0; i < s->nrx; i++)
		torn |= s->rx[i]->tracked && hole_within(s->holes, s->rx[i]->ring.inflight, 1);
	/* Several lcores may find the same; none takes it back. */
	if (torn)
		__atomic_store_n(&s->torn, true, __ATOMIC_RELAXED);
	__atomic_store_n(&s->holes, count, __ATOMIC_RELEASE);
}

/*
 * Takes the log that the front end shares into use, if it asks for logging now. A
 * log that does not reach over all memory is one that its owner reads no further.
 */
static void session_log(const struct port *p, struct session *s)
{
	const struct viola_extent *top = &s->ext[s->mem.nr - 1];
	u64 base = 0, size = 0;

	if (!(s->features & BIT(VHOST_F_LOG_ALL)) || !p->control->log ||
	    rte_vhost_get_log_base(s->vid, &base, &size) || !base || !size)
		return;
	s->log = (struct dirty_log){ .base = (u8 *)(uintptr_t)base, .size = size };
	if ((top->gpa + top->size - 1) >> DIRTY_PAGE_SHIFT >> 3 < size || p->control->short_log)
		return;
	p->control->short_log = true;
	say(WARNING, "%s: the dirty log is shorter than the memory it is for\n", p->name);
}

/* --- queues -------------------------------------------------------------- */

static void vqueue_free(struct vqueue *q)
{
	free(q->in_flight);
	free(q->record);
	free(q);
}

/* Whether the parts of a ring, guest addresses to the library, are where they may be. */
static bool vring_valid(const struct session *s, const struct rte_vhost_vring *v, bool packed,
			struct dirty_ring *at)
{
	u32 num = v->size;
	u64 driver;

	if (packed)
		return viola_packed_num_valid(num) &&
		       session_holds(s, v->desc_packed, viola_packed_desc_size(num), &at->desc) &&
		       session_holds(s, v->driver_event, viola_packed_driver_size(num), &driver) &&
		       session_holds(s, v->device_event, viola_packed_device_size(num),
				     &at->device);
	return viola_ring_num_valid(num) &&
	       session_holds(s, v->desc, viola_ring_desc_size(num), &at->desc) &&
	       session_holds(s, v->avail, viola_ring_driver_size(num), &driver) &&
	       session_holds(s, v->used, viola_ring_device_size(num), &at->device);
}

/* The in-flight region of queue @index, or NULL. */
static void *vring_region(const struct control *c, u16 index, u32 num, bool packed)
{
	struct rte_vhost_ring_inflight region = {};

	if (!c->tracked || index >= c->inflight_queues || packed != c->inflight_packed ||
	    num > c->inflight_size || rte_vhost_get_vhost_ring_inflight(c->vid, index, &region))
		return NULL;
	return packed ? (void *)region.inflight_packed : (void *)region.inflight_split;
}

/* Nothing is in flight, and the next that is there begins where the ring is told to. */
static void vring_region_clear(const struct control *c, u16 index)
{
	/* The fields up to the version are the same in both layouts. */
	struct viola_inflight_split *region = vring_region(c, index, 1, c->inflight_packed);

	if (region)
		WRITE_ONCE(region->version, 0);
}

/* Takes up what a back end before left in flight. False if that contradicts itself. */
static bool vqueue_recover(const struct session *s, struct vqueue *q, void *region, u32 num)
{
	struct viola_inflight_split *common = region;

	if (!region)
		return true;
	q->tracked = true;
	/* The library writes what the region has room for, which may be more. */
	WRITE_ONCE(common->desc_num, (u16)num);
	if (viola_ring_recover(&q->ring) < 0)
		return false;
	/* Descriptors of a batch that was begun are written again: whichever these are. */
	if (viola_ring_is_packed(&q->ring) && s->log.base)
		dirty_mark(&s->log, q->at.desc, viola_packed_desc_size(num));
	return true;
}

/* The queue of vring @index as the library knows it, or NULL if it is not ready. */
static struct vqueue *vqueue_make(const struct port *p, const struct session *s, u16 index)
{
	struct control *c = p->control;
	bool packed = s->features & BIT(VIRTIO_F_RING_PACKED);
	struct rte_vhost_vring v = {};
	struct viola_ring_config cfg;
	struct dirty_ring at;
	struct vqueue *q;
	u16 avail, used;

	if (rte_vhost_get_vhost_vring(s->vid, index, &v) || !vring_valid(s, &v, packed, &at) ||
	    rte_vhost_get_vring_base(s->vid, index, &avail, &used))
		return NULL;
	q = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*q));
	if (!q)
		return NULL;
	memset(q, 0, sizeof(*q));
	q->in_flight = calloc(v.size, sizeof(bool));
	q->record = calloc(v.size, sizeof(*q->record));
	if (!q->in_flight || !q->record)
		goto free;
	cfg = (struct viola_ring_config){
		.num = v.size,
		.packed = packed,
		.in_order = s->features & BIT(VIRTIO_F_IN_ORDER),
		.event_idx = s->features & BIT(VIRTIO_RING_F_EVENT_IDX),
		.indirect = s->features & BIT(VIRTIO_RING_F_INDIRECT_DESC),
		.desc = v.desc,
		.driver = v.avail,
		.device = v.used,
		.mem = &s->mem,
		.in_flight = q->in_flight,
		.record = q->record,
		.inflight = vring_region(c, index, v.size, packed),
	};
	if (viola_ring_init(&q->ring, &cfg))
		goto free;
	rte_spinlock_init(&q->lock);
	q->index = index;
	q->callfd = eventfd_or_none(v.callfd);
	q->kickfd = eventfd_or_none(v.kickfd);
	q->at = at;
	if (c->log_at[index].given)
		q->at.device = c->log_at[index].addr;
	viola_ring_set_base(&q->ring, avail);
	if (!vqueue_recover(s, q, cfg.inflight, v.size)) {
		if (!c->stands[index])
			say(ERR, "%s: queue %u stands still: its in-flight region is wrong\n",
			    p->name, index);
		c->stands[index] = true;
		goto free;
	}
	q->logged = viola_ring_used_index(&q->ring);
	viola_ring_disable_kick(&q->ring);
	vqueue_log_kick(s, q);
	return q;
free:
	vqueue_free(q);
	return NULL;
}

static void session_free(struct session *s)
{
	unsigned int i;

	for (i = 0; i < s->ntx; i++)
		vqueue_free(s->tx[i]);
	for (i = 0; i < s->nrx; i++)
		vqueue_free(s->rx[i]);
	free(s);
}

static void vqueue_save(const struct session *s, const struct vqueue *q)
{
	rte_vhost_set_vring_base(s->vid, q->index, viola_ring_base(&q->ring),
				 viola_ring_used_index(&q->ring));
}

/*
 * Gives back, unused, what a back end before had taken and this one not again: whoever
 * goes on from the position that the front end is about to be told does not know of it.
 */
static void vqueue_give_back(const struct session *s, struct vqueue *q)
{
	bool some = false;

	while (viola_ring_recovered(&q->ring)) {
		struct viola_chain chain = {};

		if (viola_ring_skip(&q->ring, &chain) <= 0)
			break;
		viola_ring_push(&q->ring, chain.id, 0);
		some = true;
	}
	if (!some)
		return;
	viola_ring_publish(&q->ring);
	vqueue_log_used(s, q);
	if (q->callfd >= 0)
		calls_add(&calls, q->callfd);
	calls_send(&calls);
}

/* Unpublishes, waits for the lcores, and tells the library the positions. */
static void session_stop(struct port *p)
{
	struct session *s = p->session;
	unsigned int i;

	if (!s)
		return;
	__atomic_store_n(&p->session, NULL, __ATOMIC_RELEASE);
	lcores_synchronize();
	/* Who sleeps waits for descriptors that the library may now close. */
	lcores_wake();
	if (!session_whole(s))
		p->control->torn = true;
	for (i = 0; i < s->ntx; i++)
		vqueue_save(s, s->tx[i]);
	for (i = 0; i < s->nrx; i++)
		vqueue_save(s, s->rx[i]);
	session_free(s);
}

/* A session of no queues yet, of what the library knows now; or NULL. */
static struct session *session_make(const struct port *p)
{
	const struct control *c = p->control;
	struct session *s;
	int err;

	if (c->torn || !c->memory)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s) {
		say(ERR, "%s: no memory for the session\n", p->name);
		return NULL;
	}
	s->vid = c->vid;
	s->holes = __atomic_load_n(&hole_count, __ATOMIC_ACQUIRE);
	if (rte_vhost_get_negotiated_features(c->vid, &s->features))
		goto free;
	s->mergeable = s->features & BIT(VIRTIO_NET_F_MRG_RXBUF);
	s->hdr_len = s->mergeable || s->features & BIT(VIRTIO_F_VERSION_1) ? 12 : 10;
	err = session_map(s);
	if (err) {
		say(ERR, "%s: the front end's memory table is of no use: %s\n", p->name,
		    strerror(-err));
		goto free;
	}
	session_log(p, s);
	return s;
free:
	session_free(s);
	return NULL;
}

/*
 * Before GET_VRING_BASE of queue @index, with no session there: what a back end before
 * left in flight goes back. The queue may not have been ready to be served yet.
 */
static void queue_give_back(struct port *p, u16 index)
{
	struct session *s = p->control->tracked ? session_make(p) : NULL;
	struct vqueue *q = s ? vqueue_make(p, s, index) : NULL;

	if (q) {
		vqueue_give_back(s, q);
		vqueue_save(s, q);
		vqueue_free(q);
	}
	if (s)
		session_free(s);
}

static void session_start(struct port *p)
{
	struct control *c = p->control;
	struct session *s;
	unsigned int i;

	if (!c->running || p->session)
		return;
	s = session_make(p);
	if (!s)
		return;
	for (i = 0; i < 2 * SESSION_PAIRS; i++) {
		struct vqueue *q;

		if (!c->ready[i] || c->reset[i])
			continue;
		q = vqueue_make(p, s, (u16)i);
		if (!q)
			continue;
		if (i % 2) {
			s->tx[s->ntx++] = q;
			place_queue(p, i / 2, q->ring.desc);
		} else {
			s->rx[s->nrx++] = q;
		}
		/* What a back end before us, or before a change, did not tell. */
		if (q->callfd >= 0)
			calls_add(&calls, q->callfd);
	}
	calls_send(&calls);
	if (s->ntx + s->nrx) {
		__atomic_store_n(&p->session, s, __ATOMIC_RELEASE);
		lcores_wake();
		return;
	}
	session_free(s);
}

/* --- what the library calls ------------------------------------------------ */

/* hole_count_here() when the message that this thread handles came. */
static __thread unsigned int handler_holes;

/*
 * What is offered. The bits that the library does not know are handled by the two
 * functions below.
 */
#ifdef VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS
#define PROTOCOL_OF_LIBRARY BIT(PROTOCOL_CONFIGURE_MEM_SLOTS)
#else
#define PROTOCOL_OF_LIBRARY 0
#endif

#define PROTOCOL_FEATURES                                                         \
	(BIT(PROTOCOL_MQ) | BIT(PROTOCOL_LOG_SHMFD) | BIT(PROTOCOL_REPLY_ACK) |   \
	 BIT(PROTOCOL_RARP) | BIT(PROTOCOL_NET_MTU) | BIT(PROTOCOL_BACKEND_REQ) | \
	 BIT(PROTOCOL_INFLIGHT_SHMFD) | BIT(PROTOCOL_RESET_DEVICE) |              \
	 BIT(PROTOCOL_STATUS) | PROTOCOL_OF_LIBRARY)

static bool control_packed(const struct control *c)
{
	u64 features = 0;

	return !rte_vhost_get_negotiated_features(c->vid, &features) &&
	       features & BIT(VIRTIO_F_RING_PACKED);
}

/* All rings stop and go back to their beginning, until they are enabled again. */
static void control_reset(struct control *c)
{
	u16 base = control_packed(c) ? VIOLA_PACKED_WRAP : 0, i;

	for (i = 0; i < 2 * SESSION_PAIRS; i++) {
		vring_region_clear(c, i);
		if (i < rte_vhost_get_vring_num(c->vid))
			rte_vhost_set_vring_base(c->vid, i, base, base);
		c->reset[i] = true;
	}
}

/* The session is withdrawn; what @m changes here, before the library acts on it. */
static enum rte_vhost_msg_result control_before(struct port *p, struct message *m)
{
	struct control *c = p->control;

	switch (m->request) {
	case MESSAGE_SET_MEM_TABLE:
		c->memory = false;
		break;
	case MESSAGE_SET_PROTOCOL_FEATURES:
		c->tracked = m->number & BIT(PROTOCOL_INFLIGHT_SHMFD);
		/*
		 * The library keeps regions for whoever asks, but reads them, and
		 * some fields twice, only where it knows that the bit is set.
		 */
		m->number &= ~BIT(PROTOCOL_INFLIGHT_SHMFD);
		break;
	case MESSAGE_GET_INFLIGHT_FD:
	case MESSAGE_SET_INFLIGHT_FD:
		/* Unmaps the last region. */
		c->inflight_queues = 0;
		break;
	case MESSAGE_RESET_OWNER:
		/* So does this, and features and memory go, too. */
		c->inflight_queues = 0;
		c->tracked = false;
		c->log = false;
		c->memory = false;
		memset(c->log_at, 0, sizeof(c->log_at));
		break;
	case MESSAGE_GET_VRING_BASE:
		/* Stopped in good order: nothing is left to take up. */
		queue_give_back(p, (u16)m->state.index);
		vring_region_clear(c, (u16)m->state.index);
		break;
	case MESSAGE_RESET_DEVICE:
		control_reset(c);
		return RTE_VHOST_MSG_RESULT_OK;
	default:
		break;
	}
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

/* What @m, which the library accepted, changes here. */
static void control_after(struct control *c, const struct message *m)
{
	switch (m->request) {
	case MESSAGE_SET_MEM_TABLE:
	case MESSAGE_ADD_MEM_REG:
		c->memory = true;
		break;
	case MESSAGE_SET_LOG_BASE:
		c->log = true;
		break;
	case MESSAGE_SET_INFLIGHT_FD:
		c->inflight_queues = m->inflight.queues;
		c->inflight_size = m->inflight.queue_size;
		c->inflight_packed = control_packed(c);
		break;
	case MESSAGE_SET_VRING_ADDR:
		c->log_at[m->addr.index].given = m->addr.flags & BIT(VHOST_VRING_F_LOG);
		c->log_at[m->addr.index].addr = m->addr.log_guest_addr;
		break;
	case MESSAGE_SET_VRING_ENABLE:
		if (m->state.num)
			c->reset[m->state.index] = false;
		break;
	default:
		break;
	}
}

/* Whether @m, which was admitted, is a front end's MTU that is too much for @p. */
static bool mtu_exceeds(const struct port *p, const struct message *m)
{
	return m->request == MESSAGE_NET_SET_MTU && p->mtu && m->number > p->mtu;
}

/* A guest that cannot announce itself came here. */
static void front_end_announce(struct port *p, const struct message *m)
{
	u64 number = m->number;
	u8 mac[8];

	memcpy(mac, &number, sizeof(mac));
	announce_post(p, mac);
	lcores_wake();
}

#define REFUSALS_SAID 5u /* of a connection */

static enum rte_vhost_msg_result before_message(int vid, void *msg)
{
	enum rte_vhost_msg_result ret = RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	struct port *p = port_enter(vid);
	struct message *m = msg;
	struct control *c;
	const char *why;
	u64 offered = PROTOCOL_FEATURES;

	if (p) {
		c = p->control;
		handler_holes = hole_count_here();
		if (!c->tracked)
			offered &= ~BIT(PROTOCOL_INFLIGHT_SHMFD);
		/* After a refusal nothing starts the session again: it goes on. */
		if (!message_admit(m, offered, control_packed(c), &why)) {
			if (c->refused++ < REFUSALS_SAID)
				say(WARNING, "%s: refused message %u of the front end: %s\n",
				    p->name, m->request, why);
			ret = RTE_VHOST_MSG_RESULT_ERR;
		} else if (mtu_exceeds(p, m)) {
			say(WARNING, "%s: the front end's MTU of %llu is refused, the port's is %u\n",
			    p->name, (unsigned long long)m->number, p->mtu);
			ret = RTE_VHOST_MSG_RESULT_ERR;
		} else {
			if (m->request == MESSAGE_SEND_RARP)
				front_end_announce(p, m);
			/* A driver that asks for the status now and then loses no frame by it. */
			if (!message_asks(m))
				session_stop(p);
			ret = control_before(p, m);
		}
	}
	port_leave();
	return ret;
}

#define LOOK_BYTES (1u << 20)

/*
 * Whether there are only zeroes where the front end's memory begins. A guest that boots
 * has written there, if not the firmware before it; unless each page that it writes to
 * becomes a private copy, as with QEMU's share=off. Then all looks well, and no frame
 * ever comes.
 */
static bool memory_blank(int vid)
{
	const struct rte_vhost_mem_region *first = NULL;
	struct rte_vhost_memory *mem = NULL;
	u64 sum = 0, at;
	u32 i;

	if (rte_vhost_get_mem_table(vid, &mem) || !mem)
		return false;
	for (i = 0; i < mem->nregions; i++)
		if (!first || mem->regions[i].guest_phys_addr < first->guest_phys_addr)
			first = &mem->regions[i];
	for (at = 0; first && !sum && at + 8 <= min(first->size, (u64)LOOK_BYTES); at += 8)
		sum |= READ_ONCE(*(u64 *)(uintptr_t)(first->host_user_addr + at));
	free(mem);
	return first && !sum;
}

/* Says so, once a connection. */
static void memory_look(const struct port *p, const struct message *m)
{
	struct control *c = p->control;

	if (m->request != MESSAGE_SET_MEM_TABLE || !c->memory || c->blank || !memory_blank(c->vid))
		return;
	c->blank = true;
	say(WARNING, "%s: there is nothing in the front end's memory as we see it; if no frame comes, it is private: let QEMU have memory-backend-memfd,share=on\n",
	    p->name);
}

static enum rte_vhost_msg_result after_message(int vid, void *msg)
{
	struct port *p = port_enter(vid);

	if (p) {
		control_after(p->control, msg);
		memory_look(p, msg);
		/* The library, or this, stumbled over this one's memory. */
		if (handler_holes != hole_count_here())
			p->control->torn = true;
		session_start(p);
	}
	port_leave();
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static const struct rte_vhost_user_extern_ops message_ops = {
	.pre_msg_handle = before_message,
	.post_msg_handle = after_message,
};

#define PATIENCE_MS 300

/*
 * The library reads the rest of a message and writes answers with no limit of time,
 * from the thread that serves all ports. It does not tell which socket is a
 * connection's; so that is looked for, by its address.
 */
static void connection_hurry(const struct port *p)
{
	static const struct timeval limit = { .tv_usec = PATIENCE_MS * 1000 };
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		struct sockaddr_un addr = {};
		socklen_t len = sizeof(addr);
		int fd = atoi(entry->d_name);

		if (p->client ? getpeername(fd, (struct sockaddr *)&addr, &len) :
				getsockname(fd, (struct sockaddr *)&addr, &len))
			continue;
		if (addr.sun_family != AF_UNIX || strcmp(addr.sun_path, p->name))
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	}
	if (dir)
		closedir(dir);
}

static int new_connection(int vid)
{
	struct port *p;
	int ret = -1;

	pthread_mutex_lock(&lock);
	p = port_of(vid);
	if (!p) {
		say(ERR, "a front end connected to a port that is not there\n");
	} else if (p->control->vid >= 0) {
		say(WARNING, "%s: refused a second front end while one is connected\n", p->name);
	} else {
		memset(p->control, 0, sizeof(*p->control));
		p->control->vid = vid;
		connection_hurry(p);
		ret = rte_vhost_extern_callback_register(vid, &message_ops, NULL);
		if (ret)
			p->control->vid = -1;
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

static void destroy_connection(int vid)
{
	struct port *p = port_enter(vid);

	if (p) {
		session_stop(p);
		p->control->running = false;
		p->control->vid = -1;
	}
	port_leave();
}

static int new_device(int vid)
{
	struct port *p = port_enter(vid);
	int ret = -1;

	if (p) {
		p->control->running = true;
		session_start(p);
		say(INFO, "%s: front end ready\n", p->name);
		ret = 0;
	}
	port_leave();
	return ret;
}

static void destroy_device(int vid)
{
	struct port *p = port_enter(vid);

	if (p) {
		session_stop(p);
		p->control->running = false;
		fdb_forget(p->index);
		say(INFO, "%s: front end gone\n", p->name);
	}
	port_leave();
}

static int vring_state_changed(int vid, uint16_t queue, int enable)
{
	struct port *p = port_enter(vid);

	if (p && queue < 2 * SESSION_PAIRS) {
		session_stop(p);
		p->control->ready[queue] = enable;
		session_start(p);
	}
	port_leave();
	return 0;
}

static const struct rte_vhost_device_ops device_ops = {
	.new_device = new_device,
	.destroy_device = destroy_device,
	.vring_state_changed = vring_state_changed,
	.new_connection = new_connection,
	.destroy_connection = destroy_connection,
};

/* --- sockets ---------------------------------------------------------------- */

static u64 session_features(void)
{
	const struct session_config *c = &session_config;
	u64 features = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ANY_LAYOUT) | BIT(VIRTIO_NET_F_MQ) |
		       BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_STATUS) |
		       BIT(VIRTIO_NET_F_MTU) | BIT(VIRTIO_NET_F_GUEST_ANNOUNCE) |
		       BIT(VHOST_F_LOG_ALL) | BIT(VHOST_USER_F_PROTOCOL_FEATURES);

	if (c->mergeable)
		features |= BIT(VIRTIO_NET_F_MRG_RXBUF);
	if (c->indirect)
		features |= BIT(VIRTIO_RING_F_INDIRECT_DESC);
	if (c->event_idx)
		features |= BIT(VIRTIO_RING_F_EVENT_IDX);
	if (c->offloads)
		features |= BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |
			    BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |
			    BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_GUEST_TSO4) |
			    BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) |
			    BIT(VIRTIO_NET_F_HOST_UFO) | BIT(VIRTIO_NET_F_GUEST_UFO);
	if (c->packed)
		features |= BIT(VIRTIO_F_RING_PACKED);
	if (c->in_order)
		features |= BIT(VIRTIO_F_IN_ORDER);
	return features;
}

int session_listen(struct port *p, char *why, size_t size)
{
	u64 features = session_features(), offered;
	struct control *control;
	int err;

	if (!p->client) {
		err = socket_path_clear(p->name, why, size);
		if (err)
			return err;
	}
	control = calloc(1, sizeof(*control));
	if (!control) {
		snprintf(why, size, "%s: no memory", p->name);
		return -ENOMEM;
	}
	control->vid = -1;
	pthread_mutex_lock(&lock);
	p->control = control;
	if (!calls.list[0])
		calls_init(&calls);
	pthread_mutex_unlock(&lock);
	/*
	 * Features are taken away rather than set: who sets them is no network
	 * device to the library, which then waits for all queues of a front end
	 * although drivers may enable fewer.
	 */
	if (rte_vhost_driver_register(p->name, p->client ? RTE_VHOST_USER_CLIENT : 0) ||
	    rte_vhost_driver_get_features(p->name, &offered) ||
	    rte_vhost_driver_disable_features(p->name, offered & ~features) ||
	    rte_vhost_driver_set_protocol_features(p->name, PROTOCOL_FEATURES) ||
	    rte_vhost_driver_callback_register(p->name, &device_ops) ||
	    rte_vhost_driver_start(p->name)) {
		snprintf(why, size,
			 "%s: cannot make the socket; the directory must exist and be writable",
			 p->name);
		session_unlisten(p);
		return -EIO;
	}
	if (!p->client)
		fdset_wake(p->name);
	return 0;
}

void session_unlisten(struct port *p)
{
	if (!p->control)
		return;
	rte_vhost_driver_unregister(p->name);
	pthread_mutex_lock(&lock);
	session_stop(p);
	free(p->control);
	p->control = NULL;
	pthread_mutex_unlock(&lock);
}

void session_info(struct port *p, struct port_info *info)
{
	const struct session *s;

	memset(info, 0, sizeof(*info));
	pthread_mutex_lock(&lock);
	s = p->session;
	info->connected = p->control && p->control->vid >= 0;
	if (s) {
		info->features = s->features;
		info->packed = s->features & BIT(VIRTIO_F_RING_PACKED);
		info->queues = max(s->ntx, s->nrx);
	}
	pthread_mutex_unlock(&lock);
}
