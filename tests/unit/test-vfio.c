// SPDX-License-Identifier: GPL-2.0
/*
 * A passed-through function as the guest sees it, and what reaches the device. PCI bus,
 * configuration space and MSI-X are the monitor's own; VFIO is a file: a memfd for the
 * device's regions, and a note of each vector that is set. The real one is
 * tests/lab/vfio.sh's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/pci_regs.h>

#include "tests/unit/vmm-rig.h"
#include "vmm/error.h"
#include "vmm/pci/le.h"
#include "vmm/vfio/device.h"
#include "vmm/vfio/vfio_pci.h"

#define BAR_SIZE 0x4000u
#define REGION(i) ((u64)(i) << 20) /* in the memfd */
#define VECTORS 3

#define CAP_PM 0x40
#define CAP_MSI 0x50
#define CAP_MSIX 0x70
#define CAP_EXP 0xa0

static struct {
	int fd;
	u8 *config; /* its configuration space, mapped */
	unsigned int vectors; /* that VFIO reports */
	s32 vector[VECTORS]; /* as set last */
	unsigned int sets, first, nr; /* calls of vfio_msix_set(), and the last one */
	unsigned int offs;
	unsigned int config_writes;
	bool open;
} host;

static struct vm *vm;
static struct pci_device *dev;

/* --- VFIO ---------------------------------------------------------------------------- */

int vfio_device_open(struct vfio_device *d, struct vm *v, const char *address)
{
	const unsigned int bars[] = { 0, 3 };
	unsigned int i;

	memset(d, 0, sizeof(*d));
	memcpy(d->address, address, sizeof(d->address));
	d->vm = v;
	d->fd = host.fd;
	d->msix = host.vectors;
	for (i = 0; i < ARRAY_SIZE(bars); i++)
		d->region[bars[i]] = (struct vfio_region){
			.size = BAR_SIZE, .off = REGION(bars[i]), .readable = true,
			.writable = true, .areas = 1, .area = { { 0, BAR_SIZE } },
		};
	d->region[VFIO_PCI_CONFIG_REGION_INDEX] = (struct vfio_region){
		.size = PCI_CONFIG_SIZE, .off = REGION(VFIO_PCI_CONFIG_REGION_INDEX),
		.readable = true, .writable = true,
	};
	host.open = true;
	return 0;
}

void vfio_device_close(struct vfio_device *d)
{
	host.open = false;
}

u64 vfio_region_read(struct vfio_device *d, unsigned int index, u64 off, unsigned int len)
{
	u64 value = 0;

	if (!viola_within(off, len, d->region[index].size))
		return ~0ull;
	assert_int_equal(pread(host.fd, &value, len, (off_t)(REGION(index) + off)), len);
	return value;
}

void vfio_region_write(struct vfio_device *d, unsigned int index, u64 off, u64 value,
		       unsigned int len)
{
	host.config_writes += index == VFIO_PCI_CONFIG_REGION_INDEX;
	if (viola_within(off, len, d->region[index].size))
		assert_int_equal(pwrite(host.fd, &value, len, (off_t)(REGION(index) + off)), len);
}

int vfio_msix_set(struct vfio_device *d, unsigned int first, unsigned int nr, const s32 *fd)
{
	assert_true(nr && first + nr <= VECTORS);
	memcpy(host.vector + first, fd, nr * sizeof(*fd));
	host.sets++;
	host.first = first;
	host.nr = nr;
	return 0;
}

void vfio_msix_off(struct vfio_device *d)
{
	memset(host.vector, 0xff, sizeof(host.vector));
	host.offs++;
}

/* --- the hardware ---------------------------------------------------------------------- */

static void capability(unsigned int at, u8 id, unsigned int next)
{
	host.config[at] = id;
	host.config[at + 1] = (u8)next;
}

