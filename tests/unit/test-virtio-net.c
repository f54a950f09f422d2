// SPDX-License-Identifier: GPL-2.0
/*
 * The network device as a driver sees it, on the reflect backend: every frame
 * comes back whole and in order, no interrupt and no kick is lost, and a
 * driver that breaks the rules breaks its own device only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <cmocka.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>

#include "tests/unit/virtio-rig.h"
#include "vmm/error.h"
#include "vmm/net/backend.h"
#include "vmm/net/nic.h"
#include "vmm/virtio/virtio_net.h"

#define BIT(n) (1ull << (n))
#define EVENT_IDX BIT(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT BIT(VIRTIO_RING_F_INDIRECT_DESC)
#define MERGE BIT(VIRTIO_NET_F_MRG_RXBUF)
#define CTRL (BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) | \
	      BIT(VIRTIO_NET_F_CTRL_MAC_ADDR))
#define MQ BIT(VIRTIO_NET_F_MQ)

#define HDR 12
#define SLOT 2304ull /* bytes of guest memory per buffer */
#define TX_AREA RIG_DATA
#define RX_AREA (RIG_DATA + 0x100000)
#define TABLES (RIG_DATA + 0x200000)
#define SCRATCH (RIG_DATA + 0x300000)
#define REFLECT_DEPTH 256u

static const u8 mac[6] = { 0x02, 0x56, 0x49, 0x4f, 0x4c, 0x41 };

static struct rig *rig;

static int setup_pairs(unsigned int pairs)
{
	struct nic_config cfg = { .queues = pairs };
	struct net_backend *be;

	rig = malloc(sizeof(*rig));
	rig_init(rig);
	memcpy(cfg.mac, mac, 6);
	/* First, so that the device sees no change, which is followed by an interrupt. */
	fake_msix_enable(true);
	assert_int_equal(reflect_backend_open(&be, pairs), 0);
	assert_int_equal(virtio_net_create(&rig->vm, be, &cfg, NULL), 0);
	return 0;
}

static int setup(void **state)
{
	return setup_pairs(1);
}

static int setup_2(void **state)
{
	return setup_pairs(2);
}

static int teardown(void **state)
{
	fake_pci_destroy();
	rig_free(rig);
	free(rig);
	return 0;
}

static u8 *at(u64 gpa)
{
	return rig->data + (gpa - RIG_DATA);
}

/* --- frames ---------------------------------------------------------------- */

struct flow {
	unsigned int rxq, txq;
	u64 features;
	u32 rx_len; /* bytes of one receive buffer */
	bool split_header; /* header in a descriptor of its own */
	u32 sent, received; /* frames; the number is the content */
	u32 len_seed;
	u64 partial_gpa[64];
};

static u32 frame_len(const struct flow *f, u32 nr)
{
	struct model_rand r = { f->len_seed + nr * 977ull };

	return ETH_HLEN + 4 + model_rand_below(&r, 1514 - ETH_HLEN - 4 + 1);
}

static void frame_make(const struct flow *f, u32 nr, u8 *to)
{
	model_fill(to, frame_len(f, nr), nr);
	to[0] &= 0xfe;
	memcpy(to + ETH_ALEN, mac, ETH_ALEN);
}

/* Slots are reused by ring id, which is free when the ring hands it out. */
static bool send_frame(struct flow *f)
{
	struct model_driver *d = &rig->q[f->txq];
	u64 gpa = TX_AREA + SLOT * d->free_head;
	u32 len = frame_len(f, f->sent);
	struct model_piece piece[3] = {
		{ gpa, HDR, false },
		{ gpa + HDR, len / 2, false },
		{ gpa + HDR + len / 2, len - len / 2, false },
	};
	struct model_piece whole = { gpa, HDR + len, false };
	u64 table = f->features & INDIRECT ? TABLES + 64ull * d->free_head : 0;

	if (d->free_count < 3)
		return false;
	memset(at(gpa), 0, HDR);
	frame_make(f, f->sent, at(gpa) + HDR);
	if (f->split_header)
		assert_true(model_driver_add(d, piece, 3, table, gpa) >= 0);
	else
		assert_true(model_driver_add(d, &whole, 1, 0, gpa) >= 0);
	f->sent++;
	return true;
}

static bool post_buffer(struct flow *f)
{
	struct model_driver *d = &rig->q[f->rxq];
	u64 gpa = RX_AREA + SLOT * d->free_head;
	struct model_piece whole = { gpa, f->rx_len, true };
	struct model_piece piece[2] = { { gpa, HDR, true }, { gpa + HDR, f->rx_len - HDR, true } };
	bool split = f->split_header && f->rx_len > HDR;

	if (d->free_count < (split ? 2u : 1u))
		return false;
	memset(at(gpa), 0xee, f->rx_len);
	assert_true(model_driver_add(d, split ? piece : &whole, split ? 2 : 1, 0, gpa) >= 0);
	return true;
}

static void post_all(struct flow *f)
{
	while (post_buffer(f))
		;
	rig_expose(rig, f->rxq);
}

static int reclaim(unsigned int index, u64 *cookie, u32 *written)
{
	struct model_driver *d = &rig->q[index];
	u16 id = 0;
	int ret = model_driver_reclaim(d, &id, written);

	if (d->fault)
		fail_msg("queue %u: %s", index, d->fault);
	if (ret == 1)
		*cookie = d->record[id].cookie;
	return ret;
}

