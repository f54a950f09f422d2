# SPDX-License-Identifier: GPL-2.0
# Programs of `make bench`; tests/bench/run runs them.

programs += bench-ring
bench-ring-src := tests/bench/ring.c
