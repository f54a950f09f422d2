// SPDX-License-Identifier: GPL-2.0
/*
 * The only event is the power button: there is no timer, no RTC, no sleep button. Its
 * status bit stays until the guest clears it, and raises the SCI while it is enabled.
 */
#include <stdlib.h>

#include "vmm/error.h"
#include "vmm/platform/pm.h"
#include "vmm/vm-private.h"

#define REG_STATUS 0
#define REG_ENABLE 2
#define REG_CONTROL 4
#define REG_BYTES 8

#define EVENT_POWER_BUTTON 0x0100u /* in status and enable (table 4.14) */

#define CONTROL_SCI_ENABLE 0x0001u /* always: there is no legacy mode */
#define CONTROL_SLEEP_TYPE(v) ((v) >> 10 & 7)
#define CONTROL_SLEEP_ENABLE 0x2000u /* write only */

#define RESET_CPU 0x04u /* a 1 after a 0 resets */

struct pm {
	struct vm *vm;
	pthread_mutex_t lock; /* guards what follows */
	u8 reg[REG_BYTES];
	bool sci; /* its level */
};

/* With the lock, under which changes of the level reach KVM in their order. */
static void sci_update(struct pm *p)
{
	u16 status, enable;
	bool level;

	memcpy(&status, p->reg + REG_STATUS, sizeof(status));
	memcpy(&enable, p->reg + REG_ENABLE, sizeof(enable));
	level = status & enable & EVENT_POWER_BUTTON;
	if (level != p->sci)
		vm_irq_line(p->vm, GSI_SCI, level);
	p->sci = level;
}

static u64 pm_read(void *opaque, u64 off, unsigned int len)
{
	struct pm *p = opaque;
	u64 value = 0;

	pthread_mutex_lock(&p->lock);
	memcpy(&value, p->reg + off, len);
	pthread_mutex_unlock(&p->lock);
	return value;
}

static void pm_write(void *opaque, u64 off, u64 value, unsigned int len)
{
	struct pm *p = opaque;
	unsigned int i;
	u16 control;

	pthread_mutex_lock(&p->lock);
	for (i = 0; i < len; i++, off++, value >>= 8)
		if (off < REG_ENABLE)
			p->reg[off] &= (u8)~value; /* a 1 clears */
		else
			p->reg[off] = (u8)value;
	sci_update(p);
	memcpy(&control, p->reg + REG_CONTROL, sizeof(control));
	if (control & CONTROL_SLEEP_ENABLE &&
	    CONTROL_SLEEP_TYPE(control) == PM_SLEEP_TYPE_OFF)
		vm_stop(p->vm, VM_POWEROFF);
	control = (u16)((control & ~CONTROL_SLEEP_ENABLE) | CONTROL_SCI_ENABLE);
	memcpy(p->reg + REG_CONTROL, &control, sizeof(control));
	memset(p->reg + REG_CONTROL + 2, 0, 2);
	pthread_mutex_unlock(&p->lock);
}

static const struct bus_ops pm_ops = { .read = pm_read, .write = pm_write };

int pm_create(struct vm *vm)
{
	struct pm *p = calloc(1, sizeof(*p));
	const struct bus_region region = {
		.name = "power management", .base = LAYOUT_PM_EVENT, .size = REG_BYTES,
		.ops = &pm_ops, .opaque = p,
	};

	if (!p)
		return vmm_fail(ENOMEM, "power management: out of memory");
	p->vm = vm;
	p->reg[REG_CONTROL] = CONTROL_SCI_ENABLE;
	pthread_mutex_init(&p->lock, NULL);
	vm->priv->pm = p;
	return bus_add(&vm->pio, &region);
}

void pm_destroy(struct vm *vm)
{
	struct pm *p = vm->priv->pm;

	if (!p)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p);
	vm->priv->pm = NULL;
}

void pm_power_button(struct vm *vm)
{
	struct pm *p = vm->priv->pm;

	pthread_mutex_lock(&p->lock);
	p->reg[REG_STATUS + 1] |= EVENT_POWER_BUTTON >> 8;
	sci_update(p);
	pthread_mutex_unlock(&p->lock);
}

void pm_reset_write(struct vm *vm, u8 value)
{
	if (value & RESET_CPU)
		vm_stop(vm, VM_REBOOT);
}
