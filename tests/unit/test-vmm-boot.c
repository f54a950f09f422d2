// SPDX-License-Identifier: GPL-2.0
/* Kernel images of every kind, good and hostile, into real guest memory. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/vmm-rig.h"
#include "vmm/boot/boot.h"
#include "vmm/error.h"

#define RAM (64ull << 20)
#define KERNEL_SIZE (64u << 10)
#define SETUP_SECTORS 4
#define PAYLOAD_OFF ((SETUP_SECTORS + 1) * 512)

static struct vm *vm;
static u8 image[KERNEL_SIZE];
static struct boot_files files;
static struct boot_entry entry;
static char kernel_path[] = "/tmp/viola-kernel-XXXXXX";
static char initrd_path[] = "/tmp/viola-initrd-XXXXXX";

static struct setup_header *header(void)
{
	return (struct setup_header *)(image + 0x1f1);
}

/* A bzImage that wants to be at 16 MiB and needs 8 MiB. */
static void make_bzimage(void)
{
	struct setup_header h = {
		.setup_sects = SETUP_SECTORS,
		.syssize = (KERNEL_SIZE - PAYLOAD_OFF) / 16,
		.boot_flag = 0xaa55,
		.jump = 0x6aeb,
		.header = 0x53726448,
		.version = 0x20f,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.relocatable_kernel = 1,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 2047,
		.pref_address = 0x1000000,
		.init_size = 8 << 20,
	};
	unsigned int i;

	for (i = 0; i < sizeof(image); i++)
		image[i] = (u8)(i * 7);
	memcpy(image + 0x1f1, &h, sizeof(h));
}

#define ELF_LOAD_OFF 0x1000
#define ELF_NOTE_OFF 0x800
#define ELF_ENTRY 0x1000100

static Elf64_Ehdr *elf(void)
{
	return (Elf64_Ehdr *)image;
}

static Elf64_Phdr *segment(unsigned int i)
{
	return (Elf64_Phdr *)(image + sizeof(Elf64_Ehdr)) + i;
}

static void make_elf(void)
{
	const struct {
		Elf64_Nhdr head;
		char name[4];
		u32 entry;
	} note = { { 4, 4, 18 }, "Xen", ELF_ENTRY };
	unsigned int i;

	for (i = 0; i < sizeof(image); i++)
		image[i] = (u8)(i * 5);
	*elf() = (Elf64_Ehdr){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_phoff = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2,
	};
	*segment(0) = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = ELF_LOAD_OFF,
				    .p_paddr = 0x1000000, .p_filesz = 0x2000,
				    .p_memsz = 0x9000 };
	*segment(1) = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = ELF_NOTE_OFF,
				    .p_filesz = sizeof(note) };
	memcpy(image + ELF_NOTE_OFF, &note, sizeof(note));
}

static int write_file(char *path, const void *bytes, size_t len)
{
	int fd;

	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
	return 0;
}

/* Boots the first @size bytes of image with an initrd of @initrd bytes. */
static int boot(size_t size, size_t initrd, const char *cmdline)
{
	static u8 blob[1 << 20];
	int err;

	memset(blob, 0xcd, sizeof(blob));
	write_file(kernel_path, image, size);
	if (initrd)
		write_file(initrd_path, blob, initrd);
	err = boot_files_open(&files, kernel_path, initrd ? initrd_path : NULL);
	assert_int_equal(err, 0);
	err = boot_load(vm, &files, cmdline, &entry);
	boot_files_close(&files);
	unlink(kernel_path);
	if (initrd)
		unlink(initrd_path);
	return err;
}

#define refused(err, size, text)                                              \
	do {                                                                  \
		vmm_fail(EINVAL, "nothing was said");                         \
		assert_int_equal(boot(size, 0, ""), -(err));                  \
		if (!strstr(vmm_error(), text))                               \
			fail_msg("the sentence is: %s", vmm_error());         \
	} while (0)

static int setup(void **state)
{
	vm = rig_create(RAM, 1);
	make_bzimage();
	return 0;
}

static int teardown(void **state)
{
	rig_destroy(vm);
	return 0;
}

static const u8 *guest(u64 gpa, u64 len)
{
	const u8 *p = viola_mem_map(&vm->mem.map, gpa, len);

	assert_non_null(p);
	return p;
}

static void bzimage_is_loaded(void **state)
{
	const struct boot_params *p;

	assert_int_equal(boot(KERNEL_SIZE, 5000, "console=x"), 0);
	assert_int_equal(entry.mode, BOOT_64);
	assert_int_equal(entry.rip, 0x1000200);
	assert_memory_equal(guest(0x1000000, KERNEL_SIZE - PAYLOAD_OFF), image + PAYLOAD_OFF,
			    KERNEL_SIZE - PAYLOAD_OFF);
	p = (const void *)guest(entry.arg, sizeof(*p));
	assert_int_equal(p->hdr.header, 0x53726448);
	assert_int_equal(p->hdr.type_of_loader, 0xff);
	assert_string_equal((const char *)guest(p->hdr.cmd_line_ptr, 16), "console=x");
	assert_int_equal(p->hdr.ramdisk_size, 5000);
	assert_int_equal(p->hdr.ramdisk_image & 0xfff, 0);
	assert_true(p->hdr.ramdisk_image + 5000ull <= RAM);
	assert_int_equal(guest(p->hdr.ramdisk_image, 5000)[4999], 0xcd);
	assert_int_equal(p->acpi_rsdp_addr, LAYOUT_ACPI);
	assert_true(p->e820_entries >= 4);
	/* What the file has around the header stays out of boot_params. */
	assert_int_equal(p->sentinel, 0);
}

