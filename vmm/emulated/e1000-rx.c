// SPDX-License-Identifier: GPL-2.0
/*
 * The receiver (8254x SDM 3.2): decides whether a frame is for this station,
 * what the descriptor will say about it, and stores it in the ring from RDH
 * on. The ring ends at RDT; a frame that does not fit waits there, half
 * stored if need be, until the driver adds buffers. Nothing is taken from the
 * backend meanwhile, so what is too much is dropped there, as in a switch.
 *
 * Every turn of the store loop uses up a descriptor, whatever is in it, so a
 * ring of useless descriptors ends it as any other ring does.
 */
#include "vmm/emulated/e1000-dev.h"
#include "vmm/emulated/e1000-sum.h"

#define ETH_ADDRS 12
#define ETH_HDR 14
#define TAG_LEN 4
#define TAG_VID(tci) ((tci) & 0xfff)
#define TAG_CFI 0x1000
#define ETH_P_IPV4 0x0800
#define IP4_HDR 20
#define PROTO_TCP 6
#define PROTO_UDP 17
#define TCP_HDR 20
#define UDP_HDR 8

void e1000_rx_reset(struct e1000 *e)
{
	e->rx.stuck = false;
	e->rx.total = 0;
	e->loopback.used = 0;
}

static u32 rx_ring_size(const struct e1000 *e)
{
	return e1000_get(e, R_RDLEN) / E1000_DESC_SIZE;
}

/* Descriptors the driver has made available. */
static u32 rx_available(const struct e1000 *e)
{
	u32 head = e1000_get(e, R_RDH), tail = e1000_get(e, R_RDT), n = rx_ring_size(e);

	if (head >= n || tail >= n)
		return 0;
	return tail >= head ? tail - head : n - head + tail;
}

bool e1000_rx_can(struct e1000 *e)
{
	return (e1000_get(e, R_RCTL) & RCTL_EN) && !e->rx.stuck && rx_available(e) &&
	       (e1000_link_up(e) || e1000_loopback_on(e)) && pci_bus_master(&e->pci);
}

static u32 rx_buffer_size(const struct e1000 *e)
{
	static const u16 size[2][4] = {
		{ 2048, 1024, 512, 256 },
		{ 2048, 16384, 8192, 4096 }, /* BSEX; the first is reserved */
	};
	u32 rctl = e1000_get(e, R_RCTL);

	return size[!!(rctl & RCTL_BSEX)][RCTL_BSIZE(rctl)];
}

static void rx_advance(struct e1000 *e)
{
	u32 next = e1000_get(e, R_RDH) + 1, n = rx_ring_size(e);
	u32 threshold = n >> (1 + RCTL_RDMTS(e1000_get(e, R_RCTL)));

	e1000_set(e, R_RDH, next < n ? next : 0);
	if (rx_available(e) == threshold) {
		e1000_stat_add(e, R_ICRXDMTC, 1);
		e1000_irq_raise(e, INT_RXDMT0);
	}
}

bool e1000_rx_push(struct e1000 *e)
{
	struct e1000_rx *rx = &e->rx;

	while (rx->total && rx_available(e)) {
		u32 n = min(rx_buffer_size(e), rx->total - rx->off);
		u32 status = RXD_STAT_DD, errors = 0;
		u64 *desc = e1000_desc(e, R_RDBAL, R_RDBAH, R_RDH), addr, second;

		if (!desc) {
			rx->stuck = true;
			rx->total = 0;
			e->count.dma_errors++;
			e->count.rx_drops++;
			return true;
		}
		addr = le64_to_cpu(READ_ONCE(desc[0]));
		if (!addr)
			n = 0; /* a null descriptor is passed over (3.2.3) */
		if (memory_dma_write(&e->pci.vm->mem, &e->hint, addr, rx->buf + rx->off, n)) {
			e->count.dma_errors++;
			rx->errors |= RXD_ERR_RXE;
		}
		rx->off += n;
		if (rx->off == rx->total) {
			status |= RXD_STAT_EOP | rx->status;
			errors = rx->errors;
		}
		/* One store, after the buffer's: with DD both are the driver's. */
		second = n | (u64)rx->csum << RXD_CSUM_SHIFT | (u64)status << RXD_STATUS_SHIFT |
			 (u64)errors << RXD_ERRORS_SHIFT | (u64)rx->special << RXD_SPECIAL_SHIFT;
		viola_store_release(&desc[1], cpu_to_le64(second));
		rx_advance(e);
		if (rx->off == rx->total) {
			e->count.rx_frames++;
			e->count.rx_bytes += rx->wire_len - E1000_FCS_LEN;
			e1000_stat_rx(e, rx->buf, rx->wire_len);
			rx->total = 0;
		}
	}
	return !rx->total;
}

