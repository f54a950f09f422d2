// SPDX-License-Identifier: GPL-2.0
/*
 * From the guest to the backend. Frames that fit a page are copied once, out
 * of guest memory into room that becomes the skb's own, and go to tun or tap up
 * to VIOLA_NET_BATCH at a time; larger ones are read by the backend, piece by
 * piece, where they lie.
 */
#include <linux/skbuff.h>
#include <linux/uio.h>
#include <net/sock.h>

#include "net.h"
#include "trace.h"

/* An array of pieces is handed to the socket as it is. */
static_assert(sizeof(struct viola_seg) == sizeof(struct kvec));
static_assert(offsetof(struct viola_seg, base) == offsetof(struct kvec, iov_base));
static_assert(offsetof(struct viola_seg, len) == offsetof(struct kvec, iov_len));

static inline struct viola_net_tx *to_tx(struct viola_queue *q)
{
	return container_of(q, struct viola_net_tx, nq.q);
}

/* Sends what has been built, and gives the guest its buffers back. */
static void tx_flush(struct viola_net_tx *tx)
{
	struct viola_queue *q = &tx->nq.q;
	struct socket *sock = tx->nq.backend.sock;
	struct tun_msg_ctl ctl = { .type = TUN_MSG_PTR, .num = tx->nr, .ptr = tx->xdp };
	struct msghdr msg = {
		.msg_control = &ctl, .msg_controllen = sizeof(ctl), .msg_flags = MSG_DONTWAIT,
	};
	u32 i;

	if (!tx->nr)
		return;
	trace_viola_tx_batch(q, tx->nr);
	if (tx->nr > 1) {
		viola_count(q, batches, 1);
		viola_count(q, batched, tx->nr);
	}
	if (unlikely(sock->ops->sendmsg(sock, &msg, 0) < 0)) {
		/* Not even looked at: the interface is gone. */
		for (i = 0; i < tx->nr; i++)
			put_page(virt_to_head_page(tx->xdp[i].data));
		viola_count(q, drops_backend, tx->nr);
	}
	for (i = 0; i < tx->nr; i++)
		viola_ring_push(&q->ring, tx->id[i], 0);
	viola_queue_publish(q, tx->nr);
	tx->nr = 0;
}

/*
 * Whether the header may go on with a frame of @len bytes. The stack would
 * refuse the others as well, but with a line in the host's log.
 */
static bool tx_header_ok(const struct virtio_net_hdr *hdr, u32 len)
{
	return !(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) ||
	       (u32)le16_to_cpu((__force __le16)hdr->csum_start) +
			       le16_to_cpu((__force __le16)hdr->csum_offset) + 2 <= len;
}

/*
 * Copies the frame of @chain behind those built already. 1: it waits for
 * tx_flush(); 0: it does not fit, or there is no memory; -EINVAL: not a frame.
 */
static int tx_build(struct viola_net_tx *tx, const struct viola_chain *chain)
{
	const struct viola_net_queue *nq = &tx->nq;
	u32 hdr_len = nq->hdr_sock + nq->hdr_own;
	u32 pad = SKB_DATA_ALIGN(NET_IP_ALIGN + NET_SKB_PAD + nq->backend.headroom + nq->hdr_sock);
	u32 len = chain->out_len - hdr_len, room;
	struct xdp_buff *xdp = &tx->xdp[tx->nr];
	struct tun_xdp_hdr *hdr;
	u8 *at;

	if (unlikely(len < ETH_HLEN))
		return -EINVAL;
	if (len > PAGE_SIZE)
		return 0;
	room = SKB_DATA_ALIGN(pad + len) + SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
	if (room > PAGE_SIZE)
		return 0;
	at = viola_frag_alloc(&tx->frag, room);
	if (unlikely(!at))
		return 0;
	hdr = (struct tun_xdp_hdr *)at;
	if (likely(chain->seg[0].len >= hdr_len)) {
		const struct viola_seg *seg = chain->seg;
		u32 part = seg[0].len - hdr_len;

		if (likely(nq->hdr_sock))
			memcpy(&hdr->gso, seg[0].base, sizeof(hdr->gso));
		memcpy(at + pad, seg[0].base + hdr_len, part);
		if (part < len)
			viola_segs_read(seg + 1, chain->nout - 1, 0, at + pad + part, len - part);
	} else {
		if (nq->hdr_sock)
			viola_segs_read(chain->seg, chain->nout, 0, &hdr->gso, sizeof(hdr->gso));
		viola_segs_read(chain->seg, chain->nout, hdr_len, at + pad, len);
	}
	if (unlikely(!nq->hdr_sock))
		memset(&hdr->gso, 0, sizeof(hdr->gso));
	/* The copy is checked; the guest can no longer change it. */
	if (unlikely(!tx_header_ok(&hdr->gso, len))) {
		viola_frag_undo(&tx->frag, room);
		return -EINVAL;
	}
	hdr->buflen = room;
	xdp_init_buff(xdp, room, NULL);
	xdp_prepare_buff(xdp, at, pad, len, true);
	tx->id[tx->nr++] = chain->id;
	return 1;
}

