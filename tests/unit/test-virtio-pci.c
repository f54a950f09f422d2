// SPDX-License-Identifier: GPL-2.0
/*
 * The modern virtio-pci transport against a device that only takes notes:
 * what a driver may do when, and that nothing it must not do gets through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/eventfd.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include "tests/unit/fake-pci.h"
#include "tests/unit/model-driver.h"
#include "vmm/error.h"
#include "vmm/virtio/virtio_pci.h"

#define QUEUES 3
#define SIZE 256u
#define RAM 0x100000ull
#define RAM_SIZE 0x10000ull
#define FEATURE_A (1ull << 5)
#define FEATURE_B (1ull << 35)
#define VERSION_1 (1ull << VIRTIO_F_VERSION_1)
#define RING_RESET (1ull << 40)

#define ACK VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK VIRTIO_CONFIG_S_DRIVER_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED VIRTIO_CONFIG_S_FAILED

#define Q_RESET 58

struct note {
	struct virtio_device dev;
	u64 features; /* as set */
	unsigned int set_features, resets, calls_changed;
	bool refuse, fail_activate;
	bool active[QUEUES];
	unsigned int activations[QUEUES];
	struct virtio_vring vring[QUEUES];
	u8 status_at_deactivate;
	u8 config[8];
	bool destroyed;
};

static struct note note;
static struct model_guest guest;
static struct vm vm;

static void config_read(struct virtio_device *dev, u32 off, void *to, u32 len)
{
	assert_true(off + len <= sizeof(note.config));
	memcpy(to, note.config + off, len);
}

static void config_write(struct virtio_device *dev, u32 off, const void *from, u32 len)
{
	assert_true(off + len <= sizeof(note.config));
	memcpy(note.config + off, from, len);
}

static int set_features(struct virtio_device *dev, u64 features)
{
	note.set_features++;
	note.features = features;
	return note.refuse ? -EINVAL : 0;
}

static int activate(struct virtio_device *dev, unsigned int index,
		    const struct virtio_vring *vring)
{
	assert_true(index < QUEUES);
	assert_false(note.active[index]);
	/* What reaches a device is always usable as it is. */
	assert_true(viola_ring_num_valid(vring->num) && vring->num <= SIZE);
	assert_non_null(memory_map(dev->memory, vring->desc, viola_ring_desc_size(vring->num)));
	assert_non_null(memory_map(dev->memory, vring->driver, viola_ring_driver_size(vring->num)));
	assert_non_null(memory_map(dev->memory, vring->device, viola_ring_device_size(vring->num)));
	if (note.fail_activate)
		return vmm_fail(EIO, "told to fail");
	note.active[index] = true;
	note.activations[index]++;
	note.vring[index] = *vring;
	return 0;
}

static void deactivate(struct virtio_device *dev, unsigned int index)
{
	assert_true(note.active[index]);
	note.active[index] = false;
}

static void reset(struct virtio_device *dev)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++)
		assert_false(note.active[i]);
	note.resets++;
}

static void calls_changed(struct virtio_device *dev)
{
	note.calls_changed++;
}

static void destroy(struct virtio_device *dev)
{
	note.destroyed = true;
}

static const struct virtio_device_ops note_ops = {
	.config_size = sizeof(note.config),
	.config_read = config_read,
	.config_write = config_write,
	.set_features = set_features,
	.activate = activate,
	.deactivate = deactivate,
	.reset = reset,
	.calls_changed = calls_changed,
	.destroy = destroy,
};

static int setup(void **state)
{
	fake_pci_reset();
	memset(&note, 0, sizeof(note));
	memset(&vm, 0, sizeof(vm));
	model_guest_init(&guest);
	model_guest_add(&guest, RAM, RAM_SIZE);
	vm.mem.map = guest.mem;
	note.dev = (struct virtio_device){
		.ops = &note_ops,
		.name = "note",
		.type = 1,
		.features = FEATURE_A | FEATURE_B,
		.queues = QUEUES,
		.queue_size = SIZE,
		.memory = &vm.mem,
	};
	assert_int_equal(virtio_pci_create(&vm, &note.dev, 0x020000), 0);
	fake_msix_enable(true);
	return 0;
}

