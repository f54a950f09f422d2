// SPDX-License-Identifier: GPL-2.0
// fuzz-sources: vmm/emulated/e1000.c vmm/emulated/e1000-eeprom.c vmm/emulated/e1000-irq.c
// fuzz-sources: vmm/emulated/e1000-phy.c vmm/emulated/e1000-regs.c vmm/emulated/e1000-rx.c
// fuzz-sources: vmm/emulated/e1000-stats.c vmm/emulated/e1000-sum.c vmm/emulated/e1000-tx.c
// fuzz-sources: tests/unit/e1000-rig.c vmm/complain.c vmm/error.c
// fuzz-libs: -lpthread
// fuzz-flags: -max_len=4096
/*
 * A guest gone mad at the emulated 82540EM. The input is a program: register
 * writes and reads, descriptors and bytes into guest memory, frames from the
 * far end, turns of the loop. Registers are chosen from those that matter, or
 * freely; ring bases from RAM's edges, or freely.
 */
#include <stdlib.h>

#include <linux/pci_regs.h>

#include "tests/unit/e1000-rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const u8 *at;
	size_t left;
};

static u64 take(struct input *in, size_t n)
{
	u64 value = 0;

	n = min(n, in->left);
	memcpy(&value, in->at, n);
	in->at += n;
	in->left -= n;
	return value;
}

static const u16 favourite[] = {
	R_CTRL, R_RCTL, R_TCTL, R_TDBAL, R_TDBAH, R_TDLEN, R_TDH, R_TDT, R_RDBAL, R_RDBAH,
	R_RDLEN, R_RDH, R_RDT, R_IMS, R_IMC, R_ICS, R_ICR, R_ITR, R_RDTR, R_RADV, R_TIDV,
	R_TADV, R_MDIC, R_EECD, R_EERD, R_RXCSUM, R_VET, R_RA, R_RA + 4, R_MTA, R_VFTA, R_STATUS,
};

/* Where things may be: inside, and around the ends of, the two blocks of RAM. */
static u64 address(struct input *in)
{
	static const u64 edge[] = {
		0x1000, 0x10000, RIG_LOW_SIZE - 64, RIG_LOW_SIZE - 16, RIG_HIGH - 16,
		RIG_HIGH, RIG_HIGH + RIG_HIGH_SIZE - 32, ~0ull - 15,
	};
	u8 pick = (u8)take(in, 1);

	if (pick < 128)
		return 0x1000 + (take(in, 2) << 4);
	return edge[pick & 7] + (take(in, 1) << 3);
}

static void op_write(struct input *in)
{
	u32 reg = favourite[take(in, 1) % ARRAY_SIZE(favourite)];

	rig_set(reg, (u32)take(in, 4));
}

static void op_write_any(struct input *in)
{
	static const unsigned int len[] = { 1, 2, 4, 8 };
	unsigned int l = len[take(in, 1) & 3];
	u32 off = (u32)take(in, 3) % (E1000_MMIO_SIZE - 8);

	rig.dev->ops->bar_write(rig.dev, 0, off, take(in, l), l);
}

static void op_read(struct input *in)
{
	static const unsigned int len[] = { 1, 2, 4, 8 };
	unsigned int l = len[take(in, 1) & 3];

	rig.dev->ops->bar_read(rig.dev, 0, (u32)take(in, 3) % (E1000_MMIO_SIZE - 8), l);
}

static void op_io(struct input *in)
{
	u32 reg = (u32)take(in, 3);

	if (reg & 1)
		rig_io_get(reg);
	else
		rig_io_set(reg, (u32)take(in, 4));
}

/* A ring somewhere, of some length, switched on. */
static void op_tx_ring(struct input *in)
{
	u64 base = address(in);

	rig_set(R_TDBAL, (u32)base);
	rig_set(R_TDBAH, (u32)(base >> 32));
	rig_set(R_TDLEN, (u32)take(in, 2));
	rig_set(R_TDH, 0);
	rig_set(R_TCTL, TCTL_EN | TCTL_PSP);
}

static void op_rx_ring(struct input *in)
{
	u64 base = address(in);

	rig_set(R_RDBAL, (u32)base);
	rig_set(R_RDBAH, (u32)(base >> 32));
	rig_set(R_RDLEN, (u32)take(in, 2));
	rig_set(R_RDH, 0);
	rig_set(R_RDT, (u32)take(in, 1));
	rig_set(R_RCTL, (u32)take(in, 4) | RCTL_EN | RCTL_UPE | RCTL_MPE);
}

/* Descriptor @index of the ring as the registers place it. */
static void op_desc(struct input *in)
{
	bool tx = take(in, 1) & 1;
	u64 base = (u64)rig_get(tx ? R_TDBAH : R_RDBAH) << 32 | rig_get(tx ? R_TDBAL : R_RDBAL);
	u64 gpa = base + take(in, 1) % 64 * E1000_DESC_SIZE, desc[2];
	u32 hint = 0;

	desc[0] = take(in, 1) & 1 ? take(in, 8) : address(in);
	desc[1] = take(in, 8);
	viola_mem_write(&rig.vm.mem.map, &hint, gpa, desc, sizeof(desc));
}

