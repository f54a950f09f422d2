// SPDX-License-Identifier: GPL-2.0
/*
 * The transmitter (8254x SDM 3.3, 3.4, 3.5): walks the descriptor ring from
 * TDH to TDT, gathers packets, inserts checksums and VLAN tags, cuts TCP and
 * UDP packets into segments, and gives frames to the backend.
 *
 * It runs on the vCPU thread that wrote TDT: the frame is on its way when the
 * write returns, no thread has to be woken, and a guest pays for its own
 * traffic. A budget bounds that; what is left goes to the loop thread.
 *
 * What a descriptor says is loaded once into struct e1000_tx and checked
 * there. A packet works with its own copy of the offload context, taken and
 * checked when the packet begins. Each step of the walk consumes bytes, a
 * frame or a descriptor, and pays for the last two with budget.
 */
#include "vmm/emulated/e1000-dev.h"
#include "vmm/emulated/e1000-sum.h"

#define TX_RETRY_NS 200000 /* the backend's queue was full: look again */

#define ETH_ADDRS 12 /* a tag goes behind these */
#define ETH_HDR 14
#define IP4_HDR 20
#define IP6_HDR 40
#define TCP_HDR 20
#define UDP_HDR 8
#define TCP_FIN_PSH 0x09

void e1000_tx_reset(struct e1000 *e)
{
	struct e1000_tx *tx = &e->tx;

	memset(tx->context, 0, sizeof(tx->context));
	tx->more = false;
	tx->stuck = false;
	tx->have = false;
	tx->in_packet = false;
	tx->frame_len = 0;
	e1000_timer_stop(e, TIMER_TX_RETRY);
}

static u32 tx_ring_size(const struct e1000 *e)
{
	return e1000_get(e, R_TDLEN) / E1000_DESC_SIZE;
}

static u64 *tx_desc(struct e1000 *e)
{
	return e1000_desc(e, R_TDBAL, R_TDBAH, R_TDH);
}

static void tx_load_context(struct e1000_tx *tx)
{
	tx->context[!!(tx->cmd & TXD_CMD_TSE)] = (struct e1000_context){
		.ipcss = (u8)tx->addr,
		.ipcso = (u8)(tx->addr >> 8),
		.ipcse = (u16)(tx->addr >> 16),
		.tucss = (u8)(tx->addr >> 32),
		.tucso = (u8)(tx->addr >> 40),
		.tucse = (u16)(tx->addr >> 48),
		.hdr_len = (u8)(tx->upper >> 8),
		.mss = (u16)(tx->upper >> 16),
		.tcp = tx->cmd & TXD_CTX_TCP,
		.ipv4 = tx->cmd & TXD_CTX_IP,
	};
}

/* @need bytes at @at, all within the first @len. */
static bool within(u32 at, u32 need, u32 len)
{
	return at <= len && need <= len - at;
}

/*
 * Whether a context is one that packets can be cut with: every field that is
 * rewritten in each segment lies in the header, and a segment is a frame.
 */
static bool tso_context_valid(const struct e1000_context *c)
{
	u32 hdr = c->hdr_len;

	if (!c->mss || hdr < ETH_HDR || hdr > E1000_TSO_HDR_MAX || hdr + c->mss > E1000_FRAME_MAX)
		return false;
	if (!within(c->ipcss, c->ipv4 ? IP4_HDR : IP6_HDR, hdr))
		return false;
	return within(c->tucss, c->tcp ? TCP_HDR : UDP_HDR, hdr);
}

