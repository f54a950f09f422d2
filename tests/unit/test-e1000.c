// SPDX-License-Identifier: GPL-2.0
/*
 * The emulated 82540EM through its registers and rings, against frames and
 * sums computed here in another way, and against drivers that lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include <cmocka.h>
#include <linux/pci_regs.h>

#include "tests/unit/e1000-rig.h"

#define TX_RING 0x10000u
#define RX_RING 0x20000u
#define TX_BUF 0x40000u
#define RX_BUF 0x100000u
#define RING 64u

static const u8 my_mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

static int setup(void **state)
{
	rig_start();
	return 0;
}

static int teardown(void **state)
{
	rig_stop();
	return 0;
}

static u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000u + (u64)ts.tv_nsec;
}

/* --- the far end's own idea of a frame ------------------------------------------ */

static u16 be16(const u8 *p)
{
	return (u16)(p[0] << 8 | p[1]);
}

static void put16(u8 *p, u32 v)
{
	p[0] = (u8)(v >> 8);
	p[1] = (u8)v;
}

static void put32(u8 *p, u32 v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* Word by word, carry by carry. */
static u16 slow_sum(const u8 *p, u32 len, u32 start)
{
	u32 sum = start;

	for (u32 i = 0; i < len; i++) {
		sum += i & 1 ? p[i] : (u32)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (u16)sum;
}

static u32 slow_crc(const u8 *p, u32 len)
{
	u32 crc = ~0u;

	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
	}
	return ~crc;
}

struct packet {
	u32 len, hdr_len, l3, l4;
	bool v6, udp;
	u8 data[70000];
};

/* Lengths and checksums of a whole and correct packet. */
static void packet_finish(struct packet *p)
{
	u8 *ip = p->data + p->l3, *l4 = p->data + p->l4, pseudo[40];
	u32 l4_len = p->len - p->l4, n;
	u8 *field = l4 + (p->udp ? 6 : 16);
	u16 sum;

	if (p->udp)
		put16(l4 + 4, l4_len);
	memset(pseudo, 0, sizeof(pseudo));
	if (p->v6) {
		put16(ip + 4, p->len - p->l3 - 40);
		memcpy(pseudo, ip + 8, 32);
		put32(pseudo + 32, l4_len);
		pseudo[39] = ip[6];
		n = 40;
	} else {
		put16(ip + 2, p->len - p->l3);
		put16(ip + 10, 0);
		put16(ip + 10, (u16)~slow_sum(ip, 20, 0));
		memcpy(pseudo, ip + 12, 8);
		pseudo[9] = ip[9];
		put16(pseudo + 10, l4_len);
		n = 12;
	}
	put16(field, 0);
	sum = (u16)~slow_sum(l4, l4_len, slow_sum(pseudo, n, 0));
	put16(field, sum || !p->udp ? sum : 0xffff);
}

static void packet_make(struct packet *p, bool v6, bool udp, u32 payload)
{
	u8 *ip, *l4;

	memset(p, 0, sizeof(*p));
	p->v6 = v6;
	p->udp = udp;
	p->l3 = 14;
	p->l4 = p->l3 + (v6 ? 40 : 20);
	p->hdr_len = p->l4 + (udp ? 8 : 20);
	p->len = p->hdr_len + payload;
	memcpy(p->data, "\x02\x00\x00\x00\x00\x01", 6);
	memcpy(p->data + 6, my_mac, 6);
	put16(p->data + 12, v6 ? 0x86dd : 0x0800);
	ip = p->data + p->l3;
	if (v6) {
		ip[0] = 0x60;
		ip[6] = udp ? 17 : 6;
		ip[7] = 64;
		for (int i = 0; i < 32; i++)
			ip[8 + i] = (u8)(i * 7 + 1);
	} else {
		ip[0] = 0x45;
		put16(ip + 4, 0xfffe); /* the identification wraps */
		ip[8] = 64;
		ip[9] = udp ? 17 : 6;
		put32(ip + 12, 0x0a000001);
		put32(ip + 16, 0x0a000002);
	}
	l4 = p->data + p->l4;
	put16(l4, 1234);
	put16(l4 + 2, 80);
	if (!udp) {
		put32(l4 + 4, 0xfffff000); /* and so does the sequence */
		l4[12] = 5 << 4;
		l4[13] = 0x19; /* ACK, PSH, FIN */
		put16(l4 + 14, 4096);
	}
	for (u32 i = p->hdr_len; i < p->len; i++)
		p->data[i] = (u8)(i * 31 + i / 256);
	packet_finish(p);
}

/* What segmentation makes of @p: the @index-th frame. */
static void packet_segment(const struct packet *p, struct packet *s, u32 mss, u32 index)
{
	u32 off = index * mss, n = p->len - p->hdr_len - off;

	memset(s, 0, sizeof(*s));
	s->v6 = p->v6;
	s->udp = p->udp;
	s->l3 = p->l3;
	s->l4 = p->l4;
	s->hdr_len = p->hdr_len;
	if (n > mss)
		n = mss;
	s->len = p->hdr_len + n;
	memcpy(s->data, p->data, p->hdr_len);
	memcpy(s->data + p->hdr_len, p->data + p->hdr_len + off, n);
	if (!p->v6)
		put16(s->data + s->l3 + 4, be16(p->data + p->l3 + 4) + index);
	if (!p->udp) {
		put32(s->data + s->l4 + 4, 0xfffff000 + off);
		if (off + n < p->len - p->hdr_len)
			s->data[s->l4 + 13] &= (u8)~0x09;
	}
	packet_finish(s);
}

/* As a driver leaves the fields for hardware: the pseudo header without length. */
static void packet_unfinish(struct packet *p, bool tso)
{
	u8 *ip = p->data + p->l3, *l4 = p->data + p->l4, pseudo[40] = { 0 };
	u32 l4_len = tso ? 0 : p->len - p->l4;

	if (p->v6) {
		memcpy(pseudo, ip + 8, 32);
		put32(pseudo + 32, l4_len);
		pseudo[39] = ip[6];
		if (tso)
			put16(ip + 4, 0);
	} else {
		memcpy(pseudo, ip + 12, 8);
		pseudo[9] = ip[9];
		put16(pseudo + 10, l4_len);
		if (tso) {
			put16(ip + 2, 0);
			put16(ip + 10, 0);
		}
	}
	put16(l4 + (p->udp ? 6 : 16), slow_sum(pseudo, p->v6 ? 40 : 12, 0));
}

/* --- transmitting ------------------------------------------------------------------ */

static u32 tx_tail;

static void tx_on(void)
{
	tx_tail = 0;
	rig_set(R_TDBAL, TX_RING);
	rig_set(R_TDBAH, 0);
	rig_set(R_TDLEN, RING * E1000_DESC_SIZE);
	rig_set(R_TDH, 0);
	rig_set(R_TDT, 0);
	rig_set(R_TCTL, TCTL_EN | TCTL_PSP);
}

static u64 *tx_at(u32 index)
{
	return rig_at(TX_RING + index % RING * E1000_DESC_SIZE);
}

/* Adds a descriptor without telling the device. */
static u64 *tx_add(u64 addr, u32 cmd, u32 upper)
{
	u64 *desc = tx_at(tx_tail++);

	desc[0] = addr;
	desc[1] = cmd | (u64)upper << 32;
	return desc;
}

static void tx_go(void)
{
	rig_set(R_TDT, tx_tail % RING);
}

static bool tx_done(const u64 *desc)
{
	return desc[1] >> 32 & TXD_STAT_DD;
}

static u64 *tx_context(const struct packet *p, u32 mss, u32 flags)
{
	u64 *desc = tx_add(0, TXD_CMD_DEXT | flags | (p->udp ? 0 : TXD_CTX_TCP) |
			   (p->v6 ? 0 : TXD_CTX_IP) | (p->len - p->hdr_len),
			   (u32)p->hdr_len << 8 | mss << 16);

	desc[0] = p->l3 | (u64)(p->l3 + 10) << 8 | (u64)(p->v6 ? 0 : p->l4 - 1) << 16 |
		  (u64)p->l4 << 32 | (u64)(p->l4 + (p->udp ? 6 : 16)) << 40;
	return desc;
}

static void assert_frame(u32 index, const u8 *data, u32 len)
{
	assert_true(index < rig.nr_out);
	assert_int_equal(rig.out[index].len, len);
	assert_memory_equal(rig.out[index].data, data, len);
}

/* --- receiving --------------------------------------------------------------------- */

static void rx_on(u32 rctl, u32 buffers)
{
	for (u32 i = 0; i < RING; i++) {
		u64 *desc = rig_at(RX_RING + i * E1000_DESC_SIZE);

		desc[0] = RX_BUF + i * 0x1000;
		desc[1] = 0;
	}
	rig_set(R_RDBAL, RX_RING);
	rig_set(R_RDBAH, 0);
	rig_set(R_RDLEN, RING * E1000_DESC_SIZE);
	rig_set(R_RDH, 0);
	rig_set(R_RDT, buffers);
	rig_set(R_RCTL, RCTL_EN | RCTL_BAM | rctl);
	rig_turn(100);
}

struct rxd {
	u16 len, csum;
	u8 status, errors;
	u16 special;
};

static struct rxd rx_at(u32 index)
{
	struct rxd d;

	memcpy(&d, (u8 *)rig_at(RX_RING + index % RING * E1000_DESC_SIZE) + 8, 8);
	return d;
}

static u8 *rx_data(u32 index)
{
	return rig_at(RX_BUF + index % RING * 0x1000);
}

/* --- registers --------------------------------------------------------------------- */

static void test_identity(void **state)
{
	assert_int_equal(rig.dev->config[0] | rig.dev->config[1] << 8, 0x8086);
	assert_int_equal(rig.dev->config[2] | rig.dev->config[3] << 8, 0x100e);
	assert_int_equal(rig.dev->bar[0].kind, PCI_BAR_MEM32);
	assert_int_equal(rig.dev->bar[0].size, 0x20000);
	assert_int_equal(rig.dev->bar[1].kind, PCI_BAR_IO);
	assert_false(rig.intx);
	/* copper, link up, 1000 full */
	assert_int_equal(rig_get(R_STATUS) & 0xe3, 0x83);
	assert_int_equal(rig_get(R_RA), 0x12005452);
	assert_int_equal(rig_get(R_RA + 4), 0x80005634);
}

static void eecd(u32 wires)
{
	rig_set(R_EECD, wires | EECD_REQ);
}

static void ee_out(u32 data, int bits)
{
	while (bits--) {
		u32 di = data >> bits & 1 ? EECD_DI : 0;

		eecd(EECD_CS | di);
		eecd(EECD_CS | di | EECD_SK);
		eecd(EECD_CS | di);
	}
}

static u16 ee_in(void)
{
	u16 value = 0;

	for (int i = 0; i < 16; i++) {
		eecd(EECD_CS | EECD_SK);
		value = (u16)(value << 1 | !!(rig_get(R_EECD) & EECD_DO));
		eecd(EECD_CS);
	}
	return value;
}

static void ee_standby(void)
{
	eecd(0);
	eecd(EECD_SK);
	eecd(EECD_CS | EECD_SK);
	eecd(EECD_CS);
}

static u16 ee_read(u32 addr)
{
	u16 value;

	eecd(0);
	eecd(EECD_CS);
	ee_out(6, 3);
	ee_out(addr, 6);
	value = ee_in();
	ee_standby();
	eecd(0);
	return value;
}

static u16 eerd(u32 addr)
{
	rig_set(R_EERD, EERD_START | addr << 8);
	assert_true(rig_get(R_EERD) & EERD_DONE);
	return (u16)(rig_get(R_EERD) >> 16);
}

static void test_eeprom(void **state)
{
	u16 sum = 0;

	rig_set(R_EECD, EECD_REQ);
	assert_true(rig_get(R_EECD) & EECD_GNT);
	assert_true(rig_get(R_EECD) & EECD_PRES);
	for (u32 i = 0; i < 64; i++) {
		u16 word = ee_read(i);

		assert_int_equal(word, eerd(i));
		sum = (u16)(sum + word);
	}
	assert_int_equal(sum, 0xbaba);
	assert_int_equal(ee_read(0), 0x5452);
	assert_int_equal(ee_read(2), 0x5634);

	/* A write counts only between EWEN and EWDS. */
	for (int enabled = 0; enabled < 2; enabled++) {
		eecd(EECD_CS);
		if (enabled) {
			ee_out(0x13, 5); /* EWEN */
			ee_out(0, 4);
			ee_standby();
		}
		ee_out(5, 3);
		ee_out(0x20, 6);
		ee_out(0xbeef, 16);
		ee_standby();
		assert_true(rig_get(R_EECD) & EECD_DO); /* ready */
		ee_standby();
		assert_int_equal(ee_read(0x20), enabled ? 0xbeef : 0);
	}
	eecd(EECD_CS);
	ee_out(0x10, 5); /* EWDS */
	ee_out(0, 4);
	ee_standby();
	ee_out(5, 3);
	ee_out(0x20, 6);
	ee_out(0x1234, 16);
	ee_standby();
	assert_int_equal(ee_read(0x20), 0xbeef);
}

static u16 phy_read(u32 reg)
{
	rig_set(R_MDIC, MDIC_OP_READ | 1 << 21 | reg << 16);
	assert_int_equal(rig_get(R_MDIC) & (MDIC_READY | MDIC_ERROR), MDIC_READY);
	return (u16)rig_get(R_MDIC);
}

static void phy_write(u32 reg, u32 value)
{
	rig_set(R_MDIC, MDIC_OP_WRITE | 1 << 21 | reg << 16 | value);
	assert_int_equal(rig_get(R_MDIC) & (MDIC_READY | MDIC_ERROR), MDIC_READY);
}

static void test_phy(void **state)
{
	assert_int_equal(phy_read(2), 0x0141);
	assert_int_equal(phy_read(3) & 0xfff0, 0x0c20);
	phy_read(1);
	assert_int_equal(phy_read(1) & 0x24, 0x24); /* negotiated, link */
	assert_int_equal(phy_read(17) & 0xe400, 0xa400); /* 1000, full, link */
	rig_set(R_MDIC, MDIC_OP_READ | 2 << 21 | 2 << 16);
	assert_true(rig_get(R_MDIC) & MDIC_ERROR); /* nobody at address 2 */

	/* A restart loses the link for a moment; it shows once, and interrupts. */
	rig_get(R_ICR);
	rig_set(R_IMS, INT_LSC);
	phy_write(0, 0x1340);
	assert_true(rig.intx);
	assert_int_equal(rig_get(R_ICR), INT_LSC);
	assert_false(rig.intx);
	assert_int_equal(phy_read(1) & 4, 0);
	assert_int_equal(phy_read(1) & 4, 4);

	phy_write(0, 0x2100); /* 100 full, no negotiation */
	assert_int_equal(phy_read(17) & 0xe000, 0x6000);
	assert_int_equal(rig_get(R_STATUS) & 0xc1, 0x41);
	phy_write(0, 0x0800); /* power down */
	assert_int_equal(rig_get(R_STATUS) & STATUS_LU, 0);
	assert_int_equal(rig_get(R_ICR), INT_LSC);
	phy_write(0, 0x1140);
	assert_int_equal(rig_get(R_ICR), INT_LSC);
	assert_int_equal(rig_get(R_STATUS) & STATUS_LU, STATUS_LU);
	/* Set Link Up is the MAC's own switch. */
	rig_set(R_CTRL, rig_get(R_CTRL) & ~CTRL_SLU);
	assert_int_equal(rig_get(R_STATUS) & STATUS_LU, 0);
}

static void test_registers(void **state)
{
	static const struct {
		u32 reg, bits;
	} rw[] = {
		{ R_FCAL, 0xffffffff }, { R_FCAH, 0xffff }, { R_FCT, 0xffff }, { R_VET, 0xffff },
		{ R_RDTR, 0xffff }, { R_RDBAH, 0xffffffff }, { R_RDBAL, 0xfffffff0 },
		{ R_RDLEN, 0xfff80 }, { R_RDH, 0xffff }, { R_RDT, 0xffff }, { R_FCRTH, 0xfff8 },
		{ R_FCTTV, 0xffff }, { R_TIPG, 0x3fffffff }, { R_TDBAH, 0xffffffff },
		{ R_TDBAL, 0xfffffff0 }, { R_TDLEN, 0xfff80 }, { R_TXCW, 0xc000ffff },
		{ R_TIDV, 0xffff }, { R_RCTL, 0x06dfb3fe }, { R_RA + 15 * 8, 0xffffffff },
		{ R_RA + 15 * 8 + 4, 0x8003ffff }, { R_MTA, 0xffffffff },
		{ R_MTA + 127 * 4, 0xffffffff }, { R_VFTA + 127 * 4, 0xffffffff },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rw); i++) {
		rig_set(rw[i].reg, 0xffffffff);
		assert_int_equal(rig_get(rw[i].reg), rw[i].bits);
		rig_set(rw[i].reg, 0);
		assert_int_equal(rig_get(rw[i].reg), 0);
	}
	/* Narrow accesses read a part, and write nothing; 8 bytes are two registers. */
	rig.dev->ops->bar_write(rig.dev, 0, R_TDBAL, 0x1122334455667780, 8);
	assert_int_equal(rig_get(R_TDBAL), 0x55667780);
	assert_int_equal(rig_get(R_TDBAH), 0x11223344);
	assert_int_equal(rig.dev->ops->bar_read(rig.dev, 0, R_TDBAL, 8), 0x1122334455667780);
	assert_int_equal(rig.dev->ops->bar_read(rig.dev, 0, R_TDBAL + 2, 2), 0x5566);
	rig.dev->ops->bar_write(rig.dev, 0, R_TDBAL, 0, 1);
	assert_int_equal(rig_get(R_TDBAL), 0x55667780);
	assert_int_equal(rig_get(0x1fffc), 0);
	rig_set(0x1fffc, 1);
	assert_int_equal(rig_get(R_STATUS), rig_io_get(R_STATUS));
}

