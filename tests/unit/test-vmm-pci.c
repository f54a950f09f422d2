// SPDX-License-Identifier: GPL-2.0
/*
 * PCI as a guest sees it through ECAM and ports: BARs, INTx and MSI-X, and
 * that no write of a guest leads out of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/pci_regs.h>

#include "tests/unit/vmm-rig.h"
#include "vmm/error.h"

#define VECTORS 5
#define TABLE_OFF 0x2000
#define PBA_OFF 0x3000
#define IO_BAR 1
#define MEM32_BAR 0
#define MEM64_BAR 2
#define MEM64_SIZE 0x8000

struct device {
	struct pci_device pci; /* first */
	unsigned int reads, writes, moves;
	u64 off, gpa[PCI_BARS];
	bool mapped[PCI_BARS];
	unsigned int enables;
	bool enabled;
	bool destroyed_elsewhere;
};

static struct vm *vm;
static struct device *dev, *other;

static u64 dev_read(struct pci_device *pci, unsigned int bar, u64 off, unsigned int len)
{
	struct device *d = (struct device *)pci;

	d->reads++;
	d->off = off;
	return 0x5a5a5a5a;
}

static void dev_write(struct pci_device *pci, unsigned int bar, u64 off, u64 value,
		      unsigned int len)
{
	struct device *d = (struct device *)pci;

	d->writes++;
	d->off = off;
}

static void dev_moved(struct pci_device *pci, unsigned int bar, u64 gpa, bool mapped)
{
	struct device *d = (struct device *)pci;

	d->moves++;
	d->gpa[bar] = gpa;
	d->mapped[bar] = mapped;
}

static void dev_enabled(struct pci_device *pci, bool on)
{
	struct device *d = (struct device *)pci;

	d->enables++;
	d->enabled = on;
}

static void dev_destroy(struct pci_device *pci)
{
	pthread_mutex_destroy(&pci->config_lock);
	free(pci);
}

static const struct pci_device_ops dev_ops = {
	.bar_read = dev_read, .bar_write = dev_write, .bar_moved = dev_moved,
	.destroy = dev_destroy,
};

static struct device *device_create(void)
{
	const struct pci_identity id = {
		.vendor = 0x1234, .device = 0x5678, .class_code = 0x020000, .revision = 9,
	};
	const struct pci_msix_layout msix = {
		.vectors = VECTORS, .table_bar = MEM64_BAR, .table_off = TABLE_OFF,
		.pba_bar = MEM64_BAR, .pba_off = PBA_OFF,
	};
	struct device *d = calloc(1, sizeof(*d));

	pci_device_init(&d->pci, vm, "test device", &dev_ops, &id, true);
	pci_add_bar(&d->pci, MEM32_BAR, PCI_BAR_MEM32, 0x11000); /* rounded to 128 KiB */
	pci_add_bar(&d->pci, IO_BAR, PCI_BAR_IO, 0x40);
	pci_add_bar(&d->pci, MEM64_BAR, PCI_BAR_MEM64, MEM64_SIZE);
	assert_int_equal(pci_msix_init(&d->pci, &msix), 0);
	pci_msix_on_enable(&d->pci, dev_enabled);
	assert_int_equal(pci_attach(vm, &d->pci), 0);
	return d;
}

static int setup(void **state)
{
	vm = rig_create(0, 1);
	dev = device_create();
	other = device_create();
	return 0;
}

static int teardown(void **state)
{
	rig_destroy(vm);
	/* All that was given out has come back. */
	assert_int_equal(rig.irqfds, 0);
	return 0;
}

static u64 cfg_address(const struct device *d, unsigned int off)
{
	return LAYOUT_ECAM + ((u64)d->pci.slot << 15) + off;
}

static u32 cfg_read(const struct device *d, unsigned int off, unsigned int len)
{
	u64 v;

	assert_true(bus_read(&vm->mmio, cfg_address(d, off), &v, len));
	return (u32)v;
}

static void cfg_write(const struct device *d, unsigned int off, u32 v, unsigned int len)
{
	assert_true(bus_write(&vm->mmio, cfg_address(d, off), v, len));
}

static u64 mem_read(u64 gpa, unsigned int len)
{
	u64 v;

	assert_true(bus_read(&vm->mmio, gpa, &v, len));
	return v;
}

static void mem_write(u64 gpa, u64 v, unsigned int len)
{
	assert_true(bus_write(&vm->mmio, gpa, v, len));
}

static void command(const struct device *d, u16 v)
{
	cfg_write(d, PCI_COMMAND, v, 2);
}

/* --- configuration space --------------------------------------------------------- */

static void identity_is_read_only(void **state)
{
	assert_int_equal(cfg_read(dev, PCI_VENDOR_ID, 4), 0x56781234);
	assert_int_equal(cfg_read(dev, PCI_CLASS_REVISION, 4), 0x02000009);
	cfg_write(dev, PCI_VENDOR_ID, 0xffffffff, 4);
	cfg_write(dev, PCI_CLASS_REVISION, 0, 4);
	assert_int_equal(cfg_read(dev, PCI_VENDOR_ID, 4), 0x56781234);
	assert_int_equal(cfg_read(dev, PCI_CLASS_REVISION, 4), 0x02000009);
	assert_int_equal(cfg_read(dev, PCI_INTERRUPT_PIN, 1), 1);
	/* The last register of the extended space exists, and nothing after. */
	assert_int_equal(cfg_read(dev, 0xffc, 4), 0);
}

