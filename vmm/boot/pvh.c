// SPDX-License-Identifier: GPL-2.0
/*
 * ELF kernels by the PVH protocol (Xen's docs/misc/pvh.pandoc and
 * public/arch-x86/hvm/start_info.h): 32-bit protected mode without paging, at
 * the address in an ELF note, EBX pointing to a structure that leads to
 * command line, initrd, memory map and ACPI.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/boot/boot.h"
#include "vmm/error.h"
#include "vmm/vm-private.h"

#define NOTE_XEN_PHYS32_ENTRY 18
#define NOTES_MAX (64u << 10)
#define SEGMENTS_MAX 32u
#define CMDLINE_MAX 2047u /* Linux's COMMAND_LINE_SIZE, less the NUL */

#define START_MAGIC 0x336ec578u

struct start_info {
	u32 magic;
	u32 version; /* 1: with a memory map */
	u32 flags;
	u32 nr_modules;
	u64 modules; /* guest addresses */
	u64 cmdline;
	u64 rsdp;
	u64 memmap;
	u32 memmap_entries;
	u32 reserved;
};

struct start_module {
	u64 address, size, cmdline, reserved;
};

struct start_memory {
	u64 address, size;
	u32 type, reserved;
};

/* What EBX points to, with all that it points to in turn. */
struct start_block {
	struct start_info info;
	struct start_module initrd;
	struct start_memory memory[E820_ENTRIES];
};

_Static_assert(LAYOUT_START_INFO + sizeof(struct start_block) <= LAYOUT_BOOT_PARAMS,
	       "the start info has one page");

bool pvh_is(const u8 *head, size_t len)
{
	return len >= sizeof(Elf64_Ehdr) && !memcmp(head, ELFMAG, SELFMAG);
}

int pvh_find_entry(const u8 *notes, size_t len, u64 *entry)
{
	static const char owner[] = "Xen";

	while (len >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		u64 name_size, desc_size;
		const u8 *name, *desc;

		memcpy(&note, notes, sizeof(note));
		name_size = ((u64)note.n_namesz + 3) & ~3ull;
		desc_size = ((u64)note.n_descsz + 3) & ~3ull;
		notes += sizeof(note);
		len -= sizeof(note);
		/* Both are below 2^33: the sum cannot wrap. */
		if (name_size + desc_size > len)
			break;
		name = notes;
		desc = notes + name_size;
		if (note.n_type == NOTE_XEN_PHYS32_ENTRY && note.n_namesz == sizeof(owner) &&
		    !memcmp(name, owner, sizeof(owner)) && note.n_descsz >= 4) {
			*entry = 0;
			memcpy(entry, desc, min(note.n_descsz, 8u));
			return 0;
		}
		notes += name_size + desc_size;
		len -= (size_t)(name_size + desc_size);
	}
	return -ENOENT;
}

static int load_notes(const struct boot_files *files, const Elf64_Phdr *ph, u64 *entry)
{
	const u64 size = ph->p_filesz;
	u8 *notes;
	int err;

	if (!viola_within(ph->p_offset, size, files->kernel_size) || !size || size > NOTES_MAX)
		return -ENOENT;
	notes = malloc(size);
	if (!notes)
		return -ENOMEM;
	err = pread(files->kernel_fd, notes, size, (off_t)ph->p_offset) == (ssize_t)size ?
		      pvh_find_entry(notes, size, entry) : -ENOENT;
	free(notes);
	return err;
}

static int load_segment(struct vm *vm, const struct boot_files *files, const Elf64_Phdr *ph,
			u64 *end)
{
	const u64 ram_end = memory_low_size(&vm->mem);

	if (!ph->p_memsz)
		return 0;
	if (ph->p_filesz > ph->p_memsz ||
	    !viola_within(ph->p_offset, ph->p_filesz, files->kernel_size))
		return vmm_fail(ENOEXEC, "--kernel %s: a segment lies outside the file: it is cut off",
				files->kernel_path);
	if (ph->p_paddr < LAYOUT_HIGH_RAM || !viola_within(ph->p_paddr, ph->p_memsz, ram_end))
		return vmm_fail(ENOMEM, "--kernel %s needs %llu MiB at %#llx: give a larger --mem",
				files->kernel_path, (unsigned long long)(ph->p_memsz >> 20),
				(unsigned long long)ph->p_paddr);
	*end = max(*end, ph->p_paddr + ph->p_memsz);
	/* The rest of p_memsz is zero: guest memory is fresh. */
	return ph->p_filesz ? boot_copy(vm, files->kernel_fd, files->kernel_path, ph->p_offset,
					ph->p_filesz, ph->p_paddr) : 0;
}

