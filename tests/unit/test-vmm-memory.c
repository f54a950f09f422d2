// SPDX-License-Identifier: GPL-2.0
/* Blocks of guest memory, and the listeners that follow them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vmm/error.h"
#include "vmm/ram.h"

#define PAGE MEMORY_PAGE

/* What all listeners were told, in order: "a+1 b+1 b-1 a-1 ". */
static char story[256];

struct scribe {
	struct memory_listener listener;
	char name;
	u64 refuses; /* the block at this address, if not 0 */
};

static void note(struct memory_listener *listener, char what, const struct memory_block *block)
{
	const struct scribe *s = (struct scribe *)listener;
	const size_t len = strlen(story);

	snprintf(story + len, sizeof(story) - len, "%c%c%llx ", s->name, what,
		 (unsigned long long)(block->gpa / PAGE));
}

static int scribe_added(struct memory_listener *listener, struct memory_block *block)
{
	const struct scribe *s = (struct scribe *)listener;

	if (s->refuses && block->gpa == s->refuses)
		return vmm_fail(EBUSY, "%c does not want it", s->name);
	note(listener, '+', block);
	return 0;
}

static void scribe_removed(struct memory_listener *listener, struct memory_block *block)
{
	note(listener, '-', block);
}

static const struct memory_listener_ops scribe_ops = {
	.added = scribe_added, .removed = scribe_removed,
};

static struct guest_memory mem;
static u8 host[8 * PAGE];

static struct scribe scribe(char name)
{
	return (struct scribe){ .listener.ops = &scribe_ops, .name = name };
}

static struct memory_block block(enum memory_kind kind, u64 page, u64 pages)
{
	return (struct memory_block){
		.name = "block", .kind = kind, .gpa = page * PAGE, .size = pages * PAGE,
		.base = host + page % 8 * PAGE, .fd = -1,
	};
}

static void assert_story(const char *want)
{
	assert_string_equal(story, want);
	story[0] = 0;
}

static int setup(void **state)
{
	story[0] = 0;
	memset(host, 0, sizeof(host));
	memory_init(&mem);
	return 0;
}

static int teardown(void **state)
{
	memory_exit(&mem);
	return 0;
}

static void tells_in_order_and_takes_back_in_reverse(void **state)
{
	struct scribe a = scribe('a'), b = scribe('b');
	struct memory_block ram = block(MEMORY_RAM, 0, 2), bar = block(MEMORY_DEVICE, 4, 1);

	assert_int_equal(memory_listen(&mem, &a.listener), 0);
	assert_int_equal(memory_listen(&mem, &b.listener), 0);
	assert_int_equal(memory_add(&mem, &ram), 0);
	assert_int_equal(memory_add(&mem, &bar), 0);
	assert_story("a+0 b+0 a+4 b+4 ");
	memory_remove(&mem, &bar);
	memory_remove(&mem, &ram);
	assert_story("b-4 a-4 b-0 a-0 ");
	memory_unlisten(&mem, &a.listener);
	memory_unlisten(&mem, &b.listener);
	assert_story("");
}

static void late_listener_is_told_of_what_is_there(void **state)
{
	struct scribe a = scribe('a'), b = scribe('b');
	struct memory_block ram = block(MEMORY_RAM, 0, 2), bar = block(MEMORY_DEVICE, 4, 1);

	assert_int_equal(memory_listen(&mem, &a.listener), 0);
	assert_int_equal(memory_add(&mem, &ram), 0);
	assert_int_equal(memory_add(&mem, &bar), 0);
	story[0] = 0;
	assert_int_equal(memory_listen(&mem, &b.listener), 0);
	assert_story("b+0 b+4 ");
	memory_unlisten(&mem, &a.listener);
	assert_story("a-4 a-0 ");
	memory_remove(&mem, &bar);
	assert_story("b-4 ");
	memory_unlisten(&mem, &b.listener);
	assert_story("b-0 ");
	memory_remove(&mem, &ram);
}

static void refused_block_is_taken_back(void **state)
{
	struct scribe a = scribe('a'), b = scribe('b'), c = scribe('c');
	struct memory_block ram = block(MEMORY_RAM, 1, 2);

	assert_int_equal(memory_listen(&mem, &a.listener), 0);
	assert_int_equal(memory_listen(&mem, &b.listener), 0);
	assert_int_equal(memory_listen(&mem, &c.listener), 0);
	b.refuses = ram.gpa;
	assert_int_equal(memory_add(&mem, &ram), -EBUSY);
	assert_string_equal(vmm_error(), "b does not want it");
	assert_story("a+1 a-1 ");
	assert_null(memory_map(&mem, ram.gpa, 1));
	assert_int_equal(memory_low_size(&mem), 0);

	/* Nothing is left of it: it can be added again. */
	b.refuses = 0;
	assert_int_equal(memory_add(&mem, &ram), 0);
	assert_story("a+1 b+1 c+1 ");
	memory_remove(&mem, &ram);
	memory_unlisten(&mem, &a.listener);
	memory_unlisten(&mem, &b.listener);
	memory_unlisten(&mem, &c.listener);
}

static void listener_that_refuses_gets_nothing(void **state)
{
	struct scribe a = scribe('a');
	struct memory_block ram = block(MEMORY_RAM, 0, 2), bar = block(MEMORY_DEVICE, 4, 1);
	struct memory_block other = block(MEMORY_DEVICE, 5, 1);

	assert_int_equal(memory_add(&mem, &ram), 0);
	assert_int_equal(memory_add(&mem, &bar), 0);
	assert_int_equal(memory_add(&mem, &other), 0);
	a.refuses = other.gpa;
	assert_int_equal(memory_listen(&mem, &a.listener), -EBUSY);
	assert_story("a+0 a+4 a-4 a-0 ");
	memory_remove(&mem, &other);
	memory_remove(&mem, &bar);
	memory_remove(&mem, &ram);
	assert_story("");
}

