// SPDX-License-Identifier: GPL-2.0
// fuzz-sources: tests/unit/fake-pci.c vmm/complain.c vmm/error.c vmm/net/reflect.c
// fuzz-sources: vmm/virtio/complain.c vmm/virtio/net_rings.c vmm/virtio/queue.c vmm/virtio/vhost.c
// fuzz-sources: vmm/virtio/virtio_net.c vmm/virtio/virtio_pci.c
// fuzz-flags: -max_len=1024
/*
 * The network device with its transport against a guest that does anything.
 *
 * An input is a program of the guest: register accesses of any width, writes
 * to guest memory, descriptors, kicks, BAR moves, MSI-X switched on and off;
 * one step sets the device up as a driver would, so that the depths are
 * reached. Loop threads are played by this thread between the steps, so that
 * an input does the same each time. Guest memory is heap objects of its exact
 * size: AddressSanitizer is the judge.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <linux/pci_regs.h>
#include <linux/virtio_net.h>

#include "tests/unit/fake-pci.h"
#include "vmm/loop.h"
#include "vmm/net/backend.h"
#include "vmm/net/nic.h"
#include "vmm/virtio/virtio_net.h"
#include "vmm/virtio/virtio_pci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAIRS 2
#define QUEUES (2 * PAIRS + 1)
#define RAM 0x10000ull
#define RAM_SIZE 0x10000u
#define RAM2 (RAM + RAM_SIZE) /* a second extent right behind: chains cross */
#define RAM2_SIZE 0x1000u
#define RING(q) (RAM + 0x1000ull * (q)) /* 32 entries: desc, +0x800 avail, +0xc00 used */
#define RING_NUM 32

/* --- loops without threads ------------------------------------------------- */

#define SOURCES_MAX 64

struct loop {
	int none;
};

static struct {
	struct loop_source *source;
	uint32_t events;
} watched[SOURCES_MAX];

int loop_create(struct loop **loop, const char *thread_name)
{
	*loop = calloc(1, sizeof(**loop));
	return *loop ? 0 : -ENOMEM;
}

void loop_destroy(struct loop *loop)
{
	free(loop);
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
	unsigned int i;

	for (i = 0; i < SOURCES_MAX; i++)
		if (watched[i].source == source)
			abort(); /* added twice */
	for (i = 0; watched[i].source; i++)
		if (i == SOURCES_MAX - 1)
			abort();
	watched[i].source = source;
	watched[i].events = events;
	return 0;
}

int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events)
{
	unsigned int i;

	for (i = 0; i < SOURCES_MAX; i++)
		if (watched[i].source == source)
			watched[i].events = events;
	return 0;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	unsigned int i;

	for (i = 0; i < SOURCES_MAX; i++)
		if (watched[i].source == source)
			watched[i].source = NULL;
}

static bool is_watched(const struct loop_source *source)
{
	unsigned int i;

	for (i = 0; i < SOURCES_MAX; i++)
		if (watched[i].source == source)
			return true;
	return false;
}

/* Rounds until nothing is ready; a device that never comes to rest is broken. */
static void loops_run(void)
{
	unsigned int round, i, ready = 1;

	for (round = 0; ready; round++) {
		struct loop_source *source[SOURCES_MAX];
		struct pollfd p[SOURCES_MAX];
		unsigned int n = 0;

		if (round == 2000)
			abort();
		for (i = 0; i < SOURCES_MAX; i++) {
			source[n] = watched[i].source;
			if (!source[n])
				continue;
			p[n].events = (short)watched[i].events;
			p[n].fd = source[n]->fd;
			n++;
		}
		/* The fuzzer's own timer may come in between. */
		if (poll(p, n, 0) < 0) {
			if (errno != EINTR)
				abort();
			continue;
		}
		for (ready = 0, i = 0; i < n; i++) {
			if (!p[i].revents || !is_watched(source[i]))
				continue;
			ready++;
			source[i]->ready(source[i], (uint32_t)p[i].revents);
		}
	}
}

/* --- the guest ------------------------------------------------------------- */

