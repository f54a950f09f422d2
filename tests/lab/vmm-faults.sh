#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# viola-vmm where something outside goes wrong: its tap is deleted, the reader of
# its console stops reading, its terminal hangs up; and what a guest is told of
# the tap and of its processors.
#
#	tests/lab/vmm-faults.sh [CASE…]
#
# The same file, started inside the lab with --inside, runs the machines there.
set -uo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd -P)
# shellcheck source=lib/report.bash
source "$top/tests/lab/lib/report.bash"
# shellcheck source=lib/owner.bash
source "$top/tests/lab/lib/owner.bash"
self=$top/tests/lab/vmm-faults.sh
dir=$top/build/lab/vmm-faults
kernel=6.12
limit=400 # seconds for what a guest does; only a hang reaches it
monitor=${VIOLA_TEST_VMM:-viola-vmm} # an older one, to see what it fails

# --- in the lab ----------------------------------------------------------------

# judge NAME COMMAND…: one case, by the command's status and what it says
judge()
{
	local name=$1 said

	shift
	if said=$("$@" 2>&1); then
		printf 'ok - %s\n' "$name"
	else
		printf 'not ok - %s - %s\n' "$name" "$(tail -n 1 <<<"$said")"
	fi
}

# start APPEND [OPTION…]: a guest in the background, standard output as it is
start()
{
	local append=$1

	shift
	rm -f "$dir/report"
	"$monitor" --kernel "$VIOLA_CACHE/kernel/$(uname -r)/boot/vmlinuz-$(uname -r)" \
		--initrd "$dir/initrd" --append "quiet panic=-1 ipv6.disable=1 $append" \
		--serial1 "$dir/report" "$@" </dev/null 2>"$dir/err" &
	vmm=$!
}

# reports TEXT: whether the guest's report has that line
reports()
{
	tr -d '\r' <"$dir/report" | grep -qxF "$1" && return
	echo "the report ends with '$(tail -n 1 "$dir/report")', and errors are: $(cat "$dir/err")"
	return 1
}

gone()
{
	! kill -0 "$vmm" 2>/dev/null && return
	echo "the monitor is in state $(awk '/^State/ { print $2, $3 }' "/proc/$vmm/status")"
	return 1
}

said_or_gone()
{
	reports "$1" || gone
}

# await TEXT: until the guest reports it or the monitor has ended
await()
{
	within $limit said_or_gone "$1"
	reports "$1"
}

ended()
{
	within "$1" gone
	gone
}

# ends NAME: the monitor ends by itself, with status 0; it does not run any more
# after this, in any case
ends()
{
	local status=0 name=$1

	judge "$name" ended $limit
	kill -KILL "$vmm" 2>/dev/null && return
	wait "$vmm" || status=$?
	judge "$name: status 0" test $status = 0
}

# A tap of 1400 bytes for every path, one guest with four processors.
case_links()
{
	local path slot=0

	for path in e1000 virtio vhost viola; do
		ip tuntap add "ft-$path" mode tap vnet_hdr
		ip link set "ft-$path" mtu 1400 up
	done
	start test.links --mem 512M --cpus 4 \
		--net path=e1000,backend=tap,ifname=ft-e1000 \
		--net path=virtio,backend=tap,ifname=ft-virtio \
		--net path=vhost,backend=tap,ifname=ft-vhost \
		--net path=viola,backend=tap,ifname=ft-viola >"$dir/console"
	judge "four links come up" await "links up"
	judge "four processors are one package" reports "packages 1"
	judge "four processors are four cores" reports "cores 4"
	judge "no core has two threads" reports "threads 0 1 2 3 "
	judge "each processor has three siblings" reports "siblings 4 "
	judge "e1000: has no way to learn the tap's MTU" reports "link 1 mtu 1500"
	for path in e1000 virtio vhost viola; do
		((slot++))
		[[ $path == e1000 ]] || judge "$path: has the tap's MTU" reports "link $slot mtu 1400"
		ip link delete "ft-$path"
		judge "$path: the carrier goes with the tap" await "lost $slot"
		judge "$path: the monitor says so" grep -q "net$((slot - 1)):.*gone" "$dir/err"
	done
	ends "the guest powers off"
}