static int setup(void **state)
{
	u8 *c;

	memset(&host, 0, sizeof(host));
	memset(host.vector, 0xff, sizeof(host.vector));
	host.vectors = VECTORS;
	host.fd = memfd_create("vfio", MFD_CLOEXEC);
	assert_int_equal(ftruncate(host.fd, (off_t)REGION(VFIO_PCI_NUM_REGIONS)), 0);
	c = mmap(NULL, PCI_CONFIG_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, host.fd,
		 (off_t)REGION(VFIO_PCI_CONFIG_REGION_INDEX));
	host.config = c;
	put_le16(c + PCI_VENDOR_ID, 0x8086);
	put_le16(c + PCI_DEVICE_ID, 0x10ca);
	put_le32(c + PCI_REVISION_ID, 0x02000001);
	put_le16(c + PCI_STATUS, PCI_STATUS_CAP_LIST);
	c[PCI_HEADER_TYPE] = 0x80; /* several functions */
	put_le32(c + PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_MEM_TYPE_64);
	put_le32(c + PCI_BASE_ADDRESS_3, PCI_BASE_ADDRESS_MEM_TYPE_64);
	put_le32(c + PCI_ROM_ADDRESS, 0xfff00001);
	c[PCI_INTERRUPT_PIN] = 1;
	c[PCI_CAPABILITY_LIST] = CAP_PM;
	capability(CAP_PM, PCI_CAP_ID_PM, CAP_MSI);
	capability(CAP_MSI, PCI_CAP_ID_MSI, CAP_MSIX);
	capability(CAP_MSIX, PCI_CAP_ID_MSIX, CAP_EXP);
	put_le16(c + CAP_MSIX + PCI_MSIX_FLAGS, VECTORS - 1);
	put_le32(c + CAP_MSIX + PCI_MSIX_TABLE, 0x0000 | 3);
	put_le32(c + CAP_MSIX + PCI_MSIX_PBA, 0x2000 | 3);
	capability(CAP_EXP, PCI_CAP_ID_EXP, 0);
	put_le16(c + CAP_EXP + PCI_EXP_FLAGS, 2);
	put_le32(c + 0x100, 0x00010010); /* SR-IOV, which a guest must not have */
	vm = rig_create(0, 1);
	return 0;
}

static int create(void)
{
	int err = vfio_pci_create(vm, "0000:01:10.0", 0);

	dev = vm->pci.slot[1];
	return err;
}

static int setup_device(void **state)
{
	return setup(state) || create();
}

static int teardown(void **state)
{
	rig_destroy(vm);
	assert_false(host.open);
	munmap(host.config, PCI_CONFIG_SIZE);
	close(host.fd);
	return 0;
}

static u32 get(unsigned int off, unsigned int len)
{
	return pci_config_read(dev, off, len);
}

static void put(unsigned int off, u32 value, unsigned int len)
{
	pci_config_write(dev, off, value, len);
}

static u8 find(u8 id)
{
	unsigned int at = get(PCI_CAPABILITY_LIST, 1), hops = 0;

	for (; at; at = get(at + 1, 1)) {
		assert_true(++hops < 48);
		if (get(at, 1) == id)
			return (u8)at;
	}
	return 0;
}

/* --- cases -------------------------------------------------------------------------------- */

