// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/lab/modules.h"

#define MODULE_SIZE_MAX	(64u << 20)

/* "kernel/fs/9p/9p.ko.xz" is the file of module "9p". */
static bool file_is_module(const char *file, size_t len, const char *name)
{
	const char *base = file + len;
	size_t n = strlen(name);

	while (base > file && base[-1] != '/')
		base--;
	if ((size_t)(file + len - base) < n + 3)
		return false;
	return !strncmp(base, name, n) && !strncmp(base + n, ".ko", 3);
}

static int list_add(struct module_list *list, const char *file)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (!strcmp(list->file[i], file))
			return 0;
	if (list->count == MODULES_MAX)
		return -E2BIG;
	list->file[list->count] = strdup(file);
	if (!list->file[list->count])
		return -ENOMEM;
	list->count++;
	return 0;
}

/* "file: dep1 dep2": depmod lists each dependency before its own ones. */
static int add_with_dependencies(struct module_list *list, char *line)
{
	char *colon = strchr(line, ':'), *dep;
	int ret;

	line[strcspn(line, "\n")] = '\0';
	while ((dep = strrchr(colon + 1, ' '))) {
		if (dep[1]) {
			ret = list_add(list, dep + 1);
			if (ret)
				return ret;
		}
		*dep = '\0';
	}
	*colon = '\0';
	return list_add(list, line);
}

/* Returns 1 when @name was found in @file, 0 when not, or -errno. */
static int search(struct module_list *list, const char *folder, const char *file, const char *name)
{
	char path[PATH_MAX], *line = NULL;
	size_t size = 0;
	int ret = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!ret && getline(&line, &size, f) > 0) {
		if (!file_is_module(line, strcspn(line, ":\n"), name))
			continue;
		if (strchr(line, ':'))
			ret = add_with_dependencies(list, line);
		if (!ret)
			ret = 1;
	}
	free(line);
	fclose(f);
	return ret;
}

int modules_resolve(struct module_list *list, const char *folder, const char *const *names,
		    const char **missing)
{
	int ret;

	*missing = "modules.dep";
	for (; *names; names++) {
		ret = search(list, folder, "modules.dep", *names);
		if (!ret)
			ret = search(list, folder, "modules.builtin", *names);
		if (ret < 0)
			return ret;
		if (!ret) {
			*missing = *names;
			return -ENOENT;
		}
	}
	return 0;
}

size_t module_name_len(const char *name)
{
	size_t len = strlen(name);

	return len > 3 && !strcmp(name + len - 3, ".xz") ? len - 3 : len;
}

static int file_read(const char *path, void **data, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		ret = -errno;
		goto out;
	}
	*size = st.st_size;
	*data = malloc(*size + 1);
	if (!*data)
		ret = -ENOMEM;
	else if (read(fd, *data, *size) != st.st_size)
		ret = -EIO;
	if (ret)
		free(*data);
out:
	close(fd);
	return ret;
}

/* Some four times as large as packed; the room doubles until it does. */
static int unpack(const void *packed, size_t packed_size, void **data, size_t *size)
{
	uint64_t memory = UINT64_MAX;
	size_t room = 4 * packed_size + 4096, in, out;
	lzma_ret ret;

	for (;; room *= 2) {
		*data = malloc(room);
		if (!*data)
			return -ENOMEM;
		in = out = 0;
		ret = lzma_stream_buffer_decode(&memory, 0, NULL, packed, &in, packed_size, *data,
						&out, room);
		*size = out;
		if (ret == LZMA_OK)
			return 0;
		free(*data);
		if (ret != LZMA_BUF_ERROR || room > MODULE_SIZE_MAX)
			return ret == LZMA_MEM_ERROR ? -ENOMEM : -EBADMSG;
	}
}

int module_read(const char *path, void **data, size_t *size)
{
	size_t packed_size = 0;
	void *packed = NULL;
	int ret;

	if (module_name_len(path) == strlen(path))
		return file_read(path, data, size);
	ret = file_read(path, &packed, &packed_size);
	if (ret)
		return ret;
	ret = unpack(packed, packed_size, data, size);
	free(packed);
	return ret;
}

void modules_free(struct module_list *list)
{
	while (list->count)
		free(list->file[--list->count]);
}
