#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Start of the monitor to the guest's init, beside QEMU's microvm machine: same
# kernel, same initramfs, same command line, in turn, in one lab run. And the
# monitor's own memory: all mappings that are not guest RAM, resident.
#
#   tests/bench/boot.sh [RUNS]     (default 1 of each)
#
# By default the lab counts instructions: one is a nanosecond, so that what else
# runs on this machine does not show; how long disks take does not show either.
# VIOLA_BENCH_LAB="" takes the ordinary lab, whose times mean little.
# VIOLA_BENCH_ELF=1: the ELF form of the kernel as well.
# VIOLA_BENCH_KERNELS: short names of the kernels, for lab and guest (6.12).
# Also runs on a host with KVM of its own: tests/bench/boot.sh --inside RUNS.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
work=$top/build/bench/boot
cache=${VIOLA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/viola}
marker=viola-bench-init
limit=120 # seconds for one guest

# An initramfs whose init says so and waits to be looked at.
make_initramfs() {
	local root=$work/root

	rm -rf "$root"
	mkdir -p "$root/bin" "$root/dev"
	cp /bin/busybox "$root/bin/busybox"
	cat >"$root/init" <<-INIT
		#!/bin/busybox sh
		echo $marker
		exec /bin/busybox sleep 3600
	INIT
	chmod 755 "$root/init"
	(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc --quiet) >"$work/initramfs"
}

guest_command() { # monitor, kernel
	local append="console=ttyS0 quiet"

	case $1 in
	viola-vmm)
		command=("$top/build/bin/viola-vmm" --kernel "$2" --initrd "$work/initramfs"
			 --append "$append" --mem 256M)
		;;
	microvm)
		command=(qemu-system-x86_64
			 -M "microvm,pic=off,pit=off,rtc=off"
			 -accel kvm -cpu host -m 256M -nodefaults -no-user-config
			 -display none -no-reboot -serial stdio
			 -kernel "$2" -initrd "$work/initramfs" -append "$append")
		;;
	esac
}

# Milliseconds from the start to init's line, in $took; leaves $guest running.
start_guest() {
	local line start pid

	guest_command "$@"
	start=$(date +%s%N)
	exec {console}< <(exec timeout -k 1 $limit "${command[@]}" </dev/null 2>"$work/stderr")
	pid=$!
	guest=$pid
	while read -r -t $limit -u "$console" line; do
		[[ $line == *$marker* ]] || continue
		took=$((($(date +%s%N) - start) / 1000000))
		return 0
	done
	end_guest
	printf 'boot: %s did not reach init: %s\n' "$1" "$(tail -n 1 "$work/stderr")" >&2
	return 1
}

end_guest() {
	kill "$guest" 2>/dev/null || true
	exec {console}<&-
	wait "$guest" 2>/dev/null || true
}

sorted() { printf '%s\n' "$@" | sort -n; }

# Resident KiB of all mappings but guest RAM, the only one that is so large, of
# the monitor, which is the child of timeout.
own_memory() {
	local pid

	pid=$(tr -d ' ' <"/proc/$guest/task/$guest/children")
	awk '/^Size:/ { ram = $2 >= 256 * 1024 }
	     /^Rss:/ { if (ram) guest += $2; else own += $2 }
	     END { if (!guest) exit 1; print own }' "/proc/$pid/smaps"
}

# Name, and the kernel's form, of what is compared.
candidates=("viola-vmm vmlinuz" "microvm vmlinuz")
[ -z "${VIOLA_BENCH_ELF:-}" ] || candidates+=("viola-vmm vmlinux" "microvm vmlinux")

inside() {
	local runs=$1 own=0 release boot list monitor form candidate i
	local -A ms

	if [ ! -w /dev/kvm ]; then
		echo "boot: /dev/kvm cannot be used here" >&2
		exit 2
	fi
	release=$(uname -r)
	boot=$cache/kernel/$release/boot
	printf 'guest kernel %s, one vCPU, 256 MiB, ms from start to init\n' "$release"
	# One run of each that is not counted: files come into the page cache.
	for ((i = 0; i <= runs; i++)); do
		for candidate in "${candidates[@]}"; do
			read -r monitor form <<<"$candidate"
			start_guest "$monitor" "$boot/$form-$release"
			[ "$monitor" = microvm ] || own=$(own_memory)
			end_guest
			[ $i -eq 0 ] || ms[$candidate]+=" $took"
		done
	done
	printf '%-20s %6s %8s %8s %8s\n' "monitor, kernel" runs min median max
	for candidate in "${candidates[@]}"; do
		# shellcheck disable=SC2086 # a list of numbers
		mapfile -t list < <(sorted ${ms[$candidate]})
		printf '%-20s %6d %8d %8d %8d\n' "$candidate" "$runs" "${list[0]}" \
			"${list[$((runs / 2))]}" "${list[$((runs - 1))]}"
	done
	printf 'own memory of viola-vmm: %d KiB resident outside guest RAM\n' "$own"
}

if [ "${1:-}" = --inside ]; then
	inside "${2:-1}"
	exit
fi

mkdir -p "$work"
make_initramfs
for name in ${VIOLA_BENCH_KERNELS:-6.12}; do
	# shellcheck disable=SC2086 # options
	"$top/build/bin/viola" lab ${VIOLA_BENCH_LAB---icount} --kernel "$name" \
		--timeout 800 -- "$top/tests/bench/boot.sh" --inside "${1:-1}"
done
