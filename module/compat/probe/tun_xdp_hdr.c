// SPDX-License-Identifier: GPL-2.0
/*
 * The batched frames that tun takes begin with a struct of buffer length and
 * virtio header; later kernels (7.x) want the header alone.
 */
#include <linux/if_tun.h>

unsigned int viola_probe(struct tun_xdp_hdr *hdr);
unsigned int viola_probe(struct tun_xdp_hdr *hdr)
{
	return hdr->buflen + hdr->gso.gso_size;
}