/* A context that is nearly right, so that segmentation is reached. */
static void op_context(struct input *in)
{
	u64 base = (u64)rig_get(R_TDBAH) << 32 | rig_get(R_TDBAL);
	u64 gpa = base + take(in, 1) % 64 * E1000_DESC_SIZE, desc[2];
	u8 shape = (u8)take(in, 1);
	u32 hint = 0, l4 = shape & 1 ? 34 : 54;

	desc[0] = 14 | 24u << 8 | (shape & 1 ? 33u << 16 : 0) | (u64)l4 << 32 |
		  (u64)(l4 + 16) << 40;
	desc[1] = TXD_CMD_DEXT | TXD_CMD_TSE | TXD_CTX_TCP | (shape & 1 ? TXD_CTX_IP : 0) |
		  (u64)(l4 + 20) << 40 | take(in, 2) << 48;
	if (shape & 2)
		desc[shape >> 7] ^= 0xffull << (shape >> 2 & 0x1f);
	viola_mem_write(&rig.vm.mem.map, &hint, gpa, desc, sizeof(desc));
}

static void op_bytes(struct input *in)
{
	u64 gpa = address(in), bytes = take(in, 8);
	u32 hint = 0;

	viola_mem_write(&rig.vm.mem.map, &hint, gpa, &bytes, sizeof(bytes));
}

static void op_frame(struct input *in)
{
	static u8 frame[20000];
	u32 len = (u32)take(in, 2) % sizeof(frame), head = min(len, (u32)take(in, 1) % 64);

	for (u32 i = 0; i < head; i++)
		frame[i] = (u8)take(in, 1);
	if (rig.nr_in < 256)
		rig_receive(frame, len);
}

/* A frame that looks like what checksums are found in, tagged or not. */
static void op_packet(struct input *in)
{
	u8 frame[128] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 }, shape = (u8)take(in, 1);
	u32 at = 12, len = 60 + shape % 68;

	if (shape & 0x80) {
		frame[at] = 0x81;
		frame[at + 3] = (u8)take(in, 1);
		at += 4;
	}
	frame[at] = 8;
	frame[at + 2] = 0x45;
	frame[at + 5] = (u8)(len - at - 2);
	frame[at + 11] = shape & 0x40 ? 6 : 17;
	frame[at + 2 + 20 + 5] = (u8)(len - at - 22);
	frame[take(in, 1) % sizeof(frame)] ^= (u8)take(in, 1);
	if (rig.nr_in < 256)
		rig_receive(frame, len);
}

static void op_phy(struct input *in)
{
	u8 reg = (u8)take(in, 1);

	rig_set(R_MDIC, (reg & 0x80 ? MDIC_OP_READ : MDIC_OP_WRITE) | 1 << 21 |
			(reg & 0x1fu) << 16 | (reg & 0x40 ? MDIC_INT_EN : 0) | (u16)take(in, 2));
}

/* Some bits into the EEPROM, and out of it. */
static void op_eeprom(struct input *in)
{
	u32 bits = (u32)take(in, 4), n = (u32)take(in, 1);

	rig_set(R_EECD, EECD_REQ | EECD_CS);
	for (u32 i = 0; i < (n & 31); i++) {
		u32 di = bits >> 31 ? EECD_DI : 0;

		bits <<= 1;
		rig_set(R_EECD, EECD_REQ | EECD_CS | di);
		rig_set(R_EECD, EECD_REQ | EECD_CS | EECD_SK | di);
		rig_get(R_EECD);
	}
	if (n & 0x80)
		rig_set(R_EECD, 0);
	rig_set(R_EERD, EERD_START | bits >> 24 << 8);
}

static void op_turn(struct input *in)
{
	u8 how = (u8)take(in, 1);

	rig.again = how & 0x80 ? how & 7 : 0;
	rig.reflect = how & 0x40;
	rig.bus_master = !(how & 0x30);
	rig.dev->ops->config_write(rig.dev, PCI_COMMAND, 0, 2);
	rig_turn(4);
	rig.bus_master = true;
}

static void op_tail(struct input *in)
{
	rig_set(R_TDT, (u32)take(in, 1));
}

static void (*const ops[])(struct input *in) = {
	op_write, op_write_any, op_read, op_io, op_tx_ring, op_rx_ring, op_desc, op_desc,
	op_context, op_bytes, op_frame, op_packet, op_phy, op_eeprom, op_turn, op_tail,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	rig_start();
	rig.keep_out = false;
	while (in.left)
		ops[take(&in, 1) % ARRAY_SIZE(ops)](&in);
	rig_turn(16);
	rig_stop();
	return 0;
}
