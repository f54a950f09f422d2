#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The owner is killed in the middle of traffic. Its memory, its threads and its
# tap go at once, and the module can be removed.
set -uo pipefail
# shellcheck source=lib/module.bash
source "$(dirname "$0")/lib/module.bash"

vring=$module_top/build/bin/viola-test-vring
flood_log=/tmp/flood.out

kill_one()
{
	local pid

	"$vring" --count 0 --size 0 "$@" flood >"$flood_log" &
	pid=$!
	within 30 grep -q flowing "$flood_log" || return 1
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	[[ ! -e /proc/$pid ]] || return 1
	within 5 bash -c '! pgrep "^viola-[0-9]"' || { echo "threads are left"; return 1; }
}

kill_ten()
{
	local i

	for ((i = 0; i < 10; i++)); do
		: >"$flood_log"
		kill_one "$@" || return 1
	done
}

tap_removed()
{
	local pid

	# The interface goes while the device holds the tap's file.
	: >"$flood_log"
	"$vring" --count 0 --size 0 flood >"$flood_log" 2>&1 &
	pid=$!
	within 30 grep -q flowing "$flood_log" || return 1
	nsenter -t "$pid" -n ip link delete vtap0
	sleep 0.5
	kill -9 "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	return 0
}

available() # KiB
{
	awk '/^MemAvailable:/ { print $2 }' /proc/meminfo
}

memory_back() # BEFORE, in KiB
{
	echo 3 >/proc/sys/vm/drop_caches
	(($1 - $(available) < 8192))
}

inside()
{
	local before

	module_load
	check "owner killed under traffic" kill_one
	before=$(available)
	check "ten owners killed under traffic" kill_ten
	# What was freed by RCU and by workers of the kernel comes back in its time.
	if within 30 memory_back "$before"; then
		ok "their memory came back"
	else
		not_ok "their memory came back" "$before KiB before, $(available) KiB after"
	fi
	check "ten owners killed while rings change workers" kill_ten --workers
	check "interface deleted under traffic" tap_removed
	check "traffic works afterwards" "$vring" --count 1000 traffic
	check "module is removed at once" rmmod viola
}

module_test 180 "$@"
