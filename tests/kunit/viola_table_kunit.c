// SPDX-License-Identifier: GPL-2.0
/*
 * Pinned guest memory (module/mem.c), pinned areas (module/pin.c), and the log
 * of dirty pages in one (module/log.c): what is accepted, how it becomes
 * extents and bits, and that every page pinned is unpinned and every page
 * charged is given back.
 *
 * The code under test is compiled into this file, for its static functions.
 * Each case has an address space of its own, made of real anonymous memory.
 */
#include "../../module/mem.c"
#include "../../module/pin.c"
#include "../../module/log.c"

#include <kunit/test.h>
#include <linux/mman.h>
#include <linux/uaccess.h>

#include "owner.h"

#define PAGES 16
#define SPAN (PAGES * PAGE_SIZE)
#define GPA 0x100000ULL

struct table_fixture {
	unsigned long user; /* SPAN bytes, writable */
	struct viola_device dev;
	struct viola_table *empty;
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[8];
	} table;
	unsigned long table_user; /* a page to put the above */
};

static int table_init(struct kunit *test)
{
	struct table_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	int err;

	if (!f)
		return -ENOMEM;
	test->priv = f;
	f->empty = viola_table_create_empty();
	if (!f->empty)
		return -ENOMEM;
	f->dev.table = f->empty;
	err = owner_enter(test);
	if (err)
		return err;
	f->user = owner_map(test, SPAN, PROT_READ | PROT_WRITE);
	f->table_user = owner_map(test, PAGE_SIZE, PROT_READ | PROT_WRITE);
	return 0;
}

static void table_exit(struct kunit *test)
{
	struct table_fixture *f = test->priv;

	if (!f)
		return;
	viola_table_destroy(f->empty);
	owner_exit();
}

static void set_region(struct table_fixture *f, u32 i, u64 gpa, u64 size, u64 user)
{
	f->table.region[i] = (struct vhost_memory_region){
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = user,
	};
}

static struct viola_table *create(struct kunit *test, u32 nregions)
{
	struct table_fixture *f = test->priv;

	f->table.head.nregions = nregions;
	KUNIT_ASSERT_EQ(test,
			copy_to_user((void __user *)f->table_user, &f->table, sizeof(f->table)),
			0ul);
	return viola_table_create(&f->dev, (struct vhost_memory __user *)f->table_user);
}

/* The pages behind the user memory, with a reference of our own. */
static void look_up(struct kunit *test, struct page **pages)
{
	struct table_fixture *f = test->priv;

	KUNIT_ASSERT_EQ(test, get_user_pages_fast(f->user, PAGES, FOLL_WRITE, pages), PAGES);
}

static u32 count_pinned(struct page **pages)
{
	u32 i, n = 0;

	for (i = 0; i < PAGES; i++)
		n += folio_maybe_dma_pinned(page_folio(pages[i]));
	return n;
}

static void put_pages(struct page **pages)
{
	u32 i;

	for (i = 0; i < PAGES; i++)
		put_page(pages[i]);
}

/* Refused for @err, with nothing pinned and nothing charged afterwards. */
static void expect_refused(struct kunit *test, u32 nregions, int err)
{
	struct page *pages[PAGES];
	struct viola_table *t;

	look_up(test, pages);
	t = create(test, nregions);
	KUNIT_EXPECT_TRUE(test, IS_ERR(t));
	if (IS_ERR(t))
		KUNIT_EXPECT_EQ(test, PTR_ERR(t), (long)err);
	else
		viola_table_destroy(t);
	KUNIT_EXPECT_EQ(test, count_pinned(pages), 0u);
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
	put_pages(pages);
}

/* --- which regions are accepted ----------------------------------------- */

static void regions_are_sorted_and_counted(struct kunit *test)
{
	struct vhost_memory_region r[] = {
		{ .guest_phys_addr = 0x9000, .memory_size = 0x1000, .userspace_addr = 0x10000 },
		{ .guest_phys_addr = 0x1000, .memory_size = 0x1000, .userspace_addr = 0x20fff },
		{ .guest_phys_addr = 0x2000, .memory_size = 2, .userspace_addr = 0x30fff },
	};
	u64 pages = 99;

	KUNIT_ASSERT_EQ(test, regions_check(r, 3, &pages), 0);
	KUNIT_EXPECT_EQ(test, r[0].guest_phys_addr, 0x1000ull);
	KUNIT_EXPECT_EQ(test, r[1].guest_phys_addr, 0x2000ull);
	KUNIT_EXPECT_EQ(test, r[2].guest_phys_addr, 0x9000ull);
	/* 1 aligned, 2 straddled by a page's length, 2 by two bytes. */
	KUNIT_EXPECT_EQ(test, pages, 5ull);
}

