# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154
#
# Those who are killed, and what goes on beside them.

# Port 0 carries verified traffic while port 1's front end dies again and again.
frontends_killed()
{
	local back other victim i status=0

	start_backend --port "$dir/s0" --port "$dir/s1"
	back=$last
	$frontend --cpu "${cpus[1]}" --frames 1000000000 "path=$dir/s0" >"$dir/other.log" 2>&1 &
	other=$!
	pids+=("$other")
	for ((i = 0; i < 20; i++)); do
		$frontend --cpu "${cpus[1]}" --frames 1000000000 "path=$dir/s1" \
			>"$dir/victim.log" 2>&1 &
		victim=$!
		pids+=("$victim")
		for ((n = 0; n < 200; n++)); do
			grep -q ready "$dir/victim.log" && break
			sleep 0.02
		done
		sleep 0.0$((RANDOM % 10))
		kill -KILL "$victim"
		wait "$victim" 2>/dev/null
	done
	run_frontend --frames 10000 "path=$dir/s1" || status=1
	kill -0 "$other" 2>/dev/null || status=1
	kill -TERM "$other"
	wait "$other" 2>/dev/null
	if ! grep -q ' lost 0 repeated 0 corrupt 0 ' "$dir/other.log"; then
		printf 'the other port: %s\n' "$(tail -n 1 "$dir/other.log")" >>"$dir/why"
		status=1
	fi
	stop_backend "$back" || status=1
	return $status
}

# backends_killed RING BACKEND-ARG…: the front end listens, and meets one back end after the other.
backends_killed()
{
	local ring=$1 front i status=0 received

	shift
	timeout -k 2 60 $frontend --cpu "${cpus[1]}" --loss --frames 1000000000 \
		"path=$dir/s0,server=1$ring" >"$dir/frontend.log" 2>&1 &
	front=$!
	pids+=("$front")
	for ((i = 0; i < 10; i++)); do
		start_backend --port "$dir/s0,client" "$@"
		sleep 0.$((RANDOM % 5 + 3))
		kill -KILL "$last"
		wait "$last" 2>/dev/null
	done
	start_backend --port "$dir/s0,client" "$@"
	sleep 2
	stop_backend "$last" || status=1
	# What the last one reflected shows that traffic came back.
	received=$(counter 0 rx_frames)
	# timeout passes the signal on.
	kill -TERM "$front"
	wait "$front" 2>/dev/null
	tail -n 1 "$dir/frontend.log" >>"$dir/why"
	grep -q ' corrupt 0 ' "$dir/frontend.log" || status=1
	[ "$received" -gt 1000 ] || status=1
	return $status
}

run_case 'front ends killed 20 times beside traffic' frontends_killed
run_case 'back ends killed 10 times under traffic' backends_killed ""
run_case 'back ends killed 10 times under traffic, packed ring' backends_killed ,packed_vq=1 --packed
