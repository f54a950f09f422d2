// SPDX-License-Identifier: GPL-2.0
#include "vmm/pci/bus.h"
#include "vmm/serial/console.h"
#include "vmm/stats.h"
#include "vmm/vcpu.h"

void stats_write(struct vm *vm, struct console *console, const int *status, FILE *out)
{
	fputs("{\n  \"schema\": \"viola-vmm-stats/1\",\n", out);
	if (status)
		fprintf(out, "  \"status\": %d,\n", *status);
	fputs("  \"vcpus\": ", out);
	vcpus_stats(vm, out);
	fputs(",\n  \"serial\": ", out);
	console_stats(console, out);
	fputs(",\n  \"pci\": ", out);
	pci_stats(vm, out);
	fputs("\n}\n", out);
}
