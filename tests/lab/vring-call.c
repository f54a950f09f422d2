// SPDX-License-Identifier: GPL-2.0
/*
 * The eventfd by which the device interrupts is taken away and given back, as a VMM
 * does around a masked vector. Buffers are used in between, and the driver waits for
 * one of them: its interrupt may come late, but it must not be lost.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/lab/vring-run.h"

#define PATIENCE_MS 10000

static void set_call(struct run *r, struct driver_queue *q, int fd)
{
	struct vhost_vring_file file = { .index = q->index, .fd = fd };

	if (ioctl(r->d.fd, VHOST_SET_VRING_CALL, &file))
		fail("VHOST_SET_VRING_CALL: %s", strerror(errno));
}

/* One frame from the driver, and back to it as a used buffer. */
static bool send_used(struct run *r, uint32_t seq)
{
	uint8_t frame[FRAME_MAX];
	int i;

	frame_make(frame, FRAME_MIN, seq);
	if (!driver_send(&r->d, NULL, frame, FRAME_MIN))
		return false;
	driver_kick(&r->d.queue[DRIVER_TX]);
	for (i = 0; i < PATIENCE_MS; i++) {
		if (driver_reap(&r->d))
			return true;
		usleep(1000);
	}
	return false;
}

/*
 * One time around. *@at_once: whether the interrupt came with the eventfd; else it has
 * to come with the next buffer, which is what vhost-net does.
 */
static const char *call_once(struct run *r, uint32_t seq, unsigned int unheard, bool *at_once)
{
	struct driver_queue *q = &r->d.queue[DRIVER_TX];

	/* From here on the device knows for which buffers it has interrupted. */
	driver_want_call(&r->d, q, true);
	if (!send_used(r, seq++) || !driver_wait(q, PATIENCE_MS))
		return "no interrupt, with nothing taken away";
	driver_want_call(&r->d, q, true);
	set_call(r, q, -1);
	while (unheard--) {
		if (!send_used(r, seq++))
			return "a buffer does not come back without an eventfd";
	}
	set_call(r, q, q->call);
	*at_once = driver_wait(q, 100);
	if (*at_once)
		return NULL;
	if (!send_used(r, seq))
		return "a buffer does not come back";
	return driver_wait(q, PATIENCE_MS) ? NULL : "the interrupt is lost";
}

int run_call(struct run *r)
{
	static const unsigned int unheard[] = { 1, 5, 300 };
	bool at_once, ok = true;
	size_t i;

	for (i = 0; i < sizeof(unheard) / sizeof(unheard[0]); i++) {
		const char *why = call_once(r, (uint32_t)(1000 * i), unheard[i], &at_once);

		printf("%s - call: eventfd taken away for %u buffers%s%s\n", why ? "not ok" : "ok",
		       unheard[i], why ? " - " : "", why ? why : "");
		if (!why)
			printf("# the interrupt came with the %s\n",
			       at_once ? "eventfd" : "next buffer");
		ok &= !why;
	}
	return ok ? 0 : 1;
}