static void test_reset(void **state)
{
	tx_on();
	rx_on(0, RING - 1);
	rig_set(R_RA, 0);
	rig_set(R_IMS, ~0u);
	rig_set(R_ICS, INT_LSC);
	assert_true(rig.intx);
	/* The Linux driver resets this model through the I/O window. */
	rig_io_set(R_CTRL, rig_get(R_CTRL) | CTRL_RST);
	assert_false(rig.intx);
	assert_int_equal(rig_get(R_CTRL) & CTRL_RST, 0);
	assert_int_equal(rig_get(R_ICR), 0);
	assert_int_equal(rig_get(R_IMS), 0);
	assert_int_equal(rig_get(R_TCTL), 0);
	assert_int_equal(rig_get(R_RCTL), 0);
	assert_int_equal(rig_get(R_TDLEN), 0);
	assert_int_equal(rig_get(R_RA), 0x12005452);
	rig_turn(100);
	assert_false(rig_polls());
}

/* --- interrupts -------------------------------------------------------------------- */

static void test_interrupt_level(void **state)
{
	rig_set(R_ICS, INT_RXT0);
	assert_false(rig.intx); /* masked */
	rig_set(R_IMS, INT_RXT0 | INT_TXDW);
	assert_true(rig.intx);
	rig_set(R_IMC, INT_RXT0);
	assert_false(rig.intx);
	rig_set(R_IMS, INT_RXT0);
	assert_true(rig.intx);
	rig_set(R_ICS, INT_TXDW | INT_LSC);
	assert_int_equal(rig.intx_rises, 2);
	assert_int_equal(rig_get(R_ICR), INT_RXT0 | INT_TXDW | INT_LSC);
	assert_false(rig.intx);
	assert_int_equal(rig_get(R_ICR), 0);
	rig_set(R_ICS, INT_RXT0 | INT_TXDW);
	rig_set(R_ICR, INT_RXT0); /* acknowledged by writing */
	assert_true(rig.intx);
	rig_set(R_ICR, INT_TXDW);
	assert_false(rig.intx);
	/* Each by itself, as the Linux driver's self-test tries them. */
	for (u32 i = 0; i < 10; i++) {
		rig_set(R_IMC, ~0u);
		rig_set(R_ICS, 1u << i);
		assert_false(rig.intx);
		rig_get(R_ICR);
		rig_set(R_IMS, 1u << i);
		rig_set(R_ICS, ~(1u << i));
		assert_false(rig.intx);
		rig_set(R_ICS, 1u << i);
		assert_true(rig.intx);
		assert_int_equal(rig_get(R_ICR) & 1u << i, 1u << i);
	}
}

