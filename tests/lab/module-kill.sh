#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The owner is killed in the middle of traffic. Its memory, its threads and its
# tap go at once, and the module can be removed.
# check: kernels=all smp=2 limit=1500 shared=1 cost=40
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

vring=$lab_top/build/bin/viola-test-vring
flood_log=/tmp/flood.out
owners=$(lab_rounds 5 20)

kill_one()
{
	local pid

	"$vring" --count 0 --size 0 "$@" flood >"$flood_log" &
	pid=$!
	within 120 has "$flood_log" flowing || { echo "no traffic"; return 1; }
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	[[ ! -e /proc/$pid ]] || return 1
	within 60 no_workers || { echo "threads are left"; return 1; }
}

kill_some()
{
	local i

	for ((i = 0; i < owners; i++)); do
		: >"$flood_log"
		kill_one "$@" || return 1
	done
}

# The interface goes while the device holds the tap's file. The owner goes on with a
# device that leads nowhere, until it is killed.
tap_removed()
{
	local pid why=''

	: >"$flood_log"
	"$vring" --count 0 --size 0 flood >"$flood_log" 2>&1 &
	pid=$!
	if ! within 120 has "$flood_log" flowing; then
		why="no traffic"
	elif ! nsenter -t "$pid" -n ip link delete vtap0; then
		why="the interface cannot be deleted"
	elif nsenter -t "$pid" -n ip link show vtap0 2>/dev/null; then
		why="the interface is still there"
	elif gone "$pid"; then
		why="the owner ended by itself: $(tail -n 1 "$flood_log")"
	fi
	kill -9 "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	[[ $? == 137 || -n $why ]] || why="the owner ended by itself"
	[[ -n $why ]] || within 60 no_workers || why="threads are left"
	echo "$why"
	[[ -z $why ]]
}

# Five owners have 11 MB; what is free is steady to 1 MB.
memory_back() # BEFORE, in KiB
{
	local now

	now=$(memory_free)
	echo "$1 KiB were free before, $now after"
	(($1 - now < 4096))
}

# What RCU and workers of the kernel free comes back in its time.
memory_back_soon()
{
	within 30 memory_back "$1" || memory_back "$1"
}

inside()
{
	local free pages

	check "module loads" module_load
	memory_steady
	pages=$(pinned)
	check "$owners owners killed under traffic" kill_some
	check "no page of theirs is pinned" pinned_is "$pages"
	free=$(memory_free)
	check "$owners more killed under traffic" kill_some
	check "no page of those is pinned" pinned_is "$pages"
	check "their memory came back" memory_back_soon "$free"
	check "$owners owners killed while rings change workers" kill_some --workers
	check "nor a page of these" pinned_is "$pages"
	check "interface deleted under traffic" tap_removed
	check "traffic works afterwards" "$vring" --count 1000 traffic
	check "module is removed at once" rmmod viola
}

lab_run "$@"