/* Takes one received frame if all of it is there, and checks it. */
static bool receive_frame(struct flow *f)
{
	static u8 got[8192], want[2048];
	u32 have, written, i, buffers, expected = 1, len = frame_len(f, f->received);
	struct virtio_net_hdr_mrg_rxbuf hdr;
	u64 gpa;

	if (!reclaim(f->rxq, &gpa, &written))
		return false;
	assert_true(written <= f->rx_len);
	memcpy(got, at(gpa), written);
	have = written;
	memcpy(&hdr, got, HDR);
	buffers = le16_to_cpu(hdr.num_buffers);
	assert_int_equal(hdr.hdr.flags, 0);
	assert_int_equal(hdr.hdr.gso_type, 0);
	if (f->features & MERGE)
		expected = (HDR + len + f->rx_len - 1) / f->rx_len;
	assert_int_equal(buffers, expected);
	/* All of a frame's buffers become used at once (5.1.6.4). */
	for (i = 1; i < buffers; i++) {
		assert_int_equal(reclaim(f->rxq, &gpa, &written), 1);
		memcpy(got + have, at(gpa), written);
		have += written;
	}
	assert_int_equal(have, HDR + len);
	frame_make(f, f->received, want);
	assert_memory_equal(got + HDR, want + ETH_ALEN, ETH_ALEN);
	assert_memory_equal(got + HDR + ETH_ALEN, want, ETH_ALEN);
	assert_memory_equal(got + HDR + ETH_HLEN - 2, want + ETH_HLEN - 2, len - ETH_HLEN + 2);
	f->received++;
	return true;
}

static u32 reclaim_tx(struct flow *f)
{
	u32 written, n = 0;
	u64 gpa;

	for (; reclaim(f->txq, &gpa, &written); n++)
		assert_int_equal(written, 0);
	return n;
}

/* Until @count frames have come back. Sleeps only until an interrupt. */
static void exchange(struct flow *f, u32 count, u32 window)
{
	while (f->received < count) {
		unsigned int rx_calls = rig_calls(f->rxq);
		bool progress = false;

		while (f->sent < count && f->sent - f->received < window && send_frame(f))
			progress = true;
		rig_expose(rig, f->txq);
		while (receive_frame(f))
			progress = true;
		if (reclaim_tx(f))
			progress = true;
		post_all(f);
		if (progress || model_driver_want_call(&rig->q[f->rxq], 0))
			continue;
		/* Frames are under way, so an interrupt must be too. */
		if (!rig_wait(f->rxq, rx_calls))
			fail_msg("no interrupt: sent %u, received %u", f->sent, f->received);
	}
}

static void frames_come_back(void **state)
{
	static const u64 features[] = { 0, EVENT_IDX, INDIRECT, EVENT_IDX | INDIRECT };
	static const u32 rx_len[] = { 1526, 2048, 600, 65, 12 };
	static const u32 windows[] = { 1, 7, 60 };
	unsigned int i, j, k, split;

	for (i = 0; i < ARRAY_SIZE(features); i++)
		for (j = 0; j < ARRAY_SIZE(rx_len); j++)
			for (k = 0; k < ARRAY_SIZE(windows); k++)
				for (split = 0; split < 2; split++) {
					bool merge = rx_len[j] < 1526 || (j + k) % 2;
					struct flow f = {
						.txq = 1,
						.features = features[i] | (merge ? MERGE : 0),
						.rx_len = rx_len[j],
						.split_header = split,
						.len_seed = i * 100 + j * 10 + k,
					};

					rig_start(rig, f.features, 2, 256);
					post_all(&f);
					exchange(&f, 300, windows[k]);
					assert_false(rig_broken());
				}
}

static u16 used_index(unsigned int index)
{
	const struct vring_used *used = rig->q[index].device;

	return le16_to_cpu(READ_ONCE(used->idx));
}

/* In a pause no ring moves and nobody interrupts; afterwards nothing has been lost. */
static void a_quiesced_device_does_nothing(void **state)
{
	struct flow f = { .txq = 1, .features = EVENT_IDX, .rx_len = 1526 };
	unsigned int round, i, calls[2];
	u16 used[2];

	rig_start(rig, f.features, 2, 256);
	post_all(&f);
	for (round = 0; round < 50; round++) {
		while (f.sent < f.received + 20)
			assert_true(send_frame(&f));
		/* Before the pause, or in it. */
		if (round % 2)
			rig_expose(rig, f.txq);
		fake_quiesce();
		for (i = 0; i < 2; i++) {
			used[i] = used_index(i);
			calls[i] = rig_calls(i);
		}
		rig_expose(rig, f.txq);
		usleep(500);
		for (i = 0; i < 2; i++) {
			assert_int_equal(used_index(i), used[i]);
			assert_int_equal(rig_calls(i), calls[i]);
		}
		fake_resume();
		exchange(&f, f.sent, 20);
	}
	assert_false(rig_broken());
}

/* A machine that ends while it is paused. */
static void a_quiesced_device_can_be_destroyed(void **state)
{
	struct flow f = { .txq = 1, .features = EVENT_IDX, .rx_len = 1526 };

	rig_start(rig, f.features, 2, 256);
	post_all(&f);
	exchange(&f, 100, 7);
	fake_quiesce();
}

