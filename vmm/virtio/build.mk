# SPDX-License-Identifier: GPL-2.0
# The virtio devices are part of viola-vmm (vmm/build.mk); here are their tests.

virtio-test-host := tests/unit/fake-pci.c tests/unit/model-driver.c vmm/complain.c vmm/error.c \
	vmm/memory.c

unit-tests += test-virtio-pci
test-virtio-pci-src := tests/unit/test-virtio-pci.c $(virtio-test-host) \
	vmm/virtio/virtio_pci.c vmm/virtio/queue.c vmm/virtio/complain.c
test-virtio-pci-libs := -pthread

unit-tests += test-virtio-net
test-virtio-net-src := tests/unit/test-virtio-net.c tests/unit/virtio-rig.c \
	$(virtio-test-host) vmm/loop.c vmm/thread.c vmm/net/reflect.c \
	$(addprefix vmm/virtio/,complain.c net_rings.c queue.c vhost.c virtio_net.c virtio_pci.c)
test-virtio-net-libs := -pthread

unit-tests += test-tap
test-tap-src := tests/unit/test-tap.c tests/unit/virtio-rig.c \
	$(virtio-test-host) vmm/loop.c vmm/thread.c vmm/net/tap.c vmm/net/link.c \
	$(addprefix vmm/virtio/,complain.c net_rings.c queue.c vhost.c virtio_net.c virtio_pci.c)
test-tap-libs := -pthread

# The node's side of each ioctl is the test's own.
unit-tests += test-vhost
test-vhost-src := tests/unit/test-vhost.c tests/unit/virtio-rig.c \
	$(virtio-test-host) vmm/loop.c vmm/thread.c \
	$(addprefix vmm/virtio/,complain.c net_rings.c queue.c vhost.c virtio_net.c virtio_pci.c)
test-vhost-cflags := -Dioctl=vhost_test_ioctl
test-vhost-libs := -pthread
