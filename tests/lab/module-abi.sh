#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The ioctls of /dev/viola-net in odd orders and with hostile arguments. The
# same cases run against vhost-net where the two are to agree: what is expected
# is then what the kernel does, not what we believe. vhost-net has no worker
# ioctls; those are held against vhost-scsi's, which 6.1 has not either.
# check: kernels=one smp=2 limit=1500 shared=1 cost=30
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

vring=$lab_top/build/bin/viola-test-vring

# By its own exports, not by what it answers.
workers_known()
{
	grep -qw vhost_worker_ioctl /proc/kallsyms
}

queues=/sys/kernel/debug/viola/queues

# With one CPU for everything, as a small guest's host may be.
one_cpu()
{
	local cpu

	for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do
		[[ ! -e $cpu ]] || echo "$1" >"$cpu" || return 1
	done
}

stream_is_gathered()
{
	local pid status=0

	# What is a stream is told by the clock; an emulated machine is slow by the clock.
	echo 1000 >/sys/module/viola/parameters/gather_us
	"$vring" --count 100000 traffic &
	pid=$!
	within 120 has "$queues" 'gathers=[1-9]' ||
		{ echo "nothing gathered"; kill "$pid"; status=1; }
	wait "$pid" || status=1
	echo 50 >/sys/module/viola/parameters/gather_us
	return $status
}

round_trips_are_not()
{
	local pid last=

	"$vring" --count 3000 rtt &
	pid=$!
	while [[ -e /proc/$pid ]] && kill -0 "$pid" 2>/dev/null; do
		last=$(grep 'queue=0' "$queues" || echo "$last")
		[[ $last != *gathers=[1-9]* ]] || { echo "gathered"; kill "$pid"; return 1; }
		pause 0.1
	done
	wait "$pid" && [[ $last == *gathers=0* ]]
}

inside()
{
	local abi=$lab_top/build/bin/viola-test-abi

	check "module loads" module_load
	modprobe vhost_net
	cases "viola-net: " "$abi" /dev/viola-net
	cases "vhost-net: " "$abi" --vhost /dev/vhost-net
	if modprobe vhost_scsi && [[ -e /dev/vhost-scsi ]] && workers_known; then
		cases "vhost-scsi: " "$abi" --workers /dev/vhost-scsi
	else
		skip "vhost-scsi: workers" "it has none in this kernel"
	fi
	check "ring moved between workers, all wakes seen" \
		"$vring" --count 2000 --workers rtt
	check "traffic while rings change workers" \
		"$vring" --count 5000 --size 0 --workers traffic
	check "traffic through rings of 16 while they change workers" \
		"$vring" --count 3000 --size 0 --ring 16 --workers traffic
	cases "" "$vring" workers
	mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
	check "one CPU is enough" one_cpu 0
	check "a stream of single frames is gathered" stream_is_gathered
	check "round trips are not" round_trips_are_not
	check "all CPUs again" one_cpu 1
	check "unloads after all that" rmmod viola
}

lab_run "$@"