static void tx_begin_packet(struct e1000 *e)
{
	struct e1000_tx *tx = &e->tx;
	bool data = tx->cmd & TXD_CMD_DEXT;

	tx->in_packet = true;
	tx->drop = false;
	tx->hdr_have = 0;
	tx->segs = 0;
	tx->data_len = 0;
	/* The options of a packet are those of its first data descriptor. */
	tx->tso = data && (tx->cmd & TXD_CMD_TSE);
	tx->ip_sum = data && (tx->upper & TXD_POPTS_IXSM);
	tx->l4_sum = data && (tx->upper & TXD_POPTS_TXSM);
	tx->ctx = tx->context[tx->tso];
	if (!tx->tso)
		return;
	if (tso_context_valid(&tx->ctx)) {
		e1000_stat_add(e, R_TSCTC, 1);
	} else {
		e1000_stat_add(e, R_TSCTFC, 1);
		tx->drop = true;
	}
}

/*
 * Loads the descriptor at TDH. False if there is none to load: the ring is
 * empty, not set up, or not in RAM.
 */
static bool tx_fetch(struct e1000 *e)
{
	struct e1000_tx *tx = &e->tx;
	u32 head = e1000_get(e, R_TDH), tail = e1000_get(e, R_TDT), n = tx_ring_size(e);
	u64 *desc, second;

	if (head == tail || head >= n || tail >= n)
		return false;
	desc = tx_desc(e);
	if (!desc) {
		tx->stuck = true;
		e->count.dma_errors++;
		return false;
	}
	tx->addr = le64_to_cpu(READ_ONCE(desc[0]));
	second = le64_to_cpu(READ_ONCE(desc[1]));
	tx->cmd = (u32)second;
	tx->upper = (u32)(second >> 32);
	tx->have = true;
	tx->ended = false;
	tx->off = 0;
	tx->len = 0;
	if (!(tx->cmd & TXD_CMD_DEXT)) {
		tx->len = TXD_LEGACY_LEN(tx->cmd);
	} else if (TXD_DTYP(tx->cmd) == TXD_DTYP_DATA) {
		tx->len = TXD_EXT_LEN(tx->cmd);
	} else {
		if (TXD_DTYP(tx->cmd) == TXD_DTYP_CONTEXT)
			tx_load_context(tx);
		tx->ended = true; /* no data, no packet; other types are reserved */
		return true;
	}
	if (!tx->in_packet)
		tx_begin_packet(e);
	return true;
}

/* Reports the descriptor to the driver, and goes on to the next. */
static void tx_write_back(struct e1000 *e)
{
	struct e1000_tx *tx = &e->tx;
	u32 next = e1000_get(e, R_TDH) + 1;

	if (tx->cmd & (TXD_CMD_RS | TXD_CMD_RPS)) {
		u64 *desc = tx_desc(e), second = (u64)(tx->upper | TXD_STAT_DD) << 32 | tx->cmd;

		/*
		 * One store, after the reads of buffer and descriptor: from
		 * here on both are the driver's.
		 */
		if (desc)
			viola_store_release(&desc[1], cpu_to_le64(second));
		e1000_irq_written_back(e, tx->cmd & TXD_CMD_IDE);
	}
	e1000_set(e, R_TDH, next < tx_ring_size(e) ? next : 0);
	tx->have = false;
}

/* A whole packet or segment of @len bytes is in tx->buf: makes it a frame. */
static bool tx_frame(struct e1000 *e, u32 len)
{
	struct e1000_tx *tx = &e->tx;
	u32 tag;

	if (!(tx->cmd & TXD_CMD_IFCS)) {
		/*
		 * The driver brought the FCS along. It is not for the backend,
		 * and with a wrong one no receiver takes the frame.
		 */
		u32 fcs;

		if (len < ETH_HDR + E1000_FCS_LEN)
			return false;
		len -= E1000_FCS_LEN;
		memcpy(&fcs, tx->buf + len, sizeof(fcs));
		if (le32toh(fcs) != e1000_fcs(tx->buf, len))
			return false;
	}
	if (len < ETH_HDR || len > E1000_FRAME_MAX)
		return false;
	tx->frame_vlan = (tx->cmd & TXD_CMD_VLE) && (e1000_get(e, R_CTRL) & CTRL_VME);
	tx->frame_tci = (u16)TXD_SPECIAL(tx->upper);
	tag = tx->frame_vlan ? 4 : 0;
	if ((e1000_get(e, R_TCTL) & TCTL_PSP) && len + tag < E1000_FRAME_MIN) {
		memset(tx->buf + len, 0, E1000_FRAME_MIN - tag - len);
		len = E1000_FRAME_MIN - tag;
	}
	tx->frame_len = len;
	return true;
}

