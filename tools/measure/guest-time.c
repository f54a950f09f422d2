// SPDX-License-Identifier: GPL-2.0
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/measure/guest-time.h"

/* What the programs keep for each CPU. */
struct guest_time_cpu {
	uint64_t entered;	/* ns; 0: not in guest mode */
	uint64_t spent;		/* ns */
};

/* The functions that run a vCPU, from the last instruction before to the first after. */
static const struct vcpu_run {
	const char *module, *function;
} vcpu_runs[] = {
	{ "kvm_amd", "svm_vcpu_run" },
	{ "kvm_intel", "vmx_vcpu_run" },
};

/* Where a function is: the type information of its module, and its number there. */
struct place {
	int btf_fd;
	int function;
};

/* The number of function @name among the module's own types, or 0. */
static int function_find(const struct btf *base, const struct btf *module, const char *name)
{
	const int end = btf__type_cnt(module);
	const struct btf_type *t;
	int i;

	for (i = btf__type_cnt(base); i < end; i++) {
		t = btf__type_by_id(module, i);
		if (btf_is_func(t) && !strcmp(btf__name_by_offset(module, t->name_off), name))
			return i;
	}
	return 0;
}

static const struct vcpu_run *vcpu_run_of(const char *module)
{
	size_t i;

	for (i = 0; i < sizeof(vcpu_runs) / sizeof(*vcpu_runs); i++)
		if (!strcmp(vcpu_runs[i].module, module))
			return &vcpu_runs[i];
	return NULL;
}

static bool place_in(const struct btf *base, __u32 id, const char *function, struct place *p)
{
	struct btf *module = btf__load_from_kernel_by_id_split(id, (struct btf *)base);

	if (!module)
		return false;
	p->function = function_find(base, module, function);
	p->btf_fd = p->function ? bpf_btf_get_fd_by_id(id) : -1;
	btf__free(module);
	return p->btf_fd >= 0;
}

/* Go through the kernel's type information until a vendor module's turns up. */
static int place_find_run(struct place *p, struct failure *f)
{
	struct btf *base = btf__load_vmlinux_btf();
	struct bpf_btf_info info;
	const struct vcpu_run *run;
	char name[64];
	bool found = false;
	__u32 id = 0, size;
	int fd;

	if (!base)
		return failure_set(f, errno, "the kernel has no type information (BTF): %s",
				   strerror(errno));
	while (!found && !bpf_btf_get_next_id(id, &id)) {
		fd = bpf_btf_get_fd_by_id(id);
		if (fd < 0)
			continue;
		memset(&info, 0, sizeof(info));
		memset(name, 0, sizeof(name));
		info.name = (uintptr_t)name;
		info.name_len = sizeof(name) - 1;
		size = sizeof(info);
		run = bpf_obj_get_info_by_fd(fd, &info, &size) ? NULL : vcpu_run_of(name);
		close(fd);
		found = run && place_in(base, id, run->function, p);
	}
	btf__free(base);
	return found ? 0 : failure_set(f, ENOENT,
		"the type information (BTF) of KVM's module is missing");
}

/* The few instructions that the programs consist of. */
#define OP(op, dst_, src_, off_, imm_) \
	((struct bpf_insn){ .code = (op), .dst_reg = (dst_), .src_reg = (src_), \
			    .off = (off_), .imm = (imm_) })
#define CALL(function)		OP(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##function)
#define MOVE(dst, src)		OP(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define MOVE_IMM(dst, imm)	OP(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define SHIFT_RIGHT(dst, imm)	OP(BPF_ALU64 | BPF_RSH | BPF_K, dst, 0, 0, imm)
#define ADD(dst, src)		OP(BPF_ALU64 | BPF_ADD | BPF_X, dst, src, 0, 0)
#define ADD_IMM(dst, imm)	OP(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, imm)
#define SUB(dst, src)		OP(BPF_ALU64 | BPF_SUB | BPF_X, dst, src, 0, 0)
#define LOAD(dst, src, off)	OP(BPF_LDX | BPF_MEM | BPF_DW, dst, src, off, 0)
#define STORE(dst, src, off)	OP(BPF_STX | BPF_MEM | BPF_DW, dst, src, off, 0)
#define STORE_IMM(dst, off, imm, width) OP(BPF_ST | BPF_MEM | (width), dst, 0, off, imm)
#define SKIP_NE(dst, src, n)	OP(BPF_JMP | BPF_JNE | BPF_X, dst, src, n, 0)
#define SKIP_ZERO(dst, n)	OP(BPF_JMP | BPF_JEQ | BPF_K, dst, 0, n, 0)
#define MAP(dst, fd)		OP(BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_FD, 0, fd), \
				OP(0, 0, 0, 0, 0)
#define MAP_VALUE(dst, fd)	OP(BPF_LD | BPF_DW | BPF_IMM, dst, BPF_PSEUDO_MAP_VALUE, 0, fd), \
				OP(0, 0, 0, 0, 0)
#define EXIT()			OP(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/*
 * What both begin with: leave unless this process counts, r7 = now, r0 = this
 * CPU's struct guest_time_cpu. @last is the number of instructions behind it, up
 * to the "r0 = 0" that ends a program.
 */
