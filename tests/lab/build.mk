# SPDX-License-Identifier: GPL-2.0
# What the lab's tests of the module run inside the lab.
programs += viola-test-vring viola-test-abi
viola-test-vring-src := tests/lab/vring-main.c tests/lab/vring-driver.c tests/lab/vring-net.c \
			tests/lab/vring-nonsense.c tests/lab/vring-call.c tests/lab/vring-log.c tests/lab/vring-scatter.c tests/lab/vring-workers.c
viola-test-vring-ldflags := -pthread
viola-test-abi-src := tests/lab/abi-main.c tests/lab/vring-net.c

# A guest's program: a driver that means harm.
programs += viola-havoc
viola-havoc-src := $(wildcard tests/lab/havoc*.c)
viola-havoc-ldflags := -static -pthread

# The monitor that a hostile guest meets: it ends by itself where a test would see nothing.
sanitized += viola-test-vmm-asan
viola-test-vmm-asan-src := $(viola-vmm-src)
viola-test-vmm-asan-libs := $(viola-vmm-libs)

# An interrupt that KVM injects arrives once: what the lab's QEMU is mended for.
programs += viola-test-injected
viola-test-injected-src := tests/lab/injected-main.c
