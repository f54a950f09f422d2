# SPDX-License-Identifier: GPL-2.0

programs += viola-vmm
viola-vmm-src := $(wildcard vmm/*.c vmm/boot/*.c vmm/emulated/*.c vmm/net/*.c \
		   vmm/pci/*.c vmm/platform/*.c vmm/serial/*.c vmm/virtio/*.c)
viola-vmm-cflags := -pthread
viola-vmm-libs := -pthread

# `viola run` is this program.
programs: $(B)/bin/viola-run
$(B)/bin/viola-run: $(B)/bin/viola-vmm
	$(Q)ln -sf viola-vmm $@
