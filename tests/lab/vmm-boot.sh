#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# viola-vmm boots distribution kernels, and ends as its manual says.
#
#	tests/lab/vmm-boot.sh
#
# The same file, started inside the lab with --inside, runs the machines there.
# check: kernels=one smp=1 limit=1700 cost=120
set -uo pipefail
# shellcheck source=lib/lab.bash
source "$(dirname "$0")/lib/lab.bash"

work=$lab_top/build/lab/vmm-boot
cache=${VIOLA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/viola}
vmm=$lab_top/build/bin/viola-vmm
limit=600 # seconds for one guest, reached by one that hangs

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

# ended NAME STATUS: how the guest of run() ended, which had booted before
ended() {
	equal "$1" "$release, $2" "$(said release | cut -d ' ' -f 1), $status" "$console"
}

# told FILE TEXT PID: FILE has TEXT, or process PID is gone
told() {
	has "$1" "$2" || gone "$3"
}

said() { tr -d '\r' <<<"$console" | sed -n "s/^guest: $1=//p"; }

talk() {
	local fifo=$work/input-$release log=$work/talk-$release pid

	rm -f "$fifo"
	mkfifo "$fifo"
	timeout -k 5 $limit "$vmm" --kernel "$boot/vmlinuz-$release" \
		--initrd "$work/initramfs" --append "quiet test.talk" --mem 5G --cpus 4 \
		--net path=virtio,backend=reflect --net path=e1000,backend=reflect \
		--serial1 "$work/com2-$release" --stats "$work/stats-$release" \
		<"$fifo" >"$log" 2>&1 &
	pid=$!
	exec 9>"$fifo"
	within $limit told "$log" 'guest: ready' $pid
	echo "a line for the guest" >&9
	wait $pid
	status=$?
	exec 9>&-
	console=$(cat "$log")
	equal "$release: powers off" 0 $status "$console"
	equal "$release: is the kernel that was given" "$release cpus=4" "$(said release)" "$console"
	equal "$release: has its memory on both sides of the hole" 1 "$(said memory)" "$console"
	equal "$release: sees the PCI devices" "0000:00:00.0 0000:00:01.0 0000:00:02.0 " \
		"$(said pci)"
	equal "$release: hears what is typed" "a line for the guest" "$(said heard)" "$console"
	equal "$release: loses no output" 100000 \
		"$(sed 's/\[ *[0-9]*\.[0-9]*\] .*//' "$log" | tr -cd x | wc -c)"
	equal "$release: writes to the second port" "to the second port" \
		"$(tr -d '\r' <"$work/com2-$release")"
	# Of all vCPUs; but those that boot last may never need the monitor.
	equal "$release: leaves counters" "4 true" \
		"$(jq -r '"\(.vcpus | length) \(.vcpus[0].exits.total > 0)"' \
			"$work/stats-$release" 2>&1)"
}

stop_by_signal() {
	local log=$work/signal pid

	"$vmm" --kernel "$boot/vmlinux-$release" --initrd "$work/initramfs" \
		--append "quiet test.hold" --cpus 2 </dev/null >"$log" 2>&1 &
	pid=$!
	within $limit told "$log" 'guest: holding' $pid
	check "a guest that holds boots" grep 'guest: holding' "$log"
	kill -TERM $pid
	# It would hold for an hour.
	within 120 gone $pid || kill -KILL $pid
	wait $pid
	equal "SIGTERM stops the machine" 0 $? "$(cat "$log")"
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
		not_ok "$name" "status $rc, wanted $wanted and '$text'" "$said"
	fi
}

inside() {
	release=$(uname -r)
	boot=$cache/kernel/$release/boot
	talk
	[ "$1" = short ] && return

	run vmlinux test.reboot
	equal "an ELF kernel starts by PVH" kvm-clock "$(said clock)" "$console"
	ended "a reboot is status 3" 3
	run vmlinux "test.panic panic=-1"
	ended "a panic that reboots is status 3" 3
	check "a panic that reboots had a panic" grep -q 'Kernel panic' <<<"$console"
	run vmlinuz "test.reboot reboot=t" --mem 64M
	if [[ $console != *guest:* ]]; then # 64 MiB are few for some kernels
		run vmlinuz "test.reboot reboot=t"
	fi
	ended "a triple fault is status 1" 1
	equal "a triple fault has a sentence" 1 "$(grep -c 'viola-vmm: .*triple fault' <<<"$console")"
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

lab_main "$@"

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

# A guest with several CPUs wants one CPU (Documentation/lab.md, "Nested guests"). One
# kernel has all cases, the others show that they boot.
for kernel in $(lab_kernels "$(lab_note kernels one)" "$@"); do
	length=short
	[[ $kernel != 6.12 ]] || length=long
	lab_cases "$kernel" -- $length
done
tap_end
