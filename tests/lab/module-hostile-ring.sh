#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Verified traffic with every kind of ring that is offered; then a driver that
# writes nonsense into its rings, while another one passes traffic.
set -uo pipefail
# shellcheck source=lib/module.bash
source "$(dirname "$0")/lib/module.bash"

# The kernel's own device beside it: what it does, a driver may rely on.
calls()
{
	"$1" call
	"$1" --no-event-idx call | sed 's/call:/call, without event indices:/'
	modprobe vhost_net && "$1" --node /dev/vhost-net call | sed 's/call:/call, vhost-net:/'
}

inside()
{
	local vring=$module_top/build/bin/viola-test-vring

	module_load
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
	"$vring" log
	"$vring" --no-mergeable --indirect --no-event-idx log | sed 's/log:/log, plain ring:/'
	"$vring" --ring 1024 --slot 300 log | sed 's/log:/log, large ring, small buffers:/'
	"$vring" scatter
	calls "$vring"
	"$vring" nonsense
	check "unloads after all that" rmmod viola
}

module_test 300 "$@"