static void absent_functions_read_ones(void **state)
{
	u64 v;

	bus_read(&vm->mmio, LAYOUT_ECAM + (31 << 15), &v, 4);
	assert_int_equal((u32)v, 0xffffffff);
	bus_read(&vm->mmio, cfg_address(dev, 0) + (1 << 12), &v, 4);
	assert_int_equal((u32)v, 0xffffffff);
	bus_write(&vm->mmio, LAYOUT_ECAM + (31 << 15), 0, 4);
	/* Not aligned. */
	bus_read(&vm->mmio, cfg_address(dev, 1), &v, 4);
	assert_true(v == ~0ull);
}

static void ports_reach_the_same_registers(void **state)
{
	const u32 at = 0x80000000 | (u32)dev->pci.slot << 11;
	u64 v;

	bus_write(&vm->pio, 0xcf8, at | PCI_COMMAND, 4);
	bus_write(&vm->pio, 0xcfc, PCI_COMMAND_MASTER, 2);
	assert_true(pci_bus_master(&dev->pci));
	bus_read(&vm->pio, 0xcf8, &v, 4);
	assert_int_equal((u32)v, at | PCI_COMMAND);
	bus_write(&vm->pio, 0xcf8, at, 4);
	bus_read(&vm->pio, 0xcfe, &v, 2);
	assert_int_equal((u16)v, 0x5678);
	/* Disabled, another bus, another function. */
	bus_write(&vm->pio, 0xcf8, at & ~0x80000000u, 4);
	bus_read(&vm->pio, 0xcfc, &v, 4);
	assert_int_equal((u32)v, 0xffffffff);
	bus_write(&vm->pio, 0xcf8, at | 1 << 16, 4);
	bus_read(&vm->pio, 0xcfc, &v, 4);
	assert_int_equal((u32)v, 0xffffffff);
	bus_write(&vm->pio, 0xcf8, at | 1 << 8, 4);
	bus_read(&vm->pio, 0xcfc, &v, 4);
	assert_int_equal((u32)v, 0xffffffff);
	/* One of them is the reset register. */
	bus_write(&vm->pio, 0xcf9, 6, 1);
	assert_int_equal(rig.reset, 6);
}