static void regions_that_lie(struct kunit *test)
{
	static const struct {
		u64 gpa, size, user;
		int err;
	} bad[] = {
		{ 0, 0, 0x10000, -EFAULT },
		{ 0, U64_MAX, 0x10000, -EFAULT },
		{ 0, 0x1000, U64_MAX - 0xffe, -EFAULT },
		{ 0, 0x1000, U64_MAX, -EFAULT },
		{ 0, 1, 1ull << 63, -EFAULT },
		{ U64_MAX, 1, 0x10000, -EFAULT },
		{ U64_MAX - 0xffe, 0x1000, 0x10000, -EFAULT },
	};
	struct vhost_memory_region r;
	size_t i;
	u64 pages;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		r = (struct vhost_memory_region){
			.guest_phys_addr = bad[i].gpa,
			.memory_size = bad[i].size,
			.userspace_addr = bad[i].user,
		};
		KUNIT_EXPECT_EQ_MSG(test, regions_check(&r, 1, &pages), bad[i].err, "row %zu", i);
	}
}

static void regions_that_overlap(struct kunit *test)
{
	struct vhost_memory_region r[] = {
		{ .guest_phys_addr = 0x2000, .memory_size = 0x1000, .userspace_addr = 0x10000 },
		{ .guest_phys_addr = 0x1000, .memory_size = 0x1001, .userspace_addr = 0x20000 },
	};
	u64 pages;

	KUNIT_EXPECT_EQ(test, regions_check(r, 2, &pages), -EINVAL);
	r[0].memory_size = 0x1000; /* sorted by now: this is the lower one */
	KUNIT_EXPECT_EQ(test, regions_check(r, 2, &pages), 0);
	r[1].guest_phys_addr = 0x1000;
	KUNIT_EXPECT_EQ(test, regions_check(r, 2, &pages), -EINVAL);
}

static void regions_larger_than_the_machine(struct kunit *test)
{
	struct vhost_memory_region r = {
		.guest_phys_addr = 0,
		.memory_size = (u64)(totalram_pages() + 1) * PAGE_SIZE,
		.userspace_addr = 0x10000,
	};
	u64 pages;

	KUNIT_EXPECT_EQ(test, regions_check(&r, 1, &pages), -ENOMEM);
}

/* --- extents ------------------------------------------------------------ */

static void extents_merge_only_where_both_worlds_continue(struct kunit *test)
{
	u8 *host = (u8 *)0x100000; /* never touched */
	struct viola_table *t = viola_table_create_empty();

	KUNIT_ASSERT_NOT_NULL(test, t);
	KUNIT_ASSERT_EQ(test, table_add(t, 0x1000, host, 0x1000, false), 0);
	KUNIT_ASSERT_EQ(test, table_add(t, 0x2000, host + 0x1000, 0x1000, true), 0);
	KUNIT_EXPECT_EQ(test, t->mem.nr, 1u);
	KUNIT_EXPECT_EQ(test, t->extents[0].size, 0x2000ull);

	/* The host's side jumps; then the guest's; then neither, in a new region. */
	KUNIT_ASSERT_EQ(test, table_add(t, 0x3000, host + 0x9000, 0x1000, true), 0);
	KUNIT_EXPECT_EQ(test, t->mem.nr, 2u);
	KUNIT_ASSERT_EQ(test, table_add(t, 0x8000, host + 0xa000, 0x1000, true), 0);
	KUNIT_EXPECT_EQ(test, t->mem.nr, 3u);
	KUNIT_ASSERT_EQ(test, table_add(t, 0x9000, host + 0xb000, 0x1000, false), 0);
	KUNIT_EXPECT_EQ(test, t->mem.nr, 4u);
	KUNIT_EXPECT_TRUE(test, viola_mem_valid(&t->mem));

	t->mem.nr = 0; /* nothing of it was pinned */
	viola_table_destroy(t);
}

