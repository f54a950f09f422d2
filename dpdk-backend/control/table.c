// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/control/table.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <viola/env.h>

#define MEGABIT 125000.0 /* bytes */

static long long number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "?";
}

static bool truth(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static void print_lcore(const json_t *lcore)
{
	printf("%5lld %5lld %6.1f%% %7.1f%% %15lld\n", number(lcore, "cpu"), number(lcore, "node"),
	       100 * json_real_value(json_object_get(lcore, "load")),
	       100 * json_real_value(json_object_get(lcore, "asleep")), number(lcore, "rounds"));
}

/* The columns that ports and queues share. */
static void print_rates(const json_t *object)
{
	const json_t *rates = json_object_get(object, "rates");

	printf("%11lld %10.2f %11lld %10.2f %14lld %14lld", number(rates, "rx_frames"),
	       (double)number(rates, "rx_bytes") / MEGABIT, number(rates, "tx_frames"),
	       (double)number(rates, "tx_bytes") / MEGABIT, number(object, "rx_frames"),
	       number(object, "tx_frames"));
}

/* Of what came from the port and was to go to it; not what the mode sends nowhere. */
static long long dropped(const json_t *port)
{
	static const char *const counters[] = {
		"rx_invalid",	"rx_mtu",      "rx_limited", "rx_storm", "tx_no_buffer",
		"tx_too_long",	"tx_mtu",      "tx_limited", "tx_down",	 "tx_offload",
	};
	long long sum = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		sum += number(port, counters[i]);
	return sum;
}

static void print_queue(const json_t *queue, int width)
{
	const json_t *cpu = json_object_get(queue, "cpu");

	printf("%5s %-*s %9s %3lld ", "", width, "", "", number(queue, "queue"));
	if (json_is_integer(cpu))
		printf("%4lld ", (long long)json_integer_value(cpu));
	else
		printf("%4s ", "-");
	print_rates(queue);
	putchar('\n');
}

static void print_port(const json_t *port, int width)
{
	const json_t *queues = json_object_get(port, "queues");
	const char *state = truth(port, "up") ? "up" : truth(port, "connected") ? "connected" :
										   "down";
	const json_t *queue;
	size_t i;

	printf("%5lld %-*s %9s %3zu %4s ", number(port, "number"), width, text(port, "name"), state,
	       json_array_size(queues), "");
	print_rates(port);
	printf(" %12lld\n", dropped(port));
	json_array_foreach(queues, i, queue)
		print_queue(queue, width);
}

void table_print(const json_t *status)
{
	const json_t *list = json_object_get(status, "ports"), *item;
	int width = 4;
	size_t i;

	printf("viola-dpdk %s, process %lld, up %lld s, forward %s, mode %s, %lld addresses\n\n",
	       text(status, "version"), number(status, "pid"), number(status, "uptime"),
	       text(status, "forward"), text(status, "mode"), number(status, "addresses"));
	printf("%5s %5s %7s %8s %15s\n", "CPU", "NODE", "LOAD", "ASLEEP", "ROUNDS");
	json_array_foreach(json_object_get(status, "lcores"), i, item)
		print_lcore(item);
	json_array_foreach(list, i, item)
		if ((int)strlen(text(item, "name")) > width)
			width = (int)strlen(text(item, "name"));
	printf("\n%5s %-*s %9s %3s %4s %11s %10s %11s %10s %14s %14s %12s\n", "PORT", width, "NAME",
	       "STATE", "Q", "CPU", "RX/s", "RX Mbit/s", "TX/s", "TX Mbit/s", "RX FRAMES",
	       "TX FRAMES", "DROPPED");
	json_array_foreach(list, i, item)
		print_port(item, width);
}