static int teardown(void **state)
{
	unsigned int i;

	fake_pci_destroy();
	assert_true(note.destroyed);
	for (i = 0; i < QUEUES; i++)
		assert_false(note.active[i]);
	assert_int_equal(fake_pci.io_nr, 0);
	model_guest_free(&guest);
	fake_pci_reset();
	return 0;
}

static u64 get(u64 off, unsigned int len)
{
	return fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_COMMON_OFF + off, len);
}

static void set(u64 off, u64 value, unsigned int len)
{
	fake_write(VIRTIO_PCI_BAR, VIRTIO_PCI_COMMON_OFF + off, value, len);
}

static u8 status(void)
{
	return (u8)get(VIRTIO_PCI_COMMON_STATUS, 1);
}

static void set_status(u8 value)
{
	set(VIRTIO_PCI_COMMON_STATUS, value, 1);
}

static void driver_features(u64 features)
{
	set(VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	set(VIRTIO_PCI_COMMON_GF, (u32)features, 4);
	set(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	set(VIRTIO_PCI_COMMON_GF, features >> 32, 4);
}

static u64 device_features(void)
{
	u64 lo;

	set(VIRTIO_PCI_COMMON_DFSELECT, 0, 4);
	lo = get(VIRTIO_PCI_COMMON_DF, 4);
	set(VIRTIO_PCI_COMMON_DFSELECT, 1, 4);
	return lo | get(VIRTIO_PCI_COMMON_DF, 4) << 32;
}

static void negotiate(u64 features)
{
	set_status(0);
	set_status(ACK);
	set_status(ACK | DRIVER);
	driver_features(features | VERSION_1);
	set_status(ACK | DRIVER | FEATURES_OK);
}

static void queue_addresses(u16 index, u16 size, u64 at)
{
	set(VIRTIO_PCI_COMMON_Q_SELECT, index, 2);
	set(VIRTIO_PCI_COMMON_Q_SIZE, size, 2);
	set(VIRTIO_PCI_COMMON_Q_DESCLO, (u32)at, 4);
	set(VIRTIO_PCI_COMMON_Q_DESCHI, at >> 32, 4);
	set(VIRTIO_PCI_COMMON_Q_AVAILLO, (u32)(at + 0x1000), 4);
	set(VIRTIO_PCI_COMMON_Q_AVAILHI, (at + 0x1000) >> 32, 4);
	set(VIRTIO_PCI_COMMON_Q_USEDLO, (u32)(at + 0x2000), 4);
	set(VIRTIO_PCI_COMMON_Q_USEDHI, (at + 0x2000) >> 32, 4);
}

static void queue_enable(u16 index, u16 size, u64 at)
{
	queue_addresses(index, size, at);
	set(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

static void start(u64 features)
{
	u16 i;

	negotiate(features);
	for (i = 0; i < QUEUES; i++)
		queue_enable(i, 64, RAM + 0x4000 * i);
	set_status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
}

/* --- the tests ------------------------------------------------------------- */

static void capabilities_lie_within_the_bar(void **state)
{
	unsigned int at = 0x40, types = 0;

	for (; at < fake_pci.dev->next_cap; at += fake_pci.dev->config[at + 2]) {
		struct virtio_pci_cap cap;

		memcpy(&cap, fake_pci.dev->config + at, sizeof(cap));
		if (cap.cfg_type == VIRTIO_PCI_CAP_PCI_CFG) {
			types |= 1u << cap.cfg_type;
			continue;
		}
		assert_int_equal(cap.bar, VIRTIO_PCI_BAR);
		assert_true(le32_to_cpu(cap.offset) + le32_to_cpu(cap.length) <=
			    VIRTIO_PCI_TABLE_OFF);
		types |= 1u << cap.cfg_type;
	}
	assert_int_equal(types, 0x3e);
}

static void status_goes_up_in_order(void **state)
{
	assert_int_equal(status(), 0);
	set_status(DRIVER);
	assert_int_equal(status(), 0);
	set_status(DRIVER_OK);
	assert_int_equal(status(), 0);
	set_status(ACK);
	assert_int_equal(status(), ACK);
	set_status(ACK | DRIVER | DRIVER_OK);
	assert_int_equal(status(), ACK | DRIVER);
	driver_features(VERSION_1);
	set_status(ACK | DRIVER | FEATURES_OK);
	assert_int_equal(status(), ACK | DRIVER | FEATURES_OK);
	/* A bit once set stays. */
	set_status(ACK);
	assert_int_equal(status(), ACK | DRIVER | FEATURES_OK);
	set_status(DRIVER_OK | NEEDS_RESET);
	assert_int_equal(status(), ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	set_status(FAILED);
	assert_int_equal(status(), ACK | DRIVER | FEATURES_OK | DRIVER_OK | FAILED);
	set_status(0);
	assert_int_equal(status(), 0);
}

static void features_must_be_offered(void **state)
{
	assert_true(device_features() == (FEATURE_A | FEATURE_B | VERSION_1 | RING_RESET));
	negotiate(FEATURE_A | 1ull << 6);
	assert_int_equal(status() & FEATURES_OK, 0);
	assert_int_equal(note.set_features, 0);
	/* Without version 1 this is a legacy driver. */
	set_status(0);
	set_status(ACK);
	set_status(ACK | DRIVER);
	driver_features(FEATURE_A);
	set_status(ACK | DRIVER | FEATURES_OK);
	assert_int_equal(status() & FEATURES_OK, 0);
	/* The device has its own opinion. */
	note.refuse = true;
	negotiate(FEATURE_A);
	assert_int_equal(status() & FEATURES_OK, 0);
	note.refuse = false;
	negotiate(FEATURE_A | FEATURE_B);
	assert_int_equal(status() & FEATURES_OK, FEATURES_OK);
	assert_true(note.features == (FEATURE_A | FEATURE_B | VERSION_1));
}

static void features_beyond_64_are_refused(void **state)
{
	set_status(ACK);
	set_status(ACK | DRIVER);
	driver_features(VERSION_1);
	set(VIRTIO_PCI_COMMON_GFSELECT, 2, 4);
	set(VIRTIO_PCI_COMMON_GF, 0, 4);
	set(VIRTIO_PCI_COMMON_GFSELECT, 0xffffffff, 4);
	assert_int_equal(get(VIRTIO_PCI_COMMON_GF, 4), 0);
	set(VIRTIO_PCI_COMMON_DFSELECT, 0x80000000, 4);
	assert_int_equal(get(VIRTIO_PCI_COMMON_DF, 4), 0);
	set(VIRTIO_PCI_COMMON_GF, 1, 4);
	set_status(ACK | DRIVER | FEATURES_OK);
	assert_int_equal(status() & FEATURES_OK, 0);
}

static void features_freeze(void **state)
{
	negotiate(FEATURE_A);
	driver_features(FEATURE_A | FEATURE_B | VERSION_1);
	set(VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	assert_int_equal(get(VIRTIO_PCI_COMMON_GF, 4), VERSION_1 >> 32);
	set_status(ACK | DRIVER | FEATURES_OK);
	assert_int_equal(note.set_features, 1);
}

static void queues_start_at_driver_ok_with_what_was_enabled(void **state)
{
	negotiate(0);
	queue_enable(0, 64, RAM);
	queue_enable(2, 128, RAM + 0x8000);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
	assert_false(note.active[0]);
	set_status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_true(note.active[0] && !note.active[1] && note.active[2]);
	assert_int_equal(note.vring[0].num, 64);
	assert_true(note.vring[0].desc == RAM && note.vring[0].driver == RAM + 0x1000 &&
		    note.vring[0].device == RAM + 0x2000);
	assert_int_equal(note.vring[2].num, 128);
}

static void nothing_before_features_ok(void **state)
{
	set_status(ACK);
	set_status(ACK | DRIVER);
	queue_enable(0, 64, RAM);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_DESCLO, 4), 0);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
}

/* The cause of CVE-2026-5747: a register moves after it was checked. */
static void queue_registers_freeze(void **state)
{
	u32 round;

	negotiate(0);
	queue_enable(0, 64, RAM);
	for (round = 0; round < 2; round++) {
		queue_addresses(0, 0xffff, 0xfffffffffff00000ull);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 64);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_DESCLO, 4), RAM);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_DESCHI, 4), 0);
		set(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
		set(VIRTIO_PCI_COMMON_Q_ENABLE, 0, 2);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
		set_status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
		assert_int_equal(note.vring[0].num, 64);
		assert_true(note.vring[0].desc == RAM);
	}
	assert_int_equal(note.activations[0], 1);
	/* A queue that was not enabled in time stays off, registers frozen. */
	queue_enable(1, 64, RAM + 0x4000);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_false(note.active[1]);
}

