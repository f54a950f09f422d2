// SPDX-License-Identifier: GPL-2.0
/* The lab machine as QEMU's command line; Documentation/lab.md says why each part is there. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tools/lab/machine.h"

#define ARGS_MAX 96

struct args {
	char *arg[ARGS_MAX + 1];
	size_t count;
	bool failed;
};

const char *lab_accel_name(enum lab_accel accel)
{
	static const char *const name[] = {
		[LAB_TCG] = "lab-tcg", [LAB_ICOUNT] = "lab-icount", [LAB_KVM] = "lab-kvm",
	};

	return name[accel];
}

/* The vendor module's "nested" parameter: Y or 1. Absent when it is not loaded. */
static bool module_nests(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char c = 0;

	if (fd < 0)
		return false;
	if (read(fd, &c, 1) != 1)
		c = 0;
	close(fd);
	return c == 'Y' || c == '1';
}

static bool kvm_usable(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = -1;

	if (kvm < 0)
		return false;
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) == KVM_API_VERSION)
		vm = ioctl(kvm, KVM_CREATE_VM, 0);
	close(kvm);
	if (vm >= 0)
		close(vm);
	return vm >= 0;
}

enum lab_accel machine_accel(const struct lab_options *options, const char **why)
{
	if (options->icount) {
		*why = "instructions counted, one CPU";
		return LAB_ICOUNT;
	}
	if (access("/dev/kvm", F_OK)) {
		*why = "emulated CPUs: no /dev/kvm";
		return LAB_TCG;
	}
	if (!module_nests("/sys/module/kvm_intel/parameters/nested") &&
	    !module_nests("/sys/module/kvm_amd/parameters/nested")) {
		*why = "emulated CPUs: /dev/kvm does not nest";
		return LAB_TCG;
	}
	if (!kvm_usable()) {
		*why = "emulated CPUs: /dev/kvm refuses to make a VM";
		return LAB_TCG;
	}
	*why = "hardware virtualization, nested";
	return LAB_KVM;
}

static void add(struct args *args, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct args *args, const char *format, ...)
{
	va_list list;
	char *arg = NULL;

	if (args->count == ARGS_MAX) {
		args->failed = true;
		return;
	}
	va_start(list, format);
	if (vasprintf(&arg, format, list) < 0)
		args->failed = true;
	va_end(list);
	args->arg[args->count++] = arg;
}

/* In a QEMU option a comma of a value is written twice. */
static void escape_commas(char *to, const char *from)
{
	while (*from) {
		if (*from == ',')
			*to++ = ',';
		*to++ = *from++;
	}
	*to = '\0';
}

/*
 * The firmware puts the 64-bit window, and in it the VFs' BARs, where physical addresses
 * end. Beyond 38 bits no access to a VF's registers arrives at the card: its driver finds
 * the PF "still in reset state" and has no carrier.
 */
#define PHYS_BITS	"38"
#define EMULATED_CPU	"EPYC,+svm,+npt,phys-bits=" PHYS_BITS

static void add_cpus(struct args *args, const struct lab_options *options)
{
	const char *irqchip = options->accel == LAB_KVM ? "split" : "off";

	/* Interrupt remapping, which VFIO wants, needs the IOAPIC in QEMU. */
	add(args, "-machine");
	add(args, "q35,kernel-irqchip=%s,sata=off,smbus=off,usb=off", irqchip);
	add(args, "-accel");
	switch (options->accel) {
	case LAB_KVM:
		add(args, "kvm");
		add(args, "-cpu");
		add(args, "host,host-phys-bits-limit=" PHYS_BITS);
		break;
	case LAB_ICOUNT:
		add(args, "tcg,thread=single");
		add(args, "-icount");
		add(args, "shift=0,sleep=on");
		add(args, "-cpu");
		add(args, EMULATED_CPU);
		break;
	case LAB_TCG:
		add(args, "tcg,thread=multi");
		add(args, "-cpu");
		add(args, EMULATED_CPU);
		break;
	}
	add(args, "-smp");
	add(args, "%u", options->smp);
	add(args, "-m");
	add(args, "%s", options->mem);
}

/*
 * The unpacked kernel starts by its PVH entry; unpacking it in an emulated
 * machine takes two seconds of every run. A cache made by hand may lack it.
 */
static void add_image(struct args *args, const struct lab_options *options)
{
	char image[PATH_MAX + 3 * NAME_MAX];

	snprintf(image, sizeof(image), "%s/kernel/%s/boot/vmlinux-%s", options->cache,
		 options->release, options->release);
	if (access(image, R_OK))
		snprintf(image, sizeof(image), "%s/kernel/%s/boot/vmlinuz-%s", options->cache,
			 options->release, options->release);
	add(args, "-kernel");
	add(args, "%s", image);
}

