#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A virtual function of the lab's SR-IOV card in a guest of viola-vmm, with the card's own
# driver there: verified frames to the physical function and back; a monitor that is
# killed in the middle of them; what is said when the function cannot be had; and the
# function is its host's again afterwards.
#
#	tests/lab/vfio.sh [KERNEL]
#
# check: kernels=one smp=1 limit=1200 cost=90
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

dir=$lab_top/build/lab/vfio
devices=/sys/bus/pci/devices
card=$devices/0000:01:00.0
limit=300 # seconds for what a guest does; only a hang reaches it

# --- in the lab ----------------------------------------------------------------

monitor() # OPTION…
{
	exec viola-vmm --kernel "$(lab_guest_kernel)" --initrd "$dir/initrd" "$@" </dev/null
}

# refuses TEXT OPTION…: the monitor does not start, with status 2 and that sentence
refuses()
{
	local text=$1 status=0

	shift
	(monitor "$@") >/dev/null 2>"$dir/err" || status=$?
	[[ $status == 2 ]] && has "$dir/err" "$text" && return
	echo "status $status: $(cat "$dir/err")"
	return 1
}

bind() # ADDRESS DRIVER
{
	[[ ! -e $devices/$1/driver ]] || echo "$1" >"$devices/$1/driver/unbind"
	echo "$2" >"$devices/$1/driver_override"
	echo "$1" >/sys/bus/pci/drivers_probe
	[[ $(basename "$(readlink "$devices/$1/driver")") == "$2" ]]
}

start()
{
	rm -f "$dir/report"
	monitor --mem 256M --serial1 "$dir/report" --stats "$dir/stats" \
		--append "$(lab_guest_append "viola.agent=$1")" \
		--net "path=vf,host=$vf" >"$dir/console" 2>"$dir/err" &
	vmm=$!
}

frames_come() { [[ $(<"$card/net/eth0/statistics/rx_packets") -gt $1 ]]; }

# says FILE FILTER: whether jq makes "true" of it, once
says()
{
	[[ $(jq "$2" "$dir/$1") == true ]] && return
	head -c 2000 "$dir/$1"
	return 1
}

inside()
{
	local status=0 vmm vf other far before

	modprobe -a vfio-pci vfio_iommu_type1 igbvf
	ip link set eth0 up
	echo 2 >"$card/sriov_numvfs"
	vf=$(basename "$(readlink "$card/virtfn0")")
	other=$(basename "$(readlink "$card/virtfn1")")

	check "a device that is not there" refuses "there is no such PCI device" \
		--net path=vf,host=0000:7f:00.0
	check "a device of another driver" refuses "igbvf holds it" --net "path=vf,host=$vf"
	echo "$other" >"$devices/$other/driver/unbind"
	check "a device of no driver" refuses "no driver holds it" --net "path=vf,host=$other"
	echo "$other" >/sys/bus/pci/drivers_probe
	check "vfio-pci takes a function" bind "$vf" vfio-pci

	viola-farend --iface eth0 >/dev/null 2>&1 &
	far=$!
	before=$(<"$card/net/eth0/statistics/rx_packets")
	start "--rtt-count=1000000+--rate-ms=0+--wait-ms=60000"
	check "frames come from the guest" within $limit frames_come $((before + 20))
	check "a function in use is another's" refuses "another process uses its IOMMU group" \
		--net "path=vf,host=$vf"
	kill -KILL "$vmm"
	wait "$vmm"

	start "--rtt-count=100+--warmup=10+--rate-ms=50+--wait-ms=60000"
	check "the next guest runs to its end" within $limit gone "$vmm"
	gone "$vmm" || kill -KILL "$vmm"
	wait "$vmm" || status=$?
	check "with status 0" test $status = 0
	check "it drives the function by igbvf" says report '.driver == "igbvf"'
	check "all frames are whole, none is lost" says report '.status == "ok"'
	check "both ways, all sizes" says report '[.phases[] | select(.done | not)] == []'
	check "the function's registers cost no exit" \
		says stats '.pci[1].bars[0] == {"reads": 0, "writes": 0}'
	check "its vectors were set" says stats '.pci[1].msix.connects >= 3'
	kill "$far"

	check "its own driver takes it back" bind "$vf" igbvf
	echo >"$devices/$vf/driver_override"
	check "no override is left" test "$(<"$devices/$vf/driver_override")" = "(null)"
	check "nobody holds the group" test "$(fuser /dev/vfio/* 2>/dev/null | wc -w)" = 0
	echo 0 >"$card/sriov_numvfs"
	check "the card has no functions left" test ! -e "$card/virtfn0"
}

lab_main "$@"

# --- outside --------------------------------------------------------------------

mkdir -p "$dir"
for kernel in $(lab_kernels "$(lab_note kernels one)" "${@:1:1}"); do
	check "$kernel: initramfs can be made" build/bin/viola-mkinitramfs --kernel "$kernel" \
		--module igbvf --output "$dir/initrd"
	lab_cases "$kernel"
done
rm -f "$dir/initrd"
tap_end
