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
# check: kernels=one smp=1 limit=7000 cost=150
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

dir=$lab_top/build/lab/guest-hostile
kernel=6.12
seconds=$(lab_rounds 8 60)
limit=1800 # of one path, in seconds, for what hangs

# --- in the lab ----------------------------------------------------------------

# start_vmm TAP LOG PROGRAM APPEND [OPTION…]: a guest in the background
start_vmm()
{
	local tap=$1 log=$2 program=$3 append=$4

	shift 4
	exec timeout -s KILL "$limit" "$program" --mem 256M --cpus 1 --kernel \
		"$(lab_guest_kernel)" --initrd "$dir/initrd" --net "path=$path,backend=tap,ifname=$tap" \
		--append "$(lab_guest_append "console=ttyS0 $append")" \
		"$@" </dev/null >"$log" 2>&1
}

# The interface that the hostile guest gets has traffic as well.
feed()
{
	local small big

	small=$(printf '%020d' 0)
	big=$(printf '%01400d' 0)
	while pause 0.1; do
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
	echo "exit status $hostile_status: $(tail -n 1 "$bad" | tr -d '\r')"
	! said "$bad" 'Sanitizer|runtime error:' | grep . || return
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
	echo "it said: $(said "$bad" 'havoc|viola-init|Kernel panic|viola-vmm' )"
	if ((hostile_status == 1)) && grep -qsa "^havoc: begins" "$bad"; then
		said "$bad" '^viola-vmm: KVM cannot go on with vCPU' | grep -q .
		return
	fi
	[[ $(said "$bad" '^havoc: done') =~ rounds\ ([0-9]+) ]] && ((BASH_REMATCH[1] >= 3))
}

good_ended()
{
	echo "exit status $good_status: $(tail -n 1 "$good" | tr -d '\r')"
	((good_status == 0))
}

good_results()
{
	jq -c '[.status, .reason]' "$results"
	jq -e '.status == "ok"' "$results" >/dev/null 2>&1
}

# comes LOG PATTERN PID: waits for that line, or for the end of the guest that writes it
comes()
{
	until has "$1" "$2"; do
		[[ -e /proc/$3/exe ]] || { has "$1" "$2"; return; }
		pause 0.2
	done
}

overlapped()
{
	echo "traffic was ready: $ready, havoc then began: $begun, and went on: $playing"
	((ready && begun && playing))
}

one_path()
{
	local path=$1 bad=$dir/$1.hostile good=$dir/$1.good results=$dir/$1.json hostile_pid
	local good_pid farend_pid feed_pid hostile_status=0 good_status=0 begun=0 ready=0
	local playing=0 tap

	rm -f "$results" "$bad" "$good"
	for tap in vtap0 vtap1; do
		ip tuntap add "$tap" mode tap vnet_hdr
		ip link set "$tap" up
	done
	ip addr add 10.66.0.1/24 dev vtap1
	ip neigh add 10.66.0.2 lladdr 02:00:00:00:00:02 dev vtap1 nud permanent
	# Both at the same time, however slow the machine is: the traffic needs a far end,
	# and that comes when the hostile guest plays.
	start_vmm vtap0 "$good" viola-vmm \
		"viola.agent=--rtt-count=250+--warmup=50+--rate-ms=400+--timeout-ms=10000+--wait-ms=600000+--settle-ms=500" \
		--serial1 "$results" &
	good_pid=$!
	! comes "$good" "viola-agent: .* ready" "$good_pid" || ready=1
	feed &
	feed_pid=$!
	start_vmm vtap1 "$bad" viola-test-vmm-asan \
		"viola.run=viola-havoc+--seconds+$seconds+--seed+$seed" &
	hostile_pid=$!
	! comes "$bad" "havoc: begins" "$hostile_pid" || begun=1
	viola-farend --iface vtap0 >"$dir/$path.farend" 2>&1 &
	farend_pid=$!
	comes "$dir/$path.farend" "says hello" "$good_pid"
	has "$bad" "havoc: done" || playing=1
	wait "$hostile_pid" || hostile_status=$?
	wait "$good_pid" || good_status=$?
	kill "$feed_pid" "$farend_pid"
	wait "$feed_pid" "$farend_pid" 2>/dev/null

	check "$path: the hostile guest had its time (seed $seed)" hostile_played
	check "$path: its monitor has no fault" hostile_ended
	check "$path: both ran at the same time" overlapped
	check "$path: the other guest runs to its end" good_ended
	check "$path: the other guest's frames are all as sent" good_results
	note "$path: $(said "$bad" '^havoc: done')"
	for tap in vtap0 vtap1; do
		check "$path: tap $tap is free" ip link delete "$tap"
	done
}

inside()
{
	local path

	seed=$2
	check "module loads" module_load
	check "vhost-net loads" modprobe vhost_net
	for path in $1; do
		one_path "$path"
	done
	check "module: unloads at once" rmmod viola
	check "module: leaves no thread" no_workers
}

lab_main "$@"

# --- outside --------------------------------------------------------------------

mkdir -p "$dir"
check "initramfs is made" build/bin/viola-mkinitramfs --kernel "$kernel" --output "$dir/initrd" \
	--add build/bin/viola-havoc:bin/viola-havoc
# Two guests at a time want one CPU (Documentation/lab.md, "Nested guests").
lab_cases "$kernel" -- \
	"${1-e1000 virtio vhost viola}" "${VIOLA_SEED-$((RANDOM + 1))}"
rm -f "$dir/initrd"
tap_end
