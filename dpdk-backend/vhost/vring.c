// SPDX-License-Identifier: GPL-2.0
/*
 * Frames between lcores and the rings of a session.
 *
 * A sending queue is polled by one lcore, port_owner() of its pair. A receiving
 * queue is written by any lcore that has frames for the port and holds the queue's
 * lock. Frames of a sender that has as many queues stay apart, so that with as many
 * queues as lcores each lcore has its own; else frames are spread by flow.
 */
#include <errno.h>
#include <linux/virtio_net.h>
#include <rte_log.h>
#include <rte_prefetch.h>

#include "dpdk-backend/forward/flow.h"
#include "dpdk-backend/forward/forward.h"
#include "dpdk-backend/vhost/burst.h"
#include "dpdk-backend/vhost/call.h"
#include "dpdk-backend/vhost/kick.h"
#include "dpdk-backend/vhost/session.h"

#define HDR_MAX 12u /* struct virtio_net_hdr_mrg_rxbuf */

static void vqueue_broken(struct lcore *lc, const struct port *p, struct vqueue *q)
{
	if (q->complained)
		return;
	q->complained = true;
	port_counters(lc, p)->broken++;
	rte_log(RTE_LOG_ERR, RTE_LOGTYPE_USER1,
		"viola-dpdk: %s: queue %u is stopped, its driver is at fault: %s\n", p->name,
		q->index, viola_ring_error_name(q->ring.error));
}

/* Shows what was pushed, and interrupts, at the end of the round, if the driver wants that. */
static void vqueue_flush(struct lcore *lc, const struct port *p, const struct session *s,
			 struct vqueue *q)
{
	viola_ring_publish(&q->ring);
	vqueue_log_used(s, q);
	if (q->callfd >= 0 && viola_ring_needs_call(&q->ring))
		port_counters(lc, p)->calls += calls_add(&lc->calls, q->callfd);
}

/* --- from the driver --------------------------------------------------------- */

/* Fills in @f, whose pieces are those of a chain. False if it is no frame. */
static inline bool frame_from_chain(struct frame *f, const struct session *s,
				    const struct viola_chain *chain)
{
	u8 hdr[HDR_MAX];

	if (unlikely(chain->out_len < s->hdr_len + FRAME_MIN ||
		     chain->out_len > s->hdr_len + FRAME_MAX))
		return false;
	f->seg = chain->seg;
	f->nseg = chain->nout;
	f->len = chain->out_len;
	f->mbuf = NULL;
	if (likely(f->seg->len >= HDR_MAX))
		memcpy(hdr, f->seg->base, HDR_MAX);
	else
		viola_segs_read(f->seg, f->nseg, 0, hdr, s->hdr_len);
	frame_trim(f, s->hdr_len);
	if (likely(f->seg->len >= sizeof(f->head)))
		memcpy(f->head, f->seg->base, sizeof(f->head));
	else
		viola_segs_read(f->seg, f->nseg, 0, f->head, sizeof(f->head));
	return offload_check(f, hdr, s->features);
}

/* One burst of a queue of any buffers. Returns how many it took. */
static unsigned int vqueue_poll_any(struct lcore *lc, struct port *p, struct session *s,
				    struct vqueue *q, unsigned int pair)
{
	struct queue_counters *qc = queue_counters(lc, p, pair);
	struct viola_chain chain[FRAME_BURST];
	unsigned int i, n, frames = 0, used = 0;
	u64 bytes = 0;

	for (n = 0; n < FRAME_BURST; n++) {
		int ret;

		/* Two pieces more: what forwarding may put in front. */
		chain[n].seg = &lc->seg[used + 2];
		chain[n].seg_gpa = NULL;
		chain[n].seg_max = LCORE_SEGS - used - 2;
		ret = viola_ring_pop(&q->ring, &chain[n]);
		if (unlikely(ret == -ENOBUFS)) {
			if (n)
				break;
			/* More pieces than there is room for at all: not a frame. */
			ret = viola_ring_skip(&q->ring, &chain[n]);
		}
		if (unlikely(ret < 0))
			vqueue_broken(lc, p, q);
		if (ret <= 0)
			break;
		used += 2 + chain[n].nout;
		if (likely(chain[n].nout))
			rte_prefetch0(chain[n].seg[0].base);
		if (unlikely(used + 2 + 32 > LCORE_SEGS)) {
			n++;
			break;
		}
	}
	if (!n)
		return 0;
	for (i = 0; i < n; i++) {
		struct frame *f = &lc->frame[frames];

		if (likely(frame_from_chain(f, s, &chain[i]))) {
			bytes += f->len;
			frames++;
		} else {
			port_counters(lc, p)->rx_invalid++;
		}
	}
	qc->rx_frames += frames;
	qc->rx_bytes += bytes;
	if (frames)
		port_input(lc, p, lc->frame, frames, pair, s->ntx);
	for (i = 0; i < n; i++)
		viola_ring_push(&q->ring, chain[i].id, 0);
	vqueue_flush(lc, p, s, q);
	return n;
}