static void extents_survive_growth(struct kunit *test)
{
	struct viola_table *t = viola_table_create_empty();
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, t);
	for (i = 0; i < 1000; i++)
		KUNIT_ASSERT_EQ(test,
				table_add(t, i * 0x2000ull, (u8 *)(0x100000ul + i * 0x1000ul),
					  0x1000, true),
				0);
	KUNIT_EXPECT_EQ(test, t->mem.nr, 1000u);
	KUNIT_EXPECT_TRUE(test, viola_mem_valid(&t->mem));
	for (i = 0; i < 1000; i++) {
		KUNIT_ASSERT_EQ(test, viola_mem_find(&t->mem, i * 0x2000ull + 0xfff, 0), (s32)i);
		KUNIT_ASSERT_EQ(test, viola_mem_find(&t->mem, i * 0x2000ull + 0x1000, i), -1);
	}
	t->mem.nr = 0;
	viola_table_destroy(t);
}

/* --- tables from the owner's memory ------------------------------------- */

static void header_is_checked_before_anything_else(struct kunit *test)
{
	struct table_fixture *f = test->priv;
	struct viola_table *t;

	t = viola_table_create(&f->dev, (struct vhost_memory __user *)8ul);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(t), -EFAULT);
	set_region(f, 0, GPA, SPAN, f->user);
	f->table.head.padding = 1;
	expect_refused(test, 1, -EOPNOTSUPP);
	f->table.head.padding = 0;
	expect_refused(test, viola_max_mem_regions + 1, -E2BIG);
	expect_refused(test, U32_MAX, -E2BIG);
}

/* The header is the last thing that is mapped: the regions are not there. */
static void regions_not_readable(struct kunit *test)
{
	struct table_fixture *f = test->priv;
	unsigned long at = f->table_user + PAGE_SIZE - offsetof(struct vhost_memory, regions);
	struct vhost_memory head = { .nregions = 4 };
	struct viola_table *t;

	KUNIT_ASSERT_EQ(test, vm_munmap(f->table_user + PAGE_SIZE, PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test,
			copy_to_user((void __user *)at, &head,
				     offsetof(struct vhost_memory, regions)),
			0ul);
	t = viola_table_create(&f->dev, (struct vhost_memory __user *)at);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(t), -EFAULT);
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
}

static void table_without_regions(struct kunit *test)
{
	struct viola_table *t = create(test, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR(t));
	KUNIT_EXPECT_EQ(test, t->mem.nr, 0u);
	KUNIT_EXPECT_EQ(test, t->pages, 0ull);
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
	viola_table_destroy(t);
}

/* Both sides see the same bytes, and every page is pinned while it lasts. */
static void table_is_the_owners_memory(struct kunit *test)
{
	struct table_fixture *f = test->priv;
	struct page *pages[PAGES];
	struct viola_table *t;
	char got[32] = "";
	u32 hint = 0;

	set_region(f, 0, GPA, SPAN, f->user);
	t = create(test, 1);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t));
	look_up(test, pages);
	KUNIT_EXPECT_EQ(test, t->pages, (u64)PAGES);
	KUNIT_EXPECT_EQ(test, owner.charged, (s64)PAGES);
	KUNIT_EXPECT_EQ(test, t->top, GPA + SPAN);
	KUNIT_EXPECT_EQ(test, count_pinned(pages), (u32)PAGES);

	/* Across a page border, which may or may not be one of extents. */
	KUNIT_ASSERT_EQ(test,
			copy_to_user((void __user *)(f->user + PAGE_SIZE - 8), "from the guest's",
				     17),
			0ul);
	KUNIT_ASSERT_EQ(test, viola_mem_read(&t->mem, &hint, GPA + PAGE_SIZE - 8, got, 17), 0);
	KUNIT_EXPECT_STREQ(test, got, "from the guest's");
	KUNIT_ASSERT_EQ(test, viola_mem_write(&t->mem, &hint, GPA + SPAN - 8, "to them", 8), 0);
	KUNIT_ASSERT_EQ(test, copy_from_user(got, (void __user *)(f->user + SPAN - 8), 8), 0ul);
	KUNIT_EXPECT_STREQ(test, got, "to them");
	KUNIT_EXPECT_EQ(test, viola_mem_read(&t->mem, &hint, GPA + SPAN - 8, got, 9), -EFAULT);

	viola_table_destroy(t);
	KUNIT_EXPECT_EQ(test, count_pinned(pages), 0u);
	put_pages(pages);
}