/* Waits, as long as it takes, for the line; fails after two seconds. */
static u64 wait_intx(void)
{
	u64 limit = now_ns() + 2000000000u;

	while (!rig.intx && now_ns() < limit)
		rig_wait(100);
	assert_true(rig.intx);
	return now_ns();
}

static void test_throttling(void **state)
{
	const u64 interval = 60000ull * 256; /* 15 ms */
	u64 first, before, second;

	rig_set(R_ITR, 60000);
	rig_set(R_IMS, INT_RXT0);
	before = now_ns();
	rig_set(R_ICS, INT_RXT0);
	assert_true(rig.intx); /* the first is not delayed */
	first = now_ns();
	rig_get(R_ICR);
	for (int i = 0; i < 100; i++) {
		rig_set(R_ICS, INT_RXT0);
		if (rig.intx)
			assert_true(now_ns() - before >= interval);
	}
	second = wait_intx();
	assert_true(second - before >= interval - 10000);
	assert_true(first >= before);
	assert_int_equal(rig.intx_rises, 2);
	rig_get(R_ICR);
	/* A cause that is masked again meanwhile interrupts nobody. */
	rig_set(R_ICS, INT_RXT0);
	rig_set(R_IMC, INT_RXT0);
	rig_wait(30);
	assert_false(rig.intx);
	assert_int_equal(rig_get(R_ICR), INT_RXT0);
}

static void test_transmit_delay(void **state)
{
	struct packet *p = malloc(sizeof(*p));
	u64 start;

	packet_make(p, false, true, 100);
	memcpy(rig_at(TX_BUF), p->data, p->len);
	tx_on();
	rig_set(R_IMS, INT_TXDW);
	rig_set(R_TIDV, 10000); /* 10 ms */
	start = now_ns();
	tx_add(TX_BUF, TXD_CMD_EOP | TXD_CMD_IFCS | TXD_CMD_RS | TXD_CMD_IDE | p->len, 0);
	tx_go();
	assert_int_equal(rig.nr_out, 1); /* the frame is not delayed */
	if (rig.intx)
		assert_true(now_ns() - start >= 10000 * 1024);
	assert_true(wait_intx() - start >= 10000 * 1024 - 10000);
	assert_true(rig_get(R_ICR) & INT_TXDW);

	/* The absolute limit ends what the packet timer would put off for ever. */
	rig_set(R_TIDV, 20000);
	rig_set(R_TADV, 30000);
	start = now_ns();
	while (!rig.intx && now_ns() - start < 2000000000u) {
		tx_add(TX_BUF, TXD_CMD_EOP | TXD_CMD_IFCS | TXD_CMD_RS | TXD_CMD_IDE | p->len, 0);
		tx_go();
		rig_wait(1);
	}
	assert_true(rig.intx);
	assert_true(rig_get(R_ICR) & INT_TXDW);

	/* A descriptor without IDE does not wait, nor do those before it. */
	rig_set(R_TADV, 0);
	rig_set(R_TIDV, 65535);
	tx_add(TX_BUF, TXD_CMD_EOP | TXD_CMD_IFCS | TXD_CMD_RS | TXD_CMD_IDE | p->len, 0);
	tx_add(TX_BUF, TXD_CMD_EOP | TXD_CMD_IFCS | TXD_CMD_RS | p->len, 0);
	tx_go();
	assert_true(rig.intx);
	free(p);
}

static void test_receive_delay(void **state)
{
	struct packet *p = malloc(sizeof(*p));
	u64 start;

	packet_make(p, false, true, 100);
	memcpy(p->data, my_mac, 6);
	rx_on(0, RING - 1);
	rig_set(R_IMS, INT_RXT0);
	rig_set(R_RDTR, 10000);
	start = now_ns();
	rig_receive(p->data, p->len);
	rig_turn(1);
	assert_true(rx_at(0).status & RXD_STAT_DD);
	if (rig.intx)
		assert_true(now_ns() - start >= 10000 * 1024);
	assert_true(wait_intx() - start >= 10000 * 1024 - 10000);
	assert_true(rig_get(R_ICR) & INT_RXT0);
	/* An interrupt for something else takes it along. */
	rig_set(R_RDTR, 65535);
	rig_set(R_IMS, INT_LSC);
	rig_receive(p->data, p->len);
	rig_turn(1);
	rig_set(R_ICS, INT_LSC);
	assert_int_equal(rig_get(R_ICR), INT_RXT0 | INT_LSC);
	rig_wait(80);
	assert_false(rig.intx);
	/* Flush: now. */
	rig_set(R_RDTR, 65535);
	rig_receive(p->data, p->len);
	rig_turn(1);
	rig_set(R_RDTR, 65535 | RDTR_FPD);
	assert_true(rig.intx);
	free(p);
}

/* --- transmit ---------------------------------------------------------------------- */

static void test_tx_legacy(void **state)
{
	struct packet *p = malloc(sizeof(*p));
	u64 *a, *b, *c;

	packet_make(p, false, false, 1000);
	memcpy(rig_at(TX_BUF), p->data, p->len);
	tx_on();
	rig_set(R_IMS, INT_TXDW);
	/* One frame out of three buffers; only the last reports. */
	a = tx_add(TX_BUF, TXD_CMD_IFCS | 5, 0);
	b = tx_add(TX_BUF + 5, TXD_CMD_IFCS | 500, 0);
	tx_go();
	assert_int_equal(rig.nr_out, 0);
	c = tx_add(TX_BUF + 505, TXD_CMD_IFCS | TXD_CMD_EOP | TXD_CMD_RS | (p->len - 505), 0);
	tx_go();
	assert_int_equal(rig.nr_out, 1);
	assert_frame(0, p->data, p->len);
	assert_false(tx_done(a));
	assert_false(tx_done(b));
	assert_true(tx_done(c));
	assert_int_equal(rig_get(R_TDH), 3);
	assert_true(rig.intx);
	assert_int_equal(rig_get(R_ICR) & (INT_TXDW | INT_TXQE), INT_TXDW | INT_TXQE);
	free(p);
}

