/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints, one per stage of a buffer's way: kick or wake, service, the
 * hand-over to or from the backend, interrupt; and what went wrong.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM viola

#if !defined(VIOLA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VIOLA_TRACE_H

#include <linux/tracepoint.h>

#include "queue.h"

DECLARE_EVENT_CLASS(viola_queue,
	TP_PROTO(const struct viola_queue *q),
	TP_ARGS(q),
	TP_STRUCT__entry(
		__field(int, pid)
		__field(u32, queue)
	),
	TP_fast_assign(
		__entry->pid = q->dev->pid;
		__entry->queue = q->index;
	),
	TP_printk("device=%d queue=%u", __entry->pid, __entry->queue)
);

/* The guest's kick; in its context, or that of the VMM's thread. */
DEFINE_EVENT(viola_queue, viola_kick, TP_PROTO(const struct viola_queue *q), TP_ARGS(q));
/* The backend's wake-up. */
DEFINE_EVENT(viola_queue, viola_wake, TP_PROTO(const struct viola_queue *q), TP_ARGS(q));
DEFINE_EVENT(viola_queue, viola_service_begin, TP_PROTO(const struct viola_queue *q), TP_ARGS(q));

TRACE_EVENT(viola_service_end,
	TP_PROTO(const struct viola_queue *q, bool more),
	TP_ARGS(q, more),
	TP_STRUCT__entry(
		__field(int, pid)
		__field(u32, queue)
		__field(bool, more)
		__field(u64, packets)
	),
	TP_fast_assign(
		__entry->pid = q->dev->pid;
		__entry->queue = q->index;
		__entry->more = more;
		__entry->packets = q->count.packets;
	),
	TP_printk("device=%d queue=%u more=%d packets=%llu", __entry->pid, __entry->queue,
		  __entry->more, __entry->packets)
);

DECLARE_EVENT_CLASS(viola_batch,
	TP_PROTO(const struct viola_queue *q, u32 frames),
	TP_ARGS(q, frames),
	TP_STRUCT__entry(
		__field(int, pid)
		__field(u32, queue)
		__field(u32, frames)
	),
	TP_fast_assign(
		__entry->pid = q->dev->pid;
		__entry->queue = q->index;
		__entry->frames = frames;
	),
	TP_printk("device=%d queue=%u frames=%u", __entry->pid, __entry->queue, __entry->frames)
);

/* Frames handed to the backend, taken from it, made visible to the guest. */
DEFINE_EVENT(viola_batch, viola_tx_batch,
	TP_PROTO(const struct viola_queue *q, u32 frames), TP_ARGS(q, frames));
DEFINE_EVENT(viola_batch, viola_rx_batch,
	TP_PROTO(const struct viola_queue *q, u32 frames), TP_ARGS(q, frames));
DEFINE_EVENT(viola_batch, viola_call,
	TP_PROTO(const struct viola_queue *q, u32 frames), TP_ARGS(q, frames));

TRACE_EVENT(viola_error,
	TP_PROTO(const struct viola_queue *q),
	TP_ARGS(q),
	TP_STRUCT__entry(
		__field(int, pid)
		__field(u32, queue)
		__field(u32, ring)
	),
	TP_fast_assign(
		__entry->pid = q->dev->pid;
		__entry->queue = q->index;
		__entry->ring = q->ring.error;
	),
	TP_printk("device=%d queue=%u ring_error=%u", __entry->pid, __entry->queue, __entry->ring)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH module
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
