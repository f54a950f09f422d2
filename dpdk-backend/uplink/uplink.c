// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/uplink/uplink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_pause.h>

#include "dpdk-backend/forward/fdb.h"
#include "dpdk-backend/forward/forward.h"
#include "dpdk-backend/log.h"
#include "dpdk-backend/uplink/af-packet.h"
#include "dpdk-backend/uplink/pseudo.h"
#include "dpdk-backend/vhost/session.h"

#define UPLINK_DESC 1024
#define UPLINK_CACHE 256u
#define UPLINK_FEWEST 60u /* bytes of a frame on the wire, without FCS */
#define UPLINK_SEGS 62u /* pieces of a frame; longer chains are no frames here */
#define UPLINK_LOOK 128u /* bytes in which headers are looked for */
#define RX_CHECKSUMS                                                      \
	(RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM | \
	 RTE_ETH_RX_OFFLOAD_TCP_CKSUM)
#define TX_WORK                                                           \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | \
	 RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO)

/* What a driver logs says more than its error number, which may be any. */
static int uplink_fail(const struct port *p, int err, char *why, size_t size, const char *what)
{
	snprintf(why, size, "uplink %s: %s: %s; see the device's page in DPDK's guide", p->name,
		 what, *log_reason() ? log_reason() : rte_strerror(err));
	return -err;
}

/* The device's interrupt: what is behind a link that is down is elsewhere, or gone. */
static int uplink_link(u16 ethdev, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct rte_eth_link link = {};
	struct port *p = arg;
	bool down;

	if (rte_eth_link_get_nowait(ethdev, &link))
		return 0;
	down = link.link_status == RTE_ETH_LINK_DOWN;
	if (down == READ_ONCE(p->link_down))
		return 0;
	WRITE_ONCE(p->link_down, down);
	if (down)
		fdb_forget(p->index);
	rte_log(RTE_LOG_INFO, RTE_LOGTYPE_USER1, "viola-dpdk: %s: link %s\n", p->name,
		down ? "down" : "up");
	return 0;
}

/* Follows the link of a device that tells; another's counts as up. */
static void uplink_follow(struct port *p)
{
	struct rte_eth_dev_info info;

	p->link_down = false;
	if (rte_eth_dev_info_get(p->ethdev, &info) || !(*info.dev_flags & RTE_ETH_DEV_INTR_LSC) ||
	    rte_eth_dev_callback_register(p->ethdev, RTE_ETH_EVENT_INTR_LSC, uplink_link, p))
		return;
	uplink_link(p->ethdev, RTE_ETH_EVENT_INTR_LSC, p, NULL);
}

/* What of @conf follows from the port's MTU. 0 or -errno, said in @why. */
static int uplink_mtu(const struct port *p, const struct rte_eth_dev_info *info,
		      struct rte_eth_conf *conf, char *why, size_t size)
{
	const u32 room = RTE_MBUF_DEFAULT_DATAROOM, most = p->mtu + FRAME_MIN + 8 + 4;

	if (!p->mtu)
		return 0;
	if (p->mtu < info->min_mtu || (info->max_mtu && p->mtu > info->max_mtu) ||
	    (most > room && !(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER))) {
		snprintf(why, size, "uplink %s: the device cannot have an MTU of %u; it takes %u "
			 "to %u", p->name, p->mtu, info->min_mtu,
			 min((u32)info->max_mtu,
			     info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER ? 65535u :
			     room - FRAME_MIN - 12));
		return -EINVAL;
	}
	conf->rxmode.mtu = p->mtu;
	if (most > room)
		conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
	return 0;
}

/*
 * The mbufs of @p: as many as its queues, and each lcore's cache and burst, can hold, a
 * frame of 64 KiB being some 30. Frames of it may still wait in other devices' queues when
 * @p goes, so the pool stays, for the next device in the slot. 0, or -ENOMEM, said in @why.
 */
