#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The lab itself: does `viola lab` keep its word? Every check starts a real
# machine; together they take about three minutes on two CPUs.
#
#	tests/lab/lab-selftest.sh [PATTERN]	only checks whose name matches
#
# The same file, started inside the lab with --inside, tells what it finds there.
# check: smp=1 cost=150
set -uo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
self=$top/tests/lab/lab-selftest.sh

# Inside ---------------------------------------------------------------------

# A virtual machine inside the machine: its kernel's first line is proof that
# KVM runs guest code.
inner_machine() {
	local out=/tmp/inner.log pid i

	qemu-system-x86_64 -M microvm,pit=on,pic=on -accel kvm -cpu host -m 256M -nodefaults \
		-no-user-config -display none -no-reboot -serial "file:$out" \
		-kernel "$VIOLA_CACHE/kernel/$(uname -r)/boot/vmlinux-$(uname -r)" \
		-append "earlyprintk=ttyS0 console=ttyS0 panic=-1" 2>/tmp/inner.err &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		grep -q "Linux version" "$out" 2>/dev/null && break
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -9 "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	grep -q "Linux version" "$out" 2>/dev/null && echo booted && return
	echo "none: $(tail -n 1 /tmp/inner.err)"
}

# Verified frames from the first VF to its PF and back
vf_frames() {
	local card=$1 vf agent far

	ip link set eth0 up
	modprobe igbvf
	echo 1 >"$card/sriov_numvfs"
	vf=$(ls "$card/virtfn0/net")
	ip link set "$vf" up
	viola-farend --iface eth0 >/dev/null 2>&1 &
	far=$!
	# It waits for the carrier.
	agent=$(viola-agent --iface "$vf" --rtt-count 20 --warmup 0 --rate-ms 0 \
		--wait-ms 120000 --json - 2>/dev/null)
	kill $far
	wait $far 2>/dev/null
	jq -r '"\(.driver) \(.status) \([.phases[].guest.received] | add)"' <<<"$agent"
	echo 0 >"$card/sriov_numvfs"
}

inside() {
	local nic=/sys/bus/pci/devices/0000:01:00.0 shared=$1

	echo "release=$(uname -r)"
	echo "host=$(uname -n)"
	echo "user=$(id -u)"
	echo "cwd=$PWD"
	echo "kernel=$VIOLA_LAB_KERNEL mode=$VIOLA_LAB_MODE lab=$VIOLA_LAB"
	echo "cpus=$(nproc)"
	echo "command=$(command -v viola)"
	echo "shm=$([[ -w /dev/shm && -e /dev/fd/0 && -c /dev/ptmx ]] && echo yes)"
	echo "lo=$(ip -br address show lo | grep -c '127.0.0.1/8')"
	echo "debug=$([[ -d /sys/kernel/debug/kvm && -r /sys/kernel/tracing/trace ]] && echo yes)"
	echo "npt=$(cat /sys/module/kvm_amd/parameters/npt 2>/dev/null ||
		cat /sys/module/kvm_intel/parameters/ept 2>/dev/null)"
	echo "totalvfs=$(cat $nic/sriov_totalvfs)"
	echo "group=$(basename "$(readlink $nic/iommu_group)")"
	modprobe -a tun vhost_net vfio-pci vfio_iommu_type1
	echo "modules=$? tun=$([[ -c /dev/net/tun ]] && echo yes) vhost=$([[ -c /dev/vhost-net ]] &&
		echo yes) vfio=$([[ -c /dev/vfio/vfio ]] && echo yes)"
	echo 7 >$nic/sriov_numvfs
	echo "vfs=$(find $nic/ -maxdepth 1 -name 'virtfn*' | wc -l)" \
		"vfgroups=$(for v in "$nic"/virtfn*; do readlink "$v/iommu_group"; done | sort -u | wc -l)"
	echo 0 >$nic/sriov_numvfs
	echo "vfframes=$(vf_frames $nic)"
	echo "headers=$([[ -f /lib/modules/$(uname -r)/build/Makefile ]] && echo yes)"
	echo "tree=$(cat "$shared.host")"
	echo "from the lab" >"$shared.lab"
	touch "$HOME/viola-lab-selftest" && echo "scratch=yes"
	echo "inner=$(inner_machine)"
}

