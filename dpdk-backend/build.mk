# SPDX-License-Identifier: GPL-2.0
# The vhost-user backend. Optional: built where the distribution's DPDK is.

ifeq ($(shell pkg-config --exists 'libdpdk >= 22.11' && echo yes),yes)

# Bus drivers are not in libdpdk's own list; EAL loads the device drivers
# themselves from the distribution's plug-in folder.
dpdk-cflags := $(shell pkg-config --cflags libdpdk | sed 's/-I/-isystem /g') -pthread \
	       -DALLOW_EXPERIMENTAL_API -Wno-undef
dpdk-libs   := $(shell pkg-config --libs libdpdk) -lrte_bus_vdev -pthread

programs += viola-dpdk
viola-dpdk-src := $(wildcard dpdk-backend/*.c dpdk-backend/*/*.c) tools/lib/number.c
# prefetchw, where buffers are about to be written, is a NOP to CPUs without it.
viola-dpdk-cflags := -O3 -mprfchw $(dpdk-cflags)
viola-dpdk-libs := $(dpdk-libs) -ljansson -lnuma

unit-tests += test-dpdk-forward test-dpdk-place test-dpdk-request test-af-packet
test-dpdk-forward-src := tests/unit/test-dpdk-forward.c tests/unit/model-driver.c \
			 $(addprefix dpdk-backend/forward/,forward.c filter.c fdb.c rate.c offload.c) \
			 tools/lib/number.c
test-dpdk-forward-cflags := $(dpdk-cflags)
test-dpdk-forward-libs := $(dpdk-libs)
test-af-packet-src := tests/unit/test-af-packet.c dpdk-backend/uplink/af-packet.c \
		      dpdk-backend/forward/offload.c
test-af-packet-cflags := $(dpdk-cflags)
test-af-packet-libs := $(dpdk-libs)
test-dpdk-place-src := tests/unit/test-dpdk-place.c dpdk-backend/lcore/place.c
test-dpdk-place-cflags := $(dpdk-cflags)
test-dpdk-place-libs := $(dpdk-libs) -lnuma
test-dpdk-request-src := tests/unit/test-dpdk-request.c dpdk-backend/port/request.c
test-dpdk-request-cflags := $(dpdk-cflags)
test-dpdk-request-libs := -ljansson

unit-tests += test-hole
test-hole-src := tests/unit/test-hole.c
test-hole-cflags := $(dpdk-cflags)
test-hole-libs := -lpthread

else
programs: no-dpdk
.PHONY: no-dpdk
no-dpdk:
	@echo '  NOTE    viola-dpdk is not built: no libdpdk of 22.11 or newer (libdpdk-dev)'
endif

# What has no DPDK in it.
unit-tests += test-dpdk-inherit
test-dpdk-inherit-src := tests/unit/test-dpdk-inherit.c dpdk-backend/vhost/inherit.c \
			 dpdk-backend/socket.c dpdk-backend/listener.c dpdk-backend/lcore/thread.c \
			 tools/lib/number.c
test-dpdk-inherit-libs := -lpthread

# What needs no DPDK is tested without.
unit-tests += test-fdb test-rate test-flow test-offload
test-fdb-src := tests/unit/test-fdb.c dpdk-backend/forward/fdb.c
test-fdb-libs := -lpthread
test-rate-src := tests/unit/test-rate.c dpdk-backend/forward/rate.c tools/lib/number.c
test-rate-libs := -lpthread
test-flow-src := tests/unit/test-flow.c dpdk-backend/forward/flow.c
test-offload-src := tests/unit/test-offload.c dpdk-backend/forward/offload.c
