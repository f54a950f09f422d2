// SPDX-License-Identifier: GPL-2.0
/* The command line: what is taken, and what each mistake is called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vmm/emulated/e1000.h"
#include "vmm/error.h"
#include "vmm/net/backend.h"
#include "vmm/options.h"
#include "vmm/vfio/vfio_pci.h"
#include "vmm/virtio/virtio_net.h"

/* Devices that cannot be made. As their headers say, the backend goes with them. */
int e1000_create(struct vm *vm, struct net_backend *be, const struct nic_config *cfg)
{
	be->ops->destroy(be);
	return vmm_fail(ENOMEM, "no e1000 today");
}

int virtio_net_create(struct vm *vm, struct net_backend *be, const struct nic_config *cfg,
		      const char *vhost_device)
{
	be->ops->destroy(be);
	return vmm_fail(ENOMEM, "no virtio today");
}

/* Options only name these; nothing of theirs is ever opened. */

int vfio_pci_create(struct vm *vm, const char *address, unsigned int index)
{
	return -ENOMEM;
}

int tap_backend_open(struct net_backend **be, const char *ifname, unsigned int queues)
{
	abort();
}

int reflect_backend_open(struct net_backend **be, unsigned int queues)
{
	abort();
}

static struct vmm_options o;

/* Parses "viola-vmm" and the blank-separated words of @line. */
static int parse(const char *line)
{
	static char copy[4096];
	static char *argv[64];
	int argc = 0;
	char *word, *rest;

	snprintf(copy, sizeof(copy), "viola-vmm %s", line);
	for (word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	argv[argc] = NULL;
	return options_parse(&o, argc, argv);
}

/* No sentence of an earlier mistake will do. */
#define refused(line, text)                                                      \
	do {                                                                     \
		vmm_fail(EINVAL, "nothing was said");                            \
		assert_int_equal(parse(line), -EINVAL);                          \
		if (!strstr(vmm_error(), text))                                  \
			fail_msg("%s: the sentence is: %s", line, vmm_error());   \
	} while (0)

static void defaults(void **state)
{
	assert_int_equal(parse("--kernel k"), 0);
	assert_string_equal(o.kernel, "k");
	assert_null(o.initrd);
	assert_int_equal(o.mem, 256 << 20);
	assert_int_equal(o.cpus, 1);
	assert_int_equal(o.nr_net, 0);
	assert_int_equal(o.nr_pin, 0);
}

static void everything(void **state)
{
	assert_int_equal(parse("--kernel k --initrd i --append a=b --mem 3G --cpus 2 --pin 4,7-9 "
			       "--serial1 s --stats t --net path=virtio,backend=reflect,queues=2 "
			       "--net backend=tap,ifname=tap0,path=e1000,mac=02:AB:cd:00:00:01"),
			 0);
	assert_string_equal(o.append, "a=b");
	assert_true(o.mem == 3ull << 30);
	assert_int_equal(o.nr_pin, 2);
	assert_int_equal(o.pin[0], 4);
	assert_int_equal(o.pin[1], 7);
	assert_int_equal(o.nr_net, 2);
	assert_string_equal(o.net[0].path->name, "virtio");
	assert_int_equal(o.net[0].config.queues, 2);
	assert_string_equal(o.net[1].ifname, "tap0");
	assert_memory_equal(o.net[1].config.mac, "\x02\xab\xcd\x00\x00\x01", 6);
	/* Who gives no address gets one when the far end is known. */
	assert_memory_equal(o.net[0].config.mac, "\0\0\0\0\0\0", 6);
	assert_int_equal(parse("--kernel k --cmdline c"), 0);
	assert_string_equal(o.append, "c");
}

static void help_needs_no_kernel(void **state)
{
	assert_int_equal(parse("--help"), 0);
	assert_true(o.help);
	assert_int_equal(parse("--version"), 0);
	assert_true(o.version);
}

static void mistakes(void **state)
{
	refused("", "--kernel is missing");
	refused("--kernel", "--kernel needs a value");
	refused("--kernel k --frobnicate", "--frobnicate");
	refused("--kernel k stray", "'stray'");
	refused("--kernel k --cpus 0", "--cpus 0");
	refused("--kernel k --cpus 9", "--cpus 9");
	refused("--kernel k --cpus 18446744073709551617", "--cpus");
	refused("--kernel k --cpus 2x", "--cpus 2x");
	refused("--kernel k --cpus -1", "--cpus -1");
}

static void sizes(void **state)
{
	u64 bytes;

	assert_int_equal(options_size("64K", &bytes), 0);
	assert_int_equal(bytes, 65536);
	assert_int_equal(options_size("1g", &bytes), 0);
	assert_int_equal(bytes, 1 << 30);
	refused("--kernel k --mem 512", "--mem");
	refused("--kernel k --mem M", "--mem");
	refused("--kernel k --mem 1MB", "--mem");
	refused("--kernel k --mem -1G", "--mem");
	refused("--kernel k --mem 31M", "--mem 31M");
	refused("--kernel k --mem 1025G", "--mem");
	refused("--kernel k --mem 40001K", "steps of 4K");
	refused("--kernel k --mem 17179869185G", "--mem");
	refused("--kernel k --mem 99999999999999999999G", "--mem");
}

static void cpu_lists(void **state)
{
	refused("--kernel k --pin x", "--pin");
	refused("--kernel k --pin 1,", "--pin");
	refused("--kernel k --pin 3-1", "--pin");
	refused("--kernel k --pin 1-", "--pin");
	refused("--kernel k --pin 99999", "--pin");
	refused("--kernel k --cpus 3 --pin 1,2", "2 CPUs for 3 vCPUs");
}

static void networks(void **state)
{
	refused("--kernel k --net path=foo,backend=tap", "path=foo is unknown");
	refused("--kernel k --net path=virtio,backend=foo", "backend=foo is unknown");
	refused("--kernel k --net backend=reflect", "path= is missing");
	refused("--kernel k --net path=virtio", "backend= is missing");
	refused("--kernel k --net path", "'path' has no value");
	refused("--kernel k --net path=virtio,backend=reflect,colour=red", "'colour=red' is unknown");
	refused("--kernel k --net path=virtio,path=e1000,backend=reflect", "given twice");
	refused("--kernel k --net path=vhost,backend=reflect", "far end in the kernel");
	refused("--kernel k --net path=viola,backend=reflect", "far end in the kernel");
	refused("--kernel k --net path=virtio,backend=tap", "ifname= is missing");
	refused("--kernel k --net path=virtio,backend=reflect,ifname=x", "means nothing");
	refused("--kernel k --net path=virtio,backend=tap,ifname=sixteencharacter", "ifname=");
	refused("--kernel k --net path=virtio,backend=tap,ifname=a/b", "ifname=");
	refused("--kernel k --net path=virtio,backend=reflect,queues=0", "queues=0");
	refused("--kernel k --net path=virtio,backend=reflect,queues=9", "queues=9");
	refused("--kernel k --net path=e1000,backend=reflect,queues=2", "at most 1");
	refused("--kernel k --net path=virtio,backend=reflect,mac=1:2:3:4:5:6", "mac=");
	refused("--kernel k --net path=virtio,backend=reflect,mac=00:00:00:00:00:00", "mac=");
	refused("--kernel k --net path=virtio,backend=reflect,mac=01:00:00:00:00:01", "one station");
	refused("--kernel k --net path=virtio,backend=reflect,mac=02:00:00:00:00:01:02", "mac=");
	refused("--kernel k --net path=virtio,backend=reflect,mac=02-00-00-00-00-01", "mac=");
	refused("--kernel k --net path=virtio,backend=reflect,mac=", "mac=");
	refused("--kernel k --net path=vf", "host= is missing");
	refused("--kernel k --net path=vf,host=01:10.0", "host=01:10.0 is no PCI address");
	refused("--kernel k --net path=vf,host=0000:01:10.8", "no PCI address");
	refused("--kernel k --net path=vf,host=0000:01:10.0x", "no PCI address");
	refused("--kernel k --net path=vf,host=0000:01:1g.0", "no PCI address");
	refused("--kernel k --net path=vf,host=0000:01:10.0,backend=tap", "nothing else");
	refused("--kernel k --net path=vf,host=0000:01:10.0,queues=2", "nothing else");
	refused("--kernel k --net path=vf,host=0000:01:10.0,mac=02:00:00:00:00:01", "nothing else");
	refused("--kernel k --net path=virtio,backend=reflect,host=0000:01:10.0", "means nothing");
}

static void too_many_networks(void **state)
{
	char line[1024] = "--kernel k";
	unsigned int i;

	for (i = 0; i < OPTIONS_NICS_MAX; i++)
		strcat(line, " --net path=virtio,backend=reflect");
	assert_int_equal(parse(line), 0);
	strcat(line, " --net path=virtio,backend=reflect");
	refused(line, "8 times");
}

static unsigned int destroyed;

static void backend_destroy(struct net_backend *be)
{
	destroyed++;
}

static void a_backend_is_destroyed_once(void **state)
{
	static const struct net_backend_ops ops = { .destroy = backend_destroy };
	static const char *const names[] = { "e1000", "virtio", "vhost", "viola" };
	struct nic_config config = { .queues = 1 };
	struct net_backend be = { .ops = &ops };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		const struct nic_path *path = nic_path_find(names[i]);

		destroyed = 0;
		assert_int_equal(path->create(path, NULL, &be, &config), -ENOMEM);
		assert_int_equal(destroyed, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(everything),
		cmocka_unit_test(help_needs_no_kernel),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(sizes),
		cmocka_unit_test(cpu_lists),
		cmocka_unit_test(networks),
		cmocka_unit_test(too_many_networks),
		cmocka_unit_test(a_backend_is_destroyed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