static void write_start_info(struct vm *vm, const struct boot_files *files, u64 initrd)
{
	struct start_block *block = memory_map(&vm->mem, LAYOUT_START_INFO, sizeof(*block));
	struct boot_e820_entry map[E820_ENTRIES];
	unsigned int i, nr = e820_build(vm, map, E820_ENTRIES);

	for (i = 0; i < nr; i++)
		block->memory[i] = (struct start_memory){
			.address = map[i].addr, .size = map[i].size, .type = map[i].type,
		};
	block->info = (struct start_info){
		.magic = START_MAGIC,
		.version = 1,
		.cmdline = LAYOUT_CMDLINE,
		.rsdp = LAYOUT_ACPI,
		.memmap = LAYOUT_START_INFO + offsetof(struct start_block, memory),
		.memmap_entries = nr,
	};
	if (!initrd)
		return;
	block->initrd = (struct start_module){ .address = initrd, .size = files->initrd_size };
	block->info.nr_modules = 1;
	block->info.modules = LAYOUT_START_INFO + offsetof(struct start_block, initrd);
}

int pvh_load(struct vm *vm, const struct boot_files *files, const u8 *head, size_t len,
	     const char *cmdline, struct boot_entry *entry)
{
	Elf64_Phdr ph[SEGMENTS_MAX];
	u64 end = 0, start = 0, initrd;
	Elf64_Ehdr eh;
	size_t size;
	unsigned int i;
	int err = -ENOENT;

	memcpy(&eh, head, sizeof(eh));
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_ident[EI_DATA] != ELFDATA2LSB ||
	    eh.e_machine != EM_X86_64)
		return vmm_fail(ENOEXEC, "--kernel %s is an ELF file, but not for x86-64",
				files->kernel_path);
	if (!eh.e_phnum || eh.e_phnum > SEGMENTS_MAX || eh.e_phentsize != sizeof(ph[0]))
		return vmm_fail(ENOEXEC, "--kernel %s: %u program headers of %u bytes: not a kernel",
				files->kernel_path, eh.e_phnum, eh.e_phentsize);
	size = eh.e_phnum * sizeof(ph[0]);
	if (!viola_within(eh.e_phoff, size, files->kernel_size) ||
	    pread(files->kernel_fd, ph, size, (off_t)eh.e_phoff) != (ssize_t)size)
		return vmm_fail(ENOEXEC, "--kernel %s: the program headers lie outside the file",
				files->kernel_path);

	for (i = 0; i < eh.e_phnum && err; i++)
		if (ph[i].p_type == PT_NOTE)
			err = load_notes(files, &ph[i], &start);
	if (err)
		return vmm_fail(ENOEXEC, "--kernel %s has no PVH entry point: use the bzImage, or a kernel with CONFIG_PVH",
				files->kernel_path);
	for (i = 0; i < eh.e_phnum; i++) {
		if (ph[i].p_type != PT_LOAD)
			continue;
		err = load_segment(vm, files, &ph[i], &end);
		if (err)
			return err;
	}
	if (start < LAYOUT_HIGH_RAM || start >= end)
		return vmm_fail(ENOEXEC, "--kernel %s: its PVH entry point %#llx lies outside it",
				files->kernel_path, (unsigned long long)start);
	err = boot_initrd(vm, files, end, LAYOUT_4G - 1, &initrd);
	if (!err)
		err = boot_cmdline(vm, cmdline, CMDLINE_MAX);
	if (err)
		return err;
	write_start_info(vm, files, initrd);
	*entry = (struct boot_entry){
		.mode = BOOT_PVH, .rip = start, .arg = LAYOUT_START_INFO,
	};
	return 0;
}