static void add_kernel(struct args *args, const struct lab_options *options,
		       const struct machine_fds *fds)
{
	add_image(args, options);
	add(args, "-initrd");
	add(args, "/proc/self/fd/%d", fds->initramfs);
	add(args, "-append");
	/*
	 * A panic ends the machine at once: -no-reboot turns the reboot into an
	 * exit. no_timer_check: on a busy host the emulated timer may not tick within
	 * the instant that the kernel gives it, and the kernel then panics.
	 */
	add(args, "console=ttyS0 loglevel=7 panic=-1 intel_iommu=on no_timer_check%s",
	    lab_emulated(options->accel) ? " " LAB_QUICK_BOOT : "");
	add(args, "-no-reboot");
}

static void add_port(struct args *args, const char *id, const char *name, int fd)
{
	add(args, "-chardev");
	add(args, "socket,id=%s,fd=%d", id, fd);
	add(args, "-device");
	add(args, "virtserialport,chardev=%s,name=%s", id, name);
}

static void add_folder(struct args *args, const char *tag, const char *path, bool readonly)
{
	char escaped[2 * PATH_MAX];

	escape_commas(escaped, path);
	add(args, "-fsdev");
	add(args, "local,id=%s,path=%s,security_model=none,multidevs=remap%s", tag, escaped,
	    readonly ? ",readonly=on" : "");
	add(args, "-device");
	add(args, "virtio-9p-pci,fsdev=%s,mount_tag=%s", tag, tag);
}

static void add_devices(struct args *args, const struct lab_options *options,
			const struct machine_fds *fds)
{
	add(args, "-device");
	add(args, "intel-iommu,intremap=on");

	add(args, "-chardev");
	add(args, "file,id=log,path=/proc/self/fd/%d", fds->log);
	add(args, "-serial");
	add(args, "chardev:log");

	add(args, "-device");
	add(args, "virtio-serial-pci");
	add_port(args, "out", LAB_PORT_OUT, fds->out);
	add_port(args, "err", LAB_PORT_ERR, fds->err);
	add_port(args, "ctl", LAB_PORT_CTL, fds->ctl);

	add_folder(args, LAB_TAG_ROOT, "/", true);
	add_folder(args, LAB_TAG_TREE, options->tree, false);

	/* The hub has no second port: the card's wire leads nowhere. */
	add(args, "-netdev");
	add(args, "hubport,id=wire,hubid=0");
	add(args, "-device");
	add(args, "pcie-root-port,id=port1,chassis=1,slot=1,addr=0x1c");
	add(args, "-device");
	add(args, "igb,bus=port1,netdev=wire,romfile=");
}

static void keep_open(int fd)
{
	fcntl(fd, F_SETFD, 0);
}

static void __attribute__((noreturn)) become_qemu(struct args *args, const struct machine_fds *fds,
						  pid_t parent)
{
	sigset_t none;
	int null;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Own session: a terminal's Ctrl-C is for us to handle, not for QEMU. */
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	null = open("/dev/null", O_RDONLY);
	dup2(null, STDIN_FILENO);
	dup2(fds->messages, STDOUT_FILENO);
	dup2(fds->messages, STDERR_FILENO);
	keep_open(fds->out);
	keep_open(fds->err);
	keep_open(fds->ctl);
	keep_open(fds->log);
	keep_open(fds->initramfs);
	execvp(args->arg[0], args->arg);
	dprintf(STDERR_FILENO, "cannot run %s: %s; tools/setup installs QEMU\n", args->arg[0],
		strerror(errno));
	_exit(127);
}

pid_t machine_start(const struct lab_options *options, const struct machine_fds *fds)
{
	struct args args = { };
	pid_t parent = getpid(), pid = -ENOMEM;
	size_t i;

	add(&args, "%s", options->qemu);
	/* Where the packages have firmware; the mended QEMU brings none. */
	add(&args, "-L");
	add(&args, "/usr/share/qemu");
	add(&args, "-L");
	add(&args, "/usr/share/seabios");
	add(&args, "-nodefaults");
	add(&args, "-no-user-config");
	add(&args, "-display");
	add(&args, "none");
	add_cpus(&args, options);
	add_kernel(&args, options, fds);
	add_devices(&args, options, fds);
	if (!args.failed) {
		pid = fork();
		if (pid == 0)
			become_qemu(&args, fds, parent);
		if (pid < 0)
			pid = -errno;
	}
	for (i = 0; i < args.count; i++)
		free(args.arg[i]);
	return pid;
}
