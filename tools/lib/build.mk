# SPDX-License-Identifier: GPL-2.0
# What the programs share; each names the files it needs.
unit-tests += test-number
test-number-src := tests/unit/test-number.c tools/lib/number.c