struct input {
	const uint8_t *at, *end;
};

static u64 take(struct input *in, unsigned int bytes)
{
	u64 value = 0;

	for (; bytes && in->at < in->end; bytes--)
		value = value << 8 | *in->at++;
	return value;
}

static struct vm vm;
static struct viola_extent ext[2];

static u8 *ram(u64 off)
{
	return off < RAM_SIZE ? ext[0].base + off : ext[1].base + (off - RAM_SIZE);
}

static void set(u64 off, u64 value, unsigned int len)
{
	fake_write(VIRTIO_PCI_BAR, off, value, len);
}

static void step_set_up(struct input *in)
{
	u64 choice = take(in, 2), features = 1ull << 32;
	unsigned int i;

	if (choice & 1)
		features |= 1 << VIRTIO_RING_F_EVENT_IDX;
	if (choice & 2)
		features |= 1 << VIRTIO_RING_F_INDIRECT_DESC;
	if (choice & 4)
		features |= 1 << VIRTIO_NET_F_MRG_RXBUF;
	if (choice & 8)
		features |= 1 << VIRTIO_NET_F_CTRL_VQ | 1 << VIRTIO_NET_F_CTRL_RX |
			    1 << VIRTIO_NET_F_CTRL_MAC_ADDR;
	if (choice & 16)
		features |= 1 << VIRTIO_NET_F_MQ;
	if (choice & 32)
		features |= 1ull << 40;
	fake_config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	set(20, 0, 1);
	if (choice & 64)
		memset(ram(0), 0, RAM_SIZE);
	set(20, 1, 1);
	set(20, 3, 1);
	set(8, 0, 4);
	set(12, (u32)features, 4);
	set(8, 1, 4);
	set(12, features >> 32, 4);
	set(20, 11, 1);
	for (i = 0; i < QUEUES; i++) {
		set(22, i, 2);
		set(24, RING_NUM >> (choice >> 8 & 3), 2);
		set(26, i, 2);
		set(32, RING(i), 8);
		set(40, RING(i) + 0x800, 8);
		set(48, RING(i) + 0xc00, 8);
		if (!(choice >> 10 & 1) || i != choice >> 11 % QUEUES)
			set(28, 1, 2);
	}
	set(20, 15, 1);
}

static void step_register(struct input *in)
{
	u64 choice = take(in, 1);

	set(take(in, 1) % 64, take(in, 1u << (choice & 3)), 1u << (choice >> 2 & 3));
}

static void step_anywhere(struct input *in)
{
	unsigned int len = 1u << (take(in, 1) & 3);
	u64 off = take(in, 2) % (VIRTIO_PCI_BAR_SIZE - 7);

	fake_read(VIRTIO_PCI_BAR, off, len);
	if (off < VIRTIO_PCI_TABLE_OFF) /* beyond is the bus's */
		set(off, take(in, len), len);
}

static void step_read_registers(struct input *in)
{
	unsigned int off;

	for (off = 0; off < 64; off += 4)
		fake_read(VIRTIO_PCI_BAR, off, 4);
	fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_ISR_OFF, 1);
	fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF, 8);
}

static void step_poke(struct input *in)
{
	u64 off = take(in, 2), len = take(in, 1) & 15;

	for (; len--; off++)
		if (off < RAM_SIZE + RAM2_SIZE)
			*ram(off) = (u8)take(in, 1);
}

/* A descriptor that is right more often than random bytes are. */
static void step_descriptor(struct input *in)
{
	u64 q = take(in, 1) % QUEUES, index = take(in, 1) % RING_NUM, choice = take(in, 1);
	u8 *at = ram(RING(q) - RAM + 16 * index);
	__le64 addr = cpu_to_le64(RAM + (choice & 0x80 ? RAM_SIZE : 0x8000) + take(in, 2) -
				  (choice & 0x40 ? 256 : 0));
	u64 size = choice & 0x20 ? take(in, 4) : take(in, 1) << (choice >> 3 & 3);
	__le32 len = cpu_to_le32((u32)size);
	__le16 flags = cpu_to_le16(choice & 7);
	__le16 next = cpu_to_le16((u16)(choice & 0x10 ? take(in, 1) : (index + 1) % RING_NUM));

	memcpy(at, &addr, 8);
	memcpy(at + 8, &len, 4);
	memcpy(at + 12, &flags, 2);
	memcpy(at + 14, &next, 2);
}

