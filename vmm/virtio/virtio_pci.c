// SPDX-License-Identifier: GPL-2.0
/*
 * Virtio over PCI, modern only (virtio 1.2, 4.1): one 64-bit BAR with the
 * common, ISR, device and notification structures and the MSI-X table.
 *
 * What the guest may do is a state machine over the device status, and every
 * register is writable in one span of it only:
 *
 *   driver features	until FEATURES_OK
 *   queue registers	from FEATURES_OK until the queue is enabled; enabling
 *			ends with DRIVER_OK, except for a queue that was reset
 *   MSI-X vectors	always, they lead nowhere but to the MSI-X table
 *
 * A queue's registers are copied and checked when it is enabled; the data
 * plane gets the copy and never looks at a register.
 *
 * Locks. `lock` covers the registers, and is held over the device's
 * operations, which may wait for the device's threads. Those threads come
 * back only through call(), needs_reset() and the like, which use atomics and
 * isr_lock alone. bar_moved() and the MSI-X callback run under the bus's
 * config_lock, which is also taken below `lock`, so neither takes `lock`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#include <viola/checked.h>
#include "vmm/error.h"
#include "vmm/pci/pci.h"
#include "vmm/virtio/queue.h"
#include "vmm/virtio/virtio_pci.h"
#include "vmm/vm.h"

#define VIRTIO_PCI_VENDOR 0x1af4
#define VIRTIO_PCI_DEVICE_BASE 0x1040

/* Offsets that older headers lack (virtio 1.2, 4.1.4.3). */
#define COMMON_NOTIFY_DATA 56
#define COMMON_QUEUE_RESET 58
#define COMMON_SIZE 60

#ifndef VIRTIO_F_RING_RESET
#define VIRTIO_F_RING_RESET 40
#endif

#define TRANSPORT_FEATURES (1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_RING_RESET)

/* Status bits a driver may set, each with those that must be set before. */
static const struct {
	u8 bit, needs;
} status_step[] = {
	{ VIRTIO_CONFIG_S_ACKNOWLEDGE, 0 },
	{ VIRTIO_CONFIG_S_DRIVER, VIRTIO_CONFIG_S_ACKNOWLEDGE },
	{ VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_DRIVER },
	{ VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK },
};

#define ISR_QUEUE 0x1
#define ISR_CONFIG 0x2

struct vp_queue {
	struct virtio_vring reg; /* as the driver writes it; num is 16 bits */
	struct virtio_vring vring; /* checked copy, valid while enabled */
	u16 vector; /* atomic: written under lock, read by any thread */
	bool enabled;
	bool active; /* the device runs it */
	bool was_reset; /* may be set up again after DRIVER_OK */
	int kick_fd;
};

struct virtio_pci {
	struct pci_device pci;
	struct virtio_device *dev;
	struct vm *vm;
	char name[32];
	unsigned int vectors;
	unsigned int window; /* config-space offset of the access capability */

	pthread_mutex_t lock; /* guards from here on */
	u32 device_feature_select, driver_feature_select;
	u64 driver_features;
	bool bad_features; /* beyond the 64 we know */
	u16 queue_select;
	struct vp_queue queue[VIRTIO_QUEUES_MAX];

	/* Atomics: written under lock, or by threads that must not wait. */
	u8 status;
	bool broken; /* shown as DEVICE_NEEDS_RESET */
	u8 generation;
	u16 config_vector;

	pthread_mutex_t isr_lock; /* isr and the INTx level move together */
	u8 isr;

	u64 notify_gpa; /* where ioeventfds are; under the bus's config_lock */
	bool notify_mapped;
	u64 trapped_kicks; /* kicks that reached us by an exit */
};

static struct virtio_pci *from_pci(struct pci_device *pci)
{
	return (struct virtio_pci *)((char *)pci - offsetof(struct virtio_pci, pci));
}

static struct virtio_pci *from_dev(struct virtio_device *dev)
{
	return dev->transport_data;
}

static u64 features_offered(const struct virtio_pci *vp)
{
	return vp->dev->features | TRANSPORT_FEATURES;
}

static u8 status_get(const struct virtio_pci *vp)
{
	u8 status = __atomic_load_n(&vp->status, __ATOMIC_ACQUIRE);

	if (__atomic_load_n(&vp->broken, __ATOMIC_ACQUIRE))
		status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	return status;
}

/* ------------------------------------------------------------------------
 * Interrupts
 */

/*
 * 2.1.2: no interrupt before DRIVER_OK. Looked at under the lock under which a
 * reset takes the bits: who comes late finds a device that was reset.
 */
