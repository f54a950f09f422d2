// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/vhost.h>

#include "device.h"
#include "mem.h"
#include "pin.h"

#define PIN_CHUNK 512 /* pages pinned at once: 2 MiB */

unsigned int viola_max_mem_regions = 64;
module_param_named(max_mem_regions, viola_max_mem_regions, uint, 0444);
MODULE_PARM_DESC(max_mem_regions, "regions of guest memory per device (default 64)");

static int region_compare(const void *a, const void *b)
{
	const struct vhost_memory_region *l = a, *r = b;

	if (l->guest_phys_addr == r->guest_phys_addr)
		return 0;
	return l->guest_phys_addr < r->guest_phys_addr ? -1 : 1;
}

/* Sorts and checks; *@pages is how many pages all regions touch. */
static int regions_check(struct vhost_memory_region *regions, u32 nr, u64 *pages)
{
	u64 next = 0, end;
	u32 i;

	sort(regions, nr, sizeof(*regions), region_compare, NULL);
	*pages = 0;
	for (i = 0; i < nr; i++) {
		const struct vhost_memory_region *r = &regions[i];

		if (!r->memory_size ||
		    !viola_add_u64(r->userspace_addr, r->memory_size, &end) ||
		    end > TASK_SIZE_MAX)
			return -EFAULT;
		/* No sum of up to TASK_SIZE_MAX bytes per region overflows. */
		*pages += PFN_UP(end) - PFN_DOWN(r->userspace_addr);
		if (!viola_add_u64(r->guest_phys_addr, r->memory_size, &end))
			return -EFAULT;
		if (r->guest_phys_addr < next)
			return -EINVAL;
		next = end;
	}
	if (*pages > totalram_pages())
		return -ENOMEM;
	return 0;
}

/*
 * Device memory that is mapped into the owner: no RAM, nothing to pin. Bytes
 * of it from @addr on, or 0.
 */
static u64 device_memory_at(u64 addr)
{
	struct vm_area_struct *vma;
	u64 len = 0;

	mmap_read_lock(current->mm);
	vma = find_vma(current->mm, addr);
	if (vma && vma->vm_start <= addr && vma->vm_flags & (VM_IO | VM_PFNMAP))
		len = vma->vm_end - addr;
	mmap_read_unlock(current->mm);
	return len;
}

static int table_grow(struct viola_table *table)
{
	u32 room = table->room ? table->room * 2 : 64;
	struct viola_extent *more;

	if (table->mem.nr < table->room)
		return 0;
	if (room > INT_MAX / sizeof(*more))
		return -ENOMEM;
	more = kvmalloc_array(room, sizeof(*more), GFP_KERNEL);
	if (!more)
		return -ENOMEM;
	if (table->mem.nr)
		memcpy(more, table->extents, table->mem.nr * sizeof(*more));
	kvfree(table->extents);
	table->extents = more;
	table->mem.ext = more;
	table->room = room;
	return 0;
}

/*
 * Adds a pinned page's part [@at, @at + @len) of guest memory at @gpa, to the
 * last extent where it continues that in both worlds. @join: it may, being of
 * the same region; extents end with regions, so that each page is unpinned as
 * often as it was pinned.
 */
static int table_add(struct viola_table *table, u64 gpa, u8 *at, u64 len, bool join)
{
	struct viola_extent *e;
	int err;

	if (join && table->mem.nr) {
		e = &table->extents[table->mem.nr - 1];
		if (e->gpa + e->size == gpa && e->base + e->size == at) {
			e->size += len;
			return 0;
		}
	}
	err = table_grow(table);
	if (err)
		return err;
	table->extents[table->mem.nr++] = (struct viola_extent){
		.gpa = gpa, .size = len, .base = at,
	};
	return 0;
}

static int table_add_region(struct viola_table *table, const struct vhost_memory_region *r,
			    struct page **pages)
{
	u64 gpa = r->guest_phys_addr, addr = r->userspace_addr, left = r->memory_size;
	bool join = false;
	u64 skip;
	u32 nr, i;
	int err;