static void table_of_unaligned_regions(struct kunit *test)
{
	struct table_fixture *f = test->priv;
	struct page *pages[PAGES];
	struct viola_table *t;
	char got[4] = "";
	u32 hint = 0;

	/* They share the page in the middle: it is pinned, and unpinned, twice. */
	set_region(f, 0, 0x7000, PAGE_SIZE + 100, f->user + PAGE_SIZE - 50);
	set_region(f, 1, 0x3000, PAGE_SIZE - 50, f->user + 2 * PAGE_SIZE + 50);
	t = create(test, 2);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t));
	look_up(test, pages);
	KUNIT_EXPECT_EQ(test, t->pages, 4ull);
	KUNIT_EXPECT_EQ(test, count_pinned(pages), 3u);
	KUNIT_EXPECT_TRUE(test, viola_mem_valid(&t->mem));
	KUNIT_ASSERT_EQ(test,
			copy_to_user((void __user *)(f->user + 2 * PAGE_SIZE + 48), "abcd", 4),
			0ul);
	KUNIT_ASSERT_EQ(test, viola_mem_read(&t->mem, &hint, 0x7000 + PAGE_SIZE + 98, got, 2), 0);
	KUNIT_EXPECT_EQ(test, got[0], 'a');
	KUNIT_EXPECT_EQ(test, got[1], 'b');
	KUNIT_ASSERT_EQ(test, viola_mem_read(&t->mem, &hint, 0x3000, got, 2), 0);
	KUNIT_EXPECT_EQ(test, got[0], 'c');
	KUNIT_EXPECT_EQ(test, viola_mem_read(&t->mem, &hint, 0x7000 + PAGE_SIZE + 99, got, 2),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, viola_mem_read(&t->mem, &hint, 0x2fff, got, 2), -EFAULT);
	viola_table_destroy(t);
	KUNIT_EXPECT_EQ(test, count_pinned(pages), 0u);
	put_pages(pages);
}

/* The same memory at two guest addresses, as below and above a BIOS hole. */
static void table_with_an_alias(struct kunit *test)
{
	struct table_fixture *f = test->priv;
	struct page *pages[PAGES];
	struct viola_table *t;
	char got[4] = "";
	u32 hint = 0;

	set_region(f, 0, 0, SPAN, f->user);
	set_region(f, 1, GPA, SPAN, f->user);
	t = create(test, 2);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t));
	look_up(test, pages);
	KUNIT_EXPECT_EQ(test, owner.charged, 2ll * PAGES);
	KUNIT_ASSERT_EQ(test, viola_mem_write(&t->mem, &hint, 100, "xyz", 4), 0);
	KUNIT_ASSERT_EQ(test, viola_mem_read(&t->mem, &hint, GPA + 100, got, 4), 0);
	KUNIT_EXPECT_STREQ(test, got, "xyz");
	viola_table_destroy(t);
	KUNIT_EXPECT_EQ(test, count_pinned(pages), 0u);
	put_pages(pages);
}

static void table_with_a_region_that_is_not_there(struct kunit *test)
{
	struct table_fixture *f = test->priv;

	/* The second region's last page is missing: the first must go, too. */
	set_region(f, 0, 0, SPAN, f->user);
	set_region(f, 1, GPA, 2 * PAGE_SIZE,
		   owner_map(test, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE));
	KUNIT_ASSERT_EQ(test,
			vm_munmap(f->table.region[1].userspace_addr + PAGE_SIZE, PAGE_SIZE), 0);
	expect_refused(test, 2, -EFAULT);
}

static void table_of_read_only_memory(struct kunit *test)
{
	struct table_fixture *f = test->priv;

	set_region(f, 0, 0, SPAN, f->user);
	set_region(f, 1, GPA, PAGE_SIZE, owner_map(test, PAGE_SIZE, PROT_READ));
	expect_refused(test, 2, -EFAULT);
}

static void table_beyond_the_limit(struct kunit *test)
{
	struct table_fixture *f = test->priv;

	owner.limit = PAGES - 1;
	set_region(f, 0, GPA, SPAN, f->user);
	expect_refused(test, 1, -ENOMEM);
}

