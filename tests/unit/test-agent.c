// SPDX-License-Identifier: GPL-2.0
/*
 * The agent and the far end, whole, over a link that loses, repeats, damages,
 * holds back or invents frames: what the link did must be what the results
 * say, and the control protocol must get through all of it.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/guest/agent.h"
#include "tools/guest/farend.h"

enum { TO_FAR, TO_AGENT };

/* What happens to every n-th frame of a direction; 0: never. */
struct fault {
	unsigned int lose, repeat, damage, hold, invent;
	bool only_control, only_data;
};

struct fixture {
	struct fault fault[2];
	/* What the link did to data frames. */
	unsigned int lost, repeated, damaged, invented;
	unsigned int begins, ends, aborts;
	unsigned int hold;	/* how often each round is told to wait */
	unsigned int asked, held;	/* last round asked for; waits of it */
	atomic_bool stop;
	int agent_side[2], far_side[2];
	pthread_t relay, far;
	struct agent agent;
	char why[512];
};

static const uint8_t mac_agent[FRAME_ALEN] = "\x02" "agent";
static const uint8_t mac_far[FRAME_ALEN] = "\x02" "fared";

static void relay_one(struct fixture *x, int dir, int from, int to,
		      unsigned int *n, uint8_t *held, ssize_t *held_len)
{
	const struct fault *f = &x->fault[dir];
	struct viola_wire_ctl ctl;
	uint8_t buf[FRAME_BUF], extra[FRAME_BUF];
	struct frame_id id;
	bool control, damaged = false;
	ssize_t len = recv(from, buf, sizeof(buf), MSG_DONTWAIT);

	if (len <= 0)
		return;
	assert_int_equal(frame_parse(buf, len, &id, &ctl), FRAME_WHOLE);
	control = id.type == VIOLA_WIRE_CTL;
	if ((f->only_control && !control) || (f->only_data && control)) {
		send(to, buf, len, 0);
		return;
	}
	++*n;
	if (f->lose && *n % f->lose == 0) {
		x->lost += !control;
		return;
	}
	if (f->damage && *n % f->damage == 0) {
		buf[VIOLA_WIRE_ETH_LEN + *n % (len - VIOLA_WIRE_ETH_LEN)] ^= 4;
		damaged = true;
		x->damaged++;
	}
	if (f->invent && *n % f->invent == 0) {
		id.seq += 1000000;
		frame_build(extra, len, buf, buf + FRAME_ALEN, &id);
		send(to, extra, len, 0);
		x->invented++;
	}
	if (f->hold && *n % f->hold == 0 && !*held_len) {
		memcpy(held, buf, len);
		*held_len = len;
		return;
	}
	send(to, buf, len, 0);
	if (f->repeat && *n % f->repeat == 0 && !damaged) {
		send(to, buf, len, 0);
		x->repeated += !control;
	}
	if (*held_len) {
		send(to, held, *held_len, 0);
		*held_len = 0;
	}
}

static void *relay_main(void *arg)
{
	struct fixture *x = arg;
	uint8_t held[2][FRAME_BUF];
	ssize_t held_len[2] = { 0 };
	unsigned int n[2] = { 0 };
	struct pollfd pfd[2] = {
		{ .fd = x->agent_side[1], .events = POLLIN },
		{ .fd = x->far_side[1], .events = POLLIN },
	};

	while (!x->stop) {
		if (poll(pfd, 2, 5) <= 0)
			continue;
		if (pfd[0].revents)
			relay_one(x, TO_FAR, pfd[0].fd, pfd[1].fd, &n[TO_FAR],
				  held[TO_FAR], &held_len[TO_FAR]);
		if (pfd[1].revents)
			relay_one(x, TO_AGENT, pfd[1].fd, pfd[0].fd, &n[TO_AGENT],
				  held[TO_AGENT], &held_len[TO_AGENT]);
	}
	return NULL;
}

static int on_begin(void *ctx, const struct farend_phase *p)
{
	struct fixture *x = ctx;

	x->begins++;
	/* Each phase ends before the next begins, however often it is asked. */
	assert_int_equal(x->begins, x->ends + 1);
	assert_int_equal(p->id, x->begins);
	return 0;
}

static int on_end(void *ctx, const struct farend_phase *p,
		  const struct viola_wire_counts *c, uint64_t sent, bool aborted)
{
	struct fixture *x = ctx;

	x->ends++;
	x->aborts += aborted;
	return 0;
}

static int on_round(void *ctx, uint64_t number)
{
	struct fixture *x = ctx;

	/* A question that is repeated is not asked anew. */
	assert_int_equal(number, x->asked + 1);
	x->asked = number;
	x->held = 0;
	return x->hold ? -EAGAIN : 0;
}

