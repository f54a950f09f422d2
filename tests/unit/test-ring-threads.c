// SPDX-License-Identifier: GPL-2.0
/*
 * Driver and device on two CPUs at once, with nothing but the ring's own
 * barriers between them.
 *
 * In the first tests each is asleep in poll() whenever it has nothing to do. A
 * lost notification leaves one of them asleep until a time limit says so; data
 * that overtakes its index is seen as a wrong byte. In the others they meet at
 * the one moment that matters, again and again: one side publishes and asks
 * whether to notify while the other asks to be notified and looks again.
 *
 * What one machine's memory model does not do, it cannot show: tests/model/
 * covers the weaker ones.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <viola/ring-burst.h>

#include "tests/unit/model-driver.h"

#define CHAINS 100000u
#define ROUNDS 400000u
#define ROUNDS_MIN 1000u
#define MEETING_SECONDS 1.0
#define DELAY_MAX 256u /* loops; about what it takes to see the other arrive */
#define NUM 16u
#define GPA 0x1000ull
#define LINE 64u
#define LINES 16u
#define SLOT (LINES * LINE)
#define PATIENCE_MS 10000

struct pair {
	struct model_guest guest;
	struct model_driver driver;
	struct viola_ring ring;
	bool in_flight[NUM];
	struct viola_ring_record record[NUM];
	int kick, call; /* eventfds */
	bool burst; /* buffers of one piece, served in bursts */
	u64 bursts, of_many; /* taken, and those of more than one buffer */
	u64 slept[2], notified[2]; /* driver, device */
	const char *wrong[2];
};

/* Sleeps until @fd is raised; false if it is not within the time limit. */
static bool wait_for(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	eventfd_t value;

	return poll(&p, 1, PATIENCE_MS) == 1 && !eventfd_read(fd, &value);
}

static u8 *slot(struct pair *p, u16 id)
{
	return p->guest.ext[0].base + id * SLOT;
}

/* With .burst: whether buffer @serial is for the device to write. Runs of a few. */
static bool is_in(u64 serial)
{
	return serial / 5 % 3 != 0;
}

/*
 * Each chain: a line whose first 8 bytes are its serial, then writable lines.
 * The answer goes into each of them, one the other CPU has touched before: the
 * stores wait long enough for their lines that a load without a barrier
 * overtakes them, where this machine lets it. With .burst it is all one piece,
 * to write, or to read and then without an answer.
 */
static void *drive(void *arg)
{
	struct pair *p = arg;
	struct model_rand rand = { 7 };
	u64 sent = 0, back = 0, value;
	u32 written, i, n = p->burst ? 1 : 2;
	u16 id;
	int ret;

	while (back < CHAINS) {
		u32 burst = 1 + model_rand_below(&rand, p->burst ? 12 : 4);

		while (burst-- && sent < CHAINS && p->driver.free_count >= n) {
			u16 next = p->driver.free_head;
			struct model_piece piece[2] = {
				{ GPA + next * SLOT, 8, false },
				{ GPA + next * SLOT + LINE, SLOT - LINE, true },
			};

			if (p->burst)
				piece[0] = (struct model_piece){ GPA + next * SLOT, SLOT,
								 is_in(sent) };
			memcpy(slot(p, next), &sent, 8);
			for (i = 1; i < LINES; i++)
				memset(slot(p, next) + i * LINE, 0xff, 8);
			model_driver_add(&p->driver, piece, n, 0, sent++);
		}
		model_driver_expose(&p->driver);
		if (model_driver_kick_wanted(&p->driver)) {
			p->notified[1]++;
			eventfd_write(p->kick, 1);
		}
		while ((ret = model_driver_reclaim(&p->driver, &id, &written)) == 1) {
			u64 serial = p->driver.record[id].cookie, want = ~serial * 3;
			u32 want_written = p->burst ? SLOT : 8;

			if (p->burst && !is_in(serial)) {
				want = UINT64_MAX; /* as it was */
				want_written = 0;
			}
			for (i = 1; i < LINES; i++) {
				memcpy(&value, slot(p, id) + i * LINE, 8);
				if (value != want || written != want_written || serial != back) {
					p->wrong[0] = "an answer is not its chain's";
					return NULL;
				}
			}
			back++;
		}
		if (ret < 0) {
			p->wrong[0] = p->driver.fault;
			return NULL;
		}
		if (back < CHAINS && (p->driver.free_count < n || sent == CHAINS ||
				      !model_rand_below(&rand, 4))) {
			if (sent == back)
				continue;
			if (model_driver_want_call(&p->driver, 0))
				continue;
			p->slept[0]++;
			if (!wait_for(p->call)) {
				p->wrong[0] = "the driver waits for an interrupt for ever";
				return NULL;
			}
			model_driver_no_call(&p->driver);
		}
	}
	return NULL;
}