/*
 * The new table replaces the old one's charge: a guest at its limit can have
 * its memory table set again, and a smaller one is not charged at all.
 */
static void table_replaces_another_within_the_limit(struct kunit *test)
{
	struct table_fixture *f = test->priv;
	struct viola_table *old, *same, *smaller;

	owner.limit = PAGES;
	set_region(f, 0, GPA, SPAN, f->user);
	old = create(test, 1);
	KUNIT_ASSERT_FALSE(test, IS_ERR(old));
	f->dev.table = old;

	same = create(test, 1);
	KUNIT_ASSERT_FALSE(test, IS_ERR(same));
	KUNIT_EXPECT_EQ(test, owner.charged, (s64)PAGES);
	viola_table_destroy(same);

	set_region(f, 0, GPA, PAGE_SIZE, f->user);
	smaller = create(test, 1);
	KUNIT_ASSERT_FALSE(test, IS_ERR(smaller));
	KUNIT_EXPECT_EQ(test, owner.charged, (s64)PAGES);
	viola_table_destroy(smaller);

	set_region(f, 0, 0, SPAN, f->user);
	set_region(f, 1, GPA, PAGE_SIZE, f->user);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(create(test, 2)), -ENOMEM);
	KUNIT_EXPECT_EQ(test, owner.charged, (s64)PAGES);
	f->dev.table = f->empty;
	viola_table_destroy(old);
}

/* To whoever pins. With the owner's mmap lock held for writing. */
static void look_like_bar(struct vm_area_struct *vma, bool yes)
{
	const unsigned long flags = VM_IO | VM_PFNMAP;

#ifdef HAVE_VM_FLAGS_SET
	if (yes)
		vm_flags_set(vma, flags);
	else
		vm_flags_clear(vma, flags);
#else
	vma->vm_flags = yes ? vma->vm_flags | flags : vma->vm_flags & ~flags;
#endif
}