static int uplink_pool(struct port *p, u32 desc, int socket, char *why, size_t size)
{
	static unsigned int made;
	u32 n = desc + lcore_count * (UPLINK_CACHE * 3 / 2 + 32 * FRAME_BURST);
	char name[RTE_MEMPOOL_NAMESIZE];

	if (p->pool && p->pool->size >= n)
		return 0;
	/* Another name each time: of one that is too small some mbufs may be under way. */
	snprintf(name, sizeof(name), "uplink%u", made++);
	if (p->pool && rte_mempool_full(p->pool))
		rte_mempool_free(p->pool);
	p->pool = rte_pktmbuf_pool_create(name, n, UPLINK_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
					  socket);
	if (!p->pool)
		p->pool = rte_pktmbuf_pool_create(name, n, UPLINK_CACHE, 0,
						  RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (p->pool)
		return 0;
	snprintf(why, size, "uplink %s: no memory for %u buffers; give more with --memory, or hugepages",
		 p->name, n);
	return -ENOMEM;
}

/* What @p's device takes at most, now that its MTU is set. */
static void uplink_most(struct port *p)
{
	u16 mtu;

	/* An Ethernet header and two tags around the MTU. */
	p->tx_most = rte_eth_dev_get_mtu(p->ethdev, &mtu) ? FRAME_MAX : mtu + FRAME_MIN + 8u;
}

static int uplink_start(struct port *p, char *why, size_t size)
{
	struct rte_eth_conf conf = {};
	struct rte_eth_dev_info info;
	u16 rx_desc = UPLINK_DESC, tx_desc = UPLINK_DESC, mtu, i;
	int socket = rte_eth_dev_socket_id(p->ethdev), err;

	err = rte_eth_dev_info_get(p->ethdev, &info);
	if (err)
		return uplink_fail(p, -err, why, size, "no information");
	p->rx_queues = (u16)min((unsigned int)info.max_rx_queues, lcore_count);
	p->tx_queues = (u16)min((unsigned int)info.max_tx_queues, lcore_count);
	if (!strcmp(info.driver_name, "net_tap") || !strcmp(info.driver_name, "net_pcap"))
		/* These want as many of one as of the other, or one file each. */
		p->rx_queues = p->tx_queues = 1;
	p->af_packet = !strcmp(info.driver_name, "net_af_packet");
	p->cut_told = false;
	if (!p->rx_queues || !p->tx_queues)
		return uplink_fail(p, ENODEV, why, size, "it has no queues");
	if (p->rx_queues > 1 && info.flow_type_rss_offloads) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads &
						   (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP |
						    RTE_ETH_RSS_UDP);
	}
	err = uplink_mtu(p, &info, &conf, why, size);
	if (err)
		return err;
	p->tx_offloads = 0;
	/* A tap does in software, and IPv6 not at all, what it says that it does. */
	if (session_config.offloads && strcmp(info.driver_name, "net_tap")) {
		conf.rxmode.offloads |= info.rx_offload_capa & RX_CHECKSUMS;
		p->tx_offloads = info.tx_offload_capa & TX_WORK;
	}
	conf.txmode.offloads = p->tx_offloads |
			       (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	p->tx_chains = conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	/* A segment is a frame of several mbufs, nearly always. */
	if (!p->tx_chains)
		p->tx_offloads &= ~(u64)RTE_ETH_TX_OFFLOAD_TCP_TSO;
	conf.intr_conf.lsc = !!(*info.dev_flags & RTE_ETH_DEV_INTR_LSC);
	/* Where lcores may sleep, and as far as the device is able to. */
	conf.intr_conf.rxq = lcores_mode != LCORE_POLL;
	err = rte_eth_dev_configure(p->ethdev, p->rx_queues, p->tx_queues, &conf);
	if (err && conf.intr_conf.rxq) {
		conf.intr_conf.rxq = 0;
		err = rte_eth_dev_configure(p->ethdev, p->rx_queues, p->tx_queues, &conf);
	}
	if (!err)
		err = rte_eth_dev_adjust_nb_rx_tx_desc(p->ethdev, &rx_desc, &tx_desc);
	if (!err && uplink_pool(p, p->rx_queues * rx_desc + p->tx_queues * tx_desc, socket, why,
				size))
		return -ENOMEM;
	for (i = 0; !err && i < p->rx_queues; i++)
		err = rte_eth_rx_queue_setup(p->ethdev, i, rx_desc, (unsigned int)socket, NULL,
					     p->pool);
	for (i = 0; !err && i < p->tx_queues; i++)
		err = rte_eth_tx_queue_setup(p->ethdev, i, tx_desc, (unsigned int)socket, NULL);
	if (!err)
		err = rte_eth_dev_start(p->ethdev);
	if (err)
		return uplink_fail(p, -err, why, size, "cannot be started");
	/* Some take it with the configuration, some only now, and some not at all. */
	if (p->mtu && !rte_eth_dev_get_mtu(p->ethdev, &mtu)) {
		err = rte_eth_dev_set_mtu(p->ethdev, (u16)p->mtu);
		if (err && err != -ENOTSUP && mtu < p->mtu)
			return uplink_fail(p, -err, why, size, "its MTU cannot be set");
	}
	/* What a switch must, and a device need not be able to. */
	rte_eth_promiscuous_enable(p->ethdev);
	rte_eth_allmulticast_enable(p->ethdev);
	if (p->tx_queues && p->tx_queues < lcore_count) {
		p->tx_lock = calloc(p->tx_queues, sizeof(*p->tx_lock));
		if (!p->tx_lock)
			return uplink_fail(p, ENOMEM, why, size, "no memory");
	}
	uplink_most(p);
	uplink_follow(p);
	return 0;
}

/* The port that device @ethdev is, or NULL. */
static const struct port *uplink_port(u16 ethdev)
{
	unsigned int i;

	for (i = 0; i < port_count; i++)
		if (ports[i].ops == &uplink_port_ops && ports[i].ethdev == ethdev)
			return &ports[i];
	return NULL;
}

int uplink_open(struct port *p, char *why, size_t size)
{
	struct rte_dev_iterator iter;
	u16 id, found = RTE_MAX_ETHPORTS;
	const struct port *other;
	int err;

	log_begin();
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
	/* Whatever its arguments: EAL knows devices by their names. */
	other = uplink_port(found);
	if (other) {
		snprintf(why, size, "uplink %s: the device is port %u already, %s", p->name,
			 other->index, other->name);
		return -EEXIST;
	}
	p->ethdev = found;
	err = uplink_start(p, why, size);
	if (err)
		uplink_close(p);
	return err;
}

void uplink_close(struct port *p)
{
	struct rte_eth_dev_info info;
	int err = rte_eth_dev_info_get(p->ethdev, &info);

	/* Not while it is being called. */
	while (rte_eth_dev_callback_unregister(p->ethdev, RTE_ETH_EVENT_INTR_LSC, uplink_link,
					       p) == -EAGAIN)
		rte_pause();
	rte_eth_dev_stop(p->ethdev);
	rte_eth_dev_close(p->ethdev);
	/* So that the same device may become a port again. */
	if (!err)
		rte_dev_remove(info.device);
	free(p->tx_lock);
	p->tx_lock = NULL;
}

/*
 * What the device says of the checksum of @m, where it says anything. One that is
 * not there although the bytes are good, as from another virtio driver, is made
 * the next one's task.
 */
static void offload_from_mbuf(struct frame *f, struct rte_mbuf *m)
{
	struct frame_offload *o = &f->offload;
	u64 state = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	struct offload_layout l;
	u8 *data = rte_pktmbuf_mtod(m, u8 *), *field;
	u16 sum;

	if (state == RTE_MBUF_F_RX_L4_CKSUM_GOOD &&
	    (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_BAD)
		o->flags = VIRTIO_NET_HDR_F_DATA_VALID;
	/* Both bits; a bad one stays for the receiver to see. */
	if (state != RTE_MBUF_F_RX_L4_CKSUM_NONE || !offload_find(&l, data, m->data_len))
		return;
	o->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	o->csum_start = (u16)(l.l2 + l.l3);
	o->csum_offset = l.l4 == 8 ? 6 : 16;
	o->hdr_len = (u16)(l.l2 + l.l3 + l.l4);
	field = data + o->csum_start + o->csum_offset;
	sum = pseudo_sum(&l, data, 0);
	memcpy(field, &sum, sizeof(sum));
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
	if (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK)
		offload_from_mbuf(f, m);
	viola_segs_read(f->seg, f->nseg, 0, f->head, sizeof(f->head));
	return true;
}

_Static_assert(FRAME_BURST * (2 + UPLINK_SEGS) <= LCORE_SEGS,
	       "a burst of the longest chains fits");

static unsigned int uplink_poll(struct lcore *lc, struct port *p)
{
	unsigned int total = 0;
	u16 queue;

	for (queue = 0; queue < p->rx_queues; queue++) {
		struct queue_counters *qc = queue_counters(lc, p, queue);
		unsigned int i, n, frames = 0;
		u32 used = 0;

		if (port_owner(p, queue) != lc->index)
			continue;
		n = rte_eth_rx_burst(p->ethdev, queue, lc->mbuf, FRAME_BURST);
		total += n;
		if (unlikely(p->af_packet))
			n = af_packet_receive(lc, p, lc->mbuf, n);
		for (i = 0; i < n; i++) {
			struct frame *f = &lc->frame[frames];

			if (frame_from_mbuf(lc, &used, f, lc->mbuf[i])) {
				qc->rx_bytes += f->len;
				frames++;
			} else {
				port_counters(lc, p)->rx_invalid++;
				rte_pktmbuf_free(lc->mbuf[i]);
			}
		}
		qc->rx_frames += frames;
		if (frames)
			port_input(lc, p, lc->frame, frames, queue, p->rx_queues);
		/* A port that took a buffer over has said so. */
		for (i = 0; i < frames; i++)
			if (lc->frame[i].mbuf)
				rte_pktmbuf_free(lc->frame[i].mbuf);
	}
	return total;
}

/* A new mbuf of @p, or several in a row, with the bytes of @f; or NULL. */
static struct rte_mbuf *mbuf_from_frame(const struct port *p, const struct frame *f)
{
	struct rte_mbuf *first = NULL, **link = &first, *m;
	u32 done = 0;

	do {
		u32 part;

		m = rte_pktmbuf_alloc(p->pool);
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
	/* Some devices stop at shorter ones; all would send them as long as this. */
	if (unlikely(done < UPLINK_FEWEST)) {
		memset(rte_pktmbuf_mtod_offset(first, void *, done), 0, UPLINK_FEWEST - done);
		done = UPLINK_FEWEST;
		first->data_len = UPLINK_FEWEST;
	}
	first->pkt_len = done;
	return first;
}

/*
 * Leaves what @f asks for to a device that does @offloads. False if the device does
 * not, or the bytes, our copy in @m, are not what @f says.
 */
static bool mbuf_offload(struct rte_mbuf *m, const struct frame *f, u64 offloads)
{
	const struct frame_offload *o = &f->offload;
	struct offload_layout l;
	u8 *data = rte_pktmbuf_mtod(m, u8 *);
	u64 need, flags;
	u16 sum;

	if (!offload_layout(&l, o, data, min((u32)m->data_len, UPLINK_LOOK)))
		return false;
	/* Devices stumble over what is no more than a segment, or lies about its length. */
	if (o->gso_type && (m->pkt_len <= l.l2 + l.l3 + l.l4 + o->gso_size ||
			    m->pkt_len != l.l2 + l.ip_len))
		return false;
	if (l.protocol == IPPROTO_TCP) {
		need = RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
		flags = RTE_MBUF_F_TX_TCP_CKSUM;
	} else {
		need = RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
		flags = RTE_MBUF_F_TX_UDP_CKSUM;
	}
	flags |= l.family == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	if (o->gso_type) {
		need |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
		flags |= RTE_MBUF_F_TX_TCP_SEG;
		/*
		 * Each segment has another. A device that cuts and does not do that
		 * is a virtual one, which hands the frame on with what it has.
		 */
		if (l.family == 4 && offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) {
			flags |= RTE_MBUF_F_TX_IP_CKSUM;
			memset(data + l.l2 + 10, 0, 2);
		}
		m->tso_segsz = o->gso_size;
	}
	if (need & ~offloads)
		return false;
	m->l2_len = l.l2;
	m->l3_len = l.l3;
	m->l4_len = l.l4;
	m->ol_flags |= flags;
	/* Devices want the pseudo header's, without the length if they cut. */
	sum = pseudo_sum(&l, data, flags);
	memcpy(data + o->csum_start + o->csum_offset, &sum, sizeof(sum));
	return true;
}

/* What is gathered for one burst to a device. */
struct uplink_burst {
	struct lcore *lc;
	struct port *p;
	unsigned int queue, n;
	bool prepare; /* the device is asked first about the work left to it */
	struct rte_mbuf *m[FRAME_BURST];
};

/* Drops what the device cannot do, although it said so of that kind. */
static void burst_prepare(struct uplink_burst *b, unsigned int queue)
{
	unsigned int done = 0, i;

	while (done < b->n) {
		done += rte_eth_tx_prepare(b->p->ethdev, (u16)queue, b->m + done,
					   (u16)(b->n - done));
		if (done == b->n)
			break;
		port_counters(b->lc, b->p)->tx_offload++;
		rte_pktmbuf_free(b->m[done]);
		for (i = done, b->n--; i < b->n; i++)
			b->m[i] = b->m[i + 1];
	}
	b->prepare = false;
}

static void burst_send(struct uplink_burst *b)
{
	struct counters *c = port_counters(b->lc, b->p);
	struct port *p = b->p;
	unsigned int i, sent, queue = p->tx_lock ? b->queue % p->tx_queues : b->lc->index;
	u64 bytes = 0;

	if (p->tx_lock)
		rte_spinlock_lock(&p->tx_lock[queue]);
	if (unlikely(b->prepare))
		burst_prepare(b, queue);
	for (i = 0; i < b->n; i++)
		bytes += b->m[i]->pkt_len;
	sent = rte_eth_tx_burst(p->ethdev, (u16)queue, b->m, (u16)b->n);
	if (p->tx_lock)
		rte_spinlock_unlock(&p->tx_lock[queue]);
	c->queue[queue].tx_frames += sent;
	c->tx_no_buffer += b->n - sent;
	for (i = sent; i < b->n; i++) {
		bytes -= b->m[i]->pkt_len;
		rte_pktmbuf_free(b->m[i]);
	}
	c->queue[queue].tx_bytes += bytes;
	b->n = 0;
}

/*
 * Whether the device may be given @m. Drivers rely on what it was set up for: some copy
 * what pkt_len says out of a first mbuf, and a NIC may stop a queue for a frame that
 * is too long for it.
 */
static bool burst_takes(struct uplink_burst *b, const struct rte_mbuf *m)
{
	struct counters *c = port_counters(b->lc, b->p);
	u32 len = m->pkt_len;

	if (unlikely(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG))
		len = m->l2_len + m->l3_len + m->l4_len + m->tso_segsz;
	if (unlikely(len > b->p->tx_most)) {
		c->tx_mtu++;
		return false;
	}
	if (unlikely(m->nb_segs > 1 && !b->p->tx_chains)) {
		c->tx_too_long++;
		return false;
	}
	return true;
}

/* Adds @m, which is NULL where there was no memory for it. */
static void burst_add(struct uplink_burst *b, struct rte_mbuf *m)
{
	if (unlikely(!m)) {
		port_counters(b->lc, b->p)->tx_no_buffer++;
		return;
	}
	if (unlikely(!burst_takes(b, m))) {
		rte_pktmbuf_free(m);
		return;
	}
	b->m[b->n++] = m;
	if (unlikely(b->n == FRAME_BURST))
		burst_send(b);
}

/* A frame that somebody has to finish: the device, or we. */
static void burst_finish(struct uplink_burst *b, const struct frame *f)
{
	struct offload_work *w;
	struct frame *out;

	if (b->p->tx_offloads) {
		struct rte_mbuf *m = mbuf_from_frame(b->p, f);

		if (!m || mbuf_offload(m, f, b->p->tx_offloads)) {
			b->prepare = true;
			burst_add(b, m);
			return;
		}
		rte_pktmbuf_free(m);
	}
	w = port_finish(b->lc, b->p, f);
	while (w && (out = offload_next(w)))
		burst_add(b, mbuf_from_frame(b->p, out));
}

static void uplink_output(struct lcore *lc, struct port *p, struct frame **f, unsigned int n,
			  unsigned int queue, bool last)
{
	struct uplink_burst b = { .lc = lc, .p = p, .queue = queue };
	unsigned int i;

	if (unlikely(READ_ONCE(p->link_down))) {
		port_counters(lc, p)->tx_down += n;
		return;
	}
	for (i = 0; i < n; i++) {
		if (unlikely(!frame_finished(f[i]))) {
			burst_finish(&b, f[i]);
		} else if (last && f[i]->mbuf &&
			   /* As long as the frame is still what lies in the mbuf. */
			   f[i]->seg[0].base == rte_pktmbuf_mtod(f[i]->mbuf, void *)) {
			struct rte_mbuf *m = f[i]->mbuf;

			f[i]->mbuf = NULL;
			burst_add(&b, m);
		} else {
			burst_add(&b, mbuf_from_frame(p, f[i]));
		}
	}
	if (b.n)
		burst_send(&b);
}

static bool uplink_up(const struct port *p)
{
	return !READ_ONCE(p->link_down);
}

const struct port_ops uplink_port_ops = {
	.kind = "ethdev",
	.poll = uplink_poll,
	.output = uplink_output,
	.up = uplink_up,
	.arm = uplink_arm,
	.disarm = uplink_disarm,
};