static void *serve(void *arg)
{
	struct pair *p = arg;
	struct viola_seg seg[4];
	struct viola_chain chain = { .seg = seg, .seg_max = 4 };
	u64 done = 0, value;
	u32 i;
	int ret;

	while (done < CHAINS) {
		u32 batch = 0;

		while (batch < 3 && (ret = viola_ring_pop(&p->ring, &chain)) == 1) {
			if (chain.nout != 1 || chain.nin != 1 || seg[0].len != 8) {
				p->wrong[1] = "a chain is not as it was made";
				return NULL;
			}
			memcpy(&value, seg[0].base, 8);
			if (value != done) {
				p->wrong[1] = "a chain's bytes are not its own";
				return NULL;
			}
			value = ~value * 3;
			for (i = 0; i < LINES - 1; i++)
				memcpy((u8 *)seg[1].base + i * LINE, &value, 8);
			viola_ring_push(&p->ring, chain.id, 8);
			done++;
			batch++;
		}
		if (ret < 0) {
			p->wrong[1] = viola_ring_error_name(p->ring.error);
			return NULL;
		}
		if (batch) {
			viola_ring_publish(&p->ring);
			if (viola_ring_needs_call(&p->ring)) {
				p->notified[0]++;
				eventfd_write(p->call, 1);
			}
			continue;
		}
		if (viola_ring_enable_kick(&p->ring) == 0) {
			p->slept[1]++;
			if (!wait_for(p->kick)) {
				p->wrong[1] = "the device waits for a kick for ever";
				return NULL;
			}
			viola_ring_disable_kick(&p->ring);
		}
	}
	return NULL;
}

/* As serve(), in bursts of up to @n. 1, 0 if nothing is there, -1 if @p->wrong says why. */
static int serve_burst(struct pair *p, u32 n, u64 *done)
{
	struct viola_buf buf[NUM];
	enum viola_burst kind = VIOLA_BURST_IN;
	int ret = viola_ring_pop_burst(&p->ring, buf, n, kind), i;
	bool in = ret != -EAGAIN;
	u64 value;
	u32 k;

	if (!in) {
		kind = VIOLA_BURST_OUT;
		ret = viola_ring_pop_burst(&p->ring, buf, n, kind);
	}
	if (ret < 0) {
		p->wrong[1] = "a plain buffer is not taken";
		return -1;
	}
	for (i = 0; i < ret; i++) {
		memcpy(&value, buf[i].base, 8);
		if (value != *done || buf[i].len != SLOT || is_in(value) != in) {
			p->wrong[1] = "a buffer's bytes are not its own";
			return -1;
		}
		value = ~value * 3;
		for (k = 1; k < LINES && in; k++)
			memcpy(buf[i].base + k * LINE, &value, 8);
		(*done)++;
	}
	if (!ret)
		return 0;
	p->bursts++;
	p->of_many += ret > 1;
	viola_ring_push_burst(&p->ring, buf, (u32)ret, kind);
	viola_ring_publish(&p->ring);
	if (viola_ring_needs_call(&p->ring)) {
		p->notified[0]++;
		eventfd_write(p->call, 1);
	}
	return 1;
}

static void *serve_bursts(void *arg)
{
	struct pair *p = arg;
	struct model_rand rand = { 17 };
	u64 done = 0;
	int ret;

	while (done < CHAINS) {
		ret = serve_burst(p, 1 + model_rand_below(&rand, NUM), &done);
		if (ret < 0)
			return NULL;
		if (!ret && viola_ring_enable_kick(&p->ring) == 0) {
			p->slept[1]++;
			if (!wait_for(p->kick)) {
				p->wrong[1] = "the device waits for a kick for ever";
				return NULL;
			}
			viola_ring_disable_kick(&p->ring);
		}
	}
	return NULL;
}

