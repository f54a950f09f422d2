/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_BOOT_BOOT_H
#define VMM_BOOT_BOOT_H

#include <linux/types.h>
#include <asm/bootparam.h>
#include <viola/env.h>

#include "vmm/vcpu.h"

struct vm;

/* Open files; each is a regular file. */
struct boot_files {
	const char *kernel_path, *initrd_path; /* for messages; initrd_path may be NULL */
	int kernel_fd, initrd_fd;
	u64 kernel_size, initrd_size; /* bytes */
};

/*
 * Opens @kernel and @initrd (may be NULL) for reading. 0 or -errno with a
 * recorded sentence; then nothing is left open.
 */
int boot_files_open(struct boot_files *files, const char *kernel, const char *initrd);
void boot_files_close(struct boot_files *files);

/*
 * Puts kernel, initrd and @cmdline into guest memory by the protocol that the
 * image speaks. 0 with *@entry filled in, or -errno with a recorded sentence.
 */
int boot_load(struct vm *vm, const struct boot_files *files, const char *cmdline,
	      struct boot_entry *entry);

/* --- the parts, here for each other and for tests -------------------------- */

/* Where a 64-bit Linux image wants to be and what it needs. */
struct bzimage {
	u64 payload_off, payload_size; /* in the file */
	u64 pref_address;
	u64 init_size; /* bytes of memory from its load address on */
	u64 alignment; /* a power of two */
	bool relocatable;
	u64 initrd_max; /* highest address of initrd's last byte */
	u32 cmdline_max; /* without the final NUL */
	u32 header_len; /* bytes of struct setup_header from 0x1f1 on */
};

/* How much of a file bzimage_parse() and pvh_parse() look at. */
#define BOOT_HEAD_SIZE 4096u

bool bzimage_is(const u8 *head, size_t len);
/*
 * Reads the setup header (Documentation/arch/x86/boot.rst of the kernel) in
 * the first @len bytes of a file of @file_size. 0 or -ENOEXEC with a recorded
 * sentence; whatever the bytes are, what it fills in fits the file.
 */
int bzimage_parse(const u8 *head, size_t len, u64 file_size, struct bzimage *image);
/*
 * Chooses the load address for RAM [LAYOUT_HIGH_RAM, @ram_end). 0 or -ENOMEM.
 */
int bzimage_place(const struct bzimage *image, u64 ram_end, u64 *address);
int bzimage_load(struct vm *vm, const struct boot_files *files, const u8 *head, size_t len,
		 const char *cmdline, struct boot_entry *entry);

bool pvh_is(const u8 *head, size_t len);
int pvh_load(struct vm *vm, const struct boot_files *files, const u8 *head, size_t len,
	     const char *cmdline, struct boot_entry *entry);
/*
 * The entry point in ELF note section @notes of @len bytes. 0 or -ENOENT if
 * it has no XEN_ELFNOTE_PHYS32_ENTRY.
 */
int pvh_find_entry(const u8 *notes, size_t len, u64 *entry);

/* Copies bytes [@off, @off + @len) of a file to guest address @gpa. */
int boot_copy(struct vm *vm, int fd, const char *path, u64 off, u64 len, u64 gpa);
/*
 * Puts the initrd as high below @max (inclusive) and the hole as it can, not
 * below @floor. *@gpa and size are 0 without one.
 */
int boot_initrd(struct vm *vm, const struct boot_files *files, u64 floor, u64 max, u64 *gpa);
/* Puts @cmdline at LAYOUT_CMDLINE; at most @max bytes. */
int boot_cmdline(struct vm *vm, const char *cmdline, u32 max);

/* e820.c: the memory map. Fills in at most @max entries, returns how many. */
#define E820_ENTRIES 6u
unsigned int e820_build(struct vm *vm, struct boot_e820_entry *entry, unsigned int max);

/* acpi.c: writes the tables. 0 or -errno. After all devices are attached. */
int acpi_build(struct vm *vm, bool com2);

#endif
