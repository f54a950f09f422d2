# SPDX-License-Identifier: GPL-2.0
# Fuzzers need clang and flags of their own: tests/fuzz/run builds them.

.PHONY: fuzz
fuzz:
	@tests/fuzz/run
