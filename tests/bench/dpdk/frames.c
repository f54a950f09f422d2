// SPDX-License-Identifier: GPL-2.0
#include "tests/bench/dpdk/load.h"

#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>

#define PRIME_US 5000

/*
 * From the address of this port to that of the other, or to one behind a port
 * that reflects. UDP over IPv4, so that back ends that look into frames find
 * one flow per queue.
 */
void frame_write(uint8_t *p, uint16_t len, unsigned int from, unsigned int queue)
{
	static const uint8_t ip[] = {
		0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 198, 18, 0, 0, 198, 18, 0, 0,
	};
	uint16_t length = (uint16_t)(len - 14), udp = (uint16_t)(length - 20);
	uint8_t here = (uint8_t)(from + 1), there = (uint8_t)(2 - from);
	uint32_t sum = 0;
	unsigned int i;

	memset(p, 0, len);
	p[0] = 0x02;
	p[5] = there;
	p[6] = 0x02;
	p[11] = here;
	p[12] = 0x08;
	memcpy(p + 14, ip, sizeof(ip));
	p[16] = (uint8_t)(length >> 8);
	p[17] = (uint8_t)length;
	p[29] = here;
	p[33] = there;
	for (i = 14; i < 34; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	p[24] = (uint8_t)(sum >> 8);
	p[25] = (uint8_t)sum;
	p[34] = 0x10;
	p[35] = (uint8_t)queue;
	p[37] = 9; /* discard */
	p[38] = (uint8_t)(udp >> 8);
	p[39] = (uint8_t)udp;
}

struct filling {
	uint16_t len;
	unsigned int from, queue;
};

static void frame_fill(struct rte_mempool *pool, void *arg, void *object, unsigned int index)
{
	const struct filling *fill = arg;
	struct rte_mbuf *m = object;

	frame_write((uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM, fill->len, fill->from,
		    fill->queue);
}

void frames_prepare(struct load_queue *q, uint16_t len, unsigned int from)
{
	struct filling fill = { .len = len, .from = from, .queue = q->queue };

	rte_mempool_obj_iter(q->frames, frame_fill, &fill);
}

unsigned int frames_take(struct load_queue *q, struct rte_mbuf **m, unsigned int n, uint16_t len)
{
	unsigned int i;

	if (rte_mempool_get_bulk(q->frames, (void **)m, n))
		return 0;
	/* The driver put its header before the frame. All else is as rte_pktmbuf_init() left it. */
	for (i = 0; i < n; i++) {
		m[i]->data_off = RTE_PKTMBUF_HEADROOM;
		m[i]->data_len = len;
		m[i]->pkt_len = len;
	}
	return n;
}

uint64_t frames_drain(struct load *load, struct contender *c, unsigned int quiet_us)
{
	uint64_t quiet = load->hz * quiet_us / 1000000, last = rte_rdtsc();
	uint64_t count = load->driver->drop(c);
	unsigned int i, n;

	while (rte_rdtsc() - last < quiet) {
		for (i = 0; i < c->queues; i++) {
			n = load->driver->receive(load, c, i, NULL);
			if (!n)
				continue;
			count += n;
			last = rte_rdtsc();
		}
	}
	c->in_flight = 0;
	return count;
}

bool frames_prime(struct load *load, struct contender *c, unsigned int ms)
{
	uint64_t end = rte_rdtsc() + load->hz / 1000 * ms;
	unsigned int i = 0;

	while (i < c->queues && rte_rdtsc() < end) {
		load->driver->send(load, c, i, 1, NULL);
		/* Others need the CPU, to make ready what is waited for. */
		usleep(PRIME_US);
		if (frames_drain(load, c, 100))
			i++;
	}
	frames_drain(load, c, PRIME_US);
	return i == c->queues;
}
