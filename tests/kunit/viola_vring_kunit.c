// SPDX-License-Identifier: GPL-2.0
/*
 * A queue's configuration (module/vring.c): the VHOST_*_VRING_* ioctls, rings
 * of the owner's memory, starting and stopping, and the log of used entries.
 */
#include "../../module/vring.c"
#include "../../module/watch.c"
#include "../../module/trace.c"

#include <kunit/test.h>
#include <linux/fdtable.h>
#include <linux/mman.h>
#include <linux/prandom.h>
#include <linux/syscalls.h>

#include "owner.h"

#define QUEUES 2
#define RING_LEN (4 * PAGE_SIZE) /* enough for what the cases use, with room */

struct vring_fixture {
	struct viola_device dev;
	struct viola_device_type type;
	struct viola_queue queue[QUEUES];
	struct viola_queue *queues[QUEUES];
	struct viola_table *table;
	unsigned long ring; /* RING_LEN bytes of the owner's, nothing behind them */
	unsigned long arg; /* a page for ioctl arguments, nothing behind it */
};

/* In place of module/worker.c: no thread serves these queues. */
static u32 wakes;

void viola_queue_wake(struct viola_queue *q)
{
	wakes++;
}

static u32 quiesced;

static bool never_serves(struct viola_queue *q)
{
	return false;
}

static void counts_quiesce(struct viola_queue *q)
{
	quiesced++;
}

static const struct viola_queue_ops ops = {
	.serve = never_serves,
	.quiesce = counts_quiesce,
	.ready = never_serves,
};

static int vring_suite_init(struct kunit *test)
{
	struct vring_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	int err;
	u32 i;

	if (!f)
		return -ENOMEM;
	test->priv = f;
	wakes = 0;
	quiesced = 0;
	f->type.nr_queues = QUEUES;
	f->dev.type = &f->type;
	f->dev.queues = f->queues;
	mutex_init(&f->dev.lock);
	f->table = viola_table_create_empty();
	if (!f->table)
		return -ENOMEM;
	f->dev.table = f->table;
	for (i = 0; i < QUEUES; i++) {
		f->queues[i] = &f->queue[i];
		err = viola_queue_init(&f->queue[i], &f->dev, i, &ops);
		if (err)
			return err;
		f->queue[i].num = 1;
	}
	err = owner_enter(test);
	if (err)
		return err;
	f->ring = owner_map(test, RING_LEN + PAGE_SIZE, PROT_READ | PROT_WRITE);
	f->arg = owner_map(test, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE);
	vm_munmap(f->ring + RING_LEN, PAGE_SIZE);
	vm_munmap(f->arg + PAGE_SIZE, PAGE_SIZE);
	return 0;
}

static void vring_suite_exit(struct kunit *test)
{
	struct vring_fixture *f = test->priv;
	u32 i;

	if (!f)
		return;
	for (i = 0; i < QUEUES; i++) {
		if (f->queue[i].seg)
			viola_queue_reset(&f->queue[i]);
		viola_queue_destroy(&f->queue[i]);
	}
	viola_table_destroy(f->table);
	owner_exit();
}

/* An ioctl with @len bytes at @arg, at the very end of what is mapped. */
static int call(struct kunit *test, unsigned int cmd, void *arg, size_t len)
{
	struct vring_fixture *f = test->priv;
	void __user *at = (void __user *)(f->arg + PAGE_SIZE - len);
	int err;

	KUNIT_ASSERT_EQ(test, copy_to_user(at, arg, len), 0ul);
	mutex_lock(&f->dev.lock);
	err = viola_vring_ioctl(&f->dev, cmd, at);
	mutex_unlock(&f->dev.lock);
	KUNIT_EXPECT_EQ(test, copy_from_user(arg, at, len), 0ul);
	return err;
}

static int call_state(struct kunit *test, unsigned int cmd, u32 index, u32 num)
{
	struct vhost_vring_state s = { .index = index, .num = num };

	return call(test, cmd, &s, sizeof(s));
}

