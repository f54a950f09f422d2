/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMM_CONTROL_CONTROL_H
#define VMM_CONTROL_CONTROL_H

/*
 * The control socket: QMP's greeting, syntax and events (QEMU Machine Protocol), with
 * commands of this program's own choice (commands.c). One client at a time; another
 * waits until it leaves. All of it runs on the main loop.
 */
struct console;
struct control;
struct vm;

/*
 * Listens on the UNIX socket @path, which only its owner can open. A socket that nobody
 * listens on is replaced; anything else there is an error. 0 or -errno with a recorded
 * sentence.
 */
int control_create(struct control **control, struct vm *vm, struct console *console,
		   const char *path);
/* Disconnects the client and removes the socket. @control may be NULL. */
void control_destroy(struct control *control);

#endif
