// SPDX-License-Identifier: GPL-2.0
/*
 * The tap backend against the kernel's own tun driver, in a network namespace
 * of this process, alone and under the virtio network device. Needs root and
 * /dev/net/tun; skips every case otherwise.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "tests/unit/virtio-rig.h"
#include "vmm/error.h"
#include "vmm/net/backend.h"
#include "vmm/net/nic.h"
#include "vmm/virtio/virtio_net.h"

#define TYPE 0x88b5
#define HDR 12

static bool possible;

static int setup_group(void **state)
{
	possible = !access("/dev/net/tun", R_OK | W_OK) && !unshare(CLONE_NEWNET);
	return 0;
}

static int setup(void **state)
{
	if (!possible)
		skip();
	return 0;
}

/* The host's end: frames on interface @name, of our type only. */
static int host_socket(const char *name)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(TYPE),
		.sll_ifindex = (int)if_nametoindex(name),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, htons(TYPE));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void frame_make(u8 *frame, u32 len, u64 key)
{
	static const u8 head[14] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, TYPE >> 8, TYPE & 0xff };

	model_fill(frame, len, key);
	memcpy(frame, head, sizeof(head));
}

static void wait_readable(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };

	assert_int_equal(poll(&p, 1, 5000), 1);
}

/* One frame of our type from the backend; the kernel has some of its own. */
static ssize_t take(struct net_backend *be, unsigned int queue, u8 *to, size_t room)
{
	struct viola_seg seg[2] = { { to, 20 }, { to + 20, room - 20 } };
	ssize_t len;

	for (;;) {
		len = be->ops->recv(be, queue, seg, 2);
		if (len == -EAGAIN) {
			wait_readable(be->ops->fd(be, queue));
			continue;
		}
		assert_true(len > 0);
		if (to[be->hdr_len + 12] == TYPE >> 8 && to[be->hdr_len + 13] == (TYPE & 0xff))
			return len;
	}
}

static void frames_cross(struct net_backend *be, unsigned int queue, const char *name)
{
	static const u8 none[HDR];
	u8 sent[2048], got[2048];
	int host = host_socket(name);
	u32 hdr = be->hdr_len, len;

	for (len = 60; len <= 1514; len += 97) {
		struct viola_seg seg[3] = { { sent, hdr + 10 }, { sent + hdr + 10, 30 },
					    { sent + hdr + 40, len - 40 } };

		memcpy(sent, none, hdr);
		frame_make(sent + hdr, len, len);
		assert_int_equal(be->ops->send(be, queue, seg, 3), 0);
		wait_readable(host);
		assert_int_equal(recv(host, got, sizeof(got), 0), len);
		assert_memory_equal(got, sent + hdr, len);

		frame_make(sent, len, len + 1);
		assert_int_equal(send(host, sent, len, 0), len);
		memset(got, 0xee, sizeof(got));
		assert_int_equal(take(be, queue, got, sizeof(got)), hdr + len);
		assert_memory_equal(got + hdr, sent, len);
		if (hdr)
			assert_memory_equal(got, none, 10);
	}
	close(host);
}

static void frames_with_and_without_header(void **state)
{
	struct net_backend *be;

	assert_int_equal(setup(state), 0);
	assert_int_equal(tap_backend_open(&be, "vt0", 1), 0);
	frames_cross(be, 0, "vt0");
	assert_int_equal(be->ops->set_header(be, HDR, 0), 0);
	frames_cross(be, 0, "vt0");
	assert_int_equal(be->ops->set_header(be, 10, 0), 0);
	frames_cross(be, 0, "vt0");
	assert_int_equal(be->ops->set_header(be, 0, 0), 0);
	frames_cross(be, 0, "vt0");
	assert_int_equal(be->ops->set_header(be, 11, 0), -EINVAL);
	assert_int_equal(be->ops->kernel_fd(be, 0), be->ops->fd(be, 0));
	be->ops->destroy(be);
	assert_int_equal(if_nametoindex("vt0"), 0);
}

