// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/session.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <rte_log.h>
#include <rte_vhost.h>

#include "dpdk-backend/announce.h"
#include "dpdk-backend/fdb.h"

#define BIT(n) (1ull << (n))
#define say(level, ...) rte_log(RTE_LOG_##level, RTE_LOGTYPE_USER1, "viola-dpdk: " __VA_ARGS__)

struct session_config session_config = {
	.mergeable = true,
	.indirect = true,
	.event_idx = true,
	.offloads = true,
};

/* A port's side of the library; under the lock below. */
struct control {
	int vid; /* the connection's, or -1 */
	bool running; /* between new_device and destroy_device */
	bool ready[2 * SESSION_PAIRS];
};

/* The library calls from its event thread and, for clients, from another. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct port *port_of(int vid)
{
	char path[PATH_MAX];
	unsigned int i;

	if (rte_vhost_get_ifname(vid, path, sizeof(path)))
		return NULL;
	for (i = 0; i < port_count; i++)
		if (ports[i].control && !strcmp(ports[i].name, path))
			return &ports[i];
	return NULL;
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

/* Whether the @len bytes at @at lie in one extent: where the library says a ring is. */
static bool session_holds(const struct session *s, const void *at, u64 len)
{
	u32 i;

	for (i = 0; i < s->mem.nr; i++)
		if (viola_within((uintptr_t)at - (uintptr_t)s->ext[i].base, len, s->ext[i].size))
			return true;
	return false;
}

/* --- queues -------------------------------------------------------------- */

static void vqueue_free(struct vqueue *q)
{
	free(q->in_flight);
	free(q->record);
	free(q);
}

/* Whether the parts of a ring, guest addresses to the library, are where they may be. */
static bool vring_valid(const struct session *s, const struct rte_vhost_vring *v, bool packed)
{
	u32 num = v->size;

	if (packed)
		return viola_packed_num_valid(num) &&
		       session_holds(s, v->desc_packed, viola_packed_desc_size(num)) &&
		       session_holds(s, v->driver_event, viola_packed_driver_size(num)) &&
		       session_holds(s, v->device_event, viola_packed_device_size(num));
	return viola_ring_num_valid(num) &&
	       session_holds(s, v->desc, viola_ring_desc_size(num)) &&
	       session_holds(s, v->avail, viola_ring_driver_size(num)) &&
	       session_holds(s, v->used, viola_ring_device_size(num));
}

/* The queue of vring @index as the library knows it, or NULL if it is not ready. */
static struct vqueue *vqueue_make(const struct session *s, u16 index)
{
	bool packed = s->features & BIT(VIRTIO_F_RING_PACKED);
	struct rte_vhost_vring v = {};
	struct viola_ring_config cfg;
	struct vqueue *q;
	u16 avail, used;

	if (rte_vhost_get_vhost_vring(s->vid, index, &v) || !vring_valid(s, &v, packed) ||
	    rte_vhost_get_vring_base(s->vid, index, &avail, &used))
		return NULL;
	q = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*q));
	if (!q)
		return NULL;
	memset(q, 0, sizeof(*q));
	q->in_flight = calloc(viola_ring_in_flight_words(v.size), sizeof(u64));
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
	};
	if (viola_ring_init(&q->ring, &cfg))
		goto free;
	rte_spinlock_init(&q->lock);
	q->index = index;
	q->callfd = v.callfd;
	viola_ring_set_base(&q->ring, avail);
	viola_ring_disable_kick(&q->ring);
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

/* Unpublishes, waits for the lcores, and tells the library the positions. */
static void session_stop(struct port *p)
{
	struct session *s = p->session;
	unsigned int i;

	if (!s)
		return;
	__atomic_store_n(&p->session, NULL, __ATOMIC_RELEASE);
	lcores_synchronize();
	for (i = 0; i < s->ntx; i++)
		vqueue_save(s, s->tx[i]);
	for (i = 0; i < s->nrx; i++)
		vqueue_save(s, s->rx[i]);
	session_free(s);
}

static void session_start(struct port *p)
{
	struct control *c = p->control;
	struct session *s;
	unsigned int i;
	int err;

	if (!c->running || p->session)
		return;
	s = calloc(1, sizeof(*s));
	if (!s)
		goto no_memory;
	s->vid = c->vid;
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
	for (i = 0; i < 2 * SESSION_PAIRS; i++) {
		struct vqueue *q;

		if (!c->ready[i])
			continue;
		q = vqueue_make(s, (u16)i);
		if (!q)
			continue;
		if (i % 2)
			s->tx[s->ntx++] = q;
		else
			s->rx[s->nrx++] = q;
		/* What a back end before us, or before a change, did not tell. */
		if (q->callfd >= 0)
			eventfd_write(q->callfd, 1);
	}
	if (s->ntx + s->nrx) {
		__atomic_store_n(&p->session, s, __ATOMIC_RELEASE);
		return;
	}
free:
	session_free(s);
	return;
no_memory:
	say(ERR, "%s: no memory for the session\n", p->name);
}

/* --- what the library calls ------------------------------------------------ */

#define MESSAGE_SEND_RARP 19u
#define MESSAGE_NET_SET_MTU 20u

/* The beginning of a message, as the library hands it over. */
struct message {
	u32 request, flags, size; /* size: bytes of payload */
	u64 number; /* where that is the payload */
} __attribute__((packed));

