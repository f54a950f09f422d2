// SPDX-License-Identifier: GPL-2.0
// fuzz-flags: -max_len=2048
/*
 * The same as fuzz-ring.c for every kind of ring: a second byte of each input
 * chooses packed or split, in order or not, tracked in an in-flight region or
 * not. The kept corpus of that one stays what it is.
 */
#define EVERY_KIND

#include "tests/fuzz/fuzz-ring.c"
