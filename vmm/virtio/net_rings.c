// SPDX-License-Identifier: GPL-2.0
/*
 * The network device's queues run by this process: path `virtio`.
 *
 * One loop thread per queue pair serves three descriptors: the transmit
 * queue's kicks, the receive queue's kicks, the far end. Frames go from and
 * to guest memory directly, each with one system call of the far end; used
 * buffers become visible, and the driver is interrupted, once per batch.
 *
 * pair->lock is held by whoever touches a ring: the loop thread for a batch,
 * and whoever starts or stops a queue. After `active` went false under it
 * the ring is not touched again. Whether the loop watches the far end is
 * changed by the loop's thread alone; others set what they want and nudge it.
 *
 * Reception. How long the next frame is, nobody knows before it is read, so
 * buffers are taken from the ring ahead and kept: enough for `want` bytes,
 * followed by a spill buffer of our own for what is longer. A frame that
 * spilled is finished as the guest brings more buffers. `want` is large while
 * large frames come, so that streams do not spill and small frames do not
 * carry forty pieces along.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "vmm/error.h"
#include "vmm/virtio/net_device.h"

#define BATCH 64 /* frames per publication */
#define BUDGET 256 /* frames before the other direction has its turn */

#define SEGS 1024u /* pieces per system call (UIO_MAXIOV) */
/* Per receive buffer: a direct chain of a full ring, one extent crossing. */
#define RX_CHAIN_SEGS (NET_QUEUE_SIZE + 1u)
#define RX_SEGS (SEGS - 1) /* the last one is the spill buffer */

/* The longest frame: 64 KiB IP packet, Ethernet and VLAN, virtio header. */
#define FRAME_MAX (65536u + ETH_HLEN + 4 + NET_HDR_LEN)
#define SPILL_SIZE (68u * 1024)
#define WANT_SMALL 2048u
#define SMALL_RUN 64 /* small frames in a row that end a stream */

struct rx_held {
	u32 len; /* writable bytes */
	u16 id;
	u16 segs; /* its pieces follow those of the chain before */
};

struct ring_stats {
	u64 frames, bytes; /* passed, without virtio header */
	u64 kicks; /* wake-ups by the driver */
	u64 batches; /* publications of used buffers */
	u64 calls; /* interrupts for them */
	u64 suppressed; /* batches for which the driver wanted none */
	u64 drops; /* frames that did not fit, or that the far end refused */
	u64 waits; /* the far end was full, or the guest had no buffer */
	u64 errors; /* the driver broke the queue */
};

struct ring_side {
	struct virtio_queue queue;
	struct loop_source kick;
	bool active;
	u32 num; /* entries */
	u32 pending; /* buffers pushed and not yet published */
	struct ring_stats stats; /* written under pair->lock */
};

struct net_pair {
	struct virtio_net *net;
	unsigned int index;
	struct loop *loop;
	struct loop_source nudge; /* other threads want the loop to look */
	struct loop_source far; /* the backend's descriptor */
	uint32_t far_events; /* watched for; 0: not on the loop; loop only */

	pthread_mutex_t lock; /* guards what follows */
	bool carries; /* the driver uses this pair, the far end feeds it */
	bool far_dead;

	struct ring_side tx;
	bool tx_blocked; /* the far end is full */
	struct viola_seg tx_seg[SEGS];

	struct ring_side rx;
	bool rx_starved; /* no buffers: the kick is awaited */
	bool mergeable;
	u32 want; /* bytes of buffers to hold ahead */
	u32 small_run;
	struct rx_held held[NET_QUEUE_SIZE];
	u32 held_at, held_nr;
	u64 held_len; /* bytes */
	struct viola_seg rx_seg[SEGS];
	u32 seg_at, seg_nr; /* pieces of the held chains */
	size_t spilled; /* length of a frame that waits for buffers, or 0 */
	size_t spilled_at; /* its bytes that are in held buffers already */
	u8 *spill;
};

