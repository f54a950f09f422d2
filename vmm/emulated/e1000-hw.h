/* SPDX-License-Identifier: GPL-2.0 */
/* What the 82540EM looks like from a driver: 8254x SDM, chapters 3, 5, 13. */
#ifndef VMM_EMULATED_E1000_HW_H
#define VMM_EMULATED_E1000_HW_H

#include <viola/env.h>

#define E1000_VENDOR 0x8086
#define E1000_DEVICE 0x100e
#define E1000_SUBSYSTEM 0x001e
#define E1000_REVISION 2

#define E1000_MMIO_SIZE 0x20000 /* BAR 0 */
#define E1000_IO_SIZE 64 /* BAR 1; two registers are used */
#define E1000_IOADDR 0
#define E1000_IODATA 4

/* Registers: byte offsets into BAR 0. */
enum {
	R_CTRL = 0x0000,
	R_CTRL_DUP = 0x0004,
	R_STATUS = 0x0008,
	R_EECD = 0x0010,
	R_EERD = 0x0014,
	R_CTRL_EXT = 0x0018,
	R_MDIC = 0x0020,
	R_FCAL = 0x0028,
	R_FCAH = 0x002c,
	R_FCT = 0x0030,
	R_VET = 0x0038,
	R_ICR = 0x00c0,
	R_ITR = 0x00c4,
	R_ICS = 0x00c8,
	R_IMS = 0x00d0,
	R_IMC = 0x00d8,
	R_RCTL = 0x0100,
	R_FCTTV = 0x0170,
	R_TXCW = 0x0178,
	R_RXCW = 0x0180,
	R_TCTL = 0x0400,
	R_TIPG = 0x0410,
	R_AIT = 0x0458,
	R_LEDCTL = 0x0e00,
	R_PBA = 0x1000,
	R_FCRTL = 0x2160,
	R_FCRTH = 0x2168,
	R_RDFH = 0x2410, /* … RDFPC at 0x2430, every other word */
	R_RDFPC = 0x2430,
	R_RDBAL = 0x2800,
	R_RDBAH = 0x2804,
	R_RDLEN = 0x2808,
	R_RDH = 0x2810,
	R_RDT = 0x2818,
	R_RDTR = 0x2820,
	R_RXDCTL = 0x2828,
	R_RADV = 0x282c,
	R_RSRPD = 0x2c00,
	R_TXDMAC = 0x3000,
	R_TDFH = 0x3410,
	R_TDFPC = 0x3430,
	R_TDBAL = 0x3800,
	R_TDBAH = 0x3804,
	R_TDLEN = 0x3808,
	R_TDH = 0x3810,
	R_TDT = 0x3818,
	R_TIDV = 0x3820,
	R_TXDCTL = 0x3828,
	R_TADV = 0x382c,
	R_TSPMT = 0x3830,
	R_CRCERRS = 0x4000, /* first statistic */
	R_MPC = 0x4010,
	R_PRC64 = 0x405c, /* … PRC1522 at 0x4070 */
	R_GPRC = 0x4074,
	R_BPRC = 0x4078,
	R_MPRC = 0x407c,
	R_GPTC = 0x4080,
	R_GORCL = 0x4088,
	R_GOTCL = 0x4090,
	R_RNBC = 0x40a0,
	R_RUC = 0x40a4,
	R_ROC = 0x40ac,
	R_TORL = 0x40c0,
	R_TOTL = 0x40c8,
	R_TPR = 0x40d0,
	R_TPT = 0x40d4,
	R_PTC64 = 0x40d8, /* … PTC1522 at 0x40ec */
	R_MPTC = 0x40f0,
	R_BPTC = 0x40f4,
	R_TSCTC = 0x40f8,
	R_TSCTFC = 0x40fc,
	R_IAC = 0x4100,
	R_ICRXPTC = 0x4104,
	R_ICRXATC = 0x4108,
	R_ICTXPTC = 0x410c,
	R_ICTXATC = 0x4110,
	R_ICTXQEC = 0x4118,
	R_ICRXDMTC = 0x4120,
	R_ICRXOC = 0x4124, /* last statistic */
	R_RXCSUM = 0x5000,
	R_MTA = 0x5200,
	R_RA = 0x5400,
	R_VFTA = 0x5600,
	R_WUC = 0x5800,
	R_WUFC = 0x5808,
	R_WUS = 0x5810,
	R_MANC = 0x5820,
	R_IPAV = 0x5838,
	R_IP4AT = 0x5840,
	R_IP6AT = 0x5880,
	R_WUPL = 0x5900,
	R_FFLT = 0x5f00,
	R_FFMT = 0x9000,
	R_FFVT = 0x9800,
	R_END = 0xa000,
};

#define E1000_MTA_WORDS 128
#define E1000_RA_ENTRIES 16
#define E1000_VFTA_WORDS 128

#define CTRL_FD 0x00000001
#define CTRL_ASDE 0x00000020
#define CTRL_SLU 0x00000040
#define CTRL_SPD_SHIFT 8
#define CTRL_SPD_1000 0x00000200
#define CTRL_FRCSPD 0x00000800
#define CTRL_FRCDPX 0x00001000
#define CTRL_RST 0x04000000
#define CTRL_VME 0x40000000
#define CTRL_PHY_RST 0x80000000

#define STATUS_FD 0x00000001
#define STATUS_LU 0x00000002
#define STATUS_SPEED_SHIFT 6

