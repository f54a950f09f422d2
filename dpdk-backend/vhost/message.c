// SPDX-License-Identifier: GPL-2.0
#include "dpdk-backend/vhost/message.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_version.h>
#include <viola/checked.h>
#include <viola/ring.h>

#include "dpdk-backend/vhost/kick.h"

/*
 * Behind the message the library keeps the files that came with it. Where, depends
 * on its largest payload, one of its crypto device's.
 */
#if RTE_VER_YEAR < 25
#define FILES_AT 644u
#else
#define FILES_AT 1084u
#endif

struct files {
	int fd[MESSAGE_REGIONS]; /* -1: none */
	int count;
} __attribute__((packed));

/*
 * The files of @m; NULL if the library keeps them elsewhere than assumed: unused
 * places are -1, and the rest are numbers of files.
 */
static struct files *message_files(struct message *m)
{
	struct files *f = (struct files *)((u8 *)m + FILES_AT);
	int i;

	if (f->count < 0 || f->count > (int)MESSAGE_REGIONS)
		return NULL;
	for (i = 0; i < (int)MESSAGE_REGIONS; i++)
		if (i < f->count ? f->fd[i] < 0 || f->fd[i] > 1 << 20 : f->fd[i] != -1)
			return NULL;
	return f;
}

static void files_close(struct files *f)
{
	int i;

	for (i = 0; f && i < f->count; i++) {
		close(f->fd[i]);
		f->fd[i] = -1;
	}
}

/*
 * Whether the pages of @fd are this machine's memory. A file of FUSE, or of a remote
 * machine, has who touches a page wait for its owner, and fstat() do so already.
 */
static bool file_is_memory(int fd)
{
	struct statx st;

	/* tmpfs, memfds and hugetlbfs have seals and nothing else has; no owner is asked. */
	if (fcntl(fd, F_GET_SEALS) >= 0)
		return true;
	/* Nor here: what is known will do. Devices of memory, such as DAX. */
	return !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) &&
	       S_ISCHR(st.stx_mode);
}

/*
 * Maps @fd as far as @len bytes from @offset on, if it is memory that does not end before
 * that. Otherwise NULL, and @why says what is wrong with a memory region. The library does
 * the same, but it does not close a file whose mapping fails, and it keeps what it has of
 * the memory table without a check (22.11 to 25.11 at least). A file that is long enough
 * now may be cut short later: see hole.h.
 */
