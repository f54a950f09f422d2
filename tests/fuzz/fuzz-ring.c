// SPDX-License-Identifier: GPL-2.0
// fuzz-flags: -max_len=2048
/*
 * The device side of a ring against a driver that does anything: of a split one
 * here, of every other kind where fuzz-ring-packed.c includes this.
 *
 * An input is a configuration and a program: steps of the driver (poke shared
 * memory, write descriptors, move the index) between steps of the device (pop,
 * push, unpop, bursts, …). Where the configuration says so, memory also changes under
 * the device's hands: every location it loads through READ_ONCE() or an
 * acquire is scrambled right after the load, so that a value fetched a second
 * time is never the one that was checked. An in-flight region is shared memory,
 * too.
 *
 * Each part of the ring and each extent is a heap object of its exact size,
 * and each popped piece is read or written in full: AddressSanitizer is the
 * judge, with the invariants of ring.h that check() adds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void after_load(const volatile void *at, unsigned int size);

#define READ_ONCE(x)                                               \
	({                                                         \
		typeof(x) _value = *(const volatile typeof(x) *)&(x); \
		after_load(&(x), sizeof(x));                       \
		_value;                                            \
	})
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))

#include <viola/env.h>

#undef viola_load_acquire
#define viola_load_acquire(p)                                      \
	({                                                         \
		typeof(*(p)) _loaded = __atomic_load_n(p, __ATOMIC_ACQUIRE); \
		after_load(p, sizeof(_loaded));                    \
		_loaded;                                           \
	})

#include <viola/ring-burst.h>

#define EXTENTS 4
#define HELD_MAX 16
#define SEGS 24
#define BURST 16

/* Touching, then behind a hole, misaligned on one side, and at the top. */
static const struct {
	u64 gpa;
	u32 size;
} layout[EXTENTS] = {
	{ 0x1000, 0x400 },
	{ 0x1400, 0x205 },
	{ 0x3004, 0x200 },
	{ UINT64_MAX - 0x100, 0x100 },
};

struct input {
	const uint8_t *at;
	size_t left;
};

struct held {
	struct viola_chain chain;
	struct viola_seg *seg;
	u64 *seg_gpa;
	u64 order; /* of the pop */
};

static struct {
	struct viola_extent ext[EXTENTS];
	struct viola_mem mem;
	u8 *part[4]; /* desc, driver, device, in-flight region */
	size_t part_size[4];
	u32 num;
	bool packed, in_order, tracked;
	u16 drive; /* packed: where the driver stands */
	struct viola_ring_record *record;
	bool event_idx, indirect, hostile;
	bool *in_flight;
	struct viola_ring ring;
	struct held held[HELD_MAX];
	u32 nr_held;
	struct viola_buf *buf; /* BURST of them */
	u64 pops; /* counts pops that stand */
	u64 noise;
} m;

#define check(what)                                                         \
	do {                                                                \
		if (!(what)) {                                              \
			fprintf(stderr, "fuzz-ring:%d: not so: %s\n", __LINE__, #what); \
			abort();                                            \
		}                                                           \
	} while (0)

static void after_load(const volatile void *at, unsigned int size)
{
	const u8 *byte = (const u8 *)at;
	u32 i;

	if (!m.hostile)
		return;
	/* Shared memory only: what is on the stack is the device's own copy. */
	for (i = 0; i < 4 + EXTENTS; i++) {
		u8 *base = i < 4 ? m.part[i] : m.ext[i - 4].base;
		size_t room = i < 4 ? m.part_size[i] : layout[i - 4].size;
		u32 k;

		if (byte < base || byte >= base + room)
			continue;
		for (k = 0; k < size; k++) {
			m.noise = m.noise * 6364136223846793005ull + 1442695040888963407ull;
			base[byte - base + k] ^= (u8)(m.noise >> 56);
		}
		return;
	}
}

static u8 take8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->at++;
}

static u16 take16(struct input *in)
{
	u16 lo = take8(in);

	return (u16)(lo | take8(in) << 8);
}

