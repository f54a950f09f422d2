// SPDX-License-Identifier: GPL-2.0
/*
 * The ring core (include/viola/ring.h), split layout: what a driver does and
 * what a driver must not do.
 *
 * Each part of the ring and each piece of guest memory is a kmalloc() object
 * of exactly its size, so that KASAN reports any access beside it. The driver
 * here is the test itself, writing the shared memory with plain stores.
 */
#include <kunit/test.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include <viola/ring-burst.h>

#define NUM 8
#define SEG_MAX 16

/* Guest memory: two extents that touch, then one behind a hole. */
#define RAM_GPA 0x10000ULL
#define RAM_LEN 0x400
#define NEXT_GPA (RAM_GPA + RAM_LEN)
#define NEXT_LEN 0x200
#define FAR_GPA 0x40000ULL
#define FAR_LEN 0x80
#define HOLE_GPA 0x20000ULL

struct ring_fixture {
	struct viola_ring ring;
	struct viola_ring_config cfg;
	struct viola_extent *ext; /* of exactly 3: KASAN watches ext[-1] and ext[3] */
	struct viola_mem mem;
	struct vring_desc *desc;
	__le16 *avail; /* flags, idx, ring[num], used_event */
	__le16 *used; /* flags, idx, ring[num] of 8 bytes, avail_event */
	u16 avail_idx; /* the driver's own count */
	struct viola_chain chain;
	struct viola_seg seg[SEG_MAX];
	u64 seg_gpa[SEG_MAX];
};

static void add_ram(struct kunit *test, struct ring_fixture *f, u64 gpa, u64 len)
{
	struct viola_extent *e = &f->ext[f->mem.nr++];

	e->gpa = gpa;
	e->size = len;
	e->base = kunit_kzalloc(test, len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, e->base);
}

static void ring_setup(struct kunit *test, struct ring_fixture *f, u32 num, bool event_idx,
		       bool indirect)
{
	f->desc = kunit_kzalloc(test, viola_ring_desc_size(num), GFP_KERNEL);
	f->avail = kunit_kzalloc(test, viola_ring_driver_size(num), GFP_KERNEL);
	f->used = kunit_kzalloc(test, viola_ring_device_size(num), GFP_KERNEL);
	f->cfg = (struct viola_ring_config){
		.num = num,
		.event_idx = event_idx,
		.indirect = indirect,
		.desc = f->desc,
		.driver = f->avail,
		.device = f->used,
		.mem = &f->mem,
		.in_flight = kunit_kzalloc(test, num * sizeof(bool), GFP_KERNEL),
	};
	KUNIT_ASSERT_NOT_NULL(test, f->desc);
	KUNIT_ASSERT_NOT_NULL(test, f->avail);
	KUNIT_ASSERT_NOT_NULL(test, f->used);
	KUNIT_ASSERT_NOT_NULL(test, f->cfg.in_flight);
	f->avail_idx = 0;
	KUNIT_ASSERT_EQ(test, viola_ring_init(&f->ring, &f->cfg), 0);
}

static int ring_suite_init(struct kunit *test)
{
	struct ring_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	f->ext = kunit_kcalloc(test, 3, sizeof(*f->ext), GFP_KERNEL);
	if (!f->ext)
		return -ENOMEM;
	f->mem.ext = f->ext;
	add_ram(test, f, RAM_GPA, RAM_LEN);
	add_ram(test, f, NEXT_GPA, NEXT_LEN);
	add_ram(test, f, FAR_GPA, FAR_LEN);
	f->chain.seg = f->seg;
	f->chain.seg_gpa = f->seg_gpa;
	f->chain.seg_max = SEG_MAX;
	test->priv = f;
	ring_setup(test, f, NUM, false, true);
	return 0;
}

/* --- the driver --------------------------------------------------------- */

static void put_desc(struct vring_desc *d, u64 addr, u32 len, u16 flags, u16 next)
{
	d->addr = (__force __virtio64)cpu_to_le64(addr);
	d->len = (__force __virtio32)cpu_to_le32(len);
	d->flags = (__force __virtio16)cpu_to_le16(flags);
	d->next = (__force __virtio16)cpu_to_le16(next);
}

static void offer(struct ring_fixture *f, u16 head)
{
	f->avail[2 + f->avail_idx % f->cfg.num] = cpu_to_le16(head);
	f->avail_idx++;
	f->avail[1] = cpu_to_le16(f->avail_idx);
}

static u16 used_idx(const struct ring_fixture *f)
{
	return le16_to_cpu(f->used[1]);
}

static u32 used_word(const struct ring_fixture *f, u16 entry, int word)
{
	const __le32 *elem = (const __le32 *)(f->used + 2);

	return le32_to_cpu(elem[2 * (entry % f->cfg.num) + word]);
}

static __le16 *used_event(struct ring_fixture *f)
{
	return &f->avail[2 + f->cfg.num];
}

static u16 avail_event(const struct ring_fixture *f)
{
	return le16_to_cpu(f->used[2 + 4 * f->cfg.num]);
}

/* An indirect table in guest memory at @gpa, within one extent. */
static struct vring_desc *table_at(struct ring_fixture *f, u64 gpa)
{
	return viola_mem_map(&f->mem, gpa, sizeof(struct vring_desc));
}

/*
 * The ring must refuse what is on offer for the reason @why, stay where it
 * was, and stay broken.
 */
