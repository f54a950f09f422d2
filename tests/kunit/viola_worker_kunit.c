// SPDX-License-Identifier: GPL-2.0
/*
 * The threads that serve queues (module/worker.c): their numbers, and that no
 * work is lost or done by the wrong one while queues change workers.
 */
/* The suite of the queues' configuration has a stand-in of this name. */
#define viola_queue_wake worker_queue_wake
#include "../../module/worker.c"

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>

#define QUEUES 2

struct served_queue {
	struct viola_queue q;
	unsigned long asked; /* by the waker, before it wakes */
	unsigned long done; /* asked, as last seen by a service */
	unsigned long services;
	int inside; /* services at this moment */
	struct task_struct *by; /* of the last service */
	struct completion *hold; /* a service waits for it, or NULL */
};

struct worker_fixture {
	struct viola_device dev;
	struct viola_device_type type;
	struct served_queue queue[QUEUES];
	struct viola_queue *queues[QUEUES];
};

static bool queue_serve(struct viola_queue *q)
{
	struct served_queue *s = container_of(q, struct served_queue, q);

	WARN_ON(s->inside++);
	s->by = current;
	if (s->hold)
		wait_for_completion(s->hold);
	s->done = READ_ONCE(s->asked);
	s->services++;
	/* Lets the others in, with the lock held. */
	if (!(s->services % 3))
		schedule_timeout_uninterruptible(1);
	s->inside--;
	return false;
}

static const struct viola_queue_ops worker_ops = { .serve = queue_serve };

static int worker_suite_init(struct kunit *test)
{
	struct worker_fixture *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	int err;
	u32 i;

	if (!f)
		return -ENOMEM;
	test->priv = f;
	f->type.nr_queues = QUEUES;
	f->dev.type = &f->type;
	f->dev.queues = f->queues;
	f->dev.pid = 7;
	mutex_init(&f->dev.lock);
	INIT_LIST_HEAD(&f->dev.workers);
	for (i = 0; i < QUEUES; i++) {
		struct viola_queue *q = &f->queue[i].q;

		f->queues[i] = q;
		q->dev = &f->dev;
		q->index = i;
		q->ops = &worker_ops;
		q->running = true;
		mutex_init(&q->lock);
		atomic_set(&q->waiters, 0);
	}
	mutex_lock(&f->dev.lock);
	err = viola_workers_start(&f->dev);
	mutex_unlock(&f->dev.lock);
	return err;
}

static void worker_suite_exit(struct kunit *test)
{
	struct worker_fixture *f = test->priv;

	if (!f)
		return;
	mutex_lock(&f->dev.lock);
	viola_workers_stop(&f->dev);
	mutex_unlock(&f->dev.lock);
	WARN_ON(f->dev.nr_workers || !list_empty(&f->dev.workers));
}

static void ask(struct served_queue *s)
{
	WRITE_ONCE(s->asked, s->asked + 1);
	viola_queue_wake(&s->q);
}

/* Whether all that was asked for is done, soon. */
static bool all_done(struct served_queue *s)
{
	u32 i;

	for (i = 0; i < 500; i++) {
		if (READ_ONCE(s->done) == s->asked)
			return true;
		schedule_timeout_uninterruptible(1);
	}
	return false;
}

static void workers_have_the_lowest_free_numbers(struct kunit *test)
{
	struct worker_fixture *f = test->priv;
	struct viola_worker *w[VIOLA_MAX_WORKERS];
	u32 i;

	mutex_lock(&f->dev.lock);
	w[0] = viola_worker_find(&f->dev, 0);
	KUNIT_ASSERT_NOT_NULL(test, w[0]);
	KUNIT_EXPECT_EQ(test, w[0]->attached, (u32)QUEUES);
	for (i = 1; i < VIOLA_MAX_WORKERS; i++) {
		w[i] = viola_worker_create(&f->dev);
		KUNIT_ASSERT_FALSE(test, IS_ERR(w[i]));
		KUNIT_EXPECT_EQ(test, w[i]->id, i);
	}
	KUNIT_EXPECT_EQ(test, PTR_ERR(viola_worker_create(&f->dev)), (long)-EAGAIN);
	viola_worker_destroy(w[5]);
	viola_worker_destroy(w[3]);
	KUNIT_EXPECT_NULL(test, viola_worker_find(&f->dev, 3));
	KUNIT_EXPECT_PTR_EQ(test, viola_worker_find(&f->dev, 4), w[4]);
	KUNIT_EXPECT_EQ(test, viola_worker_create(&f->dev)->id, 3u);
	KUNIT_EXPECT_EQ(test, viola_worker_create(&f->dev)->id, 5u);
	mutex_unlock(&f->dev.lock);
}