/* One burst of a queue. Returns how many buffers it took. */
static unsigned int vqueue_poll(struct lcore *lc, struct port *p, struct session *s,
				struct vqueue *q, unsigned int pair)
{
	struct queue_counters *qc = queue_counters(lc, p, pair);
	struct viola_buf buf[FRAME_BURST];
	unsigned int frames;
	int n = viola_ring_pop_burst(&q->ring, buf, FRAME_BURST, VIOLA_BURST_OUT);

	if (!n)
		return 0;
	if (unlikely(n < 0))
		return vqueue_poll_any(lc, p, s, q, pair);
	frames = burst_frames(lc, s, buf, (unsigned int)n, &qc->rx_bytes);
	qc->rx_frames += frames;
	if (unlikely(frames < (unsigned int)n))
		port_counters(lc, p)->rx_invalid += (unsigned int)n - frames;
	if (likely(frames))
		port_input(lc, p, lc->frame, frames, pair, s->ntx);
	viola_ring_push_burst(&q->ring, buf, (unsigned int)n, VIOLA_BURST_OUT);
	vqueue_flush(lc, p, s, q);
	return (unsigned int)n;
}

static unsigned int session_poll(struct lcore *lc, struct port *p)
{
	struct session *s = lc->session[p->index];
	unsigned int i, n = 0;

	if (!s || unlikely(!session_whole(s)))
		return 0;
	for (i = 0; i < s->ntx; i++) {
		unsigned int pair = s->tx[i]->index / 2;

		if (port_owner(p, pair) == lc->index)
			n += vqueue_poll(lc, p, s, s->tx[i], pair);
	}
	return n;
}

/* --- to the driver ------------------------------------------------------------ */

#define BATCH_CHAINS 128u
#define BATCH_SMALL 1600u /* bytes of a frame for which one buffer is the rule */

/* Buffers taken off a receiving ring: chain[next … n) are still unused. */
struct rx_batch {
	unsigned int next, n;
	u32 used; /* of lc->rx_seg */
	struct viola_chain chain[BATCH_CHAINS];
};

enum rx_result {
	RX_DONE,
	RX_NO_BUFFER, /* the driver has none left */
	RX_TOO_LONG, /* fits no buffer */
	RX_FULL, /* no room in the batch: give it back and start another */
	RX_BROKEN,
};

/* Takes one buffer more into @b. */
static inline enum rx_result batch_take(struct rx_batch *b, struct lcore *lc,
					const struct session *s, struct vqueue *q)
{
	struct viola_chain *chain = &b->chain[b->n];
	int ret;

	if (unlikely(b->n == BATCH_CHAINS))
		return RX_FULL;
	chain->seg = &lc->rx_seg[b->used];
	chain->seg_gpa = unlikely(s->log.base) ? &lc->rx_gpa[b->used] : NULL;
	chain->seg_max = LCORE_SEGS - b->used;
	ret = viola_ring_pop(&q->ring, chain);
	if (likely(ret > 0)) {
		/* NOLINTNEXTLINE(clang-analyzer-core*): pop wrote it */
		b->used += chain->nout + chain->nin;
		b->n++;
		if (likely(chain->nin))
			__builtin_prefetch(chain->seg[chain->nout].base, 1);
		return RX_DONE;
	}
	if (!ret)
		return RX_NO_BUFFER;
	return ret == -ENOBUFS ? RX_FULL : RX_BROKEN;
}

/* Copies @len bytes at *@at, @off bytes in, to the pieces @to; moves *@at on. */
static inline void copy_on(const struct viola_seg *to, u32 len, const struct viola_seg **at,
			   size_t *off)
{
	size_t to_off = 0;

	while (len) {
		size_t part = min(to->len - to_off, (*at)->len - *off);

		part = min(part, (size_t)len);
		/* Both may be one guest's, and overlap. */
		memmove((u8 *)to->base + to_off, (const u8 *)(*at)->base + *off, part);
		to_off += part;
		*off += part;
		len -= (u32)part;
		if (to_off == to->len) {
			to++;
			to_off = 0;
		}
		if (*off == (*at)->len) {
			(*at)++;
			*off = 0;
		}
	}
}