static void bad_queues_break_the_device(void **state)
{
	static const struct {
		u16 size;
		u64 desc, driver, device;
	} bad[] = {
		{ 0, RAM, RAM + 0x1000, RAM + 0x2000 },
		{ 3, RAM, RAM + 0x1000, RAM + 0x2000 },
		{ 512, RAM, RAM + 0x2000, RAM + 0x3000 },
		{ 0x8000, RAM, RAM + 0x1000, RAM + 0x2000 },
		{ 0xffff, RAM, RAM + 0x1000, RAM + 0x2000 },
		{ 64, RAM + 8, RAM + 0x1000, RAM + 0x2000 },
		{ 64, RAM, RAM + 0x1001, RAM + 0x2000 },
		{ 64, RAM, RAM + 0x1000, RAM + 0x2002 },
		{ 64, 0, RAM + 0x1000, RAM + 0x2000 },
		{ 64, RAM - 16, RAM + 0x1000, RAM + 0x2000 },
		{ 64, RAM + RAM_SIZE - 64 * 16 + 16, RAM + 0x1000, RAM + 0x2000 },
		{ 64, RAM, RAM + RAM_SIZE - 64 * 2 - 4, RAM + 0x2000 },
		{ 64, RAM, RAM + 0x1000, RAM + RAM_SIZE - 64 * 8 - 4 },
		{ 64, 0xfffffffffffffff0ull, RAM + 0x1000, RAM + 0x2000 },
		{ 64, RAM, 0xfffffffffffffffeull, RAM + 0x2000 },
		{ 64, RAM, RAM + 0x1000, 0x8000000000000000ull },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		negotiate(0);
		assert_int_equal(status() & NEEDS_RESET, 0);
		set(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
		set(VIRTIO_PCI_COMMON_Q_SIZE, bad[i].size, 2);
		set(VIRTIO_PCI_COMMON_Q_DESCLO, bad[i].desc, 8);
		set(VIRTIO_PCI_COMMON_Q_AVAILLO, bad[i].driver, 8);
		set(VIRTIO_PCI_COMMON_Q_USEDLO, bad[i].device, 8);
		set(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		assert_int_equal(status() & NEEDS_RESET, NEEDS_RESET);
		set_status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
		assert_false(note.active[1]);
	}
	/* The exact end of RAM is still RAM. */
	negotiate(0);
	set(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	set(VIRTIO_PCI_COMMON_Q_SIZE, 64, 2);
	set(VIRTIO_PCI_COMMON_Q_DESCLO, RAM + RAM_SIZE - 64 * 16, 8);
	set(VIRTIO_PCI_COMMON_Q_AVAILLO, RAM, 8);
	set(VIRTIO_PCI_COMMON_Q_USEDLO, RAM + 0x1000, 8);
	set(VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 1);
}

/* The cause of CVE-2011-2512: an index compared as a signed number. */
static void indices_are_checked(void **state)
{
	static const u16 beyond[] = { QUEUES, 0x20, 0x7fff, 0x8000, 0xffff };
	unsigned int i;

	negotiate(0);
	for (i = 0; i < ARRAY_SIZE(beyond); i++) {
		queue_enable(beyond[i], 64, RAM);
		set(VIRTIO_PCI_COMMON_Q_MSIX, 0, 2);
		set(Q_RESET, 1, 2);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SELECT, 2), beyond[i]);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
		fake_write(VIRTIO_PCI_BAR,
			   VIRTIO_PCI_NOTIFY_OFF +
				   (beyond[i] * VIRTIO_PCI_NOTIFY_STEP & 0xfff), beyond[i], 2);
	}
	set_status(ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_false(note.active[0] || note.active[1] || note.active[2]);
	assert_int_equal(status() & NEEDS_RESET, 0);
}

static void reset_stops_everything_first(void **state)
{
	unsigned int i, resets;

	start(FEATURE_A | RING_RESET);
	resets = note.resets;
	for (i = 0; i < QUEUES; i++)
		assert_true(note.active[i]);
	set(VIRTIO_PCI_COMMON_MSIX, 1, 2);
	set(VIRTIO_PCI_COMMON_Q_MSIX, 1, 2);
	virtio_needs_reset(&note.dev);
	assert_int_equal(status() & NEEDS_RESET, NEEDS_RESET);
	set_status(0);
	assert_int_equal(note.resets, resets + 1);
	assert_int_equal(status(), 0);
	assert_int_equal(get(VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	for (i = 0; i < QUEUES; i++) {
		assert_false(note.active[i]);
		set(VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), SIZE);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	}
	set(VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	assert_int_equal(get(VIRTIO_PCI_COMMON_GF, 4), 0);
	/* And it works again. */
	start(FEATURE_B);
	assert_true(note.active[1]);
	assert_int_equal(note.activations[1], 2);
}

static void one_queue_is_reset_and_set_up_anew(void **state)
{
	start(RING_RESET);
	set(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	set(Q_RESET, 1, 2);
	assert_int_equal(get(Q_RESET, 2), 0);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_true(note.active[0] && !note.active[1] && note.active[2]);
	queue_enable(1, 16, RAM + 0x4000);
	assert_true(note.active[1]);
	assert_int_equal(note.vring[1].num, 16);
	queue_addresses(1, 32, RAM);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_SIZE, 2), 16);
	/* Only for those who asked for it. */
	start(0);
	set(VIRTIO_PCI_COMMON_Q_SELECT, 1, 2);
	set(Q_RESET, 1, 2);
	assert_true(note.active[1]);
}

static void vectors_lead_to_the_table_or_nowhere(void **state)
{
	start(0);
	set(VIRTIO_PCI_COMMON_MSIX, QUEUES, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_MSIX, 2), QUEUES);
	set(VIRTIO_PCI_COMMON_MSIX, QUEUES + 1, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	set(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	set(VIRTIO_PCI_COMMON_Q_MSIX, 0x8001, 2);
	assert_int_equal(get(VIRTIO_PCI_COMMON_Q_MSIX, 2), VIRTIO_MSI_NO_VECTOR);
	virtio_call(&note.dev, 0);
	assert_int_equal(virtio_call_fd(&note.dev, 0), -EAGAIN);
	set(VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	assert_true(note.calls_changed > 0);
	virtio_call(&note.dev, 0);
	assert_int_equal(fake_interrupts(2), 1);
	assert_int_equal(virtio_call_fd(&note.dev, 0), fake_pci.msix_fd[2]);
	assert_int_equal(fake_interrupts(0) + fake_interrupts(1) + fake_interrupts(3), 0);
	assert_false(fake_intx());
}

static void without_msix_there_is_intx(void **state)
{
	fake_msix_enable(false);
	start(0);
	set(VIRTIO_PCI_COMMON_Q_SELECT, 0, 2);
	set(VIRTIO_PCI_COMMON_Q_MSIX, 1, 2);
	assert_int_equal(virtio_call_fd(&note.dev, 0), -EAGAIN);
	virtio_call(&note.dev, 0);
	assert_true(fake_intx());
	virtio_config_changed(&note.dev);
	assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_ISR_OFF, 1), 3);
	assert_false(fake_intx());
	assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_ISR_OFF, 1), 0);
	virtio_call(&note.dev, 0);
	set_status(0);
	assert_false(fake_intx());
}

static void needs_reset_is_told_once(void **state)
{
	negotiate(0);
	set(VIRTIO_PCI_COMMON_MSIX, 0, 2);
	virtio_needs_reset(&note.dev);
	assert_int_equal(fake_interrupts(0), 0); /* not before DRIVER_OK */
	start(0);
	set(VIRTIO_PCI_COMMON_MSIX, 0, 2);
	virtio_needs_reset(&note.dev);
	virtio_needs_reset(&note.dev);
	assert_int_equal(fake_interrupts(0), 1);
	assert_int_equal(status() & NEEDS_RESET, NEEDS_RESET);
	set_status(ACK);
	assert_int_equal(status() & NEEDS_RESET, NEEDS_RESET);
}

static void failed_activation_needs_reset(void **state)
{
	note.fail_activate = true;
	start(0);
	assert_int_equal(status() & NEEDS_RESET, NEEDS_RESET);
	note.fail_activate = false;
	set_status(0);
	assert_int_equal(status(), 0);
}

static void no_dma_without_bus_mastering(void **state)
{
	start(0);
	fake_config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	assert_true(note.active[0]);
	assert_int_equal(status() & NEEDS_RESET, 0);
	fake_config_write(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	assert_false(note.active[0] || note.active[1] || note.active[2]);
	assert_int_equal(status() & NEEDS_RESET, NEEDS_RESET);
	start(0);
	assert_false(note.active[0]);
	assert_int_equal(status() & NEEDS_RESET, NEEDS_RESET);
	set_status(0);
	fake_config_write(PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	start(0);
	assert_true(note.active[0]);
	assert_int_equal(status() & NEEDS_RESET, 0);
}

static void configuration_has_a_generation(void **state)
{
	u64 generation = get(VIRTIO_PCI_COMMON_CFGGENERATION, 1);

	memcpy(note.config, "abcdefgh", 8);
	assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 1, 2), 'b' | 'c' << 8);
	assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 4, 8), 0);
	assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 8, 1), 0);
	fake_write(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 6, 0x5a59, 2);
	assert_memory_equal(note.config, "abcdefYZ", 8);
	fake_write(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 7, 0x4141, 2);
	assert_memory_equal(note.config, "abcdefYZ", 8);
	virtio_config_changed(&note.dev);
	assert_int_not_equal(get(VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation);
}