static void isr_raise(struct virtio_pci *vp, u8 bits)
{
	pthread_mutex_lock(&vp->isr_lock);
	if (status_get(vp) & VIRTIO_CONFIG_S_DRIVER_OK) {
		vp->isr |= bits;
		pci_intx(&vp->pci, true);
	}
	pthread_mutex_unlock(&vp->isr_lock);
}

/* 4.1.4.5: reading takes the bits and ends the interrupt. */
static u8 isr_take(struct virtio_pci *vp)
{
	u8 isr;

	pthread_mutex_lock(&vp->isr_lock);
	isr = vp->isr;
	vp->isr = 0;
	pci_intx(&vp->pci, false);
	pthread_mutex_unlock(&vp->isr_lock);
	return isr;
}

static void interrupt(struct virtio_pci *vp, u16 vector, u8 isr_bit)
{
	if (!pci_msix_enabled(&vp->pci))
		isr_raise(vp, isr_bit);
	else if (vector != VIRTIO_MSI_NO_VECTOR)
		pci_msix_notify(&vp->pci, vector);
}

static void vp_call(struct virtio_device *dev, unsigned int index)
{
	struct virtio_pci *vp = from_dev(dev);

	interrupt(vp, __atomic_load_n(&vp->queue[index].vector, __ATOMIC_RELAXED), ISR_QUEUE);
}

