// SPDX-License-Identifier: GPL-2.0
/*
 * The network device with its queues in a kernel data plane, as seen from this
 * side: what is asked of the node, and what is made of what it reports. What a
 * kernel would do at one moment in a million, a node of our own does always:
 * this program is built with ioctl() renamed to the function below.
 *
 * That real nodes carry frames is test-tap's to see.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/vhost.h>
#include <linux/virtio_net.h>

#include "tests/unit/virtio-rig.h"
#include "vmm/error.h"
#include "vmm/net/backend.h"
#include "vmm/net/nic.h"
#include "vmm/virtio/virtio_net.h"

#define BIT(n) (1ull << (n))
#define RINGS 2

static struct {
	int error[RINGS], call[RINGS], kick[RINGS]; /* eventfds as set last */
	bool running[RINGS];
	bool break_at_stop; /* a ring is found to be broken while it is stopped */
	bool call_at_stop; /* a buffer was used while the ring is stopped */
	int fail; /* errno of the next VHOST_SET_VRING_ADDR */
	struct vhost_memory_region memory; /* the only one it was told of */
} node;

static int set_file(int *slot, const void *arg)
{
	const struct vhost_vring_file *file = arg;

	assert_true(file->index < RINGS);
	slot[file->index] = file->fd;
	return 0;
}

static int set_memory(const struct vhost_memory *table)
{
	assert_int_equal(table->nregions, 1);
	node.memory = table->regions[0];
	return 0;
}

static int set_backend(const struct vhost_vring_file *file)
{
	assert_true(file->index < RINGS);
	if (node.running[file->index] && file->fd < 0 && node.break_at_stop)
		eventfd_write(node.error[file->index], 1);
	if (node.running[file->index] && file->fd < 0 && node.call_at_stop)
		eventfd_write(node.call[file->index], 1);
	node.running[file->index] = file->fd >= 0;
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	switch (request) {
	case VHOST_GET_FEATURES:
		*(u64 *)arg = BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_NET_F_MRG_RXBUF);
		return 0;
	case VHOST_SET_MEM_TABLE:
		return set_memory(arg);
	case VHOST_SET_VRING_ERR:
		return set_file(node.error, arg);
	case VHOST_SET_VRING_KICK:
		return set_file(node.kick, arg);
	case VHOST_SET_VRING_CALL:
		return set_file(node.call, arg);
	case VHOST_SET_VRING_ADDR:
		errno = node.fail;
		node.fail = 0;
		return errno ? -1 : 0;
	case VHOST_NET_SET_BACKEND:
		return set_backend(arg);
	default:
		return 0;
	}
}

/* --- a far end in the kernel: a descriptor that nobody reads ------------------------- */

static int far_fd(struct net_backend *be, unsigned int queue)
{
	return STDOUT_FILENO;
}

static int far_set_header(struct net_backend *be, u32 hdr_len, u32 offloads)
{
	return 0;
}

static int far_set_queues(struct net_backend *be, unsigned int nr)
{
	return 0;
}

static void far_destroy(struct net_backend *be)
{
}

static const struct net_backend_ops far_ops = {
	.name = "far", .fd = far_fd, .kernel_fd = far_fd, .set_header = far_set_header,
	.set_queues = far_set_queues, .destroy = far_destroy,
};

static struct net_backend far = { .ops = &far_ops, .queues = 1 };
static struct rig *rig;

/* The driver uses INTx. */
static int setup_intx(void **state)
{
	struct nic_config cfg = { .mac = { 2, 0, 0, 0, 0, 2 }, .queues = 1 };

	memset(&node, 0, sizeof(node));
	rig = malloc(sizeof(*rig));
	rig_init(rig);
	/* Any node that can be opened: the calls do not reach it. */
	if (virtio_net_create(&rig->vm, &far, &cfg, "/dev/null"))
		fail_msg("%s", vmm_error());
	return 0;
}

static int setup(void **state)
{
	setup_intx(state);
	fake_msix_enable(true);
	return 0;
}

static int teardown(void **state)
{
	fake_pci_destroy();
	rig_free(rig);
	free(rig);
	return 0;
}

static void the_kernel_is_told_of_guest_memory(void **state)
{
	assert_int_equal(node.memory.guest_phys_addr, RIG_DATA);
	assert_int_equal(node.memory.memory_size, RIG_DATA_SIZE);
	assert_int_equal(node.memory.userspace_addr, (uintptr_t)rig->data);
}

