// SPDX-License-Identifier: GPL-2.0
/*
 * From the backend to the guest. tun and tap give their frames by pointer, up
 * to VIOLA_NET_BATCH at a time; each is copied by the backend straight into
 * the guest's buffers. With mergeable buffers a frame takes as many as it
 * needs.
 */
#include <linux/if_tun.h>
#include <linux/if_vlan.h>
#include <linux/ptr_ring.h>
#include <linux/skb_array.h>
#include <linux/uio.h>
#include <net/sock.h>

#include "log.h"
#include "net.h"
#include "trace.h"

static inline struct viola_net_rx *to_rx(struct viola_queue *q)
{
	return container_of(q, struct viola_net_rx, nq.q);
}

/* Bytes of the next frame, 0 if there is none. */
static u32 rx_peek(struct viola_net_rx *rx)
{
	const struct viola_backend *b = &rx->nq.backend;
	unsigned long flags;
	struct sk_buff *skb;
	struct sock *sk;
	u32 len = 0;
	void *next;

	if (likely(b->ring)) {
		if (rx->held_at == rx->held_nr) {
			rx->held_at = 0;
			rx->held_nr = ptr_ring_consume_batched(b->ring, rx->held, VIOLA_NET_BATCH);
			if (!rx->held_nr)
				return 0;
			trace_viola_rx_batch(&rx->nq.q, rx->held_nr);
			if (rx->held_nr > 1) {
				viola_count(&rx->nq.q, batches, 1);
				viola_count(&rx->nq.q, batched, rx->held_nr);
			}
		}
		next = rx->held[rx->held_at];
		return tun_is_xdp_frame(next) ? tun_ptr_to_xdp(next)->len :
						__skb_array_len_with_tag(next);
	}
	sk = b->sock->sk;
	spin_lock_irqsave(&sk->sk_receive_queue.lock, flags);
	skb = skb_peek(&sk->sk_receive_queue);
	if (skb) {
		len = skb->len;
		if (skb_vlan_tag_present(skb))
			len += VLAN_HLEN;
	}
	spin_unlock_irqrestore(&sk->sk_receive_queue.lock, flags);
	return len;
}

/* Takes the next frame away without a buffer. */
static void rx_drop(struct viola_net_rx *rx)
{
	struct socket *sock = rx->nq.backend.sock;
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };
	struct kvec nowhere = {};

	viola_count(&rx->nq.q, drops_size, 1);
	if (rx->nq.backend.ring) {
		tun_ptr_free(rx->held[rx->held_at++]);
		return;
	}
	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &nowhere, 1, 0);
	sock->ops->recvmsg(sock, &msg, 0, MSG_DONTWAIT | MSG_TRUNC);
}

static void rx_unpop(struct viola_net_rx *rx, u32 nr)
{
	struct viola_chain chain = { .slots = 1 };

	while (nr--) {
		chain.id = rx->buffer[nr].id;
		viola_ring_unpop(&rx->nq.q.ring, &chain);
	}
}

/*
 * Takes buffers for @len bytes, their pieces into q->seg. Returns how many
 * buffers, into rx->buffer with the bytes each is to hold; 0: the guest has not
 * offered enough; -ENOSPC: no number of buffers will do; -ENOBUFS: the first
 * buffer has more pieces than q->seg has room for; -EPROTO.
 */
static int rx_buffers(struct viola_net_rx *rx, u32 len, u32 *segs)
{
	struct viola_queue *q = &rx->nq.q;
	u32 most = viola_has_feature(q->dev, VIRTIO_NET_F_MRG_RXBUF) ? VIOLA_SEGS : 1;
	struct viola_chain chain;
	u32 nr = 0, used = 0;
	int ret;

	do {
		chain.seg = q->seg + used;
		chain.seg_gpa = q->dev->log ? q->seg_gpa + used : NULL;
		chain.seg_max = VIOLA_SEGS - used;
		ret = viola_ring_pop(&q->ring, &chain);
		if (unlikely(ret <= 0)) {
			/* All that the ring can hold is not enough, or too scattered? */
			if (nr && (ret == -ENOBUFS || (!ret && nr == q->num)))
				ret = -ENOSPC;
			rx_unpop(rx, nr);
			return ret;
		}
		rx->buffer[nr].id = chain.id;
		rx->buffer[nr].len = min(chain.in_len, len);
		nr++;
		if (unlikely(chain.nout || !chain.in_len)) {
			rx_unpop(rx, nr);
			viola_queue_break(q, chain.nout ? "buffer for frames is not writable" :
							  "buffer for frames is empty");
			return -EPROTO;
		}
		used += chain.nin;
		len -= min(chain.in_len, len);
	} while (unlikely(len && nr < most && used < VIOLA_SEGS));
	if (unlikely(len)) {
		rx_unpop(rx, nr);
		return -ENOSPC;
	}
	*segs = used;
	return nr;
}

/*
 * Gives the next buffer back with nothing in it, as it will never do. 1, with
 * it pushed, or -EPROTO.
 */
static int rx_skip(struct viola_queue *q)
{
	struct viola_chain chain;
	int ret = viola_ring_skip(&q->ring, &chain);

	if (ret == 1)
		viola_ring_push(&q->ring, chain.id, 0);
	return ret;
}

/* Marks the first @len bytes of the frame's pieces as written. */
static void rx_log(struct viola_queue *q, u32 len)
{
	u32 i, part;

	for (i = 0; len; i++) {
		part = min_t(size_t, q->seg[i].len, len);
		viola_log_mark(q->dev->log, q->seg_gpa[i], part);
		len -= part;
	}
}