static void config_interrupt(struct virtio_pci *vp)
{
	/* 2.1.2, 3.1: none before DRIVER_OK. */
	if (status_get(vp) & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt(vp, __atomic_load_n(&vp->config_vector, __ATOMIC_RELAXED), ISR_CONFIG);
}

static void vp_config_changed(struct virtio_device *dev)
{
	struct virtio_pci *vp = from_dev(dev);

	__atomic_add_fetch(&vp->generation, 1, __ATOMIC_ACQ_REL);
	config_interrupt(vp);
}

static void vp_needs_reset(struct virtio_device *dev)
{
	struct virtio_pci *vp = from_dev(dev);

	if (!__atomic_exchange_n(&vp->broken, true, __ATOMIC_ACQ_REL))
		config_interrupt(vp);
}

static int vp_kick_fd(struct virtio_device *dev, unsigned int index)
{
	return from_dev(dev)->queue[index].kick_fd;
}

static int vp_call_fd(struct virtio_device *dev, unsigned int index)
{
	struct virtio_pci *vp = from_dev(dev);
	u16 vector = __atomic_load_n(&vp->queue[index].vector, __ATOMIC_RELAXED);

	if (vector == VIRTIO_MSI_NO_VECTOR || !pci_msix_enabled(&vp->pci))
		return -EAGAIN;
	return pci_msix_fd(&vp->pci, vector);
}

static const struct virtio_transport_ops transport_ops = {
	.call = vp_call,
	.config_changed = vp_config_changed,
	.needs_reset = vp_needs_reset,
	.kick_fd = vp_kick_fd,
	.call_fd = vp_call_fd,
};

/* ------------------------------------------------------------------------
 * Queues and status; all with lock held
 */

static void queue_registers_reset(struct virtio_pci *vp, struct vp_queue *q)
{
	q->reg = (struct virtio_vring){ .num = vp->dev->queue_size };
	q->enabled = false;
}

static void queue_start(struct virtio_pci *vp, unsigned int index)
{
	struct vp_queue *q = &vp->queue[index];

	if (q->active)
		return;
	if (!pci_bus_master(&vp->pci)) {
		virtio_complain(vp->dev, "queue %u: started without bus mastering", index);
		vp_needs_reset(vp->dev);
		return;
	}
	if (vp->dev->ops->activate(vp->dev, index, &q->vring)) {
		virtio_complain(vp->dev, "queue %u: %s", index, vmm_error());
		vp_needs_reset(vp->dev);
		return;
	}
	q->active = true;
}

static void queue_stop(struct virtio_pci *vp, unsigned int index)
{
	struct vp_queue *q = &vp->queue[index];

	if (q->active)
		vp->dev->ops->deactivate(vp->dev, index);
	q->active = false;
	queue_registers_reset(vp, q);
}

static bool queue_writable(const struct virtio_pci *vp, const struct vp_queue *q)
{
	u8 status = vp->status;

	return status & VIRTIO_CONFIG_S_FEATURES_OK && !q->enabled &&
	       (!(status & VIRTIO_CONFIG_S_DRIVER_OK) || q->was_reset);
}

/* The queue's registers become a checked copy, or the device is broken. */
static void queue_enable(struct virtio_pci *vp, unsigned int index)
{
	struct vp_queue *q = &vp->queue[index];
	struct viola_ring_config cfg = { 0 };
	struct virtio_vring vring = q->reg;

	if (!queue_writable(vp, q))
		return;
	if (vring.num > vp->dev->queue_size ||
	    virtio_vring_map(&vp->dev->memory->map, &vring, &cfg)) {
		virtio_complain(vp->dev, "queue %u not enabled: %s", index,
				vring.num > vp->dev->queue_size ? "larger than offered" :
								  vmm_error());
		vp_needs_reset(vp->dev);
		return;
	}
	q->vring = vring;
	q->enabled = true;
	q->was_reset = false;
	if (vp->status & VIRTIO_CONFIG_S_DRIVER_OK)
		queue_start(vp, index);
}

/* 2.6.1; done when it returns, so queue_reset always reads 0. */
static void queue_reset(struct virtio_pci *vp, unsigned int index)
{
	struct vp_queue *q = &vp->queue[index];

	if (!(vp->driver_features >> VIRTIO_F_RING_RESET & 1) ||
	    !(vp->status & VIRTIO_CONFIG_S_DRIVER_OK) || !q->enabled)
		return;
	queue_stop(vp, index);
	q->was_reset = true;
}

static void device_reset(struct virtio_pci *vp)
{
	unsigned int i;

	for (i = 0; i < vp->dev->queues; i++) {
		queue_stop(vp, i);
		vp->queue[i].was_reset = false;
		__atomic_store_n(&vp->queue[i].vector, VIRTIO_MSI_NO_VECTOR, __ATOMIC_RELAXED);
	}
	vp->dev->ops->reset(vp->dev);
	vp->device_feature_select = 0;
	vp->driver_feature_select = 0;
	vp->driver_features = 0;
	vp->bad_features = false;
	vp->queue_select = 0;
	__atomic_store_n(&vp->config_vector, VIRTIO_MSI_NO_VECTOR, __ATOMIC_RELAXED);
	__atomic_store_n(&vp->broken, false, __ATOMIC_RELEASE);
	__atomic_store_n(&vp->status, 0, __ATOMIC_RELEASE);
	/* After the status: see isr_raise(). */
	isr_take(vp);
}

static bool features_accept(struct virtio_pci *vp)
{
	u64 features = vp->driver_features;

	if (vp->bad_features || features & ~features_offered(vp) ||
	    !(features >> VIRTIO_F_VERSION_1 & 1))
		return false;
	return !vp->dev->ops->set_features(vp->dev, features);
}

static void status_set(struct virtio_pci *vp, u64 value)
{
	u8 status = vp->status;
	bool started = false;
	unsigned int i;

	if (!value) {
		device_reset(vp);
		return;
	}
	/* 2.1.1: a driver never clears a bit; what it leaves out stays. */
	for (i = 0; i < ARRAY_SIZE(status_step); i++) {
		u8 bit = status_step[i].bit;

		if (!(value & bit) || status & bit ||
		    (status & status_step[i].needs) != status_step[i].needs)
			continue;
		if (bit == VIRTIO_CONFIG_S_FEATURES_OK && !features_accept(vp))
			continue;
		status |= bit;
		started = bit == VIRTIO_CONFIG_S_DRIVER_OK;
		/* Set before queues start: their interrupts count from here. */
		__atomic_store_n(&vp->status, status, __ATOMIC_RELEASE);
	}
	for (i = 0; started && i < vp->dev->queues; i++)
		if (vp->queue[i].enabled)
			queue_start(vp, i);
	if (value & VIRTIO_CONFIG_S_FAILED)
		__atomic_or_fetch(&vp->status, VIRTIO_CONFIG_S_FAILED, __ATOMIC_RELEASE);
}

/* ------------------------------------------------------------------------
 * Common configuration (4.1.4.3), a table of fields; all with lock held
 */

static struct vp_queue *selected(struct virtio_pci *vp)
{
	return vp->queue_select < vp->dev->queues ? &vp->queue[vp->queue_select] : NULL;
}

static u32 get_device_feature_select(struct virtio_pci *vp)
{
	return vp->device_feature_select;
}

static void set_device_feature_select(struct virtio_pci *vp, u32 value)
{
	vp->device_feature_select = value;
}

static u32 feature_word(u64 features, u32 select)
{
	return select < 2 ? (u32)(features >> 32 * select) : 0;
}

static u32 get_device_feature(struct virtio_pci *vp)
{
	return feature_word(features_offered(vp), vp->device_feature_select);
}

static u32 get_driver_feature_select(struct virtio_pci *vp)
{
	return vp->driver_feature_select;
}

static void set_driver_feature_select(struct virtio_pci *vp, u32 value)
{
	vp->driver_feature_select = value;
}

static u32 get_driver_feature(struct virtio_pci *vp)
{
	return feature_word(vp->driver_features, vp->driver_feature_select);
}

static void set_driver_feature(struct virtio_pci *vp, u32 value)
{
	u32 select = vp->driver_feature_select;

	if (vp->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	if (select >= 2) {
		vp->bad_features |= value != 0;
		return;
	}
	vp->driver_features &= ~(0xffffffffull << 32 * select);
	vp->driver_features |= (u64)value << 32 * select;
}

static u16 vector_checked(const struct virtio_pci *vp, u32 value)
{
	return value < vp->vectors ? (u16)value : VIRTIO_MSI_NO_VECTOR;
}

static u32 get_config_vector(struct virtio_pci *vp)
{
	return vp->config_vector;
}

static void set_config_vector(struct virtio_pci *vp, u32 value)
{
	__atomic_store_n(&vp->config_vector, vector_checked(vp, value), __ATOMIC_RELAXED);
}

static u32 get_num_queues(struct virtio_pci *vp)
{
	return vp->dev->queues;
}

static u32 get_status(struct virtio_pci *vp)
{
	return status_get(vp);
}

static u32 get_generation(struct virtio_pci *vp)
{
	return __atomic_load_n(&vp->generation, __ATOMIC_ACQUIRE);
}

static u32 get_queue_select(struct virtio_pci *vp)
{
	return vp->queue_select;
}

static void set_queue_select(struct virtio_pci *vp, u32 value)
{
	vp->queue_select = (u16)value;
}

static void set_status(struct virtio_pci *vp, u32 value)
{
	status_set(vp, value);
}

static u32 get_queue_size(struct virtio_pci *vp)
{
	struct vp_queue *q = selected(vp);

	return q ? q->reg.num : 0;
}

/* Checked when the queue is enabled, so that the order of writes is free. */
static void set_queue_size(struct virtio_pci *vp, u32 value)
{
	struct vp_queue *q = selected(vp);

	if (q && queue_writable(vp, q))
		q->reg.num = value;
}

static u32 get_queue_vector(struct virtio_pci *vp)
{
	struct vp_queue *q = selected(vp);

	return q ? q->vector : VIRTIO_MSI_NO_VECTOR;
}

static void set_queue_vector(struct virtio_pci *vp, u32 value)
{
	struct vp_queue *q = selected(vp);

	if (!q)
		return;
	__atomic_store_n(&q->vector, vector_checked(vp, value), __ATOMIC_RELAXED);
	if (q->active && vp->dev->ops->calls_changed)
		vp->dev->ops->calls_changed(vp->dev);
}

static u32 get_queue_enable(struct virtio_pci *vp)
{
	struct vp_queue *q = selected(vp);

	return q && q->enabled;
}

static void set_queue_enable(struct virtio_pci *vp, u32 value)
{
	if (selected(vp) && value == 1)
		queue_enable(vp, vp->queue_select);
}

static u32 get_queue_notify_off(struct virtio_pci *vp)
{
	return selected(vp) ? vp->queue_select : 0;
}

static u32 get_queue_reset(struct virtio_pci *vp)
{
	return 0;
}

static void set_queue_reset(struct virtio_pci *vp, u32 value)
{
	if (selected(vp) && value == 1)
		queue_reset(vp, vp->queue_select);
}

static void set_half(struct virtio_pci *vp, size_t field, unsigned int shift, u32 value)
{
	struct vp_queue *q = selected(vp);
	u64 *addr;

	if (!q || !queue_writable(vp, q))
		return;
	addr = (u64 *)((char *)&q->reg + field);
	*addr &= ~(0xffffffffull << shift);
	*addr |= (u64)value << shift;
}

static u32 get_half(struct virtio_pci *vp, size_t field, unsigned int shift)
{
	struct vp_queue *q = selected(vp);

	return q ? (u32)(*(u64 *)((char *)&q->reg + field) >> shift) : 0;
}

#define ADDRESS_HALF(name, member, shift)                                             \
	static u32 get_##name(struct virtio_pci *vp)                                  \
	{                                                                             \
		return get_half(vp, offsetof(struct virtio_vring, member), shift);    \
	}                                                                             \
	static void set_##name(struct virtio_pci *vp, u32 value)                      \
	{                                                                             \
		set_half(vp, offsetof(struct virtio_vring, member), shift, value);    \
	}

ADDRESS_HALF(desc_lo, desc, 0)
ADDRESS_HALF(desc_hi, desc, 32)
ADDRESS_HALF(driver_lo, driver, 0)
ADDRESS_HALF(driver_hi, driver, 32)
ADDRESS_HALF(device_lo, device, 0)
ADDRESS_HALF(device_hi, device, 32)

static const struct common_field {
	u8 off, size;
	u32 (*get)(struct virtio_pci *vp);
	void (*set)(struct virtio_pci *vp, u32 value); /* NULL: read-only */
} common_field[] = {
	{ VIRTIO_PCI_COMMON_DFSELECT, 4, get_device_feature_select, set_device_feature_select },
	{ VIRTIO_PCI_COMMON_DF, 4, get_device_feature },
	{ VIRTIO_PCI_COMMON_GFSELECT, 4, get_driver_feature_select, set_driver_feature_select },
	{ VIRTIO_PCI_COMMON_GF, 4, get_driver_feature, set_driver_feature },
	{ VIRTIO_PCI_COMMON_MSIX, 2, get_config_vector, set_config_vector },
	{ VIRTIO_PCI_COMMON_NUMQ, 2, get_num_queues },
	{ VIRTIO_PCI_COMMON_STATUS, 1, get_status, set_status },
	{ VIRTIO_PCI_COMMON_CFGGENERATION, 1, get_generation },
	{ VIRTIO_PCI_COMMON_Q_SELECT, 2, get_queue_select, set_queue_select },
	{ VIRTIO_PCI_COMMON_Q_SIZE, 2, get_queue_size, set_queue_size },
	{ VIRTIO_PCI_COMMON_Q_MSIX, 2, get_queue_vector, set_queue_vector },
	{ VIRTIO_PCI_COMMON_Q_ENABLE, 2, get_queue_enable, set_queue_enable },
	{ VIRTIO_PCI_COMMON_Q_NOFF, 2, get_queue_notify_off },
	{ VIRTIO_PCI_COMMON_Q_DESCLO, 4, get_desc_lo, set_desc_lo },
	{ VIRTIO_PCI_COMMON_Q_DESCHI, 4, get_desc_hi, set_desc_hi },
	{ VIRTIO_PCI_COMMON_Q_AVAILLO, 4, get_driver_lo, set_driver_lo },
	{ VIRTIO_PCI_COMMON_Q_AVAILHI, 4, get_driver_hi, set_driver_hi },
	{ VIRTIO_PCI_COMMON_Q_USEDLO, 4, get_device_lo, set_device_lo },
	{ VIRTIO_PCI_COMMON_Q_USEDHI, 4, get_device_hi, set_device_hi },
	{ COMMON_NOTIFY_DATA, 2, get_queue_notify_off },
	{ COMMON_QUEUE_RESET, 2, get_queue_reset, set_queue_reset },
};

static const struct common_field *common_find(u64 off, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(common_field); i++)
		if (common_field[i].off == off && common_field[i].size == len)
			return &common_field[i];
	return NULL;
}

/*
 * 4.1.3.1: fields are accessed at their own width, 64-bit ones as two halves.
 * Eight bytes at once are two halves too. Anything else reads 0 and writes
 * nothing.
 */
static u64 common_read(struct virtio_pci *vp, u64 off, unsigned int len)
{
	const struct common_field *field;

	if (len == 8)
		return common_read(vp, off, 4) | common_read(vp, off + 4, 4) << 32;
	field = common_find(off, len);
	return field ? field->get(vp) : 0;
}

static void common_write(struct virtio_pci *vp, u64 off, u64 value, unsigned int len)
{
	const struct common_field *field;

	if (len == 8) {
		common_write(vp, off, (u32)value, 4);
		common_write(vp, off + 4, value >> 32, 4);
		return;
	}
	field = common_find(off, len);
	if (field && field->set)
		field->set(vp, (u32)(field->size == 4 ? value :
						       value & ((1u << 8 * field->size) - 1)));
}

/* ------------------------------------------------------------------------
 * The other structures
 */

static u64 isr_read(struct virtio_pci *vp, u64 off, unsigned int len)
{
	return off ? 0 : isr_take(vp);
}

static u64 device_read(struct virtio_pci *vp, u64 off, unsigned int len)
{
	__le64 value = 0;

	if (!viola_within(off, len, vp->dev->ops->config_size))
		return 0;
	vp->dev->ops->config_read(vp->dev, (u32)off, &value, len);
	return le64_to_cpu(value);
}

static void device_write(struct virtio_pci *vp, u64 off, u64 value, unsigned int len)
{
	__le64 bytes = cpu_to_le64(value);

	if (vp->dev->ops->config_write && viola_within(off, len, vp->dev->ops->config_size))
		vp->dev->ops->config_write(vp->dev, (u32)off, &bytes, len);
}

/* A kick that no ioeventfd caught: while the BAR moves, or by odd means. */
static void notify_write(struct virtio_pci *vp, u64 off, u64 value, unsigned int len)
{
	u64 index = off / VIRTIO_PCI_NOTIFY_STEP;

	if (off % VIRTIO_PCI_NOTIFY_STEP || index >= vp->dev->queues)
		return;
	__atomic_add_fetch(&vp->trapped_kicks, 1, __ATOMIC_RELAXED);
	eventfd_write(vp->queue[index].kick_fd, 1);
}

static const struct vp_region {
	u64 off, size;
	bool locked;
	u64 (*read)(struct virtio_pci *vp, u64 off, unsigned int len);
	void (*write)(struct virtio_pci *vp, u64 off, u64 value, unsigned int len);
} vp_region[] = {
	{ VIRTIO_PCI_COMMON_OFF, COMMON_SIZE, true, common_read, common_write },
	{ VIRTIO_PCI_ISR_OFF, 4, false, isr_read, NULL },
	{ VIRTIO_PCI_DEVICE_OFF, 0x1000, true, device_read, device_write },
	{ VIRTIO_PCI_NOTIFY_OFF, 0x1000, false, NULL, notify_write },
};

static const struct vp_region *region_find(u64 off, unsigned int len)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vp_region); i++)
		if (off >= vp_region[i].off &&
		    viola_within(off - vp_region[i].off, len, vp_region[i].size))
			return &vp_region[i];
	return NULL;
}

