// SPDX-License-Identifier: GPL-2.0
/*
 * Driver and device on two CPUs at once, each asleep in poll() whenever it has
 * nothing to do, with nothing but the ring's own barriers between them. A lost
 * notification leaves one of them asleep until a time limit says so; data that
 * overtakes its index is seen as a wrong byte.
 *
 * What one machine's memory model does not do, it cannot show: tests/model/
 * covers the weaker ones.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/model-driver.h"

#define CHAINS 150000u
#define NUM 16u
#define GPA 0x1000ull
#define SLOT 64u
#define PATIENCE_MS 10000

struct pair {
	struct model_guest guest;
	struct model_driver driver;
	struct viola_ring ring;
	u64 in_flight[1];
	int kick, call; /* eventfds */
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

/* Each chain: 8 readable bytes with its serial, 8 writable for the answer. */
static void *drive(void *arg)
{
	struct pair *p = arg;
	struct model_rand rand = { 7 };
	u64 sent = 0, back = 0, value;
	u32 written;
	u16 id;
	int ret;

	while (back < CHAINS) {
		u32 burst = 1 + model_rand_below(&rand, 4);

		while (burst-- && sent < CHAINS && p->driver.free_count >= 2) {
			u16 next = p->driver.free_head;
			struct model_piece piece[2] = {
				{ GPA + next * SLOT, 8, false },
				{ GPA + next * SLOT + 8, 8, true },
			};

			memcpy(slot(p, next), &sent, 8);
			memset(slot(p, next) + 8, 0xff, 8);
			model_driver_add(&p->driver, piece, 2, 0, sent++);
		}
		model_driver_expose(&p->driver);
		if (model_driver_kick_wanted(&p->driver)) {
			p->notified[1]++;
			eventfd_write(p->kick, 1);
		}
		while ((ret = model_driver_reclaim(&p->driver, &id, &written)) == 1) {
			u64 serial = p->driver.record[id].cookie;

			memcpy(&value, slot(p, id) + 8, 8);
			if (value != ~serial * 3 || written != 8 || serial != back) {
				p->wrong[0] = "an answer is not its chain's";
				return NULL;
			}
			back++;
		}
		if (ret < 0) {
			p->wrong[0] = p->driver.fault;
			return NULL;
		}
		if (back < CHAINS && (p->driver.free_count < 2 || sent == CHAINS ||
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
			memcpy(seg[1].base, &value, 8);
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

static void run(bool event_idx)
{
	struct pair *p = calloc(1, sizeof(*p));
	struct viola_ring_config cfg;
	pthread_t driver, device;

	assert_non_null(p);
	model_guest_init(&p->guest);
	model_guest_add(&p->guest, GPA, NUM * SLOT);
	model_driver_init(&p->driver, &model_split, &p->guest, NUM, event_idx);
	cfg = model_driver_config(&p->driver, false, p->in_flight);
	assert_int_equal(viola_ring_init(&p->ring, &cfg), 0);
	p->kick = eventfd(0, 0);
	p->call = eventfd(0, 0);
	assert_true(p->kick >= 0 && p->call >= 0);
	assert_int_equal(pthread_create(&device, NULL, serve, p), 0);
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
	close(p->kick);
	close(p->call);
	model_driver_free(&p->driver);
	model_guest_free(&p->guest);
	free(p);
}

static void by_flags(void **state)
{
	run(false);
}

static void by_event_index(void **state)
{
	run(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_flags),
		cmocka_unit_test(by_event_index),
	};

	return cmocka_run_group_tests_name("ring-threads", tests, NULL, NULL);
}