static bool multicast_match(const struct e1000 *e, const u8 *mac)
{
	static const u8 shift[] = { 4, 3, 2, 0 }; /* by RCTL.MO */
	u32 s = shift[RCTL_MO(e1000_get(e, R_RCTL))];
	u32 hash = ((u32)mac[4] >> s | (u32)mac[5] << (8 - s)) & 0xfff;

	return e1000_get(e, R_MTA + (hash >> 5) * 4) >> (hash & 31) & 1;
}

/*
 * The address filters (3.2.1). *@inexact: it was the multicast table alone
 * that let the frame pass.
 */
static bool address_match(const struct e1000 *e, const u8 *mac, bool *inexact)
{
	u32 rctl = e1000_get(e, R_RCTL);
	u32 low, high;

	low = mac[0] | (u32)mac[1] << 8 | (u32)mac[2] << 16 | (u32)mac[3] << 24;
	high = mac[4] | (u32)mac[5] << 8;
	*inexact = false;
	if (rctl & (mac[0] & 1 ? RCTL_MPE : RCTL_UPE))
		return true;
	if (low == 0xffffffff && high == 0xffff && (rctl & RCTL_BAM))
		return true;
	for (u32 i = 0; i < E1000_RA_ENTRIES; i++) {
		u32 rah = e1000_get(e, R_RA + i * 8 + 4);

		if ((rah & RAH_AV) && !(rah & RAH_AS) && (rah & 0xffff) == high &&
		    e1000_get(e, R_RA + i * 8) == low)
			return true;
	}
	*inexact = true;
	return (mac[0] & 1) && multicast_match(e, mac);
}

static bool vlan_match(const struct e1000 *e, u16 tci)
{
	u32 rctl = e1000_get(e, R_RCTL), vid = TAG_VID(tci);

	if (!(rctl & RCTL_VFE))
		return true;
	if ((rctl & RCTL_CFIEN) && !!(tci & TAG_CFI) != !!(rctl & RCTL_CFI))
		return false;
	return e1000_get(e, R_VFTA + (vid >> 5) * 4) >> (vid & 31) & 1;
}

/*
 * What was found out about a frame's checksums (3.2.9). @frame starts with
 * the addresses, its type is at @type, and @sum is that of the bytes from
 * @sum_from on.
 */
static void rx_checksums(struct e1000 *e, const u8 *frame, u32 len, u32 type, u64 sum, u32 sum_from)
{
	struct e1000_rx *rx = &e->rx;
	u32 rxcsum = e1000_get(e, R_RXCSUM);
	u32 ip = type + 2, hdr, total, l4, l4_len;
	u64 l4_sum;

	rx->status |= RXD_STAT_IXSM;
	if (!(rxcsum & (RXCSUM_IPOFL | RXCSUM_TUOFL)) || get_be16(frame + type) != ETH_P_IPV4 ||
	    len < ip + IP4_HDR || frame[ip] >> 4 != 4)
		return;
	hdr = (frame[ip] & 0xfu) * 4;
	total = get_be16(frame + ip + 2);
	if (hdr < IP4_HDR || total < hdr || total > len - ip)
		return;
	rx->status &= (u8)~RXD_STAT_IXSM;
	if (rxcsum & RXCSUM_IPOFL) {
		rx->status |= RXD_STAT_IPCS;
		if (e1000_sum_fold(e1000_sum(frame + ip, hdr)) != 0xffff)
			rx->errors |= RXD_ERR_IPE;
	}

	l4 = ip + hdr;
	l4_len = total - hdr;
	if (!(rxcsum & RXCSUM_TUOFL) || (get_be16(frame + ip + 6) & 0x3fff)) /* a fragment */
		return;
	if (frame[ip + 9] == PROTO_UDP) {
		if (l4_len < UDP_HDR || !get_be16(frame + l4 + 6)) /* sent without one */
			return;
		if (get_be16(frame + l4 + 4) != l4_len)
			return;
	} else if (frame[ip + 9] != PROTO_TCP || l4_len < TCP_HDR) {
		return;
	}
	/*
	 * The payload has been summed already; what is not of this datagram
	 * (headers before it, padding behind it) is taken off again. That
	 * works where both ranges have their words at the same places.
	 */
	if (sum_from <= l4 && !((l4 - sum_from) & 1) && !(l4_len & 1))
		l4_sum = sum + (u16)~e1000_sum_fold(e1000_sum(frame + sum_from, l4 - sum_from)) +
			 (u16)~e1000_sum_fold(e1000_sum(frame + l4 + l4_len, len - l4 - l4_len));
	else
		l4_sum = e1000_sum(frame + l4, l4_len);
	l4_sum += e1000_sum(frame + ip + 12, 8) + frame[ip + 9] + l4_len;
	rx->status |= RXD_STAT_TCPCS;
	if (e1000_sum_fold(l4_sum) != 0xffff)
		rx->errors |= RXD_ERR_TCPE;
}