/*
 * Makes a segment of header and tx->data_len payload bytes (3.5.8). tso_context_valid()
 * has seen to it that every offset is inside the header.
 */
static bool tx_segment(struct e1000 *e, bool last)
{
	struct e1000_tx *tx = &e->tx;
	const struct e1000_context *c = &tx->ctx;
	u32 len = c->hdr_len + tx->data_len;
	u8 *ip = tx->buf + c->ipcss, *l4 = tx->buf + c->tucss;
	u32 l4_len = len - c->tucss;

	memcpy(tx->buf, tx->hdr, c->hdr_len);
	if (c->ipv4) {
		put_be16(ip + 2, (u16)(len - c->ipcss));
		put_be16(ip + 4, (u16)(get_be16(ip + 4) + tx->segs));
	} else {
		put_be16(ip + 4, (u16)(len - c->ipcss - IP6_HDR));
	}
	if (c->tcp) {
		put_be32(l4 + 4, get_be32(l4 + 4) + tx->segs * c->mss);
		if (!last)
			l4[13] &= (u8)~TCP_FIN_PSH;
	} else {
		put_be16(l4 + 4, (u16)l4_len);
	}
	if (tx->ip_sum)
		e1000_sum_insert(tx->buf, len, c->ipcss, c->ipcse, c->ipcso, false);
	/* The driver's seed is a pseudo header without length: it differs by segment. */
	if (tx->l4_sum && within(c->tucso, 2, len)) {
		u8 *seed = tx->buf + c->tucso;

		put_be16(seed, e1000_sum_fold((u64)get_be16(seed) + (l4_len & 0xffff)));
		e1000_sum_insert(tx->buf, len, c->tucss, c->tucse, c->tucso, !c->tcp);
	}
	tx->segs++;
	tx->data_len = 0;
	return tx_frame(e, len);
}

/* EOP of a packet that is not cut: true if there is a frame to send. */
static bool tx_whole(struct e1000 *e)
{
	struct e1000_tx *tx = &e->tx;
	const struct e1000_context *c = &tx->ctx;

	if (tx->ip_sum)
		e1000_sum_insert(tx->buf, tx->data_len, c->ipcss, c->ipcse, c->ipcso, false);
	if (tx->l4_sum)
		e1000_sum_insert(tx->buf, tx->data_len, c->tucss, c->tucse, c->tucso, !c->tcp);
	if (!(tx->cmd & TXD_CMD_DEXT) && (tx->cmd & TXD_CMD_IC))
		e1000_sum_insert(tx->buf, tx->data_len, TXD_CSS(tx->upper), 0,
				 TXD_LEGACY_CSO(tx->cmd), false);
	return tx_frame(e, tx->data_len);
}

/* EOP: true if the packet ends in a frame to send. */
static bool tx_end_packet(struct e1000 *e)
{
	struct e1000_tx *tx = &e->tx;
	bool frame;

	tx->in_packet = false;
	if (tx->drop || (tx->tso && tx->hdr_have < tx->ctx.hdr_len))
		frame = false;
	else
		frame = tx->tso ? tx_segment(e, true) : tx_whole(e);
	if (!frame)
		e->count.tx_drops++;
	return frame;
}

/*
 * Works on the descriptor in hand. True if a frame is to be sent before
 * anything else, false if the descriptor is used up.
 */