static int get_state(struct kunit *test, unsigned int cmd, u32 index, u32 *num)
{
	struct vhost_vring_state s = { .index = index, .num = 0xdeadbeef };
	int err = call(test, cmd, &s, sizeof(s));

	*num = s.num;
	KUNIT_EXPECT_EQ(test, s.index, index);
	return err;
}

/* A ring of @num entries, packed as the specification packs one. */
static struct vhost_vring_addr addr_at(unsigned long at, u32 index, u32 num)
{
	return (struct vhost_vring_addr){
		.index = index,
		.desc_user_addr = at,
		.avail_user_addr = at + viola_ring_desc_size(num),
		.used_user_addr = ALIGN(at + viola_ring_desc_size(num) +
					viola_ring_driver_size(num), 4),
	};
}

/* As setting a backend does it. */
static int start(struct vring_fixture *f, struct viola_queue *q)
{
	struct viola_rings *rings = viola_rings_create(q, &q->addr);

	if (IS_ERR(rings))
		return PTR_ERR(rings);
	viola_queue_lock(q);
	rings = viola_rings_swap(q, rings);
	viola_queue_unlock(q);
	viola_rings_destroy(&f->dev, rings);
	return 0;
}

static void stop(struct vring_fixture *f, struct viola_queue *q)
{
	struct viola_rings *rings;

	viola_queue_lock(q);
	rings = viola_rings_swap(q, NULL);
	viola_queue_unlock(q);
	viola_rings_destroy(&f->dev, rings);
}

/* --- ioctls ------------------------------------------------------------- */

static void ioctl_dispatch(struct kunit *test)
{
	struct vring_fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, call_state(test, VHOST_SET_OWNER, 0, 0), -ENOIOCTLCMD);
	KUNIT_EXPECT_EQ(test, call_state(test, 0, 0, 0), -ENOIOCTLCMD);
	KUNIT_EXPECT_EQ(test, call_state(test, VHOST_SET_VRING_NUM, QUEUES, 8), -ENOBUFS);
	KUNIT_EXPECT_EQ(test, call_state(test, VHOST_SET_VRING_NUM, U32_MAX, 8), -ENOBUFS);
	KUNIT_EXPECT_EQ(test,
			viola_vring_ioctl(&f->dev, VHOST_SET_VRING_NUM,
					  (void __user *)(f->arg + PAGE_SIZE)), -EFAULT);
	/* The index can be read, the rest cannot. */
	KUNIT_ASSERT_EQ(test, clear_user((void __user *)(f->arg + PAGE_SIZE - 4), 4), 0ul);
	KUNIT_EXPECT_EQ(test,
			viola_vring_ioctl(&f->dev, VHOST_SET_VRING_NUM,
					  (void __user *)(f->arg + PAGE_SIZE - 4)), -EFAULT);
	KUNIT_EXPECT_EQ(test,
			viola_vring_ioctl(&f->dev, VHOST_SET_VRING_ADDR,
					  (void __user *)(f->arg + PAGE_SIZE - 4)), -EFAULT);
}

static void num_is_a_power_of_two_within_bounds(struct kunit *test)
{
	static const u32 bad[] = { 0, 3, 32769, 65536, 1u << 31, U32_MAX };
	struct vring_fixture *f = test->priv;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, call_state(test, VHOST_SET_VRING_NUM, 1, bad[i]),
				    -EINVAL, "num %u", bad[i]);
	KUNIT_EXPECT_EQ(test, f->queue[1].num, 1u);
	KUNIT_EXPECT_EQ(test, call_state(test, VHOST_SET_VRING_NUM, 1, 32768), 0);
	KUNIT_EXPECT_EQ(test, f->queue[1].num, 32768u);
	KUNIT_EXPECT_EQ(test, f->queue[0].num, 1u);
}

static void base_is_sixteen_bits(struct kunit *test)
{
	u32 base;

	KUNIT_EXPECT_EQ(test, call_state(test, VHOST_SET_VRING_BASE, 0, 65536), -EINVAL);
	KUNIT_EXPECT_EQ(test, call_state(test, VHOST_SET_VRING_BASE, 0, 65535), 0);
	KUNIT_EXPECT_EQ(test, get_state(test, VHOST_GET_VRING_BASE, 0, &base), 0);
	KUNIT_EXPECT_EQ(test, base, 65535u);
}

