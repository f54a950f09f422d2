# SPDX-License-Identifier: GPL-2.0
# The front ends that tests and benchmark of viola-dpdk drive; dpdk-backend/build.mk, read
# before, knows whether DPDK is here.

unit-tests += test-dirty
test-dirty-src := tests/unit/test-dirty.c tests/unit/model-driver.c

ifneq ($(dpdk-libs),)
programs += viola-test-frontend
viola-test-frontend-src := tests/dpdk/frontend.c tests/dpdk/stream.c tests/dpdk/segments.c \
			   tests/dpdk/scenario.c \
			   tools/lib/number.c
viola-test-frontend-cflags := $(dpdk-cflags)
viola-test-frontend-libs := $(dpdk-libs)

programs += viola-test-load
viola-test-load-src := $(wildcard tests/bench/dpdk/*.c) tests/dpdk/peer.c \
		       tests/unit/model-driver.c tools/lib/number.c tools/guest/hdr.c
viola-test-load-cflags := -O3 $(dpdk-cflags)
viola-test-load-libs := $(dpdk-libs)

# The ring core beside the library's rings, in one process.
programs += bench-dpdk-ring
bench-dpdk-ring-src := tests/bench/dpdk-ring.c tests/dpdk/peer.c tests/unit/model-driver.c \
			dpdk-backend/forward/offload.c tools/lib/number.c
bench-dpdk-ring-cflags := -O3 -mprfchw $(dpdk-cflags)
bench-dpdk-ring-libs := $(dpdk-libs)

# A front end without DPDK, correct or hostile.
sanitized += viola-test-peer
viola-test-peer-src := $(wildcard tests/dpdk/peer*.c) tests/unit/model-driver.c tools/lib/number.c

# The same back end, to be met by hostile front ends: AddressSanitizer and UBSan see what a
# test would not.
sanitized += viola-test-dpdk-asan
viola-test-dpdk-asan-src := $(viola-dpdk-src)
viola-test-dpdk-asan-cflags := -O1 $(dpdk-cflags)
viola-test-dpdk-asan-libs := $(viola-dpdk-libs)
endif