static void capabilities_are_linked(void **state)
{
	unsigned int cap = cfg_read(dev, PCI_CAPABILITY_LIST, 1);

	assert_true(cfg_read(dev, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	assert_int_equal(cfg_read(dev, cap, 1), PCI_CAP_ID_MSIX);
	assert_int_equal(cfg_read(dev, cap + PCI_CAP_LIST_NEXT, 1), 0);
	assert_int_equal(cfg_read(dev, cap + PCI_MSIX_FLAGS, 2), VECTORS - 1);
	assert_int_equal(cfg_read(dev, cap + PCI_MSIX_TABLE, 4), TABLE_OFF | MEM64_BAR);
	assert_int_equal(cfg_read(dev, cap + PCI_MSIX_PBA, 4), PBA_OFF | MEM64_BAR);
}

/* --- BARs -------------------------------------------------------------------------- */

static void bars_tell_their_size(void **state)
{
	cfg_write(dev, PCI_BASE_ADDRESS_0, 0xffffffff, 4);
	assert_int_equal(cfg_read(dev, PCI_BASE_ADDRESS_0, 4), 0xfffe0000);
	cfg_write(dev, PCI_BASE_ADDRESS_1, 0xffffffff, 4);
	assert_int_equal(cfg_read(dev, PCI_BASE_ADDRESS_1, 4), 0xffffffc1);
	cfg_write(dev, PCI_BASE_ADDRESS_2, 0xffffffff, 4);
	cfg_write(dev, PCI_BASE_ADDRESS_3, 0xffffffff, 4);
	assert_int_equal(cfg_read(dev, PCI_BASE_ADDRESS_2, 4),
			 (u32)~(MEM64_SIZE - 1) | PCI_BASE_ADDRESS_MEM_TYPE_64 |
				 PCI_BASE_ADDRESS_MEM_PREFETCH);
	assert_int_equal(cfg_read(dev, PCI_BASE_ADDRESS_3, 4), 0xffffffff);
	cfg_write(dev, PCI_BASE_ADDRESS_4, 0xffffffff, 4);
	assert_int_equal(cfg_read(dev, PCI_BASE_ADDRESS_4, 4), 0);
}

static void bars_follow_the_command_register(void **state)
{
	const u64 mem = cfg_read(dev, PCI_BASE_ADDRESS_0, 4) & ~0xfu;
	const u64 io = cfg_read(dev, PCI_BASE_ADDRESS_1, 4) & ~3u;
	u64 v;

	/* Placed before the guest starts, in their windows, not yet mapped. */
	assert_in_range(mem, LAYOUT_MMIO32, LAYOUT_MMIO32_END - 1);
	assert_in_range(io, LAYOUT_PCI_IO, LAYOUT_PCI_IO_END - 1);
	assert_false(bus_read(&vm->mmio, mem, &v, 4));
	command(dev, PCI_COMMAND_MEMORY);
	assert_int_equal(mem_read(mem + 0x10, 4), 0x5a5a5a5a);
	assert_int_equal(dev->off, 0x10);
	assert_true(dev->mapped[MEM32_BAR] && dev->gpa[MEM32_BAR] == mem);
	assert_true(dev->mapped[MEM64_BAR] && !dev->mapped[IO_BAR]);
	assert_false(bus_read(&vm->pio, io, &v, 4));
	command(dev, PCI_COMMAND_IO);
	assert_true(bus_read(&vm->pio, io, &v, 4));
	assert_false(bus_read(&vm->mmio, mem, &v, 4));
	assert_false(dev->mapped[MEM32_BAR]);
	command(dev, 0);
	assert_false(bus_read(&vm->pio, io, &v, 4));
}

static void bars_move(void **state)
{
	u64 v;

	command(dev, PCI_COMMAND_MEMORY);
	cfg_write(dev, PCI_BASE_ADDRESS_0, 0xd0000000, 4);
	assert_int_equal(mem_read(0xd0000000, 4), 0x5a5a5a5a);
	cfg_write(dev, PCI_BASE_ADDRESS_0, 0xd4000000, 4);
	assert_false(bus_read(&vm->mmio, 0xd0000000, &v, 4));
	mem_write(0xd401fffc, 1, 4);
	assert_int_equal(dev->off, 0x1fffc);
	assert_false(bus_read(&vm->mmio, 0xd4020000, &v, 4));
	/* A 64-bit one, by halves. */
	cfg_write(dev, PCI_BASE_ADDRESS_2, 0x12340000, 4);
	cfg_write(dev, PCI_BASE_ADDRESS_3, 0x2, 4);
	assert_int_equal(mem_read(0x212340000, 4), 0x5a5a5a5a);
	assert_true(dev->gpa[MEM64_BAR] == 0x212340000);
}

static void bars_stay_in_their_windows(void **state)
{
	static const u32 bad[] = { 0, 0x00100000, LAYOUT_HOLE - 0x20000, 0xe0000000, 0xfec00000,
				   0xfee00000, 0xfffe0000 };
	unsigned int i;
	u64 v;

	command(dev, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		cfg_write(dev, PCI_BASE_ADDRESS_0, bad[i], 4);
		assert_false(dev->mapped[MEM32_BAR]);
	}
	cfg_write(dev, PCI_BASE_ADDRESS_1, 0x3f8, 4);
	assert_false(dev->mapped[IO_BAR]);
	/* Beyond what the guest can address. */
	cfg_write(dev, PCI_BASE_ADDRESS_2, 0, 4);
	cfg_write(dev, PCI_BASE_ADDRESS_3, 0xffffffff, 4);
	assert_false(dev->mapped[MEM64_BAR]);
	/* ECAM still answers. */
	assert_true(bus_read(&vm->mmio, LAYOUT_ECAM, &v, 4));
	cfg_write(dev, PCI_BASE_ADDRESS_0, 0xc0000000, 4);
}

static void the_second_over_an_address_loses(void **state)
{
	cfg_write(dev, PCI_BASE_ADDRESS_0, 0xd0000000, 4);
	cfg_write(other, PCI_BASE_ADDRESS_0, 0xd0000000, 4);
	command(dev, PCI_COMMAND_MEMORY);
	command(other, PCI_COMMAND_MEMORY);
	assert_true(dev->mapped[MEM32_BAR] && !other->mapped[MEM32_BAR]);
	mem_read(0xd0000000, 4);
	assert_int_equal(dev->reads, 1);
	assert_int_equal(other->reads, 0);
	/* Its own move does not disturb the first. */
	cfg_write(other, PCI_BASE_ADDRESS_0, 0xd8000000, 4);
	assert_true(dev->mapped[MEM32_BAR] && other->mapped[MEM32_BAR]);
}

/* What stood in its way leaves, by its own register or by the command register. */
static void the_loser_has_the_address_when_it_is_free(void **state)
{
	unsigned int round;

	for (round = 0; round < 2; round++) {
		command(dev, 0);
		command(other, 0);
		cfg_write(dev, PCI_BASE_ADDRESS_0, 0xd0000000, 4);
		cfg_write(other, PCI_BASE_ADDRESS_0, 0xd0000000, 4);
		command(dev, PCI_COMMAND_MEMORY);
		command(other, PCI_COMMAND_MEMORY);
		assert_true(dev->mapped[MEM32_BAR] && !other->mapped[MEM32_BAR]);
		if (round)
			command(dev, 0);
		else
			cfg_write(dev, PCI_BASE_ADDRESS_0, 0xd8000000, 4);
		assert_true(other->mapped[MEM32_BAR] && other->gpa[MEM32_BAR] == 0xd0000000);
		other->reads = 0;
		mem_read(0xd0000000, 4);
		assert_int_equal(other->reads, 1);
	}
	/* Who comes back is the second now. */
	command(dev, PCI_COMMAND_MEMORY);
	cfg_write(dev, PCI_BASE_ADDRESS_0, 0xd0000000, 4);
	assert_true(!dev->mapped[MEM32_BAR] && other->mapped[MEM32_BAR]);
}

struct mover {
	struct device *d;
	u32 at;
};

static void *move_to_and_fro(void *arg)
{
	const struct mover *m = arg;
	unsigned int i;

	for (i = 0; i < 20000; i++) {
		cfg_write(m->d, PCI_BASE_ADDRESS_0, m->at, 4);
		cfg_write(m->d, PCI_BASE_ADDRESS_0, 0xd0000000, 4);
	}
	return NULL;
}

/* Two vCPUs move two devices over the same place: neither a deadlock nor two there. */
static void two_fight_for_an_address(void **state)
{
	struct mover a = { dev, 0xd4000000 }, b = { other, 0xd8000000 };
	pthread_t thread;

	command(dev, PCI_COMMAND_MEMORY);
	command(other, PCI_COMMAND_MEMORY);
	assert_int_equal(pthread_create(&thread, NULL, move_to_and_fro, &a), 0);
	move_to_and_fro(&b);
	pthread_join(thread, NULL);
	assert_true(dev->mapped[MEM32_BAR] != other->mapped[MEM32_BAR]);
	/* Who has it leaves it to the other. */
	cfg_write(dev->mapped[MEM32_BAR] ? dev : other, PCI_BASE_ADDRESS_0, 0xdc000000, 4);
	assert_true(dev->mapped[MEM32_BAR] && other->mapped[MEM32_BAR]);
}

/* A driver that swaps the places of two BARs has one over the other meanwhile. */
static void bars_of_a_device_swap_places(void **state)
{
	const u32 high = 0xd8000000;

	/* The 64-bit one below 4 GiB, where both kinds may be. */
	cfg_write(dev, PCI_BASE_ADDRESS_0, 0xd0000000, 4);
	cfg_write(dev, PCI_BASE_ADDRESS_2, high, 4);
	cfg_write(dev, PCI_BASE_ADDRESS_3, 0, 4);
	command(dev, PCI_COMMAND_MEMORY);
	assert_true(dev->mapped[MEM32_BAR] && dev->mapped[MEM64_BAR]);
	cfg_write(dev, PCI_BASE_ADDRESS_0, high, 4);
	assert_false(dev->mapped[MEM32_BAR]);
	cfg_write(dev, PCI_BASE_ADDRESS_2, 0xd0000000, 4);
	assert_true(dev->mapped[MEM32_BAR] && dev->gpa[MEM32_BAR] == high);
	assert_true(dev->mapped[MEM64_BAR] && dev->gpa[MEM64_BAR] == 0xd0000000);
	mem_read(high + 0x11000, 4);
	assert_int_equal(dev->off, 0x11000);
}

/* --- INTx ---------------------------------------------------------------------------- */

static void intx_obeys_the_command_register(void **state)
{
	const u32 gsi = dev->pci.intx_gsi;

	pci_intx(&dev->pci, true);
	assert_true(rig.line[gsi]);
	assert_true(cfg_read(dev, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
	command(dev, PCI_COMMAND_INTX_DISABLE);
	assert_false(rig.line[gsi]);
	command(dev, 0);
	assert_true(rig.line[gsi]);
	pci_intx(&dev->pci, false);
	assert_false(rig.line[gsi]);
	assert_false(cfg_read(dev, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT);
}

static void shared_lines_are_wired_or(void **state)
{
	struct device *d = NULL;
	u32 gsi = dev->pci.intx_gsi;

	while (!d || d->pci.intx_gsi != gsi)
		d = device_create();
	pci_intx(&dev->pci, true);
	pci_intx(&d->pci, true);
	pci_intx(&dev->pci, false);
	assert_true(rig.line[gsi]);
	pci_intx(&d->pci, false);
	assert_false(rig.line[gsi]);
}

/* --- MSI-X ---------------------------------------------------------------------------- */

static u64 bar64(void)
{
	return dev->gpa[MEM64_BAR];
}

static void msix_control(u16 flags)
{
	cfg_write(dev, cfg_read(dev, PCI_CAPABILITY_LIST, 1) + PCI_MSIX_FLAGS, flags, 2);
}

static void msix_setup_vector(unsigned int vector, u64 addr, u32 data)
{
	const u64 at = bar64() + TABLE_OFF + vector * 16;

	mem_write(at, addr, 8);
	mem_write(at + 8, data, 4);
}

static void msix_mask(unsigned int vector, bool mask)
{
	mem_write(bar64() + TABLE_OFF + vector * 16 + 12, mask, 4);
}

static u64 pba(void)
{
	return mem_read(bar64() + PBA_OFF, 8);
}

static void vectors_go_to_kvm_while_live(void **state)
{
	int fd, gsi;

	command(dev, PCI_COMMAND_MEMORY);
	fd = pci_msix_fd(&dev->pci, 1);
	assert_true(fd >= 0);
	assert_int_equal(rig_irqfd(fd), -1);
	msix_setup_vector(1, 0xfee01000, 0x4041);
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	assert_true(dev->enabled && pci_msix_enabled(&dev->pci));
	assert_int_equal(rig_irqfd(fd), -1); /* the entry is still masked */
	msix_mask(1, false);
	gsi = rig_irqfd(fd);
	assert_true(gsi >= GSI_IOAPIC_PINS);
	assert_true(rig.route[gsi].addr == 0xfee01000 && rig.route[gsi].data == 0x4041);
	/* The same descriptor for ever, the same route after a change. */
	assert_int_equal(pci_msix_fd(&dev->pci, 1), fd);
	mem_write(bar64() + TABLE_OFF + 16 + 8, 0x4042, 4);
	assert_int_equal(rig.route[gsi].data, 0x4042);
	msix_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	assert_int_equal(rig_irqfd(fd), -1);
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(rig_irqfd(fd), gsi);
	msix_control(0);
	assert_int_equal(rig_irqfd(fd), -1);
	assert_int_equal(dev->enables, 2);
	assert_false(dev->enabled);
}

/* KVM takes the whole table each time, and waits for its readers. */
static void all_vectors_go_to_kvm_at_once(void **state)
{
	unsigned int i;

	command(dev, PCI_COMMAND_MEMORY);
	for (i = 0; i < VECTORS; i++) {
		assert_true(pci_msix_fd(&dev->pci, i) >= 0);
		msix_setup_vector(i, 0xfee00000, 0x40 + i);
		msix_mask(i, false);
	}
	assert_int_equal(rig.commits, 0);
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(rig.commits, 1);
	for (i = 0; i < VECTORS; i++)
		assert_int_equal(rig.route[rig_irqfd(pci_msix_fd(&dev->pci, i))].data, 0x40 + i);
	msix_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(rig.commits, 1); /* the routes are the same */
	assert_int_equal(rig.irqfds, VECTORS);
}

static void masked_vectors_pend(void **state)
{
	eventfd_t count;
	int fd;

	command(dev, PCI_COMMAND_MEMORY);
	msix_setup_vector(2, 0xfee00000, 0x42);
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(pba(), 0);
	pci_msix_notify(&dev->pci, 2);
	pci_msix_notify(&dev->pci, 2);
	assert_int_equal(pba(), 1 << 2);
	/* A data plane's signal pends just as well. */
	fd = pci_msix_fd(&dev->pci, 4);
	eventfd_write(fd, 1);
	assert_int_equal(pba(), 1 << 2 | 1 << 4);
	assert_int_equal(mem_read(bar64() + PBA_OFF, 4), 1 << 2 | 1 << 4);
	/* What pended reaches KVM once, by the eventfd. */
	msix_mask(2, false);
	assert_int_equal(pba(), 1 << 4);
	assert_int_equal(eventfd_read(pci_msix_fd(&dev->pci, 2), &count), 0);
	assert_int_equal(count, 1);
	/* Masked again with nothing new, nothing pends. */
	msix_mask(2, true);
	assert_int_equal(pba(), 1 << 4);
	msix_mask(2, false);
	assert_int_equal(eventfd_read(pci_msix_fd(&dev->pci, 2), &count), -1);
}

static void notify_signals_a_live_vector(void **state)
{
	eventfd_t count;
	int fd;

	command(dev, PCI_COMMAND_MEMORY);
	msix_setup_vector(0, 0xfee00000, 0x40);
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	msix_mask(0, false);
	pci_msix_notify(&dev->pci, 0);
	fd = pci_msix_fd(&dev->pci, 0);
	assert_true(rig_irqfd(fd) >= 0);
	assert_int_equal(eventfd_read(fd, &count), 0);
	assert_int_equal(count, 1);
	/* A number that is not a vector's is nothing. */
	pci_msix_notify(&dev->pci, VECTORS);
	pci_msix_notify(&dev->pci, 0xffff);
	assert_int_equal(pci_msix_fd(&dev->pci, VECTORS), -EINVAL);
}

/*
 * What a write to would be memory, a BAR or the IOAPIC is no interrupt, though
 * KVM would make one of it; a good address later sends what pended.
 */
static void only_apics_are_interrupted(void **state)
{
	static const u64 bad[] = {
		0, 0x1000, 0xfec00000, 0xfedffffc, 0xfef00000, 0xffe00000, 0x7ee00000,
		0x1fee00000, 0x80000000fee00000, 0xfffffffffffffffc,
	};
	static const u64 good[] = { 0xfee00000, 0xfee01000, 0xfeeff00c, 0xfeefffe0 };
	eventfd_t count;
	unsigned int i;
	int fd, gsi;

	command(dev, PCI_COMMAND_MEMORY);
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	fd = pci_msix_fd(&dev->pci, 3);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		/* Unmasked with it. */
		msix_setup_vector(3, bad[i], 0x4041);
		msix_mask(3, false);
		assert_int_equal(rig_irqfd(fd), -1);
		pci_msix_notify(&dev->pci, 3);
		assert_int_equal(pba(), 1 << 3);
		/* Corrected while live, by halves, and spoilt again likewise. */
		mem_write(bar64() + TABLE_OFF + 3 * 16 + 4, 0, 4);
		mem_write(bar64() + TABLE_OFF + 3 * 16, good[i % ARRAY_SIZE(good)], 4);
		gsi = rig_irqfd(fd);
		assert_true(gsi >= GSI_IOAPIC_PINS);
		assert_true(rig.route[gsi].addr == good[i % ARRAY_SIZE(good)]);
		assert_int_equal(eventfd_read(fd, &count), 0);
		assert_int_equal(count, 1);
		mem_write(bar64() + TABLE_OFF + 3 * 16 + 4, bad[i] >> 32, 4);
		mem_write(bar64() + TABLE_OFF + 3 * 16, (u32)bad[i], 4);
		assert_int_equal(rig_irqfd(fd), -1);
		/* The route was never the bad one, not even on the way. */
		assert_true(rig.route[gsi].addr >> 20 == 0xfee);
		msix_mask(3, true);
	}
	/* The first notification of a vector makes its eventfd: as above. */
	msix_setup_vector(4, 0x2000, 0x4041);
	msix_mask(4, false);
	pci_msix_notify(&dev->pci, 4);
	assert_int_equal(pba(), 1 << 4);
	assert_int_equal(rig.irqfds, 0);
}

static void msix_keeps_intx_quiet(void **state)
{
	pci_intx(&dev->pci, true);
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	assert_false(rig.line[dev->pci.intx_gsi]);
	msix_control(0);
	assert_true(rig.line[dev->pci.intx_gsi]);
	pci_intx(&dev->pci, false);
}

/* CVE-2020-27821: no access to the table touches anything else. */
static void table_accesses_are_bounded(void **state)
{
	const u64 end = TABLE_OFF + VECTORS * 16;
	unsigned int len;
	u64 off;

	command(dev, PCI_COMMAND_MEMORY);
	for (off = TABLE_OFF - 8; off < end + 8; off++)
		for (len = 1; len <= 8; len *= 2) {
			const bool whole = (len == 4 || len == 8) && !(off % len) &&
					   off >= TABLE_OFF && off + len <= end;
			const bool touches = off < end && off + len > TABLE_OFF;
			u64 v = ~0ull >> (64 - 8 * len);

			dev->writes = 0;
			mem_write(bar64() + off, v, len);
			assert_int_equal(dev->writes, !touches);
			if (!touches)
				continue;
			/* Reserved bits of address and control read 0. */
			if (len == 8)
				v = off % 16 ? 0x1ffffffffull : 0xfffffffffffffffcull;
			else if (off % 16 == 0)
				v = 0xfffffffc;
			else if (off % 16 == 12)
				v = 1;
			assert_true(mem_read(bar64() + off, len) == (whole ? v : 0));
		}
	/* The PBA is not written, and between the two is the device. */
	mem_write(bar64() + PBA_OFF, ~0ull, 8);
	assert_int_equal(pba(), 0);
	assert_int_equal(mem_read(bar64() + PBA_OFF + 4, 8), 0);
	dev->reads = 0;
	mem_read(bar64() + PBA_OFF + 8, 8);
	assert_int_equal(dev->reads, 1);
}

static void a_refused_irqfd_stops_the_machine(void **state)
{
	command(dev, PCI_COMMAND_MEMORY);
	msix_setup_vector(0, 0xfee00000, 0x40);
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	pci_msix_fd(&dev->pci, 0);
	rig.fail_irqfd = true;
	msix_mask(0, false);
	assert_true(rig.stopped);
	assert_int_equal(rig.status, VM_FAILED);
	assert_non_null(strstr(rig.reason, "test device: refused"));
}

/* --- anything ------------------------------------------------------------------------- */

static u64 random_state = 88172645463325252ull;

static u32 random_below(u32 n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (u32)(random_state >> 32) % n;
}

static void check_mapped(const struct device *d)
{
	unsigned int i;

	for (i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *bar = &d->pci.bar[i];
		const u64 end = bar->base + bar->size;

		assert_int_equal(bar->mapped, d->mapped[i]);
		if (!bar->mapped)
			continue;
		if (bar->kind == PCI_BAR_IO)
			assert_true(bar->base >= LAYOUT_PCI_IO && end <= LAYOUT_PCI_IO_END);
		else
			assert_true((bar->base >= LAYOUT_MMIO32 && end <= LAYOUT_MMIO32_END) ||
				    (bar->base >= vm->pci.mmio64_base &&
				     end <= vm->pci.mmio64_end));
	}
}

/* --- other devices than the usual one ------------------------------------------- */

static struct device *device_begin(void)
{
	const struct pci_identity id = { .vendor = 0x1234, .device = 0x9abc };
	struct device *d = calloc(1, sizeof(*d));

	pci_device_init(&d->pci, vm, "special", &dev_ops, &id, false);
	return d;
}

static void table_and_pending_bits_may_be_apart(void **state)
{
	const struct pci_msix_layout msix = {
		.vectors = 3, .table_bar = MEM32_BAR, .table_off = 0x1000, .pba_bar = MEM64_BAR,
		.pba_off = 0x1000,
	};
	struct device *d = device_begin();
	unsigned int cap;
	u64 table, pba_at;

	pci_add_bar(&d->pci, MEM32_BAR, PCI_BAR_MEM32, 0x2000);
	pci_add_bar(&d->pci, MEM64_BAR, PCI_BAR_MEM64, 0x2000);
	assert_int_equal(pci_msix_init(&d->pci, &msix), 0);
	assert_int_equal(pci_attach(vm, &d->pci), 0);
	command(d, PCI_COMMAND_MEMORY);
	cap = cfg_read(d, PCI_CAPABILITY_LIST, 1);
	assert_int_equal(cfg_read(d, cap + PCI_MSIX_TABLE, 4), 0x1000 | MEM32_BAR);
	assert_int_equal(cfg_read(d, cap + PCI_MSIX_PBA, 4), 0x1000 | MEM64_BAR);
	table = d->gpa[MEM32_BAR] + 0x1000;
	pba_at = d->gpa[MEM64_BAR] + 0x1000;
	mem_write(table + 16, 0xfee01000, 4);
	assert_int_equal(mem_read(table + 16, 4), 0xfee01000);
	cfg_write(d, cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
	pci_msix_notify(&d->pci, 1);
	assert_int_equal(mem_read(pba_at, 8), 1 << 1);
	/* What is in the one BAR at the other's offset is the device's own. */
	assert_true(pci_msix_covers(&d->pci, MEM32_BAR, 0x1000, 4));
	assert_true(pci_msix_covers(&d->pci, MEM64_BAR, 0x1000, 4));
	assert_false(pci_msix_covers(&d->pci, MEM64_BAR, 0x1008, 4));
	assert_true(pci_msix_covers(&d->pci, MEM32_BAR, 0x1008, 4));
	assert_false(pci_msix_covers(&d->pci, MEM32_BAR, 0x1030, 4));
}

/* The guest's address space, in the rig, has 40 bits. */
static void the_window_grows_with_what_is_in_it(void **state)
{
	static const unsigned int shift[] = { 37, 39 };
	struct device *d;
	unsigned int i;

	assert_true(vm->pci.mmio64_end <= vm->pci.mmio64_base + LAYOUT_MMIO64_SIZE);
	for (i = 0; i < ARRAY_SIZE(shift); i++) {
		d = device_begin();
		pci_add_bar(&d->pci, MEM64_BAR, PCI_BAR_MEM64, 1ull << shift[i]);
		assert_int_equal(pci_attach(vm, &d->pci), 0);
		command(d, PCI_COMMAND_MEMORY);
		assert_true(d->mapped[MEM64_BAR]);
		assert_int_equal(d->gpa[MEM64_BAR], 1ull << shift[i]);
		assert_int_equal(vm->pci.mmio64_end, 2ull << shift[i]);
	}
	/* No further than the guest can reach. */
	d = device_begin();
	pci_add_bar(&d->pci, MEM64_BAR, PCI_BAR_MEM64, 1ull << 38);
	assert_int_equal(pci_attach(vm, &d->pci), -ENOSPC);
	assert_int_equal(vm->pci.mmio64_end, 1ull << 40);
	dev_destroy(&d->pci);
}

/* Blocks of a device's memory that were added and not removed, by page. */
struct follower {
	struct memory_listener listener;
	u64 gpa[8];
	unsigned int nr;
	bool refuse;
};

static int follower_added(struct memory_listener *listener, struct memory_block *block)
{
	struct follower *f = (struct follower *)listener;

	if (f->refuse)
		return vmm_fail(ENOSPC, "no more");
	assert_int_equal(block->kind, MEMORY_DEVICE);
	f->gpa[f->nr++] = block->gpa;
	return 0;
}

static void follower_removed(struct memory_listener *listener, struct memory_block *block)
{
	struct follower *f = (struct follower *)listener;
	unsigned int i;

	for (i = 0; i < f->nr && f->gpa[i] != block->gpa; i++)
		;
	assert_true(i < f->nr);
	f->gpa[i] = f->gpa[--f->nr];
}

static bool followed(const struct follower *f, u64 gpa)
{
	unsigned int i;

	for (i = 0; i < f->nr; i++)
		if (f->gpa[i] == gpa)
			return true;
	return false;
}

static void parts_of_a_bar_follow_it(void **state)
{
	static const struct memory_listener_ops ops = {
		.added = follower_added, .removed = follower_removed,
	};
	struct follower f = { .listener.ops = &ops };
	static u8 host[2 * MEMORY_PAGE] __attribute__((aligned(4096)));
	struct device *d = device_begin();
	u64 at;

	assert_int_equal(memory_listen(&vm->mem, &f.listener), 0);
	pci_add_bar(&d->pci, MEM32_BAR, PCI_BAR_MEM32, 4 * MEMORY_PAGE);
	assert_int_equal(pci_bar_map(&d->pci, MEM32_BAR, 0, MEMORY_PAGE, host, -1, 0), 0);
	assert_int_equal(pci_bar_map(&d->pci, MEM32_BAR, 3 * MEMORY_PAGE, MEMORY_PAGE,
				     host + MEMORY_PAGE, -1, 0), 0);
	assert_int_equal(pci_attach(vm, &d->pci), 0);
	assert_int_equal(f.nr, 0);
	command(d, PCI_COMMAND_MEMORY);
	at = d->gpa[MEM32_BAR];
	assert_int_equal(f.nr, 2);
	assert_true(followed(&f, at) && followed(&f, at + 3 * MEMORY_PAGE));
	/* To another place, to one over another device, and back. */
	cfg_write(d, PCI_BASE_ADDRESS_0 + 4 * MEM32_BAR, (u32)at + 0x100000, 4);
	assert_int_equal(f.nr, 2);
	assert_true(followed(&f, at + 0x100000));
	command(dev, PCI_COMMAND_MEMORY);
	cfg_write(d, PCI_BASE_ADDRESS_0 + 4 * MEM32_BAR, (u32)dev->gpa[MEM32_BAR], 4);
	assert_int_equal(f.nr, 0);
	cfg_write(d, PCI_BASE_ADDRESS_0 + 4 * MEM32_BAR, (u32)at, 4);
	assert_int_equal(f.nr, 2);
	command(d, 0);
	assert_int_equal(f.nr, 0);
	/* What cannot be mapped is trapped, as all of a BAR is below its parts. */
	f.refuse = true;
	command(d, PCI_COMMAND_MEMORY);
	assert_int_equal(f.nr, 0);
	assert_true(d->mapped[MEM32_BAR]);
	mem_read(at, 4);
	f.refuse = false;
	command(d, 0);
	command(d, PCI_COMMAND_MEMORY);
	assert_int_equal(f.nr, 2);
	/* The end of the bus is the end of its blocks, before the device's memory goes. */
	pci_bus_destroy(vm);
	assert_int_equal(f.nr, 0);
	memory_unlisten(&vm->mem, &f.listener);
}

static void any_guest_is_survived(void **state)
{
	static const u32 values[] = { 0, 0xffffffff, 0xc0000000, 0xc0020000, 0xdffe0000, 1, 2, 3,
				      0xc001, 0x8000c000 };
	unsigned int round;
	u64 v;

	for (round = 0; round < 100000; round++) {
		struct device *d = random_below(2) ? dev : other;
		const unsigned int len = 1u << random_below(3);
		const unsigned int off = random_below(random_below(8) ? 0x60 : 0x1000) &
					 ~(len - 1);
		u32 value = random_below(4) ? values[random_below(ARRAY_SIZE(values))] :
					      random_below(~0u);

		switch (random_below(5)) {
		case 0:
		case 1:
			cfg_write(d, off, value, len);
			check_mapped(dev);
			check_mapped(other);
			break;
		case 2:
			bus_write(&vm->mmio, d->pci.bar[MEM64_BAR].base + TABLE_OFF +
				  random_below(VECTORS * 16 + 8), value, len * 2);
			bus_read(&vm->mmio, d->pci.bar[MEM64_BAR].base + random_below(MEM64_SIZE),
				 &v, len);
			break;
		case 3:
			pci_msix_notify(&d->pci, random_below(VECTORS + 1));
			pci_msix_fd(&d->pci, random_below(VECTORS));
			break;
		default:
			pci_intx(&d->pci, random_below(2));
			bus_write(&vm->pio, 0xcf8 + random_below(8), value, len);
		}
	}
	assert_false(rig.stopped);
	assert_int_equal(cfg_read(dev, PCI_VENDOR_ID, 4), 0x56781234);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(identity_is_read_only),
		T(absent_functions_read_ones),
		T(ports_reach_the_same_registers),
		T(capabilities_are_linked),
		T(bars_tell_their_size),
		T(bars_follow_the_command_register),
		T(bars_move),
		T(bars_stay_in_their_windows),
		T(the_second_over_an_address_loses),
		T(the_loser_has_the_address_when_it_is_free),
		T(two_fight_for_an_address),
		T(bars_of_a_device_swap_places),
		T(intx_obeys_the_command_register),
		T(shared_lines_are_wired_or),
		T(vectors_go_to_kvm_while_live),
		T(all_vectors_go_to_kvm_at_once),
		T(masked_vectors_pend),
		T(notify_signals_a_live_vector),
		T(only_apics_are_interrupted),
		T(msix_keeps_intx_quiet),
		T(table_accesses_are_bounded),
		T(a_refused_irqfd_stops_the_machine),
		T(table_and_pending_bits_may_be_apart),
		T(the_window_grows_with_what_is_in_it),
		T(parts_of_a_bar_follow_it),
		T(any_guest_is_survived),
	};

	alarm(300); /* a hang is a failure */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
