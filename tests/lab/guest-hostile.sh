#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# On each path two guests side by side: one runs viola-havoc, a driver that
# writes nonsense into registers and rings, the other one passes verified
# traffic. The other one must not notice; the monitor of the hostile guest, built
# with ASan and UBSan, must live or end with a sentence; the lab's kernel must
# have nothing to complain of and get rid of the module.
#
#	tests/lab/guest-hostile.sh [PATH]	only this path
set -uo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd -P)
# shellcheck source=lib/report.bash
source "$top/tests/lab/lib/report.bash"
self=$top/tests/lab/guest-hostile.sh
dir=$top/build/lab/guest-hostile
kernel=6.12
seconds=12
limit=450 # of one path, in seconds

# --- in the lab ----------------------------------------------------------------

# judge NAME COMMAND…: one case, by the command's status; WHY is the variable why
judge()
{
	local name="$path: $1"

	shift
	if "$@"; then
		printf 'ok - %s\n' "$name"
	else
		printf 'not ok - %s - %s\n' "$name" "$why"
	fi
}

# start_vmm TAP LOG PROGRAM APPEND [OPTION…]: a guest in the background
start_vmm()
{
	local tap=$1 log=$2 program=$3 append=$4

	shift 4
	exec timeout -s KILL "$limit" "$program" --mem 256M --cpus 1 --kernel \
		"$VIOLA_CACHE/kernel/$(uname -r)/boot/vmlinuz-$(uname -r)" \
		--initrd "$dir/initrd" --net "path=$path,backend=tap,ifname=$tap" \
		--append "console=ttyS0 quiet ipv6.disable=1 panic=-1 $append" \
		"$@" </dev/null >"$log" 2>&1
}

# The interface that the hostile guest gets has traffic as well.
feed()
{
	local small big

	small=$(printf '%020d' 0)
	big=$(printf '%01400d' 0)
	while sleep 0.01; do
		printf '%s' "$small" >/dev/udp/10.66.0.2/9
		printf '%s' "$big" >/dev/udp/10.66.0.2/9
	done 2>/dev/null
}

said()
{
	tr -d '\r' <"$1" | grep -aE "$2" | tail -n 1
}

# No signal, no sanitizer: the guest's end, or the monitor's own sentence.
hostile_ended()
{
	why="exit status $hostile_status: $(tail -n 1 "$bad" | tr -d '\r')"
	if grep -qaE 'Sanitizer|runtime error:' "$bad"; then
		why=$(said "$bad" 'Sanitizer|runtime error:')
		return 1
	fi
	case $hostile_status in
	0 | 3) ;;
	1) said "$bad" '^viola-vmm: .' | grep -q . ;;
	*) return 1 ;;
	esac
}

# It played for its time, or to the end of its own machine: a guest may stop
# itself (an INIT to its CPU will do), as long as the monitor says so.
hostile_played()
{
	why="it said: $(said "$bad" 'havoc|viola-init|Kernel panic|viola-vmm' )"
	if ((hostile_status == 1)) && grep -qsa "^havoc: begins" "$bad"; then
		said "$bad" '^viola-vmm: KVM cannot go on with vCPU' | grep -q .
		return
	fi
	[[ $(said "$bad" '^havoc: done') =~ rounds\ ([0-9]+) ]] && ((BASH_REMATCH[1] >= 3))
}

good_ended()
{
	why="exit status $good_status: $(tail -n 1 "$good" | tr -d '\r')"
	((good_status == 0))
}

good_results()
{
	why="$(jq -c '[.status, .reason]' "$results" 2>&1 | tail -n 1)"
	jq -e '.status == "ok"' "$results" >/dev/null 2>&1
}

overlapped()
{
	why="havoc from $begun to $done_at, traffic from $ready to $finished"
	((begun && ready && begun < finished && ready < done_at))
}