static void kicks_follow_the_bar(void **state)
{
	unsigned int i, j;
	eventfd_t count;

	fake_bar_move(VIRTIO_PCI_BAR, 0xfe000000, true);
	assert_int_equal(fake_pci.io_nr, QUEUES);
	fake_bar_move(VIRTIO_PCI_BAR, 0x8000000000ull, true);
	assert_int_equal(fake_pci.io_nr, QUEUES);
	for (i = 0; i < QUEUES; i++) {
		for (j = 0; j < QUEUES; j++)
			if (fake_pci.io[j].gpa == 0x8000000000ull + VIRTIO_PCI_NOTIFY_OFF +
							  VIRTIO_PCI_NOTIFY_STEP * i)
				break;
		assert_true(j < QUEUES);
		assert_int_equal(fake_pci.io[j].fd, virtio_kick_fd(&note.dev, i));
		set(VIRTIO_PCI_COMMON_Q_SELECT, i, 2);
		assert_int_equal(get(VIRTIO_PCI_COMMON_Q_NOFF, 2), i);
		/* The store that KVM did not take. */
		assert_int_equal(eventfd_read(virtio_kick_fd(&note.dev, i), &count), -1);
		fake_write(VIRTIO_PCI_BAR, VIRTIO_PCI_NOTIFY_OFF + VIRTIO_PCI_NOTIFY_STEP * i, i,
			   2);
		assert_int_equal(eventfd_read(virtio_kick_fd(&note.dev, i), &count), 0);
	}
	fake_bar_move(VIRTIO_PCI_BAR, 0x8000000000ull, false);
	assert_int_equal(fake_pci.io_nr, 0);
	fake_bar_move(VIRTIO_PCI_BAR, 0xfe000000, true);
}