static u64 take64(struct input *in)
{
	u64 v = 0;
	u32 i;

	for (i = 0; i < 8; i++)
		v = v << 8 | take8(in);
	return v;
}

/* An address: mostly in or near an extent, sometimes anything. */
static u64 take_gpa(struct input *in)
{
	u8 how = take8(in);

	if (how == 0xff)
		return take64(in);
	return layout[how % EXTENTS].gpa + take16(in) % 0x420 - (how & 0x80 ? 0x10 : 0);
}

static u32 take_len(struct input *in)
{
	u8 how = take8(in);

	if (how < 0xf0)
		return how;
	if (how < 0xff)
		return take16(in);
	return (u32)take64(in);
}

static struct vring_desc take_desc(struct input *in)
{
	struct vring_desc d;
	u16 flags = take8(in), next = take8(in);

	if (flags & 0x80) /* rarely: bits nobody defined, indices beyond */
		flags = (u16)(flags << 4 | flags);
	if (next & 0x80)
		next = (u16)(next << 8 | next);
	d.addr = cpu_to_le64(take_gpa(in));
	d.len = cpu_to_le32(take_len(in));
	d.flags = cpu_to_le16(flags);
	d.next = cpu_to_le16(next);
	if (m.packed) { /* the two change places, and next is an id */
		d.next = cpu_to_le16(flags);
		d.flags = cpu_to_le16(next & 0x80 ? next : next % m.num);
	}
	return d;
}

/* --- the driver's steps ----------------------------------------------------- */

static void poke(u8 *base, size_t size, size_t off, struct input *in)
{
	u32 n = take8(in) % 32;

	while (n-- && off < size)
		base[off++] = take8(in);
}

static void step_poke_ring(struct input *in)
{
	u8 part = take8(in) % (m.tracked ? 4 : 3);

	poke(m.part[part], m.part_size[part], take16(in) % m.part_size[part], in);
}

static void step_poke_memory(struct input *in)
{
	u8 e = take8(in) % EXTENTS;

	poke(m.ext[e].base, layout[e].size, take16(in) % layout[e].size, in);
}

static void step_desc(struct input *in)
{
	u32 i = take8(in) % m.num;
	struct vring_desc d = take_desc(in);

	memcpy(m.part[0] + 16 * i, &d, sizeof(d));
}

static void step_table(struct input *in)
{
	u64 gpa = take_gpa(in);
	u32 n = 1 + take8(in) % 8, hint = 0;

	while (n--) {
		struct vring_desc d = take_desc(in);

		viola_mem_write(&m.mem, &hint, gpa, &d, sizeof(d));
		gpa += 16;
	}
}

/* One more descriptor where the driver stands, as a driver would write it. */
static void offer_packed(struct input *in)
{
	struct vring_desc d = take_desc(in);
	u16 flags = le16_to_cpu(d.next) & ~(VIOLA_PACKED_AVAIL | VIOLA_PACKED_USED);

	flags |= m.drive & VIOLA_PACKED_WRAP ? VIOLA_PACKED_AVAIL : VIOLA_PACKED_USED;
	d.next = cpu_to_le16(flags);
	memcpy(m.part[0] + 16 * (m.drive & VIOLA_PACKED_OFFSET), &d, sizeof(d));
	m.drive = viola_packed_advance(&m.ring, m.drive, 1);
}

static void step_offer(struct input *in)
{
	__le16 *avail = (__le16 *)m.part[1];
	u16 idx;
	u8 head;

	if (m.packed) {
		offer_packed(in);
		return;
	}
	idx = le16_to_cpu(avail[1]);
	head = take8(in);
	avail[2 + (idx & (m.num - 1))] = cpu_to_le16(head & 0x80 ? head * 257 : head % m.num);
	avail[1] = cpu_to_le16((u16)(idx + 1));
}

static void step_index(struct input *in)
{
	u16 idx = take16(in);

	if (m.packed)
		m.drive = (u16)((idx & VIOLA_PACKED_OFFSET) % m.num | (idx & VIOLA_PACKED_WRAP));
	else
		((__le16 *)m.part[1])[1] = cpu_to_le16(idx);
}