struct net_rings {
	struct net_plane plane;
	unsigned int nr;
	u64 features;
	struct net_pair *pair[NET_PAIRS_MAX];
};

static struct net_rings *from_plane(struct net_plane *plane)
{
	return (struct net_rings *)plane;
}

static unsigned int side_index(const struct net_pair *pair, const struct ring_side *side)
{
	return 2 * pair->index + (side == &pair->tx);
}

static void side_push(struct ring_side *side, u16 id, u32 written)
{
	viola_ring_push(&side->queue.ring, id, written);
	side->pending++;
}

/* Makes used buffers visible and interrupts the driver if it wants that. */
static void side_flush(struct net_pair *pair, struct ring_side *side)
{
	if (!side->pending)
		return;
	side->pending = 0;
	viola_ring_publish(&side->queue.ring);
	side->stats.batches++;
	if (viola_ring_needs_call(&side->queue.ring)) {
		side->stats.calls++;
		virtio_call(&pair->net->dev, side_index(pair, side));
	} else {
		side->stats.suppressed++;
	}
}

/* What the driver did ends this queue until it resets the device. */
static void side_fail(struct net_pair *pair, struct ring_side *side, const char *why)
{
	side->active = false;
	side->stats.errors++;
	virtio_complain(&pair->net->dev, "queue %u: %s", side_index(pair, side),
			viola_ring_broken(&side->queue.ring) ?
				viola_ring_error_name(side->queue.ring.error) : why);
	virtio_needs_reset(&pair->net->dev);
}

/* Looks again soon: more may be there, but others have their turn first. */
static void side_again(struct ring_side *side)
{
	eventfd_write(side->kick.fd, 1);
}

/* ------------------------------------------------------------------------
 * Transmission
 */

/* 0, or -EAGAIN: the far end is full, the chain is still ours. */
static int tx_frame(struct net_pair *pair, const struct viola_chain *chain)
{
	struct net_backend *be = pair->net->be;
	int err = -EINVAL;

	if (chain->out_len >= NET_HDR_LEN + ETH_HLEN && chain->out_len <= FRAME_MAX)
		err = be->ops->send(be, pair->index, chain->seg, chain->nout);
	/* A far end that is gone never takes it, whatever it answers. */
	if (err == -EAGAIN && !pair->far_dead)
		return err;
	if (err) {
		pair->tx.stats.drops++;
	} else {
		pair->tx.stats.frames++;
		pair->tx.stats.bytes += chain->out_len - NET_HDR_LEN;
	}
	return 0;
}

static void tx_run(struct net_pair *pair)
{
	struct ring_side *tx = &pair->tx;
	struct viola_ring *ring = &tx->queue.ring;
	struct viola_chain chain = { .seg = pair->tx_seg, .seg_max = SEGS };
	unsigned int done = 0;
	int ret;

	pair->tx_blocked = false;
	viola_ring_disable_kick(ring);
	while (done < BUDGET) {
		ret = viola_ring_pop(ring, &chain);
		if (ret == 1) {
			if (tx_frame(pair, &chain)) {
				viola_ring_unpop(ring, &chain);
				pair->tx_blocked = true;
				tx->stats.waits++;
				break;
			}
			side_push(tx, chain.id, 0);
			done++;
			if (tx->pending == BATCH)
				side_flush(pair, tx);
			continue;
		}
		side_flush(pair, tx);
		/* (C) of ring.h: what comes after this look brings a kick. */
		if (!ret)
			ret = viola_ring_enable_kick(ring);
		if (!ret)
			return;
		if (ret < 0) {
			side_fail(pair, tx, "buffer in too many pieces");
			return;
		}
		viola_ring_disable_kick(ring);
	}
	side_flush(pair, tx);
	if (!pair->tx_blocked)
		side_again(tx);
}

/* ------------------------------------------------------------------------
 * Reception
 */

