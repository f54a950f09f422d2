/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An emulated 82540EM on a bench: guest memory, a bus that remembers the
 * level of INTx, an event loop that turns only when told to, and a backend
 * whose both ends are the test. All in one thread, so that a test sees each
 * step, and a fuzzer's input always does the same.
 */
#ifndef VIOLA_TESTS_E1000_RIG_H
#define VIOLA_TESTS_E1000_RIG_H

#include <sys/types.h>

#include "vmm/emulated/e1000-hw.h"
#include "vmm/net/backend.h"
#include "vmm/vm.h"

#define RIG_LOW_SIZE 0x200000u
#define RIG_HIGH 0x100000000ull
#define RIG_HIGH_SIZE 0x100000u

struct rig_frame {
	u32 len;
	u8 *data;
};

struct rig {
	struct vm vm;
	u8 *low, *high; /* guest memory at 0 and at RIG_HIGH */
	struct pci_device *dev;
	bool intx, bus_master;
	unsigned int intx_rises;

	/* Far end. */
	struct rig_frame *out; /* sent by the device; keep_out false: counted only */
	u32 nr_out;
	u64 bytes_out;
	bool keep_out;
	struct rig_frame *in; /* to be received */
	u32 nr_in, next_in;
	int in_fd;
	u32 again; /* the next sends answer -EAGAIN */
	bool reflect; /* what is sent comes back */
	bool in_send; /* a send is running: nothing may be received in it */
	bool alive; /* the backend exists */
	int watch_fd; /* readable: gone may have changed */
	bool gone; /* for good */
};

extern struct rig rig;

/* A device as after power-on; mac 52:54:00:12:34:56. */
void rig_start(void);
void rig_stop(void);

u32 rig_get(u32 reg);
void rig_set(u32 reg, u32 value);
u32 rig_io_get(u32 reg);
void rig_io_set(u32 reg, u32 value);

/* Whether the loop watches the backend for frames. */
bool rig_polls(void);
/* Calls what is ready until nothing is, or @rounds calls; calls made. */
int rig_turn(int rounds);
/* Waits up to @ms for something to be ready, then turns. */
int rig_wait(int ms);

/* A frame arrives at the far end. */
void rig_receive(const void *frame, u32 len);
void rig_forget_out(void);

/* Memory at a guest address that is known to be good. */
void *rig_at(u64 gpa);

#endif
