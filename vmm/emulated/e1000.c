// SPDX-License-Identifier: GPL-2.0
/*
 * The 82540EM on its PCI bus and on its threads. BAR 0 is the register file,
 * BAR 1 an I/O window to it (8254x SDM 13.2.2), through which the Linux
 * driver resets this model of the family.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vmm/emulated/e1000-dev.h"
#include "vmm/emulated/e1000.h"
#include "vmm/complain.h"
#include "vmm/error.h"
#include "vmm/net/nic.h"
#include "vmm/vm.h"

#define RX_BUDGET 64 /* frames a turn of the loop, and per interrupt */
#define TX_BUDGET 256

static struct e1000 *to_e1000(struct pci_device *dev)
{
	return (struct e1000 *)((char *)dev - offsetof(struct e1000, pci));
}

/*
 * Registers are 32 bits wide and the device takes no other access: a narrow
 * read sees part of one, a narrow write is ignored, and 8 bytes are two.
 */
static u64 mmio_read(struct e1000 *e, u64 off, unsigned int len)
{
	u64 value = e1000_reg_read(e, (u32)off & ~3u);

	if (len == 8)
		value |= (u64)e1000_reg_read(e, ((u32)off & ~3u) + 4) << 32;
	else
		value >>= (off & 3) * 8;
	return len < 8 ? value & ((1ull << len * 8) - 1) : value;
}

static void mmio_write(struct e1000 *e, u64 off, u64 value, unsigned int len)
{
	if (len < 4 || (off & 3))
		return;
	e1000_reg_write(e, (u32)off, (u32)value);
	if (len == 8)
		e1000_reg_write(e, (u32)off + 4, (u32)(value >> 32));
}

static u64 io_read(struct e1000 *e, u64 off, unsigned int len)
{
	if (len != 4)
		return 0;
	if (off == E1000_IOADDR)
		return e->io_addr;
	if (off == E1000_IODATA && e->io_addr < E1000_MMIO_SIZE)
		return e1000_reg_read(e, e->io_addr & ~3u);
	return 0;
}

static void io_write(struct e1000 *e, u64 off, u64 value, unsigned int len)
{
	if (len != 4)
		return;
	if (off == E1000_IOADDR)
		e->io_addr = (u32)value;
	else if (off == E1000_IODATA && e->io_addr < E1000_MMIO_SIZE)
		e1000_reg_write(e, e->io_addr & ~3u, (u32)value);
}

static const struct {
	u64 (*read)(struct e1000 *e, u64 off, unsigned int len);
	void (*write)(struct e1000 *e, u64 off, u64 value, unsigned int len);
} bar_ops[] = {
	{ mmio_read, mmio_write },
	{ io_read, io_write },
};

static u64 e1000_bar_read(struct pci_device *dev, unsigned int bar, u64 off, unsigned int len)
{
	struct e1000 *e = to_e1000(dev);
	u64 value;

	if (bar >= ARRAY_SIZE(bar_ops))
		return ~0ull;
	pthread_mutex_lock(&e->lock);
	value = bar_ops[bar].read(e, off, len);
	pthread_mutex_unlock(&e->lock);
	return value;
}

static void e1000_bar_write(struct pci_device *dev, unsigned int bar, u64 off, u64 value,
			    unsigned int len)
{
	struct e1000 *e = to_e1000(dev);

	if (bar >= ARRAY_SIZE(bar_ops))
		return;
	pthread_mutex_lock(&e->lock);
	bar_ops[bar].write(e, off, value, len);
	pthread_mutex_unlock(&e->lock);
}

/*
 * The command register may have let us at memory, or barred us. Called with
 * config_lock, behind which our lock must not be taken: the loop looks.
 */
static void e1000_config_write(struct pci_device *dev, unsigned int off, u32 value,
			       unsigned int len)
{
	pci_config_put(dev, off, value, len);
	e1000_kick(to_e1000(dev));
}

void e1000_kick(struct e1000 *e)
{
	/* Only fails when the counter is full, and then the loop is awake. */
	if (eventfd_write(e->kick_fd, 1))
		return;
}

u64 *e1000_desc(struct e1000 *e, u32 bal, u32 bah, u32 head)
{
	u64 base = (u64)e1000_get(e, bah) << 32 | e1000_get(e, bal), gpa;
	u64 *desc;

	if (!viola_add_u64(base, (u64)e1000_get(e, head) * E1000_DESC_SIZE, &gpa))
		return NULL;
	desc = memory_map(&e->pci.vm->mem, gpa, E1000_DESC_SIZE);
	return (uintptr_t)desc % sizeof(u64) ? NULL : desc;
}