static void addr_is_checked(struct kunit *test)
{
	struct vring_fixture *f = test->priv;
	struct vhost_vring_addr a;

	a = addr_at(f->ring, 0, 8);
	a.flags = 2;
	KUNIT_EXPECT_EQ(test, call(test, VHOST_SET_VRING_ADDR, &a, sizeof(a)), -EOPNOTSUPP);
	a = addr_at(f->ring, 0, 8);
	a.avail_user_addr++;
	KUNIT_EXPECT_EQ(test, call(test, VHOST_SET_VRING_ADDR, &a, sizeof(a)), -EINVAL);
	a = addr_at(f->ring, 0, 8);
	a.used_user_addr += 2;
	KUNIT_EXPECT_EQ(test, call(test, VHOST_SET_VRING_ADDR, &a, sizeof(a)), -EINVAL);
	a = addr_at(f->ring, 0, 8);
	a.log_guest_addr = 2;
	KUNIT_EXPECT_EQ(test, call(test, VHOST_SET_VRING_ADDR, &a, sizeof(a)), -EINVAL);
	KUNIT_EXPECT_EQ(test, f->queue[0].addr.desc_user_addr, 0ull);

	/* Where there is nothing yet: looked at when the queue starts. */
	a = addr_at(1ull << 40, 0, 8);
	KUNIT_EXPECT_EQ(test, call(test, VHOST_SET_VRING_ADDR, &a, sizeof(a)), 0);
	f->queue[0].num = 8;
	KUNIT_EXPECT_EQ(test, start(f, &f->queue[0]), -EFAULT);
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
}

/* Swap only after validation: what was there stays when what comes is bad. */
static void descriptors_that_are_not_files(struct kunit *test)
{
	static const unsigned int cmd[] = { VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL,
					    VHOST_SET_VRING_ERR };
	struct vring_fixture *f = test->priv;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cmd); i++) {
		struct vhost_vring_file file = { .index = 0, .fd = 12345 };

		KUNIT_EXPECT_EQ(test, call(test, cmd[i], &file, sizeof(file)), -EBADF);
		file.fd = -2;
		KUNIT_EXPECT_EQ(test, call(test, cmd[i], &file, sizeof(file)), -EBADF);
		file.fd = VHOST_FILE_UNBIND;
		KUNIT_EXPECT_EQ(test, call(test, cmd[i], &file, sizeof(file)), 0);
	}
	KUNIT_EXPECT_NULL(test, f->queue[0].call);
	KUNIT_EXPECT_NULL(test, f->queue[0].error);
	KUNIT_EXPECT_NULL(test, f->queue[0].kick_file);
}

static void busyloop_is_kept(struct kunit *test)
{
	u32 us;

	KUNIT_EXPECT_EQ(test, call_state(test, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, 1, 50), 0);
	KUNIT_EXPECT_EQ(test, get_state(test, VHOST_GET_VRING_BUSYLOOP_TIMEOUT, 1, &us), 0);
	KUNIT_EXPECT_EQ(test, us, 50u);
}

/* --- rings ---------------------------------------------------------------- */

static void rings_need_all_of_their_memory(struct kunit *test)
{
	struct vring_fixture *f = test->priv;
	struct viola_queue *q = &f->queue[0];
	unsigned long end = f->ring + RING_LEN;
	struct vhost_vring_addr a;

	q->num = 8;
	/* Each part in turn runs one byte over the end of the mapping. */
	a = addr_at(f->ring, 0, 8);
	a.desc_user_addr = end - viola_ring_desc_size(8) + 16;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(viola_rings_create(q, &a)), -EFAULT);
	a = addr_at(f->ring, 0, 8);
	a.avail_user_addr = end - 4 - 2 * 8 + 2;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(viola_rings_create(q, &a)), -EFAULT);
	a = addr_at(f->ring, 0, 8);
	a.used_user_addr = end - 4 - 8 * 8 + 4;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(viola_rings_create(q, &a)), -EFAULT);
	a = addr_at(f->ring, 0, 8);
	a.desc_user_addr = U64_MAX - 15;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(viola_rings_create(q, &a)), -EFAULT);
	a = addr_at(f->ring, 0, 8);
	a.desc_user_addr += 8;
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(viola_rings_create(q, &a)), -EINVAL);
	q->num = 3;
	a = addr_at(f->ring, 0, 4);
	KUNIT_EXPECT_TRUE(test, IS_ERR(viola_rings_create(q, &a)));
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
}

