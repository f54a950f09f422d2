# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154
#
# What is said to users, and what is left on the machine.

# refused WORDS ARG…: status 2, and one sentence with WORDS, in one line and nothing beside it
refused()
{
	local words=$1 status=0 out

	shift
	out=$(timeout $hang $backend --no-huge --cores "${cpus[0]}" "$@" 2>&1 >/dev/null) || status=$?
	[ $status -eq 2 ] && [ "$(wc -l <<<"$out")" -eq 1 ] &&
		grep -q -- "^viola-dpdk: .*$words" <<<"$out" && return 0
	printf '%s: status %d, said: %s\n' "$*" $status "$out" >>"$dir/why"
	return 1
}

wrong_options()
{
	local status=0

	mkdir "$dir/s-folder"
	: >"$dir/s-file"
	refused 'there is no port' || status=1
	refused 'help lists' --nonsense || status=1
	refused 'is no option' --port "$dir/s0" more || status=1
	refused 'unknown "sideways"' --port "$dir/s0,sideways" || status=1
	refused 'given twice' --port "$dir/s0" --port "$dir/s0" || status=1
	refused 'there are reflect' --port "$dir/s0" --forward bounce || status=1
	refused 'even number' --port "$dir/s0" --forward patch || status=1
	refused 'not two ports' --port "$dir/s0" --forward patch=0:1 || status=1
	refused 'not two ports' --control "$dir/c" --forward patch=0:1000000 || status=1
	refused 'of port numbers' --port "$dir/s0" --port "$dir/s1" --forward patch=0:2 || status=1
	refused 'number from' --port "$dir/s0" --ageing never || status=1
	refused 'give CPUs' --port "$dir/s0" --cores all || status=1
	refused 'against the CPUs here' --port "$dir/s0" --cores 99 || status=1
	refused 'is no socket' --port "$dir/s-file" || status=1
	refused 'is no socket' --port "$dir/s-folder" || status=1
	refused 'directory must exist' --port "$dir/none/s0" || status=1
	refused 'at most' --port "$dir/$(printf '%0120d' 0)" || status=1
	refused 'no such device' --uplink net_nonsense0 || status=1
	refused 'needs a value' --port "$dir/s0" --cores || status=1
	refused 'takes no value' --port "$dir/s0" --quiet=yes || status=1
	refused '-x: there is no such option' --port "$dir/s0" -xy || status=1
	return $status
}

# DPDK's libraries log what nobody asked for. Why they failed is in the sentence; all that
# they say is shown on request.
libraries_are_silent()
{
	local status=0 said

	refused 'failed to parse device' --uplink net_nonsense0 || status=1
	refused 'lcore 99 unavailable' --port "$dir/s0" --cores 99 || status=1
	refused 'ioctl failed (SIOCGIFINDEX)' --uplink net_af_packet0,iface=viola-none || status=1
	refused 'options behind --' --port "$dir/s0" -- --nonsense || status=1
	said=$(timeout 20 $backend --no-huge --cores "${cpus[0]}" --verbose \
		--uplink net_nonsense0 2>&1)
	grep -q '^EAL: Failed to attach device' <<<"$said" &&
		grep -q '^viola-dpdk: ' <<<"$said" || {
		printf -- '--verbose shows: %s\n' "$said" >>"$dir/why"
		status=1
	}
	# A session from its begin to its end, and a front end that is refused something.
	start_backend --port "$dir/s0"
	run_frontend --frames 1000 "path=$dir/s0" || status=1
	stop_backend "$last" || status=1
	said=$(grep -v '^viola-dpdk: ' "$dir/backend.log")
	[ -z "$said" ] || {
		printf 'while it serves: %s\n' "$said" >>"$dir/why"
		status=1
	}
	return $status
}

capabilities()
{
	$backend --print-capabilities | jq -e '.type == "net"' >/dev/null
}

# Counters of a port, while it runs, by DPDK's own client.
telemetry()
{
	local pid answer

	start_backend --port "$dir/s0"
	pid=$last
	for ((i = 0; i < 10; i++)); do
		answer=$(echo "/viola/port,0" | timeout 5 dpdk-telemetry.py -f viola -i $i 2>/dev/null |
			grep "^{" | tail -n 1)
		[[ $answer == *"$dir/s0"* ]] && break
	done
	stop_backend "$pid" || return 1
	jq -e '."/viola/port" | .kind == "vhost-user" and .rx_frames == 0' <<<"$answer" >/dev/null
}

# A socket that somebody listens on stays; one that is left over does not.
sockets()
{
	local first

	start_backend --socket-path "$dir/s0"
	first=$last
	refused 'another program listens' --socket-path "$dir/s0" || return 1
	[ -S "$dir/s0" ] || return 1
	kill -KILL "$first"
	wait "$first" 2>/dev/null
	[ -S "$dir/s0" ] || return 1
	start_backend --socket-path "$dir/s0"
	run_frontend --frames 1000 "path=$dir/s0" || return 1
	stop_backend "$last" || return 1
	# Ended properly, it leaves nothing.
	[ ! -e "$dir/s0" ]
}

run_case 'wrong options are refused with a sentence' wrong_options
run_case "what DPDK's libraries log is not shown" libraries_are_silent
run_case 'capabilities are JSON' capabilities
if command -v dpdk-telemetry.py >/dev/null; then
	run_case 'telemetry tells counters' telemetry
else
	no_case 'telemetry' 'dpdk-telemetry.py is not installed'
fi
run_case 'a left-over socket is replaced, a used one is not' sockets
