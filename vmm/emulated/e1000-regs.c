// SPDX-License-Identifier: GPL-2.0
/*
 * The register file (8254x SDM chapter 13): a table of what is at which
 * offset. A row without operations is memory with some writable bits; the
 * others say what reading or writing does. Offsets without a row read 0.
 */
#include "vmm/emulated/e1000-dev.h"

/* On a TDT write; the loop thread does the rest in such portions, too. */
#define TX_BUDGET 1024

struct e1000_reg {
	u32 off;
	u16 count; /* registers, @stride bytes apart */
	u8 stride;
	u32 keep; /* bits that writing changes */
	u32 reset;
	u32 (*read)(struct e1000 *e, u32 off);
	void (*write)(struct e1000 *e, u32 off, u32 value);
};

static u32 ctrl_read(struct e1000 *e, u32 off)
{
	return e1000_get(e, R_CTRL);
}

static void ctrl_write(struct e1000 *e, u32 off, u32 value)
{
	bool was = e1000_link_up(e);

	if (value & CTRL_RST) {
		e1000_reset(e);
		return;
	}
	e1000_set(e, R_CTRL, value & ~(CTRL_RST | CTRL_PHY_RST));
	if (value & CTRL_PHY_RST)
		e1000_phy_reset(e);
	e1000_link_check(e, was);
}

static u32 status_read(struct e1000 *e, u32 off)
{
	u32 ctrl = e1000_get(e, R_CTRL);
	bool full;
	u32 speed = e1000_phy_speed(&e->phy, &full);

	if (ctrl & CTRL_FRCSPD)
		speed = ctrl >> CTRL_SPD_SHIFT & 3;
	if (ctrl & CTRL_FRCDPX)
		full = ctrl & CTRL_FD;
	/* ASDV repeats the speed that was detected. */
	return (full ? STATUS_FD : 0) | (e1000_link_up(e) ? STATUS_LU : 0) |
	       speed << STATUS_SPEED_SHIFT | speed << 8;
}

static u32 eecd_read(struct e1000 *e, u32 off)
{
	return e1000_eecd_read(&e->eeprom);
}

static void eecd_write(struct e1000 *e, u32 off, u32 value)
{
	e1000_eecd_write(&e->eeprom, value);
}

static void eerd_write(struct e1000 *e, u32 off, u32 value)
{
	u32 addr = value >> 8 & 0xff;

	if (!(value & EERD_START))
		return;
	e1000_set(e, R_EERD, EERD_DONE | addr << 8 |
			     (u32)(addr < E1000_EEPROM_WORDS ? e->eeprom.word[addr] : 0) << 16);
}

/* The station address is the EEPROM's until the driver changes it. */
static void load_address(struct e1000 *e)
{
	const u16 *word = e->eeprom.word;

	e1000_set(e, R_RA, word[0] | (u32)word[1] << 16);
	e1000_set(e, R_RA + 4, RAH_AV | word[2]);
}

static void ctrl_ext_write(struct e1000 *e, u32 off, u32 value)
{
	if (value & CTRL_EXT_EE_RST)
		load_address(e);
	e1000_set(e, off, value & ~CTRL_EXT_EE_RST);
}

static void mdic_write(struct e1000 *e, u32 off, u32 value)
{
	e1000_set(e, R_MDIC, e1000_mdic_write(e, value));
}

/* Reading acknowledges all causes, and with them the interrupt. */
static u32 icr_read(struct e1000 *e, u32 off)
{
	u32 cause = e->irq.cause;

	e->irq.cause = 0;
	e1000_irq_update(e);
	return cause;
}

static void icr_write(struct e1000 *e, u32 off, u32 value)
{
	e->irq.cause &= ~value;
	e1000_irq_update(e);
}

static void itr_write(struct e1000 *e, u32 off, u32 value)
{
	e1000_set(e, R_ITR, value & 0xffff);
	e1000_irq_update(e); /* an interrupt that waits may be due now */
}

static void ics_write(struct e1000 *e, u32 off, u32 value)
{
	e1000_irq_raise(e, value);
}

static u32 ims_read(struct e1000 *e, u32 off)
{
	return e->irq.mask;
}

static void ims_write(struct e1000 *e, u32 off, u32 value)
{
	e->irq.mask |= value & INT_ALL;
	e1000_irq_update(e);
}

static void imc_write(struct e1000 *e, u32 off, u32 value)
{
	e->irq.mask &= ~value;
	e1000_irq_update(e);
}

/* Descriptors or an enable bit appeared: the loop thread may receive again. */
static void rx_wake(struct e1000 *e)
{
	e->rx.stuck = false;
	if (e->rx.waiting) {
		e->rx.waiting = false;
		e1000_kick(e);
	}
}