/* The event fields are part of the ring only when they were negotiated. */
static void rings_without_event_fields_may_end_before_them(struct kunit *test)
{
	struct vring_fixture *f = test->priv;
	struct viola_queue *q = &f->queue[0];
	struct viola_rings *rings;
	struct vhost_vring_addr a = addr_at(f->ring, 0, 8);

	q->num = 8;
	a.used_user_addr = f->ring + RING_LEN - 4 - 8 * 8;
	rings = viola_rings_create(q, &a);
	KUNIT_EXPECT_FALSE(test, IS_ERR(rings));
	viola_rings_destroy(&f->dev, rings);
	f->dev.features = BIT_ULL(VIRTIO_RING_F_EVENT_IDX);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(viola_rings_create(q, &a)), -EFAULT);
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
}

static void rings_beyond_the_limit(struct kunit *test)
{
	struct vring_fixture *f = test->priv;
	struct viola_queue *q = &f->queue[0];
	struct vhost_vring_addr a = addr_at(f->ring, 0, 8);

	q->num = 8;
	owner.limit = 2; /* each of the three parts is charged */
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(viola_rings_create(q, &a)), -ENOMEM);
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
}

static void queue_runs_from_its_base_and_returns_it(struct kunit *test)
{
	struct vring_fixture *f = test->priv;
	struct viola_queue *q = &f->queue[0];
	struct vhost_vring_addr a = addr_at(f->ring, 0, 8);
	u32 base;

	KUNIT_ASSERT_EQ(test, call_state(test, VHOST_SET_VRING_NUM, 0, 8), 0);
	KUNIT_ASSERT_EQ(test, call_state(test, VHOST_SET_VRING_BASE, 0, 7), 0);
	KUNIT_ASSERT_EQ(test, call(test, VHOST_SET_VRING_ADDR, &a, sizeof(a)), 0);
	/* The owner's view of the ring: available 9, that is, two to take. */
	KUNIT_ASSERT_EQ(test,
			put_user((__force u16)cpu_to_le16(9),
				 (u16 __user *)(unsigned long)(a.avail_user_addr + 2)), 0);
	KUNIT_ASSERT_EQ(test, start(f, q), 0);
	KUNIT_EXPECT_TRUE(test, q->running);
	KUNIT_EXPECT_EQ(test, viola_ring_base(&q->ring), (u16)7);
	KUNIT_EXPECT_EQ(test, viola_ring_available(&q->ring), 1);
	KUNIT_EXPECT_GT(test, owner.charged, 0ll);

	/* What would pull the rug from under it is refused meanwhile. */
	KUNIT_EXPECT_EQ(test, call_state(test, VHOST_SET_VRING_NUM, 0, 16), -EBUSY);
	KUNIT_EXPECT_EQ(test, call_state(test, VHOST_SET_VRING_BASE, 0, 0), -EBUSY);

	q->ring.next_avail++; /* one taken */
	KUNIT_EXPECT_EQ(test, get_state(test, VHOST_GET_VRING_BASE, 0, &base), 0);
	KUNIT_EXPECT_EQ(test, base, 8u);
	stop(f, q);
	KUNIT_EXPECT_EQ(test, quiesced, 1u);
	KUNIT_EXPECT_FALSE(test, q->running);
	KUNIT_EXPECT_EQ(test, get_state(test, VHOST_GET_VRING_BASE, 0, &base), 0);
	KUNIT_EXPECT_EQ(test, base, 8u);
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
}