/*
 * Receives until there is nothing left, no room, or a turn is over; the lock
 * is not held while the backend works. Ends with one interrupt for all. False
 * if nothing came.
 */
static bool rx_turn(struct e1000 *e)
{
	bool stored = false, came = false, can;
	u64 before;

	pthread_mutex_lock(&e->lock);
	before = e->count.rx_frames;
	for (int i = 0; i < RX_BUDGET; i++) {
		struct viola_seg seg = { e->rx.buf, E1000_FRAME_MAX + 1 };
		ssize_t len;

		if (!e1000_rx_can(e) || !e1000_rx_push(e) || !e1000_rx_can(e))
			break;
		if (e1000_loopback_on(e)) {
			if (!e1000_loopback_get(e))
				break;
			continue;
		}
		pthread_mutex_unlock(&e->lock);
		len = e->be->ops->recv(e->be, 0, &seg, 1);
		pthread_mutex_lock(&e->lock);
		if (len <= 0)
			break;
		came = true;
		/* A reset that came between has emptied the receiver. */
		if (e1000_rx_can(e))
			e1000_rx_frame(e, (u32)len);
	}
	if (e->rx.total && e1000_rx_can(e) && !e1000_rx_push(e))
		e1000_stat_add(e, R_RNBC, 1);
	stored = e->count.rx_frames != before;
	if (stored)
		e1000_irq_received(e);
	can = e1000_rx_can(e);
	e->rx.waiting = !can;
	if (can && e1000_loopback_on(e)) {
		if (e->loopback.used)
			e1000_kick(e);
		can = false; /* the far end is not heard */
	}
	pthread_mutex_unlock(&e->lock);

	/*
	 * Who makes room after this sees `waiting` and kicks; the kick is
	 * handled by this thread, after the line below.
	 */
	if (can != e->rx.polling && !e->far_lost) {
		e->rx.polling = can;
		loop_modify(e->loop, &e->rx_source, can ? EPOLLIN : 0);
	}
	return came;
}

/* The far end is gone: no carrier from now on. */
static void far_lost(struct e1000 *e)
{
	bool was;

	if (e->far_lost)
		return;
	e->far_lost = true;
	loop_remove(e->loop, &e->rx_source);
	loop_remove(e->loop, &e->watch_source);
	vmm_say("%s: the %s backend is gone, link down", e->name, e->be->ops->name);
	pthread_mutex_lock(&e->lock);
	was = e1000_link_up(e);
	e->phy.carrier = false;
	e1000_link_check(e, was);
	pthread_mutex_unlock(&e->lock);
}

static void rx_ready(struct loop_source *source, uint32_t events)
{
	struct e1000 *e = source->opaque;

	if (!rx_turn(e) && (events & (EPOLLERR | EPOLLHUP)) && net_backend_gone(e->be))
		far_lost(e);
}

static void watch_ready(struct loop_source *source, uint32_t events)
{
	struct e1000 *e = source->opaque;

	if (e->be->ops->watched(e->be))
		far_lost(e);
}

static void tx_turn(struct e1000 *e)
{
	pthread_mutex_lock(&e->lock);
	if (e1000_tx_run(e, TX_BUDGET))
		e1000_kick(e); /* others get the lock between turns */
	pthread_mutex_unlock(&e->lock);
}

static void kick_ready(struct loop_source *source, uint32_t events)
{
	struct e1000 *e = source->opaque;
	eventfd_t value;

	if (eventfd_read(e->kick_fd, &value))
		return;
	tx_turn(e);
	rx_turn(e);
}

static void timer_ready(struct loop_source *source, uint32_t events)
{
	struct e1000 *e = source->opaque;
	uint64_t expired;
	bool more;

	if (read(e->timer_fd, &expired, sizeof(expired)) != sizeof(expired))
		return;
	pthread_mutex_lock(&e->lock);
	e1000_timers_run(e);
	more = e->tx.more;
	pthread_mutex_unlock(&e->lock);
	if (more)
		tx_turn(e);
}

static void e1000_destroy(struct pci_device *dev)
{
	struct e1000 *e = to_e1000(dev);

	/* Its thread first: nothing else works on the device then. */
	if (e->loop)
		loop_destroy(e->loop);
	e->be->ops->destroy(e->be);
	if (e->timer_fd >= 0)
		close(e->timer_fd);
	if (e->kick_fd >= 0)
		close(e->kick_fd);
	pthread_mutex_destroy(&e->lock);
	free(e->loopback.ring);
	free(e);
}

