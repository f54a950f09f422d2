// SPDX-License-Identifier: GPL-2.0
// fuzz-sources: dpdk-backend/forward/offload.c dpdk-backend/forward/flow.c
// fuzz-flags: -max_len=4096
/*
 * Frames with offload fields as a hostile guest sends them to viola-dpdk. The
 * first two bytes choose what was negotiated and how the frame is cut into
 * pieces, the next ten are the virtio-net header, the rest is the frame.
 *
 * What comes out is within bounds, ends, has correct TCP checksums where it was
 * segmented, and does not depend on what becomes of the guest's bytes once they
 * were copied: they are freed by then.
 */
#include <stdlib.h>

#include "dpdk-backend/forward/flow.h"
#include "dpdk-backend/forward/offload.h"

#define BIT(n) (1ull << (n))
#define PIECES 8u

static struct offload_work work;

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* RFC 1071, word by word. */
static u32 ones_sum(u32 sum, const u8 *p, u32 len)
{
	u32 i;

	for (i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (u32)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static void check_tcp(const u8 *p, u32 len, const struct offload_work *w)
{
	u32 size = len - w->start;
	u8 tail[4] = { (u8)(size >> 8), (u8)size, 0, 6 };
	u32 sum = ones_sum(0, tail, 4);

	sum = w->family == 4 ? ones_sum(sum, p + w->ip + 12, 8) : ones_sum(sum, p + w->ip + 8, 32);
	check(ones_sum(sum, p + w->start, size) == 0xffff);
	if (w->family == 4)
		check(ones_sum(0, p + w->ip, w->start - w->ip) == 0xffff);
}

static void finish(const struct frame_offload *o, u32 len)
{
	static u8 out[FRAME_MAX];
	u32 frames = 0, payload = 0;
	struct frame *f;

	while ((f = offload_next(&work))) {
		check(f->len <= FRAME_MAX && frame_plain(f));
		check(viola_segs_read(f->seg, f->nseg, 0, out, f->len) == f->len);
		check(++frames <= FRAME_MAX / 48 + 1);
		if (!o->gso_type) {
			check(f->len == len && frames == 1);
			continue;
		}
		if (work.datagram)
			payload += f->len - work.header - (work.family == 6 ? 8 : 0);
		else
			payload += f->len - work.header;
		check(f->len - work.header <= o->gso_size + 8u);
		if (!work.datagram)
			check_tcp(out, f->len, &work);
	}
	check(frames && (!o->gso_type || payload == len - work.header));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* All that has to do with offloads, but for one. */
	u64 features = (u64)0xffff & ~BIT(data && size ? data[0] % 32 : 0);
	struct viola_seg seg[PIECES + 2];
	struct frame f = { .seg = seg + 2 };
	struct offload_layout l;
	u8 hdr[OFFLOAD_HDR], told[OFFLOAD_HDR], *copy[PIECES] = {};
	u32 at = 0, i;
	bool begun;

	if (size < 2 + OFFLOAD_HDR + FRAME_MIN || size - 2 - OFFLOAD_HDR > FRAME_MAX)
		return 0;
	memcpy(hdr, data + 2, OFFLOAD_HDR);
	f.len = (u32)size - 2 - OFFLOAD_HDR;
	data += 2 + OFFLOAD_HDR;
	memcpy(f.head, data, min(f.len, FRAME_LOOK));
	for (i = 0; at < f.len; i++) {
		u32 part = 1 + data[-11] % 64 * (i + 1);

		if (i == PIECES - 1 || part > f.len - at)
			part = f.len - at;

		copy[i] = malloc(part);
		check(copy[i]);
		memcpy(copy[i], data + at, part);
		f.seg[f.nseg++] = (struct viola_seg){ copy[i], part };
		at += part;
	}
	check(flow_hash(&f) == flow_hash(&f));
	check(frame_l2_len(&f) <= f.len);
	if (offload_find(&l, data, f.len))
		check(l.l2 + l.l3 + l.l4 <= f.len);
	begun = offload_check(&f, hdr, features);
	if (begun) {
		check(offload_accepted(&f, ~0ull));
		check(offload_accepted(&f, 0) == frame_plain(&f));
		offload_header(told, &f, ~0ull);
		if (offload_layout(&l, &f.offload, data, f.len))
			check(l.l2 + l.l3 == f.offload.csum_start);
		begun = !frame_plain(&f) && offload_begin(&work, &f);
	}
	for (i = 0; i < PIECES; i++)
		free(copy[i]);
	if (begun)
		finish(&f.offload, f.len);
	return 0;
}
