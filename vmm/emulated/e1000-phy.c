// SPDX-License-Identifier: GPL-2.0
/*
 * The PHY, a Marvell 88E1011, behind MDIC (8254x SDM 8.10 and 13.4.7; its
 * standard registers: IEEE 802.3 clause 22), and what the MAC makes of it.
 * The link is to a far end that can do everything; negotiating with it takes
 * no time.
 */
#include "vmm/emulated/e1000-dev.h"

enum {
	MII_CTRL = 0,
	MII_STATUS = 1,
	MII_ID1 = 2,
	MII_ID2 = 3,
	MII_ADVERTISE = 4,
	MII_PARTNER = 5,
	MII_EXPANSION = 6,
	MII_CTRL1000 = 9,
	MII_STATUS1000 = 10,
	MII_EXT_STATUS = 15,
	M88_CTRL = 16,
	M88_STATUS = 17,
	M88_INT_STATUS = 19,
	M88_EXT_CTRL = 20,
	M88_RX_ERRORS = 21,
};

#define PHY_ADDRESS 1

#define CTRL_RESET 0x8000
#define CTRL_LOOPBACK 0x4000
#define CTRL_SPEED_100 0x2000
#define CTRL_AUTONEG 0x1000
#define CTRL_POWER_DOWN 0x0800
#define CTRL_ISOLATE 0x0400
#define CTRL_RESTART 0x0200
#define CTRL_FULL 0x0100
#define CTRL_SPEED_1000 0x0040

#define STATUS_LINK 0x0004
#define STATUS_AUTONEG_DONE 0x0020
#define ADVERTISE_100 0x0180
#define ADVERTISE_100FULL 0x0100
#define ADVERTISE_10 0x0060
#define ADVERTISE_10FULL 0x0040
#define CTRL1000_ADVERTISE 0x0300
#define CTRL1000_FULL 0x0200

/* Defaults, and the bits a driver may write. */
static const struct {
	u16 reset, writable;
} phy_reg[32] = {
	[MII_CTRL] = { CTRL_AUTONEG | CTRL_FULL | CTRL_SPEED_1000, 0xfdc0 },
	[MII_STATUS] = { 0x7949, 0 }, /* all of 10 and 100, extended status, no preamble */
	[MII_ID1] = { 0x0141, 0 },
	[MII_ID2] = { 0x0c20, 0 },
	[MII_ADVERTISE] = { 0x0de1, 0xffff },
	[MII_PARTNER] = { 0x4de1, 0 }, /* acknowledges all of 10 and 100, pause */
	[MII_EXPANSION] = { 0x0003, 0 },
	[7] = { 0x2001, 0xffff },
	[MII_CTRL1000] = { 0x0300, 0xff00 },
	[MII_STATUS1000] = { 0x3c00, 0 }, /* both receivers fine, 1000 full and half */
	[MII_EXT_STATUS] = { 0x3000, 0 },
	[M88_CTRL] = { 0x0068, 0xffff },
	[18] = { 0, 0xffff },
	[M88_EXT_CTRL] = { 0x0d60, 0xffff },
	[24] = { 0x4100, 0xffff },
	[26] = { 0, 0xffff },
	[29] = { 0, 0xffff },
	[30] = { 0, 0xffff },
};

/*
 * A loopback that begins or ends changes whom the receiver hears, with the link
 * as it was: the loop thread has to look.
 */
static void loopback_check(struct e1000 *e, bool was)
{
	if (e1000_phy_loopback(&e->phy) != was)
		e1000_kick(e);
}

/* Resets are of the registers: whether the far end is there stays. */
void e1000_phy_reset(struct e1000 *e)
{
	bool was = e1000_link_up(e), looped = e1000_phy_loopback(&e->phy);

	for (int i = 0; i < 32; i++)
		e->phy.reg[i] = phy_reg[i].reset;
	loopback_check(e, looped);
	e1000_link_check(e, was);
}

unsigned int e1000_phy_speed(const struct e1000_phy *phy, bool *full)
{
	u16 ctrl = phy->reg[MII_CTRL], adv = phy->reg[MII_ADVERTISE];
	u16 adv1000 = phy->reg[MII_CTRL1000];

	if (!(ctrl & CTRL_AUTONEG)) {
		*full = ctrl & CTRL_FULL;
		return ctrl & CTRL_SPEED_1000 ? 2 : ctrl & CTRL_SPEED_100 ? 1 : 0;
	}
	if (adv1000 & CTRL1000_ADVERTISE) {
		*full = adv1000 & CTRL1000_FULL;
		return 2;
	}
	if (adv & ADVERTISE_100) {
		*full = adv & ADVERTISE_100FULL;
		return 1;
	}
	*full = adv & ADVERTISE_10FULL;
	return 0;
}