static void rx_forget(struct net_pair *pair)
{
	pair->held_at = pair->held_nr = 0;
	pair->seg_at = pair->seg_nr = 0;
	pair->held_len = 0;
	pair->spilled = 0;
	pair->rx_starved = false;
	pair->want = pair->mergeable ? WANT_SMALL : 1;
	pair->small_run = 0;
}

/* Whether one more chain can be held; makes room by moving what is. */
static bool rx_room(struct net_pair *pair)
{
	if (pair->held_at + pair->held_nr == ARRAY_SIZE(pair->held)) {
		memmove(pair->held, pair->held + pair->held_at,
			pair->held_nr * sizeof(*pair->held));
		pair->held_at = 0;
	}
	if (pair->seg_at + pair->seg_nr + RX_CHAIN_SEGS > RX_SEGS) {
		memmove(pair->rx_seg, pair->rx_seg + pair->seg_at,
			pair->seg_nr * sizeof(*pair->rx_seg));
		pair->seg_at = 0;
	}
	return pair->held_nr < ARRAY_SIZE(pair->held) &&
	       pair->seg_nr + RX_CHAIN_SEGS <= RX_SEGS;
}

/*
 * Takes buffers until those held have @want bytes. 1: they have; 0: the
 * driver has no more; -ENOSPC: this is all that can be held at once;
 * -EPROTO: the driver broke the rules.
 */
static int rx_fill(struct net_pair *pair, u64 want)
{
	struct viola_ring *ring = &pair->rx.queue.ring;

	while (pair->held_len < want) {
		struct viola_chain chain = { .seg_max = RX_CHAIN_SEGS };
		int ret;

		if (pair->held_nr == pair->rx.num || !rx_room(pair))
			return -ENOSPC;
		chain.seg = pair->rx_seg + pair->seg_at + pair->seg_nr;
		ret = viola_ring_pop(ring, &chain);
		/* There is room for all that a driver may put into one chain. */
		if (ret == -ENOBUFS)
			return -EPROTO;
		if (ret <= 0)
			return ret;
		if (chain.nout || !chain.in_len)
			return -EPROTO;
		pair->held[pair->held_at + pair->held_nr++] = (struct rx_held){
			.len = chain.in_len, .id = chain.id, .segs = (u16)chain.nin,
		};
		pair->seg_nr += chain.nin;
		pair->held_len += chain.in_len;
	}
	return 1;
}

static void rx_use(struct net_pair *pair, u32 written)
{
	const struct rx_held *held = &pair->held[pair->held_at];

	side_push(&pair->rx, held->id, written);
	pair->held_len -= held->len;
	pair->seg_at += held->segs;
	pair->seg_nr -= held->segs;
	pair->held_at++;
	pair->held_nr--;
	if (!pair->held_nr)
		pair->held_at = pair->seg_at = 0;
}

/* Hands the first @len bytes of the held buffers, all there, to the driver. */
static void rx_deliver(struct net_pair *pair, size_t len)
{
	u32 at = pair->held_at, nr = 1;
	size_t sum = pair->held[at].len;
	__le16 buffers;

	while (sum < len)
		sum += pair->held[at + nr++].len;
	/* Written while the buffers are ours; 1 without MRG_RXBUF (5.1.6.4). */
	buffers = cpu_to_le16((u16)nr);
	viola_segs_write(pair->rx_seg + pair->seg_at, pair->seg_nr,
			 offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers), &buffers,
			 sizeof(buffers));
	pair->rx.stats.frames++;
	pair->rx.stats.bytes += len - NET_HDR_LEN;
	while (nr--) {
		u32 part = (u32)min(len, (size_t)pair->held[pair->held_at].len);

		rx_use(pair, part);
		len -= part;
	}
}

static void rx_adapt(struct net_pair *pair, size_t len)
{
	if (!pair->mergeable)
		return;
	if (len > WANT_SMALL) {
		pair->small_run = 0;
		if (len > pair->held_len)
			pair->want = FRAME_MAX;
	} else if (pair->want > WANT_SMALL && ++pair->small_run == SMALL_RUN) {
		pair->want = WANT_SMALL;
		pair->small_run = 0;
	}
}

