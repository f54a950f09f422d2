// SPDX-License-Identifier: GPL-2.0
/*
 * Port writes that KVM keeps in a ring, and what is made of them. KVM's side is
 * the test's own: this program is built with ioctl() renamed to the function below.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/coalesced.h"
#include "vmm/error.h"
#include "vmm/kvm.h"
#include "vmm/vcpu.h"
#include "vmm/vm-private.h"

#define PORT 0x3f8
#define PAGES 3
#define RING_PAGE 2

static struct {
	bool has;
	int ring_page;
	int refuse; /* errno of KVM_REGISTER_COALESCED_MMIO */
	unsigned int zones;
	struct kvm_coalesced_mmio_zone zone;
} kvm;

static struct vm vm;
static struct vm_private priv;
static struct vcpu vcpu;
static struct kvm_coalesced_mmio_ring *ring;
static u32 size; /* entries */

/* What arrived at the port. */
static u64 came[4096];
static unsigned int nr_came;

bool kvm_has(int kvm_fd, int cap)
{
	return cap == KVM_CAP_COALESCED_PIO && kvm.has;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (request == KVM_CHECK_EXTENSION) {
		assert_int_equal((long)arg, KVM_CAP_COALESCED_MMIO);
		return kvm.ring_page;
	}
	assert_int_equal(request, KVM_REGISTER_COALESCED_MMIO);
	errno = kvm.refuse;
	if (kvm.refuse)
		return -1;
	kvm.zones++;
	memcpy(&kvm.zone, arg, sizeof(kvm.zone));
	return 0;
}

static u64 port_read(void *opaque, u64 off, unsigned int len)
{
	return 0;
}

static void port_write(void *opaque, u64 off, u64 value, unsigned int len)
{
	came[nr_came++ % ARRAY_SIZE(came)] = value | (u64)len << 32;
}

static const struct bus_ops port_ops = { .read = port_read, .write = port_write };

static int setup(void **state)
{
	const struct bus_region region = {
		.name = "port", .base = PORT, .size = 8, .ops = &port_ops,
	};
	const long page = sysconf(_SC_PAGESIZE);

	memset(&kvm, 0, sizeof(kvm));
	memset(&vm, 0, sizeof(vm));
	memset(&priv, 0, sizeof(priv));
	kvm.has = true;
	kvm.ring_page = RING_PAGE;
	vm.priv = &priv;
	priv.vcpu[0] = &vcpu;
	pthread_mutex_init(&priv.coalesced.lock, NULL);
	vcpu.run_size = PAGES * (size_t)page;
	/* Exactly its size: what lies behind the ring is somebody else's. */
	vcpu.run = calloc(1, vcpu.run_size);
	ring = (void *)((u8 *)vcpu.run + RING_PAGE * page);
	size = (u32)(((size_t)page - sizeof(*ring)) / sizeof(ring->coalesced_mmio[0]));
	nr_came = 0;
	bus_init(&vm.pio);
	return bus_add(&vm.pio, &region);
}

static int teardown(void **state)
{
	free(vcpu.run);
	return 0;
}

/* As KVM's coalesced_mmio_write(): false if the ring is full. */
static bool keep(u16 port, u32 value, u32 len)
{
	struct kvm_coalesced_mmio *e = &ring->coalesced_mmio[ring->last];
	u32 next = (ring->last + 1) % size;

	if (next == __atomic_load_n(&ring->first, __ATOMIC_ACQUIRE))
		return false;
	e->phys_addr = port;
	e->len = len;
	memcpy(e->data, &value, sizeof(value));
	__atomic_store_n(&ring->last, next, __ATOMIC_RELEASE);
	return true;
}

static void without_the_capability_nothing_is_asked(void **state)
{
	kvm.has = false;
	assert_int_equal(coalesced_port(&vm, PORT), 0);
	assert_int_equal(kvm.zones, 0);
	assert_null(priv.coalesced.ring);
	coalesced_drain(&vm);
}

