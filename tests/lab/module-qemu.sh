#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# An unmodified QEMU uses /dev/viola-net through vhostfd=, its guest a stock
# kernel: files both ways, with segmentation offload and mergeable buffers; a
# reset of the driver in between; and without those features.
# check: kernels=one smp=1 limit=1700 cost=90
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

bytes=$((3 << 20))
work=/tmp/qemu

# fetch PORT FILE: the guest's file by HTTP
fetch()
{
	{
		exec 8<>"/dev/tcp/10.9.0.2/$1" &&
			printf 'GET /file HTTP/1.0\r\n\r\n' >&8 &&
			tail -c $bytes <&8 >"$2" && exec 8>&-
	} 2>/dev/null
}

reach()
{
	true 2>/dev/null >"/dev/tcp/10.9.0.2/$1"
}

# The far end in round $1: gives the file, takes it back, lets the guest go on.
far_end()
{
	busybox nc -l -p $((5000 + $1)) <"$work/file" >/dev/null
	# Until the guest is ready, nobody listens there.
	within 60 fetch $((6000 + $1)) "$work/back.$1"
	within 60 reach $((7000 + $1))
}

# Of qemu_run(), its $out and $pid: the guest is done, or its QEMU is gone.
guest_ended()
{
	has "$out" 'guest: done' || gone "$pid"
}

# qemu_run NAME DEVICE-OPTIONS: one guest's life
qemu_run()
{
	local name=$1 options=$2 round pid far sum out=$work/console

	: >"$out"
	rm -f "$work"/back.*
	{
		far_end 1
		far_end 2
	} &
	far=$!
	exec 9<>/dev/viola-net
	qemu-system-x86_64 -M q35 -accel kvm -cpu host -m 256M -nodefaults -no-user-config \
		-display none -no-reboot -serial "file:$out" \
		-kernel "$(lab_guest_kernel)" \
		-initrd "$work/initramfs" -append "$(lab_guest_append console=ttyS0)" \
		-netdev tap,id=n0,ifname=vtap0,script=no,downscript=no,vhost=on,vhostfd=9 \
		-device "virtio-net-pci,netdev=n0,$options" 2>"$work/qemu.err" &
	pid=$!
	exec 9>&-
	within 1200 guest_ended
	if ! grep -q 'guest: done' "$out"; then
		not_ok "$name: the guest ends" \
			"$(tail -n 1 "$work/qemu.err") $(tail -c 200 "$out" | tr -c '[:print:]' ' ')"
		cat /sys/kernel/debug/viola/queues >&2
		kill -9 $pid $far
		wait $pid $far 2>/dev/null
		return
	fi
	sum=$(md5sum <"$work/file" | cut -d' ' -f1)
	for round in 1 2; do
		check "$name: ping, driver started $round times" \
			grep -q "guest: ping $round works" "$out"
		check "$name: file to the guest, $round" grep -q "guest: file $round $sum" "$out"
		check "$name: file from the guest, $round" cmp "$work/file" "$work/back.$round"
	done
	wait $pid
	equal "$name: QEMU ends well" 0 $? "$(cat "$work/qemu.err")"
	wait $far
}

# Packets and bytes of each queue, time after time: the counters go with the
# device, so they are looked at while the guest lives.
watch_counters()
{
	while pause 0.2; do
		sed -n 's/.* queue=\([01]\) .* packets=\([0-9]*\) bytes=\([0-9]*\) .*/\1 \2 \3/p' \
			/sys/kernel/debug/viola/queues
	done >"$work/counters"
}

# The largest mean size of the frames that queue $1 moved between two looks
largest_mean()
{
	awk -v queue="$1" '$1 == queue {
		n = $2 - packets; size = n > 0 ? int(($3 - bytes) / n) : 0
		if (size > max) max = size
		packets = $2; bytes = $3
	} END { print max + 0 }' "$work/counters"
}

inside()
{
	local watcher rx tx

	mkdir -p "$work"
	head -c $bytes /dev/urandom >"$work/file"
	# Outside the lab, viola-agent and the kernels are where they are here.
	check "initramfs is made" "$lab_top/build/bin/viola-mkinitramfs" \
		--kernel "$(uname -r)" --output "$work/initramfs" \
		--init "$lab_top/tests/lab/lib/qemu-guest-init"
	check "module loads" module_load
	ip tuntap add vtap0 mode tap vnet_hdr
	ip addr add 10.9.0.1/24 dev vtap0
	ip link set vtap0 up

	watch_counters &
	watcher=$!
	qemu_run "all offloads" "mrg_rxbuf=on"
	kill $watcher
	rx=$(largest_mean 0)
	tx=$(largest_mean 1)
	if ((rx > 1600)); then
		ok "frames to the guest are larger than an MTU ($rx bytes on average for a while)"
	else
		not_ok "frames to the guest are larger than an MTU" "$rx bytes on average at the most"
	fi
	if ((tx > 1600)); then
		ok "frames from the guest are larger than an MTU ($tx bytes on average for a while)"
	else
		not_ok "frames from the guest are larger than an MTU" "$tx bytes on average at the most"
	fi
	qemu_run "no offloads" \
		"mrg_rxbuf=off,event_idx=off,indirect_desc=off,guest_tso4=off,host_tso4=off,csum=off"
	check "unloads after that" rmmod viola
}

# A guest that QEMU nests in two emulated CPUs dies now and then, see
# Documentation/lab.md.
lab_run "$@"
