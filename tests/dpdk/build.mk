# SPDX-License-Identifier: GPL-2.0
# The front ends that tests and benchmark of viola-dpdk drive; dpdk-backend/build.mk, read
# before, knows whether DPDK is here.

ifneq ($(dpdk-libs),)
programs += viola-test-frontend
viola-test-frontend-src := tests/dpdk/frontend.c tests/dpdk/stream.c tests/dpdk/segments.c \
			   tests/dpdk/scenario.c \
			   tools/lib/number.c
viola-test-frontend-cflags := $(dpdk-cflags)
viola-test-frontend-libs := $(dpdk-libs)

programs += viola-test-load
viola-test-load-src := $(wildcard tests/bench/dpdk/*.c) tools/lib/number.c tools/guest/hdr.c
viola-test-load-cflags := -O3 $(dpdk-cflags)
viola-test-load-libs := $(dpdk-libs)
endif
