/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_EMULATED_E1000_H
#define VMM_EMULATED_E1000_H

struct net_backend;
struct nic_config;
struct vm;

/*
 * Path `e1000`: an Intel 82540EM (PRO/1000 MT Desktop) emulated register by
 * register, as the stock e1000 driver drives it. Reference: Intel, PCI/PCI-X
 * Family of Gigabit Ethernet Controllers Software Developer's Manual
 * ("8254x SDM"); the sections named in the .c files are of that manual.
 *
 * Creates the device with cfg->mac and puts it on @vm's PCI bus. It uses
 * queue 0 of @be and none of its offloads.
 *
 * @be belongs to the device from here on, also if this fails. 0 or -errno
 * with a recorded sentence.
 */
int e1000_create(struct vm *vm, struct net_backend *be, const struct nic_config *cfg);

#endif