/* A VMM lists the BARs that it maps into the guest: holes, not errors. */
static void table_with_device_memory(struct kunit *test)
{
	struct table_fixture *f = test->priv;
	unsigned long bar = f->user + 4 * PAGE_SIZE;
	struct page *pages[PAGES];
	struct vm_area_struct *vma;
	struct viola_table *t;
	u8 byte;
	u32 hint = 0;

	look_up(test, pages);
	/* Split it off, then make it look like a mapped BAR. */
	KUNIT_ASSERT_EQ(test, vm_munmap(bar, 2 * PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test,
			vm_mmap(NULL, bar, 2 * PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
				MAP_FIXED, 0), bar);
	mmap_write_lock(owner.mm);
	vma = find_vma(owner.mm, bar);
	look_like_bar(vma, true);
	mmap_write_unlock(owner.mm);

	set_region(f, 0, GPA, SPAN, f->user);
	t = create(test, 1);
	KUNIT_EXPECT_FALSE(test, IS_ERR(t));
	if (!IS_ERR(t)) {
		KUNIT_EXPECT_EQ(test, t->pages, (u64)PAGES - 2);
		KUNIT_EXPECT_EQ(test, owner.charged, (s64)PAGES - 2);
		KUNIT_EXPECT_EQ(test, viola_mem_read(&t->mem, &hint, GPA + 4 * PAGE_SIZE - 1,
						     &byte, 1), 0);
		KUNIT_EXPECT_EQ(test, viola_mem_read(&t->mem, &hint, GPA + 4 * PAGE_SIZE,
						     &byte, 1), -EFAULT);
		KUNIT_EXPECT_EQ(test, viola_mem_read(&t->mem, &hint, GPA + 6 * PAGE_SIZE - 1,
						     &byte, 1), -EFAULT);
		KUNIT_EXPECT_EQ(test, viola_mem_read(&t->mem, &hint, GPA + 6 * PAGE_SIZE,
						     &byte, 1), 0);
		viola_table_destroy(t);
	}
	KUNIT_EXPECT_EQ(test, count_pinned(pages), 0u);
	mmap_write_lock(owner.mm);
	vma = find_vma(owner.mm, bar);
	look_like_bar(vma, false);
	mmap_write_unlock(owner.mm);
	put_pages(pages);
}

/* --- areas: rings and logs ---------------------------------------------- */

static void area_is_the_owners_memory(struct kunit *test)
{
	struct table_fixture *f = test->priv;
	struct page *pages[PAGES];
	struct viola_area area;
	char got[8] = "";

	KUNIT_ASSERT_EQ(test, viola_area_map(&f->dev, &area, f->user + 100, SPAN - 200), 0);
	look_up(test, pages);
	KUNIT_EXPECT_EQ(test, area.nr, (u32)PAGES);
	KUNIT_EXPECT_EQ(test, owner.charged, (s64)PAGES);
	KUNIT_EXPECT_EQ(test, count_pinned(pages), (u32)PAGES);

	/* First bytes, last bytes, and a page border in between. */
	memcpy(area.at, "first", 6);
	memcpy((u8 *)area.at + SPAN - 206, "final", 6);
	memcpy((u8 *)area.at + 3 * PAGE_SIZE - 103, "border", 7);
	KUNIT_ASSERT_EQ(test, copy_from_user(got, (void __user *)(f->user + 100), 6), 0ul);
	KUNIT_EXPECT_STREQ(test, got, "first");
	KUNIT_ASSERT_EQ(test, copy_from_user(got, (void __user *)(f->user + SPAN - 106), 6), 0ul);
	KUNIT_EXPECT_STREQ(test, got, "final");
	KUNIT_ASSERT_EQ(test, copy_from_user(got, (void __user *)(f->user + 3 * PAGE_SIZE - 3), 7),
			0ul);
	KUNIT_EXPECT_STREQ(test, got, "border");

	viola_area_unmap(&f->dev, &area);
	KUNIT_EXPECT_EQ(test, count_pinned(pages), 0u);
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
	KUNIT_EXPECT_NULL(test, area.at);
	viola_area_unmap(&f->dev, &area); /* again: nothing happens */
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
	put_pages(pages);
}

/* Pages faulted in backwards are seldom in a row: the mapping must not care. */
static void area_of_scattered_pages(struct kunit *test)
{
	struct table_fixture *f = test->priv;
	unsigned long at = owner_map(test, SPAN, PROT_READ | PROT_WRITE);
	struct viola_area area;
	u32 i, value;

	for (i = PAGES; i--;)
		KUNIT_ASSERT_EQ(test, put_user(i, (u32 __user *)(at + i * PAGE_SIZE)), 0);
	KUNIT_ASSERT_EQ(test, viola_area_map(&f->dev, &area, at, SPAN), 0);
	for (i = 0; i < PAGES; i++) {
		KUNIT_EXPECT_EQ(test, *(u32 *)((u8 *)area.at + i * PAGE_SIZE), i);
		*(u32 *)((u8 *)area.at + i * PAGE_SIZE) = i + 1000;
	}
	for (i = 0; i < PAGES; i++) {
		KUNIT_ASSERT_EQ(test, get_user(value, (u32 __user *)(at + i * PAGE_SIZE)), 0);
		KUNIT_EXPECT_EQ(test, value, i + 1000);
	}
	viola_area_unmap(&f->dev, &area);
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
}

static void area_that_lies(struct kunit *test)
{
	static const struct {
		u64 addr, len;
	} bad[] = {
		{ 0x10000, 0 },
		{ U64_MAX, 1 },
		{ U64_MAX - 10, 100 },
		{ 1, U64_MAX },
		{ 1ull << 63, 1 },
		{ 0x10000, (u64)AREA_MAX_PAGES * PAGE_SIZE + 1 },
	};
	struct table_fixture *f = test->priv;
	struct viola_area area;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(&area, 0xff, sizeof(area));
		KUNIT_EXPECT_EQ_MSG(test, viola_area_map(&f->dev, &area, bad[i].addr, bad[i].len),
				    -EFAULT, "row %zu", i);
		KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
		viola_area_unmap(&f->dev, &area); /* harmless after a failure */
	}
}

static void area_that_is_partly_there(struct kunit *test)
{
	struct table_fixture *f = test->priv;
	struct page *pages[PAGES];
	struct viola_area area;
	unsigned long end = f->user + SPAN;

	look_up(test, pages);
	vm_munmap(end, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, viola_area_map(&f->dev, &area, f->user, SPAN + 1), -EFAULT);
	KUNIT_EXPECT_EQ(test, count_pinned(pages), 0u);
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
	put_pages(pages);
}