static void test_tx_pad(void **state)
{
	u8 frame[60] = { 0 };

	memcpy(frame + 6, my_mac, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	frame[14] = 0x77;
	memset(rig_at(TX_BUF), 0xee, 100);
	memcpy(rig_at(TX_BUF), frame, 15);
	tx_on();
	tx_add(TX_BUF, TXD_CMD_IFCS | TXD_CMD_EOP | 15, 0);
	tx_go();
	assert_frame(0, frame, 60);
	/* Without PSP it goes as it is; less than a header does not go. */
	rig_set(R_TCTL, TCTL_EN);
	tx_add(TX_BUF, TXD_CMD_IFCS | TXD_CMD_EOP | 15, 0);
	tx_add(TX_BUF, TXD_CMD_IFCS | TXD_CMD_EOP | 13, 0);
	tx_add(TX_BUF, TXD_CMD_IFCS | TXD_CMD_EOP | 0, 0);
	tx_go();
	assert_int_equal(rig.nr_out, 2);
	assert_frame(1, frame, 15);
}

static void test_tx_own_fcs(void **state)
{
	struct packet *p = malloc(sizeof(*p));
	u8 *buf = rig_at(TX_BUF);
	u32 crc;

	packet_make(p, false, true, 77);
	memcpy(buf, p->data, p->len);
	crc = htole32(slow_crc(p->data, p->len));
	memcpy(buf + p->len, &crc, 4);
	tx_on();
	tx_add(TX_BUF, TXD_CMD_EOP | (p->len + 4), 0);
	tx_go();
	assert_frame(0, p->data, p->len);
	buf[p->len] ^= 1; /* no receiver takes it then */
	tx_add(TX_BUF, TXD_CMD_EOP | (p->len + 4), 0);
	tx_go();
	assert_int_equal(rig.nr_out, 1);
	free(p);
}

static void test_tx_legacy_checksum(void **state)
{
	struct packet *p = malloc(sizeof(*p)), *w = malloc(sizeof(*w));

	packet_make(p, false, false, 333);
	*w = *p;
	packet_unfinish(w, false);
	memcpy(rig_at(TX_BUF), w->data, w->len);
	tx_on();
	tx_add(TX_BUF, TXD_CMD_IFCS | TXD_CMD_EOP | TXD_CMD_IC | (p->l4 + 16) << 16 | p->len,
	       p->l4 << 8);
	tx_go();
	assert_frame(0, p->data, p->len);
	free(p);
	free(w);
}

static void tx_checksum(bool v6, bool udp, u32 payload)
{
	struct packet *p = malloc(sizeof(*p)), *w = malloc(sizeof(*w));

	packet_make(p, v6, udp, payload);
	*w = *p;
	packet_unfinish(w, false);
	memcpy(rig_at(TX_BUF), w->data, w->len);
	tx_on();
	rig_forget_out();
	tx_context(p, 0, 0);
	tx_add(TX_BUF, TXD_CMD_DEXT | 1 << 20 | TXD_CMD_IFCS | 100, TXD_POPTS_TXSM);
	tx_add(TX_BUF + 100,
	       TXD_CMD_DEXT | 1 << 20 | TXD_CMD_IFCS | TXD_CMD_EOP | (p->len - 100), 0);
	tx_go();
	assert_int_equal(rig.nr_out, 1);
	assert_frame(0, p->data, p->len);
	free(p);
	free(w);
}

static void test_tx_checksum(void **state)
{
	for (int i = 0; i < 4; i++) {
		tx_checksum(i & 1, i & 2, 600);
		tx_checksum(i & 1, i & 2, 601);
	}
}

static void test_tx_vlan(void **state)
{
	struct packet *p = malloc(sizeof(*p));
	u8 want[2000];

	packet_make(p, false, true, 200);
	memcpy(rig_at(TX_BUF), p->data, p->len);
	memcpy(want, p->data, 12);
	put16(want + 12, 0x8100);
	put16(want + 14, 0xa123);
	memcpy(want + 16, p->data + 12, p->len - 12);
	tx_on();
	rig_set(R_CTRL, rig_get(R_CTRL) | CTRL_VME);
	tx_add(TX_BUF, TXD_CMD_IFCS | TXD_CMD_EOP | TXD_CMD_VLE | p->len, 0xa123u << 16);
	tx_go();
	assert_frame(0, want, p->len + 4);
	rig_set(R_CTRL, rig_get(R_CTRL) & ~CTRL_VME);
	tx_add(TX_BUF, TXD_CMD_IFCS | TXD_CMD_EOP | TXD_CMD_VLE | p->len, 0xa123u << 16);
	tx_go();
	assert_frame(1, p->data, p->len);
	free(p);
}

/* One packet, cut up by the device out of buffers of @piece bytes. */
static void tx_tso(bool v6, bool udp, u32 payload, u32 mss, u32 piece, bool vlan)
{
	struct packet *p = malloc(sizeof(*p)), *w = malloc(sizeof(*w));
	u32 at = 0, n = 0, flags = TXD_CMD_DEXT | 1 << 20 | TXD_CMD_IFCS | TXD_CMD_TSE;
	u32 segs = (payload + mss - 1) / mss, upper = TXD_POPTS_TXSM;
	u64 *last = NULL;

	if (!v6)
		upper |= TXD_POPTS_IXSM;
	if (vlan) {
		flags |= TXD_CMD_VLE;
		upper |= 5u << 16;
	}
	packet_make(p, v6, udp, payload);
	*w = *p;
	packet_unfinish(w, true);
	memcpy(rig_at(TX_BUF), w->data, w->len);
	tx_on();
	rig_set(R_CTRL, rig_get(R_CTRL) | CTRL_VME);
	rig_forget_out();
	rig_get(R_TSCTC);
	tx_context(p, mss, TXD_CMD_TSE);
	for (at = 0; at < p->len; at += n) {
		n = min(piece, p->len - at);
		last = tx_add(TX_BUF + at, flags | n |
			      (at + n == p->len ? TXD_CMD_EOP | TXD_CMD_RS : 0), upper);
		if (tx_tail - rig_get(R_TDH) >= RING - 2)
			tx_go();
	}
	tx_go();
	assert_true(tx_done(last));
	assert_int_equal(rig.nr_out, segs);
	assert_int_equal(rig_get(R_TSCTC), 1);
	for (u32 i = 0; i < segs; i++) {
		packet_segment(p, w, mss, i);
		if (vlan) {
			assert_int_equal(rig.out[i].len, max(w->len + 4, 60u));
			assert_int_equal(be16(rig.out[i].data + 12), 0x8100);
			assert_int_equal(be16(rig.out[i].data + 14), 5);
			rig.out[i].len -= 4;
			memmove(rig.out[i].data + 12, rig.out[i].data + 16, rig.out[i].len - 12);
		}
		assert_frame(i, w->data, max(w->len, vlan ? 56u : 60u)); /* padded */
	}
	free(p);
	free(w);
}

static void test_tso(void **state)
{
	static const u32 piece[] = { 70000, 4096, 1447, 66, 31 };

	for (int i = 0; i < 4; i++) {
		bool v6 = i & 1, udp = i & 2;

		for (u32 k = 0; k < ARRAY_SIZE(piece); k++) {
			tx_tso(v6, udp, 5000, 1448, piece[k], false);
			tx_tso(v6, udp, 1448 * 3, 1448, piece[k], false); /* the last is full */
			tx_tso(v6, udp, 1448, 1448, piece[k], false);
			tx_tso(v6, udp, 3, 1448, piece[k], false);
			tx_tso(v6, udp, 1001, 333, piece[k], true);
		}
		tx_tso(v6, udp, 65000, 1448, 4096, false);
		tx_tso(v6, udp, 65000, 8960, 65536, false);
	}
}

/* The last segment is the one with EOP, even if EOP comes in a buffer of its own. */
static void test_tso_late_end(void **state)
{
	struct packet *p = malloc(sizeof(*p)), *w = malloc(sizeof(*w));
	u32 flags = TXD_CMD_DEXT | 1 << 20 | TXD_CMD_IFCS | TXD_CMD_TSE;

	packet_make(p, false, false, 200);
	*w = *p;
	packet_unfinish(w, true);
	memcpy(rig_at(TX_BUF), w->data, w->len);
	tx_on();
	tx_context(p, 100, TXD_CMD_TSE);
	tx_add(TX_BUF, flags | p->len, TXD_POPTS_TXSM | TXD_POPTS_IXSM);
	tx_go();
	assert_int_equal(rig.nr_out, 1);
	tx_add(TX_BUF, flags | TXD_CMD_EOP, 0);
	tx_go();
	assert_int_equal(rig.nr_out, 2);
	packet_segment(p, w, 100, 0);
	assert_frame(0, w->data, w->len);
	packet_segment(p, w, 100, 1);
	assert_frame(1, w->data, w->len);
	free(p);
	free(w);
}

/* A packet goes by the context it began with, whatever is loaded meanwhile. */
static void test_tso_context_is_kept(void **state)
{
	struct packet *p = malloc(sizeof(*p)), *w = malloc(sizeof(*w));
	u32 flags = TXD_CMD_DEXT | 1 << 20 | TXD_CMD_IFCS | TXD_CMD_TSE;

	packet_make(p, false, false, 1000);
	*w = *p;
	packet_unfinish(w, true);
	memcpy(rig_at(TX_BUF), w->data, w->len);
	tx_on();
	tx_context(p, 500, TXD_CMD_TSE);
	tx_add(TX_BUF, flags | 300, TXD_POPTS_TXSM | TXD_POPTS_IXSM);
	tx_go();
	tx_add(0xffffffffffffffff, TXD_CMD_DEXT | TXD_CMD_TSE, 0xffffff00); /* a wild one */
	tx_add(TX_BUF + 300, flags | TXD_CMD_EOP | (p->len - 300), 0);
	tx_go();
	assert_int_equal(rig.nr_out, 2);
	for (u32 i = 0; i < 2; i++) {
		packet_segment(p, w, 500, i);
		assert_frame(i, w->data, w->len);
	}
	free(p);
	free(w);
}

static void test_tx_backend_full(void **state)
{
	struct packet *p = malloc(sizeof(*p)), *w = malloc(sizeof(*w));
	u32 flags = TXD_CMD_DEXT | 1 << 20 | TXD_CMD_IFCS | TXD_CMD_TSE;
	u64 *last;

	packet_make(p, false, false, 1000);
	*w = *p;
	packet_unfinish(w, true);
	memcpy(rig_at(TX_BUF), w->data, w->len);
	tx_on();
	rig.again = 2;
	tx_context(p, 100, TXD_CMD_TSE);
	last = tx_add(TX_BUF, flags | TXD_CMD_EOP | TXD_CMD_RS | p->len,
		      TXD_POPTS_TXSM | TXD_POPTS_IXSM);
	tx_go();
	assert_int_equal(rig.nr_out, 0);
	assert_false(tx_done(last));
	for (int i = 0; i < 100 && !tx_done(last); i++)
		rig_wait(100);
	assert_true(tx_done(last));
	assert_int_equal(rig.nr_out, 10);
	for (u32 i = 0; i < 10; i++) {
		packet_segment(p, w, 100, i);
		assert_frame(i, w->data, w->len);
	}
	free(p);
	free(w);
}

/* A write of TDT does a bounded amount of work; the loop thread goes on. */
static void test_tx_budget(void **state)
{
	struct packet *p = malloc(sizeof(*p));
	u32 flags = TXD_CMD_DEXT | 1 << 20 | TXD_CMD_IFCS | TXD_CMD_TSE;
	u64 *last;
	u32 first;

	packet_make(p, false, false, 60000);
	memcpy(rig_at(TX_BUF), p->data, p->len);
	tx_on();
	rig.keep_out = false;
	tx_context(p, 1, TXD_CMD_TSE);
	last = tx_add(TX_BUF, flags | TXD_CMD_EOP | TXD_CMD_RS | p->len, TXD_POPTS_TXSM);
	tx_go();
	first = rig.nr_out;
	assert_in_range(first, 100, 2000);
	assert_false(tx_done(last));
	rig_turn(1);
	assert_in_range(rig.nr_out, first + 1, first + 2000);
	rig_turn(10000);
	assert_int_equal(rig.nr_out, 60000);
	assert_true(tx_done(last));
	free(p);
}

static void test_statistics(void **state)
{
	struct packet *p = malloc(sizeof(*p));

	packet_make(p, false, true, 0);
	memset(rig_at(TX_BUF), 0xff, 6);
	memcpy((u8 *)rig_at(TX_BUF) + 6, p->data + 6, 1514);
	tx_on();
	tx_add(TX_BUF, TXD_CMD_IFCS | TXD_CMD_EOP | 60, 0);
	tx_add(TX_BUF, TXD_CMD_IFCS | TXD_CMD_EOP | 61, 0);
	tx_add(TX_BUF, TXD_CMD_IFCS | TXD_CMD_EOP | 1514, 0);
	tx_go();
	assert_int_equal(rig_get(R_TPT), 3);
	assert_int_equal(rig_get(R_TPT), 0);
	assert_int_equal(rig_get(R_GPTC), 3);
	assert_int_equal(rig_get(R_BPTC), 3);
	assert_int_equal(rig_get(R_PTC64), 1);
	assert_int_equal(rig_get(R_PTC64 + 4), 1);
	assert_int_equal(rig_get(R_PTC64 + 20), 1);
	assert_int_equal(rig_get(R_TOTL), 64 + 65 + 1518);
	assert_int_equal(rig_get(R_TOTL), 64 + 65 + 1518);
	assert_int_equal(rig_get(R_TOTL + 4), 0);
	assert_int_equal(rig_get(R_TOTL), 0);

	rx_on(0, RING - 1);
	rig_receive(rig.out[2].data, rig.out[2].len);
	rig_turn(10);
	assert_int_equal(rig_get(R_GPRC), 1);
	assert_int_equal(rig_get(R_BPRC), 1);
	assert_int_equal(rig_get(R_PRC64 + 20), 1);
	assert_int_equal(rig_get(R_GORCL), 1518);
	free(p);
}

/* --- receive ----------------------------------------------------------------------- */

static void test_rx_single(void **state)
{
	struct packet *p = malloc(sizeof(*p));
	struct rxd d;
	u32 crc;

	packet_make(p, false, true, 500);
	memcpy(p->data, my_mac, 6);
	rx_on(0, RING - 1);
	assert_true(rig_polls());
	rig_set(R_IMS, INT_RXT0);
	for (int i = 0; i < 10; i++)
		rig_receive(p->data, p->len);
	rig_turn(100);
	assert_int_equal(rig.intx_rises, 1); /* one interrupt for the batch */
	assert_true(rig_get(R_ICR) & INT_RXT0);
	assert_int_equal(rig_get(R_RDH), 10);
	for (u32 i = 0; i < 10; i++) {
		d = rx_at(i);
		assert_int_equal(d.status & 3, 3);
		assert_int_equal(d.errors, 0);
		assert_int_equal(d.len, p->len + 4);
		assert_memory_equal(rx_data(i), p->data, p->len);
		crc = htole32(slow_crc(p->data, p->len));
		assert_memory_equal(rx_data(i) + p->len, &crc, 4);
	}
	assert_int_equal(rx_at(10).status, 0);

	rig_set(R_RCTL, RCTL_EN | RCTL_SECRC);
	rig_receive(p->data, p->len);
	rig_receive(p->data, 20); /* arrives padded */
	rig_turn(100);
	assert_int_equal(rx_at(10).len, p->len);
	assert_int_equal(rx_at(11).len, 60);
	assert_int_equal(rx_data(11)[20], 0);
	free(p);
}

static struct rxd rx_one(const u8 *data, u32 len)
{
	u32 at = rig_get(R_RDH);

	rig_receive(data, len);
	rig_turn(10);
	rig_set(R_RDT, (at + RING - 1) % RING);
	assert_int_equal(rig_get(R_RDH), (at + 1) % RING);
	return rx_at(at);
}

/* Of every length that takes another way through its computation. */
static void test_fcs(void **state)
{
	u8 frame[1600];
	u32 seed = 1, fcs;

	for (u32 i = 0; i < sizeof(frame); i++) {
		seed = seed * 1103515245 + 12345;
		frame[i] = (u8)(seed >> 16);
	}
	memcpy(frame, my_mac, 6);
	put16(frame + 12, 0x88b5);
	rx_on(0, RING - 1);
	for (u32 len = 60; len <= 1518; len += len < 200 ? 1 : 83) {
		u32 at = rig_get(R_RDH);

		rx_one(frame, len);
		fcs = htole32(slow_crc(frame, len));
		assert_memory_equal(rx_data(at) + len, &fcs, 4);
	}
}

static void test_rx_multi(void **state)
{
	static const struct {
		u32 rctl, size;
	} buffer[] = {
		{ 0, 2048 }, { 1 << 16, 1024 }, { 2 << 16, 512 }, { 3 << 16, 256 },
		{ RCTL_BSEX | 3 << 16, 4096 }, { RCTL_BSEX | 2 << 16, 8192 },
	};
	static const u32 sizes[] = { 60, 252, 253, 1024, 1514, 4092, 9014 };
	struct packet *p = malloc(sizeof(*p));
	u8 got[20000];

	for (u32 b = 0; b < ARRAY_SIZE(buffer); b++)
		for (u32 s = 0; s < ARRAY_SIZE(sizes); s++) {
			u32 at = 0, i = 0;

			packet_make(p, false, true, sizes[s] - 42);
			memcpy(p->data, my_mac, 6);
			rig_set(R_RCTL, 0);
			rx_on(buffer[b].rctl | RCTL_LPE, RING - 1);
			/* Buffers lie 4096 apart: larger ones are used alone. */
			rig_receive(p->data, p->len);
			rig_turn(10);
			do {
				struct rxd d = rx_at(i);

				assert_true(d.status & RXD_STAT_DD);
				assert_true(d.len <= buffer[b].size);
				if (!(d.status & RXD_STAT_EOP))
					assert_int_equal(d.len, buffer[b].size);
				if (buffer[b].size <= 4096 || d.len <= 4096)
					memcpy(got + at, rx_data(i), d.len);
				else
					memcpy(got + at, rig_at(RX_BUF + i * 0x1000), d.len);
				at += d.len;
			} while (!(rx_at(i++).status & RXD_STAT_EOP));
			assert_int_equal(at, p->len + 4);
			assert_int_equal(rig_get(R_RDH), i);
			if (buffer[b].size <= 4096)
				assert_memory_equal(got, p->data, p->len);
		}
	free(p);
}

static void test_rx_filters(void **state)
{
	static const u8 broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const u8 group[6] = { 0x01, 0x00, 0x5e, 0x00, 0x12, 0x34 };
	static const u8 other[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x57 };
	static const u32 hash_shift[] = { 4, 3, 2, 0 };
	u8 frame[60] = { 0 };
	u32 n = 0;

#define PASSES(mac, yes) do { \
	memcpy(frame, mac, 6); \
	rig_receive(frame, sizeof(frame)); \
	rig_turn(10); \
	n += (yes); \
	assert_int_equal(rig_get(R_RDH), n); \
} while (0)
	rx_on(0, RING - 1);
	PASSES(my_mac, 1);
	PASSES(other, 0);
	PASSES(group, 0);
	PASSES(broadcast, 1);
	rig_set(R_RCTL, RCTL_EN);
	PASSES(broadcast, 0);
	rig_set(R_RCTL, RCTL_EN | RCTL_UPE);
	PASSES(other, 1);
	PASSES(group, 0);
	rig_set(R_RCTL, RCTL_EN | RCTL_MPE);
	PASSES(other, 0);
	PASSES(group, 1);
	/* A second address, valid or not. */
	rig_set(R_RCTL, RCTL_EN);
	rig_set(R_RA + 8, 0x12005452);
	rig_set(R_RA + 12, 0x00005734);
	PASSES(other, 0);
	rig_set(R_RA + 12, 0x80005734);
	PASSES(other, 1);
	for (u32 mo = 0; mo < 4; mo++) {
		u32 hash = (group[4] >> hash_shift[mo] | group[5] << (8 - hash_shift[mo])) & 0xfff;

		rig_set(R_RCTL, RCTL_EN | mo << 12);
		PASSES(group, 0);
		rig_set(R_MTA + hash / 32 * 4, 1u << hash % 32);
		PASSES(group, 1);
		assert_true(rx_at(n - 1).status & RXD_STAT_PIF);
		rig_set(R_MTA + hash / 32 * 4, ~(1u << hash % 32));
		PASSES(group, 0);
		rig_set(R_MTA + hash / 32 * 4, 0);
	}
	/* Length: 1518 with tag is the limit without LPE. */
	rig_set(R_RCTL, RCTL_EN);
	for (u32 len = 1516; len < 1522; len++) {
		u8 *big = calloc(1, len);

		memcpy(big, my_mac, 6);
		rig_receive(big, len);
		rig_turn(10);
		n += len <= 1518;
		assert_int_equal(rig_get(R_RDH), n);
		free(big);
	}
	assert_int_equal(rig_get(R_ROC), 3);
#undef PASSES
}

