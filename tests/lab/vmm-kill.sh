#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# viola-vmm on path viola is killed under traffic, at different moments. The
# module's threads, the pinned memory and the tap go with it at once, rmmod
# succeeds, and the next monitor finds the tap as if nothing had been.
# check: kernels=all smp=1 limit=1700 cost=120
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

dir=$lab_top/build/lab/vmm-kill

# --- in the lab ----------------------------------------------------------------

refused()
{
	if rmmod viola 2>/dev/null; then
		echo "rmmod removed the module below a running monitor"
		return 1
	fi
	[[ -d /sys/module/viola ]]
}

# No waiting here: the monitor is dead once its parent has heard of it, and its
# files are closed by then.
unload()
{
	rmmod viola
}

# start_vmm ARGS: a guest in the background, ARGS for its agent
start_vmm()
{
	rm -f "$dir/results" "$dir/console"
	viola-vmm --mem 256M --cpus 1 --kernel "$(lab_guest_kernel)" \
		--initrd "$dir/initrd" --net path=viola,backend=tap,ifname=vtap0 \
		--serial1 "$dir/results" --append "$(lab_guest_append \
		"console=ttyS0 viola.agent=$1+--verbose+--warmup=20+--timeout-ms=10000+--wait-ms=60000+--settle-ms=0")" \
		</dev/null >"$dir/console" 2>&1 &
	vmm=$!
}

reached_or_gone()
{
	has "$dir/console" "$1" || gone "$vmm"
}

# kill_at MOMENT ARGS PATTERN DELAY [COMMAND…]: SIGKILL that long after the
# console said PATTERN; COMMAND is what must be so before
kill_at()
{
	local moment=$1 pattern=$3 delay=$4 before status

	before=$(pinned)
	check "$moment: module loads" module_load
	viola-farend --iface vtap0 >"$dir/farend" 2>&1 &
	farend=$!
	start_vmm "$2"
	shift 4
	within 300 reached_or_gone "$pattern"
	check "$moment: the guest gets there" grep -aE "$pattern" "$dir/console"
	pause "$delay"
	(($# == 0)) || check "$moment: the device is at work" "$@" "$before"
	check "$moment: module stays while the monitor lives" refused
	kill -9 "$vmm"
	wait "$vmm"
	status=$?
	check "$moment: module unloads at once" unload
	check "$moment: it was the signal that ended the monitor" test "$status" = 137
	check "$moment: pinned memory is back" pinned_is "$before"
	check "$moment: no thread is left" no_workers
	kill "$farend"
	wait "$farend" 2>/dev/null
}

# at_work BEFORE: threads, and more pages pinned than before
at_work()
{
	workers || { echo "it has no threads"; return 1; }
	echo "no memory is pinned"
	(($(pinned) > $1))
}

results_ok()
{
	jq -c '[.status, .reason]' "$dir/results"
	jq -e '.status == "ok"' "$dir/results" >/dev/null
}

inside()
{
	local moment vmm farend first status=0

	modprobe -a tun tap || return
	ip tuntap add vtap0 mode tap vnet_hdr
	ip link set vtap0 up
	first=$(pinned)
	kill_at "guest starts" --rtt-count=0 'viola-init: ' 0.6
	kill_at "device starts" --rtt-count=1000 'viola-agent: .* ready' 0.01 at_work
	kill_at "round trips" --rtt-count=5000 'phase 2 rtt' 0.5 at_work
	kill_at "sending" --rtt-count=0+--rate=tx+--rate-ms=20000 'tx size 64' 1 at_work
	kill_at "receiving" --rtt-count=0+--rate=rx+--rate-ms=20000 'rx size 64' 1.5 at_work

	moment="the next monitor"
	check "$moment: module loads" module_load
	viola-farend --iface vtap0 >"$dir/farend" 2>&1 &
	farend=$!
	start_vmm --rtt-count=100+--rate-ms=200
	within 600 gone "$vmm" || kill -9 "$vmm"
	wait "$vmm" || status=$?
	check "$moment: runs to its end on the same tap" test "$status" = 0
	check "$moment: has all frames as sent" results_ok
	kill "$farend"
	check "$moment: module unloads at once" unload
	check "$moment: no page is pinned any more" pinned_is "$first"
	check "$moment: tap can be deleted" ip link delete vtap0
}

lab_main "$@"
for kernel in $(lab_kernels "$(lab_note kernels one)" "$@"); do
	mkdir -p "$dir"
	check "$kernel: initramfs is made" build/bin/viola-mkinitramfs --kernel "$kernel" \
		--output "$dir/initrd"
	lab_cases "$kernel"
	rm -f "$dir/initrd"
done
tap_end
