/* SPDX-License-Identifier: GPL-2.0 */
/* The parts of one emulated 82540EM; private to e1000*.c and their tests. */
#ifndef VMM_EMULATED_E1000_DEV_H
#define VMM_EMULATED_E1000_DEV_H

#include <pthread.h>
#include <sys/types.h>

#include "vmm/emulated/e1000-hw.h"
#include "vmm/loop.h"
#include "vmm/net/backend.h"
#include "vmm/pci/pci.h"
#include "vmm/vm.h"

/*
 * Threads and locks. vCPU threads run the register handlers, the device's
 * loop thread receives, runs the timers and finishes what a vCPU left over.
 * `lock` guards everything in struct e1000 but what is marked "loop thread".
 * It is taken before the PCI device's config_lock, never after it; and no
 * path takes it twice: a frame sent is never received within the same call,
 * whatever the backend does with it.
 */

/* A serial EEPROM of the 93C46 kind (5.3), and its wires. */
struct e1000_eeprom {
	u16 word[E1000_EEPROM_WORDS];
	u32 wires; /* EECD_SK, _CS, _DI, _FWE, _REQ as last written */
	u32 in; /* bits shifted in since the start bit, which is the first 1 */
	u8 bits; /* how many; 0: no start bit yet */
	bool out; /* level of DO */
	u32 shift; /* what DO shifts out, most significant bit first */
	u8 shift_bits;
	bool writable; /* between EWEN and EWDS */
	bool program; /* a complete write command waits for CS to fall */
};

/* A Marvell 88E1011 PHY (13.4.3 and the standard's clause 22). */
struct e1000_phy {
	u16 reg[32];
	bool carrier; /* the far end is there */
	bool link_seen_down; /* the status register's link bit is sticky */
};

/* Deadlines, all served by one timerfd. */
enum e1000_timer {
	TIMER_ITR, /* the next interrupt may be asserted */
	TIMER_RDTR, /* receive: quiet for this long */
	TIMER_RADV, /* receive: longest delay */
	TIMER_TIDV,
	TIMER_TADV,
	TIMER_TX_RETRY, /* the backend took no more */
	TIMERS
};

struct e1000_irq {
	u32 cause; /* ICR */
	u32 mask; /* IMS */
	bool asserted; /* level of INTx */
	u64 next; /* ns; no assertion before it (ITR) */
	u64 deadline[TIMERS]; /* ns, 0: not running */
	u64 armed; /* ns, what the timerfd is set to, 0: disarmed */
};

/* What a context descriptor says (3.3.6). */
struct e1000_context {
	u8 ipcss, ipcso, tucss, tucso;
	u16 ipcse, tucse; /* last byte, 0: end of packet */
	u16 mss;
	u8 hdr_len;
	bool tcp, ipv4;
};

/*
 * The transmitter. Its state survives between calls at every point, so that
 * it can stop when the backend or its budget does: in the middle of a packet,
 * of a segmentation, or of one descriptor.
 */
struct e1000_tx {
	struct e1000_context context[2]; /* as loaded last; [1] is for TSO */
	bool more; /* stopped by the budget: the loop thread goes on */
	bool stuck; /* the ring is not in RAM: nothing until it is moved */

	/* The descriptor in work: loaded once, into here. */
	bool have;
	bool ended; /* its EOP has been acted on */
	u64 addr;
	u32 cmd, upper;
	u32 len, off; /* of its buffer, bytes; off already consumed */

	/* The packet in work, set by its first descriptor. */
	bool in_packet;
	bool drop; /* consume it, send nothing */
	bool tso;
	bool ip_sum, l4_sum; /* insert these */
	struct e1000_context ctx; /* checked copy, what the driver loads later is not for it */
	u32 hdr_have; /* TSO: bytes of the header gathered */
	u32 segs; /* TSO: segments made so far */
	u32 data_len; /* bytes in buf, behind the header if TSO */

	/* The frame that waits to be sent. */
	u32 frame_len; /* 0: none */
	bool frame_vlan;
	u16 frame_tci;
	u8 hdr[E1000_TSO_HDR_MAX];
	u8 buf[E1000_TSO_HDR_MAX + E1000_FRAME_MAX];
};

/* The receiver. */
struct e1000_rx {
	bool waiting; /* not polling; RDT or an enable bit must kick the loop */
	bool stuck; /* the ring is not in RAM */
	/* A frame on its way into the ring. */
	u32 total; /* bytes to store, 0: none */
	u32 off; /* bytes stored */
	u16 csum;
	u16 special;
	u8 status, errors; /* for the descriptor with EOP */
	u32 wire_len; /* for statistics: with FCS */

	/* Loop thread. */
	bool polling;
	u8 buf[E1000_FRAME_MAX + 8]; /* written under the lock once total is set */
};

/* Frames from the transmitter to the receiver while a loopback is on. */
#define E1000_LOOPBACK_SIZE (256 * 1024)
struct e1000_loopback {
	u8 *ring; /* pairs of u16 length and bytes */
	u32 head, used;
};

