/* SPDX-License-Identifier: GPL-2.0 */
/* How many interrupts an interface's device has raised. */
#ifndef VIOLA_GUEST_IRQS_H
#define VIOLA_GUEST_IRQS_H

#include <stdbool.h>
#include <stdint.h>

#define IRQS_MAX	64

struct irqs {
	unsigned int n;		/* 0: the device's interrupts are not known */
	unsigned int number[IRQS_MAX];
	bool shared;		/* a line that other devices raise as well */
};

/*
 * Find the interrupt numbers of @iface's device: its MSI vectors where it has
 * some, else its line. Call it when the interface is up: drivers request
 * their interrupts only then.
 */
void irqs_find(struct irqs *q, const char *iface);

/*
 * Sum of /proc/interrupts over these numbers and all CPUs, since boot.
 * False when they are unknown.
 */
bool irqs_read(const struct irqs *q, uint64_t *sum);

#endif
