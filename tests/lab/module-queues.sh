#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The user guide's recipe for several queues by QEMU, as it is written there: QEMU takes
# it, and each queue pair is served by a device of its own. No guest runs.
# check: kernels=one smp=1 limit=1200 cost=20
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

counters=/sys/kernel/debug/viola/queues

# recipe PATTERN: what matches in the guide, up to a blank or the end of its shell's words
recipe()
{
	grep -o -- "$1[^ ']*" "$lab_top/Documentation/user-guide.md" | head -n 1
}

# Two pairs are four queues.
served()
{
	[[ $(grep -c ' queue=' $counters) -eq 4 ]]
}

inside()
{
	local netdev device said ifindex

	check "module loads" module_load
	modprobe -a macvtap veth
	ip link add eth-guide type veth peer name far-guide
	ip link add link eth-guide name mv0 type macvtap mode bridge
	ip link set eth-guide up
	ip link set mv0 up
	netdev=$(recipe 'tap,id=n0,fds=')
	device=$(recipe 'virtio-net-pci,netdev=n0,mq=on')
	# The guide leaves this one to the shell.
	device=${device%,mac=*},mac=$(</sys/class/net/mv0/address)
	ifindex=$(</sys/class/net/mv0/ifindex)
	exec 3<>"/dev/tap$ifindex" 4<>"/dev/tap$ifindex" 5<>/dev/viola-net 6<>/dev/viola-net
	said=$({
		echo 'info network'
		within 600 served && echo quit
	} | timeout 900 qemu-system-x86_64 -M q35 -accel tcg -m 64M -nodefaults -no-user-config \
		-display none -S -monitor stdio -netdev "$netdev" -device "$device" 2>&1)
	if [[ $said == *'type=tap'*'type=tap'* && $said != *'qemu-system-x86_64:'* ]]; then
		ok "the guide's recipe for two queue pairs: QEMU takes it"
	else
		not_ok "the guide's recipe for two queue pairs: QEMU takes it" \
			"$(tail -n 1 <<<"$said")"
	fi
}

lab_run "$@"