static void queues_are_served_where_they_are_attached(struct kunit *test)
{
	struct worker_fixture *f = test->priv;
	struct viola_worker *first, *second;
	u32 i;

	mutex_lock(&f->dev.lock);
	first = viola_worker_create(&f->dev);
	second = viola_worker_create(&f->dev);
	viola_worker_attach(first, f->queues[0]);
	viola_worker_attach(second, f->queues[1]);
	mutex_unlock(&f->dev.lock);
	for (i = 0; i < 20; i++) {
		ask(&f->queue[0]);
		ask(&f->queue[1]);
		KUNIT_EXPECT_TRUE(test, all_done(&f->queue[0]) && all_done(&f->queue[1]));
		KUNIT_EXPECT_PTR_EQ(test, f->queue[0].by, first->thread[0].task);
		KUNIT_EXPECT_PTR_EQ(test, f->queue[1].by, second->thread[0].task);
	}
	mutex_lock(&f->dev.lock);
	KUNIT_EXPECT_EQ(test, first->attached, 1u);
	KUNIT_EXPECT_EQ(test, viola_worker_find(&f->dev, 0)->attached, 0u);
	viola_worker_attach(first, f->queues[1]);
	KUNIT_EXPECT_EQ(test, first->attached, 2u);
	KUNIT_EXPECT_EQ(test, second->attached, 0u);
	viola_worker_destroy(second);
	mutex_unlock(&f->dev.lock);
	ask(&f->queue[1]);
	KUNIT_EXPECT_TRUE(test, all_done(&f->queue[1]));
	KUNIT_EXPECT_PTR_EQ(test, f->queue[1].by, first->thread[0].task);
}

/* What waits behind a service that takes long is not left with the old worker. */
static void waiting_work_moves_along(struct kunit *test)
{
	struct worker_fixture *f = test->priv;
	struct viola_worker *first, *second;
	DECLARE_COMPLETION_ONSTACK(hold);

	mutex_lock(&f->dev.lock);
	first = viola_worker_create(&f->dev);
	second = viola_worker_create(&f->dev);
	viola_worker_attach(first, f->queues[0]);
	viola_worker_attach(first, f->queues[1]);
	mutex_unlock(&f->dev.lock);
	f->queue[0].hold = &hold;
	ask(&f->queue[0]);
	while (!READ_ONCE(f->queue[0].inside))
		schedule_timeout_uninterruptible(1);
	ask(&f->queue[1]);
	msleep(50);
	KUNIT_EXPECT_EQ(test, f->queue[1].services, 0ul);
	mutex_lock(&f->dev.lock);
	viola_worker_attach(second, f->queues[1]);
	mutex_unlock(&f->dev.lock);
	KUNIT_EXPECT_TRUE(test, all_done(&f->queue[1]));
	KUNIT_EXPECT_PTR_EQ(test, f->queue[1].by, second->thread[0].task);
	KUNIT_EXPECT_EQ(test, f->queue[1].services, 1ul);
	complete(&hold);
	KUNIT_EXPECT_TRUE(test, all_done(&f->queue[0]));
	f->queue[0].hold = NULL;
}

struct waker {
	struct worker_fixture *f;
	bool stop;
	struct completion stopped;
};

static int waker_run(void *data)
{
	struct waker *w = data;
	u32 i;

	for (i = 0; !READ_ONCE(w->stop); i++) {
		ask(&w->f->queue[i % QUEUES]);
		if (i % 5)
			cond_resched();
		else
			schedule_timeout_uninterruptible(1);
	}
	complete(&w->stopped);
	return 0;
}

