// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/measure/paths.h"

static const struct path paths[] = {
	{ .name = "e1000", .rung = "emulation", .driver = "e1000" },
	{ .name = "virtio", .rung = "paravirtual", .driver = "virtio_net",
	  .ring = "split" },
	{ .name = "vhost", .rung = "paravirtual", .driver = "virtio_net",
	  .node = "/dev/vhost-net", .module = "vhost_net", .ring = "split" },
	{ .name = "viola", .rung = "paravirtual", .driver = "virtio_net",
	  .node = "/dev/viola-net", .module = "viola", .own_module = true,
	  .mode = "worker", .ring = "split" },
};

#define PATHS (sizeof(paths) / sizeof(*paths))

const struct path *path_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < PATHS; i++)
		if (!strcmp(paths[i].name, name))
			return &paths[i];
	return NULL;
}

const char *path_names(void)
{
	static char names[128];
	unsigned int i;

	names[0] = 0;
	for (i = 0; i < PATHS; i++) {
		if (i)
			strcat(names, ", ");
		strcat(names, paths[i].name);
	}
	return names;
}

unsigned int path_all(const struct path **list)
{
	unsigned int i;

	for (i = 0; i < PATHS; i++)
		list[i] = &paths[i];
	return PATHS;
}

/* A module that is built in or loaded already is not an error. */
static void modprobe(const char *name)
{
	pid_t pid = fork();

	if (!pid) {
		const int null = open("/dev/null", O_RDWR);

		dup2(null, 1);
		dup2(null, 2);
		execlp("modprobe", "modprobe", name, NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static int insmod_own(const struct path *p, const struct measure_place *place,
		      bool *loaded, struct failure *f)
{
	struct utsname uts;
	char ko[PATH_MAX];
	int fd, err = 0;

	uname(&uts);
	path_join(ko, place->tree, "build/module/%s/%s.ko", uts.release,
		  p->module);
	fd = open(ko, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return failure_set(f, errno, "%s: %s: the module is not built for this kernel",
				   ko, strerror(errno));
	if (syscall(SYS_finit_module, fd, "", 0)) {
		err = -errno;
		if (err == -EEXIST)
			err = 0;
		else
			failure_set(f, -err, "%s cannot be loaded: %s", ko,
				    strerror(-err));
	} else {
		*loaded = true;
	}
	close(fd);
	return err;
}

static int node_check(const char *node, struct failure *f)
{
	const int fd = open(node, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return failure_set(f, errno, "%s: %s", node, strerror(errno));
	close(fd);
	return 0;
}

int path_prepare(const struct path *p, const struct measure_place *place,
		 bool *loaded, struct failure *f)
{
	int err;

	*loaded = false;
	err = node_check("/dev/kvm", f);
	if (err)
		return err;
	modprobe("tun");
	err = node_check("/dev/net/tun", f);
	if (err || !p->node)
		return err;
	if (!p->own_module) {
		modprobe(p->module);
	} else if (access(p->node, F_OK)) {
		/* insmod takes no dependencies along: tun is there, tap is not. */
		modprobe("tap");
		err = insmod_own(p, place, loaded, f);
		if (err)
			return err;
	}
	err = node_check(p->node, f);
	if (err)
		path_release(p, *loaded, f);
	return err;
}

int path_release(const struct path *p, bool loaded, struct failure *f)
{
	if (loaded && syscall(SYS_delete_module, p->module, O_NONBLOCK))
		return failure_set(f, errno, "module %s cannot be unloaded after the run: %s",
				   p->module, strerror(errno));
	return 0;
}
