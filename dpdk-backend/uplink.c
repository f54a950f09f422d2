// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/uplink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "dpdk-backend/forward.h"

#define UPLINK_DESC 1024
/* mbufs: what queues and bursts can hold, per device */
#define UPLINK_MBUFS 8191u
#define UPLINK_CACHE 256
#define UPLINK_SEGS 62u /* pieces of a frame; longer chains are no frames here */

static struct rte_mempool *pool;

static int uplink_fail(const struct port *p, int err, char *why, size_t size, const char *what)
{
	snprintf(why, size, "uplink %s: %s: %s; see the device's page in DPDK's guide", p->name,
		 what, rte_strerror(err));
	return -err;
}

static int uplink_start(struct port *p, char *why, size_t size)
{
	struct rte_eth_conf conf = {};
	struct rte_eth_dev_info info;
	u16 rx_desc = UPLINK_DESC, tx_desc = UPLINK_DESC, i;
	int socket = rte_eth_dev_socket_id(p->ethdev), err;

	err = rte_eth_dev_info_get(p->ethdev, &info);
	if (err)
		return uplink_fail(p, -err, why, size, "no information");
	p->rx_queues = (u16)min((unsigned int)info.max_rx_queues, lcore_count);
	p->tx_queues = (u16)min((unsigned int)info.max_tx_queues, lcore_count);
	if (!strcmp(info.driver_name, "net_tap") || !strcmp(info.driver_name, "net_pcap"))
		/* These want as many of one as of the other, or one file each. */
		p->rx_queues = p->tx_queues = 1;
	if (!p->rx_queues || !p->tx_queues)
		return uplink_fail(p, ENODEV, why, size, "it has no queues");
	if (p->rx_queues > 1 && info.flow_type_rss_offloads) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads &
						   (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP |
						    RTE_ETH_RSS_UDP);
	}
	conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	err = rte_eth_dev_configure(p->ethdev, p->rx_queues, p->tx_queues, &conf);
	if (!err)
		err = rte_eth_dev_adjust_nb_rx_tx_desc(p->ethdev, &rx_desc, &tx_desc);
	for (i = 0; !err && i < p->rx_queues; i++)
		err = rte_eth_rx_queue_setup(p->ethdev, i, rx_desc, (unsigned int)socket, NULL,
					     pool);
	for (i = 0; !err && i < p->tx_queues; i++)
		err = rte_eth_tx_queue_setup(p->ethdev, i, tx_desc, (unsigned int)socket, NULL);
	if (!err)
		err = rte_eth_dev_start(p->ethdev);
	if (err)
		return uplink_fail(p, -err, why, size, "cannot be started");
	/* What a switch must, and a device need not be able to. */
	rte_eth_promiscuous_enable(p->ethdev);
	if (p->tx_queues < lcore_count) {
		p->tx_lock = calloc(p->tx_queues, sizeof(*p->tx_lock));
		if (!p->tx_lock)
			return uplink_fail(p, ENOMEM, why, size, "no memory");
	}
	return 0;
}

int uplink_open(struct port *p, char *why, size_t size)
{
	struct rte_dev_iterator iter;
	u16 id, found = RTE_MAX_ETHPORTS;
	int err;

	if (!pool)
		pool = rte_pktmbuf_pool_create("uplinks", UPLINK_MBUFS, UPLINK_CACHE, 0,
					       RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!pool) {
		snprintf(why, size,
			 "uplink %s: no memory for %u buffers; give more with --memory, or hugepages",
			 p->name, UPLINK_MBUFS);
		return -ENOMEM;
	}
	err = rte_dev_probe(p->name);
	/* A PCI device is there since EAL started. */
	if (err && err != -EEXIST)
		return uplink_fail(p, -err, why, size, "no such device, or no driver for it");
	RTE_ETH_FOREACH_MATCHING_DEV(id, p->name, &iter) {
		found = id;
		rte_eth_iterator_cleanup(&iter);
		break;
	}
	if (found == RTE_MAX_ETHPORTS)
		return uplink_fail(p, ENODEV, why, size, "it is no Ethernet device");
	p->ethdev = found;
	return uplink_start(p, why, size);
}

void uplink_close(struct port *p)
{
	rte_eth_dev_stop(p->ethdev);
	rte_eth_dev_close(p->ethdev);
	free(p->tx_lock);
	p->tx_lock = NULL;
}

/* Fills in @f from @m, its pieces at lc->seg[*used …]. False if it is no frame. */
static bool frame_from_mbuf(struct lcore *lc, u32 *used, struct frame *f, struct rte_mbuf *m)
{
	struct rte_mbuf *part;

	if (m->pkt_len < FRAME_MIN || m->pkt_len > FRAME_MAX || m->nb_segs > UPLINK_SEGS)
		return false;
	f->seg = &lc->seg[*used + 2];
	f->nseg = 0;
	for (part = m; part; part = part->next)
		if (part->data_len)
			f->seg[f->nseg++] = (struct viola_seg){ rte_pktmbuf_mtod(part, void *),
								part->data_len };
	*used += 2 + f->nseg;
	f->len = m->pkt_len;
	f->mbuf = m;
	memset(&f->offload, 0, sizeof(f->offload));
	viola_segs_read(f->seg, f->nseg, 0, f->head, sizeof(f->head));
	return true;
}