static void offloads_that_are_offered_are_taken(void **state)
{
	struct net_backend *be;
	u32 possible_now, set;

	assert_int_equal(setup(state), 0);
	assert_int_equal(tap_backend_open(&be, "vt0", 1), 0);
	possible_now = be->offloads_possible;
	assert_true(possible_now & NET_OFFLOAD_CSUM && possible_now & NET_OFFLOAD_TSO4);
	/* Every subset: what tun cannot combine is left out, not refused. */
	for (set = 0; set < 0x80; set++)
		if (!(set & ~possible_now) &&
		    (!(set & NET_OFFLOAD_TSO_ECN) || set & (NET_OFFLOAD_TSO4 | NET_OFFLOAD_TSO6)))
			assert_int_equal(be->ops->set_header(be, HDR, set), 0);
	be->ops->destroy(be);
}

static void queues_attach_and_detach(void **state)
{
	struct net_backend *be;
	unsigned int i;

	assert_int_equal(setup(state), 0);
	assert_int_equal(tap_backend_open(&be, "vt0", 3), 0);
	assert_int_equal(be->queues, 3);
	assert_int_equal(be->ops->set_header(be, HDR, 0), 0);
	assert_int_equal(be->ops->set_queues(be, 0), -EINVAL);
	assert_int_equal(be->ops->set_queues(be, 4), -EINVAL);
	for (i = 0; i < 20; i++) {
		assert_int_equal(be->ops->set_queues(be, 1), 0);
		frames_cross(be, 0, "vt0"); /* the only one that can get them */
		assert_int_equal(be->ops->set_queues(be, 1 + i % 3), 0);
	}
	be->ops->destroy(be);
}

static void persistent_taps(void **state)
{
	struct net_backend *be, *second;

	assert_int_equal(setup(state), 0);
	assert_int_equal(tap_backend_open(&be, "vt1", 1), 0);
	assert_int_equal(tap_backend_open(&second, "vt1", 1), -EBUSY);
	assert_non_null(strstr(vmm_error(), "vt1 is in use"));
	assert_int_equal(ioctl(be->ops->fd(be, 0), TUNSETPERSIST, 1), 0);
	be->ops->destroy(be);
	assert_int_not_equal(if_nametoindex("vt1"), 0);
	assert_int_equal(tap_backend_open(&be, "vt1", 2), -EINVAL);
	assert_non_null(strstr(vmm_error(), "multi_queue"));
	assert_int_equal(tap_backend_open(&be, "vt1", 1), 0);
	frames_cross(be, 0, "vt1");
	assert_int_equal(ioctl(be->ops->fd(be, 0), TUNSETPERSIST, 0), 0);
	be->ops->destroy(be);

	assert_int_equal(tap_backend_open(&be, "vt2", 2), 0);
	assert_int_equal(ioctl(be->ops->fd(be, 0), TUNSETPERSIST, 1), 0);
	be->ops->destroy(be);
	assert_int_equal(tap_backend_open(&be, "vt2", 1), 0);
	frames_cross(be, 0, "vt2");
	assert_int_equal(ioctl(be->ops->fd(be, 0), TUNSETPERSIST, 0), 0);
	be->ops->destroy(be);
}

static void what_is_no_tap_is_named(void **state)
{
	struct net_backend *be;

	assert_int_equal(setup(state), 0);
	assert_int_equal(tap_backend_open(&be, "", 1), -EINVAL);
	assert_int_equal(tap_backend_open(&be, "0123456789abcdef", 1), -EINVAL);
	assert_int_equal(tap_backend_open(&be, "vt0", 0), -EINVAL);
	assert_int_equal(tap_backend_open(&be, "vt0", 9), -EINVAL);
	assert_true(tap_backend_open(&be, "lo", 1) < 0);
	assert_non_null(strstr(vmm_error(), "lo is not a tap interface"));
	/* What advises to make a tap of that name would not help. */
	assert_null(strstr(vmm_error(), "tuntap add"));
	/* A tap, but not as many queues: both remedies are needed. */
	assert_int_equal(system("ip tuntap add vt4 mode tun"), 0);
	assert_int_equal(tap_backend_open(&be, "vt4", 1), -EINVAL);
	assert_non_null(strstr(vmm_error(), "delete it"));
	assert_int_equal(system("ip link delete vt4"), 0);
}

