#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Verified traffic with every kind of ring that is offered; then a driver that
# writes nonsense into its rings, while another one passes traffic.
# check: kernels=all smp=2 limit=900 shared=1 cost=15
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

# The kernel's own device beside it: what it does, a driver may rely on.
calls()
{
	cases "" "$1" call
	cases "without event indices: " "$1" --no-event-idx call
	modprobe vhost_net
	cases "vhost-net: " "$1" --node /dev/vhost-net call
}

inside()
{
	local vring=$lab_top/build/bin/viola-test-vring

	check "module loads" module_load
	modprobe -a macvtap veth
	check "traffic" "$vring" --count 5000 --size 0 traffic
	check "traffic without event indices" "$vring" --count 5000 --size 0 --no-event-idx traffic
	check "traffic through indirect tables" "$vring" --count 5000 --size 0 --indirect traffic
	check "traffic without mergeable buffers" \
		"$vring" --count 5000 --size 0 --no-mergeable traffic
	check "traffic into buffers smaller than a frame" \
		"$vring" --count 5000 --size 0 --slot 300 traffic
	check "traffic through rings of 16" "$vring" --count 3000 --size 0 --ring 16 traffic
	check "traffic through rings of 4096" "$vring" --count 5000 --size 0 --ring 4096 traffic
	check "traffic with busy polling" "$vring" --count 3000 --size 0 --busyloop 50 traffic
	check "traffic with macvtap" "$vring" --count 3000 --size 0 --backend macvtap traffic
	check "traffic with a packet socket" "$vring" --count 3000 --size 0 --backend packet traffic
	cases "" "$vring" log
	cases "plain ring: " "$vring" --no-mergeable --indirect --no-event-idx log
	cases "large ring, small buffers: " "$vring" --ring 1024 --slot 300 log
	cases "" "$vring" scatter
	calls "$vring"
	cases "" "$vring" nonsense
	check "unloads after all that" rmmod viola
}

lab_run "$@"
