// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include "vmm/error.h"
#include "vmm/memory.h"

void memory_init(struct guest_memory *mem)
{
	memset(mem, 0, sizeof(*mem));
	mem->map.ext = mem->ext;
	pthread_mutex_init(&mem->lock, NULL);
}

void memory_exit(struct guest_memory *mem)
{
	assert(!mem->blocks && !mem->listeners);
	pthread_mutex_destroy(&mem->lock);
}

/* --- all with the lock held ---------------------------------------------------- */

/* Tells @listener of the end of the blocks before @end, the last one first. */
static void tell_removed(struct memory_listener *listener, struct memory_block *first,
			 const struct memory_block *end)
{
	if (first == end)
		return;
	tell_removed(listener, first->next, end);
	listener->ops->removed(listener, first);
}

/* Tells the listeners before @end of the end of @block, the youngest first. */
static void block_removed(struct memory_listener *first, const struct memory_listener *end,
			  struct memory_block *block)
{
	if (first == end)
		return;
	block_removed(first->next, end, block);
	first->ops->removed(first, block);
}

static int block_check(const struct guest_memory *mem, const struct memory_block *block)
{
	const struct memory_block *b;
	u64 end;

	if (!block->size || block->gpa % MEMORY_PAGE || block->size % MEMORY_PAGE ||
	    !viola_add_u64(block->gpa, block->size, &end))
		return vmm_fail(EINVAL, "%s at %#llx + %#llx is not a run of whole pages",
				block->name, (unsigned long long)block->gpa,
				(unsigned long long)block->size);
	for (b = mem->blocks; b; b = b->next)
		if (block->gpa < b->gpa + b->size && b->gpa < end)
			return vmm_fail(EINVAL, "%s at %#llx overlaps %s", block->name,
					(unsigned long long)block->gpa, b->name);
	if (block->kind != MEMORY_RAM)
		return 0;
	if (mem->map.nr == MEMORY_RAM_BLOCKS)
		return vmm_fail(ENOSPC, "%s: RAM is in at most %d blocks", block->name,
				MEMORY_RAM_BLOCKS);
	if (block->gpa < memory_ram_end(mem))
		return vmm_fail(EINVAL, "%s at %#llx is below other RAM", block->name,
				(unsigned long long)block->gpa);
	return 0;
}

static struct memory_block **blocks_end(struct guest_memory *mem)
{
	struct memory_block **at = &mem->blocks;

	while (*at)
		at = &(*at)->next;
	return at;
}

static struct memory_listener **listeners_end(struct guest_memory *mem)
{
	struct memory_listener **at = &mem->listeners;

	while (*at)
		at = &(*at)->next;
	return at;
}

static int add_locked(struct guest_memory *mem, struct memory_block *block)
{
	struct memory_listener *l;
	int err = block_check(mem, block);

	if (err)
		return err;
	block->next = NULL;
	for (l = mem->listeners; l && !err; l = l->next) {
		err = l->ops->added(l, block);
		if (err)
			block_removed(mem->listeners, l, block);
	}
	if (err)
		return err;
	*blocks_end(mem) = block;
	if (block->kind == MEMORY_RAM)
		mem->ext[mem->map.nr++] = (struct viola_extent){
			.gpa = block->gpa, .size = block->size, .base = block->base,
		};
	return 0;
}

static int listen_locked(struct guest_memory *mem, struct memory_listener *listener)
{
	struct memory_block *b;
	int err;

	for (b = mem->blocks; b; b = b->next) {
		err = listener->ops->added(listener, b);
		if (err) {
			tell_removed(listener, mem->blocks, b);
			return err;
		}
	}
	listener->next = NULL;
	*listeners_end(mem) = listener;
	return 0;
}

/* --- */

int memory_add(struct guest_memory *mem, struct memory_block *block)
{
	int err;

	pthread_mutex_lock(&mem->lock);
	err = add_locked(mem, block);
	pthread_mutex_unlock(&mem->lock);
	return err;
}

void memory_remove(struct guest_memory *mem, struct memory_block *block)
{
	struct memory_block **at = &mem->blocks;

	pthread_mutex_lock(&mem->lock);
	while (*at != block)
		at = &(*at)->next;
	block_removed(mem->listeners, NULL, block);
	*at = block->next;
	/* RAM goes when the machine does, the highest first: nobody looks any more. */
	if (block->kind == MEMORY_RAM)
		mem->map.nr--;
	pthread_mutex_unlock(&mem->lock);
}

int memory_listen(struct guest_memory *mem, struct memory_listener *listener)
{
	int err;

	pthread_mutex_lock(&mem->lock);
	err = listen_locked(mem, listener);
	pthread_mutex_unlock(&mem->lock);
	return err;
}

void memory_unlisten(struct guest_memory *mem, struct memory_listener *listener)
{
	struct memory_listener **at = &mem->listeners;

	pthread_mutex_lock(&mem->lock);
	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
	tell_removed(listener, mem->blocks, NULL);
	pthread_mutex_unlock(&mem->lock);
}