/* The ring has to lie within what was mapped of the vCPU. */
static void a_ring_that_is_not_mapped_is_not_used(void **state)
{
	static const int page[] = { 0, -1, PAGES, 1 << 20 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(page); i++) {
		kvm.ring_page = page[i];
		assert_int_equal(coalesced_port(&vm, PORT), 0);
		assert_int_equal(kvm.zones, 0);
		assert_null(priv.coalesced.ring);
	}
}

static void a_refusal_is_named(void **state)
{
	kvm.refuse = ENOSPC;
	assert_int_equal(coalesced_port(&vm, PORT), -ENOSPC);
	assert_non_null(strstr(vmm_error(), "0x3f8"));
	assert_null(priv.coalesced.ring);
}

static void writes_come_in_order(void **state)
{
	u32 n = 0, seen = 0, round, i;

	assert_int_equal(coalesced_port(&vm, PORT), 0);
	assert_int_equal(kvm.zones, 1);
	assert_int_equal(kvm.zone.addr, PORT);
	assert_int_equal(kvm.zone.size, 1);
	assert_int_equal(kvm.zone.pio, 1);
	coalesced_drain(&vm);
	assert_int_equal(nr_came, 0);
	/* More than once around the ring, and up to full. */
	for (round = 0; round < 2 * size; round++) {
		u32 some = round % size;

		nr_came = 0;
		for (i = 0; i < some; i++)
			assert_true(keep(PORT, n++ & 0xff, 1));
		if (some == size - 1)
			assert_false(keep(PORT, 0, 1));
		coalesced_drain(&vm);
		assert_int_equal(nr_came, some);
		for (i = 0; i < some; i++)
			assert_true(came[i] == ((seen++ & 0xff) | 1ull << 32));
		coalesced_drain(&vm);
		assert_int_equal(nr_came, some);
	}
}

/* Whatever width KVM reports, no more is taken than an entry holds. */
static void an_entry_is_only_as_long_as_it_is(void **state)
{
	assert_int_equal(coalesced_port(&vm, PORT), 0);
	assert_true(keep(PORT, 0x44332211, 4));
	assert_true(keep(PORT, 0x44332211, 0x10000));
	assert_true(keep(PORT, 0x44332211, 2));
	coalesced_drain(&vm);
	assert_int_equal(nr_came, 2);
	assert_true(came[0] == (0x44332211 | 4ull << 32));
	assert_true(came[1] == (0x2211 | 2ull << 32));
	assert_int_equal(ring->first, ring->last);
}

#define THREADS 3
#define BYTES 200000u

static bool done;

static void *drainer(void *arg)
{
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
		coalesced_drain(&vm);
	return NULL;
}

/* vCPUs and the main thread drain at once: each byte arrives once, in order. */
static void several_drain_at_once(void **state)
{
	pthread_t thread[THREADS];
	u32 n, i, seen = 0;

	assert_int_equal(coalesced_port(&vm, PORT), 0);
	done = false;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, drainer, NULL), 0);
	for (n = 0; n < BYTES; n++) {
		while (!keep(PORT, n & 0xff, 1))
			sched_yield();
		/* Look at what came before it is overwritten. */
		if (n % 1024)
			continue;
		while (__atomic_load_n(&ring->first, __ATOMIC_ACQUIRE) != ring->last)
			sched_yield();
		pthread_mutex_lock(&priv.coalesced.lock);
		assert_int_equal(nr_came, n + 1);
		for (; seen < nr_came; seen++)
			assert_true(came[seen % ARRAY_SIZE(came)] == ((seen & 0xff) | 1ull << 32));
		pthread_mutex_unlock(&priv.coalesced.lock);
	}
	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	coalesced_drain(&vm);
	assert_int_equal(nr_came, BYTES);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(without_the_capability_nothing_is_asked),
		T(a_ring_that_is_not_mapped_is_not_used),
		T(a_refusal_is_named),
		T(writes_come_in_order),
		T(an_entry_is_only_as_long_as_it_is),
		T(several_drain_at_once),
	};

	alarm(300); /* a hang is a failure */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
