// SPDX-License-Identifier: GPL-2.0
/*
 * MSI-X (PCI 3.0, 6.8.2).
 *
 * A vector is an eventfd, made when it is first needed. While the vector may
 * interrupt (MSI-X enabled, neither function nor vector masked) the eventfd is
 * connected to KVM (irqfd), which sends the message without this process;
 * otherwise it is not, and a signal just stays in its count. So the count is
 * the pending bit: the PBA reads it, and unmasking passes it on. It does not
 * matter who signals: a device here or a data plane in the kernel.
 *
 * An entry whose address is not a local APIC's is no interrupt: a device would
 * write its data to memory there. Nothing is written for it here, and nothing
 * of it reaches KVM, which looks at some bits of an address only and would
 * take any for an APIC's. Such an entry pends as if it were masked.
 *
 * The data is the guest's own affair, with the delivery mode in it. NMI, SMI
 * and INIT are what its processors can send to each other through the APIC
 * anyway: they reach processors of this guest alone, and at worst end it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <linux/pci_regs.h>

#include "vmm/complain.h"
#include "vmm/error.h"
#include "vmm/layout.h"
#include "vmm/pci/bus.h"
#include "vmm/pci/le.h"
#include "vmm/vm-private.h"

#define VECTORS_MAX 2048u
#define ENTRY_WORDS (PCI_MSIX_ENTRY_SIZE / 4)
#define WORD_ADDR_LO (PCI_MSIX_ENTRY_LOWER_ADDR / 4)
#define WORD_ADDR_HI (PCI_MSIX_ENTRY_UPPER_ADDR / 4)
#define WORD_DATA (PCI_MSIX_ENTRY_DATA / 4)
#define WORD_CONTROL (PCI_MSIX_ENTRY_VECTOR_CTRL / 4)

/* Messages to local APICs: 1 MiB, destination and hints in the bits below. */
#define APIC_WINDOW_MASK 0xfff00000u

struct msix_vector {
	u32 word[ENTRY_WORDS]; /* the table's entry */
	int fd; /* -1 until needed */
	bool routed; /* gsi is ours */
	bool connected; /* fd is KVM's to read */
	u32 gsi;
};

struct pci_msix {
	pthread_mutex_t lock; /* guards all but what is constant */
	struct pci_msix_layout at; /* constant, as all up to `cap` */
	u32 table_len, pba_len; /* bytes */
	unsigned int cap; /* offset of the capability */
	void (*on_enable)(struct pci_device *dev, bool on);
	void (*on_vectors)(struct pci_device *dev, unsigned int first, unsigned int nr);
	bool enabled, masked; /* message control; enabled also read without the lock */
	u64 notified, connects; /* for --stats */
	u64 complained; /* of vmm_complain() */
	struct msix_vector vector[];
};

static int vector_open(struct pci_device *dev, struct msix_vector *v)
{
	if (v->fd >= 0)
		return 0;
	v->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return v->fd < 0 ? vmm_fail(errno, "%s: cannot create an eventfd: %m", dev->name) : 0;
}

