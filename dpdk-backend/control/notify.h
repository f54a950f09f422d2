/* SPDX-License-Identifier: GPL-2.0 */
/* What a service manager is told: sd_notify(3), "Notes", without the library. */
#ifndef VIOLA_DPDK_NOTIFY_H
#define VIOLA_DPDK_NOTIFY_H

/* Sends @state, as in "READY=1", to $NOTIFY_SOCKET; nothing if nobody asked. 0 or -errno. */
int notify_send(const char *state);

#endif