static void *file_map(int fd, u64 offset, u64 len, const char **why)
{
	struct stat st;
	void *at;

	*why = "a memory region is of no file of shared memory, such as one on a disk; let QEMU "
	       "have memory-backend-memfd,share=on, or a file in /dev/shm or hugetlbfs";
	if (!len || !file_is_memory(fd) || fstat(fd, &st))
		return NULL;
	*why = "the file of a memory region is shorter than the region";
	if (!S_ISCHR(st.st_mode) &&
	    !(S_ISREG(st.st_mode) && viola_within(offset, len, (u64)st.st_size)))
		return NULL;
	*why = "the file of a memory region cannot be mapped: it is sealed against writing, or "
	       "larger than the address space";
	at = mmap(NULL, offset + len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

static bool file_holds(int fd, u64 offset, u64 len, const char **why)
{
	void *at = file_map(fd, offset, len, why);

	if (at)
		munmap(at, offset + len);
	return at;
}

/* --- payloads --------------------------------------------------------------- */

static bool region_valid(const struct message_region *r)
{
	u64 end;

	return r->size && viola_add_u64(r->gpa, r->size, &end) &&
	       viola_add_u64(r->user_addr, r->size, &end) &&
	       viola_add_u64(r->offset, r->size, &end) && end <= (u64)1 << 52;
}

static bool overlap(u64 a, u64 a_len, u64 b, u64 b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* Whether all regions can be mapped at the same time. */
static bool files_hold(const struct message *m, const struct files *f, const char **why)
{
	u32 i, n, count = min(m->memory.count, MESSAGE_REGIONS);
	void *at[MESSAGE_REGIONS];
	u64 len[MESSAGE_REGIONS];

	for (n = 0; n < count; n++) {
		struct message_region r = m->memory.region[n];

		at[n] = file_map(f->fd[n], r.offset, r.size, why);
		len[n] = r.offset + r.size;
		if (!at[n])
			break;
	}
	for (i = 0; i < n; i++)
		munmap(at[i], len[i]);
	return n == count;
}

static const char *check_memory(const struct message *m, const struct files *f, bool packed)
{
	u32 i, k, count = m->memory.count;
	const char *why;

	if (count > MESSAGE_REGIONS || m->size < 8 + count * sizeof(struct message_region))
		return "the memory table is longer than its message";
	if (f && f->count != (int)count)
		return "the memory table has another number of files than of regions";
	for (i = 0; i < count; i++) {
		struct message_region r = m->memory.region[i];

		if (!region_valid(&r))
			return "a memory region is empty or wraps around";
		for (k = 0; k < i; k++)
			if (overlap(r.gpa, r.size, m->memory.region[k].gpa,
				    m->memory.region[k].size) ||
			    overlap(r.user_addr, r.size, m->memory.region[k].user_addr,
				    m->memory.region[k].size))
				return "memory regions overlap";
	}
	return f && !files_hold(m, f, &why) ? why : NULL;
}

static const char *check_region(const struct message *m, const struct files *f, bool packed)
{
	struct message_region r = m->region.region;
	const char *why;

	if (!region_valid(&r))
		return "a memory region is empty or wraps around";
	if (m->request != MESSAGE_ADD_MEM_REG || !f)
		return NULL;
	if (f->count != 1)
		return "a memory region has another number of files than one";
	return file_holds(f->fd[0], r.offset, r.size, &why) ? NULL : why;
}

static const char *check_log(const struct message *m, const struct files *f, bool packed)
{
	const char *ignored;

	/* With an offset the library maps one place of the file and names another. */
	if (m->log.offset)
		return "the dirty log is not at the beginning of its file";
	if (f && !file_holds(f->fd[0], 0, m->log.size, &ignored))
		return "the dirty log is empty, longer than its file, or not in shared memory";
	return NULL;
}

static const char *check_inflight_numbers(const struct message *m)
{
	if (!m->inflight.queues || m->inflight.queues > MESSAGE_QUEUES ||
	    !m->inflight.queue_size || m->inflight.queue_size > VIOLA_RING_MAX_SIZE)
		return "in-flight regions are for 1 to 256 queues of 1 to 32768 entries";
	return NULL;
}

/* The region is the back end's memory, of which the front end has the file. */
#define INFLIGHT_MOST (16u << 20) /* bytes: twice what 256 queues of 1024 need */

static const char *check_get_inflight(const struct message *m, const struct files *f, bool packed)
{
	const char *why = check_inflight_numbers(m);

	if (!why && viola_inflight_size(m->inflight.queue_size, true) * m->inflight.queues >
			    INFLIGHT_MOST)
		why = "in-flight regions of more than 16 MiB are not made";
	return why;
}

static const char *check_set_inflight(const struct message *m, const struct files *f, bool packed)
{
	const char *why = check_inflight_numbers(m), *ignored;
	/* The library's stride: what it needs, in steps of 64 bytes. */
	u64 each = (viola_inflight_size(m->inflight.queue_size, packed) + 63) & ~63ull;

	if (why)
		return why;
	if (m->inflight.size < each * m->inflight.queues)
		return "the in-flight region is smaller than its queues";
	if (m->inflight.offset % 4096 ||
	    (f && !file_holds(f->fd[0], m->inflight.offset, m->inflight.size, &ignored)))
		return "the in-flight region is longer than its file, or that is no shared memory";
	return NULL;
}

/*
 * Nothing is ever sent on the channel for the back end's requests. So it is not
 * kept: it could be the front end's own end of the connection, or hold that in its
 * queue, and then nobody would ever learn that the connection ended.
 */
static const char *check_channel(const struct message *m, const struct files *f, bool packed)
{
	int null = f ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
	bool done = null >= 0 && dup2(null, f->fd[0]) >= 0;

	if (null >= 0)
		close(null);
	return done ? NULL : "no room for the channel of requests";
}

static const char *check_num(const struct message *m, const struct files *f, bool packed)
{
	u32 num = m->state.num;

	if (!(packed ? viola_packed_num_valid(num) : viola_ring_num_valid(num)))
		return "ring size not supported: 1 to 32768, for a split ring a power of two";
	return NULL;
}

static const char *check_notifier(const struct message *m, const struct files *f, bool packed)
{
	return f && f->count && eventfd_or_none(f->fd[0]) < 0 ? "a notifier is no eventfd" : NULL;
}

static const char *check_mtu(const struct message *m, const struct files *f, bool packed)
{
	/* As the library has it. */
	return m->number < 68 || m->number > 65535 ? "an MTU is 68 to 65535 bytes" : NULL;
}

static const char *check_status(const struct message *m, const struct files *f, bool packed)
{
	return m->number > 255 ? "a device's status has 8 bits" : NULL;
}

/* --- requests --------------------------------------------------------------- */

#define ANY 64u /* no protocol feature is needed */

enum files_rule {
	FILES_NONE,
	FILES_ONE,
	FILES_MAYBE, /* bit 8 of the number says there is none */
	FILES_REGIONS, /* see check */
};

struct rule {
	bool known;
	u8 size; /* bytes of payload */
	bool longer; /* is accepted */
	enum files_rule files;
	unsigned int feature; /* what must be offered */
	bool queue; /* names a queue in its first 4 bytes */
	bool asks; /* and changes nothing */
	const char *(*check)(const struct message *m, const struct files *f, bool packed);
};

static const struct rule rules[] = {
	[MESSAGE_GET_FEATURES] = { true, .longer = true, .feature = ANY, .asks = true },
	[MESSAGE_SET_FEATURES] = { true, .size = 8, .feature = ANY },
	[MESSAGE_SET_OWNER] = { true, .longer = true, .feature = ANY },
	[MESSAGE_RESET_OWNER] = { true, .longer = true, .feature = ANY },
	[MESSAGE_SET_MEM_TABLE] = { true, .size = 8, .longer = true, .files = FILES_REGIONS,
				    .feature = ANY, .check = check_memory },
	[MESSAGE_SET_LOG_BASE] = { true, .size = 16, .files = FILES_ONE,
				   .feature = PROTOCOL_LOG_SHMFD, .check = check_log },
	[MESSAGE_SET_LOG_FD] = { true, .longer = true, .files = FILES_ONE, .feature = ANY },
	[MESSAGE_SET_VRING_NUM] = { true, .size = 8, .feature = ANY, .queue = true,
				    .check = check_num },
	[MESSAGE_SET_VRING_ADDR] = { true, .size = 40, .feature = ANY, .queue = true },
	[MESSAGE_SET_VRING_BASE] = { true, .size = 8, .feature = ANY, .queue = true },
	[MESSAGE_GET_VRING_BASE] = { true, .size = 8, .feature = ANY, .queue = true },
	[MESSAGE_SET_VRING_KICK] = { true, .size = 8, .files = FILES_MAYBE, .feature = ANY,
				     .check = check_notifier },
	[MESSAGE_SET_VRING_CALL] = { true, .size = 8, .files = FILES_MAYBE, .feature = ANY,
				     .check = check_notifier },
	[MESSAGE_SET_VRING_ERR] = { true, .size = 8, .files = FILES_MAYBE, .feature = ANY },
	[MESSAGE_GET_PROTOCOL_FEATURES] = { true, .longer = true, .feature = ANY,
					    .asks = true },
	[MESSAGE_SET_PROTOCOL_FEATURES] = { true, .size = 8, .feature = ANY },
	[MESSAGE_GET_QUEUE_NUM] = { true, .longer = true, .feature = PROTOCOL_MQ, .asks = true },
	[MESSAGE_SET_VRING_ENABLE] = { true, .size = 8, .feature = ANY, .queue = true },
	[MESSAGE_SEND_RARP] = { true, .size = 8, .feature = PROTOCOL_RARP },
	[MESSAGE_NET_SET_MTU] = { true, .size = 8, .feature = PROTOCOL_NET_MTU,
				  .check = check_mtu },
	[MESSAGE_SET_BACKEND_REQ_FD] = { true, .longer = true, .files = FILES_ONE,
					 .feature = PROTOCOL_BACKEND_REQ,
					 .check = check_channel },
	[MESSAGE_GET_INFLIGHT_FD] = { true, .size = 24, .feature = PROTOCOL_INFLIGHT_SHMFD,
				      .check = check_get_inflight },
	[MESSAGE_SET_INFLIGHT_FD] = { true, .size = 24, .files = FILES_ONE,
				      .feature = PROTOCOL_INFLIGHT_SHMFD,
				      .check = check_set_inflight },
	[MESSAGE_RESET_DEVICE] = { true, .longer = true, .feature = PROTOCOL_RESET_DEVICE },
	[MESSAGE_GET_MAX_MEM_SLOTS] = { true, .longer = true,
					.feature = PROTOCOL_CONFIGURE_MEM_SLOTS, .asks = true },
	[MESSAGE_ADD_MEM_REG] = { true, .size = 40, .files = FILES_REGIONS,
				  .feature = PROTOCOL_CONFIGURE_MEM_SLOTS, .check = check_region },
	[MESSAGE_REM_MEM_REG] = { true, .size = 40, .files = FILES_REGIONS,
				  .feature = PROTOCOL_CONFIGURE_MEM_SLOTS, .check = check_region },
	[MESSAGE_SET_STATUS] = { true, .size = 8, .feature = PROTOCOL_STATUS,
				 .check = check_status },
	[MESSAGE_GET_STATUS] = { true, .longer = true, .feature = PROTOCOL_STATUS, .asks = true },
};

static bool files_valid(const struct message *m, const struct rule *rule, const struct files *f)
{
	switch (rule->files) {
	case FILES_NONE:
		return !f->count;
	case FILES_ONE:
		return f->count == 1;
	case FILES_MAYBE:
		return f->count == (m->number & 0x100 ? 0 : 1);
	case FILES_REGIONS:
		break;
	}
	return true;
}

static const char *message_check(const struct message *m, const struct files *f, u64 protocol,
				 bool packed)
{
	const struct rule *rule;

	if ((m->flags & MESSAGE_VERSION_MASK) != MESSAGE_VERSION || m->flags & MESSAGE_REPLY)
		return "a message is none of the protocol's version 1";
	rule = m->request < ARRAY_SIZE(rules) ? &rules[m->request] : NULL;
	if (!rule || !rule->known ||
	    (rule->feature != ANY && !(protocol >> rule->feature & 1)))
		return "a message belongs to a feature that is not offered";
	if (rule->longer ? m->size < rule->size : m->size != rule->size)
		return "a message has not the size of its kind";
	if (f && !files_valid(m, rule, f))
		return "a message has not the files of its kind";
	return rule->check ? rule->check(m, f, packed) : NULL;
}

bool message_admit(struct message *m, u64 protocol, bool packed, const char **why)
{
	struct files *f = message_files(m);

	*why = message_check(m, f, protocol, packed);
	if (!*why)
		return true;
	files_close(f);
	return false;
}

bool message_asks(const struct message *m)
{
	return m->request < ARRAY_SIZE(rules) && rules[m->request].asks;
}

u32 message_queue(const struct message *m)
{
	switch (m->request) {
	case MESSAGE_SET_VRING_KICK:
	case MESSAGE_SET_VRING_CALL:
	case MESSAGE_SET_VRING_ERR:
		return (u32)(m->number & 0xff);
	default:
		break;
	}
	if (m->request < ARRAY_SIZE(rules) && rules[m->request].queue)
		return min(m->state.index, MESSAGE_QUEUES);
	return MESSAGE_QUEUES;
}
