/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_SERIAL_UART_H
#define VMM_SERIAL_UART_H

#include "vmm/serial/output.h"

struct vm;

/*
 * A 16550A (National PC16550D data sheet) whose transmitter is always done at
 * once. Register handlers run on vCPU threads, uart_receive() on any.
 */
#define UART_FIFO 16u

struct uart {
	struct vm *vm;
	u32 gsi;
	struct output out;
	pthread_mutex_t lock; /* guards what follows; taken before out.lock */
	u8 ier, lcr, mcr, scr, dll, dlm;
	u8 msr_delta; /* modem inputs that changed; low half of MSR */
	bool fifo, overrun;
	u8 trigger; /* bytes that raise the receive interrupt */
	bool thr_empty; /* the transmitter's interrupt is pending */
	bool line; /* level of the interrupt */
	u8 rx[UART_FIFO];
	u32 rx_len;
	bool starved; /* somebody waits for room; told by out.wake_fd */
	u64 accesses; /* for --stats */
};

/* Puts a UART at @port, interrupt @gsi, on @vm's port bus; output to @fd. */
int uart_create(struct uart *uart, struct vm *vm, const char *name, u16 port, u32 gsi, int fd,
		int wake_fd, int stop_fd);

/*
 * How many bytes uart_receive() would take now. After a 0, the wake_fd given
 * at creation is signalled when there is room again.
 */
u32 uart_room(struct uart *uart);
/* Receives @len bytes, at most as many as there was room for. */
void uart_receive(struct uart *uart, const u8 *bytes, u32 len);

#endif
