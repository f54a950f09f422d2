// SPDX-License-Identifier: GPL-2.0
/*
 * The half that measures. It runs as root where the VMM shall run, and leaves
 * log/host.json and one log/path-NAME.json per path in its run folder.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tools/compare/kernel.h"
#include "tools/compare/run.h"
#include "tools/compare/tap.h"

static const char *host_mode(void)
{
	const char *mode = getenv("VIOLA_LAB_MODE");

	return mode && *mode ? mode : "metal";
}

static int host_write(const char *log)
{
	struct utsname uts;
	char file[PATH_MAX];
	json_t *host;
	int err;

	uname(&uts);
	path_join(file, log, "host.json");
	host = json_pack("{s:s,s:s,s:i}", "kernel", uts.release,
			 "mode", host_mode(),
			 "cpus", (int)sysconf(_SC_NPROCESSORS_ONLN));
	err = json_dump_file(host, file, JSON_INDENT(2));
	json_decref(host);
	return err ? -EIO : 0;
}

/*
 * Where instructions are counted, a halted vCPU must not poll: KVM would spend
 * up to 200 us of each wait on it, and waiting is not work. Elsewhere the
 * host's own setting is part of what is measured.
 */
static void halt_polling_off(void)
{
	FILE *out = fopen("/sys/module/kvm/parameters/halt_poll_ns", "we");

	if (!out)
		return;
	fputs("0", out);
	fclose(out);
}

/* Whole or not at all: the outer half reads it even after a crash. */
static int path_write(const char *log, const struct path *p, json_t *out)
{
	char file[PATH_MAX], tmp[PATH_MAX];

	path_join(tmp, log, "path-%s.json.new", p->name);
	path_join(file, log, "path-%s.json", p->name);
	if (json_dump_file(out, tmp, JSON_INDENT(2)) || rename(tmp, file)) {
		fprintf(stderr, "viola-compare: %s cannot be written: %s\n",
			file, strerror(errno));
		return -EIO;
	}
	return 0;
}

static json_t *one_path(const struct run_context *x, const struct path *p,
			const char *label)
{
	struct failure f = { "" };
	json_t *out;
	bool loaded;

	if (path_prepare(p, x->place, &loaded, &f)) {
		printf("%s: skipped: %s\n", label, f.text);
		fflush(stdout);
		return run_no_result(p, "skipped", f.text);
	}
	out = run_path(x, p, label);
	/* A module that stays is a fault of the path: it holds something. */
	if (path_release(p, loaded, &f)) {
		json_object_set_new(out, "status", json_string("failed"));
		if (json_is_null(json_object_get(out, "reason")))
			json_object_set_new(out, "reason", json_string(f.text));
		printf("%s: failed: %s\n", label, f.text);
	}
	return out;
}

int inner_run(const struct compare_options *o)
{
	char release[PATH_MAX], image[PATH_MAX], initrd[PATH_MAX], log[PATH_MAX];
	struct failure f = { "" };
	struct compare_place place;
	struct run_context x = {
		.options = o, .place = &place, .log = log, .kernel = image,
		.initrd = initrd, .mode = host_mode(),
	};
	char label[64];
	unsigned int i;
	int err = 0;

	path_join(log, o->inner, "log");
	path_join(initrd, log, "initramfs");
	if (place_find(&place, &f) ||
	    kernel_find(o->guest_kernel, release, image, &f) ||
	    tap_namespace(&f)) {
		fprintf(stderr, "viola-compare: %s\n", f.text);
		return COMPARE_USAGE;
	}
	if (host_write(log)) {
		fprintf(stderr, "viola-compare: %s cannot be written\n", log);
		return COMPARE_USAGE;
	}
	if (!strcmp(x.mode, "lab-icount"))
		halt_polling_off();
	for (i = 0; i < o->paths && !err; i++) {
		json_t *out;

		snprintf(label, sizeof(label), "[%u/%u] %s", i + 1, o->paths,
			 o->path[i]->name);
		out = one_path(&x, o->path[i], label);
		err = path_write(log, o->path[i], out);
		json_decref(out);
	}
	return err ? COMPARE_FAILED : COMPARE_OK;
}