static u64 vp_bar_read(struct pci_device *pci, unsigned int bar, u64 off, unsigned int len)
{
	struct virtio_pci *vp = from_pci(pci);
	const struct vp_region *region = bar == VIRTIO_PCI_BAR ? region_find(off, len) : NULL;
	u64 value;

	if (!region || !region->read)
		return 0;
	if (!region->locked)
		return region->read(vp, off - region->off, len);
	pthread_mutex_lock(&vp->lock);
	value = region->read(vp, off - region->off, len);
	pthread_mutex_unlock(&vp->lock);
	return value;
}

static void vp_bar_write(struct pci_device *pci, unsigned int bar, u64 off, u64 value,
			 unsigned int len)
{
	struct virtio_pci *vp = from_pci(pci);
	const struct vp_region *region = bar == VIRTIO_PCI_BAR ? region_find(off, len) : NULL;

	if (!region || !region->write)
		return;
	if (!region->locked) {
		region->write(vp, off - region->off, value, len);
		return;
	}
	pthread_mutex_lock(&vp->lock);
	region->write(vp, off - region->off, value, len);
	pthread_mutex_unlock(&vp->lock);
}

static void notify_unmap(struct virtio_pci *vp)
{
	unsigned int i;

	if (!vp->notify_mapped)
		return;
	for (i = 0; i < vp->dev->queues; i++)
		vm_ioeventfd_remove(vp->vm, vp->notify_gpa + i * VIRTIO_PCI_NOTIFY_STEP,
				    vp->queue[i].kick_fd);
	vp->notify_mapped = false;
}

