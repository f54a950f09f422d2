# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154
#
# What is done with frames on their way: learning, limits, MTU, flows, offloads
# of uplinks, announcements.

# scenario NAME "BACKEND ARGS" FRONTEND ARG…: with three ports, in mode switch
scenario()
{
	local name=$1 how=$2

	shift 2
	through "$how" --scenario "$name" "$@" "path=$dir/s0" "path=$dir/s1" "path=$dir/s2"
}

# holds PORT EXPRESSION: a counter, or several, as jq has it
holds()
{
	jq -e ".ports[$1] | $2" "$dir/stats" >/dev/null && return
	printf 'port %s: not %s: %s\n' "$1" "$2" "$(jq -c ".ports[$1]" "$dir/stats")" >>"$dir/why"
	return 1
}

# passed_by PORT EXPRESSION: $count of it now, looked at between $before and $after (µs)
passed_by()
{
	before=${EPOCHREALTIME/[.,]/}
	ask status --json >"$dir/status.json" || return 1
	after=${EPOCHREALTIME/[.,]/}
	count=$(jq ".ports[$1] | $2" "$dir/status.json")
}

# keeps_rate PORT EXPRESSION RATE BURST: what is counted keeps to RATE a second, with
# bursts of BURST. Frames of two seconds must come, however slow the machine is; and no
# more than RATE allows may have come in the time that lies around both looks, which is
# longer on a slow machine, as the limiter's own time is.
keeps_rate()
{
	local count before after first begin allowed end=$((SECONDS + 60))

	passed_by "$1" "$2" || return 1
	first=$count
	begin=$before
	until passed_by "$1" "$2" && [ $((count - first)) -ge $((2 * $3)) ]; do
		if [ $SECONDS -ge $end ]; then
			printf 'port %s: %d of %s in 60 s, where %d a second may pass\n' "$1" \
				$((count - first)) "$2" "$3" >>"$dir/why"
			return 1
		fi
		sleep 0.1
	done
	allowed=$(($3 * (after - begin) / 1000000 + $4 + 1))
	[ $((count - first)) -le $allowed ] && return
	printf 'port %s: %d of %s in %d us, where %d may pass\n' "$1" $((count - first)) "$2" \
		$((after - begin)) $allowed >>"$dir/why"
	return 1
}

three="--port $dir/s0 --port $dir/s1 --port $dir/s2 --forward switch"

ageing()
{
	scenario ageing "$three --ageing 2" --pause 4
}

moving()
{
	scenario move "$three" && holds 2 '.addr_moved >= 1'
}

inventing()
{
	scenario invent "--port $dir/s0 --port $dir/s1 --port $dir/s2,addresses=100 --forward switch" &&
		holds 2 '.addr_refused >= 19000' &&
		[ "$(jq .addresses "$dir/stats")" -le 105 ]
}

groups()
{
	scenario groups "$three" && holds 0 '.rx_filtered >= 2'
}

isolated()
{
	scenario isolated "--port $dir/s0,isolated --port $dir/s1,isolated --port $dir/s2 --forward switch"
}

storm()
{
	# The announcements at the beginning are flooded, too: one at once, then two a second.
	through "--port $dir/s0,storm=2,burst=500 --port $dir/s1 --forward switch" --expect switch \
		--frames 20000 "path=$dir/s0" "path=$dir/s1" || return 1
	holds 0 '.rx_frames >= 20000' && holds 1 '.tx_frames >= 20000' || return 1
	# All that a source makes is flooded.
	start_controlled --memory 256 --uplink net_null0,storm=100,burst=100 --uplink net_null1 \
		--forward switch --port "$dir/s9" || return 1
	keeps_rate 1 .tx_frames 100 10 || return 1
	stop_backend "$last" && holds 0 '.rx_storm > 0 and .rx_frames > .rx_storm'
}

returned()
{
	through "--port $dir/s0" --scenario returned "path=$dir/s0"
}

# limited SETTING MODE: a device that has frames without end, and takes all. Each setting
# is 1000 frames a second of what it sends or takes.
limited()
{
	local setting=$1 mode=$2 passed=".rx_frames - .rx_limited"

	[[ $setting != *-to=* ]] || passed=.tx_frames
	start_controlled --memory 256 --uplink "net_null0,$setting,burst=10" --forward "$mode" \
		--port "$dir/s9" || return 1
	keeps_rate 0 "$passed" 1000 10 || return 1
	stop_backend "$last" || return 1
	[ "$passed" = .tx_frames ] || holds 0 '.rx_limited > 0'
}