/* --- the device's steps ------------------------------------------------------ */

static void check_chain(const struct viola_chain *c)
{
	u32 i, n = c->nout + c->nin;
	u64 len = 0;
	u8 sum = 0;

	check(c->id < m.num);
	check(m.packed ? c->slots && c->slots <= m.num : c->slots == 1);
	check(n <= c->seg_max && c->nout <= c->seg_max);
	for (i = 0; i < n; i++) {
		const struct viola_seg *s = &c->seg[i];
		const u8 *byte = s->base;
		size_t k;

		check(s->len);
		check(viola_mem_map(&m.mem, c->seg_gpa[i], s->len) == s->base);
		if (i < c->nout)
			for (k = 0; k < s->len; k++)
				sum ^= byte[k];
		else
			memset(s->base, sum + (int)i, s->len);
		len += s->len;
		if (i + 1 == c->nout)
			check(len == c->out_len);
	}
	if (!c->nout)
		check(!c->out_len);
	check(len == (u64)c->out_len + c->in_len);
}

static void step_pop(struct input *in)
{
	struct held *h = &m.held[m.nr_held];
	u16 base = viola_ring_base(&m.ring);
	bool was_broken = viola_ring_broken(&m.ring);
	u32 i;
	int ret;

	if (m.nr_held == HELD_MAX)
		return;
	h->chain = (struct viola_chain){
		.seg = h->seg,
		.seg_gpa = h->seg_gpa,
		.seg_max = SEGS,
	};
	ret = viola_ring_pop(&m.ring, &h->chain);
	if (ret == -ENOBUFS) {
		check(!viola_ring_broken(&m.ring) && viola_ring_base(&m.ring) == base);
		ret = viola_ring_skip(&m.ring, &h->chain);
		check(ret != 0 || (m.packed && m.hostile));
		if (ret == 1)
			check(!h->chain.nout && !h->chain.nin);
	}
	check(ret == 1 || ret == 0 || ret == -EPROTO);
	check((ret == -EPROTO) == viola_ring_broken(&m.ring));
	check(!was_broken || ret == -EPROTO);
	if (ret != 1) {
		check(viola_ring_base(&m.ring) == base);
		return;
	}
	if (m.packed)
		check((viola_ring_base(&m.ring) & VIOLA_PACKED_OFFSET) < m.num);
	else if (!m.tracked) /* else it may be one that was taken before */
		check(viola_ring_base(&m.ring) == (u16)(base + 1));
	check_chain(&h->chain);
	for (i = 0; i < m.nr_held; i++)
		check(m.held[i].chain.id != h->chain.id);
	h->order = ++m.pops;
	m.nr_held++;
}

static void drop(u32 i)
{
	struct held gone = m.held[i];

	m.held[i] = m.held[--m.nr_held];
	m.held[m.nr_held] = gone; /* keeps its arrays */
}

static void step_push(struct input *in)
{
	u8 which = take8(in);

	if (!m.nr_held)
		return;
	which %= m.nr_held;
	viola_ring_push(&m.ring, m.held[which].chain.id, take8(in));
	drop(which);
}

/* Only the last one popped may go back, and only if it was not pushed. */
static void step_unpop(struct input *in)
{
	u32 i;

	for (i = 0; i < m.nr_held; i++) {
		if (m.held[i].order == m.pops) {
			viola_ring_unpop(&m.ring, &m.held[i].chain);
			m.pops--;
			drop(i);
			return;
		}
	}
}

/* Each byte is the device's to read, or to write. */
static void check_buf(const struct viola_buf *b, bool write)
{
	u8 sum = 0;
	u32 i;

	check(b->id < m.num && b->len);
	for (i = 0; i < EXTENTS; i++)
		if (b->base >= m.ext[i].base && b->base < m.ext[i].base + m.ext[i].size)
			break;
	check(i < EXTENTS && b->len <= m.ext[i].size - (size_t)(b->base - m.ext[i].base));
	for (i = 0; i < m.nr_held; i++)
		check(m.held[i].chain.id != b->id);
	for (i = 0; i < b->len; i++)
		sum ^= b->base[i];
	if (write)
		memset(b->base, sum, b->len);
}

