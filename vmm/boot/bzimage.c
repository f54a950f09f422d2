// SPDX-License-Identifier: GPL-2.0
/*
 * Linux bzImage by the 64-bit boot protocol (the kernel's
 * Documentation/arch/x86/boot.rst): the real-mode part of the file is only
 * read for its header; the rest is put into memory and entered at 0x200.
 */
#include <errno.h>

#include "vmm/boot/boot.h"
#include "vmm/error.h"
#include "vmm/vm-private.h"

#define SETUP_OFF 0x1f1 /* struct setup_header in the file */
#define SECTOR 512u
#define BOOT_FLAG 0xaa55
#define MAGIC 0x53726448u /* "HdrS" */
#define PROTOCOL_MIN 0x020c /* the 64-bit entry point's */
#define ENTRY_64 0x200u
#define LOADER_UNDEFINED 0xff
#define SETUP_SECTORS_DEFAULT 4

bool bzimage_is(const u8 *head, size_t len)
{
	struct setup_header h;

	if (len < SETUP_OFF + sizeof(h))
		return false;
	memcpy(&h, head + SETUP_OFF, sizeof(h));
	return h.boot_flag == BOOT_FLAG && h.header == MAGIC;
}

int bzimage_parse(const u8 *head, size_t len, u64 file_size, struct bzimage *image)
{
	struct setup_header h;
	u64 sectors, have, need;

	*image = (struct bzimage){ 0 };
	if (!bzimage_is(head, len))
		return vmm_fail(ENOEXEC, "no setup header of a Linux bzImage");
	memcpy(&h, head + SETUP_OFF, sizeof(h));
	if (h.version < PROTOCOL_MIN)
		return vmm_fail(ENOEXEC, "boot protocol %u.%02u is too old, needed is 2.12: use Linux 3.8 or later",
				h.version >> 8, h.version & 0xff);
	if (!(h.loadflags & LOADED_HIGH))
		return vmm_fail(ENOEXEC, "a zImage: use a bzImage");
	if (!(h.xloadflags & XLF_KERNEL_64))
		return vmm_fail(ENOEXEC, "no 64-bit entry point: use an x86-64 kernel");

	sectors = h.setup_sects ? h.setup_sects : SETUP_SECTORS_DEFAULT;
	image->payload_off = (sectors + 1) * SECTOR;
	if (image->payload_off >= file_size ||
	    file_size - image->payload_off <= ENTRY_64)
		return vmm_fail(ENOEXEC, "the file ends before the kernel starts: it is cut off");
	have = file_size - image->payload_off;
	need = (u64)h.syssize * 16; /* rounded up */
	if (need > have + 15)
		return vmm_fail(ENOEXEC, "the file ends within the kernel: it is cut off");
	/* What follows the kernel proper, such as a signature, is left out. */
	image->payload_size = need > ENTRY_64 ? min(need, have) : have;

	image->relocatable = h.relocatable_kernel;
	image->alignment = h.kernel_alignment;
	if (!image->relocatable)
		image->alignment = 1;
	if (!image->alignment || image->alignment & (image->alignment - 1))
		return vmm_fail(ENOEXEC, "an alignment of %#llx is not a power of two",
				(unsigned long long)image->alignment);
	image->pref_address = h.pref_address;
	image->init_size = max((u64)h.init_size, image->payload_size);
	image->initrd_max = h.initrd_addr_max;
	image->cmdline_max = h.cmdline_size;
	/* The byte at 0x201 is a jump over the rest of the header (0x202 …). */
	image->header_len = min((u32)(0x202 + head[0x201] - SETUP_OFF), (u32)sizeof(h));
	return 0;
}

/* Whether @size bytes at @address lie in RAM above 1 MiB. */
static bool place_fits(u64 address, u64 size, u64 ram_end)
{
	return address >= LAYOUT_HIGH_RAM && address <= ram_end && size <= ram_end - address;
}

int bzimage_place(const struct bzimage *image, u64 ram_end, u64 *address)
{
	const u64 mask = image->alignment - 1;
	const u64 lowest = (LAYOUT_HIGH_RAM + mask) & ~mask;

	if (place_fits(image->pref_address, image->init_size, ram_end) &&
	    !(image->pref_address & mask))
		*address = image->pref_address;
	else if (image->relocatable && place_fits(lowest, image->init_size, ram_end))
		*address = lowest;
	else
		return vmm_fail(ENOMEM, "the kernel needs %llu MiB at %#llx: give a larger --mem",
				(unsigned long long)(image->init_size >> 20),
				(unsigned long long)image->pref_address);
	return 0;
}

int bzimage_load(struct vm *vm, const struct boot_files *files, const u8 *head, size_t len,
		 const char *cmdline, struct boot_entry *entry)
{
	struct boot_params *params = memory_map(&vm->mem, LAYOUT_BOOT_PARAMS, sizeof(*params));
	const u64 ram_end = memory_low_size(&vm->mem);
	struct bzimage image;
	u64 address = 0, initrd = 0;
	int err;

	_Static_assert(LAYOUT_BOOT_PARAMS + sizeof(*params) <= LAYOUT_PAGE_TABLES,
		       "boot_params must not reach into the page tables");
	err = bzimage_parse(head, len, files->kernel_size, &image);
	if (!err)
		err = bzimage_place(&image, ram_end, &address);
	if (err)
		return vmm_fail(-err, "--kernel %s: %s", files->kernel_path, vmm_error());
	err = boot_copy(vm, files->kernel_fd, files->kernel_path, image.payload_off,
			image.payload_size, address);
	if (!err)
		err = boot_initrd(vm, files, address + image.init_size, image.initrd_max, &initrd);
	if (!err)
		err = boot_cmdline(vm, cmdline, image.cmdline_max);
	if (err)
		return err;

	/* The memory is fresh and zero, as the protocol wants the rest to be. */
	memcpy(&params->hdr, head + SETUP_OFF, image.header_len);
	params->hdr.type_of_loader = LOADER_UNDEFINED;
	params->hdr.code32_start = (u32)address;
	params->hdr.cmd_line_ptr = LAYOUT_CMDLINE;
	params->hdr.ramdisk_image = (u32)initrd;
	params->hdr.ramdisk_size = initrd ? (u32)files->initrd_size : 0;
	params->acpi_rsdp_addr = LAYOUT_ACPI;
	params->e820_entries = (u8)e820_build(vm, params->e820_table,
					      ARRAY_SIZE(params->e820_table));
	*entry = (struct boot_entry){
		.mode = BOOT_64, .rip = address + ENTRY_64, .arg = LAYOUT_BOOT_PARAMS,
	};
	return 0;
}
