#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# viola-vmm boots distribution kernels, and ends as its manual says.
#
#	tests/lab/vmm-boot.sh
#
# The same file, started inside the lab with --inside, runs the machines there.
set -uo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
work=$top/build/check/vmm-boot
cache=${VIOLA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/viola}
vmm=$top/build/bin/viola-vmm
limit=150 # seconds for one guest

ok() { printf 'ok - %s\n' "$1"; }
not_ok() { printf 'not ok - %s\n' "$1"; tail -n 20 <<<"$2" | awk '{ print "# " substr($0, 1, 200) }'; }

# verdict NAME WANTED GOT [WHAT WAS SEEN]
verdict() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1: wanted '$2', got '$3'" "${4:-}"
	fi
}

make_initramfs() {
	local root=$work/root

	rm -rf "$root"
	mkdir -p "$root/bin" "$root/proc" "$root/dev" "$root/sys"
	cp /bin/busybox "$root/bin/busybox"
	cat >"$root/init" <<-'INIT'
		#!/bin/busybox sh
		/bin/busybox --install /bin
		export PATH=/bin
		mount -t proc proc /proc
		mount -t sysfs sys /sys
		mount -t devtmpfs dev /dev
		echo "guest: release=$(uname -r) cpus=$(grep -c ^processor /proc/cpuinfo)"
		echo "guest: clock=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
		case "$(cat /proc/cmdline)" in
		*test.talk*)
			echo "guest: memory=$(awk '/MemTotal/ { print ($2 >= 4500000) }' /proc/meminfo)"
			echo "guest: pci=$(ls /sys/bus/pci/devices | tr '\n' ' ')"
			echo "to the second port" >/dev/ttyS1
			echo "guest: ready"
			read -r line
			echo "guest: heard=$line"
			# More than any buffer holds, in one go.
			head -c 100000 /dev/zero | tr '\0' 'x'
			echo
			poweroff -f ;;
		*test.reboot*) reboot -f ;;
		*test.panic*) echo c >/proc/sysrq-trigger ;;
		*test.hold*) echo "guest: holding"; sleep 3600 ;;
		esac
		poweroff -f
	INIT
	chmod 755 "$root/init"
	(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc --quiet) >"$work/initramfs"
}

# --- inside ---------------------------------------------------------------------

# run FORM APPEND [OPTION…]: a guest; console in $console, status in $status
run() {
	local form=$1 append=$2

	shift 2
	console=$(timeout -k 5 $limit "$vmm" --kernel "$boot/$form-$release" \
		--initrd "$work/initramfs" --append "quiet $append" "$@" </dev/null 2>&1)
	status=$?
}

said() { tr -d '\r' <<<"$console" | sed -n "s/^guest: $1=//p"; }

talk() {
	local fifo=$work/input-$release log=$work/talk-$release pid i

	rm -f "$fifo"
	mkfifo "$fifo"
	timeout -k 5 $limit "$vmm" --kernel "$boot/vmlinuz-$release" \
		--initrd "$work/initramfs" --append "quiet test.talk" --mem 5G --cpus 4 \
		--net path=virtio,backend=reflect --net path=e1000,backend=reflect \
		--serial1 "$work/com2-$release" --stats "$work/stats-$release" \
		<"$fifo" >"$log" 2>&1 &
	pid=$!
	exec 9>"$fifo"
	for ((i = 0; i < limit * 5; i++)); do
		grep -q 'guest: ready' "$log" && break
		kill -0 $pid 2>/dev/null || break
		sleep 0.2
	done
	echo "a line for the guest" >&9
	wait $pid
	status=$?
	exec 9>&-
	console=$(cat "$log")
	verdict "$release: powers off" 0 $status "$console"
	verdict "$release: is the kernel that was given" "$release cpus=4" "$(said release)" "$console"
	verdict "$release: has its memory on both sides of the hole" 1 "$(said memory)" "$console"
	verdict "$release: sees the PCI devices" "0000:00:00.0 0000:00:01.0 0000:00:02.0 " \
		"$(said pci)"
	verdict "$release: hears what is typed" "a line for the guest" "$(said heard)" "$console"
	verdict "$release: loses no output" 100000 \
		"$(sed 's/\[ *[0-9]*\.[0-9]*\] .*//' "$log" | tr -cd x | wc -c)"
	verdict "$release: writes to the second port" "to the second port" \
		"$(tr -d '\r' <"$work/com2-$release")"
	# Of all vCPUs; but those that boot last may never need the monitor.
	verdict "$release: leaves counters" "4 true" \
		"$(jq -r '"\(.vcpus | length) \(.vcpus[0].exits.total > 0)"' \
			"$work/stats-$release" 2>&1)"
}