static void memory_map_covers_all_ram_once(void **state)
{
	struct boot_e820_entry e[E820_ENTRIES];
	unsigned int nr, i;
	u64 ram = 0;

	rig_destroy(vm);
	vm = rig_create(5ull << 30, 1);
	nr = e820_build(vm, e, E820_ENTRIES);
	for (i = 0; i < nr; i++) {
		if (i)
			assert_true(e[i].addr >= e[i - 1].addr + e[i - 1].size);
		if (e[i].type != 1)
			continue;
		ram += e[i].size;
		guest(e[i].addr, e[i].size);
	}
	/* All but the ISA hole. */
	assert_true(ram == (5ull << 30) - (LAYOUT_HIGH_RAM - LAYOUT_LOW_RAM_END));
	assert_true(e[nr - 1].addr == LAYOUT_4G && e[nr - 1].size == 2ull << 30);
}

static void bzimage_finds_another_place(void **state)
{
	struct bzimage b;
	u64 at;

	assert_int_equal(bzimage_parse(image, BOOT_HEAD_SIZE, KERNEL_SIZE, &b), 0);
	assert_int_equal(bzimage_place(&b, 24 << 20, &at), 0);
	assert_int_equal(at, 16 << 20);
	assert_int_equal(bzimage_place(&b, 12 << 20, &at), 0);
	assert_int_equal(at, 2 << 20);
	assert_int_equal(bzimage_place(&b, 9 << 20, &at), -ENOMEM);
	b.relocatable = false;
	assert_int_equal(bzimage_place(&b, 12 << 20, &at), -ENOMEM);
	b.pref_address = ~0ull - 4096;
	assert_int_equal(bzimage_place(&b, 12 << 20, &at), -ENOMEM);
	b.pref_address = 0x8000;
	assert_int_equal(bzimage_place(&b, 12 << 20, &at), -ENOMEM);
}

static void bad_bzimages_have_a_sentence(void **state)
{
	header()->version = 0x20b;
	refused(ENOEXEC, KERNEL_SIZE, "boot protocol 2.11");
	make_bzimage();
	header()->xloadflags = 0;
	refused(ENOEXEC, KERNEL_SIZE, "64-bit");
	make_bzimage();
	header()->loadflags = 0;
	refused(ENOEXEC, KERNEL_SIZE, "bzImage");
	make_bzimage();
	header()->kernel_alignment = 0x300000;
	refused(ENOEXEC, KERNEL_SIZE, "power of two");
	make_bzimage();
	header()->kernel_alignment = 0;
	refused(ENOEXEC, KERNEL_SIZE, "power of two");
	make_bzimage();
	header()->init_size = 0xffffffff;
	refused(ENOMEM, KERNEL_SIZE, "larger --mem");
	make_bzimage();
	refused(ENOEXEC, KERNEL_SIZE / 2, "cut off");
	refused(ENOEXEC, PAYLOAD_OFF, "cut off");
	refused(ENOEXEC, 700, "cut off");
	refused(ENOEXEC, 100, "neither");
	header()->header = 0;
	refused(ENOEXEC, KERNEL_SIZE, "neither");
	make_bzimage();
	header()->cmdline_size = 3;
	assert_int_equal(boot(KERNEL_SIZE, 0, "console"), -EINVAL);
	make_bzimage();
	header()->initrd_addr_max = 0;
	assert_int_equal(boot(KERNEL_SIZE, 4096, ""), -ENOMEM);
	assert_non_null(strstr(vmm_error(), "--initrd"));
}

static void files_must_be_files(void **state)
{
	struct boot_files f;

	assert_int_equal(boot_files_open(&f, "/nonexistent/kernel", NULL), -ENOENT);
	assert_non_null(strstr(vmm_error(), "--kernel /nonexistent/kernel"));
	assert_int_equal(boot_files_open(&f, "/tmp", NULL), -EINVAL);
	assert_int_equal(boot_files_open(&f, "/dev/null", NULL), -EINVAL);
	assert_int_equal(boot_files_open(&f, "/proc/self/exe", "/nonexistent/initrd"), -ENOENT);
	assert_non_null(strstr(vmm_error(), "--initrd"));
	assert_int_equal(f.kernel_fd, -1);
}

static u64 random_state = 88172645463325252ull;

static u32 random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (u32)(random_state >> 32);
}