/* What the registers do not tell. */
struct e1000_counters {
	u64 reg_reads, reg_writes;
	u64 interrupts;
	u64 tx_frames, tx_bytes, tx_drops;
	u64 rx_frames, rx_bytes, rx_drops;
	u64 dma_errors; /* addresses that are not RAM */
};

struct e1000 {
	struct pci_device pci;
	struct net_backend *be;
	struct loop *loop;
	struct loop_source rx_source, timer_source, kick_source, watch_source;
	bool far_lost; /* loop thread: the far end is gone for good */
	int timer_fd, kick_fd;
	char name[16]; /* of this device, in messages */

	pthread_mutex_t lock;
	u32 reg[R_END / 4]; /* registers that are plain memory */
	u32 io_addr;
	u64 stat64[4]; /* GORC, GOTC, TOR, TOT */
	struct e1000_eeprom eeprom;
	struct e1000_phy phy;
	struct e1000_irq irq;
	struct e1000_tx tx;
	struct e1000_rx rx;
	struct e1000_loopback loopback;
	struct e1000_counters count;
	u32 hint; /* of guest memory lookups */
};

static inline u32 e1000_get(const struct e1000 *e, u32 off)
{
	return e->reg[off / 4];
}

static inline void e1000_set(struct e1000 *e, u32 off, u32 value)
{
	e->reg[off / 4] = value;
}

/* Everything below is called with the lock held. */

/* e1000-regs.c: aligned accesses to register @off; unknown ones read 0. */
u32 e1000_reg_read(struct e1000 *e, u32 off);
void e1000_reg_write(struct e1000 *e, u32 off, u32 value);
/* Power-on state, but for EEPROM and PHY. What is in work is dropped. */
void e1000_reset(struct e1000 *e);
/* Has the loop thread look at transmitter and receiver. Any lock state. */
void e1000_kick(struct e1000 *e);

/*
 * e1000.c: the descriptor at the head of the ring that the registers @bal,
 * @bah and @head describe, in guest memory; NULL if it is not in RAM.
 */
u64 *e1000_desc(struct e1000 *e, u32 bal, u32 bah, u32 head);

/* e1000-stats.c */
void e1000_stat_add(struct e1000 *e, u32 off, u32 n); /* sticks at all ones */
void e1000_stat_tx(struct e1000 *e, const u8 *frame, u32 wire_len);
void e1000_stat_rx(struct e1000 *e, const u8 *frame, u32 wire_len);
u32 e1000_stat_read(struct e1000 *e, u32 off);

/* e1000-irq.c */
void e1000_irq_raise(struct e1000 *e, u32 causes);
void e1000_irq_update(struct e1000 *e); /* after ICR or IMS changed */
void e1000_irq_reset(struct e1000 *e);
u64 e1000_now(void); /* ns */
/* @delay_ns from now, unless the timer runs and @keep. */
void e1000_timer_start(struct e1000 *e, enum e1000_timer timer, u64 delay_ns, bool keep);
void e1000_timer_stop(struct e1000 *e, enum e1000_timer timer);
/* Acts on every deadline that has passed. */
void e1000_timers_run(struct e1000 *e);
/* Received frames were stored; a set of transmit descriptors was written back. */
void e1000_irq_received(struct e1000 *e);
void e1000_irq_written_back(struct e1000 *e, bool delayed);

/* e1000-eeprom.c */
void e1000_eeprom_init(struct e1000_eeprom *ee, const u8 mac[6]);
u32 e1000_eecd_read(const struct e1000_eeprom *ee);
void e1000_eecd_write(struct e1000_eeprom *ee, u32 value);

/* e1000-phy.c */
void e1000_phy_reset(struct e1000 *e);
u32 e1000_mdic_write(struct e1000 *e, u32 value); /* MDIC's new value */
bool e1000_phy_link(const struct e1000_phy *phy);
bool e1000_phy_loopback(const struct e1000_phy *phy);
/* 0, 1, 2: 10, 100, 1000 Mbit/s, as CTRL and STATUS count; *@full duplex. */
unsigned int e1000_phy_speed(const struct e1000_phy *phy, bool *full);
/* The link may have changed: STATUS.LU is computed, LSC raised if @was differs. */
void e1000_link_check(struct e1000 *e, bool was);
bool e1000_link_up(const struct e1000 *e);
bool e1000_loopback_on(const struct e1000 *e);

/*
 * e1000-tx.c: transmits what is between TDH and TDT, at most @budget
 * descriptors and frames. True if it was the budget that stopped it.
 */
bool e1000_tx_run(struct e1000 *e, unsigned int budget);
void e1000_tx_reset(struct e1000 *e);

/* e1000-rx.c */
bool e1000_rx_can(struct e1000 *e); /* enabled, with room for a frame */
/* Takes the @len bytes in rx.buf as a frame from the wire: filters, queues. */
void e1000_rx_frame(struct e1000 *e, u32 len);
/* Stores what it can of the frame in rx. True when none is left over. */
bool e1000_rx_push(struct e1000 *e);
void e1000_rx_reset(struct e1000 *e);
void e1000_loopback_put(struct e1000 *e, const struct viola_seg *seg, u32 nr, u32 len);
bool e1000_loopback_get(struct e1000 *e); /* into rx */

#endif