void e1000_rx_frame(struct e1000 *e, u32 len)
{
	struct e1000_rx *rx = &e->rx;
	u8 *frame = rx->buf;
	u32 rctl = e1000_get(e, R_RCTL), pcss, type = ETH_ADDRS;
	bool inexact, tagged, strip = false;
	u64 sum = 0;
	u32 fcs;

	/* What is too short was padded by whoever put it on the wire. */
	if (len < E1000_FRAME_MIN) {
		memset(frame + len, 0, E1000_FRAME_MIN - len);
		len = E1000_FRAME_MIN;
	}
	e1000_stat_add(e, R_TPR, 1);
	tagged = get_be16(frame + ETH_ADDRS) == (e1000_get(e, R_VET) & 0xffff);
	if (len > E1000_FRAME_MAX || (!(rctl & RCTL_LPE) && len > E1000_FRAME_STD)) {
		e1000_stat_add(e, R_ROC, 1);
		e->count.rx_drops++;
		return;
	}
	if (!address_match(e, frame, &inexact))
		return;
	if (tagged && !vlan_match(e, get_be16(frame + ETH_HDR)))
		return;

	rx->wire_len = len + E1000_FCS_LEN;
	rx->status = inexact ? RXD_STAT_PIF : 0;
	rx->errors = 0;
	rx->special = 0;
	rx->csum = 0;
	if (!(rctl & RCTL_SECRC)) {
		fcs = htole32(e1000_fcs(frame, len));
		memcpy(frame + len, &fcs, sizeof(fcs));
	}
	if (tagged && (e1000_get(e, R_CTRL) & CTRL_VME)) {
		rx->status |= RXD_STAT_VP;
		rx->special = get_be16(frame + ETH_HDR);
		memmove(frame + ETH_ADDRS, frame + ETH_ADDRS + TAG_LEN,
			len + E1000_FCS_LEN - ETH_ADDRS - TAG_LEN);
		len -= TAG_LEN;
		strip = true;
	}
	if (tagged && !strip)
		type += TAG_LEN;

	pcss = e1000_get(e, R_RXCSUM) & RXCSUM_PCSS;
	if (pcss < len)
		sum = e1000_sum(frame + pcss, len - pcss);
	rx->csum = (u16)~e1000_sum_fold(sum);
	rx_checksums(e, frame, len, type, sum, pcss);
	rx->off = 0;
	rx->total = len + (rctl & RCTL_SECRC ? 0 : E1000_FCS_LEN);
}

/*
 * Loopback: what is sent is queued here and received by the loop thread, as
 * if it came from a far end. Sending never receives by itself.
 */
static void loopback_in(struct e1000_loopback *lb, const void *from, u32 len)
{
	u32 at = (lb->head + lb->used) % E1000_LOOPBACK_SIZE;
	u32 part = min(len, (u32)E1000_LOOPBACK_SIZE - at);

	memcpy(lb->ring + at, from, part);
	memcpy(lb->ring, (const u8 *)from + part, len - part);
	lb->used += len;
}

static void loopback_out(struct e1000_loopback *lb, void *to, u32 len)
{
	u32 part = min(len, (u32)E1000_LOOPBACK_SIZE - lb->head);

	memcpy(to, lb->ring + lb->head, part);
	memcpy((u8 *)to + part, lb->ring, len - part);
	lb->head = (lb->head + len) % E1000_LOOPBACK_SIZE;
	lb->used -= len;
}

void e1000_loopback_put(struct e1000 *e, const struct viola_seg *seg, u32 nr, u32 len)
{
	struct e1000_loopback *lb = &e->loopback;
	u16 len16 = (u16)len;

	if (lb->used + sizeof(len16) + len > E1000_LOOPBACK_SIZE) {
		e1000_stat_add(e, R_MPC, 1);
		return;
	}
	loopback_in(lb, &len16, sizeof(len16));
	for (; nr--; seg++)
		loopback_in(lb, seg->base, (u32)seg->len);
	e1000_kick(e);
}

bool e1000_loopback_get(struct e1000 *e)
{
	struct e1000_loopback *lb = &e->loopback;
	u16 len;

	if (!lb->used)
		return false;
	loopback_out(lb, &len, sizeof(len));
	loopback_out(lb, e->rx.buf, len);
	e1000_rx_frame(e, len);
	return true;
}