/* "%d" in the name of a new interface is the kernel's to fill in. */
static void the_kernel_chooses_the_number(void **state)
{
	struct net_backend *first, *be;
	unsigned int queues;

	assert_int_equal(setup(state), 0);
	assert_int_equal(tap_backend_open(&first, "vt%d", 1), 0);
	assert_string_equal(first->ifname, "vt0");
	for (queues = 1; queues <= 3; queues++) {
		assert_int_equal(tap_backend_open(&be, "vt%d", queues), 0);
		/* All queues are on one interface, which is up. */
		assert_string_equal(be->ifname, "vt1");
		assert_int_equal(be->ops->set_queues(be, 1), 0);
		frames_cross(be, 0, "vt1");
		assert_int_equal(if_nametoindex("vt2"), 0);
		be->ops->destroy(be);
	}
	first->ops->destroy(first);
}

static void the_mtu_is_the_interfaces(void **state)
{
	struct net_backend *be;

	assert_int_equal(setup(state), 0);
	assert_int_equal(tap_backend_open(&be, "vt0", 1), 0);
	assert_int_equal(be->mtu, 1500);
	be->ops->destroy(be);
	assert_int_equal(system("ip tuntap add vt3 mode tap && ip link set vt3 mtu 1400"), 0);
	assert_int_equal(tap_backend_open(&be, "vt3", 1), 0);
	assert_int_equal(be->mtu, 1400);
	be->ops->destroy(be);
	assert_int_equal(system("ip link delete vt3"), 0);
}

/* Whether the backend says within a while that it is gone, by its descriptor alone. */
static bool reports_its_end(struct net_backend *be)
{
	struct pollfd p = { be->ops->watch_fd(be), POLLIN, 0 };

	while (poll(&p, 1, 10000) == 1)
		if (be->ops->watched(be))
			return true;
	return false;
}

/* All that is to be heard has been. */
static bool reports_nothing(struct net_backend *be)
{
	struct pollfd p = { be->ops->watch_fd(be), POLLIN, 0 };
	unsigned int i;

	for (i = 0; i < 100 && poll(&p, 1, 100) == 1; i++)
		if (be->ops->watched(be))
			return false;
	return i < 100 && !be->ops->gone(be); /* no descriptor that stays readable */
}

static void only_deletion_is_the_end(void **state)
{
	struct net_backend *be;
	unsigned int queues;

	assert_int_equal(setup(state), 0);
	for (queues = 1; queues <= 2; queues++) {
		assert_int_equal(tap_backend_open(&be, "vt0", queues), 0);
		assert_true(reports_nothing(be));
		/* Queues that are switched off are there all the same. */
		assert_int_equal(be->ops->set_queues(be, 1), 0);
		assert_int_equal(system("ip link set vt0 down mtu 1300 && ip link set vt0 up"), 0);
		assert_int_equal(system("ip tuntap add vt5 mode tap && ip link delete vt5"), 0);
		assert_int_equal(system("ip link set vt0 down name vt6 && ip link set vt6 up"), 0);
		assert_true(reports_nothing(be));
		assert_int_equal(system("ip link delete vt6"), 0);
		assert_true(reports_its_end(be));
		assert_true(be->ops->gone(be));
		be->ops->destroy(be);
	}
}