stop_by_signal() {
	local log=$work/signal i pid start

	"$vmm" --kernel "$boot/vmlinuz-$release" --initrd "$work/initramfs" \
		--append "quiet test.hold" --cpus 2 </dev/null >"$log" 2>&1 &
	pid=$!
	for ((i = 0; i < limit * 5; i++)); do
		grep -q 'guest: holding' "$log" && break
		sleep 0.2
	done
	start=$SECONDS
	kill -TERM $pid
	wait $pid
	verdict "SIGTERM stops the machine" 0 $? "$(cat "$log")"
	verdict "SIGTERM stops it at once" 1 $((SECONDS - start <= 20))
}

# complains NAME STATUS TEXT ARGUMENT…: one sentence with TEXT on stderr
complains() {
	local name=$1 wanted=$2 text=$3 said rc

	shift 3
	said=$("$@" 2>&1 >/dev/null </dev/null)
	rc=$?
	if [ $rc -eq "$wanted" ] && [ "$(wc -l <<<"$said")" -eq 1 ] && [[ $said == *"$text"* ]]; then
		ok "$name"
	else
		not_ok "$name: status $rc, wanted $wanted and '$text'" "$said"
	fi
}

inside() {
	release=$(uname -r)
	boot=$cache/kernel/$release/boot
	talk
	[ "$1" = short ] && return

	run vmlinux test.reboot
	verdict "an ELF kernel starts by PVH" kvm-clock "$(said clock)" "$console"
	verdict "a reboot is status 3" 3 $status "$console"
	run vmlinuz "test.panic panic=-1"
	verdict "a panic that reboots is status 3" 3 $status "$console"
	run vmlinuz "test.reboot reboot=t" --mem 64M
	if [[ $console != *guest:* ]]; then # 64 MiB are few for some kernels
		run vmlinuz "test.reboot reboot=t"
	fi
	verdict "a triple fault is status 1" 1 $status "$console"
	verdict "a triple fault has a sentence" 1 "$(grep -c 'viola-vmm: .*triple fault' <<<"$console")"
	stop_by_signal

	complains "vhost without its node" 2 "/dev/vhost-net" "$vmm" --kernel "$boot/vmlinuz-$release" \
		--net path=vhost,backend=tap,ifname=none0
	install -m 644 "$boot/vmlinuz-$release" /tmp/kernel
	chmod 0600 /dev/kvm
	complains "no permission for /dev/kvm" 2 "no permission to open /dev/kvm" \
		setpriv --reuid=65534 --clear-groups "$vmm" --kernel /tmp/kernel
	mv /dev/kvm /dev/kvm.away
	complains "no /dev/kvm" 2 "/dev/kvm is not there" "$vmm" --kernel "$boot/vmlinuz-$release"
}

if [ "${1:-}" = --inside ]; then
	inside "$2"
	exit
fi

# --- outside ----------------------------------------------------------------------

mkdir -p "$work"
make_initramfs

# Mistakes that need no KVM to be seen.
complains "no kernel" 2 "--kernel is missing" "$vmm"
complains "a kernel that does not exist" 2 "/nonexistent" "$vmm" --kernel /nonexistent
complains "an initrd that does not exist" 2 "--initrd /nonexistent" "$vmm" \
	--kernel "$work/initramfs" --initrd /nonexistent
complains "a folder as kernel" 2 "not a regular file" "$vmm" --kernel /
complains "an unknown option" 2 "--fast" "$vmm" --kernel k --fast
complains "too many CPUs" 2 "--cpus 9" "$vmm" --kernel k --cpus 9
complains "an unknown path" 2 "path=foo is unknown" "$vmm" --kernel k --net path=foo,backend=tap

# A guest with several CPUs wants one CPU (Documentation/lab.md, "Nested guests").
for what in "6.12 long" "6.1 short"; do
	read -r name length <<<"$what"
	if ! "$top/tools/kernels" "$name" >/dev/null 2>&1; then
		ok "$name: boots # skip no such kernel is offered here"
		continue
	fi
	"$top/build/bin/viola" lab --quiet --kernel "$name" --smp 1 --timeout 400 -- \
		"$top/tests/lab/vmm-boot.sh" --inside "$length"
	verdict "$name: the lab is content" 0 $?
done