/* Hands the frame over where it lies. True: the backend does not take it now. */
static bool tx_send(struct viola_net_tx *tx, const struct viola_chain *chain)
{
	struct viola_queue *q = &tx->nq.q;
	struct socket *sock = tx->nq.backend.sock;
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };
	u32 len = chain->out_len - tx->nq.hdr_own;
	int ret;

	iov_iter_kvec(&msg.msg_iter, ITER_SOURCE, (const struct kvec *)chain->seg, chain->nout,
		      chain->out_len);
	iov_iter_advance(&msg.msg_iter, tx->nq.hdr_own);
	trace_viola_tx_batch(q, 1);
	ret = sock->ops->sendmsg(sock, &msg, len);
	if (unlikely(ret < 0)) {
		if (ret == -EAGAIN || ret == -ENOMEM || ret == -ENOBUFS)
			return true;
		viola_count(q, drops_backend, 1);
	}
	return false;
}

/*
 * A frame of more pieces than any backend takes is lost, as on a wire; the
 * guest has its buffer back. 1, or -EPROTO.
 */
static int tx_skip(struct viola_queue *q)
{
	struct viola_chain chain;
	int ret = viola_ring_skip(&q->ring, &chain);

	if (ret == 1) {
		viola_count(q, drops_size, 1);
		viola_ring_push(&q->ring, chain.id, 0);
		viola_queue_publish(q, 1);
	}
	return ret;
}

static bool tx_serve(struct viola_queue *q)
{
	struct viola_net_tx *tx = to_tx(q);
	u32 hdr_len = tx->nq.hdr_sock + tx->nq.hdr_own, packets = 0, bytes = 0;
	bool batches = tx->nq.backend.batches &&
		       READ_ONCE(tx->nq.backend.sock->sk->sk_sndbuf) == INT_MAX;
	struct viola_chain chain = { .seg = q->seg, .seg_max = VIOLA_SEGS };
	bool more = false, polled = false;
	int ret;

	if (unlikely(viola_watch_active(&q->backend_watch)))
		viola_watch_stop(&q->backend_watch);
	viola_ring_disable_kick(&q->ring);
	for (;;) {
		ret = viola_ring_pop(&q->ring, &chain);
		if (unlikely(ret == -ENOBUFS)) {
			tx_flush(tx);
			ret = tx_skip(q);
			if (ret == 1) {
				if (++packets < VIOLA_WEIGHT_PACKETS)
					continue;
				more = true;
				break;
			}
		}
		if (ret <= 0) {
			tx_flush(tx);
			if (unlikely(ret < 0)) {
				viola_queue_break(q, viola_ring_error_name(q->ring.error));
				break;
			}
			if (unlikely(q->busyloop_us) && !polled) {
				polled = !viola_queue_busy_poll(q);
				continue;
			}
			if (!viola_queue_enable_kick(q, false))
				break;
			viola_ring_disable_kick(&q->ring);
			continue;
		}
		if (unlikely(chain.nin || chain.out_len <= hdr_len)) {
			viola_ring_unpop(&q->ring, &chain);
			tx_flush(tx);
			viola_queue_break(q, chain.nin ? "frame to send in a writable buffer" :
							 "frame to send without a frame");
			break;
		}
		ret = batches ? tx_build(tx, &chain) : 0;
		if (unlikely(ret <= 0)) {
			tx_flush(tx);
			if (ret < 0) {
				viola_count(q, drops_backend, 1);
			} else if (tx_send(tx, &chain)) {
				viola_ring_unpop(&q->ring, &chain);
				viola_count(q, blocked, 1);
				/* Runs the queue at once if there is room by now. */
				viola_watch_start(&q->backend_watch, tx->nq.backend.file, EPOLLOUT);
				break;
			}
			viola_ring_push(&q->ring, chain.id, 0);
			viola_queue_publish(q, 1);
		}
		packets++;
		bytes += chain.out_len - hdr_len;
		if (tx->nr == VIOLA_NET_BATCH) {
			tx_flush(tx);
			more = viola_queue_share(q);
			if (more)
				break;
		}
		if (unlikely(packets >= VIOLA_WEIGHT_PACKETS || bytes >= VIOLA_WEIGHT_BYTES)) {
			tx_flush(tx);
			more = true;
			break;
		}
	}
	viola_count(q, packets, packets);
	viola_count(q, bytes, bytes);
	return more;
}

/* Nothing is held between services. */
static void tx_quiesce(struct viola_queue *q)
{
}

static bool tx_ready(struct viola_queue *q)
{
	return viola_ring_available(&q->ring);
}

const struct viola_queue_ops viola_net_tx_ops = {
	.serve = tx_serve,
	.quiesce = tx_quiesce,
	.ready = tx_ready,
};