/* A running queue whose rings move: checked first, and the old ones dropped. */
static void rings_move_while_running(struct kunit *test)
{
	struct vring_fixture *f = test->priv;
	struct viola_queue *q = &f->queue[0];
	struct vhost_vring_addr a = addr_at(f->ring, 0, 8);
	struct viola_rings *before;
	s64 charged;

	q->num = 8;
	KUNIT_ASSERT_EQ(test, call(test, VHOST_SET_VRING_ADDR, &a, sizeof(a)), 0);
	KUNIT_ASSERT_EQ(test, start(f, q), 0);
	before = q->rings;
	charged = owner.charged;

	a = addr_at(f->ring + RING_LEN, 0, 8);
	KUNIT_EXPECT_EQ(test, call(test, VHOST_SET_VRING_ADDR, &a, sizeof(a)), -EINVAL);
	KUNIT_EXPECT_PTR_EQ(test, q->rings, before);
	KUNIT_EXPECT_EQ(test, q->addr.desc_user_addr, (u64)f->ring);
	KUNIT_EXPECT_EQ(test, owner.charged, charged);

	a = addr_at(f->ring + PAGE_SIZE, 0, 8);
	KUNIT_EXPECT_EQ(test, call(test, VHOST_SET_VRING_ADDR, &a, sizeof(a)), 0);
	KUNIT_EXPECT_EQ(test, owner.charged, charged);
	KUNIT_EXPECT_GT(test, wakes, 0u);
	KUNIT_ASSERT_EQ(test,
			put_user((__force u16)cpu_to_le16(1),
				 (u16 __user *)(unsigned long)(a.avail_user_addr + 2)), 0);
	KUNIT_EXPECT_EQ(test, viola_ring_available(&q->ring), 1);
}

static void reset_leaves_nothing(struct kunit *test)
{
	struct vring_fixture *f = test->priv;
	struct viola_queue *q = &f->queue[1];
	struct vhost_vring_addr a = addr_at(f->ring, 1, 8);

	KUNIT_ASSERT_EQ(test, call_state(test, VHOST_SET_VRING_NUM, 1, 8), 0);
	KUNIT_ASSERT_EQ(test, call_state(test, VHOST_SET_VRING_BASE, 1, 5), 0);
	KUNIT_ASSERT_EQ(test, call_state(test, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, 1, 50), 0);
	KUNIT_ASSERT_EQ(test, call(test, VHOST_SET_VRING_ADDR, &a, sizeof(a)), 0);
	KUNIT_ASSERT_EQ(test, start(f, q), 0);
	viola_queue_break(q, "the test says so");
	viola_queue_reset(q);
	KUNIT_EXPECT_FALSE(test, q->running);
	KUNIT_EXPECT_NULL(test, q->rings);
	KUNIT_EXPECT_NULL(test, q->broken);
	KUNIT_EXPECT_EQ(test, q->base, (u16)0);
	KUNIT_EXPECT_EQ(test, q->busyloop_us, 0u);
	KUNIT_EXPECT_EQ(test, q->addr.desc_user_addr, 0ull);
	KUNIT_EXPECT_EQ(test, owner.charged, 0ll);
}

static void first_reason_for_breaking_stays(struct kunit *test)
{
	struct vring_fixture *f = test->priv;

	viola_queue_break(&f->queue[0], "first");
	viola_queue_break(&f->queue[0], "second");
	KUNIT_EXPECT_STREQ(test, f->queue[0].broken, "first");
	KUNIT_EXPECT_EQ(test, f->queue[0].count.errors, 1ull);
	KUNIT_EXPECT_NULL(test, f->queue[1].broken);
}

/* --- who is told ------------------------------------------------------------ */

#define CALL_NUM 8

/* A new eventfd in place of whatever @cmd has set; -1 for none. Its descriptor. */
static int set_file(struct kunit *test, unsigned int cmd, bool none)
{
	struct vhost_vring_file file = { .fd = VHOST_FILE_UNBIND };

	if (!none)
		file.fd = sys_eventfd2(0, O_NONBLOCK);
	KUNIT_EXPECT_TRUE(test, none || file.fd >= 0);
	KUNIT_EXPECT_EQ(test, call(test, cmd, &file, sizeof(file)), 0);
	return file.fd;
}