static void without_buffers_frames_wait(void **state)
{
	struct flow f = { .txq = 1, .features = MERGE | EVENT_IDX, .rx_len = 300 };
	unsigned int calls, round;

	rig_start(rig, f.features, 2, 64);
	for (round = 0; round < 20; round++) {
		calls = rig_calls(1);
		while (f.sent < f.received + 10)
			assert_true(send_frame(&f));
		model_driver_want_call(&rig->q[1], 9);
		rig_expose(rig, 1);
		assert_true(rig_wait(1, calls));
		while (rig->q[1].free_count < 64)
			reclaim_tx(&f);
		assert_false(receive_frame(&f));
		exchange(&f, f.sent, 10);
		/* Take the buffers out again: next round starts with none. */
		rig_start(rig, f.features, 2, 64);
	}
}

/* A frame longer than what the driver has given so far. */
static void a_frame_waits_for_its_last_buffer(void **state)
{
	struct flow f = { .txq = 1, .features = MERGE, .rx_len = 100 };
	struct timespec pause = { 0, 2000000 };
	unsigned int i;

	rig_start(rig, f.features, 2, 256);
	while (frame_len(&f, 0) < 1200)
		f.len_seed++;
	for (i = 0; i < 5; i++)
		assert_true(post_buffer(&f));
	rig_expose(rig, 0);
	assert_true(send_frame(&f));
	rig_expose(rig, 1);
	for (i = 0; i < 20; i++) {
		nanosleep(&pause, NULL);
		if (i < 4) {
			assert_false(receive_frame(&f));
			assert_true(post_buffer(&f));
			rig_expose(rig, 0);
		}
	}
	exchange(&f, 100, 5);
}

static void a_frame_that_never_fits_is_dropped(void **state)
{
	struct flow f = { .txq = 1, .features = MERGE, .rx_len = 20 };
	struct flow g = { .txq = 1, .features = 0, .rx_len = 500 };
	u32 big = 0;
	u64 gpa;
	u32 written;

	rig_start(rig, f.features, 2, 4);
	post_all(&f);
	while (frame_len(&f, 0) < 200)
		f.len_seed++;
	assert_true(send_frame(&f));
	rig_expose(rig, 1);
	while (!reclaim_tx(&f))
		;
	usleep(20000);
	assert_false(reclaim(0, &gpa, &written));
	/* The buffers are still good. */
	f.sent = f.received = 1;
	while (frame_len(&f, 1) > 60)
		f.len_seed++;
	assert_true(send_frame(&f));
	rig_expose(rig, 1);
	exchange(&f, 2, 1);

	/* Without mergeable buffers one buffer must do. */
	rig_start(rig, g.features, 2, 64);
	post_all(&g);
	while (frame_len(&g, big) + HDR <= g.rx_len)
		big++;
	g.sent = big;
	assert_true(send_frame(&g));
	rig_expose(rig, 1);
	while (!reclaim_tx(&g))
		;
	usleep(20000);
	assert_false(reclaim(0, &gpa, &written));
	assert_false(rig_broken());
}

/* A loop of frames must not grow without bound, nor run the receiver. */
static void the_reflector_drops_when_full(void **state)
{
	struct flow f = { .txq = 1, .features = EVENT_IDX, .rx_len = 1526 };
	u32 done = 0;

	rig_start(rig, f.features, 2, 256);
	while (done < 4 * REFLECT_DEPTH) {
		send_frame(&f);
		rig_expose(rig, 1);
		done += reclaim_tx(&f);
	}
	f.sent = f.received = 0;
	post_all(&f);
	while (f.received < REFLECT_DEPTH) {
		unsigned int calls = rig_calls(0);

		if (!receive_frame(&f) && !model_driver_want_call(&rig->q[0], 0))
			assert_true(rig_wait(0, calls));
		post_all(&f);
	}
	usleep(5000);
	assert_false(receive_frame(&f));
}

static u64 counter(const char *json, const char *name, unsigned int nth)
{
	char key[32];

	snprintf(key, sizeof(key), "\"%s\": ", name);
	do {
		json = strstr(json, key);
		assert_non_null(json);
		json += strlen(key);
	} while (nth--);
	return strtoull(json, NULL, 10);
}

static void counters_add_up(void **state)
{
	struct flow f = { .txq = 1, .features = MERGE | EVENT_IDX, .rx_len = 600 };
	struct model_piece empty = { TX_AREA, 5, false };
	unsigned int queue, i;
	u64 bytes = 0;
	char *json;
	size_t len;
	FILE *out;

	rig_start(rig, f.features, 2, 256);
	post_all(&f);
	exchange(&f, 500, 20);
	assert_true(model_driver_add(&rig->q[1], &empty, 1, 0, 0) >= 0);
	rig_expose(rig, 1);
	while (!reclaim_tx(&f))
		;
	rig_set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	for (i = 0; i < 500; i++)
		bytes += frame_len(&f, i);
	out = open_memstream(&json, &len);
	fake_pci.dev->ops->stats(fake_pci.dev, out);
	fclose(out);
	for (queue = 0; queue < 2; queue++) {
		assert_int_equal(counter(json, "frames", queue), 500);
		assert_int_equal(counter(json, "bytes", queue), bytes);
		assert_int_equal(counter(json, "batches", queue),
				 counter(json, "calls", queue) +
					 counter(json, "suppressed", queue));
		assert_int_equal(counter(json, "calls", queue), rig_calls(queue));
		assert_int_equal(counter(json, "drops", queue), queue);
		assert_int_equal(counter(json, "errors", queue), 0);
	}
	assert_true(counter(json, "kicks", 1) > 0);
	free(json);
}