bool e1000_phy_link(const struct e1000_phy *phy)
{
	u16 ctrl = phy->reg[MII_CTRL];

	if (!phy->carrier || (ctrl & (CTRL_POWER_DOWN | CTRL_ISOLATE)))
		return false;
	if (!(ctrl & CTRL_AUTONEG))
		return true;
	return (phy->reg[MII_CTRL1000] & CTRL1000_ADVERTISE) ||
	       (phy->reg[MII_ADVERTISE] & (ADVERTISE_100 | ADVERTISE_10));
}

bool e1000_phy_loopback(const struct e1000_phy *phy)
{
	return phy->reg[MII_CTRL] & CTRL_LOOPBACK;
}

bool e1000_link_up(const struct e1000 *e)
{
	return (e1000_get(e, R_CTRL) & CTRL_SLU) && e1000_phy_link(&e->phy);
}

bool e1000_loopback_on(const struct e1000 *e)
{
	return (e1000_get(e, R_RCTL) & RCTL_LBM) == RCTL_LBM_MAC || e1000_phy_loopback(&e->phy);
}

void e1000_link_check(struct e1000 *e, bool was)
{
	bool now = e1000_link_up(e);

	if (now == was)
		return;
	if (!now)
		e->phy.link_seen_down = true;
	e1000_irq_raise(e, INT_LSC);
	e1000_kick(e); /* frames may flow now, or no longer */
}

static u16 status_read(struct e1000_phy *phy)
{
	u16 value = phy->reg[MII_STATUS];

	/* Latched low: a link that was lost shows as down once. */
	if (e1000_phy_link(phy) && !phy->link_seen_down)
		value |= STATUS_LINK;
	if (e1000_phy_link(phy) && (phy->reg[MII_CTRL] & CTRL_AUTONEG))
		value |= STATUS_AUTONEG_DONE;
	phy->link_seen_down = false;
	return value;
}

static u16 m88_status_read(struct e1000_phy *phy)
{
	bool full;
	unsigned int speed = e1000_phy_speed(phy, &full);

	if (!e1000_phy_link(phy))
		return 0;
	/* speed, duplex, page received, resolved, link, crossed over */
	return (u16)(speed << 14 | (full ? 0x2000 : 0) | 0x1c40);
}

static u16 phy_read(struct e1000_phy *phy, unsigned int reg)
{
	if (reg == MII_STATUS)
		return status_read(phy);
	if (reg == M88_STATUS)
		return m88_status_read(phy);
	return phy->reg[reg];
}

static void phy_write(struct e1000 *e, unsigned int reg, u16 value)
{
	struct e1000_phy *phy = &e->phy;
	bool was = e1000_link_up(e), looped = e1000_phy_loopback(phy);
	u16 writable = phy_reg[reg].writable;

	/* Reset and restart clear themselves: all is done at once. */
	if (reg == MII_CTRL && (value & (CTRL_RESET | CTRL_RESTART)) && was) {
		phy->link_seen_down = true;
		e1000_irq_raise(e, INT_LSC);
	}
	if (reg == MII_CTRL)
		value &= (u16)~(CTRL_RESET | CTRL_RESTART);
	phy->reg[reg] = (u16)((phy->reg[reg] & ~writable) | (value & writable));
	loopback_check(e, looped);
	e1000_link_check(e, was);
}

u32 e1000_mdic_write(struct e1000 *e, u32 value)
{
	u32 mdic = (value & ~(MDIC_ERROR | MDIC_READY)) | MDIC_READY;
	unsigned int reg = MDIC_REG(value);

	if (MDIC_PHY(value) != PHY_ADDRESS)
		mdic |= MDIC_ERROR;
	else if (value & MDIC_OP_READ)
		mdic = (mdic & 0xffff0000) | phy_read(&e->phy, reg);
	else if (value & MDIC_OP_WRITE)
		phy_write(e, reg, (u16)value);
	if (value & MDIC_INT_EN)
		e1000_irq_raise(e, INT_MDAC);
	return mdic;
}