/* All that the device does by itself, it does on its loop. */
static void e1000_quiesce(struct pci_device *dev)
{
	loop_pause(to_e1000(dev)->loop);
}

static int e1000_resume(struct pci_device *dev)
{
	loop_resume(to_e1000(dev)->loop);
	return 0;
}

static void e1000_stats(struct pci_device *dev, FILE *out)
{
	struct e1000 *e = to_e1000(dev);
	struct e1000_counters c;

	pthread_mutex_lock(&e->lock);
	c = e->count;
	pthread_mutex_unlock(&e->lock);
#define N(name) "\"" #name "\": %llu"
	fprintf(out,
		N(tx_packets) ", " N(tx_bytes) ", " N(tx_drops) ", " N(rx_packets) ", "
		N(rx_bytes) ", " N(rx_drops) ", " N(interrupts) ", " N(register_reads) ", "
		N(register_writes) ", " N(dma_errors),
		(unsigned long long)c.tx_frames, (unsigned long long)c.tx_bytes,
		(unsigned long long)c.tx_drops, (unsigned long long)c.rx_frames,
		(unsigned long long)c.rx_bytes, (unsigned long long)c.rx_drops,
		(unsigned long long)c.interrupts, (unsigned long long)c.reg_reads,
		(unsigned long long)c.reg_writes, (unsigned long long)c.dma_errors);
#undef N
}

static const struct pci_device_ops e1000_pci_ops = {
	.bar_read = e1000_bar_read,
	.bar_write = e1000_bar_write,
	.config_write = e1000_config_write,
	.quiesce = e1000_quiesce,
	.resume = e1000_resume,
	.stats = e1000_stats,
	.destroy = e1000_destroy,
};

static int add_source(struct e1000 *e, struct loop_source *source, int fd,
		      void (*ready)(struct loop_source *source, uint32_t events))
{
	source->fd = fd;
	source->ready = ready;
	source->opaque = e;
	return loop_add(e->loop, source, EPOLLIN);
}

int e1000_create(struct vm *vm, struct net_backend *be, const struct nic_config *cfg)
{
	static const struct pci_identity id = {
		.vendor = E1000_VENDOR,
		.device = E1000_DEVICE,
		.subsystem_vendor = E1000_VENDOR,
		.subsystem = E1000_SUBSYSTEM,
		.class_code = 0x020000, /* Ethernet controller */
		.revision = E1000_REVISION,
	};
	struct e1000 *e = calloc(1, sizeof(*e));
	int err, watch_fd = net_backend_watch_fd(be);

	if (!e) {
		be->ops->destroy(be);
		return vmm_fail(ENOMEM, "out of memory for a network device");
	}
	snprintf(e->name, sizeof(e->name), "net%u", cfg->index);
	pthread_mutex_init(&e->lock, NULL);
	e->be = be;
	e->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	e->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (e->timer_fd < 0 || e->kick_fd < 0) {
		err = vmm_fail(errno, "%s: no descriptor for its events: %m", e->name);
		goto fail;
	}
	e->loopback.ring = malloc(E1000_LOOPBACK_SIZE);
	if (!e->loopback.ring) {
		err = vmm_fail(ENOMEM, "out of memory for a network device");
		goto fail;
	}
	err = be->ops->set_header(be, 0, 0);
	if (!err)
		err = be->ops->set_queues(be, 1);
	if (err)
		goto fail;

	pci_device_init(&e->pci, vm, e->name, &e1000_pci_ops, &id, true);
	pci_add_bar(&e->pci, 0, PCI_BAR_MEM32, E1000_MMIO_SIZE);
	pci_add_bar(&e->pci, 1, PCI_BAR_IO, E1000_IO_SIZE);
	e1000_eeprom_init(&e->eeprom, cfg->mac);
	e->phy.carrier = true;
	e->rx.polling = true;
	e1000_reset(e);
	e1000_phy_reset(e);
	e1000_irq_reset(e); /* the link came up before anyone could be told */

	err = loop_create(&e->loop, e->name);
	if (!err)
		err = add_source(e, &e->kick_source, e->kick_fd, kick_ready);
	if (!err)
		err = add_source(e, &e->timer_source, e->timer_fd, timer_ready);
	if (!err)
		err = add_source(e, &e->rx_source, be->ops->fd(be, 0), rx_ready);
	if (!err && watch_fd >= 0)
		err = add_source(e, &e->watch_source, watch_fd, watch_ready);
	if (!err)
		err = pci_attach(vm, &e->pci);
	if (err)
		goto fail;
	return 0;
fail:
	e1000_destroy(&e->pci);
	return err;
}
