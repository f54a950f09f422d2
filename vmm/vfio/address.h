/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_VFIO_ADDRESS_H
#define VMM_VFIO_ADDRESS_H

#include <viola/env.h>

#define VFIO_ADDRESS_SIZE 13 /* "0000:01:10.0" and its end */

/* Whether @text is a PCI address as the kernel writes it: 0000:01:10.0. */
bool vfio_address_valid(const char *text);

#endif