static void fields_want_their_own_width(void **state)
{
	set_status(ACK);
	set(VIRTIO_PCI_COMMON_STATUS, 0, 2);
	set(VIRTIO_PCI_COMMON_NUMQ, 0, 4);
	set(VIRTIO_PCI_COMMON_CFGGENERATION - 1, 0, 4);
	assert_int_equal(status(), ACK);
	assert_int_equal(get(VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
	assert_int_equal(get(VIRTIO_PCI_COMMON_NUMQ, 1), 0);
}

static unsigned int window(void)
{
	unsigned int at = 0x40;

	while (fake_pci.dev->config[at + 3] != VIRTIO_PCI_CAP_PCI_CFG)
		at += fake_pci.dev->config[at + 2];
	return at;
}

static u32 window_read(u8 bar, u32 off, u32 len)
{
	fake_config_write(window() + 4, bar, 1);
	fake_config_write(window() + 8, off, 4);
	fake_config_write(window() + 12, len, 4);
	return fake_config_read(window() + 16, 4);
}

static void window_write(u8 bar, u32 off, u32 len, u32 value)
{
	fake_config_write(window() + 4, bar, 1);
	fake_config_write(window() + 8, off, 4);
	fake_config_write(window() + 12, len, 4);
	fake_config_write(window() + 16, value, 4);
}

static void the_bar_is_reached_through_configuration_space(void **state)
{
	struct model_rand rand = { 3 };
	unsigned int i;
	eventfd_t count;

	assert_int_equal(window_read(0, VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
	window_write(0, VIRTIO_PCI_COMMON_STATUS, 1, ACK);
	assert_int_equal(status(), ACK);
	assert_int_equal(window_read(0, VIRTIO_PCI_COMMON_STATUS, 1), ACK);
	/* The interrupt status is taken by reading it here as well. */
	fake_msix_enable(false);
	virtio_call(&note.dev, 0);
	assert_false(fake_intx()); /* not before DRIVER_OK */
	start(0);
	virtio_call(&note.dev, 0);
	assert_true(fake_intx());
	assert_int_equal(window_read(0, VIRTIO_PCI_ISR_OFF, 1), 1);
	assert_false(fake_intx());
	set_status(0);
	set_status(ACK);
	window_write(0, VIRTIO_PCI_NOTIFY_OFF + VIRTIO_PCI_NOTIFY_STEP, 2, 1);
	assert_int_equal(eventfd_read(virtio_kick_fd(&note.dev, 1), &count), 0);
	/* What the fields do not describe properly does nothing. */
	window_write(1, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	window_write(0, VIRTIO_PCI_COMMON_STATUS, 0, 0);
	window_write(0, VIRTIO_PCI_COMMON_STATUS, 3, 0);
	window_write(0, VIRTIO_PCI_COMMON_STATUS, 0x80000001, 0);
	window_write(0, 0xffffffff, 1, 0);
	window_write(0, VIRTIO_PCI_COMMON_STATUS + 2, 4, 0);
	assert_int_equal(status(), ACK);
	for (i = 0; i < 20000; i++) {
		u32 len = model_rand_below(&rand, 6);

		window_read((u8)model_rand_below(&rand, 2), (u32)model_rand_next(&rand), len);
		window_write(0, model_rand_below(&rand, VIRTIO_PCI_BAR_SIZE), len,
			     (u32)model_rand_next(&rand));
	}
}

/* No access at all may upset the transport, and a reset mends everything. */
static void any_access_is_survived(void **state)
{
	static const unsigned int lens[] = { 1, 2, 4, 8 };
	struct model_rand rand = { 7 };
	unsigned int i;

	for (i = 0; i < 300000; i++) {
		unsigned int len = lens[model_rand_below(&rand, 4)];
		u64 off = model_rand_below(&rand, 8) ?
				  model_rand_below(&rand, 64 - 7) :
				  model_rand_below(&rand, VIRTIO_PCI_BAR_SIZE - 7);
		u64 value = model_rand_next(&rand);

		switch (model_rand_below(&rand, 4)) {
		case 0:
			value &= 0xf;
			break;
		case 1:
			value = RAM + (value & 0x1ffff);
			break;
		case 2:
			value &= 0xff;
			break;
		}
		if (off == VIRTIO_PCI_COMMON_STATUS && model_rand_below(&rand, 4))
			value |= 0xf;
		fake_write(VIRTIO_PCI_BAR, off, value, len);
		fake_read(VIRTIO_PCI_BAR, model_rand_below(&rand, VIRTIO_PCI_BAR_SIZE - 7), len);
	}
	start(0);
	assert_int_equal(status(), ACK | DRIVER | FEATURES_OK | DRIVER_OK);
	assert_true(note.active[0] && note.active[1] && note.active[2]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(capabilities_lie_within_the_bar),
		T(status_goes_up_in_order),
		T(features_must_be_offered),
		T(features_beyond_64_are_refused),
		T(features_freeze),
		T(queues_start_at_driver_ok_with_what_was_enabled),
		T(nothing_before_features_ok),
		T(queue_registers_freeze),
		T(bad_queues_break_the_device),
		T(indices_are_checked),
		T(reset_stops_everything_first),
		T(one_queue_is_reset_and_set_up_anew),
		T(vectors_lead_to_the_table_or_nowhere),
		T(without_msix_there_is_intx),
		T(needs_reset_is_told_once),
		T(failed_activation_needs_reset),
		T(no_dma_without_bus_mastering),
		T(configuration_has_a_generation),
		T(kicks_follow_the_bar),
		T(fields_want_their_own_width),
		T(the_bar_is_reached_through_configuration_space),
		T(any_access_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
