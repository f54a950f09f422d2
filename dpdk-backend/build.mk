# SPDX-License-Identifier: GPL-2.0
# The vhost-user backend. Optional: built where the distribution's DPDK is.

ifeq ($(shell pkg-config --exists 'libdpdk >= 22.11' && echo yes),yes)

# Bus drivers are not in libdpdk's own list; EAL loads the device drivers
# themselves from the distribution's plug-in folder.
dpdk-cflags := $(shell pkg-config --cflags libdpdk | sed 's/-I/-isystem /g') -pthread \
	       -DALLOW_EXPERIMENTAL_API -Wno-undef
dpdk-libs   := $(shell pkg-config --libs libdpdk) -lrte_bus_vdev -pthread

programs += viola-dpdk
viola-dpdk-src := $(wildcard dpdk-backend/*.c) tools/lib/number.c
# prefetchw, where buffers are about to be written, is a NOP to CPUs without it.
viola-dpdk-cflags := -O3 -mprfchw $(dpdk-cflags)
viola-dpdk-libs := $(dpdk-libs) -ljansson

else
programs: no-dpdk
.PHONY: no-dpdk
no-dpdk:
	@echo '  NOTE    viola-dpdk is not built: no libdpdk of 22.11 or newer (libdpdk-dev)'
endif

# What needs no DPDK is tested without.
unit-tests += test-fdb test-rate test-flow test-offload
test-fdb-src := tests/unit/test-fdb.c dpdk-backend/fdb.c
test-fdb-libs := -lpthread
test-rate-src := tests/unit/test-rate.c dpdk-backend/rate.c tools/lib/number.c
test-rate-libs := -lpthread
test-flow-src := tests/unit/test-flow.c dpdk-backend/flow.c
test-offload-src := tests/unit/test-offload.c dpdk-backend/offload.c