static void expect_broken(struct kunit *test, struct ring_fixture *f, enum viola_ring_error why)
{
	u16 base = viola_ring_base(&f->ring);

	KUNIT_EXPECT_EQ(test, viola_ring_pop(&f->ring, &f->chain), -EPROTO);
	KUNIT_EXPECT_TRUE(test, viola_ring_broken(&f->ring));
	KUNIT_EXPECT_EQ_MSG(test, f->ring.error, why, "%s",
			    viola_ring_error_name(f->ring.error));
	KUNIT_EXPECT_EQ(test, viola_ring_base(&f->ring), base);
	KUNIT_EXPECT_EQ(test, used_idx(f), (u16)0);
	KUNIT_EXPECT_EQ(test, viola_ring_pop(&f->ring, &f->chain), -EPROTO);
	KUNIT_EXPECT_EQ(test, viola_ring_available(&f->ring), -EPROTO);
	KUNIT_EXPECT_EQ(test, viola_ring_enable_kick(&f->ring), -EPROTO);
	KUNIT_EXPECT_EQ(test, f->ring.error, why);
}

/* --- what a driver does ------------------------------------------------- */

static void init_refuses_bad_geometry(struct kunit *test)
{
	static const u32 bad[] = { 0, 3, 6, 100, 32767, 32769, 65536, 0x80000000u, U32_MAX };
	struct ring_fixture *f = test->priv;
	struct viola_ring_config cfg;
	struct viola_ring ring;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		cfg = f->cfg;
		cfg.num = bad[i];
		KUNIT_EXPECT_EQ_MSG(test, viola_ring_init(&ring, &cfg), -EINVAL, "num %u", bad[i]);
	}
	cfg = f->cfg;
	cfg.desc = (u8 *)f->desc + 8;
	KUNIT_EXPECT_EQ(test, viola_ring_init(&ring, &cfg), -EINVAL);
	cfg = f->cfg;
	cfg.driver = (u8 *)f->avail + 1;
	KUNIT_EXPECT_EQ(test, viola_ring_init(&ring, &cfg), -EINVAL);
	cfg = f->cfg;
	cfg.device = (u8 *)f->used + 2;
	KUNIT_EXPECT_EQ(test, viola_ring_init(&ring, &cfg), -EINVAL);
}

static void pop_empty(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, viola_ring_available(&f->ring), 0);
	KUNIT_EXPECT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 0);
	KUNIT_EXPECT_FALSE(test, viola_ring_broken(&f->ring));
}

static void pop_readable_then_writable(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	put_desc(&f->desc[3], RAM_GPA + 0x10, 12, VRING_DESC_F_NEXT, 5);
	put_desc(&f->desc[5], FAR_GPA, 20, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 0);
	put_desc(&f->desc[0], RAM_GPA + 0x100, 30, VRING_DESC_F_WRITE, 7);
	offer(f, 3);

	KUNIT_EXPECT_EQ(test, viola_ring_available(&f->ring), 1);
	KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
	KUNIT_EXPECT_EQ(test, f->chain.id, (u16)3);
	KUNIT_EXPECT_EQ(test, f->chain.nout, 1u);
	KUNIT_EXPECT_EQ(test, f->chain.nin, 2u);
	KUNIT_EXPECT_EQ(test, f->chain.out_len, 12u);
	KUNIT_EXPECT_EQ(test, f->chain.in_len, 50u);
	KUNIT_EXPECT_PTR_EQ(test, f->seg[0].base, (void *)(f->ext[0].base + 0x10));
	KUNIT_EXPECT_PTR_EQ(test, f->seg[1].base, (void *)f->ext[2].base);
	KUNIT_EXPECT_PTR_EQ(test, f->seg[2].base, (void *)(f->ext[0].base + 0x100));
	KUNIT_EXPECT_EQ(test, f->seg[2].len, (size_t)30);
	KUNIT_EXPECT_EQ(test, f->seg_gpa[2], RAM_GPA + 0x100);
	KUNIT_EXPECT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 0);
}

static void pop_splits_at_extent_border(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	put_desc(&f->desc[0], NEXT_GPA - 4, 10, 0, 0);
	offer(f, 0);
	KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
	KUNIT_EXPECT_EQ(test, f->chain.nout, 2u);
	KUNIT_EXPECT_EQ(test, f->chain.out_len, 10u);
	KUNIT_EXPECT_EQ(test, f->seg[0].len, (size_t)4);
	KUNIT_EXPECT_EQ(test, f->seg[1].len, (size_t)6);
	KUNIT_EXPECT_PTR_EQ(test, f->seg[1].base, (void *)f->ext[1].base);
	KUNIT_EXPECT_EQ(test, f->seg_gpa[1], NEXT_GPA);
}

static void pop_without_address_array(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	f->chain.seg_gpa = NULL;
	put_desc(&f->desc[0], NEXT_GPA - 4, 10, 0, 0);
	offer(f, 0);
	KUNIT_EXPECT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
}

/* 2.7.4.2 allows it; a driver that sends them must not stall the ring. */
static void pop_zero_length_descriptors(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	put_desc(&f->desc[0], HOLE_GPA, 0, VRING_DESC_F_NEXT, 1);
	put_desc(&f->desc[1], RAM_GPA, 5, VRING_DESC_F_NEXT, 2);
	put_desc(&f->desc[2], 0, 0, VRING_DESC_F_WRITE, 0);
	offer(f, 0);
	KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
	KUNIT_EXPECT_EQ(test, f->chain.nout, 1u);
	KUNIT_EXPECT_EQ(test, f->chain.nin, 0u);
	KUNIT_EXPECT_EQ(test, f->chain.out_len, 5u);
}

