// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/error.h"
#include "vmm/kvm.h"

/* What the monitor cannot do without, and the name to look it up by. */
static const struct {
	int cap;
	const char *name;
} required[] = {
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
	{ KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, "KVM_CAP_IOEVENTFD_ANY_LENGTH" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
};

bool kvm_has(int kvm_fd, int cap)
{
	return ioctl(kvm_fd, KVM_CHECK_EXTENSION, cap) > 0;
}

static int open_failed(int err)
{
	switch (err) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return vmm_fail(err, "/dev/kvm is not there: load kvm_intel or kvm_amd, or run inside `viola lab`");
	case EACCES:
	case EPERM:
		return vmm_fail(err, "no permission to open /dev/kvm: add the user to the group that owns it (usually kvm)");
	default:
		return vmm_fail(err, "cannot open /dev/kvm: %m");
	}
}

int kvm_open(unsigned int cpus)
{
	unsigned int i;
	int fd, err, n;

	fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return open_failed(errno);
	n = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (n != KVM_API_VERSION) {
		err = vmm_fail(ENOTSUP, "/dev/kvm speaks version %d of its interface, needed is %d",
			       n, KVM_API_VERSION);
		goto fail;
	}
	for (i = 0; i < ARRAY_SIZE(required); i++) {
		if (kvm_has(fd, required[i].cap))
			continue;
		err = vmm_fail(ENOTSUP, "this host's KVM lacks %s: a newer kernel has it",
			       required[i].name);
		goto fail;
	}
	n = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	if (n <= 0)
		n = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS);
	if (n > 0 && cpus > (unsigned int)n) {
		err = vmm_fail(EINVAL, "--cpus %u: this host's KVM allows %d", cpus, n);
		goto fail;
	}
	return fd;

fail:
	close(fd);
	return err;
}