/* The usual case of batch_put(): one buffer, in one piece, holds all. */
static __rte_always_inline void put_whole(u8 *to, const u8 *hdr, u32 hdr_len,
					  const struct frame *f)
{
	const struct viola_seg *seg = f->seg, *end = seg + f->nseg;

	if (likely(hdr_len == HDR_MAX))
		memcpy(to, hdr, HDR_MAX);
	else
		memcpy(to, hdr, hdr_len);
	to += hdr_len;
	do {
		copy_bytes(to, seg->base, seg->len);
		to += seg->len;
	} while (unlikely(++seg != end));
}

/* @len bytes of @chain are written, and it is used. */
static __rte_always_inline void chain_push(const struct session *s, struct vqueue *q,
					   const struct viola_chain *chain, u32 len)
{
	if (unlikely(s->log.base))
		dirty_mark_segs(&s->log, chain->seg + chain->nout, chain->seg_gpa + chain->nout,
				chain->nin, len);
	viola_ring_push(&q->ring, chain->id, len);
}

/* Puts @f into the buffers of @b, taking more where they do not suffice. */
static inline enum rx_result batch_put(struct rx_batch *b, struct lcore *lc,
				       const struct session *s, struct vqueue *q, struct frame *f)
{
	u32 total = s->hdr_len + f->len, room = 0, left;
	unsigned int end = b->next, i;
	const struct viola_seg *at;
	size_t off = 0;
	u8 hdr[HDR_MAX];

	while (room < total) {
		if (end == b->n) {
			enum rx_result ret = batch_take(b, lc, s, q);

			if (unlikely(ret != RX_DONE))
				return ret;
		}
		if (!s->mergeable && b->chain[end].in_len < total)
			return RX_TOO_LONG;
		if (unlikely(b->chain[end].in_len > total - room))
			room = total;
		else
			room += b->chain[end].in_len;
		end++;
	}

	if (likely(frame_plain(f)))
		memset(hdr, 0, sizeof(hdr));
	else
		offload_header(hdr, f, s->features);
	hdr[10] = (u8)(end - b->next);
	hdr[11] = 0;
	if (likely(end - b->next == 1)) {
		const struct viola_chain *chain = &b->chain[b->next];

		if (likely(chain->seg[chain->nout].len >= total)) {
			put_whole(chain->seg[chain->nout].base, hdr, s->hdr_len, f);
			chain_push(s, q, chain, total);
			b->next = end;
			return RX_DONE;
		}
	}
	f->seg[-1] = (struct viola_seg){ hdr, s->hdr_len };
	at = &f->seg[-1];
	left = total;
	for (i = b->next; i < end; i++) {
		const struct viola_chain *chain = &b->chain[i];
		u32 part = min(chain->in_len, left);

		copy_on(chain->seg + chain->nout, part, &at, &off);
		chain_push(s, q, chain, part);
		left -= part;
	}
	b->next = end;
	return RX_DONE;
}

static void batch_begin(struct rx_batch *b, struct lcore *lc, const struct session *s,
			struct vqueue *q, unsigned int want)
{
	b->next = 0;
	b->n = 0;
	b->used = 0;
	while (want-- && batch_take(b, lc, s, q) == RX_DONE)
		;
}

static void batch_end(struct rx_batch *b, struct vqueue *q)
{
	while (b->n > b->next)
		viola_ring_unpop(&q->ring, &b->chain[--b->n]);
}

/*
 * A frame that a whole empty batch does not hold: its driver provides buffers
 * in too many pieces, or of no bytes. They are given back used and empty, lest
 * the next frame meets the same.
 */
static void batch_waste(struct rx_batch *b, struct vqueue *q)
{
	if (!b->n && viola_ring_skip(&q->ring, &b->chain[0]) > 0)
		b->n = 1;
	while (b->next < b->n)
		viola_ring_push(&q->ring, b->chain[b->next++].id, 0);
}

static void rx_count(struct lcore *lc, const struct port *p, const struct vqueue *q,
		     enum rx_result ret, u32 len)
{
	struct counters *c = port_counters(lc, p);

	switch (ret) {
	case RX_DONE:
		c->queue[q->index / 2].tx_frames++;
		c->queue[q->index / 2].tx_bytes += len;
		break;
	case RX_TOO_LONG:
	case RX_FULL:
		c->tx_too_long++;
		break;
	case RX_NO_BUFFER:
	case RX_BROKEN:
		c->tx_no_buffer++;
		break;
	}
}

