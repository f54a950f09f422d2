// SPDX-License-Identifier: GPL-2.0
// fuzz-sources: tests/unit/vmm-rig.c vmm/bus.c vmm/complain.c vmm/error.c
// fuzz-sources: vmm/memory.c vmm/ram.c vmm/net/reflect.c
// fuzz-sources: vmm/pci/bar.c vmm/pci/bus.c vmm/pci/config.c vmm/pci/host-bridge.c
// fuzz-sources: vmm/pci/intx.c vmm/pci/msix.c vmm/virtio/complain.c vmm/virtio/net_rings.c
// fuzz-sources: vmm/virtio/queue.c vmm/virtio/vhost.c vmm/virtio/virtio_net.c
// fuzz-sources: vmm/virtio/virtio_pci.c
// fuzz-flags: -max_len=1024
/*
 * The network device with its transport, PCI bus, BARs and MSI-X against a guest
 * that does anything. What they ask of KVM is noted, and checked, by vmm-rig.c and
 * here: no message but to an APIC, no eventfd that is there already, none left.
 *
 * An input is a program of the guest: register accesses of any width, writes
 * to guest memory, descriptors, kicks, BAR moves, MSI-X switched and its table written;
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

#include "tests/unit/vmm-rig.h"
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
#define IOEVENTFDS 64

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

/* A step of the input is the loop; it does not run by itself. */
void loop_pause(struct loop *loop)
{
}