/* @n heads made available, from descriptor @head on. */
static void step_avail(struct input *in)
{
	u64 q = take(in, 1) % QUEUES, head = take(in, 1), n = take(in, 1) % 8;
	u8 *avail = ram(RING(q) - RAM + 0x800);
	u16 idx;

	memcpy(&idx, avail + 2, 2);
	for (; n--; idx++, head++) {
		u16 entry = (u16)head;

		memcpy(avail + 4 + 2 * (idx % RING_NUM), &entry, 2);
	}
	memcpy(avail + 2, &idx, 2);
	set(VIRTIO_PCI_NOTIFY_OFF + VIRTIO_PCI_NOTIFY_STEP * q, q, 2);
}

static void step_kick(struct input *in)
{
	u64 q = take(in, 1);

	set(VIRTIO_PCI_NOTIFY_OFF + (VIRTIO_PCI_NOTIFY_STEP * q & 0xffc), q, 2);
	loops_run();
}

static void step_run(struct input *in)
{
	loops_run();
}

static void step_bar(struct input *in)
{
	u64 choice = take(in, 1);

	fake_bar_move(VIRTIO_PCI_BAR, choice << 16, choice & 1);
}

static void step_msix(struct input *in)
{
	fake_msix_enable(take(in, 1) & 1);
}

/* All of configuration space, the window into the BAR most of the time. */
static void step_config(struct input *in)
{
	u64 choice = take(in, 1);
	unsigned int len = 1u << choice % 3, off;

	if (choice & 0x80)
		off = (unsigned int)take(in, 1) & ~(len - 1);
	else
		off = (fake_pci.dev->next_cap - 20u - (choice & 0x40 ? 12 : 0) +
		       (unsigned int)(choice >> 2 & 15)) & ~(len - 1);
	fake_config_write(off, (u32)take(in, len), len);
	fake_config_read(off, len);
}

static void (*const step[])(struct input *in) = {
	step_set_up, step_register, step_anywhere, step_read_registers, step_poke, step_descriptor,
	step_descriptor, step_avail, step_avail, step_kick, step_run, step_bar, step_msix,
	step_config,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nic_config cfg = { .mac = { 2, 0, 0, 0, 0, 1 }, .queues = PAIRS };
	struct input in = { data, data + size };
	struct net_backend *be;

	fake_pci_reset();
	memset(watched, 0, sizeof(watched));
	memset(&vm, 0, sizeof(vm));
	ext[0] = (struct viola_extent){ RAM, RAM_SIZE, calloc(1, RAM_SIZE) };
	ext[1] = (struct viola_extent){ RAM2, RAM2_SIZE, calloc(1, RAM2_SIZE) };
	vm.mem.map = (struct viola_mem){ ext, 2 };
	if (!ext[0].base || !ext[1].base || reflect_backend_open(&be, PAIRS) ||
	    virtio_net_create(&vm, be, &cfg, NULL))
		abort();
	while (in.at < in.end)
		step[take(&in, 1) % ARRAY_SIZE(step)](&in);
	loops_run();

	/* Whatever happened, a reset mends the device. */
	set(20, 0, 1);
	if (fake_read(VIRTIO_PCI_BAR, 20, 1))
		abort();
	/* Nothing of it is left in the guest's memory: it may go at once. */
	memset(ram(0), 0xa5, RAM_SIZE);
	loops_run();
	if (*ram(0) != 0xa5 || memcmp(ram(0), ram(1), RAM_SIZE - 1))
		abort();
	fake_pci_destroy();
	if (fake_pci.io_nr)
		abort();
	free(ext[0].base);
	free(ext[1].base);
	return 0;
}