#define EECD_SK 0x00000001
#define EECD_CS 0x00000002
#define EECD_DI 0x00000004
#define EECD_DO 0x00000008
#define EECD_FWE_DIS 0x00000010
#define EECD_FWE_MASK 0x00000030
#define EECD_REQ 0x00000040
#define EECD_GNT 0x00000080
#define EECD_PRES 0x00000100

#define EERD_START 0x00000001
#define EERD_DONE 0x00000010

#define CTRL_EXT_EE_RST 0x00002000

#define MDIC_REG(v) (((v) >> 16) & 0x1f)
#define MDIC_PHY(v) (((v) >> 21) & 0x1f)
#define MDIC_OP_WRITE 0x04000000
#define MDIC_OP_READ 0x08000000
#define MDIC_READY 0x10000000
#define MDIC_INT_EN 0x20000000
#define MDIC_ERROR 0x40000000

/* Interrupt causes: ICR, ICS, IMS, IMC. */
#define INT_TXDW 0x00000001
#define INT_TXQE 0x00000002
#define INT_LSC 0x00000004
#define INT_RXDMT0 0x00000010
#define INT_RXO 0x00000040
#define INT_RXT0 0x00000080
#define INT_MDAC 0x00000200
#define INT_TXD_LOW 0x00008000
#define INT_SRPD 0x00010000
#define INT_ALL 0x0001ffff /* reserved ones too: software may set them */

#define RCTL_EN 0x00000002
#define RCTL_UPE 0x00000008
#define RCTL_MPE 0x00000010
#define RCTL_LPE 0x00000020
#define RCTL_LBM 0x000000c0
#define RCTL_LBM_MAC 0x00000040
#define RCTL_RDMTS(v) (((v) >> 8) & 3)
#define RCTL_MO(v) (((v) >> 12) & 3)
#define RCTL_BAM 0x00008000
#define RCTL_BSIZE(v) (((v) >> 16) & 3)
#define RCTL_VFE 0x00040000
#define RCTL_CFIEN 0x00080000
#define RCTL_CFI 0x00100000
#define RCTL_BSEX 0x02000000
#define RCTL_SECRC 0x04000000

#define TCTL_EN 0x00000002
#define TCTL_PSP 0x00000008

#define RDTR_FPD 0x80000000
#define RAH_AV 0x80000000
#define RAH_AS 0x00030000 /* 0: compare the destination */

#define RXCSUM_PCSS 0x000000ff
#define RXCSUM_IPOFL 0x00000100
#define RXCSUM_TUOFL 0x00000200

/*
 * Descriptors are 16 bytes, two little-endian words of 64 bits. Receive
 * (3.2.3): buffer address; then length, checksum, status, errors, special.
 */
#define E1000_DESC_SIZE 16

#define RXD_CSUM_SHIFT 16
#define RXD_STATUS_SHIFT 32
#define RXD_ERRORS_SHIFT 40
#define RXD_SPECIAL_SHIFT 48

#define RXD_STAT_DD 0x01
#define RXD_STAT_EOP 0x02
#define RXD_STAT_IXSM 0x04
#define RXD_STAT_VP 0x08
#define RXD_STAT_TCPCS 0x20
#define RXD_STAT_IPCS 0x40
#define RXD_STAT_PIF 0x80
#define RXD_ERR_TCPE 0x20
#define RXD_ERR_IPE 0x40
#define RXD_ERR_RXE 0x80

/*
 * Transmit (3.3): the second word's low half is the command. Without DEXT it
 * is a legacy descriptor, with it DTYP tells context from data.
 */
#define TXD_DTYP(cmd) (((cmd) >> 20) & 0xf)
#define TXD_DTYP_CONTEXT 0
#define TXD_DTYP_DATA 1
#define TXD_LEGACY_LEN(cmd) ((cmd) & 0xffff)
#define TXD_EXT_LEN(cmd) ((cmd) & 0xfffff)
#define TXD_LEGACY_CSO(cmd) (((cmd) >> 16) & 0xff)
#define TXD_CMD_EOP 0x01000000
#define TXD_CMD_IFCS 0x02000000
#define TXD_CMD_IC 0x04000000 /* legacy: insert checksum */
#define TXD_CMD_TSE 0x04000000 /* data, context: segmentation */
#define TXD_CMD_RS 0x08000000
#define TXD_CMD_RPS 0x10000000
#define TXD_CMD_DEXT 0x20000000
#define TXD_CMD_VLE 0x40000000
#define TXD_CMD_IDE 0x80000000
#define TXD_CTX_TCP 0x01000000
#define TXD_CTX_IP 0x02000000
/* its high half */
#define TXD_STAT_DD 0x01
#define TXD_CSS(upper) (((upper) >> 8) & 0xff) /* legacy */
#define TXD_POPTS_IXSM 0x0100 /* data */
#define TXD_POPTS_TXSM 0x0200
#define TXD_SPECIAL(upper) ((upper) >> 16)

/* Frame sizes in bytes, without FCS unless they say otherwise. */
#define E1000_FCS_LEN 4
#define E1000_FRAME_MIN 60
#define E1000_FRAME_STD 1518 /* tagged; what is accepted without RCTL.LPE */
#define E1000_FRAME_MAX 16288 /* SDM: 16288 bytes, largest packet on the wire */
#define E1000_TSO_HDR_MAX 240 /* SDM 3.3.6: largest prototype header */

#define E1000_EEPROM_WORDS 64
#define E1000_EEPROM_SUM 0xbaba

#endif