/* More changes than a socket's buffer holds reports of. */
static void lost_reports_are_no_lost_end(void **state)
{
	struct net_backend *be;
	unsigned int i;

	assert_int_equal(setup(state), 0);
	assert_int_equal(tap_backend_open(&be, "vt0", 1), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(system("for n in $(seq 300); do echo link set lo up; "
					"echo link set lo down; done | ip -batch -"), 0);
	assert_int_equal(system("ip link delete vt0"), 0);
	assert_true(reports_its_end(be));
	be->ops->destroy(be);
}

/* --- macvtap -------------------------------------------------------------------- */

/* A macvtap vm0 over one end of a veth pair; false if this kernel has none. */
static bool macvtap_make(void)
{
	return !system("ip link add vv0 mtu 1450 type veth peer name vv1 2>/dev/null && "
		       "ip link add link vv0 name vm0 type macvtap mode bridge 2>/dev/null && "
		       "ip link set vv0 up && ip link set vv1 up && ip link set vm0 up");
}

static void macvtap_delete(void)
{
	assert_int_equal(system("ip link delete vv0"), 0);
}

static void macvtap_carries(void **state)
{
	static const u8 to_all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	u8 sent[HDR + 200] = { 0 }, got[2048];
	struct viola_seg seg = { sent, sizeof(sent) };
	struct net_backend *be;
	unsigned int i, queues;
	int wire;

	assert_int_equal(setup(state), 0);
	if (!macvtap_make())
		skip();
	for (queues = 1; queues <= 2; queues++) {
		if (tap_backend_open(&be, "vm0", queues))
			fail_msg("%s", vmm_error());
		assert_int_equal(be->mtu, 1450);
		assert_int_equal(be->mac[0] & 1, 0);
		assert_memory_not_equal(be->mac, "\0\0\0\0\0\0", 6);
		assert_true(be->offloads_possible & NET_OFFLOAD_CSUM);
		assert_int_equal(be->ops->set_header(be, HDR, NET_OFFLOAD_CSUM), 0);
		assert_int_equal(be->ops->set_queues(be, 1), 0);
		wire = host_socket("vv1");
		for (i = 0; i < 20; i++) {
			frame_make(sent + HDR, 200, i);
			memcpy(sent + HDR, to_all, 6);
			memcpy(sent + HDR + 6, be->mac, 6);
			assert_int_equal(be->ops->send(be, 0, &seg, 1), 0);
			wait_readable(wire);
			assert_int_equal(recv(wire, got, sizeof(got), 0), 200);
			assert_memory_equal(got, sent + HDR, 200);
			/* And back, to its address. */
			memcpy(got, be->mac, 6);
			memset(got + 6, 2, 6);
			assert_int_equal(send(wire, got, 200, 0), 200);
			memset(got + 200, 0, sizeof(got) - 200);
			assert_int_equal(take(be, 0, got + 200, sizeof(got) - 200), HDR + 200);
			assert_memory_equal(got + 200 + HDR, got, 200);
		}
		close(wire);
		assert_true(reports_nothing(be));
		be->ops->destroy(be);
	}
	macvtap_delete();
}

static void a_macvtap_reports_its_end(void **state)
{
	struct net_backend *be;

	assert_int_equal(setup(state), 0);
	if (!macvtap_make())
		skip();
	if (tap_backend_open(&be, "vm0", 1))
		fail_msg("%s", vmm_error());
	assert_true(reports_nothing(be));
	assert_int_equal(system("ip link delete vm0"), 0);
	assert_true(reports_its_end(be));
	be->ops->destroy(be);
	macvtap_delete();
}

static void a_macvtap_without_its_node_is_named(void **state)
{
	char node[64], away[80];
	struct net_backend *be;

	assert_int_equal(setup(state), 0);
	if (!macvtap_make())
		skip();
	snprintf(node, sizeof(node), "/dev/tap%u", if_nametoindex("vm0"));
	snprintf(away, sizeof(away), "%s.away", node);
	assert_int_equal(rename(node, away), 0);
	assert_int_equal(tap_backend_open(&be, "vm0", 1), -ENOENT);
	assert_non_null(strstr(vmm_error(), node));
	assert_non_null(strstr(vmm_error(), "mknod"));
	assert_null(strstr(vmm_error(), "tuntap"));
	assert_int_equal(rename(away, node), 0);
	macvtap_delete();
}

/* --- under the device ------------------------------------------------------ */

#define TX_AREA RIG_DATA
#define RX_AREA (RIG_DATA + 0x100000)
#define SLOT 2048u

#define FEATURES                                                                           \
	(1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_NET_F_CSUM |                      \
	 1ull << VIRTIO_NET_F_GUEST_CSUM | 1ull << VIRTIO_NET_F_GUEST_TSO4 |               \
	 1ull << VIRTIO_NET_F_HOST_TSO4 | 1ull << VIRTIO_NET_F_STATUS)
#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)

/* What was asked by a frame of the same number. */
struct pass {
	struct rig *rig;
	int host;
	bool msix;
	unsigned int seen; /* interrupts of queue 0 */
};

static void to_host(struct pass *p, u32 i, u32 len)
{
	struct model_driver *tx = &p->rig->q[1];
	u64 gpa = TX_AREA + SLOT * (i % 64);
	u8 *frame = p->rig->data + (gpa - RIG_DATA);
	struct model_piece out = { gpa, HDR + len, false };
	u8 got[2048];
	u32 written;
	u16 id;

	memset(frame, 0, HDR);
	frame_make(frame + HDR, len, i);
	assert_true(model_driver_add(tx, &out, 1, 0, 0) >= 0);
	rig_expose(p->rig, 1);
	wait_readable(p->host);
	assert_int_equal(recv(p->host, got, sizeof(got), 0), len);
	assert_memory_equal(got, frame + HDR, len);
	while (!model_driver_reclaim(tx, &id, &written))
		;
}

static bool rx_interrupt(struct pass *p)
{
	unsigned int i;

	if (p->msix)
		return rig_wait(0, p->seen);
	for (i = 0; i < 10000; i++, usleep(100))
		if (fake_intx())
			return fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_ISR_OFF, 1) & 1;
	return false;
}

