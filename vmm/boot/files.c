// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/boot/boot.h"
#include "vmm/error.h"
#include "vmm/vm-private.h"

static int file_open(const char *what, const char *path, int *to, u64 *size)
{
	struct stat st;
	int fd, err;

	/* O_NONBLOCK: a FIFO given by mistake is an error, not a hang. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return vmm_fail(errno, "%s %s: %m", what, path);
	if (fstat(fd, &st))
		err = vmm_fail(errno, "%s %s: %m", what, path);
	else if (!S_ISREG(st.st_mode))
		err = vmm_fail(EINVAL, "%s %s is not a regular file", what, path);
	else if (!st.st_size)
		err = vmm_fail(EINVAL, "%s %s is empty", what, path);
	else
		err = 0;
	if (err) {
		close(fd);
		return err;
	}
	*to = fd;
	*size = (u64)st.st_size;
	return 0;
}

int boot_files_open(struct boot_files *files, const char *kernel, const char *initrd)
{
	int err;

	*files = (struct boot_files){
		.kernel_path = kernel, .initrd_path = initrd, .kernel_fd = -1, .initrd_fd = -1,
	};
	err = file_open("--kernel", kernel, &files->kernel_fd, &files->kernel_size);
	if (!err && initrd)
		err = file_open("--initrd", initrd, &files->initrd_fd, &files->initrd_size);
	if (err)
		boot_files_close(files);
	return err;
}

void boot_files_close(struct boot_files *files)
{
	if (files->kernel_fd >= 0)
		close(files->kernel_fd);
	if (files->initrd_fd >= 0)
		close(files->initrd_fd);
	files->kernel_fd = -1;
	files->initrd_fd = -1;
}

int boot_copy(struct vm *vm, int fd, const char *path, u64 off, u64 len, u64 gpa)
{
	u8 *to = memory_map(&vm->mem, gpa, len);

	if (!to)
		return vmm_fail(ENOMEM, "%s does not fit the guest's memory: give a larger --mem",
				path);
	while (len) {
		ssize_t n = pread(fd, to, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vmm_fail(errno, "cannot read %s: %m", path);
		if (!n)
			return vmm_fail(EIO, "%s became shorter while it was read", path);
		to += n;
		off += (u64)n;
		len -= (u64)n;
	}
	return 0;
}

int boot_initrd(struct vm *vm, const struct boot_files *files, u64 floor, u64 max, u64 *gpa)
{
	u64 end = memory_low_size(&vm->mem);

	*gpa = 0;
	if (!files->initrd_path)
		return 0;
	if (max < end - 1)
		end = max + 1;
	if (files->initrd_size > end || ((end - files->initrd_size) & ~0xfffull) < floor)
		return vmm_fail(ENOMEM, "--initrd %s (%llu MiB) does not fit behind the kernel: give a larger --mem",
				files->initrd_path,
				(unsigned long long)(files->initrd_size >> 20));
	*gpa = (end - files->initrd_size) & ~0xfffull;
	return boot_copy(vm, files->initrd_fd, files->initrd_path, 0, files->initrd_size, *gpa);
}

int boot_cmdline(struct vm *vm, const char *cmdline, u32 max)
{
	const size_t len = strlen(cmdline);

	max = min(max, (u32)LAYOUT_CMDLINE_SIZE - 1);
	if (len > max)
		return vmm_fail(EINVAL, "the kernel's command line has %zu bytes, this kernel takes %u",
				len, max);
	memcpy(memory_map(&vm->mem, LAYOUT_CMDLINE, len + 1), cmdline, len + 1);
	return 0;
}

int boot_load(struct vm *vm, const struct boot_files *files, const char *cmdline,
	      struct boot_entry *entry)
{
	u8 head[BOOT_HEAD_SIZE] = { 0 };
	ssize_t len;

	len = pread(files->kernel_fd, head, sizeof(head), 0);
	if (len < 0)
		return vmm_fail(errno, "cannot read --kernel %s: %m", files->kernel_path);
	if (pvh_is(head, (size_t)len))
		return pvh_load(vm, files, head, (size_t)len, cmdline, entry);
	if (bzimage_is(head, (size_t)len))
		return bzimage_load(vm, files, head, (size_t)len, cmdline, entry);
	return vmm_fail(ENOEXEC, "--kernel %s is neither a Linux bzImage nor an ELF kernel: give a vmlinuz or vmlinux",
			files->kernel_path);
}
