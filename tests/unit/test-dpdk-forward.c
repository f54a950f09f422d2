// SPDX-License-Identifier: GPL-2.0
/*
 * What is done with a burst of frames (dpdk-backend/forward/forward.c): frames of
 * random addresses, VLANs and lengths go where they would have gone one by one,
 * and those of one flow in their order.
 *
 * VIOLA_TEST_SEED replays the seed that a failure printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dpdk-backend/forward/fdb.h"
#include "dpdk-backend/forward/forward.h"
#include "tests/unit/model-driver.h"

#define PORTS 5u
#define STATIONS 10u /* number n behind port n % PORTS */
#define NOW 7u /* seconds */

struct port ports[PORT_MAX];
unsigned int port_count;

static struct lcore *lc;

/* What each port was given, in order: places in lc->frame. */
static struct {
	unsigned int n, frame[2 * FRAME_BURST];
} out[PORTS];

static void take(struct lcore *l, struct port *p, struct frame **f, unsigned int n,
		 unsigned int queue, bool last)
{
	unsigned int i;

	assert_true(n && n <= FRAME_BURST);
	for (i = 0; i < n; i++)
		out[p->index].frame[out[p->index].n++] = (unsigned int)(f[i] - l->frame);
}

static bool is_up(const struct port *p)
{
	return true;
}

static const struct port_ops ops = { .kind = "test", .output = take, .up = is_up };

static int setup(void **state)
{
	unsigned int i;

	lc = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*lc));
	assert_non_null(lc);
	memset(lc, 0, sizeof(*lc));
	lc->now = NOW;
	memset(ports, 0, sizeof(ports));
	port_count = PORTS;
	for (i = 0; i < PORTS; i++) {
		ports[i].ops = &ops;
		ports[i].index = i;
		/* Two that exchange nothing with each other. */
		ports[i].isolated = i >= PORTS - 2;
	}
	fdb_init(300);
	forward = forward_find("switch");
	assert_non_null(forward);
	return 0;
}

static int teardown(void **state)
{
	free(lc);
	return 0;
}

/* A frame's flow: stations by number, STATIONS for the broadcast address. */
struct flow {
	unsigned int from, to;
	u16 vlan;
};

static void station(unsigned int n, u8 *mac)
{
	static const u8 prefix[5] = { 0x02, 0, 0, 0, 0 };

	memcpy(mac, prefix, sizeof(prefix));
	mac[5] = (u8)n;
	if (n == STATIONS)
		memset(mac, 0xff, 6);
}

/* Makes frame @i of a burst; what a short frame leaves of its head is another's. */
static struct flow frame_make(unsigned int i, unsigned int port, struct model_rand *rand)
{
	struct flow flow = { port + PORTS * model_rand_below(rand, STATIONS / PORTS),
			     model_rand_below(rand, STATIONS + 1), 0 };
	struct frame *f = &lc->frame[i];

	station(flow.to, f->head);
	station(flow.from, f->head + 6);
	f->len = model_rand_below(rand, 4) ? 60 : FRAME_MIN + model_rand_below(rand, 8);
	f->head[12] = 0x81;
	f->head[13] = 0x00;
	f->head[14] = (u8)(model_rand_below(rand, 2) << 5);
	f->head[15] = (u8)model_rand_below(rand, 3);
	if (!model_rand_below(rand, 3))
		f->head[12] = 0x08;
	else if (f->len >= FRAME_HEAD)
		flow.vlan = f->head[15];
	f->nseg = 1;
	return flow;
}

/* Which stations were seen to send in which VLAN. */
static bool seen[STATIONS][3];

static bool expects(const struct flow *flow, bool known, unsigned int from, unsigned int to)
{
	if (from == to || (ports[from].isolated && ports[to].isolated))
		return false;
	return !known || flow->to % PORTS == to;
}

static void burst(struct model_rand *rand)
{
	unsigned int n = 1 + model_rand_below(rand, FRAME_BURST), i, k, p;
	unsigned int from = model_rand_below(rand, PORTS), want[PORTS] = { 0 };
	bool known[FRAME_BURST];
	struct flow flow[FRAME_BURST];

	memset(out, 0, sizeof(out));
	for (i = 0; i < n; i++) {
		/* Runs of one flow, as traffic has them. */
		flow[i] = frame_make(i, from, rand);
		if (i && model_rand_below(rand, 3)) {
			flow[i] = flow[i - 1];
			memcpy(lc->frame[i].head, lc->frame[i - 1].head, FRAME_LOOK);
			lc->frame[i].len = lc->frame[i - 1].len;
			/* Too short for the tag that it seems to have, or no more so. */
			if (!model_rand_below(rand, 4)) {
				lc->frame[i].len = FRAME_MIN + model_rand_below(rand, 8);
				flow[i].vlan = frame_vlan(&lc->frame[i]);
			}
		}
		seen[flow[i].from][flow[i].vlan] = true;
		known[i] = flow[i].to < STATIONS && seen[flow[i].to][flow[i].vlan];
		for (p = 0; p < PORTS; p++)
			want[p] += expects(&flow[i], known[i], from, p);
	}
	port_input(lc, &ports[from], lc->frame, n, 0, 1);
	for (p = 0; p < PORTS; p++) {
		bool got[FRAME_BURST] = { false };

		assert_int_equal(out[p].n, want[p]);
		for (k = 0; k < out[p].n; k++) {
			struct flow *now = &flow[out[p].frame[k]];

			assert_false(got[out[p].frame[k]]);
			got[out[p].frame[k]] = true;
			assert_true(expects(now, known[out[p].frame[k]], from, p));
			for (i = 0; i < k; i++)
				assert_true(out[p].frame[i] < out[p].frame[k] ||
					    memcmp(&flow[out[p].frame[i]], now, sizeof(*now)));
		}
	}
}

static void bursts(u64 seed, unsigned int n)
{
	struct model_rand rand = { seed };
	unsigned int i;

	for (i = 0; i < n; i++) {
		/* Again and again all of them are unknown. */
		if (!(i % 16)) {
			fdb_init(300);
			memset(seen, 0, sizeof(seen));
		}
		burst(&rand);
	}
}

static void switch_as_one_by_one(void **state)
{
	bursts(1, 20000);
}

static void switch_as_one_by_one_fresh_seed(void **state)
{
	bursts(model_rand_seed(), 20000);
}

static void patch_to_its_peer(void **state)
{
	struct model_rand rand = { 1 };
	unsigned int i;

	forward = forward_find("patch");
	memset(out, 0, sizeof(out));
	for (i = 0; i < 3; i++)
		frame_make(i, 0, &rand);
	port_input(lc, &ports[0], lc->frame, 3, 0, 1);
	assert_int_equal(port_counters(lc, &ports[0])->rx_filtered, 3);
	ports[0].peer = &ports[2];
	port_input(lc, &ports[0], lc->frame, 3, 0, 1);
	assert_int_equal(out[2].n, 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(out[2].frame[i], i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(switch_as_one_by_one, setup, teardown),
		cmocka_unit_test_setup_teardown(switch_as_one_by_one_fresh_seed, setup, teardown),
		cmocka_unit_test_setup_teardown(patch_to_its_peer, setup, teardown),
	};

	return cmocka_run_group_tests_name("dpdk-forward", tests, NULL, NULL);
}
