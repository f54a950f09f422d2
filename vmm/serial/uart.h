/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_SERIAL_UART_H
#define VMM_SERIAL_UART_H

#include "vmm/serial/output.h"

struct vm;

/*
 * A 16550A (National PC16550D data sheet). Register handlers run on vCPU threads,
 * uart_receive() on any.
 *
 * The transmitter is empty while the output's buffer has room for what a driver
 * writes without asking again. When the reader is slow, it is not: a driver that
 * waits for the transmitter's interrupt goes on when the reader does, and loses
 * nothing. A driver that asks again and again, as a kernel does for its messages,
 * is held up until it is plain that the reader has stopped reading; then what it
 * writes is lost, as on a line that nobody listens to. No vCPU waits in here for
 * longer than a moment, and none with a lock held.
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
	u32 polls; /* reads of LSR in a row that found the transmitter full */
	bool stopped; /* the reader has: polls that it does not end are cut short */
	bool line; /* level of the interrupt */
	u8 rx[UART_FIFO];
	u32 rx_len;
	bool starved; /* somebody waits for room to receive; told by wake_fd */
	int wake_fd; /* constant */
	u64 accesses; /* for --stats */
};

/*
 * Puts a UART at @port, interrupt @gsi, on @vm's port bus; output to @fd by a
 * thread called @name, which output_finish() ends.
 */
int uart_create(struct uart *uart, struct vm *vm, const char *name, u16 port, u32 gsi, int fd,
		int wake_fd);

/*
 * How many bytes uart_receive() would take now. After a 0, the wake_fd given
 * at creation is signalled when there is room again.
 */
u32 uart_room(struct uart *uart);
/* Receives @len bytes, at most as many as there was room for. */
void uart_receive(struct uart *uart, const u8 *bytes, u32 len);

#endif