/* --- several pairs --------------------------------------------------------- */

static u8 control(unsigned int index, u8 class, u8 cmd, const void *data, u32 len)
{
	struct model_piece piece[3] = {
		{ SCRATCH, 2, false }, { SCRATCH + 16, len, false }, { SCRATCH + 4096, 1, true },
	};
	unsigned int calls = rig_calls(index);
	u32 written;
	u64 cookie;

	at(SCRATCH)[0] = class;
	at(SCRATCH)[1] = cmd;
	memcpy(at(SCRATCH + 16), data, len);
	*at(SCRATCH + 4096) = 0x77;
	if (!len)
		piece[1] = piece[2];
	assert_true(model_driver_add(&rig->q[index], piece, len ? 3 : 2, 0, 0) >= 0);
	model_driver_want_call(&rig->q[index], 0);
	rig_expose(rig, index);
	assert_true(rig_wait(index, calls));
	assert_int_equal(reclaim(index, &cookie, &written), 1);
	assert_int_equal(written, 1);
	return *at(SCRATCH + 4096);
}

static void control_queue_answers(void **state)
{
	static const u8 other[6] = { 0x06, 1, 2, 3, 4, 5 };
	__le16 pairs;
	u8 on = 1, table[8] = { 0 };
	u64 got = 0;

	rig_start(rig, CTRL | MQ, 5, 64);
	got = fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF, 8);
	assert_memory_equal(&got, mac, 6);
	assert_int_equal(got >> 48, VIRTIO_NET_S_LINK_UP);
	assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 8, 2), 2);

	assert_int_equal(control(4, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &on, 1), 0);
	assert_int_equal(control(4, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &on, 0), 1);
	assert_int_equal(control(4, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table, 8),
			 0);
	assert_int_equal(control(4, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, other, 5),
			 1);
	got = fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF, 8);
	assert_memory_equal(&got, mac, 6); /* refused as a whole */
	assert_int_equal(control(4, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, other, 6),
			 0);
	got = fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF, 8);
	assert_memory_equal(&got, other, 6);
	assert_int_equal(control(4, 0xff, 0xff, table, 8), 1);
	/* Not negotiated. */
	assert_int_equal(control(4, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOUNI, &on, 1), 1);

	pairs = cpu_to_le16(0);
	assert_int_equal(control(4, VIRTIO_NET_CTRL_MQ, 0, &pairs, 2), 1);
	pairs = cpu_to_le16(3);
	assert_int_equal(control(4, VIRTIO_NET_CTRL_MQ, 0, &pairs, 2), 1);
	pairs = cpu_to_le16(0x8000);
	assert_int_equal(control(4, VIRTIO_NET_CTRL_MQ, 0, &pairs, 2), 1);
	pairs = cpu_to_le16(2);
	assert_int_equal(control(4, VIRTIO_NET_CTRL_MQ, 0, &pairs, 2), 0);
	/* A reset gives the address back. */
	rig_start(rig, CTRL, 3, 64);
	got = fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF, 8);
	assert_memory_equal(&got, mac, 6);
	/* Without MQ the control queue is the third. */
	assert_int_equal(control(2, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &on, 1), 0);
	assert_int_equal(control(2, VIRTIO_NET_CTRL_MQ, 0, &pairs, 2), 1);
	assert_false(rig_broken());
}

/* A chain may have as many descriptors as the queue, and no frame is assumed. */
static void control_commands_come_in_pieces(void **state)
{
	static const u8 other[6] = { 0x06, 1, 2, 3, 4, 5 };
	struct model_piece piece[128];
	const u8 cmd[2] = { VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET };
	unsigned int i, calls;
	u32 written;
	u64 cookie, got;

	rig_start(rig, CTRL, 3, 128);
	calls = rig_calls(2);
	for (i = 0; i < 127; i++) {
		piece[i] = (struct model_piece){ SCRATCH + 16 * i, 1, false };
		*at(SCRATCH + 16 * i) = i < 2 ? cmd[i] : i < 8 ? other[i - 2] : 0xee;
	}
	piece[127] = (struct model_piece){ SCRATCH + 4096, 1, true };
	*at(SCRATCH + 4096) = 0x77;
	assert_true(model_driver_add(&rig->q[2], piece, 128, 0, 0) >= 0);
	model_driver_want_call(&rig->q[2], 0);
	rig_expose(rig, 2);
	assert_true(rig_wait(2, calls));
	assert_int_equal(reclaim(2, &cookie, &written), 1);
	assert_int_equal(*at(SCRATCH + 4096), VIRTIO_NET_OK);
	got = fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF, 8);
	assert_memory_equal(&got, other, 6);
	assert_false(rig_broken());
}

static void both_pairs_carry(void **state)
{
	struct flow a = { .rxq = 0, .txq = 1, .features = CTRL | MQ | MERGE, .rx_len = 1526 };
	struct flow b = { .rxq = 2, .txq = 3, .features = CTRL | MQ | MERGE, .rx_len = 300 };
	__le16 pairs = cpu_to_le16(2);
	u32 i;

	rig_start(rig, a.features, 5, 128);
	post_all(&a);
	exchange(&a, 50, 10);
	assert_int_equal(control(4, VIRTIO_NET_CTRL_MQ, 0, &pairs, 2), 0);
	for (i = 1; i <= 5; i++) {
		exchange(&a, 50 + 20 * i, 10);
		exchange(&b, 20 * i, 10);
	}
	pairs = cpu_to_le16(1);
	assert_int_equal(control(4, VIRTIO_NET_CTRL_MQ, 0, &pairs, 2), 0);
	exchange(&a, 400, 30);
}