/*
 * Finishes a frame that was longer than the buffers held. As rx_fill(), and 1
 * too if the frame had to be dropped.
 */
static int rx_unspill(struct net_pair *pair)
{
	int ret = rx_fill(pair, pair->spilled);

	if (ret == -ENOSPC) {
		/* All buffers there can be do not hold it. */
		pair->rx.stats.drops++;
		pair->spilled = 0;
		return 1;
	}
	if (ret <= 0)
		return ret;
	viola_segs_write(pair->rx_seg + pair->seg_at, pair->seg_nr, pair->spilled_at, pair->spill,
			 pair->spilled - pair->spilled_at);
	rx_deliver(pair, pair->spilled);
	pair->spilled = 0;
	return 1;
}

/* One frame came, @len bytes into the held buffers and the spill buffer. */
static void rx_frame(struct net_pair *pair, size_t len)
{
	const size_t room = pair->mergeable ? pair->held_len : pair->held[pair->held_at].len;
	const bool whole = len >= NET_HDR_LEN + ETH_HLEN && len < pair->held_len + SPILL_SIZE;

	rx_adapt(pair, len);
	if (whole && len <= room) {
		rx_deliver(pair, len);
	} else if (whole && pair->mergeable) {
		pair->spilled = len;
		pair->spilled_at = (size_t)pair->held_len;
	} else {
		pair->rx.stats.drops++;
	}
}

/* Takes one frame. Bytes, -EAGAIN, or another -errno: that frame is lost. */
static ssize_t rx_take(struct net_pair *pair)
{
	struct net_backend *be = pair->net->be;
	struct viola_seg *seg = pair->rx_seg + pair->seg_at;
	u32 nr = pair->seg_nr;

	/* Room for it is left behind the last chain, see RX_SEGS. */
	seg[nr++] = (struct viola_seg){ pair->spill, SPILL_SIZE };
	return be->ops->recv(be, pair->index, seg, nr);
}

/* False: the far end is gone. */
static bool rx_run(struct net_pair *pair)
{
	struct ring_side *rx = &pair->rx;
	struct viola_ring *ring = &rx->queue.ring;
	unsigned int done;
	bool alive = true, asked = false;
	int ret = 0;

	for (done = 0; done < BUDGET; done++) {
		ssize_t len;

		ret = pair->spilled ? rx_unspill(pair) : rx_fill(pair, pair->want);
		if (ret == -EPROTO)
			break;
		if (pair->spilled || !pair->held_nr) {
			/* (C) of ring.h, and what is used must be seen first. */
			side_flush(pair, rx);
			ret = viola_ring_enable_kick(ring);
			if (ret < 0)
				break;
			if (ret)
				continue;
			pair->rx_starved = true;
			rx->stats.waits++;
			break;
		}
		len = rx_take(pair);
		if (len == -EAGAIN || len == -EINTR)
			break;
		if (len < 0) {
			/* About this frame only, or about all: asking costs, so once. */
			alive = asked || !net_backend_gone(pair->net->be);
			if (!alive)
				break;
			asked = true;
			rx->stats.drops++;
			continue;
		}
		rx_frame(pair, (size_t)len);
		if (rx->pending >= BATCH)
			side_flush(pair, rx);
	}
	side_flush(pair, rx);
	if (ret == -EPROTO)
		side_fail(pair, rx, "buffer that cannot be received into");
	/* The far end's descriptor is still readable: we are back soon. */
	return alive;
}

/* ------------------------------------------------------------------------
 * What the loop watches; its thread only
 */

/* Brings the loop in line with what is wanted; with pair->lock held. */
static void far_watch(struct net_pair *pair)
{
	uint32_t want = 0;

	if (pair->carries && !pair->far_dead) {
		if (pair->rx.active && !pair->rx_starved)
			want |= EPOLLIN;
		if (pair->tx.active && pair->tx_blocked)
			want |= EPOLLOUT;
	}
	if (want == pair->far_events)
		return;
	if (!want)
		loop_remove(pair->loop, &pair->far);
	else if (pair->far_events)
		loop_modify(pair->loop, &pair->far, want);
	else if (loop_add(pair->loop, &pair->far, want))
		return;
	pair->far_events = want;
}