/*
 * Kicks go from the guest's store to the eventfd in the kernel, wherever the
 * BAR is. All queues at once: a kick of one that is not active signals an
 * eventfd that nobody watches. Where KVM has no room left for an ioeventfd,
 * the store exits and notify_write() does the same more slowly.
 */
static void vp_bar_moved(struct pci_device *pci, unsigned int bar, u64 gpa, bool mapped)
{
	struct virtio_pci *vp = from_pci(pci);
	unsigned int i;

	if (bar != VIRTIO_PCI_BAR)
		return;
	notify_unmap(vp);
	if (!mapped)
		return;
	vp->notify_gpa = gpa + VIRTIO_PCI_NOTIFY_OFF;
	for (i = 0; i < vp->dev->queues; i++)
		vm_ioeventfd_add(vp->vm, vp->notify_gpa + i * VIRTIO_PCI_NOTIFY_STEP,
				 vp->queue[i].kick_fd);
	vp->notify_mapped = true;
}

static void vp_msix_enabled(struct pci_device *pci, bool on)
{
	struct virtio_pci *vp = from_pci(pci);

	if (vp->dev->ops->calls_changed)
		vp->dev->ops->calls_changed(vp->dev);
}

static void vp_quiesce(struct pci_device *pci)
{
	struct virtio_device *dev = from_pci(pci)->dev;

	dev->ops->quiesce(dev);
}