static void *far_main(void *arg)
{
	static const struct farend_ops ops = {
		.round = on_round, .phase_begin = on_begin, .phase_end = on_end,
	};
	struct fixture *x = arg;
	struct failure f = { "" };
	struct farend *fe;
	struct link l;

	link_adopt(&l, x->far_side[0], mac_far);
	fe = farend_create_on(&l, &ops, x, &f);
	assert_non_null(fe);
	while (!x->stop && !farend_step(fe, 5, &f)) {
		/* No phase begins before the round is let go. */
		if (x->hold && x->asked && x->held < x->hold) {
			assert_int_equal(x->begins, x->ends);
			if (++x->held == x->hold)
				farend_release(fe);
		}
	}
	farend_destroy(fe);
	return NULL;
}

/* Run the agent over a link with faults; true when it judges itself clean. */
static bool run_rounds(struct fixture *x, unsigned int rounds)
{
	struct agent *a = &x->agent;
	unsigned int round;
	int err;

	assert_false(socketpair(AF_UNIX, SOCK_DGRAM, 0, x->agent_side));
	assert_false(socketpair(AF_UNIX, SOCK_DGRAM, 0, x->far_side));
	assert_false(pthread_create(&x->relay, NULL, relay_main, x));
	assert_false(pthread_create(&x->far, NULL, far_main, x));
	link_adopt(&a->link, x->agent_side[0], mac_agent);
	a->run = 77;
	a->cfg.control = true;
	a->cfg.wait_ms = 5000;
	strcpy(a->cfg.iface, "test");
	err = session_hello(a);
	for (round = 1; !err && round <= rounds; round++) {
		err = session_round(a, round);
		if (!err)
			err = workload_run(a);
		if (!err && round < rounds)
			assert_true(results_judge(a, x->why, sizeof(x->why)));
	}
	x->stop = true;
	pthread_join(x->relay, NULL);
	pthread_join(x->far, NULL);
	link_close(&a->link);
	close(x->agent_side[1]);
	close(x->far_side[1]);
	if (err)
		fail_msg("%s", a->failure.text);
	assert_int_equal(x->begins, rounds * a->phases);
	assert_int_equal(x->ends, rounds * a->phases);
	assert_int_equal(x->aborts, 0);
	return results_judge(a, x->why, sizeof(x->why));
}

static bool run(struct fixture *x)
{
	return run_rounds(x, 1);
}

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));

	*state = x;
	return !x;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* Patience where losses are meant: ten are waited for. */
#define LOSSES_MS 400

static void config_rtt(struct fixture *x, unsigned int count)
{
	struct agent_config *c = &x->agent.cfg;

	c->rtt_count = count;
	c->rtt_size[0] = 128;
	c->rtt_sizes = 1;
	c->timeout_ms = 5000; /* a thread may be kept from its CPU for a while */
}

static void config_rate(struct fixture *x, bool tx, bool rx)
{
	struct agent_config *c = &x->agent.cfg;

	c->rate_tx = tx;
	c->rate_rx = rx;
	c->rate_ms = 100;
	c->rate_size[0] = 256;
	c->rate_sizes = 1;
	c->window = 8;
}

static void test_clean(void **state)
{
	struct fixture *x = *state;
	const struct agent_phase *p = x->agent.phase;

	config_rtt(x, 300);
	x->agent.cfg.warmup = 50;
	config_rate(x, true, true);
	assert_true(run(x));
	assert_int_equal(x->agent.phases, 6);
	assert_true(p[0].warmup);
	assert_int_equal(p[0].sent, 50);
	assert_int_equal(p[1].rtt.samples, 300);
	assert_int_equal(p[1].lost, 0);
	assert_int_equal(p[1].far.received, 300);
	assert_true(p[1].rtt.min && p[1].rtt.min <= p[1].rtt.p50 &&
		    p[1].rtt.p50 <= p[1].rtt.p99 && p[1].rtt.p99 <= p[1].rtt.max);
	assert_true(p[3].sent && p[3].far.received == p[3].sent);
	assert_true(p[5].far.sent && p[5].mine.received == p[5].far.sent);
	assert_int_equal(p[5].far.stalls, 0);
}

/* Each round is let go by the far end, counts from nothing, and goes on numbering. */
static void test_rounds(void **state)
{
	struct fixture *x = *state;
	const struct agent_phase *p = x->agent.phase;

	x->hold = 20;
	config_rtt(x, 40);
	config_rate(x, true, false);
	assert_true(run_rounds(x, 3));
	assert_int_equal(x->asked, 3);
	assert_int_equal(x->held, x->hold);
	assert_int_equal(x->agent.phases, 3);
	assert_int_equal(p[0].id, 7);
	assert_int_equal(p[0].rtt.samples, 40);
	assert_int_equal(p[2].id, 9);
}