/* What may have something to do, and why. */
#define RUN_TX 1
#define RUN_RX 2
#define TX_KICKED 4
#define RX_KICKED 8
#define FAR_TAKES 16 /* the far end can take frames again, or never will */

static void pair_run(struct net_pair *pair, unsigned int what)
{
	bool lost = false;

	pthread_mutex_lock(&pair->lock);
	if (what & TX_KICKED)
		pair->tx.stats.kicks++;
	if (what & FAR_TAKES)
		pair->tx_blocked = false;
	if (what & RX_KICKED) {
		pair->rx.stats.kicks++;
		/* Unless buffers were missing, the far end says when to run. */
		if (pair->rx_starved)
			what |= RUN_RX;
		if (pair->rx_starved && pair->rx.active)
			viola_ring_disable_kick(&pair->rx.queue.ring);
		pair->rx_starved = false;
	}
	if (what & RUN_TX && pair->tx.active)
		tx_run(pair);
	if (what & RUN_RX && pair->rx.active && pair->carries && !pair->far_dead && !rx_run(pair)) {
		lost = pair->far_dead = true;
		/* Nothing is watched any more that would say when to send again. */
		if (pair->tx_blocked && pair->tx.active)
			tx_run(pair);
	}
	far_watch(pair);
	pthread_mutex_unlock(&pair->lock);
	if (lost)
		virtio_net_link_lost(pair->net);
}

static void tx_kicked(struct loop_source *source, uint32_t events)
{
	eventfd_t count;

	eventfd_read(source->fd, &count);
	pair_run(source->opaque, TX_KICKED | RUN_TX);
}

static void rx_kicked(struct loop_source *source, uint32_t events)
{
	eventfd_t count;

	eventfd_read(source->fd, &count);
	pair_run(source->opaque, RX_KICKED);
}

static void far_ready(struct loop_source *source, uint32_t events)
{
	unsigned int what = 0;

	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		what |= FAR_TAKES | RUN_TX;
	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		what |= RUN_RX;
	pair_run(source->opaque, what);
}

/* A queue was started, stopped, or the pairs in use have changed. */
static void nudged(struct loop_source *source, uint32_t events)
{
	eventfd_t count;

	eventfd_read(source->fd, &count);
	pair_run(source->opaque, RUN_TX | RUN_RX);
}

/* ------------------------------------------------------------------------
 * Plane operations
 */

static int rings_set_features(struct net_plane *plane, u64 features)
{
	from_plane(plane)->features = features;
	return 0;
}

static int rings_activate(struct net_plane *plane, unsigned int index,
			  const struct virtio_vring *vring)
{
	struct net_rings *rings = from_plane(plane);
	struct net_pair *pair = rings->pair[index / 2];
	struct ring_side *side = index % 2 ? &pair->tx : &pair->rx;
	int err;

	side->kick.fd = virtio_kick_fd(&pair->net->dev, index);
	side->kick.ready = index % 2 ? tx_kicked : rx_kicked;
	side->kick.opaque = pair;
	err = loop_add(pair->loop, &side->kick, EPOLLIN);
	if (err)
		return err;
	pthread_mutex_lock(&pair->lock);
	err = virtio_queue_init(&side->queue, &pair->net->dev.memory->map, vring, rings->features);
	if (!err) {
		if (side == &pair->rx) {
			pair->mergeable = rings->features >> VIRTIO_NET_F_MRG_RXBUF & 1;
			rx_forget(pair);
			/* Its kicks matter when buffers are missing only. */
			viola_ring_disable_kick(&side->queue.ring);
		} else {
			pair->tx_blocked = false;
		}
		side->num = vring->num;
		side->pending = 0;
		side->active = true;
	}
	pthread_mutex_unlock(&pair->lock);
	if (err)
		loop_remove(pair->loop, &side->kick);
	else
		eventfd_write(pair->nudge.fd, 1);
	return err;
}