static void no_work_is_lost_while_queues_move(struct kunit *test)
{
	struct worker_fixture *f = test->priv;
	struct waker w = { .f = f };
	struct viola_worker *at[3];
	u32 i;

	init_completion(&w.stopped);
	mutex_lock(&f->dev.lock);
	at[0] = viola_worker_find(&f->dev, 0);
	at[1] = viola_worker_create(&f->dev);
	at[2] = viola_worker_create(&f->dev);
	mutex_unlock(&f->dev.lock);
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread_run(waker_run, &w, "viola-waker")));
	for (i = 0; i < 108; i++) {
		mutex_lock(&f->dev.lock);
		viola_worker_attach(at[i % 3], f->queues[0]);
		viola_worker_attach(at[i / 3 % 3], f->queues[1]);
		if (i % 9 == 8) {
			/* Both are at 2. */
			viola_worker_destroy(at[1]);
			at[1] = viola_worker_create(&f->dev);
			KUNIT_EXPECT_EQ(test, at[1]->id, 1u);
		}
		mutex_unlock(&f->dev.lock);
		schedule_timeout_uninterruptible(1);
	}
	WRITE_ONCE(w.stop, true);
	wait_for_completion(&w.stopped);
	for (i = 0; i < QUEUES; i++) {
		KUNIT_EXPECT_TRUE(test, all_done(&f->queue[i]));
		KUNIT_EXPECT_GT(test, f->queue[i].services, 10ul);
	}
}

/* A stream of single packets, and what ends it. */
static void streams_of_single_packets_are_told(struct kunit *test)
{
	struct worker_fixture *f = test->priv;
	struct viola_queue *q = f->queues[0];
	static const struct {
		u64 packets;
		bool displaces, gathered, other, late;
		bool stream; /* still */
	} after[] = {
		{ 1, true, false, false, false, true },
		{ 2, true, true, false, false, true },
		{ 1, true, true, false, false, false },
		{ 0, true, true, false, false, false },
		{ 2, true, false, false, false, false },
		{ 1, false, false, false, false, false },
		{ 1, true, false, true, false, false },
		{ 1, true, false, false, true, false },
	};
	unsigned int usual = gather_us;
	u32 i, k;

	/* User-mode Linux has a clock of ticks, which may fall between any two looks. */
	gather_us = USEC_PER_SEC;
	for (i = 0; i < ARRAY_SIZE(after); i++) {
		memset(&q->singles, 0, sizeof(q->singles));
		q->singles.others = f->queues[1]->count.services;
		/* The first has none before it that it could be close to. */
		for (k = 0; k <= SINGLES; k++) {
			KUNIT_EXPECT_LT(test, q->singles.nr, (u32)SINGLES);
			/* Time is not the matter here, however slow the machine. */
			if (k)
				q->singles.at = local_clock();
			count_single(q, 1, true, false);
		}
		KUNIT_EXPECT_EQ(test, q->singles.nr, (u32)SINGLES);
		q->singles.at = local_clock() - (after[i].late ? 2 * NSEC_PER_SEC : 0);
		f->queues[1]->count.services += after[i].other;
		count_single(q, after[i].packets, after[i].displaces, after[i].gathered);
		KUNIT_EXPECT_EQ_MSG(test, q->singles.nr >= SINGLES, after[i].stream, "case %u", i);
	}
	gather_us = usual;
}

static struct kunit_case worker_cases[] = {
	KUNIT_CASE(workers_have_the_lowest_free_numbers),
	KUNIT_CASE(queues_are_served_where_they_are_attached),
	KUNIT_CASE(waiting_work_moves_along),
	KUNIT_CASE(no_work_is_lost_while_queues_move),
	KUNIT_CASE(streams_of_single_packets_are_told),
	{}
};

static struct kunit_suite worker_suite = {
	.name = "viola_worker",
	.init = worker_suite_init,
	.exit = worker_suite_exit,
	.test_cases = worker_cases,
};

kunit_test_suite(worker_suite);
