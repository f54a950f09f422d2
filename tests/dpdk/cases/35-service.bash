# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154
#
# As a service: what it is started with, what it needs, what it leaves behind.

# needs WORDS COMMAND…: the back end by COMMAND, status 2, and one sentence with WORDS
needs()
{
	local words=$1 status=0 out

	shift
	out=$(timeout $hang "$@" 2>&1 >/dev/null) || status=$?
	[ $status -eq 2 ] && grep -q -- "viola-dpdk: .*$words" <<<"$out" && return 0
	printf '%s: status %d, said: %s\n' "$*" $status "$out" >>"$dir/why"
	return 1
}

no_hugepages()
{
	needs 'no hugepage is free; reserve some' unshare -m sh -c \
		"mount -t tmpfs none /sys/kernel/mm/hugepages && exec $backend --port $dir/s0"
}

no_permission()
{
	local nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups env -u XDG_RUNTIME_DIR)
	local run=("${nobody[@]}" "$dir/back" --no-huge) status=0

	# Where it was built may be out of nobody's reach.
	cp $backend "$dir/back"
	chmod 711 "$dir"
	needs 'directory must exist and be writable' "${run[@]}" --port "$dir/s0" || status=1
	needs 'may write to' "${run[@]}" --port /tmp/none --control "$dir/c" || status=1
	needs 'XDG_RUNTIME_DIR is not set; give a path' "${run[@]}" --control || status=1
	: >"$dir/config"
	chmod 600 "$dir/config"
	needs 'name a file you may read' "${run[@]}" --config "$dir/config" || status=1
	start_controlled --port "$dir/s1"
	needs 'run this as the user' "${nobody[@]}" "$dir/back" status --control "$dir/c" || status=1
	stop_backend "$last" || status=1
	chmod 700 "$dir"
	return $status
}

# What it holds of hugepages is gone with it, however it goes.
killed_with_hugepages()
{
	local i before

	files()
	{
		awk '$3 == "hugetlbfs" { print $2 }' /proc/mounts | while read -r mount; do
			find "$mount" -type f -user root -newer "$dir/begin" 2>/dev/null
		done
	}
	: >"$dir/begin"
	for ((i = 0; i < 3; i++)); do
		$backend --cores "${cpus[0]}" --mode adaptive --memory 32 --stats "$dir/stats" \
			--port "$dir/s0" --control "$dir/c" >>"$dir/backend.log" 2>&1 &
		last=$!
		pids+=("$last")
		for ((n = 0; n < 200; n++)); do
			ask status >/dev/null 2>&1 && break
			sleep 0.05
		done
		grep -q '^Private_Hugetlb: *[1-9]\|^Shared_Hugetlb: *[1-9]' "/proc/$last/smaps_rollup" || {
			printf 'it has no hugepages\n' >>"$dir/why"
			return 1
		}
		# The last one is served as if nothing had been before.
		[ $i -eq 2 ] && break
		kill -KILL "$last"
		wait "$last" 2>/dev/null
	done
	run_frontend --frames 1000 "path=$dir/s0" || return 1
	stop_backend "$last" || return 1
	before=$(files)
	[ -z "$before" ] && return 0
	printf 'left in hugetlbfs: %s\n' "$before" >>"$dir/why"
	return 1
}

notifies()
{
	local listener

	python3 - "$dir/notify" >"$dir/told" <<-'END' &
	import socket, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind(sys.argv[1])
	s.settimeout(20)
	while True:
	    text = s.recv(4096).decode()
	    print(text, flush=True)
	    if "STOPPING=1" in text:
	        break
	END
	listener=$!
	pids+=("$listener")
	for ((i = 0; i < 100; i++)); do
		[ -S "$dir/notify" ] && break
		sleep 0.05
	done
	NOTIFY_SOCKET=$dir/notify start_backend --port "$dir/s0"
	for ((i = 0; i < 200; i++)); do
		[ -s "$dir/told" ] && break
		sleep 0.05
	done
	[ -S "$dir/s0" ] && [ "$(cat "$dir/told")" = READY=1 ] || return 1
	stop_backend "$last" || return 1
	wait "$listener" || return 1
	[ "$(tail -n 1 "$dir/told")" = STOPPING=1 ]
}

