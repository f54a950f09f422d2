/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_SERIAL_OUTPUT_H
#define VMM_SERIAL_OUTPUT_H

#include <pthread.h>
#include <viola/env.h>

/*
 * Buffered output of one serial port, with a thread that writes it. Only that
 * thread ever waits for the reader: a write to a pipe, a terminal or a socket
 * that nobody reads may take for ever, and neither a vCPU nor the main thread
 * may be held up by it. The thread can be interrupted, so the end can give up.
 *
 * A guest writes a byte per exit, so a byte must cost little: it goes into the
 * buffer, and the thread writes a moment later what has come together.
 */
#define OUTPUT_SIZE 8192u

struct output {
	int fd; /* not owned */
	/* Optional; by the thread, with no lock: there is room again, see output_room(). */
	void (*on_room)(void *opaque);
	void *opaque;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t filled; /* the thread waits here */
	pthread_cond_t drained; /* the others: room, or the thread has ended */
	bool hurry; /* no more will come: do not wait for it */
	bool quit, ended; /* the thread shall end, has ended */
	bool gone; /* the reader is gone: bytes are thrown away */
	u32 wanted; /* on_room() is called once there is room for so many */
	u32 first, len; /* buf is a ring */
	u64 taken; /* bytes that the reader has taken */
	u64 lost; /* bytes thrown away because the buffer was full */
	u8 buf[OUTPUT_SIZE];
};

/* Starts the thread @name, which writes to @fd. 0 or -errno with a recorded sentence. */
int output_start(struct output *out, const char *name, int fd, void (*on_room)(void *opaque),
		 void *opaque);
/* Appends @byte; it is lost if there is no room. Does not wait. */
void output_put(struct output *out, u8 byte);
/* Whether there is room for @bytes. If not, on_room() is called when there is. */
bool output_room(struct output *out, u32 bytes);
/* Waits until the reader takes something, @ms at most. */
void output_wait(struct output *out, unsigned int ms);
/*
 * Writes what is left and ends the thread. A reader that takes nothing for
 * @patience_ms, or not all within @limit_ms, is given up. May be called twice,
 * and without output_start().
 */
void output_finish(struct output *out, unsigned int patience_ms, unsigned int limit_ms);

#endif
