/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A PCI bus and a VM for tests of one device: no guest, no KVM. It remembers
 * what the device asked for and lets a test play the guest.
 */
#ifndef VIOLA_TESTS_FAKE_PCI_H
#define VIOLA_TESTS_FAKE_PCI_H

#include "vmm/pci/pci.h"
#include "vmm/vm.h"

#define FAKE_VECTORS 64
#define FAKE_IOEVENTFDS 64

struct fake_pci {
	struct pci_device *dev; /* attached */
	bool msix_on;
	unsigned int vectors;
	int msix_fd[FAKE_VECTORS];
	unsigned int notified[FAKE_VECTORS]; /* atomic */
	void (*on_enable)(struct pci_device *dev, bool on);
	bool intx; /* atomic */
	struct {
		u64 gpa;
		int fd;
	} io[FAKE_IOEVENTFDS];
	unsigned int io_nr;
};

extern struct fake_pci fake_pci;

/* Forgets everything, MSI-X off. */
void fake_pci_reset(void);
/* Destroys the attached device. */
void fake_pci_destroy(void);
void fake_msix_enable(bool on);
/* The machine pauses and goes on. */
void fake_quiesce(void);
void fake_resume(void);
/* Maps BAR @bar of the attached device at @gpa, or unmaps it. */
void fake_bar_move(unsigned int bar, u64 gpa, bool mapped);
u64 fake_read(unsigned int bar, u64 off, unsigned int len);
void fake_write(unsigned int bar, u64 off, u64 value, unsigned int len);
/* Configuration space, by the device's window hook too. */
u32 fake_config_read(unsigned int off, unsigned int len);
void fake_config_write(unsigned int off, u32 value, unsigned int len);
/* Interrupts on @vector so far, by notify or by its eventfd. */
unsigned int fake_interrupts(unsigned int vector);
bool fake_intx(void);

#endif
