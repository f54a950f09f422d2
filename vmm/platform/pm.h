/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_PLATFORM_PM_H
#define VMM_PLATFORM_PM_H

#include <viola/env.h>

struct vm;

/* What the tables tell the guest to write. */
#define PM_SLEEP_TYPE_OFF 5
#define PM_RESET_VALUE 0x06

/*
 * ACPI fixed hardware (ACPI 6.4, 4.8.3): PM1a event and control registers, and the
 * power button. Going to sleep with type PM_SLEEP_TYPE_OFF ends the machine.
 */
int pm_create(struct vm *vm);
void pm_destroy(struct vm *vm);

/* Presses the power button: a guest that listens to it switches itself off. Any thread. */
void pm_power_button(struct vm *vm);

/* A write of @value to the reset register; a reset ends the machine. */
void pm_reset_write(struct vm *vm, u8 value);

#endif