/* How often @fd was signalled since it was last asked. */
static u64 signals(struct kunit *test, int fd)
{
	struct file *file = fget(fd);
	u64 count = 0;
	loff_t pos = 0;

	KUNIT_ASSERT_NOT_NULL(test, file);
	if (kernel_read(file, &count, sizeof(count), &pos) != sizeof(count))
		count = 0;
	fput(file);
	return count;
}

/* Uses @n buffers, none of which the driver need have made available, one by one. */
static void use(struct viola_queue *q, u32 n)
{
	viola_queue_lock(q);
	while (n--) {
		viola_ring_push(&q->ring, 0, 0);
		viola_queue_publish(q, 1);
	}
	viola_queue_unlock(q);
}

/* The driver's wish: an interrupt for the used entry @event, counted from 0. */
static void want_call(struct kunit *test, const struct vhost_vring_addr *a, u16 event)
{
	unsigned long at = a->avail_user_addr + 4 + 2 * CALL_NUM;

	KUNIT_ASSERT_EQ(test, put_user((__force u16)cpu_to_le16(event), (u16 __user *)at), 0);
}

/* A ring with event indices that has interrupted for the first of its entries. */
static int start_calling(struct kunit *test, struct viola_queue *q, struct vhost_vring_addr *a)
{
	struct vring_fixture *f = test->priv;
	int fd;

	*a = addr_at(f->ring, 0, CALL_NUM);
	f->dev.features = BIT_ULL(VIRTIO_RING_F_EVENT_IDX);
	q->num = CALL_NUM;
	q->addr = *a;
	fd = set_file(test, VHOST_SET_VRING_CALL, false);
	KUNIT_ASSERT_EQ(test, start(f, q), 0);
	KUNIT_EXPECT_EQ(test, signals(test, fd), 0ull);
	want_call(test, a, 0);
	use(q, 1);
	KUNIT_EXPECT_EQ(test, signals(test, fd), 1ull);
	return fd;
}

/*
 * A driver waits for entry 1, which is used while there is no eventfd. With the next
 * one it is told at once: nothing more may be used until it has been.
 */
static void used_while_nobody_was_called(struct kunit *test)
{
	struct vring_fixture *f = test->priv;
	struct viola_queue *q = &f->queue[0];
	struct vhost_vring_addr a;
	int fd = start_calling(test, q, &a);

	want_call(test, &a, 1);
	set_file(test, VHOST_SET_VRING_CALL, true);
	use(q, 3);
	KUNIT_EXPECT_EQ(test, signals(test, fd), 0ull);
	close_fd(fd);
	fd = set_file(test, VHOST_SET_VRING_CALL, false);
	KUNIT_EXPECT_EQ(test, signals(test, fd), 1ull);
	/* Once; and what is asked for from then on is answered as ever. */
	use(q, 3);
	KUNIT_EXPECT_EQ(test, signals(test, fd), 0ull);
	want_call(test, &a, 9);
	use(q, 2);
	KUNIT_EXPECT_EQ(test, signals(test, fd), 0ull);
	use(q, 1);
	KUNIT_EXPECT_EQ(test, signals(test, fd), 1ull);
	close_fd(fd);
}

/* Even where the index went once round meanwhile, and stands where it stood. */
static void used_without_end_while_nobody_was_called(struct kunit *test)
{
	static const u32 counts[] = { 65535, 65536, 65537, 131072 };
	struct vring_fixture *f = test->priv;
	struct viola_queue *q = &f->queue[0];
	struct vhost_vring_addr a;
	int fd = start_calling(test, q, &a);
	u16 used = 1;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		want_call(test, &a, used);
		set_file(test, VHOST_SET_VRING_CALL, true);
		use(q, counts[i]);
		used = (u16)(used + counts[i]);
		close_fd(fd);
		fd = set_file(test, VHOST_SET_VRING_CALL, false);
		KUNIT_EXPECT_EQ_MSG(test, signals(test, fd), 1ull, "after %u", counts[i]);
	}
	close_fd(fd);
}