static void a_control_command_without_answer_breaks(void **state)
{
	struct model_piece piece = { SCRATCH, 2, false };
	unsigned int calls;

	rig_start(rig, CTRL, 3, 64);
	calls = fake_interrupts(0);
	model_driver_add(&rig->q[2], &piece, 1, 0, 0);
	rig_expose(rig, 2);
	while (fake_interrupts(0) == calls)
		usleep(100);
	assert_true(rig_broken());
}

/* --- where interrupts go ------------------------------------------------------ */

static void set_vectors(unsigned int nr, bool given)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		rig_set(VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
		rig_set(VIRTIO_PCI_COMMON_Q_MSIX, given ? i + 1 : VIRTIO_MSI_NO_VECTOR, 2);
	}
}

static void vectors_give(void)
{
	set_vectors(3, true);
}

static void vectors_take(void)
{
	set_vectors(3, false);
}

static void msix_give(void)
{
	fake_msix_enable(true);
}

static void msix_take(void)
{
	fake_msix_enable(false);
}

/* A buffer of each queue is used, and who used it has interrupted, or has tried to. */
static void use_one_of_each(struct flow *f)
{
	struct model_piece piece[2] = { { SCRATCH, 3, false }, { SCRATCH + 4096, 1, true } };
	unsigned int i;
	char *json;
	size_t len;
	FILE *out;

	*at(SCRATCH) = VIRTIO_NET_CTRL_RX;
	*at(SCRATCH + 1) = VIRTIO_NET_CTRL_RX_PROMISC;
	*at(SCRATCH + 2) = 1;
	assert_true(model_driver_add(&rig->q[2], piece, 2, 0, 0) >= 0);
	assert_true(send_frame(f));
	for (i = 0; i < 3; i++)
		assert_false(model_driver_want_call(&rig->q[i], 0));
	rig_expose(rig, 1);
	rig_expose(rig, 2);
	for (i = 0; i < 3; i++)
		while (!model_driver_backlog(&rig->q[i]))
			usleep(100);
	/* Waits for the locks that a queue is served under. */
	out = open_memstream(&json, &len);
	fake_pci.dev->ops->stats(fake_pci.dev, out);
	fclose(out);
	free(json);
}

static void take_one_of_each(struct flow *f)
{
	u32 written;
	u64 cookie;

	assert_true(receive_frame(f));
	assert_int_equal(reclaim_tx(f), 1);
	assert_int_equal(reclaim(2, &cookie, &written), 1);
}

/*
 * A driver waits for buffers that are used while their queues have no vector, or
 * while MSI-X is off. Once it may be told, it is: the device takes its interrupt for
 * given, and the next one would come 65536 buffers later.
 */
static void calls_are_not_lost(void (*take)(void), void (*give)(void))
{
	struct flow f = { .txq = 1, .features = CTRL | MERGE | EVENT_IDX, .rx_len = 1526 };
	unsigned int calls[3], round, i;

	rig_start(rig, f.features, 3, 64);
	post_all(&f);
	for (round = 0; round < 20; round++) {
		/* From here on the device knows what it has interrupted for. */
		for (i = 0; i < 3; i++)
			calls[i] = rig_calls(i);
		use_one_of_each(&f);
		for (i = 0; i < 3; i++)
			assert_true(rig_wait(i, calls[i]));
		take_one_of_each(&f);

		take();
		use_one_of_each(&f);
		for (i = 0; i < 3; i++)
			calls[i] = rig_calls(i);
		give();
		for (i = 0; i < 3; i++)
			if (!rig_wait(i, calls[i]))
				fail_msg("the interrupt of queue %u is lost", i);
		take_one_of_each(&f);
		post_all(&f);
	}
	assert_false(rig_broken());
}

static void no_call_is_lost_for_want_of_a_vector(void **state)
{
	calls_are_not_lost(vectors_take, vectors_give);
}

static void no_call_is_lost_while_msix_is_off(void **state)
{
	calls_are_not_lost(msix_take, msix_give);
}

/* A queue that does not run has nothing to tell. */
static void a_stopped_queue_does_not_call(void **state)
{
	unsigned int i;

	rig_start(rig, CTRL | EVENT_IDX, 3, 64);
	rig_set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	msix_take();
	msix_give();
	assert_true(rig_negotiate(rig, CTRL | EVENT_IDX));
	vectors_give();
	msix_take();
	usleep(20000);
	assert_false(fake_intx());
	msix_give();
	usleep(20000);
	for (i = 0; i < 3; i++)
		assert_int_equal(rig_calls(i), 0);
}

/* --- drivers that lie ------------------------------------------------------ */

static void feature_sets_must_make_sense(void **state)
{
	assert_true(rig_negotiate(rig, 0));
	assert_false(rig_negotiate(rig, BIT(VIRTIO_NET_F_CTRL_RX)));
	assert_true(rig_negotiate(rig, CTRL));
	/* The reflector returns what it gets: no offloads. */
	assert_int_equal(rig_device_features() & (BIT(VIRTIO_NET_F_CSUM) |
						  BIT(VIRTIO_NET_F_GUEST_TSO4)), 0);
	assert_false(rig_negotiate(rig, BIT(VIRTIO_NET_F_CSUM)));
}