static bool vector_unmasked(const struct pci_msix *msix, const struct msix_vector *v)
{
	return msix->enabled && !msix->masked &&
	       !(v->word[WORD_CONTROL] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/* Whether a write to the entry's address would be an interrupt. */
static bool vector_names_apic(const struct msix_vector *v)
{
	return !v->word[WORD_ADDR_HI] &&
	       (v->word[WORD_ADDR_LO] & APIC_WINDOW_MASK) == LAYOUT_LAPIC;
}

static bool vector_live(const struct pci_msix *msix, const struct msix_vector *v)
{
	return vector_unmasked(msix, v) && vector_names_apic(v);
}

static int vector_route(struct pci_device *dev, struct msix_vector *v)
{
	const u64 addr = (u64)v->word[WORD_ADDR_HI] << 32 | v->word[WORD_ADDR_LO];
	int err;

	if (v->routed)
		return vm_msi_route_update(dev->vm, v->gsi, addr, v->word[WORD_DATA]);
	err = vm_msi_route_add(dev->vm, addr, v->word[WORD_DATA], &v->gsi);
	v->routed = !err;
	return err;
}

/*
 * Connects a vector that has an eventfd and a route. What was signalled before goes to
 * KVM by a new signal: a signal between the two calls does no harm, it can
 * only interrupt once more.
 */
static int vector_connect(struct pci_device *dev, struct msix_vector *v)
{
	eventfd_t count;
	bool pending;
	int err;

	pending = !eventfd_read(v->fd, &count);
	err = vm_irqfd_add(dev->vm, v->fd, v->gsi);
	v->connected = !err;
	dev->msix->connects++;
	if (pending)
		eventfd_write(v->fd, 1);
	return err;
}

static void vector_complain(struct pci_device *dev, const struct msix_vector *v)
{
	struct pci_msix *msix = dev->msix;

	if (v->fd >= 0 && vector_unmasked(msix, v) && !vector_names_apic(v))
		vmm_complain(&msix->complained, dev->name,
			     "MSI-X vector %u to 0x%08x%08x, which is no APIC: not sent",
			     (unsigned int)(v - msix->vector), v->word[WORD_ADDR_HI],
			     v->word[WORD_ADDR_LO]);
}

static int vector_follow(struct pci_device *dev, struct msix_vector *v)
{
	const bool live = vector_live(dev->msix, v);
	int err;

	if (v->fd < 0 || v->connected == live)
		return 0;
	if (live)
		return vector_connect(dev, v);
	err = vm_irqfd_remove(dev->vm, v->fd, v->gsi);
	v->connected = false;
	return err;
}

/*
 * After any change of masks, table or eventfds of the @nr vectors from @first on. KVM
 * learns all routes at once, and before the first eventfd that uses one of them.
 */
static int vectors_update(struct pci_device *dev, struct msix_vector *first, unsigned int nr)
{
	struct msix_vector *v;
	int err = 0;

	for (v = first; v < first + nr && !err; v++) {
		vector_complain(dev, v);
		if (v->fd >= 0 && !v->connected && vector_live(dev->msix, v))
			err = vector_route(dev, v);
	}
	if (!err)
		err = vm_msi_routes_commit(dev->vm);
	for (v = first; v < first + nr && !err; v++)
		err = vector_follow(dev, v);
	if (!err && dev->msix->on_vectors)
		dev->msix->on_vectors(dev, (unsigned int)(first - dev->msix->vector), nr);
	return err;
}

/*
 * As above where there is nobody to tell: the guest has done nothing wrong,
 * this machine can no longer deliver its interrupts.
 */
static void vectors_update_or_stop(struct pci_device *dev, struct msix_vector *first,
				   unsigned int nr)
{
	if (vectors_update(dev, first, nr))
		vm_give_up(dev->vm, dev->name);
}

int pci_msix_init(struct pci_device *dev, const struct pci_msix_layout *layout)
{
	const unsigned int vectors = layout->vectors;
	const u32 table_len = pci_msix_table_bytes(vectors);
	const u32 pba_len = pci_msix_pba_bytes(vectors);
	u8 body[PCI_CAP_MSIX_SIZEOF] = { 0 };
	struct pci_msix *msix;
	unsigned int i;

	/* Mistakes in this program. */
	assert(vectors && vectors <= VECTORS_MAX && layout->table_bar < PCI_BARS &&
	       layout->pba_bar < PCI_BARS);
	assert(!(layout->table_off & 7) && !(layout->pba_off & 7));
	assert(viola_within(layout->table_off, table_len, dev->bar[layout->table_bar].size) &&
	       viola_within(layout->pba_off, pba_len, dev->bar[layout->pba_bar].size));
	msix = calloc(1, sizeof(*msix) + vectors * sizeof(msix->vector[0]));
	if (!msix)
		return vmm_fail(ENOMEM, "%s: out of memory", dev->name);
	pthread_mutex_init(&msix->lock, NULL);
	msix->at = *layout;
	msix->table_len = table_len;
	msix->pba_len = pba_len;
	for (i = 0; i < vectors; i++) {
		msix->vector[i].fd = -1;
		msix->vector[i].word[WORD_CONTROL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
	put_le16(body + PCI_MSIX_FLAGS, (u16)(vectors - 1));
	put_le32(body + PCI_MSIX_TABLE, layout->table_off | layout->table_bar);
	put_le32(body + PCI_MSIX_PBA, layout->pba_off | layout->pba_bar);
	msix->cap = pci_add_capability(dev, PCI_CAP_ID_MSIX, body, sizeof(body));
	dev->writable[msix->cap + PCI_MSIX_FLAGS + 1] =
		(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
	dev->msix = msix;
	return 0;
}

bool pci_msix_enabled(struct pci_device *dev)
{
	return dev->msix && __atomic_load_n(&dev->msix->enabled, __ATOMIC_ACQUIRE);
}

void pci_msix_on_enable(struct pci_device *dev, void (*fn)(struct pci_device *dev, bool on))
{
	dev->msix->on_enable = fn;
}

void pci_msix_on_vectors(struct pci_device *dev,
			 void (*fn)(struct pci_device *dev, unsigned int first, unsigned int nr))
{
	dev->msix->on_vectors = fn;
}

int pci_msix_live_fd(const struct pci_device *dev, unsigned int vector)
{
	const struct msix_vector *v = &dev->msix->vector[vector];

	return v->connected ? v->fd : -1;
}

void pci_msix_config_written(struct pci_device *dev, unsigned int off, unsigned int len)
{
	struct pci_msix *msix = dev->msix;
	u16 control;
	bool was;

	if (!msix || !pci_overlap(off, len, msix->cap + PCI_MSIX_FLAGS, 2))
		return;
	control = (u16)(dev->config[msix->cap + PCI_MSIX_FLAGS + 1] << 8);
	pthread_mutex_lock(&msix->lock);
	was = msix->enabled;
	__atomic_store_n(&msix->enabled, control & PCI_MSIX_FLAGS_ENABLE, __ATOMIC_RELEASE);
	msix->masked = control & PCI_MSIX_FLAGS_MASKALL;
	vectors_update_or_stop(dev, msix->vector, msix->at.vectors);
	pthread_mutex_unlock(&msix->lock);
	if (was == msix->enabled)
		return;
	pci_intx_update(dev);
	if (msix->on_enable)
		msix->on_enable(dev, !was);
}

void pci_msix_notify(struct pci_device *dev, unsigned int vector)
{
	struct pci_msix *msix = dev->msix;
	struct msix_vector *v;

	/* A vector number may be the guest's. */
	if (!msix || vector >= msix->at.vectors)
		return;
	v = &msix->vector[vector];
	pthread_mutex_lock(&msix->lock);
	msix->notified++;
	if (v->fd < 0) {
		if (vector_open(dev, v))
			vm_give_up(dev->vm, dev->name);
		else
			vectors_update_or_stop(dev, v, 1);
	}
	if (v->fd >= 0)
		eventfd_write(v->fd, 1);
	pthread_mutex_unlock(&msix->lock);
}

int pci_msix_fd(struct pci_device *dev, unsigned int vector)
{
	struct pci_msix *msix = dev->msix;
	struct msix_vector *v;
	int err;

	if (!msix || vector >= msix->at.vectors)
		return vmm_fail(EINVAL, "%s has no MSI-X vector %u", dev->name, vector);
	v = &msix->vector[vector];
	pthread_mutex_lock(&msix->lock);
	err = vector_open(dev, v);
	if (!err)
		err = vectors_update(dev, v, 1);
	pthread_mutex_unlock(&msix->lock);
	return err ? err : v->fd;
}

/* --- table and PBA ------------------------------------------------------------ */

static bool in_table(const struct pci_msix *msix, unsigned int bar, u64 off, unsigned int len)
{
	return bar == msix->at.table_bar &&
	       pci_overlap(off, len, msix->at.table_off, msix->table_len);
}

static bool in_pba(const struct pci_msix *msix, unsigned int bar, u64 off, unsigned int len)
{
	return bar == msix->at.pba_bar && pci_overlap(off, len, msix->at.pba_off, msix->pba_len);
}

bool pci_msix_covers(const struct pci_device *dev, unsigned int bar, u64 off, unsigned int len)
{
	return dev->msix &&
	       (in_table(dev->msix, bar, off, len) || in_pba(dev->msix, bar, off, len));
}

/*
 * The words that an access touches: aligned ones of 4 or 8 bytes (6.8.2), all
 * within the table. Everything else has no effect and reads 0.
 */
static bool table_words(const struct pci_msix *msix, unsigned int bar, u64 off, unsigned int len,
			u32 *first)
{
	if (bar != msix->at.table_bar || (len != 4 && len != 8) || off & (len - 1) ||
	    off < msix->at.table_off ||
	    !viola_within(off - msix->at.table_off, len, msix->table_len))
		return false;
	*first = (u32)(off - msix->at.table_off) / 4;
	return true;
}

static bool pending(struct msix_vector *v)
{
	struct pollfd p = { .fd = v->fd, .events = POLLIN };

	return v->fd >= 0 && !v->connected && poll(&p, 1, 0) == 1;
}

static u64 pba_read(struct pci_msix *msix, u64 off, unsigned int len)
{
	const u64 first = (off - msix->at.pba_off) * 8;
	u64 bits = 0;
	unsigned int i;

	for (i = 0; i < len * 8 && first + i < msix->at.vectors; i++)
		if (pending(&msix->vector[first + i]))
			bits |= 1ull << i;
	return bits;
}

u64 pci_msix_read(struct pci_device *dev, unsigned int bar, u64 off, unsigned int len)
{
	struct pci_msix *msix = dev->msix;
	u64 value = 0;
	u32 word, i;

	pthread_mutex_lock(&msix->lock);
	if (table_words(msix, bar, off, len, &word)) {
		for (i = 0; i < len / 4; i++, word++)
			value |= (u64)msix->vector[word / ENTRY_WORDS].word[word % ENTRY_WORDS]
				 << 32 * i;
	} else if (bar == msix->at.pba_bar && (len == 4 || len == 8) && !(off & (len - 1)) &&
		   off >= msix->at.pba_off &&
		   viola_within(off - msix->at.pba_off, len, msix->pba_len)) {
		value = pba_read(msix, off, len);
	}
	pthread_mutex_unlock(&msix->lock);
	return value;
}

static void table_word_write(struct pci_device *dev, u32 word, u32 value)
{
	struct msix_vector *v = &dev->msix->vector[word / ENTRY_WORDS];

	switch (word % ENTRY_WORDS) {
	case WORD_ADDR_LO:
		value &= ~3u;
		break;
	case WORD_CONTROL:
		value &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
		break;
	}
	v->word[word % ENTRY_WORDS] = value;
	/*
	 * An entry that is changed while it is live is undefined (6.8.2.9);
	 * follow it, as hardware does. One that leaves the APICs has no route
	 * to follow: it is disconnected after the whole access.
	 */
	if (v->connected && vector_names_apic(v) &&
	    (vector_route(dev, v) || vm_msi_routes_commit(dev->vm)))
		vm_give_up(dev->vm, dev->name);
}

void pci_msix_write(struct pci_device *dev, unsigned int bar, u64 off, u64 value,
		    unsigned int len)
{
	struct pci_msix *msix = dev->msix;
	u32 first, i;

	pthread_mutex_lock(&msix->lock);
	if (table_words(msix, bar, off, len, &first)) {
		for (i = 0; i < len / 4; i++)
			table_word_write(dev, first + i, (u32)(value >> 32 * i));
		/* An access of 8 aligned bytes lies in one entry. */
		vectors_update_or_stop(dev, &msix->vector[first / ENTRY_WORDS], 1);
	}
	pthread_mutex_unlock(&msix->lock);
}

/* --- end ------------------------------------------------------------------------ */

void pci_msix_free(struct vm *vm, struct pci_msix *msix)
{
	unsigned int i;

	if (!msix)
		return;
	for (i = 0; i < msix->at.vectors; i++) {
		struct msix_vector *v = &msix->vector[i];

		if (v->connected)
			vm_irqfd_remove(vm, v->fd, v->gsi);
		if (v->routed)
			vm_msi_route_release(vm, v->gsi);
		if (v->fd >= 0)
			close(v->fd);
	}
	pthread_mutex_destroy(&msix->lock);
	free(msix);
}

void pci_msix_stats(struct pci_device *dev, FILE *out)
{
	const struct pci_msix *msix = dev->msix;

	if (msix)
		fprintf(out, ", \"msix\": {\"notified\": %llu, \"connects\": %llu}",
			(unsigned long long)msix->notified, (unsigned long long)msix->connects);
}