#define PROLOGUE(t, last) \
	CALL(get_current_pid_tgid), \
	SHIFT_RIGHT(BPF_REG_0, 32), \
	MAP_VALUE(BPF_REG_1, (t)->target), \
	LOAD(BPF_REG_1, BPF_REG_1, 0), \
	SKIP_NE(BPF_REG_0, BPF_REG_1, (last) + 9), \
	CALL(ktime_get_ns), \
	MOVE(BPF_REG_7, BPF_REG_0), \
	STORE_IMM(BPF_REG_10, -4, 0, BPF_W), \
	MOVE(BPF_REG_2, BPF_REG_10), \
	ADD_IMM(BPF_REG_2, -4), \
	MAP(BPF_REG_1, (t)->spent), \
	CALL(map_lookup_elem), \
	SKIP_ZERO(BPF_REG_0, last)

#define EPILOGUE() MOVE_IMM(BPF_REG_0, 0), EXIT()

static int program_load(const struct place *p, enum bpf_attach_type at,
			const struct bpf_insn *code, size_t n, struct failure *f)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		.expected_attach_type = at,
		.attach_btf_id = p->function,
		.attach_btf_obj_fd = p->btf_fd,
	);
	const int fd = bpf_prog_load(BPF_PROG_TYPE_TRACING, "viola_guest", "GPL", code, n,
				     &options);

	return fd >= 0 ? fd : failure_set(f, errno, "a BPF program cannot be loaded: %s",
					  strerror(errno));
}

static int programs_load(struct guest_time *t, const struct place *p, struct failure *f)
{
	const struct bpf_insn entry[] = {
		PROLOGUE(t, 1),
		STORE(BPF_REG_0, BPF_REG_7, offsetof(struct guest_time_cpu, entered)),
		EPILOGUE(),
	};
	const struct bpf_insn leave[] = {
		PROLOGUE(t, 7),
		LOAD(BPF_REG_1, BPF_REG_0, offsetof(struct guest_time_cpu, entered)),
		SKIP_ZERO(BPF_REG_1, 5),
		STORE_IMM(BPF_REG_0, offsetof(struct guest_time_cpu, entered), 0, BPF_DW),
		SUB(BPF_REG_7, BPF_REG_1),
		LOAD(BPF_REG_2, BPF_REG_0, offsetof(struct guest_time_cpu, spent)),
		ADD(BPF_REG_2, BPF_REG_7),
		STORE(BPF_REG_0, BPF_REG_2, offsetof(struct guest_time_cpu, spent)),
		EPILOGUE(),
	};

	t->program[0] = program_load(p, BPF_TRACE_FENTRY, entry,
				     sizeof(entry) / sizeof(*entry), f);
	t->program[1] = program_load(p, BPF_TRACE_FEXIT, leave,
				     sizeof(leave) / sizeof(*leave), f);
	return t->program[0] < 0 || t->program[1] < 0 ? -EINVAL : 0;
}

static int programs_attach(struct guest_time *t, struct failure *f)
{
	int i;

	for (i = 0; i < 2; i++) {
		t->link[i] = bpf_raw_tracepoint_open(NULL, t->program[i]);
		if (t->link[i] < 0)
			return failure_set(f, errno, "a BPF program cannot be attached: %s",
					   strerror(errno));
	}
	return 0;
}

static int maps_make(struct guest_time *t, struct failure *f)
{
	t->target = bpf_map_create(BPF_MAP_TYPE_ARRAY, "viola_target", 4, 8, 1, NULL);
	t->spent = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "viola_spent", 4,
				  sizeof(struct guest_time_cpu), 1, NULL);
	if (t->target < 0 || t->spent < 0)
		return failure_set(f, errno, "a BPF map cannot be made: %s", strerror(errno));
	return 0;
}

static int silent(enum libbpf_print_level level, const char *format, va_list list)
{
	return 0;
}

int guest_time_open(struct guest_time *t, struct failure *f)
{
	struct place p = { .btf_fd = -1 };
	int err;

	*t = (struct guest_time){
		.open = true, .target = -1, .spent = -1, .program = { -1, -1 }, .link = { -1, -1 },
	};
	libbpf_set_print(silent);
	err = place_find_run(&p, f);
	if (!err) {
		err = maps_make(t, f);
		err = err ?: programs_load(t, &p, f);
		err = err ?: programs_attach(t, f);
		close(p.btf_fd);
	}
	if (err)
		guest_time_close(t);
	return err;
}

void guest_time_close(struct guest_time *t)
{
	const int fds[] = {
		t->link[0], t->link[1], t->program[0], t->program[1], t->target, t->spent,
	};
	size_t i;

	if (!t->open)
		return;
	for (i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	t->open = false;
}

void guest_time_target(struct guest_time *t, pid_t pid)
{
	const uint64_t value = pid;
	const uint32_t key = 0;

	if (t->open)
		bpf_map_update_elem(t->target, &key, &value, BPF_ANY);
}

bool guest_time_read(const struct guest_time *t, uint64_t *ns)
{
	const int cpus = libbpf_num_possible_cpus();
	struct guest_time_cpu *cpu;
	const uint32_t key = 0;
	bool ok;
	int i;

	if (!t->open || cpus < 1)
		return false;
	cpu = calloc(cpus, sizeof(*cpu));
	ok = cpu && !bpf_map_lookup_elem(t->spent, &key, cpu);
	*ns = 0;
	for (i = 0; ok && i < cpus; i++)
		*ns += cpu[i].spent;
	free(cpu);
	return ok;
}