/* Takes a burst; its oldest are used, in two parts, the others go back. */
static void step_burst(struct input *in, enum viola_burst kind)
{
	u8 how = take8(in), keep = take8(in);
	bool was_broken = viola_ring_broken(&m.ring);
	u16 base = viola_ring_base(&m.ring);
	u32 n, part, i, k;
	int ret;

	ret = viola_ring_pop_burst(&m.ring, m.buf, 1 + how % BURST, kind);
	check(ret == -EPROTO || ret == -EAGAIN || (ret >= 0 && ret <= 1 + how % BURST));
	check(ret == -EPROTO ? viola_ring_broken(&m.ring) :
			       !was_broken || ret == -EAGAIN);
	if (ret <= 0) {
		check(viola_ring_base(&m.ring) == base);
		return;
	}
	check(!m.tracked && (u32)ret <= m.num);
	for (i = 0; i < (u32)ret; i++) {
		check_buf(&m.buf[i], kind == VIOLA_BURST_IN);
		for (k = 0; k < i; k++)
			check(m.buf[k].id != m.buf[i].id);
		check(viola_ring_in_flight(&m.ring, m.buf[i].id));
	}
	n = keep % 8 ? (u32)ret : (u32)(keep / 8) % ((u32)ret + 1);
	viola_ring_unpop_burst(&m.ring, m.buf + n, (u32)ret - n);
	part = how & 0x80 ? n / 2 : n;
	viola_ring_push_burst(&m.ring, m.buf, part, kind);
	viola_ring_push_burst(&m.ring, m.buf + part, n - part, kind);
	for (i = 0; i < (u32)ret; i++)
		check(!viola_ring_in_flight(&m.ring, m.buf[i].id));
	m.pops += n;
}

static void step_publish(struct input *in)
{
	u16 since = viola_ring_used_index(&m.ring);
	struct viola_ring_span span[VIOLA_RING_SPANS];
	__le16 idx;
	u32 n;

	viola_ring_publish(&m.ring);
	n = viola_ring_used_spans(&m.ring, since, span);
	check(n <= VIOLA_RING_SPANS);
	while (n--)
		check(viola_within(span[n].off, span[n].len, m.part_size[span[n].desc ? 0 : 2]));
	if (m.packed || m.in_order || m.tracked)
		return;
	memcpy(&idx, m.part[2] + 2, 2);
	check(le16_to_cpu(idx) == viola_ring_used_index(&m.ring));
}

static void step_needs_call(struct input *in)
{
	viola_ring_needs_call(&m.ring);
	check(m.hostile || !viola_ring_needs_call(&m.ring));
}

static void step_enable_kick(struct input *in)
{
	int ret = take8(in) & 1 ? viola_ring_enable_kick(&m.ring) :
				  viola_ring_enable_kick_more(&m.ring);

	check(ret == 0 || ret == 1 || ret == -EPROTO);
	check((ret == -EPROTO) == viola_ring_broken(&m.ring));
}

static void step_disable_kick(struct input *in)
{
	viola_ring_disable_kick(&m.ring);
}

static void step_available(struct input *in)
{
	int ret = viola_ring_available(&m.ring);

	check(ret == 0 || ret == 1 || ret == -EPROTO);
}

