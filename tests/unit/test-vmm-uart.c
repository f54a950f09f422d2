// SPDX-License-Identifier: GPL-2.0
/* The 16550A as a driver uses it, and its output. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/serial_reg.h>

#include "tests/unit/vmm-rig.h"
#include "vmm/serial/uart.h"

static struct vm *vm;
static struct uart uart;
static int out[2], wake_fd, stop_fd;

static int setup(void **state)
{
	vm = rig_create(0, 1);
	memset(&uart, 0, sizeof(uart));
	wake_fd = eventfd(0, EFD_NONBLOCK);
	stop_fd = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(pipe2(out, O_NONBLOCK), 0);
	return uart_create(&uart, vm, "COM1", LAYOUT_COM1, GSI_COM1, out[1], wake_fd, stop_fd);
}

static int teardown(void **state)
{
	close(wake_fd);
	close(stop_fd);
	close(out[0]);
	close(out[1]);
	rig_destroy(vm);
	return 0;
}

static u8 in(unsigned int reg)
{
	u64 v;

	assert_true(bus_read(&vm->pio, LAYOUT_COM1 + reg, &v, 1));
	return (u8)v;
}

static void put(unsigned int reg, u8 v)
{
	assert_true(bus_write(&vm->pio, LAYOUT_COM1 + reg, v, 1));
}

static void open_port(void)
{
	put(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_TRIGGER_8);
	put(UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
}

static void looks_like_a_16550a(void **state)
{
	put(UART_IER, 0);
	assert_int_equal(in(UART_IER), 0);
	put(UART_IER, 0xff);
	assert_int_equal(in(UART_IER), 0x0f);
	put(UART_IER, 0);
	assert_int_equal(in(UART_IIR), UART_IIR_NO_INT);
	put(UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(UART_IIR) >> 6, 3);
	put(UART_SCR, 0xa5);
	assert_int_equal(in(UART_SCR), 0xa5);
	put(UART_LCR, UART_LCR_DLAB);
	put(UART_DLL, 1);
	put(UART_DLM, 2);
	assert_int_equal(in(UART_DLL), 1);
	assert_int_equal(in(UART_DLM), 2);
	put(UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(UART_IER), 0);
	assert_int_equal(in(UART_MSR), UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
	put(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(in(UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
}

static void loopback_comes_back(void **state)
{
	open_port();
	put(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2);
	put(UART_IER, UART_IER_RDI);
	put(UART_TX, 'x');
	assert_true(in(UART_LSR) & UART_LSR_DR);
	assert_int_equal(in(UART_RX), 'x');
	assert_false(in(UART_LSR) & UART_LSR_DR);
	assert_int_equal(uart.out.len, 0);
	assert_int_equal(rig.edges[GSI_COM1], 0);
}

static void transmitter_interrupts_when_empty(void **state)
{
	open_port();
	assert_false(rig.line[GSI_COM1]);
	put(UART_IER, UART_IER_THRI);
	assert_true(rig.line[GSI_COM1]);
	assert_int_equal(in(UART_IIR) & 0xf, UART_IIR_THRI);
	/* Reading the cause took it away; a byte brings it back. */
	assert_false(rig.line[GSI_COM1]);
	assert_int_equal(in(UART_IIR) & 0xf, UART_IIR_NO_INT);
	put(UART_TX, 'a');
	assert_true(rig.line[GSI_COM1]);
	put(UART_IER, 0);
	assert_false(rig.line[GSI_COM1]);
	assert_true(in(UART_LSR) & UART_LSR_THRE);
	/* Without OUT2 nothing reaches the interrupt controller. */
	put(UART_MCR, 0);
	put(UART_IER, UART_IER_THRI);
	assert_false(rig.line[GSI_COM1]);
}

