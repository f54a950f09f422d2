# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154
#
# Verified traffic over every kind of ring and by every mode.

reflect()
{
	local how=$1

	shift
	through "--port $dir/s0 $how" --frames 40000 "$@" || return 1
	[ "$(counter 0 rx_invalid)" = 0 ] && [ "$(counter 0 broken)" = 0 ] && return 0
	printf 'counters: %s\n' "$(jq -c '.ports[0]' "$dir/stats")" >>"$dir/why"
	return 1
}

# two_lcores QUEUES: which are spread over both
two_lcores()
{
	local back

	backend_cpus=${cpus[0]},${cpus[1]} start_controlled --port "$dir/s0" || return 1
	back=$last
	run_frontend --frames 40000 --queues "$1" --window 32 "path=$dir/s0,queues=$1" || return 1
	asked "[.ports[0].queues[] | select(.rx_frames > 0).cpu] | length == $1 and
		(unique | length) == 2" || return 1
	stop_backend "$back" || return 1
	[ "$(counter 0 rx_invalid)" = 0 ] && [ "$(counter 0 broken)" = 0 ]
}

patch()
{
	local how=$1

	shift
	through "--port $dir/s0 --port $dir/s1 --forward patch $how" --expect patch \
		--frames 30000 "$@"
}

learning()
{
	through "--port $dir/s0 --port $dir/s1 --port $dir/s2 --forward switch" \
		--expect switch --frames 20000 "$@" "path=$dir/s0" "path=$dir/s1" "path=$dir/s2"
}

# Two isolated ports: both send, nothing gets through, nothing goes back.
isolation()
{
	local back

	start_controlled --port "$dir/s0,isolated" --port "$dir/s1,isolated" --forward switch ||
		return 1
	back=$last
	start_stream "$dir/stream.log" --expect switch "path=$dir/s0" "path=$dir/s1" || return 1
	comes '[.ports[] | .up and .rx_frames > 10] == [true, true]' || return 1
	asked '[.ports[].tx_frames] == [0, 0]' || return 1
	kill -KILL "$stream"
	wait "$stream" 2>/dev/null
	stop_backend "$back" || return 1
	[ "$(counter 1 tx_frames)" = 0 ] && [ "$(counter 0 tx_frames)" = 0 ]
}

# segments "BACKEND ARGS" RING FRONTEND ARG…: TCP offloads from port 0 to port 1
segments()
{
	local how=$1 ring=$2

	shift 2
	through "--port $dir/s0 --port $dir/s1 --forward patch $how" --segments --frames 300 \
		"$@" "path=$dir/s0$ring" "path=$dir/s1$ring" || return 1
	[ "$(counter 0 rx_invalid)" = 0 ] && [ "$(counter 1 tx_offload)" = 0 ]
}

# Ethernet devices as uplinks: virtio_user, whose other end reflects.
uplink()
{
	local far near status=0

	start_backend --port "$dir/s1"
	far=$last
	start_backend --port "$dir/s0" --forward patch --memory 256 \
		--uplink "net_virtio_user0,path=$dir/s1,queue_size=1024"
	near=$last
	run_frontend --frames 20000 --window 32 "path=$dir/s0" || status=1
	stop_backend "$near" || status=1
	stop_backend "$far" || status=1
	return $status
}

one_way()
{
	local pid

	start_controlled --uplink net_null0 --port "$dir/s0" --memory 256 --forward "$1" || return 1
	pid=$last
	comes '.ports[0] | .rx_frames > 0 or .tx_frames > 0' || return 1
	stop_backend "$pid" || return 1
	case $1 in
	sink) [ "$(counter 0 rx_frames)" -gt 0 ] && [ "$(counter 0 tx_frames)" = 0 ] ;;
	source) [ "$(counter 0 tx_frames)" -gt 0 ] && [ "$(counter 1 tx_frames)" = 0 ] ;;
	esac
}

run_case 'reflect' reflect "" "path=$dir/s0"
run_case 'reflect, frames to 9000 bytes over mergeable buffers' reflect "" --size 60-9000 "path=$dir/s0"
run_case 'reflect, no mergeable buffers' reflect "" "path=$dir/s0,mrg_rxbuf=0"
run_case 'reflect, not even offered ones' reflect --no-mergeable "path=$dir/s0"
run_case 'reflect, no indirect descriptors' reflect --no-indirect "path=$dir/s0"
run_case 'reflect, no event index' reflect --no-event-idx "path=$dir/s0"
run_case 'reflect, small rings' reflect "" --window 16 "path=$dir/s0,queue_size=64"
run_case 'reflect, large rings' reflect "" --window 200 "path=$dir/s0,queue_size=1024"
run_case 'reflect, packed ring' reflect "--packed" --size 60-9000 "path=$dir/s0,packed_vq=1"
run_case 'reflect, packed ring without mergeable buffers' reflect --packed "path=$dir/s0,packed_vq=1,mrg_rxbuf=0"
run_case 'reflect, packed ring not offered' reflect "" "path=$dir/s0,packed_vq=1"
run_case 'reflect, in any order' reflect --no-in-order "path=$dir/s0"
run_case 'reflect, in any order, frames to 9000 bytes' reflect --no-in-order --size 60-9000 "path=$dir/s0"
run_case 'reflect, in any order, packed ring' reflect "--no-in-order --packed" --size 60-9000 "path=$dir/s0,packed_vq=1"
run_case 'reflect, 2 queues' reflect "" --queues 2 "path=$dir/s0,queues=2"
run_case 'reflect, 2 of 4 queues' reflect "" --queues 2 "path=$dir/s0,queues=4"
run_case 'reflect, 4 queues' reflect "" --queues 4 "path=$dir/s0,queues=4"
if [ "${cpus[0]}" != "${cpus[1]}" ]; then
	run_case 'reflect, 2 lcores with a queue each' two_lcores 2
	run_case 'reflect, 2 lcores with 3 queues' two_lcores 3
else
	no_case 'reflect, 2 lcores' 'there is one CPU only'
fi
run_case 'patch' patch "" "path=$dir/s0" "path=$dir/s1"
run_case 'patch, frames to 9000 bytes' patch "" --size 60-9000 "path=$dir/s0" "path=$dir/s1"
run_case 'patch, one side without mergeable buffers' patch "" "path=$dir/s0,mrg_rxbuf=0" "path=$dir/s1"
run_case 'patch, split to packed' patch --packed "path=$dir/s0" "path=$dir/s1,packed_vq=1"
run_case 'patch, in any order' patch --no-in-order --size 60-9000 "path=$dir/s0" "path=$dir/s1"
run_case 'patch, 2 queues' patch "" --queues 2 "path=$dir/s0,queues=2" "path=$dir/s1,queues=2"
run_case 'switch' learning
run_case 'switch, tagged frames' learning --vlan
run_case 'switch, isolated ports' isolation
run_case 'offloads finished in software' segments "" ""
run_case 'offloads finished in software, no indirect descriptors' segments --no-indirect ""
run_case 'offloads finished in software, packed ring' segments "--packed --no-indirect" ,packed_vq=1
run_case 'offloads handed on' segments "" "" --lro
run_case 'offloads handed on, packed ring' segments "--packed --no-indirect" ,packed_vq=1 --lro
run_case 'uplink by mbuf' uplink
run_case 'sink' one_way sink
run_case 'source' one_way source
