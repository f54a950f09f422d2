// SPDX-License-Identifier: GPL-2.0
/*
 * The "newc" cpio format of the kernel's Documentation/driver-api/
 * early-userspace/buffer-format.rst: per file a header of hexadecimal fields,
 * the name and the data, both padded to four bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/lab/initramfs.h"

struct cpio {
	FILE *out;
	unsigned int inode;
};

static void cpio_header(struct cpio *cpio, const char *name, unsigned int mode, size_t size)
{
	size_t namesize = strlen(name) + 1;

	fprintf(cpio->out, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x",
		++cpio->inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, namesize, 0);
	fwrite(name, 1, namesize, cpio->out);
	while ((6 + 13 * 8 + namesize++) % 4)
		fputc(0, cpio->out);
}

static void cpio_data(struct cpio *cpio, const char *name, unsigned int mode,
		      const void *data, size_t size)
{
	cpio_header(cpio, name[0] == '/' ? name + 1 : name, mode, size);
	fwrite(data, 1, size, cpio->out);
	while (size++ % 4)
		fputc(0, cpio->out);
}

/* The file at @path; without its packing, if that is xz. */
static int cpio_file(struct cpio *cpio, const char *name, unsigned int mode, const char *path)
{
	size_t size;
	void *data;
	int ret;

	ret = module_read(path, &data, &size);
	if (ret)
		return ret;
	cpio_data(cpio, name, mode, data, size);
	free(data);
	return 0;
}

/* Strings one after another, each with its terminating zero. */
static int cpio_strings(struct cpio *cpio, const char *name, char *const *strings)
{
	size_t size = 0, at = 0, i, n;
	char *data;

	for (i = 0; strings[i]; i++)
		size += strlen(strings[i]) + 1;
	data = malloc(size + 1);
	if (!data)
		return -ENOMEM;
	for (i = 0; strings[i]; i++, at += n) {
		n = strlen(strings[i]) + 1;
		memcpy(data + at, strings[i], n);
	}
	cpio_data(cpio, name, S_IFREG | 0644, data, size);
	free(data);
	return 0;
}

/* A module that two groups need is there twice, and the second is what stays. */
static int add_group(struct cpio *cpio, const char *folder, const struct module_group *group)
{
	const struct module_list *list = &group->list;
	char path[PATH_MAX], *names[MODULES_MAX + 1] = { NULL };
	size_t i;
	int ret = 0;

	for (i = 0; i < list->count && !ret; i++) {
		const char *base = strrchr(list->file[i], '/') + 1;

		snprintf(path, sizeof(path), "%s/%s", folder, list->file[i]);
		if (asprintf(&names[i], LAB_FOLDER_MODULES "/%.*s", (int)module_name_len(base),
			     base) < 0) {
			names[i] = NULL;
			ret = -ENOMEM;
		} else {
			ret = cpio_file(cpio, names[i], S_IFREG | 0644, path);
		}
	}
	snprintf(path, sizeof(path), LAB_FILE_MODULES, group->name);
	ret = ret ?: cpio_strings(cpio, path, names);
	for (i = 0; names[i]; i++)
		free(names[i]);
	return ret;
}

int initramfs_make(const struct lab_conf *conf, char *const *argv, char *const *env,
		   const char *modules_folder, const struct module_group *groups)
{
	static const char *const folders[] = { "viola", "viola/module", "dev", "proc", "sys",
					       "lower", "scratch", "root" };
	struct cpio cpio = { };
	size_t i;
	int fd, copy, ret;

	fd = memfd_create("viola-lab-initramfs", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	copy = dup(fd);
	cpio.out = copy < 0 ? NULL : fdopen(copy, "w");
	if (!cpio.out) {
		ret = -errno;
		close(fd);
		return ret;
	}
	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		cpio_header(&cpio, folders[i], S_IFDIR | 0755, 0);
	ret = cpio_file(&cpio, "init", S_IFREG | 0755, "/proc/self/exe");
	for (; groups->name && !ret; groups++)
		ret = add_group(&cpio, modules_folder, groups);
	if (!ret)
		ret = cpio_strings(&cpio, LAB_FILE_ARGV, argv);
	if (!ret)
		ret = cpio_strings(&cpio, LAB_FILE_ENV, env);
	cpio_data(&cpio, LAB_FILE_CONF, S_IFREG | 0644, conf, sizeof(*conf));
	cpio_header(&cpio, "TRAILER!!!", 0, 0);
	if (fclose(cpio.out) && !ret)
		ret = -errno;
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}