static void short_frames_are_dropped(void **state)
{
	struct flow f = { .txq = 1, .features = EVENT_IDX, .rx_len = 1526 };
	struct model_piece piece = { TX_AREA, 0, false };
	u32 len;

	rig_start(rig, f.features, 2, 256);
	post_all(&f);
	for (len = 1; len < HDR + ETH_HLEN; len++) {
		piece.len = len;
		assert_true(model_driver_add(&rig->q[1], &piece, 1, 0, 0) >= 0);
	}
	piece.len = 3000000; /* all of it is guest memory */
	assert_true(model_driver_add(&rig->q[1], &piece, 1, 0, 0) >= 0);
	rig_expose(rig, 1);
	exchange(&f, 20, 4);
	assert_false(rig_broken());
}

/* Takes what the reflector still has of an earlier life of the device. */
static void drain(struct flow *f)
{
	unsigned int quiet = 0;
	u32 written;
	u64 gpa;

	rig_start(rig, f->features, 2, 64);
	while (quiet < 20) {
		post_all(f);
		usleep(500);
		for (quiet++; reclaim(f->rxq, &gpa, &written); quiet = 0)
			;
	}
}

static void break_and_mend(void (*lie)(void))
{
	struct flow f = { .txq = 1, .features = MERGE | INDIRECT, .rx_len = 300 };
	unsigned int calls, waited = 0;

	rig_start(rig, f.features, 2, 64);
	post_all(&f);
	exchange(&f, 20, 5);
	calls = fake_interrupts(0);
	lie();
	rig_kick(0);
	rig_kick(1);
	/* A frame must be there for the receive side to look. */
	while (fake_interrupts(0) == calls) {
		usleep(200);
		assert_true(++waited < 50000);
	}
	assert_true(rig_broken());
	assert_int_equal(fake_interrupts(0), calls + 1);
	drain(&f);
	f.sent = f.received = 0;
	rig_start(rig, f.features, 2, 64);
	assert_false(rig_broken());
	post_all(&f);
	exchange(&f, 50, 5);
}

static void lie_head(void)
{
	struct model_driver *d = &rig->q[1];

	model_split_avail(d)[2 + (d->avail & (d->num - 1))] = cpu_to_le16(64);
	d->avail++;
	model_driver_expose(d);
}

static void lie_index(void)
{
	model_split_avail(&rig->q[1])[1] = cpu_to_le16((u16)(rig->q[1].avail + 65));
}

static void lie_address(void)
{
	struct model_piece piece = { RIG_DATA + RIG_DATA_SIZE - 10, 100, false };

	model_driver_add(&rig->q[1], &piece, 1, 0, 0);
	model_driver_expose(&rig->q[1]);
}

static void lie_loop(void)
{
	struct model_piece piece = { TX_AREA, 100, false };
	int head = model_driver_add(&rig->q[1], &piece, 1, 0, 0);
	struct vring_desc *desc = model_split_desc(&rig->q[1], (u32)head);

	desc->flags = cpu_to_le16(VRING_DESC_F_NEXT);
	desc->next = cpu_to_le16((u16)head);
	model_driver_expose(&rig->q[1]);
}

/* Of the receive queue: taken as soon as frames come. */
static void lie_readable_rx(void)
{
	struct flow f = { .txq = 1, .features = MERGE, .rx_len = 300 };
	struct model_piece piece = { RX_AREA, 300, false };
	time_t end = time(NULL) + 10;
	u32 i;

	while (model_driver_add(&rig->q[0], &piece, 1, 0, 0) >= 0)
		;
	model_driver_expose(&rig->q[0]);
	for (i = 0; i < 30; i++)
		send_frame(&f);
	model_driver_expose(&rig->q[1]);
	rig_kick(1);
	usleep(2000);
	/* Use up what good buffers are left. */
	while (!rig_broken() && time(NULL) < end) {
		reclaim_tx(&f);
		send_frame(&f);
		model_driver_expose(&rig->q[1]);
		rig_kick(1);
		usleep(200);
		{
			u64 gpa;
			u32 written;

			while (reclaim(0, &gpa, &written))
				model_driver_add(&rig->q[0], &piece, 1, 0, 0);
			model_driver_expose(&rig->q[0]);
			rig_kick(0);
		}
	}
}

static void lies_break_the_liar(void **state)
{
	break_and_mend(lie_head);
	break_and_mend(lie_index);
	break_and_mend(lie_address);
	break_and_mend(lie_loop);
	break_and_mend(lie_readable_rx);
}

/* After status reads 0 no byte of the guest's memory changes any more. */
static void reset_under_traffic_is_final(void **state)
{
	struct flow f = { .txq = 1, .features = MERGE | EVENT_IDX, .rx_len = 200 };
	u32 round, i;

	for (round = 0; round < 60; round++) {
		u8 *copy;

		rig_start(rig, f.features, 2, 256);
		f.sent = f.received = 0;
		post_all(&f);
		for (i = 0; i < 60; i++)
			send_frame(&f);
		rig_expose(rig, 1);
		if (round % 3)
			usleep(round * 3);
		rig_set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
		memset(rig->data, 0x5a, RIG_DATA_SIZE);
		copy = malloc(viola_ring_device_size(256));
		memcpy(copy, rig->q[0].device, viola_ring_device_size(256));
		rig_kick(0);
		rig_kick(1);
		usleep(500);
		assert_memory_equal(copy, rig->q[0].device, viola_ring_device_size(256));
		for (i = 0; i < RIG_DATA_SIZE; i++)
			if (rig->data[i] != 0x5a)
				fail_msg("byte %#x changed after reset", i);
		free(copy);
	}
}