static int vp_resume(struct pci_device *pci)
{
	struct virtio_device *dev = from_pci(pci)->dev;

	return dev->ops->resume(dev);
}

static void vp_stats(struct pci_device *pci, FILE *out)
{
	struct virtio_pci *vp = from_pci(pci);

	fprintf(out, "\"trapped_kicks\": %llu",
		(unsigned long long)__atomic_load_n(&vp->trapped_kicks, __ATOMIC_RELAXED));
	if (vp->dev->ops->stats) {
		fputs(", ", out);
		vp->dev->ops->stats(vp->dev, out);
	}
}

static void vp_destroy(struct pci_device *pci)
{
	struct virtio_pci *vp = from_pci(pci);
	unsigned int queues = vp->dev->queues, i;

	pthread_mutex_lock(&vp->lock);
	for (i = 0; i < queues; i++)
		queue_stop(vp, i);
	pthread_mutex_unlock(&vp->lock);
	notify_unmap(vp);
	vp->dev->ops->destroy(vp->dev);
	/* Only now: the device's threads were watching these. */
	for (i = 0; i < queues; i++)
		close(vp->queue[i].kick_fd);
	pthread_mutex_destroy(&vp->isr_lock);
	pthread_mutex_destroy(&vp->lock);
	free(vp);
}