static void area_beyond_the_limit(struct kunit *test)
{
	struct table_fixture *f = test->priv;
	struct viola_area area;

	owner.limit = 2;
	KUNIT_EXPECT_EQ(test, viola_area_map(&f->dev, &area, f->user + 1, 2 * PAGE_SIZE), -ENOMEM);
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
	KUNIT_EXPECT_EQ(test, viola_area_map(&f->dev, &area, f->user, 2 * PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, owner.charged, 2ll);
	viola_area_unmap(&f->dev, &area);
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
}

/* --- the log of dirty pages ---------------------------------------------- */

#define LOG_BITS 1000
#define LOG_PAGE (1ull << VIOLA_LOG_PAGE_SHIFT)

/* A log for LOG_BITS pages of guest, its bitmap @skew bytes into the memory. */
static struct viola_log *log_at(struct kunit *test, u32 skew)
{
	struct table_fixture *f = test->priv;
	struct viola_log *log;

	KUNIT_ASSERT_EQ(test, clear_user((void __user *)f->user, SPAN), 0ul);
	log = viola_log_create(&f->dev, f->user + skew, LOG_BITS * LOG_PAGE);
	KUNIT_ASSERT_FALSE(test, IS_ERR(log));
	return log;
}

/* What the owner finds in the bitmap, whose bits are numbered by bytes. */
static bool owner_sees(struct kunit *test, u32 skew, u32 bit)
{
	struct table_fixture *f = test->priv;
	u8 byte = 0;

	KUNIT_EXPECT_EQ(test, get_user(byte, (u8 __user *)(f->user + skew + bit / 8)), 0);
	return byte >> bit % 8 & 1;
}

/* Bits [@first, @first + @n) are set, and no other bit of all the memory. */
static void expect_only(struct kunit *test, u32 skew, u32 first, u32 n)
{
	struct table_fixture *f = test->priv;
	u32 i, set = 0;
	u8 *all = kunit_kmalloc(test, SPAN, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, all);
	KUNIT_ASSERT_EQ(test, copy_from_user(all, (void __user *)f->user, SPAN), 0ul);
	for (i = 0; i < SPAN; i++)
		set += hweight8(all[i]);
	KUNIT_EXPECT_EQ(test, set, n);
	for (i = first; i < first + n; i++)
		KUNIT_EXPECT_TRUE_MSG(test, owner_sees(test, skew, i), "bit %u, skew %u", i, skew);
	kunit_kfree(test, all);
}

/* Wherever the bitmap begins: aligned, in mid-word, and across a page border. */
static void log_marks_the_pages_written(struct kunit *test)
{
	static const u32 skew[] = { 0, 1, 7, 8, 12, PAGE_SIZE - 1, PAGE_SIZE - 5, 3 * PAGE_SIZE };
	static const struct {
		u64 gpa, len;
		u32 first, n;
	} row[] = {
		{ 0, 1, 0, 1 },
		{ 0, 0, 0, 0 },
		{ LOG_PAGE - 1, 1, 0, 1 },
		{ LOG_PAGE - 1, 2, 0, 2 },
		{ 7 * LOG_PAGE, LOG_PAGE, 7, 1 },
		{ 7 * LOG_PAGE + 1, LOG_PAGE, 7, 2 },
		{ 60 * LOG_PAGE, 10 * LOG_PAGE, 60, 10 },
		{ (LOG_BITS - 1) * LOG_PAGE, LOG_PAGE, LOG_BITS - 1, 1 },
	};
	struct table_fixture *f = test->priv;
	struct viola_log *log;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(skew); i++) {
		for (j = 0; j < ARRAY_SIZE(row); j++) {
			log = log_at(test, skew[i]);
			viola_log_mark(log, row[j].gpa, row[j].len);
			expect_only(test, skew[i], row[j].first, row[j].n);
			viola_log_destroy(&f->dev, log);
			KUNIT_ASSERT_EQ(test, owner.charged, 0ll);
		}
	}
}