/* The driver resets the device: nothing is in flight any more. */
static void step_reset(struct input *in)
{
	struct viola_ring_config cfg = {
		.num = m.num,
		.packed = m.packed,
		.in_order = m.in_order,
		.record = m.record,
		.event_idx = m.event_idx,
		.indirect = m.indirect,
		.desc = m.part[0],
		.driver = m.part[1],
		.device = m.part[2],
		.mem = &m.mem,
		.in_flight = m.in_flight,
	};

	check(viola_ring_init(&m.ring, &cfg) == 0);
	m.nr_held = 0;
	m.pops = 0;
	if (take8(in) & 1)
		viola_ring_set_base(&m.ring, take16(in));
	m.drive = m.ring.next_avail;
	if (m.tracked) {
		int ret;

		cfg.inflight = m.part[3];
		check(viola_ring_init(&m.ring, &cfg) == 0);
		ret = viola_ring_recover(&m.ring);
		check(ret == -EINVAL || (ret >= 0 && (u32)ret <= m.num));
		if (ret < 0) {
			memset(m.part[3], 0, m.part_size[3]);
			check(viola_ring_init(&m.ring, &cfg) == 0);
			check(viola_ring_recover(&m.ring) == 0 || m.hostile);
		}
		m.drive = m.ring.next_avail;
	}
}

static void (*const steps[])(struct input *in) = {
	step_pop,	  step_pop,	     step_offer,      step_offer,  step_desc,
	step_desc,	  step_table,	     step_push,	      step_unpop,  step_publish,
	step_needs_call,  step_enable_kick,  step_disable_kick, step_available, step_poke_ring,
	step_poke_memory, step_index,	     step_reset,
};

/* The last values are for bursts; the others mean what they did without these. */
static void step(struct input *in)
{
	u8 which = take8(in);

	if (which >= 252)
		step_burst(in, which & 1 ? VIOLA_BURST_IN : VIOLA_BURST_OUT);
	else
		steps[which % ARRAY_SIZE(steps)](in);
}

static void *exactly(size_t size)
{
	void *p = calloc(1, size);

	check(p);
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	u8 how = take8(&in);
	u32 i;

	memset(&m, 0, sizeof(m));
	m.num = 1u << (how & 7);
#ifdef EVERY_KIND
	i = take8(&in);
	m.packed = !(i & 1);
	m.in_order = i & 2;
	m.tracked = i & 4;
	if (m.packed && i & 8)
		m.num = 1 + (i >> 4) * 5;
#endif
	m.event_idx = how & 8;
	m.indirect = how & 16;
	m.noise = how;
	m.mem.ext = m.ext;
	m.mem.nr = EXTENTS;
	for (i = 0; i < EXTENTS; i++)
		m.ext[i] = (struct viola_extent){
			.gpa = layout[i].gpa,
			.size = layout[i].size,
			.base = exactly(layout[i].size),
		};
	check(viola_mem_valid(&m.mem));
	m.part_size[0] = viola_ring_desc_size(m.num);
	m.part_size[1] = viola_ring_driver_size(m.num);
	m.part_size[2] = viola_ring_device_size(m.num);
	if (m.packed) {
		m.part_size[0] = viola_packed_desc_size(m.num);
		m.part_size[1] = viola_packed_driver_size(m.num);
		m.part_size[2] = viola_packed_device_size(m.num);
	}
	m.part_size[3] = m.tracked ? viola_inflight_size(m.num, m.packed) : 1;
	for (i = 0; i < 4; i++)
		m.part[i] = exactly(m.part_size[i]);
	if (m.packed || m.in_order || m.tracked)
		m.record = exactly(m.num * sizeof(*m.record));
	m.in_flight = exactly(m.num * sizeof(bool));
	for (i = 0; i < HELD_MAX; i++) {
		m.held[i].seg = exactly(SEGS * sizeof(struct viola_seg));
		m.held[i].seg_gpa = exactly(SEGS * sizeof(u64));
	}
	m.buf = exactly(BURST * sizeof(*m.buf));
	step_reset(&in);
	m.hostile = how & 32;

	while (in.left)
		step(&in);

	for (i = 0; i < HELD_MAX; i++) {
		free(m.held[i].seg);
		free(m.held[i].seg_gpa);
	}
	free(m.buf);
	free(m.in_flight);
	free(m.record);
	for (i = 0; i < 4; i++)
		free(m.part[i]);
	for (i = 0; i < EXTENTS; i++)
		free(m.ext[i].base);
	return 0;
}