if [[ ${1:-} == --inside ]]; then
	inside "$2"
	exit
fi

# Outside --------------------------------------------------------------------

pattern=${1:-}
viola=$top/build/bin/viola
cache=${VIOLA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/viola}
temp=$(mktemp -d)
shared=$top/build/lab/selftest.$$	# files that both sides see
mkdir -p "${shared%/*}"
trap 'rm -rf "$temp"; rm -f "$shared".*' EXIT
# shellcheck source=../lib/tap.bash
source "$top/tests/lib/tap.bash"

wanted() { [[ -z $pattern || $1 == *$pattern* ]]; }

# check NAME GOT EXPECTED
check() {
	equal "$1" "$3" "$2" "$(cat "$temp/err" 2>/dev/null)"
}

# lab ARGS...: runs it with streams in $temp/out and $temp/err, sets $status.
lab() {
	"$viola" lab --timeout 600 "$@" >"$temp/out" 2>"$temp/err"
	status=$?
}

# check_line NAME PATTERN: a line of $temp/out is that extended regular expression
check_line() {
	if grep -qxE "$2" "$temp/out"; then
		ok "$1"
	else
		not_ok "$1" "no line '$2'" "$(cat "$temp/out" "$temp/err")"
	fi
}

# Is any process a child of the launcher? Asked while it lives.
machine_of() { ps -o pid= --ppid "$1" | tr -d ' '; }

wait_gone() {
	local i

	for ((i = 0; i < 1200; i++)); do
		[[ -d /proc/$1 ]] || return 0
		sleep 0.1
	done
	return 1
}