static void receiver_has_a_fifo(void **state)
{
	const u8 bytes[] = "0123456789abcdef";
	eventfd_t count;
	unsigned int i;

	assert_int_equal(uart_room(&uart), 1);
	open_port();
	put(UART_IER, UART_IER_RDI | UART_IER_RLSI);
	assert_int_equal(uart_room(&uart), UART_FIFO);
	uart_receive(&uart, bytes, 3);
	assert_true(rig.line[GSI_COM1]);
	assert_int_equal(in(UART_IIR) & 0xf, 0xc); /* below the trigger: time-out */
	uart_receive(&uart, bytes + 3, 13);
	assert_int_equal(in(UART_IIR) & 0xf, UART_IIR_RDI);
	assert_int_equal(uart_room(&uart), 0);
	for (i = 0; i < 16; i++) {
		assert_true(in(UART_LSR) & UART_LSR_DR);
		assert_int_equal(in(UART_RX), bytes[i]);
	}
	assert_false(rig.line[GSI_COM1]);
	assert_int_equal(in(UART_RX), 0);
	/* Who found no room is told. */
	assert_int_equal(eventfd_read(wake_fd, &count), 0);
	/* One byte too many is an overrun, said once. */
	uart_receive(&uart, bytes, 16);
	uart_receive(&uart, bytes, 1);
	assert_int_equal(in(UART_IIR) & 0xf, UART_IIR_RLSI);
	assert_true(in(UART_LSR) & UART_LSR_OE);
	assert_false(in(UART_LSR) & UART_LSR_OE);
}

static void output_is_buffered_and_complete(void **state)
{
	static u8 got[3 * OUTPUT_SIZE];
	eventfd_t count;
	unsigned int i, n = 0;
	ssize_t len;

	for (i = 0; i < sizeof(got); i++) {
		put(UART_TX, (u8)(i * 31));
		if (i == 0)
			assert_int_equal(eventfd_read(wake_fd, &count), 0);
		if (i == 1)
			assert_int_equal(eventfd_read(wake_fd, &count), -1);
	}
	do {
		output_flush(&uart.out);
		len = read(out[0], got + n, sizeof(got) - n);
		n += len > 0 ? (unsigned int)len : 0;
	} while (len > 0);
	assert_int_equal(n, sizeof(got));
	for (i = 0; i < sizeof(got); i++)
		assert_int_equal(got[i], (u8)(i * 31));
}

/* A reader that reads no more holds nobody up once the machine stops. */
static void a_full_pipe_does_not_hold_the_end_up(void **state)
{
	unsigned int i;

	eventfd_write(stop_fd, 1);
	for (i = 0; i < 65536 + 3 * OUTPUT_SIZE; i++)
		put(UART_TX, 'x');
	assert_int_equal(uart.out.len, OUTPUT_SIZE);
	assert_true(output_flush(&uart.out));
}

static void a_gone_reader_is_no_error(void **state)
{
	unsigned int i;

	signal(SIGPIPE, SIG_IGN);
	close(out[0]);
	for (i = 0; i < 2 * OUTPUT_SIZE; i++)
		put(UART_TX, 'x');
	assert_false(output_flush(&uart.out));
	out[0] = dup(out[1]);
}

static void wide_accesses_are_split(void **state)
{
	u64 v;

	assert_true(bus_write(&vm->pio, LAYOUT_COM1 + UART_LCR, 0x0b03, 2));
	assert_int_equal(in(UART_LCR), 0x03);
	assert_int_equal(in(UART_MCR), 0x0b);
	assert_true(bus_read(&vm->pio, LAYOUT_COM1 + UART_LCR, &v, 4));
	assert_int_equal(v & 0xffff, 0x0b03);
	assert_true(bus_read(&vm->pio, LAYOUT_COM1, &v, 8));
	assert_false(bus_read(&vm->pio, LAYOUT_COM1 + 6, &v, 4));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(looks_like_a_16550a),
		T(loopback_comes_back),
		T(transmitter_interrupts_when_empty),
		T(receiver_has_a_fifo),
		T(output_is_buffered_and_complete),
		T(a_full_pipe_does_not_hold_the_end_up),
		T(a_gone_reader_is_no_error),
		T(wide_accesses_are_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