/* From the host; frames of the kernel's own may come between. */
static void from_host(struct pass *p, u32 i, u32 len)
{
	struct model_driver *rx = &p->rig->q[0];
	struct model_piece in = { RX_AREA + SLOT * (i % 64), SLOT, true };
	u8 want[2048];
	u32 written = 0;
	u16 id;

	frame_make(want, len, i + 1000);
	assert_int_equal(send(p->host, want, len, 0), len);
	for (;;) {
		const u8 *frame;

		if (rx->free_count == rx->num) {
			assert_true(model_driver_add(rx, &in, 1, 0, in.gpa) >= 0);
			rig_expose(p->rig, 0);
		}
		p->seen = rig_calls(0);
		if (!model_driver_reclaim(rx, &id, &written)) {
			if (!model_driver_want_call(rx, 0))
				assert_true(rx_interrupt(p));
			continue;
		}
		frame = p->rig->data + (rx->record[id].cookie - RIG_DATA);
		assert_int_equal(frame[10], 1); /* num_buffers */
		if (frame[HDR + 12] != TYPE >> 8 || frame[HDR + 13] != (TYPE & 0xff))
			continue;
		assert_int_equal(written, HDR + len);
		assert_memory_equal(frame + HDR, want, len);
		return;
	}
}

static void device_open(struct rig **rig, const char *node)
{
	struct nic_config cfg = { .mac = { 2, 0, 0, 0, 0, 2 }, .queues = 1 };
	struct net_backend *be;

	*rig = malloc(sizeof(**rig));
	rig_init(*rig);
	(*rig)->rings_in_data = node;
	assert_int_equal(tap_backend_open(&be, "vt0", 1), 0);
	if (virtio_net_create(&(*rig)->vm, be, &cfg, node))
		fail_msg("%s", vmm_error());
	assert_true((rig_device_features() & (FEATURES | EVENT_IDX)) == (FEATURES | EVENT_IDX));
}

static void device_close(struct rig *rig)
{
	fake_pci_destroy();
	rig_free(rig);
	free(rig);
}

static void device_carries(const char *node)
{
	struct pass p = { .host = -1 };
	unsigned int round, i;

	device_open(&p.rig, node);
	for (round = 0; round < 8; round++) {
		u64 features = FEATURES | (round & 1 ? EVENT_IDX : 0);

		p.msix = round & 2;
		fake_msix_enable(p.msix);
		rig_start(p.rig, features, 2, 256);
		if (p.host < 0)
			p.host = host_socket("vt0");
		for (i = 0; i < 200; i++) {
			to_host(&p, i, 60 + i * 7);
			from_host(&p, i, 60 + i * 7);
			if (i != 100 || !(round & 4))
				continue;
			/* Interrupts change their way under running queues. */
			p.msix = !p.msix;
			fake_msix_enable(p.msix);
		}
		assert_false(rig_broken());
	}
	/* A reset is final for a kernel data plane too. */
	rig_set(VIRTIO_PCI_COMMON_STATUS, 0, 1);
	memset(p.rig->data, 0x5a, RIG_DATA_SIZE);
	for (i = 0; i < 20; i++) {
		u8 frame[100];

		rig_kick(i % 2);
		frame_make(frame, sizeof(frame), i);
		send(p.host, frame, sizeof(frame), 0);
	}
	usleep(20000);
	for (i = 0; i < RIG_DATA_SIZE; i++)
		if (p.rig->data[i] != 0x5a)
			fail_msg("byte %#x changed after reset", i);
	close(p.host);
	device_close(p.rig);
	assert_int_equal(if_nametoindex("vt0"), 0);
}

