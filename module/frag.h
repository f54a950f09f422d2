/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Room for frames on their way to the network stack: pieces of large pages,
 * each piece with a reference of its own that its skb drops. The references
 * are taken all at once when a page is taken, so that a piece costs no atomic
 * operation here; a page whose pieces are all gone is used again.
 */
#ifndef VIOLA_FRAG_H
#define VIOLA_FRAG_H

#include <linux/types.h>

struct page;

struct viola_frag {
	struct page *page;
	u8 *base; /* of page */
	u32 size, offset; /* bytes */
	u32 bias; /* references of ours that no piece has taken yet */
};

/*
 * @len bytes, at most a page, aligned to a cache line. NULL when there is no
 * memory. May sleep.
 */
void *viola_frag_alloc(struct viola_frag *frag, u32 len);
/* Gives back the newest piece, of @len bytes, which nobody else has seen. */
void viola_frag_undo(struct viola_frag *frag, u32 len);
void viola_frag_drain(struct viola_frag *frag);

#endif