/*
 * Without bus mastering a device may not touch memory (PCI 3.0, 6.2.2). A
 * kernel that is replaced without resetting its devices (kexec) relies on
 * that. Where the rings had got to is lost, so only a reset helps.
 */
static void bus_mastering_off(struct virtio_pci *vp)
{
	bool ran = false;
	unsigned int i;

	pthread_mutex_lock(&vp->lock);
	for (i = 0; i < vp->dev->queues; i++) {
		if (!vp->queue[i].active)
			continue;
		vp->dev->ops->deactivate(vp->dev, i);
		vp->queue[i].active = false;
		ran = true;
	}
	if (ran)
		vp_needs_reset(vp->dev);
	pthread_mutex_unlock(&vp->lock);
}

/*
 * 4.1.4.9: a driver that cannot map the BAR names a place in it, and reads and
 * writes pci_cfg_data instead. An access that the capability's fields do not
 * describe properly has no effect.
 */
struct vp_window {
	unsigned int data; /* offset of pci_cfg_data in configuration space */
	u32 at, size; /* the place in the BAR */
	u32 value; /* of pci_cfg_data */
};

/* Whether an access to [@off, @off + @len) is one to the place in *@w. */
static bool window_find(struct virtio_pci *vp, unsigned int off, unsigned int len,
			struct vp_window *w)
{
	struct virtio_pci_cfg_cap cap;
	__le32 value;

	w->data = vp->window + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);
	if (!pci_overlap(off, len, w->data, sizeof(cap.pci_cfg_data)))
		return false;
	pthread_mutex_lock(&vp->pci.config_lock);
	memcpy(&cap, vp->pci.config + vp->window, sizeof(cap));
	pthread_mutex_unlock(&vp->pci.config_lock);
	memcpy(&value, cap.pci_cfg_data, sizeof(value));
	w->at = le32_to_cpu(cap.cap.offset);
	w->size = le32_to_cpu(cap.cap.length);
	w->value = le32_to_cpu(value);
	return cap.cap.bar == VIRTIO_PCI_BAR &&
	       (w->size == 1 || w->size == 2 || w->size == 4) && !(w->at % w->size) &&
	       viola_within(w->at, w->size, VIRTIO_PCI_BAR_SIZE);
}

static u32 vp_config_read(struct pci_device *pci, unsigned int off, unsigned int len)
{
	struct vp_window w;
	__le32 value;

	if (window_find(from_pci(pci), off, len, &w)) {
		value = cpu_to_le32((u32)vp_bar_read(pci, VIRTIO_PCI_BAR, w.at, w.size));
		pthread_mutex_lock(&pci->config_lock);
		memcpy(pci->config + w.data, &value, sizeof(value));
		pthread_mutex_unlock(&pci->config_lock);
	}
	return pci_config_get(pci, off, len);
}

static void vp_config_write(struct pci_device *pci, unsigned int off, u32 value, unsigned int len)
{
	struct virtio_pci *vp = from_pci(pci);
	struct vp_window w;

	pci_config_put(pci, off, value, len);
	if (pci_overlap(off, len, PCI_COMMAND, 1) && !pci_bus_master(pci))
		bus_mastering_off(vp);
	if (window_find(vp, off, len, &w))
		vp_bar_write(pci, VIRTIO_PCI_BAR, w.at, w.value, w.size);
}

static const struct pci_device_ops pci_ops = {
	.bar_read = vp_bar_read,
	.bar_write = vp_bar_write,
	.bar_moved = vp_bar_moved,
	.config_read = vp_config_read,
	.config_write = vp_config_write,
	.quiesce = vp_quiesce,
	.resume = vp_resume,
	.stats = vp_stats,
	.destroy = vp_destroy,
};

/* ------------------------------------------------------------------------
 * Creation
 */

static void add_capability(struct virtio_pci *vp, u8 type, u32 off, u32 size)
{
	struct virtio_pci_cap cap = {
		.cap_len = sizeof(cap),
		.cfg_type = type,
		.bar = VIRTIO_PCI_BAR,
		.offset = cpu_to_le32(off),
		.length = cpu_to_le32(size),
	};

	pci_add_capability(&vp->pci, PCI_CAP_ID_VNDR, &cap, sizeof(cap));
}