void loop_resume(struct loop *loop)
{
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

/* --- KVM's ioeventfds -------------------------------------------------------- */

static struct {
	u64 gpa;
	int fd;
} io[IOEVENTFDS];
static unsigned int io_nr;

int vm_ioeventfd_add(struct vm *vm, u64 gpa, int fd)
{
	unsigned int i;

	for (i = 0; i < io_nr; i++)
		if (io[i].gpa == gpa)
			abort(); /* KVM says EEXIST */
	if (io_nr == IOEVENTFDS)
		abort();
	io[io_nr].gpa = gpa;
	io[io_nr++].fd = fd;
	return 0;
}

int vm_ioeventfd_remove(struct vm *vm, u64 gpa, int fd)
{
	unsigned int i;

	for (i = 0; i < io_nr; i++)
		if (io[i].gpa == gpa && io[i].fd == fd) {
			io[i] = io[--io_nr];
			return 0;
		}
	abort(); /* KVM says ENOENT */
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

static struct vm *vm;
static struct pci_device *dev;
static struct viola_extent ext[2];
static u64 home; /* where the BAR was placed */

static u8 *ram(u64 off)
{
	return off < RAM_SIZE ? ext[0].base + off : ext[1].base + (off - RAM_SIZE);
}

/* Where the guest thinks that the BAR is; there may be nothing. */
static u64 bar_at(void)
{
	return (u64)pci_config_read(dev, PCI_BASE_ADDRESS_1, 4) << 32 |
	       (pci_config_read(dev, PCI_BASE_ADDRESS_0, 4) & ~0xfu);
}

static u64 get(u64 off, unsigned int len)
{
	u64 value;

	bus_read(&vm->mmio, bar_at() + off, &value, len);
	return value;
}

static void set(u64 off, u64 value, unsigned int len)
{
	bus_write(&vm->mmio, bar_at() + off, value, len);
}

static void bar_move(u64 gpa)
{
	pci_config_write(dev, PCI_BASE_ADDRESS_0, (u32)gpa, 4);
	pci_config_write(dev, PCI_BASE_ADDRESS_1, (u32)(gpa >> 32), 4);
}

/* Offset of the MSI-X capability; there is one. */
static unsigned int msix_at(void)
{
	unsigned int at = dev->config[PCI_CAPABILITY_LIST];

	while (dev->config[at] != PCI_CAP_ID_MSIX)
		at = dev->config[at + PCI_CAP_LIST_NEXT];
	return at;
}

/* What has reached KVM, and what answers, is what may. */
static void check(void)
{
	const struct pci_bar *bar = &dev->bar[VIRTIO_PCI_BAR];
	const struct pci_bus *bus = &vm->pci;
	unsigned int i;

	if (rig.stopped)
		abort();
	for (i = 0; i < rig.irqfds; i++)
		if (rig.route[rig.irqfd[i].gsi].addr >> 20 != LAYOUT_LAPIC >> 20)
			abort();
	if (rig.irqfds && !pci_msix_enabled(dev))
		abort();
	if (bar->mapped &&
	    !(bar->base >= bus->mmio32_base && bar->base + bar->size <= bus->mmio32_end) &&
	    !(bar->base >= bus->mmio64_base && bar->base + bar->size <= bus->mmio64_end))
		abort();
	for (i = 0; i < io_nr; i++)
		if (!bar->mapped || io[i].gpa < bar->base || io[i].gpa >= bar->base + bar->size)
			abort();
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
	bar_move(home);
	pci_config_write(dev, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
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

	get(off, len);
	set(off, take(in, len), len);
}

static void step_read_registers(struct input *in)
{
	unsigned int off;

	for (off = 0; off < 64; off += 4)
		get(off, 4);
	get(VIRTIO_PCI_ISR_OFF, 1);
	get(VIRTIO_PCI_DEVICE_OFF, 8);
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

/* Most of the time to a place where it may be, else to RAM and the like. */
static void step_bar(struct input *in)
{
	u64 choice = take(in, 1), at = (choice >> 1 & 0x1f) * VIRTIO_PCI_BAR_SIZE;

	if (choice & 0x80)
		at = choice & 0x40 ? vm->pci.mmio64_end - at : at << 8;
	else
		at += choice & 0x40 ? vm->pci.mmio32_base : vm->pci.mmio64_base;
	bar_move(at);
	pci_config_write(dev, PCI_COMMAND, PCI_COMMAND_MASTER |
			 (choice & 1 ? PCI_COMMAND_MEMORY : 0), 2);
}

/* MSI-X switched; or an entry of its table, right more often than not. */
static void step_msix(struct input *in)
{
	u64 choice = take(in, 1), entry;

	if (!(choice & 4)) {
		pci_config_write(dev, msix_at() + PCI_MSIX_FLAGS,
				 (choice & 1 ? PCI_MSIX_FLAGS_ENABLE : 0) |
				 (choice & 2 ? PCI_MSIX_FLAGS_MASKALL : 0), 2);
		return;
	}
	entry = VIRTIO_PCI_TABLE_OFF + take(in, 1) % (QUEUES + 1) * PCI_MSIX_ENTRY_SIZE;
	set(entry + PCI_MSIX_ENTRY_LOWER_ADDR,
	    choice & 8 ? take(in, 4) : LAYOUT_LAPIC | (choice & 0xf0) << 8, 4);
	set(entry + PCI_MSIX_ENTRY_UPPER_ADDR, choice & 16 ? take(in, 1) : 0, 4);
	set(entry + PCI_MSIX_ENTRY_DATA, take(in, 1), 4);
	set(entry + PCI_MSIX_ENTRY_VECTOR_CTRL, choice & 1, 4);
	get(VIRTIO_PCI_PBA_OFF, 8);
}

/* All of configuration space, the window into the BAR most of the time. */
static void step_config(struct input *in)
{
	u64 choice = take(in, 1);
	unsigned int len = 1u << choice % 3, off;

	if (choice & 0x80)
		off = (unsigned int)take(in, 1) & ~(len - 1);
	else
		off = (dev->next_cap - 20u - (choice & 0x40 ? 12 : 0) +
		       (unsigned int)(choice >> 2 & 15)) & ~(len - 1);
	pci_config_write(dev, off, (u32)take(in, len), len);
	pci_config_read(dev, off, len);
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
	unsigned int i;

	memset(watched, 0, sizeof(watched));
	vm = rig_create(0, 1);
	ext[0] = (struct viola_extent){ RAM, RAM_SIZE, calloc(1, RAM_SIZE) };
	ext[1] = (struct viola_extent){ RAM2, RAM2_SIZE, calloc(1, RAM2_SIZE) };
	vm->mem.map = (struct viola_mem){ ext, 2 };
	if (!ext[0].base || !ext[1].base || reflect_backend_open(&be, PAIRS) ||
	    virtio_net_create(vm, be, &cfg, NULL))
		abort();
	dev = vm->pci.slot[1]; /* behind the host bridge */
	home = bar_at();
	while (in.at < in.end) {
		step[take(&in, 1) % ARRAY_SIZE(step)](&in);
		check();
	}
	loops_run();

	/* Whatever happened, a reset mends the device. */
	bar_move(home);
	pci_config_write(dev, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	set(20, 0, 1);
	if (get(20, 1))
		abort();
	/* Nothing of it is left in the guest's memory: it may go at once. */
	memset(ram(0), 0xa5, RAM_SIZE);
	loops_run();
	if (*ram(0) != 0xa5 || memcmp(ram(0), ram(1), RAM_SIZE - 1))
		abort();
	rig_destroy(vm);
	if (io_nr || rig.irqfds)
		abort();
	for (i = 0; i < RIG_GSIS; i++)
		if (rig.route[i].used)
			abort();
	free(ext[0].base);
	free(ext[1].base);
	return 0;
}
