// SPDX-License-Identifier: GPL-2.0
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/e1000-rig.h"
#include "vmm/emulated/e1000.h"
#include "vmm/loop.h"
#include "vmm/net/nic.h"

struct rig rig;

/* --- the loop: no thread --------------------------------------------------- */

#define SOURCES 4

struct loop {
	struct loop_source *source[SOURCES];
	uint32_t events[SOURCES];
};

static struct loop the_loop;

int loop_create(struct loop **loop, const char *thread_name)
{
	memset(&the_loop, 0, sizeof(the_loop));
	*loop = &the_loop;
	return 0;
}

void loop_destroy(struct loop *loop)
{
	memset(loop, 0, sizeof(*loop));
}

/* rig_turn() is the loop; it does not run by itself. */
void loop_pause(struct loop *loop)
{
}

void loop_resume(struct loop *loop)
{
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
	for (int i = 0; i < SOURCES; i++)
		if (!loop->source[i]) {
			loop->source[i] = source;
			loop->events[i] = events;
			return 0;
		}
	abort();
}

int loop_modify(struct loop *loop, struct loop_source *source, uint32_t events)
{
	for (int i = 0; i < SOURCES; i++)
		if (loop->source[i] == source) {
			loop->events[i] = events;
			return 0;
		}
	return -ENOENT;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	for (int i = 0; i < SOURCES; i++)
		if (loop->source[i] == source)
			loop->source[i] = NULL;
}

bool rig_polls(void)
{
	for (int i = 0; i < SOURCES; i++)
		if (the_loop.source[i] && the_loop.source[i]->fd == rig.in_fd)
			return the_loop.events[i] & EPOLLIN;
	return false;
}

/* poll() and epoll have the same numbers for what is used here. */
static int loop_ready(struct pollfd *pfd, int ms)
{
	for (int i = 0; i < SOURCES; i++) {
		pfd[i].fd = the_loop.source[i] ? the_loop.source[i]->fd : -1;
		pfd[i].events = (short)the_loop.events[i];
		pfd[i].revents = 0;
	}
	return poll(pfd, SOURCES, ms);
}

int rig_turn(int rounds)
{
	struct pollfd pfd[SOURCES];
	int calls = 0;

	while (calls < rounds && loop_ready(pfd, 0) > 0)
		for (int i = 0; i < SOURCES; i++)
			if (pfd[i].revents && the_loop.source[i]) {
				the_loop.source[i]->ready(the_loop.source[i],
							  (uint32_t)pfd[i].revents);
				calls++;
			}
	return calls;
}

int rig_wait(int ms)
{
	struct pollfd pfd[SOURCES];

	loop_ready(pfd, ms);
	return rig_turn(1000);
}

/* --- the bus ---------------------------------------------------------------- */

void pci_device_init(struct pci_device *dev, struct vm *vm, const char *name,
		     const struct pci_device_ops *ops, const struct pci_identity *id, bool intx)
{
	memset(dev, 0, sizeof(*dev));
	dev->vm = vm;
	dev->name = name;
	dev->ops = ops;
	dev->config[0] = (u8)id->vendor;
	dev->config[1] = (u8)(id->vendor >> 8);
	dev->config[2] = (u8)id->device;
	dev->config[3] = (u8)(id->device >> 8);
	dev->config[0x3d] = intx;
}

void pci_add_bar(struct pci_device *dev, unsigned int bar, enum pci_bar_kind kind, u64 size)
{
	dev->bar[bar].kind = kind;
	dev->bar[bar].size = size;
}

/* What is in the command register is the rig's to say: see pci_bus_master(). */
void pci_config_put(struct pci_device *dev, unsigned int off, u32 value, unsigned int len)
{
}

int pci_attach(struct vm *vm, struct pci_device *dev)
{
	rig.dev = dev;
	return 0;
}

void pci_intx(struct pci_device *dev, bool level)
{
	if (level && !rig.intx)
		rig.intx_rises++;
	rig.intx = level;
}

bool pci_bus_master(struct pci_device *dev)
{
	return rig.bus_master;
}

/* --- the far end -------------------------------------------------------------- */

static void frame_add(struct rig_frame **list, u32 *nr, const void *data, u32 len)
{
	struct rig_frame *frame;

	*list = realloc(*list, (*nr + 1) * sizeof(**list));
	frame = &(*list)[(*nr)++];
	frame->len = len;
	frame->data = malloc(len ? len : 1);
	memcpy(frame->data, data, len);
}

void rig_receive(const void *frame, u32 len)
{
	frame_add(&rig.in, &rig.nr_in, frame, len);
	if (rig.nr_in - rig.next_in == 1)
		eventfd_write(rig.in_fd, 1);
}

static int be_send(struct net_backend *be, unsigned int queue, const struct viola_seg *seg, u32 nr)
{
	static u8 buf[65536];
	size_t len = viola_segs_len(seg, nr);

	if (queue || len > sizeof(buf) || len < 14)
		abort();
	if (rig.again) {
		rig.again--;
		return -EAGAIN;
	}
	rig.in_send = true;
	viola_segs_read(seg, nr, 0, buf, len);
	rig.bytes_out += len;
	if (rig.keep_out)
		frame_add(&rig.out, &rig.nr_out, buf, (u32)len);
	else
		rig.nr_out++;
	if (rig.reflect && rig.nr_in < 64)
		rig_receive(buf, (u32)len);
	rig.in_send = false;
	return 0;
}

