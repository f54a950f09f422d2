/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VIOLA_GUEST_SETTLE_H
#define VIOLA_GUEST_SETTLE_H

/*
 * Waits until this machine has little to do but wait: for @window_ms its CPUs
 * were idle for nine tenths of the time. A kernel that has just booted still
 * tests its ciphers and loads keys in the background, milliseconds at a time,
 * and a round trip that meets this measures it. Gives up after @limit_ms.
 * Returns the milliseconds waited, or -1 after giving up.
 */
int settle(int window_ms, int limit_ms);

#endif
