# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154
#
# QEMU with memory of each kind, and the network driver of its firmware.

# start_guest "MEMORY-OBJECT": QEMU at $dir/s0, its process in $last; it boots by network
start_guest()
{
	qemu-system-x86_64 -M q35 -accel tcg -m 256 -display none -serial none \
		-monitor none -nodefaults -object "$1,id=m,size=256M" -numa node,memdev=m \
		-chardev "socket,id=c0,path=$dir/s0" -netdev vhost-user,id=n0,chardev=c0 \
		-device virtio-net-pci,netdev=n0,bootindex=0 >"$dir/qemu.log" 2>&1 </dev/null &
	last=$!
	pids+=("$last")
}

# said WORDS: waits until the back end has
said()
{
	local end=$((SECONDS + 100))

	while [ $SECONDS -lt $end ]; do
		grep -q -- "$1" "$dir/backend.log" && return 0
		sleep 0.1
	done
	printf 'it did not say "%s", but: %s\n' "$1" "$(tail -n 3 "$dir/backend.log")" >>"$dir/why"
	return 1
}

# A front end whose memory is of no use is told what would be.
memory_on_disk()
{
	start_backend --port "$dir/s0"
	# In a file there that QEMU removes.
	start_guest "memory-backend-file,mem-path=build,share=on"
	said 'refused message 5 .*memory-backend-memfd,share=on'
}

memory_private()
{
	start_backend --port "$dir/s0"
	# As the most common mistake has it: share=off is the default of such a file.
	start_guest "memory-backend-file,mem-path=/dev/shm"
	said 'it is private: let QEMU have memory-backend-memfd,share=on'
}

memory_shared()
{
	start_controlled --port "$dir/s0"
	start_guest "memory-backend-memfd,share=on"
	said 'front end ready' && taken 0 100 || return 1
	! grep -q 'private\|refused' "$dir/backend.log"
}

if ! command -v qemu-system-x86_64 >/dev/null; then
	no_case 'memory of guests' 'qemu-system-x86_64 is not installed'
else
	if [[ $(stat -f -c %T .) == tmpfs ]]; then
		no_case 'guest memory in a file on a disk' 'this tree is in memory'
	else
		run_case 'guest memory in a file on a disk is refused, with the remedy' memory_on_disk
	fi
	run_case 'guest memory that is private is told of, with the remedy' memory_private
	run_case 'guest memory that is shared' memory_shared
fi
