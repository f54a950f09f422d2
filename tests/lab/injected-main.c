// SPDX-License-Identifier: GPL-2.0
/*
 * viola-test-injected [ROUNDS]: does an interrupt that KVM injects arrive once?
 *
 * A guest of a few instructions asks for an interrupt, whose handler counts and then
 * goes on for several ticks of this machine's timer with interrupts off. A CPU
 * emulation that keeps the injected vector delivers it again, into the handler, as
 * soon as it has to look after something else (Documentation/lab.md): with --icount
 * in every round. Prints both numbers; exits 1 if they differ, 2 without KVM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY		0x10000
#define CODE		0x1000
#define HANDLER		0x2000
#define STACK		0x8000
#define COUNTER		0x3000		/* 16 bits; the handler's */
#define VECTOR		0x20
#define PORT_ASK	0x10		/* inject now */

/* Real mode, 16 bits. Interrupts are on only around the request. */
static const uint8_t code[] = {
	0xfb,				/* again: sti */
	0x90,				/* nop: behind it interrupts come */
	0xe6, PORT_ASK,			/* out %al, $PORT_ASK */
	0x90,				/* nop: the interrupt comes before it */
	0xfa,				/* cli */
	0xeb, 0xf8,			/* jmp again */
};

static const uint8_t handler[] = {
	0xff, 0x06, COUNTER & 0xff, COUNTER >> 8,	/* incw COUNTER */
	0x66, 0xb9, 0x00, 0x09, 0x3d, 0x00,		/* mov $4000000, %ecx */
	0x66, 0x49,					/* loop: dec %ecx */
	0x66, 0x90,					/* two bytes of nothing */
	0x75, 0xfa,					/* jnz loop */
	0xcf,						/* iret */
};

static void need(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "viola-test-injected: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void vcpu_reset(int vcpu)
{
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2 };
	struct kvm_sregs sregs;

	need(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	need(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	need(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 3, asked = 0;
	struct kvm_interrupt interrupt = { .irq = VECTOR };
	/* With no local APIC at all KVM leaves the guest behind each injection. */
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm, vcpu;
	struct kvm_run *run;
	uint16_t seen;

	need(memory == MAP_FAILED ? -1 : 0, "memory");
	memcpy(memory + CODE, code, sizeof(code));
	memcpy(memory + HANDLER, handler, sizeof(handler));
	memory[VECTOR * 4] = HANDLER & 0xff;	/* the vector's offset; its segment is 0 */
	memory[VECTOR * 4 + 1] = HANDLER >> 8;
	region.userspace_addr = (uintptr_t)memory;

	need(kvm, "/dev/kvm");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	need(vm, "KVM_CREATE_VM");
	need(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	need(ioctl(vm, KVM_ENABLE_CAP, &split), "KVM_CAP_SPLIT_IRQCHIP");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	need(vcpu, "KVM_CREATE_VCPU");
	run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		   MAP_SHARED, vcpu, 0);
	need(run == MAP_FAILED ? -1 : 0, "the vCPU's page");
	vcpu_reset(vcpu);

	for (;;) {
		need(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
		if (run->exit_reason != KVM_EXIT_IO || run->io.port != PORT_ASK) {
			fprintf(stderr, "viola-test-injected: the guest left by exit %u\n",
				run->exit_reason);
			return 2;
		}
		/* The handler of the last one has returned: IF was set again after it. */
		if (asked == rounds)
			break;
		need(ioctl(vcpu, KVM_INTERRUPT, &interrupt), "KVM_INTERRUPT");
		asked++;
	}
	memcpy(&seen, memory + COUNTER, sizeof(seen));
	printf("injected=%u handled=%u\n", asked, seen);
	return seen != asked;
}