_Static_assert(FRAME_BURST * (2 + UPLINK_SEGS) <= LCORE_SEGS,
	       "a burst of the longest chains fits");

static unsigned int uplink_poll(struct lcore *lc, struct port *p)
{
	struct counters *c = port_counters(lc, p);
	unsigned int total = 0;
	u16 queue;

	for (queue = 0; queue < p->rx_queues; queue++) {
		unsigned int i, n, frames = 0;
		u32 used = 0;

		if (port_owner(p, queue) != lc->index)
			continue;
		n = rte_eth_rx_burst(p->ethdev, queue, lc->mbuf, FRAME_BURST);
		for (i = 0; i < n; i++) {
			struct frame *f = &lc->frame[frames];

			if (frame_from_mbuf(lc, &used, f, lc->mbuf[i])) {
				c->rx_bytes += f->len;
				frames++;
			} else {
				c->rx_invalid++;
				rte_pktmbuf_free(lc->mbuf[i]);
			}
		}
		c->rx_frames += frames;
		if (frames)
			port_input(lc, p, lc->frame, frames, queue, p->rx_queues);
		/* A port that took a buffer over has said so. */
		for (i = 0; i < frames; i++)
			if (lc->frame[i].mbuf)
				rte_pktmbuf_free(lc->frame[i].mbuf);
		total += n;
	}
	return total;
}

/* A new mbuf, or several in a row, with the bytes of @f; or NULL. */
static struct rte_mbuf *mbuf_from_frame(const struct frame *f)
{
	struct rte_mbuf *first = NULL, **link = &first, *m;
	u32 done = 0;

	do {
		u32 part;

		m = rte_pktmbuf_alloc(pool);
		if (!m) {
			rte_pktmbuf_free(first);
			return NULL;
		}
		*link = m;
		link = &m->next;
		part = min((u32)rte_pktmbuf_tailroom(m), f->len - done);
		viola_segs_read(f->seg, f->nseg, done, rte_pktmbuf_mtod(m, void *), part);
		m->data_len = (u16)part;
		done += part;
		if (m != first)
			first->nb_segs++;
	} while (done < f->len);
	first->pkt_len = done;
	return first;
}

static void uplink_send(struct lcore *lc, struct port *p, struct rte_mbuf **m, unsigned int n,
			unsigned int queue)
{
	struct counters *c = port_counters(lc, p);
	unsigned int i, sent;
	u64 bytes = 0;

	queue = p->tx_lock ? queue % p->tx_queues : lc->index;
	for (i = 0; i < n; i++)
		bytes += m[i]->pkt_len;
	if (p->tx_lock)
		rte_spinlock_lock(&p->tx_lock[queue]);
	sent = rte_eth_tx_burst(p->ethdev, (u16)queue, m, (u16)n);
	if (p->tx_lock)
		rte_spinlock_unlock(&p->tx_lock[queue]);
	c->tx_frames += sent;
	c->tx_no_buffer += n - sent;
	for (i = sent; i < n; i++) {
		bytes -= m[i]->pkt_len;
		rte_pktmbuf_free(m[i]);
	}
	c->tx_bytes += bytes;
}

static void uplink_output(struct lcore *lc, struct port *p, struct frame **f, unsigned int n,
			  unsigned int queue, bool last)
{
	struct counters *c = port_counters(lc, p);
	struct rte_mbuf *m[FRAME_BURST];
	unsigned int i, count = 0;

	for (i = 0; i < n; i++) {
		struct frame *out;

		if (unlikely(count == FRAME_BURST)) {
			uplink_send(lc, p, m, count, queue);
			count = 0;
		}
		if (likely(frame_plain(f[i]))) {
			/* As long as the frame is still what lies in the mbuf. */
			if (last && f[i]->mbuf &&
			    f[i]->seg[0].base == rte_pktmbuf_mtod(f[i]->mbuf, void *)) {
				m[count++] = f[i]->mbuf;
				f[i]->mbuf = NULL;
			} else {
				m[count] = mbuf_from_frame(f[i]);
				if (m[count])
					count++;
				else
					c->tx_no_buffer++;
			}
			continue;
		}
		if (!offload_begin(&lc->work, f[i])) {
			c->tx_offload++;
			continue;
		}
		if (f[i]->offload.gso_type)
			c->gso_finished++;
		else
			c->csum_finished++;
		while ((out = offload_next(&lc->work))) {
			if (count == FRAME_BURST) {
				uplink_send(lc, p, m, count, queue);
				count = 0;
			}
			m[count] = mbuf_from_frame(out);
			if (m[count])
				count++;
			else
				c->tx_no_buffer++;
		}
	}
	if (count)
		uplink_send(lc, p, m, count, queue);
}

static bool uplink_up(const struct port *p)
{
	return true;
}

const struct port_ops uplink_port_ops = {
	.kind = "ethdev",
	.poll = uplink_poll,
	.output = uplink_output,
	.up = uplink_up,
};