/* What is lost before a round is asked for again. */
static void test_rounds_lost(void **state)
{
	struct fixture *x = *state;

	x->fault[TO_FAR] = (struct fault){ .lose = 3, .only_control = true };
	x->hold = 3;
	config_rtt(x, 10);
	assert_true(run_rounds(x, 3));
	assert_int_equal(x->asked, 3);
}

static void test_rtt_lost(void **state)
{
	struct fixture *x = *state;

	x->fault[TO_AGENT] = (struct fault){ .lose = 10, .only_data = true };
	config_rtt(x, 100);
	x->agent.cfg.timeout_ms = LOSSES_MS;
	assert_false(run(x));
	assert_int_equal(x->agent.phase[0].lost, 10);
	assert_int_equal(x->lost, 10);
	assert_int_equal(x->agent.phase[0].rtt.samples, 90);
	assert_non_null(strstr(x->why, "10 of 100 round trips were lost"));
}

static void test_rtt_repeated(void **state)
{
	struct fixture *x = *state;

	x->fault[TO_AGENT] = (struct fault){ .repeat = 7, .only_data = true };
	config_rtt(x, 99);
	assert_false(run(x));
	assert_int_equal(x->repeated, 14);
	assert_int_equal(x->agent.phase[0].mine.duplicated, 14);
	assert_int_equal(x->agent.phase[0].lost, 0);
}

static void test_rtt_repeated_to_far(void **state)
{
	struct fixture *x = *state;

	x->fault[TO_FAR] = (struct fault){ .repeat = 7, .only_data = true };
	config_rtt(x, 99);
	assert_false(run(x));
	assert_int_equal(x->agent.phase[0].far.duplicated, 14);
	assert_int_equal(x->agent.phase[0].mine.duplicated, 0);
}

static void test_rtt_damaged(void **state)
{
	struct fixture *x = *state;

	x->fault[TO_AGENT] = (struct fault){ .damage = 10, .only_data = true };
	config_rtt(x, 100);
	x->agent.cfg.timeout_ms = LOSSES_MS;
	assert_false(run(x));
	assert_int_equal(x->damaged, 10);
	assert_int_equal(x->agent.phase[0].mine.corrupted, 10);
	assert_int_equal(x->agent.phase[0].lost, 10);
}

static void test_rtt_damaged_to_far(void **state)
{
	struct fixture *x = *state;

	x->fault[TO_FAR] = (struct fault){ .damage = 10, .only_data = true };
	config_rtt(x, 100);
	x->agent.cfg.timeout_ms = LOSSES_MS;
	assert_false(run(x));
	assert_int_equal(x->agent.phase[0].far.corrupted, 10);
}

static void test_rtt_invented(void **state)
{
	struct fixture *x = *state;

	x->fault[TO_AGENT] = (struct fault){ .invent = 9, .only_data = true };
	config_rtt(x, 98);
	assert_false(run(x));
	assert_int_equal(x->invented, 10);
	assert_int_equal(x->agent.phase[0].mine.invented, 10);
	assert_int_equal(x->agent.phase[0].lost, 0);
}

static void test_tx_faults(void **state)
{
	struct fixture *x = *state;
	const struct agent_phase *p = x->agent.phase;

	x->fault[TO_FAR] = (struct fault){
		.lose = 101, .repeat = 103, .damage = 107, .only_data = true };
	config_rate(x, true, false);
	assert_false(run(x));
	assert_true(x->lost && x->repeated && x->damaged);
	assert_int_equal(p[0].far.duplicated + p[1].far.duplicated, x->repeated);
	assert_int_equal(p[0].far.corrupted + p[1].far.corrupted, x->damaged);
	assert_int_equal(p[0].sent + p[1].sent - p[0].far.received -
			 p[1].far.received, x->lost + x->damaged);
}

static void test_tx_only_lost(void **state)
{
	struct fixture *x = *state;
	const struct agent_phase *p = x->agent.phase;

	/* Loss at full rate is a result, not a fault. */
	x->fault[TO_FAR] = (struct fault){ .lose = 50, .only_data = true };
	config_rate(x, true, false);
	assert_true(run(x));
	assert_int_equal(p[0].sent + p[1].sent - p[0].far.received -
			 p[1].far.received, x->lost);
}

static void test_rx_lost_and_reordered(void **state)
{
	struct fixture *x = *state;
	const struct agent_phase *p = x->agent.phase;

	x->fault[TO_AGENT] = (struct fault){ .lose = 50, .hold = 20,
					     .only_data = true };
	config_rate(x, false, true);
	assert_true(run(x));
	assert_true(x->lost);
	/* The relay may still hold one frame at the end of a phase. */
	assert_in_range(p[0].far.sent + p[1].far.sent - p[0].mine.received -
			p[1].mine.received, x->lost, x->lost + 2);
}