# Frames that are due wake nobody: who makes them looks by himself. The front end, whose
# frames do not come back, soon stops sending.
paced()
{
	local begin=${EPOCHREALTIME/./}

	start_backend --port "$dir/s0,pps-to=1000,burst=10" --forward source --mode interrupt
	timeout -k 2 10 $frontend --cpu "${cpus[1]}" --frames 100 "path=$dir/s0" \
		>"$dir/frontend.log" 2>&1
	stop_backend "$last" || return 1
	holds 0 '.tx_frames >= 500' || return 1
	# Never more than its limit allows in all the time that it ran.
	holds 0 ".tx_frames <= 11 + $(((${EPOCHREALTIME/./} - begin) / 1000 + 1))"
}

# Limits that are not reached drop nothing, and reflected frames pass two.
generous()
{
	through "--port $dir/s0,rate=1000G,pps=1000G,rate-to=1000G,pps-to=1000G" --frames 20000 \
		"path=$dir/s0" && holds 0 '.rx_limited == 0 and .tx_limited == 0'
}

mtu_fits()
{
	through "--port $dir/s0 --mtu 1500" --frames 10000 --size 60-1514 "path=$dir/s0" &&
		through "--port $dir/s0 --mtu 1500" --frames 10000 --vlan --size 60-1518 \
			"path=$dir/s0" && holds 0 '.rx_mtu == 0 and .tx_mtu == 0'
}

# One byte more does not pass, be it in the way in or out.
mtu_exceeded()
{
	! through "--port $dir/s0 --mtu 1500" --frames 100 --size 1515-1515 "path=$dir/s0" &&
		holds 0 '.rx_mtu > 0 and .tx_frames == .rx_frames - .rx_mtu' &&
		! through "--port $dir/s0 --port $dir/s1,mtu=1500 --forward patch" --expect patch \
			--frames 100 --size 1515-1515 "path=$dir/s0" "path=$dir/s1" &&
		holds 1 '.tx_mtu > 0'
}

# start_near PORT: a back end with PORT patched to its uplink, a virtio_user device at port
# $dir/s1 of another. Its process is in $near.
start_near()
{
	start_backend --port "$1" --forward patch --memory 256 --stats "$dir/near" \
		--uplink "net_virtio_user0,path=$dir/s1,queue_size=1024"
	near=$last
}

# near_holds PORT EXPRESSION: as holds, of that back end
near_holds()
{
	jq -e ".ports[$1] | $2" "$dir/near" >/dev/null && return
	printf 'near: %s\n' "$(jq -c ".ports[$1]" "$dir/near")" >>"$dir/why"
	return 1
}

# A device is given no longer frames than its MTU allows, and told or not.
mtu_of_a_device()
{
	local far near

	start_backend --port "$dir/s1"
	far=$last
	start_near "$dir/s0"
	run_frontend --frames 1000 --size 60-1518 --window 32 "path=$dir/s0" || return 1
	! run_frontend --frames 100 --size 1523-1523 "path=$dir/s0" || return 1
	stop_backend "$far"
	stop_backend "$near" || return 1
	near_holds 1 '.tx_mtu > 0 and .tx_frames >= 1000'
}

# What is to be cut into segments is measured by those.
mtu_segments()
{
	local how="--port $dir/s0 --port $dir/s1 --forward patch --mtu"

	through "$how 1488" --segments --frames 100 "path=$dir/s0" "path=$dir/s1" &&
		through "$how 1488" --segments --frames 100 --lro "path=$dir/s0" "path=$dir/s1" &&
		! through "$how 1487" --segments --frames 100 "path=$dir/s0" "path=$dir/s1" &&
		holds 0 '.rx_mtu > 0'
}

# several LCORES: a sender with one queue, a receiver with four
several()
{
	backend_cpus=$1 through "--port $dir/s0 --port $dir/s1 --forward patch" --scenario flows \
		--queues 4 --one-sender "path=$dir/s0" "path=$dir/s1,queues=4"
}

tagged_segments()
{
	through "--port $dir/s0 --port $dir/s1 --forward patch" --segments --vlan --frames 200 "$@" \
		"path=$dir/s0" "path=$dir/s1" && holds 1 '.tx_offload == 0'
}

# Two back ends in a row: what the first leaves to its uplink, a virtio_user device,
# reaches the second as it was.
uplink_offloads()
{
	local far near status=0

	start_backend --port "$dir/s1" --port "$dir/s2" --forward patch
	far=$last
	start_near "$dir/s0"
	run_frontend --segments --frames 200 "$@" "path=$dir/s0" "path=$dir/s2" || status=1
	stop_backend "$near" || status=1
	stop_backend "$far" || status=1
	near_holds 1 '.gso_finished == 0 and .csum_finished == 0 and .tx_offload == 0 and
		      .tx_frames > 0' || status=1
	return $status
}