static bool broken_within(unsigned int ms)
{
	while (!rig_broken() && ms--)
		usleep(1000);
	return rig_broken();
}

static void queues_run_in_the_kernel(void **state)
{
	rig_start(rig, 0, 2, 64);
	assert_true(node.running[0] && node.running[1]);
	rig_set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	assert_false(node.running[0] || node.running[1]);
}

static void a_ring_that_is_given_up_is_told(void **state)
{
	unsigned int q;

	for (q = 0; q < RINGS; q++) {
		rig_start(rig, 0, 2, 64);
		assert_false(broken_within(2));
		eventfd_write(node.error[q], 1);
		assert_true(broken_within(10000));
	}
}

/*
 * A driver that breaks a ring and resets the device at once: the report of the
 * old ring must not break the new one.
 */
static void reports_end_with_their_ring(void **state)
{
	unsigned int round;

	for (round = 0; round < 50; round++) {
		node.break_at_stop = true;
		rig_start(rig, 0, 2, 64);
		rig_set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
		node.break_at_stop = false;
		rig_start(rig, 0, 2, 64);
		if (broken_within(2))
			fail_msg("round %u: broken by the ring before", round);
	}
}

static bool interrupted_within(unsigned int ms)
{
	while (!fake_intx() && ms--)
		usleep(1000);
	return fake_intx();
}

/* Without MSI-X this process passes calls on, as long as the queue runs. */
static void calls_are_passed_on(void **state)
{
	unsigned int round;

	rig_start(rig, 0, 2, 64);
	for (round = 0; round < 20; round++) {
		assert_false(fake_intx());
		eventfd_write(node.call[round % 2], 1);
		assert_true(interrupted_within(10000));
		assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_ISR_OFF, 1), 1);
	}
}

/*
 * A buffer is used in the moment of a reset: its call is neither the reset
 * device's, nor that of the queue that takes the place of the old one.
 */
static void calls_end_with_their_ring(void **state)
{
	unsigned int round;

	for (round = 0; round < 100; round++) {
		node.call_at_stop = true;
		rig_start(rig, 0, 2, 64);
		rig_set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
		if (round % 2 && interrupted_within(2))
			fail_msg("round %u: interrupt after the reset", round);
		node.call_at_stop = false;
		rig_start(rig, 0, 2, 64);
		if (interrupted_within(2))
			fail_msg("round %u: interrupt by the ring before", round);
	}
}

/* A paused ring has no backend; afterwards it is asked to look at what was missed. */
static void a_paused_ring_has_no_backend(void **state)
{
	eventfd_t count;
	unsigned int q;

	rig_start(rig, 0, 2, 64);
	for (q = 0; q < RINGS; q++)
		eventfd_read(node.kick[q], &count);
	fake_quiesce();
	assert_false(node.running[0] || node.running[1]);
	fake_resume();
	assert_true(node.running[0] && node.running[1]);
	for (q = 0; q < RINGS; q++)
		assert_int_equal(eventfd_read(node.kick[q], &count), 0);

	/* One that does not run stays as it is. */
	rig_set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	fake_quiesce();
	fake_resume();
	assert_false(node.running[0] || node.running[1]);
}

static void a_ring_that_cannot_start_breaks_the_device(void **state)
{
	assert_true(rig_negotiate(rig, 0));
	rig_queues(rig, 2, 64, 0);
	node.fail = EFAULT;
	rig_driver_ok();
	assert_true(rig_broken());
	assert_true(!node.running[0] && node.running[1]);
	rig_start(rig, 0, 2, 64);
	assert_false(broken_within(2));
	assert_true(node.running[0] && node.running[1]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(the_kernel_is_told_of_guest_memory),
		T(queues_run_in_the_kernel),
		T(a_ring_that_is_given_up_is_told),
		T(reports_end_with_their_ring),
		T(a_paused_ring_has_no_backend),
		T(a_ring_that_cannot_start_breaks_the_device),
		cmocka_unit_test_setup_teardown(calls_are_passed_on, setup_intx, teardown),
		cmocka_unit_test_setup_teardown(calls_end_with_their_ring, setup_intx, teardown),
	};

	alarm(100); /* a hang is a failure */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