/* A used ring's address in the log is the owner's word: it may be anything. */
static void log_stays_within_itself(struct kunit *test)
{
	struct table_fixture *f = test->priv;
	struct viola_log *log = log_at(test, 4);

	viola_log_mark(log, LOG_BITS * LOG_PAGE, 1);
	viola_log_mark(log, U64_MAX, 1);
	viola_log_mark(log, U64_MAX, 2);
	viola_log_mark(log, 2, U64_MAX);
	viola_log_mark(log, U64_MAX - LOG_PAGE, 2 * LOG_PAGE);
	expect_only(test, 4, 0, 0);
	viola_log_mark(log, (LOG_BITS - 2) * LOG_PAGE, 100 * LOG_PAGE);
	expect_only(test, 4, LOG_BITS - 2, 2);
	viola_log_destroy(&f->dev, log);
}

/* The bitmap's neighbours in its first and last word are not the log's. */
static void log_leaves_its_neighbours_alone(struct kunit *test)
{
	struct table_fixture *f = test->priv;
	struct viola_log *log = log_at(test, 3);
	u8 byte;

	KUNIT_ASSERT_EQ(test, put_user((u8)0x5a, (u8 __user *)(f->user + 2)), 0);
	KUNIT_ASSERT_EQ(test, put_user((u8)0xa5, (u8 __user *)(f->user + 3 + LOG_BITS / 8)), 0);
	viola_log_mark(log, 0, LOG_BITS * LOG_PAGE);
	KUNIT_ASSERT_EQ(test, get_user(byte, (u8 __user *)(f->user + 2)), 0);
	KUNIT_EXPECT_EQ(test, byte, (u8)0x5a);
	KUNIT_ASSERT_EQ(test, get_user(byte, (u8 __user *)(f->user + 3)), 0);
	KUNIT_EXPECT_EQ(test, byte, (u8)0xff);
	KUNIT_ASSERT_EQ(test, get_user(byte, (u8 __user *)(f->user + 3 + LOG_BITS / 8)), 0);
	KUNIT_EXPECT_EQ(test, byte, (u8)0xa5);
	viola_log_destroy(&f->dev, log);
}

static void log_that_is_not_there(struct kunit *test)
{
	struct table_fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(viola_log_create(&f->dev, 8, LOG_PAGE)), -EFAULT);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(viola_log_create(&f->dev, U64_MAX, LOG_PAGE)),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(viola_log_create(&f->dev, f->user, U64_MAX)),
			-EFAULT);
	owner.limit = 0;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(viola_log_create(&f->dev, f->user, LOG_PAGE)),
			-ENOMEM);
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
}

static struct kunit_case table_cases[] = {
	KUNIT_CASE(regions_are_sorted_and_counted),
	KUNIT_CASE(regions_that_lie),
	KUNIT_CASE(regions_that_overlap),
	KUNIT_CASE(regions_larger_than_the_machine),
	KUNIT_CASE(extents_merge_only_where_both_worlds_continue),
	KUNIT_CASE(extents_survive_growth),
	KUNIT_CASE(header_is_checked_before_anything_else),
	KUNIT_CASE(regions_not_readable),
	KUNIT_CASE(table_without_regions),
	KUNIT_CASE(table_is_the_owners_memory),
	KUNIT_CASE(table_of_unaligned_regions),
	KUNIT_CASE(table_with_an_alias),
	KUNIT_CASE(table_with_a_region_that_is_not_there),
	KUNIT_CASE(table_of_read_only_memory),
	KUNIT_CASE(table_beyond_the_limit),
	KUNIT_CASE(table_replaces_another_within_the_limit),
	KUNIT_CASE(table_with_device_memory),
	KUNIT_CASE(area_is_the_owners_memory),
	KUNIT_CASE(area_of_scattered_pages),
	KUNIT_CASE(area_that_lies),
	KUNIT_CASE(area_that_is_partly_there),
	KUNIT_CASE(area_beyond_the_limit),
	{}
};

static struct kunit_case log_cases[] = {
	KUNIT_CASE(log_marks_the_pages_written),
	KUNIT_CASE(log_stays_within_itself),
	KUNIT_CASE(log_leaves_its_neighbours_alone),
	KUNIT_CASE(log_that_is_not_there),
	{}
};

static struct kunit_suite table_suite = {
	.name = "viola_table",
	.init = table_init,
	.exit = table_exit,
	.test_cases = table_cases,
};

static struct kunit_suite log_suite = {
	.name = "viola_log",
	.init = table_init,
	.exit = table_exit,
	.test_cases = log_cases,
};

kunit_test_suites(&table_suite, &log_suite);