one_path()
{
	local path=$1 bad=$dir/$1.hostile good=$dir/$1.good results=$dir/$1.json why='' hostile_pid
	local good_pid farend_pid feed_pid hostile_status='' good_status='' begun=0 ready=0
	local done_at=0 finished=0 tap

	rm -f "$results" "$bad" "$good"
	for tap in vtap0 vtap1; do
		ip tuntap add "$tap" mode tap vnet_hdr
		ip link set "$tap" up
	done
	ip addr add 10.66.0.1/24 dev vtap1
	ip neigh add 10.66.0.2 lladdr 02:00:00:00:00:02 dev vtap1 nud permanent
	viola-farend --iface vtap0 >"$dir/$path.farend" 2>&1 &
	farend_pid=$!
	feed &
	feed_pid=$!
	start_vmm vtap1 "$bad" "$VIOLA_HOSTILE_VMM" \
		"viola.run=viola-havoc+--seconds+$seconds+--seed+$seed" &
	hostile_pid=$!
	start_vmm vtap0 "$good" viola-vmm \
		"viola.agent=--rtt-count=250+--warmup=50+--rate-ms=800+--timeout-ms=10000+--wait-ms=60000+--settle-ms=500" \
		--serial1 "$results" &
	good_pid=$!
	while [[ -z $hostile_status || -z $good_status ]]; do
		((begun)) || ! grep -qsa "^havoc: begins" "$bad" || begun=$(date +%s%N)
		((ready)) || ! grep -qsa "viola-agent: .* ready" "$good" || ready=$(date +%s%N)
		if [[ -z $hostile_status && ! -e /proc/$hostile_pid/exe ]]; then
			hostile_status=0
			wait "$hostile_pid" || hostile_status=$?
			done_at=$(date +%s%N)
		fi
		if [[ -z $good_status && ! -e /proc/$good_pid/exe ]]; then
			good_status=0
			wait "$good_pid" || good_status=$?
			finished=$(date +%s%N)
		fi
		sleep 0.2
	done
	kill "$feed_pid" "$farend_pid"
	wait "$feed_pid" "$farend_pid" 2>/dev/null

	judge "the hostile guest had its time (seed $seed)" hostile_played
	judge "its monitor has no fault" hostile_ended
	judge "both ran at the same time" overlapped
	judge "the other guest runs to its end" good_ended
	judge "the other guest's frames are all as sent" good_results
	printf '# %s: %s\n' "$path" "$(said "$bad" '^havoc: done')"
	for tap in vtap0 vtap1; do
		why="it cannot be deleted"
		judge "tap $tap is free" ip link delete "$tap"
	done
}

inside()
{
	local path why=''

	modprobe -a tun tap vhost_net
	insmod "$top/build/module/$(uname -r)/viola.ko"
	for path in $1; do
		one_path "$path"
	done
	path=module
	why="rmmod refuses"
	judge "unloads at once" rmmod viola
	why=$(pgrep -l 'viola-[0-9]' | head -n 1)
	judge "leaves no thread" test -z "$why"
}

if [[ ${1-} == --inside ]]; then
	seed=$3
	inside "$2"
	exit
fi

# --- outside --------------------------------------------------------------------

cd "$top" || exit 1
mkdir -p "$dir"
# Only what crosses from the guest into the monitor needs the sanitizers.
if env -u MAKEFLAGS -u MAKELEVEL make --no-print-directory -j2 B=build/asan \
	CFLAGS="-O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined" \
	build/asan/bin/viola-vmm >"$dir/make.log" 2>&1; then
	vmm=$top/build/asan/bin/viola-vmm
else
	printf 'not ok - viola-vmm builds with sanitizers - %s\n' "$(tail -n 1 "$dir/make.log")"
	printf '0 passed, 1 failed, 0 skipped\n'
	exit 1
fi
if ! build/bin/viola-mkinitramfs --kernel "$kernel" --output "$dir/initrd" \
	--add build/bin/viola-havoc:bin/viola-havoc; then
	printf 'not ok - initramfs can be made\n0 passed, 1 failed, 0 skipped\n'
	exit 1
fi
status=0
# Two guests at a time want one CPU (Documentation/lab.md, "Nested guests").
VIOLA_HOSTILE_VMM=$vmm build/bin/viola lab --quiet --kernel "$kernel" --smp 1 --timeout 1700 \
	--log "$dir/lab-kernel.log" -- bash "$self" --inside \
	"${1-e1000 virtio vhost viola}" "${VIOLA_SEED-$((RANDOM + 1))}" \
	</dev/null >"$dir/out" 2>"$dir/err" || status=$?
rm -f "$dir/initrd"
lab_report "$status" "$dir/out" "$dir/err"
