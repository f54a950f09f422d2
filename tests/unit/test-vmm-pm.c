// SPDX-License-Identifier: GPL-2.0
/* PM1a registers and the power button (ACPI 6.4, 4.8.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/platform/pm.h"
#include "vmm/vm-private.h"

#define STATUS LAYOUT_PM_EVENT
#define ENABLE (LAYOUT_PM_EVENT + 2)
#define BUTTON 0x0100u
#define SLEEP_ENABLE 0x2000u
#define SLEEP_TYPE(t) ((u64)(t) << 10)

static struct vm vm;
static struct vm_private priv;
static bool sci;
static unsigned int edges; /* of the SCI */
static int stopped; /* status, or -1 */

void vm_irq_line(struct vm *v, u32 gsi, bool level)
{
	assert_int_equal(gsi, GSI_SCI);
	assert_true(level != sci);
	sci = level;
	edges++;
}

void vm_stop(struct vm *v, int status)
{
	stopped = status;
}

static u64 get(u64 port, unsigned int len)
{
	u64 value;

	assert_true(bus_read(&vm.pio, port, &value, len));
	return value;
}

static void set(u64 port, u64 value, unsigned int len)
{
	assert_true(bus_write(&vm.pio, port, value, len));
}

static int setup(void **state)
{
	sci = false;
	edges = 0;
	stopped = -1;
	vm.priv = &priv;
	bus_init(&vm.pio);
	return pm_create(&vm);
}

static int teardown(void **state)
{
	pm_destroy(&vm);
	return 0;
}

static void the_button_interrupts_while_it_is_enabled(void **state)
{
	set(ENABLE, BUTTON, 2);
	assert_false(sci);
	pm_power_button(&vm);
	assert_true(sci);
	assert_int_equal(get(STATUS, 2), BUTTON);
	/* Pressed again before the guest has looked: one interrupt. */
	pm_power_button(&vm);
	assert_int_equal(edges, 1);
	/* Zeros clear nothing, nor does a one elsewhere. */
	set(STATUS, (u16)~BUTTON, 2);
	assert_true(sci);
	set(STATUS, BUTTON, 2);
	assert_false(sci);
	assert_int_equal(get(STATUS, 2), 0);
	pm_power_button(&vm);
	assert_int_equal(edges, 3);
}

static void a_press_waits_until_it_is_enabled(void **state)
{
	pm_power_button(&vm);
	assert_int_equal(get(STATUS, 2), BUTTON);
	assert_false(sci);
	set(ENABLE + 1, BUTTON >> 8, 1);
	assert_true(sci);
	set(ENABLE + 1, 0, 1);
	assert_false(sci);
	set(STATUS + 1, BUTTON >> 8, 1);
	set(ENABLE, BUTTON, 2);
	assert_false(sci);
}

static void one_access_may_clear_and_enable(void **state)
{
	pm_power_button(&vm);
	set(STATUS, (u64)BUTTON << 16 | BUTTON, 4);
	assert_false(sci);
	assert_int_equal(get(STATUS, 4), (u64)BUTTON << 16);
	assert_int_equal(edges, 0);
}

static void sleeping_with_the_right_type_ends_it(void **state)
{
	set(LAYOUT_PM_CONTROL, SLEEP_TYPE(PM_SLEEP_TYPE_OFF), 2);
	set(LAYOUT_PM_CONTROL, SLEEP_TYPE(PM_SLEEP_TYPE_OFF + 1) | SLEEP_ENABLE, 2);
	assert_int_equal(stopped, -1);
	set(LAYOUT_PM_CONTROL, SLEEP_TYPE(PM_SLEEP_TYPE_OFF) | SLEEP_ENABLE, 2);
	assert_int_equal(stopped, VM_POWEROFF);
	/* The enable bit reads as 0; there is no legacy mode. */
	assert_int_equal(get(LAYOUT_PM_CONTROL, 2), SLEEP_TYPE(PM_SLEEP_TYPE_OFF) | 1);
}

static void a_reset_ends_it(void **state)
{
	pm_reset_write(&vm, 0x02);
	assert_int_equal(stopped, -1);
	pm_reset_write(&vm, PM_RESET_VALUE);
	assert_int_equal(stopped, VM_REBOOT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_button_interrupts_while_it_is_enabled),
		T(a_press_waits_until_it_is_enabled),
		T(one_access_may_clear_and_enable),
		T(sleeping_with_the_right_type_ends_it),
		T(a_reset_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
