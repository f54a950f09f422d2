// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/guest/irqs.h"

static void irq_add(struct irqs *q, const char *text)
{
	if (isdigit((unsigned char)text[0]) && q->n < IRQS_MAX)
		q->number[q->n++] = strtoul(text, NULL, 10);
}

/*
 * The device of a virtio interface is the virtio device; the interrupts are
 * its parent's, the PCI function.
 */
static bool pci_folder(char *path, const char *iface)
{
	char link[256], *base;

	snprintf(link, sizeof(link), "/sys/class/net/%s/device", iface);
	if (!realpath(link, path))
		return false;
	base = strrchr(path, '/');
	if (base && !strncmp(base + 1, "virtio", 6))
		*base = 0;
	return true;
}

static void line_is_shared(struct irqs *q)
{
	char *line = NULL, *end;
	size_t cap = 0;
	FILE *in = fopen("/proc/interrupts", "re");

	if (!in)
		return;
	while (getline(&line, &cap, in) > 0)
		if (strtoul(line, &end, 10) == q->number[0] && *end == ':')
			q->shared = strchr(end, ',');
	free(line);
	fclose(in);
}

void irqs_find(struct irqs *q, const char *iface)
{
	char path[PATH_MAX], sub[PATH_MAX + 16], text[32];
	struct dirent *e;
	DIR *d;
	FILE *in;

	memset(q, 0, sizeof(*q));
	if (!pci_folder(path, iface))
		return;
	snprintf(sub, sizeof(sub), "%s/msi_irqs", path);
	d = opendir(sub);
	if (d) {
		while ((e = readdir(d)))
			irq_add(q, e->d_name);
		closedir(d);
	}
	if (q->n)
		return;
	snprintf(sub, sizeof(sub), "%s/irq", path);
	in = fopen(sub, "re");
	if (!in)
		return;
	if (fgets(text, sizeof(text), in))
		irq_add(q, text);
	fclose(in);
	if (q->n && !q->number[0])
		q->n = 0;
	if (q->n)
		line_is_shared(q);
}

static bool wanted(const struct irqs *q, unsigned long number)
{
	unsigned int i;

	for (i = 0; i < q->n; i++)
		if (q->number[i] == number)
			return true;
	return false;
}

bool irqs_read(const struct irqs *q, uint64_t *sum)
{
	char *line = NULL, *p, *end;
	size_t cap = 0;
	FILE *in;

	*sum = 0;
	if (!q->n)
		return false;
	in = fopen("/proc/interrupts", "re");
	if (!in)
		return false;
	while (getline(&line, &cap, in) > 0) {
		const unsigned long number = strtoul(line, &end, 10);

		if (end == line || *end != ':' || !wanted(q, number))
			continue;
		/* One column per CPU, then the chip's name. */
		for (p = end + 1; ; p = end) {
			const unsigned long long v = strtoull(p, &end, 10);

			if (end == p || (*end && !isspace((unsigned char)*end)))
				break;
			*sum += v;
		}
	}
	free(line);
	fclose(in);
	return true;
}
