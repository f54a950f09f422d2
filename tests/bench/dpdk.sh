#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# viola-dpdk beside dpdk-testpmd and OVS-DPDK: what `make bench-dpdk` runs.
#
#   tests/bench/dpdk.sh [--only reflect-64-split,…] [--list] [--help]
#
# VIOLA_BENCH_QUICK=1 takes 3 minutes instead of 12. Prints tables and closing
# lines; leaves build/bench/dpdk.json and dpdk.svg.
# Documentation/performance/dpdk.md says how to read them.
cd "$(dirname "$0")/../.." || exit 1
export PYTHONDONTWRITEBYTECODE=1
exec python3 tests/bench/dpdk/run.py "$@"
