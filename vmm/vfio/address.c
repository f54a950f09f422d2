// SPDX-License-Identifier: GPL-2.0
#include "vmm/vfio/address.h"

bool vfio_address_valid(const char *text)
{
	static const char form[] = "xxxx:xx:xx.o";
	unsigned int i;

	for (i = 0; form[i]; i++) {
		const char c = text[i];
		const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');

		if (form[i] == 'x' ? !hex : form[i] == 'o' ? c < '0' || c > '7' : c != form[i])
			return false;
	}
	return !text[i];
}
