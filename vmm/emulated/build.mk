# SPDX-License-Identifier: GPL-2.0
# Device models that the hardware's own drivers drive.
e1000-src := vmm/emulated/e1000.c vmm/emulated/e1000-eeprom.c vmm/emulated/e1000-irq.c \
	     vmm/emulated/e1000-phy.c vmm/emulated/e1000-regs.c vmm/emulated/e1000-rx.c \
	     vmm/emulated/e1000-stats.c vmm/emulated/e1000-sum.c vmm/emulated/e1000-tx.c \
	     vmm/complain.c

unit-tests += test-e1000
test-e1000-src := tests/unit/test-e1000.c tests/unit/e1000-rig.c vmm/error.c $(e1000-src)
test-e1000-libs := -lpthread