/* What the front end tells about the network. False if it cannot be so. */
static bool message_told(struct port *p, const struct message *m)
{
	u64 number = m->number;
	u8 mac[8];

	if (m->size != sizeof(m->number))
		return true;
	if (m->request == MESSAGE_SEND_RARP) {
		memcpy(mac, &number, sizeof(mac));
		announce_post(p, mac);
	}
	if (m->request != MESSAGE_NET_SET_MTU || !p->mtu || number <= p->mtu)
		return true;
	say(WARNING, "%s: the front end's MTU of %llu is refused, the port's is %u\n", p->name,
	    (unsigned long long)number, p->mtu);
	return false;
}

static enum rte_vhost_msg_result before_message(int vid, void *msg)
{
	enum rte_vhost_msg_result ret = RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	struct port *p = port_of(vid);

	pthread_mutex_lock(&lock);
	if (p && p->control->vid == vid) {
		/* After a refusal nothing starts the session again: it goes on. */
		if (message_told(p, msg))
			session_stop(p);
		else
			ret = RTE_VHOST_MSG_RESULT_ERR;
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

static enum rte_vhost_msg_result after_message(int vid, void *msg)
{
	struct port *p = port_of(vid);

	pthread_mutex_lock(&lock);
	if (p && p->control->vid == vid)
		session_start(p);
	pthread_mutex_unlock(&lock);
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static const struct rte_vhost_user_extern_ops message_ops = {
	.pre_msg_handle = before_message,
	.post_msg_handle = after_message,
};

static int new_connection(int vid)
{
	struct port *p = port_of(vid);
	int ret = -1;

	pthread_mutex_lock(&lock);
	if (!p) {
		say(ERR, "a front end connected to a port that is not there\n");
	} else if (p->control->vid >= 0) {
		say(WARNING, "%s: refused a second front end while one is connected\n", p->name);
	} else {
		memset(p->control, 0, sizeof(*p->control));
		p->control->vid = vid;
		ret = rte_vhost_extern_callback_register(vid, &message_ops, NULL);
		if (ret)
			p->control->vid = -1;
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

static void destroy_connection(int vid)
{
	struct port *p = port_of(vid);

	pthread_mutex_lock(&lock);
	if (p && p->control->vid == vid) {
		session_stop(p);
		p->control->running = false;
		p->control->vid = -1;
	}
	pthread_mutex_unlock(&lock);
}

static int new_device(int vid)
{
	struct port *p = port_of(vid);
	int ret = -1;

	pthread_mutex_lock(&lock);
	if (p && p->control->vid == vid) {
		p->control->running = true;
		session_start(p);
		say(INFO, "%s: front end ready\n", p->name);
		ret = 0;
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

static void destroy_device(int vid)
{
	struct port *p = port_of(vid);

	pthread_mutex_lock(&lock);
	if (p && p->control->vid == vid) {
		session_stop(p);
		p->control->running = false;
		fdb_forget(p->index);
		say(INFO, "%s: front end gone\n", p->name);
	}
	pthread_mutex_unlock(&lock);
}

static int vring_state_changed(int vid, uint16_t queue, int enable)
{
	struct port *p = port_of(vid);

	pthread_mutex_lock(&lock);
	if (p && p->control->vid == vid && queue < 2 * SESSION_PAIRS) {
		session_stop(p);
		p->control->ready[queue] = enable;
		session_start(p);
	}
	pthread_mutex_unlock(&lock);
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
		       BIT(VHOST_USER_F_PROTOCOL_FEATURES);

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

#define PROTOCOL_FEATURES                                                             \
	(BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) | \
	 BIT(VHOST_USER_PROTOCOL_F_STATUS) | BIT(VHOST_USER_PROTOCOL_F_NET_MTU) | \
	 BIT(VHOST_USER_PROTOCOL_F_RARP))

/*
 * Makes way for a socket at @path: removes one that nobody listens on, such as
 * a back end that was killed leaves behind.
 */
static int path_clear(const char *path, char *why, size_t size)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, err = 0;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		snprintf(why, size, "%s: a socket's path has at most %zu bytes; use a shorter one",
			 path, sizeof(addr.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	if (lstat(path, &st)) {
		if (errno == ENOENT)
			return 0;
		err = errno;
		snprintf(why, size, "%s: %s; name a path in a directory you may use", path,
			 strerror(err));
		return -err;
	}
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, size, "%s is there and is no socket; remove it or use another path",
			 path);
		return -EEXIST;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || !connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		err = EADDRINUSE;
	else if (errno != ECONNREFUSED)
		err = errno == EAGAIN ? EADDRINUSE : errno;
	if (fd >= 0)
		close(fd);
	if (!err && unlink(path))
		err = errno;
	if (err == EADDRINUSE)
		snprintf(why, size, "%s: another program listens there; end it or use another path",
			 path);
	else if (err)
		snprintf(why, size, "%s: cannot replace the socket left there: %s; remove it", path,
			 strerror(err));
	return -err;
}

int session_listen(struct port *p, char *why, size_t size)
{
	u64 features = session_features(), offered;
	int err;

	if (!p->client) {
		err = path_clear(p->name, why, size);
		if (err)
			return err;
	}
	p->control = calloc(1, sizeof(*p->control));
	if (!p->control) {
		snprintf(why, size, "%s: no memory", p->name);
		return -ENOMEM;
	}
	p->control->vid = -1;
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
		rte_vhost_driver_unregister(p->name);
		free(p->control);
		p->control = NULL;
		return -EIO;
	}
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
