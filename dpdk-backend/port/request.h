/* SPDX-License-Identifier: GPL-2.0 */
/* Ports as users ask for them: on the command line, in files, by the control socket. */
#ifndef VIOLA_DPDK_REQUEST_H
#define VIOLA_DPDK_REQUEST_H

#include <jansson.h>

#include "dpdk-backend/port/ports.h"

/*
 * All: 0, or -errno with what is wrong and the remedy in @why (@size bytes).
 *
 * "PATH[,client][,SETTING...]", of a vhost-user port; @text is cut into pieces.
 */
int port_request_parse(struct port_request *r, char *text, char *why, size_t size);

/*
 * "DEVICE[,ARG...][,SETTING...]"; settings are cut out, the rest is EAL's. For command
 * lines: copies of the settings are the request's for as long as the process lives.
 */
int port_request_device(struct port_request *r, char *text, char *why, size_t size);

/*
 * { "path": "/run/a.sock" } or { "device": "net_tap0" }, with "client",
 * "isolated" (booleans), "number" and "settings" (a list of words). Strings are those of @object.
 */
int port_request_json(struct port_request *r, const json_t *object, char *why, size_t size);

#endif