/* Two control frames in three vanish, and the others come twice. */
static void test_control_survives(void **state)
{
	struct fixture *x = *state;

	x->fault[TO_FAR] = (struct fault){ .lose = 2, .repeat = 1,
					   .only_control = true };
	x->fault[TO_AGENT] = (struct fault){ .lose = 3, .repeat = 1,
					     .only_control = true };
	config_rtt(x, 20);
	config_rate(x, true, true);
	assert_true(run(x));
}

static void test_no_far_end(void **state)
{
	struct fixture *x = *state;
	struct agent *a = &x->agent;

	assert_false(socketpair(AF_UNIX, SOCK_DGRAM, 0, x->agent_side));
	link_adopt(&a->link, x->agent_side[0], mac_agent);
	a->run = 5;
	a->cfg.wait_ms = 300;
	strcpy(a->cfg.iface, "eth7");
	assert_true(session_hello(a) < 0);
	assert_non_null(strstr(a->failure.text, "no far end answers on eth7"));
	link_close(&a->link);
	close(x->agent_side[1]);
}

static uint64_t pick(const uint64_t *set, unsigned int n)
{
	return set[random() % n];
}

#define PICK(...) pick((const uint64_t []){ __VA_ARGS__ }, \
		       sizeof((const uint64_t []){ __VA_ARGS__ }) / 8)

static int on_any_begin(void *ctx, const struct farend_phase *p)
{
	struct fixture *x = ctx;

	x->begins++;
	assert_int_equal(x->begins, x->ends + 1);
	assert_in_range(p->size, VIOLA_WIRE_SIZE_MIN, VIOLA_WIRE_SIZE_MAX);
	assert_true(p->window <= 4096);
	return 0;
}

static int on_any_end(void *ctx, const struct farend_phase *p,
		      const struct viola_wire_counts *c, uint64_t sent,
		      bool aborted)
{
	struct fixture *x = ctx;

	x->ends++;
	x->aborts += aborted;
	assert_int_equal(x->begins, x->ends);
	return 0;
}

/* Questions in any order with any numbers: each begin still has one end. */
static void test_hostile_control(void **state)
{
	static const struct farend_ops ops = {
		.phase_begin = on_any_begin, .phase_end = on_any_end,
	};
	struct fixture *x = *state;
	struct failure f = { "" };
	struct frame_id id = { .type = VIOLA_WIRE_CTL }, got_id;
	struct viola_wire_ctl ctl, got;
	uint8_t buf[FRAME_BUF];
	struct farend *fe;
	unsigned int i;
	struct link l;
	ssize_t len;

	assert_false(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0,
				x->far_side));
	link_adopt(&l, x->far_side[0], mac_far);
	fe = farend_create_on(&l, &ops, x, &f);
	assert_non_null(fe);
	srandom(1);
	for (i = 0; i < 50000; i++) {
		ctl = (struct viola_wire_ctl){
			.op = PICK(0, 1, 2, 2, 2, 3, 3, 4, 5, 6, 255),
			.ack = PICK(0, 0, 0, 0, 0, 0, 0, 1),
			.workload = PICK(0, 1, 2, 3, 4, 255),
			.flags = random(),
			.size = PICK(0, 63, 64, 1500, 1518, 1519, 65535),
			.window = PICK(0, 1, 4096, 4097, 65535),
			.count = PICK(0, 1, 1000, UINT64_MAX),
			.duration_ns = PICK(0, 1, 1000000, UINT64_MAX),
		};
		id.run = PICK(0, 9, 9, 9, 9, 9, 9, 10);
		id.seq += PICK(0, 1, 1, 1, 1000);
		id.phase = PICK(0, 1, i / 100, i / 100 + 1, i / 50, 65535);
		frame_ctl_order(&ctl);
		len = frame_build_ctl(buf, mac_far, mac_agent, &id, &ctl);
		send(x->far_side[1], buf, len, 0);
		assert_false(farend_step(fe, 0, &f));
		while ((len = recv(x->far_side[1], buf, sizeof(buf), 0)) > 0)
			assert_int_equal(frame_parse(buf, len, &got_id, &got),
					 FRAME_WHOLE);
	}
	assert_true(x->begins > 20 && x->aborts);
	farend_destroy(fe);
	close(x->far_side[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_clean),
		TEST(test_rounds),
		TEST(test_rounds_lost),
		TEST(test_rtt_lost),
		TEST(test_rtt_repeated),
		TEST(test_rtt_repeated_to_far),
		TEST(test_rtt_damaged),
		TEST(test_rtt_damaged_to_far),
		TEST(test_rtt_invented),
		TEST(test_tx_faults),
		TEST(test_tx_only_lost),
		TEST(test_rx_lost_and_reordered),
		TEST(test_control_survives),
		TEST(test_no_far_end),
		TEST(test_hostile_control),
#undef TEST
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