# start_lab ARGS...: in the background; sets $launcher and $machine.
start_lab() {
	local i

	"$viola" lab --timeout 600 "$@" >"$temp/out" 2>"$temp/err" &
	launcher=$!
	machine=""
	for ((i = 0; i < 1200 && ${#machine} == 0; i++)); do
		sleep 0.1
		machine=$(machine_of "$launcher")
	done
}

test_machine() {
	local k=$1 release word

	wanted "machine-$k" || return 0
	if ! release=$("$top/tools/kernels" "$k" 2>/dev/null); then
		skip "machine-$k" "no kernel $k in the cache"
		return 0
	fi
	echo "from the host" >"$shared.host"
	cd "$top/tools" || return
	lab --kernel "$k" --smp 2 --verbose -- bash "$self" --inside "$shared"
	cd "$top" || return
	check "machine-$k: status" "$status" 0
	word=$(sed -n 's/^viola lab: command started after \(.*\)$/\1/p' "$temp/err")
	echo "# $k: command started after ${word:-?}"
	check_line "machine-$k: release" "release=${release//+/\\+}"
	check_line "machine-$k: host name" "host=lab"
	check_line "machine-$k: root" "user=0"
	check_line "machine-$k: caller's folder" "cwd=$top/tools"
	check_line "machine-$k: environment" "kernel=${release//+/\\+} mode=$("$viola" lab --mode) lab=1"
	check_line "machine-$k: CPUs" "cpus=2"
	check_line "machine-$k: the tree's programs first in PATH" "command=$viola"
	check_line "machine-$k: /dev" "shm=yes"
	check_line "machine-$k: loopback" "lo=1"
	check_line "machine-$k: debugfs and tracefs" "debug=yes"
	check_line "machine-$k: nested paging" "npt=[Y1]"
	check_line "machine-$k: SR-IOV card" "totalvfs=7"
	check_line "machine-$k: IOMMU group" "group=[0-9]+"
	check_line "machine-$k: modules" "modules=0 tun=yes vhost=yes vfio=yes"
	check_line "machine-$k: VFs with groups of their own" "vfs=7 vfgroups=7"
	check_line "machine-$k: a VF's frames reach the PF and come back" "vfframes=igbvf ok 40"
	check_line "machine-$k: headers for module builds" "headers=yes"
	check_line "machine-$k: reads what the host wrote" "tree=from the host"
	check "machine-$k: host reads what it wrote" \
		"$(cat "$shared.lab" 2>&1)" "from the lab"
	check_line "machine-$k: scratch" "scratch=yes"
	rm -f "$shared".*
	check "machine-$k: scratch is thrown away" "$(ls "$HOME/viola-lab-selftest" 2>/dev/null)" ""
	check_line "machine-$k: a guest runs in its KVM" "inner=booted"
}

test_status() {
	wanted status || return 0
	# shellcheck disable=SC2016 # for the lab's shell
	lab -- sh -c 'kill -9 $$'
	check "status: killed by signal 9" "$status" 137
	lab -- /no/such/program
	check "status: no such program" "$status" 127
}

test_streams() {
	local sum

	wanted streams || return 0
	head -c 1048576 /dev/urandom >"$temp/data"
	sum=$(sha256sum <"$temp/data")
	cp "$temp/data" "$shared.data"
	lab --quiet -- sh -c "cat '$shared.data'; echo to stderr >&2; exit 42"
	check "streams: 1 MiB of stdout, every byte" "$(sha256sum <"$temp/out")" "$sum"
	check "streams: stderr apart" "$(cat "$temp/err")" "to stderr"
	check "streams: status after output" "$status" 42
	# shellcheck disable=SC2016 # for the lab's shell
	"$viola" lab --quiet --timeout 400 -- \
		sh -c 'for i in 1 2 3 4 5; do echo o$i; echo e$i >&2; done; cat' >"$temp/out" 2>&1
	check "streams: order kept when both go to one file" "$(tr '\n' ' ' <"$temp/out")" \
		"o1 e1 o2 e2 o3 e3 o4 e4 o5 e5 "
	# A reader that goes away must not leave a machine that runs on.
	"$viola" lab --quiet --timeout 400 -- yes 2>"$temp/err" | head -n 1 >"$temp/out"
	check "streams: reader gone" "${PIPESTATUS[0]} $(cat "$temp/out")" "141 y"
}

test_shell() {
	wanted shell || return 0
	# shellcheck disable=SC2016 # for the lab's shell
	"$viola" lab --quiet --timeout 400 --shell -- sh -c \
		'test -t 0 && test -t 1 && echo is-a-terminal; read -r line; echo "read:$line"; exit 9' \
		<<<"hello there" >"$temp/out" 2>"$temp/err"
	check "shell: status" "$?" 9
	check "shell: terminal" "$(grep -c '^is-a-terminal' "$temp/out")" 1
	check "shell: input arrives" "$(grep -c '^read:hello there' "$temp/out")" 1
}

test_limit() {
	local begin=$SECONDS

	wanted limit || return 0
	"$viola" lab --timeout 20 -- sleep 1000 >"$temp/out" 2>"$temp/err"
	check "limit: status" "$?" 124
	# Far from the 1000 s that the command takes.
	check "limit: kept" "$((SECONDS - begin < 300))" 1
	check "limit: says so" "$(grep -c 'time limit of 20 s reached' "$temp/err")" 1
}

test_interrupt() {
	wanted interrupt || return 0
	start_lab --quiet -- sleep 1000
	kill -TERM "$launcher"
	wait "$launcher" 2>/dev/null
	check "interrupt: status after TERM" "$?" 143
	if [[ -n $machine ]] && wait_gone "$machine"; then
		ok "interrupt: TERM ends the machine"
	else
		not_ok "interrupt: TERM ends the machine" "QEMU is process ${machine:-unknown}"
	fi
	start_lab --quiet -- sleep 1000
	kill -KILL "$launcher"
	wait "$launcher" 2>/dev/null
	if [[ -n $machine ]] && wait_gone "$machine"; then
		ok "interrupt: even KILL ends the machine"
	else
		not_ok "interrupt: even KILL ends the machine" "QEMU is process ${machine:-unknown}"
	fi
}

test_kernel_log() {
	wanted kernel-log || return 0
	lab --log "$temp/kernel.log" -- \
		sh -c 'echo "<4>WARNING: CPU: 0 PID: 1 at selftest" >/dev/kmsg; exit 3'
	check "kernel-log: a warning" "$status" 70
	check "kernel-log: the line is shown" "$(grep -c '  \[.*at selftest' "$temp/err")" 1
	check "kernel-log: where it was asked for" "$(grep -c 'at selftest' "$temp/kernel.log")" 1
	# The sysrq has the kernel print every blocked task with "Call Trace".
	lab -- sh -c 'echo l >/proc/sysrq-trigger; sleep 1'
	check "kernel-log: a call trace" "$status" 70
	lab -- sh -c 'echo c >/proc/sysrq-trigger'
	check "kernel-log: a panic" "$status" 70
	check "kernel-log: a panic is told" "$(grep -c 'the lab machine panicked' "$temp/err")" 1
}

test_icount() {
	wanted icount || return 0
	# shellcheck disable=SC2016 # for the lab's shell
	lab --icount --verbose -- sh -c 'echo "$VIOLA_LAB_MODE $(nproc)"; uname -r'
	check "icount: status" "$status" 0
	check "icount: mode and CPUs" "$(head -n 1 "$temp/out")" "lab-icount 1"
	check "icount: --mode says so before" "$("$viola" lab --mode --icount)" lab-icount
	echo "# icount: $(sed -n 's/^viola lab: \(command started.*\)$/\1/p' "$temp/err")"
}

# Which QEMU runs: the one of the cache where CPUs are emulated, if it is there.
test_qemu() {
	local empty=$top/build/lab/selftest-cache.$$

	wanted qemu || return 0
	if [[ ! -x $cache/qemu/lab/qemu-system-x86_64 ]]; then
		skip "qemu: mended" "no QEMU in the cache"
	else
		lab --icount -- viola-test-injected 5
		equal "qemu: an injected interrupt arrives once" "0 injected=5 handled=5" \
			"$status $(cat "$temp/out")"
		equal "qemu: the cache's own is told" 1 "$(grep -c ', mended QEMU [0-9]' "$temp/err")"
	fi
	start_lab --icount --quiet -- sleep 1000
	equal "qemu: what runs" \
		"$(readlink -f "$cache/qemu/lab/qemu-system-x86_64" || command -v qemu-system-x86_64)" \
		"$(readlink "/proc/$machine/exe")"
	kill -TERM "$launcher"
	wait "$launcher" 2>/dev/null
	VIOLA_QEMU=/no/such/qemu lab --icount -- true
	equal "qemu: another one, by name" "125 1" \
		"$status $(grep -c 'cannot run /no/such/qemu' "$temp/err")"
	mkdir -p "$empty"
	ln -sfn "$cache/kernel" "$empty/kernel"
	# It says so before it starts; a lab cannot follow that link.
	VIOLA_CACHE=$empty lab --icount -- true
	equal "qemu: the packaged one is told" 1 \
		"$(grep -c 'packaged QEMU, where nested guests may hang' "$temp/err")"
	rm -r "$empty"
}

test_usage() {
	wanted usage || return 0
	lab
	check "usage: no command" "$status" 2
	lab --kernel 2.6 -- true
	check "usage: unknown kernel" "$status" 2
	lab --mem 4 -- true
	check "usage: memory without a unit" "$status" 2
	lab --icount --smp 2 -- true
	check "usage: two CPUs with --icount" "$status" 2
	VIOLA_LAB=1 lab -- true
	check "usage: a lab in the lab" "$status" 2
	"$viola" no-such-command >"$temp/out" 2>"$temp/err"
	check "usage: unknown viola command" "$?" 2
	"$viola" help >"$temp/out" 2>"$temp/err"
	check "usage: help lists lab" "$? $(grep -cE '^  lab +[A-Za-z]' "$temp/out")" "0 1"
	"$top/tools/kernels" 2.6 >"$temp/out" 2>"$temp/err"
	check "usage: tools/kernels, unknown kernel" "$?" 2
}

test_usage
while read -r kernel _; do
	[[ $kernel != 6.12 && ${VIOLA_CHECK-} != all ]] || test_machine "$kernel" </dev/null
done < <("$top/tools/kernels")
test_status
test_streams
test_shell
test_limit
test_interrupt
test_kernel_log
test_icount
test_qemu
tap_end
