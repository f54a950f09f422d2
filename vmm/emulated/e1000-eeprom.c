// SPDX-License-Identifier: GPL-2.0
/*
 * The serial EEPROM: 64 words behind the four wires of EECD (8254x SDM 5.3,
 * 13.4.3), as a 93C46 answers on them. A command is a start bit, two bits of
 * operation and six of address, taken at rising edges of SK while CS is high;
 * a read shifts a dummy 0 and 16 bits out at the edges that follow.
 *
 * What the guest programs lasts as long as the virtual machine.
 */
#include "vmm/emulated/e1000-dev.h"

#define EE_ADDR_BITS 6
#define EE_COMMAND_BITS (1 + 2 + EE_ADDR_BITS)
#define EE_WRITE_BITS (EE_COMMAND_BITS + 16)

enum { EE_OTHER, EE_WRITE, EE_READ, EE_ERASE };

/* Words a driver looks at (SDM 5.6); the others are 0. */
enum {
	WORD_MAC = 0x00,
	WORD_INIT1 = 0x0a,
	WORD_SUBSYSTEM = 0x0b,
	WORD_SUBVENDOR = 0x0c,
	WORD_DEVICE = 0x0d,
	WORD_VENDOR = 0x0e,
	WORD_INIT2 = 0x0f,
	WORD_CHECKSUM = 0x3f,
};

void e1000_eeprom_init(struct e1000_eeprom *ee, const u8 mac[6])
{
	u16 sum = 0;

	memset(ee, 0, sizeof(*ee));
	ee->wires = EECD_FWE_DIS;
	ee->out = true;
	for (int i = 0; i < 3; i++)
		ee->word[WORD_MAC + i] = (u16)(mac[2 * i] | mac[2 * i + 1] << 8);
	ee->word[WORD_INIT1] = 0x4408; /* signature 01, 33 MHz, 32 bits */
	ee->word[WORD_SUBSYSTEM] = E1000_SUBSYSTEM;
	ee->word[WORD_SUBVENDOR] = E1000_VENDOR;
	ee->word[WORD_DEVICE] = E1000_DEVICE;
	ee->word[WORD_VENDOR] = E1000_VENDOR;
	ee->word[WORD_INIT2] = 0x3040; /* flow control advertised, no wake-up */
	for (int i = 0; i < WORD_CHECKSUM; i++)
		sum = (u16)(sum + ee->word[i]);
	ee->word[WORD_CHECKSUM] = (u16)(E1000_EEPROM_SUM - sum);
}

/* All bits of a command (and of a write, its data) are in. */
static void eeprom_command(struct e1000_eeprom *ee)
{
	u32 in = ee->bits == EE_WRITE_BITS ? ee->in >> 16 : ee->in;
	u32 addr = in & (E1000_EEPROM_WORDS - 1);

	switch (in >> EE_ADDR_BITS & 3) {
	case EE_READ:
		if (ee->bits == EE_COMMAND_BITS) {
			ee->out = false; /* the dummy bit */
			ee->shift = ee->word[addr];
			ee->shift_bits = 16;
		}
		break;
	case EE_OTHER:
		if (ee->bits == EE_COMMAND_BITS && addr >> 4 == 3) /* EWEN */
			ee->writable = true;
		if (ee->bits == EE_COMMAND_BITS && addr >> 4 == 0) /* EWDS */
			ee->writable = false;
		break;
	case EE_WRITE:
		ee->program = ee->bits == EE_WRITE_BITS;
		break;
	case EE_ERASE:
		ee->program = ee->bits == EE_COMMAND_BITS;
		break;
	}
}

/* CS fell after a whole write or erase: the part programs itself. */
static void eeprom_program(struct e1000_eeprom *ee)
{
	bool erase = ee->bits == EE_COMMAND_BITS;
	u32 in = erase ? ee->in : ee->in >> 16;

	ee->program = false;
	if (ee->writable)
		ee->word[in & (E1000_EEPROM_WORDS - 1)] = erase ? 0xffff : (u16)ee->in;
}

static void eeprom_clock(struct e1000_eeprom *ee, bool di)
{
	if (ee->shift_bits) {
		ee->shift_bits--;
		ee->out = ee->shift >> ee->shift_bits & 1;
		return;
	}
	if ((!ee->bits && !di) || ee->bits == EE_WRITE_BITS)
		return;
	ee->in = ee->in << 1 | di;
	ee->bits++;
	if (ee->bits == EE_COMMAND_BITS || ee->bits == EE_WRITE_BITS)
		eeprom_command(ee);
}

u32 e1000_eecd_read(const struct e1000_eeprom *ee)
{
	/* A request is granted at once: nobody else wants the EEPROM. */
	return ee->wires | EECD_PRES | (ee->wires & EECD_REQ ? EECD_GNT : 0) |
	       (ee->out ? EECD_DO : 0);
}

void e1000_eecd_write(struct e1000_eeprom *ee, u32 value)
{
	u32 old = ee->wires;

	ee->wires = value & (EECD_SK | EECD_CS | EECD_DI | EECD_FWE_MASK | EECD_REQ);
	if (!(ee->wires & EECD_CS)) {
		if (ee->program)
			eeprom_program(ee);
		ee->in = 0;
		ee->bits = 0;
		ee->shift_bits = 0;
		ee->out = true; /* pulled up; and "ready" when selected again */
		return;
	}
	/* An edge that comes with CS itself is not one. */
	if ((old & EECD_CS) && !(old & EECD_SK) && (ee->wires & EECD_SK))
		eeprom_clock(ee, ee->wires & EECD_DI);
}