static void rctl_write(struct e1000 *e, u32 off, u32 value)
{
	/* What was on its way into the ring is lost with the ring. */
	if (!(value & RCTL_EN))
		e->rx.total = 0;
	e1000_set(e, R_RCTL, value & 0x06dfb3fe);
	rx_wake(e);
	e1000_kick(e); /* loopback changes what is polled */
}

static void rx_ring_write(struct e1000 *e, u32 off, u32 value)
{
	e->rx.total = 0;
	e1000_set(e, off, value);
	rx_wake(e);
}

static void rdlen_write(struct e1000 *e, u32 off, u32 value)
{
	rx_ring_write(e, off, value & 0x000fff80);
}

static void rdbal_write(struct e1000 *e, u32 off, u32 value)
{
	rx_ring_write(e, off, value & ~(u32)0xf);
}

static void rdh_write(struct e1000 *e, u32 off, u32 value)
{
	rx_ring_write(e, off, value & 0xffff);
}

static void rdt_write(struct e1000 *e, u32 off, u32 value)
{
	e1000_set(e, R_RDT, value & 0xffff);
	if (e->rx.waiting)
		rx_wake(e);
}

static void rdtr_write(struct e1000 *e, u32 off, u32 value)
{
	e1000_set(e, R_RDTR, value & 0xffff);
	if ((value & RDTR_FPD) && e->irq.deadline[TIMER_RDTR]) {
		e1000_timer_stop(e, TIMER_RDTR);
		e1000_timer_stop(e, TIMER_RADV);
		e1000_irq_raise(e, INT_RXT0);
	}
}

static void tx_start(struct e1000 *e)
{
	if (e1000_tx_run(e, TX_BUDGET))
		e1000_kick(e);
}

static void tctl_write(struct e1000 *e, u32 off, u32 value)
{
	e1000_set(e, R_TCTL, value & 0x03fffffa);
	tx_start(e);
}

/* The packet in work belongs to the ring as it was. */
static void tx_ring_write(struct e1000 *e, u32 off, u32 value)
{
	e->tx.stuck = false;
	e->tx.have = false;
	e->tx.in_packet = false;
	e->tx.frame_len = 0;
	e1000_set(e, off, value);
}

static void tdlen_write(struct e1000 *e, u32 off, u32 value)
{
	tx_ring_write(e, off, value & 0x000fff80);
}

static void tdbal_write(struct e1000 *e, u32 off, u32 value)
{
	tx_ring_write(e, off, value & ~(u32)0xf);
}

static void tdh_write(struct e1000 *e, u32 off, u32 value)
{
	tx_ring_write(e, off, value & 0xffff);
}

static void tdt_write(struct e1000 *e, u32 off, u32 value)
{
	e1000_set(e, R_TDT, value & 0xffff);
	tx_start(e);
}

static u32 zero_read(struct e1000 *e, u32 off)
{
	return 0;
}

static void no_write(struct e1000 *e, u32 off, u32 value)
{
}

#define ALL 0xffffffff
/* A row that is memory; read only where @keep is 0. */
#define MEM(reg, bits, value) { .off = reg, .count = 1, .keep = bits, .reset = value }
#define ARRAY(reg, n, step, bits) { .off = reg, .count = n, .stride = step, .keep = bits }
#define OPS(reg, value, rd, wr) \
	{ .off = reg, .count = 1, .reset = value, .read = rd, .write = wr }