static void the_device_says_who_it_is(void **state)
{
	assert_int_equal(get(PCI_VENDOR_ID, 4), 0x10ca8086);
	assert_int_equal(get(PCI_REVISION_ID, 4), 0x02000001);
	/* In this machine it has one function, no line, no ROM, nothing above 0x100. */
	assert_int_equal(get(PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(get(PCI_INTERRUPT_PIN, 1), 0);
	assert_int_equal(get(PCI_ROM_ADDRESS, 4), 0);
	assert_int_equal(get(0x100, 4), 0);
	host.config_writes = 0;
	put(PCI_ROM_ADDRESS, ~0u, 4);
	put(0x100, ~0u, 4);
	put(CAP_MSI + 2, 1, 2);
	put(PCI_BASE_ADDRESS_0, ~0u, 4);
	assert_int_equal(get(PCI_BASE_ADDRESS_0, 4) & ~0xfu, ~(BAR_SIZE - 1));
	assert_int_equal(host.config_writes, 0);
}

static void known_capabilities_are_where_they_were(void **state)
{
	assert_int_equal(find(PCI_CAP_ID_PM), CAP_PM);
	assert_int_equal(find(PCI_CAP_ID_EXP), CAP_EXP);
	assert_int_equal(find(PCI_CAP_ID_MSIX), CAP_MSIX);
	assert_int_equal(find(PCI_CAP_ID_MSI), 0);
	/* No port is above it. */
	assert_int_equal((get(CAP_EXP + PCI_EXP_FLAGS, 2) & PCI_EXP_FLAGS_TYPE) >> 4,
			 PCI_EXP_TYPE_RC_END);
	/* The power state is the device's own; the table's size is the bus's to tell. */
	put(CAP_PM + PCI_PM_CTRL, 3, 2);
	assert_int_equal(get_le16(host.config + CAP_PM + PCI_PM_CTRL), 3);
	assert_int_equal(get(CAP_MSIX + PCI_MSIX_FLAGS, 2), VECTORS - 1);
	assert_int_equal(get(CAP_MSIX + PCI_MSIX_TABLE, 4), 3);
	assert_int_equal(get(CAP_MSIX + PCI_MSIX_PBA, 4), 0x2003);
}

/* Lists of a device that is broken, or pretends to be. */
static void any_list_ends(void **state)
{
	/* A ring, with an address that is not aligned. */
	capability(CAP_EXP, PCI_CAP_ID_EXP, CAP_PM + 2);
	assert_int_equal(create(), 0);
	assert_int_equal(find(PCI_CAP_ID_EXP), CAP_EXP);
	pci_bus_destroy(vm);

	/* Into the header, and a capability that reaches beyond the space. */
	capability(CAP_EXP, PCI_CAP_ID_EXP, 0xf0);
	capability(0xf0, PCI_CAP_ID_VNDR, 0x10);
	host.config[0xf2] = 0xff;
	assert_int_equal(pci_host_bridge_create(vm), 0);
	assert_int_equal(create(), 0);
	assert_int_equal(find(PCI_CAP_ID_EXP), CAP_EXP);
	assert_int_equal(find(PCI_CAP_ID_VNDR), 0);
	pci_bus_destroy(vm);

	/* A vendor's that is too short to have a length; MSI-X twice. */
	capability(0xf0, PCI_CAP_ID_VNDR, 0xe0);
	host.config[0xf2] = 1;
	capability(0xe0, PCI_CAP_ID_MSIX, 0);
	assert_int_equal(pci_host_bridge_create(vm), 0);
	assert_int_equal(create(), 0);
	assert_int_equal(find(PCI_CAP_ID_VNDR), 0);
	assert_int_equal(find(PCI_CAP_ID_MSIX), CAP_MSIX);
}

static void a_table_outside_its_bar_is_none(void **state)
{
	static const struct {
		unsigned int off;
		u32 value;
	} bad[] = {
		{ PCI_MSIX_TABLE, BAR_SIZE | 3 }, { PCI_MSIX_TABLE, 1 }, { PCI_MSIX_TABLE, 7 },
		{ PCI_MSIX_PBA, 0xfffffff8 | 3 }, { PCI_MSIX_PBA, 6 },
		{ PCI_MSIX_TABLE, (BAR_SIZE - 16) | 3 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const u32 good = get_le32(host.config + CAP_MSIX + bad[i].off);

		put_le32(host.config + CAP_MSIX + bad[i].off, bad[i].value);
		assert_int_equal(create(), 0);
		assert_int_equal(find(PCI_CAP_ID_MSIX), 0);
		pci_bus_destroy(vm);
		put_le32(host.config + CAP_MSIX + bad[i].off, good);
		assert_int_equal(pci_host_bridge_create(vm), 0);
	}
	assert_int_equal(create(), 0);
	assert_int_equal(find(PCI_CAP_ID_MSIX), CAP_MSIX);
}

static void the_command_register_is_both_s(void **state)
{
	put(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	assert_true(dev->bar[0].mapped && dev->bar[3].mapped);
	assert_int_equal(get_le16(host.config + PCI_COMMAND),
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	dev->ops->quiesce(dev);
	assert_int_equal(get_le16(host.config + PCI_COMMAND), PCI_COMMAND_MEMORY);
	assert_int_equal(dev->ops->resume(dev), 0);
	assert_int_equal(get_le16(host.config + PCI_COMMAND),
			 PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	put(PCI_COMMAND, 0, 1);
	assert_false(dev->bar[0].mapped || dev->bar[3].mapped);
	assert_int_equal(get_le16(host.config + PCI_COMMAND), 0);
}

/* Blocks of device memory, by page of the memfd. */
static u64 blocks[16];
static unsigned int nr_blocks;

static int block_added(struct memory_listener *listener, struct memory_block *block)
{
	const u64 command = get_le16(host.config + PCI_COMMAND);

	/* A BAR that does not answer must not be reached. */
	assert_true(command & PCI_COMMAND_MEMORY);
	assert_int_equal(block->fd, host.fd);
	blocks[nr_blocks++] = block->fd_off << 32 | block->size;
	return 0;
}

static void block_removed(struct memory_listener *listener, struct memory_block *block)
{
	assert_true(get_le16(host.config + PCI_COMMAND) & PCI_COMMAND_MEMORY);
	nr_blocks--;
}

static void bars_are_the_guests_but_for_the_table(void **state)
{
	static const struct memory_listener_ops ops = {
		.added = block_added, .removed = block_removed,
	};
	struct memory_listener listener = { .ops = &ops };
	const u64 want[] = { REGION(0) << 32 | BAR_SIZE, (REGION(3) + 0x1000) << 32 | 0x1000,
			     (REGION(3) + 0x3000) << 32 | 0x1000 };
	unsigned int i, k;
	u64 v;

	nr_blocks = 0;
	assert_int_equal(memory_listen(&vm->mem, &listener), 0);
	put(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_int_equal(nr_blocks, ARRAY_SIZE(want));
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		for (k = 0; k < nr_blocks && blocks[k] != want[i]; k++)
			;
		assert_true(k < nr_blocks);
	}
	/* The rest of the table's page is the device's, by an exit. */
	assert_true(bus_write(&vm->mmio, dev->bar[3].base + 0x800, 0x12345678, 4));
	assert_int_equal(pread(host.fd, &v, 4, (off_t)(REGION(3) + 0x800)), 4);
	assert_int_equal((u32)v, 0x12345678);
	put(PCI_COMMAND, 0, 2);
	assert_int_equal(nr_blocks, 0);
	memory_unlisten(&vm->mem, &listener);
}

static void msix_control(u16 flags)
{
	put(CAP_MSIX + PCI_MSIX_FLAGS, flags, 2);
}

static void vector_set(unsigned int vector, bool masked)
{
	const u64 at = dev->bar[3].base + 16 * vector;

	bus_write(&vm->mmio, at, 0xfee00000, 8);
	bus_write(&vm->mmio, at + 8, 0x40 + vector, 4);
	bus_write(&vm->mmio, at + 12, masked, 4);
}

static void vectors_are_set_as_the_guest_uses_them(void **state)
{
	put(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	msix_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	vector_set(0, true);
	vector_set(1, false);
	assert_int_equal(host.sets, 0);
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	/* One of three; nothing before it was asked for. */
	assert_int_equal(host.sets, 1);
	assert_true(host.first == 0 && host.nr == 2);
	assert_int_equal(host.vector[0], -1);
	assert_int_equal(host.vector[1], pci_msix_fd(dev, 1));
	assert_true(rig_irqfd(host.vector[1]) >= GSI_IOAPIC_PINS);
	/* Within what there is: that one alone. */
	vector_set(0, false);
	assert_int_equal(host.sets, 2);
	assert_true(host.first == 0 && host.nr == 1);
	assert_int_equal(host.offs, 0);
	/* Beyond: all anew. */
	vector_set(2, false);
	assert_int_equal(host.offs, 1);
	assert_true(host.sets == 3 && host.first == 0 && host.nr == 3);
	assert_int_equal(host.vector[1], pci_msix_fd(dev, 1));
	/* A mask is the machine's affair. */
	vector_set(1, true);
	vector_set(1, false);
	msix_control(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	assert_true(host.sets == 3 && host.offs == 1);
	msix_control(0);
	assert_int_equal(host.offs, 2);
	/* And again, all at once. */
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	assert_true(host.sets == 4 && host.nr == 3);
}

static void what_the_device_signals_while_masked_pends(void **state)
{
	u64 v;

	put(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	vector_set(1, false);
	msix_control(PCI_MSIX_FLAGS_ENABLE);
	vector_set(1, true);
	eventfd_write(host.vector[1], 1);
	assert_true(bus_read(&vm->mmio, dev->bar[3].base + 0x2000, &v, 8));
	assert_int_equal(v, 1 << 1);
}

static void any_access_is_survived(void **state)
{
	struct { u64 s; } r = { 1 };
	unsigned int round;

	for (round = 0; round < 50000; round++) {
		unsigned int len, off;

		r.s = r.s * 6364136223846793005ull + 1442695040888963407ull;
		len = 1u << (r.s >> 33) % 3;
		off = (unsigned int)(r.s >> 40) % (round % 4 ? 0x100 : 0x1000) & ~(len - 1);
		if (round % 3)
			put(off, (u32)(r.s >> 20), len);
		else
			get(off, len);
	}
	assert_false(rig.stopped);
	assert_int_equal(get(PCI_CAPABILITY_LIST, 1), CAP_PM);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_device, teardown)
#define RAW(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_device_says_who_it_is),
		T(known_capabilities_are_where_they_were),
		RAW(any_list_ends),
		RAW(a_table_outside_its_bar_is_none),
		T(the_command_register_is_both_s),
		T(bars_are_the_guests_but_for_the_table),
		T(vectors_are_set_as_the_guest_uses_them),
		T(what_the_device_signals_while_masked_pends),
		T(any_access_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