	while (left) {
		nr = min_t(u64, PFN_UP(addr + left) - PFN_DOWN(addr), PIN_CHUNK);
		err = viola_pin_pages(addr & PAGE_MASK, nr, pages);
		skip = err == -EFAULT ? min(device_memory_at(addr), left) : 0;
		if (skip) {
			/*
			 * A VMM lists the BARs it maps into the guest, too. A
			 * hole: a buffer in there is not guest memory.
			 */
			gpa += skip;
			addr += skip;
			left -= skip;
			join = false;
			continue;
		}
		if (err == -EFAULT && nr > 1 && !fatal_signal_pending(current)) {
			/* The border to device memory may lie within the chunk. */
			nr = 1;
			err = viola_pin_pages(addr & PAGE_MASK, nr, pages);
		}
		if (err) {
			pr_info_ratelimited("%s (%d): guest memory at %#llx, mapped at %#llx, cannot be pinned: error %d\n",
					    current->comm, task_pid_nr(current), gpa, addr, -err);
			return err;
		}
		table->pages += nr;
		for (i = 0; i < nr; i++) {
			u64 off = offset_in_page(addr);
			u64 len = min_t(u64, PAGE_SIZE - off, left);

			err = table_add(table, gpa, (u8 *)page_address(pages[i]) + off, len, join);
			if (err) {
				/* Those before are in extents and go with them. */
				unpin_user_pages(pages + i, nr - i);
				table->pages -= nr - i;
				return err;
			}
			join = true;
			gpa += len;
			addr += len;
			left -= len;
		}
	}
	return 0;
}

struct viola_table *viola_table_create_empty(void)
{
	return kzalloc(sizeof(struct viola_table), GFP_KERNEL_ACCOUNT);
}

struct viola_table *viola_table_create(struct viola_device *dev,
				       const struct vhost_memory __user *argp)
{
	struct vhost_memory_region *regions = NULL;
	struct viola_table *table;
	struct page **pages = NULL;
	struct vhost_memory head;
	u64 nr_pages;
	int err;
	u32 i;

	if (copy_from_user(&head, argp, offsetof(struct vhost_memory, regions)))
		return ERR_PTR(-EFAULT);
	if (head.padding)
		return ERR_PTR(-EOPNOTSUPP);
	if (head.nregions > viola_max_mem_regions)
		return ERR_PTR(-E2BIG);
	table = viola_table_create_empty();
	if (!table)
		return ERR_PTR(-ENOMEM);
	if (!head.nregions)
		return table;

	regions = kvmalloc_array(head.nregions, sizeof(*regions), GFP_KERNEL_ACCOUNT);
	pages = kmalloc_array(PIN_CHUNK, sizeof(*pages), GFP_KERNEL);
	err = -ENOMEM;
	if (!regions || !pages)
		goto out;
	err = -EFAULT;
	if (copy_from_user(regions, argp->regions, head.nregions * sizeof(*regions)))
		goto out;
	err = regions_check(regions, head.nregions, &nr_pages);
	if (err)
		goto out;
	/*
	 * The old table's charge stands in for the new one's until the swap:
	 * changing memory does not need twice the limit.
	 */
	if (nr_pages > dev->table->pages) {
		err = viola_device_charge(dev, nr_pages - dev->table->pages);
		if (err)
			goto out;
	}
	for (i = 0; i < head.nregions && !err; i++)
		err = table_add_region(table, &regions[i], pages);
	table->top = regions[head.nregions - 1].guest_phys_addr +
		     regions[head.nregions - 1].memory_size;
	if (!err && WARN_ON_ONCE(!viola_mem_valid(&table->mem)))
		err = -EINVAL;
	/* From the estimate to the fact: device memory was not pinned. */
	if (nr_pages > dev->table->pages)
		viola_device_charge(dev, -(s64)(nr_pages - dev->table->pages));
	if (!err && table->pages > dev->table->pages)
		err = viola_device_charge(dev, table->pages - dev->table->pages);
out:
	kfree(pages);
	kvfree(regions);
	if (err) {
		viola_table_destroy(table);
		return ERR_PTR(err);
	}
	return table;
}

void viola_table_clear(struct viola_table *table)
{
	u32 i;

	for (i = 0; i < table->mem.nr; i++) {
		const struct viola_extent *e = &table->extents[i];
		unsigned long first = (unsigned long)e->base & PAGE_MASK;
		unsigned long end = PAGE_ALIGN((unsigned long)e->base + e->size);

		unpin_user_page_range_dirty_lock(virt_to_page((void *)first),
						 (end - first) / PAGE_SIZE, true);
		cond_resched();
	}
	kvfree(table->extents);
	memset(table, 0, sizeof(*table));
}

void viola_table_destroy(struct viola_table *table)
{
	if (!table)
		return;
	viola_table_clear(table);
	kfree(table);
}