static const struct e1000_reg regs[] = {
	OPS(R_CTRL, CTRL_FD | CTRL_ASDE | CTRL_SLU | CTRL_SPD_1000, ctrl_read, ctrl_write),
	OPS(R_CTRL_DUP, 0, ctrl_read, ctrl_write),
	OPS(R_STATUS, 0, status_read, no_write),
	OPS(R_EECD, 0, eecd_read, eecd_write),
	OPS(R_EERD, 0, NULL, eerd_write),
	OPS(R_CTRL_EXT, 0, NULL, ctrl_ext_write),
	OPS(R_MDIC, MDIC_READY, NULL, mdic_write),
	MEM(R_FCAL, ALL, 0),
	MEM(R_FCAH, 0xffff, 0),
	MEM(R_FCT, 0xffff, 0),
	MEM(R_VET, 0xffff, 0x8100),
	OPS(R_ICR, 0, icr_read, icr_write),
	OPS(R_ITR, 0, NULL, itr_write),
	OPS(R_ICS, 0, zero_read, ics_write),
	OPS(R_IMS, 0, ims_read, ims_write),
	OPS(R_IMC, 0, zero_read, imc_write),
	OPS(R_RCTL, 0, NULL, rctl_write),
	MEM(R_FCTTV, 0xffff, 0),
	MEM(R_TXCW, 0xc000ffff, 0),
	MEM(R_RXCW, 0, 0),
	OPS(R_TCTL, 0, NULL, tctl_write),
	MEM(R_TIPG, 0x3fffffff, 0x00602008),
	MEM(R_AIT, 0xffff, 0),
	MEM(R_LEDCTL, ALL, 0x07068302),
	MEM(R_PBA, 0xffff, 0x00100030),
	MEM(R_FCRTL, 0x8000fff8, 0),
	MEM(R_FCRTH, 0xfff8, 0),
	ARRAY(R_RDFH, 5, 8, 0x1fff),
	OPS(R_RDBAL, 0, NULL, rdbal_write),
	OPS(R_RDBAH, 0, NULL, rx_ring_write),
	OPS(R_RDLEN, 0, NULL, rdlen_write),
	OPS(R_RDH, 0, NULL, rdh_write),
	OPS(R_RDT, 0, NULL, rdt_write),
	OPS(R_RDTR, 0, NULL, rdtr_write),
	MEM(R_RXDCTL, 0x013f3f3f, 0x01010000),
	MEM(R_RADV, 0xffff, 0),
	MEM(R_RSRPD, 0xfff, 0),
	MEM(R_TXDMAC, 1, 0),
	ARRAY(R_TDFH, 5, 8, 0x1fff),
	OPS(R_TDBAL, 0, NULL, tdbal_write),
	OPS(R_TDBAH, 0, NULL, tx_ring_write),
	OPS(R_TDLEN, 0, NULL, tdlen_write),
	OPS(R_TDH, 0, NULL, tdh_write),
	OPS(R_TDT, 0, NULL, tdt_write),
	MEM(R_TIDV, 0xffff, 0),
	MEM(R_TXDCTL, 0xff3f3f3f, 0),
	MEM(R_TADV, 0xffff, 0),
	MEM(R_TSPMT, ALL, 0x01000400),
	{ .off = R_CRCERRS, .count = (R_ICRXOC - R_CRCERRS) / 4 + 1, .stride = 4,
	  .read = e1000_stat_read, .write = no_write },
	MEM(R_RXCSUM, 0x3ff, 0),
	ARRAY(R_MTA, E1000_MTA_WORDS, 4, ALL),
	ARRAY(R_RA, E1000_RA_ENTRIES, 8, ALL),
	ARRAY(R_RA + 4, E1000_RA_ENTRIES, 8, 0x8003ffff),
	ARRAY(R_VFTA, E1000_VFTA_WORDS, 4, ALL),
	MEM(R_WUC, 0xf, 0),
	MEM(R_WUFC, 0xf00ff, 0),
	MEM(R_WUS, 0, 0),
	MEM(R_MANC, ALL, 0),
	MEM(R_IPAV, 0x1000f, 0),
	ARRAY(R_IP4AT, 4, 8, ALL),
	ARRAY(R_IP6AT, 4, 4, ALL),
	MEM(R_WUPL, 0, 0),
	ARRAY(R_FFLT, 4, 8, 0x7ff),
	ARRAY(R_FFMT, 128, 8, 0xf),
	ARRAY(R_FFVT, 128, 8, ALL),
};

/* Offset to row, made once: an access costs no search. 0: none. */
static u8 row_of[R_END / 4];
static pthread_once_t row_once = PTHREAD_ONCE_INIT;

_Static_assert(ARRAY_SIZE(regs) < 255, "rows are numbered in a byte");

static void row_init(void)
{
	for (u32 r = 0; r < ARRAY_SIZE(regs); r++)
		for (u32 i = 0; i < regs[r].count; i++)
			row_of[(regs[r].off + i * regs[r].stride) / 4] = (u8)(r + 1);
}

static const struct e1000_reg *reg_find(u32 off)
{
	pthread_once(&row_once, row_init);
	if (off >= R_END || !row_of[off / 4])
		return NULL;
	return &regs[row_of[off / 4] - 1];
}

u32 e1000_reg_read(struct e1000 *e, u32 off)
{
	const struct e1000_reg *reg = reg_find(off);

	e->count.reg_reads++;
	if (!reg)
		return 0;
	return reg->read ? reg->read(e, off) : e1000_get(e, off);
}

void e1000_reg_write(struct e1000 *e, u32 off, u32 value)
{
	const struct e1000_reg *reg = reg_find(off);

	e->count.reg_writes++;
	if (!reg)
		return;
	if (reg->write)
		reg->write(e, off, value);
	else
		e1000_set(e, off, (e1000_get(e, off) & ~reg->keep) | (value & reg->keep));
}

void e1000_reset(struct e1000 *e)
{
	e1000_tx_reset(e);
	e1000_rx_reset(e);
	e1000_irq_reset(e);
	memset(e->reg, 0, sizeof(e->reg));
	memset(e->stat64, 0, sizeof(e->stat64));
	for (u32 r = 0; r < ARRAY_SIZE(regs); r++)
		e1000_set(e, regs[r].off, regs[r].reset);
	load_address(e);
	e1000_kick(e);
}