static void push_is_invisible_until_publish(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	put_desc(&f->desc[1], RAM_GPA, 8, VRING_DESC_F_WRITE, 0);
	put_desc(&f->desc[6], RAM_GPA + 64, 8, VRING_DESC_F_WRITE, 0);
	offer(f, 6);
	offer(f, 1);
	KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
	KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);

	/* Completed in the other order, as a device may. */
	viola_ring_push(&f->ring, 1, 8);
	viola_ring_push(&f->ring, 6, 3);
	KUNIT_EXPECT_EQ(test, used_idx(f), (u16)0);
	viola_ring_publish(&f->ring);
	KUNIT_EXPECT_EQ(test, used_idx(f), (u16)2);
	KUNIT_EXPECT_EQ(test, used_word(f, 0, 0), 1u);
	KUNIT_EXPECT_EQ(test, used_word(f, 0, 1), 8u);
	KUNIT_EXPECT_EQ(test, used_word(f, 1, 0), 6u);
	KUNIT_EXPECT_EQ(test, used_word(f, 1, 1), 3u);
}

static void unpop_gives_back_the_newest(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	put_desc(&f->desc[2], RAM_GPA, 8, 0, 0);
	put_desc(&f->desc[4], RAM_GPA, 9, 0, 0);
	offer(f, 2);
	offer(f, 4);
	KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
	KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
	KUNIT_EXPECT_EQ(test, f->chain.id, (u16)4);
	viola_ring_unpop(&f->ring, &f->chain);
	KUNIT_EXPECT_EQ(test, viola_ring_base(&f->ring), (u16)1);
	KUNIT_EXPECT_EQ(test, viola_ring_available(&f->ring), 1);
	KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
	KUNIT_EXPECT_EQ(test, f->chain.id, (u16)4);
	KUNIT_EXPECT_EQ(test, f->chain.out_len, 9u);
}

#define BUFS 4

/* Room for exactly BUFS. */
static struct viola_buf *bufs(struct kunit *test)
{
	struct viola_buf *buf = kunit_kcalloc(test, BUFS, sizeof(*buf), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	return buf;
}

static void bursts_of_either_kind(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	struct viola_buf *buf = bufs(test);

	put_desc(&f->desc[3], RAM_GPA, RAM_LEN, 0, 0);
	put_desc(&f->desc[1], FAR_GPA + 1, FAR_LEN - 1, 0, 0);
	put_desc(&f->desc[7], NEXT_GPA, 5, VRING_DESC_F_WRITE, 0);
	offer(f, 3);
	offer(f, 1);
	offer(f, 7);
	KUNIT_ASSERT_EQ(test, viola_ring_pop_burst(&f->ring, buf, BUFS, VIOLA_BURST_OUT), 2);
	KUNIT_EXPECT_EQ(test, buf[0].id, (u16)3);
	KUNIT_EXPECT_PTR_EQ(test, buf[0].base, f->ext[0].base);
	KUNIT_EXPECT_EQ(test, buf[0].len, (u32)RAM_LEN);
	KUNIT_EXPECT_EQ(test, buf[1].id, (u16)1);
	KUNIT_EXPECT_PTR_EQ(test, buf[1].base, f->ext[2].base + 1);
	KUNIT_EXPECT_EQ(test, buf[1].len, (u32)FAR_LEN - 1);
	KUNIT_EXPECT_EQ(test, viola_ring_pop_burst(&f->ring, buf + 2, 1, VIOLA_BURST_OUT),
			-EAGAIN);
	KUNIT_ASSERT_EQ(test, viola_ring_pop_burst(&f->ring, buf + 2, 1, VIOLA_BURST_IN), 1);
	viola_ring_unpop_burst(&f->ring, buf + 2, 1);
	viola_ring_push_burst(&f->ring, buf, 2, VIOLA_BURST_OUT);
	KUNIT_EXPECT_EQ(test, used_idx(f), (u16)0);
	viola_ring_publish(&f->ring);
	KUNIT_EXPECT_EQ(test, used_idx(f), (u16)2);
	KUNIT_EXPECT_EQ(test, used_word(f, 0, 0), 3u);
	KUNIT_EXPECT_EQ(test, used_word(f, 0, 1), 0u);
	KUNIT_EXPECT_EQ(test, used_word(f, 1, 0), 1u);
	KUNIT_ASSERT_EQ(test, viola_ring_pop_burst(&f->ring, buf, BUFS, VIOLA_BURST_IN), 1);
	buf[0].len = 4;
	viola_ring_push_burst(&f->ring, buf, 1, VIOLA_BURST_IN);
	viola_ring_publish(&f->ring);
	KUNIT_EXPECT_EQ(test, used_word(f, 2, 0), 7u);
	KUNIT_EXPECT_EQ(test, used_word(f, 2, 1), 4u);
	KUNIT_EXPECT_EQ(test, viola_ring_pop_burst(&f->ring, buf, BUFS, VIOLA_BURST_IN), 0);
}

static void bursts_end_before_what_is_wrong(struct kunit *test)
{
	static const enum viola_ring_error why[] = {
		VIOLA_RING_ADDRESS, VIOLA_RING_HEAD_RANGE, VIOLA_RING_HEAD_IN_FLIGHT,
	};
	struct ring_fixture *f = test->priv;
	struct viola_buf *buf = bufs(test);
	u32 i;

	for (i = 0; i < ARRAY_SIZE(why); i++) {
		ring_setup(test, f, NUM, false, true);
		put_desc(&f->desc[0], RAM_GPA, 8, 0, 0);
		put_desc(&f->desc[1], HOLE_GPA, 8, 0, 0);
		offer(f, 0);
		offer(f, i == 0 ? 1 : i == 1 ? NUM : 0);
		KUNIT_EXPECT_EQ(test, viola_ring_pop_burst(&f->ring, buf, BUFS, VIOLA_BURST_OUT),
				1);
		KUNIT_EXPECT_EQ(test, viola_ring_pop_burst(&f->ring, buf, BUFS, VIOLA_BURST_OUT),
				-EAGAIN);
		expect_broken(test, f, why[i]);
		KUNIT_EXPECT_EQ(test, viola_ring_pop_burst(&f->ring, buf, BUFS, VIOLA_BURST_OUT),
				-EPROTO);
	}
}

static void indices_wrap_at_65536(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	u32 i;

	put_desc(&f->desc[0], RAM_GPA, 8, 0, 0);
	put_desc(&f->desc[1], RAM_GPA, 8, 0, 0);
	for (i = 0; i < 140000; i++) {
		offer(f, i & 1);
		KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
		KUNIT_ASSERT_EQ(test, f->chain.id, (u16)(i & 1));
		viola_ring_push(&f->ring, f->chain.id, 0);
		viola_ring_publish(&f->ring);
		KUNIT_ASSERT_EQ(test, used_idx(f), (u16)(i + 1));
	}
	KUNIT_EXPECT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 0);
}

