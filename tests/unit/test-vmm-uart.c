// SPDX-License-Identifier: GPL-2.0
/* The 16550A as a driver uses it, and its output. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/serial_reg.h>

#include "tests/unit/vmm-rig.h"
#include "vmm/serial/uart.h"

static struct vm *vm;
static struct uart uart;
static int out[2], wake_fd;

static int setup(void **state)
{
	vm = rig_create(0, 1);
	memset(&uart, 0, sizeof(uart));
	wake_fd = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(pipe(out), 0);
	return uart_create(&uart, vm, "COM1", LAYOUT_COM1, GSI_COM1, out[1], wake_fd);
}

static int teardown(void **state)
{
	output_finish(&uart.out, 0, 0);
	close(wake_fd);
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

/* Reads @len bytes from the other end, as they come; the first is number @n. */
static void read_back(unsigned int n, unsigned int len)
{
	static u8 got[OUTPUT_SIZE];

	while (len) {
		ssize_t r = read(out[0], got, min(len, OUTPUT_SIZE));
		ssize_t i;

		assert_true(r > 0);
		for (i = 0; i < r; i++)
			assert_int_equal(got[i], (u8)((n + (unsigned int)i) * 31));
		n += (unsigned int)r;
		len -= (unsigned int)r;
	}
}

/* Whether the other thread, which writes, sleeps: it has something to write. */
static bool writer_sleeps(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	bool sleeps = false;

	assert_non_null(tasks);
	while ((task = readdir(tasks))) {
		char path[300], state = 0;
		FILE *stat;

		if (task->d_name[0] == '.' || atoi(task->d_name) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/stat", task->d_name);
		stat = fopen(path, "r");
		assert_non_null(stat);
		if (fscanf(stat, "%*d (%*[^)]) %c", &state) == 1)
			sleeps = state == 'S';
		fclose(stat);
	}
	closedir(tasks);
	return sleeps;
}

/* Fills buffer and pipe, until the writer waits for the reader; bytes. */
static unsigned int fill_up(void)
{
	unsigned int n = 0;

	for (;;) {
		while (in(UART_LSR) & UART_LSR_THRE)
			put(UART_TX, (u8)(n++ * 31));
		if (writer_sleeps() && !(in(UART_LSR) & UART_LSR_THRE))
			return n;
	}
}

static bool soon(bool (*is)(void))
{
	unsigned int ms;

	for (ms = 0; ms < 20000 && !is(); ms++)
		usleep(1000);
	return is();
}

static bool interrupted(void)
{
	return rig.line[GSI_COM1];
}

static void output_is_buffered_and_complete(void **state)
{
	unsigned int written = 0, got = 0, round, i;

	/* A driver that asks before each byte, and a reader that is slower. */
	for (round = 0; round < 200; round++) {
		for (i = 0; i < 1000 && in(UART_LSR) & UART_LSR_THRE; i++)
			put(UART_TX, (u8)(written++ * 31));
		i = min(written - got, 500u);
		read_back(got, i);
		got += i;
	}
	assert_true(written > got + 65536);
	read_back(got, written - got);
	assert_int_equal(uart.out.lost, 0);
}

/* Nothing is lost, and nobody waits, as long as the driver does as it is told. */
static void a_reader_that_pauses_costs_nothing(void **state)
{
	unsigned int n;

	open_port();
	n = fill_up();
	assert_true(n > 65536);
	put(UART_IER, UART_IER_THRI);
	assert_false(interrupted());
	usleep(1500000); /* longer than any patience */
	assert_false(interrupted());
	assert_int_equal(in(UART_IIR) & 0xf, UART_IIR_NO_INT);
	assert_false(in(UART_LSR) & (UART_LSR_THRE | UART_LSR_TEMT));
	/* The reader is back: an interrupt says so. */
	read_back(0, n);
	assert_true(soon(interrupted));
	assert_int_equal(in(UART_IIR) & 0xf, UART_IIR_THRI);
	assert_true(in(UART_LSR) & UART_LSR_THRE);
	put(UART_TX, (u8)(n * 31));
	read_back(n, 1);
	assert_int_equal(uart.out.lost, 0);
}

/* How often LSR is read until it says that the transmitter is empty. */
static unsigned int polls(void)
{
	unsigned int n = 1;

	while (!(in(UART_LSR) & UART_LSR_THRE))
		assert_true(n++ < 100000);
	return n;
}

/*
 * A driver that polls, with interrupts off perhaps, must get on when the reader
 * has stopped: after a pause for the first byte, at once for the others.
 */
static void a_reader_that_stopped_does_not_hold_a_poller_up(void **state)
{
	unsigned int n, i;
	u8 page[4096];

	open_port();
	n = fill_up();
	assert_true(polls() > 100);
	for (i = 0; i < 10000; i++) {
		put(UART_TX, 'x');
		assert_true(polls() < 100);
	}
	/* What did not fit is gone; what did is in order, and the line is as before. */
	assert_true(uart.out.lost > 10000 - OUTPUT_SIZE);
	read_back(0, n);
	while (uart.out.len)
		assert_true(read(out[0], page, sizeof(page)) > 0);
	assert_int_equal(polls(), 1);
	n = fill_up();
	assert_true(n > 60000);
	assert_true(polls() > 100);
}

/* The machine ends, whether or not the reader reads. */
static void a_full_pipe_does_not_hold_the_end_up(void **state)
{
	fill_up();
	output_finish(&uart.out, 100, 1000);
	output_finish(&uart.out, 100, 1000);
	put(UART_TX, 'x'); /* has no effect any more */
}

/* What was written last is out before the end. */
static void the_end_is_written(void **state)
{
	unsigned int i;

	for (i = 0; i < 5000; i++)
		put(UART_TX, (u8)(i * 31));
	output_finish(&uart.out, 20000, 20000);
	assert_int_equal(uart.out.len, 0);
	read_back(0, 5000);
}

static bool forgotten(void)
{
	return uart.out.gone && !uart.out.len;
}

static void a_gone_reader_is_no_error(void **state)
{
	unsigned int i;

	signal(SIGPIPE, SIG_IGN);
	close(out[0]);
	for (i = 0; i < 2 * OUTPUT_SIZE; i++)
		put(UART_TX, 'x');
	assert_true(soon(forgotten));
	assert_int_equal(polls(), 1);
	out[0] = dup(out[1]);
}

/* The pipe is full when its reader goes: poll() says only that there is an error. */
static void a_reader_that_goes_frees_a_full_line(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	open_port();
	fill_up();
	put(UART_IER, UART_IER_THRI);
	assert_false(interrupted());
	close(out[0]);
	assert_true(soon(forgotten));
	assert_true(soon(interrupted));
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
		T(a_reader_that_pauses_costs_nothing),
		T(a_reader_that_stopped_does_not_hold_a_poller_up),
		T(a_full_pipe_does_not_hold_the_end_up),
		T(the_end_is_written),
		T(a_gone_reader_is_no_error),
		T(a_reader_that_goes_frees_a_full_line),
		T(wide_accesses_are_split),
	};

	alarm(300); /* a hang is a failure */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