/* A ring of @layout between the two, nothing in it. */
static void pair_init(struct pair *p, const struct model_layout *layout, bool event_idx,
		      bool in_order, u64 size)
{
	struct viola_ring_config cfg;

	model_guest_init(&p->guest);
	model_guest_add(&p->guest, GPA, size);
	model_driver_init(&p->driver, layout, &p->guest, NUM, event_idx);
	p->driver.in_order = in_order;
	cfg = model_driver_config(&p->driver, false, p->in_flight);
	cfg.record = p->record;
	assert_int_equal(viola_ring_init(&p->ring, &cfg), 0);
}

static void run(const struct model_layout *layout, bool event_idx, bool burst, bool in_order)
{
	struct pair *p = calloc(1, sizeof(*p));
	pthread_t driver, device;

	assert_non_null(p);
	p->burst = burst;
	pair_init(p, layout, event_idx, in_order, NUM * SLOT);
	p->kick = eventfd(0, 0);
	p->call = eventfd(0, 0);
	assert_true(p->kick >= 0 && p->call >= 0);
	assert_int_equal(pthread_create(&device, NULL, burst ? serve_bursts : serve, p), 0);
	assert_int_equal(pthread_create(&driver, NULL, drive, p), 0);
	pthread_join(driver, NULL);
	pthread_join(device, NULL);
	if (p->wrong[0] || p->wrong[1])
		fail_msg("driver: %s; device: %s", p->wrong[0] ? p->wrong[0] : "ok",
			 p->wrong[1] ? p->wrong[1] : "ok");
	print_message("# %u chains; driver slept %llu, interrupted %llu; device slept %llu, kicked %llu\n",
		      CHAINS, (unsigned long long)p->slept[0], (unsigned long long)p->notified[0],
		      (unsigned long long)p->slept[1], (unsigned long long)p->notified[1]);
	assert_true(p->slept[0] && p->slept[1]);
	if (burst) {
		print_message("# %llu bursts, %llu of more than one\n",
			      (unsigned long long)p->bursts, (unsigned long long)p->of_many);
		assert_true(p->of_many);
	}
	close(p->kick);
	close(p->call);
	model_driver_free(&p->driver);
	model_guest_free(&p->guest);
	free(p);
}

/* --- the moment that matters ------------------------------------------------- */

struct meeting {
	struct pair *pair;
	bool kick; /* the driver publishes to the device, not the other way */
	u32 rounds; /* so far */
	bool stop;
	u32 arrived; /* at the current gathering, of both */
	u32 gathering;
	bool notified, saw; /* by the publisher, by the other */
	u32 lost, both;
};