static void ring_of_one_entry(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	u32 i;

	ring_setup(test, f, 1, true, true);
	put_desc(&f->desc[0], RAM_GPA, 8, 0, 0);
	for (i = 0; i < 3; i++) {
		offer(f, 0);
		KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
		viola_ring_push(&f->ring, 0, 0);
		viola_ring_publish(&f->ring);
	}
	KUNIT_EXPECT_EQ(test, used_idx(f), (u16)3);
}

/* The largest ring, every entry in flight, completed backwards. */
static void ring_of_max_size_all_in_flight(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	u32 i;

	ring_setup(test, f, VIOLA_RING_MAX_SIZE, false, false);
	for (i = 0; i < VIOLA_RING_MAX_SIZE; i++) {
		put_desc(&f->desc[i], RAM_GPA + i % RAM_LEN, 1, 0, 0);
		offer(f, (u16)i);
	}
	for (i = 0; i < VIOLA_RING_MAX_SIZE; i++)
		KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
	KUNIT_EXPECT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 0);
	while (i--)
		viola_ring_push(&f->ring, (u16)i, 0);
	viola_ring_publish(&f->ring);
	KUNIT_EXPECT_EQ(test, used_idx(f), (u16)VIOLA_RING_MAX_SIZE);
	KUNIT_EXPECT_EQ(test, used_word(f, 0, 0), VIOLA_RING_MAX_SIZE - 1);
}

static void base_moves_to_another_ring(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	f->avail_idx = 65535;
	f->avail[1] = cpu_to_le16(65535);
	f->used[1] = cpu_to_le16(65534); /* one was in flight when it was saved */
	viola_ring_set_base(&f->ring, 65535);
	KUNIT_EXPECT_EQ(test, viola_ring_base(&f->ring), (u16)65535);
	KUNIT_EXPECT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 0);

	put_desc(&f->desc[2], RAM_GPA, 8, 0, 0);
	offer(f, 2);
	KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
	KUNIT_EXPECT_EQ(test, viola_ring_base(&f->ring), (u16)0);
	viola_ring_push(&f->ring, 2, 0);
	viola_ring_publish(&f->ring);
	KUNIT_EXPECT_EQ(test, used_idx(f), (u16)65535);
	KUNIT_EXPECT_EQ(test, used_word(f, 65534, 0), 2u);
}

/* --- notification ------------------------------------------------------- */

static void kick_by_flags(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	viola_ring_disable_kick(&f->ring);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(f->used[0]), (u16)VRING_USED_F_NO_NOTIFY);
	KUNIT_EXPECT_EQ(test, viola_ring_enable_kick(&f->ring), 0);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(f->used[0]), (u16)0);

	/* What became available while kicks were off is seen, not slept on. */
	viola_ring_disable_kick(&f->ring);
	put_desc(&f->desc[0], RAM_GPA, 8, 0, 0);
	offer(f, 0);
	KUNIT_EXPECT_EQ(test, viola_ring_enable_kick(&f->ring), 1);
	KUNIT_EXPECT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
}

static void kick_by_event_index(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	ring_setup(test, f, NUM, true, false);
	put_desc(&f->desc[0], RAM_GPA, 8, 0, 0);
	put_desc(&f->desc[1], RAM_GPA, 8, 0, 0);
	offer(f, 0);
	KUNIT_EXPECT_EQ(test, viola_ring_enable_kick(&f->ring), 1);
	KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
	KUNIT_EXPECT_EQ(test, viola_ring_enable_kick(&f->ring), 0);
	KUNIT_EXPECT_EQ(test, avail_event(f), (u16)1);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(f->used[0]), (u16)0);
	viola_ring_disable_kick(&f->ring);
	offer(f, 1);
	KUNIT_EXPECT_EQ(test, viola_ring_enable_kick(&f->ring), 1);
}