static void add_capabilities(struct virtio_pci *vp)
{
	struct virtio_pci_notify_cap notify = {
		.cap = {
			.cap_len = sizeof(notify),
			.cfg_type = VIRTIO_PCI_CAP_NOTIFY_CFG,
			.bar = VIRTIO_PCI_BAR,
			.offset = cpu_to_le32(VIRTIO_PCI_NOTIFY_OFF),
			.length = cpu_to_le32(0x1000),
		},
		.notify_off_multiplier = cpu_to_le32(VIRTIO_PCI_NOTIFY_STEP),
	};

	struct virtio_pci_cfg_cap window = {
		.cap = { .cap_len = sizeof(window), .cfg_type = VIRTIO_PCI_CAP_PCI_CFG },
	};

	add_capability(vp, VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_PCI_COMMON_OFF, COMMON_SIZE);
	add_capability(vp, VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_PCI_ISR_OFF, 4);
	add_capability(vp, VIRTIO_PCI_CAP_DEVICE_CFG, VIRTIO_PCI_DEVICE_OFF, 0x1000);
	pci_add_capability(&vp->pci, PCI_CAP_ID_VNDR, &notify, sizeof(notify));
	vp->window = pci_add_capability(&vp->pci, PCI_CAP_ID_VNDR, &window, sizeof(window));
	vp->pci.writable[vp->window + offsetof(struct virtio_pci_cap, bar)] = 0xff;
	memset(vp->pci.writable + vp->window + offsetof(struct virtio_pci_cap, offset), 0xff,
	       sizeof(window) - offsetof(struct virtio_pci_cap, offset));
}

int virtio_pci_create(struct vm *vm, struct virtio_device *dev, u32 class_code)
{
	const struct pci_identity id = {
		.vendor = VIRTIO_PCI_VENDOR,
		.device = VIRTIO_PCI_DEVICE_BASE + dev->type,
		.subsystem_vendor = VIRTIO_PCI_VENDOR,
		.subsystem = VIRTIO_PCI_DEVICE_BASE + dev->type,
		.class_code = class_code,
		.revision = 1,
	};
	struct pci_msix_layout msix = {
		.table_bar = VIRTIO_PCI_BAR, .table_off = VIRTIO_PCI_TABLE_OFF,
		.pba_bar = VIRTIO_PCI_BAR, .pba_off = VIRTIO_PCI_PBA_OFF,
	};
	struct virtio_pci *vp;
	unsigned int i;
	int err;

	if (!dev->queues || dev->queues > VIRTIO_QUEUES_MAX ||
	    !viola_ring_num_valid(dev->queue_size)) {
		err = vmm_fail(EINVAL, "%s: %u queues of %u entries cannot be offered", dev->name,
			       dev->queues, dev->queue_size);
		goto fail;
	}
	vp = calloc(1, sizeof(*vp));
	if (!vp) {
		err = vmm_fail(ENOMEM, "%s: out of memory", dev->name);
		goto fail;
	}
	vp->dev = dev;
	vp->vm = vm;
	vp->vectors = dev->queues + 1;
	vp->config_vector = VIRTIO_MSI_NO_VECTOR;
	snprintf(vp->name, sizeof(vp->name), "%s", dev->name);
	pthread_mutex_init(&vp->lock, NULL);
	pthread_mutex_init(&vp->isr_lock, NULL);
	dev->transport = &transport_ops;
	dev->transport_data = vp;
	for (i = 0; i < dev->queues; i++) {
		struct vp_queue *q = &vp->queue[i];

		queue_registers_reset(vp, q);
		q->vector = VIRTIO_MSI_NO_VECTOR;
		q->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (q->kick_fd < 0) {
			err = vmm_fail(errno, "%s: cannot create an eventfd: %m", dev->name);
			goto fail_fds;
		}
	}
	pci_device_init(&vp->pci, vm, vp->name, &pci_ops, &id, true);
	pci_add_bar(&vp->pci, VIRTIO_PCI_BAR, PCI_BAR_MEM64, VIRTIO_PCI_BAR_SIZE);
	add_capabilities(vp);
	msix.vectors = vp->vectors;
	err = pci_msix_init(&vp->pci, &msix);
	if (err)
		goto fail_fds;
	pci_msix_on_enable(&vp->pci, vp_msix_enabled);
	err = pci_attach(vm, &vp->pci);
	if (err)
		goto fail_fds;
	return 0;

fail_fds:
	while (i--)
		close(vp->queue[i].kick_fd);
	pthread_mutex_destroy(&vp->isr_lock);
	pthread_mutex_destroy(&vp->lock);
	free(vp);
fail:
	dev->ops->destroy(dev);
	return err;
}
