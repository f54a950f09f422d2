// SPDX-License-Identifier: GPL-2.0
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "../../module/device.h"
#include "owner.h"

struct owner owner;

int viola_device_charge(struct viola_device *dev, s64 pages)
{
	if (pages > 0 && owner.charged + pages > owner.limit)
		return -ENOMEM;
	owner.charged += pages;
	return 0;
}

int owner_enter(struct kunit *test)
{
	owner.charged = 0;
	owner.limit = 1000000;
	owner.mm = mm_alloc();
	if (!owner.mm)
		return -ENOMEM;
	arch_pick_mmap_layout(owner.mm, &current->signal->rlim[RLIMIT_STACK]);
	kthread_use_mm(owner.mm);
	return 0;
}

void owner_exit(void)
{
	/* An aborted case's thread has exited, and its address space with it. */
	if (owner.mm && current->mm == owner.mm) {
		kthread_unuse_mm(owner.mm);
		mmput(owner.mm);
	}
	owner.mm = NULL;
}

unsigned long owner_map(struct kunit *test, size_t len, unsigned long prot)
{
	unsigned long at = vm_mmap(NULL, 0, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, 0);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR_VALUE(at), "vm_mmap: %ld", (long)at);
	return at;
}