/* Serves @n buffers and says whether they are worth an interrupt. */
static bool serve(struct kunit *test, struct ring_fixture *f, u32 n)
{
	put_desc(&f->desc[0], RAM_GPA, 8, 0, 0);
	while (n--) {
		offer(f, 0);
		KUNIT_EXPECT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
		viola_ring_push(&f->ring, 0, 0);
		viola_ring_publish(&f->ring);
	}
	return viola_ring_needs_call(&f->ring);
}

static void call_by_flags(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	KUNIT_EXPECT_TRUE(test, serve(test, f, 1));
	f->avail[0] = cpu_to_le16(VRING_AVAIL_F_NO_INTERRUPT);
	KUNIT_EXPECT_FALSE(test, serve(test, f, 1));
	f->avail[0] = 0;
	KUNIT_EXPECT_TRUE(test, serve(test, f, 1));
}

static void call_by_event_index(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	ring_setup(test, f, NUM, true, false);
	/* The first after a start always: what was signalled is not known. */
	*used_event(f) = cpu_to_le16(1000);
	KUNIT_EXPECT_TRUE(test, serve(test, f, 1));

	*used_event(f) = cpu_to_le16(1); /* the next one */
	KUNIT_EXPECT_TRUE(test, serve(test, f, 1));
	KUNIT_EXPECT_FALSE(test, serve(test, f, 1));
	KUNIT_EXPECT_FALSE(test, serve(test, f, 1));

	*used_event(f) = cpu_to_le16(6); /* the third from here */
	KUNIT_EXPECT_FALSE(test, serve(test, f, 2));
	KUNIT_EXPECT_TRUE(test, serve(test, f, 1));

	*used_event(f) = cpu_to_le16(9); /* within a batch */
	KUNIT_EXPECT_TRUE(test, serve(test, f, 5));
	KUNIT_EXPECT_FALSE(test, viola_ring_needs_call(&f->ring));
}

static void call_by_event_index_across_wrap(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	ring_setup(test, f, NUM, true, false);
	*used_event(f) = cpu_to_le16(65535);
	serve(test, f, 1);
	serve(test, f, 65533); /* used index 65534 */
	KUNIT_EXPECT_EQ(test, used_idx(f), (u16)65534);
	KUNIT_EXPECT_FALSE(test, serve(test, f, 1));
	KUNIT_EXPECT_TRUE(test, serve(test, f, 1)); /* entry 65535 */
	KUNIT_EXPECT_EQ(test, used_idx(f), (u16)0);
	*used_event(f) = cpu_to_le16(1);
	KUNIT_EXPECT_TRUE(test, serve(test, f, 4));
}

/* --- indirect tables ---------------------------------------------------- */

static void indirect_table_is_walked(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	struct vring_desc *table = table_at(f, RAM_GPA);

	put_desc(&table[0], RAM_GPA + 0x200, 10, VRING_DESC_F_NEXT, 2);
	put_desc(&table[2], FAR_GPA, 20, VRING_DESC_F_WRITE, 99);
	put_desc(&f->desc[7], RAM_GPA, 3 * 16, VRING_DESC_F_INDIRECT, 0);
	offer(f, 7);
	KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
	KUNIT_EXPECT_EQ(test, f->chain.id, (u16)7);
	KUNIT_EXPECT_EQ(test, f->chain.nout, 1u);
	KUNIT_EXPECT_EQ(test, f->chain.nin, 1u);
	KUNIT_EXPECT_EQ(test, f->chain.out_len, 10u);
	KUNIT_EXPECT_EQ(test, f->chain.in_len, 20u);
}