static void rx_publish(struct viola_queue *q, u32 *pushed)
{
	if (*pushed)
		viola_queue_publish(q, *pushed);
	*pushed = 0;
}

/* True if the next frame, of @len bytes behind the backend's header, came into @segs pieces. */
static bool rx_receive(struct viola_net_rx *rx, u32 len, u32 segs, u32 buffers)
{
	struct viola_queue *q = &rx->nq.q;
	struct socket *sock = rx->nq.backend.sock;
	u32 own = rx->nq.hdr_own;
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };
	struct virtio_net_hdr_mrg_rxbuf hdr = {};
	__le16 count = cpu_to_le16(buffers);
	u32 counted;

	iov_iter_kvec(&msg.msg_iter, ITER_DEST, (const struct kvec *)q->seg, segs, own + len);
	if (unlikely(own))
		iov_iter_advance(&msg.msg_iter, own);
	/* The backend consumes the frame, whatever comes of it. */
	if (rx->nq.backend.ring)
		msg.msg_control = rx->held[rx->held_at++];
	if (unlikely(sock->ops->recvmsg(sock, &msg, len, MSG_DONTWAIT | MSG_TRUNC) != (int)len))
		return false;
	if (unlikely(own))
		viola_segs_write(q->seg, segs, 0, &hdr, own);
	/* virtio 1.2, 5.1.6.4: 1 without mergeable buffers. */
	counted = offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers);
	if (likely(own + rx->nq.hdr_sock > counted)) {
		if (likely(q->seg[0].len >= counted + sizeof(count)))
			memcpy(q->seg[0].base + counted, &count, sizeof(count));
		else
			viola_segs_write(q->seg, segs, counted, &count, sizeof(count));
	}
	return true;
}

static bool rx_serve(struct viola_queue *q)
{
	struct viola_net_rx *rx = to_rx(q);
	u32 packets = 0, dropped = 0, skipped = 0, bytes = 0, pushed = 0, len, total, segs, i;
	bool more = false, polled = false;
	int nr;

	viola_ring_disable_kick(&q->ring);
	for (;;) {
		len = rx_peek(rx);
		if (!len) {
			rx_publish(q, &pushed);
			if (unlikely(q->busyloop_us) && !polled) {
				polled = !viola_queue_busy_poll(q);
				continue;
			}
			break;
		}
		total = rx->nq.hdr_own + rx->nq.hdr_sock + len;
		nr = rx_buffers(rx, total, &segs);
		if (unlikely(nr == -ENOBUFS)) {
			nr = rx_skip(q);
			if (nr == 1) {
				pushed++;
				if (++skipped < VIOLA_WEIGHT_PACKETS)
					continue;
				rx_publish(q, &pushed);
				more = true;
				break;
			}
		}
		if (unlikely(nr <= 0)) {
			rx_publish(q, &pushed);
			if (nr == -ENOSPC) {
				rx_drop(rx);
				dropped++;
				if (dropped >= VIOLA_WEIGHT_PACKETS) {
					more = true;
					break;
				}
			} else if (nr < 0) {
				viola_queue_break(q, viola_ring_error_name(q->ring.error));
				break;
			} else if (viola_queue_enable_kick(q, true)) {
				viola_ring_disable_kick(&q->ring);
			} else {
				viola_count(q, no_buffers, 1);
				break;
			}
			continue;
		}
		if (unlikely(!rx_receive(rx, total - rx->nq.hdr_own, segs, nr))) {
			viola_count(q, drops_backend, 1);
			rx_unpop(rx, nr);
			dropped++;
			if (dropped < VIOLA_WEIGHT_PACKETS)
				continue;
			rx_publish(q, &pushed);
			more = true;
			break;
		}
		if (unlikely(q->dev->log))
			rx_log(q, total);
		for (i = 0; i < nr; i++)
			viola_ring_push(&q->ring, rx->buffer[i].id, rx->buffer[i].len);
		pushed += nr;
		packets++;
		bytes += len;
		if (pushed >= VIOLA_NET_BATCH) {
			rx_publish(q, &pushed);
			more = viola_queue_share(q);
			if (more)
				break;
		}
		if (unlikely(packets >= VIOLA_WEIGHT_PACKETS || bytes >= VIOLA_WEIGHT_BYTES)) {
			rx_publish(q, &pushed);
			more = true;
			break;
		}
	}
	viola_count(q, packets, packets);
	viola_count(q, bytes, bytes);
	return more;
}

/* Frames taken from the backend and not delivered go back to its ring. */
static void rx_quiesce(struct viola_queue *q)
{
	struct viola_net_rx *rx = to_rx(q);

	if (rx->held_at < rx->held_nr)
		ptr_ring_unconsume(rx->nq.backend.ring, rx->held + rx->held_at,
				   rx->held_nr - rx->held_at, tun_ptr_free);
	rx->held_at = 0;
	rx->held_nr = 0;
}

static bool rx_ready(struct viola_queue *q)
{
	const struct viola_backend *b = &to_rx(q)->nq.backend;

	/* With its lock: the ring may be resized meanwhile. */
	if (b->ring)
		return !ptr_ring_empty(b->ring);
	return !skb_queue_empty_lockless(&b->sock->sk->sk_receive_queue);
}

const struct viola_queue_ops viola_net_rx_ops = {
	.serve = rx_serve,
	.quiesce = rx_quiesce,
	.ready = rx_ready,
};
