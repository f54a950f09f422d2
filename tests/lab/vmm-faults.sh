#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# viola-vmm while its guest runs and something outside happens: its tap is deleted,
# the reader of its console stops reading, its terminal hangs up, its control socket
# is used; and what a guest is told of the tap and of its processors.
#
#	tests/lab/vmm-faults.sh [KERNEL [CASE…]]
#
# The same file, started inside the lab with --inside, runs the machines there.
# A guest with several CPUs wants one CPU (Documentation/lab.md, "Nested guests").
# check: kernels=one smp=1 limit=1700 cost=150
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

dir=$lab_top/build/lab/vmm-faults
limit=400 # seconds for what a guest does; only a hang reaches it
monitor=${VIOLA_TEST_VMM:-viola-vmm} # an older one, to see what it fails

# --- in the lab ----------------------------------------------------------------

# start APPEND [OPTION…]: a guest in the background, standard output as it is
start()
{
	local append=$1

	shift
	rm -f "$dir/report"
	"$monitor" --kernel "$(lab_guest_kernel)" \
		--initrd "$dir/initrd" --append "$(lab_guest_append "$append")" \
		--serial1 "$dir/report" "$@" </dev/null 2>"$dir/err" &
	vmm=$!
}

# reports TEXT: whether the guest's report has that line
reports()
{
	has_line "$dir/report" "$1" && return
	echo "the report ends with '$(tail -n 1 "$dir/report")', and errors are: $(cat "$dir/err")"
	return 1
}

said_or_gone()
{
	has_line "$dir/report" "$1" || gone "$vmm"
}

# await TEXT: until the guest reports it or the monitor has ended
await()
{
	within $limit said_or_gone "$1"
	reports "$1"
}

ended()
{
	within "$1" gone "$vmm" && return
	echo "the monitor is in state $(awk '/^State/ { print $2, $3 }' "/proc/$vmm/status")"
	return 1
}

# ends NAME: the monitor ends by itself, with status 0; it does not run any more
# after this, in any case
ends()
{
	local status=0 name=$1

	check "$name" ended $limit
	gone "$vmm" || kill -KILL "$vmm"
	wait "$vmm" || status=$?
	check "$name: status 0" test $status = 0
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
	check "four links come up" await "links up"
	check "four processors are one package" reports "packages 1"
	check "four processors are four cores" reports "cores 4"
	check "no core has two threads" reports "threads 0 1 2 3 "
	check "each processor has three siblings" reports "siblings 4 "
	check "e1000: has no way to learn the tap's MTU" reports "link 1 mtu 1500"
	for path in e1000 virtio vhost viola; do
		((slot++))
		[[ $path == e1000 ]] || check "$path: has the tap's MTU" reports "link $slot mtu 1400"
		ip link delete "ft-$path"
		check "$path: the carrier goes with the tap" await "lost $slot"
		check "$path: the monitor says so" grep -q "net$((slot - 1)):.*gone" "$dir/err"
	done
	ends "the guest powers off"
}

# A macvtap for every path over a veth pair; the other end answers from its own namespace.
case_macvtap()
{
	local path nets=() n=0

	modprobe -a macvtap veth
	ip netns add far
	ip link add fv0 mtu 1400 type veth peer name fv1 netns far
	ip -n far link set fv1 up
	ip link set fv0 up
	for path in e1000 virtio vhost viola; do
		((n++))
		ip -n far addr add "10.9.$n.1/24" dev fv1
		ip link add link fv0 name "fv-$path" type macvtap mode bridge
		ip link set "fv-$path" up
		nets+=(--net "path=$path,backend=tap,ifname=fv-$path")
	done
	start test.traffic "${nets[@]}" >"$dir/console"
	n=0
	for path in e1000 virtio vhost viola; do
		((n++))
		check "$path on a macvtap: carries frames" await "answered $n"
		check "$path on a macvtap: has its address" \
			grep -q "^address $n $(cat "/sys/class/net/fv-$path/address") " "$dir/report"
		[[ $path == e1000 ]] || check "$path on a macvtap: has its MTU" \
			grep -q "^address $n .* mtu 1400" "$dir/report"
	done
	ends "the guest on macvtaps powers off"
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
	check "four links on macvtaps come up" await "links up"
	for path in e1000 virtio vhost viola; do
		((slot++))
		ip link delete "fm-$path"
		check "$path: the carrier goes with the macvtap" await "lost $slot"
	done
	ends "the guest powers off after its macvtaps"
	ip link delete fd0
}

# The kernel chooses the number in the name.
case_pattern()
{
	ip tuntap add vt0 mode tap
	start test.ticks --net path=virtio,backend=tap,ifname=vt%d >"$dir/console"
	check "a name with %d starts" await "tick 2"
	check "a name with %d is the kernel's choice" test -e /sys/class/net/vt1
	check "the monitor tells the name" grep -q 'vt1' "$dir/err"
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
	check "a flood on the console begins" await flooding
	check "the guest goes on when nothing gets through" await stuck
	check "and on" await "tick 10"
	kill -TERM "$vmm"
	ends "SIGTERM ends it all the same"

	stuck_start test.off
	ends "a guest with a full console can power off"
	check "it was the guest that did" reports off
	exec 8<&-
}