static ssize_t be_recv(struct net_backend *be, unsigned int queue, const struct viola_seg *seg,
		       u32 nr)
{
	struct rig_frame *frame;
	eventfd_t count;

	if (rig.in_send)
		abort(); /* CVE-2021-3416: receiving within a send */
	if (rig.next_in == rig.nr_in)
		return -EAGAIN;
	frame = &rig.in[rig.next_in++];
	if (rig.next_in == rig.nr_in)
		eventfd_read(rig.in_fd, &count);
	return (ssize_t)viola_segs_write(seg, nr, 0, frame->data, frame->len);
}

static int be_fd(struct net_backend *be, unsigned int queue)
{
	return rig.in_fd;
}

static int be_kernel_fd(struct net_backend *be, unsigned int queue)
{
	return -EOPNOTSUPP;
}

static int be_set_header(struct net_backend *be, u32 hdr_len, u32 offloads)
{
	return hdr_len || offloads ? -EINVAL : 0;
}

static int be_set_queues(struct net_backend *be, unsigned int nr)
{
	return nr == 1 ? 0 : -EINVAL;
}

static int be_watch_fd(struct net_backend *be)
{
	return rig.watch_fd;
}

static bool be_watched(struct net_backend *be)
{
	eventfd_t count;

	eventfd_read(rig.watch_fd, &count);
	return rig.gone;
}

static bool be_gone(struct net_backend *be)
{
	return rig.gone;
}

static void be_destroy(struct net_backend *be)
{
	rig.alive = false;
}

static const struct net_backend_ops be_ops = {
	.name = "rig",
	.send = be_send,
	.recv = be_recv,
	.fd = be_fd,
	.kernel_fd = be_kernel_fd,
	.set_header = be_set_header,
	.set_queues = be_set_queues,
	.watch_fd = be_watch_fd,
	.watched = be_watched,
	.gone = be_gone,
	.destroy = be_destroy,
};

static struct net_backend the_backend = { .ops = &be_ops, .queues = 1 };

static void frames_free(struct rig_frame **list, u32 *nr)
{
	if (*list)
		while (*nr)
			free((*list)[--*nr].data);
	*nr = 0;
	free(*list);
	*list = NULL;
}

void rig_forget_out(void)
{
	frames_free(&rig.out, &rig.nr_out);
	rig.bytes_out = 0;
}

/* --- all of it ---------------------------------------------------------------- */

static u8 *memory(size_t size)
{
	u8 *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

void rig_start(void)
{
	static const struct nic_config cfg = {
		.mac = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 },
		.queues = 1,
	};

	memset(&rig, 0, sizeof(rig));
	rig.low = memory(RIG_LOW_SIZE);
	rig.high = memory(RIG_HIGH_SIZE);
	rig.vm.mem.ext[0] = (struct viola_extent){ 0, RIG_LOW_SIZE, rig.low };
	rig.vm.mem.ext[1] = (struct viola_extent){ RIG_HIGH, RIG_HIGH_SIZE, rig.high };
	rig.vm.mem.map = (struct viola_mem){ rig.vm.mem.ext, 2 };
	rig.bus_master = true;
	rig.keep_out = true;
	rig.alive = true;
	rig.in_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	rig.watch_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (rig.in_fd < 0 || rig.watch_fd < 0 || e1000_create(&rig.vm, &the_backend, &cfg))
		abort();
	rig_turn(16);
}

void rig_stop(void)
{
	rig.dev->ops->destroy(rig.dev);
	if (rig.alive)
		abort(); /* the device owns its backend */
	frames_free(&rig.out, &rig.nr_out);
	frames_free(&rig.in, &rig.nr_in);
	close(rig.in_fd);
	close(rig.watch_fd);
	munmap(rig.low, RIG_LOW_SIZE);
	munmap(rig.high, RIG_HIGH_SIZE);
}

u32 rig_get(u32 reg)
{
	return (u32)rig.dev->ops->bar_read(rig.dev, 0, reg, 4);
}

void rig_set(u32 reg, u32 value)
{
	rig.dev->ops->bar_write(rig.dev, 0, reg, value, 4);
}

u32 rig_io_get(u32 reg)
{
	rig.dev->ops->bar_write(rig.dev, 1, E1000_IOADDR, reg, 4);
	return (u32)rig.dev->ops->bar_read(rig.dev, 1, E1000_IODATA, 4);
}

void rig_io_set(u32 reg, u32 value)
{
	rig.dev->ops->bar_write(rig.dev, 1, E1000_IOADDR, reg, 4);
	rig.dev->ops->bar_write(rig.dev, 1, E1000_IODATA, value, 4);
}

void *rig_at(u64 gpa)
{
	void *p = viola_mem_map(&rig.vm.mem.map, gpa, 1);

	if (!p)
		abort();
	return p;
}