static void one_queue_is_reset_under_traffic(void **state)
{
	struct flow f = { .txq = 1, .features = MERGE | BIT(40), .rx_len = 1526 };
	u32 round;

	rig_start(rig, f.features, 2, 64);
	post_all(&f);
	exchange(&f, 50, 10);
	for (round = 0; round < 20; round++) {
		rig_set(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
		rig_set(58, 1, 2);
		assert_int_equal(rig_get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		/* The driver starts its side anew, in the same memory. */
		memset(rig->q[1].driver, 0, viola_ring_driver_size(64));
		memset(rig->q[1].device, 0, viola_ring_device_size(64));
		model_driver_start_at(&rig->q[1], 0);
		rig_set(VIRTIO_PCI_COMMON_Q_DESCLO, 0x10000000ull + 0x100000, 8);
		rig_set(VIRTIO_PCI_COMMON_Q_AVAILLO, 0x10000000ull + 0x140000, 8);
		rig_set(VIRTIO_PCI_COMMON_Q_USEDLO, 0x10000000ull + 0x180000, 8);
		rig_set(VIRTIO_PCI_COMMON_Q_SIZE, 64, 2);
		rig_set(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
		assert_int_equal(rig_get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
		exchange(&f, f.sent + 50, 10);
	}
}

/* --- a far end that takes nothing, and then is gone -------------------------- */

static struct {
	int pipe[2]; /* the read end is neither readable nor writable */
	bool gone;
} stubborn;

static int stubborn_send(struct net_backend *be, unsigned int queue, const struct viola_seg *seg,
			 u32 nr)
{
	return __atomic_load_n(&stubborn.gone, __ATOMIC_SEQ_CST) ? -EBADFD : -EAGAIN;
}

static ssize_t stubborn_recv(struct net_backend *be, unsigned int queue,
			     const struct viola_seg *seg, u32 nr)
{
	return __atomic_load_n(&stubborn.gone, __ATOMIC_SEQ_CST) ? -EBADFD : -EAGAIN;
}

static int stubborn_fd(struct net_backend *be, unsigned int queue)
{
	return stubborn.pipe[0];
}

static int stubborn_set_header(struct net_backend *be, u32 hdr_len, u32 offloads)
{
	return 0;
}

static int stubborn_set_queues(struct net_backend *be, unsigned int nr)
{
	return 0;
}

static bool stubborn_gone(struct net_backend *be)
{
	return __atomic_load_n(&stubborn.gone, __ATOMIC_SEQ_CST);
}

static void stubborn_destroy(struct net_backend *be)
{
	close(stubborn.pipe[0]);
	close(stubborn.pipe[1]);
}

static const struct net_backend_ops stubborn_ops = {
	.name = "stubborn", .send = stubborn_send, .recv = stubborn_recv, .fd = stubborn_fd,
	.set_header = stubborn_set_header, .set_queues = stubborn_set_queues,
	.gone = stubborn_gone, .destroy = stubborn_destroy,
};

static int setup_stubborn(void **state)
{
	static struct net_backend be = { .ops = &stubborn_ops, .queues = 1 };
	struct nic_config cfg = { .queues = 1 };

	stubborn.gone = false;
	assert_int_equal(pipe(stubborn.pipe), 0);
	rig = malloc(sizeof(*rig));
	rig_init(rig);
	memcpy(cfg.mac, mac, 6);
	assert_int_equal(virtio_net_create(&rig->vm, &be, &cfg, NULL), 0);
	fake_msix_enable(true);
	return 0;
}

/* It is the receiver that notices: what waits to be sent comes back, too. */
static void frames_for_a_gone_far_end_come_back(void **state)
{
	struct flow f = { .txq = 1, .rx_len = 1526 };
	unsigned int i, ms = 5000;

	rig_start(rig, f.features, 2, 64);
	for (i = 0; i < 5; i++)
		send_frame(&f);
	rig_expose(rig, 1);
	usleep(20000);
	assert_int_equal(reclaim_tx(&f), 0);
	__atomic_store_n(&stubborn.gone, true, __ATOMIC_SEQ_CST);
	post_all(&f); /* its kick has the receiver look */
	for (i = 0; i < 5 && ms; ms--) {
		i += reclaim_tx(&f);
		usleep(1000);
	}
	assert_int_equal(i, 5);
	assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 6, 2), 0);
	assert_false(rig_broken());
}

/* --- a far end some of whose frames cannot be taken --------------------------- */

static struct {
	int fd; /* eventfd, readable while there are frames */
	unsigned int bad; /* so many reads fail, then one frame comes; atomic */
	bool frame;
} odd;

static int odd_send(struct net_backend *be, unsigned int queue, const struct viola_seg *seg, u32 nr)
{
	return 0;
}

static ssize_t odd_recv(struct net_backend *be, unsigned int queue, const struct viola_seg *seg,
			u32 nr)
{
	static const u8 frame[HDR + 60];
	eventfd_t count;

	if (__atomic_load_n(&odd.bad, __ATOMIC_SEQ_CST)) {
		__atomic_sub_fetch(&odd.bad, 1, __ATOMIC_SEQ_CST);
		return -EINVAL; /* as tun for a GSO type that has no virtio name */
	}
	if (!__atomic_exchange_n(&odd.frame, false, __ATOMIC_SEQ_CST)) {
		eventfd_read(odd.fd, &count);
		return -EAGAIN;
	}
	return (ssize_t)viola_segs_write(seg, nr, 0, frame, sizeof(frame));
}

static int odd_fd(struct net_backend *be, unsigned int queue)
{
	return odd.fd;
}

static bool odd_gone(struct net_backend *be)
{
	return false;
}

static void odd_destroy(struct net_backend *be)
{
	close(odd.fd);
}

static const struct net_backend_ops odd_ops = {
	.name = "odd", .send = odd_send, .recv = odd_recv, .fd = odd_fd, .gone = odd_gone,
	.set_header = stubborn_set_header, .set_queues = stubborn_set_queues,
	.destroy = odd_destroy,
};

static int setup_odd(void **state)
{
	static struct net_backend be = { .ops = &odd_ops, .queues = 1, .mtu = 1400 };
	struct nic_config cfg = { .queues = 1 };

	memset(&odd, 0, sizeof(odd));
	odd.fd = eventfd(0, EFD_NONBLOCK);
	rig = malloc(sizeof(*rig));
	rig_init(rig);
	memcpy(cfg.mac, mac, 6);
	assert_int_equal(virtio_net_create(&rig->vm, &be, &cfg, NULL), 0);
	fake_msix_enable(true);
	return 0;
}

/*
 * The bytes written to the next used buffer of queue @index. An interrupt alone says
 * nothing: there is one without a buffer after a change of vectors (2.7.7).
 */
static u32 wait_used(unsigned int index)
{
	unsigned int seen;
	u32 written = 0;
	u16 id;

	for (;;) {
		seen = rig_calls(index);
		if (model_driver_reclaim(&rig->q[index], &id, &written))
			return written;
		assert_true(rig_wait(index, seen));
	}
}

/* A read that fails is about one frame: the link stays, and the next frame comes. */
static void a_frame_that_cannot_be_read_is_lost_alone(void **state)
{
	static const unsigned int bad[] = { 1, 2, 300, 1000 };
	struct flow f = { .txq = 1, .rx_len = 1526 };
	unsigned int i;

	rig_start(rig, f.features, 2, 64);
	post_all(&f);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		odd.frame = true;
		__atomic_store_n(&odd.bad, bad[i], __ATOMIC_SEQ_CST);
		eventfd_write(odd.fd, 1);
		assert_int_equal(wait_used(0), HDR + 60);
		assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 6, 2), 1);
	}
	assert_false(rig_broken());
}

