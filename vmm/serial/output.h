/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_SERIAL_OUTPUT_H
#define VMM_SERIAL_OUTPUT_H

#include <pthread.h>
#include <viola/env.h>

/*
 * Buffered output of one serial port. A guest writes a byte per exit, so a
 * byte must cost little: it goes into the buffer, and only the first one
 * wakes somebody (wake_fd), who then calls output_flush() a moment later.
 */
#define OUTPUT_SIZE 8192u

struct output {
	int fd; /* -1: bytes are thrown away */
	int wake_fd; /* eventfd, signalled when the buffer was empty */
	int stop_fd; /* readable: nobody may wait for fd any more */
	pthread_mutex_t lock; /* guards what follows */
	u32 len;
	u8 buf[OUTPUT_SIZE];
};

void output_init(struct output *out, int fd, int wake_fd, int stop_fd);
/*
 * Appends @byte. If the buffer is full, waits for room until the machine
 * stops: that is how a slow reader slows the guest down.
 */
void output_put(struct output *out, u8 byte);
/*
 * Writes what can be written without waiting. True if something is left.
 * If a vCPU is writing just now, leaves it to that.
 */
bool output_flush(struct output *out);

#endif