static void bad_blocks_are_refused(void **state)
{
	struct scribe a = scribe('a');
	struct memory_block good = block(MEMORY_RAM, 2, 2), second = block(MEMORY_RAM, 5, 1);
	struct memory_block bad[] = {
		block(MEMORY_DEVICE, 6, 0), block(MEMORY_DEVICE, 6, 1), block(MEMORY_DEVICE, 6, 1),
		block(MEMORY_DEVICE, 0, 3), block(MEMORY_DEVICE, 3, 1), block(MEMORY_DEVICE, 0, 8),
		block(MEMORY_RAM, 0, 1),
	};
	struct memory_block third = block(MEMORY_RAM, 7, 1);
	size_t i;

	bad[1].gpa += 8;
	bad[2].size += 8;
	assert_int_equal(memory_listen(&mem, &a.listener), 0);
	assert_int_equal(memory_add(&mem, &good), 0);
	story[0] = 0;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(memory_add(&mem, &bad[i]), -EINVAL);
	bad[0].gpa = -PAGE;
	bad[0].size = 2 * PAGE;
	assert_int_equal(memory_add(&mem, &bad[0]), -EINVAL);
	assert_int_equal(memory_add(&mem, &second), 0);
	assert_int_equal(memory_add(&mem, &third), -ENOSPC);
	assert_story("a+5 ");
	memory_remove(&mem, &second);
	memory_remove(&mem, &good);
	memory_unlisten(&mem, &a.listener);
}

static void dma_reaches_ram_and_nothing_else(void **state)
{
	struct memory_block ram = block(MEMORY_RAM, 0, 2), bar = block(MEMORY_DEVICE, 2, 1);
	const u8 data[4] = { 1, 2, 3, 4 };
	u8 got[4] = { 0 };
	u32 hint = 0;

	assert_int_equal(memory_add(&mem, &ram), 0);
	assert_int_equal(memory_add(&mem, &bar), 0);
	assert_int_equal(memory_dma_write(&mem, &hint, 2 * PAGE - 4, data, 4), 0);
	assert_memory_equal(host + 2 * PAGE - 4, data, 4);
	assert_int_equal(memory_dma_read(&mem, &hint, 2 * PAGE - 4, got, 4), 0);
	assert_memory_equal(got, data, 4);
	assert_int_equal(memory_dma_write(&mem, &hint, 2 * PAGE - 2, data, 4), -EFAULT);
	assert_int_equal(memory_dma_write(&mem, &hint, 2 * PAGE, data, 4), -EFAULT);
	assert_int_equal(memory_dma_read(&mem, &hint, 2 * PAGE, got, 4), -EFAULT);
	assert_memory_equal(host + 2 * PAGE, "\0\0\0\0", 4);
	assert_null(memory_map(&mem, 2 * PAGE, 1));
	memory_remove(&mem, &bar);
	memory_remove(&mem, &ram);
}

static void ram_leaves_the_hole_free(void **state)
{
	struct scribe a = scribe('a');
	struct ram ram = { 0 };

	assert_int_equal(memory_listen(&mem, &a.listener), 0);
	assert_int_equal(ram_create(&ram, &mem, LAYOUT_HOLE), 0);
	assert_int_equal(memory_low_size(&mem), LAYOUT_HOLE);
	assert_int_equal(memory_ram_end(&mem), LAYOUT_HOLE);
	ram_destroy(&ram, &mem);
	assert_story("a+0 a-0 ");

	memset(&ram, 0, sizeof(ram));
	assert_int_equal(ram_create(&ram, &mem, LAYOUT_HOLE + 16 * PAGE), 0);
	assert_int_equal(memory_low_size(&mem), LAYOUT_HOLE);
	assert_int_equal(memory_ram_end(&mem), LAYOUT_4G + 16 * PAGE);
	assert_null(memory_map(&mem, LAYOUT_HOLE, 1));
	assert_non_null(memory_map(&mem, LAYOUT_4G, 16 * PAGE));
	/* Huge pages of host and guest begin at the same place. */
	assert_int_equal((uintptr_t)memory_map(&mem, 0, 1) % (2 << 20), 0);
	ram_destroy(&ram, &mem);
	assert_story("a+0 a+100000 a-100000 a-0 ");
	memory_unlisten(&mem, &a.listener);
}

static void ram_that_is_refused_leaves_nothing(void **state)
{
	struct scribe a = scribe('a');
	struct ram ram = { 0 };

	a.refuses = LAYOUT_4G;
	assert_int_equal(memory_listen(&mem, &a.listener), 0);
	assert_int_equal(ram_create(&ram, &mem, LAYOUT_HOLE + 16 * PAGE), -EBUSY);
	ram_destroy(&ram, &mem);
	assert_story("a+0 a-0 ");
	memory_unlisten(&mem, &a.listener);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(tells_in_order_and_takes_back_in_reverse),
		T(late_listener_is_told_of_what_is_there),
		T(refused_block_is_taken_back),
		T(listener_that_refuses_gets_nothing),
		T(bad_blocks_are_refused),
		T(dma_reaches_ram_and_nothing_else),
		T(ram_leaves_the_hole_free),
		T(ram_that_is_refused_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
