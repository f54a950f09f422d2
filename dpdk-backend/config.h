/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Configuration files: a JSON object. Its keys are the options' names without
 * dashes, with strings, numbers, and true for options without a value; "ports"
 * is a list of objects, see port_request_json(), and "eal" a list of strings.
 */
#ifndef VIOLA_DPDK_CONFIG_H
#define VIOLA_DPDK_CONFIG_H

#include "dpdk-backend/options.h"

/*
 * Adds what @path says to @o. 0, or -errno with a sentence that names the file
 * in @why (@size bytes). The strings stay for as long as @o->file does.
 */
int config_load(struct options *o, const char *path, char *why, size_t size);

#endif