static bool tx_step(struct e1000 *e)
{
	struct e1000_tx *tx = &e->tx;

	while (tx->off < tx->len) {
		u32 left = tx->len - tx->off, room, n;
		u64 from;
		u8 *to;

		if (tx->drop) {
			tx->off = tx->len;
			break;
		}
		if (!tx->tso) {
			to = tx->buf + tx->data_len;
			room = E1000_FRAME_MAX - tx->data_len;
		} else if (tx->hdr_have < tx->ctx.hdr_len) {
			to = tx->hdr + tx->hdr_have;
			room = tx->ctx.hdr_len - tx->hdr_have;
		} else {
			to = tx->buf + tx->ctx.hdr_len + tx->data_len;
			room = tx->ctx.mss - tx->data_len;
			/*
			 * A full segment waits for the byte that proves it is
			 * not the last: that one keeps FIN and PSH.
			 */
			if (!room) {
				if (tx_segment(e, false))
					return true;
				tx->drop = true; /* no frame, nor will the others be */
				continue;
			}
		}
		n = min(left, room);
		if (!n || !viola_add_u64(tx->addr, tx->off, &from) ||
		    memory_dma_read(&e->pci.vm->mem, &e->hint, from, to, n)) {
			/* Longer than any frame, or not in RAM. */
			if (n)
				e->count.dma_errors++;
			tx->drop = true;
			continue;
		}
		tx->off += n;
		if (tx->tso && tx->hdr_have < tx->ctx.hdr_len)
			tx->hdr_have += n;
		else
			tx->data_len += n;
	}
	if (tx->ended || !(tx->cmd & TXD_CMD_EOP))
		return false;
	tx->ended = true;
	return tx_end_packet(e);
}

/* Sends the frame that waits. False if the backend wants it later. */
static bool tx_send(struct e1000 *e)
{
	struct e1000_tx *tx = &e->tx;
	u32 len = tx->frame_len, nr = 0, at = 0;
	struct viola_seg seg[3];
	u8 tag[4];
	int err = 0;

	if (tx->frame_vlan) {
		put_be16(tag, (u16)e1000_get(e, R_VET));
		put_be16(tag + 2, tx->frame_tci);
		at = ETH_ADDRS;
		seg[nr++] = (struct viola_seg){ tx->buf, at };
		seg[nr++] = (struct viola_seg){ tag, sizeof(tag) };
	}
	seg[nr++] = (struct viola_seg){ tx->buf + at, len - at };
	len = (u32)viola_segs_len(seg, nr);

	if (e1000_loopback_on(e))
		e1000_loopback_put(e, seg, nr, len);
	else if (e1000_link_up(e))
		err = e->be->ops->send(e->be, 0, seg, nr);
	else
		err = -ENETDOWN;
	if (err == -EAGAIN) {
		e1000_timer_start(e, TIMER_TX_RETRY, TX_RETRY_NS, true);
		return false;
	}
	tx->frame_len = 0;
	if (err) {
		e->count.tx_drops++;
	} else {
		e->count.tx_frames++;
		e->count.tx_bytes += len;
		e1000_stat_tx(e, tx->buf, len + E1000_FCS_LEN);
	}
	return true;
}

bool e1000_tx_run(struct e1000 *e, unsigned int budget)
{
	struct e1000_tx *tx = &e->tx;
	bool worked = false;

	tx->more = false;
	if (!(e1000_get(e, R_TCTL) & TCTL_EN) || !pci_bus_master(&e->pci))
		return false;
	while (budget--) {
		if (tx->frame_len) {
			if (!tx_send(e))
				return false;
		} else if (!tx->have) {
			if (tx->stuck || !tx_fetch(e))
				break;
		}
		worked = true;
		if (!tx_step(e))
			tx_write_back(e);
		if (!budget && (tx->have || e1000_get(e, R_TDH) != e1000_get(e, R_TDT))) {
			tx->more = true;
			return true;
		}
	}
	if (worked && !tx->stuck && e1000_get(e, R_TDH) == e1000_get(e, R_TDT)) {
		e1000_stat_add(e, R_ICTXQEC, 1);
		e1000_irq_raise(e, INT_TXQE);
	}
	return false;
}