# The other way: the far end's checksums are not there yet when the uplink gets them.
uplink_receives()
{
	local far near status=0

	start_backend --port "$dir/s1" --port "$dir/s0" --forward patch
	far=$last
	start_near "$dir/s2"
	run_frontend --segments --frames 200 "path=$dir/s0" "path=$dir/s2" || status=1
	stop_backend "$near" || status=1
	stop_backend "$far" || status=1
	near_holds 0 '.csum_finished > 0' || status=1
	return $status
}

# A link that goes down is noticed, and one that was never up, too.
link()
{
	local far near i status=0

	start_backend --port "$dir/s1"
	far=$last
	start_backend --port "$dir/s0" --forward switch --memory 256 \
		--uplink "net_virtio_user0,path=$dir/s1"
	near=$last
	kill -KILL "$far"
	wait "$far" 2>/dev/null
	for ((i = 0; i < 100; i++)); do
		grep -q 'link down' "$dir/backend.log" && break
		sleep 0.05
	done
	stop_backend "$near" || status=1
	grep -q 'net_virtio_user0.*: link down' "$dir/backend.log" && return $status
	printf 'nothing was said of the link\n' >>"$dir/why"
	return 1
}

# announced MODE STATUS: port 1's front end wants an address announced to port 0's.
announced()
{
	local back i status=0

	start_backend --port "$dir/s0" --port "$dir/s1" --forward "$1" --mtu 1500
	back=$last
	timeout -k 2 $hang $frontend --cpu "${cpus[1]}" --scenario announced "path=$dir/s0" \
		>"$dir/frontend.log" 2>&1 &
	pids+=($!)
	for ((i = 0; i < 200; i++)); do
		grep -q ready "$dir/frontend.log" &&
			grep -q 's0: front end ready' "$dir/backend.log" && break
		sleep 0.05
	done
	sleep 0.3
	tests/dpdk/announce.py "$dir/s1" 2>>"$dir/why" || status=1
	wait "${pids[-1]}" || status=1
	tail -n 1 "$dir/frontend.log" >>"$dir/why"
	[ "$(tests/dpdk/announce.py "$dir/s1" 1500 2>>"$dir/why")" = accepted ] || status=1
	[ "$(tests/dpdk/announce.py "$dir/s1" 1501 2>>"$dir/why")" = refused ] || status=1
	stop_backend "$back" || status=1
	holds 1 '.announced >= 1' || status=1
	return $status
}

wrong_settings()
{
	local status=0

	refused 'give 1 to 1000G' --port "$dir/s0,rate=fast" || status=1
	refused 'give 1 to 1000G' --port "$dir/s0,pps=0" || status=1
	refused 'give 1 to 1000G' --port "$dir/s0,storm=2000G" || status=1
	refused 'in milliseconds' --port "$dir/s0,burst=0" || status=1
	refused 'give 68 to 65535' --port "$dir/s0,mtu=67" || status=1
	refused 'give 1 to 65536' --uplink "net_null0,addresses=70000" || status=1
	refused 'number from' --port "$dir/s0" --mtu 9 || status=1
	refused 'cannot have an MTU' --memory 256 --uplink net_null0,mtu=9000 || status=1
	return $status
}

run_case 'wrong settings of ports are refused with a sentence' wrong_settings
run_case 'switch, silent addresses are forgotten' ageing
run_case 'switch, an address moves' moving
run_case 'switch, a port invents 20000 addresses' inventing
run_case 'switch, group addresses' groups
run_case 'switch, isolated ports and one that is not' isolated
run_case 'switch, no more is flooded than may be' storm
run_case 'reflect, group addresses' returned
run_case 'limits in frames, from a port' limited pps=1000 sink
run_case 'limits in bits, from a port' limited rate=512k sink
run_case 'limits in frames, to a port' limited pps-to=1000 source
run_case 'limits in bits, to a port' limited rate-to=480k source
run_case 'limits in frames, to a port, while lcores sleep' paced
run_case 'limits that are not reached' generous
run_case 'MTU, frames that fit' mtu_fits
run_case 'MTU, frames that do not' mtu_exceeded
run_case 'MTU, frames to be segmented' mtu_segments
run_case 'MTU of a device' mtu_of_a_device
run_case 'flows spread over the queues of a receiver' several "${cpus[0]}"
run_case 'flows spread over the queues of a receiver, 2 lcores' several "${cpus[0]},${cpus[1]}"
run_case 'offloads finished in software, two tags' tagged_segments
run_case 'offloads handed on, two tags' tagged_segments --lro
run_case 'offloads left to an uplink' uplink_offloads
run_case 'offloads left to an uplink, two tags' uplink_offloads --vlan
run_case 'checksums that an uplink receives unfinished' uplink_receives
run_case 'an uplink of which the link goes down' link
run_case 'an address announced through a switch' announced switch
run_case 'an address announced through a patch' announced patch