/* 5.1.4: the field is there with the feature, which an unknown MTU does not bring. */
static void the_far_ends_mtu_is_offered(void **state)
{
	assert_true(rig_device_features() & BIT(VIRTIO_NET_F_MTU));
	assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 10, 2), 1400);
	fake_write(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 10, 9000, 2);
	assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 10, 2), 1400);
}

static void an_unknown_mtu_is_not_offered(void **state)
{
	assert_false(rig_device_features() & BIT(VIRTIO_NET_F_MTU));
}

static void a_missing_kernel_device_is_named(void **state)
{
	struct nic_config cfg = { .queues = 1 };
	struct net_backend *be;
	struct rig *other = malloc(sizeof(*other));

	/* The device under test is another one; this one never gets on a bus. */
	memcpy(&other->vm, &rig->vm, sizeof(other->vm));
	assert_int_equal(reflect_backend_open(&be, 1), 0);
	assert_int_equal(virtio_net_create(&other->vm, be, &cfg, "/dev/vhost-net"), -EOPNOTSUPP);
	assert_non_null(strstr(vmm_error(), "backend=tap"));
	free(other);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define T2(name) cmocka_unit_test_setup_teardown(name, setup_2, teardown)
	const struct CMUnitTest tests[] = {
		T(frames_come_back),
		T(a_quiesced_device_does_nothing),
		T(a_quiesced_device_can_be_destroyed),
		T(without_buffers_frames_wait),
		T(a_frame_waits_for_its_last_buffer),
		T(a_frame_that_never_fits_is_dropped),
		T(the_reflector_drops_when_full),
		T(counters_add_up),
		T2(control_queue_answers),
		T(control_commands_come_in_pieces),
		T2(both_pairs_carry),
		T(a_control_command_without_answer_breaks),
		T(feature_sets_must_make_sense),
		T(short_frames_are_dropped),
		T(lies_break_the_liar),
		T(reset_under_traffic_is_final),
		T(one_queue_is_reset_under_traffic),
		T(no_call_is_lost_for_want_of_a_vector),
		T(no_call_is_lost_while_msix_is_off),
		T(a_stopped_queue_does_not_call),
		cmocka_unit_test_setup_teardown(frames_for_a_gone_far_end_come_back,
						setup_stubborn, teardown),
		cmocka_unit_test_setup_teardown(a_frame_that_cannot_be_read_is_lost_alone,
						setup_odd, teardown),
		cmocka_unit_test_setup_teardown(the_far_ends_mtu_is_offered, setup_odd, teardown),
		T(an_unknown_mtu_is_not_offered),
		T(a_missing_kernel_device_is_named),
	};

	alarm(100); /* a hang is a failure */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