static void test_rx_vlan(void **state)
{
	struct packet *p = malloc(sizeof(*p));
	struct rxd d;
	u8 frame[600];

	packet_make(p, false, false, 400);
	memcpy(p->data, my_mac, 6);
	memcpy(frame, p->data, 12);
	put16(frame + 12, 0x8100);
	put16(frame + 14, 0x6007);
	memcpy(frame + 16, p->data + 12, p->len - 12);
	rx_on(0, RING - 1);
	rig_set(R_RXCSUM, RXCSUM_TUOFL | RXCSUM_IPOFL);
	rig_receive(frame, p->len + 4);
	rig_turn(10);
	d = rx_at(0);
	assert_int_equal(d.len, p->len + 8);
	assert_int_equal(d.status & RXD_STAT_VP, 0);
	assert_true(d.status & RXD_STAT_TCPCS);
	assert_int_equal(d.errors, 0);
	assert_memory_equal(rx_data(0), frame, p->len + 4);

	rig_set(R_CTRL, rig_get(R_CTRL) | CTRL_VME);
	rig_receive(frame, p->len + 4);
	rig_turn(10);
	d = rx_at(1);
	assert_int_equal(d.len, p->len + 4);
	assert_int_equal(d.special, 0x6007);
	assert_int_equal(d.status & (RXD_STAT_VP | RXD_STAT_TCPCS), RXD_STAT_VP | RXD_STAT_TCPCS);
	assert_int_equal(d.errors, 0);
	assert_memory_equal(rx_data(1), p->data, p->len);

	rig_set(R_RCTL, RCTL_EN | RCTL_VFE);
	rig_receive(frame, p->len + 4);
	rig_turn(10);
	assert_int_equal(rig_get(R_RDH), 2);
	rig_set(R_VFTA, 1 << 7);
	rig_receive(frame, p->len + 4);
	rig_receive(p->data, p->len); /* no tag, no filter */
	rig_turn(10);
	assert_int_equal(rig_get(R_RDH), 4);
	free(p);
}