/* Two descriptors in one extent, the third half in each: read piecewise. */
static void indirect_table_across_extents(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	u64 gpa = NEXT_GPA - 40;
	struct vring_desc d[4];
	u32 hint = 0;

	put_desc(&d[0], RAM_GPA, 1, VRING_DESC_F_NEXT, 1);
	put_desc(&d[1], RAM_GPA + 1, 2, VRING_DESC_F_NEXT, 2);
	put_desc(&d[2], RAM_GPA + 3, 3, VRING_DESC_F_NEXT, 3);
	put_desc(&d[3], RAM_GPA + 6, 4, VRING_DESC_F_WRITE, 0);
	KUNIT_ASSERT_EQ(test, viola_mem_write(&f->mem, &hint, gpa, d, sizeof(d)), 0);
	put_desc(&f->desc[0], gpa, sizeof(d), VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
	KUNIT_EXPECT_EQ(test, f->chain.out_len, 6u);
	KUNIT_EXPECT_EQ(test, f->chain.in_len, 4u);
	KUNIT_EXPECT_EQ(test, f->chain.nout, 3u);
}

static void indirect_table_unaligned(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	struct vring_desc d[2];
	u32 hint = 0;

	put_desc(&d[0], RAM_GPA, 1, VRING_DESC_F_NEXT, 1);
	put_desc(&d[1], RAM_GPA + 1, 2, 0, 0);
	KUNIT_ASSERT_EQ(test, viola_mem_write(&f->mem, &hint, RAM_GPA + 0x101, d, sizeof(d)), 0);
	put_desc(&f->desc[0], RAM_GPA + 0x101, sizeof(d), VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
	KUNIT_EXPECT_EQ(test, f->chain.out_len, 3u);
}

/* --- what a driver must not do ------------------------------------------ */

static void avail_index_too_far_ahead(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	f->avail[1] = cpu_to_le16(NUM + 1);
	expect_broken(test, f, VIOLA_RING_AVAIL_INDEX);
}

static void avail_index_goes_back(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	f->avail[1] = cpu_to_le16(65535);
	expect_broken(test, f, VIOLA_RING_AVAIL_INDEX);
}

/* Enabling kicks looks at the index too, and must check it just the same. */
static void avail_index_bad_at_enable_kick(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	f->avail[1] = cpu_to_le16(NUM + 1);
	KUNIT_EXPECT_EQ(test, viola_ring_enable_kick(&f->ring), -EPROTO);
	expect_broken(test, f, VIOLA_RING_AVAIL_INDEX);
}

static void head_out_of_range(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	offer(f, NUM);
	expect_broken(test, f, VIOLA_RING_HEAD_RANGE);
}

static void head_offered_twice(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	put_desc(&f->desc[2], RAM_GPA, 8, 0, 0);
	offer(f, 2);
	offer(f, 2);
	KUNIT_ASSERT_EQ(test, viola_ring_pop(&f->ring, &f->chain), 1);
	expect_broken(test, f, VIOLA_RING_HEAD_IN_FLIGHT);
}

static void next_out_of_range(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	put_desc(&f->desc[0], RAM_GPA, 8, VRING_DESC_F_NEXT, NUM);
	offer(f, 0);
	expect_broken(test, f, VIOLA_RING_NEXT_RANGE);
}

static void chain_that_loops(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	put_desc(&f->desc[0], RAM_GPA, 1, VRING_DESC_F_NEXT, 1);
	put_desc(&f->desc[1], RAM_GPA, 1, VRING_DESC_F_NEXT, 0);
	offer(f, 0);
	expect_broken(test, f, VIOLA_RING_CHAIN_LOOP);
}

/* A loop of empty descriptors never fills the caller's array. */
static void chain_of_nothing_that_loops(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	put_desc(&f->desc[4], RAM_GPA, 0, VRING_DESC_F_NEXT, 4);
	offer(f, 4);
	expect_broken(test, f, VIOLA_RING_CHAIN_LOOP);
}

static void readable_after_writable(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	put_desc(&f->desc[0], RAM_GPA, 8, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	put_desc(&f->desc[1], RAM_GPA, 8, 0, 0);
	offer(f, 0);
	expect_broken(test, f, VIOLA_RING_ORDER);
}

static void address_outside_of_memory(struct kunit *test)
{
	static const struct {
		u64 addr;
		u32 len;
	} bad[] = {
		{ HOLE_GPA, 1 },
		{ RAM_GPA - 1, 1 },
		{ RAM_GPA - 1, 8 },
		{ NEXT_GPA + NEXT_LEN - 1, 2 },
		{ FAR_GPA, FAR_LEN + 1 },
		{ FAR_GPA, U32_MAX },
		{ U64_MAX, 1 },
		{ U64_MAX - 3, U32_MAX },
	};
	struct ring_fixture *f = test->priv;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ring_setup(test, f, NUM, false, true);
		put_desc(&f->desc[0], bad[i].addr, bad[i].len, VRING_DESC_F_WRITE, 0);
		offer(f, 0);
		expect_broken(test, f, VIOLA_RING_ADDRESS);
	}
}

/* The caller's array is full: KASAN watches the piece behind it. */
static void more_pieces_than_the_caller_takes(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	u16 i;

	f->chain.seg = kunit_kzalloc(test, 2 * sizeof(struct viola_seg), GFP_KERNEL);
	f->chain.seg_gpa = kunit_kzalloc(test, 2 * sizeof(u64), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f->chain.seg);
	KUNIT_ASSERT_NOT_NULL(test, f->chain.seg_gpa);
	f->chain.seg_max = 2;
	for (i = 0; i < 3; i++)
		put_desc(&f->desc[i], RAM_GPA, 1, i < 2 ? VRING_DESC_F_NEXT : 0, i + 1);
	offer(f, 0);
	KUNIT_EXPECT_EQ(test, viola_ring_pop(&f->ring, &f->chain), -ENOBUFS);
	KUNIT_EXPECT_FALSE(test, viola_ring_broken(&f->ring));
	KUNIT_ASSERT_EQ(test, viola_ring_skip(&f->ring, &f->chain), 1);
	viola_ring_push(&f->ring, f->chain.id, 0);
	viola_ring_publish(&f->ring);
	KUNIT_EXPECT_EQ(test, used_idx(f), (u16)1);
	KUNIT_EXPECT_EQ(test, used_word(f, 0, 1), 0u);
}

/* Lengths whose sum does not fit must not come out as a small one. */
static void total_length_wraps(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	struct viola_mem huge;
	struct viola_extent ext;
	u16 i;

	/* Never touched: only pop's arithmetic sees it. */
	ext = (struct viola_extent){ .gpa = 0, .size = 1ULL << 33, .base = f->ext[0].base };
	huge = (struct viola_mem){ .ext = &ext, .nr = 1 };
	f->cfg.mem = &huge;
	KUNIT_ASSERT_EQ(test, viola_ring_init(&f->ring, &f->cfg), 0);
	for (i = 0; i < 3; i++)
		put_desc(&f->desc[i], 0, 0x80000000u, i < 2 ? VRING_DESC_F_NEXT : 0, i + 1);
	offer(f, 0);
	expect_broken(test, f, VIOLA_RING_TOO_LONG);
}

static void indirect_not_negotiated(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	ring_setup(test, f, NUM, false, false);
	put_desc(&f->desc[0], RAM_GPA, 16, VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(test, f, VIOLA_RING_INDIRECT_OFF);
}

static void indirect_with_next(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	put_desc(&f->desc[0], RAM_GPA, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	offer(f, 0);
	expect_broken(test, f, VIOLA_RING_INDIRECT_NEXT);
}

static void indirect_table_of_bad_length(struct kunit *test)
{
	static const u32 bad[] = { 0, 1, 15, 17, 16 * (VIOLA_RING_MAX_SIZE + 1), U32_MAX,
				   0xfffffff0u };
	struct ring_fixture *f = test->priv;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ring_setup(test, f, NUM, false, true);
		put_desc(&f->desc[0], RAM_GPA, bad[i], VRING_DESC_F_INDIRECT, 0);
		offer(f, 0);
		expect_broken(test, f, VIOLA_RING_INDIRECT_SIZE);
	}
}

static void indirect_table_outside_of_memory(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	struct vring_desc *last = table_at(f, FAR_GPA + FAR_LEN - 16);

	put_desc(&f->desc[0], HOLE_GPA, 16, VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(test, f, VIOLA_RING_ADDRESS);

	/* It starts in memory, and its second descriptor is behind the end. */
	ring_setup(test, f, NUM, false, true);
	put_desc(last, RAM_GPA, 1, VRING_DESC_F_NEXT, 1);
	put_desc(&f->desc[0], FAR_GPA + FAR_LEN - 16, 32, VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(test, f, VIOLA_RING_ADDRESS);

	ring_setup(test, f, NUM, false, true);
	put_desc(&f->desc[0], U64_MAX - 15, 16, VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(test, f, VIOLA_RING_ADDRESS);
}

static void indirect_table_in_a_table(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	put_desc(table_at(f, RAM_GPA), RAM_GPA + 64, 16, VRING_DESC_F_INDIRECT, 0);
	put_desc(&f->desc[0], RAM_GPA, 16, VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(test, f, VIOLA_RING_INDIRECT_NESTED);
}

static void indirect_next_out_of_range(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	/* Within the ring, but not within the table. */
	put_desc(table_at(f, RAM_GPA), RAM_GPA + 64, 4, VRING_DESC_F_NEXT, 2);
	put_desc(&f->desc[0], RAM_GPA, 32, VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(test, f, VIOLA_RING_NEXT_RANGE);
}

static void indirect_table_that_loops(struct kunit *test)
{
	struct ring_fixture *f = test->priv;

	put_desc(table_at(f, RAM_GPA), RAM_GPA + 64, 0, VRING_DESC_F_NEXT, 0);
	put_desc(&f->desc[0], RAM_GPA, 48, VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(test, f, VIOLA_RING_CHAIN_LOOP);
}

static void error_names_are_complete(struct kunit *test)
{
	u32 i;

	for (i = 0; i < VIOLA_RING_ERRORS; i++) {
		KUNIT_ASSERT_NOT_NULL(test, viola_ring_error_name((enum viola_ring_error)i));
		KUNIT_EXPECT_STRNEQ(test, viola_ring_error_name((enum viola_ring_error)i),
				    "unknown");
	}
	KUNIT_EXPECT_STREQ(test, viola_ring_error_name(VIOLA_RING_ERRORS), "unknown");
}

/* --- a driver of noise -------------------------------------------------- */

static u64 noise_addr(struct rnd_state *rnd)
{
	static const u64 near[] = { RAM_GPA, NEXT_GPA, NEXT_GPA + NEXT_LEN, FAR_GPA,
				    FAR_GPA + FAR_LEN, 0, HOLE_GPA };
	u32 r = prandom_u32_state(rnd);

	if (r % 16 == 0)
		return (u64)prandom_u32_state(rnd) << 32 | r;
	return near[r / 16 % ARRAY_SIZE(near)] + (u64)(s64)(s8)(r >> 24);
}

static u32 noise_len(struct rnd_state *rnd)
{
	u32 r = prandom_u32_state(rnd);

	switch (r % 8) {
	case 0:
		return r;
	case 1:
		return 0;
	case 2:
	case 3:
		return 16 * (r >> 8 & 7);
	default:
		return r >> 8 & 63;
	}
}

/*
 * Descriptors, heads and indices of noise shaped to reach deep: whatever pop
 * accepts must lie in guest memory, and KASAN watches the rest. Seeds are
 * fixed, so a failure repeats.
 */
static void noise_stays_inside(struct kunit *test)
{
	struct ring_fixture *f = test->priv;
	u32 round, accepted = 0, refused = 0;
	struct rnd_state rnd;

	for (round = 0; round < 20000; round++) {
		u8 scratch[8];
		u32 i, n;

		prandom_seed_state(&rnd, round);
		memset(f->cfg.in_flight, 0, NUM * sizeof(bool));
		f->cfg.event_idx = round & 1;
		f->cfg.indirect = round & 2;
		KUNIT_ASSERT_EQ(test, viola_ring_init(&f->ring, &f->cfg), 0);
		f->chain.seg_max = 1 + prandom_u32_state(&rnd) % SEG_MAX;
		for (i = 0; i < NUM; i++) {
			u32 r = prandom_u32_state(&rnd);

			put_desc(&f->desc[i], noise_addr(&rnd), noise_len(&rnd),
				 r % 3 ? r >> 8 & 3 : r >> 8 & 7, r >> 16 & (r & 64 ? 15 : 7));
			f->avail[2 + i] = cpu_to_le16(r >> 24 & (r & 128 ? 15 : 7));
			/* The same as an indirect table, in the way of noise_addr(). */
			memcpy(f->ext[0].base + 16 * i, &f->desc[i], 16);
			memcpy(f->ext[2].base + 16 * i, &f->desc[i], 16);
		}
		f->avail[1] = cpu_to_le16(prandom_u32_state(&rnd) % (NUM + 2));

		for (n = 0; n <= NUM; n++) {
			int got = viola_ring_pop(&f->ring, &f->chain);
			size_t total;

			/* Not a fault: the room is of this test's choosing. */
			if (got == -ENOBUFS) {
				KUNIT_ASSERT_EQ(test, viola_ring_skip(&f->ring, &f->chain), 1);
				viola_ring_push(&f->ring, f->chain.id, 0);
				continue;
			}
			if (got < 0)
				refused++;
			if (got <= 0)
				break;
			accepted++;
			KUNIT_ASSERT_LE(test, f->chain.nout + f->chain.nin, f->chain.seg_max);
			total = viola_segs_len(f->seg, f->chain.nout + f->chain.nin);
			KUNIT_ASSERT_EQ(test, total,
					(size_t)f->chain.out_len + f->chain.in_len);
			for (i = 0; i < f->chain.nout + f->chain.nin; i++) {
				u8 *base = f->seg[i].base;

				/* KASAN judges both ends of each piece. */
				scratch[0] = READ_ONCE(base[0]);
				scratch[1] = READ_ONCE(base[f->seg[i].len - 1]);
				(void)scratch;
			}
			viola_ring_push(&f->ring, f->chain.id, f->chain.in_len);
		}
		KUNIT_ASSERT_LE(test, n, (u32)NUM);
		viola_ring_publish(&f->ring);
		viola_ring_needs_call(&f->ring);
	}
	/* The noise is worth something only if it does both, often. */
	KUNIT_EXPECT_GT(test, accepted, 1000u);
	KUNIT_EXPECT_GT(test, refused, 1000u);
	kunit_info(test, "%u chains accepted, %u rings refused\n", accepted, refused);
}

static struct kunit_case ring_cases[] = {
	KUNIT_CASE(init_refuses_bad_geometry),
	KUNIT_CASE(pop_empty),
	KUNIT_CASE(pop_readable_then_writable),
	KUNIT_CASE(pop_splits_at_extent_border),
	KUNIT_CASE(pop_without_address_array),
	KUNIT_CASE(pop_zero_length_descriptors),
	KUNIT_CASE(push_is_invisible_until_publish),
	KUNIT_CASE(unpop_gives_back_the_newest),
	KUNIT_CASE(bursts_of_either_kind),
	KUNIT_CASE(bursts_end_before_what_is_wrong),
	KUNIT_CASE(indices_wrap_at_65536),
	KUNIT_CASE(ring_of_one_entry),
	KUNIT_CASE(ring_of_max_size_all_in_flight),
	KUNIT_CASE(base_moves_to_another_ring),
	KUNIT_CASE(kick_by_flags),
	KUNIT_CASE(kick_by_event_index),
	KUNIT_CASE(call_by_flags),
	KUNIT_CASE(call_by_event_index),
	KUNIT_CASE(call_by_event_index_across_wrap),
	KUNIT_CASE(indirect_table_is_walked),
	KUNIT_CASE(indirect_table_across_extents),
	KUNIT_CASE(indirect_table_unaligned),
	KUNIT_CASE(avail_index_too_far_ahead),
	KUNIT_CASE(avail_index_goes_back),
	KUNIT_CASE(avail_index_bad_at_enable_kick),
	KUNIT_CASE(head_out_of_range),
	KUNIT_CASE(head_offered_twice),
	KUNIT_CASE(next_out_of_range),
	KUNIT_CASE(chain_that_loops),
	KUNIT_CASE(chain_of_nothing_that_loops),
	KUNIT_CASE(readable_after_writable),
	KUNIT_CASE(address_outside_of_memory),
	KUNIT_CASE(more_pieces_than_the_caller_takes),
	KUNIT_CASE(total_length_wraps),
	KUNIT_CASE(indirect_not_negotiated),
	KUNIT_CASE(indirect_with_next),
	KUNIT_CASE(indirect_table_of_bad_length),
	KUNIT_CASE(indirect_table_outside_of_memory),
	KUNIT_CASE(indirect_table_in_a_table),
	KUNIT_CASE(indirect_next_out_of_range),
	KUNIT_CASE(indirect_table_that_loops),
	KUNIT_CASE(error_names_are_complete),
	KUNIT_CASE(noise_stays_inside),
	{}
};

static struct kunit_suite ring_suite = {
	.name = "viola_ring",
	.init = ring_suite_init,
	.test_cases = ring_cases,
};

kunit_test_suite(ring_suite);