static void rings_deactivate(struct net_plane *plane, unsigned int index)
{
	struct net_pair *pair = from_plane(plane)->pair[index / 2];
	struct ring_side *side = index % 2 ? &pair->tx : &pair->rx;

	/*
	 * Under the lock no batch runs, and none will. Buffers held back are
	 * just forgotten: the driver takes all of them back with the queue.
	 */
	pthread_mutex_lock(&pair->lock);
	side->active = false;
	if (side == &pair->tx)
		pair->tx_blocked = false;
	else
		rx_forget(pair);
	pthread_mutex_unlock(&pair->lock);
	/* Its kick may mean something else next time: the control queue. */
	loop_remove(pair->loop, &side->kick);
	eventfd_write(pair->nudge.fd, 1);
}

static void rings_calls_changed(struct net_plane *plane)
{
	struct net_rings *rings = from_plane(plane);
	unsigned int i;

	for (i = 0; i < rings->nr; i++) {
		struct net_pair *pair = rings->pair[i];

		pthread_mutex_lock(&pair->lock);
		if (pair->rx.active)
			virtio_call(&pair->net->dev, side_index(pair, &pair->rx));
		if (pair->tx.active)
			virtio_call(&pair->net->dev, side_index(pair, &pair->tx));
		pthread_mutex_unlock(&pair->lock);
	}
}

static void rings_set_pairs(struct net_plane *plane, unsigned int nr)
{
	struct net_rings *rings = from_plane(plane);
	unsigned int i;

	for (i = 0; i < rings->nr; i++) {
		struct net_pair *pair = rings->pair[i];
		bool carries = i < nr, was;

		pthread_mutex_lock(&pair->lock);
		was = pair->carries;
		pair->carries = carries;
		pthread_mutex_unlock(&pair->lock);
		if (was != carries)
			eventfd_write(pair->nudge.fd, 1);
	}
}

static void rings_far_lost(struct net_plane *plane)
{
	struct net_rings *rings = from_plane(plane);
	unsigned int i;

	for (i = 0; i < rings->nr; i++) {
		struct net_pair *pair = rings->pair[i];

		pthread_mutex_lock(&pair->lock);
		pair->far_dead = true;
		pthread_mutex_unlock(&pair->lock);
		/* It stops watching, and takes back what waited to be sent. */
		eventfd_write(pair->nudge.fd, 1);
	}
}

static void rings_quiesce(struct net_plane *plane)
{
	struct net_rings *rings = from_plane(plane);
	unsigned int i;

	for (i = 0; i < rings->nr; i++)
		loop_pause(rings->pair[i]->loop);
}

static int rings_resume(struct net_plane *plane)
{
	struct net_rings *rings = from_plane(plane);
	unsigned int i;

	for (i = 0; i < rings->nr; i++)
		loop_resume(rings->pair[i]->loop);
	return 0;
}

static void side_stats(const struct ring_stats *stats, FILE *out)
{
	static const struct {
		const char *name;
		size_t off;
	} field[] = {
		{ "frames", offsetof(struct ring_stats, frames) },
		{ "bytes", offsetof(struct ring_stats, bytes) },
		{ "kicks", offsetof(struct ring_stats, kicks) },
		{ "batches", offsetof(struct ring_stats, batches) },
		{ "calls", offsetof(struct ring_stats, calls) },
		{ "suppressed", offsetof(struct ring_stats, suppressed) },
		{ "drops", offsetof(struct ring_stats, drops) },
		{ "waits", offsetof(struct ring_stats, waits) },
		{ "errors", offsetof(struct ring_stats, errors) },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(field); i++)
		fprintf(out, "%s\"%s\": %llu", i ? ", " : "{", field[i].name,
			(unsigned long long)*(const u64 *)((const char *)stats + field[i].off));
	fputc('}', out);
}