/* Puts one frame as it is, beginning another batch where that is needed. */
static inline void batch_deliver(struct rx_batch *b, struct lcore *lc, struct port *p,
				 struct session *s, struct vqueue *q, struct frame *f)
{
	enum rx_result ret = batch_put(b, lc, s, q, f);

	if (unlikely(ret == RX_FULL)) {
		batch_end(b, q);
		batch_begin(b, lc, s, q, 0);
		ret = batch_put(b, lc, s, q, f);
		if (ret == RX_FULL)
			batch_waste(b, q);
	}
	if (unlikely(ret == RX_BROKEN))
		vqueue_broken(lc, p, q);
	rx_count(lc, p, q, ret, f->len);
}

/* The same for a frame whose offloads the driver did not negotiate. */
static void batch_finish(struct rx_batch *b, struct lcore *lc, struct port *p, struct session *s,
			 struct vqueue *q, struct frame *f)
{
	struct offload_work *w = port_finish(lc, p, f);
	struct frame *out;

	while (w && (out = offload_next(w)))
		batch_deliver(b, lc, p, s, q, out);
}

/*
 * The receiving queue for frames of the sender's queue @queue: the same whichever
 * lcore brings them, so that a flow keeps its order when its lcore changes.
 */
static inline struct vqueue *rx_queue(const struct session *s, unsigned int queue)
{
	return s->rx[queue % s->nrx];
}

static void vqueue_output(struct lcore *lc, struct port *p, struct session *s, struct vqueue *q,
			  struct frame **f, unsigned int n)
{
	struct queue_counters *qc = queue_counters(lc, p, q->index / 2);
	/* Free of charge where, as is the rule, no other lcore writes to the queue. */
	bool locked = lcore_count > 1;
	struct rx_batch b;
	unsigned int i, done;
	u32 longest = 0;

	if (locked)
		rte_spinlock_lock(&q->lock);
	/* Bursts mark nothing in a log. */
	done = likely(!s->log.base) ? burst_deliver(lc, s, q, f, n, &qc->tx_bytes) : 0;
	qc->tx_frames += done;
	if (likely(done == n))
		goto flush;
	for (i = done; i < n; i++)
		longest = max(longest, f[i]->len);
	batch_begin(&b, lc, s, q, longest <= BATCH_SMALL ? n - done : 0);
	for (i = done; i < n; i++) {
		if (likely(frame_plain(f[i]) || offload_accepted(f[i], s->features)))
			batch_deliver(&b, lc, p, s, q, f[i]);
		else
			batch_finish(&b, lc, p, s, q, f[i]);
	}
	batch_end(&b, q);
flush:
	vqueue_flush(lc, p, s, q);
	if (locked)
		rte_spinlock_unlock(&q->lock);
}

/* To a port with more queues than the sender: by flow, each of which keeps its order. */
static void session_spread(struct lcore *lc, struct port *p, struct session *s, struct frame **f,
			   unsigned int n)
{
	u32 left = (u32)((1ull << n) - 1);
	struct frame *list[FRAME_BURST];
	u16 to[FRAME_BURST];
	unsigned int i;

	for (i = 0; i < n; i++)
		to[i] = (u16)(flow_hash(f[i]) % s->nrx);
	while (left) {
		unsigned int first = (unsigned int)__builtin_ctz(left), count = 0;

		for (i = first; i < n; i++) {
			if (left >> i & 1 && to[i] == to[first]) {
				list[count++] = f[i];
				left &= ~(1u << i);
			}
		}
		vqueue_output(lc, p, s, s->rx[to[first]], list, count);
	}
}

_Static_assert(FRAME_BURST <= 32, "a burst is a mask");

static void session_output(struct lcore *lc, struct port *p, struct frame **f, unsigned int n,
			   unsigned int queue, bool last)
{
	struct session *s = lc->session[p->index];

	if (unlikely(!s || !s->nrx || !session_whole(s))) {
		port_counters(lc, p)->tx_down += n;
		return;
	}
	if (unlikely(s->nrx > lc->from_queues))
		session_spread(lc, p, s, f, n);
	else
		vqueue_output(lc, p, s, rx_queue(s, queue), f, n);
}

static bool session_up(const struct port *p)
{
	return session_of(p);
}

const struct port_ops session_port_ops = {
	.kind = "vhost-user",
	.poll = session_poll,
	.output = session_output,
	.up = session_up,
	.arm = kick_arm,
	.disarm = kick_disarm,
};
