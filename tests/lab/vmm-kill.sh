#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# viola-vmm on path viola is killed under traffic, at different moments. The
# module's threads, the pinned memory and the tap go with it at once, rmmod
# succeeds, and the next monitor finds the tap as if nothing had been.
set -uo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd -P)
# shellcheck source=lib/report.bash
source "$top/tests/lab/lib/report.bash"
# shellcheck source=lib/owner.bash
source "$top/tests/lab/lib/owner.bash"
self=$top/tests/lab/vmm-kill.sh
dir=$top/build/lab/vmm-kill
kernel=6.12

# --- in the lab ----------------------------------------------------------------

# judge NAME COMMAND…: one case, by the command's status and what it says
judge()
{
	local name="$moment: $1" said

	shift
	if said=$("$@" 2>&1); then
		printf 'ok - %s\n' "$name"
	else
		printf 'not ok - %s - %s\n' "$name" "$(tail -n 1 <<<"$said")"
	fi
}

load()
{
	insmod "$top/build/module/$(uname -r)/viola.ko"
}

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
	viola-vmm --mem 256M --cpus 1 --kernel \
		"$VIOLA_CACHE/kernel/$(uname -r)/boot/vmlinuz-$(uname -r)" \
		--initrd "$dir/initrd" --net path=viola,backend=tap,ifname=vtap0 \
		--serial1 "$dir/results" --append \
		"console=ttyS0 quiet ipv6.disable=1 panic=-1 viola.agent=$1+--warmup=20+--timeout-ms=10000+--wait-ms=60000+--settle-ms=0" \
		</dev/null >"$dir/console" 2>&1 &
	vmm=$!
}

# kill_at MOMENT ARGS PATTERN DELAY [COMMAND…]: SIGKILL that long after the
# console said PATTERN; COMMAND is what must be so before
kill_at()
{
	local moment=$1 pattern=$3 delay=$4 before status

	before=$(pinned)
	load
	viola-farend --iface vtap0 >"$dir/farend" 2>&1 &
	farend=$!
	start_vmm "$2"
	shift 4
	judge "the guest gets there" within 90 grep -qaE "$pattern" "$dir/console"
	sleep "$delay"
	(($# == 0)) || judge "the device is at work" "$@" "$before"
	judge "module stays while the monitor lives" refused
	kill -9 "$vmm"
	wait "$vmm"
	status=$?
	judge "module unloads at once" unload
	judge "it was the signal that ended the monitor" test "$status" = 137
	judge "pinned memory is back" pinned_is "$before"
	judge "no thread is left" no_workers
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
	jq -e '.status == "ok"' "$dir/results"
}

inside()
{
	local moment vmm farend first status=0

	modprobe -a tun tap
	ip tuntap add vtap0 mode tap vnet_hdr
	ip link set vtap0 up
	first=$(pinned)
	kill_at "guest starts" --rtt-count=0 'viola-init: ' 0.6
	kill_at "device starts" --rtt-count=1000 'viola-agent: .* ready' 0 at_work
	kill_at "round trips" --rtt-count=5000 'phase 2 rtt' 0.5 at_work
	kill_at "sending" --rtt-count=0+--rate=tx+--rate-ms=20000 'tx size 64' 1 at_work
	kill_at "receiving" --rtt-count=0+--rate=rx+--rate-ms=20000 'rx size 64' 1.5 at_work

	moment="the next monitor"
	load
	viola-farend --iface vtap0 >"$dir/farend" 2>&1 &
	farend=$!
	start_vmm --rtt-count=100+--rate-ms=200
	within 120 bash -c "! kill -0 $vmm" || kill -9 "$vmm"
	wait "$vmm" || status=$?
	judge "runs to its end on the same tap" test "$status" = 0
	judge "has all frames as sent" results_ok
	kill "$farend"
	judge "module unloads at once" unload
	judge "no page is pinned any more" pinned_is "$first"
	judge "tap can be deleted" ip link delete vtap0
}

if [[ ${1-} == --inside ]]; then
	inside
	exit
fi

# --- outside --------------------------------------------------------------------

cd "$top" || exit 1
status=0
mkdir -p "$dir"
if ! build/bin/viola-mkinitramfs --kernel "$kernel" --output "$dir/initrd"; then
	printf 'not ok - initramfs can be made\n0 passed, 1 failed, 0 skipped\n'
	exit 1
fi
build/bin/viola lab --quiet --kernel "$kernel" --timeout 1500 --log "$dir/lab-kernel.log" -- \
	bash "$self" --inside </dev/null >"$dir/out" 2>"$dir/err" || status=$?
rm -f "$dir/initrd"
lab_report "$status" "$dir/out" "$dir/err"
