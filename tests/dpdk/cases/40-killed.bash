# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154
#
# Those who are killed, and what goes on beside them.

# peer COMMAND "BACKEND ARG…" ARG…: viola-test-peer with a back end of its own, of
# ports s0 and s1
peer()
{
	local command=$1 how status=0

	read -ra how <<<"$2"
	shift 2
	ASAN_OPTIONS=detect_leaks=0 timeout -k 2 "${peer_limit:-900}" build/bin/viola-test-peer \
		"$command" --socket "$dir/s0" --other "$dir/s1" "$@" -- \
		"${peer_backend:-$backend}" --no-huge --cores "${cpus[0]}" --mode poll --quiet \
		--port "$dir/s0" --port "$dir/s1" "${how[@]}" \
		>"$dir/peer.log" 2>>"$dir/backend.log" || status=$?
	[ $status -eq 0 ] || grep '^#' "$dir/peer.log" >>"$dir/why"
	return $status
}

# taken N [SECONDS]: waits until the back end has taken more than that many frames from port 0
taken()
{
	local end=$((SECONDS + ${2:-$hang}))

	while [ $SECONDS -lt $end ]; do
		ask status --json | jq -e ".ports[0].rx_frames > $1" >/dev/null && return 0
		sleep 0.05
	done
	printf 'port 0 sent no more than %d frames\n' "$1" >>"$dir/why"
	return 1
}

# backends_killed RING BACKEND-ARG…: virtio_user listens, and meets one back end after the
# other.
backends_killed()
{
	local ring=$1 front i status=0

	shift
	timeout -k 2 900 $frontend --cpu "${cpus[1]}" --loss --frames 1000000000 \
		"path=$dir/s0,server=1$ring" >"$dir/frontend.log" 2>&1 &
	front=$!
	pids+=("$front")
	for ((i = 0; i < 4; i++)); do
		# Before frames flow, virtio_user gives up when its back end goes.
		start_controlled --port "$dir/s0,client" "$@" && taken 0 || return 1
		sleep 0.$((RANDOM % 5 + 3))
		kill -KILL "$last"
		wait "$last" 2>/dev/null
	done
	# What the last one reflects shows that traffic came back.
	start_controlled --port "$dir/s0,client" "$@" && taken 1000 || return 1
	stop_backend "$last" || status=1
	# timeout passes the signal on.
	kill -TERM "$front"
	wait "$front" 2>/dev/null
	tail -n 1 "$dir/frontend.log" >>"$dir/why"
	grep -q ' corrupt 0 ' "$dir/frontend.log" || status=1
	return $status
}

# 100 kills in all; fewer of each kind where only one is asked for would prove less.
run_case 'back ends killed 25 times, buffers in flight' \
	peer recover "" --inflight --count 25
run_case 'back ends killed 25 times, buffers in flight, in order and mergeable' \
	peer recover "" --inflight --count 25 --in-order --mergeable --indirect
run_case 'back ends killed 25 times, buffers in flight, packed ring' \
	peer recover --packed --inflight --count 25 --packed
run_case 'back ends killed 25 times, buffers in flight, packed ring, in order and mergeable' \
	peer recover --packed --inflight --count 25 --packed --in-order --mergeable
run_case 'back ends killed 25 times, the next one stopped at once' \
	peer recover "" --inflight --count 25 --stop --in-order
run_case 'back ends killed 25 times, the next one stopped at once, packed ring' \
	peer recover --packed --inflight --count 25 --stop --packed --in-order
run_case 'back ends killed 4 times under virtio_user' backends_killed ""
run_case 'back ends killed 4 times under virtio_user, packed ring' \
	backends_killed ,packed_vq=1 --packed
run_case 'front ends killed 100 times beside traffic' peer victims "" --count 100
run_case 'rings stopped and started 100 times under traffic' \
	peer stop "" --count 100 --mergeable
run_case 'rings stopped and started 100 times under traffic, packed' \
	peer stop --packed --count 100 --packed --indirect
run_case 'rings stopped and started 100 times under traffic, with in-flight regions' \
	peer stop "" --count 100 --inflight
run_case 'rings stopped and started 100 times under traffic, packed, with in-flight regions' \
	peer stop --packed --count 100 --inflight --packed --mergeable
run_case 'a question leaves the rings running' peer ask ""
run_case 'a question leaves the rings running, packed' peer ask --packed --packed
run_case 'an eventfd taken away and given back loses no interrupt' \
	peer call "" --count 9 --event-idx
run_case 'an eventfd taken away and given back loses no interrupt, packed' \
	peer call --packed --count 9 --event-idx --packed
run_case 'the dirty log is exact' peer dirty "" --count 10
run_case 'the dirty log is exact, mergeable buffers and event index' \
	peer dirty "" --count 10 --mergeable --indirect --event-idx
run_case 'the dirty log is exact, in order' peer dirty "" --count 10 --in-order
run_case 'the dirty log is exact, packed ring' peer dirty --packed --count 10 --packed
run_case 'the dirty log is exact, packed ring, with in-flight regions' \
	peer dirty --packed --count 10 --packed --mergeable --inflight
