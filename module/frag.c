// SPDX-License-Identifier: GPL-2.0
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/page_ref.h>
#include <linux/skbuff.h>

#include "frag.h"

#define FRAG_ORDER get_order(32768)
/* More than there are cache lines in a page of that order. */
#define FRAG_REFS 4096u

static bool frag_refill(struct viola_frag *frag)
{
	if (frag->page) {
		/* Every piece is gone: we hold all references, and may go on. */
		if (page_ref_count(frag->page) == frag->bias) {
			if (frag->bias < FRAG_REFS) {
				page_ref_add(frag->page, FRAG_REFS - frag->bias);
				frag->bias = FRAG_REFS;
			}
			frag->offset = 0;
			return true;
		}
		__page_frag_cache_drain(frag->page, frag->bias);
	}
	frag->size = PAGE_SIZE << FRAG_ORDER;
	/* Large if that is easy. */
	frag->page = alloc_pages((GFP_KERNEL & ~__GFP_DIRECT_RECLAIM) | __GFP_COMP | __GFP_NOWARN |
				 __GFP_NORETRY, FRAG_ORDER);
	if (!frag->page) {
		frag->size = PAGE_SIZE;
		frag->page = alloc_page(GFP_KERNEL);
	}
	frag->offset = 0;
	frag->bias = 0;
	if (!frag->page)
		return false;
	page_ref_add(frag->page, FRAG_REFS - 1);
	frag->bias = FRAG_REFS;
	frag->base = page_address(frag->page);
	return true;
}

void *viola_frag_alloc(struct viola_frag *frag, u32 len)
{
	void *at;

	len = ALIGN(len, SMP_CACHE_BYTES);
	if (unlikely(!frag->page || len > frag->size - frag->offset) && !frag_refill(frag))
		return NULL;
	at = frag->base + frag->offset;
	frag->offset += len;
	frag->bias--;
	return at;
}

void viola_frag_undo(struct viola_frag *frag, u32 len)
{
	frag->offset -= ALIGN(len, SMP_CACHE_BYTES);
	frag->bias++;
}

void viola_frag_drain(struct viola_frag *frag)
{
	if (frag->page)
		__page_frag_cache_drain(frag->page, frag->bias);
	memset(frag, 0, sizeof(*frag));
}