static void test_rx_checksum(void **state)
{
	const u8 said = RXD_STAT_IXSM | RXD_STAT_TCPCS | RXD_STAT_IPCS;
	struct packet *p = malloc(sizeof(*p));
	struct rxd d;

	rx_on(0, RING - 1);
	for (u32 payload = 0; payload < 70; payload += 7)
		for (int udp = 0; udp < 2; udp++) {
			packet_make(p, false, udp, payload);
			memcpy(p->data, my_mac, 6);
			rig_set(R_RXCSUM, RXCSUM_TUOFL | RXCSUM_IPOFL);
			d = rx_one(p->data, p->len);
			assert_int_equal(d.status & said, RXD_STAT_TCPCS | RXD_STAT_IPCS);
			assert_int_equal(d.errors, 0);
			p->data[p->l4 + 1] ^= 0x10;
			d = rx_one(p->data, p->len);
			assert_int_equal(d.errors, RXD_ERR_TCPE);
			p->data[p->l4 + 1] ^= 0x10;
			p->data[p->l3 + 8] ^= 1;
			d = rx_one(p->data, p->len);
			assert_int_equal(d.errors, RXD_ERR_IPE);
			/* Whatever the packet checksum starts from. */
			p->data[p->l3 + 8] ^= 1;
			rig_set(R_RXCSUM, RXCSUM_TUOFL | (13 + payload % 5));
			d = rx_one(p->data, p->len);
			assert_int_equal(d.status & said, RXD_STAT_TCPCS);
			assert_int_equal(d.errors, 0);
			if (p->len >= 60) {
				u32 from = 13 + payload % 5;

				assert_int_equal(d.csum, (u16)~slow_sum(p->data + from,
									p->len - from, 0));
			}
		}
	/* Bytes behind the datagram are not part of it. */
	for (u32 extra = 1; extra < 8; extra++) {
		packet_make(p, false, true, 60 + extra / 4);
		memcpy(p->data, my_mac, 6);
		memset(p->data + p->len, 0xa7, extra);
		d = rx_one(p->data, p->len + extra);
		assert_int_equal(d.status & said, RXD_STAT_TCPCS);
		assert_int_equal(d.errors, 0);
	}
	/* What it says nothing about. */
	rig_set(R_RXCSUM, RXCSUM_TUOFL);
	packet_make(p, true, false, 100);
	memcpy(p->data, my_mac, 6);
	assert_true(rx_one(p->data, p->len).status & RXD_STAT_IXSM);
	packet_make(p, false, false, 100);
	memcpy(p->data, my_mac, 6);
	put16(p->data + p->l3 + 6, 0x2000); /* more fragments */
	d = rx_one(p->data, p->len);
	assert_int_equal(d.status & RXD_STAT_TCPCS, 0);
	put16(p->data + p->l3 + 6, 0);
	put16(p->data + p->l3 + 2, 0xffff); /* longer than the frame */
	assert_true(rx_one(p->data, p->len).status & RXD_STAT_IXSM);
	packet_make(p, false, true, 100);
	memcpy(p->data, my_mac, 6);
	put16(p->data + p->l4 + 6, 0); /* sent without a checksum */
	assert_int_equal(rx_one(p->data, p->len).status & RXD_STAT_TCPCS, 0);
	free(p);
}

/* A full ring stops polling; a frame may wait in the middle; RDT wakes it. */
static void test_rx_full(void **state)
{
	struct packet *p = malloc(sizeof(*p));
	u8 got[1600];
	u32 at = 0;

	packet_make(p, false, true, 1200);
	memcpy(p->data, my_mac, 6);
	rx_on(2 << 16, 4); /* 512 bytes each: a frame needs three */
	for (int i = 0; i < 3; i++)
		rig_receive(p->data, p->len);
	rig_set(R_IMS, INT_RXT0);
	rig_turn(100);
	assert_int_equal(rig_get(R_RDH), 4);
	assert_int_equal(rig_get(R_GPRC), 1);
	assert_false(rig_polls());
	assert_int_equal(rig.next_in, 2);
	assert_true(rx_at(2).status & RXD_STAT_EOP);
	assert_int_equal(rx_at(3).status, RXD_STAT_DD);
	rig_get(R_ICR);
	assert_int_equal(rig_turn(100), 0);

	rig_set(R_RDT, 9);
	rig_turn(100);
	assert_int_equal(rig_get(R_GPRC), 2);
	for (u32 i = 3; i < 9; i++) {
		if (i == 6) {
			assert_int_equal(at, p->len + 4);
			assert_memory_equal(got, p->data, p->len);
			at = 0;
		}
		assert_true(rx_at(i).status & RXD_STAT_DD);
		memcpy(got + at, rx_data(i), rx_at(i).len);
		at += rx_at(i).len;
	}
	assert_memory_equal(got, p->data, p->len);
	assert_false(rig_polls());
	rig_set(R_RDT, 20);
	rig_turn(10);
	assert_true(rig_polls());

	/* Switched off in mid-frame, what was left is not stored into the next ring. */
	rig_set(R_RCTL, 0);
	rx_on(2 << 16, 1);
	rig_receive(p->data, p->len);
	rig_turn(10);
	assert_int_equal(rig_get(R_RDH), 1);
	rig_set(R_RCTL, 0);
	rx_on(2 << 16, 30);
	assert_int_equal(rig_get(R_RDH), 0);
	/* Nor when the ring is moved without that. */
	rig_set(R_RDT, 1);
	rig_receive(p->data, p->len);
	rig_turn(10);
	assert_int_equal(rig_get(R_RDH), 1);
	rig_set(R_RDH, 0);
	rig_set(R_RDT, 30);
	rig_turn(10);
	assert_int_equal(rig_get(R_RDH), 0);
	free(p);
}