# A macvtap over a veth pair; the other end answers from its own namespace.
case_macvtap()
{
	local path

	modprobe -a macvtap veth
	ip netns add far
	ip link add fv0 mtu 1400 type veth peer name fv1 netns far
	ip -n far addr add 10.9.0.1/24 dev fv1
	ip -n far link set fv1 up
	ip link set fv0 up
	for path in e1000 virtio vhost viola; do
		ip link add link fv0 name fm0 type macvtap mode bridge
		ip link set fm0 up
		start test.traffic --net path=$path,backend=tap,ifname=fm0 >"$dir/console"
		judge "$path on a macvtap: carries frames" await answered
		judge "$path on a macvtap: has its address" \
			grep -q "^address $(cat /sys/class/net/fm0/address) " "$dir/report"
		[[ $path == e1000 ]] ||
			judge "$path on a macvtap: has its MTU" grep -q ' mtu 1400' "$dir/report"
		ends "$path on a macvtap: the guest powers off"
		ip link delete fm0
	done
	ip link delete fv0
	ip netns delete far
}

# deleted PATH: a macvtap that goes with its guest on it
case_macvtap_deleted()
{
	local path slot=0

	modprobe -a macvtap dummy
	ip link add fd0 type dummy
	ip link set fd0 up
	for path in e1000 virtio vhost viola; do
		ip link add link fd0 name "fm-$path" type macvtap mode bridge
		ip link set "fm-$path" up
	done
	start test.links --net path=e1000,backend=tap,ifname=fm-e1000 \
		--net path=virtio,backend=tap,ifname=fm-virtio \
		--net path=vhost,backend=tap,ifname=fm-vhost \
		--net path=viola,backend=tap,ifname=fm-viola >"$dir/console"
	judge "four links on macvtaps come up" await "links up"
	for path in e1000 virtio vhost viola; do
		((slot++))
		ip link delete "fm-$path"
		judge "$path: the carrier goes with the macvtap" await "lost $slot"
	done
	ends "the guest powers off after its macvtaps"
	ip link delete fd0
}

# The kernel chooses the number in the name.
case_pattern()
{
	ip tuntap add vt0 mode tap
	start test.ticks --net path=virtio,backend=tap,ifname=vt%d >"$dir/console"
	judge "a name with %d starts" await "tick 2"
	judge "a name with %d is the kernel's choice" test -e /sys/class/net/vt1
	judge "the monitor tells the name" grep -q 'vt1' "$dir/err"
	kill "$vmm"
	ends "a machine on such a tap ends"
	ip link delete vt0
}

# stuck_start APPEND: a guest whose console is a FIFO that is open for reading,
# full, and read by nobody
stuck_start()
{
	rm -f "$dir/stuck"
	mkfifo "$dir/stuck"
	exec 8<>"$dir/stuck"
	dd if=/dev/zero bs=1K of="$dir/stuck" oflag=nonblock 2>/dev/null
	start "$1" >&8
}

case_stuck()
{
	stuck_start test.flood
	judge "a flood on the console begins" await flooding
	judge "the guest goes on when nothing gets through" await stuck
	judge "and on" await "tick 10"
	kill -TERM "$vmm"
	ends "SIGTERM ends it all the same"

	stuck_start test.off
	ends "a guest with a full console can power off"
	judge "it was the guest that did" reports off
	exec 8<&-
}

case_hangup()
{
	(
		trap '' HUP
		start test.ticks >"$dir/console"
		judge "a machine under nohup starts" await "tick 2"
		kill -HUP "$vmm"
		judge "an ignored SIGHUP stays ignored" await \
			"tick $(($(grep -c tick "$dir/report") + 4))"
		kill -TERM "$vmm"
		ends "SIGTERM ends a machine under nohup"
	)
	start test.ticks >"$dir/console"
	judge "a machine without nohup starts" await "tick 2"
	kill -HUP "$vmm"
	ends "SIGHUP ends a machine without nohup"
}

inside()
{
	local name vmm

	modprobe -a tun tap vhost_net
	insmod "$top/build/module/$(uname -r)/viola.ko"
	for name; do
		"case_$name"
	done
	judge "the module unloads" rmmod viola
}

if [[ ${1-} == --inside ]]; then
	shift
	inside "$@"
	exit
fi

# --- outside --------------------------------------------------------------------

cases=("$@")
((${#cases[@]})) || cases=(links macvtap macvtap_deleted pattern stuck hangup)
cd "$top" || exit 1
status=0
mkdir -p "$dir"
if ! build/bin/viola-mkinitramfs --kernel "$kernel" --init "$top/tests/lab/vmm-faults.init" \
	--output "$dir/initrd"; then
	printf 'not ok - initramfs can be made\n0 passed, 1 failed, 0 skipped\n'
	exit 1
fi
# A guest with several CPUs wants one CPU (Documentation/lab.md, "Nested guests").
build/bin/viola lab --quiet --kernel "$kernel" --smp 1 --timeout 1700 \
	--log "$dir/lab-kernel.log" -- \
	bash "$self" --inside "${cases[@]}" </dev/null >"$dir/out" 2>"$dir/errors" || status=$?
rm -f "$dir/initrd"
lab_report "$status" "$dir/out" "$dir/errors"
