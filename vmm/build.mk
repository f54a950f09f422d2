# SPDX-License-Identifier: GPL-2.0

programs += viola-vmm
viola-vmm-src := $(wildcard vmm/*.c vmm/boot/*.c vmm/control/*.c vmm/emulated/*.c vmm/net/*.c \
		   vmm/pci/*.c vmm/platform/*.c vmm/serial/*.c vmm/vfio/*.c vmm/virtio/*.c) \
		 tools/lib/number.c
viola-vmm-libs := -pthread -ljansson

# `viola run` is this program.
programs: $(B)/bin/viola-run
$(B)/bin/viola-run: $(B)/bin/viola-vmm
	$(Q)ln -sf viola-vmm $@

# Unit tests. The rig stands in for KVM; buses, memory and devices are real.
vmm-rig-src := tests/unit/vmm-rig.c vmm/complain.c vmm/error.c vmm/bus.c vmm/memory.c \
	       vmm/ram.c $(wildcard vmm/pci/*.c)

unit-tests += test-vmm-memory test-vmm-irq test-vmm-control test-vmm-pm test-vfio test-vmm-bus test-vmm-options test-vmm-pci test-vmm-boot test-vmm-acpi \
	      test-vmm-uart test-vmm-console test-vmm-coalesced test-vmm-cpuid test-vmm-address
test-vmm-memory-src := tests/unit/test-vmm-memory.c vmm/error.c vmm/memory.c vmm/ram.c
test-vmm-bus-src := tests/unit/test-vmm-bus.c vmm/error.c vmm/bus.c vmm/loop.c vmm/thread.c
test-vmm-options-src := tests/unit/test-vmm-options.c vmm/error.c vmm/options.c vmm/net/paths.c \
			vmm/vfio/address.c \
			tools/lib/number.c
test-vmm-pci-src := tests/unit/test-vmm-pci.c $(vmm-rig-src)
test-vmm-boot-src := tests/unit/test-vmm-boot.c $(vmm-rig-src) \
		     $(addprefix vmm/boot/,files.c bzimage.c pvh.c e820.c)
test-vmm-acpi-src := tests/unit/test-vmm-acpi.c $(vmm-rig-src) \
		     $(addprefix vmm/boot/,acpi.c aml.c)
test-vmm-uart-src := tests/unit/test-vmm-uart.c $(vmm-rig-src) vmm/thread.c \
		     $(addprefix vmm/serial/,uart.c output.c)
test-vmm-uart-libs := -pthread
test-vmm-console-src := tests/unit/test-vmm-console.c $(vmm-rig-src) vmm/thread.c \
			vmm/loop.c vmm/coalesced.c $(addprefix vmm/serial/,console.c uart.c output.c)
test-vmm-console-libs := -pthread -lutil
test-vmm-control-src := tests/unit/test-vmm-control.c $(vmm-rig-src) vmm/thread.c vmm/loop.c \
			$(wildcard vmm/control/*.c)
test-vmm-control-libs := -pthread -ljansson
test-vfio-src := tests/unit/test-vfio.c $(vmm-rig-src) vmm/vfio/config.c vmm/vfio/vfio_pci.c
test-vmm-pm-src := tests/unit/test-vmm-pm.c vmm/error.c vmm/bus.c vmm/platform/pm.c
test-vmm-address-src := tests/unit/test-vmm-address.c vmm/net/address.c
# The kernel's side of each ioctl is the tests' own.
test-vmm-irq-src := tests/unit/test-vmm-irq.c vmm/error.c vmm/irq.c
test-vmm-irq-cflags := -Dioctl=kvm_test_ioctl
test-vmm-coalesced-src := tests/unit/test-vmm-coalesced.c vmm/error.c vmm/bus.c vmm/coalesced.c
test-vmm-coalesced-cflags := -Dioctl=kvm_test_ioctl
test-vmm-coalesced-libs := -pthread
test-vmm-cpuid-src := tests/unit/test-vmm-cpuid.c vmm/error.c vmm/cpuid.c
test-vmm-cpuid-cflags := -Dioctl=kvm_test_ioctl
