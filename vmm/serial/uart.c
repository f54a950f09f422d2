// SPDX-License-Identifier: GPL-2.0
#include <sys/eventfd.h>
#include <linux/serial_reg.h>

#include "vmm/serial/uart.h"
#include "vmm/vm-private.h"

#define UART_PORTS 8
#define IER_WRITABLE 0x0f
#define MCR_WRITABLE 0x1f
#define IIR_FIFO 0xc0
#define IIR_TIMEOUT 0x0c
/*
 * A poll of LSR that finds the transmitter full takes POLL_MS, unless the reader
 * takes something. After POLLS of them in a row the reader counts as stopped, and
 * from then on POLLS_STOPPED that take no time are enough.
 */
#define POLL_MS 1
#define POLLS 1000
#define POLLS_STOPPED 16
/* Other side: carrier, ready, clear to send. */
#define MSR_CONNECTED (UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)

/* With the lock held, like all static functions here. */

static u8 pending(const struct uart *u)
{
	if (u->ier & UART_IER_RLSI && u->overrun)
		return UART_IIR_RLSI;
	if (u->ier & UART_IER_RDI && u->rx_len)
		return u->rx_len >= u->trigger ? UART_IIR_RDI : IIR_TIMEOUT;
	if (u->ier & UART_IER_THRI && u->thr_empty)
		return UART_IIR_THRI;
	if (u->ier & UART_IER_MSI && u->msr_delta)
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

/* The interrupt leaves the chip through OUT2, as on every PC. */
static void update_line(struct uart *u)
{
	const bool level = u->mcr & UART_MCR_OUT2 && !(u->mcr & UART_MCR_LOOP) &&
			   pending(u) != UART_IIR_NO_INT;

	if (u->starved && !u->rx_len) {
		u->starved = false;
		eventfd_write(u->wake_fd, 1);
	}
	if (level == u->line)
		return;
	u->line = level;
	vm_irq_line(u->vm, u->gsi, level);
}

/* Whether the driver may write a FIFO full without asking again. */
static bool transmitter_empty(struct uart *u)
{
	if (!output_room(&u->out, UART_FIFO))
		return false;
	u->polls = 0;
	u->stopped = false;
	return true;
}

static u8 modem_status(const struct uart *u)
{
	u8 msr = 0;

	if (!(u->mcr & UART_MCR_LOOP))
		return MSR_CONNECTED;
	if (u->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (u->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (u->mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (u->mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return msr;
}

static void receive(struct uart *u, u8 byte)
{
	if (u->rx_len == (u->fifo ? UART_FIFO : 1)) {
		u->overrun = true;
		return;
	}
	u->rx[u->rx_len++] = byte;
}

static u8 read_rbr(struct uart *u)
{
	u8 byte = u->rx[0];

	if (u->lcr & UART_LCR_DLAB)
		return u->dll;
	if (!u->rx_len)
		return 0;
	memmove(u->rx, u->rx + 1, --u->rx_len);
	return byte;
}

static u8 read_ier(struct uart *u)
{
	return u->lcr & UART_LCR_DLAB ? u->dlm : u->ier;
}

static u8 read_iir(struct uart *u)
{
	u8 iir = pending(u);

	u->polls = 0; /* it handles an interrupt, it does not poll */
	/* Reading it is what ends the transmitter's interrupt. */
	if (iir == UART_IIR_THRI)
		u->thr_empty = false;
	return iir | (u->fifo ? IIR_FIFO : 0);
}

static u8 read_lcr(struct uart *u)
{
	return u->lcr;
}

static u8 read_mcr(struct uart *u)
{
	return u->mcr;
}

static u8 read_lsr(struct uart *u)
{
	u8 lsr = 0;

	if (transmitter_empty(u)) {
		lsr |= UART_LSR_THRE | UART_LSR_TEMT;
	} else if (++u->polls > (u->stopped ? POLLS_STOPPED : POLLS)) {
		u->polls = 0;
		u->stopped = true;
		lsr |= UART_LSR_THRE | UART_LSR_TEMT;
	}
	if (u->rx_len)
		lsr |= UART_LSR_DR;
	if (u->overrun)
		lsr |= UART_LSR_OE;
	u->overrun = false;
	return lsr;
}

static u8 read_msr(struct uart *u)
{
	u8 msr = modem_status(u) | u->msr_delta;

	u->msr_delta = 0;
	return msr;
}

static u8 read_scr(struct uart *u)
{
	return u->scr;
}

static void write_thr(struct uart *u, u8 v)
{
	if (u->lcr & UART_LCR_DLAB) {
		u->dll = v;
		return;
	}
	if (u->mcr & UART_MCR_LOOP)
		receive(u, v);
	else
		output_put(&u->out, v);
	u->thr_empty = transmitter_empty(u);
}

static void write_ier(struct uart *u, u8 v)
{
	if (u->lcr & UART_LCR_DLAB) {
		u->dlm = v;
		return;
	}
	/* Enabling the interrupt of an empty transmitter raises it. */
	if (v & ~u->ier & UART_IER_THRI)
		u->thr_empty = transmitter_empty(u);
	u->ier = v & IER_WRITABLE;
}

static void write_fcr(struct uart *u, u8 v)
{
	static const u8 trigger[] = { 1, 4, 8, 14 };
	const bool fifo = v & UART_FCR_ENABLE_FIFO;

	if (fifo != u->fifo || (fifo && v & UART_FCR_CLEAR_RCVR))
		u->rx_len = 0;
	u->fifo = fifo;
	u->trigger = fifo ? trigger[v >> 6] : 1;
}

static void write_lcr(struct uart *u, u8 v)
{
	u->lcr = v;
}

static void write_mcr(struct uart *u, u8 v)
{
	const u8 was = modem_status(u);
	u8 changed;

	u->mcr = v & MCR_WRITABLE;
	changed = modem_status(u) ^ was;
	/* CTS, DSR and DCD by any change, RI by its end. */
	u->msr_delta |= changed >> 4 & (UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_DDCD);
	if (changed & was & UART_MSR_RI)
		u->msr_delta |= UART_MSR_TERI;
}

static void write_scr(struct uart *u, u8 v)
{
	u->scr = v;
}

static const struct {
	u8 (*read)(struct uart *u);
	void (*write)(struct uart *u, u8 v);
} registers[UART_PORTS] = {
	[UART_RX] = { read_rbr, write_thr },
	[UART_IER] = { read_ier, write_ier },
	[UART_IIR] = { read_iir, write_fcr },
	[UART_LCR] = { read_lcr, write_lcr },
	[UART_MCR] = { read_mcr, write_mcr },
	[UART_LSR] = { read_lsr, NULL },
	[UART_MSR] = { read_msr, NULL },
	[UART_SCR] = { read_scr, write_scr },
};

/* A wide access is one to each port in turn (as an ISA bridge splits it). */
static u64 uart_read(void *opaque, u64 off, unsigned int len)
{
	struct uart *u = opaque;
	u64 value = 0;
	unsigned int i;
	bool wait;

	pthread_mutex_lock(&u->lock);
	u->accesses++;
	for (i = 0; i < len; i++)
		value |= (u64)registers[off + i].read(u) << 8 * i;
	update_line(u);
	wait = u->polls && !u->stopped;
	pthread_mutex_unlock(&u->lock);
	/* The driver asks in vain, and will ask again. */
	if (wait)
		output_wait(&u->out, POLL_MS);
	return value;
}

static void uart_write(void *opaque, u64 off, u64 value, unsigned int len)
{
	struct uart *u = opaque;
	unsigned int i;

	pthread_mutex_lock(&u->lock);
	u->accesses++;
	for (i = 0; i < len; i++)
		if (registers[off + i].write)
			registers[off + i].write(u, (u8)(value >> 8 * i));
	update_line(u);
	pthread_mutex_unlock(&u->lock);
}

static const struct bus_ops uart_ops = { .read = uart_read, .write = uart_write };

/* The output's thread: the reader has taken enough. */
static void transmitted(void *opaque)
{
	struct uart *u = opaque;

	pthread_mutex_lock(&u->lock);
	u->thr_empty = transmitter_empty(u);
	update_line(u);
	pthread_mutex_unlock(&u->lock);
}

int uart_create(struct uart *u, struct vm *vm, const char *name, u16 port, u32 gsi, int fd,
		int wake_fd)
{
	const struct bus_region region = {
		.name = name, .base = port, .size = UART_PORTS, .ops = &uart_ops, .opaque = u,
	};

	int err;

	u->vm = vm;
	u->gsi = gsi;
	u->wake_fd = wake_fd;
	u->trigger = 1;
	u->thr_empty = true;
	u->dll = 12; /* 9600 baud */
	pthread_mutex_init(&u->lock, NULL);
	err = output_start(&u->out, name, fd, transmitted, u);
	return err ? err : bus_add(&vm->pio, &region);
}

u32 uart_room(struct uart *u)
{
	u32 room;

	pthread_mutex_lock(&u->lock);
	room = u->fifo ? UART_FIFO - u->rx_len : !u->rx_len;
	u->starved = !room;
	pthread_mutex_unlock(&u->lock);
	return room;
}

void uart_receive(struct uart *u, const u8 *bytes, u32 len)
{
	u32 i;

	pthread_mutex_lock(&u->lock);
	for (i = 0; i < len; i++)
		receive(u, bytes[i]);
	update_line(u);
	pthread_mutex_unlock(&u->lock);
}