static void rings_stats(struct net_plane *plane, FILE *out)
{
	struct net_rings *rings = from_plane(plane);
	unsigned int i;

	fputs("\"plane\": \"rings\", \"queues\": [", out);
	for (i = 0; i < rings->nr; i++) {
		struct net_pair *pair = rings->pair[i];
		struct ring_stats rx, tx;

		pthread_mutex_lock(&pair->lock);
		rx = pair->rx.stats;
		tx = pair->tx.stats;
		pthread_mutex_unlock(&pair->lock);
		fputs(i ? ", " : "", out);
		side_stats(&rx, out);
		fputs(", ", out);
		side_stats(&tx, out);
	}
	fputc(']', out);
}

static void pair_destroy(struct net_pair *pair)
{
	if (pair->loop)
		loop_destroy(pair->loop);
	if (pair->nudge.fd >= 0)
		close(pair->nudge.fd);
	virtio_queue_free(&pair->rx.queue);
	virtio_queue_free(&pair->tx.queue);
	pthread_mutex_destroy(&pair->lock);
	free(pair->spill);
	free(pair);
}

static void rings_destroy(struct net_plane *plane)
{
	struct net_rings *rings = from_plane(plane);

	while (rings->nr)
		pair_destroy(rings->pair[--rings->nr]);
	free(rings);
}

static const struct net_plane_ops rings_ops = {
	.set_features = rings_set_features,
	.activate = rings_activate,
	.deactivate = rings_deactivate,
	.calls_changed = rings_calls_changed,
	.set_pairs = rings_set_pairs,
	.far_lost = rings_far_lost,
	.quiesce = rings_quiesce,
	.resume = rings_resume,
	.stats = rings_stats,
	.destroy = rings_destroy,
};

static int pair_create(struct net_pair **made, struct virtio_net *net, unsigned int index)
{
	struct net_pair *pair = calloc(1, sizeof(*pair));
	char name[16];
	int err;

	if (!pair)
		return vmm_fail(ENOMEM, "%s: out of memory", net->name);
	pair->net = net;
	pair->index = index;
	pthread_mutex_init(&pair->lock, NULL);
	pair->nudge.fd = -1;
	pair->spill = malloc(SPILL_SIZE);
	err = pair->spill ? 0 : vmm_fail(ENOMEM, "%s: out of memory", net->name);
	if (!err)
		err = virtio_queue_alloc(&pair->rx.queue, NET_QUEUE_SIZE);
	if (!err)
		err = virtio_queue_alloc(&pair->tx.queue, NET_QUEUE_SIZE);
	if (err)
		goto fail;
	pair->nudge.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (pair->nudge.fd < 0) {
		err = vmm_fail(errno, "%s: cannot create an eventfd: %m", net->name);
		goto fail;
	}
	pair->nudge.ready = nudged;
	pair->nudge.opaque = pair;
	pair->far.fd = net->be->ops->fd(net->be, index);
	pair->far.ready = far_ready;
	pair->far.opaque = pair;
	snprintf(name, sizeof(name), "%.8s-q%u", net->name, index & 0xff);
	err = loop_create(&pair->loop, name);
	if (!err)
		err = loop_add(pair->loop, &pair->nudge, EPOLLIN);
	if (err)
		goto fail;
	*made = pair;
	return 0;

fail:
	pair_destroy(pair);
	return err;
}

int net_rings_create(struct virtio_net *net)
{
	struct net_rings *rings = calloc(1, sizeof(*rings));
	int err;

	if (!rings)
		return vmm_fail(ENOMEM, "%s: out of memory", net->name);
	rings->plane.ops = &rings_ops;
	rings->plane.features = ~0ull;
	net->plane = &rings->plane;
	for (; rings->nr < net->pairs; rings->nr++) {
		err = pair_create(&rings->pair[rings->nr], net, rings->nr);
		if (err)
			return err; /* the device destroys its plane */
	}
	return 0;
}
