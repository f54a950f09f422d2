# SPDX-License-Identifier: GPL-2.0
# The ring core against a model driver. Each other unit test is declared by
# the build.mk of what it tests.

unit-tests += test-ring test-ring-packed test-ring-burst test-ring-random test-ring-crash test-ring-threads
unit-tests += test-mem
test-ring-src := tests/unit/test-ring.c tests/unit/model-driver.c
test-ring-packed-src := tests/unit/test-ring-packed.c tests/unit/model-driver.c
test-ring-burst-src := tests/unit/test-ring-burst.c tests/unit/model-driver.c
test-mem-src := tests/unit/test-mem.c tests/unit/model-driver.c
test-ring-random-src := tests/unit/test-ring-random.c tests/unit/model-driver.c
test-ring-crash-src := tests/unit/test-ring-crash.c tests/unit/model-driver.c
test-ring-threads-src := tests/unit/test-ring-threads.c tests/unit/model-driver.c
test-ring-threads-libs := -lpthread