# A listening socket that was open before; its front ends come and go.
inherited_listening()
{
	local backend="python3 tests/dpdk/pass-socket.py listen $dir/s0 $backend" i
	local with=(--fd 3 "$@")

	start_backend "${with[@]}"
	for ((i = 0; i < 100; i++)); do
		[ -S "$dir/s0" ] && break
		sleep 0.05
	done
	run_frontend --frames 20000 --size 60-9000 "path=$dir/s0" || return 1
	run_frontend --frames 5000 --queues 2 "path=$dir/s0,queues=2" || return 1
	start_stream "$dir/stream.log" "path=$dir/s0" || return 1
	kill -KILL "$stream"
	wait "$stream" 2>/dev/null
	run_frontend --frames 5000 "path=$dir/s0" || return 1
	stop_backend "$last" || return 1
	[ "$(counter 0 rx_frames)" -ge 30000 ] && [[ $(counter 0 name) == *"/$last-fd3.sock"* ]] &&
		[ ! -e "/run/viola/$last-fd3.sock" ]
}

# The front end listens, and its connection is passed on.
inherited_connected()
{
	local backend="python3 tests/dpdk/pass-socket.py connect $dir/s0 $backend" status=0

	$frontend --cpu "${cpus[1]}" --frames 20000 "path=$dir/s0,server=1" \
		>"$dir/frontend.log" 2>&1 &
	stream=$!
	pids+=("$stream")
	start_backend --fd=3
	wait "$stream" || {
		tail -n 2 "$dir/frontend.log" >>"$dir/why"
		status=1
	}
	stop_backend "$last" || status=1
	return $status
}

inherited_nothing()
{
	local status=0

	refused 'no Unix stream socket is open there' --fd 77 || status=1
	refused 'no Unix stream socket is open there' --fd 9 9</dev/null || status=1
	refused 'give the number of an open socket' --fd stdin || status=1
	return $status
}

# What `make install` puts where management programs and systemd look.
installed()
{
	make --no-print-directory install DESTDIR="$dir/root" PREFIX=/opt/v >"$dir/install.log" 2>&1 ||
		return 1
	jq -e '.type == "net" and .binary == "/opt/v/bin/viola-dpdk"' \
		"$dir/root/etc/qemu/vhost-user/50-viola-dpdk.json" >/dev/null || return 1
	"$dir/root/opt/v/bin/viola-dpdk" --print-capabilities | jq -e '.type == "net"' >/dev/null ||
		return 1
	sed "s|/opt/v/bin|$dir/root/opt/v/bin|; /^Documentation/d" \
		"$dir/root/usr/lib/systemd/system/viola-dpdk.service" >"$dir/viola-dpdk.service"
	grep -q "^ExecStart=$dir/root/opt/v/bin/viola-dpdk " "$dir/viola-dpdk.service" || return 1
	command -v systemd-analyze >/dev/null || return 0
	systemd-analyze verify "$dir/viola-dpdk.service" >>"$dir/why" 2>&1
}

if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	run_case 'no hugepages' no_hugepages
	run_case 'no permission' no_permission
else
	no_case 'no hugepages' 'not root'
	no_case 'no permission' 'not root'
fi
if [ "$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 2>/dev/null || echo 0)" -ge 32 ]; then
	run_case 'killed, nothing is left in hugetlbfs' killed_with_hugepages
else
	no_case 'killed, nothing is left in hugetlbfs' 'fewer than 32 hugepages are free'
fi
if command -v python3 >/dev/null; then
	run_case 'the service manager is told' notifies
	run_case 'inherited socket, listening' inherited_listening
	run_case 'inherited socket, connected' inherited_connected
else
	no_case 'service manager and inherited sockets' 'python3 is not installed'
fi
run_case 'inherited socket that is none' inherited_nothing
run_case 'installed for management programs and systemd' installed