static void test_rx_threshold(void **state)
{
	struct packet *p = malloc(sizeof(*p));

	packet_make(p, false, true, 100);
	memcpy(p->data, my_mac, 6);
	rx_on(1 << 8, RING - 1); /* a quarter */
	for (int i = 0; i < 46; i++)
		rig_receive(p->data, p->len);
	rig_turn(100);
	assert_int_equal(rig_get(R_ICR) & INT_RXDMT0, 0);
	rig_receive(p->data, p->len);
	rig_turn(100);
	assert_int_equal(rig_get(R_ICR) & INT_RXDMT0, INT_RXDMT0);
	free(p);
}

static void test_bus_master(void **state)
{
	struct packet *p = malloc(sizeof(*p));

	packet_make(p, false, true, 100);
	memcpy(p->data, my_mac, 6);
	memcpy(rig_at(TX_BUF), p->data, p->len);
	rig.bus_master = false;
	tx_on();
	rx_on(0, RING - 1);
	tx_add(TX_BUF, TXD_CMD_IFCS | TXD_CMD_EOP | TXD_CMD_RS | p->len, 0);
	tx_go();
	rig_receive(p->data, p->len);
	rig_turn(100);
	assert_int_equal(rig.nr_out, 0);
	assert_int_equal(rig_get(R_RDH), 0);
	rig.bus_master = true;
	rig.dev->ops->config_write(rig.dev, PCI_COMMAND, 0, 2);
	rig_turn(100);
	assert_int_equal(rig.nr_out, 1);
	assert_int_equal(rig_get(R_RDH), 1);
	free(p);
}

/* MAC or PHY loopback: back through a queue, never within the send. */
static void test_loopback(void **state)
{
	struct packet *p = malloc(sizeof(*p));

	packet_make(p, false, true, 1000);
	memcpy(p->data, my_mac, 6);
	memcpy(rig_at(TX_BUF), p->data, p->len);
	for (int phy = 0; phy < 2; phy++) {
		tx_on();
		rx_on(phy ? 0 : RCTL_LBM_MAC, RING - 1);
		if (phy)
			phy_write(0, 0x4140);
		for (int i = 0; i < 5; i++)
			tx_add(TX_BUF, TXD_CMD_IFCS | TXD_CMD_EOP | p->len, 0);
		tx_go();
		assert_int_equal(rig_get(R_RDH), 0);
		rig_turn(100);
		assert_int_equal(rig_get(R_RDH), 5);
		assert_memory_equal(rx_data(4), p->data, p->len);
		assert_int_equal(rig.nr_out, 0);
		assert_false(rig_polls());
		rig_set(R_RCTL, 0);
	}
	free(p);
}

/* The far end goes while nobody polls it: the link is down, and stays so. */
static void test_far_end_lost(void **state)
{
	assert_true(rig_get(R_STATUS) & STATUS_LU);
	rig_get(R_ICR);
	eventfd_write(rig.watch_fd, 1); /* something else happened to it */
	rig_turn(100);
	assert_true(rig_get(R_STATUS) & STATUS_LU);
	rig.gone = true;
	eventfd_write(rig.watch_fd, 1);
	rig_turn(100);
	assert_false(rig_get(R_STATUS) & STATUS_LU);
	assert_true(rig_get(R_ICR) & INT_LSC);
	/* Nothing of it is watched any more, whatever the driver does. */
	eventfd_write(rig.watch_fd, 1);
	rx_on(0, RING - 1);
	rig_set(R_CTRL, rig_get(R_CTRL) | CTRL_RST);
	rx_on(0, RING - 1);
	assert_true(rig_turn(1000) < 1000);
	assert_false(rig_polls());
	assert_false(rig_get(R_STATUS) & STATUS_LU);
}

/*
 * What ends a loopback, with the link up all along: the far end is heard again,
 * and what it sent meanwhile is there.
 */
static void test_loopback_ends(void **state)
{
	static const struct {
		const char *name;
		u16 on, off; /* PHY control */
		u32 ctrl; /* or this bit of CTRL */
	} way[] = {
		{ "cleared", 0x5140, 0x1140, 0 },
		{ "cleared with autonegotiation off", 0x4140, 0x0140, 0 },
		{ "PHY reset by its register", 0x5140, 0x9140, 0 },
		{ "PHY reset by CTRL", 0x5140, 0, CTRL_PHY_RST },
	};
	struct packet *p = malloc(sizeof(*p));

	packet_make(p, false, true, 1000);
	memcpy(p->data, my_mac, 6);
	for (u32 i = 0; i < ARRAY_SIZE(way); i++) {
		u32 head;

		rx_on(0, RING - 1);
		rig_turn(100);
		assert_true(rig_polls());
		phy_write(0, way[i].on);
		rig_turn(100);
		assert_false(rig_polls());
		head = rig_get(R_RDH);
		rig_receive(p->data, p->len);
		rig_turn(100);
		assert_int_equal(rig_get(R_RDH), head);
		if (way[i].ctrl)
			rig_set(R_CTRL, rig_get(R_CTRL) | way[i].ctrl);
		else
			phy_write(0, way[i].off);
		rig_turn(100);
		if (!rig_polls() || rig_get(R_RDH) != head + 1)
			fail_msg("deaf after the loopback was %s", way[i].name);
		assert_memory_equal(rx_data(head), p->data, p->len);
		rig_set(R_RCTL, 0);
		rig_turn(100);
	}
	free(p);
}

/* --- drivers that lie ---------------------------------------------------------------- */

/* CVE-2021-3416: what is sent comes back at once; the rig aborts on a nested receive. */
static void test_reflecting_backend(void **state)
{
	struct packet *p = malloc(sizeof(*p));

	packet_make(p, false, true, 1000);
	memcpy(p->data, my_mac, 6);
	memcpy(rig_at(TX_BUF), p->data, p->len);
	rig.reflect = true;
	tx_on();
	rx_on(0, RING - 1);
	for (int i = 0; i < 20; i++)
		tx_add(TX_BUF, TXD_CMD_IFCS | TXD_CMD_EOP | p->len, 0);
	tx_go();
	assert_int_equal(rig_get(R_RDH), 0);
	rig_turn(100);
	assert_int_equal(rig_get(R_RDH), 20);
	free(p);
}

/* CVE-2019-5609, CVE-2022-23087, VirtualBox 5.2.20: contexts that underflow. */
static void test_tso_bad_contexts(void **state)
{
	struct packet *p = malloc(sizeof(*p)), *w = malloc(sizeof(*w));
	static const struct {
		u32 hdr_len, mss, ipcss, tucss;
		bool v4;
	} bad[] = {
		{ 0, 1448, 14, 34, true },
		{ 13, 1448, 14, 34, true },
		{ 54, 0, 14, 34, true },
		{ 241, 1448, 14, 34, true },
		{ 255, 65535, 14, 34, true },
		{ 54, 65535, 14, 34, true },
		{ 54, 16288, 14, 34, true },
		{ 53, 1448, 14, 34, true }, /* TCP header not in it */
		{ 54, 1448, 35, 34, true }, /* IP header not in it */
		{ 54, 1448, 255, 34, true },
		{ 54, 1448, 14, 255, true },
		{ 54, 1448, 15, 34, false }, /* 40 bytes of IPv6 not in it */
	};
	u32 flags = TXD_CMD_DEXT | 1 << 20 | TXD_CMD_IFCS | TXD_CMD_TSE;

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		u64 *desc;

		packet_make(p, false, false, 4000);
		*w = *p;
		p->hdr_len = bad[i].hdr_len;
		p->l3 = bad[i].ipcss;
		p->l4 = bad[i].tucss;
		p->v6 = !bad[i].v4;
		memcpy(rig_at(TX_BUF), w->data, w->len);
		tx_on();
		rig_get(R_TSCTFC);
		tx_context(p, bad[i].mss, TXD_CMD_TSE);
		desc = tx_add(TX_BUF, flags | TXD_CMD_EOP | TXD_CMD_RS | w->len,
			      TXD_POPTS_TXSM | TXD_POPTS_IXSM);
		tx_go();
		assert_int_equal(rig.nr_out, 0);
		assert_true(tx_done(desc)); /* consumed all the same */
		assert_int_equal(rig_get(R_TSCTFC), 1);
	}
	/* A packet that is shorter than its header. */
	packet_make(p, false, false, 0);
	tx_on();
	tx_context(p, 1448, TXD_CMD_TSE);
	tx_add(TX_BUF, flags | TXD_CMD_EOP | 53, TXD_POPTS_TXSM);
	tx_go();
	assert_int_equal(rig.nr_out, 0);
	free(p);
	free(w);
}