/* An eventfd in place of another interrupts nobody who does not wait. */
static void new_eventfd_is_not_signalled_for_nothing(struct kunit *test)
{
	struct vring_fixture *f = test->priv;
	struct viola_queue *q = &f->queue[0];
	struct vhost_vring_addr a;
	int fd = start_calling(test, q, &a);

	want_call(test, &a, 5);
	set_file(test, VHOST_SET_VRING_CALL, true);
	use(q, 4); /* entries 1 to 4 */
	close_fd(fd);
	fd = set_file(test, VHOST_SET_VRING_CALL, false);
	KUNIT_EXPECT_EQ(test, signals(test, fd), 0ull);
	close_fd(fd);
	fd = set_file(test, VHOST_SET_VRING_CALL, false);
	KUNIT_EXPECT_EQ(test, signals(test, fd), 0ull);
	use(q, 1);
	KUNIT_EXPECT_EQ(test, signals(test, fd), 1ull);
	close_fd(fd);
	/* Nor is there anything to tell of a queue that does not run. */
	stop(f, q);
	fd = set_file(test, VHOST_SET_VRING_CALL, false);
	KUNIT_EXPECT_EQ(test, signals(test, fd), 0ull);
	close_fd(fd);
}

/* A queue breaks once; whoever asks later is told, too. */
static void broken_while_nobody_was_told(struct kunit *test)
{
	struct vring_fixture *f = test->priv;
	struct viola_queue *q = &f->queue[0];
	int fd = set_file(test, VHOST_SET_VRING_ERR, false);

	KUNIT_EXPECT_EQ(test, signals(test, fd), 0ull);
	set_file(test, VHOST_SET_VRING_ERR, true);
	viola_queue_break(q, "the test says so");
	close_fd(fd);
	fd = set_file(test, VHOST_SET_VRING_ERR, false);
	KUNIT_EXPECT_EQ(test, signals(test, fd), 1ull);
	close_fd(fd);
}

/* --- the log of used entries --------------------------------------------- */

#define LOG_PAGES 256
#define USED_GPA (3 * 4096 + 4096 - 8) /* entries straddle pages */

/*
 * Whatever was pushed, every page of the used ring that it wrote is marked:
 * entries one by one here, spans in the code under test. Rings of more than
 * 512 entries have a used ring of several pages, and wrap within it.
 */
static void used_entries_are_logged(struct kunit *test)
{
	struct vring_fixture *f = test->priv;
	struct viola_queue *q = &f->queue[0];
	unsigned long bitmap = owner_map(test, PAGE_SIZE, PROT_READ | PROT_WRITE);
	DECLARE_BITMAP(want, LOG_PAGES);
	DECLARE_BITMAP(got, LOG_PAGES);
	struct rnd_state rnd;
	u32 round;

	f->dev.log = viola_log_create(&f->dev, bitmap, LOG_PAGES * 4096ull);
	KUNIT_ASSERT_FALSE(test, IS_ERR(f->dev.log));
	q->addr.log_guest_addr = USED_GPA;
	q->addr.flags = BIT(VHOST_VRING_F_LOG);
	prandom_seed_state(&rnd, 1);
	for (round = 0; round < 2000; round++) {
		u32 num = 1u << prandom_u32_state(&rnd) % 16;
		u16 pushed = 1 + prandom_u32_state(&rnd) % num, i;
		u32 at;

		if (num > 32768)
			continue;
		q->num = num;
		q->ring.next_used = (u16)prandom_u32_state(&rnd);
		KUNIT_ASSERT_EQ(test, clear_user((void __user *)bitmap, PAGE_SIZE), 0ul);
		bitmap_zero(want, LOG_PAGES);
		for (i = 0; i < pushed; i++) {
			at = USED_GPA + 4 + 8 * ((u16)(q->ring.next_used - 1 - i) & (num - 1));
			__set_bit(at / 4096, want);
			__set_bit((at + 7) / 4096, want);
		}
		__set_bit((USED_GPA + 2) / 4096, want);
		__set_bit((USED_GPA + 3) / 4096, want);
		log_used(q, pushed);
		KUNIT_ASSERT_EQ(test, copy_from_user(got, (void __user *)bitmap, sizeof(got)), 0ul);
		KUNIT_ASSERT_TRUE_MSG(test, bitmap_subset(want, got, LOG_PAGES),
				      "num %u, next_used %u, pushed %u: %*pbl wanted, %*pbl got",
				      num, q->ring.next_used, pushed, LOG_PAGES, want, LOG_PAGES,
				      got);
		/* And little more: a page marked for nothing is one copied again. */
		KUNIT_ASSERT_LE(test, bitmap_weight(got, LOG_PAGES),
				bitmap_weight(want, LOG_PAGES) + 1);
	}
	viola_log_destroy(&f->dev, f->dev.log);
	f->dev.log = NULL;
}