/* Waits for the other side; soon, as long as there is a CPU for each. */
static void gather(struct meeting *m)
{
	u32 now = __atomic_load_n(&m->gathering, __ATOMIC_ACQUIRE), spins = 0;

	if (__atomic_add_fetch(&m->arrived, 1, __ATOMIC_ACQ_REL) == 2) {
		__atomic_store_n(&m->arrived, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&m->gathering, now + 1, __ATOMIC_RELEASE);
		return;
	}
	while (__atomic_load_n(&m->gathering, __ATOMIC_ACQUIRE) == now)
		if (++spins % 4096 == 0)
			sched_yield();
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void delay(u32 loops)
{
	while (loops--)
		asm volatile("" : : : "memory");
}

/* Brings lines that the other side is about to write into this CPU's cache. */
static void touch(const void *at, size_t off)
{
	(void)*((const volatile u16 *)at + off / 2);
}

/* The same of what tells of the next available and of the next used buffer. */
static void touch_avail(struct pair *p)
{
	if (viola_ring_is_packed(&p->ring))
		touch(p->driver.desc, 16 * (viola_ring_base(&p->ring) & 0x7fffu) + 14);
	else
		touch(p->driver.driver, 2);
}

static void touch_used(struct pair *p)
{
	if (p->driver.layout == &model_packed)
		touch(p->driver.desc, 16 * (p->driver.used & 0x7fffu) + 14);
	else
		touch(p->driver.device, 2);
}

/* And of each side's requests for notification. */
static void touch_driver_event(struct pair *p)
{
	touch(p->driver.driver, 0);
	if (!viola_ring_is_packed(&p->ring))
		touch(p->driver.driver, 4 + 2 * NUM);
}

static void touch_device_event(struct pair *p)
{
	touch(p->driver.device, 0);
	if (p->driver.layout != &model_packed)
		touch(p->driver.device, 4 + 8 * NUM);
}

static void *meet_device(void *arg)
{
	struct meeting *m = arg;
	struct pair *p = m->pair;
	struct viola_seg seg[2];
	struct viola_chain chain = { .seg = seg, .seg_max = 2 };
	struct model_rand rand = { 11 };

	for (;;) {
		gather(m);
		if (m->stop)
			break;
		if (m->kick) {
			viola_ring_disable_kick(&p->ring);
			touch_avail(p);
			gather(m);
			delay(model_rand_below(&rand, DELAY_MAX));
			m->saw = viola_ring_enable_kick(&p->ring) == 1;
		} else {
			viola_ring_pop(&p->ring, &chain);
			viola_ring_push(&p->ring, chain.id, 0);
			touch_driver_event(p);
			gather(m);
			delay(model_rand_below(&rand, DELAY_MAX));
			viola_ring_publish(&p->ring);
			m->notified = viola_ring_needs_call(&p->ring);
		}
		gather(m);
		if (m->kick) { /* make room */
			viola_ring_pop(&p->ring, &chain);
			viola_ring_push(&p->ring, chain.id, 0);
			viola_ring_publish(&p->ring);
		}
		gather(m);
	}
	return NULL;
}

static void meet_driver(struct meeting *m)
{
	struct pair *p = m->pair;
	struct model_piece piece = { GPA, 8, false };
	struct model_rand rand = { 13 };
	double until = seconds() + MEETING_SECONDS;
	u32 written;
	u16 id;

	for (; m->rounds < ROUNDS && (m->rounds < ROUNDS_MIN || seconds() < until); m->rounds++) {
		model_driver_add(&p->driver, &piece, 1, 0, 0);
		if (!m->kick) {
			model_driver_expose(&p->driver);
			model_driver_no_call(&p->driver);
		}
		gather(m);
		if (m->kick)
			touch_device_event(p);
		else
			touch_used(p);
		gather(m);
		delay(model_rand_below(&rand, DELAY_MAX));
		if (m->kick) {
			model_driver_expose(&p->driver);
			m->notified = model_driver_kick_wanted(&p->driver);
		} else {
			m->saw = model_driver_want_call(&p->driver, 0);
		}
		gather(m);
		m->lost += !m->notified && !m->saw;
		m->both += m->notified && m->saw;
		gather(m);
		model_driver_reclaim(&p->driver, &id, &written);
	}
	m->stop = true;
	gather(m);
}

static void meet(const struct model_layout *layout, bool event_idx, bool kick)
{
	struct pair *p = calloc(1, sizeof(*p));
	struct meeting m = { .pair = p, .kick = kick };
	pthread_t device;

	assert_non_null(p);
	pair_init(p, layout, event_idx, false, 4096);
	viola_ring_needs_call(&p->ring);
	assert_int_equal(pthread_create(&device, NULL, meet_device, &m), 0);
	meet_driver(&m);
	pthread_join(device, NULL);
	print_message("# %u meetings, %u where both knew\n", m.rounds, m.both);
	assert_int_equal(m.lost, 0);
	model_driver_free(&p->driver);
	model_guest_free(&p->guest);
	free(p);
}

static void meetings(const struct model_layout *layout)
{
	u32 how;

	for (how = 0; how < 4; how++) {
		print_message("# %s, %s by %s\n", layout->name, how & 1 ? "kick" : "call",
			      how & 2 ? "event index" : "flags");
		meet(layout, how & 2, how & 1);
	}
}

static void split_by_flags(void **state)
{
	run(&model_split, false, false, false);
}

static void split_by_event_index(void **state)
{
	run(&model_split, true, false, false);
}

static void packed_by_flags(void **state)
{
	run(&model_packed, false, false, false);
}

static void packed_by_event_index(void **state)
{
	run(&model_packed, true, false, false);
}

static void bursts(const struct model_layout *layout)
{
	u32 how;

	for (how = 0; how < 4; how++)
		run(layout, how & 1, true, how & 2);
}

static void split_bursts(void **state)
{
	bursts(&model_split);
}

static void packed_bursts(void **state)
{
	bursts(&model_packed);
}

static void split_meetings(void **state)
{
	meetings(&model_split);
}

static void packed_meetings(void **state)
{
	meetings(&model_packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_by_flags),
		cmocka_unit_test(split_by_event_index),
		cmocka_unit_test(packed_by_flags),
		cmocka_unit_test(packed_by_event_index),
		cmocka_unit_test(split_bursts),
		cmocka_unit_test(packed_bursts),
		cmocka_unit_test(split_meetings),
		cmocka_unit_test(packed_meetings),
	};

	return cmocka_run_group_tests_name("ring-threads", tests, NULL, NULL);
}