/* CVE-2022-23087: every checksum offset outside the packet, in every role. */
static void test_checksum_offsets(void **state)
{
	static const u32 offs[] = { 0, 1, 13, 59, 60, 61, 99, 100, 254, 255 };
	struct packet *p = malloc(sizeof(*p));
	u32 flags = TXD_CMD_DEXT | 1 << 20 | TXD_CMD_IFCS | TXD_CMD_EOP;

	packet_make(p, false, true, 58); /* 100 bytes */
	memcpy(rig_at(TX_BUF), p->data, p->len);
	rig.keep_out = true;
	for (u32 a = 0; a < ARRAY_SIZE(offs); a++)
		for (u32 b = 0; b < ARRAY_SIZE(offs); b++) {
			u64 *desc;
			u8 want[100];
			bool inside = offs[a] < 100 && offs[b] + 2 <= 100;

			tx_on();
			rig_forget_out();
			tx_add(TX_BUF,
			       TXD_CMD_IFCS | TXD_CMD_EOP | TXD_CMD_IC | offs[b] << 16 | 100,
			       offs[a] << 8);
			desc = tx_add(0, TXD_CMD_DEXT, 0);
			desc[0] = (u64)offs[a] << 32 | (u64)offs[b] << 40;
			tx_add(TX_BUF, flags | 100, TXD_POPTS_TXSM);
			desc = tx_add(0, TXD_CMD_DEXT, 0); /* an end beyond the packet */
			desc[0] = (u64)offs[a] << 32 | (u64)offs[b] << 40 | 0xffffull << 48 |
				  offs[b] | offs[a] << 8 | 0xfffful << 16;
			tx_add(TX_BUF, flags | 100, TXD_POPTS_TXSM | TXD_POPTS_IXSM);
			tx_go();
			assert_int_equal(rig.nr_out, 3);
			memcpy(want, p->data, 100);
			if (inside)
				put16(want + offs[b],
				      (u16)~slow_sum(p->data + offs[a], 100 - offs[a], 0));
			assert_frame(0, want, 100);
			if (inside && !be16(want + offs[b]))
				put16(want + offs[b], 0xffff);
			assert_frame(1, want, 100);
			assert_frame(2, p->data, 100);
		}
	free(p);
}

/* CVE-2021-20257, CVE-2020-28916: rings that never let the walk make progress. */
static void test_rings_without_progress(void **state)
{
	struct packet *p = malloc(sizeof(*p));
	u64 *desc;

	packet_make(p, false, true, 100);
	memcpy(p->data, my_mac, 6);
	/* A whole ring of contexts, of empty data, of reserved types. */
	for (u32 kind = 0; kind < 16; kind++) {
		tx_on();
		for (u32 i = 0; i < RING - 1; i++)
			tx_add(0, TXD_CMD_DEXT | kind << 20, 0);
		tx_go();
		assert_int_equal(rig_get(R_TDH), RING - 1);
	}
	/* No ring; a head or a tail beyond it. */
	tx_on();
	rig_set(R_TDLEN, 0);
	rig_set(R_TDT, 5);
	assert_int_equal(rig_get(R_TDH), 0);
	tx_on();
	desc = tx_add(0, TXD_CMD_RS, 0);
	rig_set(R_TDT, RING);
	rig_set(R_TDT, 0xffff);
	assert_int_equal(rig_get(R_TDH), 0);
	assert_false(tx_done(desc));
	rig_set(R_TDH, 0xfff0);
	rig_set(R_TDT, 1);
	assert_int_equal(rig_get(R_TDH), 0xfff0);
	rig_turn(100);
	assert_int_equal(rig.nr_out, 0);

	/* Receive: null buffers are passed over, a ring of them ends. */
	rx_on(0, RING - 1);
	for (u32 i = 0; i < RING; i++)
		*(u64 *)rig_at(RX_RING + i * E1000_DESC_SIZE) = i == 5 ? RX_BUF : 0;
	rig_receive(p->data, p->len);
	rig_receive(p->data, p->len);
	rig_turn(100);
	assert_int_equal(rig_get(R_RDH), RING - 1);
	assert_int_equal(rx_at(4).status, RXD_STAT_DD);
	assert_int_equal(rx_at(4).len, 0);
	assert_int_equal(rx_at(5).status & 3, 3);
	assert_false(rig_polls());
	assert_int_equal(rig_turn(100), 0);
	rig_set(R_RDLEN, 0);
	rig_turn(100);
	rig_set(R_RDT, 0xffff);
	rig_turn(100);
	assert_false(rig_polls());
	free(p);
}

/* CVE-2020-15859: rings and buffers at the device's own registers, at nothing. */
static void test_dma_outside_ram(void **state)
{
	static const u64 nowhere[] = {
		0xfebc0000, RIG_LOW_SIZE, 0xfffffffffffffff0, 0xfffffffffffff000,
		RIG_HIGH + RIG_HIGH_SIZE, RIG_HIGH - 0x1000,
	};
	struct packet *p = malloc(sizeof(*p));

	packet_make(p, false, true, 100);
	memcpy(p->data, my_mac, 6);
	memcpy(rig_at(TX_BUF), p->data, p->len);
	for (u32 i = 0; i < ARRAY_SIZE(nowhere); i++) {
		u64 *desc;

		tx_on();
		rx_on(0, RING - 1);
		/* buffers */
		desc = tx_add(nowhere[i], TXD_CMD_IFCS | TXD_CMD_EOP | TXD_CMD_RS | p->len, 0);
		tx_go();
		assert_true(tx_done(desc));
		assert_int_equal(rig.nr_out, 0);
		*(u64 *)rig_at(RX_RING) = nowhere[i];
		rig_receive(p->data, p->len);
		rig_turn(100);
		assert_int_equal(rig_get(R_RDH), 1);
		assert_true(rx_at(0).errors & RXD_ERR_RXE);
		/* rings */
		rig_set(R_TDBAL, (u32)nowhere[i]);
		rig_set(R_TDBAH, (u32)(nowhere[i] >> 32));
		rig_set(R_TDT, 5);
		rig_set(R_RDBAL, (u32)nowhere[i]);
		rig_set(R_RDBAH, (u32)(nowhere[i] >> 32));
		rig_receive(p->data, p->len);
		rig_turn(100);
		assert_int_equal(rig_get(R_TDH), 1);
		assert_false(rig_polls());
		assert_int_equal(rig.nr_out, 0);
	}
	/* Into the second block of RAM, and across the end of the first. */
	tx_on();
	rx_on(0, RING - 1);
	*(u64 *)rig_at(RX_RING) = RIG_HIGH + 64;
	*(u64 *)rig_at(RX_RING + 16) = RIG_LOW_SIZE - 8;
	rig_receive(p->data, p->len);
	rig_receive(p->data, p->len);
	rig_turn(100);
	assert_memory_equal(rig_at(RIG_HIGH + 64), p->data, p->len);
	assert_int_equal(rx_at(0).errors, 0);
	assert_true(rx_at(1).errors & RXD_ERR_RXE);
	free(p);
}

/* Packets longer than any frame, or that never end. */
static void test_tx_oversize(void **state)
{
	u32 flags = TXD_CMD_DEXT | 1 << 20 | TXD_CMD_IFCS;
	u64 *desc;

	tx_on();
	tx_add(TX_BUF, flags | TXD_CMD_EOP | 16289, 0);
	desc = tx_add(TX_BUF, flags | TXD_CMD_EOP | TXD_CMD_RS | 0xfffff, 0);
	tx_go();
	assert_int_equal(rig.nr_out, 0);
	assert_true(tx_done(desc));
	for (int i = 0; i < 1000; i++) {
		tx_add(TX_BUF, flags | 0xffff, 0);
		tx_go();
	}
	assert_int_equal(rig.nr_out, 0);
	tx_add(TX_BUF, flags | TXD_CMD_EOP, 0);
	tx_add(TX_BUF, flags | TXD_CMD_EOP | 16288, 0);
	tx_go();
	assert_int_equal(rig.nr_out, 1);
	assert_int_equal(rig.out[0].len, 16288);
}

/* The ring moves while a packet is half gathered: nothing of it survives. */
static void test_tx_ring_moves(void **state)
{
	struct packet *p = malloc(sizeof(*p));

	packet_make(p, false, true, 100);
	memcpy(rig_at(TX_BUF), p->data, p->len);
	tx_on();
	tx_add(TX_BUF, TXD_CMD_IFCS | 50, 0);
	tx_go();
	tx_on();
	tx_add(TX_BUF, TXD_CMD_IFCS | TXD_CMD_EOP | p->len, 0);
	tx_go();
	assert_int_equal(rig.nr_out, 1);
	assert_frame(0, p->data, p->len);
	free(p);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		T(identity), T(eeprom), T(phy), T(registers), T(reset), T(interrupt_level),
		T(throttling), T(transmit_delay), T(receive_delay), T(tx_legacy), T(tx_pad),
		T(tx_own_fcs), T(tx_legacy_checksum), T(tx_checksum), T(tx_vlan), T(tso),
		T(tso_late_end), T(tso_context_is_kept), T(tx_backend_full), T(tx_budget),
		T(statistics), T(rx_single), T(fcs), T(rx_multi), T(rx_filters), T(rx_vlan),
		T(rx_checksum), T(rx_full), T(rx_threshold), T(bus_master), T(loopback),
		T(loopback_ends), T(far_end_lost),
		T(reflecting_backend), T(tso_bad_contexts), T(checksum_offsets),
		T(rings_without_progress), T(dma_outside_ram), T(tx_oversize), T(tx_ring_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