/* Whatever the header says: what is accepted lies in the file and in RAM. */
static void any_header_is_survived(void **state)
{
	unsigned int round, i, accepted = 0;

	for (round = 0; round < 200000; round++) {
		const u64 size = random_next() % 4 ? KERNEL_SIZE : random_next() % KERNEL_SIZE;
		struct bzimage b;
		u64 at;

		make_bzimage();
		for (i = random_next() % 8; i; i--)
			image[0x1f1 + random_next() % sizeof(struct setup_header)] =
				(u8)random_next();
		if (bzimage_parse(image, min(size, (u64)BOOT_HEAD_SIZE), size, &b))
			continue;
		accepted++;
		assert_true(viola_within(b.payload_off, b.payload_size, size));
		assert_true(b.payload_size > 0x200);
		assert_true(b.header_len <= sizeof(struct setup_header));
		if (bzimage_place(&b, RAM, &at))
			continue;
		assert_true(at >= LAYOUT_HIGH_RAM && viola_within(at, b.init_size, RAM));
		assert_true(b.init_size >= b.payload_size);
		assert_int_equal(at & (b.alignment - 1), 0);
	}
	assert_true(accepted > 1000);
}

/* --- PVH ------------------------------------------------------------------------------ */

static void elf_is_loaded(void **state)
{
	u32 info[14];
	u64 mod[4];

	make_elf();
	assert_int_equal(boot(KERNEL_SIZE, 3000, "quiet"), 0);
	assert_int_equal(entry.mode, BOOT_PVH);
	assert_int_equal(entry.rip, ELF_ENTRY);
	assert_memory_equal(guest(0x1000000, 0x2000), image + ELF_LOAD_OFF, 0x2000);
	assert_int_equal(*guest(0x1002000, 1), 0);
	memcpy(info, guest(entry.arg, sizeof(info)), sizeof(info));
	assert_int_equal(info[0], 0x336ec578);
	assert_int_equal(info[1], 1);
	assert_int_equal(info[3], 1); /* one module: the initrd */
	memcpy(mod, guest(info[4], sizeof(mod)), sizeof(mod));
	assert_int_equal(mod[1], 3000);
	assert_int_equal(*guest(mod[0] + 2999, 1), 0xcd);
	assert_string_equal((const char *)guest(info[6], 6), "quiet");
	assert_int_equal(info[8], LAYOUT_ACPI);
	assert_true(info[12] >= 4);
}

static void bad_elfs_have_a_sentence(void **state)
{
	make_elf();
	elf()->e_machine = EM_AARCH64;
	refused(ENOEXEC, KERNEL_SIZE, "not for x86-64");
	make_elf();
	elf()->e_phnum = 0;
	refused(ENOEXEC, KERNEL_SIZE, "program headers");
	make_elf();
	elf()->e_phnum = 0xffff;
	refused(ENOEXEC, KERNEL_SIZE, "program headers");
	make_elf();
	elf()->e_phoff = ~0ull - 8;
	refused(ENOEXEC, KERNEL_SIZE, "outside the file");
	make_elf();
	segment(0)->p_offset = ~0ull - 0x100;
	refused(ENOEXEC, KERNEL_SIZE, "cut off");
	make_elf();
	segment(0)->p_filesz = 0xa000;
	refused(ENOEXEC, KERNEL_SIZE, "cut off");
	make_elf();
	segment(0)->p_paddr = ~0ull - 0x1000;
	refused(ENOMEM, KERNEL_SIZE, "larger --mem");
	make_elf();
	segment(0)->p_paddr = LAYOUT_BOOT_PARAMS;
	refused(ENOMEM, KERNEL_SIZE, "larger --mem");
	make_elf();
	segment(0)->p_memsz = ~0ull;
	refused(ENOMEM, KERNEL_SIZE, "larger --mem");
	make_elf();
	segment(1)->p_filesz = ~0ull;
	refused(ENOEXEC, KERNEL_SIZE, "PVH entry point");
	make_elf();
	image[ELF_NOTE_OFF + 8] = 17;
	refused(ENOEXEC, KERNEL_SIZE, "PVH entry point");
	make_elf();
	image[ELF_NOTE_OFF + 19] = 0x40; /* 0x40000100 */
	refused(ENOEXEC, KERNEL_SIZE, "lies outside");
}

static void notes_are_bounded(void **state)
{
	u32 words[64];
	unsigned int round, i;
	u64 at;

	for (round = 0; round < 100000; round++) {
		const size_t len = random_next() % sizeof(words);
		u8 *exact = malloc(len + 1);

		/* Small values make headers that hang together. */
		for (i = 0; i < ARRAY_SIZE(words); i++)
			words[i] = random_next() % 8 ? random_next() % 24 : random_next();
		memcpy(exact, words, len);
		pvh_find_entry(exact, len, &at);
		free(exact);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(bzimage_is_loaded),
		T(memory_map_covers_all_ram_once),
		T(bzimage_finds_another_place),
		T(bad_bzimages_have_a_sentence),
		T(files_must_be_files),
		T(any_header_is_survived),
		T(elf_is_loaded),
		T(bad_elfs_have_a_sentence),
		T(notes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