case_hangup()
{
	trap '' HUP
	start test.ticks >"$dir/console"
	trap - HUP
	check "a machine under nohup starts" await "tick 2"
	kill -HUP "$vmm"
	check "an ignored SIGHUP stays ignored" await \
		"tick $(($(grep -c tick "$dir/report") + 4))"
	kill -TERM "$vmm"
	ends "SIGTERM ends a machine under nohup"

	start test.ticks >"$dir/console"
	check "a machine without nohup starts" await "tick 2"
	kill -HUP "$vmm"
	ends "SIGHUP ends a machine without nohup"
}

# One client for all commands: Python takes a second to start in here.
qmp_connect()
{
	rm -f "$dir/ask" "$dir/answer"
	mkfifo "$dir/ask" "$dir/answer"
	python3 "$lab_top/tests/lab/qmp.py" "$dir/control" <"$dir/ask" >"$dir/answer" &
	qmp_client=$!
	exec 6>"$dir/ask" 7<"$dir/answer"
}

qmp_leave()
{
	exec 6>&- 7<&-
	wait "$qmp_client"
}

# qmp COMMAND [TEXT]: it is no error, and TEXT is in what it returns
qmp()
{
	local answer

	echo "$1" >&6
	read -r -t 60 answer <&7 && [[ $answer == [\[\{]* ]] &&
		[[ $answer == *"${2-}"* ]] && return
	echo "the answer is '$answer'"
	return 1
}

ticks() { grep -c tick "$dir/report"; }

paused_for() # SECONDS
{
	local before

	before=$(ticks)
	pause "$1"
	[[ $(ticks) == "$before" ]]
}

no_answer() { ! ping -q -c 1 -W 1 "$1"; } # ADDRESS

# The guest answers at 10.9.N.2 behind tap N.
case_control()
{
	local path nets=() n=0

	for path in e1000 virtio vhost viola; do
		((n++))
		ip tuntap add "fc-$path" mode tap vnet_hdr
		ip addr add "10.9.$n.1/24" dev "fc-$path"
		ip link set "fc-$path" up
		nets+=(--net "path=$path,backend=tap,ifname=fc-$path")
	done
	start test.control --cpus 2 --control "$dir/control" "${nets[@]}" >"$dir/console"
	check "a machine with a control socket starts" await "tick 2"
	qmp_connect
	check "query-status: running" qmp query-status '"status": "running"'
	check "query-pci: the last device" qmp query-pci '"qdev_id": "net3"'
	check "query-stats: the schema" qmp query-stats '"schema": "viola-vmm-stats/1"'
	check "stop" qmp stop
	check "query-status: paused" qmp query-status '"status": "paused"'
	check "no vCPU runs in a pause" paused_for 3
	n=0
	for path in e1000 virtio vhost viola; do
		((n++))
		check "$path: no answer in a pause" no_answer "10.9.$n.2"
	done
	check "cont" qmp cont
	check "the guest goes on" await "tick $(($(ticks) + 2))"
	n=0
	for path in e1000 virtio vhost viola; do
		((n++))
		check "$path: answers after a pause" ping -q -c 3 -W 30 "10.9.$n.2"
	done
	check "stop, again" qmp stop
	check "the power button in a pause" qmp system_powerdown
	check "cont, again" qmp cont
	check "the guest hears of the power button" await button
	ends "and switches itself off"
	check "the socket goes with the machine" test ! -e "$dir/control"

	qmp_leave

	start test.ticks --control "$dir/control" >"$dir/console"
	check "another machine starts" await "tick 1"
	qmp_connect
	check "stop it" qmp stop
	check "quit" qmp quit
	ends "a paused machine ends by quit"
	qmp_leave
	for path in e1000 virtio vhost viola; do
		ip link delete "fc-$path"
	done
}

inside()
{
	local name vmm

	modprobe vhost_net
	check "module loads" module_load
	for name; do
		"case_$name"
	done
	check "the module unloads" rmmod viola
}

lab_main "$@"

# --- outside --------------------------------------------------------------------

names=("${@:2}")
((${#names[@]})) || names=(links macvtap macvtap_deleted pattern stuck hangup control)
mkdir -p "$dir"
for kernel in $(lab_kernels "$(lab_note kernels one)" "${@:1:1}"); do
	check "$kernel: initramfs can be made" build/bin/viola-mkinitramfs --kernel "$kernel" \
		--init "$lab_top/tests/lab/vmm-faults.init" --module button --module evdev \
		--output "$dir/initrd"
	lab_cases "$kernel" -- "${names[@]}"
done
rm -f "$dir/initrd"
tap_end