static void the_device_carries(void **state)
{
	assert_int_equal(setup(state), 0);
	device_carries(NULL);
}

/* The same device with the queues in the kernel; where the module is loaded. */
static void vhost_net_carries(void **state)
{
	assert_int_equal(setup(state), 0);
	if (access("/dev/vhost-net", R_OK | W_OK))
		skip();
	device_carries("/dev/vhost-net");
}

static void viola_net_carries(void **state)
{
	assert_int_equal(setup(state), 0);
	if (access("/dev/viola-net", R_OK | W_OK))
		skip();
	device_carries("/dev/viola-net");
}

/* A head that does not exist: the ring breaks, and the guest hears of it. */
static void device_tells_of_a_lie(const char *node)
{
	struct rig *rig;
	unsigned int i, q;

	device_open(&rig, node);
	fake_msix_enable(true);
	for (q = 0; q < 2; q++) {
		unsigned int calls;
		int host;

		rig_start(rig, FEATURES, 2, 64);
		host = host_socket("vt0");
		calls = fake_interrupts(0);
		for (i = 0; i < 64; i++)
			model_split_avail(&rig->q[q])[2 + i] = cpu_to_le16(0x8000);
		model_split_avail(&rig->q[q])[1] = cpu_to_le16(1);
		rig_kick(q);
		for (i = 0; i < 5000 && fake_interrupts(0) == calls; i++) {
			u8 frame[60];

			/* The receive queue is looked at when something comes. */
			frame_make(frame, sizeof(frame), i);
			send(host, frame, sizeof(frame), 0);
			usleep(1000);
		}
		assert_int_equal(fake_interrupts(0), calls + 1);
		assert_true(rig_broken());
		close(host);
	}
	rig_start(rig, FEATURES, 2, 64);
	assert_false(rig_broken());
	device_close(rig);
}

static void a_lie_is_told(void **state)
{
	assert_int_equal(setup(state), 0);
	device_tells_of_a_lie(NULL);
}

static void a_lie_is_told_by_vhost_net(void **state)
{
	assert_int_equal(setup(state), 0);
	if (access("/dev/vhost-net", R_OK | W_OK))
		skip();
	device_tells_of_a_lie("/dev/vhost-net");
}

static void a_lie_is_told_by_viola_net(void **state)
{
	assert_int_equal(setup(state), 0);
	if (access("/dev/viola-net", R_OK | W_OK))
		skip();
	device_tells_of_a_lie("/dev/viola-net");
}

/*
 * The interface goes: the driver is told that the link is down, as soon as
 * the device looks for frames.
 */
static void the_device_loses_its_tap(void **state)
{
	struct model_piece in = { RX_AREA, SLOT, true };
	struct rig *rig;
	unsigned int i, calls;

	assert_int_equal(setup(state), 0);
	device_open(&rig, NULL);
	fake_msix_enable(true);
	rig_start(rig, FEATURES, 2, 64);
	while (rig->q[0].free_count)
		assert_true(model_driver_add(&rig->q[0], &in, 1, 0, in.gpa) >= 0);
	rig_expose(rig, 0);
	calls = fake_interrupts(0);
	assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 6, 2), 1);
	assert_int_equal(system("ip link delete vt0"), 0);
	for (i = 0; i < 5000 && fake_interrupts(0) == calls; i++)
		usleep(1000);
	assert_int_equal(fake_interrupts(0), calls + 1);
	assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 6, 2), 0);
	assert_false(rig_broken());
	device_close(rig);
}

/*
 * The same for a device that looks for nothing, as its driver has not started a
 * queue, or as its queues are in the kernel.
 */