/* Asking for a kick writes to the used ring, too: its flags, or its far end. */
static void kick_requests_are_logged(struct kunit *test)
{
	struct vring_fixture *f = test->priv;
	struct viola_queue *q = &f->queue[0];
	unsigned long bitmap = owner_map(test, PAGE_SIZE, PROT_READ | PROT_WRITE);
	u8 byte;
	int i;

	f->dev.log = viola_log_create(&f->dev, bitmap, LOG_PAGES * 4096ull);
	KUNIT_ASSERT_FALSE(test, IS_ERR(f->dev.log));
	for (i = 0; i < 2; i++) {
		f->dev.features = i ? BIT_ULL(VIRTIO_RING_F_EVENT_IDX) : 0;
		q->num = 256; /* a used ring of half a page: its event field is in the next */
		q->addr = addr_at(f->ring, 0, 256);
		q->addr.log_guest_addr = 2 * 4096 + 2048;
		q->addr.flags = BIT(VHOST_VRING_F_LOG);
		KUNIT_ASSERT_EQ(test, start(f, q), 0);
		KUNIT_ASSERT_EQ(test, clear_user((void __user *)bitmap, PAGE_SIZE), 0ul);
		viola_queue_lock(q);
		KUNIT_EXPECT_FALSE(test, viola_queue_enable_kick(q, false));
		viola_queue_unlock(q);
		KUNIT_ASSERT_EQ(test, get_user(byte, (u8 __user *)bitmap), 0);
		KUNIT_EXPECT_TRUE(test, i ? byte & 1 << 3 : byte == 1 << 2);
		stop(f, q);
	}
	viola_log_destroy(&f->dev, f->dev.log);
	f->dev.log = NULL;
}

static struct kunit_case vring_cases[] = {
	KUNIT_CASE(ioctl_dispatch),
	KUNIT_CASE(num_is_a_power_of_two_within_bounds),
	KUNIT_CASE(base_is_sixteen_bits),
	KUNIT_CASE(addr_is_checked),
	KUNIT_CASE(descriptors_that_are_not_files),
	KUNIT_CASE(busyloop_is_kept),
	KUNIT_CASE(rings_need_all_of_their_memory),
	KUNIT_CASE(rings_without_event_fields_may_end_before_them),
	KUNIT_CASE(rings_beyond_the_limit),
	KUNIT_CASE(queue_runs_from_its_base_and_returns_it),
	KUNIT_CASE(rings_move_while_running),
	KUNIT_CASE(reset_leaves_nothing),
	KUNIT_CASE(first_reason_for_breaking_stays),
	KUNIT_CASE(used_while_nobody_was_called),
	KUNIT_CASE(used_without_end_while_nobody_was_called),
	KUNIT_CASE(new_eventfd_is_not_signalled_for_nothing),
	KUNIT_CASE(broken_while_nobody_was_told),
	KUNIT_CASE(used_entries_are_logged),
	KUNIT_CASE(kick_requests_are_logged),
	{}
};

static struct kunit_suite vring_suite = {
	.name = "viola_vring",
	.init = vring_suite_init,
	.exit = vring_suite_exit,
	.test_cases = vring_cases,
};

kunit_test_suite(vring_suite);