static void device_learns_of_its_end(const char *node, bool queues)
{
	struct rig *rig;
	unsigned int i, calls;

	device_open(&rig, node);
	fake_msix_enable(true);
	rig_start(rig, FEATURES, queues ? 2 : 0, 64);
	rig_set(VIRTIO_PCI_COMMON_MSIX, 0, 2);
	calls = fake_interrupts(0);
	assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 6, 2), 1);
	/* Other interfaces may come and go. */
	assert_int_equal(system("ip tuntap add vt5 mode tap && ip link delete vt5"), 0);
	usleep(20000);
	assert_int_equal(fake_interrupts(0), calls);
	assert_int_equal(system("ip link delete vt0"), 0);
	for (i = 0; i < 20000 && fake_interrupts(0) == calls; i++)
		usleep(1000);
	assert_int_equal(fake_interrupts(0), calls + 1);
	assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 6, 2), 0);
	/* Not broken: a driver may start it, and finds that there is no link. */
	rig_start(rig, FEATURES, 2, 64);
	if (!node)
		assert_false(rig_broken());
	assert_int_equal(fake_read(VIRTIO_PCI_BAR, VIRTIO_PCI_DEVICE_OFF + 6, 2), 0);
	device_close(rig);
}

static void a_device_that_does_not_look_loses_its_tap(void **state)
{
	assert_int_equal(setup(state), 0);
	device_learns_of_its_end(NULL, false);
	device_learns_of_its_end(NULL, true);
}

static void vhost_net_loses_its_tap(void **state)
{
	assert_int_equal(setup(state), 0);
	if (access("/dev/vhost-net", R_OK | W_OK))
		skip();
	device_learns_of_its_end("/dev/vhost-net", true);
}

static void viola_net_loses_its_tap(void **state)
{
	assert_int_equal(setup(state), 0);
	if (access("/dev/viola-net", R_OK | W_OK))
		skip();
	device_learns_of_its_end("/dev/viola-net", true);
}

static void a_missing_kernel_data_plane_is_named(void **state)
{
	struct nic_config cfg = { .mac = { 2, 0, 0, 0, 0, 2 }, .queues = 1 };
	struct rig *rig;
	struct net_backend *be;

	assert_int_equal(setup(state), 0);
	rig = malloc(sizeof(*rig));
	rig_init(rig);
	assert_int_equal(tap_backend_open(&be, "vt0", 1), 0);
	assert_int_equal(virtio_net_create(&rig->vm, be, &cfg, "/dev/no-viola-net"), -ENOENT);
	assert_non_null(strstr(vmm_error(), "/dev/no-viola-net does not exist"));
	assert_non_null(strstr(vmm_error(), "viola.ko"));
	assert_int_equal(if_nametoindex("vt0"), 0); /* the backend went too */
	rig_free(rig);
	free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_with_and_without_header),
		cmocka_unit_test(offloads_that_are_offered_are_taken),
		cmocka_unit_test(queues_attach_and_detach),
		cmocka_unit_test(persistent_taps),
		cmocka_unit_test(what_is_no_tap_is_named),
		cmocka_unit_test(the_kernel_chooses_the_number),
		cmocka_unit_test(the_mtu_is_the_interfaces),
		cmocka_unit_test(only_deletion_is_the_end),
		cmocka_unit_test(lost_reports_are_no_lost_end),
		cmocka_unit_test(macvtap_carries),
		cmocka_unit_test(a_macvtap_reports_its_end),
		cmocka_unit_test(a_macvtap_without_its_node_is_named),
		cmocka_unit_test(the_device_carries),
		cmocka_unit_test(vhost_net_carries),
		cmocka_unit_test(viola_net_carries),
		cmocka_unit_test(a_lie_is_told),
		cmocka_unit_test(a_lie_is_told_by_vhost_net),
		cmocka_unit_test(a_lie_is_told_by_viola_net),
		cmocka_unit_test(the_device_loses_its_tap),
		cmocka_unit_test(a_device_that_does_not_look_loses_its_tap),
		cmocka_unit_test(vhost_net_loses_its_tap),
		cmocka_unit_test(viola_net_loses_its_tap),
		cmocka_unit_test(a_missing_kernel_data_plane_is_named),
	};

	alarm(300); /* a hang is a failure */
	return cmocka_run_group_tests(tests, setup_group, NULL);
}
